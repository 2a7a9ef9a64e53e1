//! Timers fire in the order of their deadlines, none of them early, however many there are.

use std::{
    cell::{Cell, RefCell},
    pin::pin,
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use greenloop::{
    sleep, statistics,
    time::{Sleep, sleep_until},
};

#[path = "support/net.rs"]
mod support;
use support::{Random, poll_once, run};

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn sleeps_that_are_due_together_end_in_the_order_of_their_deadlines() {
    const SLEEPS: usize = 2000;
    run(async {
        let mut random = Random::new(0x9e37_79b9_7f4a_7c15);
        let ended = Rc::new(RefCell::new(Vec::new()));
        let polled = Rc::new(Cell::new(0));
        let first = Instant::now() + 100 * MILLISECOND;
        let last = first + 50 * MILLISECOND;
        let mut deadlines: Vec<_> =
            (0..SLEEPS).map(|_| first + Duration::from_nanos(random.below(50_000_000))).collect();
        let tasks: Vec<_> = deadlines
            .iter()
            .map(|&deadline| {
                let (ended, polled) = (Rc::clone(&ended), Rc::clone(&polled));
                greenloop::spawn(async move {
                    polled.set(polled.get() + 1);
                    sleep_until(deadline).await;
                    assert!(Instant::now() >= deadline);
                    ended.borrow_mut().push(deadline);
                })
            })
            .collect();
        while polled.get() < SLEEPS {
            greenloop::yield_now().await;
        }
        let armed = Instant::now();

        thread::sleep(last.saturating_duration_since(armed));
        for task in tasks {
            task.await.unwrap();
        }

        // On a slow machine some may have been over before all were armed.
        let was_armed = |deadline: &Instant| *deadline > armed;
        let ended: Vec<_> = ended.borrow().iter().copied().filter(was_armed).collect();
        deadlines.sort();
        deadlines.retain(was_armed);
        assert_eq!(ended, deadlines);
    });
}

#[test]
fn equal_deadlines_end_in_the_order_in_which_they_were_armed() {
    run(async {
        let ended = Rc::new(RefCell::new(Vec::new()));
        let deadline = Instant::now() + 30 * MILLISECOND;
        let tasks: Vec<_> = (0..500)
            .map(|number| {
                let ended = Rc::clone(&ended);
                greenloop::spawn(async move {
                    sleep_until(deadline).await;
                    ended.borrow_mut().push(number);
                })
            })
            .collect();

        for task in tasks {
            task.await.unwrap();
        }

        assert!(ended.borrow().iter().copied().eq(0..500));
    });
}

#[test]
fn a_hundred_thousand_sleeps_end_and_none_of_them_early() {
    run(async {
        let mut random = Random::new(1);
        let before = statistics().timers;
        let tasks: Vec<_> = (0..100_000)
            .map(|_| {
                let length = Duration::from_micros(random.below(200_000));
                greenloop::spawn(async move {
                    let deadline = Instant::now() + length;
                    sleep_until(deadline).await;
                    Instant::now() >= deadline
                })
            })
            .collect();

        for task in tasks {
            assert!(task.await.unwrap());
        }

        assert_eq!(statistics().timers, before);
    });
}

#[test]
fn a_hundred_thousand_sleeps_can_be_dropped_in_any_order() {
    run(async {
        let mut random = Random::new(2);
        let before = statistics().timers;
        let mut sleeps: Vec<_> = (0..100_000)
            .map(|_| Box::pin(sleep(Duration::from_micros(1_000_000 + random.below(1 << 50)))))
            .collect();
        for sleep in &mut sleeps {
            assert!(poll_once(sleep.as_mut()).is_pending());
        }
        assert_eq!(statistics().timers, before + sleeps.len());

        while !sleeps.is_empty() {
            let victim = random.below(sleeps.len() as u64) as usize;
            drop(sleeps.swap_remove(victim));
        }

        assert_eq!(statistics().timers, before);
    });
}

#[test]
fn sleeps_around_the_edges_of_the_wheels_levels_are_never_early() {
    // The lowest level turns round after 256 ticks of 65,536 ns.
    const ROUND: u64 = 256 * 65_536;
    run(async {
        let near = [ROUND - 65_537, ROUND - 1, ROUND, ROUND + 1, ROUND + 65_537, 2 * ROUND];
        let tasks: Vec<_> = (0..64)
            .flat_map(|step| near.map(|nanos| nanos + step * 65_536))
            .map(|nanos| {
                greenloop::spawn(async move {
                    let deadline = Instant::now() + Duration::from_nanos(nanos);
                    sleep_until(deadline).await;
                    assert!(Instant::now() >= deadline, "{nanos}");
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn a_timer_that_is_armed_by_a_due_one_gets_its_turn() {
    run(async {
        for _ in 0..20 {
            let first: Sleep = sleep(Duration::from_micros(300));
            let mut chain = pin!(async {
                first.await;
                sleep(Duration::from_micros(1)).await;
                sleep(Duration::from_micros(300)).await;
            });
            let start = Instant::now();
            chain.as_mut().await;
            assert!(start.elapsed() >= Duration::from_micros(301));
        }
    });
}
