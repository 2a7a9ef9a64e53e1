//! A UDP socket keeps datagrams apart, loses none that arrived, and is told about those that did not
//! arrive.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::pin,
    rc::Rc,
    time::Duration,
};

use greenloop::{net::UdpSocket, sleep, statistics, timeout};

#[path = "support/net.rs"]
mod support;
use support::{Wakes, poll, poll_once, run};

const MILLISECOND: Duration = Duration::from_millis(1);

/// Two sockets that are connected to each other.
async fn pair() -> (UdpSocket, UdpSocket) {
    let ours = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let theirs = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    ours.connect(theirs.local_addr().unwrap()).await.unwrap();
    theirs.connect(ours.local_addr().unwrap()).await.unwrap();
    (ours, theirs)
}

#[test]
fn datagrams_come_one_by_one_although_each_is_shorter_than_the_buffer() {
    run(async {
        let (ours, theirs) = pair().await;
        // Registered and waiting, so that all three come with one event.
        let mut buffer = [0; 100];
        assert!(poll_once(ours.recv(&mut buffer)).is_pending());
        for datagram in [&b"one"[..], b"two", b"three"] {
            theirs.send(datagram).await.unwrap();
        }

        for expected in [&b"one"[..], b"two", b"three"] {
            let count = ours.recv(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..count], expected);
        }
        assert!(poll_once(ours.recv(&mut buffer)).is_pending());
    });
}

#[test]
fn an_empty_datagram_is_a_datagram_and_not_an_end() {
    run(async {
        let (ours, theirs) = pair().await;
        assert_eq!(theirs.send(b"").await.unwrap(), 0);
        theirs.send(b"more").await.unwrap();

        let mut buffer = [7; 8];
        assert_eq!(ours.recv(&mut buffer).await.unwrap(), 0);
        assert_eq!(ours.recv(&mut buffer).await.unwrap(), 4);
    });
}

#[test]
fn an_empty_buffer_takes_a_datagram_and_not_the_next() {
    run(async {
        let (ours, theirs) = pair().await;
        theirs.send(b"one").await.unwrap();
        theirs.send(b"two").await.unwrap();

        assert_eq!(ours.recv(&mut []).await.unwrap(), 0);

        let mut buffer = [0; 8];
        assert_eq!(ours.recv(&mut buffer).await.unwrap(), 3);
        assert_eq!(&buffer[..3], b"two");
    });
}

#[test]
fn what_does_not_fit_into_the_buffer_is_lost_with_its_datagram_only() {
    run(async {
        let (ours, theirs) = pair().await;
        theirs.send(b"a long one").await.unwrap();
        theirs.send(b"next").await.unwrap();

        let mut buffer = [0; 4];
        assert_eq!(ours.recv(&mut buffer).await.unwrap(), 4);
        assert_eq!(&buffer, b"a lo");
        assert_eq!(ours.recv(&mut buffer).await.unwrap(), 4);
        assert_eq!(&buffer, b"next");
    });
}

#[test]
fn a_datagram_that_is_too_long_is_an_error_and_the_socket_goes_on() {
    run(async {
        let (ours, theirs) = pair().await;
        let error = ours.send(&[0; 70_000]).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));

        ours.send(b"short").await.unwrap();
        assert_eq!(theirs.recv(&mut [0; 8]).await.unwrap(), 5);
    });
}

#[test]
fn the_sender_is_told_with_the_datagram() {
    run(async {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let mut buffer = [0; 8];
        for number in 0..3 {
            let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            client.send_to(&[number], address).await.unwrap();

            let peeked = server.peek_from(&mut buffer).await.unwrap();
            let received = server.recv_from(&mut buffer).await.unwrap();

            assert_eq!(received, (1, client.local_addr().unwrap()));
            assert_eq!((peeked, buffer[0]), (received, number));
            server.send_to(b"re", received.1).await.unwrap();
            assert_eq!(client.recv(&mut buffer).await.unwrap(), 2);
        }
    });
}

