//! Every way in which a task can live and end, with every order in which what refers to it can go:
//! everything is dropped, and nothing twice.

mod support;

use std::{
    cell::RefCell,
    future::poll_fn,
    panic::resume_unwind,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Poll, Waker},
    thread,
};

use greenloop::{
    EventLoop,
    task::{JoinError, JoinHandle},
};
use support::{DropGuard, Drops, Gate};

/// How the task ends, if it is let.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Ready,
    Panic,
    Never,
}

/// How far the task is when something is done to it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    BeforeTheFirstPoll,
    Suspended,
    Woken,
    Ended,
}

/// What is done to it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Nothing,
    Join,
    GiveUpJoining,
    Abort,
    AbortTwice,
    AbortAndWait,
    Detach,
    AbortThenDetach,
    DetachThenAbort,
    AbortElsewhere,
    DetachElsewhere,
}

/// What goes first, second and last, of what is left.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Handle,
    Waker,
    Loop,
}

const ENDS: [End; 3] = [End::Ready, End::Panic, End::Never];
const MOMENTS: [Moment; 4] =
    [Moment::BeforeTheFirstPoll, Moment::Suspended, Moment::Woken, Moment::Ended];
const ACTS: [Act; 11] = [
    Act::Nothing,
    Act::Join,
    Act::GiveUpJoining,
    Act::Abort,
    Act::AbortTwice,
    Act::AbortAndWait,
    Act::Detach,
    Act::AbortThenDetach,
    Act::DetachThenAbort,
    Act::AbortElsewhere,
    Act::DetachElsewhere,
];
const ORDERS: [[Part; 3]; 6] = [
    [Part::Handle, Part::Waker, Part::Loop],
    [Part::Handle, Part::Loop, Part::Waker],
    [Part::Waker, Part::Handle, Part::Loop],
    [Part::Waker, Part::Loop, Part::Handle],
    [Part::Loop, Part::Handle, Part::Waker],
    [Part::Loop, Part::Waker, Part::Handle],
];

/// What is made and dropped in the life of one task.
#[derive(Default)]
struct Life {
    made: Arc<AtomicUsize>,
    drops: Drops,
    reports: Rc<RefCell<Vec<String>>>,
}

impl Life {
    fn thing(&self) -> DropGuard {
        self.made.fetch_add(1, SeqCst);
        self.drops.guard()
    }
}

type Output = Result<DropGuard, JoinError>;

/// The task, and the place where it puts its waker.
fn spawn(
    life: &Rc<Life>,
    gate: &Gate,
    end: End,
) -> (JoinHandle<DropGuard>, Rc<RefCell<Option<Waker>>>) {
    let slot = Rc::new(RefCell::new(None));
    let task = greenloop::spawn({
        let (slot, gate, in_future) = (Rc::clone(&slot), gate.clone(), life.thing());
        let life = Rc::clone(life);
        async move {
            let _in_future = in_future;
            poll_fn(|cx| {
                slot.borrow_mut().get_or_insert_with(|| cx.waker().clone());
                gate.poll(cx)
            })
            .await;
            match end {
                End::Ready => life.thing(),
                End::Panic => resume_unwind(Box::new(life.thing())),
                End::Never => std::future::pending().await,
            }
        }
    });
    (task, slot)
}

/// Lets the task come to the moment.
async fn come_to(moment: Moment, gate: &Gate) {
    if moment == Moment::BeforeTheFirstPoll {
        return;
    }
    greenloop::yield_now().await;
    if moment == Moment::Suspended {
        return;
    }
    gate.open();
    if moment == Moment::Ended {
        greenloop::yield_now().await;
    }
}

