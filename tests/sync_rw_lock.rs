//! Any number read or one writes, and nobody who came later overtakes.

#[path = "support/styles.rs"]
mod styles;
mod support;
#[path = "support/sweep.rs"]
mod sweep;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use greenloop::{
    sync::{OwnedRwLockWriteGuard, RwLock, RwLockWriteGuard},
    timeout, yield_now,
};
use styles::both_styles;
use support::{OnDrop, block_on, poll_once};
use sweep::{Fate, Sweep};

both_styles! {
    fn readers_share_it_and_a_writer_has_it_alone() {
        let lock = Rc::new(RwLock::new(1));
        let (one, other) = (wait!(lock.read()), wait!(lock.read()));
        assert_eq!((*one, *other), (1, 1));
        let writer = spawn!([lock] { *wait!(lock.write()) = 2 });
        settle!();
        drop(one);
        settle!();
        assert!(!writer.is_finished());
        drop(other);
        wait!(writer).unwrap();
        let mut guard = wait!(lock.write());
        let reader = spawn!([lock] { *wait!(lock.read()) });
        settle!();
        *guard += 1;
        assert!(!reader.is_finished() && lock.try_read().is_err() && lock.try_write().is_err());
        drop(guard);
        assert_eq!(wait!(reader).unwrap(), 3);
    }

    fn a_writer_who_waits_keeps_later_readers_out_until_it_gives_up() {
        let lock = Rc::new(RwLock::new(()));
        let first = wait!(lock.read());
        let writer = spawn!([lock] { drop(wait!(lock.write())) });
        settle!();
        assert!(lock.try_read().is_err());
        let readers = [(); 2].map(|()| spawn!([lock] { drop(wait!(lock.read())) }));
        settle!();
        assert!(readers.iter().all(|reader| !reader.is_finished()));
        writer.abort();
        for reader in readers {
            wait!(reader).unwrap();
        }
        assert!(lock.try_read().is_ok());
        drop(first);
        assert!(lock.try_write().is_ok());
    }

    fn it_is_had_in_the_order_of_asking() {
        let (lock, log) = (Rc::new(RwLock::new(())), Rc::new(RefCell::new(Vec::new())));
        let guard = wait!(lock.write());
        for name in ["r1", "r2", "w1", "r3", "w2"] {
            drop(spawn!([lock, log] {
                if name.starts_with('r') {
                    let _guard = wait!(lock.read());
                    log.borrow_mut().push(name);
                    wait!(yield_now());
                } else {
                    let _guard = wait!(lock.write());
                    log.borrow_mut().push(name);
                    wait!(yield_now());
                }
            }));
        }
        settle!();
        drop(guard);
        drop(wait!(lock.write()));
        assert_eq!(*log.borrow(), ["r1", "r2", "w1", "r3", "w2"]);
    }

    fn a_writer_may_go_on_as_a_reader() {
        let lock = Rc::new(RwLock::new(1));
        let mut guard = wait!(lock.write());
        let reader = spawn!([lock] { *wait!(lock.read()) });
        let writer = spawn!([lock] { *wait!(lock.write()) += 1 });
        settle!();
        *guard = 5;
        let guard = RwLockWriteGuard::downgrade(guard);
        assert_eq!(wait!(reader).unwrap(), 5);
        settle!();
        assert!(!writer.is_finished());
        assert_eq!(*guard, 5);
        drop(guard);
        wait!(writer).unwrap();

        let guard = OwnedRwLockWriteGuard::downgrade(wait!(lock.clone().write_owned()));
        assert_eq!((*guard, *lock.try_read().unwrap()), (6, 6));
        assert!(lock.clone().try_write_owned().is_err());
        drop(guard);
        *lock.clone().try_write_owned().unwrap() += 1;
        assert_eq!(*wait!(lock.clone().read_owned()), 7);
        assert_eq!(*lock.clone().try_read_owned().unwrap(), 7);
        assert_eq!(Rc::strong_count(&lock), 1);
    }

    fn a_time_out_leaves_the_line() {
        let lock = Rc::new(RwLock::new(()));
        let reader = wait!(lock.read());
        let short = Duration::from_millis(1);
        assert!(wait!(timeout(short, lock.write())).is_err());
        assert!(wait!(timeout(short, lock.read())).is_ok());
        drop(reader);
        assert!(lock.try_write().is_ok());
    }
}

