//! `Handle` reaches a loop from any thread: it spawns there, waits for what it spawned, ends it, and
//! stops the loop.

mod support;

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    thread,
    time::Duration,
};

use greenloop::{EventLoop, Handle, event_loop, task};
use support::{Drops, Gate, OnDrop, Wakes, block_on, panic_of};

/// Runs a loop on a thread of its own while `f` has its handle, and then stops it.
fn with_loop<T>(f: impl FnOnce(&Handle) -> T) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        let mut event_loop = EventLoop::new().unwrap();
        sender.send(event_loop.handle()).unwrap();
        event_loop.run_forever();
    });
    let handle = receiver.recv().unwrap();
    let result = f(&handle);
    handle.stop();
    thread.join().unwrap();
    result
}

#[test]
fn a_spawned_future_runs_on_the_loops_thread() {
    with_loop(|handle| {
        let task = handle.spawn(async { thread::current().id() });
        let there = task.join().unwrap();
        assert_ne!(there, thread::current().id());
        assert_eq!(handle.spawn(async { thread::current().id() }).join().unwrap(), there);
    });
}

#[test]
fn a_future_of_a_closure_may_hold_what_is_not_send() {
    with_loop(|handle| {
        let home = thread::current().id();
        let task = handle.spawn_with(move || {
            assert_ne!(thread::current().id(), home, "the closure is called there");
            let local = Rc::new(Cell::new(1));
            async move {
                greenloop::yield_now().await;
                local.set(local.get() + 1);
                local.get()
            }
        });
        assert_eq!(task.join().unwrap(), 2);
    });
}

#[test]
fn a_loop_that_sleeps_wakes_for_a_spawn() {
    greenloop::run(async {
        let (sender, receiver) = async_channel::bounded(1);
        let handle = Handle::current();
        let thread = thread::spawn(move || {
            handle.spawn(async move { sender.send("message").await.unwrap() });
        });
        assert_eq!(receiver.recv().await, Ok("message"));
        thread.join().unwrap();
    });
}

#[test]
fn a_loop_that_is_busy_takes_spawns_too() {
    greenloop::run(async {
        greenloop::spawn(async {
            loop {
                greenloop::yield_now().await;
            }
        });
        let handle = Handle::current();
        let thread = thread::spawn(move || handle.spawn(async { "output" }).join().unwrap());
        while !thread.is_finished() {
            greenloop::yield_now().await;
        }
        assert_eq!(thread.join().unwrap(), "output");
    });
}

#[test]
fn remote_spawns_that_spawn_themselves_again_starve_nobody() {
    fn again(handle: &Handle, stop: &Arc<AtomicBool>) {
        if !stop.load(SeqCst) {
            let (next, stop) = (handle.clone(), Arc::clone(stop));
            drop(handle.spawn(async move { again(&next, &stop) }));
        }
    }
    greenloop::run(async {
        let stop = Arc::new(AtomicBool::new(false));
        again(&Handle::current(), &stop);
        for _ in 0..100 {
            greenloop::yield_now().await;
        }
        greenloop::sleep(Duration::from_millis(1)).await;
        stop.store(true, SeqCst);
    });
}

#[test]
fn what_is_spawned_by_one_thread_starts_in_that_order() {
    let order = Arc::new(Mutex::new(Vec::new()));
    with_loop(|handle| {
        let tasks: Vec<_> = (0..1000)
            .map(|number| {
                let order = Arc::clone(&order);
                handle.spawn(async move { order.lock().unwrap().push(number) })
            })
            .collect();
        tasks.into_iter().for_each(|task| task.join().unwrap());
    });
    assert!(order.lock().unwrap().iter().copied().eq(0..1000));
}

#[test]
fn what_many_threads_spawn_runs_once_each() {
    const THREADS: usize = 8;
    const SPAWNS: usize = 500;
    let runs = Arc::new(AtomicUsize::new(0));
    let drops = Drops::new();
    with_loop(|handle| {
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let spawn = |number| {
                        let (runs, guard) = (Arc::clone(&runs), drops.guard());
                        handle.spawn(async move {
                            let _guard = guard;
                            greenloop::yield_now().await;
                            runs.fetch_add(1, SeqCst);
                            number
                        })
                    };
                    let tasks: Vec<_> = (0..SPAWNS).map(spawn).collect();
                    for (number, task) in tasks.into_iter().enumerate() {
                        assert_eq!(task.join().unwrap(), number);
                    }
                });
            }
        });
    });
    assert_eq!((runs.load(SeqCst), drops.count()), (THREADS * SPAWNS, THREADS * SPAWNS));
}

#[test]
fn the_task_has_the_id_of_its_handle() {
    with_loop(|handle| {
        let task = handle.spawn(async { task::try_id() });
        let id = task.id();
        assert_eq!(task.join().unwrap(), Some(id));
    });
}

#[test]
fn a_task_of_the_same_loop_may_await_it() {
    greenloop::run(async {
        assert_eq!(Handle::current().spawn(async { "output" }).await.unwrap(), "output");
    });
}

