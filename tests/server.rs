//! A server serves each connection by itself, as many at a time as it may, and ends in an orderly way.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/own_process.rs"]
mod own_process;
#[path = "support/styles.rs"]
mod styles;
mod support;

use std::{
    cell::{Cell, RefCell},
    error::Error,
    fmt,
    future::poll_fn,
    io::{self, ErrorKind},
    net::{Shutdown, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    rc::Rc,
    task::Poll,
    thread,
    time::Duration,
};

use folder::Folder;
use greenloop::{
    net::{
        Server, TcpListener, TcpStream, UnixListener, UnixStream,
        server::{Connection, Failure, Listener, Statistics},
    },
    sleep,
};
use styles::{both_styles, serve_async};
use support::{Drops, Gate, OnDrop, block_on};

/// Long enough for whatever ends by itself.
const PATIENT: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

/// A listener and its address.
async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Reads to the end of the stream.
async fn hear_all(stream: &TcpStream) -> io::Result<String> {
    let mut heard = Vec::new();
    greenloop::io::copy(stream, &mut heard).await?;
    Ok(String::from_utf8(heard).unwrap())
}

async fn say_and_hear(address: SocketAddr, text: &str) -> io::Result<String> {
    let client = TcpStream::connect(address).await?;
    client.write_all(text.as_bytes()).await?;
    client.shutdown(Shutdown::Write)?;
    hear_all(&client).await
}

/// Every connection must be accounted for.
#[track_caller]
fn assert_sums(statistics: Statistics) {
    let Statistics { accepted, active, served, failed, panicked, cut, .. } = statistics;
    assert_eq!(accepted, active + served + failed + panicked + cut, "{statistics:?}");
}

/// Waits until so many connections were accepted.
async fn accepted(server: &Server, count: u64) {
    while server.statistics().accepted < count {
        sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until so many handlers run.
async fn active(server: &Server, count: u64) {
    while server.statistics().active != count {
        sleep(Duration::from_millis(1)).await;
    }
}

both_styles! {
    fn each_connection_has_a_handler_and_is_closed_when_that_has_ended() {
        let (listener, address) = wait!(listen());
        let server = serve!([] listener; |connection| {
            let mut buffer = [0; 5];
            wait!(connection.stream.read_exact(&mut buffer))?;
            wait!(connection.stream.write_all(&buffer))
        });
        let clients: Vec<_> = (0..20)
            .map(|number| spawn!([] {
                let text = format!("say{number:02}");
                assert_eq!(wait!(say_and_hear(address, &text)).unwrap(), text);
            }))
            .collect();
        for client in clients {
            wait!(client).unwrap();
        }
        let report = wait!(server.shutdown(PATIENT));
        let statistics = report.statistics();
        assert_eq!((statistics.accepted, statistics.served), (20, 20));
        assert_sums(statistics);
        assert!(report.cut().is_empty() && report.error().is_none());
    }

    fn a_handler_is_told_the_peer() {
        let (listener, address) = wait!(listen());
        let server = serve!([] listener; |connection| {
            wait!(connection.stream.write_all(connection.peer.to_string().as_bytes()))
        });
        let client = wait!(TcpStream::connect(address)).unwrap();
        let own = client.local_addr().unwrap().to_string();
        assert_eq!(wait!(hear_all(&client)).unwrap(), own);
        drop(server);
    }

    fn a_unix_socket_is_served_as_well() {
        let folder = Folder::new();
        let path = folder.path("s");
        let server = serve!([] UnixListener::bind(&path).unwrap(); |connection| {
            assert!(connection.peer.is_unnamed());
            wait!(greenloop::io::copy(&connection.stream, &connection.stream))
        });
        let client = wait!(UnixStream::connect(&path)).unwrap();
        wait!(client.write_all(b"hello")).unwrap();
        let mut heard = [0; 5];
        wait!(client.read_exact(&mut heard)).unwrap();
        assert_eq!(&heard, b"hello");
        drop(client);
        let report = wait!(server.shutdown(PATIENT));
        assert_eq!(report.statistics().served, 1);
    }

    fn an_error_or_a_panic_of_a_handler_is_told_and_harms_no_other() {
        let (listener, address) = wait!(listen());
        let told = Rc::new(RefCell::new(Vec::new()));
        let hook = {
            let told = Rc::clone(&told);
            move |failure: &Failure<'_>| {
                assert!(failure.peer().is_some());
                assert_eq!(failure.downcast_ref::<io::Error>().is_none(), failure.is_panic());
                told.borrow_mut().push((failure.is_panic(), failure.cause().to_string()));
            }
        };
        let server = serve!([] listener, on_failure(hook); |connection| {
            let mut kind = [0];
            wait!(connection.stream.read_exact(&mut kind))?;
            match kind[0] {
                b'e' => return Err(io::Error::other("no such thing")),
                b'p' => panic!("a bug"),
                _ => {}
            }
            wait!(greenloop::io::copy(&connection.stream, &connection.stream))
        });
        let bystander = wait!(TcpStream::connect(address)).unwrap();
        wait!(bystander.write_all(b"-")).unwrap();
        wait!(active(&server, 1));
        for kind in ["e", "p", "e", "p"] {
            assert_eq!(wait!(say_and_hear(address, kind)).unwrap(), "", "it is closed");
        }
        assert_eq!(wait!(say_and_hear(address, "-hello")).unwrap(), "hello");
        wait!(bystander.write_all(b"still here")).unwrap();
        bystander.shutdown(Shutdown::Write).unwrap();
        assert_eq!(wait!(hear_all(&bystander)).unwrap(), "still here");

        let statistics = wait!(server.shutdown(PATIENT)).statistics();
        assert_eq!((statistics.failed, statistics.panicked, statistics.served), (2, 2, 2));
        assert_sums(statistics);
        let told = told.borrow();
        let errors: Vec<_> = told.iter().filter(|(is_panic, _)| !is_panic).collect();
        assert!(errors.iter().all(|(_, text)| text == "no such thing"));
        let panics = told.iter().filter(|(is_panic, text)| *is_panic && text.ends_with(": a bug"));
        assert_eq!((errors.len(), panics.count()), (2, 2), "{told:?}");
    }

    fn at_the_limit_it_does_not_accept_and_goes_on_when_there_is_room() {
        let (listener, address) = wait!(listen());
        let (gate, most) = (Gate::new(), Rc::new(Cell::new((0, 0))));
        let server = serve!([gate, most] listener, max_connections(2); |connection| {
            let (now, before) = most.get();
            most.set((now + 1, before.max(now + 1)));
            wait!(gate.wait());
            let result = wait!(connection.stream.write_all(b"served"));
            most.set((most.get().0 - 1, most.get().1));
            result
        });
        let clients: Vec<_> = (0..10)
            .map(|_| spawn!([] { wait!(say_and_hear(address, "")) }))
            .collect();
        wait!(accepted(&server, 2));
        // The others are connected and wait in the queue.
        wait!(sleep(SHORT));
        settle!();
        assert_eq!((server.statistics().accepted, most.get()), (2, (2, 2)));
        gate.open();
        for client in clients {
            assert_eq!(wait!(client).unwrap().unwrap(), "served");
        }
        assert_eq!(most.get(), (0, 2));
        assert_eq!(wait!(server.shutdown(PATIENT)).statistics().served, 10);
    }

    fn a_failing_handler_gives_its_place_back() {
        let (listener, address) = wait!(listen());
        let count = Rc::new(Cell::new(0));
        let hook = |_: &Failure<'_>| {};
        let server = serve!([count] listener, max_connections(1), on_failure(hook); |connection| {
            count.set(count.get() + 1);
            let _stream = connection.stream;
            if count.get() % 2 == 0 {
                panic!("a bug");
            }
            Err::<(), _>("no")
        });
        for _ in 0..10 {
            assert_eq!(wait!(say_and_hear(address, "")).unwrap(), "");
        }
        let statistics = wait!(server.shutdown(PATIENT)).statistics();
        assert_eq!((statistics.failed, statistics.panicked), (5, 5));
    }

    fn a_shutdown_refuses_newcomers_tells_the_handlers_and_waits_for_them() {
        let (listener, address) = wait!(listen());
        let server = serve!([] listener; |connection| {
            wait!(connection.stream.write_all(b"hello, "))?;
            wait!(connection.shutdown.cancelled());
            wait!(connection.stream.write_all(b"goodbye"))
        });
        let clients: Vec<_> = (0..5)
            .map(|_| spawn!([] { wait!(say_and_hear(address, "")) }))
            .collect();
        wait!(active(&server, 5));
        assert!(!server.is_shutting_down());
        let report = wait!(server.shutdown(PATIENT));
        assert!(server.is_shutting_down());
        assert_eq!((report.drained(), report.cut().len()), (5, 0));
        for client in clients {
            assert_eq!(wait!(client).unwrap().unwrap(), "hello, goodbye");
        }
        let refused = wait!(TcpStream::connect(address)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }

    fn those_who_do_not_end_in_the_time_of_grace_are_cut_and_named() {
        let (listener, address) = wait!(listen());
        let (gate, drops) = (Gate::new(), Drops::new());
        let server = serve!([gate, drops] listener; |connection| {
            let _guard = drops.guard();
            let mut kind = [0];
            wait!(connection.stream.read_exact(&mut kind))?;
            if kind[0] == b'q' {
                wait!(gate.wait());
                return Ok(());
            }
            // Reads on and on.
            wait!(greenloop::io::copy(&connection.stream, Vec::new()))?;
            Ok::<_, io::Error>(())
        });
        let quick = wait!(TcpStream::connect(address)).unwrap();
        let slow = wait!(TcpStream::connect(address)).unwrap();
        wait!(quick.write_all(b"q")).unwrap();
        wait!(slow.write_all(b"s")).unwrap();
        wait!(active(&server, 2));
        settle!();
        let ended = server.shutdown(SHORT);
        settle!();
        gate.open();
        let report = wait!(ended);
        assert!(report.took() >= SHORT, "{report:?}");
        assert_eq!(report.drained(), 1, "{report}");
        let [cut] = report.cut() else { panic!("{report}") };
        assert_eq!(cut.peer(), slow.local_addr().unwrap().to_string());
        assert!(cut.age() >= SHORT && !cut.resists());
        assert!(report.to_string().contains(cut.peer()), "{report}");
        assert_sums(report.statistics());
        assert_eq!((report.statistics().cut, report.statistics().active), (1, 0));
        assert_eq!(drops.count(), 2, "its destructors have run");
        assert_eq!(wait!(hear_all(&slow)).unwrap(), "", "it is closed");
    }

    fn a_writer_whose_peer_does_not_read_is_cut_as_well() {
        let (listener, address) = wait!(listen());
        let server = serve!([] listener; |connection| {
            wait!(connection.stream.write_all(&vec![0; 50 << 20]))
        });
        let client = wait!(TcpStream::connect(address)).unwrap();
        wait!(active(&server, 1));
        wait!(sleep(SHORT));
        let report = wait!(server.shutdown(Duration::ZERO));
        assert_eq!((report.cut().len(), report.drained()), (1, 0));
        drop(client);
    }

    fn a_second_shutdown_can_only_be_earlier() {
        let (listener, address) = wait!(listen());
        let server = serve!([] listener; |connection| {
            wait!(greenloop::io::copy(&connection.stream, Vec::new()))
        });
        let client = wait!(TcpStream::connect(address)).unwrap();
        wait!(active(&server, 1));
        server.begin_shutdown(Duration::MAX);
        settle!();
        server.begin_shutdown(PATIENT);
        settle!();
        assert_eq!(server.statistics().active, 1);
        let first = server.shutdown(Duration::ZERO);
        let second = server.shutdown(Duration::MAX);
        assert_eq!(wait!(first).cut().len(), 1);
        assert_eq!(wait!(second).cut().len(), 1);
        assert_eq!(wait!(server.shutdown(PATIENT)).cut().len(), 1, "after its end as well");
        drop(client);
    }

    fn its_end_is_waited_for_until_the_last_connection_is_gone() {
        let (listener, address) = wait!(listen());
        let server = serve!([] listener; |connection| {
            wait!(greenloop::io::copy(&connection.stream, Vec::new()))
        });
        let client = wait!(TcpStream::connect(address)).unwrap();
        wait!(active(&server, 1));
        let ended = Rc::new(Cell::new(0));
        let waiters: Vec<_> = (0..3)
            .map(|_| spawn!([server, ended] {
                wait!(server.ended());
                ended.set(ended.get() + 1);
            }))
            .collect();
        let impatient = server.ended();
        assert!(wait!(greenloop::timeout(SHORT, impatient)).is_err());
        server.begin_shutdown(PATIENT);
        settle!();
        assert_eq!(ended.get(), 0);
        drop(client);
        for waiter in waiters {
            wait!(waiter).unwrap();
        }
        assert_eq!(wait!(server.ended()).drained(), 1);
    }

    fn a_shutdown_in_the_moment_of_the_last_goodbye_counts_it_once() {
        for round in 0..20 {
            let (listener, address) = wait!(listen());
            let server = serve!([] listener; |connection| {
                wait!(greenloop::io::copy(&connection.stream, Vec::new()))
            });
            let client = wait!(TcpStream::connect(address)).unwrap();
            wait!(active(&server, 1));
            drop(client);
            for _ in 0..round {
                wait!(greenloop::yield_now());
            }
            let report = wait!(server.shutdown(PATIENT));
            assert_eq!(report.statistics().served, 1);
            assert!(report.cut().is_empty());
            assert_sums(report.statistics());
        }
    }

    fn who_waits_in_the_queue_when_it_ends_is_served_as_far_as_there_is_room() {
        let (listener, address) = wait!(listen());
        // Connected before the server has ever looked.
        let early: Vec<_> =
            (0..4).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        let server = serve!([] listener, max_connections(3); |connection| {
            assert!(connection.shutdown.is_cancelled());
            wait!(connection.stream.write_all(b"at last"))
        });
        let report = wait!(server.shutdown(PATIENT));
        assert_eq!((report.drained(), report.statistics().served), (3, 3));
        let heard = early.into_iter().map(|stream| io::read_to_string(stream).unwrap_or_default());
        let mut heard: Vec<_> = heard.collect();
        heard.sort();
        assert_eq!(heard, ["", "at last", "at last", "at last"]);
    }

    fn without_grace_nobody_is_taken_from_the_queue() {
        let (listener, address) = wait!(listen());
        let early = std::net::TcpStream::connect(address).unwrap();
        let server = serve!([] listener; |connection| {
            drop(connection);
        });
        let report = wait!(server.shutdown(Duration::ZERO));
        assert_eq!(report.statistics(), Statistics::default());
        drop(early);
    }

    fn it_goes_on_without_its_handles() {
        let (listener, address) = wait!(listen());
        drop(serve!([] listener; |connection| {
            wait!(greenloop::io::copy(&connection.stream, &connection.stream))
        }));
        assert_eq!(wait!(say_and_hear(address, "hello")).unwrap(), "hello");
    }

    fn it_can_be_ended_and_waited_for_on_another_thread() {
        let (listener, address) = wait!(listen());
        let server = serve!([] listener; |connection| {
            wait!(connection.shutdown.cancelled());
            drop(connection.stream);
        });
        let client = wait!(TcpStream::connect(address)).unwrap();
        wait!(active(&server, 1));
        let stranger = thread::spawn(move || block_on(server.shutdown(PATIENT)));
        assert_eq!(wait!(hear_all(&client)).unwrap(), "");
        let report = wait!(greenloop::spawn_blocking(|| stranger.join().unwrap())).unwrap();
        assert_eq!((report.drained(), report.statistics().served), (1, 1));
    }

    fn a_handler_can_end_its_own_server() {
        let (listener, address) = wait!(listen());
        let own: Rc<RefCell<Option<Server>>> = Rc::default();
        let server = serve!([own] listener; |connection| {
            let server = own.borrow().clone().unwrap();
            // It would wait for itself.
            server.begin_shutdown(PATIENT);
            wait!(connection.stream.write_all(b"the last one"))
        });
        *own.borrow_mut() = Some(server.clone());
        assert_eq!(wait!(say_and_hear(address, "")).unwrap(), "the last one");
        assert_eq!(wait!(server.ended()).drained(), 1);
    }

    fn a_hook_or_an_error_that_panics_harms_nobody() {
        let (listener, address) = wait!(listen());
        let hook = |failure: &Failure<'_>| {
            let _ = failure.to_string();
            panic!("the hook");
        };
        let server = serve!([] listener, on_failure(hook); |connection| {
            let mut kind = [0];
            wait!(connection.stream.read_exact(&mut kind)).unwrap();
            match kind[0] {
                b'p' => panic_any(Wicked),
                b'e' => Err(Wicked),
                _ => Ok(()),
            }
        });
        for kind in ["p", "e", "-", "p"] {
            let _ = wait!(say_and_hear(address, kind));
        }
        let statistics = wait!(server.shutdown(PATIENT)).statistics();
        assert_eq!((statistics.panicked, statistics.failed, statistics.served), (2, 1, 1));
    }

    fn many_clients_of_all_sorts_are_all_accounted_for() {
        let (listener, address) = wait!(listen());
        let hook = |_: &Failure<'_>| {};
        let server = serve!([] listener, max_connections(7), on_failure(hook); |connection| {
            let mut kind = [0];
            wait!(connection.stream.read_exact(&mut kind))?;
            match kind[0] % 4 {
                0 => Err(io::Error::other("no")),
                1 => panic!("a bug"),
                2 => wait!(connection.stream.write_all(b"yes")),
                _ => {
                    wait!(greenloop::yield_now());
                    Ok(())
                }
            }
        });
        let clients: Vec<_> = (0..200_u8)
            .map(|kind| spawn!([] {
                let client = wait!(TcpStream::connect(address)).unwrap();
                // Some say nothing.
                if kind < 160 {
                    wait!(client.write_all(&[kind])).unwrap();
                    let _ = wait!(hear_all(&client));
                }
            }))
            .collect();
        for client in clients {
            wait!(client).unwrap();
        }
        let report = wait!(server.shutdown(PATIENT));
        let Statistics { accepted, active, served, failed, panicked, .. } = report.statistics();
        assert_eq!((accepted, active, served, failed, panicked), (200, 0, 80, 80, 40));
    }
}

/// An error and a panic's payload, which panics in whatever can be done with it.
#[derive(Debug)]
struct Wicked;

impl fmt::Display for Wicked {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("the text of an error");
    }
}

impl Error for Wicked {}

impl Drop for Wicked {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("the drop of an error");
        }
    }
}

