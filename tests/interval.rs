//! An interval ticks on its grid, and does about missed ticks what it was told. Each tick gives the
//! moment for which it was due, so the sequences can be checked however slow the machine is.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
    time::{Duration, Instant},
};

use futures_core::Stream as _;
use greenloop::{
    statistics,
    time::{Interval, MissedTickBehavior, interval, interval_at},
    timeout,
};

#[path = "support/mod.rs"]
mod panics;
#[path = "support/net.rs"]
mod support;
use panics::panic_of;
use support::{poll_once, run};

const MILLISECOND: Duration = Duration::from_millis(1);
const PERIOD: Duration = Duration::from_millis(100);

/// An interval whose first tick is late by three and a half periods.
fn late(missed: MissedTickBehavior) -> (Instant, Interval) {
    let start = Instant::now() - PERIOD * 7 / 2;
    let mut interval = interval_at(start, PERIOD);
    interval.set_missed_tick_behavior(missed);
    (start, interval)
}

#[test]
fn the_first_tick_comes_at_once_and_the_others_a_period_apart() {
    run(async {
        let before = Instant::now();
        let mut interval = interval(3 * MILLISECOND);
        let after = Instant::now();

        let first = interval.tick().await;

        assert!(before <= first && first <= after);
        for number in 1..=4 {
            let due = interval.tick().await;
            assert_eq!(due, first + number * 3 * MILLISECOND);
            assert!(Instant::now() >= due);
        }
    });
}

#[test]
fn an_interval_that_starts_later_ticks_first_then() {
    run(async {
        let start = Instant::now() + 5 * MILLISECOND;
        let mut interval = interval_at(start, PERIOD);

        assert_eq!(interval.tick().await, start);

        assert!(Instant::now() >= start);
    });
}

#[test]
fn burst_makes_up_for_every_missed_tick() {
    run(async {
        let (start, mut interval) = late(MissedTickBehavior::Burst);
        for number in 0..=5 {
            assert_eq!(interval.tick().await, start + number * PERIOD);
        }
        assert!(Instant::now() >= start + 5 * PERIOD);
    });
}

#[test]
fn delay_waits_a_whole_period_from_the_late_tick_on() {
    run(async {
        let (start, mut interval) = late(MissedTickBehavior::Delay);
        let before = Instant::now();
        assert_eq!(interval.tick().await, start);
        let after = Instant::now();

        let due = interval.tick().await;

        assert!(before + PERIOD <= due && due <= after + PERIOD);
        assert!(Instant::now() >= due);
    });
}

#[test]
fn skip_leaves_missed_ticks_out_and_keeps_to_the_grid() {
    run(async {
        let (start, mut interval) = late(MissedTickBehavior::Skip);
        let before = Instant::now();
        assert_eq!(interval.tick().await, start);
        let after = Instant::now();

        let due = interval.tick().await;

        assert_eq!((due - start).as_nanos() % PERIOD.as_nanos(), 0);
        // The first point of the grid after the late tick was taken.
        assert!(before < due && due <= after + PERIOD);
        assert!(Instant::now() >= due);
    });
}

#[test]
fn a_tick_that_is_hardly_late_is_not_missed() {
    // What counts is the grid: nothing moves while ticks are taken in time. A machine that takes
    // longer than the tolerance for two lines of code is given another chance.
    run(async {
        for missed in [MissedTickBehavior::Delay, MissedTickBehavior::Skip] {
            let kept = async {
                loop {
                    let start = Instant::now() - MILLISECOND;
                    let mut interval = interval_at(start, 20 * MILLISECOND);
                    interval.set_missed_tick_behavior(missed);
                    interval.tick().await;
                    if start.elapsed() < 5 * MILLISECOND {
                        return interval.tick().await - start;
                    }
                }
            };
            assert_eq!(kept.await, 20 * MILLISECOND);
        }
    });
}

