//! `as_completed` gives outputs in the order in which they are there.
#![cfg(feature = "green")]

mod styles;
mod support;

use std::{
    cell::{Cell, RefCell},
    future::{pending, ready},
    rc::Rc,
    task::Poll,
    time::{Duration, Instant},
};

use futures_util::{FutureExt as _, Stream as _, StreamExt as _};
use greenloop::{green, task, time::timeout_at};
use styles::in_both_styles;
use support::{Drops, Gate, OnDrop, Wakes, block_on, hold};

const SIZES: [usize; 5] = [0, 1, 2, 33, 500];

/// All orders of so many.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in orders(count - 1) {
        for place in 0..count {
            let mut order = shorter.clone();
            order.insert(place, count - 1);
            all.push(order);
        }
    }
    all
}

in_both_styles! {
    fn outputs_come_in_the_order_in_which_futures_are_done() {
        for order in orders(4) {
            let gates: Vec<_> = (0..4).map(|_| Gate::new()).collect();
            let futures = gates.iter().cloned().enumerate().map(|(number, gate)| async move {
                gate.wait().await;
                number
            });
            let mut done = task::as_completed(futures);
            assert!(done.next().now_or_never().is_none());
            for number in &order {
                gates[*number].open();
            }
            for number in order {
                assert_eq!(wait!(done.next()), Some(number));
            }
            assert_eq!(wait!(done.next()), None);
            assert_eq!(wait!(done.next()), None);
        }
    }

    fn tasks_of_both_kinds_come_as_they_end() {
        let gates: Vec<_> = (0..4).map(|_| Gate::new()).collect();
        let wait_at = |number: usize| (gates[number].clone(), number);
        let mut handles = Vec::new();
        for number in 0..4 {
            let (gate, number) = wait_at(number);
            handles.push(if number % 2 == 0 {
                greenloop::spawn(async move { gate.wait().await; number })
            } else {
                green::spawn(move || { green::Wait::wait(gate.wait()); number })
            });
        }
        let opener = start!({
            for number in [2, 1, 3, 0] {
                gates[number].open();
                wait!(greenloop::yield_now());
            }
        });
        let mut done = task::as_completed(handles);
        for number in [2, 1, 3, 0] {
            assert_eq!(wait!(done.next()).unwrap().unwrap(), number);
        }
        wait!(opener).unwrap();
    }

    fn what_is_ready_at_once_comes_in_the_order_given() {
        for size in SIZES {
            let done = task::as_completed((0..size).map(ready));
            assert_eq!(done.size_hint(), (size, Some(size)));
            assert!(wait!(done.collect::<Vec<_>>()).into_iter().eq(0..size));
        }
    }

    fn the_finished_come_first_and_then_the_time_is_over() {
        let gate = Gate::new();
        let waiting = gate.clone();
        let futures = [ready(1).boxed_local(), pending().boxed_local(),
            async move { waiting.wait().await; 2 }.boxed_local()];
        let mut done = task::as_completed(futures);
        let passed = Instant::now();
        gate.open();
        // The deadline has passed all the time.
        assert_eq!(wait!(timeout_at(passed, done.next())), Ok(Some(1)));
        assert_eq!(wait!(timeout_at(passed, done.next())), Ok(Some(2)));
        assert!(wait!(timeout_at(passed, done.next())).is_err());
        assert_eq!(done.len(), 1);
    }

    fn dropping_it_drops_the_futures_and_detaches_the_tasks() {
        let drops = Drops::new();
        let mut done = task::as_completed([hold::<_, ()>(drops.guard()), hold(drops.guard())]);
        assert!(done.next().now_or_never().is_none());
        drop(done);
        assert_eq!(drops.count(), 2);

        let (gate, ended) = (Gate::new(), Drops::new());
        let (waiting, guard) = (gate.clone(), ended.guard());
        let mut done = task::as_completed([start!({
            let _guard = guard;
            wait!(waiting.wait());
        })]);
        assert!(done.next().now_or_never().is_none());
        drop(done);
        wait!(greenloop::yield_now());
        assert_eq!(ended.count(), 0);
        gate.open();
        wait!(greenloop::yield_now());
        assert_eq!(ended.count(), 1);
    }

    fn a_next_that_is_given_up_takes_nothing() {
        for polls in 0..3 {
            let gate = Gate::new();
            let waiting = gate.clone();
            let mut done = task::as_completed([async move { waiting.wait().await; 7 }]);
            {
                let mut next = Box::pin(done.next());
                for _ in 0..polls {
                    assert!(support::poll_once(&mut next).is_pending());
                }
                gate.open();
            }
            assert_eq!(wait!(done.next()), Some(7));
        }
    }

    fn futures_that_wake_themselves_do_not_keep_the_task() {
        let others = Rc::new(Cell::new(0));
        let counter = start!({
            let counted = Rc::clone(&others);
            loop {
                counted.set(counted.get() + 1);
                wait!(greenloop::yield_now());
            }
        });
        let futures = (0..100).map(|number| async move {
            for _ in 0..number {
                greenloop::yield_now().await;
            }
            number
        });
        let outputs: Vec<_> = wait!(task::as_completed(futures).collect());
        assert!(outputs.into_iter().eq(0..100));
        counter.abort();
    }

    fn a_thousand_that_are_ready_let_others_run() {
        let mut done = task::as_completed((0..1000).map(ready));
        let other = start!({ wait!(greenloop::yield_now()) });
        while !other.is_finished() {
            assert!(wait!(done.next()).is_some(), "nobody else had a turn");
        }
        assert!(!done.is_empty());
    }

    fn a_done_futures_destructor_runs_before_its_output_is_seen() {
        let log = Rc::new(RefCell::new(Vec::new()));
        let futures = [1, 2].map(|number| {
            let log = Rc::clone(&log);
            let guard = OnDrop::new({
                let log = Rc::clone(&log);
                move || log.borrow_mut().push(-number)
            });
            async move {
                let _guard = guard;
                greenloop::yield_now().await;
                log.borrow_mut().push(number);
                number
            }
        });
        let mut done = task::as_completed(futures);
        while let Some(number) = wait!(done.next()) {
            log.borrow_mut().push(10 * number);
        }
        assert_eq!(*log.borrow(), [1, -1, 10, 2, -2, 20]);
    }
}

