//! What is sent is received once, in order, by the one receiver; and both sides learn of the end.

#[path = "support/styles.rs"]
mod styles;
mod support;
#[path = "support/sweep.rs"]
mod sweep;

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    task::Context,
    time::Duration,
};

use futures_util::StreamExt;
use greenloop::{
    sync::mpsc::{
        self,
        error::{SendError, SendTimeoutError, TryRecvError, TrySendError},
    },
    timeout, yield_now,
};
use styles::both_styles;
use support::{DropGuard, Drops, OnDrop, Wakes, block_on, panic_of, poll_once};
use sweep::{Fate, Sweep};

const MILLISECOND: Duration = Duration::from_millis(1);

both_styles! {
    fn messages_arrive_in_order_and_a_full_channel_holds_the_sender_back() {
        let (sender, mut receiver) = mpsc::channel(2);
        let sent = Rc::new(Cell::new(0));
        let producer = spawn!([sender, sent] {
            for number in 0..5 {
                wait!(sender.send(number)).unwrap();
                sent.set(number + 1);
            }
        });
        drop(sender);
        settle!();
        assert_eq!((sent.get(), receiver.len(), receiver.capacity()), (2, 2, 0));
        assert_eq!(wait!(receiver.recv()), Some(0));
        settle!();
        assert_eq!(sent.get(), 3);
        for number in 1..5 {
            assert_eq!(wait!(receiver.recv()), Some(number));
        }
        assert_eq!(wait!(receiver.recv()), None);
        assert_eq!(wait!(receiver.recv()), None);
        wait!(producer).unwrap();
    }

    fn senders_who_wait_are_served_in_their_order() {
        let (sender, mut receiver) = mpsc::channel(1);
        wait!(sender.send(0)).unwrap();
        for number in 1..4 {
            drop(spawn!([sender] { wait!(sender.send(number)).unwrap() }));
            settle!();
        }
        // The slot of a message that was received belongs to the first who waits.
        assert_eq!(receiver.try_recv(), Ok(0));
        assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
        for number in 1..4 {
            assert_eq!(wait!(receiver.recv()), Some(number));
        }
        sender.try_send(9).unwrap();
        assert_eq!(wait!(receiver.recv()), Some(9));
    }

    fn a_slot_that_was_freed_belongs_to_the_sender_who_waits() {
        let (sender, mut receiver) = mpsc::channel(1);
        let sender = Rc::new(sender);
        wait!(sender.send(0)).unwrap();
        let waiting = spawn!([sender] { wait!(sender.send(1)) });
        settle!();
        assert_eq!(wait!(receiver.recv()), Some(0));
        assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
        wait!(waiting).unwrap().unwrap();
        assert_eq!(wait!(receiver.recv()), Some(1));
    }

    fn a_receiver_that_waits_gets_what_is_sent() {
        let (sender, receiver) = mpsc::unbounded_channel();
        let slot = Rc::new(RefCell::new(Some(receiver)));
        let consumer = spawn!([slot] {
            let mut receiver = slot.take().unwrap();
            let mut got = Vec::new();
            while let Some(message) = wait!(receiver.recv()) {
                got.push(message);
            }
            got
        });
        settle!();
        sender.send(1).unwrap();
        settle!();
        sender.clone().send(2).unwrap();
        sender.send(3).unwrap();
        drop(sender);
        assert_eq!(wait!(consumer).unwrap(), [1, 2, 3]);
    }

    fn a_receiver_that_is_dropped_sends_the_senders_away() {
        let (sender, receiver) = mpsc::channel(1);
        wait!(sender.send(0)).unwrap();
        let waiting = spawn!([sender] { wait!(sender.send(1)) });
        let closed = spawn!([sender] { wait!(sender.closed()) });
        settle!();
        assert!(!sender.is_closed());
        drop(receiver);
        assert_eq!(wait!(waiting).unwrap(), Err(SendError(1)));
        wait!(closed).unwrap();
        assert_eq!(wait!(sender.send(2)), Err(SendError(2)));
        assert_eq!(sender.try_send(3), Err(TrySendError::Closed(3)));
        assert!(sender.is_closed() && wait!(sender.reserve()).is_err());

        let (sender, receiver) = mpsc::unbounded_channel();
        let closed = spawn!([sender] { wait!(sender.closed()) });
        settle!();
        drop(receiver);
        wait!(closed).unwrap();
        assert_eq!(sender.send(1), Err(SendError(1)));
    }

    fn a_closed_receiver_gets_what_was_sent_and_what_has_a_permit() {
        let (sender, mut receiver) = mpsc::channel(3);
        wait!(sender.send(0)).unwrap();
        let permit = wait!(sender.reserve()).unwrap();
        let other = wait!(sender.reserve()).unwrap();
        receiver.close();
        assert!(receiver.is_closed());
        assert_eq!(wait!(sender.send(9)), Err(SendError(9)));
        assert_eq!(wait!(receiver.recv()), Some(0));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        permit.send(1);
        assert_eq!(wait!(receiver.recv()), Some(1));
        assert!(poll_once(&mut pin!(receiver.recv())).is_pending());
        drop(other);
        assert_eq!(wait!(receiver.recv()), None);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    }

    fn the_last_permit_wakes_a_closed_receiver() {
        let (sender, receiver) = mpsc::channel::<u8>(1);
        let permit = wait!(sender.reserve()).unwrap();
        let slot = Rc::new(RefCell::new(Some(receiver)));
        let consumer = spawn!([slot] {
            let mut receiver = slot.take().unwrap();
            receiver.close();
            wait!(receiver.recv())
        });
        settle!();
        assert!(!consumer.is_finished());
        drop(permit);
        assert_eq!(wait!(consumer).unwrap(), None);
    }

    /// The only slot goes to a sender that is killed before it could use it.
    fn a_sender_that_is_killed_with_the_last_slot_wakes_a_closed_receiver() {
        let (sender, mut receiver) = mpsc::channel(1);
        wait!(sender.send(1)).unwrap();
        let killed = spawn!([sender] { wait!(sender.send(2)) });
        settle!();
        assert_eq!(receiver.try_recv(), Ok(1));
        receiver.close();
        let slot = Rc::new(RefCell::new(Some(receiver)));
        let consumer = spawn!([slot] {
            let mut receiver = slot.take().unwrap();
            wait!(receiver.recv())
        });
        killed.abort();
        assert_eq!(wait!(consumer).unwrap(), None);
    }

    fn a_sender_that_is_killed_passes_its_slot_on() {
        let (sender, mut receiver) = mpsc::channel(1);
        wait!(sender.send(0)).unwrap();
        let [killed, next] = [1, 2].map(|number| spawn!([sender] { wait!(sender.send(number)) }));
        settle!();
        assert_eq!(receiver.try_recv(), Ok(0));
        killed.abort();
        wait!(next).unwrap().unwrap();
        assert_eq!(wait!(receiver.recv()), Some(2));
        assert_eq!(sender.capacity(), 1);
    }

    fn a_receiver_that_gives_up_loses_nothing() {
        let (sender, mut receiver) = mpsc::channel(4);
        assert!(wait!(timeout(MILLISECOND, receiver.recv())).is_err());
        sender.try_send(1).unwrap();
        sender.try_send(2).unwrap();
        assert_eq!(wait!(timeout(Duration::ZERO, receiver.recv())), Ok(Some(1)));
        assert_eq!(receiver.try_recv(), Ok(2));
        // Woken for the third, and dropped before it is told.
        let wakes = Wakes::new();
        let waker = wakes.waker();
        {
            let mut recv = pin!(receiver.recv());
            assert!(recv.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            sender.try_send(3).unwrap();
            assert_eq!(wakes.count(), 1);
        }
        assert_eq!(wait!(receiver.recv()), Some(3));
    }

    fn a_message_that_cannot_be_sent_in_time_comes_back() {
        let (sender, mut receiver) = mpsc::channel(1);
        wait!(sender.send_timeout(1, MILLISECOND)).unwrap();
        let error = wait!(sender.send_timeout(2, MILLISECOND)).unwrap_err();
        assert_eq!(error.to_string(), "the channel was full until the time was over");
        assert_eq!(error.into_inner(), 2);
        assert_eq!(receiver.try_recv(), Ok(1));
        wait!(sender.send_timeout(3, MILLISECOND)).unwrap();
        receiver.close();
        let error = wait!(sender.send_timeout(4, MILLISECOND)).unwrap_err();
        assert_eq!(error, SendTimeoutError::Closed(4));
    }

    fn many_messages_are_taken_at_once() {
        let (sender, mut receiver) = mpsc::channel(8);
        for number in 0..6 {
            wait!(sender.send(number)).unwrap();
        }
        let mut got = vec![100];
        assert_eq!(wait!(receiver.recv_many(&mut got, 0)), 0);
        assert_eq!(wait!(receiver.recv_many(&mut got, 4)), 4);
        assert_eq!((got.as_slice(), sender.capacity()), (&[100, 0, 1, 2, 3][..], 6));
        assert_eq!(wait!(receiver.recv_many(&mut got, 4)), 2);
        let late = spawn!([sender] {
            wait!(yield_now());
            wait!(sender.send(6)).unwrap();
        });
        drop(sender);
        assert_eq!(wait!(receiver.recv_many(&mut got, 4)), 1);
        assert_eq!(wait!(receiver.recv_many(&mut got, 4)), 0);
        assert_eq!(got, [100, 0, 1, 2, 3, 4, 5, 6]);
        wait!(late).unwrap();
    }

    fn a_permit_keeps_room() {
        let (sender, mut receiver) = mpsc::channel(1);
        let permit = wait!(sender.reserve()).unwrap();
        assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
        assert!(matches!(sender.try_reserve(), Err(TrySendError::Full(()))));
        drop(permit);
        sender.try_reserve().unwrap().send(2);
        assert_eq!(wait!(receiver.recv()), Some(2));

        let permit = wait!(sender.reserve_owned()).unwrap();
        let sender = permit.send(3);
        let other = sender.clone();
        let refused = sender.try_reserve_owned().unwrap_err();
        assert!(matches!(&refused, TrySendError::Full(_)));
        drop(refused);
        assert_eq!(wait!(receiver.recv()), Some(3));
        let sender = other.try_reserve_owned().unwrap().release();
        assert_eq!((sender.capacity(), sender.strong_count()), (1, 1));
        drop(wait!(sender.reserve_owned()).unwrap());
        assert_eq!(wait!(receiver.recv()), None);
    }

    fn permits_for_several_messages_are_had_together() {
        let (sender, mut receiver) = mpsc::channel(3);
        let mut permits = wait!(sender.reserve_many(3)).unwrap();
        assert_eq!((permits.len(), sender.capacity()), (3, 0));
        permits.next().unwrap().send(1);
        drop(permits);
        assert_eq!(sender.capacity(), 2);
        assert!(matches!(sender.try_reserve_many(3), Err(TrySendError::Full(()))));

        let sender = Rc::new(sender);
        let waiting = spawn!([sender] {
            let permits = wait!(sender.reserve_many(3)).unwrap();
            permits.zip(2..).for_each(|(permit, number)| permit.send(number));
        });
        settle!();
        assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)), "one waits who came before");
        for number in 1..=4 {
            assert_eq!(wait!(receiver.recv()), Some(number));
        }
        wait!(waiting).unwrap();

        assert_eq!(wait!(sender.reserve_many(0)).unwrap().count(), 0);
        // The channel never holds so many.
        assert!(wait!(sender.reserve_many(4)).is_err());
        assert!(matches!(sender.try_reserve_many(usize::MAX), Err(TrySendError::Full(()))));
        let permits = sender.try_reserve_many(2).unwrap();
        receiver.close();
        assert!(matches!(sender.try_reserve_many(1), Err(TrySendError::Closed(()))));
        assert!(wait!(sender.reserve_many(1)).is_err());
        let last = spawn!([] { wait!(receiver.recv()) });
        settle!();
        assert!(!last.is_finished(), "two messages may still come");
        drop(permits);
        assert_eq!(wait!(last).unwrap(), None);
    }

    fn it_is_a_stream() {
        let (sender, mut receiver) = mpsc::channel(2);
        let producer = spawn!([sender] {
            for number in 0..5 {
                wait!(sender.send(number)).unwrap();
            }
        });
        drop(sender);
        let numbers: Vec<_> = wait!(receiver.by_ref().collect());
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
        wait!(producer).unwrap();

        let (sender, receiver) = mpsc::unbounded_channel();
        for number in 0..3 {
            sender.send(number).unwrap();
        }
        drop(sender);
        let numbers: Vec<_> = wait!(receiver.collect());
        assert_eq!(numbers, [0, 1, 2]);
    }

    /// A producer and a consumer that never wait let the third one run.
    fn busy_ends_let_others_run() {
        let (sender, mut receiver) = mpsc::channel(1);
        let ran = Rc::new(Cell::new(false));
        let other = spawn!([ran] { ran.set(true) });
        let mut count = 0;
        while !ran.get() {
            wait!(sender.send(())).unwrap();
            wait!(receiver.recv());
            count += 1;
            assert!(count <= 1000, "it has no budget");
        }
        wait!(other).unwrap();
    }
}

