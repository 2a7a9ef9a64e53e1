//! A process that this one has started: asking whether it has ended, waiting for that, and sending it
//! signals.
//!
//! Invariants: it is waited for once, which is when its number may be given to another process; and
//! nothing is sent to the number after that. Both happen under the lock.

use std::{
    ffi::c_int,
    io,
    pin::Pin,
    process::ExitStatus,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use super::{
    exit::{Exit, is_lack},
    pidfd,
};
use crate::{
    event_loop,
    io::{Direction, Done, Source, Ticket},
    time::{Sleep, sleep},
};

/// How long to wait before looking again whether a process has ended, if there is no descriptor left
/// for its end; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Running {
    id: u32,
    /// It was made the leader of a group.
    leads_group: bool,
    /// The process whose child it is.
    parent: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Waits for it; its pipes were taken.
    std: std::process::Child,
    ended: Option<Ended>,
    /// `None` while there was no descriptor left for it.
    exit: Option<Arc<Source<Exit>>>,
}

#[derive(Clone, Copy, Debug)]
enum Ended {
    /// It was waited for.
    With(ExitStatus),
    /// Somebody else has waited for it.
    Unknown,
}

impl Running {
    pub(super) fn new(std: std::process::Child, leads_group: bool) -> Self {
        let id = std.id();
        // It was not waited for, so a lack of descriptors is all that can go wrong, and passes.
        let exit = Exit::of(id).ok().map(|exit| Arc::new(Source::new(exit)));
        let parent = this_process();
        Self { id, leads_group, parent, state: Mutex::new(State { std, ended: None, exit }) }
    }

    /// The number of the process, which may be another's when it has been waited for.
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().ended.is_some()
    }

    /// Whether this process is a fork of the parent.
    pub(super) fn is_inherited(&self) -> bool {
        this_process() != self.parent
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks whether it has ended, and waits for it if so.
    pub(super) fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        self.refuse_inherited()?;
        let mut state = self.lock();
        let waited = state.try_wait();
        // Whoever may still want to send signals to its group keeps the descriptor for that.
        let keeps = state.ended.is_none() || self.leads_group;
        let done_with = if keeps { None } else { state.exit.take() };
        drop(state);
        drop(done_with);
        waited
    }

    /// Sends a signal; to its group if it leads one. Nothing happens if it has ended.
    pub(super) fn send(&self, number: c_int, to_group: bool) -> io::Result<()> {
        self.refuse_inherited()?;
        if to_group && !self.leads_group {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the child has no group of its own: give it one with Command::process_group(0)",
            ));
        }
        let mut state = self.lock();
        let sent = match &state.exit {
            Some(exit) => exit.get().send(number, to_group),
            None => Err(io::ErrorKind::Unsupported.into()),
        };
        let sent = match sent {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                // Its number is its own until it is waited for.
                if state.try_wait()?.is_none() {
                    let id = self.id as libc::pid_t;
                    pidfd::kill(if to_group { -id } else { id }, number)
                } else if to_group {
                    Err(error)
                } else {
                    Ok(())
                }
            }
            result => result,
        };
        match sent {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            result => result,
        }
    }

    /// Waits for the end; any number may at once.
    pub(super) async fn wait(&self) -> io::Result<ExitStatus> {
        let mut waiting = Waiting::default();
        std::future::poll_fn(|cx| waiting.poll(self, cx)).await
    }

    /// What announces the end.
    fn exit(&self) -> io::Result<Arc<Source<Exit>>> {
        let mut state = self.lock();
        // If another thread has waited for it meanwhile, and the number is somebody else's, nobody looks
        // at what is announced.
        if let Some(exit) = state.exit.as_ref().filter(|exit| !exit.is_stranded()) {
            return Ok(Arc::clone(exit));
        }
        let exit = Arc::new(Source::new(Exit::of(self.id)?));
        state.exit = Some(Arc::clone(&exit));
        Ok(exit)
    }

    /// Lets the end be announced anew, in the loop in which it is waited for next.
    pub(super) fn forget_exit(&self) {
        let exit = self.lock().exit.take();
        drop(exit);
    }

    /// How it has ended, which somebody has seen.
    fn end(&self) -> io::Result<ExitStatus> {
        self.try_wait().map(|status| status.expect("it has ended"))
    }

    fn refuse_inherited(&self) -> io::Result<()> {
        if self.is_inherited() {
            return Err(io::Error::other(
                "this child was started before a fork and belongs to the parent process",
            ));
        }
        Ok(())
    }
}

/// See `event_loop/fork.rs`.
pub(super) fn this_process() -> u32 {
    event_loop::process_generation().unwrap_or_default()
}

impl State {
    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        match self.ended {
            Some(Ended::With(status)) => return Ok(Some(status)),
            Some(Ended::Unknown) => return Err(io::Error::from_raw_os_error(libc::ECHILD)),
            None => {}
        }
        let waited = self.std.try_wait();
        match &waited {
            Ok(status) => self.ended = status.map(Ended::With),
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => {
                self.ended = Some(Ended::Unknown);
            }
            Err(_) => {}
        }
        waited
    }
}

/// One who waits for the end of a process. To be polled with the same one each time.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    exit: Option<Arc<Source<Exit>>>,
    /// Where the waker was left, while it may still be there.
    ticket: Option<Ticket>,
    /// Until there may be a descriptor.
    pause: Option<(Sleep, Duration)>,
}

impl Waiting {
    pub(super) fn poll(
        &mut self,
        running: &Running,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<ExitStatus>> {
        running.refuse_inherited()?;
        while self.exit.is_none() {
            if let Some((pause, _)) = &mut self.pause {
                ready!(Pin::new(pause).poll(cx));
            }
            if running.has_ended() {
                return Poll::Ready(running.end());
            }
            match running.exit() {
                Ok(exit) => self.exit = Some(exit),
                Err(error) if is_lack(&error) => {
                    if let Some(status) = running.try_wait()? {
                        return Poll::Ready(Ok(status));
                    }
                    if !event_loop::is_running() {
                        return Poll::Ready(Err(event_loop::no_loop("waiting for a child")));
                    }
                    let last = self.pause.take().map(|(_, length)| length);
                    let length = last.map_or(FIRST_PAUSE, |last| (2 * last).min(LONGEST_PAUSE));
                    self.pause = Some((sleep(length), length));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        let exit = self.exit.as_ref().expect("the loop above has seen to it");
        exit.poll_operation(Direction::Read, &mut self.ticket, cx, |announced| {
            announced.take();
            match running.try_wait()? {
                Some(status) => Ok(Done::Fully(status)),
                None => Err(io::ErrorKind::WouldBlock.into()),
            }
        })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let (Some(exit), Some(ticket)) = (&self.exit, self.ticket) {
            exit.cancel_wait(Direction::Read, ticket);
        }
    }
}
