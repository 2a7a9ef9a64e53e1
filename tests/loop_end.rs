//! When a loop is dropped all of its tasks are, on its thread and before the drop returns, whatever
//! they hold and whatever their destructors do; and whoever asks for them later gets an answer.
#![allow(clippy::async_yields_async, reason = "handles are what is handed around here")]

#[path = "support/own_process.rs"]
mod own_process;
mod support;

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use greenloop::{
    EventLoop, Handle, event_loop,
    net::{TcpListener, UnixStream},
    task::JoinHandle,
};
use support::{Drops, Gate, OnDrop, Wakes, block_on, hold, own_waker, suspend};

#[test]
fn tasks_in_every_state_are_dropped_with_the_loop() {
    let drops = Drops::new();
    greenloop::run(async {
        let gate = Gate::new();
        let waits = || {
            let (gate, guard) = (gate.clone(), drops.guard());
            async move {
                let _guard = guard;
                gate.wait().await;
            }
        };
        let kept = [greenloop::spawn(waits()), greenloop::spawn(waits())];
        drop(greenloop::spawn(waits()));
        let ended = greenloop::spawn(std::future::ready(drops.guard()));
        greenloop::yield_now().await;
        // Those so far are waiting, or have ended. This wakes the waiting ones.
        gate.open();
        let never_polled = greenloop::spawn(waits());
        let woken_twice = greenloop::spawn(async move {
            own_waker().await.wake();
            suspend().await;
        });
        std::mem::forget((kept, ended, never_polled, woken_twice));
    });
    assert_eq!(drops.count(), 5);
}

#[test]
fn the_loop_is_dropped_with_its_tasks_also_if_it_never_ran() {
    let drops = Drops::new();
    let event_loop = EventLoop::new().unwrap();
    let guard = drops.guard();
    let task = event_loop.handle().spawn(async move { drop(guard) });
    drop(event_loop);
    assert_eq!(drops.count(), 1);
    assert!(task.join().unwrap_err().is_cancelled());
}

#[test]
fn destructors_run_on_the_dropping_thread_and_find_their_loop() {
    let seen = Rc::new(Cell::new(None));
    greenloop::run(async {
        let on_drop = OnDrop::new({
            let seen = Rc::clone(&seen);
            move || {
                let _handle = Handle::current();
                let _statistics = event_loop::statistics();
                seen.set(Some((thread::current().id(), greenloop::task::try_id())));
            }
        });
        let task = greenloop::spawn(hold::<_, ()>(on_drop));
        seen.set(Some((thread::current().id(), Some(task.id()))));
    });
    let (dropped_on, id) = seen.get().unwrap();
    assert_eq!(dropped_on, thread::current().id());
    assert!(id.is_some());
    assert!(Handle::try_current().is_none());
}

#[test]
fn two_tasks_that_hold_each_others_handles_are_dropped() {
    let drops = Drops::new();
    greenloop::run(async {
        let slots = [(); 2].map(|()| Rc::new(RefCell::new(None::<JoinHandle<()>>)));
        let tasks = [0, 1].map(|number| {
            let (slot, guard) = (Rc::clone(&slots[number]), drops.guard());
            greenloop::spawn(async move {
                let _guard = guard;
                greenloop::yield_now().await;
                let other = slot.take().unwrap();
                other.await.unwrap();
            })
        });
        let [first, second] = tasks;
        *slots[0].borrow_mut() = Some(second);
        *slots[1].borrow_mut() = Some(first);
        for _ in 0..5 {
            greenloop::yield_now().await;
        }
        assert_eq!(event_loop::statistics().tasks, 3, "each waits for the other");
    });
    assert_eq!(drops.count(), 2);
}

