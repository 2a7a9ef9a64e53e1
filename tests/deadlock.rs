//! A run in which no task can ever go on ends with an error that tells who waits for what; and no other
//! run does.
//!
//! The loop is certain only in a process with no other thread that might do something, so each case is a
//! process of its own: `main` runs this program again for each.

#![allow(unsafe_code, reason = "forks, as a user's program may")]

mod support;

use std::{
    cell::{Cell, RefCell},
    env,
    future::{Future, pending},
    io::Read as _,
    net::TcpStream as StdTcpStream,
    os::unix::net::UnixStream,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    process::{Command, ExitCode, Stdio},
    rc::Rc,
    sync::{Arc, mpsc},
    task::Waker,
    thread,
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use greenloop::{
    EventLoop, Handle,
    event_loop::Deadlock,
    green::{self, Wait},
    net::{TcpListener, TcpStream},
    sync::{self, Mutex},
    task::{self, JoinSet, TaskGroup, Until, WaitsFor},
};
use support::{Drops, OnDrop, hold};

/// Longer than the loop's patience.
const A_WHILE: Duration = Duration::from_millis(250);

thread_local! {
    static SENDER: Cell<Option<sync::oneshot::Sender<u32>>> = const { Cell::new(None) };
}

macro_rules! cases {
    ($($(#[$attribute:meta])* fn $name:ident() $body:block)+) => {
        const CASES: &[(&str, fn())] = &[$((stringify!($name), $name)),+];
        $($(#[$attribute])* fn $name() $body)+
    };
}

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    if let [flag, name] = &arguments[..] {
        if flag == "--case" {
            let (_, case) = CASES.iter().find(|(other, _)| other == name).expect("a case");
            case();
            return ExitCode::SUCCESS;
        }
    }
    if arguments.iter().any(|argument| argument == "--list") {
        CASES.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let (mut wanted, mut skipped) = (Vec::new(), Vec::new());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--skip" => skipped.extend(rest.next()),
            flag if flag.starts_with('-') => {}
            _ => wanted.push(argument),
        }
    }
    let is_in = |words: &[&String], name: &str| words.iter().any(|word| name.contains(*word));
    let chosen = |name: &str| (wanted.is_empty() || is_in(&wanted, name)) && !is_in(&skipped, name);
    let mut failed = Vec::new();
    for (name, _) in CASES.iter().filter(|(name, _)| chosen(name)) {
        let result = run_alone(name);
        println!("test {name} ... {}", if result.is_ok() { "ok" } else { "FAILED" });
        failed.extend(result.err());
    }
    failed.iter().for_each(|failure| println!("\n{failure}"));
    println!("\ntest result: {}", if failed.is_empty() { "ok" } else { "FAILED" });
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a case in a process of its own.
fn run_alone(name: &str) -> Result<(), String> {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--case", name])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if start.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        if name == "a_wait_for_ctrl_c_is_none" && start.elapsed() > A_WHILE {
            let kill = format!("kill -INT {}", child.id());
            Command::new("sh").args(["-c", &kill]).status().unwrap();
        }
        thread::sleep(Duration::from_millis(5));
    };
    let (mut said, mut complained) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut complained).unwrap();
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("{name}: {status}\n{said}\n{complained}")),
        None => Err(format!("{name} hangs\n{said}\n{complained}")),
    }
}

/// Runs what must be a deadlock.
#[track_caller]
fn deadlock_of<F: Future>(future: F) -> Deadlock {
    match greenloop::try_run(future) {
        Ok(_) => panic!("it came to its end"),
        Err(deadlock) => deadlock,
    }
}

/// The line about a task in the message of a deadlock.
fn line<'a>(text: &'a str, name: &str) -> &'a str {
    let name = format!("{name:?} (");
    text.lines().find(|line| line.contains(&name)).unwrap_or_else(|| panic!("{name} in {text}"))
}

/// A place in this file.
fn place(location: &Location<'_>) -> String {
    format!("{}:{}:", location.file(), location.line())
}

