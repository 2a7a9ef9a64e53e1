//! A TCP connection in two halves, one that reads and one that writes.

use std::net::SocketAddr;

use super::{TcpStream, halves::halves};

halves!(TcpStream, SocketAddr);

impl ReadHalf<'_> {
    /// Reads as [`TcpStream::peek`] does.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::peek`].
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream().peek(buffer).await
    }
}

impl OwnedReadHalf {
    /// Reads as [`TcpStream::peek`] does.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::peek`].
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream().peek(buffer).await
    }
}
