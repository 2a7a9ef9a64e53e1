//! A process that has no descriptors left keeps running: what needs one says so or waits, nothing
//! spins, and everything goes on when descriptors come back.
//!
//! Every test has a process to itself, since the limit counts for all threads.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::SocketAddr,
    pin::pin,
    time::{Duration, Instant},
};

use futures_core::Stream as _;
use greenloop::{
    EventLoop,
    net::{Server, TcpListener, TcpStream, server::Failure},
    sleep, statistics,
};

#[path = "support/limits.rs"]
mod limits;
#[path = "support/own_process.rs"]
mod own_process;
#[path = "support/net.rs"]
mod support;
use support::{poll_once, run};

const MILLISECOND: Duration = Duration::from_millis(1);
const CLIENTS: u8 = 20;

/// Takes all descriptors that there are; dropping it gives them back.
fn exhaust() -> Vec<File> {
    limits::set(256);
    let mut taken = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => taken.push(file),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
                return taken;
            }
        }
    }
}

/// Clients that have connected and said who they are.
fn clients(address: SocketAddr) -> Vec<std::net::TcpStream> {
    let client = |number| {
        let mut client = std::net::TcpStream::connect(address).unwrap();
        client.write_all(&[number]).unwrap();
        client
    };
    (0..CLIENTS).map(client).collect()
}

#[test]
fn accept_waits_for_descriptors_without_spinning_and_loses_no_connection() {
    own_process::run(
        "accept_waits_for_descriptors_without_spinning_and_loses_no_connection",
        || {
            run(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let clients = clients(listener.local_addr().unwrap());
                let taken = exhaust();
                let server = greenloop::spawn(async move {
                    let mut seen = Vec::new();
                    let mut buffer = [0];
                    while seen.len() < CLIENTS.into() {
                        let (stream, _) = listener.accept().await.unwrap();
                        stream.read_exact(&mut buffer).await.unwrap();
                        seen.push(buffer[0]);
                        stream.write_all(&buffer).await.unwrap();
                    }
                    seen
                });
                greenloop::yield_now().await;

                let before = statistics();
                sleep(300 * MILLISECOND).await;
                let after = statistics();

                // Each try takes a poll, each pause a turn or a few. To spin would take thousands.
                assert!(after.polls - before.polls < 60, "{} polls", after.polls - before.polls);
                assert!(after.turns - before.turns < 150, "{} turns", after.turns - before.turns);
                assert!(!server.is_finished());

                drop(taken);
                assert!(server.await.unwrap().into_iter().eq(0..CLIENTS));
                for (number, mut client) in (0..CLIENTS).zip(clients) {
                    let mut answer = [0];
                    client.read_exact(&mut answer).unwrap();
                    assert_eq!(answer, [number]);
                }
            });
        },
    );
}

#[test]
fn a_listener_that_waits_already_is_not_broken_by_exhaustion() {
    own_process::run("a_listener_that_waits_already_is_not_broken_by_exhaustion", || {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            // Registered, and in the middle of a wait.
            let mut accept = pin!(listener.accept());
            assert!(poll_once(accept.as_mut()).is_pending());
            let spare = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
            let spare = spare.unwrap();
            let taken = exhaust();
            spare.connect(&address.into()).unwrap();

            let start = Instant::now();
            while start.elapsed() < 50 * MILLISECOND {
                assert!(poll_once(accept.as_mut()).is_pending());
                sleep(5 * MILLISECOND).await;
            }
            drop(taken);

            let (_, peer) = accept.await.unwrap();
            assert_eq!(Some(peer), spare.local_addr().unwrap().as_socket());
        });
    });
}

#[test]
fn incoming_waits_for_descriptors_too() {
    own_process::run("incoming_waits_for_descriptors_too", || {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let _clients = clients(listener.local_addr().unwrap());
            let taken = exhaust();
            let mut incoming = pin!(listener.incoming());
            let mut next = pin!(std::future::poll_fn(|cx| incoming.as_mut().poll_next(cx)));
            assert!(poll_once(next.as_mut()).is_pending());
            sleep(30 * MILLISECOND).await;
            assert!(poll_once(next.as_mut()).is_pending());

            drop(taken);

            next.await.unwrap().unwrap();
        });
    });
}