#[test]
fn a_task_of_another_loop_may_await_it() {
    with_loop(|handle| {
        let output = greenloop::run(async {
            let tasks = (0..100).map(|number| handle.spawn(async move { number }));
            greenloop::join_all(tasks).await
        });
        assert!(output.into_iter().map(Result::unwrap).eq(0..100));
    });
}

#[test]
fn a_foreign_executor_may_await_it() {
    with_loop(|handle| {
        let gate = Gate::new();
        let task = handle.spawn({
            let gate = gate.clone();
            async move { gate.wait().await }
        });
        gate.open();
        block_on(task).unwrap();
    });
}

#[test]
fn awaiting_it_may_be_given_up_and_begun_again_and_wakes_the_last_who_asked() {
    with_loop(|handle| {
        let gate = Gate::new();
        let mut task = handle.spawn({
            let gate = gate.clone();
            async move {
                gate.wait().await;
                "output"
            }
        });
        let first = Wakes::new();
        let waker = first.waker();
        assert!(Pin::new(&mut task).poll(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        gate.open();
        assert_eq!(block_on(&mut task).unwrap(), "output");
        assert!(task.is_finished());
        assert_eq!(first.references(), 1);
    });
}

#[test]
fn polling_it_after_it_gave_its_output_is_a_clear_panic() {
    with_loop(|handle| {
        let mut task = handle.spawn(async {});
        block_on(&mut task).unwrap();
        let caught = panic_of(|| block_on(&mut task));
        assert!(caught.message.contains("after it gave its output"), "{caught:?}");
        let caught = panic_of(|| task.join());
        assert!(caught.message.contains("taken already"), "{caught:?}");
    });
}

#[test]
fn joining_it_on_a_thread_that_runs_a_loop_is_a_clear_panic_at_the_callers_line() {
    greenloop::run(async {
        let task = Handle::current().spawn(async {});
        let caught = panic_of(|| task.join());
        caught.assert_within(1);
        assert!(caught.message.contains("await the handle instead"), "{caught:?}");
    });
}

#[test]
fn an_output_is_left_for_whoever_comes_late() {
    let drops = Drops::new();
    with_loop(|handle| {
        let guard = drops.guard();
        let task = handle.spawn(async move { guard });
        handle.spawn(async {}).join().unwrap();
        assert!(task.is_finished());
        assert_eq!(drops.count(), 0);
        drop(task.join().unwrap());
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn an_output_outlives_its_loop_in_the_handle() {
    let task = with_loop(|handle| {
        let task = handle.spawn(async { "output" });
        handle.spawn(async {}).join().unwrap();
        task
    });
    assert_eq!(task.join().unwrap(), "output");
}

#[test]
fn a_task_whose_handle_was_dropped_runs_on_and_its_output_is_dropped_there() {
    with_loop(|handle| {
        let gate = Gate::new();
        let (sender, dropped_on) = std::sync::mpsc::channel();
        let output = OnDrop::new(move || sender.send(thread::current().id()).unwrap());
        drop(handle.spawn({
            let gate = gate.clone();
            async move {
                gate.wait().await;
                output
            }
        }));
        gate.open();
        let there = handle.spawn(async { thread::current().id() }).join().unwrap();
        assert_eq!(dropped_on.recv().unwrap(), there);
    });
}

#[test]
fn an_abort_drops_the_future_on_the_loops_thread() {
    with_loop(|handle| {
        let (sender, dropped_on) = std::sync::mpsc::channel();
        let started = Arc::new(Barrier::new(2));
        let on_drop = OnDrop::new(move || sender.send(thread::current().id()).unwrap());
        let task = handle.spawn({
            let started = Arc::clone(&started);
            async move {
                let _on_drop = on_drop;
                started.wait();
                std::future::pending::<()>().await;
            }
        });
        let id = task.id();
        started.wait();
        task.abort();
        let error = task.join().unwrap_err();
        assert!(error.is_cancelled() && error.id() == id);
        let there = handle.spawn(async { thread::current().id() }).join().unwrap();
        assert_eq!(dropped_on.recv().unwrap(), there);
    });
}

#[test]
fn when_a_join_says_cancelled_the_destructors_have_run() {
    with_loop(|handle| {
        for _ in 0..200 {
            let drops = Drops::new();
            let guard = drops.guard();
            let task = handle.spawn(async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            });
            task.abort();
            assert!(task.join().unwrap_err().is_cancelled());
            assert_eq!(drops.count(), 1);
        }
    });
}

#[test]
fn an_abort_before_the_start_means_that_the_closure_is_not_called() {
    let mut event_loop = EventLoop::new().unwrap();
    let called = Arc::new(AtomicUsize::new(0));
    let drops = Drops::new();
    let task = event_loop.handle().spawn_with({
        let (called, guard) = (Arc::clone(&called), drops.guard());
        move || {
            called.fetch_add(1, SeqCst);
            async move { drop(guard) }
        }
    });
    task.abort();
    assert!(event_loop.run(task).unwrap_err().is_cancelled());
    assert_eq!((called.load(SeqCst), drops.count()), (0, 1));
}

#[test]
fn an_abort_after_the_end_leaves_the_output() {
    with_loop(|handle| {
        let task = handle.spawn(async { "output" });
        handle.spawn(async {}).join().unwrap();
        task.abort();
        assert_eq!(task.join().unwrap(), "output");
    });
}

#[test]
fn an_abort_races_with_the_end_of_the_task() {
    with_loop(|handle| {
        let mut both = [0, 0];
        for _ in 0..500 {
            let drops = Drops::new();
            let guard = drops.guard();
            let task = handle.spawn(async move {
                greenloop::yield_now().await;
                guard
            });
            task.abort();
            match task.join() {
                Ok(output) => {
                    both[0] += 1;
                    drop(output);
                }
                Err(error) => {
                    both[1] += 1;
                    assert!(error.is_cancelled());
                }
            }
            assert_eq!(drops.count(), 1);
        }
        assert_eq!(both[0] + both[1], 500);
    });
}

#[test]
fn a_panic_is_found_in_the_handle_and_the_loop_goes_on() {
    with_loop(|handle| {
        let in_future = handle.spawn(async { panic!("oh") });
        let id = in_future.id();
        let error = in_future.join().unwrap_err();
        assert_eq!(error.to_string(), format!("task {id} panicked: oh"));

        let in_closure = handle.spawn_with(|| -> std::future::Ready<()> { panic!("no future") });
        let error = block_on(in_closure).unwrap_err();
        assert!(error.to_string().ends_with("panicked: no future"));
        handle.spawn(async {}).join().unwrap();
    });
}

#[test]
fn remote_spawns_are_tasks_like_others() {
    with_loop(|handle| {
        let task = handle.spawn(async {
            let inner = greenloop::spawn(async { event_loop::statistics().tasks });
            inner.await.unwrap()
        });
        assert_eq!(task.join().unwrap(), 2);
    });
}

#[test]
fn stop_ends_run_forever_from_inside_and_from_outside() {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    handle.spawn({
        let handle = handle.clone();
        async move { handle.stop() }
    });
    event_loop.run_forever();

    let thread = thread::spawn(move || handle.stop());
    event_loop.run_forever();
    thread.join().unwrap();
}

#[test]
fn a_stop_before_run_forever_ends_it_at_once_and_only_that_one() {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    handle.stop();
    handle.stop();
    event_loop.run_forever();

    let ran = Arc::new(AtomicUsize::new(0));
    handle.spawn({
        let (handle, ran) = (handle.clone(), Arc::clone(&ran));
        async move {
            greenloop::sleep(std::time::Duration::from_millis(1)).await;
            ran.fetch_add(1, SeqCst);
            handle.stop();
        }
    });
    event_loop.run_forever();
    assert_eq!(ran.load(SeqCst), 1);
}

#[test]
fn a_stop_does_not_end_run_nor_keep_it_from_sleeping() {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let turns = event_loop.run(async {
        handle.stop();
        greenloop::sleep(std::time::Duration::from_millis(1)).await;
        let before = event_loop::statistics().turns;
        greenloop::sleep(std::time::Duration::from_millis(50)).await;
        event_loop::statistics().turns - before
    });
    assert!(turns < 20, "{turns} turns in 50 ms of doing nothing");
    // It was asked for, so the next `run_forever` has it.
    event_loop.run_forever();
}

#[test]
fn tasks_that_are_ready_have_their_turn_before_a_stop_takes_place() {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..10 {
        let ran = Arc::clone(&ran);
        handle.spawn(async move {
            ran.fetch_add(1, SeqCst);
        });
    }
    handle.stop();
    event_loop.run_forever();
    assert_eq!(ran.load(SeqCst), 10);
}

#[test]
fn handles_of_one_loop_are_told_from_those_of_another() {
    let (first, second) = (EventLoop::new().unwrap(), EventLoop::new().unwrap());
    let text = |event_loop: &EventLoop| format!("{:?}", event_loop.handle());
    assert_eq!(text(&first), text(&first));
    assert_ne!(text(&first), text(&second));
}

#[test]
fn a_remote_handle_that_is_polled_by_two_wakes_only_the_last() {
    let mut event_loop = EventLoop::new().unwrap();
    let mut task = event_loop.handle().spawn(async {});
    let (first, second) = (Wakes::new(), Wakes::new());
    for wakes in [&first, &second] {
        let waker = wakes.waker();
        let polled = Pin::new(&mut task).poll(&mut Context::from_waker(&waker));
        assert!(matches!(polled, Poll::Pending));
    }
    event_loop.run(async {
        while !task.is_finished() {
            greenloop::yield_now().await;
        }
    });
    assert_eq!((first.count(), second.count()), (0, 1));
    task.join().unwrap();
}
