//! A child with the API of `std::process::Child`.

use std::{
    io,
    process::{ExitStatus, Output},
};

use super::{ChildStderr, ChildStdin, ChildStdout};
use crate::{
    green::net::wait_io,
    process::{self, Communicate},
    signal::SignalKind,
};

/// A child process; as [`std::process::Child`], for green threads.
///
/// Dropping it lets the child run on; see [`process::Child`].
///
/// # Panics
///
/// Whatever has to wait panics outside of a green thread.
#[derive(Debug)]
#[doc(alias = "Popen")]
pub struct Child {
    /// The pipe to its standard input, if one was asked for and nobody has taken it.
    pub stdin: Option<ChildStdin>,
    /// The pipe from its standard output, if one was asked for and nobody has taken it.
    pub stdout: Option<ChildStdout>,
    /// The pipe from its standard error, if one was asked for and nobody has taken it.
    pub stderr: Option<ChildStderr>,
    id: u32,
    /// Has no pipes, except while it is communicated with.
    child: process::Child,
}

impl Child {
    pub(super) fn from_async(mut child: process::Child) -> Self {
        Self {
            stdin: child.stdin.take().map(ChildStdin::from_async),
            stdout: child.stdout.take().map(ChildStdout::from_async),
            stderr: child.stderr.take().map(ChildStderr::from_async),
            id: child.id().expect("it was just started, and nobody has waited for it"),
            child,
        }
    }

    /// Returns the number of the process. Once it was waited for, another process may have it.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Closes the child's input, and waits until the child has ended; see [`process::Child::wait`].
    ///
    /// # Errors
    ///
    /// Those of [`process::Child::wait`].
    #[track_caller]
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.stdin = None;
        self.exited()
    }

    /// Waits until the child has ended, and leaves its input open. Any number may wait at the same time,
    /// while others talk to it or end it.
    ///
    /// # Errors
    ///
    /// Those of [`process::Child::wait`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    ///
    /// use greenloop::green::{self, Wait, process::Command};
    ///
    /// green::run(|| {
    ///     let child = Rc::new(Command::new("sleep").arg("1000").spawn()?);
    ///     let waiting = green::spawn({
    ///         let child = Rc::clone(&child);
    ///         move || child.exited()
    ///     });
    ///     green::yield_now();
    ///     child.kill()?;
    ///     assert!(!waiting.wait().unwrap()?.success());
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap();
    /// ```
    #[track_caller]
    pub fn exited(&self) -> io::Result<ExitStatus> {
        wait_io(self.child.exited())
    }

    /// Returns how the child has ended, or `None` if it runs.
    ///
    /// # Errors
    ///
    /// Those of [`process::Child::try_wait`].
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Ends the child by force, without waiting for that; see [`process::Child::start_kill`].
    ///
    /// # Errors
    ///
    /// Those of [`process::Child::start_kill`].
    pub fn kill(&self) -> io::Result<()> {
        self.child.start_kill()
    }

    /// Sends a signal to the child; see [`process::Child::send_signal`].
    ///
    /// # Errors
    ///
    /// Those of [`process::Child::send_signal`].
    pub fn send_signal(&self, kind: SignalKind) -> io::Result<()> {
        self.child.send_signal(kind)
    }

    /// Sends a signal to the child and all processes in its group; see
    /// [`process::Child::signal_group`].
    ///
    /// # Errors
    ///
    /// Those of [`process::Child::signal_group`].
    pub fn signal_group(&self, kind: SignalKind) -> io::Result<()> {
        self.child.signal_group(kind)
    }

    /// Writes `input` to the child and closes the pipe, and gives all that the child writes and how it
    /// ended; see [`process::Child::communicate`].
    ///
    /// # Errors
    ///
    /// The future's: those of [`process::Child::communicate`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::Stdio;
    ///
    /// use greenloop::green::{self, Wait, process::Command};
    ///
    /// green::run(|| {
    ///     let mut sort =
    ///         Command::new("sort").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    ///     let output = sort.communicate("pear\napple\n").wait()?;
    ///     assert_eq!(output.stdout, b"apple\npear\n");
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap();
    /// ```
    pub fn communicate(&mut self, input: impl Into<Vec<u8>>) -> Communicate<'_> {
        self.child.stdin = self.stdin.take().map(ChildStdin::into_async);
        self.child.stdout = self.stdout.take().map(ChildStdout::into_async);
        self.child.stderr = self.stderr.take().map(ChildStderr::into_async);
        self.child.communicate(input)
    }

    /// Closes the child's input, and gives all that the child writes and how it ended.
    ///
    /// # Errors
    ///
    /// Those of [`process::Child::wait_with_output`].
    #[track_caller]
    pub fn wait_with_output(mut self) -> io::Result<Output> {
        self.stdin = None;
        wait_io(self.communicate(""))
    }
}