#[test]
fn a_task_that_holds_its_own_handle_and_waker_is_dropped() {
    let drops = Drops::new();
    greenloop::run(async {
        let slot = Rc::new(RefCell::new((None::<JoinHandle<()>>, None::<Waker>)));
        let task = greenloop::spawn({
            let (slot, guard) = (Rc::clone(&slot), drops.guard());
            async move {
                let _guard = guard;
                slot.borrow_mut().1 = Some(own_waker().await);
                suspend().await;
                drop(slot);
            }
        });
        slot.borrow_mut().0 = Some(task);
        greenloop::yield_now().await;
    });
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_destructor_may_wake_a_task_that_waits_and_one_that_is_gone() {
    let polls = Rc::new(Cell::new(0));
    greenloop::run(async {
        let wakers = Rc::new(RefCell::new(Vec::<Waker>::new()));
        for _ in 0..3 {
            let on_drop = OnDrop::new({
                let wakers = Rc::clone(&wakers);
                move || wakers.borrow().iter().for_each(Waker::wake_by_ref)
            });
            let (wakers, polls) = (Rc::clone(&wakers), Rc::clone(&polls));
            drop(greenloop::spawn(async move {
                let _on_drop = on_drop;
                let waker = own_waker().await;
                wakers.borrow_mut().push(waker);
                std::future::poll_fn(|_| {
                    polls.set(polls.get() + 1);
                    Poll::<()>::Pending
                })
                .await;
            }));
        }
        greenloop::yield_now().await;
    });
    assert_eq!(polls.get(), 3, "none was polled in the end");
}

#[test]
fn a_destructor_may_take_the_lock_that_a_woken_task_would_take() {
    let lock = Arc::new(Mutex::new(()));
    let (sender, receiver) = async_channel::unbounded();
    greenloop::run(async {
        drop(greenloop::spawn({
            let lock = Arc::clone(&lock);
            async move {
                while let Ok(()) = receiver.recv().await {
                    drop(lock.lock().unwrap());
                }
            }
        }));
        let on_drop = OnDrop::new(move || {
            let _locked = lock.lock().unwrap();
            // The other task is woken, or gone; polled now it would wait for the lock for ever.
            let _ = sender.try_send(());
        });
        drop(greenloop::spawn(hold::<_, ()>(on_drop)));
        greenloop::yield_now().await;
    });
}

#[test]
fn a_destructor_may_spawn_a_task_which_is_dropped_unpolled() {
    let (drops, polled) = (Drops::new(), Rc::new(Cell::new(false)));
    greenloop::run(async {
        let on_drop = OnDrop::new({
            let (guard, polled) = (drops.guard(), Rc::clone(&polled));
            move || {
                let task = greenloop::spawn(async move {
                    let _guard = guard;
                    polled.set(true);
                });
                drop(task);
            }
        });
        drop(greenloop::spawn(hold::<_, ()>(on_drop)));
        greenloop::yield_now().await;
    });
    assert_eq!(drops.count(), 1);
    assert!(!polled.get());
}

#[test]
fn a_destructor_that_keeps_the_handle_of_what_it_spawned_gets_an_error() {
    let slot = Rc::new(RefCell::new(None));
    greenloop::run(async {
        let on_drop = OnDrop::new({
            let slot = Rc::clone(&slot);
            move || *slot.borrow_mut() = Some(greenloop::spawn(async {}))
        });
        drop(greenloop::spawn(hold::<_, ()>(on_drop)));
    });
    assert!(block_on(slot.take().unwrap()).unwrap_err().is_cancelled());
}

#[test]
fn a_destructor_may_spawn_through_the_handle_and_gets_an_error() {
    let slot = Rc::new(RefCell::new(None));
    greenloop::run(async {
        let handle = Handle::current();
        let on_drop = OnDrop::new({
            let slot = Rc::clone(&slot);
            move || *slot.borrow_mut() = Some(handle.spawn(async {}))
        });
        drop(greenloop::spawn(hold::<_, ()>(on_drop)));
    });
    assert!(slot.take().unwrap().join().unwrap_err().is_cancelled());
}

/// Spawns another one of its kind when it is dropped, so many times.
struct Respawn {
    left: Rc<Cell<usize>>,
    drops: Rc<Cell<usize>>,
}

impl Drop for Respawn {
    fn drop(&mut self) {
        self.drops.set(self.drops.get() + 1);
        if self.left.get() > 0 {
            self.left.set(self.left.get() - 1);
            let next = Self { left: Rc::clone(&self.left), drops: Rc::clone(&self.drops) };
            drop(greenloop::spawn(hold::<_, ()>(next)));
        }
    }
}

/// Ends a loop in which the first of `generations` respawning tasks lives; how many were dropped.
fn end_with_generations(generations: usize) -> usize {
    let drops = Rc::new(Cell::new(0));
    let left = Rc::new(Cell::new(generations - 1));
    greenloop::run(async {
        let first = Respawn { left, drops: Rc::clone(&drops) };
        drop(greenloop::spawn(hold::<_, ()>(first)));
    });
    drops.get()
}

#[test]
fn tasks_that_spawn_others_when_dropped_are_followed_for_a_while() {
    assert_eq!(end_with_generations(50), 50);
}

#[test]
fn tasks_that_spawn_others_without_end_when_dropped_do_not_hold_up_the_loops_end() {
    const TOO_MANY: usize = 1_000_000;
    // In a process of its own, because the last one is leaked, which a leak checker would report.
    if own_process::is_own() {
        println!("dropped {}", end_with_generations(TOO_MANY));
        return;
    }
    let name = "tasks_that_spawn_others_without_end_when_dropped_do_not_hold_up_the_loops_end";
    let output = own_process::command(name).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("dropped "), "{said}");
    assert!(!said.contains(&format!("dropped {TOO_MANY}")), "it went on to the end");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("could not be ended with its loop"), "what is leaked is named: {said}");
}

