//! Signals of the process, such as Ctrl-C.

use std::{io, os::unix::net::UnixStream};

use signal_hook::{SigId, consts::SIGINT, low_level};

use crate::io::{Direction, Done, Source};

/// Waits for Ctrl-C (`SIGINT`).
///
/// The signal is caught from the first poll on, and no longer ends the process: not even after this
/// future is gone. Any number of tasks and loops may wait at the same time, and all are told.
///
/// # Errors
///
/// When the system has no descriptors left (it takes two); outside of a loop.
///
/// # Cancel safety
///
/// A signal that arrives between two calls is lost to the second.
///
/// # Examples
///
/// ```no_run
/// greenloop::run(async {
///     greenloop::signal::ctrl_c().await?;
///     println!("bye");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[doc(alias = "SIGINT")]
#[doc(alias = "add_signal_handler")]
#[doc(alias = "KeyboardInterrupt")]
pub async fn ctrl_c() -> io::Result<()> {
    let (ours, handlers) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    // The handler writes a byte, without blocking, each time the signal arrives.
    let _registered = Registered(low_level::pipe::register(SIGINT, handlers)?);
    let ours = Source::new(ours);
    let read = |mut stream: &UnixStream| io::Read::read(&mut stream, &mut [0]).map(Done::Fully);
    ours.operate(Direction::Read, read).await?;
    Ok(())
}

/// Takes the handler's end away when nobody waits any more.
struct Registered(SigId);

impl Drop for Registered {
    fn drop(&mut self) {
        low_level::unregister(self.0);
    }
}
