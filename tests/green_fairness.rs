//! Who is ready has their turn in the order in which they became so, and sleeps side by side.

mod green_support;

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use green_support::{Log, run};
use greenloop::{
    green::{self, Wait},
    time::sleep_until,
};

#[test]
fn a_yield_goes_to_the_end_of_the_line() {
    run(|| {
        let log = Log::new();
        let threads = [1, 2].map(|number| {
            let log = log.clone();
            green::spawn(move || {
                log.add(format!("{number}A"));
                green::yield_now();
                log.add(format!("{number}B"));
            })
        });
        green::join_all(threads);
        assert_eq!(log, ["1A", "2A", "1B", "2B"]);
    });
}

#[test]
fn green_threads_and_tasks_stand_in_one_line() {
    run(|| {
        let log = Log::new();
        let handles: Vec<_> = (0..4)
            .map(|number| {
                let log = log.clone();
                if number % 2 == 0 {
                    green::spawn(move || {
                        for round in 0..3 {
                            log.add(format!("{round}{number}"));
                            green::yield_now();
                        }
                    })
                } else {
                    greenloop::spawn(async move {
                        for round in 0..3 {
                            log.add(format!("{round}{number}"));
                            greenloop::yield_now().await;
                        }
                    })
                }
            })
            .collect();
        green::join_all(handles);
        let rounds = (0..3).flat_map(|round| (0..4).map(move |number| format!("{round}{number}")));
        assert_eq!(log.entries(), rounds.collect::<Vec<_>>());
    });
}

/// The program of the notes: eat sleeps twice as long as play, so play wakes first.
#[test]
fn eat_and_play_take_turns_as_in_the_notes() {
    /// `None` when the machine was so slow that the sleeps did not begin together.
    fn eat_and_play(unit: Duration) -> Option<Vec<String>> {
        run(move || {
            let (log, start) = (Log::new(), Instant::now());
            let late = Rc::new(Cell::new(false));
            let threads = [("eat", 2), ("play", 1)].map(|(name, units)| {
                let (log, late) = (log.clone(), Rc::clone(&late));
                green::spawn(move || {
                    log.add(format!("{name} 1"));
                    late.set(late.get() || start.elapsed() >= unit);
                    sleep_until(start + unit * units).wait();
                    assert!(start.elapsed() >= unit * units);
                    log.add(format!("{name} 2"));
                })
            });
            green::join_all(threads);
            log.add("main");
            (!late.get()).then(|| log.entries())
        })
    }

    let mut unit = Duration::from_millis(10);
    let entries = loop {
        match eat_and_play(unit) {
            Some(entries) => break entries,
            None => unit *= 2,
        }
    };
    assert_eq!(entries, ["eat 1", "play 1", "play 2", "eat 2", "main"]);
}

#[test]
fn a_thousand_sleep_side_by_side_and_none_too_short() {
    run(|| {
        const LENGTH: Duration = Duration::from_millis(100);
        let (asleep, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let threads: Vec<_> = (0..1000)
            .map(|_| {
                let (asleep, most) = (Rc::clone(&asleep), Rc::clone(&most));
                green::spawn(move || {
                    let start = Instant::now();
                    asleep.set(asleep.get() + 1);
                    most.set(most.get().max(asleep.get()));
                    green::sleep(LENGTH);
                    asleep.set(asleep.get() - 1);
                    assert!(start.elapsed() >= LENGTH);
                })
            })
            .collect();
        for result in green::join_all(threads) {
            result.unwrap();
        }
        assert!(most.get() > 1, "one after the other would take 100 seconds");
    });
}

#[test]
fn sleeps_end_in_the_order_of_their_lengths() {
    run(|| {
        let log = Log::new();
        let start = Instant::now() + Duration::from_millis(20);
        let threads: Vec<_> = (0..50_u32)
            .map(|number| {
                let log = log.clone();
                let place = (number * 37) % 50;
                green::spawn(move || {
                    sleep_until(start + Duration::from_millis(place.into())).wait();
                    log.add(format!("{place:02}"));
                })
            })
            .collect();
        green::yield_now();
        let all_began_in_time = Instant::now() < start;
        green::join_all(threads);
        let entries = log.entries();
        assert_eq!(entries.len(), 50);
        if all_began_in_time {
            assert!(entries.is_sorted(), "{entries:?}");
        }
    });
}

#[test]
fn a_sleep_of_nothing_lets_others_run_now_and_then() {
    run(|| {
        let done = Rc::new(Cell::new(false));
        let other = green::spawn({
            let done = Rc::clone(&done);
            move || {
                green::yield_now();
                done.set(true);
            }
        });
        while !done.get() {
            green::sleep(Duration::ZERO);
        }
        other.wait().unwrap();
    });
}
