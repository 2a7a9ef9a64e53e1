//! A cancelled token tells everybody who waits for it or for its children, once and for all.
#![cfg(feature = "green")]

mod styles;
mod support;

use std::{
    cell::Cell,
    future::{pending, ready},
    rc::Rc,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Waker},
    thread,
    time::Duration,
};

use futures_util::FutureExt as _;
use greenloop::task::{self, CancellationToken};
use styles::in_both_styles;
use support::{Drops, OnDrop, Wakes, block_on, hold, poll_once};

/// All orders of so many.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in orders(count - 1) {
        for place in 0..count {
            let mut order = shorter.clone();
            order.insert(place, count - 1);
            all.push(order);
        }
    }
    all
}

in_both_styles! {
    fn all_who_wait_are_told() {
        let token = CancellationToken::new();
        let waiters: Vec<_> = (0..100).map(|number| {
            let token = token.clone();
            start!({ wait!(token.cancelled()); number })
        }).collect();
        wait!(greenloop::yield_now());
        assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
        token.cancel();
        token.cancel();
        for (number, waiter) in waiters.into_iter().enumerate() {
            assert_eq!(wait!(waiter).unwrap(), number);
        }
        // It stays so.
        wait!(token.cancelled());
        wait!(token.clone().cancelled_owned());
        assert!(token.is_cancelled());
    }

    fn a_child_is_cancelled_with_its_parent_and_not_the_other_way_round() {
        let parent = CancellationToken::new();
        let (one, two) = (parent.child_token(), parent.child_token());
        let grandchild = one.child_token();
        one.cancel();
        wait!(grandchild.cancelled());
        assert!(one.is_cancelled() && !two.is_cancelled() && !parent.is_cancelled());
        let waiter = {
            let two = two.clone();
            start!({ wait!(two.cancelled()) })
        };
        wait!(greenloop::yield_now());
        parent.cancel();
        wait!(waiter).unwrap();
        assert!(parent.child_token().is_cancelled());
        wait!(one.child_token().cancelled());
    }

    fn it_is_cancelled_by_another_thread() {
        let token = CancellationToken::new();
        let canceller = token.clone();
        let thread = thread::spawn(move || {
            thread::sleep(Duration::from_millis(2));
            canceller.cancel();
        });
        wait!(token.child_token().cancelled());
        thread.join().unwrap();
    }

    fn a_future_runs_until_the_token_is_cancelled() {
        let token = CancellationToken::new();
        assert_eq!(wait!(token.run_until_cancelled(ready(7))), Some(7));
        let drops = Drops::new();
        let canceller = token.clone();
        let cancels = start!({ canceller.cancel() });
        assert!(wait!(token.run_until_cancelled(hold::<_, ()>(drops.guard()))).is_none());
        assert_eq!(drops.count(), 1);
        wait!(cancels).unwrap();
        // A token that is cancelled at first lets nothing run.
        let polled = Cell::new(false);
        let output = wait!(token.run_until_cancelled(async { polled.set(true) }));
        assert!(output.is_none() && !polled.get());
        let other = CancellationToken::new();
        assert_eq!(wait!(other.run_until_cancelled_owned(ready(8))), Some(8));
    }

    fn a_block_runs_until_the_token_is_cancelled() {
        let token = CancellationToken::new();
        assert_eq!(until!(token, { wait!(greenloop::yield_now()); 7 }), Some(7));
        let canceller = token.clone();
        let cancels = start!({ canceller.cancel() });
        let drops = Drops::new();
        let guard = drops.guard();
        let inner = token.child_token();
        let result = until!(token, {
            // The outer one ends first, or the inner one and then the outer.
            let _ = until!(inner, { wait!(hold::<_, ()>(guard)) });
            wait!(pending::<()>());
        });
        assert_eq!((result, drops.count()), (None, 1));
        wait!(cancels).unwrap();
        assert_eq!(until!(token, { unreachable!("it was cancelled before") }), None::<()>);
        // The task goes on as it was.
        wait!(greenloop::yield_now());
    }

    fn an_output_that_is_there_wins() {
        let token = CancellationToken::new();
        let gate = support::Gate::new();
        let (waiting, canceller) = (gate.clone(), token.clone());
        let cancels = start!({
            canceller.cancel();
            gate.open();
        });
        assert_eq!(wait!(token.run_until_cancelled(async { waiting.wait().await; 7 })), Some(7));
        wait!(cancels).unwrap();
    }

    fn a_guard_cancels_when_it_is_dropped() {
        let token = CancellationToken::new();
        let guard = token.clone().drop_guard();
        let task = start!({
            let _guard = guard;
            wait!(pending::<()>());
        });
        wait!(greenloop::yield_now());
        task.abort();
        wait!(token.cancelled());
        assert!(wait!(task).unwrap_err().is_cancelled());

        let token = CancellationToken::new();
        let same = token.clone().drop_guard().disarm();
        assert!(same == token && !token.is_cancelled());
    }

    fn a_busy_task_that_waits_for_cancelled_tokens_lets_others_run() {
        let token = CancellationToken::new();
        token.cancel();
        let others = Rc::new(Cell::new(false));
        let other = {
            let others = Rc::clone(&others);
            start!({ others.set(true) })
        };
        let mut waits = 0;
        while !others.get() {
            wait!(token.cancelled());
            waits += 1;
            assert!(waits < 1000, "nobody else has a turn");
        }
        wait!(other).unwrap();
    }

    fn a_time_out_around_a_wait_leaves_nothing() {
        let token = CancellationToken::new();
        for _ in 0..3 {
            let waiting = token.cancelled();
            assert!(wait!(greenloop::timeout(Duration::from_millis(1), waiting)).is_err());
        }
        let wakes = Wakes::new();
        let waker = wakes.waker();
        {
            let mut waiting = Box::pin(token.cancelled());
            assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            assert_eq!(wakes.references(), 3);
        }
        assert_eq!(wakes.references(), 2);
    }
}

