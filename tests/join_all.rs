//! `join_all` gives all outputs in the order given; `try_join_all` ends the rest at the first error.

mod support;

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    thread,
};

use futures_util::future::LocalBoxFuture;
use greenloop::{EventLoop, Handle, task, task::JoinHandle};
use support::{Drops, Gate, OnDrop, block_on, hold};

/// Below and above the number of members from which on each has a waker of its own.
const SIZES: [usize; 7] = [0, 1, 2, 32, 33, 100, 1000];

#[test]
fn outputs_come_in_the_order_given_whatever_the_order_of_the_ends() {
    for size in SIZES {
        greenloop::run(async move {
            let gates: Vec<_> = (0..size).map(|_| Gate::new()).collect();
            let futures = gates.iter().cloned().enumerate().map(|(number, gate)| async move {
                gate.wait().await;
                number
            });
            let joined = greenloop::spawn(greenloop::join_all(futures.collect::<Vec<_>>()));
            greenloop::yield_now().await;
            for gate in gates.iter().rev() {
                gate.open();
                greenloop::yield_now().await;
            }
            assert!(joined.await.unwrap().into_iter().eq(0..size));
        });
    }
}

#[test]
fn futures_that_are_ready_at_once_need_one_poll() {
    for size in SIZES {
        let mut joined = greenloop::join_all((0..size).map(std::future::ready));
        let polled = support::poll_once(&mut joined);
        assert_eq!(polled, Poll::Ready((0..size).collect()));
    }
}

#[test]
fn tasks_are_joined_by_their_handles() {
    for size in SIZES {
        greenloop::run(async move {
            let tasks = (0..size).map(|number| {
                greenloop::spawn(async move {
                    greenloop::yield_now().await;
                    assert!(number % 3 != 2, "the third");
                    number
                })
            });
            let tasks: Vec<_> = tasks.collect();
            for (number, output) in greenloop::join_all(tasks).await.into_iter().enumerate() {
                match output {
                    Ok(output) => assert!(output == number && number % 3 != 2),
                    Err(error) => assert!(error.is_panic() && number % 3 == 2),
                }
            }
        });
    }
}

#[test]
fn what_takes_a_future_takes_what_becomes_one() {
    struct Becomes(u8);

    impl IntoFuture for Becomes {
        type Output = u8;
        type IntoFuture = std::future::Ready<u8>;

        fn into_future(self) -> Self::IntoFuture {
            std::future::ready(self.0)
        }
    }

    assert_eq!(block_on(greenloop::join_all([Becomes(1), Becomes(2)])), [1, 2]);
}

#[test]
fn handles_of_many_kinds_of_loops_are_joined_from_many_threads() {
    for size in [5, 50] {
        let mut event_loop = EventLoop::new().unwrap();
        let handle = event_loop.handle();
        let thread = thread::spawn(move || {
            let tasks = (0..size).map(|number| handle.spawn(async move { number }));
            let outputs = block_on(greenloop::join_all(tasks));
            handle.stop();
            outputs.into_iter().map(Result::unwrap).collect::<Vec<_>>()
        });
        event_loop.run_forever();
        assert!(thread.join().unwrap().into_iter().eq(0..size));
    }
}

