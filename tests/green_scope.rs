//! Green threads of a `scope` borrow what lives outside of it, and have ended when it returns:
//! whatever panics, is killed or runs out of time, and whoever forgets what.

mod green_support;

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    thread,
    time::Duration,
};

use green_support::{Drops, Gate, Log, OnDrop, panic_of, park, run, text_of};
use greenloop::{
    event_loop,
    green::{self, JoinHandle, Wait, scope},
    task::AbortHandle,
};

const SHORT: Duration = Duration::from_millis(2);

#[test]
fn children_borrow_and_are_joined() {
    run(|| {
        let words = ["eat".to_owned(), "play".to_owned()];
        let mut lengths = [0; 2];
        scope(|scope| {
            for (word, length) in words.iter().zip(&mut lengths) {
                scope.spawn(move || {
                    green::sleep(SHORT);
                    *length = word.len();
                });
            }
        });
        assert_eq!(lengths, [3, 4]);
    });
}

#[test]
fn a_scope_without_children_returns_its_value_at_once() {
    run(|| {
        let polls = event_loop::statistics().polls;
        assert_eq!(scope(|_| 7), 7);
        assert_eq!(event_loop::statistics().polls, polls);
    });
}

#[test]
fn a_child_never_runs_inside_of_its_spawn() {
    run(|| {
        let log = Log::new();
        scope(|scope| {
            scope.spawn(|| log.add("child"));
            log.add("parent");
        });
        assert_eq!(log, ["parent", "child"]);
    });
}

#[test]
fn join_gives_the_output_of_a_child_which_may_borrow() {
    run(|| {
        let words = ["bread".to_owned(), "butter".to_owned()];
        let longest = scope(|scope| {
            let children = words.each_ref().map(|word| {
                scope.spawn(move || {
                    green::yield_now();
                    word
                })
            });
            children.map(|child| child.join().unwrap()).into_iter().max_by_key(|word| word.len())
        });
        assert_eq!(longest.unwrap(), "butter");
    });
}

#[test]
fn children_spawn_children() {
    run(|| {
        let count = Cell::new(0);
        scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| {
                    green::yield_now();
                    for _ in 0..5 {
                        scope.spawn(|| {
                            green::sleep(SHORT);
                            count.set(count.get() + 1);
                        });
                    }
                });
            }
        });
        assert_eq!(count.get(), 25);
    });
}

#[test]
fn scopes_nest() {
    run(|| {
        let log = Log::new();
        let outer_value = RefCell::new(1);
        scope(|outer| {
            outer.spawn(|| {
                let inner_value = 2;
                scope(|inner| {
                    inner.spawn(|| {
                        green::sleep(SHORT);
                        *outer_value.borrow_mut() += inner_value;
                        log.add("inner child");
                    });
                });
                log.add("inner scope");
            });
        });
        assert_eq!(log, ["inner child", "inner scope"]);
        assert_eq!(outer_value.into_inner(), 3);
    });
}

#[test]
fn a_panic_of_the_closure_goes_on_when_the_children_have_ended() {
    run(|| {
        let done = Cell::new(false);
        let text = panic_of(|| {
            scope(|scope| {
                scope.spawn(|| {
                    green::sleep(SHORT);
                    assert!(!thread::panicking());
                    done.set(true);
                });
                panic!("no bread");
            })
        });
        assert_eq!(text, "no bread");
        assert!(done.get(), "it was waited for, not aborted");
    });
}

#[test]
fn the_panic_of_a_child_that_nobody_joined_is_not_hidden() {
    run(|| {
        let others = Cell::new(0);
        let text = panic_of(|| {
            scope(|scope| {
                scope.spawn(|| panic!("no bread"));
                scope.spawn(|| {
                    green::sleep(SHORT);
                    others.set(others.get() + 1);
                });
            });
        });
        assert_eq!(text, "a scoped green thread panicked");
        assert_eq!(others.get(), 1);
    });
}

#[test]
fn the_panic_of_a_child_that_is_joined_is_its_error() {
    run(|| {
        scope(|scope| {
            let child = scope.spawn(|| panic!("no bread"));
            let error = child.join().map(|()| ()).unwrap_err();
            assert_eq!(text_of(&*error.into_panic()), "no bread");
        });
    });
}

#[test]
fn a_child_may_be_aborted() {
    run(|| {
        let drops = Drops::new();
        scope(|scope| {
            let child = scope.spawn(|| {
                let _guard = drops.guard();
                park();
            });
            green::yield_now();
            assert!(!child.is_finished());
            child.abort();
            assert!(child.join().unwrap_err().is_cancelled());
            assert_eq!(drops.count(), 1);

            let never = scope.spawn(|| unreachable!("it was aborted before"));
            never.abort();
            assert!(never.is_finished());
        });
    });
}

#[test]
fn a_child_that_swallows_its_abort_keeps_the_scope_waiting() {
    run(|| {
        let (gate, log) = (Gate::new(), Log::new());
        scope(|scope| {
            let child = scope.spawn(|| {
                assert!(catch_unwind(AssertUnwindSafe(park)).is_err());
                // It must not wait any more, but others can, and this is not the end of it.
                gate.open();
                log.add("child ends");
            });
            green::yield_now();
            child.abort();
            gate.wait();
        });
        log.add("scope ends");
        assert_eq!(log, ["child ends", "scope ends"]);
    });
}

