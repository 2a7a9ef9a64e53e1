//! A sleep can be given another deadline at any time, and then that one counts.

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use greenloop::{sleep, statistics, time::sleep_until};

#[path = "support/net.rs"]
mod support;
use support::{Wakes, poll, poll_once, run, waker_fn};

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn reset_to_a_later_time_wakes_once_and_then() {
    run(async {
        let (wakes, waker) = Wakes::new();
        let start = Instant::now();
        let mut sleep = pin!(sleep(2 * MILLISECOND));
        assert!(poll(sleep.as_mut(), &waker).is_pending());
        let later = start + 40 * MILLISECOND;
        sleep.reset(later);

        // Past the old deadline, perhaps not past the new one.
        greenloop::sleep(3 * MILLISECOND).await;
        let woken_before = wakes.count();
        assert!(woken_before == 0 || Instant::now() >= later);
        sleep_until(later + MILLISECOND).await;

        assert_eq!(wakes.count(), 1);
        assert!(poll_once(sleep).is_ready());
    });
}

#[test]
fn reset_to_an_earlier_time_ends_then() {
    run(async {
        let start = Instant::now();
        let mut sleep = pin!(sleep(HOUR));
        assert!(poll_once(sleep.as_mut()).is_pending());

        sleep.reset(start + 3 * MILLISECOND);
        sleep.await;

        assert!(start.elapsed() >= 3 * MILLISECOND);
    });
}

#[test]
fn reset_to_the_past_ends_the_wait() {
    run(async {
        let start = Instant::now();
        let mut sleep = pin!(sleep(HOUR));
        assert!(poll_once(sleep.as_mut()).is_pending());

        sleep.reset(start - MILLISECOND);

        assert!(sleep.is_elapsed());
        sleep.await;
    });
}

#[test]
fn reset_before_the_first_poll_is_just_another_deadline() {
    run(async {
        let start = Instant::now();
        let mut sleep = sleep(HOUR);

        sleep.reset(start + 2 * MILLISECOND);

        assert_eq!(sleep.deadline(), Some(start + 2 * MILLISECOND));
        sleep.await;
        assert!(start.elapsed() >= 2 * MILLISECOND);
    });
}

#[test]
fn reset_after_the_end_lets_it_be_awaited_again() {
    run(async {
        let mut sleep = sleep(MILLISECOND);
        (&mut sleep).await;
        for _ in 0..3 {
            let deadline = Instant::now() + 2 * MILLISECOND;

            sleep.reset(deadline);

            assert!(poll_once(&mut sleep).is_pending() || Instant::now() >= deadline);
            (&mut sleep).await;
            assert!(Instant::now() >= deadline);
        }
    });
}

#[test]
fn reset_between_the_firing_and_the_poll_counts() {
    run(async {
        let (wakes, waker) = Wakes::new();
        let mut sleep = pin!(sleep(MILLISECOND));
        assert!(poll(sleep.as_mut(), &waker).is_pending());
        while wakes.count() == 0 {
            greenloop::sleep(MILLISECOND).await;
        }

        let later = Instant::now() + 5 * MILLISECOND;
        sleep.reset(later);

        assert!(!sleep.is_elapsed() || Instant::now() >= later);
        sleep.await;
        assert!(Instant::now() >= later);
    });
}

#[test]
fn a_waiting_task_is_woken_at_the_time_that_another_task_sets() {
    run(async {
        let shared = Rc::new(RefCell::new(sleep(HOUR)));
        let waiting = greenloop::spawn({
            let shared = Rc::clone(&shared);
            poll_fn(move |cx| Pin::new(&mut *shared.borrow_mut()).poll(cx))
        });
        greenloop::yield_now().await;
        let deadline = Instant::now() + 2 * MILLISECOND;

        shared.borrow_mut().reset(deadline);

        waiting.await.unwrap();
        assert!(Instant::now() >= deadline);
    });
}

#[test]
fn a_task_that_waits_for_ever_is_woken_at_the_time_that_another_task_sets() {
    run(async {
        let (wakes, waker) = Wakes::new();
        let mut endless = pin!(sleep(Duration::MAX));
        assert!(poll(endless.as_mut(), &waker).is_pending());

        let deadline = Instant::now() + MILLISECOND;
        endless.reset(deadline);
        sleep_until(deadline + MILLISECOND).await;

        assert_eq!(wakes.count(), 1);
        assert!(poll_once(endless).is_ready());
    });
}

#[test]
fn ten_thousand_resets_leave_one_timer_that_is_never_early() {
    run(async {
        let before = statistics().timers;
        let mut sleep = pin!(sleep(MILLISECOND));
        assert!(poll_once(sleep.as_mut()).is_pending());

        let mut deadline = Instant::now();
        for number in 0..10_000 {
            deadline = Instant::now() + (number % 9) * MILLISECOND;
            sleep.reset(deadline);
        }

        assert!(statistics().timers <= before + 1);
        sleep.await;
        assert!(Instant::now() >= deadline);
        assert_eq!(statistics().timers, before);
    });
}

#[test]
fn a_reset_sleep_can_be_dropped_before_and_after_its_old_time() {
    run(async {
        let before = statistics().timers;
        let mut early = Box::pin(sleep(2 * MILLISECOND));
        let mut late = Box::pin(sleep(2 * MILLISECOND));
        assert!(poll_once(early.as_mut()).is_pending());
        assert!(poll_once(late.as_mut()).is_pending());
        early.reset(Instant::now() + HOUR);
        late.reset(Instant::now() + HOUR);

        drop(early);
        thread::sleep(4 * MILLISECOND);
        sleep(MILLISECOND).await;
        assert_eq!(statistics().timers, before + 1);
        drop(late);

        assert_eq!(statistics().timers, before);
    });
}

#[test]
fn a_waker_may_reset_a_sleep_that_is_due_in_the_same_tick_and_drop_it_later() {
    run(async {
        let deadline = Instant::now() + MILLISECOND;
        let other = Arc::new(Mutex::new(sleep_until(deadline)));
        let (wakes, waker) = Wakes::new();
        let resetting = waker_fn({
            let (other, waker) = (Arc::clone(&other), waker.clone());
            move || {
                other.lock().unwrap().reset(deadline);
                waker.wake_by_ref();
            }
        });
        let mut first = pin!(sleep_until(deadline));
        assert!(poll(first.as_mut(), &resetting).is_pending());
        assert!(poll_once(&mut *other.lock().unwrap()).is_pending());
        let before = statistics().timers;

        while wakes.count() == 0 {
            sleep(MILLISECOND).await;
        }

        assert!(poll_once(&mut *other.lock().unwrap()).is_ready());
        *other.lock().unwrap() = sleep(HOUR);
        assert!(statistics().timers <= before - 2);
    });
}
