//! A panic ends its own task only, and is found in its handle; when nobody can collect it any more
//! it is reported, once.
#![allow(clippy::async_yields_async, reason = "handles are what is handed around here")]

#[path = "support/own_process.rs"]
mod own_process;
mod support;

use std::{
    cell::{Cell, RefCell},
    io,
    panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Wake, Waker},
    thread,
};

use greenloop::{
    EventLoop, Handle,
    task::{Builder, JoinError, JoinHandle},
};
use support::{Drops, Gate, OnDrop, hold, panic_of, poll_once};

/// A loop, and what its hook was told.
fn reporting_loop() -> (EventLoop, Rc<RefCell<Vec<String>>>) {
    let reports = Rc::new(RefCell::new(Vec::new()));
    let hook = {
        let reports = Rc::clone(&reports);
        move |error: &JoinError| {
            assert!(error.is_panic());
            reports.borrow_mut().push(error.to_string());
        }
    };
    (EventLoop::builder().on_unobserved_panic(hook).build().unwrap(), reports)
}

/// Runs a future on a loop of its own to the end of both, and gives what was reported.
fn reports_of<F: Future>(future: F) -> Vec<String> {
    let (mut event_loop, reports) = reporting_loop();
    event_loop.run(future);
    drop(event_loop);
    reports.take()
}

async fn settle() {
    for _ in 0..5 {
        greenloop::yield_now().await;
    }
}

// --- in the handle --------------------------------------------------------------------------

#[test]
fn other_tasks_go_on_when_one_panics() {
    greenloop::run(async {
        let other = greenloop::spawn(async {
            settle().await;
            "output"
        });
        let task = greenloop::spawn(async { panic!("oh") });
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!(other.await.unwrap(), "output");
    });
}

#[test]
fn the_error_says_which_task_panicked_and_what_it_said() {
    greenloop::run(async {
        let text = greenloop::spawn(async { panic!("no bread") });
        let id = text.id();
        let error = text.await.unwrap_err();
        assert_eq!(error.to_string(), format!("task {id} panicked: no bread"));
        assert_eq!(format!("{error:?}"), format!("JoinError(task {id} panicked: no bread)"));
        assert_eq!((error.id(), error.name()), (id, None));

        let string = greenloop::spawn(async { panic!("no {}", "bread".to_uppercase()) });
        let error = string.await.unwrap_err();
        assert_eq!(error.to_string(), format!("task {} panicked: no BREAD", error.id()));

        let other = greenloop::spawn(async { panic_any(7) });
        let error = other.await.unwrap_err();
        let expected = format!("task {} panicked with a value that is no text", error.id());
        assert_eq!(error.to_string(), expected);

        let named = Builder::new().name("baker").spawn(async { panic!("no bread") });
        let error = named.await.unwrap_err();
        assert_eq!(error.to_string(), format!("task {} \"baker\" panicked: no bread", error.id()));
        assert_eq!(error.name(), Some("baker"));
    });
}

#[test]
fn the_error_of_an_aborted_task_says_so() {
    greenloop::run(async {
        let task = Builder::new().name("baker").spawn(std::future::pending::<()>());
        let error = task.abort_and_wait().await.unwrap_err();
        assert!(error.is_cancelled() && !error.is_panic());
        assert_eq!(error.to_string(), format!("task {} \"baker\" was cancelled", error.id()));
        assert_eq!(error.name(), Some("baker"));
        let error = error.try_into_panic().unwrap_err();
        assert!(error.is_cancelled());
        let caught = panic_of(|| error.into_panic());
        caught.assert_within(1);
        assert!(caught.message.contains("\"baker\" was cancelled"), "{caught:?}");
    });
}

#[test]
fn the_payload_can_be_thrown_again() {
    greenloop::run(async {
        let task = greenloop::spawn(async { panic_any(vec![1, 2]) });
        let error = task.await.unwrap_err();
        assert!(error.is_panic() && !error.is_cancelled());
        let payload = catch_unwind(|| resume_unwind(error.into_panic())).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&vec![1, 2]));
    });
}

