//! Pipes: what one end writes, the other reads.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::FileTypeExt as _,
    },
};

use super::stream_methods::{as_fd, async_read, async_write, read_methods, write_methods};
use crate::io::{Source, descriptor_flags, set_nonblocking};

/// Makes a pipe. Its ends are not inherited by child processes, unless they are handed to them.
///
/// It touches no loop, so it may happen before one runs, or before a fork.
///
/// # Errors
///
/// The system's error.
///
/// # Examples
///
/// ```
/// use greenloop::net::pipe;
///
/// greenloop::run(async {
///     let (sender, receiver) = pipe::pipe()?;
///     greenloop::spawn(async move { sender.write_all(b"hello").await });
///     let mut buffer = [0; 5];
///     receiver.read_exact(&mut buffer).await?;
///     assert_eq!(&buffer, b"hello");
///     assert_eq!(receiver.read(&mut buffer).await?, 0); // The sender is gone.
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[doc(alias = "connect_read_pipe")]
#[doc(alias = "connect_write_pipe")]
pub fn pipe() -> io::Result<(Sender, Receiver)> {
    let (sender, receiver) = mio::unix::pipe::new()?;
    Ok((Sender { source: Source::new(sender) }, Receiver { source: Source::new(receiver) }))
}

/// The end of a pipe that reads; from [`pipe`], or from a descriptor of one.
///
/// All methods take `&self`. It also is a [`futures_io::AsyncRead`], and so is a reference to it.
#[doc(alias = "PipeReader")]
#[derive(Debug)]
pub struct Receiver {
    source: Source<mio::unix::pipe::Receiver>,
}

/// The end of a pipe that writes; from [`pipe`], or from a descriptor of one.
///
/// All methods take `&self`. It also is a [`futures_io::AsyncWrite`], whose `close` closes the
/// descriptor, so that the other end sees the end of the stream; to write after that is a
/// `BrokenPipe`.
#[doc(alias = "PipeWriter")]
#[derive(Debug)]
pub struct Sender {
    source: Source<mio::unix::pipe::Sender>,
}

read_methods!(Receiver, self => self.source);
async_read!(Receiver);
async_read!(&Receiver);
as_fd!(Receiver);
write_methods!(Sender, self => self.source);
async_write!(Sender, this => {
    this.source.close();
    Ok(())
});
as_fd!(Sender);

impl Receiver {
    /// Gives the descriptor, no longer watched. It stays in non-blocking mode.
    ///
    /// # Errors
    ///
    /// On a thread that does not run the loop with which it is registered; it is closed then.
    pub fn into_fd(self) -> io::Result<OwnedFd> {
        Ok(self.source.into_inner()?.into())
    }
}

impl Sender {
    /// Gives the descriptor, no longer watched. It stays in non-blocking mode.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` when it was closed. On a thread that does not run the loop with which it is
    /// registered; it is closed then.
    pub fn into_fd(self) -> io::Result<OwnedFd> {
        Ok(self.source.into_inner()?.into())
    }
}

impl TryFrom<OwnedFd> for Receiver {
    type Error = io::Error;

    /// Takes over the end of a pipe, also of one with a name (a FIFO), and puts it into non-blocking
    /// mode. Anything else is an error of the kind `InvalidInput`.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        let fd = usable(fd, libc::O_WRONLY)?;
        Ok(Self { source: Source::new(fd.into()) })
    }
}

impl TryFrom<OwnedFd> for Sender {
    type Error = io::Error;

    /// Takes over the end of a pipe, also of one with a name (a FIFO), and puts it into non-blocking
    /// mode. Anything else is an error of the kind `InvalidInput`.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        let fd = usable(fd, libc::O_RDONLY)?;
        Ok(Self { source: Source::new(fd.into()) })
    }
}

/// Gives the descriptor if it is that of a pipe, and not only for the wrong direction.
fn usable(fd: OwnedFd, wrong: i32) -> io::Result<OwnedFd> {
    let refuse = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    let file = File::from(fd);
    // A short read says that there is no more in a stream. In a terminal there may be.
    if !file.metadata()?.file_type().is_fifo() {
        return refuse("the descriptor is not that of a pipe");
    }
    let flags = descriptor_flags(file.as_fd())?;
    if flags & libc::O_ACCMODE == wrong {
        return refuse("the descriptor is that of the other end of a pipe");
    }
    // Nor does it in a pipe that keeps packets apart.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if flags & libc::O_DIRECT != 0 {
        return refuse("the descriptor is that of a pipe in packet mode");
    }
    set_nonblocking(file.as_fd())?;
    Ok(file.into())
}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync + Unpin>() {}
    is_send_and_sync::<Receiver>();
    is_send_and_sync::<Sender>();
};