#[test]
fn errors_of_any_type_and_no_result_at_all_are_outcomes() {
    async fn nothing(_: Connection) {}
    async fn text(_: Connection) -> Result<(), &'static str> {
        Err("text")
    }
    async fn boxed(_: Connection) -> Result<u64, Box<dyn Error>> {
        Err("boxed".into())
    }
    async fn sendable(_: Connection) -> Result<u64, Box<dyn Error + Send + Sync>> {
        Err("sendable".into())
    }
    styles::run(async {
        let told: Rc<RefCell<Vec<String>>> = Rc::default();
        let builder = async || {
            let (listener, address) = listen().await;
            let told = Rc::clone(&told);
            let tell = move |it: &Failure<'_>| told.borrow_mut().push(it.cause().to_string());
            (Server::builder(listener).on_failure(tell), address)
        };
        let (one, first) = builder().await;
        let (two, second) = builder().await;
        let (three, third) = builder().await;
        let (four, fourth) = builder().await;
        let servers =
            [one.serve(nothing), two.serve(text), three.serve(boxed), four.serve(sendable)];
        for address in [first, second, third, fourth] {
            let _ = say_and_hear(address, "").await;
        }
        for server in servers {
            server.shutdown(PATIENT).await;
        }
        assert_eq!(*told.borrow(), ["text", "boxed", "sendable"]);
    });
}

