#![allow(unsafe_code, reason = "asks the system for figures, and limits what it gives")]
//! When the loop ends, so do its green threads: they unwind while everything is still there, and
//! their stacks serve the next loop.

mod green_support;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    fs,
    hint::black_box,
    io,
    mem::MaybeUninit,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Context, Wake, Waker},
    thread,
};

use green_support::{Drops, Gate, Log, OnDrop, in_own_process, park, run, said, watch};
use greenloop::{
    EventLoop, Handle,
    green::{self, Builder, Group, Wait},
    task_local,
};

#[test]
fn parked_ones_unwind_and_unstarted_ones_are_dropped() {
    let drops = Drops::new();
    run({
        let drops = drops.clone();
        move || {
            for _ in 0..10 {
                let guard = drops.guard();
                drop(green::spawn(move || {
                    let _guard = guard;
                    park();
                }));
            }
            green::yield_now();
            let guard = drops.guard();
            let handle = green::spawn_after(std::time::Duration::MAX, move || drop(guard));
            std::mem::forget(handle);
            assert_eq!(drops.count(), 0);
        }
    });
    assert_eq!(drops.count(), 11);
}

#[test]
fn destructors_find_their_loop_and_their_thread_locals() {
    thread_local! {
        static KEPT: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    }
    task_local! {
        static OWN: Cell<u32> = Cell::new(1);
    }

    thread::spawn(|| {
        run(|| {
            drop(green::spawn(|| {
                OWN.with(|own| own.set(7));
                let _last = OnDrop::new(|| {
                    let _handle = Handle::current();
                    let own = OWN.with(Cell::get);
                    KEPT.with(|kept| kept.borrow_mut().push(own));
                });
                park();
            }));
            green::yield_now();
        });
        assert_eq!(KEPT.take(), [7]);
    })
    .join()
    .unwrap();
}

#[test]
fn it_takes_the_kinds_that_wait_for_each_other() {
    let log = Log::new();
    run({
        let log = log.clone();
        move || {
            let inner = green::spawn({
                let log = log.clone();
                move || {
                    let _end = log.on_drop("inner");
                    park();
                }
            });
            let task = greenloop::spawn({
                let end = log.on_drop("task");
                async move {
                    let _end = end;
                    let _ = inner.await;
                }
            });
            drop(green::spawn({
                let log = log.clone();
                move || {
                    let _end = log.on_drop("outer");
                    let _ = task.wait();
                }
            }));
            green::yield_now();
            green::yield_now();
        }
    });
    let mut entries = log.entries();
    entries.sort_unstable();
    assert_eq!(entries, ["inner", "outer", "task"]);
}

#[test]
fn what_one_that_swallows_it_spawns_never_runs() {
    let log = Log::new();
    run({
        let log = log.clone();
        move || {
            drop(green::spawn(move || {
                assert!(catch_unwind(AssertUnwindSafe(park)).is_err());
                drop(green::spawn({
                    let (log, dropped) = (log.clone(), log.on_drop("green thread dropped"));
                    move || {
                        let _dropped = dropped;
                        log.add("green thread ran");
                    }
                }));
                drop(greenloop::spawn({
                    let (log, dropped) = (log.clone(), log.on_drop("task dropped"));
                    async move {
                        let _dropped = dropped;
                        log.add("task ran");
                    }
                }));
                log.add("returns");
            }));
            green::yield_now();
        }
    });
    assert_eq!(log, ["returns", "green thread dropped", "task dropped"]);
}