#[test]
fn a_server_waits_for_descriptors_and_can_be_shut_down_meanwhile() {
    own_process::run("a_server_waits_for_descriptors_and_can_be_shut_down_meanwhile", || {
        run(async {
            let serve = async || {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let never = |failure: &Failure<'_>| panic!("it is no failure: {failure}");
                let server = Server::builder(listener)
                    .on_failure(never)
                    .serve(|it| async move { greenloop::io::copy(&it.stream, &it.stream).await });
                (server, address)
            };
            let ((patient, address), (ended, other)) = (serve().await, serve().await);
            let given_up = clients(other);
            let clients = clients(address);
            let taken = exhaust();
            greenloop::yield_now().await;

            let before = statistics();
            sleep(300 * MILLISECOND).await;
            let after = statistics();
            assert!(after.polls - before.polls < 120, "{} polls", after.polls - before.polls);
            assert_eq!(patient.statistics().accepted, 0);
            // It cannot take what waits, and does not wait for that.
            let report = ended.shutdown(Duration::MAX).await;
            assert_eq!((report.statistics().accepted, report.error().is_none()), (0, true));

            drop((taken, given_up));
            for (number, mut client) in (0..CLIENTS).zip(clients) {
                let mut answer = [0];
                client = greenloop::spawn_blocking(move || {
                    client.read_exact(&mut answer).unwrap();
                    assert_eq!(answer, [number]);
                    client
                })
                .await
                .unwrap();
                drop(client);
            }
            let report = patient.shutdown(Duration::MAX).await;
            assert_eq!(report.statistics().served, u64::from(CLIENTS));
        });
    });
}

#[test]
fn connections_that_are_open_go_on() {
    own_process::run("connections_that_are_open_go_on", || {
        run(async {
            let (ours, theirs) = support::pair();
            let echo = greenloop::spawn(support::echo(theirs));
            let _taken = exhaust();
            for round in 0..100 {
                ours.write_all(&[round]).await.unwrap();
                let mut buffer = [0];
                ours.read_exact(&mut buffer).await.unwrap();
                assert_eq!(buffer, [round]);
            }
            drop(ours);
            echo.await.unwrap();
        });
    });
}

#[test]
fn a_connect_and_a_bind_without_descriptors_are_errors() {
    own_process::run("a_connect_and_a_bind_without_descriptors_are_errors", || {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let taken = exhaust();

            let connect = TcpStream::connect(address).await.unwrap_err();
            let bind = TcpListener::bind("127.0.0.1:0").await.unwrap_err();
            let signal = greenloop::signal::ctrl_c().await.unwrap_err();

            assert_eq!(connect.raw_os_error(), Some(libc::EMFILE));
            assert_eq!(bind.raw_os_error(), Some(libc::EMFILE));
            assert_eq!(signal.raw_os_error(), Some(libc::EMFILE));
            drop(taken);
            TcpStream::connect(address).await.unwrap();
        });
    });
}

#[test]
fn a_loop_without_descriptors_is_an_error_and_run_says_so() {
    own_process::run("a_loop_without_descriptors_is_an_error_and_run_says_so", || {
        let taken = exhaust();

        let error = EventLoop::new().unwrap_err();
        let panic = std::panic::catch_unwind(|| greenloop::run(async {})).unwrap_err();

        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
        let text = panic.downcast_ref::<String>().unwrap();
        assert!(text.contains("cannot make an event loop"), "{text}");
        drop(taken);
        greenloop::run(async {});
    });
}

#[test]
fn sleeps_need_no_descriptors() {
    own_process::run("sleeps_need_no_descriptors", || {
        let mut event_loop = EventLoop::new().unwrap();
        let taken = exhaust();
        event_loop.run(async {
            for micros in [1, 100, 900, 1100, 5000] {
                let start = Instant::now();
                sleep(Duration::from_micros(micros)).await;
                assert!(start.elapsed() >= Duration::from_micros(micros));
            }
        });
        drop(taken);
        event_loop.run(sleep(Duration::from_micros(100)));
    });
}

#[test]
fn threads_for_blocking_work_need_no_descriptors() {
    own_process::run("threads_for_blocking_work_need_no_descriptors", || {
        run(async {
            let _taken = exhaust();
            assert_eq!(greenloop::spawn_blocking(|| 7).await.unwrap(), 7);
        });
    });
}