#[test]
fn burst_is_the_behaviour_unless_told_otherwise() {
    let mut interval = interval(PERIOD);
    assert_eq!(interval.missed_tick_behavior(), MissedTickBehavior::Burst);
    assert_eq!(interval.period(), PERIOD);
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    assert_eq!(interval.missed_tick_behavior(), MissedTickBehavior::Skip);
}

#[test]
fn reset_lets_the_next_tick_come_a_period_from_now() {
    run(async {
        let (_, mut interval) = late(MissedTickBehavior::Burst);
        let before = Instant::now();
        interval.reset();
        let after = Instant::now();

        let due = interval.tick().await;

        assert!(before + PERIOD <= due && due <= after + PERIOD);
        // The grid moved with it.
        assert_eq!(interval.tick().await, due + PERIOD);
    });
}

#[test]
fn reset_immediately_lets_the_next_tick_come_at_once() {
    run(async {
        let mut interval = interval_at(Instant::now() + Duration::from_secs(3600), PERIOD);
        assert!(poll_once(interval.tick()).is_pending());
        let before = Instant::now();
        interval.reset_immediately();
        let after = Instant::now();

        let due = interval.tick().await;

        assert!(before <= due && due <= after);
    });
}

#[test]
fn reset_after_and_reset_at_set_the_next_tick_shorter_or_longer_than_a_period() {
    run(async {
        let mut interval = interval(10 * MILLISECOND);
        interval.tick().await;

        let before = Instant::now();
        interval.reset_after(2 * MILLISECOND);
        let after = Instant::now();
        let due = interval.tick().await;
        assert!(before + 2 * MILLISECOND <= due && due <= after + 2 * MILLISECOND);

        let at = Instant::now() + 25 * MILLISECOND;
        interval.reset_at(at);
        assert_eq!(interval.tick().await, at);
    });
}

#[test]
fn the_longest_period_ticks_once_and_never_again() {
    run(async {
        let mut interval = interval(Duration::MAX);
        interval.tick().await;
        assert!(timeout(2 * MILLISECOND, interval.tick()).await.is_err());
        interval.reset_after(Duration::MAX);
        assert!(timeout(2 * MILLISECOND, interval.tick()).await.is_err());
        interval.reset_immediately();
        interval.tick().await;
    });
}

#[test]
fn a_period_of_zero_panics_at_the_callers_line() {
    let panic = panic_of(|| interval(Duration::ZERO));
    panic.assert_within(1);
    assert!(panic.message.contains("the period of an interval must be longer than zero"));

    let panic = panic_of(|| interval_at(Instant::now(), Duration::ZERO));
    panic.assert_within(1);
}

#[test]
fn a_dropped_tick_takes_nothing() {
    run(async {
        let mut interval = interval(20 * MILLISECOND);
        let first = interval.tick().await;

        assert!(timeout(MILLISECOND, interval.tick()).await.is_err());
        assert!(timeout(MILLISECOND, interval.tick()).await.is_err());

        assert_eq!(interval.tick().await, first + 20 * MILLISECOND);
    });
}

#[test]
fn a_dropped_interval_leaves_no_timer() {
    run(async {
        let before = statistics().timers;
        let mut interval = interval(Duration::from_secs(3600));
        interval.tick().await;
        assert!(poll_once(interval.tick()).is_pending());
        assert_eq!(statistics().timers, before + 1);

        drop(interval);

        assert_eq!(statistics().timers, before);
    });
}

#[test]
fn the_ticks_are_a_stream_without_end() {
    run(async {
        let start = Instant::now();
        let mut ticks = pin!(interval_at(start, 2 * MILLISECOND));
        for number in 0..4 {
            let tick = poll_fn(|cx| ticks.as_mut().poll_next(cx)).await;
            assert_eq!(tick, Some(start + number * 2 * MILLISECOND));
        }
        assert_eq!(ticks.size_hint(), (usize::MAX, None));
        let next = poll_fn(|cx| Poll::Ready(Pin::new(&mut ticks).poll_next(cx))).await;
        assert!(!matches!(next, Poll::Ready(None)));
    });
}
