//! Whoever watches sees the latest value, and no change is missed, the last one included.

#[path = "support/styles.rs"]
mod styles;
mod support;
#[path = "support/sweep.rs"]
mod sweep;

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    time::Duration,
};

use greenloop::{
    sync::watch::{self, Receiver, Sender, error::SendError},
    timeout, yield_now,
};
use styles::both_styles;
use support::{Drops, block_on, panic_of, poll_once};
use sweep::{Fate, Sweep};

both_styles! {
    fn a_change_wakes_all_who_wait_and_the_latest_value_is_seen() {
        let (sender, receiver) = watch::channel(0);
        let readers = [(); 3].map(|()| {
            let slot = Rc::new(RefCell::new(Some(receiver.clone())));
            spawn!([slot] {
                let mut receiver = slot.take().unwrap();
                wait!(receiver.changed()).unwrap();
                *receiver.borrow_and_update()
            })
        });
        settle!();
        for number in 1..=3 {
            sender.send(number).unwrap();
        }
        for reader in readers {
            assert_eq!(wait!(reader).unwrap(), 3);
        }
    }

    fn what_was_seen_is_not_told_again() {
        let (sender, mut receiver) = watch::channel(0);
        assert!(!receiver.has_changed().unwrap());
        sender.send(1).unwrap();
        assert!(receiver.has_changed().unwrap());
        // A look does not count as having seen it.
        assert!(receiver.borrow().has_changed());
        wait!(receiver.changed()).unwrap();
        assert!(!receiver.has_changed().unwrap());
        assert!(wait!(timeout(Duration::from_millis(1), receiver.changed())).is_err());
        sender.send(2).unwrap();
        let seen = receiver.borrow_and_update();
        assert!((*seen, seen.has_changed()) == (2, true));
        drop(seen);
        assert!(!receiver.borrow_and_update().has_changed());
        assert!(wait!(timeout(Duration::from_millis(1), receiver.changed())).is_err());
        receiver.mark_changed();
        assert!(receiver.has_changed().unwrap());
        wait!(receiver.changed()).unwrap();
        sender.send(3).unwrap();
        receiver.mark_unchanged();
        assert!(!receiver.has_changed().unwrap());
    }

    fn the_last_value_is_seen_before_the_end() {
        let (sender, mut receiver) = watch::channel(0);
        sender.send(7).unwrap();
        drop(sender);
        assert!(receiver.is_closed() && receiver.has_changed().is_err());
        wait!(receiver.changed()).unwrap();
        assert_eq!(*receiver.borrow(), 7);
        let error = wait!(receiver.changed()).unwrap_err();
        assert_eq!(error.to_string(), "nobody will change the value");
    }

    fn the_end_wakes_those_who_wait() {
        let (sender, receiver) = watch::channel(0);
        let slot = Rc::new(RefCell::new(Some(receiver)));
        let reader = spawn!([slot] {
            let mut receiver = slot.take().unwrap();
            wait!(receiver.changed())
        });
        settle!();
        let other = sender.clone();
        drop(sender);
        settle!();
        assert_eq!((reader.is_finished(), other.sender_count()), (false, 1));
        drop(other);
        assert!(wait!(reader).unwrap().is_err());
    }

    fn waiting_for_a_value_asks_at_once_and_after_each_change() {
        let (sender, mut receiver) = watch::channel(1);
        assert_eq!(*wait!(receiver.wait_for(|value| *value == 1)).unwrap(), 1);
        let slot = Rc::new(RefCell::new(Some(receiver)));
        let reader = spawn!([slot] {
            let mut receiver = slot.take().unwrap();
            let found = wait!(receiver.wait_for(|value| *value >= 3)).map(|found| (*found, found.has_changed()));
            (found.unwrap(), wait!(receiver.wait_for(|value| *value == 0)).is_err())
        });
        for number in [2, 3, 4] {
            sender.send(number).unwrap();
            settle!();
        }
        drop(sender);
        assert_eq!(wait!(reader).unwrap(), ((3, true), true));
    }

    fn a_sender_learns_that_nobody_watches() {
        let (sender, receiver) = watch::channel(0);
        let closed = spawn!([sender] { wait!(sender.closed()) });
        settle!();
        assert!(!closed.is_finished() && !sender.is_closed());
        drop(receiver);
        wait!(closed).unwrap();
        assert_eq!(sender.send(1), Err(SendError(1)));
        assert_eq!(*sender.borrow(), 0);
        assert_eq!(sender.send_replace(2), 0);
        let mut late = sender.subscribe();
        assert_eq!((*late.borrow(), late.has_changed().unwrap()), (2, false));
        sender.send(3).unwrap();
        wait!(late.changed()).unwrap();
        assert_eq!(sender.receiver_count(), 1);
    }

    fn watchers_that_wait_all_the_time_see_the_last_value() {
        let (sender, receiver) = watch::channel(0);
        let slot = Rc::new(RefCell::new(Some(receiver)));
        let reader = spawn!([slot] {
            let mut receiver = slot.take().unwrap();
            let mut last = 0;
            while wait!(receiver.changed()).is_ok() {
                let now = *receiver.borrow();
                assert!(now > last);
                last = now;
            }
            last
        });
        for number in 1..=50 {
            sender.send(number).unwrap();
            if number % 3 == 0 {
                wait!(yield_now());
            }
        }
        drop(sender);
        assert_eq!(wait!(reader).unwrap(), 50);
    }
}