#[test]
fn a_destructor_may_abort_the_others() {
    let drops = Drops::new();
    greenloop::run(async {
        let aborts = Rc::new(RefCell::new(Vec::<greenloop::task::AbortHandle>::new()));
        for _ in 0..5 {
            let on_drop = OnDrop::new({
                let aborts = Rc::clone(&aborts);
                move || aborts.borrow().iter().for_each(|abort| abort.abort())
            });
            let task = greenloop::spawn(hold::<_, ()>((on_drop, drops.guard())));
            aborts.borrow_mut().push(task.abort_handle());
        }
        greenloop::yield_now().await;
    });
    assert_eq!(drops.count(), 5);
}

#[test]
fn a_long_chain_of_handles_is_dropped_without_a_deep_stack() {
    const LENGTH: usize = 100_000;
    let drops = Drops::new();
    greenloop::run(async {
        let mut first: JoinHandle<()> = greenloop::spawn(hold(drops.guard()));
        for _ in 0..LENGTH {
            first = greenloop::spawn(hold((first, drops.guard())));
        }
        drop(first);
        greenloop::yield_now().await;
    });
    assert_eq!(drops.count(), LENGTH + 1);
}

#[test]
fn a_destructor_that_runs_a_loop_is_refused_and_the_others_are_dropped() {
    let drops = Drops::new();
    let refused = Rc::new(Cell::new(false));
    greenloop::run(async {
        let on_drop = OnDrop::new({
            let refused = Rc::clone(&refused);
            move || {
                let run = || greenloop::run(async {});
                refused.set(std::panic::catch_unwind(run).is_err());
            }
        });
        drop(greenloop::spawn(hold::<_, ()>(on_drop)));
        drop(greenloop::spawn(hold::<_, ()>(drops.guard())));
    });
    assert!(refused.get());
    assert_eq!(drops.count(), 1);
}

#[test]
fn the_root_is_dropped_before_the_tasks() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let write = |entry| {
        let log = Rc::clone(&log);
        OnDrop::new(move || log.borrow_mut().push(entry))
    };
    greenloop::run(async {
        let _root = write("root");
        drop(greenloop::spawn(hold::<_, ()>(write("task"))));
        greenloop::yield_now().await;
    });
    assert_eq!(log.take(), ["root", "task"]);
}

#[test]
fn a_loop_may_be_dropped_in_a_task_of_another() {
    let drops = Drops::new();
    greenloop::run(async {
        let outer = Handle::current();
        let inner = EventLoop::new().unwrap();
        let guard = drops.guard();
        let task = inner.handle().spawn_with(move || async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        });
        let waiting = greenloop::spawn(task);
        greenloop::yield_now().await;
        drop(inner);
        assert_eq!(drops.count(), 1);
        assert!(waiting.await.unwrap().unwrap_err().is_cancelled());
        assert_eq!(format!("{:?}", Handle::current()), format!("{outer:?}"));
        greenloop::spawn(async {}).await.unwrap();
    });
}

thread_local! {
    static LOOP: RefCell<Option<EventLoop>> = const { RefCell::new(None) };
    static HANDLE: RefCell<Option<JoinHandle<()>>> = const { RefCell::new(None) };
}

