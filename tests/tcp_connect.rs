//! A connect ends: with a connection, with the system's error, or by being dropped.

use std::{
    io::{ErrorKind, Read as _},
    net::{Ipv6Addr, SocketAddr},
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use greenloop::{
    net::{TcpListener, TcpStream},
    statistics, timeout,
};
use socket2::{Domain, Socket, Type};

#[path = "support/net.rs"]
mod support;
use support::{poll_once, reset, run};

/// An address that nobody listens on, for as long as the socket is kept.
fn refusing() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

#[test]
fn both_ends_agree_on_their_addresses() {
    run(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();

        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();

        let (server, peer) = listener.accept().unwrap();
        assert_eq!(client.local_addr().unwrap(), peer);
        assert_eq!(client.peer_addr().unwrap(), server.local_addr().unwrap());
    });
}

#[test]
fn a_refused_connection_is_an_error_and_leaves_nothing() {
    run(async {
        let (_socket, address) = refusing();

        let error = TcpStream::connect(address).await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(statistics().sockets, 0);
    });
}

#[test]
fn the_addresses_are_tried_in_turn() {
    run(async {
        let (_socket, refused) = refusing();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();

        let client = TcpStream::connect([refused, refused, good, refused]).await.unwrap();

        assert_eq!(client.peer_addr().unwrap(), good);
    });
}

#[test]
fn when_no_address_answers_the_last_error_is_told() {
    run(async {
        let (_socket, refused) = refusing();
        // Nobody can connect to the address that stands for all of a multicast group.
        let impossible: SocketAddr = "224.0.0.1:9".parse().unwrap();

        let error = TcpStream::connect([impossible, refused]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let error = TcpStream::connect([refused, impossible]).await.unwrap_err();
        assert_ne!(error.kind(), ErrorKind::ConnectionRefused);
        let error = TcpStream::connect(Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_peer_that_hangs_up_at_once_is_seen_by_the_first_read() {
    run(async {
        for _ in 0..20 {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let mut connect = pin!(TcpStream::connect(listener.local_addr().unwrap()));
            // The kernel answers before anyone accepts.
            let early = poll_once(connect.as_mut());
            let (server, _) = listener.accept().unwrap();
            drop(server);

            let client = match early {
                Poll::Ready(client) => client.unwrap(),
                Poll::Pending => connect.await.unwrap(),
            };

            assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        }
    });
}

#[test]
fn a_peer_that_resets_at_once_is_an_error_of_the_connect_or_the_first_read() {
    run(async {
        for _ in 0..20 {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let mut connect = pin!(TcpStream::connect(listener.local_addr().unwrap()));
            let early = poll_once(connect.as_mut());
            let (server, _) = listener.accept().unwrap();
            reset(server);

            let connected = match early {
                Poll::Ready(connected) => connected,
                Poll::Pending => connect.await,
            };
            let error = match connected {
                Ok(client) => client.read(&mut [0]).await.unwrap_err(),
                Err(error) => error,
            };

            assert!(
                matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::NotConnected),
                "{error}"
            );
        }
    });
}

#[test]
fn a_dropped_connect_closes_its_socket() {
    run(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut connect = Box::pin(TcpStream::connect(listener.local_addr().unwrap()));
        assert!(poll_once(connect.as_mut()).is_pending());
        assert_eq!(statistics().sockets, 1);

        drop(connect);

        assert_eq!(statistics().sockets, 0);
        let (mut server, _) = listener.accept().unwrap();
        assert_eq!(server.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn a_connect_that_nobody_answers_ends_with_its_time_out() {
    run(async {
        // With its queue full, the kernel does not answer for a listener any more.
        let listener = TcpListener::options().backlog(1).bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limit = Duration::from_millis(50);
        let mut queue = Vec::new();

        let waited = loop {
            assert!(queue.len() < 100, "the queue has no end");
            let start = Instant::now();
            match timeout(limit, TcpStream::connect(address)).await {
                Ok(stream) => queue.push(stream.unwrap()),
                Err(_) => break start.elapsed(),
            }
        };

        assert!(waited >= limit);
        drop(queue);
        assert_eq!(statistics().sockets, 0);
    });
}

#[test]
fn a_hundred_connects_side_by_side_all_succeed() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();

        let clients = greenloop::join_all((0..100).map(|_| TcpStream::connect(address)));
        let servers = async {
            let mut servers = Vec::new();
            while servers.len() < 100 {
                servers.push(listener.accept().await.unwrap().1);
            }
            servers
        };
        let (clients, mut servers) = greenloop::join!(clients, servers);

        let mut clients: Vec<_> =
            clients.into_iter().map(|client| client.unwrap().local_addr().unwrap()).collect();
        clients.sort();
        servers.sort();
        assert_eq!(clients, servers);
    });
}

#[test]
fn six_is_as_good_as_four() {
    if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return eprintln!("no IPv6 on this machine");
    }
    run(async {
        let listener = TcpListener::bind("[::1]:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        client.write_all(b"six").await.unwrap();
        let mut buffer = [0; 3];
        server.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"six");
    });
}
