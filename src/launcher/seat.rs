//! A worker process from its first to its last moment: signals, the loop, the program's closure, the
//! status.

use std::{
    future::poll_fn,
    io::{self, Read as _},
    os::unix::net::UnixStream,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::atomic::Ordering::Relaxed,
    task::{Context, Poll},
    time::Duration,
};

use super::{
    builder::Hook,
    log::say,
    scoreboard::{Entry, Scoreboard},
    sys::{
        clock, dump, process,
        signals::{self, Action},
    },
    worker::{Equipment, Worker},
};
use crate::{
    event_loop::{self, EventLoop, Pulse},
    io::{Direction, Done, Source},
};

/// Says that a worker cannot serve and need not be started again (`EX_CONFIG` of `sysexits.h`).
pub(super) const STATUS_FATAL: i32 = 78;

/// What a Rust program ends with after a panic.
const STATUS_PANIC: i32 = 101;

/// What runs in a worker.
pub(super) type Body = Box<dyn FnOnce(Worker) -> Pin<Box<dyn Future<Output = io::Result<()>>>>>;

/// Where a worker process stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seat {
    /// Below a supervisor, with this process number, that tells it to drain and to end. After the
    /// supervisor's death it has this long to drain.
    Below { supervisor: libc::pid_t, grace: Duration },
    /// In the process that was started, by itself.
    Alone,
}

/// Runs a worker to its end, and gives the status to end the process with.
pub(super) fn run(seat: Seat, mut equipment: Equipment, body: Body) -> i32 {
    let signals = match prepare(seat, equipment.board, equipment.place) {
        Ok(signals) => signals,
        Err(error) => return failed(&error),
    };
    let entry = equipment.board.entry(equipment.place);
    let reopen = equipment.on_reopen.take();
    let worker = match Worker::new(equipment) {
        Ok(worker) => worker,
        Err(error) => return failed(&error),
    };
    let mut event_loop = match EventLoop::new() {
        Ok(event_loop) => event_loop,
        Err(error) => return failed(&error),
    };
    let pulse = Pulse {
        busy_since: &entry.busy_since,
        longest_turn: &entry.longest_turn,
        tasks: &entry.tasks,
        panicked: &entry.sums.panicked,
        now: clock::now,
    };
    // The message of a panic is the panic hook's business.
    let ended = catch_unwind(AssertUnwindSafe(|| {
        event_loop.run(async {
            event_loop::with(|core| core.set_pulse(pulse));
            attend(seat, &worker, entry, signals, reopen, body).await
        })
    }));
    entry.note_cut();
    entry.sums.panicked.store(event_loop.statistics().panicked, Relaxed);
    // Whatever still runs is dropped, in the loop.
    let cleared = catch_unwind(AssertUnwindSafe(|| drop(event_loop)));
    match (ended, cleared) {
        (Err(_), _) | (_, Err(_)) => STATUS_PANIC,
        (Ok(Ok(())), Ok(())) => 0,
        (Ok(Err(error)), Ok(())) if worker.fatal_reason().is_none() => failed(&error),
        (Ok(Err(error)), Ok(())) => {
            failed(&error);
            STATUS_FATAL
        }
    }
}

fn failed(error: &io::Error) -> i32 {
    say(&format!("greenloop: worker pid {}: {error}", std::process::id()));
    1
}