#[test]
fn weak_senders_do_not_keep_it_open() {
    let (sender, mut receiver) = mpsc::channel(1);
    let weak = sender.downgrade();
    let other = weak.clone();
    assert_eq!((sender.strong_count(), sender.weak_count()), (1, 2));
    weak.upgrade().unwrap().try_send(1).unwrap();
    assert_eq!((other.strong_count(), receiver.sender_strong_count()), (1, 1));
    drop(weak);
    assert_eq!((other.weak_count(), receiver.sender_weak_count()), (1, 1));
    drop(sender);
    assert!(other.upgrade().is_none());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));

    let (sender, mut receiver) = mpsc::unbounded_channel();
    let weak = sender.downgrade().clone();
    assert_eq!((weak.strong_count(), weak.weak_count()), (1, 1));
    assert_eq!((sender.strong_count(), sender.weak_count()), (1, 1));
    let second = weak.upgrade().unwrap();
    assert!(second.same_channel(&sender));
    assert_eq!((receiver.sender_strong_count(), receiver.sender_weak_count()), (2, 1));
    drop((sender, second));
    assert!(weak.upgrade().is_none() && receiver.is_closed());
    assert_eq!(receiver.try_recv(), Err::<u8, _>(TryRecvError::Disconnected));
}

#[test]
fn it_is_used_without_a_loop() {
    let (sender, mut receiver) = mpsc::channel(3);
    block_on(async {
        sender.send(1).await.unwrap();
        assert_eq!(receiver.recv().await, Some(1));
    });
    assert_eq!((sender.capacity(), sender.max_capacity(), receiver.max_capacity()), (3, 3, 3));
    assert!(receiver.is_empty() && !receiver.is_closed());
    assert!(sender.same_channel(&sender.clone()) && !sender.same_channel(&mpsc::channel(1).0));
    assert_eq!(format!("{sender:?}"), "mpsc::Sender { capacity: 3, .. }");
    assert_eq!(format!("{receiver:?}"), "mpsc::Receiver { len: 0, .. }");
    assert!(panic_of(|| mpsc::channel::<u8>(0)).message.contains("at least one"));
    panic_of(|| mpsc::channel::<u8>(usize::MAX));
    assert_eq!(sender.try_reserve().map(|permit| permit.send(4)).ok(), Some(()));
    assert_eq!(block_on(poll_fn(|cx| receiver.poll_recv(cx))), Some(4));
    let mut many = Vec::new();
    sender.try_send(5).unwrap();
    assert_eq!(block_on(poll_fn(|cx| receiver.poll_recv_many(cx, &mut many, 9))), 1);
}

