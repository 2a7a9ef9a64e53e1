//! Pipes with the API of those in `std::process`.

use std::{
    io::{self, Read, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    process::Stdio,
};

use crate::{green::net::wait_io, process};

/// The pipes differ in their names, and in what can be done with them.
macro_rules! pipe {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(process::$name);

        impl $name {
            /// Wraps a pipe of async code.
            #[must_use]
            pub fn from_async(pipe: process::$name) -> Self {
                Self(pipe)
            }

            /// Returns the pipe for async code.
            #[must_use]
            pub fn as_async(&self) -> &process::$name {
                &self.0
            }

            /// Gives the pipe to async code.
            #[must_use]
            pub fn into_async(self) -> process::$name {
                self.0
            }

            #[doc = concat!("Gives the descriptor back in blocking mode; see [`process::",
                stringify!($name), "::into_owned_fd`].")]
            ///
            /// # Errors
            ///
            /// On a thread that does not run the loop in which it was used.
            pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
                self.0.into_owned_fd()
            }
        }

        impl TryFrom<$name> for Stdio {
            type Error = io::Error;

            /// For another child.
            fn try_from(pipe: $name) -> io::Result<Self> {
                pipe.0.try_into()
            }
        }
    };
}

macro_rules! reads {
    ($name:ident) => {
        impl Read for &$name {
            #[track_caller]
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                wait_io(self.0.read(buffer))
            }
        }

        impl Read for $name {
            #[track_caller]
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                (&*self).read(buffer)
            }
        }

        impl AsFd for $name {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.as_fd()
            }
        }
    };
}

pipe! {
    /// The pipe to the standard input of a [`Child`](super::Child), which sees the end of its input when
    /// this is dropped.
    ChildStdin
}
pipe! {
    /// The pipe from the standard output of a [`Child`](super::Child).
    ChildStdout
}
pipe! {
    /// The pipe from the standard error of a [`Child`](super::Child).
    ChildStderr
}

reads!(ChildStdout);
reads!(ChildStderr);

impl Write for &ChildStdin {
    #[track_caller]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        wait_io(self.0.write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for ChildStdin {
    #[track_caller]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        (&*self).write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
