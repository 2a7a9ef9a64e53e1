//! A task is polled once for each time it was woken, and never otherwise; its wakers are good for
//! nothing, and harmless, when it has ended.
#![allow(clippy::waker_clone_wake, reason = "waking by value is what is tested")]

mod support;

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use greenloop::{EventLoop, event_loop, task::JoinHandle};
use support::{Drops, Gate, OnDrop, block_on, hold, own_waker, suspend};

/// Counts the polls of the future in it.
struct Polls<F> {
    future: Pin<Box<F>>,
    count: Rc<Cell<usize>>,
}

impl<F: Future> Polls<F> {
    fn of(future: F) -> (Self, Rc<Cell<usize>>) {
        let count = Rc::new(Cell::new(0));
        (Self { future: Box::pin(future), count: Rc::clone(&count) }, count)
    }
}

impl<F: Future> Future for Polls<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.count.set(self.count.get() + 1);
        self.future.as_mut().poll(cx)
    }
}

/// Lets everybody who is ready have a few turns.
async fn settle() {
    for _ in 0..5 {
        greenloop::yield_now().await;
    }
}

/// A task that waits for ever, its waker, and the count of its polls.
async fn waiting_task() -> (JoinHandle<()>, Waker, Rc<Cell<usize>>) {
    let slot = Rc::new(RefCell::new(None));
    let (future, polls) = Polls::of({
        let slot = Rc::clone(&slot);
        poll_fn(move |cx| {
            *slot.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
    });
    let task = greenloop::spawn(future);
    settle().await;
    assert_eq!(polls.get(), 1);
    let waker = slot.take().unwrap();
    (task, waker, polls)
}

#[test]
fn a_message_makes_one_poll_of_its_receiver() {
    greenloop::run(async {
        let (sender, receiver) = async_channel::unbounded();
        let (future, polls) = Polls::of(async move { while let Ok(()) = receiver.recv().await {} });
        drop(greenloop::spawn(future));
        settle().await;
        assert_eq!(polls.get(), 1);

        sender.try_send(()).unwrap();
        settle().await;
        assert_eq!(polls.get(), 2);
        drop(sender);
        settle().await;
        assert_eq!(polls.get(), 3);
    });
}

#[test]
fn a_waiting_task_is_not_polled_because_the_loop_turns() {
    greenloop::run(async {
        let (_task, _waker, polls) = waiting_task().await;
        let turns = event_loop::statistics().turns;
        while event_loop::statistics().turns < turns + 100 {
            greenloop::yield_now().await;
        }
        assert_eq!(polls.get(), 1);
    });
}

#[test]
fn a_task_that_wakes_itself_in_its_poll_is_polled_once_more_and_afterwards() {
    greenloop::run(async {
        let polling = Rc::new(Cell::new(false));
        let (future, polls) = Polls::of({
            let mut woken = false;
            poll_fn(move |cx| {
                assert!(!polling.replace(true), "polled within its own poll");
                if !std::mem::replace(&mut woken, true) {
                    for _ in 0..10 {
                        cx.waker().wake_by_ref();
                        cx.waker().clone().wake();
                    }
                }
                polling.set(false);
                Poll::<()>::Pending
            })
        });
        drop(greenloop::spawn(future));
        settle().await;
        assert_eq!(polls.get(), 2);
    });
}

#[test]
fn many_wakes_before_a_poll_make_one_poll() {
    greenloop::run(async {
        let (_task, waker, polls) = waiting_task().await;
        for _ in 0..10 {
            waker.wake_by_ref();
            waker.clone().wake();
        }
        settle().await;
        assert_eq!(polls.get(), 2);
    });
}

#[test]
fn a_task_that_wakes_itself_and_finishes_is_not_polled_again() {
    greenloop::run(async {
        let (future, polls) = Polls::of(poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::Ready(1)
        }));
        let task = greenloop::spawn(future);
        settle().await;
        assert_eq!(polls.get(), 1);
        assert_eq!(task.await.unwrap(), 1);
    });
}

