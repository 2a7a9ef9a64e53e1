//! What a socket is told before it connects or listens, it keeps.

use std::{io::ErrorKind, net::SocketAddr, os::fd::OwnedFd, time::Duration};

use greenloop::net::{TcpSocket, TcpStream, lookup_host};
use socket2::SockRef;

#[path = "support/net.rs"]
mod support;
use support::run;

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[test]
fn a_socket_connects_from_where_it_was_bound_to() {
    run(async {
        let socket = TcpSocket::new_for(any_port()).unwrap();
        socket.bind(any_port()).unwrap();
        let listener = socket.listen(16).unwrap();

        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(any_port()).unwrap();
        let own = socket.local_addr().unwrap();
        assert_ne!(own.port(), 0);
        let client = socket.connect(listener.local_addr().unwrap()).await.unwrap();
        assert_eq!(client.local_addr().unwrap(), own);
        let (server, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, own);
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read(&mut [0]).await.unwrap(), 1);
    });
}

#[test]
fn options_are_kept_by_the_connection() {
    run(async {
        let listener = greenloop::net::TcpListener::bind(any_port()).await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_linger(Some(Duration::ZERO)).unwrap();
        socket.set_keepalive(Some(Duration::from_secs(77))).unwrap();
        socket.set_recv_buffer_size(50_000).unwrap();
        socket.set_send_buffer_size(60_000).unwrap();
        let sizes = (socket.recv_buffer_size().unwrap(), socket.send_buffer_size().unwrap());
        assert!(sizes.0 >= 50_000 && sizes.1 >= 60_000);
        let client = socket.connect(listener.local_addr().unwrap()).await.unwrap();
        assert!(client.nodelay().unwrap());
        assert_eq!(client.linger().unwrap(), Some(Duration::ZERO));
        let kept = SockRef::from(&client);
        assert!(kept.keepalive().unwrap());
        assert_eq!(kept.recv_buffer_size().unwrap(), sizes.0);
    });
}

#[test]
fn two_listeners_share_a_port_when_both_agree() {
    run(async {
        let listen = |address: SocketAddr, shared: bool| {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseport(shared).unwrap();
            socket.set_reuseaddr(true).unwrap();
            socket.bind(address)?;
            socket.listen(4)
        };
        let first = listen(any_port(), true).unwrap();
        let address = first.local_addr().unwrap();
        let second = listen(address, true).unwrap();
        assert_eq!(second.local_addr().unwrap(), address);
        assert_eq!(listen(address, false).unwrap_err().kind(), ErrorKind::AddrInUse);
    });
}

#[test]
fn errors_are_the_systems() {
    run(async {
        let socket = TcpSocket::new_v4().unwrap();
        let error = socket.bind("203.0.113.1:0".parse().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        socket.bind(any_port()).unwrap();
        let nobody = socket.local_addr().unwrap();
        let error = TcpSocket::new_v4().unwrap().connect(nobody).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let Ok(six) = TcpSocket::new_v6() else { return };
        assert!(six.set_only_v6(true).is_ok());
        assert!(six.bind(any_port()).is_err());
    });
}

#[test]
fn a_descriptor_made_elsewhere_is_taken_over() {
    run(async {
        let made = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = TcpSocket::from(OwnedFd::from(made.unwrap()));
        socket.bind(any_port()).unwrap();
        let listener = socket.listen(4).unwrap();
        TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        listener.accept().await.unwrap();
    });
}

#[test]
fn names_are_looked_up_and_addresses_are_not() {
    run(async {
        let found: Vec<_> = lookup_host(("localhost", 7)).await.unwrap().collect();
        assert!(!found.is_empty());
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 7));
        let known = [any_port(), any_port()];
        assert!(lookup_host(known).await.unwrap().eq(known));
        assert!(lookup_host("no port").await.is_err());
        assert!(lookup_host("name.invalid:80").await.is_err());
    });
}
