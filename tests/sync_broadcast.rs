//! Every receiver gets every message, or learns how many it has missed.

#[path = "support/styles.rs"]
mod styles;
mod support;
#[path = "support/sweep.rs"]
mod sweep;

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::StreamExt;
use greenloop::{
    sync::broadcast::{
        self, Receiver, Sender,
        error::{Lagged, RecvError, SendError, TryRecvError},
    },
    timeout, yield_now,
};
use styles::both_styles;
use support::{DropGuard, Drops, Wakes, block_on, panic_of, poll_once};
use sweep::{Fate, Sweep};

both_styles! {
    fn all_receivers_get_all_messages_in_their_order() {
        let sender = Sender::new(16);
        let readers = [(); 3].map(|()| {
            let slot = Rc::new(RefCell::new(Some(sender.subscribe())));
            spawn!([slot] {
                let mut receiver = slot.take().unwrap();
                let mut got = Vec::new();
                while let Ok(message) = wait!(receiver.recv()) {
                    got.push(message);
                }
                got
            })
        });
        settle!();
        for number in 0..5 {
            assert_eq!(sender.send(number), Ok(3));
            wait!(yield_now());
        }
        drop(sender);
        for reader in readers {
            assert_eq!(wait!(reader).unwrap(), [0, 1, 2, 3, 4]);
        }
    }

    fn whoever_is_too_slow_learns_how_many_it_has_missed() {
        let (sender, mut slow) = broadcast::channel(2);
        let mut fast = sender.subscribe();
        for number in 0..5 {
            sender.send(number).unwrap();
            assert_eq!(wait!(fast.recv()), Ok(number));
        }
        assert_eq!((slow.len(), fast.len(), sender.len()), (5, 0, 2));
        assert_eq!(wait!(slow.recv()), Err(RecvError::Lagged(3)));
        assert_eq!(wait!(slow.recv()), Ok(3));
        sender.send(5).unwrap();
        assert_eq!(wait!(slow.recv()), Ok(4));
        assert_eq!(wait!(slow.recv()), Ok(5));
        assert!(slow.is_empty() && !fast.is_empty());
        drop(sender);
        assert_eq!(wait!(slow.recv()), Err(RecvError::Closed));
        assert_eq!(wait!(fast.recv()), Ok(5));
        assert_eq!(wait!(fast.recv()), Err(RecvError::Closed));
    }

    fn the_end_wakes_those_who_wait() {
        let (sender, receiver) = broadcast::channel::<u8>(1);
        let slot = Rc::new(RefCell::new(Some(receiver)));
        let reader = spawn!([slot] {
            let mut receiver = slot.take().unwrap();
            wait!(receiver.recv())
        });
        settle!();
        drop(sender.clone());
        settle!();
        assert!(!reader.is_finished());
        drop(sender);
        assert_eq!(wait!(reader).unwrap(), Err(RecvError::Closed));
    }

    fn a_sender_learns_that_nobody_receives() {
        let (sender, receiver) = broadcast::channel(1);
        let closed = spawn!([sender] { wait!(sender.closed()) });
        settle!();
        let other = receiver.resubscribe();
        drop(receiver);
        settle!();
        assert!(!closed.is_finished());
        drop(other);
        wait!(closed).unwrap();
        assert_eq!(sender.send(1), Err(SendError(1)));
        let mut late = sender.subscribe();
        assert_eq!(sender.send(2), Ok(1));
        assert_eq!(wait!(late.recv()), Ok(2));
    }

    fn a_time_out_loses_nothing() {
        let (sender, mut receiver) = broadcast::channel(1);
        assert!(wait!(timeout(Duration::from_millis(1), receiver.recv())).is_err());
        sender.send(1).unwrap();
        assert_eq!(wait!(timeout(Duration::ZERO, receiver.recv())).unwrap(), Ok(1));
    }

    fn it_is_a_stream() {
        let (sender, receiver) = broadcast::channel(2);
        let slot = Rc::new(RefCell::new(Some(receiver)));
        let reader = spawn!([slot] {
            let receiver = slot.take().unwrap();
            wait!(receiver.collect::<Vec<_>>())
        });
        settle!();
        sender.send(1).unwrap();
        settle!();
        for number in 2..5 {
            sender.send(number).unwrap();
        }
        drop(sender);
        assert_eq!(wait!(reader).unwrap(), [Ok(1), Err(Lagged(1)), Ok(3), Ok(4)]);
    }
}