#[test]
fn the_error_fits_into_an_io_error() {
    greenloop::run(async {
        let panicked = greenloop::spawn(async { panic!("oh") }).await.unwrap_err();
        let error = io::Error::from(panicked);
        assert_eq!(error.kind(), io::ErrorKind::Other);
        assert!(error.to_string().ends_with("panicked: oh"));
        let aborted = greenloop::spawn(std::future::pending::<()>()).abort_and_wait().await;
        let error = io::Error::from(aborted.unwrap_err());
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    });
}

#[test]
fn the_future_is_dropped_while_its_panic_unwinds() {
    greenloop::run(async {
        let panicking = Rc::new(RefCell::new(Vec::new()));
        let look = || {
            let panicking = Rc::clone(&panicking);
            OnDrop::new(move || panicking.borrow_mut().push(thread::panicking()))
        };
        let (captured, local) = (look(), look());
        // A future by hand keeps what it holds until it is dropped as a whole.
        let mut local = Some(local);
        let task = greenloop::spawn(std::future::poll_fn(move |_| -> Poll<()> {
            let (_local, _captured) = (local.take(), &captured);
            panic!("oh");
        }));
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!(panicking.take(), [true, true]);
        assert!(!thread::panicking());
    });
}

#[test]
fn a_panic_is_found_by_whoever_joins_and_drops_everything_once() {
    for joined_before in [false, true] {
        greenloop::run(async move {
            let (gate, drops) = (Gate::new(), Drops::new());
            let task = greenloop::spawn({
                let (gate, guard) = (gate.clone(), drops.guard());
                async move {
                    let _guard = guard;
                    gate.wait().await;
                    panic!("oh");
                }
            });
            settle().await;
            let joiner = greenloop::spawn(task);
            if joined_before {
                settle().await;
            }
            gate.open();
            assert!(joiner.await.unwrap().unwrap_err().is_panic());
            assert_eq!(drops.count(), 1);
        });
    }
}

#[test]
fn a_future_whose_destructor_panics_after_its_end_has_panicked_and_its_output_is_dropped() {
    greenloop::run(async {
        let drops = Drops::new();
        let (on_drop, mut output) = (OnDrop::new(|| panic!("late")), Some(drops.guard()));
        let task = greenloop::spawn(std::future::poll_fn(move |_| {
            let _ = &on_drop;
            Poll::Ready(output.take().unwrap())
        }));
        let error = task.await.unwrap_err();
        assert!(error.to_string().ends_with("panicked: late"));
        assert_eq!(drops.count(), 1);
    });
}

// --- the root -------------------------------------------------------------------------------

#[test]
fn a_panic_of_the_root_comes_out_of_run() {
    let payload = catch_unwind(|| greenloop::run(async { panic_any(7) })).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&7));
    assert!(Handle::try_current().is_none(), "no loop is left behind on this thread");
    assert_eq!(greenloop::run(async { 1 }), 1);
}

#[test]
fn the_tasks_are_dropped_before_a_panic_of_the_root_goes_on() {
    let seen = Rc::new(Cell::new(None));
    let payload = catch_unwind(AssertUnwindSafe(|| {
        greenloop::run(async {
            let on_drop = OnDrop::new({
                let seen = Rc::clone(&seen);
                move || seen.set(Some(thread::panicking()))
            });
            drop(greenloop::spawn(hold::<_, ()>(on_drop)));
            settle().await;
            panic!("oh");
        })
    }));
    assert!(payload.is_err());
    assert_eq!(seen.get(), Some(false), "not in the middle of the panic");
}

#[test]
fn a_loop_can_be_used_again_after_a_panic_of_the_root() {
    let mut event_loop = EventLoop::new().unwrap();
    let gate = Gate::new();
    let task = event_loop.run(async {
        let gate = gate.clone();
        greenloop::spawn(async move {
            gate.wait().await;
            "output"
        })
    });
    for _ in 0..3 {
        let caught = catch_unwind(AssertUnwindSafe(|| event_loop.run(async { panic!("oh") })));
        assert!(caught.is_err());
        assert!(Handle::try_current().is_none());
    }
    gate.open();
    assert_eq!(event_loop.run(task).unwrap(), "output");
}