#[test]
fn members_may_be_woken_from_other_threads() {
    for size in [8, 200] {
        greenloop::run(async move {
            let gates: Vec<_> = (0..size).map(|_| Gate::new()).collect();
            let threads: Vec<_> = gates
                .chunks(size / 4)
                .map(|gates| {
                    let gates = gates.to_vec();
                    thread::spawn(move || gates.iter().for_each(Gate::open))
                })
                .collect();
            let futures = gates.iter().map(Gate::wait);
            assert_eq!(greenloop::join_all(futures).await.len(), size);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }
}

#[test]
fn of_many_members_only_the_woken_ones_are_polled() {
    const SIZE: usize = 100;
    greenloop::run(async {
        let polls = Rc::new(Cell::new(0));
        let gates: Vec<_> = (0..SIZE).map(|_| Gate::new()).collect();
        let futures = gates.iter().cloned().map(|gate| {
            let polls = Rc::clone(&polls);
            poll_fn(move |cx| {
                polls.set(polls.get() + 1);
                gate.poll(cx)
            })
        });
        let joined = greenloop::spawn(greenloop::join_all(futures.collect::<Vec<_>>()));
        greenloop::yield_now().await;
        assert_eq!(polls.get(), SIZE);
        for gate in &gates {
            gate.open();
            greenloop::yield_now().await;
        }
        joined.await.unwrap();
        assert_eq!(polls.get(), 2 * SIZE);
    });
}

#[test]
fn a_member_that_wakes_itself_is_polled_again() {
    for size in [3, 60] {
        greenloop::run(async move {
            let futures = (0..size).map(|number| async move {
                for _ in 0..number {
                    greenloop::yield_now().await;
                }
                number
            });
            assert!(greenloop::join_all(futures).await.into_iter().eq(0..size));
        });
    }
}

#[test]
fn the_wakers_of_members_outlive_the_join_and_the_loop() {
    for size in [3, 60] {
        let wakers = Rc::new(RefCell::new(Vec::<Waker>::new()));
        greenloop::run(async {
            let futures = (0..size).map(|_| {
                poll_fn(|cx| {
                    wakers.borrow_mut().push(cx.waker().clone());
                    Poll::Ready(())
                })
            });
            greenloop::join_all(futures).await;
        });
        let wakers = wakers.take();
        wakers.iter().for_each(Waker::wake_by_ref);
        thread::spawn(move || wakers.into_iter().for_each(Waker::wake)).join().unwrap();
    }
}

#[test]
fn it_may_move_to_another_task_while_it_waits() {
    for size in [3, 60] {
        greenloop::run(async move {
            let gate = Gate::new();
            let futures = (0..size).map(|_| {
                let gate = gate.clone();
                async move { gate.wait().await }
            });
            let mut joined = greenloop::join_all(futures.collect::<Vec<_>>());
            assert!(support::poll_once(&mut joined).is_pending());
            let task = greenloop::spawn(joined);
            greenloop::yield_now().await;
            gate.open();
            assert_eq!(task.await.unwrap().len(), size);
        });
    }
}

#[test]
fn a_finished_member_is_dropped_at_once_and_its_output_kept() {
    for size in [3, 60] {
        greenloop::run(async move {
            let (drops, gate) = (Drops::new(), Gate::new());
            let mut futures: Vec<Pin<Box<dyn Future<Output = usize>>>> = Vec::new();
            for number in 0..size {
                let (guard, gate) = (drops.guard(), gate.clone());
                futures.push(Box::pin(async move {
                    let _guard = guard;
                    if number == 0 {
                        gate.wait().await;
                    }
                    number
                }));
            }
            let joined = greenloop::spawn(greenloop::join_all(futures));
            greenloop::yield_now().await;
            assert_eq!(drops.count(), size - 1);
            gate.open();
            assert!(joined.await.unwrap().into_iter().eq(0..size));
        });
    }
}

#[test]
fn dropping_it_drops_members_and_outputs_once() {
    for size in [4, 60] {
        let drops = Drops::new();
        let futures = (0..size).map(|number| {
            let (in_future, output) = (drops.guard(), drops.guard());
            async move {
                let _in_future = in_future;
                if number % 2 == 0 {
                    std::future::pending::<()>().await;
                }
                output
            }
        });
        let mut joined = greenloop::join_all(futures);
        assert!(support::poll_once(&mut joined).is_pending());
        assert_eq!(drops.count(), size / 2);
        drop(joined);
        assert_eq!(drops.count(), 2 * size);
    }
}

#[test]
fn dropping_it_detaches_the_tasks_of_its_handles() {
    for size in [3, 60] {
        greenloop::run(async move {
            let (gate, ran) = (Gate::new(), Rc::new(Cell::new(0)));
            let tasks: Vec<_> = (0..size)
                .map(|_| {
                    let (gate, ran) = (gate.clone(), Rc::clone(&ran));
                    greenloop::spawn(async move {
                        gate.wait().await;
                        ran.set(ran.get() + 1);
                    })
                })
                .collect();
            drop(greenloop::join_all(tasks));
            gate.open();
            while ran.get() < size {
                greenloop::yield_now().await;
            }
        });
    }
}

#[test]
fn a_join_of_joins_is_a_join() {
    let rows = greenloop::run(async {
        let rows =
            (0..40).map(|row| greenloop::join_all((0..40).map(move |n| async move { row * n })));
        greenloop::join_all(rows).await
    });
    assert_eq!(rows[39][39], 39 * 39);
}

#[test]
fn a_join_of_more_handles_than_the_budget_of_a_poll_ends() {
    greenloop::run(async {
        let tasks: Vec<_> =
            (0..1000).map(|number| greenloop::spawn(async move { number })).collect();
        greenloop::yield_now().await;
        assert!(tasks.iter().all(JoinHandle::is_finished));
        let outputs = greenloop::join_all(tasks).await;
        assert!(outputs.into_iter().map(Result::unwrap).eq(0..1000));
    });
}

// --- try_join_all -----------------------------------------------------------------------------

#[test]
fn all_values_come_in_the_order_given_when_none_fails() {
    for size in SIZES {
        let futures = (0..size).map(|number| async move {
            greenloop::yield_now().await;
            Ok::<_, ()>(number)
        });
        let values = greenloop::run(task::try_join_all(futures));
        assert!(values.unwrap().into_iter().eq(0..size));
    }
}

#[test]
fn the_first_error_ends_it_and_drops_the_other_futures() {
    for size in [3, 60] {
        greenloop::run(async move {
            let drops = Drops::new();
            let futures = (0..size).map(|number| {
                let guard = drops.guard();
                async move {
                    let _guard = guard;
                    greenloop::yield_now().await;
                    match number {
                        0 => Ok(()),
                        1 => Err("one"),
                        2 => Err("two"),
                        _ => std::future::pending().await,
                    }
                }
            });
            let mut joined = task::try_join_all(futures);
            assert_eq!((&mut joined).await, Err("one"));
            assert_eq!(drops.count(), size, "also while the join itself is still there");
        });
    }
}

#[test]
fn the_first_error_aborts_the_tasks_of_handles() {
    for size in [3, 60] {
        greenloop::run(async move {
            let (drops, gate) = (Drops::new(), Gate::new());
            let tasks: Vec<_> = (0..size)
                .map(|number| {
                    let (guard, gate) = (drops.guard(), gate.clone());
                    greenloop::spawn(async move {
                        let _guard = guard;
                        if number == 1 {
                            gate.wait().await;
                            panic!("oh");
                        }
                        std::future::pending::<()>().await;
                    })
                })
                .collect();
            let aborts: Vec<_> = tasks.iter().map(JoinHandle::abort_handle).collect();
            let mut joined = task::try_join_all(tasks);
            assert!(support::poll_once(&mut joined).is_pending());
            greenloop::yield_now().await;
            gate.open();
            assert!(joined.await.unwrap_err().is_panic());
            assert!(aborts.iter().all(|abort| abort.is_finished()));
            assert_eq!(drops.count(), size);
        });
    }
}

#[test]
fn an_aborted_member_is_an_error() {
    greenloop::run(async {
        let tasks = [(); 3].map(|()| greenloop::spawn(std::future::pending::<()>()));
        tasks[2].abort();
        let aborts = [0, 1].map(|number: usize| tasks[number].abort_handle());
        assert!(task::try_join_all(tasks).await.unwrap_err().is_cancelled());
        assert!(aborts.iter().all(|abort| abort.is_finished()));
    });
}

#[test]
fn tasks_behind_futures_that_only_hold_a_handle_are_detached() {
    greenloop::run(async {
        let drops = Drops::new();
        let task = greenloop::spawn(hold::<_, ()>(drops.guard()));
        let abort = task.abort_handle();
        let futures: [LocalBoxFuture<'_, Result<(), &str>>; 2] = [
            Box::pin(async move { task.await.map_err(|_| "joined") }),
            Box::pin(async {
                greenloop::yield_now().await;
                Err("failed")
            }),
        ];
        assert_eq!(task::try_join_all(futures).await, Err("failed"));
        greenloop::yield_now().await;
        assert!(!abort.is_finished());
        assert_eq!(drops.count(), 0);
    });
}

#[test]
fn dropping_it_unfinished_detaches_the_tasks_too() {
    greenloop::run(async {
        let task = greenloop::spawn(std::future::pending::<()>());
        let abort = task.abort_handle();
        let mut joined = task::try_join_all([task]);
        assert!(support::poll_once(&mut joined).is_pending());
        drop(joined);
        assert!(!abort.is_finished());
    });
}

#[test]
fn an_error_that_comes_with_the_values_of_others_drops_those() {
    for size in [3, 60] {
        let drops = Drops::new();
        let futures = (0..size).map(|number| {
            let guard = drops.guard();
            async move { if number + 1 < size { Ok(guard) } else { Err("last") } }
        });
        let error = block_on(task::try_join_all(futures)).unwrap_err();
        assert_eq!(error, "last");
        assert_eq!(drops.count(), size);
    }
}

#[test]
fn a_destructor_that_panics_among_the_cancelled_does_not_keep_the_rest_alive() {
    greenloop::run(async {
        let drops = Drops::new();
        let join = greenloop::spawn({
            let drops = drops.clone();
            async move {
                let futures = (0..5).map(|number| {
                    let guard = drops.guard();
                    let on_drop = OnDrop::new(move || assert!(number != 2, "the destructor"));
                    async move {
                        let _held = (on_drop, guard);
                        if number == 4 {
                            return Err("failed");
                        }
                        std::future::pending::<Result<(), &str>>().await
                    }
                });
                task::try_join_all(futures).await.map(|_| ())
            }
        });
        assert!(join.await.unwrap_err().is_panic());
        assert_eq!(drops.count(), 5);
    });
}

#[test]
fn after_a_destructor_that_panicked_among_the_cancelled_handles_detach_as_before() {
    const SIZE: usize = size_of::<JoinHandle<()>>();

    /// As large as a handle, so that the allocator may give a handle its place.
    struct Member {
        fails: bool,
        _filling: [u8; SIZE - 1],
    }

    impl Future for Member {
        type Output = Result<(), &'static str>;

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
            if self.fails { Poll::Ready(Err("failed")) } else { Poll::Pending }
        }
    }

    impl Drop for Member {
        fn drop(&mut self) {
            assert!(self.fails, "the destructor");
        }
    }

    greenloop::run(async {
        let members = [false, true].map(|fails| Member { fails, _filling: [0; SIZE - 1] });
        let task = greenloop::spawn(task::try_join_all(members));
        assert!(task.await.unwrap_err().is_panic());
        for _ in 0..100 {
            let task = greenloop::spawn(std::future::pending::<()>());
            let abort = task.abort_handle();
            drop(greenloop::join_all([task]));
            assert!(!abort.is_finished());
        }
    });
}

#[test]
fn remote_handles_may_fail_together() {
    greenloop::run(async {
        let handle = Handle::current();
        let tasks = (0..3).map(|number| {
            handle.spawn(async move {
                assert!(number != 1, "the second");
                number
            })
        });
        let error = task::try_join_all(tasks).await.unwrap_err();
        assert!(error.to_string().ends_with("the second"), "{error}");
    });
}

#[test]
fn a_join_that_is_woken_for_nothing_stays_pending() {
    for size in [3, 60] {
        let mut joined = greenloop::join_all((0..size).map(|_| std::future::pending::<()>()));
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            assert!(Pin::new(&mut joined).poll(&mut cx).is_pending());
        }
    }
}

#[test]
fn each_of_many_finished_tasks_is_asked_once() {
    const COUNT: usize = 1000;
    let polls = Rc::new(Cell::new(0));
    greenloop::run(async {
        let member = |task: JoinHandle<()>| {
            let (mut task, polls) = (task, Rc::clone(&polls));
            poll_fn(move |cx| {
                polls.set(polls.get() + 1);
                Pin::new(&mut task).poll(cx)
            })
        };
        let tasks: Vec<_> = (0..COUNT).map(|_| greenloop::spawn(async {})).collect();
        while !tasks.iter().all(JoinHandle::is_finished) {
            greenloop::yield_now().await;
        }
        greenloop::join_all(tasks.into_iter().map(member)).await;
    });
    assert_eq!(polls.get(), COUNT);
}
