//! A child process.

use std::{
    fmt, io,
    process::{ExitStatus, Output},
};

use super::{
    communicate::Communicate,
    orphans,
    pipe::{ChildStderr, ChildStdin, ChildStdout},
    running::Running,
};
use crate::signal::SignalKind;

/// A child process; from [`Command::spawn`](super::Command::spawn).
///
/// Dropping it lets the child run on, without its pipes, and waits for it behind the scenes, so that
/// it leaves no zombie; unless [`kill_on_drop`](super::Command::kill_on_drop) says that it shall end.
///
/// A child that somebody else has waited for (`waitpid(-1)` does, and so does the kernel if `SIGCHLD` is
/// ignored) has an end of which nothing is known: waiting for it gives the error `ECHILD`.
#[doc(alias = "Popen")]
#[doc(alias = "Process")]
#[doc(alias = "SubprocessProtocol")]
#[doc(alias = "SubprocessTransport")]
pub struct Child {
    /// The pipe to its standard input, if one was asked for and nobody has taken it.
    pub stdin: Option<ChildStdin>,
    /// The pipe from its standard output, if one was asked for and nobody has taken it.
    pub stdout: Option<ChildStdout>,
    /// The pipe from its standard error, if one was asked for and nobody has taken it.
    pub stderr: Option<ChildStderr>,
    handle: Handle,
}

impl Child {
    pub(super) fn new(
        mut std: std::process::Child,
        leads_group: bool,
        kill_on_drop: bool,
    ) -> io::Result<Self> {
        let pipes = (std.stdin.take(), std.stdout.take(), std.stderr.take());
        let running = Some(Running::new(std, leads_group));
        // First of all, so that an error ends the child.
        let mut handle = Handle { running, kill_on_drop: true };
        let (stdin, stdout, stderr) = pipes;
        let child = Self {
            stdin: stdin.map(ChildStdin::from_std).transpose()?,
            stdout: stdout.map(ChildStdout::from_std).transpose()?,
            stderr: stderr.map(ChildStderr::from_std).transpose()?,
            handle: {
                handle.kill_on_drop = kill_on_drop;
                handle
            },
        };
        Ok(child)
    }

