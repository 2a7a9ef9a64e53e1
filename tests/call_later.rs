//! `call_soon`, `call_later` and `call_at` call once, not early, and not at all when cancelled in time.
#![cfg(feature = "green")]

mod styles;
mod support;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use greenloop::{
    EventLoop,
    task::{self, TimerHandle},
};
use styles::in_both_styles;
use support::{Drops, Gate, panic_of};

const SHORT: Duration = Duration::from_millis(2);
/// Enough for a slow machine to get ready.
const LATER: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(3600);

/// A gate and what opens it.
fn opener() -> (Gate, impl FnOnce() + 'static) {
    let gate = Gate::new();
    let opened = gate.clone();
    (gate, move || opened.open())
}

in_both_styles! {
    fn what_is_called_soon_is_called_in_that_order_after_those_who_are_ready() {
        let log = Rc::new(RefCell::new(Vec::new()));
        let task_log = Rc::clone(&log);
        let ready = start!({ task_log.borrow_mut().push(0) });
        for number in 1..4 {
            let log = Rc::clone(&log);
            task::call_soon(move || {
                log.borrow_mut().push(number);
                let log = Rc::clone(&log);
                task::call_soon(move || log.borrow_mut().push(10 * number));
            });
        }
        assert!(log.borrow().is_empty());
        wait!(ready).unwrap();
        wait!(greenloop::yield_now());
        assert_eq!(log.borrow()[..4], [0, 1, 2, 3]);
        wait!(greenloop::yield_now());
        assert_eq!(log.borrow()[4..], [10, 20, 30]);
    }

    fn a_call_soon_is_taken_back() {
        let drops = Drops::new();
        let guard = drops.guard();
        task::call_soon(move || { drop(guard); unreachable!() }).abort();
        assert_eq!(drops.count(), 1);
        wait!(greenloop::yield_now());
    }

    fn a_call_comes_when_its_time_has_come() {
        let start = Instant::now();
        let (gate, open) = opener();
        let timer = task::call_later(SHORT, open);
        assert!(timer.is_waiting() && timer.when().unwrap() >= start + SHORT);
        wait!(gate.wait());
        assert!(start.elapsed() >= SHORT);
        assert!(!timer.is_waiting() && !timer.is_cancelled() && !timer.cancel() && !timer.reset(SHORT));

        let (gate, open) = opener();
        let time = Instant::now() + SHORT;
        let timer = task::call_at(time, open);
        assert_eq!(timer.when(), Some(time));
        wait!(gate.wait());
        assert!(Instant::now() >= time);
    }

    fn a_time_that_has_passed_means_soon() {
        let (gate, open) = opener();
        drop(task::call_at(Instant::now(), open));
        wait!(gate.wait());
        let (gate, open) = opener();
        drop(task::call_later(Duration::ZERO, open));
        wait!(gate.wait());
    }

    fn calls_come_in_the_order_of_their_times() {
        let log = Rc::new(RefCell::new(Vec::new()));
        // None of them has passed before all of them wait.
        let start = Instant::now() + LATER;
        for number in [3, 1, 2, 1] {
            let log = Rc::clone(&log);
            drop(task::call_at(start + number * SHORT, move || log.borrow_mut().push(number)));
        }
        let (gate, open) = opener();
        drop(task::call_at(start + 4 * SHORT, open));
        wait!(gate.wait());
        assert_eq!(*log.borrow(), [1, 1, 2, 3]);
    }

    fn a_cancelled_call_never_comes_and_its_function_is_gone_at_once() {
        for turns in 0..3 {
            let drops = Drops::new();
            let guard = drops.guard();
            let timer = task::call_later(LONG, move || { drop(guard); unreachable!() });
            // Before the timer is armed, and when it is.
            for _ in 0..turns {
                wait!(greenloop::yield_now());
            }
            assert!(timer.clone().cancel());
            assert_eq!(drops.count(), 1);
            assert!(timer.is_cancelled() && !timer.is_waiting());
            assert!(!timer.cancel() && !timer.reset(Duration::ZERO));
            wait!(greenloop::yield_now());
        }
    }

    fn a_timer_that_has_fired_can_still_be_cancelled_or_moved_until_the_call() {
        let timers = Rc::new(RefCell::new(Vec::<TimerHandle>::new()));
        let called = Rc::new(Cell::new(0));
        let start = Instant::now();
        let first = Rc::clone(&timers);
        // All three fire in the same turn; the first to be called deals with the others.
        let time = start + SHORT;
        drop(task::call_at(time, move || {
            let timers = first.take();
            assert!(timers[0].cancel());
            assert!(timers[1].reset(SHORT));
        }));
        for _ in 0..2 {
            let called = Rc::clone(&called);
            let timer = task::call_at(time, move || called.set(called.get() + 1));
            timers.borrow_mut().push(timer);
        }
        let moved = timers.borrow()[1].clone();
        while moved.is_waiting() {
            wait!(greenloop::sleep(SHORT / 2));
        }
        assert_eq!(called.get(), 1);
        assert!(start.elapsed() >= 2 * SHORT);
    }

    fn a_call_is_moved_to_an_earlier_and_to_a_later_time() {
        let start = Instant::now();
        let (gate, open) = opener();
        let timer = task::call_later(LONG, open);
        wait!(greenloop::yield_now());
        assert!(timer.reset_at(start + SHORT));
        wait!(gate.wait());
        assert!(start.elapsed() >= SHORT);

        let start = Instant::now();
        let (gate, open) = opener();
        let timer = task::call_later(SHORT, open);
        wait!(greenloop::yield_now());
        assert!(timer.reset(3 * SHORT));
        wait!(gate.wait());
        assert!(start.elapsed() >= 3 * SHORT);
    }

    fn never_can_be_moved_to_some_time() {
        let (gate, open) = opener();
        let timer = task::call_later(Duration::MAX, open);
        assert_eq!(timer.when(), None);
        wait!(greenloop::yield_now());
        assert!(timer.reset(SHORT));
        wait!(gate.wait());
        let timer = task::call_later(SHORT, || unreachable!());
        assert!(timer.reset(Duration::MAX) && timer.when().is_none());
        wait!(greenloop::sleep(2 * SHORT));
        assert!(timer.is_waiting());
    }

    fn a_function_that_arranges_its_own_next_call_ticks() {
        fn tick(left: u32, done: impl FnOnce() + 'static) {
            if left == 0 {
                return done();
            }
            drop(task::call_later(SHORT, move || tick(left - 1, done)));
        }
        let start = Instant::now();
        let (gate, open) = opener();
        tick(3, open);
        wait!(gate.wait());
        assert!(start.elapsed() >= 3 * SHORT);
    }

    fn the_function_finds_its_own_call_made() {
        let own = Rc::new(RefCell::new(None::<TimerHandle>));
        let (gate, open) = opener();
        let seen = Rc::clone(&own);
        let timer = task::call_later(SHORT, move || {
            let own = seen.take().unwrap();
            assert!(!own.is_waiting() && !own.cancel() && !own.reset(SHORT));
            open();
        });
        *own.borrow_mut() = Some(timer);
        wait!(gate.wait());
    }

    fn thousands_of_cancelled_timers_leave_nothing() {
        let before = greenloop::statistics();
        let timers: Vec<_> = (0..5000).map(|_| task::call_later(LONG, || ())).collect();
        wait!(greenloop::yield_now());
        assert_eq!(greenloop::statistics().timers, before.timers + 5000);
        assert!(timers.iter().all(TimerHandle::cancel));
        let after = greenloop::statistics();
        assert_eq!((after.timers, after.tasks), (before.timers, before.tasks));
    }
}

