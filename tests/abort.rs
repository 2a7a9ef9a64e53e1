//! `abort` drops a task's future on the loop's thread: at once if the task is suspended, after its
//! poll if it is running; whoever asks, and however deep the destructors are nested.
#![allow(clippy::async_yields_async, reason = "handles are what is handed around here")]

mod support;

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Wake, Waker},
    thread,
};

use greenloop::{
    EventLoop, Handle, event_loop,
    task::{self, AbortHandle, JoinHandle},
};
use support::{Drops, Gate, OnDrop, hold, own_waker, suspend};

/// A place for the handle of a task that refers to itself.
type Slot<T> = Rc<RefCell<Option<T>>>;

fn log() -> (Rc<RefCell<Vec<&'static str>>>, impl Fn(&'static str) + Clone) {
    let log = Rc::new(RefCell::new(Vec::new()));
    let write = {
        let log = Rc::clone(&log);
        move |entry| log.borrow_mut().push(entry)
    };
    (log, write)
}

#[test]
fn a_task_and_the_one_that_it_waits_for_are_aborted_together_in_either_order() {
    for waiting_first in [true, false] {
        greenloop::run(async {
            let inner = greenloop::spawn(std::future::pending::<()>());
            let inner_abort = inner.abort_handle();
            let outer = greenloop::spawn(inner);
            greenloop::yield_now().await;
            if waiting_first {
                outer.abort();
                inner_abort.abort();
            } else {
                inner_abort.abort();
                outer.abort();
            }
            assert!(inner_abort.is_finished());
            assert!(outer.await.unwrap_err().is_cancelled());
        });
    }
}

#[test]
fn a_task_that_was_never_polled_is_dropped_unpolled() {
    greenloop::run(async {
        let drops = Drops::new();
        let polled = Rc::new(Cell::new(false));
        let task = greenloop::spawn({
            let (guard, polled) = (drops.guard(), Rc::clone(&polled));
            async move {
                let _guard = guard;
                polled.set(true);
            }
        });
        task.abort();
        assert_eq!(drops.count(), 1);
        greenloop::yield_now().await;
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(!polled.get());
    });
}

