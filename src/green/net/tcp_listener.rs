//! A listener with the API of `std::net::TcpListener`.

use std::{io, net::SocketAddr, sync::Arc};

use super::{
    TcpStream, ToSocketAddrs, accepting::accepting, handle::handle, limits::Limited,
    wait_io::wait_io,
};
use crate::net;

/// A socket that accepts TCP connections; as [`std::net::TcpListener`], for green threads.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
///
/// use greenloop::green::{self, net::{TcpListener, TcpStream}};
///
/// green::run(|| {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let address = listener.local_addr()?;
///     green::spawn(move || -> std::io::Result<()> {
///         let (mut stream, _) = listener.accept()?;
///         stream.write_all(b"hello")
///     });
///     let mut text = String::new();
///     TcpStream::connect(address)?.read_to_string(&mut text)?;
///     assert_eq!(text, "hello");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[derive(Clone)]
pub struct TcpListener {
    shared: Arc<Limited<net::TcpListener>>,
}

impl TcpListener {
    /// Opens a socket; see [`net::TcpListener::bind`].
    ///
    /// # Errors
    ///
    /// Those of [`net::TcpListener::bind`].
    ///
    /// # Panics
    ///
    /// Outside of a green thread.
    #[track_caller]
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        wait_io(net::TcpListener::bind(address)).map(Self::from_async)
    }

    /// Sets the hop limit of the packets that the connections send.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.shared.socket.set_ttl(ttl)
    }

    /// Returns the hop limit.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn ttl(&self) -> io::Result<u32> {
        self.shared.socket.ttl()
    }
}

accepting!(TcpListener, net::TcpListener, TcpStream, SocketAddr, Incoming);
handle!(TcpListener, net::TcpListener, std::net::TcpListener);
