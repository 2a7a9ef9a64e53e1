#![allow(unsafe_code, reason = "forks")]
//! A pool does its jobs on a limited number of threads of its own, in order, and each handle says what
//! became of its job: `concurrent.futures`, in Rust.

mod green_support;

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use futures_util::{Stream as _, StreamExt as _};
use green_support::{
    own_process,
    support::{self, Drops, Wakes, block_on, panic_of},
};
use greenloop::{
    green::{self, Wait},
    thread_pool::{JobHandle, ThreadPool},
};

/// Holds threads up until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn wait(&self) {
        let open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(open, |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

/// Makes all threads of a pool busy until the gate is opened; they are when this returns.
fn occupy(pool: &ThreadPool, threads: usize) -> Gate {
    let gate = Gate::default();
    let (begun, is_begun) = mpsc::channel();
    for _ in 0..threads {
        let (gate, begun) = (gate.clone(), begun.clone());
        drop(pool.submit(move || {
            begun.send(()).unwrap();
            gate.wait();
        }));
    }
    (0..threads).for_each(|_| is_begun.recv().unwrap());
    gate
}

#[test]
fn a_job_gives_its_output_to_every_kind_of_waiter() {
    let pool = ThreadPool::new(2);
    assert_eq!(pool.submit(|| 1).join().unwrap(), 1);
    assert_eq!(block_on(pool.submit(|| 2)).unwrap(), 2);
    assert_eq!(greenloop::run(pool.submit(|| 3)).unwrap(), 3);
    green_support::run(move || assert_eq!(pool.submit(|| 4).wait().unwrap(), 4));
}

#[test]
fn a_loop_goes_on_while_it_waits_for_a_job() {
    let pool = ThreadPool::new(1);
    greenloop::run(async {
        let (sender, receiver) = mpsc::channel();
        let mut job = pool.submit(move || receiver.recv().unwrap());
        assert!(support::poll_once(&mut job).is_pending());
        greenloop::spawn(async move { sender.send(7).unwrap() });
        assert_eq!(job.await.unwrap(), 7);
    });
}

#[test]
fn there_are_never_more_threads_than_allowed_and_each_has_a_name() {
    let pool = ThreadPool::builder().threads(3).name("crawler").build();
    assert_eq!(pool.thread_count(), 0);
    let gate = occupy(&pool, 3);
    let names: Vec<_> =
        (0..20).map(|_| pool.submit(|| thread::current().name().unwrap().to_owned())).collect();
    assert_eq!((pool.thread_count(), pool.waiting_count()), (3, 20));
    assert!(format!("{pool:?}").contains("crawler"));
    gate.open();
    let names: BTreeSet<_> = names.into_iter().map(|job| job.join().unwrap()).collect();
    let allowed = ["crawler-0", "crawler-1", "crawler-2"].map(str::to_owned);
    assert!(names.iter().all(|name| allowed.contains(name)), "{names:?}");
    assert_eq!(pool.thread_count(), 3);
}

#[test]
#[cfg(target_os = "linux")]
fn an_idle_thread_is_used_again_before_another_is_started() {
    /// Whether all threads with this name sleep in the kernel.
    fn all_sleep(name: &str) -> bool {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let stat = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("stat"));
        let mut stats = tasks.filter_map(|task| stat(task.unwrap()).ok());
        stats.all(|stat| !stat.contains(name) || stat.contains(") S "))
    }

    let pool = ThreadPool::builder().threads(4).name("again").build();
    for _ in 0..20 {
        pool.submit(|| ()).join().unwrap();
        // The output is there a moment before the thread is idle.
        while !all_sleep("(again-") {
            thread::yield_now();
        }
        assert_eq!(pool.thread_count(), 1);
    }
}

#[test]
fn jobs_begin_in_the_order_in_which_they_were_submitted() {
    let pool = ThreadPool::new(1);
    let gate = occupy(&pool, 1);
    let order = Arc::new(Mutex::new(Vec::new()));
    let jobs: Vec<_> = (0..100)
        .map(|n| {
            let order = Arc::clone(&order);
            pool.submit(move || order.lock().unwrap().push(n))
        })
        .collect();
    gate.open();
    jobs.into_iter().for_each(|job| job.join().unwrap());
    assert!(order.lock().unwrap().iter().copied().eq(0..100));
}

