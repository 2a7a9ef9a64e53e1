//! The sockets of green threads are used as those of the standard library are, and only the green
//! thread waits.

mod green_support;

use std::{
    cell::{Cell, RefCell},
    io::{self, BufRead, BufReader, BufWriter, ErrorKind, IoSlice, IoSliceMut, Read, Write},
    net::{Shutdown, SocketAddr},
    os::fd::{AsFd, AsRawFd},
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use green_support::{Gate, OnDrop, panic_of, park, run};
use greenloop::{
    event_loop,
    green::{
        self, Wait,
        net::{TcpListener, TcpStream},
    },
};

const SHORT: Duration = Duration::from_millis(20);

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A connection, both of whose ends are for green threads.
fn pair() -> (TcpStream, TcpStream) {
    let (listener, address) = listen();
    let client = TcpStream::connect(address).unwrap();
    let (server, peer) = listener.accept().unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    (client, server)
}

/// Writes until the kernel takes no more, and gives the error.
fn fill(mut stream: &TcpStream) -> io::Error {
    loop {
        if let Err(error) = stream.write(&[b'.'; 64 << 10]) {
            return error;
        }
    }
}

#[test]
fn an_echo_server_is_written_as_with_std() {
    fn serve(listener: &TcpListener) -> io::Result<()> {
        for stream in listener.incoming().take(20) {
            let mut stream = stream?;
            green::spawn(move || -> io::Result<()> {
                let mut buffer = [0; 100];
                loop {
                    let count = stream.read(&mut buffer)?;
                    if count == 0 {
                        return Ok(());
                    }
                    stream.write_all(&buffer[..count].to_ascii_uppercase())?;
                }
            });
        }
        Ok(())
    }

    run(|| {
        let (listener, address) = listen();
        let server = green::spawn(move || serve(&listener).unwrap());
        let clients = (0..20).map(|number| {
            green::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                for round in 0..5 {
                    let text = format!("client {number} round {round}");
                    stream.write_all(text.as_bytes()).unwrap();
                    let mut reply = vec![0; text.len()];
                    stream.read_exact(&mut reply).unwrap();
                    assert_eq!(reply, text.to_uppercase().into_bytes());
                }
                stream.local_addr().unwrap().port()
            })
        });
        let mut ports: Vec<_> = green::join_all(clients).into_iter().map(Result::unwrap).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 20);
        server.wait().unwrap();
    });
}

#[test]
fn what_is_generic_over_read_and_write_works() {
    run(|| {
        let (client, server) = pair();
        let writer = green::spawn(move || {
            let mut writer = BufWriter::new(client);
            for number in 0..10_000 {
                writeln!(writer, "line {number}").unwrap();
            }
            writer.flush().unwrap();
        });
        let lines = BufReader::new(server).lines().map(Result::unwrap);
        let mut count = 0;
        for (number, line) in lines.enumerate() {
            assert_eq!(line, format!("line {number}"));
            count += 1;
        }
        assert_eq!(count, 10_000);
        writer.wait().unwrap();
    });
}

#[test]
fn a_shared_stream_is_read_and_written_by_reference() {
    run(|| {
        let (client, server) = pair();
        green::scope(|scope| {
            scope.spawn(|| (&client).write_all(b"ping").unwrap());
            scope.spawn(|| {
                let mut text = [0; 4];
                (&client).read_exact(&mut text).unwrap();
                assert_eq!(&text, b"pong");
            });
            let mut text = [0; 4];
            (&server).read_exact(&mut text).unwrap();
            assert_eq!(&text, b"ping");
            (&server).write_all(b"pong").unwrap();
        });
    });
}

#[test]
fn a_peer_of_the_standard_library_sees_no_difference() {
    run(|| {
        let (listener, address) = listen();
        let peer = thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(b"hello").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        });
        let (mut stream, _) = listener.accept().unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        stream.write_all(text.to_uppercase().as_bytes()).unwrap();
        drop(stream);
        let text = greenloop::spawn_blocking(move || peer.join().unwrap()).wait().unwrap();
        assert_eq!(text, "HELLO");
    });
}

#[test]
fn many_buffers_go_in_one_call() {
    run(|| {
        let (mut client, mut server) = pair();
        let written = client.write_vectored(&[IoSlice::new(b"eat "), IoSlice::new(b"play")]);
        assert_eq!(written.unwrap(), 8);
        let (mut first, mut second) = ([0; 2], [0; 10]);
        let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(server.read_vectored(&mut buffers).unwrap(), 8);
        assert_eq!((&first, &second[..6]), (b"ea", &b"t play"[..]));
    });
}

#[test]
fn peek_leaves_what_it_saw() {
    run(|| {
        let (mut client, mut server) = pair();
        client.write_all(b"bread").unwrap();
        let mut text = [0; 5];
        assert_eq!(server.peek(&mut text).unwrap(), 5);
        text.fill(0);
        server.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"bread");
    });
}

