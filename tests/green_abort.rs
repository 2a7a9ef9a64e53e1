//! An abort ends a green thread at the place where it waits: its stack unwinds, its destructors run.
//! One that did not start never does, and one that swallows the abort meets it again.

mod green_support;

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    rc::Rc,
    sync::mpsc,
    task::{Context, Poll},
    thread,
    time::Duration,
};

use green_support::{Drops, Gate, Log, OnDrop, in_own_process, park, run, said};
use greenloop::{
    EventLoop, event_loop,
    green::{self, Builder, JoinHandle, Wait},
    task::AbortHandle,
};

/// A green thread that waits for ever, and has begun to when this returns.
fn parked(f: impl FnOnce() + 'static) -> JoinHandle<()> {
    let thread = green::spawn(f);
    green::yield_now();
    assert!(!thread.is_finished());
    thread
}

fn assert_cancelled<T>(thread: JoinHandle<T>) {
    assert!(thread.wait().map(drop).unwrap_err().is_cancelled());
}

#[test]
fn an_abort_unwinds_at_the_wait() {
    run(|| {
        let log = Log::new();
        let thread = parked({
            let log = log.clone();
            move || {
                let _first = log.on_drop("first");
                let _second = log.on_drop("second");
                log.add("waits");
                park();
                log.add("goes on");
            }
        });
        thread.abort();
        assert_cancelled(thread);
        assert_eq!(log, ["waits", "second", "first"]);
    });
}

#[test]
fn an_abort_unwinds_through_many_calls() {
    fn descend(depth: u32, drops: &Drops) {
        let _guard = drops.guard();
        if depth == 0 { park() } else { descend(depth - 1, drops) }
    }

    run(|| {
        let drops = Drops::new();
        let thread = parked({
            let drops = drops.clone();
            move || descend(99, &drops)
        });
        thread.abort();
        assert_cancelled(thread);
        assert_eq!(drops.count(), 100);
    });
}

