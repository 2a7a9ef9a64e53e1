//! The methods of every stream, written once: a type that has a source gets those for reading and
//! those for writing that `io/stream.rs` has, with their documentation.
//!
//! Macros, because the methods belong to the type itself: a trait would have to be imported.

/// The methods of what can be read.
macro_rules! read_methods {
    ($Stream:ty, $self:ident => $source:expr) => {
        impl $Stream {
            /// Reads what has arrived, waiting until something has, and gives the number of bytes;
            /// zero is the end of the stream (or an empty buffer).
            ///
            /// # Errors
            ///
            /// The system's error; outside of a loop; in another loop than before.
            ///
            /// # Cancel safety
            ///
            /// Dropping the future loses no data.
            #[doc(alias = "recv")]
            #[doc(alias = "recv_into")]
            #[doc(alias = "sock_recv")]
            #[doc(alias = "sock_recv_into")]
            pub fn read(&$self, buffer: &mut [u8]) -> impl Future<Output = std::io::Result<usize>> {
                $source.read(buffer)
            }

            /// Reads into several buffers, one after the other; the rest is as for
            /// [`read`](Self::read).
            ///
            /// # Errors
            ///
            /// As [`read`](Self::read).
            pub fn read_vectored(
                &$self,
                buffers: &mut [std::io::IoSliceMut<'_>],
            ) -> impl Future<Output = std::io::Result<usize>> {
                $source.read_vectored(buffers)
            }

            /// Reads until the buffer is full.
            ///
            /// # Errors
            ///
            /// As [`read`](Self::read), and `UnexpectedEof` when the stream ends before; what had
            /// arrived is in the buffer.
            ///
            /// # Cancel safety
            ///
            /// None: what has been read is in the buffer, but nobody knows how much it is.
            pub fn read_exact(&$self, buffer: &mut [u8]) -> impl Future<Output = std::io::Result<()>> {
                $source.read_exact(buffer)
            }

            /// Waits until there is something to read, or the stream has ended. Another task may be
            /// faster with reading it.
            ///
            /// # Errors
            ///
            /// Outside of a loop; in another loop than before; when the system cannot watch the
            /// descriptor.
            ///
            /// # Cancel safety
            ///
            /// Dropping the future changes nothing.
            pub fn readable(&$self) -> impl Future<Output = std::io::Result<()>> {
                $source.readiness($crate::io::Direction::Read)
            }

            /// Reads what has arrived, on any thread.
            ///
            /// # Errors
            ///
            /// `WouldBlock` when nothing has; otherwise the system's error.
            pub fn try_read(&$self, buffer: &mut [u8]) -> std::io::Result<usize> {
                $source.try_read(buffer)
            }

            /// Reads into several buffers what has arrived, on any thread.
            ///
            /// # Errors
            ///
            /// As [`try_read`](Self::try_read).
            pub fn try_read_vectored(
                &$self,
                buffers: &mut [std::io::IoSliceMut<'_>],
            ) -> std::io::Result<usize> {
                $source.try_read_vectored(buffers)
            }
        }
    };
}

/// The methods of what can be written.
macro_rules! write_methods {
    ($Stream:ty, $self:ident => $source:expr) => {
        impl $Stream {
            /// Writes what there is room for, waiting until there is some, and gives the number of
            /// bytes.
            ///
            /// # Errors
            ///
            /// The system's error: `BrokenPipe` and `ConnectionReset` when the peer is gone;
            /// outside of a loop; in another loop than before.
            ///
            /// # Cancel safety
            ///
            /// Dropping the future means that nothing was written.
            #[doc(alias = "send")]
            pub fn write(&$self, buffer: &[u8]) -> impl Future<Output = std::io::Result<usize>> {
                $source.write(buffer)
            }

            /// Writes several buffers with one system call; the rest is as for
            /// [`write`](Self::write).
            ///
            /// # Errors
            ///
            /// As [`write`](Self::write).
            #[doc(alias = "writelines")]
            pub fn write_vectored(
                &$self,
                buffers: &[std::io::IoSlice<'_>],
            ) -> impl Future<Output = std::io::Result<usize>> {
                $source.write_vectored(buffers)
            }

            /// Writes the whole buffer.
            ///
            /// # Errors
            ///
            /// As [`write`](Self::write); nobody knows then how much was written.
            ///
            /// # Cancel safety
            ///
            /// None: part of the buffer may have been written.
            #[doc(alias = "sendall")]
            #[doc(alias = "sock_sendall")]
            pub fn write_all(&$self, buffer: &[u8]) -> impl Future<Output = std::io::Result<()>> {
                $source.write_all(buffer)
            }

            /// Waits until there is room to write, or the peer is gone.
            ///
            /// # Errors
            ///
            /// Outside of a loop; in another loop than before; when the system cannot watch the
            /// descriptor.
            ///
            /// # Cancel safety
            ///
            /// Dropping the future changes nothing.
            pub fn writable(&$self) -> impl Future<Output = std::io::Result<()>> {
                $source.readiness($crate::io::Direction::Write)
            }

            /// Writes what there is room for, on any thread.
            ///
            /// # Errors
            ///
            /// `WouldBlock` when there is none; otherwise the system's error.
            pub fn try_write(&$self, buffer: &[u8]) -> std::io::Result<usize> {
                $source.try_write(buffer)
            }

            /// Writes several buffers as far as there is room for them, on any thread.
            ///
            /// # Errors
            ///
            /// As [`try_write`](Self::try_write).
            pub fn try_write_vectored(
                &$self,
                buffers: &[std::io::IoSlice<'_>],
            ) -> std::io::Result<usize> {
                $source.try_write_vectored(buffers)
            }
        }
    };
}

/// The methods of a connected stream socket, and the traits of futures-io.
///
/// Of the tasks that poll through the traits, one per direction is remembered: the last one.
macro_rules! stream_socket {
    ($Stream:ident, $halves:ident) => {
        $crate::net::stream_methods::read_methods!($Stream, self => self.source);
        $crate::net::stream_methods::write_methods!($Stream, self => self.source);
        $crate::net::stream_methods::async_read!($Stream);
        $crate::net::stream_methods::async_read!(&$Stream);
        $crate::net::stream_methods::async_write!($Stream, this => this.close_writing());
        $crate::net::stream_methods::async_write!(&$Stream, this => this.close_writing());

        impl $Stream {
            /// Ends one direction of the connection or both. Ending a connection that has ended is
            /// fine.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn shutdown(&self, how: std::net::Shutdown) -> std::io::Result<()> {
                match self.source.get().shutdown(how) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotConnected => Ok(()),
                    result => result,
                }
            }

            fn close_writing(&self) -> std::io::Result<()> {
                self.shutdown(std::net::Shutdown::Write)
            }

            /// Splits the stream into a half that reads and one that writes, which borrow it.
            pub fn split(&mut self) -> ($halves::ReadHalf<'_>, $halves::WriteHalf<'_>) {
                ($halves::ReadHalf::new(self), $halves::WriteHalf::new(self))
            }

            /// Splits the stream into a half that reads and one that writes, which can go to
            /// different tasks.
            ///
            /// Dropping the writing half ends that direction, so that the peer sees the end of the
            /// stream.
            #[must_use]
            pub fn into_split(self) -> ($halves::OwnedReadHalf, $halves::OwnedWriteHalf) {
                $halves::split(self)
            }

            /// Returns the error that the socket has kept, and clears it.
            ///
            /// # Errors
            ///
            /// When the system cannot tell.
            pub fn take_error(&self) -> std::io::Result<Option<std::io::Error>> {
                self.source.get().take_error()
            }

            /// `SO_RCVBUF`: asks for a receive buffer of so many bytes; the kernel rounds and
            /// limits it.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn set_recv_buffer_size(&self, bytes: usize) -> std::io::Result<()> {
                socket2::SockRef::from(self.source.get()).set_recv_buffer_size(bytes)
            }

            /// `SO_SNDBUF`: asks for a send buffer of so many bytes; the kernel rounds and limits
            /// it.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn set_send_buffer_size(&self, bytes: usize) -> std::io::Result<()> {
                socket2::SockRef::from(self.source.get()).set_send_buffer_size(bytes)
            }
        }
    };
}

