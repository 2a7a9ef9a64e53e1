//! One task at a time has the lock, in the order in which they asked, and it is never lost.

#[path = "support/styles.rs"]
mod styles;
mod support;
#[path = "support/sweep.rs"]
mod sweep;

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Wake, Waker},
    time::Duration,
};

use greenloop::{sleep, sync::Mutex, timeout, yield_now};
use styles::both_styles;
use support::{Drops, OnDrop, Wakes, block_on, poll_once};
use sweep::{Fate, Sweep};

const MILLISECOND: Duration = Duration::from_millis(1);

both_styles! {
    fn one_at_a_time_has_it_also_across_its_waits() {
        let balance = Rc::new(Mutex::new(0));
        let tasks: Vec<_> = (0..20)
            .map(|_| spawn!([balance] {
                let mut balance = wait!(balance.lock());
                let before = *balance;
                wait!(yield_now());
                *balance = before + 1;
            }))
            .collect();
        for task in tasks {
            wait!(task).unwrap();
        }
        assert_eq!(*wait!(balance.lock()), 20);
    }

    /// The program of the notes. One thread does not make a lock needless: a hundred read the number,
    /// wait, and write one less.
    fn without_it_what_is_read_before_a_wait_and_written_after_it_is_lost() {
        let number = Rc::new(Cell::new(100));
        let tasks: Vec<_> = (0..100)
            .map(|_| spawn!([number] {
                let before = number.get();
                wait!(sleep(MILLISECOND));
                number.set(before - 1);
            }))
            .collect();
        for task in tasks {
            wait!(task).unwrap();
        }
        assert_eq!(number.get(), 99);
        let number = Rc::new(Mutex::new(100));
        let tasks: Vec<_> = (0..100)
            .map(|_| spawn!([number] {
                let mut number = wait!(number.lock());
                let before = *number;
                wait!(yield_now());
                *number = before - 1;
            }))
            .collect();
        for task in tasks {
            wait!(task).unwrap();
        }
        assert_eq!(*number.try_lock().unwrap(), 0);
    }

    fn it_is_handed_over_in_the_order_of_asking_and_nobody_barges_in() {
        let (mutex, log) = (Rc::new(Mutex::new(())), Rc::new(RefCell::new(Vec::new())));
        let guard = wait!(mutex.lock());
        for number in 0..3 {
            drop(spawn!([mutex, log] {
                let _guard = wait!(mutex.lock());
                log.borrow_mut().push(number);
            }));
        }
        settle!();
        drop(guard);
        // It belongs to the first who waits, who has not run yet.
        assert!(mutex.is_locked());
        assert!(mutex.try_lock().is_err());
        drop(wait!(mutex.lock()));
        assert_eq!(*log.borrow(), [0, 1, 2]);
    }

    /// The greens of gevent's `test_fair_or_hangs`: two that never let go for long, and a third.
    fn whoever_asks_again_at_once_starves_nobody() {
        let (mutex, done) = (Rc::new(Mutex::new(())), Rc::new(Cell::new(false)));
        let greedy = [(); 2].map(|()| spawn!([mutex, done] {
            while !done.get() {
                let guard = wait!(mutex.lock());
                wait!(yield_now());
                drop(guard);
            }
        }));
        settle!();
        let third = spawn!([mutex, done] {
            let _guard = wait!(mutex.lock());
            done.set(true);
        });
        wait!(third).unwrap();
        for task in greedy {
            wait!(task).unwrap();
        }
    }

    fn a_waiter_that_is_killed_is_passed_over() {
        let mutex = Rc::new(Mutex::new(()));
        let guard = wait!(mutex.lock());
        let [b, c] = [(); 2].map(|()| spawn!([mutex] { drop(wait!(mutex.lock())) }));
        settle!();
        b.abort();
        drop(guard);
        wait!(c).unwrap();
        assert!(wait!(b).unwrap_err().is_cancelled());
    }

    fn a_waiter_that_is_killed_with_the_lock_passes_it_on_to_one() {
        let (mutex, got) = (Rc::new(Mutex::new(())), Rc::new(Cell::new(0)));
        let guard = wait!(mutex.lock());
        let gate = Rc::new(greenloop::sync::Event::new());
        let [first, second, third] = [(); 3].map(|()| spawn!([mutex, got, gate] {
            let _guard = wait!(mutex.lock());
            got.set(got.get() + 1);
            wait!(gate.wait());
        }));
        settle!();
        // In one go, so that the first was woken and did not run.
        drop(guard);
        first.abort();
        settle!();
        assert_eq!(got.get(), 1);
        gate.set();
        wait!(second).unwrap();
        wait!(third).unwrap();
        assert_eq!(got.get(), 2);
    }

    fn a_holder_that_is_killed_or_panics_releases_it() {
        let mutex = Rc::new(Mutex::new(1));
        let holder = spawn!([mutex] {
            let _guard = wait!(mutex.lock());
            wait!(std::future::pending::<()>());
        });
        settle!();
        let waiter = spawn!([mutex] { *wait!(mutex.lock()) });
        settle!();
        holder.abort();
        assert_eq!(wait!(waiter).unwrap(), 1);

        let holder = spawn!([mutex] {
            let mut guard = wait!(mutex.lock());
            *guard = 2;
            std::panic::resume_unwind(Box::new("half done"));
        });
        let waiter = spawn!([mutex] { *wait!(mutex.lock()) });
        assert!(wait!(holder).unwrap_err().is_panic());
        assert_eq!(wait!(waiter).unwrap(), 2);
    }

    fn a_time_out_leaves_the_line() {
        let mutex = Rc::new(Mutex::new(()));
        let guard = wait!(mutex.lock());
        assert!(wait!(timeout(MILLISECOND, mutex.lock())).is_err());
        drop(guard);
        assert!(!mutex.is_locked());
        drop(wait!(timeout(Duration::ZERO, mutex.lock())).unwrap());
    }

    fn a_guard_may_own_its_mutex() {
        let mutex = Rc::new(Mutex::new(vec![1]));
        let mut guard = wait!(mutex.clone().lock_owned());
        assert!(mutex.clone().try_lock_owned().is_err());
        let waiter = spawn!([mutex] { wait!(mutex.lock_owned()).len() });
        settle!();
        guard.push(2);
        drop(guard);
        assert_eq!(wait!(waiter).unwrap(), 2);
        assert_eq!(mutex.clone().try_lock_owned().unwrap()[1], 2);
    }

    fn a_task_that_never_waits_for_it_lets_others_run() {
        let (mutex, ran) = (Rc::new(Mutex::new(())), Rc::new(Cell::new(false)));
        let other = spawn!([ran] { ran.set(true) });
        let mut locks = 0;
        while !ran.get() {
            drop(wait!(mutex.lock()));
            locks += 1;
            assert!(locks <= 1000, "it has no budget");
        }
        wait!(other).unwrap();
    }
}

