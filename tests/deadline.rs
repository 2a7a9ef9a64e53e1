//! What runs in the scope of a deadline ends when that has passed, wherever it was moved to.
#![cfg(feature = "green")]

mod styles;
mod support;

use std::{
    cell::{Cell, RefCell},
    future::pending,
    rc::Rc,
    task::Context,
    thread,
    time::{Duration, Instant},
};

use greenloop::{
    green,
    task::{self, Deadline, JoinSet},
};
use styles::in_both_styles;
use support::{Drops, Gate, Wakes, hold, panic_of, poll_once};

const SHORT: Duration = Duration::from_millis(2);
const LONG: Duration = Duration::from_secs(3600);

/// Keeps the loop from running, as a long computation would.
fn compute(duration: Duration) {
    thread::sleep(duration);
}

in_both_styles! {
    fn work_that_is_done_in_time_has_its_result() {
        assert_eq!(under!(Deadline::after(LONG), { wait!(greenloop::yield_now()); 7 }), Ok(7));
        assert_eq!(under!(Deadline::never(), { wait!(greenloop::sleep(SHORT)); 8 }), Ok(8));
    }

    fn work_is_cut_short_when_the_deadline_has_passed() {
        let (start, drops) = (Instant::now(), Drops::new());
        let guard = drops.guard();
        let deadline = Deadline::at(start + SHORT);
        let result = under!(deadline, {
            let _guard = &guard;
            wait!(pending::<()>());
        });
        assert!(result.is_err() && start.elapsed() >= SHORT && deadline.has_passed());
        assert_eq!(drops.count(), 0);
        drop(guard);
        // The task itself goes on as it was.
        wait!(greenloop::sleep(SHORT));
        assert_eq!(deadline.when(), Some(start + SHORT));
    }

    fn destructors_run_before_the_scope_is_left() {
        let drops = Drops::new();
        let guard = drops.guard();
        assert!(under!(Deadline::after(SHORT), { wait!(hold::<_, ()>(guard)) }).is_err());
        assert_eq!(drops.count(), 1);
    }

    fn a_deadline_that_has_passed_ends_at_the_first_wait_only() {
        for deadline in [Deadline::after(Duration::ZERO), Deadline::at(Instant::now())] {
            assert!(deadline.has_passed());
            // No wait, and one that is over at once.
            assert_eq!(under!(deadline, { 7 }), Ok(7));
            assert_eq!(under!(deadline, { wait!(std::future::ready(8)) }), Ok(8));
            let began = Cell::new(false);
            let result = under!(deadline, {
                began.set(true);
                wait!(greenloop::sleep(LONG));
            });
            assert!(result.is_err() && began.get());
        }
    }

    fn a_loop_that_is_always_ready_is_ended_as_well() {
        let result = under!(Deadline::after(SHORT), {
            loop {
                wait!(greenloop::yield_now());
            }
        });
        let _: Result<(), _> = result;
    }

    fn it_is_moved_to_a_later_time() {
        let (start, deadline) = (Instant::now(), Deadline::after(SHORT));
        let result = under!(deadline, {
            for _ in 0..4 {
                deadline.reset(2 * SHORT);
                wait!(greenloop::sleep(SHORT));
            }
            wait!(pending::<()>());
        });
        assert!(result.is_err() && start.elapsed() >= 5 * SHORT);
    }

    fn it_is_moved_to_an_earlier_time_from_outside() {
        for late in [false, true] {
            let deadline = if late { Deadline::never() } else { Deadline::after(LONG) };
            let mover = {
                let deadline = deadline.clone();
                start!({ deadline.reset_at(Instant::now() + SHORT) })
            };
            let start = Instant::now();
            assert!(under!(deadline, { wait!(pending::<()>()) }).is_err());
            assert!(start.elapsed() >= SHORT);
            wait!(mover).unwrap();
        }
    }

    fn it_is_lifted() {
        let deadline = Deadline::after(SHORT);
        let result = under!(deadline, {
            deadline.lift();
            wait!(greenloop::sleep(2 * SHORT));
            (deadline.when(), deadline.has_passed())
        });
        assert_eq!(result, Ok((None, false)));
        deadline.reset(Duration::MAX);
        assert_eq!(deadline.when(), None);
    }

    fn a_deadline_that_passed_unseen_can_still_be_moved() {
        let deadline = Deadline::after(LONG);
        let result = under!(deadline, {
            wait!(greenloop::yield_now());
            deadline.reset(SHORT);
            compute(2 * SHORT);
            deadline.reset(LONG);
            wait!(greenloop::yield_now());
            7
        });
        assert_eq!(result, Ok(7));
    }

    fn of_nested_scopes_the_one_whose_deadline_has_passed_ends() {
        let (outer, inner) = (Deadline::after(SHORT), Deadline::after(LONG));
        let after_inner = Cell::new(false);
        let result = under!(outer, {
            let result = under!(inner, { wait!(pending::<()>()) });
            after_inner.set(true);
            result
        });
        assert!(result.is_err() && !after_inner.get());

        let (outer, inner) = (Deadline::after(LONG), Deadline::after(SHORT));
        let result = under!(outer, { under!(inner, { wait!(pending::<()>()) }).is_err() });
        assert_eq!(result, Ok(true));
    }

    fn the_outer_deadline_still_bites_when_both_pass_during_a_computation() {
        let (outer, inner) = (Deadline::after(2 * SHORT), Deadline::after(SHORT));
        let log = RefCell::new(Vec::new());
        let result = under!(outer, {
            let result = under!(inner, {
                wait!(greenloop::yield_now());
                compute(3 * SHORT);
                wait!(pending::<()>());
            });
            log.borrow_mut().push(if result.is_err() { "inner" } else { "no end" });
            wait!(pending::<()>());
            log.borrow_mut().push("went on");
        });
        assert!(result.is_err());
        // Which of the two is told first is a matter of style, but the outer one ends in any case.
        assert!(["", "inner"].contains(&log.borrow().concat().as_str()), "{log:?}");
    }

    fn of_two_equal_deadlines_in_each_other_each_is_kept() {
        let equal = || {
            let when = Instant::now() + SHORT;
            [Deadline::at(when), Deadline::at(when)]
        };
        let [outer, inner] = equal();
        let result = under!(outer, {
            under!(inner, {
                inner.lift();
                wait!(pending::<()>());
            })
        });
        assert!(result.is_err());

        let [outer, inner] = equal();
        let result = under!(outer, {
            outer.lift();
            under!(inner, { wait!(pending::<()>()) }).is_err()
        });
        assert_eq!(result, Ok(true));
    }

    fn an_outer_end_is_no_inner_ones_default() {
        let outer = Deadline::after(SHORT);
        let seen = Cell::new(false);
        let result = under!(outer, {
            let value = under!(Deadline::after(LONG), { wait!(pending::<i32>()) }).unwrap_or(7);
            seen.set(true);
            value
        });
        assert!(result.is_err() && !seen.get());
    }

    fn a_result_that_is_there_wins() {
        let (gate, deadline) = (Gate::new(), Deadline::after(LONG));
        let (waiting, opened) = (gate.clone(), deadline.clone());
        let opener = start!({
            opened.reset(Duration::ZERO);
            gate.open();
        });
        assert_eq!(under!(deadline, { wait!(waiting.wait()); 7 }), Ok(7));
        wait!(opener).unwrap();
    }

    fn several_scopes_share_one_deadline() {
        let deadline = Deadline::after(LONG);
        let tasks: Vec<_> = (0..5).map(|_| {
            let deadline = deadline.clone();
            start!({ under!(deadline, { wait!(pending::<()>()) }).is_err() })
        }).collect();
        wait!(greenloop::yield_now());
        deadline.reset(SHORT);
        for ended in wait!(task::join_all(tasks)) {
            assert!(ended.unwrap());
        }
    }

    fn the_time_that_is_left_is_that_of_the_nearest_deadline() {
        assert!(Deadline::current().is_none() && Deadline::effective().is_none());
        let (near, far) = (Deadline::after(LONG), Deadline::after(2 * LONG));
        for (outer, inner) in [(&near, &far), (&far, &near)] {
            let seen = under!(outer, {
                assert_eq!(Deadline::effective(), outer.when());
                under!(inner, {
                    wait!(greenloop::yield_now());
                    assert_eq!(Deadline::current().unwrap().when(), inner.when());
                    Deadline::effective()
                })
            });
            assert_eq!(seen.unwrap().unwrap(), near.when());
        }
        let seen = under!(near, {
            near.reset(3 * LONG);
            under!(Deadline::never(), { Deadline::effective() })
        });
        assert_eq!(seen.unwrap().unwrap(), near.when());
        assert!(Deadline::effective().is_none());
    }

    fn tasks_inherit_the_deadline_that_they_can_ask_for() {
        let deadline = Deadline::after(LONG);
        let mut child = None;
        let spawned = under!(deadline, {
            child = Some(start!({
                wait!(greenloop::yield_now());
                // The scope is over, and ended nobody outside of it. A child may put itself under
                // the deadline of its spawner.
                let inherited = Deadline::current().unwrap();
                assert_eq!(Deadline::effective(), inherited.when());
                let ended = under!(inherited, { wait!(pending::<()>()) }).is_err();
                (inherited.when(), ended)
            }));
        });
        assert!(spawned.is_ok());
        wait!(greenloop::yield_now());
        wait!(greenloop::yield_now());
        deadline.reset(SHORT);
        assert_eq!(wait!(child.unwrap()).unwrap(), (deadline.when(), true));
    }

    fn what_is_shielded_knows_no_deadline_and_is_not_ended() {
        let (gate, drops) = (Gate::new(), Drops::new());
        let (waiting, guard) = (gate.clone(), drops.guard());
        let result = under!(Deadline::after(SHORT), {
            let work = async move {
                assert!(Deadline::current().is_none() && Deadline::effective().is_none());
                let own = Deadline::after(SHORT).scope(pending::<()>()).await;
                assert!(own.is_err(), "its own deadline holds");
                waiting.wait().await;
                drop(guard);
            };
            wait!(task::shield(work));
        });
        assert!(result.is_err());
        assert_eq!(drops.count(), 0);
        gate.open();
        while drops.count() == 0 {
            wait!(greenloop::sleep(SHORT));
        }
    }

    fn a_set_of_tasks_in_a_scope_ends_with_it() {
        let drops = Drops::new();
        let guards = [drops.guard(), drops.guard()];
        let result = under!(Deadline::after(SHORT), {
            let mut set = JoinSet::new();
            for guard in guards {
                set.spawn(hold::<_, ()>(guard));
            }
            wait!(set.join_next());
        });
        assert!(result.is_err());
        assert_eq!(drops.count(), 2);
    }

    fn waiting_for_the_deadline_alone() {
        let (start, deadline) = (Instant::now(), Deadline::after(SHORT));
        wait!(deadline.passed());
        assert!(start.elapsed() >= SHORT);
        wait!(deadline.passed());
        deadline.reset(LONG);
        let waiter = {
            let deadline = deadline.clone();
            start!({ wait!(deadline.passed()) })
        };
        wait!(greenloop::yield_now());
        deadline.reset(Duration::ZERO);
        wait!(waiter).unwrap();
    }

    fn a_body_that_panics_has_its_panic() {
        let child = start!({
            let _ = under!(Deadline::after(LONG), {
                wait!(greenloop::yield_now());
                panic!("no flour")
            });
        });
        assert!(wait!(child).unwrap_err().to_string().ends_with("no flour"));
        assert!(Deadline::current().is_none());
    }

    fn an_abort_from_outside_is_no_end_of_the_time() {
        let deadline = Deadline::after(LONG);
        let seen = Rc::new(Cell::new(false));
        let noted = Rc::clone(&seen);
        let child = start!({
            let result = under!(deadline, { wait!(pending::<()>()) });
            noted.set(true);
            result
        });
        wait!(greenloop::yield_now());
        child.abort();
        assert!(wait!(child).unwrap_err().is_cancelled());
        assert!(!seen.get());
    }

    fn waits_that_are_given_up_leave_no_wakers() {
        let (deadline, wakes) = (Deadline::after(LONG), Wakes::new());
        let timers = greenloop::statistics().timers;
        for moved in [false, true] {
            let mut waits = [Box::pin(deadline.passed()), Box::pin(deadline.passed())];
            {
                let waker = wakes.waker();
                for waiting in &mut waits {
                    let cx = &mut Context::from_waker(&waker);
                    assert!(waiting.as_mut().poll(cx).is_pending());
                }
            }
            if moved {
                deadline.reset(LONG / 2);
                assert_eq!(wakes.count(), 2, "both are told");
            }
            drop(waits);
            assert_eq!(wakes.references(), 1);
            assert_eq!(greenloop::statistics().timers, timers);
        }
    }
}