/// Does it; gives the handle back if that is left, and the output if there was one.
async fn act(
    act: Act,
    end: End,
    mut task: JoinHandle<DropGuard>,
    gate: &Gate,
) -> (Option<JoinHandle<DropGuard>>, Option<Output>) {
    match act {
        Act::Nothing => (Some(task), None),
        // Nobody can wait for the end of what does not end.
        Act::Join if end == End::Never => (Some(task), None),
        Act::Join => {
            gate.open();
            let output = (&mut task).await;
            (Some(task), Some(output))
        }
        Act::GiveUpJoining => match support::poll_once(&mut task) {
            Poll::Ready(output) => (Some(task), Some(output)),
            Poll::Pending => (Some(task), None),
        },
        Act::Abort => {
            task.abort();
            (Some(task), None)
        }
        Act::AbortTwice => {
            task.abort();
            task.abort_handle().abort();
            (Some(task), None)
        }
        Act::AbortAndWait => (None, Some(task.abort_and_wait().await)),
        Act::Detach => {
            drop(task);
            (None, None)
        }
        Act::AbortThenDetach => {
            task.abort();
            drop(task);
            (None, None)
        }
        Act::DetachThenAbort => {
            let abort = task.abort_handle();
            drop(task);
            abort.abort();
            (None, None)
        }
        Act::AbortElsewhere => {
            let abort = task.abort_handle();
            thread::spawn(move || abort.abort()).join().unwrap();
            (Some(task), None)
        }
        Act::DetachElsewhere => {
            thread::spawn(move || drop(task)).join().unwrap();
            (None, None)
        }
    }
}

/// Whether the act ends a task that has not ended.
fn aborts(act: Act) -> bool {
    matches!(
        act,
        Act::Abort
            | Act::AbortTwice
            | Act::AbortAndWait
            | Act::AbortThenDetach
            | Act::DetachThenAbort
    )
}

fn live(end: End, moment: Moment, what: Act, order: [Part; 3], run_between: bool) {
    let situation = format!("{end:?} {moment:?} {what:?} {order:?} {run_between}");
    let life = Rc::new(Life::default());
    let gate = Gate::new();
    let hook = {
        let reports = Rc::clone(&life.reports);
        move |error: &JoinError| reports.borrow_mut().push(error.to_string())
    };
    let mut event_loop = EventLoop::builder().on_unobserved_panic(hook).build().unwrap();

    let (handle, output, slot) = event_loop.run(async {
        let (task, slot) = spawn(&life, &gate, end);
        come_to(moment, &gate).await;
        let ended = task.is_finished();
        assert_eq!(ended, moment == Moment::Ended && end != End::Never, "{situation}");
        let (handle, output) = act(what, end, task, &gate).await;
        if aborts(what) && !ended {
            assert_eq!(life.drops.count(), 1, "the future is gone at once: {situation}");
        }
        (handle, output, slot)
    });
    let observed = output.is_some();
    match &output {
        None => {}
        Some(Ok(_)) => assert_eq!(end, End::Ready, "{situation}"),
        Some(Err(error)) if error.is_panic() => assert_eq!(end, End::Panic, "{situation}"),
        Some(Err(_)) => assert!(aborts(what), "{situation}"),
    }
    drop(output);
    if run_between {
        event_loop.run(async {
            // Long enough for the loop to look at what other threads have asked for.
            for _ in 0..100 {
                greenloop::yield_now().await;
            }
        });
    }

    let (mut handle, mut waker, mut event_loop) = (Some(handle), Some(slot), Some(event_loop));
    for part in order {
        match part {
            Part::Handle => drop(handle.take()),
            Part::Waker => {
                if let Some(waker) = waker.take().and_then(|slot| slot.take()) {
                    waker.wake_by_ref();
                    thread::spawn(move || drop(waker.clone())).join().unwrap();
                }
            }
            Part::Loop => drop(event_loop.take()),
        }
    }
    drop(gate);
    assert_eq!(life.drops.count(), life.made.load(SeqCst), "{situation}");
    let panicked = end == End::Panic && life.made.load(SeqCst) == 2;
    let expected = usize::from(panicked && !observed);
    assert_eq!(life.reports.borrow().len(), expected, "{situation}: {:?}", life.reports);
}

fn live_all(end: End) {
    for moment in MOMENTS {
        for what in ACTS {
            for order in ORDERS {
                for run_between in [false, true] {
                    live(end, moment, what, order, run_between);
                }
            }
        }
    }
}

#[test]
fn everything_that_ends_by_itself_is_dropped_once() {
    live_all(End::Ready);
}

#[test]
fn everything_that_panics_is_dropped_and_reported_once() {
    live_all(End::Panic);
}

#[test]
fn everything_that_never_ends_is_dropped_once() {
    live_all(End::Never);
}

#[test]
fn every_combination_is_there() {
    assert_eq!(ENDS.len() * MOMENTS.len() * ACTS.len() * ORDERS.len() * 2, 1584);
}
