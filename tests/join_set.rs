//! A `JoinSet` gives the outputs of its tasks in the order in which they end, and ends with them.
#![cfg(feature = "green")]

mod styles;
mod support;

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    thread,
};

use futures_util::{Stream as _, StreamExt as _};
use greenloop::{
    EventLoop,
    green::{self, Wait},
    task::{JoinError, JoinSet},
};
use styles::in_both_styles;
use support::{Drops, Gate, OnDrop, Wakes, block_on, hold, panic_of};

in_both_styles! {
    fn outputs_come_in_the_order_of_the_ends() {
        for size in [0, 1, 2, 100] {
            let gates: Vec<_> = (0..size).map(|_| Gate::new()).collect();
            let mut set = JoinSet::new();
            for (number, gate) in gates.iter().cloned().enumerate() {
                if number % 2 == 0 {
                    set.spawn(async move { gate.wait().await; number });
                } else {
                    set.spawn_green(move || { gate.wait().wait(); number });
                }
            }
            assert_eq!(set.len(), size);
            wait!(greenloop::yield_now());
            // Odd and even ones from both ends, and nobody looks before all have ended.
            let order: Vec<_> = (0..size).rev().step_by(2).chain((0..size).rev().skip(1).step_by(2)).collect();
            for number in &order {
                gates[*number].open();
                wait!(greenloop::yield_now());
            }
            for number in order {
                assert_eq!(wait!(set.join_next()).unwrap().unwrap(), number);
            }
            assert!(set.is_empty());
            assert!(wait!(set.join_next()).is_none());
        }
    }

    fn join_next_waits_for_the_next_end() {
        let (gate, mut set) = (Gate::new(), JoinSet::new());
        for number in 0..3 {
            let gate = gate.clone();
            set.spawn(async move { gate.wait().await; number });
        }
        let opener = start!({ gate.open() });
        for number in 0..3 {
            assert_eq!(wait!(set.join_next()).unwrap().unwrap(), number);
        }
        wait!(opener).unwrap();
    }

    fn ids_are_those_of_the_tasks() {
        let mut set = JoinSet::new();
        let first = set.spawn(async { 1 }).id();
        let second = set.spawn_named("second", async { panic!("two") }).id();
        let third = set.spawn(std::future::pending());
        third.abort();
        let mut joined = Vec::new();
        while let Some((id, output)) = wait!(set.join_next_with_id()) {
            joined.push((id, output));
        }
        joined.sort_by_key(|(id, _)| *id);
        let [(one, Ok(1)), (two, Err(panic)), (three, Err(cancelled))] = &joined[..] else {
            panic!("{joined:?}");
        };
        assert_eq!([*one, *two, *three], [first, second, third.id()]);
        assert!(panic.is_panic() && panic.id() == second && panic.name() == Some("second"));
        assert!(cancelled.is_cancelled() && cancelled.id() == third.id());
    }

    fn the_panic_of_a_task_is_its_output_and_the_others_go_on() {
        let mut set = JoinSet::new();
        set.spawn(async { panic!("no flour") });
        set.spawn_green(|| panic!("no water"));
        set.spawn(async { greenloop::yield_now().await });
        let mut panics = 0;
        while let Some(output) = wait!(set.join_next()) {
            panics += usize::from(output.is_err_and(|error| error.is_panic()));
        }
        assert_eq!(panics, 2);
    }

    fn dropping_the_set_aborts_its_tasks() {
        let (drops, mut set) = (Drops::new(), JoinSet::<()>::new());
        let (async_guard, green_guard) = (drops.guard(), drops.guard());
        set.spawn(hold(async_guard));
        set.spawn_green(move || hold(green_guard).wait());
        wait!(greenloop::yield_now());
        assert_eq!(drops.count(), 0);
        drop(set);
        // The future is gone at once, the green thread unwinds in its next turn.
        assert_eq!(drops.count(), 1);
        wait!(greenloop::yield_now());
        assert_eq!(drops.count(), 2);
    }

    fn tasks_that_never_started_end_with_the_set() {
        let (drops, mut set) = (Drops::new(), JoinSet::<()>::new());
        let (async_guard, green_guard) = (drops.guard(), drops.guard());
        set.spawn(async move { let _guard = async_guard; unreachable!() });
        set.spawn_green(move || { let _guard = green_guard; unreachable!() });
        drop(set);
        assert_eq!(drops.count(), 2);
        wait!(greenloop::yield_now());
    }

    fn abort_all_leaves_the_errors_to_be_collected() {
        let mut set = JoinSet::new();
        set.spawn(async { 7 });
        wait!(greenloop::yield_now());
        set.spawn(std::future::pending());
        set.spawn_green(|| std::future::pending().wait());
        wait!(greenloop::yield_now());
        set.abort_all();
        set.abort_all();
        assert_eq!(set.len(), 3);
        let mut outputs = Vec::new();
        while let Some(output) = wait!(set.join_next()) {
            outputs.push(output);
        }
        let kept = outputs.iter().filter(|output| matches!(output, Ok(7))).count();
        let aborted = outputs.iter().filter(|output| output.as_ref().is_err_and(JoinError::is_cancelled));
        assert_eq!((kept, aborted.count()), (1, 2));
    }

    fn detach_all_lets_the_tasks_run_on() {
        let (gate, drops, mut set) = (Gate::new(), Drops::new(), JoinSet::new());
        for _ in 0..2 {
            let (gate, guard) = (gate.clone(), drops.guard());
            set.spawn(async move { gate.wait().await; drop(guard) });
        }
        wait!(greenloop::yield_now());
        set.detach_all();
        assert!(set.is_empty());
        assert!(wait!(set.join_next()).is_none());
        drop(set);
        assert_eq!(drops.count(), 0);
        gate.open();
        wait!(greenloop::yield_now());
        assert_eq!(drops.count(), 2);
    }

    fn shutdown_waits_for_the_destructors() {
        let (drops, mut set) = (Drops::new(), JoinSet::<()>::new());
        for _ in 0..2 {
            let (one, other) = (drops.guard(), drops.guard());
            set.spawn(hold(one));
            set.spawn_green(move || hold(other).wait());
        }
        wait!(greenloop::yield_now());
        wait!(set.shutdown());
        assert_eq!((set.len(), drops.count()), (0, 4));
        // It can be used again.
        set.spawn(async {});
        assert!(wait!(set.join_next()).unwrap().is_ok());
    }

    fn try_join_next_takes_only_what_has_ended() {
        let (gate, mut set) = (Gate::new(), JoinSet::new());
        assert!(set.try_join_next().is_none());
        let waiting = gate.clone();
        set.spawn(async move { waiting.wait().await; 1 });
        set.spawn(async { 2 });
        assert!(set.try_join_next().is_none());
        wait!(greenloop::yield_now());
        let (_, output) = set.try_join_next_with_id().unwrap();
        assert_eq!(output.unwrap(), 2);
        assert!(set.try_join_next().is_none());
        gate.open();
        wait!(greenloop::yield_now());
        assert_eq!(set.try_join_next().unwrap().unwrap(), 1);
        assert!(set.is_empty());
    }

    fn a_task_that_ended_before_it_was_inserted_counts_too() {
        let ended = greenloop::spawn(async { 1 });
        let never = greenloop::spawn(std::future::pending());
        never.abort();
        wait!(greenloop::yield_now());
        let mut set = JoinSet::new();
        set.insert(ended);
        set.insert(never);
        assert_eq!(wait!(set.join_next()).unwrap().unwrap(), 1);
        assert!(wait!(set.join_next()).unwrap().unwrap_err().is_cancelled());
    }

    fn join_all_gives_the_outputs() {
        let set: JoinSet<_> = (0..4).map(|number| async move { number }).collect();
        assert_eq!(wait!(set.join_all()), [0, 1, 2, 3]);
    }

    fn a_stream_of_the_outputs_ends_with_the_set() {
        let mut set = JoinSet::new();
        set.extend((0..4).map(|number| async move { number }));
        set.spawn_blocking(|| 4);
        assert_eq!(set.size_hint().0, 5);
        let mut outputs: Vec<_> = wait!(set.map(Result::unwrap).collect());
        outputs.sort_unstable();
        assert_eq!(outputs, [0, 1, 2, 3, 4]);
    }

    fn giving_up_join_next_loses_nothing() {
        // The future is dropped before its first poll, while it waits, and after the task has ended.
        for polls in 0..3 {
            let (gate, mut set) = (Gate::new(), JoinSet::new());
            let waiting = gate.clone();
            set.spawn(async move { waiting.wait().await; 7 });
            wait!(greenloop::yield_now());
            {
                let mut next = Box::pin(set.join_next());
                if polls > 0 {
                    assert!(support::poll_once(&mut next).is_pending());
                }
                if polls > 1 {
                    gate.open();
                    wait!(greenloop::yield_now());
                }
            }
            gate.open();
            assert_eq!(wait!(set.join_next()).unwrap().unwrap(), 7);
            assert!(wait!(set.join_next()).is_none());
        }
    }

    fn a_wait_that_was_given_up_wakes_nobody() {
        let (wakes, gate, mut set) = (Wakes::new(), Gate::new(), JoinSet::new());
        let (first, second) = (gate.clone(), gate.clone());
        set.spawn(async move { first.wait().await; 1 });
        set.spawn(async move { second.wait().await; 2 });
        wait!(greenloop::yield_now());
        let waker = wakes.waker();
        assert!(set.poll_join_next(&mut Context::from_waker(&waker)).is_pending());
        gate.open();
        wait!(greenloop::yield_now());
        // Both have ended: one wake, since nobody has looked in between.
        assert_eq!(wakes.count(), 1);
        drop(set);
        drop(waker);
        assert_eq!(wakes.references(), 1);
    }

    fn a_set_of_thousands_that_end_at_once_lets_others_run() {
        let mut set: JoinSet<_> = (0..2000).map(|_| async {}).collect();
        wait!(greenloop::yield_now());
        let turns = Rc::new(Cell::new(0));
        let other = start!({
            loop {
                turns.set(turns.get() + 1);
                wait!(greenloop::yield_now());
                if turns.get() > 5 {
                    break turns.get();
                }
            }
        });
        while wait!(set.join_next()).is_some() && !other.is_finished() {}
        // The others ran although there was always an output to be taken.
        assert!(other.is_finished() && !set.is_empty());
    }

    fn the_destructor_of_a_task_may_use_another_set() {
        let inner = Rc::new(RefCell::new(JoinSet::<()>::new()));
        let drops = Drops::new();
        inner.borrow_mut().spawn(hold(drops.guard()));
        let mut outer = JoinSet::<()>::new();
        let held = OnDrop::new({
            let inner = Rc::clone(&inner);
            move || {
                inner.borrow_mut().abort_all();
                inner.borrow_mut().spawn(async {});
            }
        });
        outer.spawn(hold(held));
        wait!(greenloop::yield_now());
        drop(outer);
        assert_eq!(drops.count(), 1);
        let mut set = inner.take();
        assert!(wait!(set.join_next()).unwrap().unwrap_err().is_cancelled());
        assert!(wait!(set.join_next()).unwrap().is_ok());
    }

    fn a_set_may_be_dropped_by_its_own_task() {
        let set = Rc::new(RefCell::new(JoinSet::new()));
        let drops = Drops::new();
        set.borrow_mut().spawn(hold(drops.guard()));
        let own = Rc::clone(&set);
        set.borrow_mut().spawn(async move {
            let set = own.replace(JoinSet::new());
            drop(set);
            // Aborted by that, but not before the poll is over.
            own.borrow_mut().spawn(async {});
        });
        wait!(greenloop::yield_now());
        assert_eq!(drops.count(), 1);
        let mut set = set.take();
        assert!(wait!(set.join_next()).unwrap().is_ok());
    }
}