#[test]
fn it_is_used_without_a_loop() {
    let mut mutex = Mutex::from(1);
    *mutex.try_lock().unwrap() += 1;
    *mutex.get_mut() += 1;
    block_on(async { *mutex.lock().await += 1 });
    assert_eq!(mutex.into_inner(), 4);
    assert_eq!(*Mutex::<u8>::default().try_lock().unwrap(), 0);
}

#[test]
fn its_value_may_be_of_no_known_size() {
    let mutex: Rc<Mutex<[u8]>> = Rc::new(Mutex::new([1, 2, 3]));
    block_on(async { mutex.lock().await[1] = 7 });
    assert_eq!(*mutex.try_lock().unwrap(), [1, 7, 3]);
}

#[test]
fn it_shows_its_value_and_waits_for_nobody() {
    let mutex = Mutex::new("money");
    assert_eq!(format!("{mutex:?}"), "Mutex { value: \"money\", .. }");
    let guard = mutex.try_lock().unwrap();
    assert_eq!(format!("{mutex:?}"), "Mutex { value: <locked>, .. }");
    assert_eq!((format!("{guard:?}"), format!("{guard}")), ("\"money\"".into(), "money".into()));
    drop(guard);
    assert!(!mutex.is_locked());
}

#[test]
fn waiters_that_gave_up_leave_nothing_behind() {
    let mutex = Mutex::new(());
    let guard = mutex.try_lock().unwrap();
    let wakes = Wakes::new();
    for _ in 0..10_000 {
        let waker = wakes.waker();
        assert!(pin!(mutex.lock()).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(wakes.references(), 1);
    drop(guard);
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn a_future_that_is_leaked_keeps_what_it_was_granted_and_harms_nobody_else() {
    let drops = Drops::new();
    let mutex = Mutex::new(drops.guard());
    let guard = mutex.try_lock().unwrap();
    let mut leaked = Box::pin(mutex.lock());
    assert!(poll_once(&mut leaked).is_pending());
    let mut behind = Box::pin(mutex.lock());
    assert!(poll_once(&mut behind).is_pending());
    std::mem::forget(leaked);
    drop(guard);
    assert!(poll_once(&mut behind).is_pending());
    drop(behind);
    let moved = Box::new(mutex);
    assert!(moved.is_locked());
    drop(moved);
    assert_eq!(drops.count(), 1);
}

/// A waker that takes or gives a lock when it is cloned or woken, which no borrow may forbid.
#[test]
fn a_waker_that_uses_the_lock_itself_does_no_harm() {
    thread_local!(static MUTEX: Mutex<u32> = const { Mutex::new(0) });
    struct Locks;
    impl Wake for Locks {
        fn wake(self: Arc<Self>) {
            MUTEX.with(|mutex| assert!(mutex.try_lock().is_err(), "it was handed over"));
        }
    }
    MUTEX.with(|mutex| {
        let guard = mutex.try_lock().unwrap();
        let mut waiting: Pin<Box<_>> = Box::pin(mutex.lock());
        let waker = Waker::from(Arc::new(Locks));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(guard);
        let mut guard = None;
        if let std::task::Poll::Ready(got) = poll_once(&mut waiting) {
            guard = Some(got);
        }
        *guard.expect("it was granted") += 1;
    });
    MUTEX.with(|mutex| assert_eq!(*mutex.try_lock().unwrap(), 1));
}

#[test]
fn a_lock_that_a_destructor_asks_for_while_a_panic_unwinds_is_there() {
    let mutex = Mutex::new(0);
    let result = catch_unwind(AssertUnwindSafe(|| {
        let _count = OnDrop::new(|| *mutex.try_lock().unwrap() += 1);
        let _guard = mutex.try_lock().unwrap();
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(result.is_err());
    assert_eq!(mutex.into_inner(), 1);
}

#[test]
fn a_loop_that_ends_leaves_the_lock_free() {
    let mutex = Rc::new(Mutex::new(()));
    greenloop::run(async {
        for _ in 0..3 {
            let mutex = Rc::clone(&mutex);
            greenloop::spawn(async move {
                let _guard = mutex.lock().await;
                sleep(Duration::from_secs(3600)).await;
            });
        }
        styles::settle().await;
        assert!(mutex.is_locked());
    });
    assert!(!mutex.is_locked());
}

#[test]
fn in_no_order_is_the_lock_lost_or_had_by_two() {
    struct Shared {
        mutex: Mutex<u32>,
        inside: Cell<u32>,
        through: Cell<u32>,
    }
    let mut sweep =
        Sweep::new(|| Shared { mutex: Mutex::new(0), inside: Cell::new(0), through: Cell::new(0) });
    for _ in 0..4 {
        sweep = sweep.future(|shared: Rc<Shared>| async move {
            let mut guard = shared.mutex.lock().await;
            shared.inside.set(shared.inside.get() + 1);
            let _leaves = OnDrop::new(|| shared.inside.set(shared.inside.get() - 1));
            assert_eq!(shared.inside.get(), 1, "two are inside");
            yield_now().await;
            *guard += 1;
            shared.through.set(shared.through.get() + 1);
        });
    }
    let orders = sweep.spurious(1).check(|shared, fates| {
        assert!(!fates.contains(&Fate::Waiting), "the lock was lost: {fates:?}");
        assert_eq!(shared.inside.get(), 0);
        let value = *shared.mutex.try_lock().expect("the lock was lost");
        assert_eq!(value, shared.through.get());
    });
    assert!(orders > 100_000, "{orders}");
}