#[test]
fn a_value_is_changed_in_place_and_told_only_if_wanted() {
    let (sender, receiver) = watch::channel(vec![1]);
    sender.send_modify(|value| value.push(2));
    assert!(receiver.has_changed().unwrap());
    assert_eq!(*receiver.borrow(), [1, 2]);
    let mut other = sender.subscribe();
    assert!(!sender.send_if_modified(|value| {
        value.push(3);
        false
    }));
    assert_eq!((other.borrow().len(), other.has_changed().unwrap()), (3, false));
    assert!(sender.send_if_modified(|_| true));
    assert!(other.has_changed().unwrap());
    assert!(other.borrow_and_update().has_changed());
}

#[test]
fn a_change_that_panics_is_told_to_nobody_and_poisons_nothing() {
    let (sender, receiver) = watch::channel(1);
    let panics = || {
        sender.send_modify(|value| {
            *value = 2;
            std::panic::resume_unwind(Box::new("half done"));
        });
    };
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert_eq!((*receiver.borrow(), receiver.has_changed().unwrap()), (2, false));
    sender.send(3).unwrap();
    assert!(receiver.has_changed().unwrap());
}

#[test]
fn a_value_that_is_looked_at_is_not_changed() {
    let (sender, receiver) = watch::channel(1);
    let look = receiver.borrow();
    let caught = panic_of(|| sender.send(2));
    assert!(caught.message.contains("drop what borrow() gave"), "{caught:?}");
    caught.assert_within(2);
    assert_eq!(*look, 1);
    drop(look);
    let caught = panic_of(|| sender.send_modify(|_| drop(receiver.borrow())));
    assert!(caught.message.contains("use what the function is given"), "{caught:?}");
    sender.send(3).unwrap();
    assert_eq!(*receiver.borrow(), 3);
}

#[test]
fn the_old_value_may_use_the_channel_when_it_is_dropped() {
    thread_local!(static SEEN: Cell<u32> = const { Cell::new(0) });
    struct Looks(u32, Option<Receiver<Looks>>);
    impl Drop for Looks {
        fn drop(&mut self) {
            if let Some(receiver) = self.1.take() {
                SEEN.set(receiver.borrow().0);
            }
        }
    }
    let (sender, receiver) = watch::channel(Looks(1, None));
    assert!(sender.send(Looks(2, Some(receiver.clone()))).is_ok());
    assert!(sender.send(Looks(3, None)).is_ok());
    assert_eq!(SEEN.get(), 3);
}

#[test]
fn the_value_lives_as_long_as_an_end() {
    let drops = Drops::new();
    let (sender, receiver) = watch::channel(drops.guard());
    drop(sender);
    assert_eq!(drops.count(), 0);
    drop(receiver);
    assert_eq!(drops.count(), 1);
}

