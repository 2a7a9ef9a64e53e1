//! Accepting connections, written once for every kind of listener.

/// The methods of a listener, which is a type with a field `shared: Arc<Limited<Async>>`, and the
/// iterator over its connections.
macro_rules! accepting {
    ($Listener:ident, $Async:ty, $Stream:ident, $Address:ty, $Incoming:ident) => {
        impl $Listener {
            #[doc = concat!("Waits for a connection; see [`", stringify!($Async), "::accept`].")]
            ///
            /// # Errors
            ///
            #[doc = concat!("Those of [`", stringify!($Async), "::accept`]; of the kind")]
            /// `WouldBlock` when no connection is there and it must
            /// [not block](Self::set_nonblocking).
            ///
            /// # Panics
            ///
            /// Outside of a green thread, if it would have to wait.
            #[track_caller]
            pub fn accept(&self) -> std::io::Result<($Stream, $Address)> {
                let now = |listener, ()| <$Async>::try_accept(listener);
                let later = |listener, ()| <$Async>::accept(listener);
                let (stream, peer) = self.shared.read((), now, later)?;
                Ok(($Stream::from_async(stream), peer))
            }

            /// Gives the connections, one after the other, for ever.
            #[must_use]
            pub fn incoming(&self) -> $Incoming<'_> {
                $Incoming(self)
            }

            /// Returns the address that the socket is bound to.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn local_addr(&self) -> std::io::Result<$Address> {
                self.shared.socket.local_addr()
            }

            /// Returns the error that the socket has kept, and clears it.
            ///
            /// # Errors
            ///
            /// When the system cannot tell.
            pub fn take_error(&self) -> std::io::Result<Option<std::io::Error>> {
                self.shared.socket.take_error()
            }
        }

        #[doc = concat!("The iterator of [`", stringify!($Listener), "::incoming`].")]
        #[derive(Debug)]
        pub struct $Incoming<'a>(&'a $Listener);

        impl Iterator for $Incoming<'_> {
            type Item = std::io::Result<$Stream>;

            #[track_caller]
            fn next(&mut self) -> Option<Self::Item> {
                Some(self.0.accept().map(|(stream, _)| stream))
            }
        }

        impl std::iter::FusedIterator for $Incoming<'_> {}
    };
}

pub(super) use accepting;