#[test]
fn the_future_that_is_waited_for_is_dropped() {
    run(|| {
        let drops = Drops::new();
        let guard = drops.guard();
        let thread = parked(move || {
            async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            }
            .wait();
        });
        thread.abort();
        assert_cancelled(thread);
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn an_abort_is_a_request_and_the_caller_goes_on_first() {
    run(|| {
        let drops = Drops::new();
        let guard = drops.guard();
        let thread = parked(move || {
            let _guard = guard;
            park();
        });
        thread.abort();
        assert_eq!(drops.count(), 0);
        assert!(!thread.is_finished());
        green::yield_now();
        assert_eq!(drops.count(), 1);
        assert!(thread.is_finished());
    });
}

#[test]
fn abort_and_wait_returns_when_the_destructors_have_run() {
    run(|| {
        let drops = Drops::new();
        let guard = drops.guard();
        let thread = parked(move || {
            let _guard = guard;
            park();
        });
        let result = thread.abort_and_wait().wait();
        assert!(result.unwrap_err().is_cancelled());
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn abort_and_wait_waits_for_a_clean_up_that_waits() {
    run(|| {
        let log = Log::new();
        let thread = parked({
            let log = log.clone();
            move || {
                // What ends the wait is given up here; from then on the next waits end, too.
                let result = catch_unwind(AssertUnwindSafe(park));
                log.add("cleans up");
                resume_unwind(result.unwrap_err());
            }
        });
        let limit = Duration::from_secs(60);
        let result = greenloop::timeout(limit, thread.abort_and_wait()).wait();
        assert!(result.unwrap().unwrap_err().is_cancelled());
        assert_eq!(log, ["cleans up"]);
    });
}

#[test]
fn an_abort_that_is_swallowed_comes_again_at_the_next_wait() {
    run(|| {
        let log = Log::new();
        let thread = parked({
            let log = log.clone();
            move || {
                for _ in 0..5 {
                    assert!(catch_unwind(AssertUnwindSafe(park)).is_err());
                    log.add("swallowed");
                }
                let _last = log.on_drop("unwound");
                green::yield_now();
                log.add("went on");
            }
        });
        thread.abort();
        assert_cancelled(thread);
        let swallowed = "swallowed";
        assert_eq!(log, [swallowed, swallowed, swallowed, swallowed, swallowed, "unwound"]);
    });
}

#[test]
fn one_that_swallows_the_abort_and_returns_has_its_output() {
    run(|| {
        let thread = green::spawn(|| {
            assert!(catch_unwind(AssertUnwindSafe(park)).is_err());
            "all the same"
        });
        green::yield_now();
        thread.abort();
        assert_eq!(thread.wait().unwrap(), "all the same");
    });
}

#[test]
fn one_that_never_started_never_runs() {
    run(|| {
        let (drops, links) = (Drops::new(), Rc::new(Cell::new(0)));
        let guard = drops.guard();
        let thread = green::spawn(move || {
            let _guard = guard;
            panic!("it ran");
        });
        thread.on_done({
            let links = Rc::clone(&links);
            move |result: &Result<(), _>| {
                assert!(result.as_ref().unwrap_err().is_cancelled());
                links.set(links.get() + 1);
            }
        });
        thread.abort();
        assert_eq!(drops.count(), 1, "what it captured is dropped at once");
        assert!(thread.is_finished());
        assert_eq!(links.get(), 1);
        green::yield_now();
        assert_cancelled(thread);
    });
}

#[test]
fn a_waiter_wakes_when_what_it_waits_for_is_aborted_before_its_start() {
    run(|| {
        let aborter: Rc<RefCell<Option<AbortHandle>>> = Rc::default();
        let waiter = green::spawn({
            let aborter = Rc::clone(&aborter);
            move || {
                let never = green::spawn(|| panic!("it ran"));
                *aborter.borrow_mut() = Some(never.abort_handle());
                // It is polled before its turn has come.
                let mut never = never;
                let done = std::future::poll_fn(|cx| {
                    let polled = std::future::Future::poll(std::pin::Pin::new(&mut never), cx);
                    if let Some(aborter) = aborter.take() {
                        aborter.abort();
                    }
                    polled
                });
                done.wait()
            }
        });
        assert!(waiter.wait().unwrap().unwrap_err().is_cancelled());
    });
}

#[test]
fn an_abort_twice_is_one_and_after_the_end_none() {
    run(|| {
        let drops = Drops::new();
        let guard = drops.guard();
        let thread = parked(move || {
            let _guard = guard;
            park();
        });
        thread.abort();
        thread.abort();
        green::yield_now();
        thread.abort();
        assert_eq!(drops.count(), 1);
        assert_cancelled(thread);

        let thread = green::spawn(|| 7);
        green::yield_now();
        thread.abort();
        assert_eq!(thread.abort_and_wait().wait().unwrap(), 7);
    });
}

#[test]
fn one_that_is_aborted_while_it_is_queued_does_not_go_on() {
    run(|| {
        let gate = Gate::new();
        let log = Log::new();
        let thread = parked({
            let (gate, log) = (gate.clone(), log.clone());
            move || {
                let _unwound = log.on_drop("unwound");
                gate.wait();
                log.add("went on");
            }
        });
        gate.open();
        thread.abort();
        assert_cancelled(thread);
        assert_eq!(log, ["unwound"]);
    });
}

#[test]
fn one_that_aborts_itself_goes_on_to_its_next_wait() {
    run(|| {
        let own: Rc<RefCell<Option<AbortHandle>>> = Rc::default();
        let log = Log::new();
        let thread = green::spawn({
            let (own, log) = (Rc::clone(&own), log.clone());
            move || {
                let _unwound = log.on_drop("unwound");
                own.borrow().unwrap().abort();
                log.add("goes on");
                std::future::ready(()).wait();
                log.add("waited");
            }
        });
        *own.borrow_mut() = Some(thread.abort_handle());
        assert_cancelled(thread);
        assert_eq!(log, ["goes on", "unwound"]);
    });
}

#[test]
fn one_that_aborts_itself_and_returns_has_its_output() {
    run(|| {
        let own: Rc<RefCell<Option<AbortHandle>>> = Rc::default();
        let thread = green::spawn({
            let own = Rc::clone(&own);
            move || {
                own.borrow().unwrap().abort();
                7
            }
        });
        *own.borrow_mut() = Some(thread.abort_handle());
        assert_eq!(thread.wait().unwrap(), 7);
    });
}

#[test]
fn an_abort_comes_from_other_threads() {
    run(|| {
        let drops = Drops::new();
        let guard = drops.guard();
        let thread = parked(move || {
            let _guard = guard;
            park();
        });
        let aborter = thread.abort_handle();
        thread::spawn(move || aborter.abort());
        assert_cancelled(thread);
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn an_abort_from_another_thread_meets_one_that_never_waits_for_long() {
    run(|| {
        let thread = green::spawn(|| {
            loop {
                std::future::ready(()).wait();
            }
        });
        let aborter = thread.abort_handle();
        thread::spawn(move || aborter.abort());
        let result: Result<(), _> = thread.wait();
        assert!(result.unwrap_err().is_cancelled());
    });
}

#[test]
fn destructors_may_abort_others_in_a_chain() {
    run(|| {
        let drops = Drops::new();
        let mut before: Option<JoinHandle<()>> = None;
        for _ in 0..200 {
            let aborts = OnDrop::new({
                let before = before.take();
                move || {
                    if let Some(before) = &before {
                        before.abort();
                    }
                }
            });
            let guard = drops.guard();
            before = Some(green::spawn(move || {
                let _held = (aborts, guard);
                park();
            }));
        }
        green::yield_now();
        let last = before.unwrap();
        last.abort();
        assert_cancelled(last);
        while drops.count() < 200 {
            green::yield_now();
        }
        assert_eq!(event_loop::statistics().tasks, 2);
    });
}

#[test]
fn two_that_abort_each_other_both_end() {
    run(|| {
        let handles: Rc<RefCell<Vec<AbortHandle>>> = Rc::default();
        let threads = [0, 1].map(|number| {
            let handles = Rc::clone(&handles);
            green::spawn(move || {
                let _aborts = OnDrop::new({
                    let handles = Rc::clone(&handles);
                    move || handles.borrow()[1 - number].abort()
                });
                green::yield_now();
                handles.borrow()[1 - number].abort();
                green::yield_now();
                unreachable!("{number} was aborted");
            })
        });
        *handles.borrow_mut() = threads.iter().map(JoinHandle::abort_handle).collect();
        for thread in threads {
            let result: Result<(), _> = thread.wait();
            assert!(result.unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn the_destructor_of_a_task_may_abort_a_green_thread_and_the_other_way_round() {
    run(|| {
        let drops = Drops::new();
        let guard = drops.guard();
        let thread = parked(move || {
            let _guard = guard;
            park();
        });
        let aborts = OnDrop::new(move || thread.abort());
        let task = greenloop::spawn(async move {
            let _aborts = aborts;
            std::future::pending::<()>().await;
        });
        let last = parked({
            move || {
                let _aborts = OnDrop::new(move || task.abort());
                park();
            }
        });
        last.abort();
        assert_cancelled(last);
        green::yield_now();
        assert_eq!(drops.count(), 1);
    });
}

/// A future that notes when it is polled, and waits when it is dropped.
struct WaitsWhenDropped {
    log: Log,
    gate: Gate,
}

impl Future for WaitsWhenDropped {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.log.add("polled");
        // It is always queued.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for WaitsWhenDropped {
    fn drop(&mut self) {
        self.log.add("destructor waits");
        self.gate.wait();
        self.log.add("destructor ends");
    }
}

#[test]
fn a_task_is_not_polled_while_its_destructor_waits() {
    run(|| {
        let (log, gate) = (Log::new(), Gate::new());
        let task = greenloop::spawn(WaitsWhenDropped { log: log.clone(), gate: gate.clone() });
        green::yield_now();
        let opener = green::spawn(move || {
            green::yield_now();
            green::yield_now();
            gate.open();
        });
        task.abort();
        log.add("aborted");
        assert!(task.wait().unwrap_err().is_cancelled());
        opener.wait().unwrap();
        assert_eq!(log, ["polled", "destructor waits", "destructor ends", "aborted"]);
    });
}

#[test]
fn a_destructor_that_waits_holds_up_no_other_abort() {
    run(|| {
        let gate = Gate::new();
        let first = greenloop::spawn(WaitsWhenDropped { log: Log::new(), gate: gate.clone() });
        let opens = OnDrop::new(move || gate.open());
        let second = greenloop::spawn(async move {
            let _opens = opens;
            std::future::pending::<()>().await;
        });
        green::yield_now();
        // The first one's destructor waits for the second one's.
        let other = green::spawn(move || {
            second.abort();
            second
        });
        first.abort();
        assert_cancelled(first);
        assert_cancelled(other.wait().unwrap());
    });
}

#[test]
fn a_destructor_may_abort_another_and_wait_for_its_end() {
    run(|| {
        let log = Log::new();
        let mut chain = greenloop::spawn(std::future::pending::<()>());
        for number in 0..10 {
            let (log, next) = (log.clone(), chain);
            let ends = OnDrop::new(move || {
                next.abort();
                assert_cancelled(next);
                log.add(format!("{number}"));
            });
            chain = greenloop::spawn(async move {
                let _ends = ends;
                std::future::pending::<()>().await;
            });
        }
        green::yield_now();
        chain.abort();
        log.add("aborted");
        assert_cancelled(chain);
        assert_eq!(log, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "aborted"]);
    });
}

#[test]
fn one_that_is_killed_while_it_aborts_goes_on_with_its_other_aborts() {
    run(|| {
        let (drops, gate) = (Drops::new(), Gate::new());
        let next = greenloop::spawn({
            let guard = drops.guard();
            async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            }
        });
        let first = greenloop::spawn(WaitsWhenDropped { log: Log::new(), gate });
        green::yield_now();
        let aborts = green::spawn({
            let first = first.abort_handle();
            move || {
                first.abort();
                next.abort();
                assert_cancelled(next);
            }
        });
        green::yield_now();
        // It ends the destructor's wait, and then the green thread at its own next one.
        aborts.abort();
        assert_cancelled(aborts);
        assert_cancelled(first);
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn one_that_never_started_does_not_start_while_its_destructor_waits() {
    run(|| {
        let (log, gate) = (Log::new(), Gate::new());
        let waits = WaitsWhenDropped { log: log.clone(), gate: gate.clone() };
        let never = green::spawn(move || drop(waits));
        let links = Rc::new(Cell::new(0));
        never.on_done({
            let links = Rc::clone(&links);
            move |result: &Result<(), _>| {
                assert!(result.as_ref().unwrap_err().is_cancelled());
                links.set(links.get() + 1);
            }
        });
        let opener = green::spawn(move || {
            green::yield_now();
            gate.open();
        });
        never.abort();
        assert!(never.wait().unwrap_err().is_cancelled());
        opener.wait().unwrap();
        assert_eq!(log, ["destructor waits", "destructor ends"]);
        assert_eq!(links.get(), 1);
    });
}

#[test]
fn a_destructor_that_a_kill_runs_may_spawn_and_use_what_is_ready() {
    run(|| {
        let (done, log) = (Gate::new(), Log::new());
        let thread = parked({
            let (done, log) = (done.clone(), log.clone());
            move || {
                let _goodbye = OnDrop::new(move || {
                    let bye = std::future::ready("bye").wait();
                    log.add(bye);
                    drop(green::spawn(move || {
                        green::yield_now();
                        done.open();
                    }));
                });
                park();
            }
        });
        thread.abort();
        assert_cancelled(thread);
        done.wait();
        assert_eq!(log, ["bye"]);
    });
}

#[test]
fn a_thousand_are_aborted_at_once() {
    run(|| {
        let drops = Drops::new();
        let threads: Vec<_> = (0..1000)
            .map(|_| {
                let guard = drops.guard();
                green::spawn(move || {
                    let _guard = guard;
                    park();
                })
            })
            .collect();
        green::yield_now();
        for thread in &threads {
            thread.abort();
        }
        for result in green::join_all(threads) {
            assert!(result.unwrap_err().is_cancelled());
        }
        assert_eq!(drops.count(), 1000);
    });
}

#[test]
fn a_green_thread_in_a_socket_or_a_sleep_is_aborted_all_the_same() {
    run(|| {
        let listener = green::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let waits: [Box<dyn FnOnce()>; 2] =
            [Box::new(move || drop(listener.accept())), Box::new(|| green::sleep(Duration::MAX))];
        for wait in waits {
            let thread = parked(wait);
            assert!(thread.abort_and_wait().wait().unwrap_err().is_cancelled());
        }
        assert_eq!(event_loop::statistics().timers, 0);
    });
}

#[test]
fn an_abort_handle_outlives_its_green_thread_and_its_loop() {
    let aborter = run(|| green::spawn(|| ()).abort_handle());
    aborter.abort();
    assert!(aborter.is_finished());
    let aborter = thread::spawn(|| run(|| green::spawn(park).abort_handle())).join().unwrap();
    aborter.abort();
    assert!(aborter.is_finished());
}

/// Waits for ever, and catches whatever wants to end that.
fn swallow_everything() {
    loop {
        let _ = catch_unwind(AssertUnwindSafe(park));
    }
}

#[test]
fn one_that_swallows_every_abort_does_not_stop_the_others() {
    let swallows = run(|| {
        let thread = parked(swallow_everything);
        thread.abort();
        for _ in 0..10 {
            green::sleep(Duration::from_millis(1));
        }
        let others = green::join_all((0..10).map(|n| green::spawn(move || n)));
        assert_eq!(others.len(), 10);
        !thread.is_finished()
    });
    assert!(swallows);
}

#[test]
fn one_that_swallows_every_abort_is_named_and_leaked_when_its_loop_ends() {
    let name = "one_that_swallows_every_abort_is_named_and_leaked_when_its_loop_ends";
    let output = in_own_process(name, || {
        let drops = Drops::new();
        let guards = [drops.guard(), drops.guard()];
        run(move || {
            let [leaked, unwound] = guards;
            drop(Builder::new().name("stubborn").spawn(move || {
                let _guard = leaked;
                swallow_everything();
            }));
            drop(green::spawn(move || {
                let _guard = unwound;
                park();
            }));
            green::yield_now();
        });
        assert_eq!(drops.count(), 1);
        // The stack of the one that is left is not given to others.
        run(|| assert_eq!(green::spawn(|| 7).wait().unwrap(), 7));
        eprintln!("goes on");
    });
    let Some(output) = output else { return };
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("stubborn could not be ended with its loop; it is leaked"), "{said}");
    assert!(said.contains("goes on"), "{said}");
}

#[test]
fn the_loop_of_another_thread_is_asked_through_its_handle() {
    let (send, receive) = mpsc::channel();
    let drops = Drops::new();
    let guard = drops.guard();
    let os_thread = thread::spawn(move || {
        let mut event_loop = EventLoop::new().unwrap();
        event_loop.run(async move {
            let thread = green::spawn(move || {
                let _guard = guard;
                park();
            });
            send.send(thread.abort_handle()).unwrap();
            thread.await.unwrap_err().is_cancelled()
        })
    });
    receive.recv().unwrap().abort();
    assert!(os_thread.join().unwrap());
    assert_eq!(drops.count(), 1);
}

#[test]
fn one_may_be_aborted_at_every_one_of_its_waits() {
    type Wait = fn();
    const WAITS: [Wait; 6] = [
        green::yield_now,
        || green::sleep(Duration::from_micros(1)),
        || assert_eq!(green::timeout(Duration::from_secs(3600), green::yield_now), Ok(())),
        || green::scope(|scope| drop(scope.spawn(green::yield_now))),
        || green::spawn(green::yield_now).wait().unwrap(),
        || assert_eq!(green::Pool::new(1).map([1, 2], |n| n), [1, 2]),
    ];

    run(|| {
        let whole = Rc::new(Cell::new(false));
        let mut turns = 0;
        while !whole.get() {
            let (drops, entered) = (Drops::new(), Rc::new(Cell::new(0)));
            let thread = green::spawn({
                let (whole, drops, entered) =
                    (Rc::clone(&whole), drops.clone(), Rc::clone(&entered));
                move || {
                    let mut held = Vec::new();
                    for wait in WAITS {
                        held.push(drops.guard());
                        entered.set(entered.get() + 1);
                        wait();
                    }
                    whole.set(true);
                }
            });
            for _ in 0..turns {
                green::yield_now();
            }
            let result = thread.abort_and_wait().wait();
            assert_eq!(result.is_err(), !whole.get(), "after {turns} turns");
            assert_eq!(drops.count(), entered.get(), "after {turns} turns");
            turns += 1;
        }
        assert!(turns > 10, "{turns}");
        green::yield_now();
        assert_eq!(event_loop::statistics().timers, 0);
    });
}

#[test]
fn the_wait_for_one_that_swallows_its_abort_may_have_a_limit() {
    run(|| {
        let gate = Gate::new();
        let thread = parked({
            let gate = gate.clone();
            move || while catch_unwind(AssertUnwindSafe(|| gate.wait())).is_err() {}
        });
        let still_there = thread.abort_handle();
        let limit = Duration::from_millis(1);
        assert!(greenloop::timeout(limit, thread.abort_and_wait()).wait().is_err());
        assert!(!still_there.is_finished());
        gate.open();
        while !still_there.is_finished() {
            green::yield_now();
        }
    });
}

#[test]
fn all_of_a_list_are_ended_once_whatever_they_do_and_however_often_they_are_in_it() {
    run(|| {
        let drops = Drops::new();
        let spawn = |f: fn()| {
            let guard = drops.guard();
            green::spawn(move || {
                let _guard = guard;
                f();
            })
        };
        let mut threads = vec![spawn(|| ()), spawn(park), spawn(|| green::sleep(Duration::MAX))];
        green::yield_now();
        threads.extend([spawn(park), spawn(|| unreachable!("it was aborted before"))]);
        let ended: Vec<_> = threads.iter().map(JoinHandle::is_finished).collect();
        assert_eq!(ended, [true, false, false, false, false]);
        let handles: Vec<_> = threads.iter().map(JoinHandle::abort_handle).collect();
        for handle in handles.iter().chain(&handles).rev() {
            handle.abort();
        }
        let results = green::join_all(threads);
        let cancelled: Vec<_> = results.iter().map(|result| result.is_err()).collect();
        assert_eq!(cancelled, [false, true, true, true, true]);
        assert_eq!(drops.count(), 5);
    });
}
