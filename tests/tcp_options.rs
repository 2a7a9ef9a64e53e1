//! The options of sockets reach the kernel.

use std::{
    io::{ErrorKind, Read as _},
    net::{Ipv6Addr, SocketAddr},
    time::Duration,
};

use greenloop::net::TcpListener;
use socket2::SockRef;

#[path = "support/net.rs"]
mod support;
use support::{pair, pair_with_std, run};

#[test]
fn no_delay_can_be_set_and_taken_back() {
    let (ours, _theirs) = pair();
    for nodelay in [true, false, true] {
        ours.set_nodelay(nodelay).unwrap();
        assert_eq!(ours.nodelay().unwrap(), nodelay);
        assert_eq!(SockRef::from(&ours).tcp_nodelay().unwrap(), nodelay);
    }
}

#[test]
fn the_hop_limit_can_be_set() {
    let (ours, _theirs) = pair();
    ours.set_ttl(42).unwrap();
    assert_eq!(ours.ttl().unwrap(), 42);
    assert_eq!(SockRef::from(&ours).ttl_v4().unwrap(), 42);

    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.set_ttl(43).unwrap();
        assert_eq!(listener.ttl().unwrap(), 43);
    });
}

#[test]
fn lingering_can_be_set_and_taken_back() {
    let (ours, _theirs) = pair();
    assert_eq!(ours.linger().unwrap(), None);
    for linger in [Some(Duration::from_secs(5)), Some(Duration::ZERO), None] {
        ours.set_linger(linger).unwrap();
        assert_eq!(ours.linger().unwrap(), linger);
    }
}

#[test]
fn to_linger_for_no_time_resets_the_connection_at_its_close() {
    let (ours, mut theirs) = pair_with_std();
    ours.set_linger(Some(Duration::ZERO)).unwrap();

    drop(ours);

    assert_eq!(theirs.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_close_without_lingering_ends_the_stream() {
    let (ours, mut theirs) = pair_with_std();
    drop(ours);
    assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
}

#[test]
fn probes_can_be_switched_on_and_off() {
    let (ours, _theirs) = pair();
    let socket = SockRef::from(&ours);
    assert!(!socket.keepalive().unwrap());

    ours.set_keepalive(Some(Duration::from_secs(77))).unwrap();
    assert!(socket.keepalive().unwrap());
    #[cfg(target_os = "linux")]
    assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(77));

    ours.set_keepalive(None).unwrap();
    assert!(!socket.keepalive().unwrap());
}

#[test]
fn the_sizes_of_the_buffers_can_be_asked_for() {
    let (ours, _theirs) = pair();
    let socket = SockRef::from(&ours);

    ours.set_recv_buffer_size(8192).unwrap();
    ours.set_send_buffer_size(16384).unwrap();

    // Linux doubles what it is asked for.
    assert!((8192..=2 * 8192).contains(&socket.recv_buffer_size().unwrap()));
    assert!((16384..=2 * 16384).contains(&socket.send_buffer_size().unwrap()));
}

#[test]
fn an_error_that_the_socket_has_kept_is_told_once() {
    run(async {
        let (ours, theirs) = pair_with_std();
        assert!(ours.take_error().unwrap().is_none());
        support::reset(theirs);
        ours.readable().await.unwrap();

        let error = ours.take_error().unwrap().unwrap();

        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(ours.take_error().unwrap().is_none());
    });
}

#[test]
fn a_listener_reuses_addresses_unless_told_otherwise() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert!(SockRef::from(&listener).reuse_address().unwrap());
        assert!(listener.take_error().unwrap().is_none());

        let options = TcpListener::options().reuse_address(false);
        let listener = options.bind("127.0.0.1:0").await.unwrap();
        assert!(!SockRef::from(&listener).reuse_address().unwrap());
    });
}

#[test]
fn listeners_share_a_port_only_when_all_of_them_say_so() {
    run(async {
        let shared = TcpListener::options().reuse_port(true);
        let first = shared.clone().bind("127.0.0.1:0").await.unwrap();
        let address = first.local_addr().unwrap();

        let second = shared.bind(address).await.unwrap();
        assert_eq!(second.local_addr().unwrap(), address);
        let error = TcpListener::bind(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    });
}

#[test]
fn a_listener_for_six_can_take_four_as_well_or_refuse_it() {
    if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return eprintln!("no IPv6 on this machine");
    }
    run(async {
        for only in [false, true] {
            let options = TcpListener::options().only_v6(only);
            let listener = options.bind((Ipv6Addr::UNSPECIFIED, 0)).await.unwrap();
            assert_eq!(SockRef::from(&listener).only_v6().unwrap(), only);
            if !only {
                let port = listener.local_addr().unwrap().port();
                let four = SocketAddr::from(([127, 0, 0, 1], port));
                let client = std::net::TcpStream::connect(four).unwrap();
                let (_, peer) = listener.accept().await.unwrap();
                assert_eq!(peer.ip().to_canonical(), client.local_addr().unwrap().ip());
            }
        }
    });
}

#[test]
fn a_listener_keeps_as_many_connections_as_its_backlog_says() {
    run(async {
        let listener = TcpListener::options().backlog(64).bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();

        let clients: Vec<_> =
            (0..64).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();

        for client in &clients {
            let (_, peer) = listener.accept().await.unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
        }
        // A number that no system call takes is no error.
        TcpListener::options().backlog(u32::MAX).bind("127.0.0.1:0").await.unwrap();
    });
}