#[test]
fn trying_to_receive_never_misses_what_was_sent() {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    for count in [1, 31, 32, 33, 100] {
        for number in 0..count {
            sender.send(number).unwrap();
        }
        assert_eq!(receiver.len(), count);
        for number in 0..count {
            assert_eq!(receiver.try_recv(), Ok(number));
        }
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    }
}

#[test]
fn what_nobody_received_is_dropped_with_the_receiver() {
    let drops = Drops::new();
    let (sender, receiver) = mpsc::channel(4);
    for _ in 0..3 {
        sender.try_send(drops.guard()).unwrap();
    }
    let permit = sender.try_reserve().unwrap();
    drop(receiver);
    assert_eq!(drops.count(), 3);
    permit.send(drops.guard());
    assert_eq!(drops.count(), 4);
    assert!(sender.try_send(drops.guard()).is_err());
    assert_eq!(drops.count(), 5);
}

#[test]
fn a_message_whose_destructor_panics_does_not_keep_the_others() {
    struct Panics(Drops, bool);
    impl Drop for Panics {
        fn drop(&mut self) {
            drop(self.0.guard());
            if self.1 {
                std::panic::resume_unwind(Box::new("a destructor"));
            }
        }
    }
    let drops = Drops::new();
    let (sender, receiver) = mpsc::unbounded_channel();
    for number in 0..5 {
        assert!(sender.send(Panics(drops.clone(), number == 1)).is_ok());
    }
    assert!(catch_unwind(AssertUnwindSafe(|| drop(receiver))).is_err());
    assert_eq!(drops.count(), 5);
    assert!(sender.is_closed());
}

