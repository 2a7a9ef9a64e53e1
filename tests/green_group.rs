//! The members of a `Group` are waited for, or ended, together.

mod green_support;

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::Duration,
};

use green_support::{Drops, Gate, Log, OnDrop, park, run};
use greenloop::green::{self, Group, Wait};

const SHORT: Duration = Duration::from_millis(2);

#[test]
fn a_green_thread_is_a_member_from_its_spawn_to_its_end() {
    run(|| {
        let group = Group::new();
        assert!(group.is_empty());
        let thread = group.spawn(|| {
            green::yield_now();
            7
        });
        assert_eq!(group.len(), 1);
        green::yield_now();
        assert_eq!(group.len(), 1);
        assert_eq!(thread.wait().unwrap(), 7);
        assert!(group.is_empty());
    });
}

#[test]
fn join_waits_for_all_members_and_those_that_they_spawn() {
    run(|| {
        let (group, done) = (Group::new(), Rc::new(Cell::new(0)));
        for _ in 0..3 {
            let (inner, done) = (group.clone(), Rc::clone(&done));
            drop(group.spawn(move || {
                green::sleep(SHORT);
                drop(inner.spawn(move || {
                    green::sleep(SHORT);
                    done.set(done.get() + 1);
                }));
            }));
        }
        group.join();
        assert_eq!(done.get(), 3);
        group.join();
    });
}

#[test]
fn several_may_join() {
    run(|| {
        let (group, gate) = (Group::new(), Gate::new());
        drop(group.spawn({
            let gate = gate.clone();
            move || gate.wait()
        }));
        let joiners: Vec<_> = (0..3)
            .map(|_| {
                let group = group.clone();
                green::spawn(move || group.join())
            })
            .collect();
        let task = greenloop::spawn({
            let group = group.clone();
            async move { group.wait_until_empty().await }
        });
        green::yield_now();
        assert!(joiners.iter().all(|joiner| !joiner.is_finished()));
        gate.open();
        for result in green::join_all(joiners) {
            result.unwrap();
        }
        task.wait().unwrap();
    });
}

#[test]
fn join_timeout_tells_whether_all_have_ended() {
    run(|| {
        let group = Group::new();
        let thread = group.spawn(park);
        assert!(!group.join_timeout(SHORT));
        thread.abort();
        assert!(group.join_timeout(Duration::from_secs(3600)));
    });
}

#[test]
fn members_that_panic_or_never_start_leave() {
    run(|| {
        let group = Group::new();
        let panics = group.spawn(|| panic!("no bread"));
        let never = group.spawn(park);
        never.abort();
        assert_eq!(group.len(), 1);
        group.join();
        assert!(panics.wait().unwrap_err().is_panic());
        assert!(never.wait().unwrap_err().is_cancelled());
    });
}

#[test]
fn abort_all_ends_the_running_and_the_unstarted_ones() {
    run(|| {
        let (group, drops) = (Group::new(), Drops::new());
        for _ in 0..3 {
            let guard = drops.guard();
            drop(group.spawn(move || {
                let _guard = guard;
                park();
            }));
        }
        green::yield_now();
        for _ in 0..2 {
            let guard = drops.guard();
            drop(group.spawn(move || {
                let _guard = guard;
                unreachable!("it was aborted before");
            }));
        }
        drop(group.spawn(|| ()));
        group.abort_all();
        assert!(group.is_empty());
        assert_eq!(drops.count(), 5);
        group.abort_all();
    });
}

#[test]
fn abort_all_ends_what_members_spawn_meanwhile() {
    run(|| {
        let group = Group::new();
        let inner = group.clone();
        let late = Rc::new(RefCell::new(None));
        drop(group.spawn({
            let late = Rc::clone(&late);
            move || {
                let _spawns = OnDrop::new(move || *late.borrow_mut() = Some(inner.spawn(park)));
                park();
            }
        }));
        green::yield_now();
        group.abort_all();
        assert!(group.is_empty());
        assert!(late.take().unwrap().wait().unwrap_err().is_cancelled());
    });
}

#[test]
fn abort_all_waits_for_one_that_swallows_it_for_a_while() {
    run(|| {
        let (group, log) = (Group::new(), Log::new());
        drop(group.spawn({
            let log = log.clone();
            move || {
                for _ in 0..5 {
                    let _ = catch_unwind(AssertUnwindSafe(park));
                }
                log.add("member");
            }
        }));
        green::yield_now();
        group.abort_all();
        log.add("all");
        assert_eq!(log, ["member", "all"]);
    });
}

#[test]
fn abort_all_by_a_member_leaves_that_one_out() {
    run(|| {
        let (group, drops) = (Group::new(), Drops::new());
        for _ in 0..3 {
            let guard = drops.guard();
            drop(group.spawn(move || {
                let _guard = guard;
                park();
            }));
        }
        let last = group.spawn({
            let (group, drops) = (group.clone(), drops.clone());
            move || {
                group.abort_all();
                green::yield_now();
                (group.len(), drops.count())
            }
        });
        assert_eq!(last.wait().unwrap(), (1, 3));
        assert!(group.is_empty());
    });
}

#[test]
fn a_group_that_is_dropped_leaves_its_members_alone() {
    run(|| {
        let gate = Gate::new();
        let group = Group::new();
        let thread = group.spawn({
            let gate = gate.clone();
            move || gate.wait()
        });
        drop(group);
        green::yield_now();
        gate.open();
        thread.wait().unwrap();
    });
}

#[test]
fn a_group_lives_on_from_one_loop_to_the_next() {
    let group = Group::new();
    let inner = group.clone();
    run(move || drop(inner.spawn(park)));
    assert!(group.is_empty(), "the first loop has ended its member");
    run(move || {
        drop(group.spawn(|| ()));
        group.join();
    });
}
