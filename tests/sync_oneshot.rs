//! One value arrives, or it is known that it will not.

#[path = "support/styles.rs"]
mod styles;
mod support;
#[path = "support/sweep.rs"]
mod sweep;

use std::{
    cell::{Cell, RefCell},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use greenloop::{
    sync::oneshot::{
        self,
        error::{RecvError, TryRecvError},
    },
    timeout,
};
use styles::both_styles;
use support::{Drops, Wakes, block_on, panic_of, poll_once};
use sweep::{Fate, Sweep};

both_styles! {
    fn the_value_arrives_whoever_is_first() {
        let (sender, receiver) = oneshot::channel();
        sender.send(1).unwrap();
        assert_eq!(wait!(receiver), Ok(1));

        let (sender, receiver) = oneshot::channel();
        let slot = Rc::new(RefCell::new(Some(sender)));
        let task = spawn!([slot] {
            let sender = slot.take().unwrap();
            sender.send("later").unwrap();
        });
        assert_eq!(wait!(receiver), Ok("later"));
        wait!(task).unwrap();
    }

    fn a_sender_that_is_dropped_is_an_error() {
        let (sender, receiver) = oneshot::channel::<u8>();
        let slot = Rc::new(RefCell::new(Some(sender)));
        let task = spawn!([slot] { drop(slot.take()) });
        let error = wait!(receiver).unwrap_err();
        assert_eq!(error.to_string(), "the sender was dropped without having sent");
        wait!(task).unwrap();
    }

    fn a_sender_learns_that_nobody_wants_the_value() {
        let (mut sender, receiver) = oneshot::channel::<u8>();
        assert!(!sender.is_closed());
        let slot = Rc::new(RefCell::new(Some(receiver)));
        let task = spawn!([slot] { drop(slot.take()) });
        wait!(sender.closed());
        wait!(sender.closed());
        assert!(sender.is_closed());
        assert_eq!(sender.send(7), Err(7));
        wait!(task).unwrap();
    }

    fn a_time_out_loses_nothing() {
        let (sender, mut receiver) = oneshot::channel();
        assert!(wait!(timeout(Duration::from_millis(1), &mut receiver)).is_err());
        sender.send(1).unwrap();
        assert_eq!(wait!(timeout(Duration::ZERO, &mut receiver)).unwrap(), Ok(1));
    }

    fn a_receiver_that_is_killed_closes_it() {
        let (mut sender, receiver) = oneshot::channel::<u8>();
        let slot = Rc::new(RefCell::new(Some(receiver)));
        let task = spawn!([slot] {
            let receiver = slot.take().unwrap();
            wait!(receiver)
        });
        settle!();
        task.abort();
        wait!(sender.closed());
    }
}

#[test]
fn trying_tells_whether_the_value_may_still_come() {
    let (sender, mut receiver) = oneshot::channel();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert!(receiver.is_empty() && !receiver.is_terminated());
    sender.send(3).unwrap();
    assert!(!receiver.is_empty());
    assert_eq!(receiver.try_recv(), Ok(3));
    assert!(receiver.is_empty());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert!(receiver.is_terminated());

    let (sender, mut receiver) = oneshot::channel::<u8>();
    drop(sender);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn a_closed_receiver_gets_what_was_sent_before() {
    let (sender, mut receiver) = oneshot::channel();
    sender.send(3).unwrap();
    receiver.close();
    assert_eq!(receiver.try_recv(), Ok(3));

    let (sender, mut receiver) = oneshot::channel();
    receiver.close();
    receiver.close();
    assert_eq!(sender.send(3), Err(3));
    assert_eq!(poll_once(&mut receiver), Poll::Ready(Err(block_on(RecvErrorOf))));
    receiver.close();

    // Closed while the sender is there, there is nothing to wait for.
    let (sender, mut receiver) = oneshot::channel::<u8>();
    receiver.close();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert!(poll_once(&mut receiver).is_ready());
    drop(sender);
}

/// The error, which nobody else can make.
struct RecvErrorOf;

impl Future for RecvErrorOf {
    type Output = RecvError;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<RecvError> {
        let (sender, mut receiver) = oneshot::channel::<()>();
        drop(sender);
        let Poll::Ready(Err(error)) = poll_once(&mut receiver) else { panic!("it is an error") };
        Poll::Ready(error)
    }
}

#[test]
fn the_waker_of_the_last_poll_counts_and_is_released() {
    let (sender, mut receiver) = oneshot::channel();
    let (old, new) = (Wakes::new(), Wakes::new());
    for wakes in [&old, &new] {
        let waker = wakes.waker();
        assert!(Pin::new(&mut receiver).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    sender.send(1).unwrap();
    assert_eq!((old.count(), new.count()), (0, 1));
    assert_eq!((old.references(), new.references()), (1, 1));

    let (sender, mut receiver) = oneshot::channel::<u8>();
    let waker = new.waker();
    assert!(Pin::new(&mut receiver).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    drop(receiver);
    assert_eq!(new.references(), 1, "the sender keeps the waker of a receiver that is gone");
    drop(sender);
}

#[test]
fn a_value_that_nobody_takes_is_dropped_with_the_receiver() {
    let drops = Drops::new();
    let (sender, receiver) = oneshot::channel();
    sender.send(drops.guard()).unwrap();
    assert_eq!(drops.count(), 0);
    drop(receiver);
    assert_eq!(drops.count(), 1);
    let (sender, receiver) = oneshot::channel();
    drop(receiver);
    drop(sender.send(drops.guard()));
    assert_eq!(drops.count(), 2);
}

#[test]
fn it_is_not_polled_after_its_end() {
    let (sender, mut receiver) = oneshot::channel();
    sender.send(1).unwrap();
    assert!(poll_once(&mut receiver).is_ready());
    let caught = panic_of(|| poll_once(&mut receiver));
    assert_eq!(caught.message, "a oneshot::Receiver was polled after its end");
    assert_eq!(format!("{receiver:?}"), "oneshot::Receiver { .. }");
}

#[test]
fn in_no_order_is_the_value_lost_or_the_end_missed() {
    struct Shared {
        drops: Drops,
        sender: RefCell<Option<oneshot::Sender<support::DropGuard>>>,
        receiver: RefCell<Option<oneshot::Receiver<support::DropGuard>>>,
        received: Cell<bool>,
        sent: Cell<bool>,
    }
    let new = || {
        let (sender, receiver) = oneshot::channel();
        let (sender, receiver) = (RefCell::new(Some(sender)), RefCell::new(Some(receiver)));
        let (received, sent) = (Cell::new(false), Cell::new(false));
        Shared { drops: Drops::new(), sender, receiver, received, sent }
    };
    let sweep = Sweep::new(new)
        .future(|shared: Rc<Shared>| async move {
            let receiver = shared.receiver.take().expect("nobody else takes it");
            shared.received.set(receiver.await.is_ok());
        })
        .future(|shared: Rc<Shared>| async move {
            let sender = shared.sender.take().expect("nobody else takes it");
            greenloop::yield_now().await;
            shared.sent.set(sender.send(shared.drops.guard()).is_ok());
        });
    let orders = sweep.spurious(1).check(|shared, fates| {
        // Each end was used up, or dropped, or never touched.
        let sender_gone = fates[1] != Fate::Waiting && shared.sender.borrow().is_none();
        assert!(fates[0] != Fate::Waiting || !sender_gone, "the end was missed");
        if fates == [Fate::Finished; 2] {
            assert_eq!(shared.received.get(), shared.sent.get(), "the value was lost");
        }
        if shared.sent.get() && fates[0] != Fate::Waiting && shared.receiver.borrow().is_none() {
            assert_eq!(shared.drops.count(), 1, "the value was leaked");
        }
    });
    assert!(orders > 30, "{orders}");
}

#[test]
fn in_no_order_is_the_close_missed() {
    struct Shared {
        sender: RefCell<Option<oneshot::Sender<u8>>>,
        receiver: RefCell<Option<oneshot::Receiver<u8>>>,
    }
    let new = || {
        let (sender, receiver) = oneshot::channel();
        Shared { sender: RefCell::new(Some(sender)), receiver: RefCell::new(Some(receiver)) }
    };
    let sweep = Sweep::new(new)
        .future(|shared: Rc<Shared>| async move {
            let mut sender = shared.sender.take().expect("nobody else takes it");
            sender.closed().await;
            assert_eq!(sender.send(1), Err(1));
        })
        .act(|shared| drop(shared.receiver.take()));
    let orders = sweep.spurious(1).check(|_, fates| assert_ne!(fates[0], Fate::Waiting));
    assert!(orders > 5, "{orders}");
}

#[test]
fn a_waker_that_drops_the_receiver_while_it_is_woken_does_no_harm() {
    thread_local! {
        static RECEIVER: RefCell<Option<oneshot::Receiver<u8>>> = const { RefCell::new(None) };
    }
    struct Drops;
    impl std::task::Wake for Drops {
        fn wake(self: std::sync::Arc<Self>) {
            drop(RECEIVER.take());
        }
    }
    let (sender, mut receiver) = oneshot::channel();
    let waker = std::task::Waker::from(std::sync::Arc::new(Drops));
    assert!(pin!(&mut receiver).poll(&mut Context::from_waker(&waker)).is_pending());
    RECEIVER.set(Some(receiver));
    assert_eq!(sender.send(1), Ok(()));
    assert!(RECEIVER.take().is_none());
}
