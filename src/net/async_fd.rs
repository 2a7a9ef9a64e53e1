//! Waiting for descriptors of any kind.

use std::{
    fmt, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    task::{Context, Poll},
};

use crate::io::{Direction, Done, Source, Ticket, set_nonblocking};

/// A descriptor of any kind that the kernel can watch: an inotify, an eventfd, a serial line, a
/// socket of a C library.
///
/// The kernel tells when it *becomes* ready. So readiness is remembered until an operation would
/// block: do operations through [`read_with`](Self::read_with) and its kin, which see that, or say so
/// with [`clear_readable`](Self::clear_readable).
///
/// `T` gives the same descriptor all its life. It is watched from the first wait until this is
/// dropped, whether that closes it or not. One that is watched already, by whatever of this loop, is
/// an error of the kind `AlreadyExists`: duplicate it. What cannot be watched, such as a file on a
/// disk, is one of the kind `PermissionDenied`.
///
/// In a green thread, call `wait` on the futures.
///
/// # Examples
///
/// ```
/// use std::{io::{Read, Write}, os::unix::net::UnixStream};
///
/// use greenloop::net::AsyncFd;
///
/// greenloop::run(async {
///     let (ours, mut theirs) = UnixStream::pair()?;
///     let ours = AsyncFd::new(ours)?;
///     greenloop::spawn(async move { theirs.write_all(b"hello") });
///     let mut buffer = [0; 5];
///     ours.read_with(|mut stream| stream.read_exact(&mut buffer)).await?;
///     assert_eq!(&buffer, b"hello");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[doc(alias = "add_reader")]
#[doc(alias = "add_writer")]
#[doc(alias = "wait_read")]
#[doc(alias = "wait_readable")]
#[doc(alias = "Async")]
#[doc(alias(
    "remove_reader",
    "remove_writer",
    "nb_read",
    "nb_write",
    "make_nonblocking",
    "recvmsg",
    "recvmsg_into",
    "sendmsg",
    "poll",
    "register",
    "unregister",
    "DefaultSelector",
    "BaseSelector",
    "EpollSelector",
    "PollSelector",
    "SelectSelector",
    "SelectorKey",
    "EVENT_READ",
    "EVENT_WRITE",
    "GeventSelector",
    "wait_write",
    "wait_readwrite",
    "FileObject",
    "FileObjectPosix"
))]
pub struct AsyncFd<T: AsFd> {
    /// `None` only while it is taken apart.
    source: Option<Source<T>>,
}

impl<T: AsFd> AsyncFd<T> {
    /// Takes a descriptor, and puts it into non-blocking mode, for all who share it: the standard
    /// input of a program, say, is shared with the shell.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn new(inner: T) -> io::Result<Self> {
        set_nonblocking(inner.as_fd())?;
        Ok(Self::from_nonblocking(inner))
    }

    /// Takes a descriptor as it is. If it is in blocking mode, an operation that is not ready blocks
    /// the loop.
    #[must_use]
    pub fn from_nonblocking(inner: T) -> Self {
        Self { source: Some(Source::new(inner)) }
    }

    /// Returns the descriptor's owner.
    #[must_use]
    pub fn get_ref(&self) -> &T {
        self.source().get()
    }

    /// Gives the descriptor's owner back, no longer watched. It stays in non-blocking mode.
    ///
    /// # Errors
    ///
    /// On a thread that does not run the loop that watches it; it is dropped then.
    pub fn into_inner(mut self) -> io::Result<T> {
        self.take().into_inner()
    }

    /// Waits until it is ready to read, as far as is known.
    ///
    /// # Errors
    ///
    /// Outside of a loop; in another loop than before; when the system cannot watch it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn readable(&self) -> io::Result<()> {
        self.source().readiness(Direction::Read).await
    }

    /// Waits until it is ready to write, as far as is known.
    ///
    /// # Errors
    ///
    /// As [`readable`](Self::readable).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn writable(&self) -> io::Result<()> {
        self.source().readiness(Direction::Write).await
    }

    /// Says that an operation that was done without this would have blocked: the next
    /// [`readable`](Self::readable) waits for the kernel's word.
    ///
    /// If none would have, that wait may be for ever.
    pub fn clear_readable(&self) {
        self.source().would_block(Direction::Read);
    }

    /// As [`clear_readable`](Self::clear_readable), for [`writable`](Self::writable).
    pub fn clear_writable(&self) {
        self.source().would_block(Direction::Write);
    }

    /// Does a reading operation, waiting as often as it gives the error `WouldBlock`, and gives its
    /// result.
    ///
    /// # Errors
    ///
    /// Those of the operation; as [`readable`](Self::readable).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future means that no operation succeeded.
    #[doc(alias = "async_io")]
    pub async fn read_with<R>(
        &self,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.source().operate(Direction::Read, |inner| operation(inner).map(Done::Fully)).await
    }

    /// Does a writing operation; the rest is as for [`read_with`](Self::read_with).
    ///
    /// # Errors
    ///
    /// As [`read_with`](Self::read_with).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future means that no operation succeeded.
    #[doc(alias = "async_io")]
    pub async fn write_with<R>(
        &self,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.source().operate(Direction::Write, |inner| operation(inner).map(Done::Fully)).await
    }

    /// Does a reading operation once, on any thread.
    ///
    /// # Errors
    ///
    /// Those of the operation.
    #[doc(alias = "try_io")]
    pub fn try_read_with<R>(&self, operation: impl FnOnce(&T) -> io::Result<R>) -> io::Result<R> {
        self.source().try_operation(Direction::Read, |inner| operation(inner).map(Done::Fully))
    }

    /// Does a writing operation once, on any thread.
    ///
    /// # Errors
    ///
    /// Those of the operation.
    #[doc(alias = "try_io")]
    pub fn try_write_with<R>(&self, operation: impl FnOnce(&T) -> io::Result<R>) -> io::Result<R> {
        self.source().try_operation(Direction::Write, |inner| operation(inner).map(Done::Fully))
    }

    /// As [`read_with`](Self::read_with), for traits such as [`futures_io::AsyncRead`]. Of the tasks
    /// that poll, the last one is woken.
    ///
    /// # Errors
    ///
    /// As [`read_with`](Self::read_with).
    pub fn poll_read_with<R>(
        &self,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let operation = |inner: &T| operation(inner).map(Done::Fully);
        self.source().poll_operation(Direction::Read, &mut Some(Ticket::SHARED), cx, operation)
    }

    /// As [`write_with`](Self::write_with), for traits such as [`futures_io::AsyncWrite`]. Of the
    /// tasks that poll, the last one is woken.
    ///
    /// # Errors
    ///
    /// As [`write_with`](Self::write_with).
    pub fn poll_write_with<R>(
        &self,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let operation = |inner: &T| operation(inner).map(Done::Fully);
        self.source().poll_operation(Direction::Write, &mut Some(Ticket::SHARED), cx, operation)
    }

    fn take(&mut self) -> Source<T> {
        self.source.take().expect("only `into_inner` takes it, which consumes this")
    }

    fn source(&self) -> &Source<T> {
        self.source.as_ref().expect("only `into_inner` takes it, which consumes this")
    }
}

impl<T: AsFd> Drop for AsyncFd<T> {
    fn drop(&mut self) {
        // Nobody knows whether the owner closes it.
        if let Some(source) = &mut self.source {
            source.deregister();
        }
    }
}

impl<T: AsFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsFd> AsRawFd for AsyncFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.get_ref().as_fd().as_raw_fd()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncFd").field(self.get_ref()).finish()
    }
}
