//! A sleep ends when its time has passed: late if the loop is busy, never early.

use std::{
    cell::Cell,
    pin::{Pin, pin},
    rc::Rc,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use greenloop::{
    sleep, statistics,
    time::{Sleep, sleep_until},
};

#[path = "support/net.rs"]
mod support;
use support::{Wakes, pair_with_std, poll, poll_once, run, waker_fn};

const MILLISECOND: Duration = Duration::from_millis(1);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[test]
fn a_sleep_takes_at_least_its_time() {
    run(async {
        for length in [1, 2, 7, 16, 17, 40] {
            let length = length * MILLISECOND;
            let start = Instant::now();
            sleep(length).await;
            assert!(start.elapsed() >= length);
        }
    });
}

#[test]
fn a_sleep_counts_from_its_making_and_not_from_the_loops_last_look_at_the_clock() {
    run(async {
        sleep(MILLISECOND).await;
        thread::sleep(30 * MILLISECOND);
        let start = Instant::now();
        sleep(20 * MILLISECOND).await;
        assert!(start.elapsed() >= 20 * MILLISECOND);
    });
}

#[test]
fn a_sleep_below_a_millisecond_is_never_early() {
    run(async {
        for nanos in [1, 999, 1_000, 65_535, 65_536, 65_537, 250_000, 999_999] {
            let length = Duration::from_nanos(nanos);
            let start = Instant::now();
            sleep(length).await;
            assert!(start.elapsed() >= length, "{length:?}");
        }
    });
}

#[test]
fn a_deadline_that_has_passed_is_ready_at_the_first_poll() {
    run(async {
        let now = Instant::now();
        assert!(poll_once(sleep_until(now)).is_ready());
        assert!(poll_once(sleep_until(now - MILLISECOND)).is_ready());
        assert!(poll_once(sleep(Duration::ZERO)).is_ready());
    });
}

#[test]
fn a_deadline_that_passed_while_the_loop_was_held_up_is_ready_at_the_first_poll() {
    run(async {
        thread::sleep(50 * MILLISECOND);
        assert!(poll_once(sleep(Duration::ZERO)).is_ready());

        thread::sleep(50 * MILLISECOND);
        assert!(poll_once(sleep_until(Instant::now() - MILLISECOND)).is_ready());
    });
}

#[test]
fn a_deadline_that_has_passed_is_ready_at_the_first_poll_in_a_loop_that_had_no_timers() {
    // No guard against waiting for ever here: it would be a timer.
    greenloop::run(async {
        let (stream, peer) = pair_with_std();
        let peer = thread::spawn(move || {
            thread::sleep(50 * MILLISECOND);
            drop(peer);
        });
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);

        assert!(poll_once(sleep(Duration::ZERO)).is_ready());
        peer.join().unwrap();
    });
}

#[test]
fn a_thousand_sleeps_of_no_time_end_and_let_others_run() {
    run(async {
        let seen = Rc::new(Cell::new(false));
        let other = greenloop::spawn({
            let seen = Rc::clone(&seen);
            async move { seen.set(true) }
        });

        for _ in 0..1000 {
            sleep(Duration::ZERO).await;
        }

        assert!(seen.get());
        other.await.unwrap();
    });
}

#[test]
fn the_longest_sleeps_wait_and_do_not_overflow() {
    run(async {
        let base = Instant::now();
        let latest = (0..=63).rev().map(|bit| Duration::from_secs(1 << bit));
        let latest = latest.fold(base, |late, step| late.checked_add(step).unwrap_or(late));
        for length in [5 * YEAR, 583 * YEAR, 585 * YEAR, Duration::from_secs(u64::MAX / 10)] {
            assert!(poll_once(sleep(length)).is_pending(), "{length:?}");
        }
        assert!(poll_once(sleep(Duration::MAX)).is_pending());
        assert!(poll_once(sleep(Duration::MAX - MILLISECOND)).is_pending());
        assert!(poll_once(sleep_until(latest)).is_pending());
    });
}