/// A listener of streams in memory, which ends as it is told.
struct Scripted {
    left: Cell<u32>,
    then: Then,
    drops: Drops,
}

#[derive(Clone, Copy, Debug)]
enum Then {
    NoMore,
    Fail,
    Panic,
}

impl Listener for Scripted {
    type Stream = support::DropGuard;
    type Peer = u32;

    async fn accept(&self) -> io::Result<Option<(Self::Stream, u32)>> {
        greenloop::yield_now().await;
        match (self.left.get(), self.then) {
            (0, Then::NoMore) => Ok(None),
            (0, Then::Fail) => Err(ErrorKind::InvalidInput.into()),
            (0, Then::Panic) => panic!("a listener with a bug"),
            (left, _) => {
                self.left.set(left - 1);
                Ok(Some((self.drops.guard(), left)))
            }
        }
    }
}

#[test]
fn when_the_listener_has_no_more_or_fails_the_connections_are_still_served() {
    for then in [Then::NoMore, Then::Fail] {
        styles::run(async {
            let (drops, told) = (Drops::new(), Rc::new(Cell::new(0)));
            let hook = {
                let told = Rc::clone(&told);
                move |failure: &Failure<'_>| {
                    assert!(failure.peer().is_none() && !failure.is_panic());
                    told.set(told.get() + 1);
                }
            };
            let listener = Scripted { left: Cell::new(3), then, drops: drops.clone() };
            let server = serve_async!([] listener, on_failure(hook); |connection| {
                connection.shutdown.cancelled().await;
                sleep(SHORT).await;
            });
            let report = server.ended().await;
            assert_eq!((report.drained(), report.statistics().served, drops.count()), (3, 3, 3));
            let kind = report.error().map(io::Error::kind);
            let failed = matches!(then, Then::Fail);
            assert_eq!(kind, failed.then_some(ErrorKind::InvalidInput));
            assert_eq!(told.get(), u32::from(failed));
        });
    }
}