#[test]
fn trying_tells_why_there_is_no_message() {
    let (sender, mut receiver) = broadcast::channel(1);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Lagged(1)));
    assert_eq!(receiver.try_recv(), Ok(2));
    drop(sender);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert!(receiver.is_closed());
    assert_eq!(TryRecvError::Lagged(3).to_string(), "3 messages were missed");
}

#[test]
fn the_last_receiver_of_a_message_gets_it_without_a_copy() {
    struct Counted(Rc<()>);
    impl Clone for Counted {
        fn clone(&self) -> Self {
            Self(Rc::clone(&self.0))
        }
    }
    let count = Rc::new(());
    let (sender, mut first) = broadcast::channel(2);
    let mut second = first.resubscribe();
    assert!(sender.send(Counted(Rc::clone(&count))).is_ok());
    assert_eq!(Rc::strong_count(&count), 2);
    let got = first.try_recv().ok().unwrap();
    assert_eq!(Rc::strong_count(&count), 3);
    drop(got);
    drop(second.try_recv().ok().unwrap());
    assert_eq!((Rc::strong_count(&count), sender.len()), (1, 0));
}

#[test]
fn what_nobody_will_get_is_dropped() {
    let drops = Drops::new();
    #[derive(Clone)]
    struct Message(#[allow(dead_code, reason = "dropped")] Rc<DropGuard>);
    let message = || Message(Rc::new(drops.guard()));
    let (sender, first) = broadcast::channel(2);
    let second = first.resubscribe();
    for _ in 0..3 {
        assert!(sender.send(message()).is_ok());
    }
    assert_eq!(drops.count(), 1);
    drop(first);
    assert_eq!(drops.count(), 1);
    drop(second);
    assert_eq!((drops.count(), sender.len()), (3, 0));
    assert!(sender.is_empty() && sender.send(message()).is_err());
    assert_eq!(drops.count(), 4);
}

/// A message whose clone sends and receives on the same channel.
#[test]
fn a_message_may_use_its_channel_when_it_is_cloned() {
    struct Sends(u32, Rc<RefCell<Option<Sender<Sends>>>>);
    impl Clone for Sends {
        fn clone(&self) -> Self {
            let sender = self.1.take();
            if let Some(sender) = sender {
                let mut other = sender.subscribe();
                let sent = Sends(self.0 + 1, Rc::clone(&self.1));
                assert!(sender.send(sent).is_ok());
                assert_eq!(other.try_recv().ok().map(|sent| sent.0), Some(self.0 + 1));
            }
            Sends(self.0, Rc::clone(&self.1))
        }
    }
    let (sender, mut first) = broadcast::channel(1);
    let _second = sender.subscribe();
    let slot = Rc::new(RefCell::new(Some(sender.clone())));
    assert!(sender.send(Sends(1, slot)).is_ok());
    assert_eq!(first.try_recv().ok().map(|got| got.0), Some(1));
    assert_eq!(first.try_recv().ok().map(|got| got.0), Some(2));
}

#[test]
fn a_message_whose_destructor_panics_keeps_nobody_waiting() {
    struct Awkward(bool);
    impl Clone for Awkward {
        fn clone(&self) -> Self {
            Self(false)
        }
    }
    impl Drop for Awkward {
        fn drop(&mut self) {
            if std::mem::take(&mut self.0) {
                std::panic::resume_unwind(Box::new("a destructor"));
            }
        }
    }
    let (sender, mut fast) = broadcast::channel(1);
    let slow = sender.subscribe();
    sender.send(Awkward(true)).ok().unwrap();
    assert!(poll_once(&mut pin!(fast.recv())).is_ready());
    // The next one pushes it out, for the slow one did not take it.
    let mut waits = Box::pin(fast.recv());
    let wakes = Wakes::new();
    assert!(waits.as_mut().poll(&mut Context::from_waker(&wakes.waker())).is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| sender.send(Awkward(true)).is_ok())).is_err());
    assert_eq!(wakes.count(), 1, "the message is there, and nobody was told");
    assert!(poll_once(&mut waits).is_ready());
    drop(waits);
    drop(fast);

    let mut closed = pin!(sender.closed());
    assert!(closed.as_mut().poll(&mut Context::from_waker(&wakes.waker())).is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(slow))).is_err());
    assert_eq!(wakes.count(), 2, "nobody receives any more, and nobody was told");
    assert!(poll_once(&mut closed).is_ready());
}

