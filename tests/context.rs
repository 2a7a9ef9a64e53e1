//! Tasks inherit the values of context variables from their spawners; what they set is their own.
#![cfg(feature = "green")]

mod styles;
mod support;

use std::{
    cell::{Cell, RefCell},
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::Duration,
};

use futures_util::FutureExt as _;
use greenloop::{
    EventLoop, green,
    task::{self, Context, JoinSet},
};
use styles::in_both_styles;
use support::{Drops, Gate, OnDrop, block_on};

greenloop::context_var! {
    /// A number.
    static NUMBER: u32 = 0;
    static NAME: String = "nobody".to_owned();
    static HELD: Option<Rc<support::DropGuard>> = None;
}

in_both_styles! {
    fn without_a_value_there_is_the_default() {
        assert_eq!(NUMBER.get(), 0);
        assert_eq!(NAME.with(String::len), 6);
    }

    fn a_task_inherits_and_what_it_sets_is_its_own() {
        let _ = NUMBER.set(1);
        let gate = Gate::new();
        let waiting = gate.clone();
        let child = start!({
            assert_eq!(NUMBER.get(), 1);
            let _ = NUMBER.set(2);
            wait!(waiting.wait());
            assert_eq!(NUMBER.get(), 2);
            let grandchild = start!({ NUMBER.get() });
            wait!(grandchild).unwrap()
        });
        wait!(greenloop::yield_now());
        assert_eq!(NUMBER.get(), 1);
        let _ = NUMBER.set(3);
        gate.open();
        assert_eq!(wait!(child).unwrap(), 2);
        assert_eq!(NUMBER.get(), 3);
    }

    fn what_is_set_after_the_spawn_is_not_inherited() {
        let _ = NUMBER.set(1);
        let child = start!({ NUMBER.get() });
        let _ = NUMBER.set(2);
        assert_eq!(wait!(child).unwrap(), 1);
    }

    fn both_kinds_inherit_from_both() {
        let _ = NAME.set("egon".to_owned());
        let from_green = green::spawn(|| {
            let task = greenloop::spawn(async { NAME.get() });
            green::Wait::wait(task).unwrap()
        });
        let from_task = greenloop::spawn(async { green::spawn(|| NAME.get()).await.unwrap() });
        assert_eq!(wait!(from_green).unwrap(), "egon");
        assert_eq!(wait!(from_task).unwrap(), "egon");
    }

    fn everything_that_spawns_hands_on() {
        let _ = NUMBER.set(7);
        let mut set = JoinSet::new();
        set.spawn(async { NUMBER.get() });
        set.spawn_green(|| NUMBER.get());
        set.insert(task::Builder::new().name("named").spawn(async { NUMBER.get() }));
        set.insert(green::spawn_after(Duration::from_millis(1), || NUMBER.get()));
        set.insert(task::shield(async { NUMBER.get() }).into_handle());
        assert!(wait!(set.join_all()).into_iter().eq([7; 5]));
        let settled = wait!(task::join_all_settled([async { NUMBER.get() }]));
        assert!(matches!(settled[..], [Ok(7)]));
        let (soon, later) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (noted_soon, noted_later) = (Rc::clone(&soon), Rc::clone(&later));
        let gate = Gate::new();
        let opened = gate.clone();
        task::call_soon(move || noted_soon.set(NUMBER.get()));
        drop(task::call_later(Duration::from_millis(1), move || {
            noted_later.set(NUMBER.get());
            opened.open();
        }));
        let _ = NUMBER.set(8);
        wait!(gate.wait());
        assert_eq!((soon.get(), later.get()), (7, 7));
    }

    fn threads_and_remote_tasks_begin_without() {
        let _ = NUMBER.set(7);
        assert_eq!(wait!(greenloop::spawn_blocking(|| NUMBER.get())).unwrap(), 0);
        let remote = greenloop::Handle::current().spawn(async { NUMBER.get() });
        assert_eq!(wait!(remote).unwrap(), 0);
    }

    fn reset_brings_back_what_was_before() {
        let first = NUMBER.set(1);
        let second = NUMBER.set(2);
        assert_eq!(NUMBER.get(), 2);
        NUMBER.reset(second);
        assert_eq!(NUMBER.get(), 1);
        NUMBER.reset(first);
        assert_eq!(NUMBER.get(), 0);
    }

    fn a_scope_is_one_variables_and_ends() {
        let _ = NAME.set("outer".to_owned());
        let seen = wait!(NUMBER.scope(5, async {
            greenloop::yield_now().await;
            assert_eq!(NAME.get(), "outer");
            let _ = NAME.set("inner".to_owned());
            let _ = NUMBER.set(NUMBER.get() + 1);
            greenloop::yield_now().await;
            let child = greenloop::spawn(async { NUMBER.get() });
            (NUMBER.get(), child.await.unwrap())
        }));
        assert_eq!(seen, (6, 6));
        assert_eq!(NUMBER.get(), 0);
        assert_eq!(NAME.get(), "inner");
    }

    fn futures_side_by_side_have_each_its_own() {
        let futures = (0..50).map(|number| NUMBER.scope(number, async move {
            for _ in 0..number {
                greenloop::yield_now().await;
                assert_eq!(NUMBER.get(), number);
            }
            NUMBER.get()
        }));
        assert!(wait!(task::join_all(futures)).into_iter().eq(0..50));
        assert_eq!(NUMBER.get(), 0);
    }

    fn scopes_nest() {
        let seen = wait!(NUMBER.scope(1, async {
            let inner = NUMBER.scope(2, async {
                greenloop::yield_now().await;
                NUMBER.get()
            });
            (NUMBER.get(), inner.await, NUMBER.get())
        }));
        assert_eq!(seen, (1, 2, 1));
    }

    fn a_context_is_a_moment_of_all_variables() {
        let _ = NUMBER.set(1);
        let context = Context::current();
        let _ = NUMBER.set(2);
        let _ = NAME.set("later".to_owned());
        let look = || (NUMBER.get(), NAME.get());
        assert_eq!(context.enter(look), (1, "nobody".to_owned()));
        let seen = wait!(context.scope(async {
            let _ = NUMBER.set(10);
            greenloop::yield_now().await;
            NUMBER.get()
        }));
        assert_eq!(seen, 10);
        assert_eq!(context.enter(|| NUMBER.get()), 1);
        assert_eq!(look(), (2, "later".to_owned()));
        assert_eq!(Context::default().enter(look), (0, "nobody".to_owned()));
    }

    fn a_callback_runs_in_the_context_it_was_given_in() {
        let seen = Rc::new(Cell::new(0));
        let noted = Rc::clone(&seen);
        let _ = NUMBER.set(7);
        let context = Context::current();
        let child = start!({ wait!(greenloop::yield_now()) });
        let adder = start!({
            child.on_done(move |_| noted.set(context.enter(|| NUMBER.get())));
            wait!(child).unwrap();
        });
        let _ = NUMBER.set(8);
        wait!(adder).unwrap();
        assert_eq!(seen.get(), 7);
    }

    fn the_destructor_of_a_future_runs_in_its_scope() {
        for ends in [true, false] {
            let seen = Rc::new(Cell::new(0));
            let noted = Rc::clone(&seen);
            let held = OnDrop::new(move || noted.set(NUMBER.get()));
            let future = NUMBER.scope(3, async move {
                let _held = held;
                if !ends {
                    pending::<()>().await;
                }
            });
            let child = start!({ wait!(future) });
            wait!(greenloop::yield_now());
            child.abort();
            assert_eq!(wait!(child).is_ok(), ends);
            assert_eq!(seen.get(), 3);
        }
    }

    fn a_panic_ends_the_scope() {
        let caught = wait!(AssertUnwindSafe(NUMBER.scope(3, async { panic!("oh") })).catch_unwind());
        assert!(caught.is_err());
        assert_eq!(NUMBER.get(), 0);
        let caught = catch_unwind(AssertUnwindSafe(|| NUMBER.sync_scope(3, || panic!("oh"))));
        assert!(caught.is_err());
        assert_eq!(NUMBER.get(), 0);
    }

    fn values_live_as_long_as_a_task_has_them() {
        let drops = Drops::new();
        let gate = Gate::new();
        let token = HELD.set(Some(Rc::new(drops.guard())));
        let waiting = gate.clone();
        let child = start!({ wait!(waiting.wait()) });
        HELD.reset(token);
        wait!(greenloop::yield_now());
        assert_eq!(drops.count(), 0);
        gate.open();
        wait!(child).unwrap();
        assert_eq!(drops.count(), 1);
    }

    fn a_values_destructor_may_look_at_the_context() {
        greenloop::context_var! {
            static NOSY: Option<Rc<dyn std::any::Any>> = None;
        }
        let log = Rc::new(RefCell::new(Vec::new()));
        let nosy = |number: u32| {
            let log = Rc::clone(&log);
            let look = OnDrop::new(move || {
                log.borrow_mut().push((number, NUMBER.get()));
                let _ = NUMBER.set(number);
            });
            Some(Rc::new(look) as Rc<dyn std::any::Any>)
        };
        drop(NOSY.set(nosy(1)));
        drop(NOSY.set(nosy(2)));
        NOSY.sync_scope(nosy(3), || drop(NOSY.set(None)));
        drop(NOSY.set(None));
        assert_eq!(*log.borrow(), [(1, 0), (3, 1), (2, 3)]);
    }
}

