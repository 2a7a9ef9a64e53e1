//! A listener gives every connection to somebody who accepts, and none twice.

use std::{
    future::poll_fn,
    io::{ErrorKind, Read as _, Write as _},
    pin::pin,
    rc::Rc,
    task::Poll,
};

use futures_core::Stream as _;
use greenloop::{
    net::{TcpListener, TcpStream},
    statistics,
};

#[path = "support/net.rs"]
mod support;
use support::{Wakes, poll, poll_once, reset, run};

#[test]
fn a_connection_comes_with_the_address_of_its_peer() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = std::net::TcpStream::connect(address).unwrap();

        let (server, peer) = listener.accept().await.unwrap();

        assert_eq!(peer, client.local_addr().unwrap());
        assert_eq!(server.peer_addr().unwrap(), peer);
        assert_eq!(server.local_addr().unwrap(), address);
    });
}

#[test]
fn connections_that_are_there_already_are_accepted_without_waiting() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let clients = [(); 3].map(|()| std::net::TcpStream::connect(address).unwrap());

        for client in &clients {
            let Poll::Ready(Ok((_, peer))) = poll_once(listener.accept()) else {
                panic!("had to wait");
            };
            assert_eq!(peer, client.local_addr().unwrap());
        }

        assert_eq!(statistics().sockets, 0);
        assert!(poll_once(listener.accept()).is_pending());
        assert_eq!(statistics().sockets, 1);
    });
}

#[test]
fn try_accept_never_waits() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(listener.try_accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(statistics().sockets, 0);

        let first = std::net::TcpStream::connect(address).unwrap();
        assert_eq!(listener.try_accept().unwrap().1, first.local_addr().unwrap());
        assert_eq!(listener.try_accept().unwrap_err().kind(), ErrorKind::WouldBlock);

        // Where the loop watches the socket, what is tried is known to it.
        let mut accept = pin!(listener.accept());
        assert!(poll(accept.as_mut(), std::task::Waker::noop()).is_pending());
        let second = std::net::TcpStream::connect(address).unwrap();
        assert_eq!(listener.try_accept().unwrap().1, second.local_addr().unwrap());
        assert_eq!(listener.try_accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        let third = std::net::TcpStream::connect(address).unwrap();
        assert_eq!(accept.await.unwrap().1, third.local_addr().unwrap());
    });
}

#[test]
fn a_wait_ends_when_a_connection_comes() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut accept = pin!(listener.accept());
        assert!(poll_once(accept.as_mut()).is_pending());

        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();

        let (_, peer) = accept.await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    });
}

#[test]
fn all_who_wait_to_accept_get_a_connection() {
    run(async {
        let listener = Rc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let listener = Rc::clone(&listener);
                greenloop::spawn(async move { listener.accept().await.unwrap().1 })
            })
            .collect();
        greenloop::yield_now().await;

        let clients: Vec<_> = (0..10)
            .map(|_| std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap())
            .collect();

        let mut accepted = Vec::new();
        for task in tasks {
            accepted.push(task.await.unwrap());
        }
        let mut expected: Vec<_> = clients.iter().map(|c| c.local_addr().unwrap()).collect();
        accepted.sort();
        expected.sort();
        assert_eq!(accepted, expected);
    });
}

#[test]
fn incoming_is_a_stream_of_the_connections() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut incoming = pin!(listener.incoming());
        for _ in 0..3 {
            let mut next = pin!(poll_fn(|cx| incoming.as_mut().poll_next(cx)));
            assert!(poll_once(next.as_mut()).is_pending());

            let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();

            let server = next.await.unwrap().unwrap();
            assert_eq!(server.peer_addr().unwrap(), client.local_addr().unwrap());
        }
    });
}

#[test]
fn a_dropped_incoming_leaves_no_waker() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (wakes, waker) = Wakes::new();
        let mut incoming = Box::pin(listener.incoming());
        assert!(poll(pin!(poll_fn(|cx| incoming.as_mut().poll_next(cx))), &waker).is_pending());

        drop(incoming);

        assert_eq!(wakes.clones(), 0);
    });
}

#[test]
fn a_client_that_is_gone_before_it_was_accepted_is_no_error_of_the_listener() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for _ in 0..3 {
            reset(std::net::TcpStream::connect(address).unwrap());
        }
        let stays = std::net::TcpStream::connect(address).unwrap();
        let stays = stays.local_addr().unwrap();

        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            if peer == stays {
                break;
            }
            let gone = stream.read(&mut [0]).await.unwrap_err();
            assert_eq!(gone.kind(), ErrorKind::ConnectionReset);
        }
    });
}

#[test]
fn a_dropped_listener_resets_the_connections_that_nobody_accepted() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();

        drop(listener);

        let error = client.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_port_is_free_again_when_its_listener_is_gone() {
    run(async {
        // Somebody else may be given the port in between; hardly ten times in a row.
        for attempt in 1.. {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            // A connection that the server closes first keeps the port in TIME_WAIT.
            let mut client = std::net::TcpStream::connect(address).unwrap();
            drop(listener.accept().await.unwrap());
            assert_eq!(client.read(&mut [0]).unwrap(), 0);
            drop(client);

            drop(listener);

            match TcpListener::bind(address).await {
                Ok(again) => return assert_eq!(again.local_addr().unwrap(), address),
                Err(error) => assert!(attempt < 10, "{error}"),
            }
        }
    });
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let error = TcpListener::bind(listener.local_addr().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    });
}

#[test]
fn two_loops_share_a_port_and_all_connections_find_one_of_them() {
    const CLIENTS: usize = 100;
    let options = TcpListener::options().reuse_port(true);
    let (first, second) = run(async {
        let first = options.clone().bind("127.0.0.1:0").await.unwrap();
        let second = options.bind(first.local_addr().unwrap()).await.unwrap();
        (first, second)
    });
    let address = first.local_addr().unwrap();
    let serve = |listener: TcpListener| {
        std::thread::spawn(move || {
            run(async {
                let mut served = 0;
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let mut byte = [0];
                    stream.read_exact(&mut byte).await.unwrap();
                    if byte == *b"." {
                        return served;
                    }
                    stream.write_all(&byte).await.unwrap();
                    served += 1;
                }
            })
        })
    };
    let servers = [serve(first), serve(second)];

    for _ in 0..CLIENTS {
        let mut client = std::net::TcpStream::connect(address).unwrap();
        client.write_all(b"x").unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 1);
    }
    // The kernel chooses by the client's port: each server gets its end at some time.
    while !servers.iter().all(|server| server.is_finished()) {
        if let Ok(mut client) = std::net::TcpStream::connect(address) {
            let _ = client.write_all(b".");
        }
    }

    let served = servers.map(|server| server.join().unwrap());
    assert_eq!(served.iter().sum::<usize>(), CLIENTS);
    assert!(served.iter().all(|served| *served > 0), "{served:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn sockets_are_closed_when_a_program_is_executed() {
    use std::os::fd::AsRawFd;
    fn flags(socket: &impl AsRawFd) -> u32 {
        let path = format!("/proc/self/fdinfo/{}", socket.as_raw_fd());
        let info = std::fs::read_to_string(path).unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        u32::from_str_radix(flags.trim(), 8).unwrap()
    }
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();

        let wanted = (libc::O_CLOEXEC | libc::O_NONBLOCK) as u32;
        assert_eq!(flags(&listener) & wanted, wanted);
        assert_eq!(flags(&client) & wanted, wanted);
        assert_eq!(flags(&server) & wanted, wanted);
    });
}
