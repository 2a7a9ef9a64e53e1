//! One turn of the loop, over the parts that do not know each other.
//!
//! A turn polls the tasks that are ready (at most `POLLS_PER_TURN`, so that the kernel and the
//! timers are looked at however busy the tasks are), takes in what other threads posted, sleeps
//! until something happens if there is nothing to do, and wakes whoever it happened to.
//!
//! Invariant: no borrow of a part is held while a waker, a job or a task runs.

use std::{
    cell::{Cell, RefCell},
    io,
    num::NonZeroU64,
    os::fd::BorrowedFd,
    task::Waker,
    time::Duration,
};

use super::{
    alarm::Alarm,
    clock::Clock,
    deadlock::{self, Deadlock},
    fork,
    pulse::Pulse,
};
use crate::{
    executor::{Doorbell, Executor, Report, contain, wake},
    reactor::{Direction, Key, Reactor},
    timers::Timers,
};

/// How many tasks are polled between two looks at the kernel. tokio takes 61, asyncio all that are
/// ready; a zero-timeout `epoll_wait` costs a few polls, so 64 keep its share at some per cent.
const POLLS_PER_TURN: u32 = 64;

/// What a loop says in a child of the process that made it.
const FORKED: &str = "this event loop was made before a fork and belongs to the parent process: \
     make a new one in the child";

/// The longest sleep: the kernel counts its milliseconds in 31 bits.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A time that is as good as never. It is what no clock of this process will see.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// How long nothing happens until the loop looks, for the first time, whether anything can; and at most
/// between two looks, since other threads may end without a word.
const PATIENCE: Duration = Duration::from_millis(50);
const MOST_PATIENCE: Duration = Duration::from_secs(60);

/// Below this the kernel's sleep, which counts in milliseconds, is too coarse.
const FINE: Duration = Duration::from_millis(1);

/// Everything that an event loop is made of.
pub(crate) struct Core {
    pub(crate) executor: Executor,
    pub(crate) reactor: RefCell<Reactor>,
    pub(crate) timers: RefCell<Timers>,
    pub(crate) clock: Clock,
    /// Ends sleeps below a millisecond; made when the first of them comes.
    alarm: RefCell<Option<Alarm>>,
    /// Scratch of `look_outside`.
    woken: Cell<Vec<Waker>>,
    stopped: Cell<bool>,
    /// `run_until_stopped` is going on.
    forever: Cell<bool>,
    turns: Cell<u64>,
    reports_deadlocks: bool,
    /// How long the next sleep without an end lasts before the loop looks whether anything can end it;
    /// and how many polls there had been when it began to lose its patience.
    patience: Cell<Duration>,
    patient_since: Cell<u64>,
    /// It could not. Ends the run.
    deadlock: RefCell<Option<Deadlock>>,
    fork_generation: u32,
    pulse: Cell<Option<Pulse>>,
}

impl Doorbell for mio::Waker {
    fn ring(&self) {
        // It fails only when the descriptor is gone, and with it the loop.
        let _ = self.wake();
    }
}

impl Core {
    pub(super) fn new(id: NonZeroU64, report: Report, reports_deadlocks: bool) -> io::Result<Self> {
        let fork_generation = fork::generation()?;
        let reactor = Reactor::new()?;
        let doorbell = reactor.doorbell()?;
        Ok(Self {
            executor: Executor::new(id, Box::new(doorbell), report),
            reactor: RefCell::new(reactor),
            timers: RefCell::new(Timers::new()),
            clock: Clock::new(),
            alarm: RefCell::new(None),
            woken: Cell::new(Vec::new()),
            stopped: Cell::new(false),
            forever: Cell::new(false),
            turns: Cell::new(0),
            reports_deadlocks,
            patience: Cell::new(PATIENCE),
            patient_since: Cell::new(0),
            deadlock: RefCell::new(None),
            fork_generation,
            pulse: Cell::new(None),
        })
    }

    pub(crate) fn id(&self) -> NonZeroU64 {
        self.executor.loop_id()
    }

    /// Turns until the root task is done.
    pub(super) fn run_root(&self) -> Result<(), Deadlock> {
        self.refuse_forked();
        while !self.executor.root_done() {
            if self.poll_tasks(|| self.executor.root_done()) {
                break;
            }
            self.look_outside()?;
        }
        Ok(())
    }

