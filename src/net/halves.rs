//! A stream in two halves, one that reads and one that writes; written once for every kind of stream.

/// Defines the halves of a stream type whose addresses are of the given type.
macro_rules! halves {
    ($Stream:ident, $Address:ty) => {
        use std::{
            fmt,
            io::{self, IoSlice, IoSliceMut},
            net::Shutdown,
            pin::Pin,
            sync::Arc,
            task::{Context, Poll},
        };

        use futures_io::{AsyncRead, AsyncWrite};

        use $crate::net::halves::{has_stream, reads, writes};

        /// The reading half of a stream, from `split`; it borrows the stream.
        #[derive(Debug)]
        pub struct ReadHalf<'a>(&'a $Stream);

        /// The writing half of a stream, from `split`; it borrows the stream.
        #[derive(Debug)]
        pub struct WriteHalf<'a>(&'a $Stream);

        /// The reading half of a stream, from `into_split`.
        #[derive(Debug)]
        pub struct OwnedReadHalf(Arc<$Stream>);

        /// The writing half of a stream, from `into_split`.
        ///
        /// Dropping it ends the writing direction: the peer sees the end of the stream.
        #[derive(Debug)]
        pub struct OwnedWriteHalf {
            stream: Arc<$Stream>,
            /// Whether the drop ends the direction.
            ends: bool,
        }

        impl<'a> ReadHalf<'a> {
            pub(super) fn new(stream: &'a $Stream) -> Self {
                Self(stream)
            }
        }

        impl<'a> WriteHalf<'a> {
            pub(super) fn new(stream: &'a $Stream) -> Self {
                Self(stream)
            }
        }

        pub(super) fn split(stream: $Stream) -> (OwnedReadHalf, OwnedWriteHalf) {
            let stream = Arc::new(stream);
            (OwnedReadHalf(Arc::clone(&stream)), OwnedWriteHalf { stream, ends: true })
        }

        impl OwnedReadHalf {
            /// Puts the halves together again.
            ///
            /// # Errors
            ///
            /// When they are not of the same stream; both are in the error.
            pub fn reunite(self, write: OwnedWriteHalf) -> Result<$Stream, ReuniteError> {
                reunite(self, write)
            }
        }

        impl OwnedWriteHalf {
            /// Puts the halves together again.
            ///
            /// # Errors
            ///
            /// When they are not of the same stream; both are in the error.
            pub fn reunite(self, read: OwnedReadHalf) -> Result<$Stream, ReuniteError> {
                reunite(read, self)
            }

            /// Drops the half without ending the direction, which then ends with the other half.
            pub fn forget(mut self) {
                self.ends = false;
            }
        }

        fn reunite(read: OwnedReadHalf, mut write: OwnedWriteHalf) -> Result<$Stream, ReuniteError> {
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

        reads!(ReadHalf<'_>, $Stream, $Address, self => self.0);
        reads!(OwnedReadHalf, $Stream, $Address, self => &self.0);
        writes!(WriteHalf<'_>, $Stream, $Address, self => self.0);
        writes!(OwnedWriteHalf, $Stream, $Address, self => &self.stream);
    };
}

/// The two kinds of reading half differ in what they hold only.
macro_rules! reads {
    ($half:ty, $Stream:ident, $Address:ty, $self:ident => $stream:expr) => {
        impl $half {
            /// Reads as the stream's `read` does.
            ///
            /// # Errors
            ///
            /// As the stream's `read`.
            pub fn read(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
                self.stream().read(buffer)
            }

            /// Reads as the stream's `read_exact` does.
            ///
            /// # Errors
            ///
            /// As the stream's `read_exact`.
            pub fn read_exact(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<()>> {
                self.stream().read_exact(buffer)
            }

            /// Waits as the stream's `readable` does.
            ///
            /// # Errors
            ///
            /// As the stream's `readable`.
            pub fn readable(&self) -> impl Future<Output = io::Result<()>> {
                self.stream().readable()
            }

            /// Reads as the stream's `try_read` does.
            ///
            /// # Errors
            ///
            /// As the stream's `try_read`.
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

        has_stream!($half, $Stream, $Address, $self => $stream);
    };
}

/// The two kinds of writing half differ in what they hold only.
macro_rules! writes {
    ($half:ty, $Stream:ident, $Address:ty, $self:ident => $stream:expr) => {
        impl $half {
            /// Writes as the stream's `write` does.
            ///
            /// # Errors
            ///
            /// As the stream's `write`.
            pub fn write(&self, buffer: &[u8]) -> impl Future<Output = io::Result<usize>> {
                self.stream().write(buffer)
            }

            /// Writes as the stream's `write_vectored` does.
            ///
            /// # Errors
            ///
            /// As the stream's `write_vectored`.
            pub fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> impl Future<Output = io::Result<usize>> {
                self.stream().write_vectored(buffers)
            }

            /// Writes as the stream's `write_all` does.
            ///
            /// # Errors
            ///
            /// As the stream's `write_all`.
            pub fn write_all(&self, buffer: &[u8]) -> impl Future<Output = io::Result<()>> {
                self.stream().write_all(buffer)
            }

            /// Waits as the stream's `writable` does.
            ///
            /// # Errors
            ///
            /// As the stream's `writable`.
            pub fn writable(&self) -> impl Future<Output = io::Result<()>> {
                self.stream().writable()
            }

            /// Writes as the stream's `try_write` does.
            ///
            /// # Errors
            ///
            /// As the stream's `try_write`.
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

        has_stream!($half, $Stream, $Address, $self => $stream);
    };
}

macro_rules! has_stream {
    ($half:ty, $Stream:ident, $Address:ty, $self:ident => $stream:expr) => {
        impl $half {
            fn stream(&$self) -> &$Stream {
                $stream
            }

            /// Returns this end's address.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn local_addr(&self) -> io::Result<$Address> {
                self.stream().local_addr()
            }

            /// Returns the other end's address.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn peer_addr(&self) -> io::Result<$Address> {
                self.stream().peer_addr()
            }
        }
    };
}

pub(super) use {halves, has_stream, reads, writes};
