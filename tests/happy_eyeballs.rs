//! A connect to several addresses is held up neither by those that refuse nor by those that are
//! silent, and leaves one connection.

use std::{
    future::poll_fn,
    io::ErrorKind,
    net::{Ipv6Addr, SocketAddr},
    pin::Pin,
    task::Poll,
    time::{Duration, Instant},
};

use greenloop::{
    net::{TcpListener, TcpStream},
    sleep, statistics, timeout,
};
use socket2::{Domain, Socket, Type};

#[path = "support/net.rs"]
mod support;
use support::{poll_once, run};

/// How long an address may be silent before the next is tried.
const STAGGER: Duration = Duration::from_millis(250);

/// An address that nobody listens on, for as long as the socket is kept.
fn refusing() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// An address that does not answer, for as long as this is kept: with the queue of its listener
/// full, the kernel is silent.
struct Silent {
    address: SocketAddr,
    listener: TcpListener,
    queue: Vec<TcpStream>,
}

impl Silent {
    async fn new() -> Self {
        let listener = TcpListener::options().backlog(1).bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(stream) = timeout(Duration::from_millis(50), TcpStream::connect(address)).await
        {
            queue.push(stream.unwrap());
            assert!(queue.len() < 100, "the queue has no end");
        }
        Self { address, listener, queue }
    }
}

#[test]
fn an_address_that_is_silent_holds_the_others_up_for_a_quarter_of_a_second() {
    run(async {
        let silent = Silent::new().await;
        let good = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = good.local_addr().unwrap();
        let before = statistics().sockets;

        let start = Instant::now();
        let stream = TcpStream::connect([silent.address, address]).await.unwrap();

        assert!(start.elapsed() >= STAGGER);
        assert_eq!(stream.peer_addr().unwrap(), address);
        // The attempt that is silent was given up.
        assert_eq!(statistics().sockets, before + 1);
    });
}

#[test]
fn each_silent_address_has_its_time_while_the_earlier_ones_go_on() {
    run(async {
        let (one, mut other) = (Silent::new().await, Silent::new().await);
        let addresses = [one.address, other.address, one.address];
        let before = statistics().sockets;
        let mut connect = Box::pin(TcpStream::connect(addresses));
        let start = Instant::now();
        assert!(poll_once(connect.as_mut()).is_pending());
        assert_eq!(statistics().sockets, before + 1);
        // Three attempts go on after two staggers; nothing is given up by then.
        let mut going = 1;
        while going < 3 {
            let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut connect).poll(cx))).await;
            assert!(polled.is_pending());
            going = statistics().sockets - before;
            sleep(Duration::from_millis(5)).await;
        }
        assert!(start.elapsed() >= 2 * STAGGER);

        // The second one answers when there is room in its queue: the kernel sends again by itself.
        drop(std::mem::take(&mut other.queue));
        while let Ok(accepted) = timeout(Duration::from_millis(20), other.listener.accept()).await {
            drop(accepted.unwrap());
        }
        let stream = connect.await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), other.address);
        drop((stream, one));
    });
}

#[test]
fn an_address_that_refuses_holds_nobody_up() {
    run(async {
        let (_socket, refused) = refusing();
        let good = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = good.local_addr().unwrap();
        // Were each to be waited for, this would take a minute.
        let addresses: Vec<_> = std::iter::repeat_n(refused, 250).chain([address]).collect();
        let stream = TcpStream::connect(addresses).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
    });
}

#[test]
fn a_refusal_starts_the_next_although_another_is_silent() {
    run(async {
        let silent = Silent::new().await;
        let (_socket, refused) = refusing();
        let good = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = good.local_addr().unwrap();
        let start = Instant::now();
        let addresses = [silent.address, refused, refused, address];
        let stream = TcpStream::connect(addresses).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        assert!(start.elapsed() >= STAGGER);
    });
}

#[test]
fn when_all_fail_every_cause_is_told() {
    run(async {
        let (_one, first) = refusing();
        let (_other, second) = refusing();
        let impossible: SocketAddr = "224.0.0.1:9".parse().unwrap();
        let before = statistics().sockets;

        let error = TcpStream::connect([first, impossible, second]).await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let text = error.to_string();
        for address in [first, impossible, second] {
            assert!(text.contains(&address.to_string()), "{text}");
        }
        assert_eq!(statistics().sockets, before);
        // One alone is the system's own.
        let error = TcpStream::connect(first).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
    });
}

#[test]
fn a_dropped_connect_closes_all_attempts() {
    run(async {
        let silent = Silent::new().await;
        let before = statistics();
        let mut connect = Box::pin(TcpStream::connect([silent.address; 4]));
        assert!(timeout(STAGGER + STAGGER / 2, connect.as_mut()).await.is_err());
        assert!(statistics().sockets > before.sockets);
        drop(connect);
        let after = statistics();
        assert_eq!((after.sockets, after.timers), (before.sockets, before.timers));
    });
}

#[test]
fn the_other_family_is_tried_before_the_rest_of_a_silent_one() {
    if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return eprintln!("no IPv6 on this machine");
    }
    run(async {
        let silent = Silent::new().await;
        let six = TcpListener::bind("[::1]:0").await.unwrap();
        let address = six.local_addr().unwrap();
        let start = Instant::now();
        let addresses = [silent.address, silent.address, silent.address, address];
        let stream = TcpStream::connect(addresses).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        assert!(start.elapsed() >= STAGGER);
        // The order itself is a matter of a test beside the code.
        let (_, peer) = six.accept().await.unwrap();
        assert_eq!(peer, stream.local_addr().unwrap());
    });
}