#[test]
fn thousands_of_nested_scopes_end_together() {
    // Boxed, for the stack's sake; the outermost ends them all.
    greenloop::run(async {
        let deadline = Deadline::after(SHORT);
        let mut nested: futures_util::future::LocalBoxFuture<'_, bool> = Box::pin(pending());
        for _ in 0..500 {
            let inside = nested;
            nested = Box::pin(async { Deadline::after(LONG).scope(inside).await.is_ok() });
        }
        assert!(deadline.scope(nested).await.is_err());
    });
    // Each looks for the effective one through all of them.
    green::run(|| {
        fn nest(depth: usize, nearest: Instant) {
            if depth == 0 {
                assert_eq!(Deadline::effective(), Some(nearest));
                return green::Wait::wait(pending::<()>());
            }
            assert!(Deadline::after(LONG).run(|| nest(depth - 1, nearest)).is_ok());
        }
        let nearest = Instant::now() + SHORT;
        let ended = Deadline::at(nearest).run(move || nest(500, nearest));
        assert!(ended.is_err());
    });
}

#[test]
fn an_idle_time_out_that_is_reset_often_arms_one_timer() {
    greenloop::run(async {
        let deadline = Deadline::after(LONG);
        let result = deadline.scope(async {
            for _ in 0..1000 {
                deadline.reset(LONG);
                greenloop::yield_now().await;
            }
            greenloop::statistics().timers
        });
        assert_eq!(result.await, Ok(1));
        assert_eq!(greenloop::statistics().timers, 0);
    });
}

#[test]
fn a_green_block_that_swallows_its_end_is_told_again() {
    let _watched = styles::watch();
    green::run(|| {
        let swallowed = Cell::new(0);
        let result = Deadline::after(SHORT).run(|| {
            for _ in 0..3 {
                let unwound = std::panic::catch_unwind(|| green::Wait::wait(pending::<()>()));
                assert!(unwound.is_err());
                swallowed.set(swallowed.get() + 1);
            }
            green::sleep(LONG);
        });
        assert!(result.is_err());
        assert_eq!(swallowed.get(), 3);
    });
}

#[test]
fn elsewhere_it_says_what_to_do() {
    let panic = panic_of(|| Deadline::never().run(|| ()));
    panic.assert_within(1);
    assert!(panic.message.contains("in green threads only"), "{panic:?}");
    let panic = panic_of(|| poll_once(&mut Box::pin(Deadline::after(LONG).passed())));
    assert!(panic.message.contains("needs a running event loop"), "{panic:?}");
}
