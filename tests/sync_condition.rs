//! A condition wakes as many as were notified, each with the lock, and loses no notification.

#[path = "support/styles.rs"]
mod styles;
mod support;
#[path = "support/sweep.rs"]
mod sweep;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use greenloop::{
    sleep,
    sync::{Condition, Mutex},
    timeout, yield_now,
};
use styles::both_styles;
use support::block_on;
use sweep::{Fate, Sweep};

const MILLISECOND: Duration = Duration::from_millis(1);

#[derive(Default)]
struct Shared {
    mutex: Mutex<u32>,
    condition: Condition,
    log: RefCell<Vec<u32>>,
}

both_styles! {
    fn a_notification_wakes_so_many_in_their_order_each_with_the_lock() {
        let shared = Rc::new(Shared::default());
        for number in 0..5 {
            drop(spawn!([shared] {
                let guard = wait!(shared.mutex.lock());
                let guard = wait!(shared.condition.wait(guard));
                assert!(shared.mutex.try_lock().is_err());
                shared.log.borrow_mut().push(number);
                drop(guard);
            }));
        }
        settle!();
        assert!(!shared.mutex.is_locked());
        shared.condition.notify(0);
        settle!();
        assert!(shared.log.borrow().is_empty());
        shared.condition.notify(1);
        settle!();
        assert_eq!(*shared.log.borrow(), [0]);
        shared.condition.notify(2);
        settle!();
        assert_eq!(*shared.log.borrow(), [0, 1, 2]);
        shared.condition.notify(100);
        settle!();
        assert_eq!(*shared.log.borrow(), [0, 1, 2, 3, 4]);
        shared.condition.notify_all();
    }

    fn whoever_is_notified_goes_on_when_the_lock_is_free() {
        let shared = Rc::new(Shared::default());
        let waiter = spawn!([shared] {
            let guard = wait!(shared.mutex.lock());
            *wait!(shared.condition.wait(guard))
        });
        settle!();
        let mut guard = wait!(shared.mutex.lock());
        shared.condition.notify_all();
        settle!();
        assert!(!waiter.is_finished());
        *guard = 7;
        drop(guard);
        assert_eq!(wait!(waiter).unwrap(), 7);
    }

    fn waiting_for_a_predicate_looks_again_each_time() {
        let shared = Rc::new(Shared::default());
        let looked = Rc::new(Cell::new(0));
        let waiter = spawn!([shared, looked] {
            let guard = wait!(shared.mutex.lock());
            let guard = wait!(shared.condition.wait_for(guard, |value| {
                looked.set(looked.get() + 1);
                *value >= 3
            }));
            *guard
        });
        for _ in 0..3 {
            settle!();
            *wait!(shared.mutex.lock()) += 1;
            shared.condition.notify(1);
        }
        assert_eq!(wait!(waiter).unwrap(), 3);
        assert_eq!(looked.get(), 4);
        // It does not wait for what is so.
        let guard = wait!(shared.mutex.lock());
        drop(wait!(shared.condition.wait_for(guard, |value| *value == 3)));
    }

    fn all_can_be_woken() {
        let shared = Rc::new(Shared::default());
        let waiters: Vec<_> = (0..100)
            .map(|_| spawn!([shared] {
                let guard = wait!(shared.mutex.lock());
                *wait!(shared.condition.wait(guard)) += 1;
            }))
            .collect();
        settle!();
        shared.condition.notify_all();
        for waiter in waiters {
            wait!(waiter).unwrap();
        }
        assert_eq!(*wait!(shared.mutex.lock()), 100);
    }

    fn a_wait_with_a_time_out_has_the_lock_again_in_any_case() {
        let shared = Rc::new(Shared::default());
        let start = Instant::now();
        let guard = wait!(shared.mutex.lock());
        let (guard, notified) = wait!(shared.condition.wait_timeout(guard, 2 * MILLISECOND));
        assert!(!notified && shared.mutex.is_locked());
        assert!(start.elapsed() >= 2 * MILLISECOND);

        // Somebody has the lock when the time is over.
        let holder = spawn!([shared] {
            let _guard = wait!(shared.mutex.lock());
            wait!(sleep(20 * MILLISECOND));
        });
        let (guard, notified) = wait!(shared.condition.wait_timeout(guard, MILLISECOND));
        assert!(!notified && holder.is_finished());

        let notifier = spawn!([shared] { shared.condition.notify(1) });
        let (guard, notified) = wait!(shared.condition.wait_timeout(guard, Duration::from_secs(3600)));
        assert!(notified);
        wait!(notifier).unwrap();

        let (guard, holds) = wait!(shared.condition.wait_for_timeout(guard, MILLISECOND, |_| false));
        assert!(!holds);
        let long = Duration::from_secs(3600);
        let writer = spawn!([shared] {
            for _ in 0..3 {
                *wait!(shared.mutex.lock()) += 1;
                shared.condition.notify_all();
                wait!(greenloop::yield_now());
            }
        });
        let (guard, holds) = wait!(shared.condition.wait_for_timeout(guard, long, |value| *value == 3));
        assert!(holds && *guard == 3);
        wait!(writer).unwrap();
    }

    fn a_wait_that_is_timed_out_from_outside_leaves_the_lock_free() {
        let shared = Rc::new(Shared::default());
        let guard = wait!(shared.mutex.lock());
        assert!(wait!(timeout(MILLISECOND, shared.condition.wait(guard))).is_err());
        assert!(!shared.mutex.is_locked());
        // Before it was polled for the first time, too.
        let guard = wait!(shared.mutex.lock());
        drop(shared.condition.wait(guard));
        assert!(!shared.mutex.is_locked());
    }

    fn whoever_is_killed_before_it_ran_leaves_its_notification_to_the_next() {
        let shared = Rc::new(Shared::default());
        let [c0, c1] = [(); 2].map(|()| spawn!([shared] {
            let guard = wait!(shared.mutex.lock());
            drop(wait!(shared.condition.wait(guard)));
        }));
        settle!();
        shared.condition.notify(1);
        c0.abort();
        wait!(c1).unwrap();
        assert!(!shared.mutex.is_locked());
    }

    fn whoever_is_killed_while_it_waits_for_the_lock_leaves_its_notification_to_the_next() {
        let shared = Rc::new(Shared::default());
        let [c0, c1] = [(); 2].map(|()| spawn!([shared] {
            let guard = wait!(shared.mutex.lock());
            drop(wait!(shared.condition.wait(guard)));
        }));
        settle!();
        let guard = wait!(shared.mutex.lock());
        shared.condition.notify(1);
        settle!();
        // It has been notified, and waits for the lock that we have.
        c0.abort();
        settle!();
        drop(guard);
        wait!(c1).unwrap();
        assert!(!shared.mutex.is_locked());
    }

    fn one_condition_serves_several_locks() {
        let (condition, one, other) = (Rc::new(Condition::new()), Mutex::new(1), Mutex::new("two"));
        let notifier = spawn!([condition] { condition.notify_all() });
        let guard = wait!(condition.wait(wait!(one.lock())));
        assert_eq!(*guard, 1);
        wait!(notifier).unwrap();
        let notifier = spawn!([condition] { condition.notify(1) });
        assert_eq!(*wait!(condition.wait(wait!(other.lock()))), "two");
        wait!(notifier).unwrap();
    }
}

