//! One connection of the load generator.
//!
//! It counts bytes sent and received, and knows from the counts alone which bytes must come
//! next. Calls until the kernel has no more; a short read or write ends the turn.

use super::pattern::Pattern;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};

/// A connection to the server, in non-blocking mode.
pub struct Connection {
    stream: TcpStream,
    seed: usize,
    /// Bytes that may have been sent so far; `sent` runs after it.
    allowed: u64,
    sent: u64,
    received: u64,
}

/// What an event has brought.
pub enum Progress {
    /// So many messages are back in full.
    Completed(u64),
    /// The server has closed the connection, after all it owed.
    Closed,
}

impl Connection {
    /// Connects. On the loopback interface this does not wait for the server's `accept`.
    pub fn open(port: u16, seed: usize) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection { stream, seed, allowed: 0, sent: 0, received: 0 })
    }

    /// Connects and exchanges one message, so that the server is known to have accepted.
    pub fn open_and_try(
        port: u16,
        seed: usize,
        size: usize,
        pattern: &Pattern,
    ) -> io::Result<Self> {
        let mut connection = Connection::open(port, seed)?;
        connection.stream.set_nonblocking(false)?;
        connection.stream.set_read_timeout(Some(super::PATIENCE))?;
        let message = pattern.at(seed, 0, size);
        let mut echo = vec![0; message.len()];
        connection.stream.write_all(message)?;
        connection.stream.read_exact(&mut echo)?;
        if echo != message {
            return Err(wrong_bytes());
        }
        connection.stream.set_nonblocking(true)?;
        Ok(Connection {
            allowed: size as u64,
            sent: size as u64,
            received: size as u64,
            ..connection
        })
    }

    /// The socket, to register it.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Allows `messages` more messages and sends what the kernel takes.
    pub fn send(&mut self, messages: u64, size: usize, pattern: &Pattern) -> io::Result<()> {
        self.allowed += messages * size as u64;
        while self.sent < self.allowed {
            let wanted = (self.allowed - self.sent) as usize;
            let bytes = pattern.at(self.seed, self.sent, wanted);
            match self.stream.write(bytes) {
                Ok(written) => self.sent += written as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says that nothing more will be sent; the server answers by closing.
    pub fn finish_sending(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Reads and checks what has come, and sends what could not be sent before.
    ///
    /// `closed` says that the end of the stream has been announced: a short read may hide it.
    pub fn advance(
        &mut self,
        size: usize,
        closed: bool,
        pattern: &Pattern,
        buffer: &mut [u8],
    ) -> io::Result<Progress> {
        let complete_before = self.received / size as u64;
        loop {
            match self.stream.read(buffer) {
                Ok(0) if self.received == self.sent => return Ok(Progress::Closed),
                Ok(0) => return Err(io::Error::other("the server owes bytes and has closed")),
                Ok(count) => {
                    self.check(&buffer[..count], pattern)?;
                    if count < buffer.len() && !closed {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.send(0, size, pattern)?;
        Ok(Progress::Completed(self.received / size as u64 - complete_before))
    }

    fn check(&mut self, bytes: &[u8], pattern: &Pattern) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let expected = pattern.at(self.seed, self.received, rest.len());
            let (head, tail) = rest.split_at(expected.len());
            if head != expected || self.received + head.len() as u64 > self.sent {
                return Err(wrong_bytes());
            }
            self.received += head.len() as u64;
            rest = tail;
        }
        Ok(())
    }
}

fn wrong_bytes() -> io::Error {
    io::Error::other("the server has sent back other bytes than it was sent")
}