#[test]
fn a_panic_is_found_in_the_handle_and_the_thread_goes_on() {
    let pool = ThreadPool::new(1);
    for _ in 0..10 {
        let job = pool.submit(|| panic!("oh"));
        let id = job.id();
        let error = job.join().unwrap_err();
        assert_eq!(error.to_string(), format!("task {id} panicked: oh"));
        assert_eq!(error.into_panic().downcast_ref::<&str>(), Some(&"oh"));
        assert_eq!(pool.submit(|| 1).join().unwrap(), 1);
        assert_eq!(pool.thread_count(), 1);
    }
}

#[test]
fn a_job_can_be_cancelled_until_it_begins() {
    let pool = ThreadPool::new(1);
    let (begun, is_begun) = mpsc::channel();
    let (end, may_end) = mpsc::channel::<()>();
    let running = pool.submit(move || {
        begun.send(()).unwrap();
        may_end.recv().unwrap();
        "ran"
    });
    is_begun.recv().unwrap();
    let drops = Drops::new();
    let guard = drops.guard();
    let queued = pool.submit(move || drop(guard));
    assert!(running.is_running() && !running.is_finished());
    assert!(!queued.is_running() && !queued.is_finished());

    assert!(queued.abort());
    // At once, with what it holds.
    assert_eq!(drops.count(), 1);
    assert!(queued.is_finished());
    assert!(queued.abort(), "it still is cancelled");
    assert!(queued.join().unwrap_err().is_cancelled());

    assert!(!running.abort());
    end.send(()).unwrap();
    while !running.is_finished() {
        thread::yield_now();
    }
    assert!(!running.abort());
    assert_eq!(running.join().unwrap(), "ran");
}

#[test]
fn a_job_whose_handle_is_dropped_is_done_all_the_same() {
    let pool = ThreadPool::new(1);
    let (sender, receiver) = mpsc::channel();
    drop(pool.submit(move || sender.send("done").unwrap()));
    assert_eq!(receiver.recv(), Ok("done"));
}

#[test]
fn what_a_job_holds_and_gives_is_dropped_when_it_is_over() {
    let pool = ThreadPool::new(1);
    let drops = Drops::new();
    let (held, given) = (drops.guard(), drops.guard());
    let job = pool.submit(move || {
        drop(held);
        given
    });
    drop(job.join().unwrap());
    assert_eq!(drops.count(), 2);

    // Nobody asks for it: the thread drops it.
    let given = drops.guard();
    let gate = occupy(&pool, 1);
    drop(pool.submit(move || given));
    gate.open();
    pool.submit(|| ()).join().unwrap();
    assert_eq!(drops.count(), 3);
}

#[test]
fn callbacks_are_called_in_order_before_anybody_who_waits_goes_on() {
    let pool = ThreadPool::new(1);
    let gate = occupy(&pool, 1);
    let log = Arc::new(Mutex::new(Vec::new()));
    let job = pool.submit(|| 7);
    for n in 0..5 {
        let log = Arc::clone(&log);
        job.on_done(move |output| {
            assert!(n != 2, "a callback that fails stops nobody");
            thread::sleep(Duration::from_millis(2));
            log.lock().unwrap().push((n, *output.as_ref().unwrap()));
        });
    }
    gate.open();
    assert_eq!(job.join().unwrap(), 7);
    assert_eq!(*log.lock().unwrap(), [(0, 7), (1, 7), (3, 7), (4, 7)]);
}

#[test]
fn a_callback_for_what_is_done_is_called_at_once_by_whoever_asks() {
    let pool = ThreadPool::new(1);
    let mut job = pool.submit(|| 7);
    while !job.is_finished() {
        thread::yield_now();
    }
    for _ in 0..2 {
        let caller = Arc::new(Mutex::new(None));
        job.on_done({
            let caller = Arc::clone(&caller);
            move |output| {
                assert_eq!(*output.as_ref().unwrap(), 7);
                *caller.lock().unwrap() = Some(thread::current().id());
            }
        });
        assert_eq!(*caller.lock().unwrap(), Some(thread::current().id()));
    }
    assert_eq!(block_on(&mut job).unwrap(), 7);
    let panic = panic_of(|| job.on_done(|_| ()));
    assert!(panic.message.contains("was taken already"), "{panic:?}");
    assert!(panic_of(|| block_on(&mut job)).message.contains("was taken already"));
    assert!(panic_of(|| job.join()).message.contains("was taken already"));
}

