//! A barrier lets so many go on together, round after round.

#[path = "support/styles.rs"]
mod styles;
mod support;
#[path = "support/sweep.rs"]
mod sweep;

use std::{cell::Cell, collections::BTreeSet, rc::Rc, time::Duration};

use greenloop::{sync::Barrier, timeout};
use styles::both_styles;
use support::{block_on, panic_of};
use sweep::{Fate, Sweep};

both_styles! {
    fn the_last_to_come_releases_all_and_is_the_leader() {
        let barrier = Rc::new(Barrier::new(3));
        let parties = [(); 2].map(|()| spawn!([barrier] { wait!(barrier.wait()).unwrap() }));
        settle!();
        assert_eq!((barrier.waiting(), barrier.parties(), barrier.is_broken()), (2, 3, false));
        assert!(parties.iter().all(|party| !party.is_finished()));

        let last = wait!(barrier.wait()).unwrap();
        assert!(last.is_leader());
        let mut indices = BTreeSet::from([last.index()]);
        for party in parties {
            let result = wait!(party).unwrap();
            assert!(!result.is_leader());
            indices.insert(result.index());
        }
        assert_eq!(indices, BTreeSet::from([0, 1, 2]));
        assert_eq!(barrier.waiting(), 0);
    }

    fn it_is_used_round_after_round_and_the_rounds_do_not_mix() {
        let (barrier, round) = (Rc::new(Barrier::new(4)), Rc::new(Cell::new(0)));
        let arrived = Rc::new(Cell::new(0));
        let parties: Vec<_> = (0..4)
            .map(|_| spawn!([barrier, round, arrived] {
                let mut led = 0;
                for number in 0..10 {
                    assert_eq!(round.get(), number);
                    arrived.set(arrived.get() + 1);
                    if wait!(barrier.wait()).unwrap().is_leader() {
                        assert_eq!(arrived.replace(0), 4);
                        round.set(round.get() + 1);
                        led += 1;
                    }
                    wait!(barrier.wait()).unwrap();
                }
                led
            }))
            .collect();
        let mut led = 0;
        for party in parties {
            led += wait!(party).unwrap();
        }
        assert_eq!(led, 10);
    }

    /// Also before any of those runs whom it has released.
    fn whoever_comes_right_after_the_last_belongs_to_the_next_round() {
        let barrier = Rc::new(Barrier::new(2));
        let first = spawn!([barrier] { wait!(barrier.wait()).unwrap() });
        settle!();
        assert!(wait!(barrier.wait()).unwrap().is_leader());
        assert!(!first.is_finished());
        let early = spawn!([barrier] { wait!(barrier.wait()).unwrap() });
        settle!();
        assert_eq!((barrier.waiting(), first.is_finished(), early.is_finished()), (1, true, false));
        assert!(wait!(barrier.wait()).unwrap().is_leader());
        assert_eq!(wait!(early).unwrap().index(), 0);
        wait!(first).unwrap();
    }

    fn whoever_is_killed_is_not_counted_any_more() {
        let barrier = Rc::new(Barrier::new(3));
        let [one, other] = [(); 2].map(|()| spawn!([barrier] { wait!(barrier.wait()).unwrap() }));
        settle!();
        one.abort();
        settle!();
        assert_eq!(barrier.waiting(), 1);
        assert!(wait!(timeout(Duration::from_millis(1), barrier.wait())).is_err());
        assert_eq!(barrier.waiting(), 1);
        let third = spawn!([barrier] { wait!(barrier.wait()).unwrap() });
        settle!();
        assert_eq!(wait!(barrier.wait()).unwrap().index(), 2);
        assert_eq!(wait!(other).unwrap().index(), 0);
        assert_eq!(wait!(third).unwrap().index(), 1);
    }

    fn an_abort_sends_all_away_until_the_reset() {
        let barrier = Rc::new(Barrier::new(3));
        let parties = [(); 2].map(|()| spawn!([barrier] { wait!(barrier.wait()) }));
        settle!();
        barrier.abort();
        assert!(barrier.is_broken());
        for party in parties {
            let error = wait!(party).unwrap().unwrap_err();
            assert_eq!(error.to_string(), "the barrier is broken");
        }
        assert!(wait!(barrier.wait()).is_err());
        barrier.reset();
        assert!(!barrier.is_broken());
        let parties = [(); 2].map(|()| spawn!([barrier] { wait!(barrier.wait()) }));
        settle!();
        wait!(barrier.wait()).unwrap();
        for party in parties {
            wait!(party).unwrap().unwrap();
        }
    }

    fn a_reset_sends_away_who_waits_and_nobody_else() {
        let barrier = Rc::new(Barrier::new(2));
        let released = spawn!([barrier] { wait!(barrier.wait()) });
        settle!();
        wait!(barrier.wait()).unwrap();
        let waiting = spawn!([barrier] { wait!(barrier.wait()) });
        // The first round is over for all, though one of them did not run yet; the second is sent away.
        assert!(!released.is_finished());
        settle!();
        barrier.reset();
        wait!(released).unwrap().unwrap();
        assert!(wait!(waiting).unwrap().is_err());
        let next = spawn!([barrier] { wait!(barrier.wait()) });
        settle!();
        wait!(barrier.wait()).unwrap();
        wait!(next).unwrap().unwrap();
    }

    fn nobody_waits_for_himself_alone() {
        for parties in [0, 1] {
            let barrier = Barrier::new(parties);
            for _ in 0..2 {
                let result = wait!(barrier.wait()).unwrap();
                assert_eq!((result.is_leader(), result.index()), (true, 0));
            }
        }
    }
}

