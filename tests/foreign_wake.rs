//! Wakers may be cloned, woken and dropped on any thread, also while their loop ends and when it
//! is gone; and no wake is lost.
#![allow(clippy::async_yields_async, reason = "handles are what is handed around here")]

mod support;

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
        mpsc,
    },
    task::{Poll, Waker},
    thread,
};

use greenloop::{EventLoop, event_loop};
use support::{Drops, Gate, OnDrop, Wakes, hold, own_waker, suspend};

#[test]
fn a_wake_from_another_thread_runs_the_task_on_its_own() {
    for by_value in [true, false] {
        greenloop::run(async move {
            let home = thread::current().id();
            let woken = Arc::new(AtomicBool::new(false));
            let mut waker_thread = None;
            let task = greenloop::spawn(poll_fn(move |cx| {
                if woken.load(SeqCst) {
                    return Poll::Ready(thread::current().id());
                }
                let (woken, waker) = (Arc::clone(&woken), cx.waker().clone());
                waker_thread.get_or_insert_with(|| {
                    thread::spawn(move || {
                        woken.store(true, SeqCst);
                        if by_value { waker.wake() } else { waker.wake_by_ref() }
                    })
                });
                Poll::Pending
            }));
            assert_eq!(task.await.unwrap(), home);
        });
    }
}

#[test]
fn no_wake_is_lost_in_ten_thousand_round_trips() {
    const TRIPS: usize = 10_000;
    let (to_loop, from_thread) = async_channel::bounded(1);
    let (to_thread, from_loop) = mpsc::channel();
    let echo = thread::spawn(move || {
        for number in from_loop {
            to_loop.try_send(number).unwrap();
        }
    });
    greenloop::run(async move {
        for number in 0..TRIPS {
            to_thread.send(number).unwrap();
            assert_eq!(from_thread.recv().await, Ok(number));
        }
    });
    echo.join().unwrap();
}