#[test]
fn after_the_failure_of_the_listener_the_rest_can_be_cut() {
    styles::run(async {
        let listener = Scripted { left: Cell::new(3), then: Then::NoMore, drops: Drops::new() };
        let server = serve_async!([] listener; |connection| {
            support::hold::<_, ()>(connection).await;
        });
        active(&server, 3).await;
        let report = server.shutdown(Duration::ZERO).await;
        let mut peers: Vec<_> = report.cut().iter().map(|cut| cut.peer()).collect();
        peers.sort_unstable();
        assert_eq!(peers, ["1", "2", "3"]);
    });
}

#[test]
fn a_listener_that_panics_ends_the_server_with_a_report() {
    let unobserved = Rc::new(Cell::new(0));
    let hook = {
        let unobserved = Rc::clone(&unobserved);
        move |_: &greenloop::task::JoinError| unobserved.set(unobserved.get() + 1)
    };
    let mut event_loop = greenloop::EventLoop::builder().on_unobserved_panic(hook).build().unwrap();
    event_loop.run(async {
        let drops = Drops::new();
        let listener = Scripted { left: Cell::new(2), then: Then::Panic, drops: drops.clone() };
        let server = serve_async!([] listener; |connection| {
            support::hold::<_, ()>(connection).await;
        });
        let report = server.ended().await;
        assert_eq!((report.cut().len(), report.statistics().active, drops.count()), (2, 0, 2));
    });
    assert_eq!(unobserved.get(), 1);
}