#[test]
fn it_is_used_without_a_loop() {
    let barrier = Barrier::new(1);
    assert!(block_on(barrier.wait()).is_ok());
    let text = "Barrier { parties: 1, waiting: 0, is_broken: false }";
    assert_eq!(format!("{barrier:?}"), text);
    panic_of(|| Barrier::new(usize::MAX));
}

#[test]
fn in_no_order_is_a_party_lost_or_counted_twice() {
    struct Shared {
        barrier: Barrier,
        through: Cell<usize>,
        led: Cell<usize>,
    }
    let new = || Shared { barrier: Barrier::new(2), through: Cell::new(0), led: Cell::new(0) };
    let mut sweep = Sweep::new(new).spurious(1);
    for _ in 0..4 {
        sweep = sweep.future(|shared: Rc<Shared>| async move {
            let result = shared.barrier.wait().await.unwrap();
            shared.through.set(shared.through.get() + 1);
            shared.led.set(shared.led.get() + usize::from(result.is_leader()));
        });
    }
    let orders = sweep.check(|shared, fates| {
        let waiting = fates.iter().filter(|fate| **fate == Fate::Waiting).count();
        assert!(waiting <= 1, "two wait for each other");
        assert_eq!(shared.barrier.waiting(), waiting);
        // Of each pair one led; the other may have been dropped after that.
        assert!(shared.through.get() <= 2 * shared.led.get());
        if fates.iter().all(|fate| *fate == Fate::Finished) {
            assert_eq!((shared.through.get(), shared.led.get()), (4, 2));
        }
    });
    assert!(orders > 5_000, "{orders}");
}

#[test]
fn in_no_order_does_an_abort_or_a_reset_leave_somebody_waiting() {
    for aborts in [false, true] {
        struct Shared {
            barrier: Barrier,
            through: Cell<usize>,
            led: Cell<usize>,
            sent_away: Cell<usize>,
        }
        let new = || Shared {
            barrier: Barrier::new(2),
            through: Cell::new(0),
            led: Cell::new(0),
            sent_away: Cell::new(0),
        };
        let mut sweep = Sweep::new(new).drops(1).spurious(1);
        for _ in 0..4 {
            sweep = sweep.future(|shared: Rc<Shared>| async move {
                let Ok(result) = shared.barrier.wait().await else {
                    return shared.sent_away.set(shared.sent_away.get() + 1);
                };
                shared.through.set(shared.through.get() + 1);
                shared.led.set(shared.led.get() + usize::from(result.is_leader()));
            });
        }
        let sweep = if aborts { sweep.act(|shared| shared.barrier.abort()) } else { sweep };
        let orders = sweep.act(|shared| shared.barrier.reset()).check(|shared, fates| {
            let waiting = fates.iter().filter(|fate| **fate == Fate::Waiting).count();
            assert!(waiting <= 1, "two wait for each other");
            assert_eq!((shared.barrier.waiting(), shared.barrier.is_broken()), (waiting, false));
            assert!(shared.through.get() <= 2 * shared.led.get());
            let finished = fates.iter().filter(|fate| **fate == Fate::Finished).count();
            assert_eq!(shared.through.get() + shared.sent_away.get(), finished);
            // Who was released before is through, also if he did not run then.
            if fates.iter().all(|fate| *fate == Fate::Finished) {
                assert_eq!(shared.through.get(), 2 * shared.led.get());
            }
        });
        assert!(orders > 5_000, "{orders}");
    }
}