#[test]
fn the_handles_of_those_that_ended_with_the_loop_give_an_error() {
    let log = Log::new();
    let kept = Rc::new(RefCell::new(Vec::new()));
    run({
        let (log, kept) = (log.clone(), Rc::clone(&kept));
        move || {
            let ended = green::spawn(|| 7);
            let (parked, unstarted) = (green::spawn(|| (park(), 7).1), Rc::new(Cell::new(None)));
            // It asks by a wait in a destructor, and again when it has swallowed the end.
            let (taken, asking) = (Rc::clone(&unstarted), log.clone());
            drop(green::spawn(move || {
                let in_destructor = catch_unwind(AssertUnwindSafe(|| {
                    let _asks = OnDrop::new({
                        let log = asking.clone();
                        move || log.add(format!("{}", ended.wait().unwrap_err().is_cancelled()))
                    });
                    park();
                }));
                assert!(in_destructor.is_err());
                let task: green::JoinHandle<i32> = taken.take().unwrap();
                for handle in [parked, task] {
                    let mut asked = Box::pin(handle);
                    while let Err(_again) = catch_unwind(AssertUnwindSafe(|| {
                        let result = asked.as_mut().wait();
                        asking.add(format!("{}", result.unwrap_err().is_cancelled()));
                    })) {}
                }
            }));
            green::yield_now();
            // These are asked when there is no loop any more.
            kept.borrow_mut().extend([green::spawn(|| 7), green::spawn(|| (park(), 7).1)]);
            green::yield_now();
            unstarted.set(Some(green::spawn(|| 7)));
        }
    });
    assert_eq!(log, ["true", "true", "true"]);
    let [ended, parked] = <[_; 2]>::try_from(kept.take()).unwrap();
    assert!(run(|| ended.wait()).unwrap_err().is_cancelled());
    assert!(greenloop::run(parked).unwrap_err().is_cancelled());
}

#[test]
fn destructors_that_spawn_at_the_end_do_not_keep_it_from_coming() {
    fn spawns_again(drops: Drops) {
        let guard = drops.guard();
        drop(green::spawn(move || {
            let _again = OnDrop::new(|| {
                if drops.count() < 50 {
                    spawns_again(drops);
                }
            });
            let _guard = guard;
            park();
        }));
    }

    let drops = Drops::new();
    run({
        let drops = drops.clone();
        move || {
            spawns_again(drops);
            green::yield_now();
        }
    });
    assert!(drops.count() >= 2, "{}", drops.count());
}

#[test]
fn groups_and_pools_are_empty_afterwards() {
    let group = Group::new();
    let pool = green::Pool::new(1);
    run({
        let (group, pool) = (group.clone(), pool.clone());
        move || {
            drop(group.spawn(park));
            drop(pool.spawn(park));
            drop(pool.apply_async(park, |()| ()));
            green::yield_now();
        }
    });
    assert!(group.is_empty());
    assert!(pool.is_empty());
    assert_eq!(pool.free_count(), 1);
}

#[test]
fn green_threads_go_on_from_one_run_of_a_loop_to_the_next() {
    let _watched = watch();
    let mut event_loop = EventLoop::new().unwrap();
    let gate = Gate::new();
    let [thread] = event_loop.run({
        let gate = gate.clone();
        async move {
            let thread = green::spawn(move || {
                gate.wait();
                7
            });
            greenloop::yield_now().await;
            [thread]
        }
    });
    gate.open();
    assert_eq!(event_loop.run(thread).unwrap(), 7);
}

#[test]
fn a_loop_that_never_ran_drops_what_was_spawned_into_it() {
    let drops = Drops::new();
    let guard = drops.guard();
    let event_loop = EventLoop::new().unwrap();
    let task = event_loop.handle().spawn(async move { drop(guard) });
    drop(event_loop);
    assert_eq!(drops.count(), 1);
    assert!(task.join().is_err());
}

#[test]
fn a_loop_that_ended_by_a_panic_is_followed_by_another() {
    for _ in 0..3 {
        let result = catch_unwind(AssertUnwindSafe(|| {
            run(|| {
                drop(green::spawn(park));
                green::yield_now();
                panic!("no bread");
            })
        }));
        assert!(result.is_err());
    }
    assert_eq!(run(|| green::spawn(|| 7).wait().unwrap()), 7);
}

#[test]
fn a_loop_that_a_panic_drops_ends_its_green_threads() {
    let drops = Drops::new();
    let result: Result<(), _> = catch_unwind(AssertUnwindSafe(|| {
        let mut event_loop = EventLoop::new().unwrap();
        for _ in 0..10 {
            let guard = drops.guard();
            event_loop.run(async {
                drop(green::spawn(move || {
                    let _guard = guard;
                    park();
                }));
                greenloop::yield_now().await;
            });
        }
        assert_eq!(drops.count(), 0);
        panic!("no bread");
    }));
    assert_eq!(result.unwrap_err().downcast_ref::<&str>(), Some(&"no bread"));
    assert_eq!(drops.count(), 10);
}

