//! A whole conversation with a child: all that it is told, all that it says, and how it ended.

use std::{
    io,
    pin::Pin,
    process::{ExitStatus, Output},
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_io::{AsyncRead, AsyncWrite};

use super::{Child, running::Waiting};
use crate::time::{Sleep, sleep};

/// How much is read at once: as much as there is already, between these.
const LEAST: usize = 4 * 1024;
/// What a pipe holds on Linux, unless it was given more room.
const MOST: usize = 64 * 1024;

/// How often a pipe is read in the last moment, if somebody fills it as fast.
const LAST_READS: usize = 16;

/// The future of [`Child::communicate`], which gives what the child has written and how it ended.
///
/// # Cancel safety
///
/// Polled by reference it may be given up and taken up again, and nothing is lost; see the example
/// there. What was read is lost when it is dropped, and what was not written is not.
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Communicate<'a> {
    child: &'a mut Child,
    input: Vec<u8>,
    written: usize,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    waiting: Waiting,
    status: Option<ExitStatus>,
    grace: Option<Duration>,
    /// Runs from the end of the child on.
    last_moment: Option<Sleep>,
}

impl<'a> Communicate<'a> {
    pub(super) fn new(child: &'a mut Child, input: Vec<u8>) -> Self {
        Self {
            child,
            input,
            written: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
            waiting: Waiting::default(),
            status: None,
            grace: None,
            last_moment: None,
        }
    }

    /// Waits at most for `grace`, from the end of the child on, for the ends of its pipes.
    ///
    /// A process that the child has started inherits them, and may hold them open for as long as it
    /// lives. Without this it is waited for; with it, what was written up to then is the output.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// Returns the child, for instance to [end it](Child::start_kill).
    #[must_use]
    pub fn child(&self) -> &Child {
        self.child
    }

    /// Returns what the child has written to its standard output up to now.
    #[must_use]
    pub fn stdout(&self) -> &[u8] {
        &self.stdout
    }

    /// Returns what the child has written to its standard error up to now.
    #[must_use]
    pub fn stderr(&self) -> &[u8] {
        &self.stderr
    }

    /// Writes the input and closes the pipe. A child that reads no more has what it wanted.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(stdin) = &mut self.child.stdin else {
            return Poll::Ready(match self.input.is_empty() {
                true => Ok(()),
                false => Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "the child has no pipe for its input: ask for one with Stdio::piped()",
                )),
            });
        };
        let result = loop {
            let rest = &self.input[self.written..];
            if rest.is_empty() {
                break Ok(());
            }
            match ready!(Pin::new(&mut *stdin).poll_write(cx, rest)) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.child.stdin = None;
        self.input = Vec::new();
        self.written = 0;
        Poll::Ready(result)
    }

    fn poll_status(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        if let Some(status) = self.status {
            return Poll::Ready(Ok(status));
        }
        let status = ready!(self.waiting.poll(self.child.running(), cx))?;
        self.status = Some(status);
        self.last_moment = self.grace.map(sleep);
        Poll::Ready(Ok(status))
    }
}

impl Future for Communicate<'_> {
    type Output = io::Result<Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let input = this.poll_input(cx)?;
        let stdout = poll_to_end(&mut this.child.stdout, &mut this.stdout, cx)?;
        let stderr = poll_to_end(&mut this.child.stderr, &mut this.stderr, cx)?;
        let status = ready!(this.poll_status(cx))?;
        if input.is_pending() || stdout.is_pending() || stderr.is_pending() {
            let Some(last_moment) = &mut this.last_moment else {
                return Poll::Pending;
            };
            ready!(Pin::new(last_moment).poll(cx));
            this.child.stdin = None;
            // What the child wrote last may not have been announced yet.
            if let Some(pipe) = this.child.stdout.take() {
                read_rest(|buffer| pipe.try_read(buffer), &mut this.stdout);
            }
            if let Some(pipe) = this.child.stderr.take() {
                read_rest(|buffer| pipe.try_read(buffer), &mut this.stderr);
            }
        }
        let stdout = std::mem::take(&mut this.stdout);
        let stderr = std::mem::take(&mut this.stderr);
        Poll::Ready(Ok(Output { status, stdout, stderr }))
    }
}

/// Reads to the end of a pipe, and closes it then.
fn poll_to_end<P: AsyncRead + Unpin>(
    pipe: &mut Option<P>,
    text: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let Some(open) = pipe else {
        return Poll::Ready(Ok(()));
    };
    let result = loop {
        match ready!(append(text, |buffer| Pin::new(&mut *open).poll_read(cx, buffer))) {
            Ok(0) => break Ok(()),
            Ok(_) => {}
            Err(error) => break Err(error),
        }
    };
    *pipe = None;
    Poll::Ready(result)
}

/// Reads what is there.
fn read_rest(mut read: impl FnMut(&mut [u8]) -> io::Result<usize>, text: &mut Vec<u8>) {
    for _ in 0..LAST_READS {
        let Poll::Ready(Ok(1..)) = append(text, |buffer| Poll::Ready(read(buffer))) else {
            return;
        };
    }
}

/// Has a read append to the text.
fn append(
    text: &mut Vec<u8>,
    read: impl FnOnce(&mut [u8]) -> Poll<io::Result<usize>>,
) -> Poll<io::Result<usize>> {
    let length = text.len();
    text.resize(length + length.clamp(LEAST, MOST), 0);
    let result = read(&mut text[length..]);
    let count = if let Poll::Ready(Ok(count)) = result { count } else { 0 };
    text.truncate(length + count);
    result
}
