//! A `Pool` runs a limited number of green threads at a time: whoever wants more waits, in turn.

mod green_support;

use std::{cell::Cell, rc::Rc, time::Duration};

use green_support::{Drops, Gate, Log, panic_of, park, run, settle, text_of};
use greenloop::{
    event_loop,
    green::{self, Pool, PoolFull, Wait},
};

const SHORT: Duration = Duration::from_millis(2);

/// Counts how many run at a time, and the most of it.
#[derive(Clone, Default)]
struct Crowd(Rc<(Cell<usize>, Cell<usize>)>);

impl Crowd {
    fn visit(&self) {
        let (now, most) = &*self.0;
        now.set(now.get() + 1);
        most.set(most.get().max(now.get()));
        green::yield_now();
        green::sleep(SHORT);
        now.set(now.get() - 1);
    }

    fn most(&self) -> usize {
        self.0.1.get()
    }
}

#[test]
fn no_more_than_its_size_run_at_a_time() {
    run(|| {
        let (pool, crowd) = (Pool::new(3), Crowd::default());
        let threads: Vec<_> = (0..10)
            .map(|_| {
                let crowd = crowd.clone();
                pool.spawn(move || crowd.visit())
            })
            .collect();
        assert!(pool.len() <= 3);
        pool.join();
        assert!(threads.iter().all(green::JoinHandle::is_finished));
        assert_eq!(crowd.most(), 3);
        assert_eq!((pool.size(), pool.free_count()), (3, 3));
    });
}

#[test]
fn spawn_waits_when_it_is_full_and_try_spawn_does_not() {
    run(|| {
        let (pool, gate, log) = (Pool::new(2), Gate::new(), Log::new());
        for _ in 0..2 {
            let gate = gate.clone();
            drop(pool.spawn(move || gate.wait()));
        }
        assert_eq!(pool.free_count(), 0);
        let PoolFull(f) = pool.try_spawn(|| 7).unwrap_err();
        assert_eq!(f(), 7, "the closure comes back");

        let spawner = green::spawn({
            let (pool, log) = (pool.clone(), log.clone());
            move || {
                let thread = pool.spawn(|| 7);
                log.add("spawned");
                thread.wait().unwrap()
            }
        });
        green::yield_now();
        log.add("opens");
        gate.open();
        assert_eq!(spawner.wait().unwrap(), 7);
        assert_eq!(log, ["opens", "spawned"]);
        assert_eq!(pool.try_spawn(|| 8).unwrap().wait().unwrap(), 8);
    });
}