#[test]
fn a_loop_ends_although_a_waker_that_waits_for_its_green_threads_panics() {
    struct Explosive;

    impl Wake for Explosive {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for Explosive {
        fn drop(&mut self) {
            panic!("the waker");
        }
    }

    let drops = Drops::new();
    let mut event_loop = EventLoop::new().unwrap();
    let (first, second) = (drops.guard(), drops.guard());
    let handles = event_loop.run(async {
        let explosive = Waker::from(Arc::new(Explosive));
        let mut handles = [first, second].map(|guard| {
            green::spawn(move || {
                let _guard = guard;
                park();
            })
        });
        greenloop::yield_now().await;
        let polled = Pin::new(&mut handles[0]).poll(&mut Context::from_waker(&explosive));
        assert!(polled.is_pending());
        handles
    });
    drop(event_loop);
    assert_eq!(drops.count(), 2);
    drop(handles);
}

/// Where the stacks of ten green threads that are alive together are.
fn places_of_ten_stacks() -> BTreeSet<usize> {
    run(|| {
        let places = Rc::new(RefCell::new(BTreeSet::new()));
        for _ in 0..10 {
            let places = Rc::clone(&places);
            drop(green::spawn(move || {
                let local = black_box(0_u8);
                places.borrow_mut().insert((&raw const local).addr() >> 16);
                park();
            }));
        }
        green::yield_now();
        places.take()
    })
}

#[test]
fn loops_in_sequence_use_the_same_stacks() {
    thread::spawn(|| {
        let first = places_of_ten_stacks();
        assert_eq!(first.len(), 10);
        for _ in 0..5 {
            assert_eq!(places_of_ten_stacks(), first);
        }
    })
    .join()
    .unwrap();
}

#[test]
fn green_threads_in_sequence_use_one_stack() {
    run(|| {
        let places: BTreeSet<_> = (0..1000)
            .map(|_| {
                let thread = green::spawn(|| {
                    let local = black_box(0_u8);
                    green::yield_now();
                    (&raw const local).addr()
                });
                thread.wait().unwrap()
            })
            .collect();
        assert_eq!(places.len(), 1);
    });
}

/// A figure of this process, in KiB.
fn memory(what: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim_matches([':', '\t', ' ', 'k', 'B']).parse().unwrap()
}

/// How often this thread touched memory that was not there.
fn page_faults() -> i64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: there is room for the answer.
    let result = unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    // SAFETY: all zeros are valid, and the call has filled it in.
    unsafe { usage.assume_init() }.ru_minflt
}

