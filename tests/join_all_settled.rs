//! `join_all_settled` gives a result for each future, whatever became of the others.
#![cfg(feature = "green")]

mod styles;
mod support;

use std::{future::pending, rc::Rc};

use futures_util::FutureExt as _;
use greenloop::task;
use styles::in_both_styles;
use support::{Drops, Gate, hold, panic_of, poll_once};

in_both_styles! {
    fn values_and_panics_stand_in_the_order_given() {
        let gates: Vec<_> = (0..4).map(|_| Gate::new()).collect();
        let futures = gates.iter().cloned().enumerate().map(|(number, gate)| async move {
            gate.wait().await;
            assert!(number != 1, "number one");
            number
        });
        let settled = task::join_all_settled(futures.collect::<Vec<_>>());
        let opener = start!({
            for gate in gates.iter().rev() {
                gate.open();
                wait!(greenloop::yield_now());
            }
        });
        let outputs = wait!(settled);
        assert!(matches!(outputs[..], [Ok(0), Err(_), Ok(2), Ok(3)]));
        assert!(outputs[1].as_ref().unwrap_err().to_string().ends_with("panicked: number one"));
        wait!(opener).unwrap();
    }

    fn values_panics_and_ends_from_outside_stand_side_by_side() {
        let gate = Gate::new();
        let waiting = gate.clone();
        let mut settled = task::join_all_settled([
            async move { waiting.wait().await; 7 }.boxed_local(),
            async { panic!("at once") }.boxed_local(),
            async {
                task::current().abort_handle().abort();
                pending().await
            }.boxed_local(),
            async { 8 }.boxed_local(),
        ]);
        assert!(poll_once(&mut settled).is_pending());
        for _ in 0..3 {
            wait!(greenloop::yield_now());
        }
        assert!(poll_once(&mut settled).is_pending(), "one is not done yet");
        gate.open();
        let outputs = wait!(settled);
        assert!(matches!(outputs[..], [Ok(7), Err(_), Err(_), Ok(8)]));
        assert!(outputs[1].as_ref().unwrap_err().is_panic());
        assert!(outputs[2].as_ref().unwrap_err().is_cancelled());
    }

    fn it_ends_only_when_all_have() {
        let gate = Gate::new();
        let waiting = gate.clone();
        let mut settled = task::join_all_settled([
            async { panic!("at once") }.boxed_local(),
            async move { waiting.wait().await; 7 }.boxed_local(),
        ]);
        assert!(poll_once(&mut settled).is_pending());
        for _ in 0..3 {
            wait!(greenloop::yield_now());
        }
        assert!(poll_once(&mut settled).is_pending());
        gate.open();
        assert!(matches!(wait!(settled)[..], [Err(_), Ok(7)]));
    }

    fn none_and_one_and_many() {
        for size in [0_usize, 1, 100] {
            let outputs = wait!(task::join_all_settled((0..size).map(std::future::ready)));
            assert!(outputs.into_iter().map(Result::unwrap).eq(0..size));
        }
    }

    fn the_tasks_start_with_the_first_poll_and_end_with_the_future() {
        let drops = Drops::new();
        let mut settled = task::join_all_settled([hold::<_, ()>(drops.guard()), hold(drops.guard())]);
        let before = greenloop::statistics().tasks;
        assert!(poll_once(&mut settled).is_pending());
        assert_eq!(greenloop::statistics().tasks, before + 2);
        wait!(greenloop::yield_now());
        drop(settled);
        assert_eq!((drops.count(), greenloop::statistics().tasks), (2, before));
        // Never polled, it drops the futures.
        drop(task::join_all_settled([hold::<_, ()>(drops.guard())]));
        assert_eq!(drops.count(), 3);
    }

    fn a_killed_waiter_takes_the_tasks_with_it() {
        let drops = Drops::new();
        let guards = [drops.guard(), drops.guard()];
        let waiter = start!({ wait!(task::join_all_settled(guards.map(hold::<_, ()>))); });
        wait!(greenloop::yield_now());
        wait!(greenloop::yield_now());
        waiter.abort();
        assert!(wait!(waiter).unwrap_err().is_cancelled());
        assert_eq!(drops.count(), 2);
    }

    fn each_runs_in_a_task_of_its_own() {
        let ids = Rc::new(std::cell::RefCell::new(Vec::new()));
        let noted = Rc::clone(&ids);
        let mut settled = task::join_all_settled([
            async move { noted.borrow_mut().push(task::try_id().unwrap()); 1 }.boxed_local(),
            pending().boxed_local(),
        ]);
        assert!(poll_once(&mut settled).is_pending());
        wait!(greenloop::yield_now());
        assert_eq!(ids.borrow().len(), 1);
        assert_ne!(Some(ids.borrow()[0]), task::try_id());
    }
}

#[test]
fn outside_of_a_loop_it_panics() {
    let panic = panic_of(|| poll_once(&mut task::join_all_settled([async {}])));
    assert!(panic.message.contains("needs a running event loop"), "{panic:?}");
}
