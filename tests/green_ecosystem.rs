//! Blocking crates that are generic over `Read` and `Write` work in green threads as they are:
//! WebSockets by tungstenite, TLS by rustls, and one in the other. Servers and clients are green threads
//! of one loop, so whoever blocked it would wait for ever.

#![allow(clippy::result_large_err, reason = "the errors of the crates that are tried")]

use std::{
    cell::Cell,
    io::{ErrorKind, Read, Write},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use greenloop::green::{
    self, Wait,
    net::{TcpListener, TcpStream},
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, ServerName},
};
use tungstenite::{Message, WebSocket};

/// More than the buffers of a connection hold, so that both ends have to wait in the middle.
const LARGE: usize = 3_000_000;

/// When a test counts as stuck.
const STUCK: Duration = Duration::from_secs(60);

#[test]
fn websockets_carry_messages_of_every_size_for_many_clients_at_once() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let servers = green::spawn(move || {
            let serve = |stream| echo_messages(tungstenite::accept(stream).unwrap());
            let streams = listener.incoming().take(20).map(Result::unwrap);
            expect_all(green::join_all(streams.map(|stream| green::spawn(move || serve(stream)))));
        });
        let clients = (0..20).map(|seed| {
            green::spawn(move || {
                let stream = TcpStream::connect(address).unwrap();
                let (mut socket, _) = tungstenite::client("ws://localhost/", stream).unwrap();
                for length in [0, 1, 125, 126, 65_535, 65_536, 500_000] {
                    let message = Message::binary(noise(seed, length));
                    socket.send(message.clone()).unwrap();
                    assert!(socket.read().unwrap() == message);
                }
                say_goodbye(socket);
            })
        });
        expect_all(green::join_all(clients));
        servers.wait().unwrap();
    });
}

#[test]
fn websockets_answer_pings_and_carry_text() {
    run(|| {
        let (server, client) = pair();
        let server = green::spawn(move || echo_messages(tungstenite::accept(server).unwrap()));
        let (mut socket, _) = tungstenite::client("ws://localhost/", client).unwrap();
        socket.send(Message::Ping("there?".into())).unwrap();
        socket.send(Message::text("Grüße")).unwrap();
        assert_eq!(socket.read().unwrap(), Message::Pong("there?".into()));
        assert_eq!(socket.read().unwrap(), Message::text("Grüße"));
        say_goodbye(socket);
        server.wait().unwrap();
    });
}

#[test]
fn a_read_time_out_reaches_the_crate_and_the_connection_goes_on() {
    run(|| {
        let (server, client) = pair();
        let server = green::spawn(move || echo_messages(tungstenite::accept(server).unwrap()));
        let (mut socket, _) = tungstenite::client("ws://localhost/", client).unwrap();
        socket.get_ref().set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        match socket.read() {
            Err(tungstenite::Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            other => panic!("{other:?}"),
        }
        socket.get_ref().set_read_timeout(None).unwrap();
        socket.send(Message::text("still there")).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text("still there"));
        say_goodbye(socket);
        server.wait().unwrap();
    });
}

#[test]
fn tls_carries_every_byte_for_many_clients_at_once() {
    run(|| {
        let tls = Tls::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = tls.clone();
        let servers = green::spawn(move || {
            let streams = listener.incoming().take(20).map(Result::unwrap);
            let serve = |stream| {
                let mut stream = acceptor.accept(stream);
                green::spawn(move || {
                    echo_bytes(&mut stream);
                    stream.conn.send_close_notify();
                    stream.flush().unwrap();
                })
            };
            expect_all(green::join_all(streams.map(serve)));
        });
        let clients = (0..20).map(|seed| {
            let tls = tls.clone();
            green::spawn(move || {
                let mut stream = tls.connect(TcpStream::connect(address).unwrap());
                let mut heard = vec![0; 50_000];
                for round in 0..10 {
                    let message = noise(seed + round, heard.len());
                    stream.write_all(&message).unwrap();
                    stream.read_exact(&mut heard).unwrap();
                    assert!(heard == message);
                }
                stream.conn.send_close_notify();
                stream.flush().unwrap();
                assert_eq!(stream.read(&mut heard).unwrap(), 0);
            })
        });
        expect_all(green::join_all(clients));
        servers.wait().unwrap();
    });
}

#[test]
fn websockets_work_over_tls_with_large_messages() {
    run(|| {
        let (server, client) = pair();
        let tls = Tls::new();
        let accepting = tls.accept(server);
        let server = green::spawn(move || echo_messages(tungstenite::accept(accepting).unwrap()));
        let (mut socket, _) = tungstenite::client("wss://localhost/", tls.connect(client)).unwrap();
        let message = Message::binary(noise(1, LARGE));
        socket.send(message.clone()).unwrap();
        assert!(socket.read().unwrap() == message);
        say_goodbye(socket);
        server.wait().unwrap();
    });
}