    /// Turns until somebody stops the loop.
    pub(super) fn run_until_stopped(&self) -> Result<(), Deadlock> {
        self.refuse_forked();
        self.forever.set(true);
        let ended = loop {
            self.poll_tasks(|| false);
            if self.stopped.replace(false) {
                break Ok(());
            }
            if let Err(deadlock) = self.look_outside() {
                break Err(deadlock);
            }
        };
        self.forever.set(false);
        ended
    }

    /// Makes `run_until_stopped` return after the tasks that are ready had their turn.
    pub(super) fn stop(&self) {
        self.stopped.set(true);
    }

    /// Polls a turn's tasks, or until `done`, and tells whether it was.
    fn poll_tasks(&self, done: impl Fn() -> bool) -> bool {
        for _ in 0..POLLS_PER_TURN {
            if !self.executor.poll_next() {
                return false;
            }
            if done() {
                return true;
            }
        }
        false
    }

    /// Looks what other threads, the kernel and the clock have brought, and sleeps for it if no
    /// task is ready.
    fn look_outside(&self) -> Result<(), Deadlock> {
        self.turns.set(self.turns.get() + 1);
        self.refuse_forked();
        self.take_in_mail();
        let mut woken = self.woken.take();
        let pulse = self.pulse.get();
        if let Some(pulse) = pulse {
            pulse.rest(self.executor.alive(), self.executor.panicked());
        }
        if let Err(error) = self.sleep(&mut woken) {
            panic!("the event loop cannot wait for events: {error}");
        }
        if let Some(pulse) = pulse {
            pulse.beat();
        }
        let mut timers = self.timers.borrow_mut();
        if timers.len() > 0 {
            timers.advance(self.clock.refresh(), &mut woken);
        }
        drop(timers);
        for waker in woken.drain(..) {
            wake(waker);
        }
        self.woken.set(woken);
        self.deadlock.take().map_or(Ok(()), Err)
    }