#[test]
fn waits_that_are_given_up_in_any_order_leave_the_others() {
    // Each of four waits is dropped before the cancel, polled before, or polled after it only.
    for order in orders(4) {
        for kept in 0..4 {
            let token = CancellationToken::new();
            let wakes: Vec<_> = (0..4).map(|_| Wakes::new()).collect();
            let mut waits: Vec<_> = (0..4).map(|_| Some(Box::pin(token.cancelled()))).collect();
            for number in &order {
                let waker = wakes[*number].waker();
                let wait = waits[*number].as_mut().unwrap();
                assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
            for number in order.iter().take(kept) {
                waits[*number] = None;
            }
            token.cancel();
            for (place, number) in order.iter().enumerate() {
                assert_eq!(wakes[*number].count(), usize::from(place >= kept));
                assert_eq!(wakes[*number].references(), 1, "no waker is left behind");
            }
            for wait in waits.iter_mut().flatten() {
                assert!(poll_once(wait).is_ready());
            }
        }
    }
}

#[test]
fn the_waker_is_that_of_the_last_poll() {
    let token = CancellationToken::new();
    let (first, second) = (Wakes::new(), Wakes::new());
    let mut waiting = Box::pin(token.cancelled());
    for wakes in [&first, &second] {
        let waker = wakes.waker();
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    token.cancel();
    assert_eq!((first.count(), second.count()), (0, 1));
    assert!(poll_once(&mut waiting).is_ready());
}

#[test]
fn tokens_may_go_in_any_order() {
    // A family of three generations; the handles are dropped in every order of the ancestors, and then
    // the eldest that is left is cancelled.
    for order in orders(3) {
        for dropped in 0..3 {
            let eldest = CancellationToken::new();
            let middle = eldest.child_token();
            let youngest = middle.child_token();
            let leaves = [eldest.child_token(), middle.child_token(), youngest.child_token()];
            let mut family = [Some(eldest), Some(middle), Some(youngest)];
            for number in order.iter().take(dropped) {
                family[*number] = None;
            }
            let Some((first, token)) = family
                .iter()
                .enumerate()
                .find_map(|(number, token)| Some((number, token.as_ref()?)))
            else {
                continue;
            };
            token.cancel();
            for (number, leaf) in leaves.iter().enumerate() {
                assert_eq!(leaf.is_cancelled(), number >= first, "{order:?} {dropped} {number}");
            }
        }
    }
}

#[test]
fn children_of_a_token_that_is_gone_belong_to_its_parent() {
    let parent = CancellationToken::new();
    let middle = parent.child_token();
    let children: Vec<_> = (0..10).map(|_| middle.child_token()).collect();
    let sibling = parent.child_token();
    drop(middle.clone());
    drop(middle);
    assert!(children.iter().all(|child| !child.is_cancelled()));
    parent.cancel();
    assert!(sibling.is_cancelled() && children.iter().all(CancellationToken::is_cancelled));
}

#[test]
fn a_long_line_of_descendants_takes_neither_stack_nor_time() {
    const DEPTH: usize = 200_000;
    thread::Builder::new()
        .stack_size(64 << 10)
        .spawn(|| {
            let root = CancellationToken::new();
            let mut line = vec![root.clone()];
            for _ in 0..DEPTH {
                line.push(line[line.len() - 1].child_token());
            }
            let last = line[DEPTH].clone();
            root.cancel();
            assert!(last.is_cancelled());
            drop(line);
            // One that forgets its ancestors keeps only itself and the root.
            let root = CancellationToken::new();
            let mut token = root.child_token();
            for _ in 0..DEPTH {
                token = token.child_token();
            }
            root.cancel();
            assert!(token.is_cancelled());
        })
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn many_children_come_and_go() {
    const CHILDREN: usize = 100_000;
    let parent = CancellationToken::new();
    let mut children: Vec<_> = (0..CHILDREN).map(|_| parent.child_token()).collect();
    // From both ends and from the middle, each in constant time.
    for _ in 0..CHILDREN / 3 {
        children.swap_remove(0);
        children.pop();
    }
    parent.cancel();
    assert!(children.iter().all(CancellationToken::is_cancelled));
}

#[test]
fn it_works_without_a_loop_and_between_threads() {
    const THREADS: usize = 4;
    for _ in 0..50 {
        let (token, told) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
        let barrier = Arc::new(Barrier::new(THREADS + 2));
        let waiters: Vec<_> = (0..THREADS)
            .map(|number| {
                let token = if number % 2 == 0 { token.clone() } else { token.child_token() };
                let (told, barrier) = (Arc::clone(&told), Arc::clone(&barrier));
                thread::spawn(move || {
                    barrier.wait();
                    block_on(token.cancelled());
                    told.fetch_add(1, SeqCst);
                })
            })
            .collect();
        let family = {
            let (token, barrier) = (token.clone(), Arc::clone(&barrier));
            thread::spawn(move || {
                barrier.wait();
                let children: Vec<_> =
                    (0..100).map(|_| token.child_token().child_token()).collect();
                block_on(token.cancelled());
                assert!(children.iter().all(CancellationToken::is_cancelled));
            })
        };
        barrier.wait();
        token.cancel();
        for waiter in waiters {
            waiter.join().unwrap();
        }
        family.join().unwrap();
        assert_eq!(told.load(SeqCst), THREADS);
    }
}

#[test]
fn wakers_may_do_anything_with_the_token() {
    struct Busy(CancellationToken);

    impl std::task::Wake for Busy {
        fn wake(self: Arc<Self>) {
            // Were the lock held, each of these would wait for ever.
            self.0.cancel();
            assert!(self.0.child_token().is_cancelled());
            let _ = self.0.cancelled().now_or_never();
        }
    }

    let token = CancellationToken::new();
    let child = token.child_token();
    let mut waiting = [Box::pin(token.cancelled()), Box::pin(child.cancelled())];
    for waiting in &mut waiting {
        let waker = Waker::from(Arc::new(Busy(child.clone())));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    token.cancel();
    assert!(child.is_cancelled());
}

#[test]
fn a_waker_that_panics_keeps_nobody_from_being_told() {
    struct Panics;

    impl std::task::Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("in a waker");
        }
    }

    let token = CancellationToken::new();
    let wakes = Wakes::new();
    let mut waiting = [Box::pin(token.cancelled()), Box::pin(token.cancelled())];
    let wakers = [Waker::from(Arc::new(Panics)), wakes.waker()];
    for (waiting, waker) in waiting.iter_mut().zip(&wakers) {
        assert!(waiting.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
    }
    token.cancel();
    assert_eq!(wakes.count(), 1);
}

#[test]
fn a_destructor_may_cancel() {
    greenloop::run(async {
        let token = CancellationToken::new();
        let canceller = token.clone();
        let task = greenloop::spawn(hold::<_, ()>(OnDrop::new(move || canceller.cancel())));
        greenloop::yield_now().await;
        task.abort();
        token.cancelled().await;
        assert!(task::try_id().is_some());
    });
}
