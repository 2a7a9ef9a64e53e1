//! The UDP sockets of green threads are used as those of the standard library are, and only the
//! green thread waits.

mod green_support;

use std::{
    io::{self, ErrorKind},
    thread,
    time::{Duration, Instant},
};

use green_support::{OnDrop, panic_of, run};
use greenloop::green::{self, Wait, net::UdpSocket};

const SHORT: Duration = Duration::from_millis(20);

fn pair() -> (UdpSocket, UdpSocket) {
    let ours = UdpSocket::bind("127.0.0.1:0").unwrap();
    let theirs = UdpSocket::bind("127.0.0.1:0").unwrap();
    ours.connect(theirs.local_addr().unwrap()).unwrap();
    theirs.connect(ours.local_addr().unwrap()).unwrap();
    (ours, theirs)
}

#[test]
fn an_echo_server_is_written_as_with_std() {
    fn serve(socket: &UdpSocket) -> io::Result<()> {
        let mut buffer = [0; 100];
        loop {
            let (count, peer) = socket.recv_from(&mut buffer)?;
            socket.send_to(&buffer[..count].to_ascii_uppercase(), peer)?;
        }
    }

    run(|| {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let server = green::spawn(move || serve(&server).unwrap());
        let clients = (0..20).map(|number| {
            green::spawn(move || {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.connect(address).unwrap();
                for round in 0..5 {
                    let text = format!("client {number} round {round}");
                    socket.send(text.as_bytes()).unwrap();
                    let mut reply = [0; 100];
                    let count = socket.recv(&mut reply).unwrap();
                    assert_eq!(&reply[..count], text.to_uppercase().as_bytes());
                }
            })
        });
        for client in green::join_all(clients) {
            client.unwrap();
        }
        server.abort();
    });
}

#[test]
fn others_run_while_one_receives() {
    run(|| {
        let (ours, theirs) = pair();
        let receiver = green::spawn(move || {
            let mut buffer = [0; 8];
            let peeked = ours.peek(&mut buffer).unwrap();
            let (count, _) = ours.peek_from(&mut buffer).unwrap();
            assert_eq!((peeked, count), (2, 2));
            ours.recv(&mut buffer).unwrap()
        });
        green::sleep(Duration::from_millis(1));
        theirs.send(b"hi").unwrap();
        assert_eq!(receiver.wait().unwrap(), 2);
    });
}

#[test]
fn a_read_timeout_ends_a_receive_and_clones_share_it() {
    run(|| {
        let (ours, theirs) = pair();
        let clone = ours.try_clone().unwrap();
        clone.set_read_timeout(Some(SHORT)).unwrap();
        assert_eq!(ours.read_timeout().unwrap(), Some(SHORT));
        assert_eq!(ours.write_timeout().unwrap(), None);
        let error = ours.set_write_timeout(Some(Duration::ZERO)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);

        let start = Instant::now();
        let error = ours.recv(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(start.elapsed() >= SHORT);

        theirs.send(b"late").unwrap();
        assert_eq!(ours.recv(&mut [0; 8]).unwrap(), 4);
    });
}

#[test]
fn a_peer_of_the_standard_library_sees_no_difference() {
    run(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let peer = thread::spawn(move || {
            let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            peer.send_to(b"ping", address).unwrap();
            let mut buffer = [0; 8];
            peer.recv(&mut buffer).unwrap()
        });
        let (_, peer_address) = socket.recv_from(&mut [0; 8]).unwrap();
        socket.send_to(b"pong!", peer_address).unwrap();
        assert_eq!(peer.join().unwrap(), 5);
    });
}

#[test]
fn options_are_those_of_the_socket() {
    run(|| {
        let (ours, theirs) = pair();
        ours.set_broadcast(true).unwrap();
        ours.set_ttl(9).unwrap();
        assert!(ours.as_async().broadcast().unwrap());
        assert_eq!(ours.as_async().ttl().unwrap(), 9);
        assert_eq!(ours.peer_addr().unwrap(), theirs.local_addr().unwrap());
        assert!(ours.take_error().unwrap().is_none());
    });
}

#[test]
fn a_receive_in_a_destructor_does_not_wait_while_a_panic_unwinds() {
    run(|| {
        let (ours, theirs) = pair();
        let thread = green::spawn(move || {
            let _bye = OnDrop::new(move || {
                theirs.send(b"bye").unwrap();
                assert_eq!(ours.recv(&mut [0; 8]).unwrap(), 3);
                let error = ours.recv(&mut [0; 8]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
            });
            panic!("on purpose");
        });
        assert!(thread.wait().unwrap_err().is_panic());
    });
}

#[test]
fn a_killed_thread_closes_its_socket() {
    run(|| {
        let (ours, theirs) = pair();
        let thread = green::spawn(move || ours.recv(&mut [0; 8]));
        green::sleep(Duration::from_millis(1));
        thread.abort_and_wait().wait().unwrap_err();
        theirs.send(b"anybody?").unwrap();
        assert_eq!(theirs.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn outside_of_a_green_thread_a_wait_panics() {
    let text = panic_of(|| greenloop::run(async { UdpSocket::bind("127.0.0.1:0") }));
    assert!(text.contains("green threads only"), "{text}");
}
