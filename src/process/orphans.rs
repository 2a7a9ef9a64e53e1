//! Children whose handle was dropped while they ran: they are waited for all the same, so that none
//! stays behind as a zombie.
//!
//! A task of the running loop does it. Where there is no loop, or when it ends before the child does,
//! a thread with a loop of its own takes over, which ends with the last child that it waits for.

use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use super::running::{Running, this_process};
use crate::{
    event_loop::{self, EventLoop, Handle},
    executor::SpawnOptions,
    task::spawn,
    time::sleep,
};

/// Until the next try, where something is not to be had.
const PAUSE: Duration = Duration::from_millis(100);

/// Waits for a child that nobody else will wait for.
pub(super) fn adopt(running: Running) {
    let orphan = Orphan(Some(running));
    let task = async move { orphan.wait().await };
    // Without a loop the future is dropped here, and one that ends drops it later.
    event_loop::with(|core| {
        let key = core.executor.spawn(task, SpawnOptions::plain());
        core.executor.detach(key.untyped());
    });
}

/// A child that goes to the thread if it is dropped before it was waited for.
struct Orphan(Option<Running>);

impl Orphan {
    async fn wait(mut self) {
        if let Some(running) = &self.0 {
            wait_whatever_happens(running).await;
            self.0 = None;
        }
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        match self.0.take() {
            Some(running) if !running.is_inherited() => hand_over(running),
            _ => {}
        }
    }
}

async fn wait_whatever_happens(running: &Running) {
    while running.wait().await.is_err() && !running.has_ended() {
        // It was waited for in another loop before, or the kernel watches no more descriptors.
        running.forget_exit();
        sleep(PAUSE).await;
    }
}

static REAPER: Mutex<Reaper> =
    Mutex::new(Reaper { process: 0, newcomers: Vec::new(), waiting: 0, state: State::None });

/// The thread, as the others see it.
struct Reaper {
    /// The process that it belongs to.
    process: u32,
    /// Those that it does not know of yet.
    newcomers: Vec<Running>,
    /// How many children it waits for.
    waiting: usize,
    state: State,
}

enum State {
    /// There is none.
    None,
    /// It will look at the newcomers by itself.
    Starting,
    /// It sleeps, and can be woken.
    Runs(Handle),
}

fn lock() -> MutexGuard<'static, Reaper> {
    REAPER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Leaves a child to the thread.
fn hand_over(running: Running) {
    let process = this_process();
    let mut reaper = lock();
    if reaper.process != process {
        // The parent's thread is not here, and its children are not ours.
        let inherited = mem::take(&mut reaper.newcomers);
        reaper.waiting = 0;
        reaper.state = State::None;
        reaper.process = process;
        drop(inherited);
    }
    reaper.newcomers.push(running);
    match &reaper.state {
        State::Starting => {}
        State::Runs(handle) => drop(handle.spawn(async { take_in_newcomers() })),
        State::None => {
            let started = thread::Builder::new().name("greenloop-reaper".to_owned()).spawn(reap);
            if started.is_ok() {
                reaper.state = State::Starting;
            }
            // Otherwise the next one who comes tries again.
        }
    }
}

/// The life of the thread.
fn reap() {
    let mut event_loop = loop {
        match EventLoop::new() {
            Ok(event_loop) => break event_loop,
            Err(_) => {
                if look_without_loop() {
                    return;
                }
                thread::sleep(PAUSE);
            }
        }
    };
    lock().state = State::Runs(event_loop.handle());
    drop(event_loop.handle().spawn(async { take_in_newcomers() }));
    event_loop.run_forever();
}

/// Waits for those that have ended; `true` if that were all, and the thread is to end.
fn look_without_loop() -> bool {
    let mut reaper = lock();
    reaper.newcomers.retain(|running| matches!(running.try_wait(), Ok(None)));
    let none = reaper.newcomers.is_empty();
    if none {
        reaper.state = State::None;
    }
    none
}

/// Starts to wait for those that have come; on the thread's loop.
fn take_in_newcomers() {
    let newcomers = {
        let mut reaper = lock();
        reaper.waiting += reaper.newcomers.len();
        mem::take(&mut reaper.newcomers)
    };
    for running in newcomers {
        drop(spawn(async move {
            wait_whatever_happens(&running).await;
            drop(running);
            end_after_the_last();
        }));
    }
}

/// Counts a child less; without any the thread ends.
fn end_after_the_last() {
    let mut reaper = lock();
    reaper.waiting -= 1;
    if reaper.waiting == 0 && reaper.newcomers.is_empty() {
        if let State::Runs(handle) = mem::replace(&mut reaper.state, State::None) {
            handle.stop();
        }
    }
}
