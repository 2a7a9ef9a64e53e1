//! Waiting for many: for all, for so many, for so long; in the order of the handles, or with their
//! places.

mod green_support;

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::Context,
    time::{Duration, Instant},
};

use green_support::{Drops, Gate, Wakes, park, run};
use greenloop::{
    event_loop,
    green::{self, Join, Wait, join_all},
};

const SHORT: Duration = Duration::from_millis(2);
const LONG: Duration = Duration::from_secs(3600);

#[test]
fn join_all_gives_the_outputs_in_the_order_of_the_handles() {
    run(|| {
        let threads = (0..200).map(|n: u64| {
            green::spawn(move || {
                green::sleep(Duration::from_micros(200 - n));
                n
            })
        });
        let outputs: Vec<_> = join_all(threads).into_iter().map(Result::unwrap).collect();
        assert_eq!(outputs, (0..200).collect::<Vec<_>>());
    });
}

#[test]
fn join_all_of_none_is_done_at_once() {
    run(|| {
        let polls = event_loop::statistics().polls;
        assert!(join_all::<()>([]).is_empty());
        assert!(Join::<()>::new([]).wait().finished.is_empty());
        assert_eq!(event_loop::statistics().polls, polls);
    });
}

#[test]
fn join_all_takes_both_kinds_and_all_ends() {
    run(|| {
        let killed = green::spawn(|| {
            park();
            0
        });
        killed.abort();
        let failed = green::spawn(|| panic!("no bread"));
        let task = greenloop::spawn(async { 2 });
        let ended = green::spawn(|| 3);
        green::yield_now();
        let outputs = join_all([killed, failed, task, ended]);
        assert!(outputs[0].as_ref().unwrap_err().is_cancelled());
        assert!(outputs[1].as_ref().unwrap_err().is_panic());
        assert_eq!(*outputs[2].as_ref().unwrap(), 2);
        assert_eq!(*outputs[3].as_ref().unwrap(), 3);
    });
}

#[test]
fn join_without_limits_waits_for_all() {
    run(|| {
        let threads = (0..10).map(|n| green::spawn(move || n));
        let joined = Join::new(threads).wait();
        assert!(joined.pending.is_empty());
        let mut outputs: Vec<_> =
            joined.finished.into_iter().map(|(place, n)| (place, n.unwrap())).collect();
        outputs.sort_unstable();
        assert_eq!(outputs, (0..10).map(|n| (n, n)).collect::<Vec<_>>());
    });
}

#[test]
fn join_with_a_count_returns_as_soon_as_so_many_have_ended() {
    run(|| {
        let gates = [Gate::new(), Gate::new(), Gate::new()];
        let threads = gates.each_ref().map(|gate| {
            let gate = gate.clone();
            green::spawn(move || gate.wait())
        });
        let opener = green::spawn({
            let gates = gates.clone();
            move || {
                gates[2].open();
                green::yield_now();
                green::yield_now();
                gates[0].open();
            }
        });
        let joined = Join::new(threads).count(2).wait();
        let places: Vec<_> = joined.finished.iter().map(|(place, _)| *place).collect();
        assert_eq!(places, [2, 0], "in the order of their ends");
        assert_eq!(joined.pending.len(), 1);
        assert_eq!(joined.pending[0].0, 1);
        opener.wait().unwrap();
    });
}

#[test]
fn those_that_have_ended_are_found_in_the_order_of_their_ends() {
    run(|| {
        let gates: Vec<_> = (0..100).map(|_| Gate::new()).collect();
        let threads = gates.iter().map(|gate| {
            let gate = gate.clone();
            green::spawn(move || gate.wait())
        });
        let threads: Vec<_> = threads.collect();
        // Backwards, and all before the one who waits goes on.
        let opener = green::spawn(move || gates.iter().rev().for_each(Gate::open));
        let joined = Join::new(threads).wait();
        let places: Vec<_> = joined.finished.iter().map(|(place, _)| *place).collect();
        assert_eq!(places, (0..100).rev().collect::<Vec<_>>());
        opener.wait().unwrap();
    });
}

#[test]
fn of_many_only_those_that_have_ended_are_asked() {
    run(|| {
        let (gate, wakes) = (Gate::new(), [Wakes::new(), Wakes::new()]);
        let opened = gate.clone();
        let first = green::spawn(move || opened.wait());
        let others = (0..100).map(|_| green::spawn(park));
        let mut join = Join::new([first].into_iter().chain(others)).count(2);
        let mut poll = |wakes: &Wakes| {
            let waker = wakes.waker();
            Pin::new(&mut join).poll(&mut Context::from_waker(&waker)).is_ready()
        };
        assert!(!poll(&wakes[0]));
        gate.open();
        green::yield_now();
        green::yield_now();
        assert_eq!(wakes[0].count(), 1);
        // Whoever is asked keeps what wakes who asks.
        assert!(!poll(&wakes[1]));
        assert_eq!(wakes[1].references(), 2);
    });
}

#[test]
fn a_failed_one_counts_as_ended_and_the_others_go_on() {
    run(|| {
        let gate = Gate::new();
        let waits = green::spawn({
            let gate = gate.clone();
            move || gate.wait()
        });
        let fails = green::spawn(|| panic!("no bread"));
        let joined = Join::new([waits, fails]).count(1).wait();
        assert_eq!(joined.finished[0].0, 1);
        assert!(joined.finished[0].1.as_ref().unwrap_err().is_panic());
        let [(0, waits)] = <[_; 1]>::try_from(joined.pending).unwrap() else {
            panic!("the first one is pending");
        };
        gate.open();
        waits.wait().unwrap();
    });
}