#[test]
fn it_is_used_without_a_loop() {
    let shared = Shared::default();
    block_on(async {
        let guard = shared.mutex.lock().await;
        drop(shared.condition.wait_for(guard, |value| *value == 0).await);
        shared.condition.notify_all();
    });
    assert_eq!(format!("{:?}", shared.condition), "Condition { waiting: 0 }");
}

#[test]
fn in_no_order_is_a_notification_lost_or_doubled() {
    #[derive(Default)]
    struct Swept {
        shared: Shared,
        notified: Cell<bool>,
        /// Whether a future waited before the notification.
        began: [Cell<bool>; 3],
    }
    let mut sweep = Sweep::new(Swept::default);
    for number in 0..3 {
        sweep = sweep.future(move |swept: Rc<Swept>| async move {
            let guard = swept.shared.mutex.lock().await;
            swept.began[number].set(!swept.notified.get());
            let mut guard = swept.shared.condition.wait(guard).await;
            *guard += 1;
        });
    }
    let orders = sweep
        .act(|swept| {
            swept.shared.condition.notify(1);
            swept.notified.set(true);
        })
        .spurious(1)
        .check(|swept, fates| {
            let ran = *swept.shared.mutex.try_lock().expect("the lock was lost");
            assert!(ran <= 1, "two ran for one notification");
            let waits = |(began, fate): (&Cell<bool>, &Fate)| began.get() && *fate == Fate::Waiting;
            let waits = swept.began.iter().zip(fates).any(waits);
            assert!(!waits || ran == 1, "the notification was lost");
        });
    assert!(orders > 10_000, "{orders}");
}

#[test]
fn in_no_order_is_somebody_forgotten_who_waited_when_all_were_notified() {
    #[derive(Default)]
    struct Swept {
        shared: Shared,
        notified: Cell<bool>,
        /// Whether a future waited before the notification.
        began: [Cell<bool>; 3],
    }
    let mut sweep = Sweep::new(Swept::default);
    for number in 0..3 {
        sweep = sweep.future(move |swept: Rc<Swept>| async move {
            let guard = swept.shared.mutex.lock().await;
            swept.began[number].set(!swept.notified.get());
            let mut guard = swept.shared.condition.wait(guard).await;
            *guard += 1;
            yield_now().await;
            *guard += 1;
        });
    }
    let orders = sweep
        .act(|swept| {
            swept.shared.condition.notify_all();
            swept.notified.set(true);
        })
        .check(|swept, fates| {
            let value = *swept.shared.mutex.try_lock().expect("the lock was lost");
            let finished = fates.iter().filter(|fate| **fate == Fate::Finished).count();
            assert!(value >= 2 * finished as u32, "two were inside");
            for (began, fate) in swept.began.iter().zip(fates) {
                assert!(!(began.get() && *fate == Fate::Waiting), "one was forgotten");
            }
        });
    assert!(orders > 1_000, "{orders}");
}