/// The trait for reading.
macro_rules! async_read {
    ($Stream:ty) => {
        impl futures_io::AsyncRead for $Stream {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffer: &mut [u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.source.poll_read(cx, buffer)
            }

            fn poll_read_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffers: &mut [std::io::IoSliceMut<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.source.poll_read_vectored(cx, buffers)
            }
        }
    };
}

/// The trait for writing; `$close` is what its `close` does with `$this`, a mutable reference.
macro_rules! async_write {
    ($Stream:ty, $this:ident => $close:expr) => {
        impl futures_io::AsyncWrite for $Stream {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffer: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.source.poll_write(cx, buffer)
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffers: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.source.poll_write_vectored(cx, buffers)
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn poll_close(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let $this = self.get_mut();
                std::task::Poll::Ready($close)
            }
        }
    };
}

/// `AsFd` and `AsRawFd`, of a type with a field `source`.
macro_rules! as_fd {
    ($Type:ty) => {
        impl std::os::fd::AsFd for $Type {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.source.get().as_fd()
            }
        }

        impl std::os::fd::AsRawFd for $Type {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.source.get().as_raw_fd()
            }
        }
    };
}

/// Taking over a descriptor, of a type with a method `from_std`.
macro_rules! try_from_fd {
    ($Type:ty, $Std:ty) => {
        impl TryFrom<std::os::fd::OwnedFd> for $Type {
            type Error = std::io::Error;

            /// Takes over a descriptor of this kind, and puts it into non-blocking mode.
            fn try_from(fd: std::os::fd::OwnedFd) -> std::io::Result<Self> {
                Self::from_std(<$Std>::from(fd))
            }
        }
    };
}

pub(crate) use {as_fd, async_read, async_write, read_methods, write_methods};
pub(super) use {stream_socket, try_from_fd};
