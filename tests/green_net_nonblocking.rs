//! `set_nonblocking` on the sockets of green threads: an error instead of a wait, and a loop that
//! goes on all the same.

mod green_support;

use std::{
    cell::Cell,
    future::poll_fn,
    io::{ErrorKind, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    task::Poll,
};

use green_support::{OnDrop, run};
use greenloop::green::{
    self, Wait,
    net::{TcpListener, TcpStream},
};

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

#[test]
fn one_that_tries_again_and_again_finds_what_comes() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let client = green::spawn(move || {
            for _ in 0..10 {
                green::yield_now();
            }
            let mut stream = TcpStream::connect(address).unwrap();
            for _ in 0..10 {
                green::yield_now();
            }
            stream.write_all(b"here").unwrap();
            stream
        });
        let (mut stream, peer) = loop {
            match listener.accept() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                accepted => break accepted.unwrap(),
            }
        };
        stream.set_nonblocking(true).unwrap();
        let mut buffer = [0; 4];
        let count = loop {
            match stream.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                count => break count.unwrap(),
            }
        };
        assert_eq!(&buffer[..count], b"here");
        assert_eq!(client.wait().unwrap().local_addr().unwrap(), peer);
    });
}

#[test]
fn one_whose_socket_is_always_ready_lets_the_others_run() {
    run(|| {
        let (mut client, mut server) = pair();
        server.set_nonblocking(true).unwrap();
        let stopped = Rc::new(Cell::new(false));
        let other = green::spawn({
            let stopped = Rc::clone(&stopped);
            move || stopped.set(true)
        });
        // It does not wait here: the kernel holds it all.
        client.write_all(&[b'.'; 2000]).unwrap();
        while !stopped.get() {
            server.read_exact(&mut [0]).unwrap();
        }
        other.wait().unwrap();
    });
}

#[test]
fn what_is_accepted_waits_as_ever() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut server = loop {
            if let Ok((server, _)) = listener.accept() {
                break server;
            }
        };
        let writer = green::spawn(move || {
            green::yield_now();
            client.write_all(b"x").unwrap();
        });
        server.read_exact(&mut [0]).unwrap();
        writer.wait().unwrap();
    });
}

#[test]
fn it_stands_before_a_time_out() {
    run(|| {
        let (_client, mut server) = pair();
        server.set_read_timeout(Some(std::time::Duration::MAX)).unwrap();
        server.set_nonblocking(true).unwrap();
        assert_eq!(server.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn without_waiting_it_may_be_used_anywhere_in_the_loop() {
    let (client, server) = run(pair);
    drop(client);
    // Where the loop is another, it says so.
    server.set_nonblocking(true).unwrap();
    greenloop::run(async move {
        let client = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(client.local_addr().unwrap()).unwrap();
        let mut stream = TcpStream::from_std(stream).unwrap();
        stream.set_nonblocking(true).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(stream.write(b"x").unwrap(), 1);
    });
    run(|| {
        let (_client, mut server) = pair();
        server.set_nonblocking(true).unwrap();
        let in_poll = poll_fn(|_| Poll::Ready(server.read(&mut [0]))).wait();
        assert_eq!(in_poll.unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn in_a_destructor_that_a_panic_runs_it_does_what_it_can() {
    run(|| {
        let (mut client, mut server) = pair();
        client.set_nonblocking(true).unwrap();
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _goodbye = OnDrop::new(|| {
                assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
                client.write_all(b"bye").unwrap();
            });
            panic!("no bread");
        }));
        assert!(unwound.is_err());
        let mut text = [0; 3];
        server.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"bye");
    });
}