#[test]
fn join_all_panics_with_the_tasks_panic_and_aborts_the_others() {
    greenloop::run(async {
        let drops = Drops::new();
        let mut set = JoinSet::<()>::new();
        set.spawn(hold(drops.guard()));
        set.spawn(async { panic!("no flour") });
        let joined = greenloop::spawn(set.join_all());
        let error = joined.await.unwrap_err();
        assert!(error.to_string().ends_with("panicked: no flour"), "{error}");
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn join_all_panics_when_a_task_was_aborted() {
    greenloop::run(async {
        let mut set = JoinSet::<()>::new();
        set.spawn_named("baker", std::future::pending()).abort();
        let error = greenloop::spawn(set.join_all()).await.unwrap_err();
        assert!(
            error.is_panic() && error.to_string().contains(r#""baker" was cancelled"#),
            "{error}"
        );
    });
}

#[test]
fn the_panics_of_a_set_that_is_dropped_or_shut_down_are_reported() {
    let reported = Rc::new(RefCell::new(Vec::new()));
    let mut event_loop = EventLoop::builder()
        .on_unobserved_panic({
            let reported = Rc::clone(&reported);
            move |error| reported.borrow_mut().push(error.name().unwrap().to_owned())
        })
        .build()
        .unwrap();
    event_loop.run(async {
        let mut set = JoinSet::<()>::new();
        set.spawn_named("dropped", async { panic!("before the end of the set") });
        greenloop::yield_now().await;
        drop(set);
        let mut set = JoinSet::<()>::new();
        set.spawn_named("shut down", async { panic!("before the end of the set") });
        set.spawn_named("destructor", hold(OnDrop::new(|| panic!("in its destructor"))));
        greenloop::yield_now().await;
        set.shutdown().await;
    });
    assert_eq!(*reported.borrow(), ["dropped", "shut down", "destructor"]);
}

#[test]
fn a_loop_that_is_gone_gives_cancelled() {
    let mut event_loop = EventLoop::new().unwrap();
    let mut set = JoinSet::new();
    event_loop.run(async {
        set.spawn(async { 1 });
        greenloop::yield_now().await;
        set.spawn(std::future::pending());
        set.spawn_green(|| std::future::pending().wait());
    });
    drop(event_loop);
    for _ in 0..3 {
        assert!(block_on(set.join_next()).unwrap().unwrap_err().is_cancelled());
    }
    assert!(block_on(set.join_next()).is_none());
}

#[test]
fn a_set_lives_on_from_run_to_run() {
    let mut event_loop = EventLoop::new().unwrap();
    let mut set = JoinSet::new();
    let gate = Gate::new();
    event_loop.run(async {
        let gate = gate.clone();
        set.spawn(async move {
            gate.wait().await;
            7
        });
    });
    gate.open();
    assert_eq!(event_loop.run(set.join_next()).unwrap().unwrap(), 7);
}

#[test]
fn elsewhere_it_says_what_to_do() {
    let mut event_loop = EventLoop::new().unwrap();
    let mut set = JoinSet::<()>::new();
    event_loop.run(async { set.spawn(std::future::pending()) });
    let panic = panic_of(|| set.poll_join_next(&mut Context::from_waker(Waker::noop())));
    assert!(panic.message.contains("outside of its event loop"), "{panic:?}");
    // Dropped there, it ends its tasks all the same.
    let drops = Drops::new();
    event_loop.run(async { set.spawn(hold(drops.guard())) });
    thread::spawn(move || drop(set)).join().unwrap();
    event_loop.run(async {
        while drops.count() == 0 {
            greenloop::yield_now().await;
        }
    });
}

#[test]
fn each_completion_costs_the_same_whatever_the_size() {
    // The polls of members are counted by their wakers: with a look at all of them at each end it would
    // be millions.
    greenloop::run(async {
        const TASKS: u64 = 5000;
        let (gate, mut set) = (Gate::new(), JoinSet::new());
        let gates: Vec<_> = (0..TASKS).map(|_| Gate::new()).collect();
        for gate in &gates {
            let gate = gate.clone();
            set.spawn(async move { gate.wait().await });
        }
        greenloop::yield_now().await;
        let opener = greenloop::spawn(async move {
            for gate in gates {
                gate.open();
                greenloop::yield_now().await;
            }
        });
        let before = greenloop::statistics().polls;
        let mut taken = 0;
        while let Some(output) = set.join_next().await {
            output.unwrap();
            taken += 1;
        }
        drop(gate);
        opener.await.unwrap();
        assert_eq!(taken, TASKS);
        // Per task: its own poll, the opener's, and one of this task.
        assert!(greenloop::statistics().polls - before <= 3 * TASKS + 100);
    });
}

#[test]
fn another_task_may_go_on_waiting() {
    // The waker is that of whoever polled last.
    greenloop::run(async {
        let (gate, mut set) = (Gate::new(), JoinSet::new());
        let waiting = gate.clone();
        set.spawn(async move {
            waiting.wait().await;
            7
        });
        let mut set = Some(set);
        let first = std::future::poll_fn(|cx| {
            let mut set = set.take().unwrap();
            assert!(Pin::new(&mut set).poll_join_next(cx).is_pending());
            Poll::Ready(set)
        });
        let mut set = first.await;
        let second = greenloop::spawn(async move { set.join_next().await });
        greenloop::yield_now().await;
        gate.open();
        assert_eq!(second.await.unwrap().unwrap().unwrap(), 7);
    });
}

#[test]
fn blocking_closures_are_members_as_well() {
    green::run(|| {
        let mut set = JoinSet::new();
        for number in 0..4 {
            set.spawn_blocking(move || number);
        }
        let mut outputs: Vec<_> = green::iter(set).map(Result::unwrap).collect();
        outputs.sort_unstable();
        assert_eq!(outputs, [0, 1, 2, 3]);
    });
}

#[test]
fn spawning_outside_of_a_loop_panics_where_it_is_called() {
    panic_of(|| JoinSet::new().spawn(async {})).assert_within(0);
    panic_of(|| JoinSet::new().spawn_named("x", async {})).assert_within(0);
}