/// A destructor that sends into the very channel which drops its messages.
#[test]
fn a_message_may_use_its_channel_when_it_is_dropped() {
    struct Sends(Option<mpsc::UnboundedSender<Sends>>, Drops);
    impl Drop for Sends {
        fn drop(&mut self) {
            drop(self.1.guard());
            if let Some(sender) = self.0.take() {
                let refused = sender.send(Sends(None, self.1.clone()));
                assert!(refused.is_err());
            }
        }
    }
    let drops = Drops::new();
    let (sender, receiver) = mpsc::unbounded_channel();
    assert!(sender.send(Sends(Some(sender.clone()), drops.clone())).is_ok());
    drop(receiver);
    assert_eq!(drops.count(), 2);
}

#[test]
fn the_waker_of_a_receiver_is_released() {
    let wakes = Wakes::new();
    let waker = wakes.waker();
    let mut cx = Context::from_waker(&waker);
    let (sender, mut receiver) = mpsc::channel::<u8>(1);
    // By a future that is dropped, and by a receiver that is.
    assert!(pin!(receiver.recv()).poll(&mut cx).is_pending());
    assert_eq!(wakes.references(), 2);
    let mut many = Vec::new();
    assert!(pin!(receiver.recv_many(&mut many, 1)).poll(&mut cx).is_pending());
    assert_eq!(wakes.references(), 2);
    assert!(receiver.poll_recv(&mut cx).is_pending());
    assert_eq!(wakes.references(), 3);
    drop(receiver);
    assert_eq!(wakes.references(), 2);
    assert!(sender.is_closed());
}