#[test]
fn an_endless_sleep_beside_a_short_one_holds_nothing_up() {
    run(async {
        let mut endless = pin!(sleep(Duration::MAX));
        let mut long = pin!(sleep(Duration::from_secs(u64::MAX / 10)));
        let start = Instant::now();

        let first = greenloop::select! {
            _ = endless.as_mut() => "endless",
            _ = long.as_mut() => "long",
            _ = sleep(2 * MILLISECOND) => "short",
        };

        assert_eq!(first, "short");
        assert!(start.elapsed() >= 2 * MILLISECOND);
    });
}

#[test]
fn a_sleep_tells_its_deadline_as_far_as_an_instant_can() {
    let start = Instant::now();

    let hour = sleep(Duration::from_secs(3600));
    let endless = sleep(Duration::MAX);

    assert!(hour.deadline().unwrap() >= start + Duration::from_secs(3600));
    assert_eq!(endless.deadline(), None);
    assert_eq!(sleep_until(start).deadline(), Some(start));
}

#[test]
fn sleeps_one_after_the_other_take_their_times_together() {
    run(async {
        let start = Instant::now();
        sleep(20 * MILLISECOND).await;
        sleep(5 * MILLISECOND).await;
        sleep(20 * MILLISECOND).await;
        assert!(start.elapsed() >= 45 * MILLISECOND);
    });
}

#[test]
fn a_loop_that_waits_for_a_sleep_does_not_spin() {
    run(async {
        let before = statistics();
        sleep(100 * MILLISECOND).await;
        let after = statistics();
        assert!(after.turns - before.turns <= 12, "{} turns", after.turns - before.turns);
        assert!(after.polls - before.polls <= 2, "{} polls", after.polls - before.polls);
    });
}

#[test]
fn a_sleep_arms_its_timer_at_the_first_poll_and_none_is_left_after_a_drop() {
    run(async {
        let before = statistics().timers;
        let (wakes, waker) = Wakes::new();
        let mut sleep = Box::pin(sleep(YEAR));
        assert_eq!(statistics().timers, before);
        assert!(poll(sleep.as_mut(), &waker).is_pending());
        assert_eq!((statistics().timers, wakes.clones()), (before + 1, 1));

        drop(sleep);

        assert_eq!((statistics().timers, wakes.clones(), wakes.count()), (before, 0, 0));
    });
}

#[test]
fn a_sleep_that_ended_leaves_no_timer_and_no_waker() {
    run(async {
        let before = statistics().timers;
        let (wakes, waker) = Wakes::new();
        let mut short = pin!(sleep(MILLISECOND));
        assert!(poll(short.as_mut(), &waker).is_pending());

        while wakes.count() == 0 {
            sleep(MILLISECOND).await;
        }

        assert_eq!((statistics().timers, wakes.clones()), (before, 0));
        assert!(poll(short, &waker).is_ready());
    });
}

#[test]
fn only_the_task_that_polled_last_is_woken() {
    run(async {
        let (first, first_waker) = Wakes::new();
        let (last, last_waker) = Wakes::new();
        let mut short = pin!(sleep(2 * MILLISECOND));
        assert!(poll(short.as_mut(), &first_waker).is_pending());
        assert!(poll(short.as_mut(), &last_waker).is_pending());
        assert_eq!((first.clones(), last.clones()), (0, 1));

        while last.count() == 0 {
            sleep(MILLISECOND).await;
        }

        assert_eq!((first.count(), last.count()), (0, 1));
    });
}

#[test]
fn a_sleep_that_moves_to_another_task_wakes_that_one() {
    run(async {
        let mut short = Box::pin(sleep(5 * MILLISECOND));
        assert!(poll_once(short.as_mut()).is_pending());

        greenloop::spawn(short).await.unwrap();
    });
}

#[test]
fn a_sleep_may_be_dropped_by_the_waker_that_it_calls() {
    run(async {
        let slot = Arc::new(Mutex::new(None::<Pin<Box<Sleep>>>));
        let waker = waker_fn({
            let slot = Arc::clone(&slot);
            move || drop(slot.lock().unwrap().take())
        });
        let mut short = Box::pin(sleep(MILLISECOND));
        assert!(poll(short.as_mut(), &waker).is_pending());
        let before = statistics().timers;
        *slot.lock().unwrap() = Some(short);

        while slot.lock().unwrap().is_some() {
            sleep(MILLISECOND).await;
        }

        assert_eq!(statistics().timers, before - 1);
    });
}