#[test]
fn each_run_begins_afresh() {
    let mut event_loop = EventLoop::new().unwrap();
    event_loop.run(async { drop(NUMBER.set(1)) });
    event_loop.run(async { assert_eq!(NUMBER.get(), 0) });
}

#[test]
fn a_scope_may_move_to_another_task() {
    greenloop::run(async {
        let gate = Gate::new();
        let waiting = gate.clone();
        let mut future = Box::pin(NUMBER.scope(4, async move {
            waiting.wait().await;
            NUMBER.get()
        }));
        assert!((&mut future).now_or_never().is_none());
        assert_eq!(NUMBER.get(), 0);
        gate.open();
        let other = NUMBER.scope(9, greenloop::spawn(future));
        assert_eq!(other.await.unwrap(), 4);
    });
}

#[test]
fn a_green_threads_scope_ends_when_it_is_killed() {
    let _watched = styles::watch();
    green::run(|| {
        let log = Rc::new(RefCell::new(Vec::new()));
        let noted = Rc::clone(&log);
        let thread = green::spawn(move || {
            let inside = Rc::clone(&noted);
            let _outside = OnDrop::new(move || noted.borrow_mut().push(NUMBER.get()));
            NUMBER.sync_scope(5, || {
                let _inside = OnDrop::new(move || inside.borrow_mut().push(NUMBER.get()));
                green::Wait::wait(pending::<()>());
            });
        });
        green::yield_now();
        thread.abort();
        assert!(green::Wait::wait(thread).unwrap_err().is_cancelled());
        assert_eq!(*log.borrow(), [5, 0]);
    });
}

