//! The rules of the line that no primitive could mend: order, leaving, and wakers that meddle.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Wake,
};

use super::*;

static WHAT: What = What::queue("Thing");
static PLACE: What = What::slot("Place");

#[track_caller]
fn queue() -> WaitQueue {
    WaitQueue::new(&WHAT, Location::caller())
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn counted() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (Arc::clone(&count), Waker::from(count))
}

fn push(queue: &WaitQueue, number: u32) -> Pin<Box<Waiter>> {
    let waiter = Box::pin(Waiter::new(number));
    queue.push(waiter.as_ref(), Some(Waker::noop().clone()));
    waiter
}

#[test]
fn the_first_who_came_is_the_first_who_is_granted() {
    let queue = queue();
    let waiters: Vec<_> = (0..3).map(|number| push(&queue, number)).collect();
    assert_eq!((queue.first(), queue.len()), (Some(0), 3));
    assert!(queue.grant_first());
    assert_eq!(queue.first(), Some(1));
    let states = waiters.iter().map(|waiter| waiter.state());
    assert!(states.eq([State::Granted, State::Waiting, State::Waiting]));
    assert!(queue.grant_last(5));
    assert_eq!((waiters[2].state(), waiters[2].number()), (State::Granted, 5));
    waiters[2].settle();
    assert_eq!(waiters[2].state(), State::Told);
}

#[test]
fn whoever_is_dropped_leaves_no_trace_wherever_it_stood() {
    for dropped in 0..3 {
        let queue = queue();
        let mut waiters: Vec<_> = (0..3).map(|number| push(&queue, number)).collect();
        drop(waiters.remove(dropped));
        assert_eq!(queue.len(), 2);
        for rest in (0..3).filter(|number| *number != dropped) {
            assert_eq!(queue.first(), Some(rest as u32));
            assert!(queue.grant_first());
        }
        assert!(!queue.grant_first());
    }
}

#[test]
fn whoever_leaves_may_come_again_at_the_end() {
    let queue = queue();
    let waiters: Vec<_> = (0..3).map(|number| push(&queue, number)).collect();
    assert_eq!(waiters[0].take(), State::Waiting);
    assert_eq!(waiters[0].take(), State::Idle);
    queue.push(waiters[0].as_ref(), None);
    let order: Vec<_> = std::iter::from_fn(|| {
        let first = queue.first()?;
        queue.grant_first();
        Some(first)
    })
    .collect();
    assert_eq!(order, [1, 2, 0]);
}

#[test]
fn a_waiter_stands_in_one_line() {
    let (one, other) = (queue(), queue());
    let waiter = push(&one, 0);
    let pushed = catch_unwind(AssertUnwindSafe(|| other.push(waiter.as_ref(), None)));
    assert!(pushed.is_err());
    assert!(other.is_empty());
    assert_eq!(one.len(), 1);
}

#[test]
fn each_waker_is_woken_once_and_the_last_one_left_counts() {
    let queue = queue();
    let waiter = Box::pin(Waiter::new(0));
    let ((first, first_waker), (second, second_waker)) = (counted(), counted());
    queue.push(waiter.as_ref(), Some(first_waker));
    assert_eq!(waiter.poll(&second_waker), State::Waiting);
    queue.grant_first();
    assert_eq!(waiter.poll(&second_waker), State::Granted);
    assert_eq!((first.0.load(SeqCst), second.0.load(SeqCst)), (0, 1));
    assert_eq!(Arc::strong_count(&first), 1);
}

