//! A notification reaches one who waits, or the next who will.

#[path = "support/styles.rs"]
mod styles;
mod support;
#[path = "support/sweep.rs"]
mod sweep;

use std::{
    cell::{Cell, RefCell},
    pin::pin,
    rc::Rc,
    task::{Context, Poll},
};

use greenloop::sync::Notify;
use styles::both_styles;
use support::{Wakes, poll_once};
use sweep::{Fate, Sweep};

both_styles! {
    fn a_notification_that_comes_first_is_kept_once() {
        let notify = Rc::new(Notify::new());
        notify.notify_one();
        notify.notify_one();
        wait!(notify.notified());
        let second = spawn!([notify] { wait!(notify.notified()) });
        settle!();
        assert!(!second.is_finished());
        notify.notify_one();
        wait!(second).unwrap();
    }

    fn one_is_woken_by_each_in_the_order_in_which_they_came() {
        let (notify, log) = (Rc::new(Notify::new()), Rc::new(RefCell::new(Vec::new())));
        let tasks: Vec<_> = (0..3)
            .map(|number| spawn!([notify, log] {
                wait!(notify.notified());
                log.borrow_mut().push(number);
            }))
            .collect();
        settle!();
        for woken in 1..=3 {
            notify.notify_one();
            settle!();
            assert_eq!(*log.borrow(), (0..woken).collect::<Vec<_>>());
        }
        for task in tasks {
            wait!(task).unwrap();
        }
    }

    fn the_last_can_be_woken_first() {
        let (notify, log) = (Rc::new(Notify::new()), Rc::new(RefCell::new(Vec::new())));
        for number in 0..3 {
            drop(spawn!([notify, log] {
                wait!(notify.notified());
                log.borrow_mut().push(number);
            }));
        }
        settle!();
        notify.notify_last();
        notify.notify_last();
        settle!();
        assert_eq!(*log.borrow(), [2, 1]);
        notify.notify_one();
        settle!();
        assert_eq!(*log.borrow(), [2, 1, 0]);
    }

    fn all_who_wait_can_be_woken_and_nobody_who_comes_later() {
        let (notify, woken) = (Rc::new(Notify::new()), Rc::new(Cell::new(0)));
        for _ in 0..100 {
            drop(spawn!([notify, woken] {
                wait!(notify.notified());
                woken.set(woken.get() + 1);
            }));
        }
        settle!();
        notify.notify_waiters();
        let late = spawn!([notify] { wait!(notify.notified()) });
        settle!();
        assert_eq!((woken.get(), late.is_finished()), (100, false));
        notify.notify_waiters();
        wait!(late).unwrap();
    }

    fn whoever_is_killed_with_a_notification_passes_it_on() {
        let notify = Rc::new(Notify::new());
        let tasks = [(); 3].map(|()| spawn!([notify] { wait!(notify.notified()) }));
        settle!();
        let [first, second, third] = tasks;
        notify.notify_one();
        // It was woken, and is killed before it runs.
        first.abort();
        wait!(second).unwrap();
        settle!();
        assert!(!third.is_finished());
        // The last one leaves it for whoever comes.
        notify.notify_one();
        third.abort();
        settle!();
        wait!(notify.notified());
    }

    fn an_owned_future_waits_as_well() {
        let notify = Rc::new(Notify::new());
        let task = greenloop::spawn(notify.clone().notified_owned());
        settle!();
        notify.notify_one();
        wait!(task).unwrap();
        assert_eq!(Rc::strong_count(&notify), 1);
    }
}

#[test]
fn a_future_counts_for_notify_waiters_from_when_it_is_made() {
    let notify = Notify::new();
    let mut before = pin!(notify.notified());
    notify.notify_waiters();
    let mut after = pin!(notify.notified());
    assert!(poll_once(&mut before).is_ready());
    assert!(poll_once(&mut after).is_pending());
}

#[test]
fn a_future_that_notify_waiters_completes_leaves_the_permit_of_notify_one() {
    let notify = Notify::new();
    let mut future = pin!(notify.notified());
    notify.notify_one();
    notify.notify_waiters();
    assert!(poll_once(&mut future).is_ready());
    assert!(poll_once(&mut pin!(notify.notified())).is_ready());
    assert!(poll_once(&mut pin!(notify.notified())).is_pending());
}

#[test]
fn enable_gets_in_line_without_a_poll() {
    let notify = Rc::new(Notify::new());
    let mut enabled = pin!(notify.notified());
    assert!(!enabled.as_mut().enable());
    assert!(!enabled.as_mut().enable());
    let mut behind = pin!(notify.notified());
    assert!(poll_once(&mut behind).is_pending());
    notify.notify_one();
    assert!(poll_once(&mut behind).is_pending());
    assert!(enabled.as_mut().enable());
    assert!(poll_once(&mut enabled).is_ready());

    notify.notify_one();
    assert!(poll_once(&mut behind).is_ready());
    let mut owned = pin!(Rc::clone(&notify).notified_owned());
    assert!(!owned.as_mut().enable());
    notify.notify_one();
    assert!(poll_once(&mut owned).is_ready());
    notify.notify_one();
    assert!(pin!(notify.notified()).enable());
    assert!(poll_once(&mut pin!(notify.notified())).is_pending());
}

#[test]
fn an_enabled_future_that_is_dropped_passes_its_notification_on() {
    let notify = Notify::new();
    let mut enabled = Box::pin(notify.notified());
    enabled.as_mut().enable();
    notify.notify_one();
    drop(enabled);
    assert!(poll_once(&mut pin!(notify.notified())).is_ready());
}