#[test]
fn a_peek_leaves_the_datagram() {
    run(async {
        let (ours, theirs) = pair().await;
        let mut buffer = [0; 8];
        {
            let mut peek = pin!(ours.peek(&mut buffer));
            assert!(poll_once(peek.as_mut()).is_pending());
            theirs.send(b"here").await.unwrap();
            assert_eq!(peek.await.unwrap(), 4);
        }
        assert_eq!(ours.peek(&mut buffer[..2]).await.unwrap(), 2);
        assert_eq!(ours.recv(&mut buffer).await.unwrap(), 4);
        assert_eq!(&buffer[..4], b"here");
        assert!(poll_once(ours.peek(&mut buffer)).is_pending());
    });
}

#[test]
fn a_connected_socket_hears_its_peer_only() {
    run(async {
        let (ours, theirs) = pair().await;
        let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        stranger.send_to(b"psst", ours.local_addr().unwrap()).await.unwrap();
        theirs.send(b"hello").await.unwrap();

        let mut buffer = [0; 8];
        assert_eq!(ours.recv(&mut buffer).await.unwrap(), 5);
        assert_eq!(ours.peer_addr().unwrap(), theirs.local_addr().unwrap());

        ours.connect(stranger.local_addr().unwrap()).await.unwrap();
        stranger.send_to(b"now", ours.local_addr().unwrap()).await.unwrap();
        assert_eq!(ours.recv(&mut buffer).await.unwrap(), 3);
    });
}

#[test]
fn without_a_peer_a_send_is_an_error_and_a_receive_takes_from_anybody() {
    run(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let error = socket.send(b"x").await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EDESTADDRREQ));
        assert_eq!(socket.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected);

        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        other.send_to(b"x", socket.local_addr().unwrap()).await.unwrap();
        assert_eq!(socket.recv(&mut [0; 8]).await.unwrap(), 1);
    });
}

#[test]
fn a_port_that_nobody_has_is_told_to_the_receive_that_waits_and_the_socket_goes_on() {
    run(async {
        let (ours, theirs) = pair().await;
        let address = theirs.local_addr().unwrap();
        let mut buffer = [0; 8];
        drop(theirs);
        {
            let mut recv = pin!(ours.recv(&mut buffer));
            assert!(poll_once(recv.as_mut()).is_pending());
            ours.send(b"anybody?").await.unwrap();
            assert_eq!(recv.await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        }

        let theirs = UdpSocket::bind(address).await.unwrap();
        theirs.send_to(b"yes", ours.local_addr().unwrap()).await.unwrap();
        assert_eq!(ours.recv(&mut buffer).await.unwrap(), 3);
    });
}

#[test]
fn a_dropped_receive_loses_no_datagram_and_leaves_no_waker() {
    run(async {
        let (ours, theirs) = pair().await;
        let mut buffer = [0; 8];
        for round in 0..50 {
            let (wakes, waker) = Wakes::new();
            let mut unused = [0; 8];
            let mut recv = Box::pin(ours.recv(&mut unused));
            assert!(poll(recv.as_mut(), &waker).is_pending());
            theirs.send(&[round]).await.unwrap();
            if round % 2 == 0 {
                // Woken, and dropped before it is polled again.
                ours.readable().await.unwrap();
            }
            drop(recv);
            assert_eq!(wakes.clones(), 0);

            assert_eq!(ours.recv(&mut buffer).await.unwrap(), 1);
            assert_eq!(buffer[0], round);
        }
    });
}

#[test]
fn several_tasks_share_a_socket_and_each_datagram_goes_to_one_of_them() {
    run(async {
        let (ours, theirs) = pair().await;
        let ours = Rc::new(ours);
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let ours = Rc::clone(&ours);
                greenloop::spawn(async move {
                    let mut buffer = [0; 8];
                    assert_eq!(ours.recv(&mut buffer).await.unwrap(), 1);
                    buffer[0]
                })
            })
            .collect();
        greenloop::yield_now().await;
        for number in 0..10 {
            theirs.send(&[number]).await.unwrap();
        }

        let received = greenloop::join_all(tasks).await.into_iter();
        let mut received: Vec<_> = received.map(Result::unwrap).collect();
        received.sort_unstable();
        assert!(received.into_iter().eq(0..10));
    });
}