/// Parks so many green threads that have used 32 KiB of their stacks, and lets them end.
fn crowd(many: usize) {
    #[inline(never)]
    fn use_stack() -> u8 {
        let bytes = [1_u8; 32 << 10];
        black_box(&bytes)[1000]
    }

    let gate = Gate::new();
    let threads: Vec<_> = (0..many)
        .map(|_| {
            let gate = gate.clone();
            green::spawn(move || {
                black_box(use_stack());
                gate.wait();
            })
        })
        .collect();
    green::yield_now();
    gate.open();
    for result in threads {
        result.wait().unwrap();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_memory_of_a_crowd_comes_back() {
    let output = in_own_process("the_memory_of_a_crowd_comes_back", || {
        run(|| {
            crowd(10);
            let before = memory("VmRSS");
            crowd(10_000);
            let after = memory("VmRSS");
            let peak = memory("VmHWM");
            // They took 320 MiB; a thousand or so stacks are kept ready for the next ones.
            assert!(peak - before > 300 << 10, "{before} KiB before, {peak} KiB at the peak");
            assert!(after - before < 120 << 10, "{before} KiB before, {after} KiB after");
        });
    });
    let Some(output) = output else { return };
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
#[cfg(target_os = "linux")]
fn after_a_crowd_a_new_green_thread_costs_no_new_pages() {
    let output = in_own_process("after_a_crowd_a_new_green_thread_costs_no_new_pages", || {
        run(|| {
            crowd(5000);
            let before = page_faults();
            for _ in 0..3000 {
                green::spawn(|| ()).wait().unwrap();
            }
            let faults = page_faults() - before;
            assert!(faults < 100, "{faults} page faults");
        });
    });
    let Some(output) = output else { return };
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
#[cfg(target_os = "linux")]
fn the_stacks_of_a_thread_are_given_back_when_it_ends() {
    let output = in_own_process("the_stacks_of_a_thread_are_given_back_when_it_ends", || {
        let before = memory("VmSize");
        for _ in 0..20 {
            thread::spawn(|| run(|| crowd(100))).join().unwrap();
        }
        let after = memory("VmSize");
        // Each had 32 MiB of stacks or more. What is left is the allocator's, for each thread.
        assert!(after - before < 400 << 10, "{before} KiB before, {after} KiB after");
    });
    let Some(output) = output else { return };
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
#[cfg(target_os = "linux")]
fn where_memory_is_short_that_is_an_error() {
    let output = in_own_process("where_memory_is_short_that_is_an_error", || {
        run(|| {
            let limit = (memory("VmSize") << 10) + (512 << 20);
            let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
            // SAFETY: the limit is alive during the call, which only reads it.
            let result = unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) };
            assert_eq!(result, 0, "{}", io::Error::last_os_error());
            let mut threads = Vec::new();
            let error = loop {
                match Builder::new().stack_size(64 << 20).try_spawn(|| ()) {
                    Ok(thread) => threads.push(thread),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
            assert!((2..8).contains(&threads.len()), "{}", threads.len());
            for result in green::join_all(threads) {
                result.unwrap();
            }
            // They have given their stacks back.
            Builder::new().stack_size(64 << 20).try_spawn(|| ()).unwrap().wait().unwrap();
        });
    });
    let Some(output) = output else { return };
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn an_output_whose_destructor_waits_is_dropped_once() {
    /// Its memory must not be used again before the destructor has come to its end.
    struct WaitsWhenDropped {
        log: Log,
        text: [u8; 64],
    }

    impl Drop for WaitsWhenDropped {
        fn drop(&mut self) {
            let _last = self.log.on_drop("dropped");
            let text = self.text;
            let _check = OnDrop::new(|| assert_eq!(self.text, text));
            self.log.add("waits");
            park();
        }
    }

    let _watched = watch();
    let log = Log::new();
    let reports = Arc::new(AtomicUsize::new(0));
    let mut event_loop = EventLoop::builder()
        .on_unobserved_panic({
            let reports = Arc::clone(&reports);
            move |_| {
                reports.fetch_add(1, SeqCst);
            }
        })
        .build()
        .unwrap();
    event_loop.run({
        let log = log.clone();
        async move {
            let output = WaitsWhenDropped { log, text: [b'g'; 64] };
            let thread = green::spawn(move || output);
            drop(green::spawn(move || {
                green::yield_now();
                drop(thread);
            }));
            greenloop::yield_now().await;
            greenloop::yield_now().await;
            // This must not be put where the output is.
            drop(green::spawn(|| {
                let _last = OnDrop::new(|| drop(green::spawn(|| [0_u8; 128])));
                park();
            }));
            greenloop::yield_now().await;
        }
    });
    assert_eq!(log, ["waits"]);
    drop(event_loop);
    assert_eq!(reports.load(SeqCst), 0);
    assert_eq!(log, ["waits", "dropped"]);
}

#[test]
fn loops_of_several_threads_end_by_themselves() {
    let drops = Drops::new();
    let (send, receive) = mpsc::channel();
    let os_threads: Vec<_> = (0..4)
        .map(|_| {
            let (drops, send) = (drops.clone(), send.clone());
            thread::spawn(move || {
                run(move || {
                    for _ in 0..50 {
                        let guard = drops.guard();
                        drop(green::spawn(move || {
                            let _guard = guard;
                            park();
                        }));
                    }
                    green::yield_now();
                    send.send(()).unwrap();
                });
            })
        })
        .collect();
    for os_thread in os_threads {
        os_thread.join().unwrap();
    }
    assert_eq!(receive.try_iter().count(), 4);
    assert_eq!(drops.count(), 200);
}