#[test]
fn a_certificate_that_nobody_trusts_is_an_error_of_both_ends() {
    run(|| {
        let (server, client) = pair();
        let mut server = Tls::new().accept(server);
        let server = green::spawn(move || server.read(&mut [0]).unwrap_err());
        let error = Tls::new().connect(client).write(b"x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains("invalid peer certificate"), "{error}");
        assert!(server.wait().unwrap().to_string().contains("alert"));
    });
}

#[test]
fn the_loop_goes_on_while_a_crate_waits() {
    run(|| {
        let (server, client) = pair();
        let tls = Tls::new();
        let mut server = tls.accept(server);
        let reader = green::spawn(move || {
            let mut word = [0; 5];
            server.read_exact(&mut word).map(|()| word)
        });
        let turns = Rc::new(Cell::new(0));
        let counter = Rc::clone(&turns);
        let ticker = greenloop::spawn(async move {
            loop {
                greenloop::sleep(Duration::from_millis(1)).await;
                counter.set(counter.get() + 1);
            }
        });
        let mut client = tls.connect(client);
        client.write_all(b"hel").unwrap();
        while turns.get() < 10 {
            assert!(!reader.is_finished());
            green::yield_now();
        }
        client.write_all(b"lo").unwrap();
        assert_eq!(&reader.wait().unwrap().unwrap(), b"hello");
        ticker.abort();
    });
}

#[test]
fn a_kill_in_the_middle_of_a_crate_closes_the_connection() {
    run(|| {
        let (server, client) = pair();
        let tls = Tls::new();
        let mut server = tls.accept(server);
        let victim = green::spawn(move || server.read_to_end(&mut Vec::new()));
        let mut client = tls.connect(client);
        client.write_all(b"half a story").unwrap();
        victim.abort_and_wait().wait().unwrap_err();
        let error = client.read(&mut [0]).unwrap_err();
        // Cut off, and not ended: there was no farewell.
        assert!(matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset));
    });
}

#[test]
fn a_time_out_ends_a_handshake_that_the_peer_does_not_answer() {
    run(|| {
        let (_mute, client) = pair();
        let handshake = || tungstenite::client("ws://localhost/", client).map(drop);
        assert!(green::timeout(Duration::from_millis(5), handshake).is_err());
    });
}

/// Runs a test as the first green thread, and fails rather than waits for ever.
fn run(test: impl FnOnce() + 'static) {
    green::run(|| green::timeout(STUCK, test).expect("the test is stuck"));
}

/// Two ends of a connection.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0, client)
}

/// Sends bytes back until the other end has said all.
fn echo_bytes(stream: &mut (impl Read + Write)) {
    let mut buffer = vec![0; 10_000];
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => return,
            count => stream.write_all(&buffer[..count]).unwrap(),
        }
    }
}

/// Sends messages back until the client says goodbye.
fn echo_messages<S: Read + Write>(mut socket: WebSocket<S>) {
    loop {
        match socket.read() {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => socket.send(message).unwrap(),
            // Pings and the goodbye are answered by the next read.
            Ok(_) => {}
            Err(tungstenite::Error::ConnectionClosed) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Closes a WebSocket, which takes the answer of the server.
fn say_goodbye<S: Read + Write>(mut socket: WebSocket<S>) {
    socket.close(None).unwrap();
    assert!(matches!(socket.read(), Ok(Message::Close(_))));
}

/// Both sides of TLS, with a certificate that was made for one test.
#[derive(Clone)]
struct Tls {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Tls {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.key_pair.serialize_der()).unwrap();
        let certificate = made.cert.der().clone();
        let mut trusted = RootCertStore::empty();
        trusted.add(certificate.clone()).unwrap();
        let server = ServerConfig::builder().with_no_client_auth();
        let client = ClientConfig::builder().with_root_certificates(trusted);
        Self {
            server: Arc::new(server.with_single_cert(vec![certificate], key).unwrap()),
            client: Arc::new(client.with_no_client_auth()),
        }
    }

    fn accept(&self, stream: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
        StreamOwned::new(ServerConnection::new(Arc::clone(&self.server)).unwrap(), stream)
    }

    fn connect(&self, stream: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
        let name = ServerName::try_from("localhost").unwrap();
        StreamOwned::new(ClientConnection::new(Arc::clone(&self.client), name).unwrap(), stream)
    }
}

/// Asserts that no green thread panicked.
#[track_caller]
fn expect_all<T>(results: Vec<Result<T, greenloop::task::JoinError>>) {
    for result in results {
        result.expect("a client panicked");
    }
}

/// Bytes without a pattern that a mix-up could hide in; other bytes for each seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}