#[test]
fn one_task_sends_while_another_receives() {
    run(async {
        let (ours, theirs) = pair().await;
        let ours = Rc::new(ours);
        let echo = greenloop::spawn(async move {
            let mut buffer = [0; 8];
            loop {
                let count = theirs.recv(&mut buffer).await.unwrap();
                theirs.send(&buffer[..count]).await.unwrap();
            }
        });
        let receiver = greenloop::spawn({
            let ours = Rc::clone(&ours);
            async move {
                let mut buffer = [0; 8];
                for number in 0..100 {
                    assert_eq!(ours.recv(&mut buffer).await.unwrap(), 1);
                    assert_eq!(buffer[0], number);
                }
            }
        });
        for number in 0..100 {
            ours.send(&[number]).await.unwrap();
            sleep(Duration::from_micros(1)).await;
        }
        receiver.await.unwrap();
        echo.abort();
    });
}

#[test]
fn a_socket_that_always_has_datagrams_lets_others_run() {
    run(async {
        let (ours, theirs) = pair().await;
        let flood = greenloop::spawn(async move {
            let mut buffer = [0; 8];
            loop {
                ours.send(b"x").await.unwrap();
                theirs.recv(&mut buffer).await.unwrap();
            }
        });
        greenloop::yield_now().await;
        sleep(MILLISECOND).await;
        flood.abort();
    });
}

#[test]
fn tries_say_at_once_what_is_there() {
    run(async {
        let (ours, theirs) = pair().await;
        let mut buffer = [0; 8];
        let would_block = |result: std::io::Result<usize>| {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::WouldBlock);
        };
        would_block(ours.try_recv(&mut buffer));
        would_block(ours.try_peek(&mut buffer));
        would_block(ours.try_peek_from(&mut buffer).map(|(count, _)| count));
        assert_eq!(theirs.try_send(b"one").unwrap(), 3);
        assert_eq!(ours.try_peek(&mut buffer).unwrap(), 3);
        let peeked = ours.try_peek_from(&mut buffer).unwrap();
        assert_eq!(peeked, (3, theirs.local_addr().unwrap()));
        assert_eq!(ours.try_recv(&mut buffer).unwrap(), 3);
        assert_eq!(theirs.try_send_to(b"two!", ours.local_addr().unwrap()).unwrap(), 4);
        let received = ours.try_recv_from(&mut buffer).unwrap();
        assert_eq!(received, (4, theirs.local_addr().unwrap()));
        would_block(ours.try_recv(&mut buffer));

        // What a try found out, the next wait knows.
        let mut readable = pin!(ours.readable());
        assert!(poll_once(readable.as_mut()).is_pending());
        theirs.try_send(b"three").unwrap();
        readable.await.unwrap();
        ours.writable().await.unwrap();
        assert_eq!(ours.try_recv(&mut buffer).unwrap(), 5);
    });
}

#[test]
fn names_and_lists_of_addresses_are_resolved() {
    run(async {
        let server = UdpSocket::bind(("localhost", 0)).await.unwrap();
        let port = server.local_addr().unwrap().port();
        let impossible: SocketAddr = "203.0.113.1:9".parse().unwrap();
        let here: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let client = UdpSocket::bind([impossible, here]).await.unwrap();
        assert_eq!(client.local_addr().unwrap().ip(), here.ip());
        let by_name = UdpSocket::bind(("localhost", 0)).await.unwrap();
        by_name.connect(("localhost", port)).await.unwrap();
        by_name.send(b"by name").await.unwrap();
        assert_eq!(server.recv(&mut [0; 16]).await.unwrap(), 7);
        // The first address of a list is the one that is sent to.
        let to = [server.local_addr().unwrap(), impossible];
        by_name.send_to(b"list", to).await.unwrap();
        assert_eq!(server.recv(&mut [0; 16]).await.unwrap(), 4);

        for error in [
            UdpSocket::bind(impossible).await.map(drop).unwrap_err(),
            UdpSocket::bind(Vec::new()).await.map(drop).unwrap_err(),
            client.connect("no port").await.unwrap_err(),
            client.send_to(b"x", Vec::new()).await.map(drop).unwrap_err(),
        ] {
            let expected = [ErrorKind::AddrNotAvailable, ErrorKind::InvalidInput];
            assert!(expected.contains(&error.kind()), "{error}");
        }
    });
}