#[test]
fn what_a_panicking_root_wakes_and_spawns_in_its_destructors_is_run_later() {
    let mut event_loop = EventLoop::new().unwrap();
    let gate = Gate::new();
    let spawned = Rc::new(Cell::new(false));
    let waiting = event_loop.run(async {
        let gate = gate.clone();
        let task = greenloop::spawn(async move { gate.wait().await });
        settle().await;
        task
    });
    let caught = catch_unwind(AssertUnwindSafe(|| {
        event_loop.run(async {
            let _on_drop = OnDrop::new(|| {
                gate.open();
                let spawned = Rc::clone(&spawned);
                drop(greenloop::spawn(async move { spawned.set(true) }));
            });
            greenloop::yield_now().await;
            panic!("oh");
        })
    }));
    assert!(caught.is_err());
    event_loop.run(waiting).unwrap();
    event_loop.run(settle());
    assert!(spawned.get());
}

#[test]
fn a_root_that_panics_is_dropped_once_with_all_that_it_borrows() {
    let drops = Drops::new();
    let mut borrowed = Vec::new();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        greenloop::run(async {
            borrowed.push(drops.guard());
            let _local = drops.guard();
            greenloop::yield_now().await;
            panic!("oh");
        })
    }));
    assert!(caught.is_err());
    assert_eq!((drops.count(), borrowed.len()), (1, 1));
}

#[test]
fn a_root_whose_output_panics_when_dropped_leaves_the_loop_intact() {
    let mut event_loop = EventLoop::new().unwrap();
    let output = event_loop.run(async { OnDrop::new(|| panic!("output")) });
    assert!(catch_unwind(AssertUnwindSafe(|| drop(output))).is_err());
    assert_eq!(event_loop.run(async { 1 }), 1);
}

// --- nobody can collect it --------------------------------------------------------------------

#[track_caller]
fn assert_one_report(reports: &[String], text: &str) {
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].ends_with(text), "{reports:?}");
}

#[test]
fn a_panic_after_the_handle_was_dropped_is_reported_once() {
    let reports = reports_of(async {
        drop(Builder::new().name("baker").spawn(async { panic!("oh") }));
        settle().await;
    });
    assert_one_report(&reports, "\"baker\" panicked: oh");
}

#[test]
fn a_panic_of_a_task_that_has_just_dropped_its_own_handle_is_reported_once() {
    let reports = reports_of(async {
        let own = Rc::new(RefCell::new(None));
        let handle = Rc::clone(&own);
        own.replace(Some(greenloop::spawn(async move {
            drop(handle.take());
            panic!("oh");
        })));
        settle().await;
        assert!(own.borrow().is_none());
    });
    assert_one_report(&reports, "panicked: oh");
}

#[test]
fn a_panic_before_the_handle_is_dropped_is_reported_then() {
    let (mut event_loop, reports) = reporting_loop();
    event_loop.run(async {
        let task = greenloop::spawn(async { panic!("oh") });
        settle().await;
        assert!(task.is_finished());
        assert_eq!(reports.borrow().len(), 0, "the handle may still be awaited");
        drop(task);
        assert_eq!(reports.borrow().len(), 1);
    });
    drop(event_loop);
    assert_one_report(&reports.take(), "panicked: oh");
}

#[test]
fn a_panic_whose_handle_is_dropped_on_another_thread_is_reported_at_home() {
    let (mut event_loop, reports) = reporting_loop();
    event_loop.run(async {
        let task = greenloop::spawn(async { panic!("oh") });
        settle().await;
        thread::spawn(move || drop(task)).join().unwrap();
        while reports.borrow().is_empty() {
            greenloop::yield_now().await;
        }
    });
    drop(event_loop);
    assert_one_report(&reports.take(), "panicked: oh");
}

#[test]
fn a_panic_whose_handle_outlives_the_loop_is_reported_by_the_loops_end() {
    let (mut event_loop, reports) = reporting_loop();
    let task = event_loop.run(async {
        let task = greenloop::spawn(async { panic!("oh") });
        settle().await;
        task
    });
    assert_eq!(reports.borrow().len(), 0);
    drop(event_loop);
    assert_eq!(reports.borrow().len(), 1);
    drop(task);
    assert_one_report(&reports.take(), "panicked: oh");
}

