//! All tasks of a group have ended when the group has; one that fails ends the others; nothing that goes
//! wrong is lost.
#![cfg(feature = "green")]

mod styles;
mod support;

use std::{
    cell::{Cell, RefCell},
    error::Error,
    future::pending,
    io,
    panic::Location,
    rc::Rc,
    time::Duration,
};

use futures_util::FutureExt as _;
use greenloop::{
    EventLoop,
    green::{self, Wait},
    task::{self, GroupError, TaskGroup},
};
use styles::in_both_styles;
use support::{Drops, Gate, OnDrop, hold, panic_of, poll_once};

type Log = Rc<RefCell<Vec<String>>>;

/// What went wrong, in its order: the texts of errors and panics.
fn errors<E: std::fmt::Display>(error: GroupError<E>) -> Vec<String> {
    let last_words = |text: String| text.rsplit(": ").next().unwrap().to_owned();
    error.into_iter().map(|failure| last_words(failure.to_string())).collect()
}

in_both_styles! {
    fn it_waits_for_all_and_gives_the_bodys_value() {
        let done = Rc::new(Cell::new(0));
        let counted = Rc::clone(&done);
        let result: Result<_, GroupError<()>> = group!(|group| {
            for number in 0..10 {
                let counted = Rc::clone(&counted);
                child!(group, {
                    for _ in 0..number {
                        wait!(greenloop::yield_now());
                    }
                    counted.set(counted.get() + 1);
                });
            }
            assert_eq!(group.len(), 10);
            Ok("value")
        });
        assert_eq!((result.unwrap(), done.get()), ("value", 10));
    }

    fn a_group_without_tasks_ends_with_its_body() {
        let result: Result<_, GroupError<()>> = group!(|group| {
            assert!(group.is_empty() && !group.is_ending());
            Ok(7)
        });
        assert_eq!(result.unwrap(), 7);
    }

    fn tasks_have_values() {
        let result = group!(|group| {
            let six = child!(group, { wait!(greenloop::yield_now()); Ok(6) });
            let seven = child!(group, { Ok(7) });
            // In any order, and one that is never asked for.
            child!(group, { Ok("nobody asks") });
            let seven = wait!(seven)?;
            io::Result::Ok(wait!(six)? * seven)
        });
        assert_eq!(result.unwrap(), 42);
    }

    fn tasks_may_be_of_both_kinds_and_have_names() {
        let result: Result<_, GroupError<String>> = group!(|group| {
            let names = [
                group.spawn_named("task", async { Ok(task::try_id()) }),
                group.spawn_green_named("thread", || Ok(task::try_id())),
            ];
            for child in names {
                let id = child.id();
                assert_eq!(wait!(child).unwrap(), Some(id));
            }
            group.spawn_green_named("baker", || -> Result<(), _> { Err("no flour".to_owned()) });
            wait!(pending::<()>());
            Ok(())
        });
        let error = result.unwrap_err();
        assert_eq!(error.first().unwrap().name(), Some("baker"));
    }

    fn children_of_children_are_waited_for_also_after_the_bodys_end() {
        let (log, gate) = (Log::default(), Gate::new());
        let noted = Rc::clone(&log);
        let opened = gate.clone();
        let opener = start!({ opened.open() });
        let result: Result<_, GroupError<()>> = group!(|group| {
            let inner = group.clone();
            child!(group, {
                wait!(gate.wait());
                let innermost = inner.clone();
                child!(inner, {
                    wait!(greenloop::yield_now());
                    child!(innermost, {
                        wait!(greenloop::yield_now());
                        noted.borrow_mut().push("innermost".to_owned());
                    });
                });
            });
            Ok(())
        });
        result.unwrap();
        assert_eq!(*log.borrow(), ["innermost"]);
        wait!(opener).unwrap();
    }

    fn the_first_failure_ends_the_others_and_the_body() {
        let (log, drops) = (Log::default(), Drops::new());
        let guards = [drops.guard(), drops.guard(), drops.guard()];
        let result = group!(|group| {
            let [one, two, body] = guards;
            child!(group, { wait!(hold::<_, ()>(one)) });
            group.spawn(hold::<_, ()>(two));
            child!(group, {
                wait!(greenloop::yield_now());
                Err::<(), _>("no flour")
            });
            let _body = body;
            wait!(pending::<()>());
            log.borrow_mut().push("the body went on".to_owned());
            Ok(())
        });
        assert_eq!(drops.count(), 3, "all destructors have run");
        assert_eq!(errors(result.unwrap_err()), ["no flour"]);
        // The one who waited is itself as it was.
        wait!(greenloop::yield_now());
    }

    fn errors_of_all_that_fail_are_told() {
        let result = group!(|group| {
            for number in 1..4 {
                child!(group, {
                    wait!(greenloop::yield_now());
                    if number == 2 {
                        panic!("two");
                    }
                    Err::<(), _>(number.to_string())
                });
            }
            wait!(pending::<()>());
            Ok(())
        });
        let error = result.unwrap_err();
        assert_eq!(error.failures().len(), 3);
        assert!(error.failures()[1].is_panic() && error.failures()[1].error().is_none());
        assert_eq!(error.failures()[2].error().unwrap(), "3");
        assert!(error.to_string().starts_with("3 failures: task "), "{error}");
        assert_eq!(errors(error), ["1", "two", "3"]);
    }

    fn a_panic_of_a_task_is_a_failure_like_any() {
        let result: Result<(), GroupError<io::Error>> = group!(|group| {
            child!(group, { panic!("no flour") });
            wait!(pending::<()>());
        });
        let error = result.unwrap_err();
        assert!(error.source().unwrap().to_string().ends_with("panicked: no flour"));
        let payload = error.into_first().unwrap().try_into_panic().unwrap();
        assert_eq!(*payload.downcast::<&str>().unwrap(), "no flour");
    }

    fn a_body_that_fails_ends_the_tasks_and_its_error_comes_first() {
        let drops = Drops::new();
        let guards = [drops.guard(), drops.guard()];
        let seen = drops.clone();
        let result = group!(|group| {
            for guard in guards {
                child!(group, { wait!(hold::<_, ()>(guard)) });
            }
            wait!(greenloop::yield_now());
            assert_eq!(seen.count(), 0);
            Err::<(), _>("no oven")
        });
        assert_eq!(drops.count(), 2);
        let error = result.unwrap_err();
        assert_eq!((error.first().unwrap().id(), error.to_string().as_str()), (None, "no oven"));
    }

    fn a_body_and_a_task_that_fail_together_are_both_told() {
        let result = group!(|group| {
            child!(group, { Err::<(), _>("no flour") });
            wait!(greenloop::yield_now());
            Err::<(), _>("no oven")
        });
        let mut errors = errors(result.unwrap_err());
        errors.sort_unstable();
        // A body that is cut short before it fails has not failed.
        assert!(errors == ["no flour", "no oven"] || errors == ["no flour"], "{errors:?}");
    }

    fn a_body_that_panics_does_so_when_all_tasks_have_ended() {
        let log = Log::default();
        let noted = Rc::clone(&log);
        let child = start!({
            let result: Result<std::convert::Infallible, GroupError<()>> = group!(|group| {
                let ended = OnDrop::new(move || noted.borrow_mut().push("child".to_owned()));
                child!(group, { wait!(hold::<_, ()>(ended)) });
                wait!(greenloop::yield_now());
                panic!("no oven")
            });
            drop(result);
        });
        assert!(wait!(child).unwrap_err().to_string().ends_with("panicked: no oven"));
        assert_eq!(*log.borrow(), ["child"]);
    }

    fn a_task_that_is_aborted_by_itself_is_no_failure() {
        let result: Result<_, GroupError<()>> = group!(|group| {
            let aborted = child!(group, { wait!(pending::<()>()) });
            let other = child!(group, {
                for _ in 0..5 {
                    wait!(greenloop::yield_now());
                }
                Ok(7)
            });
            wait!(greenloop::yield_now());
            aborted.abort();
            assert!(aborted.abort_handle().is_some());
            assert!(wait!(aborted).unwrap_err().is_cancelled());
            Ok(wait!(other).unwrap())
        });
        assert_eq!(result.unwrap(), 7);
    }

    fn nothing_is_spawned_into_a_group_that_is_ending_or_has_ended() {
        let (drops, kept) = (Drops::new(), Rc::new(RefCell::new(None)));
        let guards = [drops.guard(), drops.guard(), drops.guard()];
        let keep = Rc::clone(&kept);
        let counted = drops.clone();
        let result: Result<(), _> = group!(|group| {
            keep.replace(Some(group.clone()));
            group.cancel();
            group.cancel();
            assert!(group.is_ending());
            let [one, two, _later] = guards;
            let refused = child!(group, { drop(one); unreachable!() });
            assert_eq!(counted.count(), 1, "its captures are dropped at once");
            let named = group.spawn_named("x", async move { drop(two); Err::<(), _>("never") });
            assert!(refused.is_finished() && named.abort_handle().is_none());
            refused.abort();
            assert!(wait!(refused).unwrap_err().is_cancelled());
            wait!(pending::<()>());
            Ok(())
        });
        assert!(result.unwrap_err().is_cancelled());
        assert_eq!(drops.count(), 3);
        let group = kept.take().unwrap();
        let late = group.spawn(async { unreachable!("the group has ended"); });
        assert!(wait!(late).unwrap_err().is_cancelled());
    }

    fn spawning_after_a_failure_is_refused() {
        let result = group!(|group| {
            let inner = group.clone();
            child!(group, { Err::<(), _>("no flour") });
            let held = OnDrop::new(move || {
                // The destructor of one who is ended with the others.
                let late = child!(inner, { unreachable!() });
                assert!(late.is_finished());
            });
            child!(group, { wait!(hold::<_, ()>(held)) });
            wait!(pending::<()>());
            Ok(())
        });
        assert_eq!(errors(result.unwrap_err()), ["no flour"]);
    }

    fn a_cancelled_group_keeps_the_value_of_a_body_that_was_done() {
        let drops = Drops::new();
        let guard = drops.guard();
        let result: Result<_, GroupError<()>> = group!(|group| {
            let canceller = group.clone();
            child!(group, { wait!(hold::<_, ()>(guard)) });
            child!(group, {
                wait!(greenloop::yield_now());
                wait!(greenloop::yield_now());
                canceller.cancel();
            });
            Ok(7)
        });
        assert_eq!((result.unwrap(), drops.count()), (7, 1));
    }

    fn a_group_is_cancelled_from_outside_and_waits_for_the_clean_up() {
        let log = Log::default();
        let noted = Rc::clone(&log);
        let result: Result<(), GroupError<()>> = group!(|group| {
            let canceller = group.clone();
            drop(task::call_later(Duration::from_millis(2), move || canceller.cancel()));
            let unwound = OnDrop::new(move || noted.borrow_mut().push("cleaned up".to_owned()));
            child!(group, { wait!(hold::<_, ()>(unwound)) });
            wait!(pending::<()>());
        });
        assert!(result.unwrap_err().is_cancelled());
        assert_eq!(*log.borrow(), ["cleaned up"]);
    }

    fn children_that_keep_spawning_end_as_well() {
        fn grow(group: &TaskGroup<&'static str>, born: &Rc<Cell<u32>>) {
            for _ in 0..2 {
                let (inner, born) = (group.clone(), Rc::clone(born));
                born.set(born.get() + 1);
                group.spawn(async move {
                    greenloop::yield_now().await;
                    grow(&inner, &born);
                });
            }
        }
        let born = Rc::new(Cell::new(0));
        let counted = Rc::clone(&born);
        let result = group!(|group| {
            grow(&group.clone(), &counted);
            child!(group, {
                for _ in 0..6 {
                    wait!(greenloop::yield_now());
                }
                Err::<(), _>("hydra")
            });
            wait!(pending::<()>());
            Ok(())
        });
        assert_eq!(errors(result.unwrap_err()), ["hydra"]);
        assert!(born.get() > 30);
    }

    fn finished_children_are_forgotten_while_the_body_runs() {
        let drops = Drops::new();
        let counted = drops.clone();
        let result: Result<(), GroupError<()>> = group!(|group| {
            for number in 0..1000 {
                let guard = counted.guard();
                child!(group, { drop(guard) });
                if number % 10 == 0 {
                    wait!(greenloop::yield_now());
                    wait!(greenloop::yield_now());
                    assert!(group.len() <= 20, "{}", group.len());
                    assert!(greenloop::statistics().tasks < 30);
                }
            }
        });
        result.unwrap();
        assert_eq!(drops.count(), 1000);
    }

    fn the_inner_groups_failures_keep_their_structure() {
        let result = group!(|outer| {
            child!(outer, {
                group!(|inner| {
                    child!(inner, { wait!(greenloop::yield_now()); Err::<(), _>("one") });
                    child!(inner, { wait!(greenloop::yield_now()); Err::<(), _>("two") });
                    wait!(pending::<()>());
                    Ok(())
                })
            });
            wait!(pending::<()>());
            Ok(())
        });
        let outer: GroupError<GroupError<&str>> = result.unwrap_err();
        assert_eq!(outer.failures().len(), 1);
        let inner = outer.into_first().unwrap().into_error().unwrap();
        assert_eq!(errors(inner), ["one", "two"]);
    }

    fn a_failure_that_the_inner_group_handles_is_no_matter_of_the_outer() {
        let result: Result<_, GroupError<()>> = group!(|outer| {
            let sibling = child!(outer, {
                for _ in 0..10 {
                    wait!(greenloop::yield_now());
                }
                Ok("whole")
            });
            let inner = group!(|inner| {
                child!(inner, { Err::<(), _>("handled") });
                wait!(pending::<()>());
                Ok(())
            });
            assert_eq!(errors(inner.unwrap_err()), ["handled"]);
            wait!(greenloop::yield_now());
            Ok(wait!(sibling).unwrap())
        });
        assert_eq!(result.unwrap(), "whole");
    }

    fn an_outer_failure_ends_an_inner_group_with_all_its_tasks() {
        let drops = Drops::new();
        let guards = [drops.guard(), drops.guard()];
        let result = group!(|outer| {
            let [task, body] = guards;
            child!(outer, {
                let _body = body;
                let inner: Result<(), GroupError<()>> = group!(|inner| {
                    child!(inner, { wait!(hold::<_, ()>(task)) });
                    wait!(pending::<()>());
                });
                unreachable!("{inner:?}");
            });
            child!(outer, {
                for _ in 0..3 {
                    wait!(greenloop::yield_now());
                }
                Err::<(), _>("outer")
            });
            wait!(pending::<()>());
            Ok(())
        });
        assert_eq!(errors(result.unwrap_err()), ["outer"]);
        assert_eq!(drops.count(), 2);
    }

    fn the_abort_of_the_parent_ends_every_child_once() {
        let (drops, ended) = (Drops::new(), Rc::new(Cell::new(false)));
        let guards = [drops.guard(), drops.guard(), drops.guard()];
        let noted = Rc::clone(&ended);
        let parent = start!({
            let result: Result<(), GroupError<()>> = group!(|group| {
                for guard in guards {
                    child!(group, { wait!(hold::<_, ()>(guard)) });
                }
                wait!(pending::<()>());
            });
            noted.set(result.is_err() || result.is_ok());
        });
        for _ in 0..3 {
            wait!(greenloop::yield_now());
        }
        parent.abort();
        assert!(wait!(parent).unwrap_err().is_cancelled());
        assert_eq!((drops.count(), ended.get()), (3, false));
    }

    fn the_parent_is_aborted_while_it_waits_for_the_tasks_only() {
        let drops = Drops::new();
        let guards = [drops.guard(), drops.guard()];
        let parent = start!({
            let _: Result<(), GroupError<()>> = group!(|group| {
                for guard in guards {
                    child!(group, { wait!(hold::<_, ()>(guard)) });
                }
            });
        });
        for _ in 0..3 {
            wait!(greenloop::yield_now());
        }
        parent.abort();
        assert!(wait!(parent).unwrap_err().is_cancelled());
        assert_eq!(drops.count(), 2);
    }

    fn an_abort_that_comes_with_a_failure_is_not_lost() {
        let parent = start!({
            let result = group!(|group| {
                child!(group, { wait!(greenloop::yield_now()); Err::<(), _>("no flour") });
                wait!(pending::<()>());
                Ok(())
            });
            assert!(result.is_err());
            wait!(pending::<()>());
        });
        // One turn to spawn, one to run the child, and the one in which it fails.
        for _ in 0..3 {
            wait!(greenloop::yield_now());
        }
        parent.abort();
        assert!(wait!(parent).unwrap_err().is_cancelled());
    }

    fn a_supervised_group_goes_on_and_tells_each_failure() {
        let log = Log::default();
        let noted = Rc::clone(&log);
        let hook = move |failure: task::Failure<String>| noted.borrow_mut().push(failure.to_string());
        let result = supervised!(hook, |group| {
            let good = child!(group, {
                for _ in 0..10 {
                    wait!(greenloop::yield_now());
                }
                Ok(7)
            });
            group.spawn_named("one", async { Err::<(), _>("no flour".to_owned()) });
            let failed = child!(group, { Err::<(), _>("no water".to_owned()) });
            child!(group, { panic!("no salt") });
            assert!(!wait!(failed).unwrap_err().is_cancelled());
            assert!(!group.is_ending());
            Ok(wait!(good).unwrap())
        });
        assert_eq!(result.unwrap(), 7);
        let log = log.borrow();
        assert_eq!(log.len(), 3);
        assert!(log[0].contains(r#""one": no flour"#) && log[1].contains("no water"), "{log:?}");
        assert!(log[2].ends_with("panicked: no salt"), "{log:?}");
    }

    fn the_body_of_a_supervised_group_ends_all_by_its_error() {
        let (log, drops) = (Log::default(), Drops::new());
        let (noted, guard) = (Rc::clone(&log), drops.guard());
        let hook = move |failure: task::Failure<&str>| noted.borrow_mut().push(failure.to_string());
        let result = supervised!(hook, |group| {
            child!(group, { wait!(hold::<_, ()>(guard)) });
            wait!(greenloop::yield_now());
            Err::<(), _>("no oven")
        });
        assert_eq!(errors(result.unwrap_err()), ["no oven"]);
        assert_eq!((drops.count(), log.borrow().len()), (1, 0));
    }

    fn a_hook_may_panic_and_may_spawn() {
        let kept = Rc::new(RefCell::new(None::<TaskGroup<u32>>));
        let (spawning, ran) = (Rc::clone(&kept), Rc::new(Cell::new(0)));
        let counted = Rc::clone(&ran);
        let hook = move |failure: task::Failure<u32>| {
            let again = *failure.error().unwrap();
            if again > 0 {
                let group = spawning.borrow().clone().unwrap();
                let counted = Rc::clone(&counted);
                group.spawn(async move {
                    counted.set(counted.get() + 1);
                    Err::<(), _>(again - 1)
                });
            }
            panic!("in the hook");
        };
        let keep = Rc::clone(&kept);
        let result = supervised!(hook, |group| {
            keep.replace(Some(group.clone()));
            child!(group, { Err::<(), _>(3) });
        });
        result.unwrap();
        kept.take();
        assert_eq!(ran.get(), 3);
    }

    fn a_failure_of_an_inner_group_uses_up_no_failure_of_the_outer_in_the_same_turn() {
        let handled = Log::default();
        let noted = Rc::clone(&handled);
        let result = group!(|outer| {
            child!(outer, {
                for _ in 0..2 {
                    wait!(greenloop::yield_now());
                }
                Err::<(), _>("outer")
            });
            wait!(greenloop::yield_now());
            let inner = group!(|inner| {
                child!(inner, { wait!(greenloop::yield_now()); Err::<(), _>("inner") });
                wait!(pending::<()>());
                Ok(())
            });
            noted.borrow_mut().extend(errors(inner.unwrap_err()));
            // The end of the outer one was not used up by the inner one.
            wait!(pending::<()>());
            Ok(())
        });
        assert_eq!(errors(result.unwrap_err()), ["outer"]);
        // Whether the inner one is told first is a matter of style: a green thread that both would end is
        // ended by the outer one.
        assert!(["", "inner"].contains(&handled.borrow().concat().as_str()), "{handled:?}");
    }

    fn a_failure_in_the_clean_up_of_a_cancelled_group_is_told() {
        let result: Result<(), GroupError<&str>> = group!(|group| {
            let unwound = OnDrop::new(|| panic!("in the clean-up"));
            // Of an async task in both styles: one that unwinds must not panic once more.
            group.spawn(hold::<_, ()>(unwound));
            wait!(greenloop::yield_now());
            group.cancel();
            wait!(pending::<()>());
            Ok(())
        });
        let error = result.unwrap_err();
        assert!(!error.is_cancelled());
        assert_eq!(errors(error), ["in the clean-up"]);
    }

    fn a_start_that_is_not_done_keeps_the_group_open() {
        let gate = Gate::new();
        let (waiting, opened) = (gate.clone(), gate.clone());
        let ended = Rc::new(Cell::new(false));
        let seen = Rc::clone(&ended);
        let opener = start!({
            for _ in 0..10 {
                wait!(greenloop::yield_now());
            }
            assert!(!seen.get());
            opened.open();
        });
        let result: Result<_, GroupError<()>> = group!(|group| {
            Ok(group.start(|ready| async move {
                waiting.wait().await;
                ready.send(7);
            }))
        });
        ended.set(true);
        assert_eq!(wait!(result.unwrap()).unwrap(), 7);
        wait!(opener).unwrap();
    }

    fn starting_waits_until_the_task_says_that_it_is_ready() {
        let result: Result<_, GroupError<&str>> = group!(|group| {
            let gate = Gate::new();
            let waiting = gate.clone();
            let port = group.start(|ready| async move {
                waiting.wait().await;
                ready.send(80);
                pending::<()>().await
            });
            let opened = gate.clone();
            let opener = start!({ opened.open() });
            assert_eq!(wait!(port).unwrap(), 80);
            wait!(opener).unwrap();
            let green = group.start_green(|ready| {
                green::yield_now();
                ready.send("green");
                pending::<()>().wait();
            });
            assert_eq!(wait!(green).unwrap(), "green");
            assert_eq!(group.len(), 2, "they go on in the group");
            group.cancel();
            Ok(7)
        });
        assert_eq!(result.unwrap(), 7);
    }

    fn starting_a_task_that_ends_before_it_is_ready_fails() {
        let log = Log::default();
        let noted = Rc::clone(&log);
        let hook = move |failure: task::Failure<&str>| noted.borrow_mut().push(failure.to_string());
        let result = supervised!(hook, |group| {
            let silent = group.start(|ready: task::Ready<()>| async move { drop(ready) });
            assert!(wait!(silent).is_err());
            let fails = group.start_green(|_ready: task::Ready<()>| Err::<(), _>("no port"));
            assert!(wait!(fails).is_err());
            let panics = group.start(|_ready: task::Ready<()>| async { panic!("oh") });
            assert!(wait!(panics).is_err());
            let aborted = group.start(|_ready: task::Ready<()>| pending::<()>());
            aborted.abort();
            assert!(wait!(aborted).is_err());
            let ready_first = group.start_green(|ready| { ready.send(7); Err::<(), _>("later") });
            assert_eq!(wait!(ready_first).unwrap(), 7);
        });
        result.unwrap();
        assert_eq!(log.borrow().len(), 3, "{log:?}");
    }

    fn handles_tell_why_there_is_no_value() {
        let kept = Rc::new(RefCell::new(Vec::new()));
        let keep = Rc::clone(&kept);
        let result: Result<(), _> = group!(|group| {
            keep.borrow_mut().push(child!(group, { wait!(pending::<()>()); Ok(()) }));
            keep.borrow_mut().push(child!(group, { wait!(greenloop::yield_now()); Err("no flour") }));
            let panics = |now: bool| if now { panic!("oh") } else { Ok(()) };
            keep.borrow_mut().push(child!(group, { wait!(greenloop::yield_now()); panics(true) }));
            wait!(pending::<()>());
            Ok(())
        });
        assert_eq!(result.unwrap_err().failures().len(), 2);
        for (number, child) in kept.take().into_iter().enumerate() {
            assert!(child.is_finished());
            let error = wait!(child).unwrap_err();
            assert_eq!(error.is_cancelled(), number == 0, "{error}");
            let what = if number == 0 { "cancelled" } else { "failed" };
            assert!(error.to_string().contains(what), "{error}");
            assert_eq!(io::Error::from(error).kind() == io::ErrorKind::Interrupted, number == 0);
        }
    }

    fn a_handle_may_be_given_up_and_taken_up_again() {
        let result: Result<(), GroupError<()>> = group!(|group| {
            for polls in 0..3 {
                let gate = Gate::new();
                let waiting = gate.clone();
                let mut child = child!(group, { wait!(waiting.wait()); Ok(7) });
                for _ in 0..polls {
                    assert!(poll_once(&mut child).is_pending());
                }
                let waiter = start!({ wait!(child).unwrap() });
                wait!(greenloop::yield_now());
                gate.open();
                assert_eq!(wait!(waiter).unwrap(), 7);
            }
        });
        result.unwrap();
    }

    fn what_the_tasks_inherit_is_the_bodys() {
        greenloop::context_var! {
            static NUMBER: u32 = 0;
        }
        let result: Result<_, GroupError<()>> = group!(|group| {
            let _ = NUMBER.set(7);
            Ok(wait!(child!(group, { Ok(NUMBER.get()) })).unwrap())
        });
        assert_eq!(result.unwrap(), 7);
    }
}

/// Ends a scope after so many polls, and tells how many of its tasks' destructors had run then.
fn cut_after(polls: usize, drops: &Drops) -> usize {
    let (body, one, two) = (drops.guard(), drops.guard(), drops.guard());
    let mut scope = Box::pin(TaskGroup::<()>::scope(|group| async move {
        let _body = body;
        group.spawn(hold::<_, ()>(one));
        greenloop::yield_now().await;
        let inner = group.clone();
        group.spawn(async move {
            greenloop::yield_now().await;
            inner.spawn(hold::<_, ()>(two));
        });
        greenloop::yield_now().await;
    }));
    for _ in 0..polls {
        let _ = poll_once(&mut scope);
    }
    drop(scope);
    drops.count()
}

#[test]
fn a_scope_that_is_dropped_anywhere_leaves_no_task() {
    for polls in 0..6 {
        let _watched = styles::watch();
        greenloop::run(async move {
            let drops = Drops::new();
            let before = greenloop::statistics().tasks;
            assert_eq!(cut_after(polls, &drops), 3, "after {polls} polls");
            assert_eq!(greenloop::statistics().tasks, before);
        });
    }
}

#[test]
fn a_scope_that_is_dropped_between_any_turns_leaves_no_task() {
    for turns in 0..12 {
        let _watched = styles::watch();
        greenloop::run(async move {
            let drops = Drops::new();
            let guards = [drops.guard(), drops.guard(), drops.guard()];
            let scope = greenloop::spawn(TaskGroup::<()>::scope(|group| async move {
                for guard in guards {
                    let inner = group.clone();
                    group.spawn(async move {
                        greenloop::yield_now().await;
                        inner.spawn(hold::<_, ()>(guard));
                    });
                    greenloop::yield_now().await;
                }
            }));
            for _ in 0..turns {
                greenloop::yield_now().await;
            }
            scope.abort();
            assert_eq!(
                (drops.count(), greenloop::statistics().tasks),
                (3, 1),
                "after {turns} turns"
            );
        });
    }
}

#[test]
fn green_threads_of_a_dropped_scope_end_in_their_next_turn() {
    let _watched = styles::watch();
    greenloop::run(async {
        let drops = Drops::new();
        let guard = drops.guard();
        let mut scope = Box::pin(TaskGroup::<()>::scope(|group| async move {
            group.spawn_green(move || hold::<_, ()>(guard).wait());
        }));
        assert!(poll_once(&mut scope).is_pending());
        greenloop::yield_now().await;
        drop(scope);
        assert_eq!(drops.count(), 0);
        greenloop::yield_now().await;
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn a_scope_that_one_of_its_tasks_drops_ends_that_one_after_its_poll() {
    greenloop::run(async {
        let drops = Drops::new();
        let (guard, other) = (drops.guard(), drops.guard());
        let parent = Rc::new(RefCell::new(None::<task::JoinHandle<_>>));
        let aborted = Rc::clone(&parent);
        let handle = greenloop::spawn(TaskGroup::<()>::scope(|group| async move {
            group.spawn(hold::<_, ()>(other));
            group.spawn(async move {
                let _guard = guard;
                aborted.borrow().as_ref().unwrap().abort();
                pending::<()>().await;
            });
        }));
        *parent.borrow_mut() = Some(handle);
        while drops.count() < 2 {
            greenloop::yield_now().await;
        }
        assert!(parent.take().unwrap().await.unwrap_err().is_cancelled());
    });
}

#[test]
fn a_time_out_ends_a_group_and_its_tasks() {
    let _watched = styles::watch();
    greenloop::run(async {
        let drops = Drops::new();
        let guard = drops.guard();
        let scope = TaskGroup::<()>::scope(|group| async move {
            group.spawn(hold::<_, ()>(guard));
        });
        assert!(greenloop::timeout(Duration::from_millis(2), scope).await.is_err());
        assert_eq!(drops.count(), 1);
    });
    green::run(|| {
        let drops = Drops::new();
        let guards = [drops.guard(), drops.guard()];
        let result = green::timeout(Duration::from_millis(2), || {
            let [child, body] = guards;
            let result: Result<(), GroupError<()>> = TaskGroup::run(|group| {
                let _body = body;
                group.spawn_green(move || hold::<_, ()>(child).wait());
                pending::<()>().wait();
            });
            unreachable!("{result:?}");
        });
        assert!(result.is_err());
        assert_eq!(drops.count(), 2, "the time-out waits for the tasks");
        // The same when only the tasks are waited for.
        let guard = drops.guard();
        let result = green::timeout(Duration::from_millis(2), || {
            let _: Result<(), GroupError<()>> = TaskGroup::run(|group| {
                group.spawn_green(move || hold::<_, ()>(guard).wait());
            });
        });
        assert!(result.is_err());
        assert_eq!(drops.count(), 3);
    });
}

#[test]
fn panics_that_nobody_will_see_are_reported() {
    for green in [false, true] {
        let reported = Log::default();
        let mut event_loop = EventLoop::builder()
            .on_unobserved_panic({
                let reported = Rc::clone(&reported);
                move |error| reported.borrow_mut().push(error.to_string())
            })
            .build()
            .unwrap();
        event_loop.run(async move {
            let clean_up = || OnDrop::new(|| panic!("in the clean-up"));
            let parent = if green {
                green::spawn(move || {
                    let _: Result<(), GroupError<()>> = TaskGroup::run(|group| {
                        let held = clean_up();
                        group.spawn(hold::<_, ()>(held));
                        pending::<()>().wait();
                    });
                })
            } else {
                greenloop::spawn(async move {
                    let _ = TaskGroup::<()>::scope(|group| async move {
                        group.spawn(hold::<_, ()>(clean_up()));
                        pending::<()>().await;
                    })
                    .await;
                })
            };
            for _ in 0..3 {
                greenloop::yield_now().await;
            }
            parent.abort();
            assert!(parent.await.unwrap_err().is_cancelled());
        });
        let reported = reported.borrow();
        assert_eq!(reported.len(), 1, "green: {green}, {reported:?}");
        assert!(reported[0].ends_with("panicked: in the clean-up"), "{reported:?}");
    }
}

#[test]
fn a_failure_in_the_clean_up_is_told_with_the_one_that_caused_it() {
    let _watched = styles::watch();
    greenloop::run(async {
        let result = TaskGroup::scope(|group| async move {
            group.spawn(hold::<_, ()>(OnDrop::new(|| panic!("in the clean-up"))));
            group.spawn_green(|| {
                let unwound = std::panic::catch_unwind(|| pending::<()>().wait());
                assert!(unwound.is_err());
                Err::<(), _>("swallowed its end")
            });
            greenloop::yield_now().await;
            Err::<(), _>("no oven")
        });
        let errors = errors(result.await.unwrap_err());
        assert_eq!(errors, ["no oven", "in the clean-up", "swallowed its end"]);
    });
}

#[test]
fn a_green_thread_that_swallows_its_end_is_waited_for() {
    let _watched = styles::watch();
    greenloop::run(async {
        let log = Log::default();
        let noted = Rc::clone(&log);
        let result = TaskGroup::<()>::scope(|group| async move {
            group.spawn_green(move || {
                for _ in 0..10 {
                    let _ = std::panic::catch_unwind(|| pending::<()>().wait());
                }
                noted.borrow_mut().push("ended by itself".to_owned());
            });
            greenloop::yield_now().await;
            group.cancel();
        });
        result.await.unwrap();
        assert_eq!(*log.borrow(), ["ended by itself"]);
    });
}

#[test]
fn a_scope_works_as_a_branch_and_as_a_member() {
    greenloop::run(async {
        let one = TaskGroup::<()>::scope(|group| async move {
            Ok(group.spawn(async { Ok(1) }).await.unwrap())
        });
        let two = TaskGroup::<()>::scope(|group| async move {
            Ok(group.spawn(async { Ok(2) }).await.unwrap())
        });
        assert!(matches!(
            greenloop::join_all([one.boxed_local(), two.boxed_local()]).await[..],
            [Ok(1), Ok(2)]
        ));
        let scope = TaskGroup::<()>::scope(|group| async move {
            group.spawn(pending::<()>());
        });
        assert!(scope.now_or_never().is_none());
        assert_eq!(greenloop::statistics().tasks, 1);
    });
}

#[test]
fn a_value_that_uses_the_group_when_it_is_dropped_finds_it_free() {
    greenloop::task_local! {
        static HELD: RefCell<Option<Box<dyn std::any::Any>>> = RefCell::new(None);
    }
    greenloop::run(async {
        let seen = Rc::new(Cell::new(0));
        let noted = Rc::clone(&seen);
        let result = TaskGroup::<()>::scope(|group| async move {
            for _ in 0..3 {
                let (inner, noted) = (group.clone(), Rc::clone(&noted));
                group.spawn(async move {
                    // Dropped with the task's memory, after its end.
                    let look = OnDrop::new(move || {
                        noted.set(noted.get() + 1);
                        assert!(inner.len() < 3);
                        inner.spawn(async {});
                    });
                    HELD.with(|held| held.replace(Some(Box::new(look))));
                });
            }
        });
        result.await.unwrap();
        assert_eq!(seen.get(), 3);
    });
}

#[test]
fn the_message_of_a_group_tells_each_failure() {
    greenloop::run(async {
        let result = TaskGroup::scope(|group| async move {
            let baker =
                group.spawn_named("baker", async { Err::<(), _>(io::Error::other("no flour")) });
            let id = baker.id();
            assert!(baker.await.is_err());
            Ok::<_, io::Error>(id)
        });
        let error = result.await.unwrap_err();
        let id = error.first().unwrap().id().unwrap();
        assert_eq!(error.to_string(), format!("task {id} \"baker\": no flour"));
        assert_eq!(error.source().unwrap().to_string(), "no flour");
        assert!(format!("{error:?}").contains("no flour"));
        let cancelled = TaskGroup::<io::Error>::scope(|group| async move {
            group.cancel();
            pending::<()>().await
        });
        assert_eq!(cancelled.await.unwrap_err().to_string(), "the task group was cancelled");
    });
}

#[test]
fn elsewhere_it_says_what_to_do() {
    let here = Location::caller();
    let panic = panic_of(|| TaskGroup::<()>::run(|_| ()));
    assert!(panic.file == here.file() && panic.message.contains("green threads only"), "{panic:?}");
    let panic = panic_of(|| {
        support::block_on(TaskGroup::<()>::scope(|group| async move {
            group.spawn(async {});
        }))
    });
    assert!(panic.message.contains("needs a running event loop"), "{panic:?}");
}