#[test]
fn a_socket_goes_to_std_and_back() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let socket = UdpSocket::from_std(socket).unwrap();
    let socket = run(async move {
        assert!(poll_once(socket.recv(&mut [0])).is_pending());
        assert_eq!(statistics().sockets, 1);
        let socket = socket.into_std().unwrap();
        assert_eq!(statistics().sockets, 0);
        socket
    });
    assert_eq!(socket.local_addr().unwrap(), address);
    run(async move {
        let socket = UdpSocket::try_from(std::os::fd::OwnedFd::from(socket)).unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        other.send_to(b"again", address).await.unwrap();
        assert_eq!(socket.recv(&mut [0; 8]).await.unwrap(), 5);
    });
}

#[test]
fn outside_of_a_loop_tries_work_and_waits_are_errors() {
    let socket = UdpSocket::from_std(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
    let own = socket.local_addr().unwrap();
    assert_eq!(socket.try_send_to(b"me", own).unwrap(), 2);
    let mut buffer = [0; 8];
    // The loopback device delivers before the send returns.
    assert_eq!(socket.try_recv_from(&mut buffer).unwrap(), (2, own));
    assert!(matches!(poll_once(socket.recv(&mut buffer)), std::task::Poll::Ready(Err(_))));
    assert!(matches!(poll_once(socket.readable()), std::task::Poll::Ready(Err(_))));
}

#[test]
fn options_are_kept() {
    run(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        assert!(!socket.broadcast().unwrap());
        socket.set_broadcast(true).unwrap();
        assert!(socket.broadcast().unwrap());
        socket.set_ttl(7).unwrap();
        assert_eq!(socket.ttl().unwrap(), 7);
        socket.set_multicast_ttl_v4(3).unwrap();
        assert_eq!(socket.multicast_ttl_v4().unwrap(), 3);
        assert!(socket.multicast_loop_v4().unwrap());
        socket.set_multicast_loop_v4(false).unwrap();
        assert!(!socket.multicast_loop_v4().unwrap());
        socket.set_recv_buffer_size(32 * 1024).unwrap();
        socket.set_send_buffer_size(32 * 1024).unwrap();
        let socket_ref = socket2::SockRef::from(&socket);
        // Linux doubles what it is asked for.
        assert!(socket_ref.recv_buffer_size().unwrap() >= 32 * 1024);
        assert!(socket_ref.send_buffer_size().unwrap() >= 32 * 1024);
        assert!(socket.take_error().unwrap().is_none());
        let Ok(six) = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).await else {
            return eprintln!("no IPv6 on this machine");
        };
        assert!(six.multicast_loop_v6().unwrap());
        six.set_multicast_loop_v6(false).unwrap();
        assert!(!six.multicast_loop_v6().unwrap());
    });
}

#[test]
fn members_of_a_group_hear_what_is_said_to_it() {
    run(async {
        let group = Ipv4Addr::new(224, 0, 0, 251);
        let member = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        let port = member.local_addr().unwrap().port();
        let here = Ipv4Addr::LOCALHOST;
        if let Err(error) = member.join_multicast_v4(&group, &here) {
            return eprintln!("no multicast on this machine: {error}");
        }
        let speaker = UdpSocket::bind((here, 0)).await.unwrap();
        socket2::SockRef::from(&speaker).set_multicast_if_v4(&here).unwrap();
        if let Err(error) = speaker.send_to(b"all", (group, port)).await {
            return eprintln!("no multicast on this machine: {error}");
        }
        let mut buffer = [0; 8];
        match timeout(Duration::from_secs(1), member.recv(&mut buffer)).await {
            Ok(count) => assert_eq!(&buffer[..count.unwrap()], b"all"),
            Err(_) => return eprintln!("no multicast on the loopback device"),
        }

        member.leave_multicast_v4(&group, &here).unwrap();
        speaker.send_to(b"gone", (group, port)).await.unwrap();
        speaker.send_to(b"you", (here, port)).await.unwrap();
        assert_eq!(member.recv(&mut buffer).await.unwrap(), 3);
        let error = member.leave_multicast_v4(&group, &here).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    });
}