#[test]
fn a_panic_of_a_call_is_reported_and_stops_nobody() {
    let reported = Rc::new(Cell::new(0));
    let mut event_loop = EventLoop::builder()
        .on_unobserved_panic({
            let reported = Rc::clone(&reported);
            move |error| {
                assert!(error.to_string().ends_with("no flour"));
                reported.set(reported.get() + 1);
            }
        })
        .build()
        .unwrap();
    event_loop.run(async {
        task::call_soon(|| panic!("no flour"));
        drop(task::call_later(SHORT, || panic!("no flour")));
        let (gate, open) = opener();
        drop(task::call_later(2 * SHORT, open));
        gate.wait().await;
    });
    assert_eq!(reported.get(), 2);
}

#[test]
fn the_loops_end_takes_calls_back() {
    let drops = Drops::new();
    let guard = drops.guard();
    let timer = greenloop::run(async move { task::call_later(LONG, move || drop(guard)) });
    assert_eq!(drops.count(), 1);
    assert!(timer.is_cancelled() && !timer.cancel() && !timer.reset(SHORT));
}

#[test]
fn outside_of_a_loop_they_panic_where_they_are_called() {
    panic_of(|| task::call_soon(|| ())).assert_within(0);
    panic_of(|| task::call_later(SHORT, || ())).assert_within(0);
    panic_of(|| task::call_at(Instant::now(), || ())).assert_within(0);
}