#[test]
fn a_future_that_is_through_stays_so() {
    let notify = Notify::new();
    let mut future = pin!(notify.notified());
    notify.notify_one();
    assert!(poll_once(&mut future).is_ready());
    assert!(poll_once(&mut future).is_ready());
    assert!(poll_once(&mut pin!(notify.notified())).is_pending());
}

#[test]
fn the_waker_of_the_last_poll_counts() {
    let notify = Notify::new();
    let mut future = pin!(notify.notified());
    let (old, new) = (Wakes::new(), Wakes::new());
    for wakes in [&old, &new] {
        let waker = wakes.waker();
        assert_eq!(future.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
    }
    assert_eq!(old.references(), 1);
    notify.notify_one();
    assert_eq!((old.count(), new.count()), (0, 1));
}

#[test]
fn a_last_in_line_that_is_dropped_passes_on_to_the_last() {
    let notify = Notify::new();
    let mut futures = [(); 3].map(|()| Box::pin(notify.notified()));
    for future in &mut futures {
        assert!(poll_once(future).is_pending());
    }
    let [mut first, mut second, third] = futures;
    notify.notify_last();
    drop(third);
    assert!(poll_once(&mut first).is_pending());
    assert!(poll_once(&mut second).is_ready());
}

struct Shared {
    notify: Notify,
    acts: Cell<usize>,
    /// How many acts were done when a future began to wait.
    began: [Cell<usize>; 3],
}

/// Three futures that wait for a notification.
fn three() -> Sweep<Shared> {
    let mut sweep = Sweep::new(|| Shared {
        notify: Notify::new(),
        acts: Cell::new(0),
        began: Default::default(),
    });
    for number in 0..3 {
        sweep = sweep.future(move |shared: Rc<Shared>| async move {
            shared.began[number].set(shared.acts.get());
            shared.notify.notified().await;
        });
    }
    sweep
}

impl Shared {
    fn act(&self, act: impl FnOnce(&Notify)) {
        act(&self.notify);
        self.acts.set(self.acts.get() + 1);
    }
}

#[test]
fn in_no_order_is_a_notification_lost_or_doubled() {
    let sweep = three().act(|shared| shared.act(Notify::notify_one));
    let sweep = sweep.act(|shared| shared.act(Notify::notify_one)).spurious(1);
    let orders = sweep.check(|shared, fates| {
        let finished = fates.iter().filter(|fate| **fate == Fate::Finished).count();
        assert!(finished <= 2, "more than were notified");
        for (began, fate) in shared.began.iter().zip(fates) {
            // Who still waits was overtaken by nobody: both notifications went to others, except that
            // two of them may have been one permit before he came.
            let used = if began.get() < 2 { 2 } else { 1 };
            assert!(*fate != Fate::Waiting || finished >= used, "one was lost");
        }
        if fates.iter().all(|fate| *fate == Fate::Dropped) {
            assert!(pin!(shared.notify.notified()).enable(), "it was lost with the last");
            shared.notify.notify_one();
        }
    });
    assert!(orders > 10_000, "{orders}");
}

#[test]
fn in_no_order_is_a_notification_of_all_taken_for_that_of_one() {
    let sweep = three().act(|shared| shared.act(Notify::notify_waiters));
    let orders = sweep.act(|shared| shared.act(Notify::notify_one)).check(|shared, fates| {
        let finished = |began| {
            let pairs = shared.began.iter().zip(fates);
            pairs.filter(|(at, fate)| at.get() == began && **fate == Fate::Finished).count()
        };
        let waits = |began| {
            let mut pairs = shared.began.iter().zip(fates);
            pairs.any(|(at, fate)| at.get() == began && *fate == Fate::Waiting)
        };
        assert!(!waits(0), "all were notified who were there");
        assert!(finished(1) + finished(2) <= 1, "one was notified, and not by what told all");
        assert!(!(waits(1) || waits(2)) || finished(1) + finished(2) == 1, "one was lost");
    });
    assert!(orders > 5_000, "{orders}");
}

/// The futures that borrow nothing, and the last in line first.
#[test]
fn in_no_order_is_a_notification_of_the_last_lost_or_doubled() {
    struct Owned {
        notify: Rc<Notify>,
        acts: Cell<usize>,
        began: [Cell<usize>; 3],
    }
    let new = || Owned { notify: Rc::default(), acts: Cell::new(0), began: Default::default() };
    let mut sweep = Sweep::new(new);
    for number in 0..3 {
        sweep = sweep.future(move |shared: Rc<Owned>| async move {
            shared.began[number].set(shared.acts.get());
            let mut notified = pin!(Rc::clone(&shared.notify).notified_owned());
            notified.as_mut().enable();
            notified.await;
        });
    }
    for act in [Notify::notify_last, Notify::notify_one] {
        sweep = sweep.act(move |shared| {
            act(&shared.notify);
            shared.acts.set(shared.acts.get() + 1);
        });
    }
    let orders = sweep.check(|shared, fates| {
        let finished = fates.iter().filter(|fate| **fate == Fate::Finished).count();
        assert!(finished <= 2, "more than were notified");
        for (began, fate) in shared.began.iter().zip(fates) {
            let used = if began.get() < 2 { 2 } else { 1 };
            assert!(*fate != Fate::Waiting || finished >= used, "one was lost");
        }
        if fates.iter().all(|fate| *fate == Fate::Dropped) {
            assert!(pin!(shared.notify.notified()).enable(), "it was lost with the last");
            shared.notify.notify_one();
        }
    });
    assert!(orders > 5_000, "{orders}");
}