#[test]
fn it_ends_with_its_loop_and_gives_its_report_afterwards() {
    let drops = Drops::new();
    let (server, client) = greenloop::run(async {
        let (listener, address) = listen().await;
        let server = serve_async!([drops] listener; |connection| {
            let _guard = drops.guard();
            support::hold::<_, ()>(connection).await;
        });
        let client = std::net::TcpStream::connect(address).unwrap();
        active(&server, 1).await;
        (server, client)
    });
    assert_eq!(drops.count(), 1);
    let report = block_on(server.ended());
    assert_eq!((report.cut().len(), report.statistics().cut), (1, 1));
    assert_eq!(block_on(server.shutdown(PATIENT)).cut().len(), 1);
    assert_eq!(io::read_to_string(client).unwrap_or_default(), "");
}

#[test]
fn a_destructor_that_panics_while_its_handler_is_cut_is_told() {
    styles::run(async {
        let (listener, address) = listen().await;
        let told = Rc::new(Cell::new(0));
        let hook = {
            let told = Rc::clone(&told);
            move |failure: &Failure<'_>| told.set(told.get() + u32::from(failure.is_panic()))
        };
        let server = serve_async!([] listener, on_failure(hook); |connection| {
            let _bomb = OnDrop::new(|| panic!("in a destructor"));
            support::hold::<_, ()>(connection).await;
        });
        let _client = TcpStream::connect(address).await.unwrap();
        active(&server, 1).await;
        greenloop::yield_now().await;
        let report = server.shutdown(Duration::ZERO).await;
        assert_eq!((report.statistics().panicked, told.get()), (1, 1), "{report:?}");
        assert_sums(report.statistics());
    });
}