#[test]
fn callbacks_hear_of_panics_and_of_cancellations() {
    let pool = ThreadPool::new(1);
    let (sender, receiver) = mpsc::channel();
    let gate = occupy(&pool, 1);
    let (panics, cancelled) = (pool.submit(|| panic!("oh")), pool.submit(|| ()));
    panics.on_done({
        let sender = sender.clone();
        move |output: &Result<(), _>| sender.send(output.as_ref().unwrap_err().is_panic()).unwrap()
    });
    let here = thread::current().id();
    cancelled.on_done(move |output| {
        assert_eq!(thread::current().id(), here);
        sender.send(!output.as_ref().unwrap_err().is_cancelled()).unwrap();
    });
    assert!(cancelled.abort());
    assert_eq!(receiver.recv(), Ok(false));
    gate.open();
    assert_eq!(receiver.recv(), Ok(true));
    assert!(panics.join().unwrap_err().is_panic());
}

#[test]
fn a_callback_may_use_the_pool() {
    let pool = ThreadPool::new(1);
    let (sender, receiver) = mpsc::channel();
    let job = pool.submit(|| 1);
    let next = pool.clone();
    job.on_done(move |output| {
        let number = *output.as_ref().unwrap();
        drop(next.submit(move || sender.send(number + 1).unwrap()));
    });
    assert_eq!(receiver.recv(), Ok(2));
}

#[test]
fn a_handle_that_is_given_up_leaves_no_waker_behind() {
    let pool = ThreadPool::new(1);
    let gate = occupy(&pool, 1);
    let mut job = pool.submit(|| 1);
    let wakes = Wakes::new();
    for _ in 0..3 {
        let waker = wakes.waker();
        assert!(Pin::new(&mut job).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(wakes.references(), 2);
    drop(job);
    assert_eq!(wakes.references(), 1);
    gate.open();
    pool.submit(|| ()).join().unwrap();
    assert_eq!(wakes.count(), 0);
}

#[test]
fn a_map_gives_the_results_in_the_order_of_the_items() {
    let pool = ThreadPool::new(4);
    greenloop::run(async {
        let squares = pool.map(0..100, |n: u64| {
            thread::sleep(Duration::from_micros(100 * (n % 5)));
            n * n
        });
        assert_eq!(squares.size_hint(), (100, Some(100)));
        let squares: Vec<u64> = squares.map(Result::unwrap).collect().await;
        assert!(squares.into_iter().eq((0..100).map(|n| n * n)));

        assert!(pool.map(Vec::<u8>::new(), |n| n).next().await.is_none());
    });
}

#[test]
fn a_green_thread_iterates_over_a_map() {
    green_support::run(|| {
        let pool = ThreadPool::new(2);
        let doubled = green::iter(pool.map(1..=20, |n| 2 * n)).map(Result::unwrap);
        assert!(doubled.eq((1..=20).map(|n| 2 * n)));
        let mut ends: Vec<_> = green::iter(pool.map_unordered(1..=20, |n| n)).collect();
        ends.sort_by_key(|end| *end.as_ref().unwrap());
        assert!(ends.into_iter().map(Result::unwrap).eq(1..=20));
    });
}

#[test]
fn an_unordered_map_gives_the_results_as_they_come() {
    let pool = ThreadPool::new(3);
    let gates = [(); 3].map(|()| Gate::default());
    greenloop::run(async {
        let mut ends = pool.map_unordered(0..3, {
            let gates = gates.clone();
            move |n: usize| {
                gates[n].wait();
                n
            }
        });
        for n in [1, 2, 0] {
            gates[n].open();
            assert_eq!(ends.next().await.unwrap().unwrap(), n);
        }
        assert!(ends.next().await.is_none());
    });
}

#[test]
fn a_panic_for_one_item_is_found_in_its_place_and_stops_nothing() {
    let pool = ThreadPool::new(2);
    let fragile = |n| {
        assert!(n % 4 != 1, "no good number");
        n
    };
    greenloop::run(async {
        let results: Vec<_> = pool.map(0..8, fragile).collect().await;
        for (n, result) in results.into_iter().enumerate() {
            match result {
                Ok(same) => assert_eq!(same, n),
                Err(error) => assert!(error.is_panic() && n % 4 == 1, "{error}"),
            }
        }
        let results: Vec<_> = pool.map_unordered(0..8, fragile).collect().await;
        assert_eq!(results.iter().filter(|result| result.is_err()).count(), 2);
        assert_eq!(results.len(), 8);
    });
}

#[test]
fn a_panic_of_the_items_comes_after_the_results_of_those_before() {
    let pool = ThreadPool::new(2);
    let items = (0..10).inspect(|n| assert!(*n != 3, "the source is dry"));
    greenloop::run(async {
        let mut results = pool.map(items, |n| n);
        for n in 0..3 {
            assert_eq!(results.next().await.unwrap().unwrap(), n);
        }
        let next = AssertUnwindSafe(results.next());
        let panic = futures_util::FutureExt::catch_unwind(next).await.unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"the source is dry"));
        assert!(results.next().await.is_none());
        assert_eq!(pool.submit(|| 1).await.unwrap(), 1);
    });
}