#[test]
fn a_task_that_wakes_itself_and_panics_is_not_polled_again() {
    greenloop::run(async {
        let (future, polls) = Polls::of(poll_fn(|cx| -> Poll<()> {
            cx.waker().wake_by_ref();
            panic!("oh");
        }));
        let task = greenloop::spawn(future);
        settle().await;
        assert_eq!(polls.get(), 1);
        assert!(task.await.unwrap_err().is_panic());
    });
}

#[test]
fn a_waker_of_a_finished_task_does_nothing() {
    greenloop::run(async {
        let task = greenloop::spawn(own_waker());
        settle().await;
        assert!(task.is_finished());
        let polls = event_loop::statistics().polls;
        let waker = task.await.unwrap();
        for _ in 0..3 {
            waker.wake_by_ref();
            waker.clone().wake();
        }
        settle().await;
        assert_eq!(event_loop::statistics().polls, polls + 5, "only the root was polled");
        waker.wake();
    });
}

#[test]
fn a_waker_of_an_aborted_task_does_nothing() {
    greenloop::run(async {
        let (task, waker, polls) = waiting_task().await;
        waker.wake_by_ref();
        task.abort();
        waker.wake_by_ref();
        drop(task);
        waker.wake_by_ref();
        settle().await;
        assert_eq!(polls.get(), 1);
    });
}

