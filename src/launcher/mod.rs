//! One event loop per core, in processes that are looked after.
//!
//! One event loop uses one core. A [`Launcher`] starts one process per core, each with a loop of its own,
//! and gives them all the same listening sockets. The process that started them, the *supervisor*, serves
//! nothing: it replaces workers that die or hang, replaces all of them one by one for a new configuration,
//! upgrades the program while it runs, and lets none of this lose a connection.
//!
//! ```no_run
//! use std::{io, process::ExitCode};
//!
//! use greenloop::{launcher::{Launcher, Workers}, net::TcpStream};
//!
//! fn main() -> io::Result<ExitCode> {
//!     Launcher::new()
//!         .workers(Workers::Auto)
//!         .bind("echo", "127.0.0.1:8080")
//!         .run(|worker| async move {
//!             let listener = worker.listener("echo")?;
//!             while let Some((stream, _peer)) = listener.accept().await? {
//!                 worker.spawn(echo(stream));
//!             }
//!             worker.drained().await;
//!             Ok(())
//!         })
//! }
//!
//! async fn echo(stream: TcpStream) -> io::Result<()> {
//!     let mut buffer = [0; 4096];
//!     loop {
//!         let count = stream.read(&mut buffer).await?;
//!         if count == 0 {
//!             return Ok(());
//!         }
//!         stream.write_all(&buffer[..count]).await?;
//!     }
//! }
//! ```
//!
//! # Signals to the supervisor
//!
//! | signal | what happens |
//! |---|---|
//! | `TERM` | Workers accept what is in the queues and then no more, finish what they have begun, and end, within [`grace`](Launcher::grace). Status 0. A second one is as `QUIT`. |
//! | `INT`, `QUIT` | Workers drop their tasks, whose destructors run, and end within two seconds. Status 130 or 131. |
//! | `HUP` | Rolling restart: for each worker a replacement is started, and when that is ready the old one drains. The first replacement that fails stops it. |
//! | `TTIN`, `TTOU` | One worker more, or less. Signals that come close together may count as one; the [control socket](Launcher::control) takes a number. |
//! | `USR1` | The [log hook](Launcher::on_reopen) is called, here and in each worker. The figures are printed, and what workers run whose loop does not turn. |
//! | `WINCH` | Unless there is a terminal: the workers drain, and what comes waits in the queues, until `HUP`, `TTIN` or `TTOU`. |
//! | `USR2` | The program's file is executed anew, with the sockets; when its workers are ready, this launcher drains and ends. If it fails, this one goes on. |
//!
//! Workers are not meant to be sent signals, but `TERM` drains one, and it is replaced.
//!
//! # Forking
//!
//! Workers are forks of the supervisor by default. That is only sound while it has a single thread, so
//! before each fork it counts them, and refuses with their names if there are more: whatever starts threads
//! (a logger, a pool) belongs into the closure of [`run`](Launcher::run), which runs in the worker. Or let
//! workers [execute the program](SpawnMode::Exec) instead.

mod builder;
mod event;
mod figures;
mod gate;
mod histogram;
mod kind;
mod listener;
mod log;
mod modes;
mod moment;
mod names;
mod recycle;
mod restart;
mod scoreboard;
mod seat;
mod sockets;
mod statistics;
mod supervisor;
mod sys;
mod tally;
mod testing;
mod tracked;
mod worker;
mod workers;

pub use self::{
    builder::Launcher,
    event::{Event, Exit, Id},
    figures::{Counter, Gauge},
    histogram::{Histogram, HistogramStatistics},
    kind::{Kind, Tcp, Unix},
    listener::{Accepting, Listener},
    modes::{Accept, Pin, SpawnMode},
    recycle::Recycle,
    restart::{OnCrashLoop, Restart},
    statistics::{Statistics, WorkerState, WorkerStatistics},
    tally::Tally,
    testing::TestLauncher,
    tracked::Tracked,
    worker::Worker,
    workers::Workers,
};