#[test]
fn a_map_reads_its_items_only_as_far_ahead_as_it_may() {
    let pool = ThreadPool::new(2);
    let taken = Arc::new(AtomicUsize::new(0));
    let items = || {
        let taken = Arc::clone(&taken);
        taken.store(0, SeqCst);
        (0..).inspect(move |_| {
            taken.fetch_add(1, SeqCst);
        })
    };
    greenloop::run(async {
        let mut results = pool.map(items(), |n| n);
        assert_eq!(taken.load(SeqCst), 4);
        for n in 0..10 {
            assert_eq!(results.next().await.unwrap().unwrap(), n);
            assert_eq!(taken.load(SeqCst), n + 5);
        }
        let mut results = pool.map_unordered(items(), |n| n).ahead(7);
        assert_eq!(taken.load(SeqCst), 7);
        results.next().await;
        assert_eq!(taken.load(SeqCst), 8);
        drop(results);
        let all = pool.map((0..50).collect::<Vec<_>>(), |n| n).ahead(usize::MAX);
        assert_eq!(all.count().await, 50);
    });
}

#[test]
fn a_dropped_map_cancels_the_items_whose_turn_has_not_come() {
    let pool = ThreadPool::new(1);
    let gate = occupy(&pool, 1);
    let calls = Arc::new(AtomicUsize::new(0));
    let drops = Drops::new();
    let items: Vec<_> = (0..10).map(|_| drops.guard()).collect();
    let results = pool.map(items, {
        let calls = Arc::clone(&calls);
        move |_| calls.fetch_add(1, SeqCst)
    });
    drop(results);
    gate.open();
    pool.submit(|| ()).join().unwrap();
    assert_eq!((calls.load(SeqCst), drops.count()), (0, 10));
}

#[test]
fn a_map_whose_results_are_always_there_leaves_others_their_turn() {
    let pool = ThreadPool::new(2);
    greenloop::run(async {
        let done = std::rc::Rc::new(std::cell::Cell::new(false));
        let other = greenloop::spawn({
            let done = std::rc::Rc::clone(&done);
            async move { done.set(true) }
        });
        let mut results = pool.map(0.., |n: u64| n).ahead(1000);
        while !done.get() {
            // Never pending for want of results, so only the budget lets the other one run.
            while pool.waiting_count() > 0 {
                thread::yield_now();
            }
            results.next().await;
        }
        other.await.unwrap();
    });
}

#[test]
fn a_shutdown_waits_for_what_was_submitted_and_takes_no_more() {
    let pool = ThreadPool::new(2);
    let gate = occupy(&pool, 2);
    let done = Arc::new(AtomicUsize::new(0));
    let jobs: Vec<_> = (0..20)
        .map(|_| {
            let done = Arc::clone(&done);
            pool.submit(move || done.fetch_add(1, SeqCst))
        })
        .collect();
    greenloop::run(async {
        let mut shutdown = pool.shutdown();
        assert!(support::poll_once(&mut shutdown).is_pending());
        assert!(pool.submit(|| ()).await.unwrap_err().is_cancelled());
        gate.open();
        shutdown.await;
        assert_eq!(done.load(SeqCst), 20);
        assert_eq!((pool.thread_count(), pool.waiting_count()), (0, 0));
        // Again, from anywhere, and at once.
        pool.shutdown().await;
        assert!(pool.map(0..3, |n| n).all(|end| async move { end.is_err() }).await);
    });
    pool.shutdown().join();
    assert!(jobs.into_iter().all(|job| job.join().is_ok()));
}

