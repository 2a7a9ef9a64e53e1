//! When the peer is gone, everyone who waits for it hears of it, whatever they wait for.

use std::{
    io::{ErrorKind, Write as _},
    pin::pin,
    task::Poll,
};

use greenloop::net::TcpStream;

#[path = "support/net.rs"]
mod support;
use support::{fill, pair_with_std, poll_once, reset, run};

/// A socket that watches, with the kernel's first news about it consumed.
async fn watched() -> (TcpStream, std::net::TcpStream) {
    let (ours, theirs) = pair_with_std();
    ours.writable().await.unwrap();
    assert!(poll_once(ours.read(&mut [0])).is_pending());
    (ours, theirs)
}

#[test]
fn a_reader_hears_that_the_peer_closed() {
    run(async {
        let (ours, theirs) = watched().await;
        let mut buffer = [0; 8];
        let mut read = pin!(ours.read(&mut buffer));
        assert!(poll_once(read.as_mut()).is_pending());
        drop(theirs);
        assert_eq!(read.await.unwrap(), 0);
    });
}

#[test]
fn a_reader_hears_of_a_reset() {
    run(async {
        let (ours, theirs) = watched().await;
        let mut buffer = [0; 8];
        let mut read = pin!(ours.read(&mut buffer));
        assert!(poll_once(read.as_mut()).is_pending());
        reset(theirs);
        assert_eq!(read.await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_reader_hears_of_a_peer_that_closes_with_unread_data() {
    run(async {
        let (ours, theirs) = watched().await;
        ours.write_all(b"never read").await.unwrap();
        let mut buffer = [0; 8];
        let mut read = pin!(ours.read(&mut buffer));
        assert!(poll_once(read.as_mut()).is_pending());
        drop(theirs);
        assert_eq!(read.await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_writer_hears_of_a_reset() {
    run(async {
        let (ours, theirs) = watched().await;
        fill(&ours).await;
        let mut write = pin!(ours.write(b"x"));
        assert!(poll_once(write.as_mut()).is_pending());
        reset(theirs);
        assert_eq!(write.await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_writer_hears_of_a_peer_that_closes_with_unread_data() {
    run(async {
        let (ours, theirs) = watched().await;
        fill(&ours).await;
        let mut write = pin!(ours.write_all(b"x"));
        assert!(poll_once(write.as_mut()).is_pending());
        drop(theirs);
        let kind = write.await.unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind}");
    });
}

#[test]
fn who_waits_to_read_and_who_waits_to_write_both_hear_of_it() {
    run(async {
        let (ours, theirs) = watched().await;
        fill(&ours).await;
        let mut buffer = [0; 8];
        let mut read = pin!(ours.read(&mut buffer));
        let mut write = pin!(ours.write(b"x"));
        let mut readable = pin!(ours.readable());
        let mut writable = pin!(ours.writable());
        assert!(poll_once(read.as_mut()).is_pending());
        assert!(poll_once(write.as_mut()).is_pending());
        assert!(poll_once(readable.as_mut()).is_pending());
        assert!(poll_once(writable.as_mut()).is_pending());

        reset(theirs);

        readable.await.unwrap();
        writable.await.unwrap();
        // The error is told to the first who asks; the other sees an ended stream.
        let (read, write) = (read.await, write.await);
        assert!(read.is_err() || write.is_err());
        assert!(matches!(read, Err(_) | Ok(0)));
        assert!(write.is_err());
    });
}

#[test]
fn the_readiness_of_a_closed_connection_stays() {
    run(async {
        let (ours, mut theirs) = watched().await;
        theirs.write_all(b"abc").unwrap();
        drop(theirs);
        for _ in 0..3 {
            ours.readable().await.unwrap();
        }
        assert_eq!(ours.read(&mut [0; 64]).await.unwrap(), 3);
        for _ in 0..3 {
            ours.readable().await.unwrap();
            assert_eq!(ours.read(&mut [0; 64]).await.unwrap(), 0);
            assert_eq!(ours.try_read(&mut [0; 64]).unwrap(), 0);
        }
    });
}

#[test]
fn a_peer_that_only_ended_its_direction_can_still_be_written_to() {
    run(async {
        let (ours, theirs) = watched().await;
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(ours.read(&mut [0; 64]).await.unwrap(), 0);

        fill(&ours).await;
        let mut write = Box::pin(ours.write(b"x"));
        assert!(poll_once(write.as_mut()).is_pending());
        let reader = std::thread::spawn(move || {
            std::io::copy(&mut &theirs, &mut std::io::sink()).unwrap();
        });
        assert_eq!(write.await.unwrap(), 1);

        drop(ours);
        reader.join().unwrap();
    });
}

#[test]
fn a_hang_up_that_came_before_the_first_wait_is_heard_of() {
    run(async {
        let (ours, theirs) = pair_with_std();
        reset(theirs);
        ours.readable().await.unwrap();
        ours.writable().await.unwrap();
        assert!(ours.read(&mut [0]).await.is_err());

        let (ours, theirs) = pair_with_std();
        drop(theirs);
        ours.readable().await.unwrap();
        assert!(matches!(poll_once(ours.read(&mut [0])), Poll::Ready(Ok(0))));
    });
}

#[test]
fn tasks_of_other_connections_hear_nothing_of_it() {
    run(async {
        let (ours, theirs) = watched().await;
        let (other, mut others_peer) = watched().await;
        let (wakes, waker) = support::Wakes::new();
        let mut buffer = [0; 8];
        let mut wait = Box::pin(other.read(&mut buffer));
        assert!(support::poll(wait.as_mut(), &waker).is_pending());

        reset(theirs);
        ours.readable().await.unwrap();

        assert_eq!(wakes.count(), 0);
        others_peer.write_all(b"x").unwrap();
        other.readable().await.unwrap();
        assert_eq!(wakes.count(), 1);
        assert_eq!(wait.await.unwrap(), 1);
    });
}
