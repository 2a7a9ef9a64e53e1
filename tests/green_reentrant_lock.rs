//! One green thread at a time has the lock, as often as it wants.

mod green_support;

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::Duration,
};

use green_support::{OnDrop, panic_of, run};
use greenloop::green::{self, ReentrantLock, Wait};

/// Lets the others run until each has come as far as it can.
fn settle() {
    for _ in 0..50 {
        green::yield_now();
    }
}

#[test]
fn its_holder_takes_it_again_and_others_wait_for_the_last_guard() {
    run(|| {
        let lock = Rc::new(ReentrantLock::new(Cell::new(0)));
        let first = lock.lock();
        let second = lock.lock();
        let third = lock.try_lock().unwrap();
        let other = green::spawn({
            let lock = Rc::clone(&lock);
            move || {
                assert!(lock.try_lock().is_err());
                lock.lock().get()
            }
        });
        settle();
        first.set(1);
        // In whatever order they are dropped.
        drop(first);
        drop(third);
        settle();
        assert!(!other.is_finished());
        second.set(2);
        drop(second);
        assert_eq!(other.wait().unwrap(), 2);
    });
}

#[test]
fn it_is_handed_over_in_the_order_of_asking() {
    run(|| {
        let (lock, log) = (Rc::new(ReentrantLock::new(())), Rc::new(RefCell::new(Vec::new())));
        let guard = lock.lock();
        for number in 0..3 {
            let (lock, log) = (Rc::clone(&lock), Rc::clone(&log));
            green::spawn(move || {
                let _outer = lock.lock();
                green::yield_now();
                let _inner = lock.lock();
                log.borrow_mut().push(number);
            });
        }
        settle();
        drop(guard);
        assert!(lock.try_lock().is_err(), "it belongs to the first who waits");
        drop(lock.lock());
        assert_eq!(*log.borrow(), [0, 1, 2]);
    });
}

#[test]
fn a_holder_that_is_killed_or_panics_releases_it_however_often_it_had_it() {
    run(|| {
        let lock = Rc::new(ReentrantLock::new(()));
        let holder = green::spawn({
            let lock = Rc::clone(&lock);
            move || {
                let _guards = (lock.lock(), lock.lock());
                green::sleep(Duration::from_secs(3600));
            }
        });
        settle();
        assert!(lock.try_lock().is_err());
        holder.abort();
        drop(lock.lock());

        let panicking = AssertUnwindSafe(|| {
            let _guards = (lock.lock(), lock.lock());
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(catch_unwind(panicking).is_err());
        let other = green::spawn(move || drop(lock.lock()));
        other.wait().unwrap();
    });
}

#[test]
fn a_waiter_that_is_killed_passes_it_on() {
    run(|| {
        let lock = Rc::new(ReentrantLock::new(()));
        let guard = lock.lock();
        let [first, second] = [(); 2].map(|()| {
            let lock = Rc::clone(&lock);
            green::spawn(move || drop(lock.lock()))
        });
        settle();
        drop(guard);
        first.abort();
        second.wait().unwrap();
        drop(lock.try_lock().unwrap());
    });
}

#[test]
fn a_time_out_leaves_the_line() {
    run(|| {
        let lock = Rc::new(ReentrantLock::new(()));
        let guard = lock.lock();
        let other = green::spawn({
            let lock = Rc::clone(&lock);
            move || green::timeout(Duration::from_millis(1), || drop(lock.lock())).is_err()
        });
        assert!(other.wait().unwrap());
        drop(guard);
        drop(lock.try_lock().unwrap());
    });
}

#[test]
fn it_is_made_anywhere_and_locked_in_green_threads() {
    let mut lock = ReentrantLock::new(1);
    *lock.get_mut() += 1;
    assert!(panic_of(|| drop(lock.lock())).contains("green threads"));
    assert!(panic_of(|| drop(lock.try_lock())).contains("none is running"));
    let lock = run(move || {
        let text = format!("{lock:?} {:?} {}", lock.lock(), lock.lock());
        assert_eq!(text, "ReentrantLock { value: 2, .. } 2 2");
        let lock = Rc::new(lock);
        let guard = lock.lock();
        let shown = green::spawn({
            let lock = Rc::clone(&lock);
            move || format!("{lock:?}")
        });
        assert_eq!(shown.wait().unwrap(), "ReentrantLock { value: <locked>, .. }");
        drop(guard);
        Rc::into_inner(lock).unwrap()
    });
    assert_eq!(lock.into_inner(), 2);
    assert_eq!(ReentrantLock::<u8>::default().into_inner(), 0);
}

/// Each of three takes it twice over, with a wait before and after each; one is killed in any turn.
#[test]
fn in_no_turn_is_the_lock_lost_with_one_that_is_killed() {
    for turns in 0..30 {
        for victim in 0..3 {
            run(move || {
                let lock = Rc::new(ReentrantLock::new(Cell::new(0)));
                let inside = Rc::new(Cell::new(None));
                let threads: Vec<_> = (0..3)
                    .map(|number| {
                        let (lock, inside) = (Rc::clone(&lock), Rc::clone(&inside));
                        green::spawn(move || {
                            for _ in 0..2 {
                                let outer = lock.lock();
                                assert_eq!(inside.replace(Some(number)), None, "two are inside");
                                let _leaves = OnDrop::new(|| inside.set(None));
                                green::yield_now();
                                let inner = lock.lock();
                                green::yield_now();
                                drop(inner);
                                green::yield_now();
                                outer.set(outer.get() + 1);
                            }
                        })
                    })
                    .collect();
                for _ in 0..turns {
                    green::yield_now();
                }
                threads[victim].abort();
                let ended: Vec<_> = threads.into_iter().map(Wait::wait).collect();
                assert_eq!(inside.get(), None);
                let times = lock.try_lock().expect("the lock was lost").get();
                let whole = ended.iter().filter(|ended| ended.is_ok()).count();
                assert!(whole >= 2 && (2 * whole..=2 * whole + 1).contains(&times), "{times}");
            });
        }
    }
}
