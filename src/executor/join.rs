#![allow(unsafe_code, reason = "takes the output of a task, whose type is erased")]
//! Waiting for the end of a task, and taking its output.

use std::{
    ptr::NonNull,
    task::{Context, Poll, Waker},
};

use super::{
    Executor, JoinError, TaskKey, cell, contain,
    header::{COLD, DETACHED, DONE, Header, NO_JOINER, OUTPUT, RUNNING},
};

impl Executor {
    /// Polls for the output of a task; `None` if it was taken already.
    #[inline]
    pub(crate) fn poll_join<T>(
        &self,
        key: TaskKey<T>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<T, JoinError>>> {
        let task = self.find(key)?;
        // SAFETY: in the table.
        let header = unsafe { task.as_ref() };
        if !header.has_only(OUTPUT, OUTPUT | RUNNING | COLD) {
            if header.has_only(DONE, DONE | OUTPUT) {
                // Its own output's destructor asks, which the loop's end runs.
                return None;
            }
            if self.goes_on(task, cx) {
                return Some(Poll::Pending);
            }
        }
        // SAFETY: the flag is set, and the key was made for the output's type.
        let output = unsafe { cell::take_output(task) };
        self.retire(task);
        Some(Poll::Ready(output))
    }

    /// Leaves the waker for the end of a task, unless it has its output; then its links are called.
    #[inline(never)]
    fn goes_on(&self, task: NonNull<Header>, cx: &Context<'_>) -> bool {
        // SAFETY: the caller found it in the table.
        let header = unsafe { task.as_ref() };
        if (!header.has(OUTPUT) || header.has(RUNNING)) && !self.ends_meanwhile(header, cx) {
            return true;
        }
        self.call_links(task);
        false
    }

    /// Leaves the waker for the end of a task; `true` if the task has its output all the same, because
    /// it ended when a stranger's waker was cloned, which may run anything.
    fn ends_meanwhile(&self, header: &Header, cx: &Context<'_>) -> bool {
        if header.has(OUTPUT) {
            // One of its links, which look at the output, polls for it.
            cx.waker().wake_by_ref();
            return false;
        }
        debug_assert!(!header.has(DONE), "a finished task in the table has its output");
        if self.is_joined_by(header, cx.waker()) {
            return false;
        }
        let waker = cx.waker().clone();
        if header.has(OUTPUT) {
            return true;
        }
        let old = self.put_joiner(header, waker);
        drop(old);
        false
    }

    /// Whether the task, when it has ended, wakes the same one as `waker`.
    fn is_joined_by(&self, header: &Header, waker: &Waker) -> bool {
        let slot = header.joiner.get();
        slot != NO_JOINER && self.joiners.borrow()[slot as usize].will_wake(waker)
    }

    /// Leaves a waker for the end of the task, and gives back the one that was there before.
    fn put_joiner(&self, header: &Header, waker: Waker) -> Option<Waker> {
        let mut joiners = self.joiners.borrow_mut();
        if header.joiner.get() != NO_JOINER {
            return Some(std::mem::replace(&mut joiners[header.joiner.get() as usize], waker));
        }
        let slot = joiners.insert(waker);
        header.joiner.set(u32::try_from(slot).expect("no more joiners than tasks"));
        None
    }

    pub(super) fn take_joiner(&self, header: &Header) -> Option<Waker> {
        let slot = header.joiner.replace(NO_JOINER);
        (slot != NO_JOINER).then(|| self.joiners.borrow_mut().remove(slot as usize))
    }

    /// Takes the output of a finished task.
    pub(crate) fn take_output<T>(&self, key: TaskKey<T>) -> Option<Result<T, JoinError>> {
        match self.poll_join(key, &mut Context::from_waker(Waker::noop())) {
            Some(Poll::Ready(output)) => Some(output),
            Some(Poll::Pending) | None => None,
        }
    }

    /// Says that nobody will ask for the task's output.
    pub(crate) fn detach(&self, key: TaskKey<()>) {
        let Some(task) = self.find(key) else { return };
        // SAFETY: in the table.
        let header = unsafe { task.as_ref() };
        header.set(DETACHED);
        let joiner = self.take_joiner(header);
        if header.has(DONE) && !header.has(RUNNING) {
            self.discard(task);
        }
        contain(|| drop(joiner));
    }
}
