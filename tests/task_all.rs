//! `task::all` and `task::current` tell who is there, where from, and what they wait for.
#![cfg(feature = "green")]

mod styles;
mod support;

use std::{
    cell::Cell,
    future::pending,
    panic::Location,
    rc::Rc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt as _, StreamExt as _};
use greenloop::{
    EventLoop,
    green::{self, Wait},
    net::{TcpListener, TcpStream},
    sync::{Event, Mutex},
    task::{self, JoinSet, TaskGroup, TaskInfo, TaskKind, TaskState, WaitsFor},
};
use styles::in_both_styles;
use support::{Gate, hold, panic_of};

const LONG: Duration = Duration::from_secs(3600);

/// What is known of a task.
#[track_caller]
fn about(id: task::Id) -> TaskInfo {
    task::all().into_iter().find(|task| task.id() == id).expect("it is alive")
}

in_both_styles! {
    fn the_running_task_knows_itself() {
        let here = Location::caller().line();
        let child = task::Builder::new().name("child").spawn(async { task::current() });
        let id = child.id();
        let child = wait!(child).unwrap();
        assert_eq!((child.id(), child.name(), child.kind()), (id, Some("child"), TaskKind::Async));
        assert_eq!((child.state(), child.waits_for().len()), (TaskState::Running, 0));
        assert_eq!((child.location().file(), child.location().line()), (file!(), here + 1));

        let thread = wait!(green::spawn(task::current)).unwrap();
        assert_eq!((thread.name(), thread.kind()), (None, TaskKind::Green));
        assert_eq!(thread.location().line(), here + 8);
        assert_eq!((task::current().id(), task::try_id()), (task::id(), Some(task::id())));
        let thread = green::spawn(task::id);
        let id = thread.id();
        assert_eq!(wait!(thread).unwrap(), id);
    }

    fn all_are_listed_in_the_order_of_their_spawns_while_they_are_alive() {
        let before: Vec<_> = task::all().iter().map(TaskInfo::id).collect();
        let ended = greenloop::spawn(async {});
        let waiting = greenloop::spawn(pending::<()>());
        let thread = green::spawn(|| pending::<()>().wait());
        let mut ids = before.clone();
        ids.extend([ended.id(), waiting.id(), thread.id()]);
        assert_eq!(task::all().iter().map(TaskInfo::id).collect::<Vec<_>>(), ids);
        assert_eq!(about(thread.id()).kind(), TaskKind::Green, "also before it has started");
        assert!(task::all().iter().skip(before.len()).all(|task| task.state() == TaskState::Ready));
        wait!(greenloop::yield_now());
        ids.remove(before.len());
        assert_eq!(task::all().iter().map(TaskInfo::id).collect::<Vec<_>>(), ids);
        assert_eq!(about(waiting.id()).state(), TaskState::Waiting);
        assert_eq!(about(thread.id()).kind(), TaskKind::Green);
        assert!(about(task::try_id().unwrap()).state() == TaskState::Running);
        wait!(ended).unwrap();
    }

    fn the_root_is_told_apart() {
        let roots: Vec<_> = task::all().into_iter().filter(TaskInfo::is_root).collect();
        assert_eq!(roots.len(), 1);
        let child = greenloop::spawn(pending::<()>());
        assert!(!about(child.id()).is_root());
    }

    fn a_wait_for_a_time_is_one() {
        let start = Instant::now();
        let sleeper = start!({ wait!(greenloop::sleep(LONG)) });
        let never = start!({ wait!(greenloop::sleep(Duration::MAX)) });
        wait!(greenloop::yield_now());
        let [WaitsFor::Time(Some(time))] = about(sleeper.id()).waits_for()[..] else {
            panic!("{}", about(sleeper.id()));
        };
        // Counted on the loop's clock, in nanoseconds.
        assert!(time >= start + LONG && time <= Instant::now() + LONG);
        assert_eq!(about(never.id()).waits_for(), [WaitsFor::Time(None)]);
        assert!(about(sleeper.id()).to_string().contains("waits for a moment 3"));
    }

    fn a_wait_for_a_task_is_one() {
        let slow = task::Builder::new().name("slow").spawn(pending::<()>());
        let slow_id = slow.id();
        let waiter = start!({ wait!(slow) });
        wait!(greenloop::yield_now());
        let info = about(waiter.id());
        let [WaitsFor::Task(task)] = info.waits_for() else { panic!("{info}") };
        assert_eq!((task.id(), task.name()), (slow_id, Some("slow")));
        assert!(about(waiter.id()).to_string().ends_with("\"slow\""));
    }

    fn a_wait_for_a_descriptor_is_one() {
        let listener = wait!(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let server = start!({ wait!(listener.accept()).unwrap().0 });
        wait!(greenloop::yield_now());
        assert!(matches!(about(server.id()).waits_for(), [WaitsFor::Readable(_)]));
        let client = wait!(TcpStream::connect(address)).unwrap();
        let stream = wait!(server).unwrap();
        let writer = start!({ wait!(async { while stream.write(&[0; 65536]).await.is_ok() {} }) });
        while about(writer.id()).state() != TaskState::Waiting {
            wait!(greenloop::yield_now());
        }
        assert!(matches!(about(writer.id()).waits_for(), [WaitsFor::Writable(_)]), "{}", about(writer.id()));
        drop(client);
    }

    fn a_wait_for_a_lock_tells_who_has_it() {
        let lock = Rc::new(Mutex::new(()));
        let made = Location::caller().line() - 1;
        let (held, wanted) = (Rc::clone(&lock), Rc::clone(&lock));
        let gate = Gate::new();
        let waiting = gate.clone();
        let holder = start!({
            let guard = wait!(held.lock());
            wait!(waiting.wait());
            drop(guard);
        });
        let waiter = start!({ drop(wait!(wanted.lock())) });
        wait!(greenloop::yield_now());
        let info = about(waiter.id());
        let [WaitsFor::Object { what, made: place, number, holder: has, .. }] = info.waits_for() else {
            panic!("{info}");
        };
        assert_eq!((*what, place.file(), place.line(), *number), ("Mutex", file!(), made, 0));
        assert_eq!(has.as_ref().map(|task| task.id()), Some(holder.id()));
        let text = format!("which task {} has", holder.id());
        assert!(info.to_string().ends_with(&text), "{info}");
        gate.open();
        wait!(waiter).unwrap();
        wait!(holder).unwrap();
    }

    fn who_waits_for_several_waits_for_each() {
        let event = Rc::new(Event::new());
        let task = greenloop::spawn(pending::<()>());
        let waiter = start!({
            let nap = greenloop::sleep(LONG);
            let either = futures_util::future::select(Box::pin(event.wait()), task);
            drop(wait!(futures_util::future::select(either, nap)));
        });
        wait!(greenloop::yield_now());
        let info = about(waiter.id());
        assert_eq!(info.waits_for().len(), 3, "{info}");
        assert!(info.waits_for().iter().any(|reason| matches!(reason, WaitsFor::Time(_))));
        assert!(info.waits_for().iter().any(|reason| matches!(reason, WaitsFor::Task(_))));
        assert!(info.waits_for().iter().any(|reason| matches!(reason, WaitsFor::Object { .. })));
    }

    fn sets_and_groups_wait_for_their_tasks() {
        let group = start!({
            let _ = wait!(TaskGroup::<()>::scope(|group| async move {
                group.spawn_named("one", pending::<()>());
                group.spawn_named("two", pending::<()>());
            }));
        });
        let set = start!({
            let mut set = JoinSet::<()>::new();
            set.insert(task::Builder::new().name("three").spawn(pending()));
            wait!(set.join_next());
        });
        let stream = start!({
            let task = task::Builder::new().name("four").spawn(pending::<()>());
            wait!(task::as_completed([task]).collect::<Vec<_>>());
        });
        for _ in 0..3 {
            wait!(greenloop::yield_now());
        }
        let names = |id| {
            let mut names = Vec::new();
            for reason in about(id).waits_for() {
                let WaitsFor::Task(task) = reason else { panic!("{}", about(id)) };
                names.push(task.name().unwrap().to_owned());
            }
            names
        };
        assert_eq!(names(group.id()), ["one", "two"]);
        assert_eq!(names(set.id()), ["three"]);
        assert_eq!(names(stream.id()), ["four"]);
    }

    fn what_is_not_known_is_said_to_be_elsewhere() {
        let (sender, receiver) = async_channel::bounded::<()>(1);
        let waiter = start!({ wait!(receiver.recv()).unwrap() });
        let nothing = start!({ wait!(pending::<()>()) });
        let blocking = greenloop::spawn_blocking({
            let sender = sender.clone();
            move || drop(sender)
        });
        wait!(greenloop::yield_now());
        assert_eq!(about(waiter.id()).waits_for(), [WaitsFor::Elsewhere]);
        assert!(about(nothing.id()).waits_for().is_empty());
        assert!(about(nothing.id()).to_string().contains("nobody has its waker"));
        wait!(blocking).unwrap();
        drop(sender);
        assert!(wait!(waiter).unwrap_err().is_panic());
    }

    fn waits_that_are_over_are_not_told() {
        let gate = Gate::new();
        let waiting = gate.clone();
        let task = start!({
            // Given up; and what wakes it leaves the timer where it is.
            let mut nap = greenloop::sleep(LONG);
            assert!((&mut nap).now_or_never().is_none());
            wait!(waiting.wait());
            drop(nap);
        });
        wait!(greenloop::yield_now());
        assert!(!about(task.id()).waits_for().is_empty());
        gate.open();
        assert_eq!((about(task.id()).state(), about(task.id()).waits_for().len()), (TaskState::Ready, 0));
        wait!(task).unwrap();
    }

    fn a_task_can_be_aborted_by_who_lists_it() {
        let stuck = task::Builder::new().name("stuck").spawn(pending::<()>());
        let found = task::all().into_iter().find(|task| task.name() == Some("stuck")).unwrap();
        found.abort_handle().abort();
        assert!(wait!(stuck).unwrap_err().is_cancelled());
        // It keeps what it knew.
        assert_eq!(found.name(), Some("stuck"));
        found.abort_handle().abort();
    }

    fn a_task_may_end_itself() {
        let outputs = wait!(task::join_all_settled((0..3).map(|number| async move {
            if number == 1 {
                task::current().abort_handle().abort();
                greenloop::yield_now().await;
            }
            number
        })));
        assert!(matches!(outputs[..], [Ok(0), Err(_), Ok(2)]));
        assert!(outputs[1].as_ref().unwrap_err().is_cancelled());
    }

    fn a_destructor_sees_its_own_task() {
        let seen = Rc::new(Cell::new(None));
        let noted = Rc::clone(&seen);
        let held = support::OnDrop::new(move || noted.set(task::try_current().map(|task| task.id())));
        let child = start!({ wait!(hold::<_, ()>(held)) });
        let id = child.id();
        wait!(greenloop::yield_now());
        child.abort();
        assert!(wait!(child).unwrap_err().is_cancelled());
        assert_eq!(seen.get(), Some(id));
    }
}

#[test]
fn outside_there_is_nobody() {
    assert!(task::all().is_empty() && task::try_current().is_none());
    panic_of(task::current);
    let mut event_loop = EventLoop::new().unwrap();
    event_loop.run(async { drop(greenloop::spawn(pending::<()>())) });
    assert!(task::all().is_empty(), "the loop is not running");
    event_loop.run(async { assert_eq!(task::all().len(), 2) });
}

#[test]
fn a_lively_loop_can_be_looked_at_all_the_time() {
    let _watched = styles::watch();
    greenloop::run(async {
        let lock = Rc::new(Mutex::new(0));
        let mut set = JoinSet::new();
        for number in 0..50 {
            let lock = Rc::clone(&lock);
            let work = move |rounds: u64| async move {
                for round in 0..rounds {
                    let mut guard = lock.lock().await;
                    *guard += 1;
                    if round % 3 == 0 {
                        greenloop::sleep(Duration::from_micros(number * 10)).await;
                    }
                    drop(guard);
                    greenloop::yield_now().await;
                }
            };
            if number % 2 == 0 {
                set.spawn(work(20));
            } else {
                set.spawn_green(move || work(20).wait());
            }
        }
        let watcher = greenloop::spawn(async {
            let mut lines = 0;
            loop {
                lines += task::all().iter().map(|task| task.to_string().len()).sum::<usize>();
                if task::all().len() == 2 {
                    break lines;
                }
                greenloop::sleep(Duration::from_millis(1)).await;
            }
        });
        while let Some(output) = set.join_next().await {
            output.unwrap();
        }
        assert!(watcher.await.unwrap() > 0);
        assert_eq!(*lock.lock().await, 1000);
    });
}
