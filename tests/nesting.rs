//! A loop cannot run inside another, and nothing can be spawned without one: both are panics that
//! say what to do and point at the caller's line.

mod support;

use std::{cell::Cell, rc::Rc};

use greenloop::{EventLoop, Handle, task};
use support::{Caught, block_on, panic_of};

#[track_caller]
fn assert_refused_nesting(caught: &Caught) {
    assert!(caught.message.contains("running an event loop already"), "{caught:?}");
    assert!(caught.message.contains("await the future, spawn it"), "it says what to do");
}

#[test]
fn run_inside_a_loop_panics_at_the_callers_line() {
    let caught = greenloop::run(async { panic_of(|| greenloop::run(async {})) });
    caught.assert_within(1);
    assert_refused_nesting(&caught);
}

#[test]
fn event_loop_run_inside_a_loop_panics_at_the_callers_line() {
    let mut inner = EventLoop::new().unwrap();
    let caught = greenloop::run(async { panic_of(|| inner.run(async {})) });
    caught.assert_within(1);
    assert_refused_nesting(&caught);
    assert_eq!(inner.run(async { 1 }), 1, "the inner one is as it was");
}

#[test]
fn run_forever_inside_a_loop_panics_at_the_callers_line() {
    let mut inner = EventLoop::new().unwrap();
    let caught = greenloop::run(async { panic_of(|| inner.run_forever()) });
    caught.assert_within(1);
    assert_refused_nesting(&caught);
}

#[test]
fn a_refused_run_neither_polls_its_future_nor_harms_the_outer_loop() {
    let polled = Rc::new(Cell::new(false));
    greenloop::run(async {
        let task = greenloop::spawn({
            let polled = Rc::clone(&polled);
            async move {
                greenloop::run(async { polled.set(true) });
            }
        });
        assert!(task.await.unwrap_err().is_panic());
        greenloop::spawn(async {}).await.unwrap();
    });
    assert!(!polled.get());
}

#[test]
fn a_loop_may_be_made_inside_another_and_run_afterwards() {
    let mut inner = greenloop::run(async { EventLoop::new().unwrap() });
    assert_eq!(inner.run(async { 1 }), 1);
}

#[test]
fn a_loop_may_run_on_another_thread_while_this_one_runs_one() {
    greenloop::run(async {
        let thread = std::thread::spawn(|| greenloop::run(async { 1 }));
        assert_eq!(thread.join().unwrap(), 1);
    });
}

#[track_caller]
fn assert_needs_loop(caught: &Caught, what: &str) {
    assert!(caught.message.starts_with(what), "{caught:?}");
    assert!(caught.message.contains("needs a running event loop on this thread"), "{caught:?}");
    assert!(caught.message.contains("greenloop::run(...)"), "it says what to do");
}

#[test]
fn what_spawns_panics_outside_of_one_at_the_callers_line() {
    let caught = panic_of(|| greenloop::spawn(async {}));
    caught.assert_within(1);
    assert_needs_loop(&caught, "greenloop::spawn ");

    let caught = panic_of(|| task::Builder::new().name("baker").spawn(async {}));
    caught.assert_within(1);
    assert_needs_loop(&caught, "greenloop::spawn ");

    let caught = panic_of(Handle::current);
    assert_needs_loop(&caught, "Handle::current() ");
    let caught = panic_of(|| Handle::current());
    caught.assert_within(1);
    assert_needs_loop(&caught, "Handle::current() ");
}

#[test]
fn a_loop_that_was_made_but_does_not_run_is_no_running_loop() {
    let event_loop = EventLoop::new().unwrap();
    let caught = panic_of(|| greenloop::spawn(async {}));
    assert_needs_loop(&caught, "greenloop::spawn ");
    assert!(Handle::try_current().is_none());
    drop(event_loop);
}

#[test]
fn another_threads_loop_is_no_loop_of_this_one() {
    greenloop::run(async {
        let thread = std::thread::spawn(|| {
            let caught = panic_of(|| greenloop::spawn(async {}));
            assert_needs_loop(&caught, "greenloop::spawn ");
            assert!(Handle::try_current().is_none());
        });
        thread.join().unwrap();
    });
}

#[test]
fn futures_that_need_no_loop_run_anywhere() {
    let joined = block_on(async {
        greenloop::yield_now().await;
        let all = greenloop::join_all((0..100).map(|number| async move { number })).await;
        let two = greenloop::join!(async { 1 }, async { 2 });
        let first = greenloop::select! {
            number = async { 3 } => number,
            number = std::future::pending() => number,
        };
        (all.len(), two, first)
    });
    assert_eq!(joined, (100, (1, 2), 3));
}