#[test]
fn a_panic_whose_handle_was_forgotten_is_reported_by_the_loops_end() {
    let reports = reports_of(async {
        std::mem::forget(greenloop::spawn(async { panic!("oh") }));
        settle().await;
    });
    assert_one_report(&reports, "panicked: oh");
}

#[test]
fn a_panic_that_was_awaited_is_not_reported() {
    let reports = reports_of(async {
        let task = greenloop::spawn(async { panic!("oh") });
        drop(task.await.unwrap_err());
        let tasks = [(); 3].map(|()| greenloop::spawn(async { panic!("oh") }));
        assert_eq!(greenloop::join_all(tasks).await.len(), 3);
    });
    assert_eq!(reports, [""; 0]);
}

#[test]
fn a_panic_of_the_root_is_not_reported_but_propagated() {
    let (mut event_loop, reports) = reporting_loop();
    let caught = catch_unwind(AssertUnwindSafe(|| event_loop.run(async { panic!("oh") })));
    assert!(caught.is_err());
    drop(event_loop);
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn an_abort_is_not_reported() {
    let reports = reports_of(async {
        greenloop::spawn(std::future::pending::<()>()).abort();
        drop(greenloop::spawn(std::future::pending::<()>()));
    });
    assert_eq!(reports, [""; 0]);
}

#[test]
fn a_destructor_that_panics_in_an_abort_is_reported_when_the_handle_is_gone() {
    let reports = reports_of(async {
        let task = greenloop::spawn(hold::<_, ()>(OnDrop::new(|| panic!("destructor"))));
        settle().await;
        task.abort();
    });
    assert_one_report(&reports, "panicked: destructor");
}

#[test]
fn a_destructor_that_panics_in_the_loops_end_is_reported_and_the_rest_is_dropped() {
    let drops = Drops::new();
    let reports = reports_of(async {
        for _ in 0..3 {
            drop(greenloop::spawn(hold::<_, ()>(drops.guard())));
        }
        drop(greenloop::spawn(hold::<_, ()>(OnDrop::new(|| panic!("destructor")))));
        for _ in 0..3 {
            drop(greenloop::spawn(hold::<_, ()>(drops.guard())));
        }
        settle().await;
    });
    assert_one_report(&reports, "panicked: destructor");
    assert_eq!(drops.count(), 6);
}

#[test]
fn an_output_whose_destructor_panics_does_not_hurt_who_drops_the_handle() {
    let reports = reports_of(async {
        let task = greenloop::spawn(async { OnDrop::new(|| panic!("output")) });
        settle().await;
        drop(task);
    });
    assert_one_report(&reports, "panicked: output");
}

#[test]
fn an_output_whose_destructor_panics_does_not_hurt_the_loop_when_the_handle_is_gone() {
    let reports = reports_of(async {
        drop(greenloop::spawn(async { OnDrop::new(|| panic!("output")) }));
        settle().await;
    });
    assert_one_report(&reports, "panicked: output");
}

#[test]
fn an_output_whose_destructor_panics_does_not_hurt_the_end_of_the_loop() {
    let drops = Drops::new();
    let reports = reports_of(async {
        std::mem::forget(greenloop::spawn(async { OnDrop::new(|| panic!("output")) }));
        std::mem::forget(greenloop::spawn(std::future::ready(drops.guard())));
        settle().await;
    });
    assert_one_report(&reports, "panicked: output");
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_payload_whose_destructor_panics_does_not_hurt_the_loop() {
    let reports = reports_of(async {
        let payload = || Payload(OnDrop::new(|| panic!("payload")));
        drop(greenloop::spawn(async move { panic_any(payload()) }));
        settle().await;
    });
    assert_eq!(reports.len(), 2, "the panic and its payload's: {reports:?}");
    assert!(reports[1].ends_with("panicked: payload"), "{reports:?}");
}

struct Payload<T>(#[allow(dead_code, reason = "its drop is what counts")] T);

#[test]
fn a_panic_of_a_remote_task_is_reported_when_its_handle_is_gone() {
    let (mut event_loop, reports) = reporting_loop();
    event_loop.run(async {
        drop(Handle::current().spawn(async { panic!("oh") }));
        while reports.borrow().is_empty() {
            greenloop::yield_now().await;
        }
    });
    drop(event_loop);
    assert_one_report(&reports.take(), "panicked: oh");
}

#[test]
fn a_panic_of_a_remote_task_that_was_awaited_is_not_reported() {
    let reports = reports_of(async {
        let task = Handle::current().spawn(async { panic!("oh") });
        let id = task.id();
        let error = task.await.unwrap_err();
        assert!(error.is_panic() && error.id() == id);
    });
    assert_eq!(reports, [""; 0]);
}

#[test]
fn a_panic_of_a_blocking_closure_is_reported_when_its_handle_is_gone() {
    let (mut event_loop, reports) = reporting_loop();
    event_loop.run(async {
        drop(greenloop::spawn_blocking(|| panic!("oh")));
        while reports.borrow().is_empty() {
            greenloop::sleep(std::time::Duration::from_millis(1)).await;
        }
    });
    drop(event_loop);
    assert_one_report(&reports.take(), "panicked: oh");
}

#[test]
fn a_hook_that_panics_is_survived() {
    let calls = Rc::new(Cell::new(0));
    let hook = {
        let calls = Rc::clone(&calls);
        move |_: &JoinError| {
            calls.set(calls.get() + 1);
            panic!("the hook");
        }
    };
    let mut event_loop = EventLoop::builder().on_unobserved_panic(hook).build().unwrap();
    event_loop.run(async {
        for _ in 0..3 {
            drop(greenloop::spawn(async { panic!("oh") }));
        }
        settle().await;
    });
    drop(event_loop);
    assert_eq!(calls.get(), 3);
}

#[test]
fn a_hook_that_panics_with_a_payload_that_panics_is_survived() {
    own_process::run("a_hook_that_panics_with_a_payload_that_panics_is_survived", || {
        let hook = |_: &JoinError| panic_any(Payload(OnDrop::new(|| panic!("payload"))));
        let mut event_loop = EventLoop::builder().on_unobserved_panic(hook).build().unwrap();
        event_loop.run(async {
            drop(greenloop::spawn(async { panic!("oh") }));
            settle().await;
        });
    });
}

#[test]
fn a_hook_may_use_the_loop() {
    let ran = Rc::new(Cell::new(false));
    let hook = {
        let ran = Rc::clone(&ran);
        move |_: &JoinError| {
            let ran = Rc::clone(&ran);
            drop(greenloop::spawn(async move { ran.set(true) }));
            greenloop::spawn(std::future::pending::<()>()).abort();
        }
    };
    let mut event_loop = EventLoop::builder().on_unobserved_panic(hook).build().unwrap();
    event_loop.run(async {
        drop(greenloop::spawn(async { panic!("oh") }));
        settle().await;
    });
    assert!(ran.get());
}

/// Ends a loop whose hook gets hold of the handle of the task whose panic it is told.
fn end_with_a_hook_that_has_the_handle(act: fn(JoinHandle<()>)) {
    let kept = Rc::new(RefCell::new(None));
    let said = Rc::new(RefCell::new(Vec::new()));
    let hook = {
        let (kept, said) = (Rc::clone(&kept), Rc::clone(&said));
        move |error: &JoinError| {
            let handle: Option<JoinHandle<()>> = kept.take();
            if let Some(handle) = handle {
                act(handle);
            }
            said.borrow_mut().push(error.to_string());
        }
    };
    let mut event_loop = EventLoop::builder().on_unobserved_panic(hook).build().unwrap();
    event_loop.run(async {
        kept.replace(Some(greenloop::spawn(async { panic!("oh") })));
        settle().await;
    });
    drop(event_loop);
    assert_one_report(&said.take(), "panicked: oh");
}

#[test]
fn a_hook_may_drop_the_handle_whose_panic_it_is_told_at_the_loops_end() {
    end_with_a_hook_that_has_the_handle(drop);
}

#[test]
fn a_hook_may_poll_the_handle_whose_panic_it_is_told_at_the_loops_end() {
    end_with_a_hook_that_has_the_handle(|mut handle| {
        assert!(poll_once(&mut handle).is_pending(), "the loop's end has it already");
    });
}

#[test]
fn without_a_hook_a_panic_is_reported_on_standard_error() {
    if own_process::is_own() {
        return greenloop::run(async {
            drop(Builder::new().name("baker").spawn(async { resume_unwind(Box::new("no bread")) }));
            settle().await;
        });
    }
    let name = "without_a_hook_a_panic_is_reported_on_standard_error";
    let output = own_process::command(name).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("\"baker\" panicked: no bread").count(), 1, "{said}");
}

// --- wakers -----------------------------------------------------------------------------------

struct PanickingWaker;

impl Wake for PanickingWaker {
    fn wake(self: std::sync::Arc<Self>) {
        panic!("the waker");
    }
}

#[test]
fn a_joiner_whose_waker_panics_hurts_nobody() {
    greenloop::run(async {
        let mut task = greenloop::spawn(async { "output" });
        let waker = Waker::from(std::sync::Arc::new(PanickingWaker));
        let polled = Pin::new(&mut task).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        settle().await;
        assert_eq!(task.await.unwrap(), "output");
    });
}

#[test]
fn a_joiner_whose_waker_panics_hurts_no_abort() {
    greenloop::run(async {
        let mut task = greenloop::spawn(std::future::pending::<()>());
        let waker = Waker::from(std::sync::Arc::new(PanickingWaker));
        assert!(Pin::new(&mut task).poll(&mut Context::from_waker(&waker)).is_pending());
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

// --- counted --------------------------------------------------------------------------------

#[test]
fn panics_are_counted_whoever_collects_them_and_aborts_are_not() {
    let mut event_loop = EventLoop::new().unwrap();
    event_loop.run(async {
        let collected = greenloop::spawn(async { panic!("collected") });
        assert!(collected.await.unwrap_err().is_panic());
        drop(greenloop::spawn(async { panic!("detached") }));
        let aborted = greenloop::spawn(std::future::pending::<()>());
        aborted.abort();
        assert!(aborted.await.unwrap_err().is_cancelled());
        greenloop::spawn(async { "well" }).await.unwrap();
        settle().await;
        assert_eq!(greenloop::statistics().panicked, 2);
        let handle = Handle::current();
        let remote = thread::spawn(move || {
            let task = handle.spawn_with(|| async { panic!("asked for by another thread") });
            task.join().unwrap_err().is_panic()
        });
        while !remote.is_finished() {
            greenloop::yield_now().await;
        }
        assert!(remote.join().unwrap());
    });
    assert_eq!(event_loop.statistics().panicked, 3);
}

#[cfg(feature = "green")]
#[test]
fn a_green_thread_that_panics_is_counted_and_one_that_is_aborted_is_not() {
    greenloop::run(async {
        let panicked = greenloop::green::spawn(|| panic!("on a stack of its own"));
        assert!(panicked.await.unwrap_err().is_panic());
        let aborted = greenloop::green::spawn(|| {
            loop {
                greenloop::green::yield_now();
            }
        });
        settle().await;
        aborted.abort();
        assert!(aborted.await.unwrap_err().is_cancelled());
        assert_eq!(greenloop::statistics().panicked, 1);
    });
}

#[cfg(feature = "green")]
#[test]
fn a_green_thread_of_a_scope_that_panics_is_counted_once() {
    greenloop::green::run(|| {
        let panicked = || greenloop::statistics().panicked;
        greenloop::green::scope(|scope| {
            let collected = scope.spawn(|| panic!("collected"));
            assert!(collected.join().unwrap_err().is_panic());
            let aborted = scope.spawn(greenloop::green::yield_now);
            aborted.abort();
        });
        assert_eq!(panicked(), 1);
        let passed_on = catch_unwind(|| {
            greenloop::green::scope(|scope| {
                scope.spawn(|| panic!("passed on"));
            });
        });
        assert!(passed_on.is_err());
        assert_eq!(panicked(), 2);
    });
}