/// A green thread whose scope has a child that is parked, and borrows.
fn parent_with_parked_child(log: &Log) -> JoinHandle<()> {
    let log = log.clone();
    let thread = green::spawn(move || {
        let _parent = log.on_drop("parent");
        let lent = RefCell::new(Vec::new());
        scope(|scope| {
            scope.spawn(|| {
                let _child = OnDrop::new(|| {
                    lent.borrow_mut().push(1);
                    log.add("child");
                });
                park();
            });
            scope.spawn(|| {
                let _child = OnDrop::new(|| {
                    lent.borrow_mut().push(2);
                    log.add("child");
                });
                park();
            });
        });
        log.add("went on");
    });
    green::yield_now();
    green::yield_now();
    thread
}

#[test]
fn a_kill_of_the_parent_ends_its_children_first() {
    run(|| {
        let log = Log::new();
        let parent = parent_with_parked_child(&log);
        parent.abort();
        assert!(parent.wait().is_ok_and(|()| true) || log.entries().len() == 3);
        assert_eq!(log.entries()[..2], ["child", "child"]);
    });
}

#[test]
fn a_kill_of_a_parent_that_waits_inside_ends_its_children_first() {
    run(|| {
        let log = Log::new();
        let parent = green::spawn({
            let log = log.clone();
            move || {
                let _parent = log.on_drop("parent");
                let lent = Cell::new(0);
                scope(|scope| {
                    scope.spawn(|| {
                        let _child = OnDrop::new(|| {
                            lent.set(1);
                            log.add("child");
                        });
                        park();
                    });
                    park();
                });
            }
        });
        green::yield_now();
        green::yield_now();
        parent.abort();
        assert!(parent.wait().unwrap_err().is_cancelled());
        assert_eq!(log, ["child", "parent"]);
    });
}

#[test]
fn a_kill_of_a_parent_that_joins_a_child_ends_its_children_first() {
    run(|| {
        let log = Log::new();
        let parent = green::spawn({
            let log = log.clone();
            move || {
                let _parent = log.on_drop("parent");
                scope(|scope| {
                    let child = scope.spawn(|| {
                        let _child = log.on_drop("child");
                        park();
                    });
                    let _ = child.join();
                });
            }
        });
        green::yield_now();
        green::yield_now();
        parent.abort();
        assert!(parent.wait().unwrap_err().is_cancelled());
        assert_eq!(log, ["child", "parent"]);
    });
}

#[test]
fn the_end_of_the_time_around_a_scope_ends_its_children() {
    run(|| {
        let drops = Drops::new();
        let in_the_closure = green::timeout(SHORT, || {
            scope(|scope| {
                scope.spawn(|| {
                    let _guard = drops.guard();
                    park();
                });
                park();
            });
        });
        assert!(in_the_closure.is_err());
        assert_eq!(drops.count(), 1);

        let in_the_wait_for_the_children = green::timeout(SHORT, || {
            scope(|scope| {
                scope.spawn(|| {
                    let _guard = drops.guard();
                    park();
                });
            });
            green::yield_now();
        });
        assert!(in_the_wait_for_the_children.is_err());
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn the_end_of_the_loop_ends_the_children_before_what_they_borrow() {
    let log = Log::new();
    run({
        let log = log.clone();
        move || std::mem::forget(parent_with_parked_child(&log))
    });
    assert_eq!(log.entries()[..2], ["child", "child"]);
    assert_eq!(log.entries().len(), 4, "{log:?}");
}

#[test]
fn captures_whose_destructor_waits_keep_the_scope_waiting() {
    run(|| {
        let (log, gate) = (Log::new(), Gate::new());
        let lent = Cell::new(1);
        let child_slot: Rc<RefCell<Option<AbortHandle>>> = Rc::default();
        // It aborts the child before its start, and so runs the destructor, which waits.
        let aborter = green::spawn({
            let (slot, log) = (Rc::clone(&child_slot), log.clone());
            move || {
                let child = slot.take().unwrap();
                child.abort();
                log.add("aborted");
            }
        });
        scope(|scope| {
            let captured = OnDrop::new(|| {
                log.add("destructor waits");
                gate.wait();
                green::sleep(SHORT);
                lent.set(2);
                log.add("destructor ends");
            });
            let before = last_task(|| drop(scope.spawn(move || drop(captured))));
            *child_slot.borrow_mut() = Some(before);
            scope.spawn(|| {
                green::yield_now();
                green::yield_now();
                log.add("opens");
                gate.open();
            });
        });
        log.add("scope ends");
        assert_eq!(lent.get(), 2);
        aborter.wait().unwrap();
        let log = log.entries();
        let place = |what| log.iter().position(|entry| entry == what).expect(what);
        assert!(place("destructor waits") < place("opens"), "{log:?}");
        assert!(place("destructor ends") < place("scope ends"), "{log:?}");
    });
}
