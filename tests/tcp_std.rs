//! Sockets come from the standard library and go back to it, registered or not, and then on to
//! another loop.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    pin::pin,
};

use greenloop::{
    net::{TcpListener, TcpStream},
    statistics,
};

#[path = "support/net.rs"]
mod support;
use support::{Wakes, pair_with_std, poll, poll_once, run, std_pair};

#[test]
fn a_blocking_socket_becomes_a_non_blocking_one() {
    let (ours, _theirs) = std_pair();
    ours.set_nonblocking(false).unwrap();

    let ours = TcpStream::from_std(ours).unwrap();

    assert_eq!(ours.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    let ours = ours.into_std().unwrap();
    assert_eq!((&ours).read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_blocking_listener_becomes_a_non_blocking_one() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    run(async {
        assert!(poll_once(listener.accept()).is_pending());
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    });
}

#[test]
fn a_watched_socket_goes_back_and_is_not_watched_any_more() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        let number = ours.as_raw_fd();
        assert!(poll_once(ours.readable()).is_pending());
        assert_eq!(statistics().sockets, 1);

        let mut back = ours.into_std().unwrap();

        assert_eq!((statistics().sockets, back.as_raw_fd()), (0, number));
        back.set_nonblocking(false).unwrap();
        theirs.write_all(b"x").unwrap();
        assert_eq!(back.read(&mut [0; 8]).unwrap(), 1);
    });
}

#[test]
fn a_socket_that_came_back_can_be_watched_again() {
    run(async {
        let (mut ours, mut theirs) = pair_with_std();
        for round in 0..10 {
            let mut buffer = [0];
            {
                let mut read = pin!(ours.read(&mut buffer));
                assert!(poll_once(read.as_mut()).is_pending());
                theirs.write_all(&[round]).unwrap();
                assert_eq!(read.await.unwrap(), 1);
            }
            assert_eq!(buffer, [round]);
            ours = TcpStream::from_std(ours.into_std().unwrap()).unwrap();
        }
    });
}

#[test]
fn a_listener_goes_back_and_comes_again() {
    run(async {
        let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for _ in 0..3 {
            assert!(poll_once(listener.accept()).is_pending());
            let client = std::net::TcpStream::connect(address).unwrap();
            listener = TcpListener::from_std(listener.into_std().unwrap()).unwrap();
            assert_eq!(statistics().sockets, 0);
            let (_, peer) = listener.accept().await.unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
        }
    });
}

#[test]
fn sockets_are_made_of_owned_descriptors_too() {
    run(async {
        let (ours, mut theirs) = std_pair();
        let ours = TcpStream::try_from(OwnedFd::from(ours)).unwrap();
        theirs.write_all(b"x").unwrap();
        assert_eq!(ours.read(&mut [0]).await.unwrap(), 1);
        assert_eq!(ours.as_fd().as_raw_fd(), ours.as_raw_fd());

        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = TcpListener::try_from(OwnedFd::from(listener)).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        listener.accept().await.unwrap();
    });
}

#[test]
fn a_watched_socket_is_refused_by_another_loop() {
    let (ours, mut theirs) = pair_with_std();
    let mut first = greenloop::EventLoop::new().unwrap();
    first.run(async { assert!(poll_once(ours.readable()).is_pending()) });
    theirs.write_all(b"x").unwrap();

    run(async {
        for error in [
            ours.read(&mut [0]).await.unwrap_err(),
            ours.write(b"y").await.unwrap_err(),
            ours.readable().await.unwrap_err(),
            ours.peek(&mut [0]).await.unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(text.contains("belongs to another event loop"), "{text}");
            assert!(text.contains("into_std()"), "{text}");
        }
    });

    // Nothing was taken, and the first loop still works with it.
    assert_eq!(first.run(ours.read(&mut [0; 8])).unwrap(), 1);
}

#[test]
fn a_socket_whose_loop_has_ended_says_so() {
    let (ours, _theirs) = pair_with_std();
    run(async { assert!(poll_once(ours.readable()).is_pending()) });

    run(async {
        let text = ours.read(&mut [0]).await.unwrap_err().to_string();
        assert!(text.contains("an event loop that has ended"), "{text}");
        assert!(text.contains("into_std() and from_std()"), "{text}");
    });
}

#[test]
fn a_socket_whose_loop_has_ended_moves_to_another_one_by_way_of_std() {
    let (ours, mut theirs) = pair_with_std();
    run(async { assert!(poll_once(ours.readable()).is_pending()) });

    let ours = TcpStream::from_std(ours.into_std().unwrap()).unwrap();

    run(async {
        let mut buffer = [0];
        let mut read = pin!(ours.read(&mut buffer));
        assert!(poll_once(read.as_mut()).is_pending());
        theirs.write_all(b"x").unwrap();
        assert_eq!(read.await.unwrap(), 1);
    });
}

#[test]
fn a_socket_that_never_waited_moves_to_any_loop() {
    let (ours, mut theirs) = pair_with_std();
    run(async { ours.write_all(b"x").await.unwrap() });
    theirs.read_exact(&mut [0]).unwrap();
    run(async {
        let mut buffer = [0];
        let mut read = pin!(ours.read(&mut buffer));
        assert!(poll_once(read.as_mut()).is_pending());
        theirs.write_all(b"y").unwrap();
        assert_eq!(read.await.unwrap(), 1);
    });
}

#[test]
fn a_socket_keeps_its_place_in_a_loop_that_runs_again() {
    let (ours, mut theirs) = pair_with_std();
    let mut event_loop = greenloop::EventLoop::new().unwrap();
    event_loop.run(async { assert!(poll_once(ours.readable()).is_pending()) });
    theirs.write_all(b"x").unwrap();

    let read = event_loop.run(support::within(ours.read(&mut [0; 8])));

    assert_eq!(read.unwrap(), 1);
    assert_eq!(event_loop.statistics().sockets, 1);
}

#[test]
fn a_socket_dropped_between_two_runs_leaves_no_registration_in_the_next() {
    let (ours, _theirs) = pair_with_std();
    let mut event_loop = greenloop::EventLoop::new().unwrap();
    let (wakes, waker) = Wakes::new();
    let mut readable = Box::pin(async {
        let ours = ours;
        ours.readable().await
    });
    event_loop.run(async { assert!(poll(readable.as_mut(), &waker).is_pending()) });

    drop(readable);
    event_loop.run(async {
        for _ in 0..200 {
            greenloop::yield_now().await;
        }
    });

    assert_eq!((event_loop.statistics().sockets, wakes.clones(), wakes.count()), (0, 0, 0));
}
