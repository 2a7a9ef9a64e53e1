//! A `JoinHandle` gives what became of its task, once; dropping it lets the task run on.
#![allow(clippy::async_yields_async, reason = "handles are what is handed around here")]

mod support;

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    thread,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use greenloop::{EventLoop, Handle, task};
use support::{Drops, Gate, OnDrop, Wakes, block_on, panic_of, poll_once};

#[test]
fn it_gives_the_output_of_a_task_that_has_yet_to_run() {
    greenloop::run(async {
        assert_eq!(greenloop::spawn(async { "output" }).await.unwrap(), "output");
    });
}

#[test]
fn it_gives_the_output_of_a_task_that_has_ended() {
    greenloop::run(async {
        let task = greenloop::spawn(async { "output" });
        assert!(!task.is_finished());
        greenloop::yield_now().await;
        assert!(task.is_finished());
        assert_eq!(task.await.unwrap(), "output");
    });
}

#[test]
fn an_output_need_not_be_send() {
    greenloop::run(async {
        let output = Rc::new(7);
        let task = greenloop::spawn({
            let output = Rc::clone(&output);
            async move { output }
        });
        assert!(Rc::ptr_eq(&task.await.unwrap(), &output));
    });
}

#[test]
fn a_task_runs_on_when_its_handle_is_dropped_before_its_first_poll() {
    greenloop::run(async {
        let ran = Rc::new(Cell::new(false));
        drop(greenloop::spawn({
            let ran = Rc::clone(&ran);
            async move { ran.set(true) }
        }));
        greenloop::yield_now().await;
        assert!(ran.get());
    });
}

#[test]
fn a_task_runs_on_when_its_handle_is_dropped_while_it_waits() {
    greenloop::run(async {
        let (gate, ran) = (Gate::new(), Rc::new(Cell::new(false)));
        let task = greenloop::spawn({
            let (gate, ran) = (gate.clone(), Rc::clone(&ran));
            async move {
                gate.wait().await;
                ran.set(true);
            }
        });
        greenloop::yield_now().await;
        drop(task);
        gate.open();
        greenloop::yield_now().await;
        assert!(ran.get());
    });
}