#[test]
fn it_is_used_without_a_loop() {
    let mut lock = RwLock::from(1);
    *lock.get_mut() += 1;
    block_on(async { *lock.write().await += 1 });
    block_on(async { assert_eq!(*lock.read().await, 3) });
    assert_eq!(format!("{lock:?}"), "RwLock { value: 3, .. }");
    let mut writing = Box::pin(lock.write());
    let std::task::Poll::Ready(guard) = poll_once(&mut writing) else { panic!("it is free") };
    assert_eq!(format!("{lock:?} {guard:?} {guard}"), "RwLock { value: <locked>, .. } 3 3");
    drop((guard, writing));
    assert_eq!(lock.into_inner(), 3);
    let slice: Rc<RwLock<[u8]>> = Rc::new(RwLock::new([1, 2]));
    slice.try_write().unwrap()[0] = 3;
    assert_eq!(*RwLock::<u8>::default().try_read().unwrap(), 0);
}

#[test]
fn in_no_order_is_the_lock_lost_or_had_by_a_writer_and_another() {
    struct Shared {
        lock: RwLock<u32>,
        readers: Cell<u32>,
        writers: Cell<u32>,
    }
    let shared = || Shared { lock: RwLock::new(0), readers: Cell::new(0), writers: Cell::new(0) };
    let mut sweep = Sweep::new(shared);
    for writes in [false, true, false, true] {
        sweep = sweep.future(move |shared: Rc<Shared>| async move {
            if writes {
                let mut guard = shared.lock.write().await;
                shared.writers.set(shared.writers.get() + 1);
                let _leaves = OnDrop::new(|| shared.writers.set(shared.writers.get() - 1));
                assert_eq!((shared.writers.get(), shared.readers.get()), (1, 0));
                *guard += 1;
                yield_now().await;
            } else {
                let _guard = shared.lock.read().await;
                shared.readers.set(shared.readers.get() + 1);
                let _leaves = OnDrop::new(|| shared.readers.set(shared.readers.get() - 1));
                assert_eq!(shared.writers.get(), 0);
                yield_now().await;
            }
        });
    }
    let orders = sweep.check(|shared, fates| {
        assert!(!fates.contains(&Fate::Waiting), "the lock was lost: {fates:?}");
        assert!(shared.lock.try_write().is_ok());
    });
    assert!(orders > 10_000, "{orders}");
}

/// With guards that borrow nothing, and a writer that goes on as a reader.
#[test]
fn in_no_order_is_the_lock_lost_by_a_writer_who_becomes_a_reader() {
    struct Shared {
        lock: Rc<RwLock<u32>>,
        writes: Cell<bool>,
    }
    let new = || Shared { lock: Rc::default(), writes: Cell::new(false) };
    let mut sweep = Sweep::new(new);
    for writes in [true, false, true] {
        sweep = sweep.future(move |shared: Rc<Shared>| async move {
            let _guard = if writes {
                let mut guard = Rc::clone(&shared.lock).write_owned().await;
                assert!(!shared.writes.replace(true), "two write");
                let leaves = OnDrop::new(|| shared.writes.set(false));
                *guard += 1;
                yield_now().await;
                drop(leaves);
                OwnedRwLockWriteGuard::downgrade(guard)
            } else {
                Rc::clone(&shared.lock).read_owned().await
            };
            assert!(!shared.writes.get(), "one reads and another writes");
            yield_now().await;
        });
    }
    let orders = sweep.check(|shared, fates| {
        assert!(!fates.contains(&Fate::Waiting), "the lock was lost: {fates:?}");
        assert!(shared.lock.try_write().is_ok());
        assert_eq!(Rc::strong_count(&shared.lock), 1);
    });
    assert!(orders > 3_000, "{orders}");
}