#[test]
fn those_who_wait_get_room_in_their_order() {
    run(|| {
        let (pool, log) = (Pool::new(1), Log::new());
        let threads: Vec<_> = (0..20)
            .map(|number| {
                let (pool, log) = (pool.clone(), log.clone());
                green::spawn(move || {
                    pool.spawn(move || {
                        log.add(number.to_string());
                        green::yield_now();
                    })
                })
            })
            .collect();
        for thread in threads {
            thread.wait().unwrap().wait().unwrap();
        }
        assert_eq!(log.entries(), (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    });
}

#[test]
fn nobody_overtakes_one_that_room_was_handed_to() {
    run(|| {
        let (pool, gate) = (Pool::new(1), Gate::new());
        let first = pool.spawn({
            let gate = gate.clone();
            move || gate.wait()
        });
        let waiter = green::spawn({
            let pool = pool.clone();
            move || pool.spawn(|| 7).wait().unwrap()
        });
        green::yield_now();
        // A link is called when the room is handed on, and before the waiter runs.
        let refused = Rc::new(Cell::new(false));
        first.on_done({
            let (pool, refused) = (pool.clone(), Rc::clone(&refused));
            move |_| refused.set(pool.try_spawn(|| ()).is_err())
        });
        gate.open();
        assert_eq!(waiter.wait().unwrap(), 7);
        assert!(refused.get());
    });
}

#[test]
fn a_waiter_that_is_killed_while_queued_passes_its_room_on() {
    run(|| {
        let (pool, gate) = (Pool::new(1), Gate::new());
        let first = pool.spawn({
            let gate = gate.clone();
            move || gate.wait()
        });
        let [killed, next] = [0, 1].map(|number| {
            let pool = pool.clone();
            green::spawn(move || pool.spawn(move || number).wait().unwrap())
        });
        green::yield_now();
        // When the link is called the waiter has been given the room, and is about to run.
        first.on_done({
            let killed = killed.abort_handle();
            move |_| killed.abort()
        });
        gate.open();
        assert_eq!(next.wait().unwrap(), 1);
        assert!(killed.wait().unwrap_err().is_cancelled());
        pool.join();
        assert_eq!(pool.free_count(), 1);
    });
}

#[test]
fn a_waiter_that_gives_up_leaves_the_line() {
    run(|| {
        let (pool, gate) = (Pool::new(1), Gate::new());
        drop(pool.spawn({
            let gate = gate.clone();
            move || gate.wait()
        }));
        assert!(green::timeout(SHORT, || pool.spawn(|| ())).is_err());
        gate.open();
        pool.join();
        assert_eq!(pool.free_count(), 1);
    });
}

#[test]
fn room_comes_back_however_they_end() {
    run(|| {
        let pool = Pool::new(1);
        assert!(pool.spawn(|| panic!("no bread")).wait().is_err());
        let parked = pool.spawn(park);
        green::yield_now();
        assert!(parked.abort_and_wait().wait().is_err());
        let never = pool.spawn(park);
        never.abort();
        assert_eq!(pool.free_count(), 1);
        assert_eq!(pool.spawn(|| 7).wait().unwrap(), 7);
    });
}

#[test]
fn a_pool_of_nothing_is_refused() {
    let text = panic_of(|| Pool::new(0));
    assert!(text.contains("could never run anything"), "{text}");
}

#[test]
fn map_gives_the_results_in_the_order_of_the_items() {
    run(|| {
        let (pool, crowd) = (Pool::new(4), Crowd::default());
        let squares = pool.map(0..20_u64, {
            let crowd = crowd.clone();
            move |n| {
                green::sleep(Duration::from_micros(2000 - n * 100));
                crowd.visit();
                n * n
            }
        });
        assert_eq!(squares, (0..20).map(|n| n * n).collect::<Vec<_>>());
        assert_eq!(crowd.most(), 4);
        assert!(pool.map([0; 0], |_| ()).is_empty());
    });
}

#[test]
fn map_panics_with_the_first_panic_when_all_have_ended() {
    run(|| {
        let (pool, done) = (Pool::new(2), Rc::new(Cell::new(0)));
        let text = panic_of(|| {
            let done = Rc::clone(&done);
            pool.map(0..6, move |n| {
                // The second failure comes first in time.
                green::sleep(if n == 1 { SHORT * 3 } else { Duration::ZERO });
                assert!(n != 1 && n != 2, "{n} fails");
                done.set(done.get() + 1);
            })
        });
        assert_eq!(text, "1 fails");
        assert_eq!(done.get(), 4);
    });
}

#[test]
fn imap_unordered_gives_the_results_as_they_come() {
    run(|| {
        let pool = Pool::new(3);
        let gates: Rc<[Gate; 3]> = Rc::default();
        let mut results = pool.imap_unordered(0..3, {
            let gates = Rc::clone(&gates);
            move |n: usize| {
                gates[n].wait();
                n
            }
        });
        for n in [1, 2, 0] {
            gates[n].open();
            assert_eq!(results.next().unwrap().unwrap(), n);
        }
        assert!(results.next().is_none());
        assert!(results.next().is_none());
    });
}

#[test]
fn imap_unordered_goes_on_after_items_that_fail() {
    run(|| {
        let pool = Pool::new(2);
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for result in pool.imap_unordered(0..10, |n| {
            green::yield_now();
            assert!(n % 3 != 0, "{n} fails");
            n
        }) {
            match result {
                Ok(n) => done.push(n),
                Err(error) => failed.push(text_of(&*error.into_panic()).to_owned()),
            }
        }
        done.sort_unstable();
        failed.sort_unstable();
        assert_eq!(done, [1, 2, 4, 5, 7, 8]);
        assert_eq!(failed, ["0 fails", "3 fails", "6 fails", "9 fails"]);
    });
}

#[test]
fn imap_unordered_takes_an_item_when_there_is_room_for_it() {
    run(|| {
        let (pool, gate, taken) = (Pool::new(2), Gate::new(), Rc::new(Cell::new(0)));
        let items = (0..10).inspect({
            let taken = Rc::clone(&taken);
            move |_| taken.set(taken.get() + 1)
        });
        let results = pool.imap_unordered(items, {
            let gate = gate.clone();
            move |n| {
                gate.wait();
                n
            }
        });
        settle();
        assert!(taken.get() <= 3, "two that run, and one in hand: {}", taken.get());
        gate.open();
        assert_eq!(results.map(Result::unwrap).sum::<i32>(), 45);
    });
}

#[test]
fn imap_gives_the_results_in_the_order_of_the_items() {
    run(|| {
        let pool = Pool::new(3);
        let (gates, ended): (Rc<[Gate; 3]>, _) = (Rc::default(), Rc::new(Cell::new(0)));
        let mut results = pool.imap(0..3, {
            let (gates, ended) = (Rc::clone(&gates), Rc::clone(&ended));
            move |n: usize| {
                gates[n].wait();
                ended.set(ended.get() + 1);
                n
            }
        });
        gates[2].open();
        gates[1].open();
        while ended.get() < 2 {
            green::yield_now();
        }
        let first = green::timeout(SHORT, || results.next().is_some());
        assert!(first.is_err(), "the first has not ended, and the others wait for it");
        gates[0].open();
        assert_eq!(results.by_ref().map(Result::unwrap).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(results.next().is_none());
    });
}

#[test]
fn imap_has_failures_in_their_places_and_that_of_the_items_last() {
    run(|| {
        let pool = Pool::new(2);
        let items = (0..10).inspect(|n| assert!(*n < 6, "no more items"));
        let results = pool.imap(items, |n| {
            green::sleep(SHORT * (6 - n));
            assert!(n % 3 != 1, "{n} fails");
            n
        });
        let told: Vec<_> = results
            .map(|result| match result {
                Ok(n) => n.to_string(),
                Err(error) => text_of(&*error.into_panic()).to_owned(),
            })
            .collect();
        assert_eq!(told, ["0", "1 fails", "2", "3", "4 fails", "5", "no more items"]);
    });
}

#[test]
fn imap_that_is_dropped_or_aborted_leaves_nothing() {
    run(|| {
        let (pool, drops) = (Pool::new(3), Drops::new());
        let imap = || {
            let drops = drops.clone();
            pool.imap(0..100, move |n| {
                let _guard = drops.guard();
                if n > 0 {
                    park();
                }
                n
            })
        };
        let mut results = imap();
        assert_eq!(results.next().unwrap().unwrap(), 0);
        drop(results);
        pool.join();
        let begun = drops.count();
        assert!(begun <= 5, "{begun}");

        let mut results = imap();
        assert_eq!(results.next().unwrap().unwrap(), 0);
        pool.abort_all();
        assert!(results.next().unwrap().unwrap_err().is_cancelled());
        drop(results);
        pool.join();
        green::yield_now();
        assert_eq!(event_loop::statistics().tasks, 2);
    });
}

#[test]
fn the_panic_of_the_items_themselves_is_the_last_result() {
    run(|| {
        let pool = Pool::new(2);
        let items = (0..10).inspect(|n| assert!(*n < 3, "no more items"));
        let results: Vec<_> = pool.imap_unordered(items, |n| n).collect();
        assert_eq!(results.len(), 4);
        let (errors, values): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_err);
        assert_eq!(values.into_iter().map(Result::unwrap).sum::<i32>(), 3);
        let error = errors.into_iter().next().unwrap().unwrap_err();
        assert_eq!(text_of(&*error.into_panic()), "no more items");
    });
}

#[test]
fn imap_unordered_that_is_dropped_early_aborts_the_rest() {
    run(|| {
        let (pool, drops, started) = (Pool::new(3), Drops::new(), Rc::new(Cell::new(0)));
        let mut results = pool.imap_unordered(0..100, {
            let (drops, started) = (drops.clone(), Rc::clone(&started));
            move |n| {
                let _guard = drops.guard();
                started.set(started.get() + 1);
                if n > 0 {
                    park();
                }
                n
            }
        });
        assert_eq!(results.next().unwrap().unwrap(), 0);
        drop(results);
        pool.join();
        assert_eq!(pool.free_count(), 3);
        assert_eq!(drops.count(), started.get());
        assert!(started.get() <= 5, "{}", started.get());
        green::yield_now();
        assert_eq!(event_loop::statistics().tasks, 2, "and nothing of it is left");
    });
}

#[test]
fn imap_unordered_that_is_dropped_at_once_never_runs() {
    run(|| {
        let pool = Pool::new(3);
        drop(pool.imap_unordered(0..100, |_| -> () { unreachable!("nobody asked for it") }));
        pool.join();
        green::yield_now();
        green::yield_now();
        assert_eq!(event_loop::statistics().tasks, 2);
    });
}

#[test]
fn a_killed_reader_of_imap_unordered_takes_the_rest_with_it() {
    run(|| {
        let (pool, drops) = (Pool::new(2), Drops::new());
        let reader = green::spawn({
            let (pool, drops) = (pool.clone(), drops.clone());
            move || {
                pool.imap_unordered(0..10, move |_| {
                    let _guard = drops.guard();
                    park();
                })
                .count()
            }
        });
        settle();
        assert!(reader.abort_and_wait().wait().unwrap_err().is_cancelled());
        pool.join();
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn apply_async_never_waits_and_calls_back_with_the_result() {
    run(|| {
        let (pool, gate, log) = (Pool::new(1), Gate::new(), Log::new());
        let handles: Vec<_> = (0..3)
            .map(|n| {
                let (gate, log) = (gate.clone(), log.clone());
                let f = move || {
                    gate.wait();
                    n * n
                };
                pool.apply_async(f, move |square| log.add(square.to_string()))
            })
            .collect();
        log.add("all are asked for");
        assert_eq!(pool.len(), 3);
        green::yield_now();
        gate.open();
        pool.join();
        for result in green::join_all(handles) {
            result.unwrap();
        }
        assert_eq!(log, ["all are asked for", "0", "1", "4"]);
    });
}

#[test]
fn apply_async_calls_back_on_success_only() {
    run(|| {
        let (pool, called) = (Pool::new(1), Rc::new(Cell::new(false)));
        let callback = |called: &Rc<Cell<bool>>| {
            let called = Rc::clone(called);
            move |()| called.set(true)
        };
        let failed = pool.apply_async(|| panic!("no bread"), callback(&called));
        assert!(failed.wait().unwrap_err().is_panic());
        let running = pool.apply_async(park, callback(&called));
        let waiting = pool.apply_async(park, callback(&called));
        green::yield_now();
        waiting.abort();
        running.abort();
        assert!(running.wait().unwrap_err().is_cancelled());
        assert!(waiting.wait().unwrap_err().is_cancelled());
        assert!(!called.get());
        assert_eq!((pool.free_count(), pool.len()), (1, 0));
    });
}

#[test]
fn abort_all_ends_the_running_and_those_in_line() {
    run(|| {
        let (pool, drops) = (Pool::new(2), Drops::new());
        for _ in 0..2 {
            let guard = drops.guard();
            drop(pool.spawn(move || {
                let _guard = guard;
                park();
            }));
        }
        let waiting: Vec<_> = (0..3).map(|_| pool.apply_async(park, |()| ())).collect();
        green::yield_now();
        pool.abort_all();
        assert!(pool.is_empty());
        assert_eq!(drops.count(), 2);
        for result in green::join_all(waiting) {
            assert!(result.unwrap_err().is_cancelled());
        }
        assert_eq!(pool.free_count(), 2);
        assert_eq!(pool.spawn(|| 7).wait().unwrap(), 7);
    });
}

#[test]
fn join_timeout_tells_whether_nothing_runs() {
    run(|| {
        let (pool, gate) = (Pool::new(1), Gate::new());
        drop(pool.spawn({
            let gate = gate.clone();
            move || gate.wait()
        }));
        assert!(!pool.join_timeout(SHORT));
        gate.open();
        assert!(pool.join_timeout(Duration::from_secs(3600)));
    });
}

#[test]
fn a_member_may_use_what_room_is_left() {
    run(|| {
        let pool = Pool::new(2);
        let outer = pool.spawn({
            let pool = pool.clone();
            move || {
                let inner = pool.try_spawn(|| 6).expect("there is room for one more");
                inner.wait().unwrap() + 1
            }
        });
        assert_eq!(outer.wait().unwrap(), 7);
    });
}
