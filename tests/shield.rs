//! What is shielded goes on when nobody waits for it any more.
#![cfg(feature = "green")]

mod styles;
mod support;

use std::{
    cell::{Cell, RefCell},
    future::pending,
    rc::Rc,
    time::Duration,
};

use futures_util::FutureExt as _;
use greenloop::{
    EventLoop, Handle,
    green::{self, Wait},
    task,
};
use styles::in_both_styles;
use support::{Drops, Gate, OnDrop, hold, poll_once};

in_both_styles! {
    fn it_gives_the_output() {
        assert_eq!(wait!(task::shield(async { 7 })), 7);
        let shield = task::shield(greenloop::yield_now().map(|()| 8));
        let id = shield.id();
        assert_ne!(task::try_id(), Some(id));
        assert_eq!(wait!(shield.into_handle()).unwrap(), 8);
    }

    fn it_goes_on_wherever_the_waiter_is_cancelled() {
        // While the work waits in each of three places, when it is done, and when that is known.
        for turns in 0..5 {
            let (done, gates) = (Rc::new(Cell::new(0)), [Gate::new(), Gate::new(), Gate::new()]);
            let work = {
                let (done, gates) = (Rc::clone(&done), gates.clone());
                async move {
                    for gate in gates {
                        gate.wait().await;
                        done.set(done.get() + 1);
                    }
                }
            };
            let waiter = start!({ wait!(task::shield(work)) });
            wait!(greenloop::yield_now());
            for gate in gates.iter().take(turns) {
                gate.open();
                wait!(greenloop::yield_now());
            }
            if turns == 4 {
                wait!(greenloop::yield_now());
            }
            waiter.abort();
            for gate in &gates {
                gate.open();
                wait!(greenloop::yield_now());
            }
            assert_eq!(done.get(), 3, "cancelled after {turns} turns");
            assert_eq!(wait!(waiter).is_ok(), turns == 4);
        }
    }

    fn a_time_out_does_not_end_it() {
        let (gate, drops) = (Gate::new(), Drops::new());
        let (waiting, guard) = (gate.clone(), drops.guard());
        let work = async move {
            let _guard = guard;
            waiting.wait().await;
        };
        assert!(wait!(greenloop::timeout(Duration::ZERO, task::shield(work))).is_err());
        assert_eq!(drops.count(), 0);
        gate.open();
        wait!(greenloop::yield_now());
        assert_eq!(drops.count(), 1);
    }

    fn it_starts_also_if_nobody_ever_waits() {
        let drops = Drops::new();
        let guard = drops.guard();
        drop(task::shield(async move { drop(guard) }));
        wait!(greenloop::yield_now());
        assert_eq!(drops.count(), 1);
    }

    fn shielded_members_of_a_cancelled_join_go_on_and_so_does_a_shielded_join() {
        let (gate, drops) = (Gate::new(), Drops::new());
        let work = || {
            let (gate, guard) = (gate.clone(), drops.guard());
            async move {
                gate.wait().await;
                drop(guard);
            }
        };
        let members = greenloop::join_all([task::shield(work()), task::shield(work())]);
        let whole = task::shield(greenloop::join_all([work(), work()]));
        let waiters = [start!({ wait!(members); }), start!({ wait!(whole); })];
        wait!(greenloop::yield_now());
        for waiter in waiters {
            waiter.abort();
            assert!(wait!(waiter).unwrap_err().is_cancelled());
        }
        assert_eq!(drops.count(), 0);
        gate.open();
        for _ in 0..2 {
            wait!(greenloop::yield_now());
        }
        assert_eq!(drops.count(), 4);
    }

    fn its_panic_is_the_waiters() {
        let waiter = start!({ wait!(task::shield(async { panic!("no flour") })) });
        let error = wait!(waiter).unwrap_err();
        assert!(error.to_string().ends_with("panicked: no flour"), "{error}");
    }

    fn one_that_ends_itself_panics_its_waiter() {
        let waiter = start!({
            let own = Rc::new(RefCell::new(None::<task::AbortHandle>));
            let ends = Rc::clone(&own);
            let shield = task::shield(async move {
                if let Some(own) = &*ends.borrow() {
                    own.abort();
                }
                pending::<()>().await
            });
            let handle = shield.into_handle();
            *own.borrow_mut() = Some(handle.abort_handle());
            wait!(handle).unwrap_err().is_cancelled()
        });
        assert!(wait!(waiter).unwrap());
    }
}

#[test]
fn a_shielded_panic_that_nobody_waits_for_is_reported() {
    for green in [false, true] {
        let reported = Rc::new(RefCell::new(Vec::new()));
        let mut event_loop = EventLoop::builder()
            .on_unobserved_panic({
                let reported = Rc::clone(&reported);
                move |error| reported.borrow_mut().push(error.to_string())
            })
            .build()
            .unwrap();
        event_loop.run(async move {
            let gate = Gate::new();
            let waiting = gate.clone();
            let work = async move {
                waiting.wait().await;
                panic!("too late");
            };
            let waiter = if green {
                green::spawn(move || green::shield(move || work.wait()))
            } else {
                greenloop::spawn(async move { task::shield(work).await })
            };
            greenloop::yield_now().await;
            greenloop::yield_now().await;
            waiter.abort();
            greenloop::yield_now().await;
            gate.open();
            greenloop::yield_now().await;
        });
        assert_eq!(reported.borrow().len(), 1);
        assert!(reported.borrow()[0].ends_with("panicked: too late"));
    }
}

#[test]
fn a_killed_green_thread_leaves_its_shielded_closure_to_go_on() {
    let _watched = styles::watch();
    green::run(|| {
        let (gate, log) = (Gate::new(), Rc::new(RefCell::new(Vec::new())));
        let (waiting, noted) = (gate.clone(), Rc::clone(&log));
        let thread = green::spawn(move || {
            let unwound = Rc::clone(&noted);
            let _on_drop = OnDrop::new(move || unwound.borrow_mut().push("unwound"));
            green::shield(move || {
                waiting.wait().wait();
                noted.borrow_mut().push("committed");
            });
        });
        green::yield_now();
        green::yield_now();
        thread.abort();
        assert!(thread.wait().unwrap_err().is_cancelled());
        gate.open();
        green::yield_now();
        assert_eq!(*log.borrow(), ["unwound", "committed"]);
        assert_eq!(green::shield(|| 7), 7);
    });
}

#[test]
fn the_loops_end_is_the_end_of_the_shielded() {
    let drops = Drops::new();
    let guard = drops.guard();
    greenloop::run(async move {
        let mut shield = task::shield(hold::<_, ()>(guard));
        assert!(poll_once(&mut shield).is_pending());
        assert!(Handle::try_current().is_some());
    });
    assert_eq!(drops.count(), 1);
}
