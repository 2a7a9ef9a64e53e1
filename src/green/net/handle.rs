//! What every socket has in common, written once: it is a handle that can be cloned, comes from the
//! socket of async code, of the standard library or from a descriptor, and can become one again.

/// The methods of a handle: a type with a field `shared: Arc<Limited<Async>>`.
macro_rules! handle {
    ($Socket:ident, $Async:ty, $Std:ty) => {
        impl $Socket {
            /// Wraps a socket of async code.
            #[must_use]
            pub fn from_async(socket: $Async) -> Self {
                Self {
                    shared: std::sync::Arc::new($crate::green::net::limits::Limited::new(socket)),
                }
            }

            /// Returns the socket for async code.
            #[must_use]
            pub fn as_async(&self) -> &$Async {
                &self.shared.socket
            }

            /// Takes over a socket of the standard library, and puts it into non-blocking mode. Its
            /// time-outs are not taken over.
            ///
            /// # Errors
            ///
            /// When the system refuses that.
            pub fn from_std(socket: $Std) -> std::io::Result<Self> {
                <$Async>::from_std(socket).map(Self::from_async)
            }

            /// Gives the socket to the standard library; a duplicate if there are other clones. It
            /// stays in non-blocking mode.
            ///
            /// # Errors
            ///
            /// On a thread that does not run the loop with which the socket is registered; the
            /// socket is closed then. When there is no descriptor for a duplicate.
            pub fn into_std(self) -> std::io::Result<$Std> {
                match std::sync::Arc::try_unwrap(self.shared) {
                    Ok(shared) => shared.socket.into_std(),
                    Err(shared) => {
                        let socket = std::os::fd::AsFd::as_fd(&shared.socket);
                        Ok(socket.try_clone_to_owned()?.into())
                    }
                }
            }

            /// Gives another handle to the same socket, with the same settings. It cannot fail, and
            /// is as std has it.
            ///
            /// # Errors
            ///
            /// None.
            #[doc(alias = "dup")]
            pub fn try_clone(&self) -> std::io::Result<Self> {
                Ok(self.clone())
            }

            /// With `true`, whatever would wait gives an error of the kind `WouldBlock` instead, and
            /// so with the clones of this. The connections that a listener accepts wait as ever.
            ///
            /// The other tasks run before such an error comes, so that trying again and again works,
            /// if at the price of a busy loop. The descriptor itself never blocks, whatever is set
            /// here.
            ///
            /// # Errors
            ///
            /// None.
            #[doc(alias = "setblocking")]
            pub fn set_nonblocking(&self, nonblocking: bool) -> std::io::Result<()> {
                self.shared.set_nonblocking(nonblocking);
                Ok(())
            }
        }

        impl std::os::fd::AsFd for $Socket {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.shared.socket.as_fd()
            }
        }

        impl std::os::fd::AsRawFd for $Socket {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.shared.socket.as_raw_fd()
            }
        }

        impl TryFrom<std::os::fd::OwnedFd> for $Socket {
            type Error = std::io::Error;

            /// Takes over a descriptor of this kind, and puts it into non-blocking mode.
            fn try_from(fd: std::os::fd::OwnedFd) -> std::io::Result<Self> {
                <$Async>::try_from(fd).map(Self::from_async)
            }
        }

        impl std::fmt::Debug for $Socket {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.shared.socket.fmt(f)
            }
        }
    };
}

pub(super) use handle;