#[test]
fn a_count_beyond_all_is_all_and_none_is_none() {
    run(|| {
        let joined = Join::new([green::spawn(|| 1)]).count(5).wait();
        assert_eq!(joined.finished.len(), 1);
        let joined = Join::new([green::spawn(|| 1)]).count(0).wait();
        assert_eq!((joined.finished.len(), joined.pending.len()), (0, 1));
    });
}

#[test]
fn join_with_a_time_returns_what_has_ended_by_then_and_not_early() {
    run(|| {
        let start = Instant::now();
        let threads = [green::spawn(park), green::spawn(|| ()), green::spawn(park)];
        let joined = Join::new(threads).timeout(SHORT * 10).wait();
        assert!(start.elapsed() >= SHORT * 10);
        assert_eq!(joined.finished.len(), 1);
        assert_eq!(joined.finished[0].0, 1);
        let places: Vec<_> = joined.pending.iter().map(|(place, _)| *place).collect();
        assert_eq!(places, [0, 2]);
        for (_, thread) in joined.pending {
            assert!(thread.abort_and_wait().wait().unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn join_with_no_time_looks_only() {
    run(|| {
        let ended = green::spawn(|| 7);
        green::yield_now();
        let joined = Join::new([ended]).timeout(Duration::ZERO).wait();
        assert_eq!(*joined.finished[0].1.as_ref().unwrap(), 7);
        let joined = Join::new([green::spawn(|| 7)]).timeout(Duration::ZERO).wait();
        assert_eq!(joined.finished.len(), 0);
    });
}

#[test]
fn whichever_limit_is_reached_first_counts() {
    run(|| {
        let threads = [green::spawn(park), green::spawn(|| ())];
        let joined = Join::new(threads).timeout(LONG).count(1).wait();
        assert_eq!(joined.finished.len(), 1);
        let joined = Join::new([green::spawn(park)]).count(1).timeout(SHORT).wait();
        assert_eq!(joined.finished.len(), 0);
        assert_eq!(event_loop::statistics().timers, 0);
    });
}

#[test]
fn async_code_joins_just_so() {
    let (finished, pending) = greenloop::run(async {
        let threads = [green::spawn(park), green::spawn(|| ())];
        let joined = Join::new(threads).count(1).await;
        (joined.finished.len(), joined.pending.len())
    });
    assert_eq!((finished, pending), (1, 1));
}

#[test]
fn a_join_that_is_given_up_lets_the_green_threads_run_on() {
    run(|| {
        let (gate, done) = (Gate::new(), Rc::new(Cell::new(0)));
        let drops = Drops::new();
        let thread = green::spawn({
            let (gate, done, guard) = (gate.clone(), Rc::clone(&done), drops.guard());
            move || {
                gate.wait();
                done.set(1);
                guard
            }
        });
        assert!(green::timeout(SHORT, || join_all([thread])).is_err());
        gate.open();
        green::yield_now();
        assert_eq!(done.get(), 1);
        assert_eq!(drops.count(), 1, "nobody can collect the output");
    });
}

#[test]
fn a_killed_joiner_lets_them_run_on_too() {
    run(|| {
        let gate = Gate::new();
        let done = Rc::new(Cell::new(0));
        let joiner = green::spawn({
            let (gate, done) = (gate.clone(), Rc::clone(&done));
            move || {
                let threads = (0..3).map(|_| {
                    let (gate, done) = (gate.clone(), Rc::clone(&done));
                    green::spawn(move || {
                        gate.wait();
                        done.set(done.get() + 1);
                    })
                });
                drop(join_all(threads));
            }
        });
        green::yield_now();
        assert!(joiner.abort_and_wait().wait().unwrap_err().is_cancelled());
        gate.open();
        green::yield_now();
        green::yield_now();
        assert_eq!(done.get(), 3);
    });
}

/// A handle is waited for once: it is not `Clone`, so no list can have it twice.
#[test]
fn a_handle_cannot_be_in_a_list_twice() {
    trait NotClone<Marker> {
        fn is_clone() {}
    }
    struct IsClone;
    impl<T> NotClone<()> for T {}
    impl<T: Clone> NotClone<IsClone> for T {}
    // Ambiguous, and so no program, if the handle were `Clone`.
    <green::JoinHandle<()> as NotClone<_>>::is_clone();
}

#[test]
fn of_two_that_fail_the_first_in_time_is_told() {
    run(|| {
        let gates = [Gate::new(), Gate::new()];
        let fails = |place: usize| {
            let gate = gates[place].clone();
            green::spawn(move || {
                gate.wait();
                panic!("{place}");
            })
        };
        let handles: [green::JoinHandle<()>; 2] = [fails(0), fails(1)];
        green::yield_now();
        gates[1].open();
        let opener = green::spawn({
            let gate = gates[0].clone();
            move || {
                green::yield_now();
                green::yield_now();
                gate.open();
            }
        });
        let error = greenloop::task::try_join_all(handles).wait().unwrap_err();
        assert!(error.to_string().ends_with("panicked: 1"), "{error}");
        opener.wait().unwrap();
    });
}