#[test]
fn a_loop_in_a_thread_local_is_dropped_with_the_thread() {
    let drops = Drops::new();
    let guard = drops.guard();
    thread::spawn(move || {
        let mut event_loop = EventLoop::new().unwrap();
        event_loop.run(async {
            // All that a task may hold: a timer, a socket, a waker, another task's handle.
            let timer = greenloop::spawn(greenloop::sleep(Duration::from_secs(3600)));
            drop(greenloop::spawn(async move {
                let _guard = guard;
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let _waker = own_waker().await;
                let _connection = greenloop::join!(listener.accept(), timer).0;
            }));
            for _ in 0..100 {
                greenloop::yield_now().await;
            }
        });
        LOOP.set(Some(event_loop));
    })
    .join()
    .unwrap();
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_handle_in_a_thread_local_may_be_dropped_with_the_thread_after_its_loop() {
    thread::spawn(|| {
        HANDLE.with(|_| ());
        greenloop::run(async {
            HANDLE.set(Some(greenloop::spawn(std::future::pending())));
        });
    })
    .join()
    .unwrap();
}

#[test]
fn a_handle_answers_with_an_error_when_the_loop_is_gone() {
    let drops = Drops::new();
    let handle = greenloop::run(async { Handle::current() });
    let guard = drops.guard();
    let task = handle.spawn(async move { drop(guard) });
    assert_eq!(drops.count(), 1, "the future was dropped at once");
    assert!(task.is_finished());
    task.abort();
    let id = task.id();
    let error = task.join().unwrap_err();
    assert!(error.is_cancelled() && error.id() == id);

    assert!(block_on(handle.spawn_with(|| async { *Rc::new(1) })).unwrap_err().is_cancelled());
    assert!(greenloop::run(handle.spawn(async {})).unwrap_err().is_cancelled());
    handle.stop();
}

#[test]
fn a_remote_task_that_runs_when_the_loop_ends_is_cancelled() {
    let drops = Drops::new();
    let guard = drops.guard();
    let task = greenloop::run(async {
        let started = Gate::new();
        let task = Handle::current().spawn({
            let started = started.clone();
            async move {
                let _guard = guard;
                started.open();
                std::future::pending::<()>().await;
            }
        });
        started.wait().await;
        task
    });
    assert_eq!(drops.count(), 1);
    assert!(task.join().unwrap_err().is_cancelled());
}

#[test]
fn a_thread_that_waits_for_a_remote_task_is_told_of_the_end() {
    let (send_handle, handle) = std::sync::mpsc::channel::<Handle>();
    let started = Gate::new();
    let waiting = thread::spawn({
        let started = started.clone();
        move || {
            let handle = handle.recv().unwrap();
            handle
                .spawn(async move {
                    started.open();
                    std::future::pending::<()>().await;
                })
                .join()
        }
    });
    greenloop::run(async {
        send_handle.send(Handle::current()).unwrap();
        started.wait().await;
    });
    assert!(waiting.join().unwrap().unwrap_err().is_cancelled());
}

#[test]
fn spawns_from_another_thread_race_with_the_end_and_all_are_answered() {
    for _ in 0..50 {
        let drops = Drops::new();
        let count = Arc::new(AtomicUsize::new(0));
        let begun = Gate::new();
        let spawner = greenloop::run(async {
            let handle = Handle::current();
            let spawner = thread::spawn({
                let (drops, count, begun) = (drops.clone(), Arc::clone(&count), begun.clone());
                move || {
                    let mut tasks = Vec::new();
                    for number in 0..200 {
                        if number == 20 {
                            begun.open();
                        }
                        let (guard, count) = (drops.guard(), Arc::clone(&count));
                        tasks.push(handle.spawn(async move {
                            let _guard = guard;
                            count.fetch_add(1, SeqCst);
                        }));
                    }
                    tasks.into_iter().filter_map(|task| task.join().ok()).count()
                }
            });
            begun.wait().await;
            spawner
        });
        let finished = spawner.join().unwrap();
        assert_eq!(finished, count.load(SeqCst), "who ran to the end said so, and nobody else");
        assert_eq!(drops.count(), 200);
    }
}

#[test]
fn aborts_and_drops_of_handles_race_with_the_end() {
    for _ in 0..100 {
        let drops = Drops::new();
        let begun = Arc::new(AtomicBool::new(false));
        let thread = greenloop::run(async {
            let task = || greenloop::spawn(hold::<_, ()>(drops.guard()));
            let tasks: Vec<_> = (0..20).map(|_| task()).collect();
            greenloop::yield_now().await;
            let thread = thread::spawn({
                let begun = Arc::clone(&begun);
                move || {
                    for (number, task) in tasks.into_iter().enumerate() {
                        if number % 2 == 0 {
                            task.abort();
                        }
                        drop(task);
                        begun.store(true, SeqCst);
                    }
                }
            });
            while !begun.load(SeqCst) {
                greenloop::yield_now().await;
            }
            thread
        });
        thread.join().unwrap();
        assert_eq!(drops.count(), 20);
    }
}

#[test]
fn a_loop_with_a_ticking_task_ends() {
    let drops = Drops::new();
    greenloop::run(async {
        let guard = drops.guard();
        drop(greenloop::spawn(async move {
            let _guard = guard;
            loop {
                greenloop::sleep(Duration::from_micros(10)).await;
            }
        }));
        greenloop::sleep(Duration::from_millis(2)).await;
    });
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_task_that_always_wakes_itself_ends_with_its_loop() {
    let drops = Drops::new();
    greenloop::run(async {
        let guard = drops.guard();
        drop(greenloop::spawn(async move {
            let _guard = guard;
            loop {
                greenloop::yield_now().await;
            }
        }));
        greenloop::yield_now().await;
    });
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_forgotten_loop_leaks_and_does_no_harm() {
    // Still reachable, so that a leak checker has nothing to complain about.
    static FORGOTTEN: AtomicPtr<EventLoop> = AtomicPtr::new(std::ptr::null_mut());
    let drops = Drops::new();
    let mut event_loop = EventLoop::new().unwrap();
    let (task, waker) = event_loop.run(async {
        let task = greenloop::spawn(hold::<_, ()>(drops.guard()));
        greenloop::yield_now().await;
        (task, own_waker().await)
    });
    FORGOTTEN.store(Box::into_raw(Box::new(event_loop)), SeqCst);

    waker.wake();
    task.abort();
    thread::spawn(move || drop(task)).join().unwrap();
    assert_eq!(drops.count(), 0);
    assert_eq!(greenloop::run(async { greenloop::spawn(async { 1 }).await.unwrap() }), 1);
}

#[test]
fn a_sleep_and_a_socket_may_outlive_their_loop() {
    let (sleep, listener) = greenloop::run(async {
        let mut sleep = greenloop::sleep(Duration::from_secs(3600));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert!(support::poll_once(&mut sleep).is_pending());
        {
            let mut accept = std::pin::pin!(listener.accept());
            assert!(support::poll_once(&mut accept).is_pending());
        }
        (sleep, listener)
    });
    thread::spawn(move || drop((sleep, listener))).join().unwrap();
}

#[test]
fn who_waits_for_a_socket_or_a_sleep_from_outside_is_woken_by_the_end_of_the_loop() {
    let wakes = Wakes::new();
    let waker = wakes.waker();
    let mut cx = Context::from_waker(&waker);
    let (mut event_loop, listener) = (EventLoop::new().unwrap(), Rc::new(OnceCell::new()));
    let (mut accepting, mut sleeping) = event_loop.run(async {
        let bound = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listener = Rc::clone(&listener);
        assert!(listener.set(bound).is_ok());
        let mut accepting = Box::pin(async move { listener.get().unwrap().accept().await });
        let mut sleeping = Box::pin(greenloop::sleep(Duration::from_secs(3600)));
        assert!(accepting.as_mut().poll(&mut cx).is_pending());
        assert!(sleeping.as_mut().poll(&mut cx).is_pending());
        (accepting, sleeping)
    });
    assert_eq!(wakes.count(), 0);

    drop(event_loop);

    assert_eq!(wakes.count(), 2);
    let Poll::Ready(Err(error)) = accepting.as_mut().poll(&mut cx) else { panic!("no error") };
    assert!(error.to_string().contains("event loop"), "{error}");
    support::panic_of(|| sleeping.as_mut().poll(&mut cx));
}

#[test]
fn a_destructor_may_write_to_a_socket_that_another_task_waits_for() {
    let drops = Drops::new();
    for reader_first in [true, false] {
        greenloop::run(async {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let guards = (drops.guard(), drops.guard());
            let reader = async move {
                let _guard = guards.0;
                let _ = ours.read(&mut [0; 8]).await;
                panic!("nobody polls a task of a loop that ends");
            };
            let writer = async move {
                let _guard = guards.1;
                hold::<_, ()>(OnDrop::new(move || drop(theirs.try_write(b"x")))).await;
            };
            if reader_first {
                drop((greenloop::spawn(reader), greenloop::spawn(writer)));
            } else {
                drop((greenloop::spawn(writer), greenloop::spawn(reader)));
            }
            for _ in 0..3 {
                greenloop::yield_now().await;
            }
        });
    }
    assert_eq!(drops.count(), 4);
}

#[test]
fn a_loop_that_a_panic_drops_ends_its_tasks() {
    let drops = Drops::new();
    let panic = support::panic_of::<()>(|| {
        let mut event_loop = EventLoop::new().unwrap();
        event_loop.run(async {
            for _ in 0..3 {
                drop(greenloop::spawn(hold::<_, ()>(drops.guard())));
                // A panic of a destructor in the middle of a panic.
                let panics = OnDrop::new(|| panic!("a destructor"));
                drop(greenloop::spawn(hold::<_, ()>((panics, drops.guard()))));
            }
            greenloop::yield_now().await;
        });
        assert_eq!(drops.count(), 0);
        std::panic::resume_unwind(Box::new("the caller"));
    });
    assert_eq!(panic.message, "a destructor");
    assert_eq!(drops.count(), 6);
}