/// Handlers of this process's own, in place of the supervisor's.
fn prepare(seat: Seat, board: &'static Scoreboard, place: usize) -> io::Result<UnixStream> {
    let pipe = signals::pipe()?;
    board.entry(place).pid.store(std::process::id(), Relaxed);
    signals::set(libc::SIGTERM, Action::Tell)?;
    signals::set(libc::SIGQUIT, Action::Tell)?;
    signals::set(libc::SIGUSR1, Action::Tell)?;
    match seat {
        Seat::Alone => signals::set(libc::SIGINT, Action::Tell)?,
        Seat::Below { supervisor, grace } => {
            // Ctrl-C goes to all processes of the terminal; what comes of it is the supervisor's
            // decision alone.
            signals::set(libc::SIGINT, Action::Nothing)?;
            signals::set(libc::SIGHUP, Action::Nothing)?;
            for signal in
                [libc::SIGCHLD, libc::SIGUSR2, libc::SIGTTIN, libc::SIGTTOU, libc::SIGWINCH]
            {
                signals::set(signal, Action::Default)?;
            }
            let entry = board.entry(place);
            dump::prepare(entry.slot.load(Relaxed) as usize, &entry.busy_since);
            signals::set(signals::dump_signal(), Action::Dump)?;
            signals::set(signals::abort_signal(), Action::Dump)?;
            signals::outlive_supervisor(supervisor, grace);
            process::signal_at_parents_death(libc::SIGTERM)?;
        }
    }
    signals::unblock_all();
    if let Seat::Below { supervisor, .. } = seat {
        if process::parent() != supervisor {
            // It died before the system was asked to tell.
            process::signal(std::process::id() as libc::pid_t, libc::SIGTERM);
        }
    }
    Ok(pipe)
}

/// Runs the program's closure, and acts on signals meanwhile. It ends with the closure, or at once
/// when it is told to: then the loop drops all tasks.
async fn attend(
    seat: Seat,
    worker: &Worker,
    entry: &Entry,
    signals: UnixStream,
    mut reopen: Option<Hook>,
    body: Body,
) -> io::Result<()> {
    let signals = Source::new(signals);
    let mut lifeline = worker.lifeline()?.map(Source::new);
    let mut body = pin!(body(worker.clone()));
    let mut asked_to_drain = false;
    poll_fn(|cx| {
        while let Poll::Ready(arrived) = poll_signals(&signals, cx) {
            for signal in arrived? {
                let orphaned = matches!(seat, Seat::Below { supervisor, .. }
                    if process::parent() != supervisor);
                match signal {
                    libc::SIGTERM if !asked_to_drain => {
                        asked_to_drain = true;
                        match seat {
                            Seat::Below { .. } if !orphaned => worker.begin_draining(),
                            _ => worker.begin_last_draining(),
                        }
                    }
                    // The supervisor's death may follow its own order to drain.
                    libc::SIGTERM if orphaned => worker.begin_last_draining(),
                    libc::SIGUSR1 => call(&mut reopen),
                    _ => {
                        // The closure may own what it serves, and is dropped first.
                        entry.note_cut();
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
        if lifeline.as_ref().is_some_and(|pipe| has_ended(pipe, cx)) {
            // The system tells a process of its parent's death, but not one that has changed its user.
            lifeline = None;
            signals::end_after_grace();
            asked_to_drain = true;
            worker.begin_last_draining();
        }
        body.as_mut().poll(cx)
    })
    .await
}

/// Has the program open its log files anew.
fn call(reopen: &mut Option<Hook>) {
    if let Some(hook) = reopen {
        // The message of a panic is the panic hook's business.
        if let Ok(Err(error)) = catch_unwind(AssertUnwindSafe(hook)) {
            let pid = std::process::id();
            say(&format!("greenloop: worker pid {pid}: the log was not opened anew: {error}"));
        }
    }
}

/// Whether the supervisor's end of the pipe is closed. It never says anything.
fn has_ended(pipe: &Source<UnixStream>, cx: &Context<'_>) -> bool {
    let mut ticket = Some(crate::io::Ticket::SHARED);
    let read = |mut pipe: &UnixStream| pipe.read(&mut [0]).map(Done::Fully);
    pipe.poll_operation(Direction::Read, &mut ticket, cx, read).is_ready()
}

fn poll_signals(signals: &Source<UnixStream>, cx: &Context<'_>) -> Poll<io::Result<Vec<i32>>> {
    let mut ticket = Some(crate::io::Ticket::SHARED);
    signals.poll_operation(Direction::Read, &mut ticket, cx, |pipe| match signals::take(pipe) {
        Ok(none) if none.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
        Ok(some) => Ok(Done::Fully(some)),
        Err(error) => Err(error),
    })
}