#[test]
fn a_waker_that_outlives_its_task_keeps_neither_the_future_nor_the_output() {
    greenloop::run(async {
        let drops = Drops::new();
        let (in_future, output) = (drops.guard(), drops.guard());
        let slot = Rc::new(RefCell::new(None));
        drop(greenloop::spawn({
            let slot = Rc::clone(&slot);
            async move {
                let _in_future = in_future;
                *slot.borrow_mut() = Some(own_waker().await);
                output
            }
        }));
        settle().await;
        assert_eq!(drops.count(), 2);
        let waker = slot.take().unwrap();
        drop(waker.clone());
        waker.wake_by_ref();
        drop(waker);
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn a_task_whose_last_waker_is_gone_waits_for_the_end_of_its_loop() {
    let drops = Drops::new();
    greenloop::run(async {
        drop(greenloop::spawn({
            let guard = drops.guard();
            async move {
                let _guard = guard;
                drop(own_waker().await);
                suspend().await;
            }
        }));
        settle().await;
        assert_eq!((drops.count(), event_loop::statistics().tasks), (0, 2));
    });
    assert_eq!(drops.count(), 1);
}

#[test]
fn wakers_know_whether_they_wake_the_same_task() {
    greenloop::run(async {
        let (_first, one, _) = waiting_task().await;
        let (_second, two, _) = waiting_task().await;
        assert!(one.will_wake(&one.clone()));
        assert!(!one.will_wake(&two));
        assert!(!one.will_wake(&own_waker().await));
        let mut rounds = Vec::new();
        for _ in 0..2 {
            rounds.push(own_waker().await);
            greenloop::yield_now().await;
        }
        assert!(rounds[0].will_wake(&rounds[1]), "one task, two polls");
    });
}

#[test]
fn tasks_run_in_the_order_of_their_wakes() {
    greenloop::run(async {
        let log = Rc::new(RefCell::new(Vec::new()));
        let gates: Vec<_> = (0..5).map(|_| Gate::new()).collect();
        for (number, gate) in gates.iter().cloned().enumerate() {
            let log = Rc::clone(&log);
            greenloop::spawn(async move {
                gate.wait().await;
                log.borrow_mut().push(number);
            });
        }
        settle().await;
        for number in [3, 0, 4, 1, 2] {
            gates[number].open();
        }
        settle().await;
        assert_eq!(log.take(), [3, 0, 4, 1, 2]);
    });
}

#[test]
fn one_event_wakes_everybody_who_waits_for_it() {
    greenloop::run(async {
        let gate = Gate::new();
        let tasks: Vec<_> = (0..1000)
            .map(|number| {
                let gate = gate.clone();
                greenloop::spawn(async move {
                    gate.wait().await;
                    number
                })
            })
            .collect();
        settle().await;
        gate.open();
        let outputs = greenloop::join_all(tasks).await.into_iter().map(Result::unwrap);
        assert!(outputs.eq(0..1000));
    });
}

#[test]
fn a_hundred_thousand_clones_of_a_waker_are_counted_right() {
    greenloop::run(async {
        let (task, waker, polls) = waiting_task().await;
        let mut clones: Vec<_> = (0..100_000).map(|_| waker.clone()).collect();
        clones.truncate(50_000);
        task.abort();
        drop(task);
        clones.truncate(10);
        waker.wake();
        drop(clones);
        settle().await;
        assert_eq!(polls.get(), 1);
    });
}

#[test]
fn a_wake_that_nobody_needed_in_one_run_does_not_disturb_the_next() {
    let mut event_loop = EventLoop::new().unwrap();
    let stale = event_loop.run(own_waker());
    stale.wake_by_ref();
    let polls = event_loop.run(async {
        let gate = Gate::new();
        let (root, polls) = Polls::of({
            let gate = gate.clone();
            async move { gate.wait().await }
        });
        greenloop::spawn(async move {
            settle().await;
            stale.wake();
            settle().await;
            gate.open();
        });
        root.await;
        polls.get()
    });
    assert_eq!(polls, 2, "once to wait, once when the gate was open");
}

#[test]
fn the_wakes_of_a_block_on_within_a_task_are_its_own() {
    greenloop::run(async {
        let (future, polls) = Polls::of(async {
            block_on(async {
                for _ in 0..3 {
                    greenloop::yield_now().await;
                }
            });
            suspend().await;
        });
        let task = greenloop::spawn(future);
        settle().await;
        assert_eq!(polls.get(), 1, "the inner wakes did not wake the task");
        assert!(!task.is_finished());
    });
}

#[test]
fn a_destructor_may_wake_its_own_task_and_others() {
    greenloop::run(async {
        let (_other, other, polls) = waiting_task().await;
        let slot = Rc::new(RefCell::new(None::<Waker>));
        let task = greenloop::spawn({
            let slot = Rc::clone(&slot);
            let on_drop = OnDrop::new({
                let slot = Rc::clone(&slot);
                move || {
                    slot.borrow().as_ref().unwrap().wake_by_ref();
                    other.wake();
                }
            });
            async move {
                *slot.borrow_mut() = Some(own_waker().await);
                hold::<_, ()>(on_drop).await;
            }
        });
        settle().await;
        task.abort();
        settle().await;
        assert_eq!(polls.get(), 2);
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn a_waker_may_be_dropped_by_the_poll_that_it_serves() {
    greenloop::run(async {
        let slot = Rc::new(RefCell::new(None::<Waker>));
        let task = greenloop::spawn({
            let slot = Rc::clone(&slot);
            poll_fn(move |cx| match slot.take() {
                None => {
                    *slot.borrow_mut() = Some(cx.waker().clone());
                    Poll::Pending
                }
                Some(waker) => {
                    waker.wake();
                    Poll::Ready(())
                }
            })
        });
        settle().await;
        slot.borrow().as_ref().unwrap().wake_by_ref();
        task.await.unwrap();
    });
}

#[test]
fn more_wakers_than_the_plain_counter_holds_are_counted_all_the_same() {
    let drops = Rc::new(());
    greenloop::run(async {
        let wakers = Rc::new(RefCell::new(Vec::new()));
        let task = greenloop::spawn({
            let (wakers, held) = (Rc::clone(&wakers), Rc::clone(&drops));
            let mut first = true;
            poll_fn(move |cx| {
                let _held = &held;
                if std::mem::take(&mut first) {
                    *wakers.borrow_mut() = vec![cx.waker().clone(); 200_000];
                    return Poll::Pending;
                }
                Poll::Ready(())
            })
        });
        greenloop::yield_now().await;
        let mut wakers = wakers.take();
        let last = wakers.pop().unwrap();
        drop(wakers);
        last.wake();
        task.await.unwrap();
    });
    assert_eq!(Rc::strong_count(&drops), 1);
}