#[test]
fn the_future_of_a_suspended_task_is_dropped_when_abort_returns() {
    greenloop::run(async {
        let drops = Drops::new();
        let task = greenloop::spawn(hold::<_, ()>(drops.guard()));
        greenloop::yield_now().await;
        assert_eq!(drops.count(), 0);
        task.abort();
        assert_eq!(drops.count(), 1);
        assert!(task.is_finished());
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn a_task_that_was_woken_is_dropped_without_another_poll() {
    greenloop::run(async {
        let (gate, drops) = (Gate::new(), Drops::new());
        let passed = Rc::new(Cell::new(false));
        let task = greenloop::spawn({
            let (gate, guard, passed) = (gate.clone(), drops.guard(), Rc::clone(&passed));
            async move {
                let _guard = guard;
                gate.wait().await;
                passed.set(true);
            }
        });
        greenloop::yield_now().await;
        gate.open();
        task.abort();
        assert_eq!(drops.count(), 1);
        greenloop::yield_now().await;
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(!passed.get());
    });
}

#[test]
fn a_task_that_aborts_itself_is_dropped_when_its_poll_is_over() {
    greenloop::run(async {
        let drops = Drops::new();
        let own: Slot<AbortHandle> = Slot::default();
        let went_on = Rc::new(Cell::new(false));
        let task = greenloop::spawn({
            let (guard, own, went_on) = (drops.guard(), Rc::clone(&own), Rc::clone(&went_on));
            let drops = drops.clone();
            async move {
                let _guard = guard;
                own.borrow().unwrap().abort();
                assert_eq!(drops.count(), 0, "not under its own feet");
                went_on.set(true);
                greenloop::yield_now().await;
                unreachable!("polled after the abort");
            }
        });
        *own.borrow_mut() = Some(task.abort_handle());
        greenloop::yield_now().await;
        assert_eq!(drops.count(), 1);
        assert!(went_on.get());
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn a_task_that_aborts_itself_and_finishes_in_the_same_poll_keeps_its_output() {
    greenloop::run(async {
        let own: Slot<AbortHandle> = Slot::default();
        let task = greenloop::spawn({
            let own = Rc::clone(&own);
            async move {
                own.borrow().unwrap().abort();
                "output"
            }
        });
        *own.borrow_mut() = Some(task.abort_handle());
        assert_eq!(task.await.unwrap(), "output");
    });
}

#[test]
fn a_task_that_aborts_itself_and_panics_in_the_same_poll_has_panicked() {
    greenloop::run(async {
        let own: Slot<AbortHandle> = Slot::default();
        let task = greenloop::spawn({
            let own = Rc::clone(&own);
            async move {
                own.borrow().unwrap().abort();
                panic!("oh");
            }
        });
        *own.borrow_mut() = Some(task.abort_handle());
        assert!(task.await.unwrap_err().is_panic());
    });
}

#[test]
fn a_task_that_aborts_and_wakes_itself_is_dropped_once() {
    for abort_first in [true, false] {
        greenloop::run(async move {
            let drops = Drops::new();
            let own: Slot<AbortHandle> = Slot::default();
            let task = greenloop::spawn({
                let (guard, own) = (drops.guard(), Rc::clone(&own));
                async move {
                    let _guard = guard;
                    let waker = own_waker().await;
                    let abort = own.borrow().unwrap();
                    if abort_first {
                        abort.abort();
                        waker.wake();
                    } else {
                        waker.wake();
                        abort.abort();
                    }
                    suspend().await;
                    unreachable!("polled after the abort");
                }
            });
            *own.borrow_mut() = Some(task.abort_handle());
            for _ in 0..3 {
                greenloop::yield_now().await;
            }
            assert_eq!(drops.count(), 1);
            assert!(task.await.unwrap_err().is_cancelled());
        });
    }
}

#[test]
fn dropping_the_handle_after_the_abort_changes_nothing() {
    greenloop::run(async {
        let drops = Drops::new();
        for polled in [false, true] {
            let task = greenloop::spawn(hold::<_, ()>(drops.guard()));
            if polled {
                greenloop::yield_now().await;
            }
            task.abort();
            drop(task);
        }
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn a_task_that_has_ended_keeps_its_output() {
    greenloop::run(async {
        let task = greenloop::spawn(async { "output" });
        greenloop::yield_now().await;
        task.abort();
        task.abort();
        assert_eq!(task.await.unwrap(), "output");
    });
}

#[test]
fn a_second_abort_does_nothing() {
    greenloop::run(async {
        let drops = Drops::new();
        let task = greenloop::spawn(hold::<_, ()>(drops.guard()));
        let abort = task.abort_handle();
        for _ in 0..3 {
            task.abort();
            abort.abort();
        }
        assert!(task.await.unwrap_err().is_cancelled());
        abort.abort();
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn an_abort_handle_whose_task_is_gone_does_not_hit_the_next_one() {
    greenloop::run(async {
        let task = greenloop::spawn(async {});
        let stale = task.abort_handle();
        task.await.unwrap();
        // Spawned into the place, and perhaps the memory, of the first.
        let next = greenloop::spawn(async { greenloop::yield_now().await });
        assert!(stale.is_finished());
        stale.abort();
        next.await.unwrap();
    });
}

#[test]
fn an_abort_handle_neither_keeps_nor_detaches_the_task() {
    greenloop::run(async {
        let drops = Drops::new();
        let task = greenloop::spawn(std::future::ready(drops.guard()));
        let abort = task.abort_handle();
        greenloop::yield_now().await;
        assert_eq!(drops.count(), 0, "the output still waits for the handle");
        drop(task);
        assert_eq!(drops.count(), 1);
        assert!(abort.is_finished());
    });
}

#[test]
fn abort_handles_work_after_the_handle_is_gone() {
    greenloop::run(async {
        let drops = Drops::new();
        let abort = greenloop::spawn(hold::<_, ()>(drops.guard())).abort_handle();
        greenloop::yield_now().await;
        assert!(!abort.is_finished());
        abort.abort();
        assert_eq!(drops.count(), 1);
        assert!(abort.is_finished());
    });
}

#[test]
fn an_abort_after_the_end_of_the_loop_does_nothing() {
    let (task, abort) = greenloop::run(async {
        let task = greenloop::spawn(std::future::pending::<()>());
        let abort = task.abort_handle();
        (task, abort)
    });
    task.abort();
    abort.abort();
    thread::spawn(move || abort.abort()).join().unwrap();
    assert!(abort.is_finished());
}

#[test]
fn an_abort_from_another_thread_runs_the_destructor_at_home() {
    greenloop::run(async {
        let home = thread::current().id();
        for polled in [false, true] {
            let dropped_on = Rc::new(Cell::new(None));
            let on_drop = OnDrop::new({
                let dropped_on = Rc::clone(&dropped_on);
                move || dropped_on.set(Some(thread::current().id()))
            });
            let task = greenloop::spawn(hold::<_, ()>(on_drop));
            if polled {
                greenloop::yield_now().await;
            }
            let abort = task.abort_handle();
            thread::spawn(move || abort.abort()).join().unwrap();
            assert!(task.await.unwrap_err().is_cancelled());
            assert_eq!(dropped_on.get(), Some(home));
        }
    });
}

#[test]
fn an_abort_from_another_thread_wakes_a_loop_that_sleeps() {
    greenloop::run(async {
        let task = greenloop::spawn(std::future::pending::<()>());
        let abort = task.abort_handle();
        let thread = thread::spawn(move || abort.abort());
        assert!(task.await.unwrap_err().is_cancelled());
        thread.join().unwrap();
    });
}

#[test]
fn an_abort_between_two_runs_is_done_by_the_next() {
    let mut event_loop = EventLoop::new().unwrap();
    let drops = Drops::new();
    let task = event_loop.run(async { greenloop::spawn(hold::<_, ()>(drops.guard())) });
    task.abort();
    assert_eq!(drops.count(), 0, "not in the middle of nowhere");
    assert!(event_loop.run(task).unwrap_err().is_cancelled());
    assert_eq!(drops.count(), 1);
}

#[test]
fn an_abort_from_another_thread_races_with_the_end_of_the_task() {
    greenloop::run(async {
        for _ in 0..500 {
            let drops = Drops::new();
            let start = Arc::new(Barrier::new(2));
            let (in_future, output) = (drops.guard(), drops.guard());
            let task = greenloop::spawn(async move {
                let _in_future = in_future;
                greenloop::yield_now().await;
                output
            });
            let abort = task.abort_handle();
            let thread = thread::spawn({
                let start = Arc::clone(&start);
                move || {
                    start.wait();
                    abort.abort();
                }
            });
            start.wait();
            match task.await {
                Ok(output) => drop(output),
                Err(error) => assert!(error.is_cancelled()),
            }
            thread.join().unwrap();
            assert_eq!(drops.count(), 2);
        }
    });
}

#[test]
fn abort_and_wait_ends_when_the_destructors_have_run() {
    greenloop::run(async {
        let drops = Drops::new();
        let task = greenloop::spawn(hold::<_, ()>(drops.guard()));
        greenloop::yield_now().await;
        assert!(task.abort_and_wait().await.unwrap_err().is_cancelled());
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn abort_and_wait_gives_the_output_of_a_task_that_had_ended() {
    greenloop::run(async {
        let task = greenloop::spawn(async { "output" });
        greenloop::yield_now().await;
        assert_eq!(task.abort_and_wait().await.unwrap(), "output");
    });
}

#[test]
fn abort_and_wait_aborts_when_it_is_awaited_and_detaches_when_it_is_not() {
    greenloop::run(async {
        let drops = Drops::new();
        let task = greenloop::spawn(hold::<_, ()>(drops.guard()));
        let abort = task.abort_handle();
        drop(task.abort_and_wait());
        greenloop::yield_now().await;
        assert_eq!(drops.count(), 0);
        assert!(!abort.is_finished());
    });
}

#[test]
fn a_destructor_that_panics_is_found_in_the_handle() {
    greenloop::run(async {
        for polled in [false, true] {
            let drops = Drops::new();
            let held = (OnDrop::new(|| panic!("in the destructor")), drops.guard());
            let task = greenloop::spawn(hold::<_, ()>(held));
            if polled {
                greenloop::yield_now().await;
            }
            task.abort();
            let error = task.await.unwrap_err();
            assert!(error.is_panic());
            assert!(error.to_string().ends_with("panicked: in the destructor"), "{error}");
            assert_eq!(drops.count(), 1, "the rest was dropped all the same");
        }
    });
}

#[test]
fn a_destructor_knows_its_task_and_its_loop_and_is_not_panicking() {
    greenloop::run(async {
        let seen = Rc::new(Cell::new(None));
        let on_drop = OnDrop::new({
            let seen = Rc::clone(&seen);
            move || {
                let _handle = Handle::current();
                seen.set(Some((task::try_id(), thread::panicking())));
            }
        });
        let task = greenloop::spawn(hold::<_, ()>(on_drop));
        let own = task::try_id();
        task.abort();
        assert_eq!(seen.get(), Some((Some(task.id()), false)));
        assert_eq!(task::try_id(), own, "the aborting task is itself again");
    });
}

#[test]
fn a_destructor_may_abort_its_own_task_again() {
    greenloop::run(async {
        let drops = Drops::new();
        let own: Slot<AbortHandle> = Slot::default();
        let on_drop = OnDrop::new({
            let own = Rc::clone(&own);
            move || own.borrow().unwrap().abort()
        });
        let task = greenloop::spawn(hold::<_, ()>((on_drop, drops.guard())));
        *own.borrow_mut() = Some(task.abort_handle());
        task.abort();
        assert_eq!(drops.count(), 1);
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn what_destructors_abort_is_gone_when_the_outer_abort_returns() {
    greenloop::run(async {
        let (log, write) = log();
        let inner = greenloop::spawn(hold::<_, ()>(OnDrop::new({
            let write = write.clone();
            move || write("inner")
        })));
        let abort_inner = inner.abort_handle();
        let outer = greenloop::spawn(hold::<_, ()>(OnDrop::new(move || {
            abort_inner.abort();
            write("outer");
        })));
        greenloop::yield_now().await;
        outer.abort();
        // The inner one had to wait until the outer destructor was over.
        assert_eq!(log.take(), ["outer", "inner"]);
        assert!(inner.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn two_tasks_whose_destructors_abort_each_other_are_both_dropped_once() {
    greenloop::run(async {
        let drops = Drops::new();
        let aborting = |other: &Slot<AbortHandle>| {
            let other = Rc::clone(other);
            let on_drop = OnDrop::new(move || other.borrow().unwrap().abort());
            greenloop::spawn(hold::<_, ()>((on_drop, drops.guard())))
        };
        let (one, two) = (Slot::default(), Slot::default());
        let (first, second) = (aborting(&two), aborting(&one));
        *one.borrow_mut() = Some(first.abort_handle());
        *two.borrow_mut() = Some(second.abort_handle());
        greenloop::yield_now().await;
        first.abort();
        assert_eq!(drops.count(), 2);
        assert!(first.await.unwrap_err().is_cancelled());
        assert!(second.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn a_destructor_that_aborts_the_running_task_lets_it_finish_its_poll() {
    greenloop::run(async {
        let drops = Drops::new();
        let running: Slot<AbortHandle> = Slot::default();
        let victim = greenloop::spawn(hold::<_, ()>(OnDrop::new({
            let running = Rc::clone(&running);
            move || running.borrow().unwrap().abort()
        })));
        let task = greenloop::spawn({
            let (guard, drops) = (drops.guard(), drops.clone());
            async move {
                let _guard = guard;
                victim.abort();
                assert_eq!(drops.count(), 0);
                suspend().await;
            }
        });
        *running.borrow_mut() = Some(task.abort_handle());
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(drops.count(), 1);
    });
}

/// Aborts its task when it is dropped.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Each task holds the next one, and ends it when it is dropped; the last one holds a guard.
fn chain(length: usize, drops: &Drops) -> JoinHandle<()> {
    (0..length).fold(greenloop::spawn(hold(drops.guard())), |next, _| {
        greenloop::spawn(hold((AbortOnDrop(next), drops.guard())))
    })
}

const DEEP: usize = 100_000;

#[test]
fn a_long_chain_of_tasks_is_aborted_without_a_deep_stack() {
    greenloop::run(async {
        let drops = Drops::new();
        let first = chain(DEEP, &drops);
        first.abort();
        assert_eq!(drops.count(), DEEP + 1);
        assert!(first.await.unwrap_err().is_cancelled());
        assert_eq!(event_loop::statistics().tasks, 1);
    });
}

#[test]
fn a_long_chain_of_tasks_is_aborted_without_a_deep_stack_when_the_first_finishes() {
    greenloop::run(async {
        let drops = Drops::new();
        let next = chain(DEEP, &drops);
        greenloop::spawn(async move { drop(AbortOnDrop(next)) }).await.unwrap();
        assert_eq!(drops.count(), DEEP + 1);
    });
}

#[test]
fn a_destructor_may_spawn_a_task_which_runs() {
    greenloop::run(async {
        let ran = Rc::new(Cell::new(false));
        let on_drop = OnDrop::new({
            let ran = Rc::clone(&ran);
            move || drop(greenloop::spawn(async move { ran.set(true) }))
        });
        greenloop::spawn(hold::<_, ()>(on_drop)).abort();
        assert!(!ran.get());
        greenloop::yield_now().await;
        assert!(ran.get());
    });
}

#[test]
fn what_an_aborted_task_waited_for_runs_on() {
    greenloop::run(async {
        let gate = Gate::new();
        let ran = Rc::new(Cell::new(false));
        let child = greenloop::spawn({
            let (gate, ran) = (gate.clone(), Rc::clone(&ran));
            async move {
                gate.wait().await;
                ran.set(true);
            }
        });
        let parent = greenloop::spawn(child);
        greenloop::yield_now().await;
        assert!(parent.abort_and_wait().await.unwrap_err().is_cancelled());
        gate.open();
        greenloop::yield_now().await;
        assert!(ran.get());
    });
}

#[test]
fn a_task_may_be_aborted_at_every_one_of_its_waits() {
    const STEPS: usize = 10;
    greenloop::run(async {
        for polls in 0..=STEPS {
            let drops = Drops::new();
            let entered = Rc::new(Cell::new(0));
            let task = greenloop::spawn({
                let (drops, entered) = (drops.clone(), Rc::clone(&entered));
                async move {
                    let mut held = Vec::new();
                    for _ in 0..STEPS {
                        held.push(drops.guard());
                        entered.set(entered.get() + 1);
                        greenloop::yield_now().await;
                    }
                    held.len()
                }
            });
            for _ in 0..polls {
                greenloop::yield_now().await;
            }
            assert_eq!(entered.get(), polls.min(STEPS));
            let result = task.abort_and_wait().await;
            assert_eq!(drops.count(), entered.get());
            assert_eq!(result.is_err(), polls <= STEPS);
        }
    });
}

#[test]
fn a_task_that_only_its_own_waker_kept_is_freed_by_the_abort() {
    greenloop::run(async {
        let drops = Drops::new();
        let slot: Slot<std::task::Waker> = Slot::default();
        let abort = greenloop::spawn({
            let (slot, guard) = (Rc::clone(&slot), drops.guard());
            async move {
                let _guard = guard;
                *slot.borrow_mut() = Some(own_waker().await);
                // A cycle: the future keeps the waker, and the waker the task.
                let _slot = slot;
                suspend().await;
            }
        })
        .abort_handle();
        greenloop::yield_now().await;
        abort.abort();
        assert_eq!(drops.count(), 1);
        assert_eq!(Rc::strong_count(&slot), 1);
    });
}

#[test]
fn a_stranger_may_abort_while_the_task_is_being_polled() {
    greenloop::run(async {
        let asked = Arc::new(AtomicBool::new(false));
        let handle: Arc<Mutex<Option<AbortHandle>>> = Arc::default();
        let task = greenloop::spawn({
            let (asked, handle) = (Arc::clone(&asked), Arc::clone(&handle));
            async move {
                let abort = handle.lock().unwrap().unwrap();
                let thread = thread::spawn({
                    let asked = Arc::clone(&asked);
                    move || {
                        abort.abort();
                        asked.store(true, SeqCst);
                    }
                });
                thread.join().unwrap();
                assert!(asked.load(SeqCst));
                suspend().await;
            }
        });
        *handle.lock().unwrap() = Some(task.abort_handle());
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn all_of_many_tasks_may_be_aborted_by_one_of_them() {
    greenloop::run(async {
        let drops = Drops::new();
        let all: Rc<RefCell<Vec<AbortHandle>>> = Rc::default();
        let tasks: Vec<JoinHandle<()>> = (0..100)
            .map(|number| {
                let (all, guard) = (Rc::clone(&all), drops.guard());
                let future: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
                    let _guard = guard;
                    if number == 50 {
                        all.borrow().iter().for_each(AbortHandle::abort);
                    }
                    suspend().await;
                });
                greenloop::spawn(future)
            })
            .collect();
        all.borrow_mut().extend(tasks.iter().map(JoinHandle::abort_handle));
        for task in tasks {
            assert!(task.await.unwrap_err().is_cancelled());
        }
        assert_eq!(drops.count(), 100);
    });
}

#[test]
fn a_joiners_waker_may_abort_the_task_when_it_is_dropped() {
    struct AbortWhenDropped(AbortHandle);

    impl Wake for AbortWhenDropped {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for AbortWhenDropped {
        fn drop(&mut self) {
            self.0.abort();
        }
    }

    greenloop::run(async {
        let drops = Drops::new();
        let mut task = greenloop::spawn(hold::<_, ()>(drops.guard()));
        let waker = Waker::from(Arc::new(AbortWhenDropped(task.abort_handle())));
        assert!(Pin::new(&mut task).poll(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        assert_eq!(drops.count(), 0);
        // Puts its own waker in the place of that one.
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(drops.count(), 1);
    });
}
