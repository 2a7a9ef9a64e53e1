//! The options of a UDP socket, written once for both kinds of socket.

/// The options, under the names that std has, of a type that reaches something that has them.
macro_rules! udp_options {
    ($Socket:ty, $self:ident => $inner:expr) => {
        impl $Socket {
            /// Returns this end's address.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn local_addr(&$self) -> std::io::Result<std::net::SocketAddr> {
                $inner.local_addr()
            }

            /// Returns the address that the socket is connected to.
            ///
            /// # Errors
            ///
            /// `NotConnected` when it is not; otherwise the system's error.
            pub fn peer_addr(&$self) -> std::io::Result<std::net::SocketAddr> {
                $inner.peer_addr()
            }

            /// Returns the error that the socket has kept, and clears it.
            ///
            /// # Errors
            ///
            /// When the system cannot tell.
            pub fn take_error(&$self) -> std::io::Result<Option<std::io::Error>> {
                $inner.take_error()
            }

            /// `SO_BROADCAST`: whether the socket may send to broadcast addresses.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn set_broadcast(&$self, broadcast: bool) -> std::io::Result<()> {
                $inner.set_broadcast(broadcast)
            }

            /// Returns whether the socket may send to broadcast addresses.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn broadcast(&$self) -> std::io::Result<bool> {
                $inner.broadcast()
            }

            /// Sets the hop limit of the packets.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn set_ttl(&$self, ttl: u32) -> std::io::Result<()> {
                $inner.set_ttl(ttl)
            }

            /// Returns the hop limit of the packets.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn ttl(&$self) -> std::io::Result<u32> {
                $inner.ttl()
            }

            /// Joins a multicast group on the interface that has the given address; the unspecified
            /// one leaves the choice to the system.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn join_multicast_v4(
                &$self,
                group: &std::net::Ipv4Addr,
                interface: &std::net::Ipv4Addr,
            ) -> std::io::Result<()> {
                $inner.join_multicast_v4(group, interface)
            }

            /// Leaves a multicast group.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn leave_multicast_v4(
                &$self,
                group: &std::net::Ipv4Addr,
                interface: &std::net::Ipv4Addr,
            ) -> std::io::Result<()> {
                $inner.leave_multicast_v4(group, interface)
            }

            /// Joins a multicast group on the interface with the given index; zero leaves the
            /// choice to the system.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn join_multicast_v6(
                &$self,
                group: &std::net::Ipv6Addr,
                interface: u32,
            ) -> std::io::Result<()> {
                $inner.join_multicast_v6(group, interface)
            }

            /// Leaves a multicast group.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn leave_multicast_v6(
                &$self,
                group: &std::net::Ipv6Addr,
                interface: u32,
            ) -> std::io::Result<()> {
                $inner.leave_multicast_v6(group, interface)
            }

            /// Sets whether multicast packets come back to this machine's own sockets.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn set_multicast_loop_v4(&$self, come_back: bool) -> std::io::Result<()> {
                $inner.set_multicast_loop_v4(come_back)
            }

            /// Returns whether multicast packets come back to this machine's own sockets.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn multicast_loop_v4(&$self) -> std::io::Result<bool> {
                $inner.multicast_loop_v4()
            }

            /// Sets the hop limit of multicast packets; 1, which stays in the local network, by
            /// default.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn set_multicast_ttl_v4(&$self, ttl: u32) -> std::io::Result<()> {
                $inner.set_multicast_ttl_v4(ttl)
            }

            /// Returns the hop limit of multicast packets.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn multicast_ttl_v4(&$self) -> std::io::Result<u32> {
                $inner.multicast_ttl_v4()
            }

            /// Sets whether multicast packets come back to this machine's own sockets.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn set_multicast_loop_v6(&$self, come_back: bool) -> std::io::Result<()> {
                $inner.set_multicast_loop_v6(come_back)
            }

            /// Returns whether multicast packets come back to this machine's own sockets.
            ///
            /// # Errors
            ///
            /// The system's error.
            pub fn multicast_loop_v6(&$self) -> std::io::Result<bool> {
                $inner.multicast_loop_v6()
            }
        }
    };
}

pub(crate) use udp_options;
