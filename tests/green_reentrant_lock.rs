//! One green thread at a time has the lock, as often as it wants.

mod green_support;

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::Duration,
};

use green_support::{panic_of, run};
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