#[test]
fn ends_are_counted_and_compared() {
    let (sender, receiver) = broadcast::channel::<u8>(1);
    let (weak, other) = (sender.downgrade(), sender.clone());
    assert_eq!((sender.strong_count(), sender.weak_count(), sender.receiver_count()), (2, 1, 1));
    assert_eq!((receiver.sender_strong_count(), receiver.sender_weak_count()), (2, 1));
    assert!(sender.same_channel(&other) && receiver.same_channel(&receiver.resubscribe()));
    assert!(weak.clone().upgrade().is_some());
    drop((sender, other));
    assert!(weak.upgrade().is_none());
    assert_eq!((weak.strong_count(), weak.weak_count()), (0, 1));
    panic_of(|| broadcast::channel::<u8>(0));
}

#[test]
fn it_is_used_without_a_loop() {
    let (sender, mut receiver) = broadcast::channel(3);
    block_on(async {
        sender.send(1).unwrap();
        assert_eq!(receiver.recv().await, Ok(1));
    });
    assert_eq!(format!("{sender:?}"), "broadcast::Sender { len: 0, .. }");
    assert_eq!(format!("{receiver:?}"), "broadcast::Receiver { len: 0, .. }");
    let mut next = receiver.next();
    assert!(poll_once(&mut next).is_pending());
    sender.send(2).unwrap();
    assert_eq!(poll_once(&mut next), Poll::Ready(Some(Ok(2))));
}

#[test]
fn in_no_order_is_a_message_lost_or_doubled() {
    struct Shared {
        sender: RefCell<Option<Sender<u32>>>,
        receivers: RefCell<Vec<Receiver<u32>>>,
        got: [RefCell<Vec<u32>>; 2],
    }
    let new = || {
        let (sender, receiver) = broadcast::channel(4);
        let receivers = RefCell::new(vec![receiver.resubscribe(), receiver]);
        Shared { sender: RefCell::new(Some(sender)), receivers, got: Default::default() }
    };
    let mut sweep = Sweep::new(new).spurious(1);
    for number in 0..2 {
        sweep = sweep.future(move |shared: Rc<Shared>| async move {
            let mut receiver = shared.receivers.borrow_mut().pop().expect("there are two");
            while let Ok(message) = receiver.recv().await {
                shared.got[number].borrow_mut().push(message);
            }
        });
    }
    let send = |number| {
        move |shared: &Shared| {
            let sender = shared.sender.borrow();
            let _ = sender.as_ref().expect("it is there").send(number);
        }
    };
    let sweep = sweep.act(send(1)).act(send(2)).act(|shared| drop(shared.sender.take()));
    let orders = sweep.check(|shared, fates| {
        for (got, fate) in shared.got.iter().zip(fates) {
            let got = got.borrow();
            assert_ne!(*fate, Fate::Waiting, "the end was missed");
            assert_eq!(got[..], [1, 2][..got.len()]);
            assert!(*fate != Fate::Finished || got.len() == 2, "a message was lost");
        }
    });
    assert!(orders > 1_000, "{orders}");
}

#[test]
fn in_no_order_is_a_message_of_a_stream_lost_or_the_end_of_all_receivers_missed() {
    struct Shared {
        sender: Sender<u32>,
        receivers: RefCell<Vec<Receiver<u32>>>,
        got: [RefCell<Vec<u32>>; 2],
    }
    let new = || {
        let (sender, receiver) = broadcast::channel(4);
        let receivers = RefCell::new(vec![receiver.resubscribe(), receiver]);
        Shared { sender, receivers, got: Default::default() }
    };
    let mut sweep = Sweep::new(new);
    for number in 0..2 {
        sweep = sweep.future(move |shared: Rc<Shared>| async move {
            let mut receiver = shared.receivers.borrow_mut().pop().expect("there are two");
            for _ in 0..2 {
                let message = receiver.next().await.expect("it is open").expect("it is fast");
                shared.got[number].borrow_mut().push(message);
            }
        });
    }
    let sweep = sweep.future(|shared: Rc<Shared>| async move { shared.sender.closed().await });
    let send = |number| {
        move |shared: &Shared| {
            let _ = shared.sender.send(number);
        }
    };
    let orders = sweep.act(send(1)).act(send(2)).check(|shared, fates| {
        for (got, fate) in shared.got.iter().zip(fates) {
            let got = got.borrow();
            assert_ne!(*fate, Fate::Waiting, "a message was lost");
            assert_eq!(got[..], [1, 2][..got.len()]);
        }
        let left = shared.sender.receiver_count();
        assert!(fates[2] != Fate::Waiting || left > 0, "nobody receives, and that was missed");
    });
    assert!(orders > 1_000, "{orders}");
}
