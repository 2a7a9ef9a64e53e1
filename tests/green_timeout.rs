//! `timeout` ends a block of code at the place where it waits when its time is over, by its own time
//! and no other's; and a block that comes to its end has its result.

mod green_support;

use std::{
    cell::{Cell, RefCell},
    future::{poll_fn, ready},
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use green_support::{Drops, Gate, Log, OnDrop, panic_of, park, run, text_of};
use greenloop::{
    event_loop,
    green::{self, Wait, timeout},
    task::Deadline,
};

const SHORT: Duration = Duration::from_millis(2);
const LONG: Duration = Duration::from_secs(3600);

#[test]
fn a_block_that_waits_too_long_ends_and_not_early() {
    run(|| {
        let start = Instant::now();
        let limit = Duration::from_millis(20);
        assert!(timeout(limit, park).is_err());
        assert!(start.elapsed() >= limit);
    });
}

#[test]
fn a_block_that_ends_in_time_gives_its_value() {
    run(|| {
        let value = timeout(LONG, || {
            green::sleep(Duration::from_millis(1));
            7
        });
        assert_eq!(value, Ok(7));
        assert_eq!(event_loop::statistics().timers, 0, "and nothing is left of it");
    });
}

#[test]
fn the_destructors_of_the_block_have_run_when_it_returns() {
    run(|| {
        let drops = Drops::new();
        let result = timeout(SHORT, || {
            let _guard = drops.guard();
            async {
                let _guard = drops.guard();
                std::future::pending::<()>().await;
            }
            .wait();
        });
        assert!(result.is_err());
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn after_a_time_out_the_green_thread_waits_on() {
    run(|| {
        for _ in 0..3 {
            assert!(timeout(SHORT, park).is_err());
            green::sleep(Duration::from_millis(1));
        }
        assert!(!thread::panicking());
        assert_eq!(event_loop::statistics().timers, 0);
    });
}

#[test]
fn of_two_only_the_outer_is_over() {
    run(|| {
        let after_inner = Cell::new(false);
        let outer = timeout(SHORT, || {
            let inner = timeout(LONG, park);
            after_inner.set(true);
            inner
        });
        assert!(outer.is_err());
        assert!(!after_inner.get(), "it is not the inner one's");
    });
}

#[test]
fn of_two_only_the_inner_is_over() {
    run(|| {
        let outer = timeout(LONG, || {
            let inner = timeout(SHORT, park);
            green::yield_now();
            inner
        });
        assert!(outer.unwrap().is_err());
    });
}

#[test]
fn of_two_that_are_over_together_the_outer_ends_both() {
    run(|| {
        let after_inner = Cell::new(false);
        let outer = timeout(SHORT, || {
            let _ = timeout(SHORT, || {
                thread::sleep(SHORT * 2);
                park();
            });
            after_inner.set(true);
        });
        assert!(outer.is_err());
        assert!(!after_inner.get());
    });
}

#[test]
fn an_outer_one_that_is_over_meanwhile_ends_the_next_wait() {
    run(|| {
        let log = Log::new();
        let outer = timeout(SHORT * 5, || {
            assert!(timeout(SHORT, park).is_err());
            log.add("inner");
            thread::sleep(SHORT * 5);
            log.add("busy");
            park();
            log.add("went on");
        });
        assert!(outer.is_err());
        assert_eq!(log, ["inner", "busy"]);
    });
}

#[test]
fn of_two_with_the_same_end_the_outer_ends_both_and_neither_is_left_behind() {
    run(|| {
        let end = Instant::now() + SHORT;
        let (outer, inner) = (Deadline::at(end), Deadline::at(end));
        let after_inner = Cell::new(false);
        let result = outer.run(|| {
            let _ = inner.run(park);
            after_inner.set(true);
        });
        assert!(result.is_err());
        assert!(!after_inner.get());
        assert!(outer.has_passed() && inner.has_passed());
        // To move one does not move the other.
        let (outer, inner) = (Deadline::at(end), Deadline::at(end));
        let result = outer.run(|| {
            outer.reset(LONG);
            assert!(inner.run(park).is_err());
            7
        });
        assert_eq!(result.unwrap(), 7);
        drop((outer, inner));
        assert_eq!(event_loop::statistics().timers, 0);
    });
}

#[test]
fn they_nest_deep_and_each_is_told_apart() {
    /// Nests so many, of which one is short, and notes which of them are over.
    fn nest(depth: u32, short: u32, over: &RefCell<Vec<u32>>) {
        let limit = if depth == short { SHORT } else { LONG };
        let inner = || if depth == 0 { park() } else { nest(depth - 1, short, over) };
        if timeout(limit, inner).is_err() {
            over.borrow_mut().push(depth);
        }
    }

    run(|| {
        for short in [0, 5, 10] {
            let over = RefCell::default();
            nest(10, short, &over);
            assert_eq!(over.into_inner(), [short]);
        }
    });
}

#[test]
fn a_value_that_comes_with_the_end_of_the_time_wins() {
    run(|| {
        let task = greenloop::spawn(async { 7 });
        green::yield_now();
        let value = timeout(SHORT, || {
            // Both are there when it looks.
            thread::sleep(SHORT * 2);
            task.wait().unwrap()
        });
        assert_eq!(value, Ok(7));
    });
}

#[test]
fn a_block_that_never_waits_has_its_value_whatever_the_time() {
    run(|| {
        let value = timeout(Duration::from_millis(1), || {
            thread::sleep(SHORT * 2);
            7
        });
        assert_eq!(value, Ok(7));
    });
}

#[test]
fn with_no_time_at_all_a_block_ends_at_its_first_wait() {
    run(|| {
        assert_eq!(timeout(Duration::ZERO, || ready(7).wait()), Ok(7));
        let waited = Cell::new(false);
        let result = timeout(Duration::ZERO, || {
            green::yield_now();
            waited.set(true);
        });
        assert!(result.is_err());
        assert!(!waited.get());
    });
}

#[test]
fn a_limit_beyond_all_clocks_is_none() {
    run(|| {
        let value = timeout(Duration::MAX, || {
            green::yield_now();
            7
        });
        assert_eq!(value, Ok(7));
    });
}

#[test]
fn the_time_counts_from_the_call_and_not_from_the_loops_last_look() {
    run(|| {
        green::yield_now();
        thread::sleep(Duration::from_millis(30));
        let start = Instant::now();
        let limit = Duration::from_millis(20);
        assert!(timeout(limit, park).is_err());
        assert!(start.elapsed() >= limit);
    });
}

#[test]
fn a_block_that_yields_without_end_ends() {
    run(|| {
        let result: Result<(), _> = timeout(SHORT, || {
            loop {
                green::yield_now();
            }
        });
        assert!(result.is_err());
    });
}

#[test]
fn a_block_whose_waits_are_always_ready_ends() {
    run(|| {
        let result: Result<(), _> = timeout(SHORT, || {
            loop {
                ready(()).wait();
            }
        });
        assert!(result.is_err());
    });
}

#[test]
fn a_block_that_swallows_it_meets_it_again() {
    run(|| {
        let swallowed = Cell::new(0);
        let result = timeout(SHORT, || {
            for _ in 0..3 {
                assert!(catch_unwind(AssertUnwindSafe(park)).is_err());
                swallowed.set(swallowed.get() + 1);
            }
            green::yield_now();
        });
        assert!(result.is_err());
        assert_eq!(swallowed.get(), 3);
    });
}

#[test]
fn a_block_that_swallows_it_and_returns_has_its_value() {
    run(|| {
        let value = timeout(SHORT, || {
            assert!(catch_unwind(AssertUnwindSafe(park)).is_err());
            7
        });
        assert_eq!(value, Ok(7));
        green::yield_now();
    });
}

#[test]
fn a_block_that_swallows_it_for_ever_does_not_stop_the_others() {
    run(|| {
        let gate = Gate::new();
        let stubborn = green::spawn({
            let gate = gate.clone();
            move || {
                let done = Cell::new(false);
                timeout(Duration::from_millis(1), || {
                    while !done.get() {
                        let _ = catch_unwind(AssertUnwindSafe(|| {
                            gate.wait();
                            done.set(true);
                        }));
                    }
                })
            }
        });
        green::sleep(SHORT * 2);
        green::sleep(SHORT);
        gate.open();
        assert_eq!(stubborn.wait().unwrap(), Ok(()));
    });
}

#[test]
fn the_blocks_own_error_wins() {
    run(|| {
        let error = timeout(SHORT, || -> io::Result<()> {
            let result = catch_unwind(AssertUnwindSafe(park));
            assert!(result.is_err());
            Err(io::Error::other("own"))
        });
        assert_eq!(error.unwrap().unwrap_err().to_string(), "own");

        let text = panic_of(|| timeout(LONG, || panic!("own panic")));
        assert_eq!(text, "own panic");
        let text = panic_of(|| {
            timeout(SHORT, || {
                assert!(catch_unwind(AssertUnwindSafe(park)).is_err());
                panic!("own panic");
            })
        });
        assert_eq!(text, "own panic");
        green::yield_now();
    });
}

#[test]
fn a_kill_beats_the_time_out() {
    run(|| {
        let log = Log::new();
        let thread = green::spawn({
            let log = log.clone();
            move || {
                let result = timeout(SHORT, park);
                log.add("went on");
                result
            }
        });
        green::yield_now();
        thread::sleep(SHORT * 2);
        thread.abort();
        assert!(thread.wait().unwrap_err().is_cancelled());
        assert_eq!(log, [] as [&str; 0]);
    });
}

#[test]
fn a_kill_inside_of_a_long_time_out_is_a_kill() {
    run(|| {
        let thread = green::spawn(|| timeout(LONG, park));
        green::yield_now();
        assert!(thread.abort_and_wait().wait().unwrap_err().is_cancelled());
        assert_eq!(event_loop::statistics().timers, 0);
    });
}

#[test]
fn a_kill_that_was_caught_comes_again_inside_of_a_time_out_and_is_no_end_of_its_time() {
    run(|| {
        let log = Log::new();
        let thread = green::spawn({
            let log = log.clone();
            move || {
                assert!(catch_unwind(AssertUnwindSafe(park)).is_err());
                log.add("cleans up");
                let result = timeout(SHORT, || {
                    thread::sleep(SHORT * 2);
                    park();
                });
                log.add(format!("{result:?}"));
            }
        });
        green::yield_now();
        assert!(thread.abort_and_wait().wait().unwrap_err().is_cancelled());
        assert_eq!(log, ["cleans up"]);
    });
}

#[test]
fn a_kill_that_comes_with_the_value_is_a_kill_and_the_value_stays_in_its_handle() {
    run(|| {
        let gate = Gate::new();
        let worker = green::spawn({
            let gate = gate.clone();
            move || {
                gate.wait();
                7
            }
        });
        let worker = Rc::new(RefCell::new(worker));
        let went_on = Rc::new(Cell::new(false));
        let waiter = green::spawn({
            let (worker, went_on) = (Rc::clone(&worker), Rc::clone(&went_on));
            move || {
                let ended = poll_fn(|cx| Pin::new(&mut *worker.borrow_mut()).poll(cx));
                let _ = timeout(LONG, || ended.wait());
                went_on.set(true);
            }
        });
        green::yield_now();
        gate.open();
        green::yield_now();
        // The worker has ended and woken the waiter, which has not run since.
        assert!(worker.borrow().is_finished());
        waiter.abort();
        assert!(waiter.wait().unwrap_err().is_cancelled());
        assert!(!went_on.get());
        assert_eq!(Rc::into_inner(worker).unwrap().into_inner().wait().unwrap(), 7);
    });
}

#[test]
fn one_that_cleans_up_after_a_time_out_may_use_another() {
    run(|| {
        let cleaned = Cell::new(false);
        let result = timeout(SHORT, || {
            let payload = catch_unwind(AssertUnwindSafe(park)).unwrap_err();
            // Waits end at once, since the outer time is over: also those under a limit.
            let inner = catch_unwind(AssertUnwindSafe(|| timeout(LONG, park)));
            assert!(inner.is_err());
            cleaned.set(true);
            resume_unwind(payload);
        });
        assert!(result.is_err());
        assert!(cleaned.get());
    });
}

#[test]
fn the_time_outs_of_green_threads_are_their_own() {
    run(|| {
        let gate = Gate::new();
        let limited = green::spawn(|| timeout(SHORT, park));
        let unlimited = green::spawn({
            let gate = gate.clone();
            move || timeout(LONG, || gate.wait())
        });
        assert!(limited.wait().unwrap().is_err());
        assert!(!unlimited.is_finished());
        gate.open();
        assert_eq!(unlimited.wait().unwrap(), Ok(()));
    });
}

#[test]
fn a_green_thread_spawned_in_a_block_is_not_limited_by_it() {
    run(|| {
        let gate = Gate::new();
        let mut spawned = None;
        let result = timeout(SHORT, || {
            let gate = gate.clone();
            spawned = Some(green::spawn(move || gate.wait()));
            park();
        });
        assert!(result.is_err());
        gate.open();
        spawned.unwrap().wait().unwrap();
    });
}

#[test]
fn a_hundred_limits_at_once_end_each_its_own_block() {
    run(|| {
        let done = Rc::new(Cell::new(0));
        let threads: Vec<_> = (1..=100)
            .map(|n| {
                let done = Rc::clone(&done);
                green::spawn(move || {
                    let (start, limit) = (Instant::now(), Duration::from_micros(n * 100));
                    assert!(timeout(limit, park).is_err());
                    assert!(start.elapsed() >= limit);
                    done.set(done.get() + 1);
                })
            })
            .collect();
        for result in green::join_all(threads) {
            result.unwrap();
        }
        assert_eq!(done.get(), 100);
    });
}

#[test]
fn outside_of_a_green_thread_it_says_what_to_do() {
    let text = panic_of(|| timeout(LONG, || ()));
    assert!(text.contains("greenloop::timeout in async code"), "{text}");
    greenloop::run(async {
        let text = panic_of(|| timeout(LONG, || ()));
        assert!(text.contains("greenloop::timeout in async code"), "{text}");
    });
}

#[test]
fn what_ends_a_block_is_no_panic_with_a_message() {
    run(|| {
        let payload = Rc::new(Cell::new(None));
        let result = timeout(SHORT, || {
            let caught = catch_unwind(AssertUnwindSafe(park)).unwrap_err();
            payload.set(Some(text_of(&*caught).to_owned()));
            resume_unwind(caught);
        });
        assert!(result.is_err());
        assert_eq!(payload.take().unwrap(), "(no text)");
    });
}

#[test]
fn the_end_of_the_time_in_the_destructor_of_an_aborted_task_is_no_panic_of_it() {
    run(|| {
        let drops = Drops::new();
        let (waits, task_ended) = (OnDrop::new(park), drops.guard());
        let task = greenloop::spawn(async move {
            let _held = (task_ended, waits);
            std::future::pending::<()>().await;
        });
        green::yield_now();
        let block = || {
            task.abort();
            assert_eq!(drops.count(), 1);
            park();
        };
        assert!(timeout(SHORT, block).is_err());
        assert!(task.wait().unwrap_err().is_cancelled());
    });
}

#[test]
fn the_time_of_a_block_that_has_ended_interrupts_nothing_later() {
    run(|| {
        for _ in 0..10 {
            assert_eq!(timeout(SHORT, green::yield_now), Ok(()));
        }
        // Longer than any of these.
        green::sleep(5 * SHORT);
        assert_eq!(timeout(LONG, || green::sleep(SHORT)), Ok(()));
    });
}
