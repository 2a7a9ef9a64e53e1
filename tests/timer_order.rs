//! Timers fire in the order of their deadlines, none of them early, however many there are.

use std::{
    cell::RefCell,
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
    run(async {
        let mut random = Random::new(0x9e37_79b9_7f4a_7c15);
        let ended = Rc::new(RefCell::new(Vec::new()));
        let start = Instant::now();
        let mut deadlines: Vec<_> =
            (0..2000).map(|_| start + Duration::from_nanos(random.below(50_000_000))).collect();
        let tasks: Vec<_> = deadlines
            .iter()
            .map(|&deadline| {
                let ended = Rc::clone(&ended);
                greenloop::spawn(async move {
                    sleep_until(deadline).await;
                    assert!(Instant::now() >= deadline);
                    ended.borrow_mut().push(deadline);
                })
            })
            .collect();
        // All arm their timers; those that are over by then would spoil the order.
        while statistics().timers < 1000 {
            greenloop::yield_now().await;
        }
        let armed = Instant::now();
        for _ in 0..2000 {
            greenloop::yield_now().await;
        }

        thread::sleep(60 * MILLISECOND);
        for task in tasks {
            task.await.unwrap();
        }

        // Those that had passed before all were armed ended when they were polled first.
        let ended: Vec<_> = ended.borrow().clone();
        assert_eq!(ended.len(), deadlines.len());
        let late = |deadline: &&Instant| **deadline > armed + 20 * MILLISECOND;
        let ended: Vec<_> = ended.iter().filter(late).collect();
        deadlines.sort();
        let expected: Vec<_> = deadlines.iter().filter(late).collect();
        assert_eq!(ended, expected);
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