#[test]
fn senders_that_gave_up_leave_nothing_behind() {
    let wakes = Wakes::new();
    let (sender, mut receiver) = mpsc::channel(1);
    sender.try_send(0).unwrap();
    for number in 0..10_000 {
        let waker = wakes.waker();
        assert!(pin!(sender.send(number)).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(wakes.references(), 1);
    assert_eq!(receiver.try_recv(), Ok(0));
    assert_eq!((receiver.try_recv(), sender.capacity()), (Err(TryRecvError::Empty), 1));
}

/// Two senders through one slot and a receiver that may be dropped in between; every message exists once.
#[test]
fn in_no_order_is_a_message_lost_or_doubled() {
    struct Shared {
        drops: Drops,
        made: Cell<usize>,
        sender: mpsc::Sender<(usize, DropGuard)>,
        receiver: RefCell<Option<mpsc::Receiver<(usize, DropGuard)>>>,
        received: RefCell<Vec<usize>>,
        sent: RefCell<Vec<usize>>,
    }
    let new = || {
        let (sender, receiver) = mpsc::channel(2);
        Shared {
            drops: Drops::new(),
            made: Cell::new(0),
            sender,
            receiver: RefCell::new(Some(receiver)),
            received: RefCell::default(),
            sent: RefCell::default(),
        }
    };
    let mut sweep = Sweep::new(new);
    for first in [0, 10, 20] {
        sweep = sweep.future(move |shared: Rc<Shared>| async move {
            for number in [first, first + 1] {
                shared.made.set(shared.made.get() + 1);
                let message = (number, shared.drops.guard());
                if shared.sender.send(message).await.is_err() {
                    return;
                }
                shared.sent.borrow_mut().push(number);
            }
        });
    }
    let sweep = sweep.future(|shared: Rc<Shared>| async move {
        let mut receiver = shared.receiver.take().expect("nobody else takes it");
        for _ in 0..6 {
            let (number, _guard) = receiver.recv().await.expect("there is a sender");
            shared.received.borrow_mut().push(number);
        }
        shared.receiver.replace(Some(receiver));
    });
    let orders = sweep.check(|shared, fates| {
        let (sent, received) = (shared.sent.borrow(), shared.received.borrow());
        // In the order of sending, as far as it came.
        assert_eq!(received[..], sent[..received.len()]);
        let senders_done = fates[..3].iter().all(|fate| *fate != Fate::Waiting);
        if fates[3] == Fate::Waiting {
            assert!(senders_done, "a sender waits, and the receiver too");
            assert_eq!(received.len(), sent.len(), "a message was lost");
        }
        if fates[3] == Fate::Finished {
            assert_eq!((received.len(), sent.len()), (6, 6));
        }
        if fates[3] == Fate::Dropped && shared.receiver.borrow().is_none() {
            assert!(senders_done, "a sender waits for a receiver that is gone");
            assert_eq!(shared.drops.count(), shared.made.get(), "a message was leaked");
        }
    });
    assert!(orders > 9_000, "{orders}");
}

/// A receiver that closes, and waits for what has a permit.
#[test]
fn in_no_order_does_a_closed_receiver_wait_for_nothing() {
    struct Shared {
        sender: mpsc::Sender<u8>,
        receiver: RefCell<Option<mpsc::Receiver<u8>>>,
        sent: Cell<usize>,
        received: Cell<usize>,
    }
    let new = || {
        let (sender, receiver) = mpsc::channel(1);
        let (sent, received) = (Cell::new(0), Cell::new(0));
        Shared { sender, receiver: RefCell::new(Some(receiver)), sent, received }
    };
    let mut sweep = Sweep::new(new);
    for _ in 0..2 {
        sweep = sweep.future(|shared: Rc<Shared>| async move {
            let Ok(permit) = shared.sender.reserve().await else { return };
            yield_now().await;
            permit.send(1);
            shared.sent.set(shared.sent.get() + 1);
            let sent = shared.sender.send(2).await.is_ok();
            shared.sent.set(shared.sent.get() + usize::from(sent));
        });
    }
    let sweep = sweep.future(|shared: Rc<Shared>| async move {
        let mut receiver = shared.receiver.take().expect("nobody else takes it");
        receiver.close();
        while receiver.recv().await.is_some() {
            shared.received.set(shared.received.get() + 1);
        }
    });
    let orders = sweep.check(|shared, fates| {
        let used = shared.receiver.borrow().is_none();
        let waits = fates.contains(&Fate::Waiting);
        assert!(!(used && waits), "somebody waits for nothing: {fates:?}");
        if fates[2] == Fate::Finished {
            assert_eq!(shared.sent.get(), shared.received.get());
        }
    });
    assert!(orders > 400, "{orders}");
}

#[test]
fn a_channel_within_a_channel_ends_without_leaks() {
    let drops = Drops::new();
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let (inner, kept) = mpsc::channel::<DropGuard>(1);
    inner.try_send(drops.guard()).unwrap();
    sender.send((inner, kept)).unwrap();
    assert!(
        Pin::new(&mut receiver)
            .poll_recv(&mut Context::from_waker(std::task::Waker::noop()))
            .is_ready()
    );
    assert_eq!(drops.count(), 1);
}

/// Each receives one message of what all share, and may give up.
#[test]
fn in_no_order_does_a_receive_that_is_given_up_take_a_message() {
    struct Shared {
        sender: RefCell<Option<mpsc::Sender<u32>>>,
        receiver: RefCell<Option<mpsc::Receiver<u32>>>,
        got: RefCell<Vec<u32>>,
    }
    /// The receiver, which goes back when this is dropped.
    struct Lent<'a>(&'a Shared, Option<mpsc::Receiver<u32>>);
    impl Drop for Lent<'_> {
        fn drop(&mut self) {
            self.0.receiver.replace(self.1.take());
        }
    }
    let new = || {
        let (sender, receiver) = mpsc::channel(2);
        let (sender, receiver) = (RefCell::new(Some(sender)), RefCell::new(Some(receiver)));
        Shared { sender, receiver, got: RefCell::default() }
    };
    let mut sweep = Sweep::new(new).spurious(1);
    for many in [false, true, false] {
        sweep = sweep.future(move |shared: Rc<Shared>| async move {
            let Some(receiver) = shared.receiver.take() else { return };
            let mut lent = Lent(&shared, Some(receiver));
            let receiver = lent.1.as_mut().expect("it was put there");
            let mut buffer = Vec::new();
            if many {
                receiver.recv_many(&mut buffer, 1).await;
            } else {
                buffer.extend(receiver.recv().await);
            }
            shared.got.borrow_mut().extend(buffer);
        });
    }
    let send = |number| {
        move |shared: &Shared| {
            let sender = shared.sender.borrow();
            sender.as_ref().expect("it is there").try_send(number).expect("there is room");
        }
    };
    let sweep = sweep.act(send(1)).act(send(2)).act(|shared| drop(shared.sender.take()));
    let orders = sweep.check(|shared, fates| {
        assert!(!fates.contains(&Fate::Waiting), "the end was missed");
        let mut all = shared.got.borrow().clone();
        let mut receiver = shared.receiver.borrow_mut();
        let receiver = receiver.as_mut().expect("it came back");
        all.extend(std::iter::from_fn(|| receiver.try_recv().ok()));
        assert_eq!(all, [1, 2], "a message was lost, doubled or overtaken");
        shared.got.replace(all);
    });
    assert!(orders > 5_000, "{orders}");
}

