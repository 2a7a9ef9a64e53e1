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
    green::{self, Coroutine, JoinHandle, Resumed, ScopedJoinHandle, Wait, Yielder, scope},
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
            let error = child.join().unwrap_err();
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
        assert!(parent.wait().unwrap_err().is_cancelled());
        assert_eq!(log, ["child", "child", "parent"]);
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
            unreachable!("the child did not finish its work");
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
    assert_eq!(log, ["child", "child", "parent"]);
}

/// Waits for a gate and a while when it is dropped, and then writes to what it borrows.
struct WaitsWhenDropped<'a> {
    gate: Gate,
    log: Log,
    lent: &'a Cell<i32>,
}

impl Drop for WaitsWhenDropped<'_> {
    fn drop(&mut self) {
        self.log.add("destructor waits");
        self.gate.wait();
        green::sleep(SHORT);
        self.lent.set(2);
        self.log.add("destructor ends");
    }
}

#[test]
fn captures_whose_destructor_waits_in_another_green_thread_keep_the_scope_waiting() {
    run(|| {
        let (log, gate) = (Log::new(), Gate::new());
        let lent = Cell::new(1);
        scope(|scope| {
            let slot = Rc::new(RefCell::new(None::<ScopedJoinHandle<'_, ()>>));
            // Started first, it aborts the other before that one's start, and so runs the destructor.
            scope.spawn({
                let slot = Rc::clone(&slot);
                || {
                    let child = { slot }.take().unwrap();
                    child.abort();
                    log.add("aborted");
                }
            });
            let captured = WaitsWhenDropped { gate: gate.clone(), log: log.clone(), lent: &lent };
            *slot.borrow_mut() = Some(scope.spawn(move || drop(captured)));
            scope.spawn(|| {
                log.add("opens");
                gate.open();
            });
        });
        log.add("scope ends");
        assert_eq!(lent.get(), 2);
        let expected = ["destructor waits", "opens", "destructor ends", "aborted", "scope ends"];
        assert_eq!(log, expected);
    });
}

#[test]
fn a_destructor_that_waits_is_refused_where_the_end_of_the_time_runs_it() {
    run(|| {
        let (log, gate) = (Log::new(), Gate::new());
        let lent = Cell::new(1);
        let result = green::timeout(Duration::from_millis(1), || {
            scope(|scope| {
                // The children are not started when the time is over: the scope aborts them itself.
                thread::sleep(SHORT);
                let captured =
                    WaitsWhenDropped { gate: gate.clone(), log: log.clone(), lent: &lent };
                scope.spawn(move || drop(captured));
            });
        });
        assert!(result.is_err() || lent.get() == 2);
        // Nothing of it comes later.
        gate.open();
        green::sleep(SHORT * 2);
        assert!(log.entries().len() <= 2, "{log:?}");
    });
}

#[test]
fn a_child_that_is_spawned_into_a_scope_that_ends_never_runs() {
    run(|| {
        let log = Log::new();
        let parent = green::spawn({
            let log = log.clone();
            move || {
                scope(|scope| {
                    scope.spawn(|| {
                        let _last_words = OnDrop::new(|| {
                            log.add("spawns");
                            scope.spawn(|| {
                                log.add("late child");
                                park();
                            });
                        });
                        park();
                    });
                });
            }
        });
        green::yield_now();
        green::yield_now();
        parent.abort();
        assert!(parent.wait().unwrap_err().is_cancelled());
        assert_eq!(log, ["spawns"]);
    });
}

#[test]
fn a_handle_may_be_forgotten() {
    run(|| {
        let done = Cell::new(0);
        scope(|scope| {
            for _ in 0..10 {
                std::mem::forget(scope.spawn(|| {
                    green::yield_now();
                    done.set(done.get() + 1);
                }));
            }
        });
        assert_eq!(done.get(), 10);
    });
}

#[test]
fn a_handle_may_be_dropped_and_the_output_with_it() {
    run(|| {
        let drops = Drops::new();
        let lent = drops.clone();
        scope(|scope| {
            drop(scope.spawn(|| {
                green::yield_now();
                lent.guard()
            }));
        });
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn an_output_whose_destructor_waits_keeps_the_scope_waiting() {
    run(|| {
        let (log, gate) = (Log::new(), Gate::new());
        let lent = Cell::new(1);
        scope(|scope| {
            let output = WaitsWhenDropped { gate: gate.clone(), log: log.clone(), lent: &lent };
            drop(scope.spawn(move || output));
            scope.spawn(|| {
                green::yield_now();
                gate.open();
            });
        });
        assert_eq!(lent.get(), 2);
    });
}

#[test]
fn many_children_one_after_another_leave_nothing_behind() {
    run(|| {
        let mut sum = 0;
        scope(|scope| {
            for n in 0..10_000 {
                sum += scope.spawn(move || n).join().unwrap();
            }
        });
        assert_eq!(sum, (0..10_000).sum());
        assert_eq!(event_loop::statistics().tasks, 2);
    });
}

#[test]
fn a_child_may_join_another() {
    run(|| {
        let value = scope(|scope| {
            let first = scope.spawn(|| {
                green::sleep(SHORT);
                7
            });
            scope.spawn(move || first.join().unwrap() + 1).join().unwrap()
        });
        assert_eq!(value, 8);
    });
}

#[test]
fn outside_of_a_green_thread_there_is_no_scope() {
    let text = panic_of(|| scope(|_| ()));
    assert!(text.contains("green threads only"), "{text}");
    greenloop::run(async {
        let text = panic_of(|| scope(|_| ()));
        assert!(text.contains("green threads only"), "{text}");
    });
}

#[test]
fn in_a_future_that_a_wait_polls_there_is_no_scope() {
    run(|| {
        let ran = Cell::new(false);
        let text = panic_of(|| async { scope(|_| ran.set(true)) }.wait());
        assert!(text.contains("a future that is polled"), "{text}");
        assert!(!ran.get());
        green::yield_now();
    });
}

#[test]
fn in_a_destructor_that_a_panic_runs_there_is_no_scope() {
    run(|| {
        let said = Rc::new(RefCell::new(String::new()));
        let thread = green::spawn({
            let said = Rc::clone(&said);
            move || {
                let _scopes = OnDrop::new(move || *said.borrow_mut() = panic_of(|| scope(|_| ())));
                park();
            }
        });
        green::yield_now();
        assert!(thread.abort_and_wait().wait().unwrap_err().is_cancelled());
        assert!(said.borrow().contains("while a panic unwinds"), "{}", said.borrow());
    });
}

#[test]
fn a_coroutine_cannot_carry_a_scope_to_where_it_does_not_wait() {
    run(|| {
        let mut coroutine = Coroutine::new(|yielder: Yielder<'_, (), ()>, ()| {
            let lent = Cell::new(1);
            scope(|scope| {
                scope.spawn(|| {
                    green::yield_now();
                    lent.set(lent.get() + 1);
                });
                // Resumed in an async task, the scope would return at once.
                let text = panic_of(|| yielder.yield_value(()));
                assert!(text.contains("that it began itself"), "{text}");
            });
            lent.get()
        });
        assert_eq!(coroutine.resume(()), Resumed::Returned(2));
    });
}