    /// Returns the number of the process; `None` once it was waited for, since it may be given to
    /// another process then.
    #[doc(alias = "pid")]
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        let running = self.running();
        (!running.has_ended()).then(|| running.id())
    }

    /// Closes the child's input, and waits until the child has ended.
    ///
    /// A child whose output goes into a pipe that nobody reads never ends once the pipe is full: read
    /// it, or use [`communicate`](Self::communicate).
    ///
    /// # Errors
    ///
    /// When somebody else has waited for the child; outside of a loop; in a forked child of this process;
    /// while the loop runs in which it was waited for before, and this is another one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing; the status is kept, and given as often as it is asked for.
    #[doc(alias = "waitpid")]
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.stdin = None;
        self.exited().await
    }

    /// Waits until the child has ended, and leaves its input open. Any number may wait at the same time.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Cancel safety
    ///
    /// As [`wait`](Self::wait).
    pub async fn exited(&self) -> io::Result<ExitStatus> {
        self.running().wait().await
    }

    /// Returns how the child has ended, or `None` if it runs.
    ///
    /// # Errors
    ///
    /// When somebody else has waited for the child; in a forked child of this process.
    #[doc(alias = "poll")]
    #[doc(alias = "returncode")]
    #[doc(alias = "exitcode")]
    #[doc(alias = "is_alive")]
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        self.running().try_wait()
    }

    /// Ends the child by force (`SIGKILL`), and waits until it has ended. Processes that it has started
    /// run on; see [`signal_group`](Self::signal_group).
    ///
    /// # Errors
    ///
    /// As [`start_kill`](Self::start_kill) and [`wait`](Self::wait).
    ///
    /// # Cancel safety
    ///
    /// It has been killed when the future was polled once; dropping it then stops waiting only.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.start_kill()?;
        self.wait().await.map(drop)
    }

    /// Ends the child by force (`SIGKILL`), without waiting for that. A child that has ended is left
    /// alone.
    ///
    /// # Errors
    ///
    /// Those of the system, such as for a child that has become another user; in a forked child
    /// of this process.
    pub fn start_kill(&self) -> io::Result<()> {
        self.send_signal(SignalKind::kill())
    }

    /// Sends a signal to the child; to nobody if it has ended.
    ///
    /// # Errors
    ///
    /// As [`start_kill`](Self::start_kill), and for a number that is no signal.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::process::ExitStatusExt;
    ///
    /// use greenloop::{process::Command, signal::SignalKind};
    ///
    /// greenloop::run(async {
    ///     let mut child = Command::new("sleep").arg("1000").spawn()?;
    ///     child.send_signal(SignalKind::terminate())?;
    ///     let status = child.wait().await?;
    ///     assert_eq!(status.signal(), Some(SignalKind::terminate().as_raw_value()));
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap();
    /// ```
    #[doc(alias = "terminate")]
    #[doc(alias = "pidfd_send_signal")]
    pub fn send_signal(&self, kind: SignalKind) -> io::Result<()> {
        self.running().send(kind.as_raw_value(), false)
    }

    /// Sends a signal to the child and all processes in its group: those that it has started and that
    /// made no group of their own.
    ///
    /// It can be sent after the end of the child on Linux from 6.9 on.
    ///
    /// # Errors
    ///
    /// Of the kind `InvalidInput` if the child was not made the leader of a group by
    /// [`process_group(0)`](super::Command::process_group); of the kind `Unsupported` after its end where
    /// that cannot be done without the danger of reaching others; and as
    /// [`send_signal`](Self::send_signal).
    #[doc(alias = "killpg")]
    pub fn signal_group(&self, kind: SignalKind) -> io::Result<()> {
        self.running().send(kind.as_raw_value(), true)
    }

    /// Writes `input` to the child and closes the pipe, and gives all that the child writes and how it
    /// ended.
    ///
    /// Everything happens side by side, so neither can be stuck because a pipe is full. Only those of
    /// the pipes that were asked for take part. A child that ends or closes its input before it
    /// has read all of it is no error.
    ///
    /// # Errors
    ///
    /// The future's: those of [`wait`](Self::wait) and of the pipes; `InvalidInput` when there is something
    /// to write and no pipe to write it to.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::Stdio;
    ///
    /// use greenloop::process::Command;
    ///
    /// greenloop::run(async {
    ///     let mut sort =
    ///         Command::new("sort").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    ///     let output = sort.communicate("pear\napple\n").await?;
    ///     assert!(output.status.success());
    ///     assert_eq!(output.stdout, b"apple\npear\n");
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap();
    /// ```
    ///
    /// With a limit, after which the child is ended, and a grace for what it has started:
    ///
    /// ```
    /// use std::{process::Stdio, time::Duration};
    ///
    /// use greenloop::process::Command;
    ///
    /// greenloop::run(async {
    ///     let mut command = Command::new("sh");
    ///     command.args(["-c", "echo begun; sleep 1000 & wait"]).process_group(0);
    ///     let mut shell = command.stdout(Stdio::piped()).spawn()?;
    ///     let mut talk = shell.communicate("").grace(Duration::from_millis(100));
    ///     let limit = Duration::from_millis(200);
    ///     let output = match greenloop::timeout(limit, &mut talk).await {
    ///         Ok(output) => output?,
    ///         Err(_) => {
    ///             talk.child().start_kill()?;
    ///             talk.await?
    ///         }
    ///     };
    ///     assert_eq!(output.stdout, b"begun\n");
    ///     assert!(!output.status.success());
    /// #   shell.signal_group(greenloop::signal::SignalKind::kill())?;
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap();
    /// ```
    pub fn communicate(&mut self, input: impl Into<Vec<u8>>) -> Communicate<'_> {
        Communicate::new(self, input.into())
    }

    /// Closes the child's input, and gives all that the child writes and how it ended.
    ///
    /// # Errors
    ///
    /// Those of [`communicate`](Self::communicate).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the child.
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        self.stdin = None;
        self.communicate("").await
    }

    pub(super) fn running(&self) -> &Running {
        self.handle.running.as_ref().expect("only the drop takes it")
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// What a child is when it is dropped. A type of its own, so that the pipes can be moved out of a
/// `Child`.
struct Handle {
    running: Option<Running>,
    kill_on_drop: bool,
}

impl Drop for Handle {
    fn drop(&mut self) {
        let Some(running) = self.running.take().filter(|running| !running.is_inherited()) else {
            return;
        };
        if self.kill_on_drop {
            // One that cannot be killed is waited for like the others.
            let _ = running.send(libc::SIGKILL, false);
        }
        if let Ok(None) = running.try_wait() {
            orphans::adopt(running);
        }
    }
}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Child>();
};
