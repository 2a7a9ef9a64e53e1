//! Models of what other threads do to tasks, which loom runs in every interleaving:
//!
//! ```text
//! RUSTFLAGS="--cfg greenloop_loom" cargo test --release --lib
//! ```
//!
//! The doorbell is a condition variable on which the loop sleeps, so a lost wake is a deadlock that
//! loom finds. loom also checks that nothing is leaked, that no use of a task's memory can overlap with its
//! end (`Header::used`), and through `Witness` that what a thread did before it woke a task is seen by the
//! poll.

use std::{
    cell::Cell, future::poll_fn, num::NonZeroU64, sync::Arc as StdArc, task::Poll, task::Waker,
};

use loom::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use super::{Doorbell, Executor, SpawnOptions, TaskKey};

/// A bell that the loop's thread waits for, and that counts how often it was rung.
struct Bell {
    rung: Mutex<bool>,
    condition: Condvar,
    rings: AtomicUsize,
}

struct Rope(Arc<Bell>);

impl Doorbell for Rope {
    fn ring(&self) {
        self.0.rings.fetch_add(1, Ordering::Relaxed);
        *self.0.rung.lock().unwrap() = true;
        self.0.condition.notify_one();
    }
}

/// A loop with nothing but tasks and a bell.
struct Loop {
    executor: Executor,
    bell: Arc<Bell>,
    /// How often it was about to sleep.
    attempts: Cell<usize>,
}

impl Loop {
    fn new() -> Self {
        let (rung, rings) = (Mutex::new(false), AtomicUsize::new(0));
        let bell = Arc::new(Bell { rung, condition: Condvar::new(), rings });
        let rope = Box::new(Rope(Arc::clone(&bell)));
        let executor = Executor::new(NonZeroU64::MIN, rope, Box::new(|_| ()));
        Self { executor, bell, attempts: Cell::new(0) }
    }

    fn spawn(&self, future: impl Future<Output = ()> + 'static) -> TaskKey<()> {
        self.executor.spawn(future, SpawnOptions::plain())
    }

    /// Turns until the task is finished, sleeping whenever there is nothing to do.
    fn run(&self, key: TaskKey<()>) {
        loop {
            while self.executor.poll_next() {}
            if self.executor.is_finished(key) {
                return;
            }
            self.executor.collect_mail().into_iter().for_each(|job| job());
            if self.executor.has_ready() {
                continue;
            }
            self.attempts.set(self.attempts.get() + 1);
            if !self.executor.injector().prepare_to_sleep() {
                continue;
            }
            let mut rung = self.bell.rung.lock().unwrap();
            while !std::mem::take(&mut *rung) {
                rung = self.bell.condition.wait(rung).unwrap();
            }
            drop(rung);
            self.executor.injector().awake();
        }
    }

    /// At most one ring for each time that it was about to sleep.
    fn assert_few_rings(&self) {
        assert!(self.bell.rings.load(Ordering::Relaxed) <= self.attempts.get());
    }

    fn end(&self) {
        assert!(self.executor.shut_down().is_empty());
    }
}

/// What threads do before they wake a task. It is relaxed: only the wake can make sure that the poll
/// sees it, and a poll that does not see it leaves the task waiting for ever.
#[derive(Default)]
struct Witness {
    written: [AtomicBool; 2],
}

impl Witness {
    fn write(&self, place: usize) {
        self.written[place].store(true, Ordering::Relaxed);
    }

    fn is_complete(&self, writers: usize) -> bool {
        self.written[..writers].iter().all(|written| written.load(Ordering::Relaxed))
    }
}

/// A task that ends when the given number of threads has written; gives its waker too.
fn waiting_task(looping: &Loop, witness: &Arc<Witness>, writers: usize) -> (TaskKey<()>, Waker) {
    let slot = StdArc::new(Mutex::new(None));
    let key = looping.spawn({
        let (slot, witness) = (StdArc::clone(&slot), Arc::clone(witness));
        let mut first = true;
        poll_fn(move |cx| {
            if std::mem::take(&mut first) {
                *slot.lock().unwrap() = Some(cx.waker().clone());
                return Poll::Pending;
            }
            if witness.is_complete(writers) { Poll::Ready(()) } else { Poll::Pending }
        })
    });
    assert!(looping.executor.poll_next());
    let waker = slot.lock().unwrap().take().unwrap();
    (key, waker)
}

fn write_and_wake(witness: &Arc<Witness>, place: usize, waker: Waker) -> JoinHandle<()> {
    let witness = Arc::clone(witness);
    thread::spawn(move || {
        witness.write(place);
        waker.wake();
    })
}

fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

#[test]
fn a_wake_is_not_lost_when_it_races_with_the_decision_to_sleep() {
    explore(|| {
        let looping = Loop::new();
        let entered = looping.executor.enter();
        let witness = Arc::new(Witness::default());
        let (key, waker) = waiting_task(&looping, &witness, 1);
        let thread = write_and_wake(&witness, 0, waker);
        looping.run(key);
        thread.join().unwrap();
        looping.end();
        drop(entered);
    });
}