#[test]
fn all_are_told_before_the_first_is_woken_and_whoever_comes_then_is_not_among_them() {
    /// Looks at all others when it is woken, drops the second and brings a new one.
    struct Meddler {
        queue: Rc<WaitQueue>,
        others: RefCell<Vec<Pin<Box<Waiter>>>>,
        seen: RefCell<Vec<State>>,
    }
    thread_local!(static MEDDLER: RefCell<Option<Rc<Meddler>>> = const { RefCell::new(None) });
    struct Meddle;
    impl Wake for Meddle {
        fn wake(self: Arc<Self>) {
            let meddler = MEDDLER.with_borrow(|meddler| meddler.clone().expect("it was set"));
            let mut others = meddler.others.borrow_mut();
            meddler.seen.borrow_mut().extend(others.iter().map(|other| other.state()));
            others.remove(0);
            others.push(push(&meddler.queue, 9));
        }
    }

    let queue = Rc::new(queue());
    let meddling = Box::pin(Waiter::new(0));
    queue.push(meddling.as_ref(), Some(Waker::from(Arc::new(Meddle))));
    let others = RefCell::new(vec![push(&queue, 1), push(&queue, 2)]);
    let (count, waker) = counted();
    let last = Box::pin(Waiter::new(3));
    queue.push(last.as_ref(), Some(waker));
    let meddler = Rc::new(Meddler { queue: Rc::clone(&queue), others, seen: RefCell::default() });
    MEDDLER.set(Some(Rc::clone(&meddler)));

    queue.tell_all();

    assert_eq!(*meddler.seen.borrow(), [State::Told, State::Told]);
    assert_eq!(count.0.load(SeqCst), 1);
    let states = meddler.others.borrow().iter().map(|other| other.state()).collect::<Vec<_>>();
    assert_eq!(states, [State::Told, State::Waiting]);
    assert_eq!((queue.len(), queue.first()), (1, Some(9)));
    MEDDLER.set(None);
}

#[test]
fn a_waker_that_panics_takes_nobody_with_it() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            std::panic::resume_unwind(Box::new("a waker"));
        }
    }
    let queue = queue();
    let waiters: Vec<_> = (0..2).map(|_| Box::pin(Waiter::new(0))).collect();
    let (count, waker) = counted();
    queue.push(waiters[0].as_ref(), Some(Waker::from(Arc::new(Panics))));
    queue.push(waiters[1].as_ref(), Some(waker));
    queue.tell_all();
    assert_eq!(count.0.load(SeqCst), 1);
    assert!(queue.is_empty());
}

#[test]
fn a_queue_may_move_and_end_while_a_leaked_future_stands_in_it() {
    let (count, waker) = counted();
    let queue = queue();
    let leaked = Box::leak(Box::new(Waiter::new(0)));
    // SAFETY: it is never moved, nor its memory used for anything else.
    let leaked = unsafe { Pin::new_unchecked(&*leaked) };
    queue.push(leaked, Some(waker));
    let moved = Box::new(queue);
    let other = push(&moved, 1);
    assert!(moved.grant_first());
    assert_eq!(count.0.load(SeqCst), 1);
    drop(moved);
    assert_eq!(other.state(), State::Told);
    drop(other);
}

#[test]
fn the_report_names_who_waits_for_what_and_who_has_it() {
    let (count, waker) = counted();
    let (_, holder) = counted();
    let who = Who::of(&waker);
    let line = line!() + 1;
    let queue = queue();
    let mine = || waits().into_iter().filter(|wait| wait.who == who).collect::<Vec<_>>();
    assert!(mine().is_empty());

    let waiter = Box::pin(Waiter::new(0));
    queue.push(waiter.as_ref(), Some(waker.clone()));
    queue.set_holder(Who::of(&holder));
    let slot = Box::pin(WaitSlot::new(&PLACE, Location::caller()));
    slot.as_ref().register();
    slot.as_ref().register();
    slot.put(&waker);

    let seen = mine();
    let [slot_wait, queue_wait] = &seen[..] else { panic!("two waits, not {seen:?}") };
    assert_eq!((queue_wait.what, queue_wait.created.line()), ("Thing", line));
    assert_eq!(queue_wait.holder, Who::of(&holder));
    assert_eq!(queue_wait.who.waker_data(), NonNull::new(waker.data().cast_mut()));
    assert_eq!((slot_wait.what, slot_wait.holder), ("Place", Who::NOBODY));
    assert_ne!(slot_wait.place, queue_wait.place);

    slot.wake();
    assert!(!slot.is_set());
    queue.grant_first();
    assert!(mine().is_empty());
    assert_eq!(count.0.load(SeqCst), 2);
}