#[test]
fn the_drop_of_one_sleep_by_the_waker_of_another_due_at_the_same_time_is_harmless() {
    run(async {
        let deadline = Instant::now() + MILLISECOND;
        let slot = Arc::new(Mutex::new(None::<Pin<Box<Sleep>>>));
        let waker = waker_fn({
            let slot = Arc::clone(&slot);
            move || drop(slot.lock().unwrap().take())
        });
        let mut killer = pin!(sleep_until(deadline));
        let mut victim = Box::pin(sleep_until(deadline));
        assert!(poll(killer.as_mut(), &waker).is_pending());
        assert!(poll_once(victim.as_mut()).is_pending());
        *slot.lock().unwrap() = Some(victim);

        while slot.lock().unwrap().is_some() {
            sleep(MILLISECOND).await;
        }

        assert!(poll_once(killer).is_ready());
    });
}

#[test]
fn a_panic_in_one_waker_does_not_keep_the_others_from_being_woken() {
    run(async {
        let deadline = Instant::now() + MILLISECOND;
        let mut bad = pin!(sleep_until(deadline));
        let mut good = pin!(sleep_until(deadline));
        let (wakes, waker) = Wakes::new();
        let panicking = waker_fn(|| panic!("a waker that panics, on purpose"));
        assert!(poll(bad.as_mut(), &panicking).is_pending());
        assert!(poll(good.as_mut(), &waker).is_pending());

        while wakes.count() == 0 {
            sleep(MILLISECOND).await;
        }

        assert!(poll_once(bad).is_ready());
        assert!(poll_once(good).is_ready());
    });
}

#[test]
fn a_loop_that_was_held_up_fires_late_and_once() {
    run(async {
        let (wakes, waker) = Wakes::new();
        let mut short = pin!(sleep(2 * MILLISECOND));
        assert!(poll(short.as_mut(), &waker).is_pending());

        thread::sleep(30 * MILLISECOND);
        assert_eq!(wakes.count(), 0);
        sleep(MILLISECOND).await;
        sleep(MILLISECOND).await;

        assert_eq!(wakes.count(), 1);
        assert!(poll_once(short).is_ready());
    });
}

#[test]
fn a_sleep_counts_as_elapsed_when_its_time_has_passed_polled_or_not() {
    run(async {
        let unpolled = sleep(MILLISECOND);
        let mut polled = pin!(sleep(MILLISECOND));
        assert!(poll_once(polled.as_mut()).is_pending());
        assert!(!sleep(YEAR).is_elapsed());
        assert!(!sleep(Duration::MAX).is_elapsed());

        thread::sleep(2 * MILLISECOND);

        assert!(unpolled.is_elapsed());
        assert!(polled.is_elapsed());
    });
}

#[test]
fn a_sleep_that_has_ended_is_ready_at_each_further_poll() {
    run(async {
        let mut short = pin!(sleep(MILLISECOND));
        short.as_mut().await;

        assert!(poll_once(short.as_mut()).is_ready());
        assert!(poll_once(short.as_mut()).is_ready());
    });
}

#[test]
fn a_sleep_made_before_its_loop_counts_from_when_it_was_made() {
    let start = Instant::now();
    let long_ago = sleep(MILLISECOND);
    let short = sleep(10 * MILLISECOND);
    thread::sleep(2 * MILLISECOND);

    run(async {
        long_ago.await;
        short.await;
    });

    assert!(start.elapsed() >= 10 * MILLISECOND);
}

#[test]
fn sleeps_end_while_other_tasks_never_rest() {
    run(async {
        let busy = greenloop::spawn(async {
            loop {
                greenloop::yield_now().await;
            }
        });
        let start = Instant::now();

        sleep(5 * MILLISECOND).await;

        assert!(start.elapsed() >= 5 * MILLISECOND);
        busy.abort();
    });
}