#[test]
fn outside_of_tasks_the_thread_has_a_context() {
    std::thread::spawn(|| {
        assert_eq!(NUMBER.get(), 0);
        let before = NUMBER.set(1);
        assert_eq!(NUMBER.sync_scope(2, || NUMBER.get()), 2);
        assert_eq!(block_on(NUMBER.scope(3, async { NUMBER.get() })), 3);
        assert_eq!(Context::current().enter(|| NUMBER.get()), 1);
        greenloop::run(async {
            // What nobody has set is the thread's.
            assert_eq!(NUMBER.get(), 1);
            let child = greenloop::spawn(async {
                let _ = NAME.set("child".to_owned());
                NUMBER.get()
            });
            assert_eq!(child.await.unwrap(), 1);
            let _ = NUMBER.set(4);
            assert_eq!(NAME.get(), "nobody");
        });
        assert_eq!(NUMBER.get(), 1);
        NUMBER.reset(before);
        assert_eq!(NUMBER.get(), 0);
        assert_eq!(std::thread::spawn(|| NUMBER.get()).join().unwrap(), 0);
    })
    .join()
    .unwrap();
}

#[test]
fn a_future_that_never_ran_is_dropped_in_its_scope() {
    let seen = Rc::new(Cell::new(0));
    let noted = Rc::clone(&seen);
    let held = OnDrop::new(move || noted.set(NUMBER.get()));
    drop(NUMBER.scope(6, support::hold::<_, ()>(held)));
    assert_eq!(seen.get(), 6);
}