#[test]
fn each_wake_polls_one_future_only() {
    greenloop::run(async {
        let polls = Rc::new(Cell::new(0));
        let gates: Vec<_> = (0..1000).map(|_| Gate::new()).collect();
        let futures = gates.iter().cloned().map(|gate| {
            let polls = Rc::clone(&polls);
            std::future::poll_fn(move |cx| {
                polls.set(polls.get() + 1);
                gate.poll(cx)
            })
        });
        let mut done = task::as_completed(futures);
        assert!(done.next().now_or_never().is_none());
        assert_eq!(polls.get(), 1000);
        for gate in gates.iter().rev() {
            gate.open();
            assert_eq!(done.next().await, Some(()));
        }
        assert_eq!(polls.get(), 2000);
    });
}

#[test]
fn it_works_without_a_loop() {
    let mut done = task::as_completed([1, 2].map(|number| async move { number }));
    assert_eq!(block_on(done.next()), Some(1));
    assert_eq!(block_on(done.next()), Some(2));
    assert_eq!(block_on(done.next()), None);
}

#[test]
fn the_wakers_of_members_outlive_the_stream() {
    let (wakes, kept) = (Wakes::new(), Rc::new(RefCell::new(Vec::new())));
    let futures = (0..3).map(|_| {
        let kept = Rc::clone(&kept);
        std::future::poll_fn(move |cx| {
            kept.borrow_mut().push(cx.waker().clone());
            Poll::<()>::Pending
        })
    });
    let mut done = task::as_completed(futures);
    {
        let waker = wakes.waker();
        let cx = &mut std::task::Context::from_waker(&waker);
        assert!(done.poll_next_unpin(cx).is_pending());
    }
    drop(done);
    assert_eq!(wakes.references(), 1, "the parent's waker is gone with the stream");
    for waker in kept.take() {
        waker.wake();
    }
    assert_eq!(wakes.count(), 0);
}

#[test]
fn a_green_thread_iterates_over_any_stream() {
    let _watched = styles::watch();
    green::run(|| {
        let start = Instant::now() + Duration::from_millis(300);
        let naps = [3, 1, 2].map(|number| async move {
            greenloop::time::sleep_until(start + number * Duration::from_millis(2)).await;
            number
        });
        assert!(green::iter(task::as_completed(naps)).eq([1, 2, 3]));
        let interval = greenloop::time::interval(Duration::from_millis(1));
        assert_eq!(green::iter(interval).take(3).count(), 3);
        assert_eq!(green::iter(futures_util::stream::iter(0..3)).size_hint(), (3, Some(3)));
    });
}
