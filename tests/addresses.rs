//! Whatever stands for an address can be bound and connected to. (That a lookup does not hold up the
//! loop is tested where its threads can be kept busy: in `src/net/addresses.rs`.)

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4},
};

use greenloop::net::{TcpListener, TcpStream, ToSocketAddrs};

#[path = "support/net.rs"]
mod support;
use support::{poll_once, run};

async fn connects_to(target: impl ToSocketAddrs, listener: &TcpListener) {
    let client = TcpStream::connect(target).await.unwrap();
    let (_, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
}

#[test]
fn everything_that_std_takes_for_an_address_is_one() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let port = address.port();
        let SocketAddr::V4(four) = address else { panic!("not what was bound") };
        let text = address.to_string();

        connects_to(address, &listener).await;
        connects_to(&address, &listener).await;
        connects_to(four, &listener).await;
        connects_to((Ipv4Addr::LOCALHOST, port), &listener).await;
        connects_to((IpAddr::from(Ipv4Addr::LOCALHOST), port), &listener).await;
        connects_to(("127.0.0.1", port), &listener).await;
        connects_to(("127.0.0.1".to_owned(), port), &listener).await;
        connects_to(text.as_str(), &listener).await;
        connects_to(&text, &listener).await;
        connects_to(text.clone(), &listener).await;
        connects_to([address], &listener).await;
        connects_to(&[address][..], &listener).await;
        connects_to(vec![address, address], &listener).await;
        connects_to(("localhost", port), &listener).await;
        connects_to(format!("localhost:{port}"), &listener).await;
    });
}

#[test]
fn numbers_are_not_looked_up() {
    let bound = |target: &str| {
        let std::task::Poll::Ready(bound) = poll_once(TcpListener::bind(target)) else {
            panic!("{target} was looked up");
        };
        bound.unwrap().local_addr().unwrap()
    };
    assert_eq!(bound("127.0.0.1:0").ip(), Ipv4Addr::LOCALHOST);
    assert_eq!(bound("0.0.0.0:0").ip(), Ipv4Addr::UNSPECIFIED);
    let four = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    assert!(poll_once(TcpListener::bind(("127.0.0.1", 0))).is_ready());
    assert!(poll_once(TcpListener::bind(four)).is_ready());
}

#[test]
fn a_name_that_nobody_knows_is_an_error() {
    run(async {
        // RFC 6761 keeps `.invalid` free for ever; the last one is no name at all.
        for name in ["greenloop.invalid:80", "no name at all:80", ":80"] {
            let connected = TcpStream::connect(name).await;
            // An empty name may stand for this machine, where nobody may listen on the port.
            assert!(connected.is_err() || name == ":80", "{name}");
        }
        let name = format!("{}:80", "x".repeat(1000));
        assert!(TcpStream::connect(name).await.is_err());
        assert!(TcpStream::connect(("with\0zero", 80)).await.is_err());
    });
}

#[test]
fn text_that_is_no_address_is_an_error_that_says_what_was_expected() {
    run(async {
        for text in ["", "127.0.0.1", "localhost", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536"] {
            let error = TcpListener::bind(text).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text:?}");
            let said = error.to_string();
            assert!(said.contains(&format!("{text:?}")), "{said}");
            assert!(said.contains("HOST:PORT"), "{said}");
        }
    });
}

#[test]
fn a_six_in_brackets_is_an_address_and_not_a_name() {
    let bound = poll_once(TcpListener::bind("[::1]:0"));
    match bound {
        std::task::Poll::Ready(Ok(listener)) => {
            assert!(listener.local_addr().unwrap().is_ipv6());
        }
        std::task::Poll::Ready(Err(error)) => {
            assert_eq!(error.kind(), ErrorKind::AddrNotAvailable, "no IPv6 here: {error}");
        }
        std::task::Poll::Pending => panic!("it was looked up"),
    }
}

#[test]
fn no_address_at_all_is_an_error() {
    run(async {
        let none: [SocketAddr; 0] = [];
        let error = TcpListener::bind(none).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = TcpStream::connect(Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn the_first_address_that_works_is_bound() {
    run(async {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = TcpListener::bind([taken.local_addr().unwrap(), free]).await.unwrap();
        assert_ne!(listener.local_addr().unwrap(), taken.local_addr().unwrap());

        let error = TcpListener::bind([taken.local_addr().unwrap()]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    });
}
