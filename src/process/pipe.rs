//! The pipes to and from a child.

use std::{fmt, fs::File, io, os::fd::OwnedFd, process::Stdio};

use socket2::SockRef;

use crate::{
    io::Source,
    net::stream_methods::{as_fd, async_read, async_write, read_methods, write_methods},
};

/// The pipe to the standard input of a [`Child`](super::Child).
///
/// The child sees the end of its input when this is dropped, or closed by `AsyncWriteExt::close`. A write to a
/// child that is gone, or reads no more, is an error of the kind `BrokenPipe`.
pub struct ChildStdin {
    source: Source<File>,
}

/// The pipe from the standard output of a [`Child`](super::Child).
///
/// It ends when all who can write to it have closed it: the child, and the processes that it started and
/// that inherited it.
pub struct ChildStdout {
    source: Source<File>,
}

/// The pipe from the standard error of a [`Child`](super::Child); as [`ChildStdout`].
pub struct ChildStderr {
    source: Source<File>,
}

/// Takes over one end of a pipe.
fn pipe(end: impl Into<OwnedFd>) -> io::Result<Source<File>> {
    let file = File::from(end.into());
    SockRef::from(&file).set_nonblocking(true)?;
    Ok(Source::new(file))
}

/// Gives one end of a pipe to those who expect that it blocks.
fn into_blocking(source: Source<File>) -> io::Result<OwnedFd> {
    let file = source.into_inner()?;
    SockRef::from(&file).set_nonblocking(false)?;
    Ok(file.into())
}

impl ChildStdin {
    /// Takes over the pipe of the standard library, and puts it into non-blocking mode.
    ///
    /// # Errors
    ///
    /// When the system refuses that.
    pub fn from_std(stdin: std::process::ChildStdin) -> io::Result<Self> {
        Ok(Self { source: pipe(stdin)? })
    }

    /// Gives the pipe back in blocking mode, for instance as the standard output of another child.
    ///
    /// # Errors
    ///
    /// On a thread that does not run the loop in which it was used, and when it was closed.
    pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
        into_blocking(self.source)
    }
}

write_methods!(ChildStdin, self => self.source);
// As dropping does, this ends the child's input.
async_write!(ChildStdin, this => {
    this.source.close();
    Ok(())
});
as_fd!(ChildStdin);

impl fmt::Debug for ChildStdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildStdin").field("closed", &self.source.is_closed()).finish()
    }
}

impl TryFrom<ChildStdin> for Stdio {
    type Error = io::Error;

    /// For the output of another child.
    fn try_from(stdin: ChildStdin) -> io::Result<Self> {
        stdin.into_owned_fd().map(Self::from)
    }
}

/// The two pipes that are read differ in their names only.
macro_rules! reads {
    ($name:ident, $what:literal) => {
        impl $name {
            /// Takes over the pipe of the standard library, and puts it into non-blocking mode.
            ///
            /// # Errors
            ///
            /// When the system refuses that.
            pub fn from_std(pipe_of_std: std::process::$name) -> io::Result<Self> {
                Ok(Self { source: pipe(pipe_of_std)? })
            }

            /// Gives the pipe back in blocking mode, for instance as the standard input of another
            /// child.
            ///
            /// # Errors
            ///
            /// On a thread that does not run the loop in which it was used.
            pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
                into_blocking(self.source)
            }
        }

        read_methods!($name, self => self.source);
        async_read!($name);
        async_read!(&$name);
        as_fd!($name);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($what).finish_non_exhaustive()
            }
        }

        impl TryFrom<$name> for Stdio {
            type Error = io::Error;

            /// For the input of another child.
            fn try_from(pipe: $name) -> io::Result<Self> {
                pipe.into_owned_fd().map(Self::from)
            }
        }
    };
}

reads!(ChildStdout, "ChildStdout");
reads!(ChildStderr, "ChildStderr");