#[test]
fn a_shutdown_is_waited_for_in_several_places() {
    let pool = ThreadPool::new(3);
    let gate = occupy(&pool, 3);
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let shutdown = pool.shutdown();
            thread::spawn(move || if n % 2 == 0 { shutdown.join() } else { block_on(shutdown) })
        })
        .collect();
    drop(pool.shutdown());
    gate.open();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn waiting_jobs_are_cancelled_all_at_once() {
    let pool = ThreadPool::new(1);
    let gate = occupy(&pool, 1);
    let drops = Drops::new();
    let jobs: Vec<_> = (0..10_000)
        .map(|_| {
            let guard = drops.guard();
            pool.submit(move || drop(guard))
        })
        .collect();
    let shutdown = pool.shutdown();
    assert_eq!(pool.cancel_waiting(), 10_000);
    assert_eq!(drops.count(), 10_000);
    assert!(jobs.iter().all(JobHandle::is_finished));
    gate.open();
    shutdown.join();
    assert!(jobs.into_iter().all(|job| job.join().unwrap_err().is_cancelled()));
    assert_eq!(pool.cancel_waiting(), 0);
}

#[test]
fn the_last_handle_of_a_pool_closes_it_and_its_jobs_are_still_done() {
    let pool = ThreadPool::new(1);
    let gate = occupy(&pool, 1);
    let clone = pool.clone();
    let first = pool.submit(|| 1);
    drop(pool);
    let second = clone.submit(|| 2);
    drop(clone);
    gate.open();
    assert_eq!(first.join().unwrap() + second.join().unwrap(), 3);
}

#[test]
fn a_wait_that_would_block_a_loop_or_itself_panics_instead() {
    let pool = ThreadPool::new(1);
    greenloop::run(async {
        let panic = panic_of(|| pool.submit(|| ()).join());
        assert!(panic.message.contains("await the handle"), "{panic:?}");
        let panic = panic_of(|| pool.shutdown().join());
        assert!(panic.message.contains("await it instead"), "{panic:?}");
    });
    let pool = ThreadPool::new(1);
    let own = pool.clone();
    let error = pool.submit(move || own.shutdown().join()).join().unwrap_err();
    assert!(error.to_string().contains("its own pool"), "{error}");
    assert!(panic_of(|| ThreadPool::new(0)).message.contains("a pool of no threads"));
}

#[test]
fn idle_threads_end_after_a_while_and_new_ones_are_started() {
    let pool = ThreadPool::builder().threads(3).keep_alive(Duration::from_millis(20)).build();
    for _ in 0..3 {
        let start = Instant::now();
        occupy(&pool, 3).open();
        while pool.thread_count() > 0 {
            thread::sleep(Duration::from_millis(1));
        }
        assert!(start.elapsed() >= Duration::from_millis(20));
    }
    assert_eq!(pool.submit(|| 1).join().unwrap(), 1);
}

#[test]
fn a_job_submitted_while_threads_end_is_never_lost() {
    let pool = ThreadPool::builder().threads(2).keep_alive(Duration::from_micros(50)).build();
    for round in 0..3000 {
        thread::sleep(Duration::from_micros(round % 120));
        assert_eq!(pool.submit(move || round).join().unwrap(), round);
    }
}

#[test]
fn a_hundred_thousand_jobs() {
    let pool = ThreadPool::new(4);
    greenloop::run(async {
        let sum = Arc::new(AtomicUsize::new(0));
        let jobs: Vec<_> = (0..100_000)
            .map(|n| {
                let sum = Arc::clone(&sum);
                pool.submit(move || {
                    sum.fetch_add(n, SeqCst);
                })
            })
            .collect();
        for job in jobs {
            job.await.unwrap();
        }
        assert_eq!(sum.load(SeqCst), 100_000 * 99_999 / 2);
    });
}

#[test]
fn a_job_may_submit_others() {
    let pool = ThreadPool::new(2);
    let inner = pool.clone();
    let outer = pool.submit(move || inner.submit(|| 6).join().unwrap() * 7);
    assert_eq!(outer.join().unwrap(), 42);
}