#[test]
fn two_wakes_are_both_seen_and_ring_once_per_sleep() {
    explore(|| {
        let looping = Loop::new();
        let entered = looping.executor.enter();
        let witness = Arc::new(Witness::default());
        let (key, waker) = waiting_task(&looping, &witness, 2);
        let threads =
            [write_and_wake(&witness, 0, waker.clone()), write_and_wake(&witness, 1, waker)];
        looping.run(key);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        looping.assert_few_rings();
        looping.end();
        drop(entered);
    });
}

#[test]
fn two_tasks_that_are_woken_by_two_threads_are_both_polled_and_ring_once_per_sleep() {
    explore(|| {
        let looping = Loop::new();
        let entered = looping.executor.enter();
        let witnesses = [Arc::new(Witness::default()), Arc::new(Witness::default())];
        let tasks = [0, 1].map(|index: usize| waiting_task(&looping, &witnesses[index], 1));
        let keys = [tasks[0].0, tasks[1].0];
        let mut index = 0;
        let threads = tasks.map(|(_, waker)| {
            index += 1;
            write_and_wake(&witnesses[index - 1], 0, waker)
        });
        keys.into_iter().for_each(|key| looping.run(key));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        looping.assert_few_rings();
        looping.end();
        drop(entered);
    });
}

#[test]
fn a_posted_job_is_not_lost_when_it_races_with_the_decision_to_sleep() {
    explore(|| {
        let looping = Loop::new();
        let entered = looping.executor.enter();
        let witness = Arc::new(Witness::default());
        let (key, waker) = waiting_task(&looping, &witness, 1);
        let injector = looping.executor.injector().clone();
        let thread = thread::spawn({
            let witness = Arc::clone(&witness);
            move || {
                // The second may come while the loop takes the first.
                assert!(injector.post(Box::new(|| ())).is_ok());
                witness.write(0);
                assert!(injector.post(Box::new(move || waker.wake())).is_ok());
            }
        });
        looping.run(key);
        thread.join().unwrap();
        looping.end();
        drop(entered);
    });
}

#[test]
fn a_waker_may_be_used_while_and_after_the_loop_ends() {
    explore(|| {
        let looping = Loop::new();
        let entered = looping.executor.enter();
        let witness = Arc::new(Witness::default());
        let (_, waker) = waiting_task(&looping, &witness, 1);
        let thread = thread::spawn(move || {
            let second = waker.clone();
            waker.wake_by_ref();
            drop(waker);
            second.wake();
        });
        looping.end();
        drop(entered);
        drop(looping);
        thread.join().unwrap();
    });
}

#[test]
fn a_waker_may_be_dropped_while_its_task_ends() {
    explore(|| {
        let looping = Loop::new();
        let entered = looping.executor.enter();
        let witness = Arc::new(Witness::default());
        let (key, waker) = waiting_task(&looping, &witness, 0);
        let second = waker.clone();
        let threads = [
            thread::spawn(move || drop(waker)),
            thread::spawn(move || {
                second.wake_by_ref();
                drop(second.clone());
            }),
        ];
        looping.executor.abort(key);
        looping.executor.detach(key);
        // It may be an orphan, and on the stack of the woken.
        assert!(looping.executor.collect_mail().is_empty());
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        looping.end();
        drop(entered);
    });
}

#[test]
fn a_clone_that_was_made_elsewhere_keeps_the_memory_when_the_original_is_gone() {
    explore(|| use_a_clone_of_an_original_that_goes(Waker::wake));
    explore(|| use_a_clone_of_an_original_that_goes(drop));
}

fn use_a_clone_of_an_original_that_goes(with: fn(Waker)) {
    let looping = Loop::new();
    let entered = looping.executor.enter();
    let witness = Arc::new(Witness::default());
    let (key, waker) = waiting_task(&looping, &witness, 0);
    let original = Arc::new(Mutex::new(Some(waker)));
    let thread = thread::spawn({
        let original = Arc::clone(&original);
        move || {
            let clone = original.lock().unwrap().clone();
            clone.into_iter().for_each(with);
        }
    });
    let waker = original.lock().unwrap().take();
    drop(waker);
    looping.executor.abort(key);
    looping.executor.detach(key);
    thread.join().unwrap();
    looping.end();
    drop(entered);
}

#[test]
fn a_loop_that_was_woken_by_something_else_is_not_rung() {
    explore(|| {
        let looping = Loop::new();
        let entered = looping.executor.enter();
        let witness = Arc::new(Witness::default());
        let (key, waker) = waiting_task(&looping, &witness, 1);
        assert!(looping.executor.injector().prepare_to_sleep());
        looping.executor.injector().awake();
        write_and_wake(&witness, 0, waker).join().unwrap();
        assert_eq!(looping.bell.rings.load(Ordering::Relaxed), 0);
        looping.run(key);
        looping.end();
        drop(entered);
    });
}

#[test]
fn a_post_to_a_loop_that_ends_is_run_or_refused() {
    explore(|| {
        let looping = Loop::new();
        let entered = looping.executor.enter();
        let dropped = Arc::new(AtomicBool::new(false));
        let injector = looping.executor.injector().clone();
        let thread = thread::spawn({
            let witness = SetOnDrop(Arc::clone(&dropped));
            move || {
                let _ = injector.post(Box::new(move || drop(witness)));
            }
        });
        looping.end();
        thread.join().unwrap();
        drop(entered);
        assert!(dropped.load(Ordering::Relaxed), "neither run nor dropped");
    });
}

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