#[test]
fn it_is_used_without_a_loop() {
    let sender = Sender::<u8>::default();
    let mut receiver = sender.subscribe();
    assert!(receiver.same_channel(&receiver.clone()) && sender.same_channel(&sender.clone()));
    assert!(poll_once(&mut pin!(receiver.changed())).is_pending());
    sender.send(1).unwrap();
    block_on(receiver.changed()).unwrap();
    assert_eq!(format!("{sender:?}"), "watch::Sender { value: 1, .. }");
    assert_eq!(format!("{receiver:?}"), "watch::Receiver { value: 1, .. }");
}

#[test]
fn in_no_order_is_the_last_value_missed() {
    struct Shared {
        sender: RefCell<Option<Sender<u32>>>,
        receiver: Receiver<u32>,
        last: [Cell<u32>; 2],
    }
    let new = || {
        let (sender, receiver) = watch::channel(0);
        Shared { sender: RefCell::new(Some(sender)), receiver, last: Default::default() }
    };
    let mut sweep = Sweep::new(new).spurious(1);
    for number in 0..2 {
        sweep = sweep.future(move |shared: Rc<Shared>| async move {
            let mut receiver = shared.receiver.clone();
            while receiver.changed().await.is_ok() {
                let value = *receiver.borrow();
                assert!(value > shared.last[number].get(), "told of nothing new");
                shared.last[number].set(value);
            }
        });
    }
    let send = |number| {
        move |shared: &Shared| {
            let sender = shared.sender.borrow();
            sender.as_ref().expect("it is there").send(number).expect("it is watched");
        }
    };
    let sweep = sweep.act(send(1)).act(send(2)).act(|shared| drop(shared.sender.take()));
    let orders = sweep.check(|shared, fates| {
        for (last, fate) in shared.last.iter().zip(fates) {
            assert_ne!(*fate, Fate::Waiting, "the end was missed");
            assert!(*fate != Fate::Finished || last.get() == 2, "the last value was missed");
        }
    });
    assert!(orders > 1_000, "{orders}");
}

#[test]
fn in_no_order_is_a_value_that_is_waited_for_missed() {
    struct Shared {
        sender: RefCell<Option<Sender<u32>>>,
        receivers: RefCell<Vec<Receiver<u32>>>,
    }
    let new = || {
        let (sender, receiver) = watch::channel(0);
        let receivers = RefCell::new(vec![receiver.clone(), receiver]);
        Shared { sender: RefCell::new(Some(sender)), receivers }
    };
    let mut sweep = Sweep::new(new).drops(1);
    for wanted in [2, 3] {
        sweep = sweep.future(move |shared: Rc<Shared>| async move {
            let mut receiver = shared.receivers.borrow_mut().pop().expect("there are two");
            let seen = receiver.wait_for(|value| *value == wanted).await.map(|value| *value);
            // It stays 2, and is never 3.
            assert_eq!(seen.is_ok(), wanted == 2);
        });
    }
    let sweep = sweep.future(|shared: Rc<Shared>| async move {
        let Some(sender) = shared.sender.borrow().clone() else { return };
        sender.closed().await;
        assert_eq!(sender.receiver_count(), 0);
    });
    let send = |number| {
        move |shared: &Shared| {
            let sender = shared.sender.borrow();
            let _ = sender.as_ref().expect("it is there").send(number);
        }
    };
    let sweep = sweep.act(send(1)).act(send(2)).act(|shared| drop(shared.sender.take()));
    let orders = sweep.check(|shared, fates| {
        assert_ne!(fates[0], Fate::Waiting, "the value was missed");
        // A sender that waits for the end of those who watch keeps the channel open for them.
        let [_, watches, sends] = [0, 1, 2].map(|number| fates[number] == Fate::Waiting);
        assert!(!watches || sends, "nobody will change the value, and that was missed");
        let unused = !shared.receivers.borrow().is_empty();
        assert!(!sends || watches || unused, "nobody watches, and that was missed");
    });
    assert!(orders > 1_000, "{orders}");
}
