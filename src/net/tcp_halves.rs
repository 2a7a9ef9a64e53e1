//! A TCP connection in two halves, one that reads and one that writes.

use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut},
    net::{Shutdown, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_io::{AsyncRead, AsyncWrite};

use super::TcpStream;

/// The reading half of a [`TcpStream`] that was [split](TcpStream::split).
#[derive(Debug)]
pub struct ReadHalf<'a>(&'a TcpStream);

/// The writing half of a [`TcpStream`] that was [split](TcpStream::split).
#[derive(Debug)]
pub struct WriteHalf<'a>(&'a TcpStream);

/// The reading half of a [`TcpStream`], from [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf(Arc<TcpStream>);

/// The writing half of a [`TcpStream`], from [`TcpStream::into_split`].
///
/// Dropping it ends the writing direction: the peer sees the end of the stream.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    stream: Arc<TcpStream>,
    /// Whether the drop ends the direction.
    ends: bool,
}

impl<'a> ReadHalf<'a> {
    pub(super) fn new(stream: &'a TcpStream) -> Self {
        Self(stream)
    }
}

impl<'a> WriteHalf<'a> {
    pub(super) fn new(stream: &'a TcpStream) -> Self {
        Self(stream)
    }
}

pub(super) fn split(stream: TcpStream) -> (OwnedReadHalf, OwnedWriteHalf) {
    let stream = Arc::new(stream);
    (OwnedReadHalf(Arc::clone(&stream)), OwnedWriteHalf { stream, ends: true })
}

impl OwnedReadHalf {
    /// Puts the halves together again.
    ///
    /// # Errors
    ///
    /// When they are not of the same stream; both are in the error.
    pub fn reunite(self, write: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        reunite(self, write)
    }
}

impl OwnedWriteHalf {
    /// Puts the halves together again.
    ///
    /// # Errors
    ///
    /// When they are not of the same stream; both are in the error.
    pub fn reunite(self, read: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        reunite(read, self)
    }

    /// Drops the half without ending the direction, which then ends with the other half.
    pub fn forget(mut self) {
        self.ends = false;
    }
}

fn reunite(read: OwnedReadHalf, mut write: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
    if !Arc::ptr_eq(&read.0, &write.stream) {
        return Err(ReuniteError(read, write));
    }
    write.ends = false;
    drop(write);
    Ok(Arc::into_inner(read.0).expect("there are two halves, and one was just dropped"))
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.ends {
            // It fails only when the connection has ended.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }
}

/// Two halves that are not of the same stream.
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are not of the same stream")
    }
}

impl std::error::Error for ReuniteError {}

/// The two kinds of reading half differ in what they hold only.
macro_rules! reads {
    ($half:ty, $self:ident => $stream:expr) => {
        impl $half {
            /// Reads as [`TcpStream::read`] does.
            ///
            /// # Errors
            ///
            /// As [`TcpStream::read`].
            pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
                self.stream().read(buffer).await
            }

            /// Reads as [`TcpStream::read_exact`] does.
            ///
            /// # Errors
            ///
            /// As [`TcpStream::read_exact`].
            pub async fn read_exact(&self, buffer: &mut [u8]) -> io::Result<()> {
                self.stream().read_exact(buffer).await
            }

            /// Reads as [`TcpStream::peek`] does.
            ///
            /// # Errors
            ///
            /// As [`TcpStream::peek`].
            pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
                self.stream().peek(buffer).await
            }

            /// Waits as [`TcpStream::readable`] does.
            ///
            /// # Errors
            ///
            /// As [`TcpStream::readable`].
            pub async fn readable(&self) -> io::Result<()> {
                self.stream().readable().await
            }

            /// Reads as [`TcpStream::try_read`] does.
            ///
            /// # Errors
            ///
            /// As [`TcpStream::try_read`].
            pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
                self.stream().try_read(buffer)
            }
        }

        impl AsyncRead for $half {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.stream()).poll_read(cx, buffer)
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.stream()).poll_read_vectored(cx, buffers)
            }
        }

        has_stream!($half, $self => $stream);
    };
}

/// The two kinds of writing half differ in what they hold only.
macro_rules! writes {
    ($half:ty, $self:ident => $stream:expr) => {
        impl $half {
            /// Writes as [`TcpStream::write`] does.
            ///
            /// # Errors
            ///
            /// As [`TcpStream::write`].
            pub async fn write(&self, buffer: &[u8]) -> io::Result<usize> {
                self.stream().write(buffer).await
            }

            /// Writes as [`TcpStream::write_vectored`] does.
            ///
            /// # Errors
            ///
            /// As [`TcpStream::write_vectored`].
            pub async fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
                self.stream().write_vectored(buffers).await
            }

            /// Writes as [`TcpStream::write_all`] does.
            ///
            /// # Errors
            ///
            /// As [`TcpStream::write_all`].
            pub async fn write_all(&self, buffer: &[u8]) -> io::Result<()> {
                self.stream().write_all(buffer).await
            }

            /// Waits as [`TcpStream::writable`] does.
            ///
            /// # Errors
            ///
            /// As [`TcpStream::writable`].
            pub async fn writable(&self) -> io::Result<()> {
                self.stream().writable().await
            }

            /// Writes as [`TcpStream::try_write`] does.
            ///
            /// # Errors
            ///
            /// As [`TcpStream::try_write`].
            pub fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
                self.stream().try_write(buffer)
            }

            /// Ends the writing direction.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn shutdown(&self) -> io::Result<()> {
                self.stream().shutdown(Shutdown::Write)
            }
        }

        impl AsyncWrite for $half {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &[u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.stream()).poll_write(cx, buffer)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.stream()).poll_write_vectored(cx, buffers)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.stream()).poll_flush(cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.stream()).poll_close(cx)
            }
        }

        has_stream!($half, $self => $stream);
    };
}

macro_rules! has_stream {
    ($half:ty, $self:ident => $stream:expr) => {
        impl $half {
            fn stream(&$self) -> &TcpStream {
                $stream
            }

            /// Returns this end's address.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn local_addr(&self) -> io::Result<SocketAddr> {
                self.stream().local_addr()
            }

            /// Returns the other end's address.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn peer_addr(&self) -> io::Result<SocketAddr> {
                self.stream().peer_addr()
            }
        }
    };
}

reads!(ReadHalf<'_>, self => self.0);
reads!(OwnedReadHalf, self => &self.0);
writes!(WriteHalf<'_>, self => self.0);
writes!(OwnedWriteHalf, self => &self.stream);