#[test]
fn pools_and_spawn_blocking_take_no_threads_from_each_other() {
    greenloop::run(async {
        let pool = ThreadPool::new(2);
        let gate = occupy(&pool, 2);
        let in_line = pool.submit(|| "pool");
        assert_eq!(greenloop::spawn_blocking(|| "blocking").await.unwrap(), "blocking");
        assert_eq!(ThreadPool::new(1).submit(|| "another").await.unwrap(), "another");

        let closures = Gate::default();
        let blocked: Vec<_> = (0..600)
            .map(|_| {
                let closures = closures.clone();
                greenloop::spawn_blocking(move || closures.wait())
            })
            .collect();
        gate.open();
        assert_eq!(in_line.await.unwrap(), "pool");
        assert_eq!(pool.submit(|| "pool").await.unwrap(), "pool");
        closures.open();
        greenloop::join_all(blocked).await;
    });
}

#[test]
fn a_panic_that_nobody_can_find_out_is_printed() {
    const NAME: &str = "a_panic_that_nobody_can_find_out_is_printed";
    if own_process::is_own() {
        let pool = ThreadPool::new(1);
        drop(pool.submit(|| panic!("nobody asks")));
        let unasked = pool.submit(|| panic!("nobody asked"));
        pool.shutdown().join();
        drop(unasked);
        return;
    }
    let output = own_process::command(NAME).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    for said in ["panicked: nobody asks (nobody", "panicked: nobody asked (nobody"] {
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn a_forked_child_has_the_pool_without_its_jobs_and_threads() {
    own_process::run("a_forked_child_has_the_pool_without_its_jobs_and_threads", || {
        let pool = ThreadPool::new(1);
        let gate = occupy(&pool, 1);
        let parents = Arc::new(AtomicBool::new(false));
        let queued = pool.submit({
            let parents = Arc::clone(&parents);
            move || parents.store(true, SeqCst)
        });
        // The pool's thread sleeps at the gate, and holds none of the pool's locks.
        thread::sleep(Duration::from_millis(20));
        // SAFETY: no other thread of this process holds a lock.
        let forked = unsafe { libc::fork() };
        if forked == 0 {
            let fine = catch_unwind(AssertUnwindSafe(|| {
                assert_eq!((pool.thread_count(), pool.waiting_count()), (0, 0));
                assert_eq!(pool.submit(|| 7).join().unwrap(), 7);
                pool.shutdown().join();
                assert!(pool.submit(|| 7).join().is_err());
                assert!(!parents.load(SeqCst));
            }));
            // SAFETY: ends the process without running what only the parent should run.
            unsafe { libc::_exit(if fine.is_ok() { 0 } else { 1 }) }
        }
        let mut status = 0;
        // SAFETY: `status` is alive during the call.
        assert_eq!(unsafe { libc::waitpid(forked, &mut status, 0) }, forked);
        assert_eq!(status, 0);
        gate.open();
        queued.join().unwrap();
        assert!(parents.load(SeqCst));
        assert_eq!(pool.submit(|| 8).join().unwrap(), 8);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_pool_that_can_start_no_thread_says_so() {
    own_process::run("a_pool_that_can_start_no_thread_says_so", || {
        let pool = ThreadPool::new(2);
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
        let size: u64 = size.trim().strip_suffix(" kB").unwrap().parse().unwrap();
        // Enough for all but the stack of a thread.
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: `limit` is alive during the call, which only writes to it.
        assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) }, 0);
        let scarce = libc::rlimit { rlim_cur: (size + 1024) * 1024, ..limit };
        // SAFETY: the limit is alive during the call.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &scarce) }, 0);

        let error = pool.submit(|| ()).join().unwrap_err();
        let mapped = block_on(pool.map([1], |n| n).collect::<Vec<_>>());
        let (threads, waiting) = (pool.thread_count(), pool.waiting_count());

        // SAFETY: the limit is alive during the call.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
        assert!(error.to_string().contains("no thread can be started for the pool"), "{error}");
        assert!(mapped[0].is_err());
        assert_eq!((threads, waiting), (0, 0));
        assert_eq!(pool.submit(|| 7).join().unwrap(), 7);
    });
}

#[test]
fn a_poll_without_a_loop_needs_none() {
    let pool = ThreadPool::new(1);
    let gate = occupy(&pool, 1);
    let (mut job, mut results) = (pool.submit(|| 1), pool.map([2], |n| n));
    assert!(support::poll_once(&mut job).is_pending());
    assert!(support::poll_once(&mut results.next()).is_pending());
    gate.open();
    assert_eq!(block_on(job).unwrap(), 1);
    assert_eq!(block_on(results.next()).unwrap().unwrap(), 2);
    assert!(matches!(support::poll_once(&mut results.next()), Poll::Ready(None)));
}