#[cfg(feature = "green")]
#[test]
fn a_green_handler_that_swallows_its_end_is_named_and_not_waited_for() {
    styles::run(async {
        let (listener, address) = listen().await;
        let gate = Gate::new();
        let server = styles::serve_green!([gate] listener; |connection| {
            let _stream = connection.stream;
            while catch_unwind(AssertUnwindSafe(|| {
                greenloop::green::Wait::wait(gate.wait());
            }))
            .is_err()
            {}
        });
        let _client = TcpStream::connect(address).await.unwrap();
        active(&server, 1).await;
        greenloop::yield_now().await;
        let report = server.shutdown(Duration::ZERO).await;
        let [cut] = report.cut() else { panic!("{report}") };
        assert!(cut.resists() && report.to_string().contains("goes on"), "{report}");
        assert_eq!((report.statistics().cut, report.statistics().active), (1, 0));
        gate.open();
    });
}

#[cfg(feature = "green")]
#[test]
fn the_listeners_of_green_threads_give_their_own_streams() {
    use std::io::{Read, Write};

    use greenloop::green::net;

    styles::run_green(|| {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = net::Server::serve(listener, |mut connection| {
            let mut text = String::new();
            connection.stream.read_to_string(&mut text)?;
            connection.stream.write_all(text.to_uppercase().as_bytes())
        });
        let folder = Folder::new();
        let path = folder.path("s");
        let unix = net::Server::serve(net::UnixListener::bind(&path).unwrap(), |connection| {
            std::io::copy(&mut &connection.stream, &mut &connection.stream)
        });

        let mut client = net::TcpStream::connect(address).unwrap();
        client.write_all(b"hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(io::read_to_string(&client).unwrap(), "HELLO");
        let mut client = net::UnixStream::connect(&path).unwrap();
        client.write_all(b"hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(io::read_to_string(&client).unwrap(), "hello");

        unix.begin_shutdown(PATIENT);
        assert_eq!(unix.wait_ended().statistics().served, 1);
        assert_eq!(server.shutdown(PATIENT).statistics().served, 1);
        assert!(server.is_shutting_down());
    });
}

#[cfg(feature = "green")]
#[test]
fn a_handler_without_a_stack_counts_as_failed_and_its_client_is_let_go() {
    styles::run(async {
        let (listener, address) = listen().await;
        let told = Rc::new(Cell::new(0));
        let hook = {
            let told = Rc::clone(&told);
            move |failure: &Failure<'_>| told.set(told.get() + u32::from(failure.peer().is_some()))
        };
        let server = greenloop::green::net::Server::builder(listener)
            .on_failure(hook)
            // More than there are addresses.
            .stack_size(1 << 50)
            .serve(|_| unreachable!("there is no stack"));
        for _ in 0..3 {
            let _ = say_and_hear(address, "").await;
        }
        let report = server.as_async().shutdown(PATIENT).await;
        assert_eq!((report.statistics().failed, told.get()), (3, 3));
        assert_sums(report.statistics());
    });
}

#[test]
fn a_report_can_be_polled_for_with_one_waker_after_another() {
    styles::run(async {
        let (listener, _) = listen().await;
        let server = serve_async!([] listener; |connection| { drop(connection) });
        let mut ended = server.ended();
        let (one, other) = (support::Wakes::new(), support::Wakes::new());
        for wakes in [&one, &other] {
            let waker = wakes.waker();
            let mut cx = std::task::Context::from_waker(&waker);
            assert!(std::pin::Pin::new(&mut ended).poll(&mut cx).is_pending());
        }
        let given_up = server.ended();
        drop(given_up);
        server.shutdown(PATIENT).await;
        assert_eq!((one.count(), other.count()), (0, 1));
        poll_fn(|cx| {
            assert!(std::pin::Pin::new(&mut ended).poll(cx).is_ready());
            Poll::Ready(())
        })
        .await;
        assert_eq!((one.references(), other.references()), (1, 1));
    });
}

#[test]
fn outside_of_a_loop_it_says_what_it_needs() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    let caught =
        support::panic_of(move || serve_async!([] listener; |connection| { drop(connection) }));
    assert!(caught.message.contains("loop"), "{caught:?}");
    caught.assert_within(3);
}

#[cfg(target_os = "linux")]
#[test]
fn no_descriptor_is_left_however_connections_end() {
    let sockets = || {
        let all = std::fs::read_dir("/proc/self/fd").unwrap();
        let targets = all.filter_map(|it| std::fs::read_link(it.unwrap().path()).ok());
        targets.filter(|it| it.to_string_lossy().starts_with("socket:")).count()
    };
    own_process::run("no_descriptor_is_left_however_connections_end", || {
        styles::run(async {
            let mut counts = Vec::new();
            for _ in 0..4 {
                let (listener, address) = listen().await;
                let hook = |_: &Failure<'_>| {};
                let server = serve_async!([] listener, on_failure(hook); |connection| {
                    let mut kind = [0];
                    connection.stream.read_exact(&mut kind).await?;
                    match kind[0] {
                        b'p' => panic!("a bug"),
                        b'e' => Err(io::Error::other("no")),
                        _ => support::hold::<_, io::Result<()>>(connection).await,
                    }
                });
                let clients: Vec<_> = [b"p", b"e", b"-", b"-"]
                    .iter()
                    .map(async |kind| {
                        let client = TcpStream::connect(address).await.unwrap();
                        client.write_all(*kind).await.unwrap();
                        client
                    })
                    .collect();
                let clients = greenloop::join_all(clients).await;
                accepted(&server, 4).await;
                active(&server, 2).await;
                assert_eq!(server.shutdown(Duration::ZERO).await.cut().len(), 2);
                drop(clients);
                counts.push(sockets());
            }
            assert_eq!(counts, [0; 4]);
        });
    });
}