/// Two tasks that take two locks in different orders.
fn two_locks() -> (Rc<Mutex<()>>, Rc<Mutex<()>>) {
    (Rc::new(Mutex::new(())), Rc::new(Mutex::new(())))
}

cases! {
    // --- deadlocks -----------------------------------------------------------------------------

    fn a_root_that_nobody_can_wake_is_one() {
        let deadlock = deadlock_of(async { pending::<()>().await });
        let [root] = deadlock.tasks() else { panic!("{deadlock}") };
        assert!(root.is_root() && root.waits_for().is_empty());
        let text = deadlock.to_string();
        assert!(text.starts_with("deadlock: "), "{text}");
        assert!(text.contains("nobody has its waker"), "{text}");
    }

    fn run_panics_with_the_list_where_it_is_called() {
        let panic = support::panic_of(|| greenloop::run(pending::<()>()));
        panic.assert_within(1);
        assert!(panic.message.starts_with("deadlock: "), "{panic:?}");
        let panic = support::panic_of(|| green::run(|| pending::<()>().wait()));
        assert!(panic.file == file!() && panic.message.contains("green thread"), "{panic:?}");
        let mut event_loop = EventLoop::new().unwrap();
        support::panic_of(|| event_loop.run(pending::<()>())).assert_within(0);
        support::panic_of(|| event_loop.run_forever()).assert_within(0);
    }

    fn two_locks_in_different_orders_are_a_circle() {
        let (one, two) = two_locks();
        let made = Location::caller();
        let deadlock = deadlock_of(async move {
            let (a, b) = (Rc::clone(&one), Rc::clone(&two));
            let first = task::Builder::new().name("first").spawn(async move {
                let _one = a.lock().await;
                greenloop::yield_now().await;
                let _two = b.lock().await;
            });
            let second = task::Builder::new().name("second").spawn(async move {
                let _two = two.lock().await;
                greenloop::yield_now().await;
                let _one = one.lock().await;
            });
            greenloop::join_all([first, second]).await
        });
        let [root, first, second] = deadlock.tasks() else { panic!("{deadlock}") };
        let text = deadlock.to_string();
        assert!(
            matches!(root.waits_for(), [WaitsFor::Task(one), WaitsFor::Task(two)]
                if one.id() == first.id() && two.id() == second.id()),
            "{text}",
        );
        let (one, two) = (first.id(), second.id());
        let circle = format!(r#"other: task {one} "first" -> task {two} "second" -> task {one} "first""#);
        assert!(text.contains(&circle), "{text}");
        for (who, other) in [("first", second), ("second", first)] {
            let line = line(&text, who);
            let has = format!("which task {} {:?} has", other.id(), other.name().unwrap());
            assert!(line.contains("waits for the Mutex made at ") && line.contains(&has), "{text}");
            assert!(line.contains(made.file()) && line.contains("(async), spawned at "), "{text}");
        }
    }

    fn green_threads_are_listed_as_such() {
        let (one, two) = two_locks();
        let error = green::try_run(move || {
            let (a, b) = (Rc::clone(&one), Rc::clone(&two));
            let first = green::Builder::new().name("first").spawn(move || {
                let _one = a.lock().wait();
                green::yield_now();
                let _two = b.lock().wait();
            });
            let second = green::Builder::new().name("second").spawn(move || {
                let _two = two.lock().wait();
                green::yield_now();
                let _one = one.lock().wait();
            });
            green::join_all([first, second])
        });
        let text = error.map(|_| ()).unwrap_err().to_string();
        assert!(line(&text, "first").contains("(green thread), spawned at "), "{text}");
        assert!(line(&text, "second").contains("\"first\" has"), "{text}");
        assert!(text.contains("a circle of tasks"), "{text}");
    }

    fn both_kinds_may_wait_for_each_other() {
        let (one, two) = two_locks();
        let deadlock = deadlock_of(async move {
            let (a, b) = (Rc::clone(&one), Rc::clone(&two));
            let green = green::Builder::new().name("green").spawn(move || {
                let _one = a.lock().wait();
                green::yield_now();
                let _two = b.lock().wait();
            });
            let _two = two.lock().await;
            greenloop::yield_now().await;
            let _one = one.lock().await;
            green.await
        });
        let text = deadlock.to_string();
        assert!(text.contains("a circle of tasks") && deadlock.tasks().len() == 2, "{text}");
    }

    fn tasks_that_wait_for_each_others_end_are_a_circle() {
        let deadlock = deadlock_of(async {
            let handles = Rc::new(RefCell::new(Vec::new()));
            for name in ["a", "b", "c"] {
                let others = Rc::clone(&handles);
                let task = task::Builder::new().name(name).spawn(async move {
                    let next = others.borrow_mut().remove(0);
                    let next: task::JoinHandle<()> = next;
                    next.await.unwrap();
                });
                handles.borrow_mut().push(task);
            }
            // Each takes the next one's.
            handles.borrow_mut().rotate_left(1);
            pending::<()>().await;
        });
        let text = deadlock.to_string();
        let ids: Vec<_> = deadlock.tasks()[1..].iter().map(|task| task.id()).collect();
        let circle = format!(
            r#"task {0} "a" -> task {1} "b" -> task {2} "c" -> task {0} "a""#,
            ids[0], ids[1], ids[2],
        );
        assert!(text.contains(&circle), "{text}");
        assert!(line(&text, "a").contains(&format!("waits for task {} \"b\"", ids[1])), "{text}");
    }

    fn one_that_waits_for_its_own_end_is_a_circle() {
        type Own = Rc<RefCell<Option<task::JoinHandle<()>>>>;

        let check = |deadlock: Deadlock, name: &str| {
            let text = deadlock.to_string();
            let task = deadlock.tasks().iter().find(|task| task.name() == Some(name)).unwrap();
            let circle = format!("task {0} {name:?} -> task {0} {name:?}", task.id());
            assert!(text.contains(&circle), "{text}");
        };
        let deadlock = deadlock_of(async {
            let own = Own::default();
            let taken = Rc::clone(&own);
            let task = green::Builder::new().name("green").spawn(move || {
                let own = taken.take().unwrap();
                own.wait().unwrap();
            });
            *own.borrow_mut() = Some(task);
            pending::<()>().await;
        });
        check(deadlock, "green");
        let deadlock = deadlock_of(async {
            let own = Own::default();
            let taken = Rc::clone(&own);
            let task = task::Builder::new().name("plain").spawn(async move {
                let own = taken.take().unwrap();
                own.await.unwrap();
            });
            *own.borrow_mut() = Some(task);
            pending::<()>().await;
        });
        check(deadlock, "plain");
    }

    fn what_is_waited_for_is_called_by_its_name_and_place() {
        let event = Rc::new(sync::Event::new());
        let here = Location::caller().line() - 1;
        let deadlock = deadlock_of(async move { event.wait().await });
        let text = deadlock.to_string();
        assert!(text.contains(&format!("waits for the Event made at {}:{here}:", file!())), "{text}");

        let (sender, receiver) = sync::oneshot::channel::<()>();
        let deadlock = deadlock_of(async move {
            let receiver = receiver.await;
            drop(sender);
            receiver
        });
        let text = deadlock.to_string();
        assert!(text.contains("waits for the ") && text.contains("oneshot"), "{text}");
    }

    fn objects_that_were_made_at_one_place_are_numbered() {
        let locks: Vec<_> = (0..3).map(|_| Rc::new(Mutex::new(()))).collect();
        let deadlock = deadlock_of(async move {
            let mut guards = Vec::new();
            for lock in &locks {
                guards.push(lock.lock().await);
            }
            let tasks = locks.iter().cloned().map(|lock| {
                greenloop::spawn(async move { drop(lock.lock().await) })
            });
            greenloop::join_all(tasks.collect::<Vec<_>>()).await
        });
        let text = deadlock.to_string();
        for number in 1..=3 {
            assert!(text.contains(&format!("(number {number} of those)")), "{text}");
        }
    }

    fn every_way_to_wait_for_tasks_is_seen_through() {
        fn stuck(name: &'static str) -> task::JoinHandle<()> {
            task::Builder::new().name(name).spawn(pending())
        }
        fn check(what: &str, deadlock: &Deadlock) {
            let text = deadlock.to_string();
            let root = text.lines().find(|line| line.contains("the future that the loop runs"));
            let root = root.unwrap_or_else(|| panic!("{what}: {text}"));
            assert!(root.contains("\"stuck\""), "{what}: {text}");
            assert!(!root.contains("does not know"), "{what}: {text}");
        }
        check("join", &deadlock_of(async { stuck("stuck").await }));
        check("join_all", &deadlock_of(async { greenloop::join_all([stuck("stuck")]).await }));
        check("join_all of many", &deadlock_of(async {
            greenloop::join_all((0..100).map(|_| stuck("stuck"))).await
        }));
        check("as_completed", &deadlock_of(async {
            task::as_completed([stuck("stuck")]).next().await
        }));
        check("wait", &deadlock_of(async {
            task::wait(&mut vec![stuck("stuck")], Until::All).await
        }));
        check("JoinSet", &deadlock_of(async {
            let mut set = JoinSet::new();
            set.spawn(async { 7 });
            set.insert(task::Builder::new().name("stuck").spawn(pending()));
            while let Some(output) = set.join_next().await {
                assert_eq!(output.unwrap(), 7);
            }
        }));
        check("TaskGroup", &deadlock_of(TaskGroup::<()>::scope(|group| async move {
            group.spawn_named("stuck", pending::<()>());
        })));
        check("select", &deadlock_of(async {
            futures_util::future::select(stuck("stuck"), pending::<()>()).await;
        }));
    }

    fn waits_that_began_in_another_task_are_those_of_who_waits_at_last() {
        let deadlock = deadlock_of(async {
            let mut set = JoinSet::<()>::new();
            set.insert(task::Builder::new().name("stuck").spawn(pending()));
            assert!(set.join_next().now_or_never().is_none());
            let waiter = task::Builder::new().name("waiter").spawn(async move {
                set.join_next().await;
            });
            waiter.await
        });
        let text = deadlock.to_string();
        assert!(line(&text, "waiter").contains("\"stuck\""), "{text}");
    }

    fn spawn_sites_are_told() {
        let here = Location::caller().line();
        let deadlock = deadlock_of(async {
            let tasks = (
                greenloop::spawn(pending::<()>()),
                green::spawn(|| pending::<()>().wait()),
                task::Builder::new().name("named").spawn(pending::<()>()),
            );
            tasks.0.await.unwrap();
        });
        let lines: Vec<_> = deadlock.tasks().iter().map(|task| task.location().line()).collect();
        assert_eq!(lines, [here + 1, here + 3, here + 4, here + 5]);
        assert!(deadlock.tasks().iter().all(|task| task.location().file() == file!()));
        let text = deadlock.to_string();
        let spawned = format!("spawned at {}", place(deadlock.tasks()[3].location()));
        assert!(line(&text, "named").contains(&spawned), "{text}");
    }

    fn of_a_crowd_the_first_are_listed() {
        let deadlock = deadlock_of(async {
            greenloop::join_all((0..1000).map(|_| greenloop::spawn(pending::<()>()))).await
        });
        assert_eq!(deadlock.tasks().len(), 1001);
        let text = deadlock.to_string();
        assert!(text.lines().count() < 60 && text.ends_with("and 951 more"), "{text}");
    }

    fn it_comes_also_when_timers_and_sockets_were_used_before() {
        let deadlock = deadlock_of(async {
            greenloop::sleep(Duration::from_millis(5)).await;
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let client = greenloop::spawn(TcpStream::connect(address));
            let (mut stream, _) = listener.accept().await.unwrap();
            let client = client.await.unwrap().unwrap();
            client.write_all(b"x").await.unwrap();
            futures_util::AsyncReadExt::read_exact(&mut stream, &mut [0]).await.unwrap();
            assert!(greenloop::statistics().sockets > 0);
            // The sockets are open and registered, but nobody waits for them.
            pending::<()>().await;
            drop((stream, client, listener));
        });
        assert_eq!(deadlock.tasks().len(), 1);
    }

    fn a_moment_that_never_comes_is_no_hope() {
        let deadlock = deadlock_of(greenloop::sleep(Duration::MAX));
        assert!(deadlock.to_string().contains("a moment that never comes"), "{deadlock}");
        deadlock_of(greenloop::timeout(Duration::MAX, pending::<()>()));
    }

    fn it_comes_after_threads_that_are_gone_or_idle() {
        // A thread that ends later, without a word.
        thread::spawn(|| thread::sleep(A_WHILE));
        deadlock_of(pending::<()>());
        // One of the pool, which waits for more work.
        let deadlock = deadlock_of(async {
            greenloop::spawn_blocking(|| ()).await.unwrap();
            pending::<()>().await
        });
        assert_eq!(deadlock.tasks().len(), 1);
    }

    fn a_handle_or_a_waker_that_nobody_can_use_is_no_hope() {
        let deadlock = deadlock_of(async {
            let handle = Handle::current();
            let (sender, receiver) = async_channel::bounded::<()>(1);
            let _ = receiver.recv().await;
            drop((handle, sender));
        });
        assert!(deadlock.to_string().contains("something that the loop does not know"), "{deadlock}");
    }

    fn the_loop_can_be_used_again_and_has_the_other_tasks() {
        let mut event_loop = EventLoop::new().unwrap();
        let (drops, event) = (Drops::new(), Rc::new(sync::Event::new()));
        let (guard, waiting) = (drops.guard(), Rc::clone(&event));
        let held = drops.guard();
        let error = event_loop.try_run(async {
            let task = greenloop::spawn(async move {
                let _guard = guard;
                waiting.wait().await;
                7
            });
            let _held = held;
            drop(task);
            pending::<()>().await;
        });
        assert_eq!(error.unwrap_err().tasks().len(), 2);
        // The future of the run is gone, the other task is not.
        assert_eq!((drops.count(), event_loop.statistics().tasks), (1, 1));
        event_loop.run(async {
            event.set();
            greenloop::yield_now().await;
        });
        assert_eq!((drops.count(), event_loop.statistics().tasks), (2, 0));
        assert_eq!(event_loop.try_run(async { 8 }).unwrap(), 8);
    }

    fn destructors_run_and_green_threads_unwind() {
        let drops = Drops::new();
        let guards = [drops.guard(), drops.guard(), drops.guard()];
        let error = green::try_run(move || {
            let [own, green, task] = guards;
            let _own = own;
            drop(green::spawn(move || hold::<_, ()>(green).wait()));
            drop(greenloop::spawn(hold::<_, ()>(task)));
            pending::<()>().wait();
        });
        assert_eq!(error.unwrap_err().tasks().len(), 4);
        assert_eq!(drops.count(), 3);
        // The panic of `run` comes when all are gone.
        let guard = drops.guard();
        let caught = catch_unwind(AssertUnwindSafe(|| {
            greenloop::run(hold::<_, ()>((guard, OnDrop::new(|| assert!(!thread::panicking())))));
        }));
        assert!(caught.is_err() && drops.count() == 4);
    }

    fn a_root_that_a_green_thread_aborts_is_gone_when_its_run_returns() {
        // It borrows from here, and a destructor of its that waited on the green thread's stack would
        // leave the rest of it there.
        let gone = Cell::new(false);
        let mut event_loop = EventLoop::new().unwrap();
        let ended = catch_unwind(AssertUnwindSafe(|| {
            event_loop.try_run(async {
                let _gone = OnDrop::new(|| gone.set(true));
                let _waits = OnDrop::new(|| pending::<()>().wait());
                let root = task::current().abort_handle();
                let killer = green::spawn(move || root.abort());
                killer.await.unwrap();
                pending::<()>().await;
            })
        }));
        assert!(gone.get());
        let message = *ended.unwrap_err().downcast::<&str>().unwrap();
        assert!(message.starts_with("wait() works in green threads only"), "{message}");
        // Without such a destructor, it was cancelled.
        let aborted = support::panic_of(|| {
            event_loop.run(async {
                let root = task::current().abort_handle();
                greenloop::spawn(async move { root.abort() }).await.unwrap();
                pending::<()>().await;
            })
        });
        assert!(aborted.message.ends_with("was cancelled"), "{aborted:?}");
    }

    fn a_loop_that_runs_for_ever_without_anybody_to_stop_it_is_one() {
        let mut event_loop = EventLoop::new().unwrap();
        event_loop.run(async { drop(greenloop::spawn(pending::<()>())) });
        let panic = support::panic_of(|| event_loop.run_forever());
        assert!(panic.message.contains("spawned at "), "{panic:?}");
        // It is in order, and can be stopped by what runs on it.
        let handle = event_loop.handle();
        event_loop.run(async {
            drop(greenloop::spawn(async move {
                greenloop::sleep(A_WHILE).await;
                handle.stop();
            }));
        });
        event_loop.run_forever();
    }

    fn it_can_be_turned_off() {
        let mut event_loop = EventLoop::builder().report_deadlocks(false).build().unwrap();
        let (send, receive) = mpsc::channel();
        let handle = event_loop.handle();
        thread::spawn(move || {
            // Long enough that the loop would have found out, were there no other thread. This one
            // only proves that the loop still sleeps.
            assert_eq!(receive.recv_timeout(A_WHILE), Err(mpsc::RecvTimeoutError::Timeout));
            handle.stop();
        });
        event_loop.run_forever();
        drop::<mpsc::Sender<()>>(send);
    }

    // --- not deadlocks -------------------------------------------------------------------------

    fn a_timer_is_none() {
        greenloop::run(greenloop::sleep(A_WHILE));
        green::run(|| green::sleep(A_WHILE));
        greenloop::run(async {
            let event = Rc::new(sync::Event::new());
            let set = Rc::clone(&event);
            drop(task::call_later(A_WHILE, move || set.set()));
            event.wait().await;
        });
    }

    fn a_wait_for_a_descriptor_is_none() {
        greenloop::run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            // Another process connects, so that this one has a single thread.
            let script = format!("sleep 0.3; exec 3<>/dev/tcp/127.0.0.1/{}", address.port());
            let mut child = Command::new("bash").args(["-c", &script]).spawn().unwrap();
            listener.accept().await.unwrap();
            child.wait().unwrap();
        });
    }

    fn a_wait_for_ctrl_c_is_none() {
        // The signal comes from the process that runs this one.
        greenloop::run(greenloop::signal::ctrl_c()).unwrap();
    }

    fn a_wait_for_a_child_process_is_none() {
        let sleeps = || {
            let mut command = greenloop::process::Command::new("sleep");
            command.arg(A_WHILE.as_secs_f64().to_string());
            command
        };
        assert!(greenloop::run(async { sleeps().status().await }).unwrap().success());
        greenloop::run(async {
            let event = Rc::new(sync::Event::new());
            let set = Rc::clone(&event);
            let mut child = sleeps().spawn().unwrap();
            drop(greenloop::spawn(async move {
                child.wait().await.unwrap();
                set.set();
            }));
            event.wait().await;
        });
    }

    fn a_blocking_call_is_none() {
        greenloop::run(async {
            let event = Rc::new(sync::Event::new());
            let set = Rc::clone(&event);
            let blocking = greenloop::spawn_blocking(|| thread::sleep(A_WHILE));
            drop(greenloop::spawn(async move {
                blocking.await.unwrap();
                set.set();
            }));
            event.wait().await;
        });
        green::run(|| greenloop::spawn_blocking(|| thread::sleep(A_WHILE)).wait().unwrap());
    }

    fn a_message_from_another_thread_is_none() {
        let (sender, receiver) = async_channel::bounded(1);
        thread::spawn(move || {
            thread::sleep(A_WHILE);
            sender.send_blocking(7).unwrap();
        });
        assert_eq!(greenloop::run(receiver.recv()), Ok(7));
    }

    fn a_waker_with_another_thread_is_none() {
        let (send, receive) = mpsc::channel::<Waker>();
        let woken = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let set = Arc::clone(&woken);
        thread::spawn(move || {
            let waker = receive.recv().unwrap();
            thread::sleep(A_WHILE);
            set.store(true, std::sync::atomic::Ordering::SeqCst);
            waker.wake();
        });
        greenloop::run(std::future::poll_fn(move |cx| {
            if woken.load(std::sync::atomic::Ordering::SeqCst) {
                return std::task::Poll::Ready(());
            }
            let _ = send.send(cx.waker().clone());
            std::task::Poll::Pending
        }));
    }

    fn an_abort_from_another_thread_is_none() {
        for by_handle in [false, true] {
            let output = greenloop::run(async move {
                let task = greenloop::spawn(pending::<()>());
                let watcher = greenloop::spawn(pending::<()>());
                let (aborts, watched) = (task.abort_handle(), watcher.abort_handle());
                let both = async {
                    let output = task.await;
                    watched.abort();
                    output
                };
                thread::spawn(move || {
                    thread::sleep(A_WHILE);
                    if by_handle { watcher.abort() }
                    aborts.abort();
                });
                both.await
            });
            assert!(output.unwrap_err().is_cancelled());
        }
    }

    fn a_handle_on_another_thread_is_none() {
        let answer = greenloop::run(async {
            let (sender, receiver) = sync::oneshot::channel();
            SENDER.set(Some(sender));
            let handle = Handle::current();
            thread::spawn(move || {
                thread::sleep(A_WHILE);
                let answer = handle.spawn(async { SENDER.take().unwrap().send(42).unwrap() });
                answer.join().unwrap();
            });
            receiver.await.unwrap()
        });
        assert_eq!(answer, 42);
    }

    fn a_loop_that_another_thread_stops_is_none() {
        let mut event_loop = EventLoop::new().unwrap();
        let handle = event_loop.handle();
        thread::spawn(move || {
            thread::sleep(A_WHILE);
            handle.stop();
        });
        event_loop.run_forever();
    }

    fn a_task_on_another_loop_is_none() {
        let (send, receive) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut event_loop = EventLoop::new().unwrap();
            send.send(event_loop.handle()).unwrap();
            event_loop.run_forever();
        });
        let handle = receive.recv().unwrap();
        greenloop::run(async {
            let remote = handle.spawn(async {
                greenloop::sleep(A_WHILE).await;
                7
            });
            assert_eq!(remote.await.unwrap(), 7);
        });
        handle.stop();
        thread.join().unwrap();
    }

    fn a_thread_that_is_told_apart_from_its_name_is_counted() {
        // The process is named so that a reader of its statistics may go astray.
        std::fs::write("/proc/self/comm", "a) S 1 1 1 1").unwrap();
        deadlock_of(pending::<()>());
        let (sender, receiver) = async_channel::bounded(1);
        thread::spawn(move || {
            thread::sleep(A_WHILE);
            sender.send_blocking(()).unwrap();
        });
        greenloop::run(receiver.recv()).unwrap();
    }

    fn a_child_process_has_a_pool_of_its_own() {
        // The parent's pool has an idle thread, which the child has not: a thread that the child
        // starts must not be taken for it.
        greenloop::run(async { greenloop::spawn_blocking(|| ()).await.unwrap() });
        // SAFETY: the child only runs what follows, and leaves by `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let (sender, receiver) = async_channel::bounded(1);
            thread::spawn(move || {
                thread::sleep(A_WHILE);
                sender.send_blocking(()).unwrap();
            });
            let well = greenloop::try_run(receiver.recv()).is_ok_and(|received| received.is_ok());
            // SAFETY: ends the process at once.
            unsafe { libc::_exit(i32::from(!well)) };
        }
        let mut status = 0;
        // SAFETY: `status` is alive during the call.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
    }

    fn a_peer_in_this_very_process_is_none() {
        // Nobody will ever write, but that is more than the loop can know.
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(ours);
        drop(theirs);
        let ended = greenloop::run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let _client = StdTcpStream::connect(address).unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            greenloop::timeout(A_WHILE, stream.read(&mut [0])).await.is_err()
        });
        assert!(ended);
    }
}
