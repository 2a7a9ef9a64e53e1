//! `yield_now` lets everybody else who is ready have a turn.

mod support;

use std::{
    cell::{Cell, RefCell},
    pin::pin,
    rc::Rc,
    task::Context,
};

use greenloop::event_loop;
use support::{Wakes, block_on};

#[test]
fn everybody_who_is_ready_runs_before_it_returns() {
    greenloop::run(async {
        let ran = Rc::new(Cell::new(0));
        for _ in 0..1000 {
            let ran = Rc::clone(&ran);
            greenloop::spawn(async move { ran.set(ran.get() + 1) });
        }
        greenloop::yield_now().await;
        assert_eq!(ran.get(), 1000);
    });
}

#[test]
fn tasks_that_yield_take_turns() {
    greenloop::run(async {
        let log = Rc::new(RefCell::new(Vec::new()));
        let play = |name| {
            let log = Rc::clone(&log);
            greenloop::spawn(async move {
                for _ in 0..3 {
                    log.borrow_mut().push(name);
                    greenloop::yield_now().await;
                }
            })
        };
        greenloop::join_all([play('a'), play('b'), play('c')]).await;
        assert!(log.borrow().iter().copied().eq("abcabcabc".chars()));
    });
}

#[test]
fn it_wakes_once_and_is_done_with_the_second_poll() {
    let wakes = Wakes::new();
    let waker = wakes.waker();
    let mut cx = Context::from_waker(&waker);
    let mut yielding = pin!(greenloop::yield_now());
    assert!(yielding.as_mut().poll(&mut cx).is_pending());
    assert_eq!(wakes.count(), 1);
    assert!(yielding.as_mut().poll(&mut cx).is_ready());
    assert_eq!(wakes.count(), 1);
}

#[test]
fn it_does_nothing_when_it_is_dropped_unpolled() {
    greenloop::run(async {
        let polls = event_loop::statistics().polls;
        drop(greenloop::yield_now());
        assert_eq!(event_loop::statistics().polls, polls);
    });
}

#[test]
fn it_works_on_any_executor() {
    block_on(async {
        for _ in 0..3 {
            greenloop::yield_now().await;
        }
    });
}

#[test]
fn the_loop_looks_outside_after_sixty_four_polls() {
    greenloop::run(async {
        let turns = event_loop::statistics().turns;
        for _ in 0..640 {
            greenloop::yield_now().await;
        }
        assert!(event_loop::statistics().turns >= turns + 9);
    });
}