#[test]
fn dropping_it_after_the_end_drops_the_output_right_then() {
    greenloop::run(async {
        let drops = Drops::new();
        let task = greenloop::spawn(std::future::ready(drops.guard()));
        greenloop::yield_now().await;
        assert_eq!(drops.count(), 0);
        drop(task);
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn an_output_that_nobody_takes_is_dropped_by_the_loop_as_the_task() {
    greenloop::run(async {
        let seen = Rc::new(Cell::new(None));
        let output = OnDrop::new({
            let seen = Rc::clone(&seen);
            move || {
                assert!(Handle::try_current().is_some());
                seen.set(task::try_id());
            }
        });
        let task = greenloop::spawn(async move {
            greenloop::yield_now().await;
            output
        });
        let id = task.id();
        drop(task);
        while seen.get().is_none() {
            greenloop::yield_now().await;
        }
        assert_eq!(seen.get(), Some(id));
    });
}

#[test]
fn dropping_it_on_another_thread_lets_the_task_run_on_and_drops_the_output_at_home() {
    greenloop::run(async {
        let home = thread::current().id();
        let gate = Gate::new();
        let dropped_on = Rc::new(Cell::new(None));
        let output = OnDrop::new({
            let dropped_on = Rc::clone(&dropped_on);
            move || dropped_on.set(Some(thread::current().id()))
        });
        let task = greenloop::spawn({
            let gate = gate.clone();
            async move {
                gate.wait().await;
                output
            }
        });
        thread::spawn(move || drop(task)).join().unwrap();
        gate.open();
        while dropped_on.get().is_none() {
            greenloop::yield_now().await;
        }
        assert_eq!(dropped_on.get(), Some(home));
    });
}

#[test]
fn dropping_it_on_another_thread_after_the_end_drops_the_output_at_home() {
    greenloop::run(async {
        let home = thread::current().id();
        let dropped_on = Rc::new(Cell::new(None));
        let output = OnDrop::new({
            let dropped_on = Rc::clone(&dropped_on);
            move || dropped_on.set(Some(thread::current().id()))
        });
        let task = greenloop::spawn(async move { output });
        greenloop::yield_now().await;
        thread::spawn(move || drop(task)).join().unwrap();
        while dropped_on.get().is_none() {
            greenloop::yield_now().await;
        }
        assert_eq!(dropped_on.get(), Some(home));
    });
}

#[test]
fn polling_it_after_it_gave_its_output_is_a_clear_panic() {
    greenloop::run(async {
        let mut task = greenloop::spawn(async {});
        (&mut task).await.unwrap();
        let caught = panic_of(|| poll_once(&mut task));
        let expected = format!("JoinHandle of task {} was polled after it was done", task.id());
        assert!(caught.message.contains(&expected), "{caught:?}");
    });
}

#[test]
fn a_spent_handle_is_finished_and_can_do_no_harm() {
    greenloop::run(async {
        let mut spent = greenloop::spawn(async {});
        (&mut spent).await.unwrap();
        // Takes the place that the first had.
        let other = greenloop::spawn(async { "output" });
        assert!(spent.is_finished());
        assert!(spent.abort_handle().is_finished());
        spent.abort();
        spent.abort_handle().abort();
        drop(spent);
        assert_eq!(other.await.unwrap(), "output");
    });
}

#[test]
fn a_wait_for_it_may_be_given_up_and_begun_again() {
    greenloop::run(async {
        let gate = Gate::new();
        let mut task = greenloop::spawn({
            let gate = gate.clone();
            async move {
                gate.wait().await;
                "output"
            }
        });
        for _ in 0..3 {
            assert!(poll_once(&mut task).is_pending());
            greenloop::yield_now().await;
        }
        gate.open();
        assert_eq!(task.await.unwrap(), "output");
    });
}

#[test]
fn only_who_polled_it_last_is_woken() {
    greenloop::run(async {
        let mut task = greenloop::spawn(async {});
        let (first, second) = (Wakes::new(), Wakes::new());
        for wakes in [&first, &second] {
            let waker = wakes.waker();
            let polled = Pin::new(&mut task).poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        }
        greenloop::yield_now().await;
        assert_eq!((first.count(), second.count()), (0, 1));
        assert_eq!(first.references(), 1, "its waker was let go");
    });
}

#[test]
fn it_may_move_from_task_to_task_while_it_is_waited_for() {
    greenloop::run(async {
        let gate = Gate::new();
        let mut inner = greenloop::spawn({
            let gate = gate.clone();
            async move {
                gate.wait().await;
                "output"
            }
        });
        assert!(poll_once(&mut inner).is_pending());
        let first = greenloop::spawn(async move {
            assert!(poll_once(&mut inner).is_pending());
            inner
        });
        let inner = first.await.unwrap();
        let second = greenloop::spawn(inner);
        greenloop::yield_now().await;
        gate.open();
        assert_eq!(second.await.unwrap().unwrap(), "output");
    });
}

#[test]
fn handles_work_with_the_combinators_of_other_crates() {
    greenloop::run(async {
        let gates: Vec<_> = (0..100).map(|_| Gate::new()).collect();
        let mut tasks: FuturesUnordered<_> = gates
            .iter()
            .cloned()
            .enumerate()
            .map(|(number, gate)| {
                greenloop::spawn(async move {
                    gate.wait().await;
                    number
                })
            })
            .collect();
        for (number, gate) in gates.iter().enumerate().rev() {
            gate.open();
            assert_eq!(tasks.next().await.unwrap().unwrap(), number);
        }
        assert!(tasks.next().await.is_none());
    });
}

#[test]
fn a_task_that_was_aborted_while_it_was_waited_for_is_cancelled() {
    greenloop::run(async {
        let mut task = greenloop::spawn(std::future::pending::<()>());
        let wakes = Wakes::new();
        let waker = wakes.waker();
        assert!(Pin::new(&mut task).poll(&mut Context::from_waker(&waker)).is_pending());
        task.abort();
        assert_eq!(wakes.count(), 1);
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn its_loop_runs_it_but_any_run_may_await_it() {
    let mut event_loop = EventLoop::new().unwrap();
    let task = event_loop.run(async { greenloop::spawn(async { Rc::new(1) }) });
    assert_eq!(*event_loop.run(async { task.await.unwrap() }), 1);
}

#[test]
fn polling_it_outside_of_its_loop_is_a_clear_panic() {
    let mut event_loop = EventLoop::new().unwrap();
    let mut task = event_loop.run(async { greenloop::spawn(async { 1 }) });
    let mut other_loop = EventLoop::new().unwrap();

    let outside = panic_of(|| poll_once(&mut task));
    let elsewhere = panic_of(|| other_loop.run(async { poll_once(&mut task) }));
    let mut task = thread::spawn(move || {
        let caught = panic_of(|| poll_once(&mut task));
        assert!(caught.message.contains("outside of its event loop"), "{caught:?}");
        task
    })
    .join()
    .unwrap();

    for caught in [outside, elsewhere] {
        assert!(caught.message.contains("outside of its event loop"), "{caught:?}");
    }
    assert_eq!(event_loop.run(&mut task).unwrap(), 1, "it is none the worse for it");
}

#[test]
fn asking_outside_of_its_loop_whether_it_is_finished_is_a_clear_panic_at_the_callers_line() {
    let mut event_loop = EventLoop::new().unwrap();
    let task = event_loop.run(async { greenloop::spawn(async { 1 }) });
    let caught = panic_of(|| task.is_finished());
    caught.assert_within(1);
    assert!(caught.message.contains("outside of its event loop"), "{caught:?}");
    let caught = panic_of(|| task.abort_handle().is_finished());
    caught.assert_within(1);
    assert!(caught.message.contains(&task.id().to_string()), "{caught:?}");
    assert_eq!(task.name(), None);
}

#[test]
fn it_gives_an_error_when_its_loop_is_gone() {
    let drops = Drops::new();
    let (finished, pending) = greenloop::run(async {
        let finished = greenloop::spawn(std::future::ready(drops.guard()));
        greenloop::yield_now().await;
        (finished, greenloop::spawn(std::future::pending::<()>()))
    });
    assert_eq!(drops.count(), 1, "the output went with the loop");
    assert!(finished.is_finished() && pending.is_finished());
    let (finished_id, pending_id) = (finished.id(), pending.id());
    let error = block_on(finished).unwrap_err();
    assert!(error.is_cancelled() && error.id() == finished_id);
    let error = thread::spawn(|| block_on(pending).unwrap_err()).join().unwrap();
    assert!(error.is_cancelled() && error.id() == pending_id);
}

#[test]
fn a_task_of_another_loop_gets_an_error_too_when_the_loop_is_gone() {
    let task = greenloop::run(async { greenloop::spawn(std::future::pending::<()>()) });
    let error = greenloop::run(task).unwrap_err();
    assert!(error.is_cancelled());
}

#[test]
fn a_destructor_that_polls_a_handle_at_the_end_of_the_loop_gets_an_error() {
    let polled = Rc::new(RefCell::new(Vec::new()));
    greenloop::run(async {
        // Two that poll each other's handles, so that one of the tasks is gone already.
        let mut gates = Vec::new();
        for _ in 0..2 {
            let slot = Rc::new(RefCell::new(None::<task::JoinHandle<()>>));
            let on_drop = OnDrop::new({
                let (slot, polled) = (Rc::clone(&slot), Rc::clone(&polled));
                move || {
                    let mut task = slot.take().unwrap();
                    polled.borrow_mut().push(poll_once(&mut task).map(|output| output.is_err()));
                }
            });
            gates.push((slot, greenloop::spawn(support::hold::<_, ()>(on_drop))));
        }
        let (second_slot, second) = gates.pop().unwrap();
        let (first_slot, first) = gates.pop().unwrap();
        *first_slot.borrow_mut() = Some(second);
        *second_slot.borrow_mut() = Some(first);
        greenloop::yield_now().await;
    });
    let polled = polled.take();
    assert_eq!(polled.len(), 2, "neither destructor panicked: {polled:?}");
    assert!(polled.contains(&Poll::Ready(true)), "{polled:?}");
}

#[test]
fn an_output_that_polls_its_own_handle_when_the_loop_ends_gets_an_error() {
    type Output = OnDrop<Box<dyn FnOnce()>>;
    let polled = Rc::new(RefCell::new(Vec::new()));
    let slot = Rc::new(RefCell::new(None::<task::JoinHandle<Output>>));
    greenloop::run(async {
        let output: Output = OnDrop::new(Box::new({
            let (slot, polled) = (Rc::clone(&slot), Rc::clone(&polled));
            move || {
                let mut task = slot.take().unwrap();
                polled.borrow_mut().push(poll_once(&mut task).map(|output| output.is_err()));
                assert!(task.is_finished() && task.peek(|_| ()).is_none());
            }
        }));
        slot.replace(Some(greenloop::spawn(std::future::ready(output))));
        greenloop::yield_now().await;
    });
    assert_eq!(polled.take(), [Poll::Ready(true)]);
}

#[test]
fn ids_tell_handles_apart() {
    greenloop::run(async {
        let task = greenloop::spawn(std::future::pending::<()>());
        assert_eq!(task.id(), task.abort_handle().id());
        assert_ne!(task.id(), greenloop::spawn(async {}).id());
        assert!(format!("{task:?}").contains(&format!("{:?}", task.id())));
        let id = task.id();
        assert_eq!(task.abort_and_wait().await.unwrap_err().id(), id);
    });
}
