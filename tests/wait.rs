//! `wait` gives the handles of the tasks that have ended, and leaves the others where they are.
#![cfg(feature = "green")]

mod styles;
mod support;

use std::{
    future::pending,
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use greenloop::{
    EventLoop, green,
    task::{self, JoinHandle, Until},
};
use styles::in_both_styles;
use support::{Drops, Gate, Wakes, hold, panic_of, poll_once};

const SHORT: Duration = Duration::from_millis(2);
const LONG: Duration = Duration::from_secs(3600);

/// Tasks that end when their gates are opened, of both kinds.
fn gated(count: usize) -> (Vec<Gate>, Vec<JoinHandle<usize>>) {
    let gates: Vec<_> = (0..count).map(|_| Gate::new()).collect();
    let tasks = gates.iter().cloned().enumerate().map(|(number, gate)| {
        if number % 2 == 0 {
            greenloop::spawn(async move {
                gate.wait().await;
                number
            })
        } else {
            green::spawn(move || {
                green::Wait::wait(gate.wait());
                number
            })
        }
    });
    let tasks = tasks.collect();
    (gates, tasks)
}

in_both_styles! {
    fn the_first_that_ends_is_enough() {
        let (gates, mut tasks) = gated(3);
        let ids: Vec<_> = tasks.iter().map(JoinHandle::id).collect();
        let gate = gates[1].clone();
        let opener = start!({ gate.open() });
        let mut done = wait!(task::wait(&mut tasks, Until::FirstCompleted));
        assert_eq!(done.len(), 1);
        assert_eq!(wait!(done.remove(0)).unwrap(), 1);
        assert_eq!(tasks.iter().map(JoinHandle::id).collect::<Vec<_>>(), [ids[0], ids[2]]);
        wait!(opener).unwrap();
        gates[2].open();
        let done = wait!(task::wait(&mut tasks, Until::FirstCompleted));
        assert_eq!((done.len(), tasks.len()), (1, 1));
    }

    fn all_that_have_ended_are_given_in_their_order() {
        let (gates, mut tasks) = gated(5);
        wait!(greenloop::yield_now());
        // The first wakes the waiter; the others have ended by the time that it goes on.
        let opener = start!({
            for number in [3, 0, 4] {
                gates[number].open();
            }
        });
        let done = wait!(task::wait(&mut tasks, Until::FirstCompleted));
        let numbers: Vec<_> = done.iter().map(|task| task.peek(|output| *output.as_ref().unwrap())).collect();
        assert_eq!(numbers.len() + tasks.len(), 5);
        assert!(numbers.contains(&Some(3)) && numbers.is_sorted() && !numbers.contains(&None));
        wait!(opener).unwrap();
        wait!(greenloop::yield_now());
        wait!(greenloop::yield_now());
        let rest = wait!(task::wait(&mut tasks, Until::All).timeout(Duration::ZERO));
        assert_eq!((numbers.len() + rest.len(), tasks.len()), (3, 2));
    }

    fn what_ended_before_the_wait_counts_at_once() {
        let mut tasks = vec![greenloop::spawn(pending()), greenloop::spawn(async { 1 }),
            green::spawn(|| 2)];
        wait!(greenloop::yield_now());
        let done = task::wait(&mut tasks, Until::FirstCompleted).now_or_never().unwrap();
        assert_eq!((done.len(), tasks.len()), (2, 1));
    }

    fn all_means_all_however_they_end() {
        let mut tasks = vec![greenloop::spawn(async { 1 }), greenloop::spawn(pending()),
            green::spawn(|| panic!("three")), greenloop::spawn(greenloop::yield_now().map(|()| 4))];
        tasks[1].abort();
        let done = wait!(task::wait(&mut tasks, Until::All));
        assert!(tasks.is_empty());
        let outputs = wait!(task::join_all(done));
        assert!(matches!(outputs[0], Ok(1)) && matches!(outputs[3], Ok(4)));
        assert!(outputs[1].as_ref().unwrap_err().is_cancelled());
        assert!(outputs[2].as_ref().unwrap_err().is_panic());
    }

    fn the_first_panic_is_the_first_error() {
        let (gates, mut tasks) = gated(2);
        let gate = gates[0].clone();
        let fail = Gate::new();
        let failing = fail.clone();
        tasks.push(greenloop::spawn(async move { failing.wait().await; panic!("no flour") }));
        tasks.push(greenloop::spawn(pending()));
        tasks[3].abort();
        let waiter = start!({
            let done = wait!(task::wait(&mut tasks, Until::FirstError));
            (done, tasks)
        });
        // Neither one that has a value nor one that was aborted is an error.
        gate.open();
        for _ in 0..3 {
            wait!(greenloop::yield_now());
        }
        assert!(!waiter.is_finished());
        fail.open();
        let (done, pending) = wait!(waiter).unwrap();
        assert_eq!((done.len(), pending.len()), (3, 1));
        gates[1].open();
    }

    fn an_err_is_an_error_if_it_shall_be() {
        for counts in [false, true] {
            let never = greenloop::spawn(pending());
            let mut tasks = vec![never, greenloop::spawn(async { Ok(()) }),
                greenloop::spawn(async { Err("no flour") })];
            let waiting = task::wait(&mut tasks, Until::FirstError).timeout(SHORT);
            let start = Instant::now();
            let done = if counts { wait!(waiting.or_err()) } else { wait!(waiting) };
            assert_eq!((done.len(), tasks.len()), (2, 1));
            assert!(counts || start.elapsed() >= SHORT);
        }
    }

    fn without_errors_all_are_waited_for() {
        let (gates, mut tasks) = gated(2);
        let opener = start!({ gates.iter().for_each(Gate::open) });
        assert_eq!(wait!(task::wait(&mut tasks, Until::FirstError)).len(), 2);
        wait!(opener).unwrap();
    }

    fn the_end_of_the_time_is_no_error() {
        let (gates, mut tasks) = gated(2);
        for until in [Until::FirstCompleted, Until::FirstError, Until::All] {
            let start = Instant::now();
            assert!(wait!(task::wait(&mut tasks, until).timeout(SHORT)).is_empty());
            assert!(start.elapsed() >= SHORT);
        }
        gates[0].open();
        wait!(greenloop::yield_now());
        assert_eq!(wait!(task::wait(&mut tasks, Until::All).deadline(Instant::now())).len(), 1);
        assert_eq!(tasks.len(), 1);
        gates[1].open();
        assert_eq!(wait!(task::wait(&mut tasks, Until::All).timeout(LONG)).len(), 1);
    }

    fn there_is_nothing_to_wait_for_in_an_empty_vector() {
        for until in [Until::FirstCompleted, Until::FirstError, Until::All] {
            assert!(wait!(task::wait(&mut Vec::<JoinHandle<()>>::new(), until)).is_empty());
        }
    }

    fn giving_it_up_leaves_the_handles_and_the_tasks() {
        for until in [Until::FirstCompleted, Until::FirstError, Until::All] {
            for polls in 0..3 {
                let (gates, mut tasks) = gated(3);
                wait!(greenloop::yield_now());
                {
                    let mut waiting = task::wait(&mut tasks, until);
                    for _ in 0..polls {
                        assert!(poll_once(&mut waiting).is_pending());
                    }
                    gates[0].open();
                    gates[2].open();
                    wait!(greenloop::yield_now());
                }
                assert_eq!(tasks.len(), 3);
                gates[1].open();
                let done = wait!(task::wait(&mut tasks, Until::All));
                let outputs = wait!(task::join_all(done));
                assert!(outputs.into_iter().map(Result::unwrap).eq(0..3));
            }
        }
    }

    fn the_tasks_of_a_killed_waiter_run_on() {
        let drops = Drops::new();
        let guard = drops.guard();
        let (gate, waiting) = (Gate::new(), Gate::new());
        let opened = gate.clone();
        let waiter = start!({
            let mut tasks = vec![greenloop::spawn(async move {
                opened.wait().await;
                drop(guard);
            })];
            waiting.open();
            wait!(task::wait(&mut tasks, Until::All));
        });
        wait!(greenloop::yield_now());
        waiter.abort();
        assert!(wait!(waiter).unwrap_err().is_cancelled());
        assert_eq!(drops.count(), 0);
        gate.open();
        wait!(greenloop::yield_now());
        assert_eq!(drops.count(), 1);
    }

    fn several_may_take_turns_in_waiting_for_the_same() {
        let (gates, mut tasks) = gated(1);
        assert!(task::wait(&mut tasks, Until::All).now_or_never().is_none());
        let waiter = start!({ wait!(task::wait(&mut tasks, Until::All)).len() });
        wait!(greenloop::yield_now());
        gates[0].open();
        assert_eq!(wait!(waiter).unwrap(), 1);
    }
}

#[test]
fn each_end_costs_the_same_whatever_the_number() {
    greenloop::run(async {
        const TASKS: usize = 5000;
        let (gates, mut tasks) = gated_async(TASKS);
        greenloop::yield_now().await;
        let opener = greenloop::spawn(async move {
            for gate in gates {
                gate.open();
                greenloop::yield_now().await;
            }
        });
        // Looked at one by one at each end, it would take minutes in a debug build.
        assert_eq!(task::wait(&mut tasks, Until::All).await.len(), TASKS);
        opener.await.unwrap();
    });
}

fn gated_async(count: usize) -> (Vec<Gate>, Vec<JoinHandle<()>>) {
    let gates: Vec<_> = (0..count).map(|_| Gate::new()).collect();
    let wait = |gate: Gate| greenloop::spawn(async move { gate.wait().await });
    let tasks = gates.iter().cloned().map(wait).collect();
    (gates, tasks)
}

#[test]
fn after_the_loops_end_all_have_ended() {
    let mut event_loop = EventLoop::new().unwrap();
    let mut tasks = event_loop.run(async { vec![greenloop::spawn(pending::<()>())] });
    let drops = Drops::new();
    event_loop.run(async { drop(greenloop::spawn(hold::<_, ()>(drops.guard()))) });
    drop(event_loop);
    assert_eq!(drops.count(), 1);
    assert_eq!(support::block_on(task::wait(&mut tasks, Until::FirstCompleted)).len(), 1);
}

#[test]
fn on_another_thread_it_panics() {
    let mut event_loop = EventLoop::new().unwrap();
    let mut tasks = event_loop.run(async { vec![greenloop::spawn(pending::<()>())] });
    let panic = panic_of(|| support::block_on(task::wait(&mut tasks, Until::All)));
    assert!(panic.message.contains("outside of its event loop"), "{panic:?}");
    assert_eq!(tasks.len(), 1);
}

#[test]
fn one_wake_for_many_ends() {
    greenloop::run(async {
        let (gates, mut tasks) = gated(4);
        greenloop::yield_now().await;
        let wakes = Wakes::new();
        {
            let mut waiting = task::wait(&mut tasks, Until::All);
            let waker = wakes.waker();
            let cx = &mut std::task::Context::from_waker(&waker);
            assert!(waiting.poll_unpin(cx).is_pending());
            gates.iter().for_each(Gate::open);
            greenloop::yield_now().await;
            assert_eq!(wakes.count(), 1);
        }
        assert_eq!(wakes.references(), 1);
    });
}