#[test]
fn no_wake_is_lost_in_a_storm_from_eight_threads() {
    const THREADS: usize = 8;
    const WAKES: usize = 2_000;
    greenloop::run(async {
        let arrived = Arc::new(AtomicUsize::new(0));
        let waker = own_waker().await;
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (arrived, waker) = (Arc::clone(&arrived), waker.clone());
                thread::spawn(move || {
                    for _ in 0..WAKES {
                        // Relaxed: only the wake can make it known to the poll.
                        arrived.fetch_add(1, Relaxed);
                        waker.wake_by_ref();
                    }
                })
            })
            .collect();
        poll_fn(|_| match arrived.load(Relaxed) == THREADS * WAKES {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_storm_of_clones_wakes_and_drops_leaves_the_count_right() {
    const THREADS: usize = 4;
    for keep_handle in [true, false] {
        let drops = Drops::new();
        greenloop::run(async {
            let (senders, receivers): (Vec<_>, Vec<_>) =
                (0..THREADS).map(|_| mpsc::channel::<Waker>()).unzip();
            let threads: Vec<_> = receivers
                .into_iter()
                .map(|receiver| {
                    thread::spawn(move || {
                        for (number, waker) in receiver.into_iter().enumerate() {
                            let second = waker.clone();
                            match number % 4 {
                                0 => waker.wake(),
                                1 => waker.wake_by_ref(),
                                2 => drop(waker),
                                _ => drop(second.clone()),
                            }
                            drop(second.clone());
                        }
                    })
                })
                .collect();
            let mut left = 2_000;
            let guard = drops.guard();
            let task = greenloop::spawn(poll_fn(move |cx| {
                let _guard = &guard;
                for sender in &senders {
                    // Cloned here, dropped there.
                    sender.send(cx.waker().clone()).unwrap();
                    drop(cx.waker().clone());
                }
                left -= 1;
                if left > 0 {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            }));
            if keep_handle {
                task.await.unwrap();
            } else {
                drop(task);
                while drops.count() == 0 {
                    greenloop::yield_now().await;
                }
            }
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        assert_eq!(drops.count(), 1);
    }
}

#[test]
fn wakers_may_be_dropped_on_the_other_side_from_where_they_were_cloned() {
    greenloop::run(async {
        let waker = own_waker().await;
        for _ in 0..100 {
            let made_here: Vec<_> = (0..10).map(|_| waker.clone()).collect();
            let made_there = thread::spawn({
                let waker = waker.clone();
                move || {
                    drop(made_here);
                    (0..10).map(|_| waker.clone()).collect::<Vec<_>>()
                }
            });
            drop(made_there.join().unwrap());
            // A foreign wake is when the loop brings the two counts together.
            thread::spawn({
                let waker = waker.clone();
                move || waker.wake()
            });
            suspend().await;
        }
    });
}

/// Runs a loop to its end with a task that waits for ever, and gives the task's waker.
fn waker_of_a_loop_that_is_gone(drops: &Drops) -> Waker {
    greenloop::run(async {
        let (sender, receiver) = async_channel::bounded(1);
        let guard = drops.guard();
        drop(greenloop::spawn(async move {
            let _guard = guard;
            sender.try_send(own_waker().await).unwrap();
            suspend().await;
        }));
        receiver.recv().await.unwrap()
    })
}

fn use_up(waker: Waker) {
    waker.wake_by_ref();
    let second = waker.clone();
    waker.wake();
    second.wake_by_ref();
    drop(second);
}

#[test]
fn a_waker_does_nothing_when_its_loop_is_gone() {
    let drops = Drops::new();
    let waker = waker_of_a_loop_that_is_gone(&drops);
    assert_eq!(drops.count(), 1, "the future went with the loop, whoever holds a waker");
    use_up(waker);
}

#[test]
fn a_waker_does_nothing_on_another_thread_when_its_loop_is_gone() {
    let drops = Drops::new();
    let waker = waker_of_a_loop_that_is_gone(&drops);
    thread::spawn(move || use_up(waker)).join().unwrap();
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_waker_of_a_loop_that_is_gone_does_nothing_in_another_loop() {
    let waker = waker_of_a_loop_that_is_gone(&Drops::new());
    greenloop::run(async move {
        let polls = event_loop::statistics().polls;
        use_up(waker);
        greenloop::yield_now().await;
        assert_eq!(event_loop::statistics().polls, polls + 1);
    });
}

#[test]
fn a_waker_in_another_thread_does_not_take_the_future_there() {
    let home = thread::current().id();
    let dropped_on = Arc::new(Mutex::new(None));
    let waker = greenloop::run(async {
        let (sender, receiver) = async_channel::bounded(1);
        let on_drop = OnDrop::new({
            let dropped_on = Arc::clone(&dropped_on);
            move || *dropped_on.lock().unwrap() = Some(thread::current().id())
        });
        drop(greenloop::spawn(async move {
            let _on_drop = on_drop;
            let waker = own_waker().await;
            thread::spawn(move || sender.try_send(waker).unwrap());
            suspend().await;
        }));
        receiver.recv().await.unwrap()
    });
    thread::spawn(move || drop(waker)).join().unwrap();
    assert_eq!(*dropped_on.lock().unwrap(), Some(home));
}

#[test]
fn wakes_race_with_the_end_of_the_loop() {
    for _ in 0..200 {
        let drops = Drops::new();
        let start = Arc::new(Barrier::new(3));
        let threads = greenloop::run(async {
            let (sender, receiver) = async_channel::bounded(1);
            let guard = drops.guard();
            drop(greenloop::spawn(async move {
                let _guard = guard;
                loop {
                    let _ = sender.try_send(own_waker().await);
                    suspend().await;
                }
            }));
            let waker = receiver.recv().await.unwrap();
            let threads = [(); 2].map(|()| {
                let (waker, start) = (waker.clone(), Arc::clone(&start));
                thread::spawn(move || {
                    start.wait();
                    for _ in 0..50 {
                        use_up(waker.clone());
                    }
                })
            });
            start.wait();
            threads
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(drops.count(), 1);
    }
}

#[test]
fn wakes_race_with_the_end_of_the_task() {
    greenloop::run(async {
        for round in 0..300 {
            let drops = Drops::new();
            let (sender, receiver) = async_channel::bounded(1);
            let guard = drops.guard();
            let task = greenloop::spawn(async move {
                let _guard = guard;
                sender.try_send(own_waker().await).unwrap();
                suspend().await;
            });
            let waker = receiver.recv().await.unwrap();
            let thread = thread::spawn(move || {
                for _ in 0..20 {
                    use_up(waker.clone());
                }
            });
            match round % 3 {
                0 => task.abort(),
                1 => drop(task.await),
                _ => drop(task),
            }
            thread.join().unwrap();
            while drops.count() == 0 {
                greenloop::yield_now().await;
            }
        }
    });
}

/// Wakes what it holds when its thread ends.
struct WakeAtExit(RefCell<Vec<Waker>>);

impl Drop for WakeAtExit {
    fn drop(&mut self) {
        for (number, waker) in self.0.take().into_iter().enumerate() {
            if number % 2 == 0 { waker.wake() } else { waker.wake_by_ref() }
        }
    }
}

thread_local! {
    static AT_EXIT: WakeAtExit = const { WakeAtExit(RefCell::new(Vec::new())) };
}

#[test]
fn a_waker_in_a_thread_local_outlives_the_loop_of_its_thread() {
    thread::spawn(|| {
        // Also made before the crate's own thread-locals, so that it is dropped after them.
        AT_EXIT.with(|wakers| wakers.0.borrow_mut().clear());
        greenloop::run(async {
            for _ in 0..2 {
                let waker = own_waker().await;
                AT_EXIT.with(|wakers| wakers.0.borrow_mut().push(waker));
            }
            greenloop::spawn(async {
                let waker = own_waker().await;
                AT_EXIT.with(|wakers| wakers.0.borrow_mut().push(waker));
                suspend().await;
            });
            greenloop::yield_now().await;
        });
    })
    .join()
    .unwrap();
}

#[test]
fn a_waker_in_a_thread_local_of_another_thread_wakes_when_that_ends() {
    greenloop::run(async {
        let gone = Arc::new(AtomicBool::new(false));
        let waker = own_waker().await;
        let thread = thread::spawn({
            let gone = Arc::clone(&gone);
            move || {
                AT_EXIT.with(|wakers| wakers.0.borrow_mut().push(waker));
                gone.store(true, SeqCst);
            }
        });
        while !gone.load(SeqCst) {
            suspend().await;
        }
        thread.join().unwrap();
    });
}

#[test]
fn a_waker_of_another_loop_is_harmless_when_that_has_ended() {
    let (to_first, from_second) = async_channel::bounded(1);
    let (ended, is_ended) = async_channel::bounded::<()>(1);
    let second = thread::spawn(move || {
        greenloop::run(async move {
            to_first.send(own_waker().await).await.unwrap();
        });
        drop(ended);
    });
    greenloop::run(async move {
        let waker = from_second.recv().await.unwrap();
        waker.wake_by_ref();
        assert!(is_ended.recv().await.is_err());
        use_up(waker);
    });
    second.join().unwrap();
}

#[test]
fn two_loops_on_two_threads_wake_each_other() {
    const TRIPS: usize = 2_000;
    let (to_second, from_first) = async_channel::bounded(1);
    let (to_first, from_second) = async_channel::bounded(1);
    let second = thread::spawn(move || {
        greenloop::run(async move {
            while let Ok(number) = from_first.recv().await {
                to_first.send(number + 1).await.unwrap();
            }
        });
    });
    greenloop::run(async move {
        let mut number = 0;
        while number < TRIPS {
            to_second.send(number).await.unwrap();
            number = from_second.recv().await.unwrap();
        }
    });
    second.join().unwrap();
}

#[test]
fn a_wake_between_two_runs_is_not_lost() {
    let mut event_loop = EventLoop::new().unwrap();
    let gate = Gate::new();
    let task = event_loop.run(async {
        let gate = gate.clone();
        let task = greenloop::spawn(async move { gate.wait().await });
        greenloop::yield_now().await;
        task
    });
    thread::spawn(move || gate.open()).join().unwrap();
    event_loop.run(task).unwrap();
}

#[test]
fn a_wake_on_the_loops_own_thread_between_two_runs_is_not_lost() {
    let mut event_loop = EventLoop::new().unwrap();
    let gate = Gate::new();
    let task = event_loop.run(async {
        let gate = gate.clone();
        let task = greenloop::spawn(async move { gate.wait().await });
        greenloop::yield_now().await;
        task
    });
    gate.open();
    event_loop.run(task).unwrap();
}

#[test]
fn a_foreign_wake_arrives_while_a_task_keeps_the_loop_busy() {
    greenloop::run(async {
        greenloop::spawn(async {
            loop {
                greenloop::yield_now().await;
            }
        });
        let gate = Gate::new();
        let thread = thread::spawn({
            let gate = gate.clone();
            move || gate.open()
        });
        gate.wait().await;
        thread.join().unwrap();
    });
}

#[test]
fn foreign_wakes_come_in_the_order_in_which_they_were_made() {
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
        greenloop::yield_now().await;
        thread::spawn(move || [3, 0, 4, 1, 2].map(|number| gates[number].open())).join().unwrap();
        while log.borrow().len() < 5 {
            greenloop::yield_now().await;
        }
        assert_eq!(log.take(), [3, 0, 4, 1, 2]);
    });
}

#[test]
fn foreign_wakes_are_counted_and_local_ones_are_not() {
    greenloop::run(async {
        let wakes = || event_loop::statistics().foreign_wakes;
        for _ in 0..10 {
            greenloop::yield_now().await;
        }
        assert_eq!(wakes(), 0);
        for count in 1..=3 {
            let waker = own_waker().await;
            let thread = thread::spawn(move || [0; 5].map(|_| waker.wake_by_ref()));
            // The thread is done before the loop looks, so its wakes are one.
            thread.join().unwrap();
            suspend().await;
            assert_eq!(wakes(), count);
        }
    });
}

#[test]
fn a_foreign_wake_of_a_finished_task_is_not_a_poll() {
    greenloop::run(async {
        let task = greenloop::spawn(own_waker());
        greenloop::yield_now().await;
        assert!(task.is_finished());
        let waker = task.await.unwrap();
        thread::spawn(move || use_up(waker)).join().unwrap();
        let polls = event_loop::statistics().polls;
        for _ in 0..100 {
            greenloop::yield_now().await;
        }
        assert_eq!(event_loop::statistics().polls, polls + 100);
    });
}

#[test]
fn a_foreign_wake_of_a_task_whose_output_waits_leaves_the_output() {
    greenloop::run(async {
        let (sender, receiver) = async_channel::bounded(1);
        let task = greenloop::spawn(async move {
            sender.try_send(own_waker().await).unwrap();
            "output"
        });
        let waker = receiver.recv().await.unwrap();
        assert!(task.is_finished());
        thread::spawn(move || use_up(waker)).join().unwrap();
        for _ in 0..100 {
            greenloop::yield_now().await;
        }
        assert_eq!(task.await.unwrap(), "output");
    });
}

#[test]
fn a_task_may_be_aborted_while_a_foreign_wake_is_on_its_way() {
    greenloop::run(async {
        let polls = Rc::new(Cell::new(0));
        for _ in 0..100 {
            let (sender, receiver) = async_channel::bounded(1);
            let task = greenloop::spawn({
                let polls = Rc::clone(&polls);
                poll_fn(move |cx| -> Poll<()> {
                    polls.set(polls.get() + 1);
                    sender.try_send(cx.waker().clone()).unwrap();
                    Poll::Pending
                })
            });
            let waker = receiver.recv().await.unwrap();
            // In the box, but the loop has not looked yet.
            thread::spawn(move || waker.wake()).join().unwrap();
            task.abort();
            drop(task);
            greenloop::yield_now().await;
        }
        assert_eq!(polls.get(), 100);
    });
}

#[test]
fn the_waker_of_a_joiner_is_released_when_it_was_woken_or_given_up() {
    let wakes = Wakes::new();
    greenloop::run(async {
        let poll = |task: &mut greenloop::task::JoinHandle<()>| {
            let waker = wakes.waker();
            let mut cx = std::task::Context::from_waker(&waker);
            assert!(std::pin::Pin::new(task).poll(&mut cx).is_pending());
        };
        let mut finishing = greenloop::spawn(async {});
        poll(&mut finishing);
        assert_eq!(wakes.references(), 2);
        greenloop::yield_now().await;
        assert_eq!((wakes.count(), wakes.references()), (1, 1));

        let mut given_up = greenloop::spawn(hold::<_, ()>(()));
        poll(&mut given_up);
        poll(&mut given_up);
        assert_eq!(wakes.references(), 2);
        drop(given_up);
        assert_eq!((wakes.count(), wakes.references()), (1, 1));

        let mut at_the_end = greenloop::spawn(hold::<_, ()>(()));
        poll(&mut at_the_end);
        std::mem::forget(at_the_end);
    });
    assert_eq!(wakes.references(), 1);
}