#[test]
fn a_read_time_out_ends_a_read_and_not_early() {
    run(|| {
        let (mut client, mut server) = pair();
        assert_eq!(client.read_timeout().unwrap(), None);
        client.set_read_timeout(Some(SHORT)).unwrap();
        assert_eq!(client.read_timeout().unwrap(), Some(SHORT));
        for _ in 0..2 {
            let start = Instant::now();
            let error = client.read(&mut [0; 10]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WouldBlock, "as std has it: {error}");
            assert!(start.elapsed() >= SHORT);
        }
        // What comes later is not lost, and writing has no limit.
        server.write_all(b"late").unwrap();
        client.set_read_timeout(None).unwrap();
        let mut text = [0; 4];
        client.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"late");
        client.write_all(b"x").unwrap();
        assert_eq!(event_loop::statistics().timers, 0);
    });
}

#[test]
fn a_peek_has_the_read_time_out() {
    run(|| {
        let (client, _server) = pair();
        client.set_read_timeout(Some(SHORT)).unwrap();
        assert_eq!(client.peek(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_write_time_out_ends_a_write() {
    run(|| {
        let (client, _server) = pair();
        client.set_write_timeout(Some(SHORT)).unwrap();
        assert_eq!(client.write_timeout().unwrap(), Some(SHORT));
        assert_eq!(client.read_timeout().unwrap(), None);
        assert_eq!(fill(&client).kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_time_out_of_zero_is_refused_as_std_has_it() {
    run(|| {
        let (client, _server) = pair();
        for result in [
            client.set_read_timeout(Some(Duration::ZERO)),
            client.set_write_timeout(Some(Duration::ZERO)),
        ] {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    });
}

#[test]
fn a_clone_is_the_same_connection_with_the_same_time_outs() {
    run(|| {
        let (client, mut server) = pair();
        let mut reader = client.try_clone().unwrap();
        let mut writer = client;
        let echo = green::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        writer.write_all(b"bread").unwrap();
        let mut text = [0; 5];
        server.read_exact(&mut text).unwrap();
        server.write_all(&text).unwrap();
        drop(server);
        assert_eq!(echo.wait().unwrap(), "bread");

        let (client, _server) = pair();
        let clone = client.try_clone().unwrap();
        client.set_read_timeout(Some(SHORT)).unwrap();
        assert_eq!(clone.read_timeout().unwrap(), Some(SHORT));
    });
}

#[test]
fn the_last_clone_closes_the_connection() {
    run(|| {
        let (client, mut server) = pair();
        let clone = client.try_clone().unwrap();
        drop(client);
        server.set_read_timeout(Some(SHORT)).unwrap();
        assert_eq!(server.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(clone);
        server.set_read_timeout(None).unwrap();
        assert_eq!(server.read(&mut [0; 1]).unwrap(), 0);
    });
}

#[test]
fn a_shutdown_ends_one_direction() {
    run(|| {
        let (mut client, mut server) = pair();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(server.read(&mut [0; 1]).unwrap(), 0);
        server.write_all(b"bye").unwrap();
        let mut text = [0; 3];
        client.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"bye");
    });
}

#[test]
fn connect_timeout_connects_or_says_why_not() {
    run(|| {
        let (listener, address) = listen();
        let long = Duration::from_secs(3600);
        let mut client = TcpStream::connect_timeout(&address, long).unwrap();
        client.write_all(b"x").unwrap();
        assert_eq!(client.peer_addr().unwrap(), address);
        let (mut server, _) = listener.accept().unwrap();
        server.read_exact(&mut [0]).unwrap();
        drop((listener, server, client));
        let error = TcpStream::connect_timeout(&address, long).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn connect_timeout_gives_up_when_nobody_answers() {
    run(|| {
        // A listener whose queue is full lets those who come later wait.
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let listener = listener.unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        listener.bind(&any.into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut waiting = Vec::new();
        let start = Instant::now();
        let error = loop {
            match TcpStream::connect_timeout(&address, SHORT) {
                Ok(stream) => waiting.push(stream),
                Err(error) => break error,
            }
            assert!(waiting.len() < 1000, "the queue has no end");
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(start.elapsed() >= SHORT);
    });
}

#[test]
fn the_options_of_a_socket_are_those_of_std() {
    run(|| {
        let (client, server) = pair();
        client.set_nodelay(true).unwrap();
        assert!(client.nodelay().unwrap());
        client.set_ttl(42).unwrap();
        assert_eq!(client.ttl().unwrap(), 42);
        assert_eq!(client.peer_addr().unwrap(), server.local_addr().unwrap());
        assert!(client.take_error().unwrap().is_none());
        assert!(client.as_fd().as_raw_fd() >= 0);
        assert!(format!("{client:?}").contains("TcpStream"));
    });
}

#[test]
fn while_a_panic_unwinds_a_socket_gives_an_error_instead_of_waiting() {
    run(|| {
        let (client, server) = pair();
        let said = Rc::new(RefCell::new(Vec::new()));
        let thread = green::spawn({
            let said = Rc::clone(&said);
            move || {
                let mut client = client;
                let _goodbye = OnDrop::new(move || {
                    // There is room for it, so it is sent.
                    client.write_all(b"bye").unwrap();
                    said.borrow_mut().push(client.read(&mut [0; 1]).unwrap_err().kind());
                    client.set_read_timeout(Some(SHORT)).unwrap();
                    said.borrow_mut().push(client.read(&mut [0; 1]).unwrap_err().kind());
                    said.borrow_mut().push(fill(&client).kind());
                });
                park();
            }
        });
        green::yield_now();
        assert!(thread.abort_and_wait().wait().unwrap_err().is_cancelled());
        assert_eq!(*said.borrow(), [ErrorKind::WouldBlock; 3]);
        let mut text = [0; 3];
        (&server).read_exact(&mut text).unwrap();
        assert_eq!(&text, b"bye");
    });
}

#[test]
fn while_a_panic_unwinds_a_socket_does_what_it_can_however_much_was_done_before() {
    run(|| {
        let (client, mut server) = pair();
        server.write_all(&[7; 300]).unwrap();
        let read = Rc::new(Cell::new(0));
        let thread = green::spawn({
            let read = Rc::clone(&read);
            move || {
                let mut client = client;
                let mut buffer = [0; 1];
                client.peek(&mut buffer).unwrap();
                let _reads = OnDrop::new(move || {
                    while client.read(&mut buffer).is_ok_and(|count| count == 1) {
                        read.set(read.get() + 1);
                    }
                });
                for _ in 0..126 {
                    std::future::ready(()).wait();
                }
                panic!("oh");
            }
        });
        assert!(thread.wait().is_err());
        assert_eq!(read.get(), 300);
    });
}

#[test]
fn outside_of_a_green_thread_it_says_what_to_do() {
    let text = panic_of(|| TcpListener::bind("127.0.0.1:0"));
    assert!(text.contains("green threads only"), "{text}");
    greenloop::run(async {
        let text = panic_of(|| TcpStream::connect("127.0.0.1:1"));
        assert!(text.contains("use .await in async code"), "{text}");
    });
}

#[test]
fn an_address_that_is_taken_or_refused_is_an_error() {
    run(|| {
        let (_listener, address) = listen();
        let error = TcpListener::bind(address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let gone = listen().1;
        let error = TcpStream::connect(gone).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(TcpStream::connect("no address at all").is_err());
    });
}

#[test]
fn async_code_and_green_threads_share_a_socket() {
    run(|| {
        let (client, server) = pair();
        let gate = Gate::new();
        let task = greenloop::spawn({
            let (server, gate) = (server.try_clone().unwrap(), gate.clone());
            async move {
                gate.passed().await;
                let mut buffer = [0; 10];
                let count = server.as_async().read(&mut buffer).await.unwrap();
                server.as_async().write_all(&buffer[..count]).await.unwrap();
            }
        });
        (&client).write_all(b"bread").unwrap();
        gate.open();
        let mut text = [0; 5];
        (&client).read_exact(&mut text).unwrap();
        assert_eq!(&text, b"bread");
        task.wait().unwrap();
        let wrapped = TcpListener::from_async(
            greenloop::net::TcpListener::bind("127.0.0.1:0").wait().unwrap(),
        );
        assert!(wrapped.as_async().local_addr().is_ok());
    });
}

#[test]
fn a_listener_is_shared_by_several_accepting_green_threads() {
    run(|| {
        let (listener, address) = listen();
        let listener = Rc::new(listener);
        let acceptors: Vec<_> = (0..3)
            .map(|_| {
                let listener = Rc::clone(&listener);
                green::spawn(move || drop(listener.accept().unwrap()))
            })
            .collect();
        let clients: Vec<_> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
        for result in green::join_all(acceptors) {
            result.unwrap();
        }
        drop(clients);
    });
}

#[test]
fn a_shutdown_by_a_clone_wakes_who_waits_to_read() {
    run(|| {
        let (client, _server) = pair();
        let mut clone = client.try_clone().unwrap();
        let reader = green::spawn(move || clone.read(&mut [0; 1]));
        green::yield_now();
        assert!(!reader.is_finished());
        client.shutdown(Shutdown::Both).unwrap();
        assert_eq!(reader.wait().unwrap().unwrap(), 0);
    });
}

#[test]
fn a_time_out_of_one_direction_leaves_the_other_alone() {
    run(|| {
        let (mut client, mut server) = pair();
        client.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        assert_eq!(client.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
        client.write_all(b"still here").unwrap();
        let mut text = [0; 10];
        server.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"still here");
        server.write_all(b"x").unwrap();
        client.set_read_timeout(None).unwrap();
        assert_eq!(client.read(&mut [0; 9]).unwrap(), 1);
    });
}