    /// Has the loop give signs of life from now on.
    #[cfg_attr(
        not(all(feature = "launcher", target_os = "linux")),
        allow(dead_code, reason = "only a launcher reads them")
    )]
    pub(crate) fn set_pulse(&self, pulse: Pulse) {
        pulse.beat();
        self.pulse.set(Some(pulse));
    }

    /// Panics in a child of the process that made the loop.
    fn refuse_forked(&self) {
        assert!(!self.is_forked(), "{FORKED}");
    }

    /// Whether this process is a child of the one that made the loop.
    fn is_forked(&self) -> bool {
        fork::generation_unchecked() != self.process()
    }

    /// The process that made the loop, as `fork.rs` counts them.
    pub(super) fn process(&self) -> u32 {
        self.fork_generation
    }

    /// Has the reactor watch a descriptor.
    #[cfg_attr(
        not(all(feature = "launcher", target_os = "linux")),
        allow(dead_code, reason = "only a launcher does, of sockets that are each worker's own")
    )]
    pub(crate) fn register(&self, fd: BorrowedFd<'_>) -> io::Result<Key> {
        if self.is_forked() {
            return Err(io::Error::other(FORKED));
        }
        self.reactor.borrow_mut().register(fd)
    }

    /// Has the reactor watch a descriptor for who waits for one direction.
    pub(crate) fn register_for(&self, fd: BorrowedFd<'_>, direction: Direction) -> io::Result<Key> {
        if self.is_forked() {
            return Err(io::Error::other(FORKED));
        }
        self.reactor.borrow_mut().register_for(fd, direction)
    }

    /// Has the reactor watch writing too, as whoever waits to write must first.
    pub(crate) fn watch_writing(&self, key: Key) {
        // A child leaves the kernel's set alone, which is its parent's too.
        if !self.is_forked() {
            self.reactor.borrow_mut().watch_writing(key);
        }
    }

    /// Has the reactor watch, for reading, a descriptor that other processes watch too.
    #[cfg_attr(
        not(all(feature = "launcher", target_os = "linux")),
        allow(dead_code, reason = "only a launcher shares")
    )]
    pub(crate) fn register_exclusive(&self, fd: BorrowedFd<'_>) -> io::Result<Key> {
        if self.is_forked() {
            return Err(io::Error::other(FORKED));
        }
        self.reactor.borrow_mut().register_exclusive(fd)
    }

    /// Has the reactor forget a descriptor that stays open. A child leaves the kernel's set alone,
    /// which is its parent's too.
    pub(crate) fn deregister(&self, key: Key) -> Vec<Waker> {
        if self.is_forked() {
            return self.reactor.borrow_mut().forget(key);
        }
        self.reactor.borrow_mut().deregister(key)
    }

    fn take_in_mail(&self) {
        if !self.executor.injector().has_mail() {
            return;
        }
        for job in self.executor.collect_mail() {
            // A job is the crate's own code around a user's values, whose destructors may panic.
            contain(job);
        }
    }

    /// Fetches events, after having slept for the first one if no task is ready.
    fn sleep(&self, woken: &mut Vec<Waker>) -> io::Result<()> {
        let injector = self.executor.injector();
        if self.has_work() || !injector.prepare_to_sleep() {
            // With no descriptor the kernel has nothing to tell.
            if self.sockets() == 0 {
                return Ok(());
            }
            return self.reactor.borrow_mut().wait(Some(Duration::ZERO), woken);
        }
        let slept = match self.time_left() {
            None => self.sleep_without_end(woken),
            Some(left) if left >= FINE => {
                // Whole milliseconds, rounded down: the rest is for the alarm.
                let left = left.min(LONGEST);
                let left = left - Duration::from_nanos(u64::from(left.subsec_nanos() % 1_000_000));
                self.reactor.borrow_mut().wait(Some(left), woken)
            }
            Some(Duration::ZERO) => self.reactor.borrow_mut().wait(Some(Duration::ZERO), woken),
            Some(left) => self.sleep_briefly(left, woken),
        };
        injector.awake();
        slept
    }

    /// Sleeps until something happens; when nothing did for a while, looks whether anything can.
    fn sleep_without_end(&self, woken: &mut Vec<Waker>) -> io::Result<()> {
        if !self.reports_deadlocks || self.reactor.borrow().has_waiters() {
            return self.reactor.borrow_mut().wait(None, woken);
        }
        let polls = self.executor.polls();
        if self.patient_since.replace(polls) != polls {
            self.patience.set(PATIENCE);
        }
        let patience = self.patience.get();
        self.reactor.borrow_mut().wait(Some(patience), woken)?;
        if woken.is_empty() && !self.has_work() && !self.executor.injector().has_mail() {
            self.patience.set((patience * 2).min(MOST_PATIENCE));
            self.deadlock.replace(deadlock::find(self));
        }
        Ok(())
    }

    /// Sleeps for less than a millisecond.
    fn sleep_briefly(&self, left: Duration, woken: &mut Vec<Waker>) -> io::Result<()> {
        let mut reactor = self.reactor.borrow_mut();
        let mut alarm = self.alarm.borrow_mut();
        if alarm.is_none() {
            // Without one (no descriptor left, another platform) the sleep is a little longer.
            *alarm = Alarm::new(&mut reactor).ok();
        }
        let armed = alarm.as_ref().is_some_and(|alarm| alarm.arm(left).is_ok());
        reactor.wait(if armed { None } else { Some(FINE) }, woken)
    }

    fn has_work(&self) -> bool {
        self.executor.has_ready() || (self.stopped.get() && self.forever.get())
    }

    /// How long until the next timer.
    fn time_left(&self) -> Option<Duration> {
        let next = self.timers.borrow().next_deadline()?;
        let left = Duration::from_nanos(next.saturating_sub(self.clock.refresh()));
        (left < NEVER).then_some(left)
    }

    /// How many sockets are registered.
    pub(crate) fn sockets(&self) -> usize {
        self.reactor.borrow().len() - usize::from(self.alarm.borrow().is_some())
    }

    pub(crate) fn turns(&self) -> u64 {
        self.turns.get()
    }

    /// Ends every task. What could not be ended is named on standard error.
    pub(super) fn shut_down(&self) {
        for (id, name) in self.executor.shut_down() {
            let name = name.as_deref().unwrap_or("(no name)");
            // It may be that nobody reads standard error any more.
            contain(|| {
                eprintln!(
                    "greenloop: task {id} {name} could not be ended with its loop; it is leaked"
                );
            });
        }
    }
}

impl Drop for Core {
    /// Wakes whoever still waits for a descriptor or a time. That is no task of the loop, and learns from
    /// its next poll that the loop is gone.
    fn drop(&mut self) {
        let mut waiting = self.reactor.get_mut().take_waiters();
        waiting.extend(self.timers.get_mut().take_wakers());
        for waker in waiting {
            wake(waker);
        }
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventLoop").field("id", &self.id()).finish_non_exhaustive()
    }
}