/// Permits that own their sender: sent by, given back, or dropped with their future.
#[test]
fn in_no_order_is_an_owned_permit_lost_or_doubled() {
    struct Shared {
        sender: mpsc::Sender<usize>,
        receiver: RefCell<mpsc::Receiver<usize>>,
        out: Cell<usize>,
        sent: Cell<usize>,
        received: Cell<usize>,
    }
    let new = || {
        let (sender, receiver) = mpsc::channel(1);
        let [out, sent, received] = Default::default();
        Shared { sender, receiver: RefCell::new(receiver), out, sent, received }
    };
    let mut sweep = Sweep::new(new);
    for number in 0..3 {
        sweep = sweep.future(move |shared: Rc<Shared>| async move {
            let permit = shared.sender.clone().reserve_owned().await.expect("it is open");
            assert_eq!(shared.out.replace(1), 0, "two have the one slot");
            let back = OnDrop::new(|| shared.out.set(0));
            yield_now().await;
            drop(back);
            if number == 1 {
                drop(permit.release());
            } else {
                drop(permit.send(number));
                shared.sent.set(shared.sent.get() + 1);
            }
        });
    }
    let sweep = sweep.act(|shared| {
        let received = shared.receiver.borrow_mut().try_recv().is_ok();
        shared.received.set(shared.received.get() + usize::from(received));
    });
    let orders = sweep.spurious(1).check(|shared, fates| {
        let kept = shared.receiver.borrow().len();
        assert_eq!(shared.sent.get(), shared.received.get() + kept, "a message was lost");
        assert_eq!(shared.sender.capacity() + shared.out.get() + kept, 1, "the slot was lost");
        let waits = fates.contains(&Fate::Waiting);
        assert!(!waits || kept == 1, "one waits for a slot that is free: {fates:?}");
    });
    assert!(orders > 10_000, "{orders}");
}

#[test]
fn in_no_order_is_the_end_of_the_receiver_missed() {
    struct Shared {
        sender: mpsc::Sender<u8>,
        unbounded: mpsc::UnboundedSender<u8>,
        receivers: RefCell<Option<(mpsc::Receiver<u8>, mpsc::UnboundedReceiver<u8>)>>,
    }
    let new = || {
        let (sender, receiver) = mpsc::channel(1);
        let (unbounded, other) = mpsc::unbounded_channel();
        sender.try_send(1).expect("there is room");
        Shared { sender, unbounded, receivers: RefCell::new(Some((receiver, other))) }
    };
    let orders = Sweep::new(new)
        .future(|shared: Rc<Shared>| async move { shared.sender.closed().await })
        .future(|shared: Rc<Shared>| async move { shared.unbounded.closed().await })
        .future(|shared: Rc<Shared>| async move {
            shared.sender.send(2).await.expect_err("nobody takes the first");
        })
        .future(|shared: Rc<Shared>| async move { shared.sender.closed().await })
        .act(|shared| drop(shared.receivers.take()))
        .spurious(1)
        .check(|_, fates| assert!(!fates.contains(&Fate::Waiting), "{fates:?}"));
    assert!(orders > 1_000, "{orders}");
}
