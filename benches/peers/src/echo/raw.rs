//! Echo by hand: epoll and nothing else. What any epoll runtime can at best reach.
//!
//! One `recv` and one `send` per message; one `epoll_wait` for all that is ready. Sockets are
//! registered once, edge-triggered. A short read is not followed by another `recv`: the
//! kernel reports the next bytes as a new edge. After a hang-up it is, to see the end.

use super::{ADDRESS, announce};
use crate::epoll::{CLOSED, Epoll, READ, WRITE};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

/// Serves until killed.
pub fn serve(buffer: usize) -> io::Result<()> {
    let listener = TcpListener::bind(ADDRESS)?;
    listener.set_nonblocking(true)?;
    announce(listener.local_addr()?);
    let mut epoll = Epoll::new(1024)?;
    epoll.add(&listener, READ, LISTENER)?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut free = Vec::new();
    loop {
        for index in 0..epoll.wait(None)? {
            let (token, events) = epoll.event(index);
            if token == LISTENER {
                accept_all(&listener, &epoll, &mut connections, &mut free, buffer)?;
            } else if let Some(connection) = &mut connections[token] {
                let hung_up = events & CLOSED != 0;
                if !matches!(connection.advance(hung_up, &epoll, token), Ok(Outcome::Open)) {
                    connections[token] = None;
                    free.push(token);
                }
            }
        }
    }
}

fn accept_all(
    listener: &TcpListener,
    epoll: &Epoll,
    connections: &mut Vec<Option<Connection>>,
    free: &mut Vec<usize>,
    buffer: usize,
) -> io::Result<()> {
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let token = free.pop().unwrap_or(connections.len());
        epoll.add(&stream, READ, token)?;
        let connection = Connection {
            stream,
            buffer: vec![0; buffer].into_boxed_slice(),
            unsent: 0..0,
            hung_up: false,
        };
        if token == connections.len() {
            connections.push(Some(connection));
        } else {
            connections[token] = Some(connection);
        }
    }
}

/// One client.
struct Connection {
    stream: TcpStream,
    buffer: Box<[u8]>,
    /// The part of the buffer that the kernel did not take yet. Nothing is read meanwhile.
    unsent: std::ops::Range<usize>,
    /// The client has closed its side, so a short read is not the last one.
    hung_up: bool,
}

/// Whether a connection goes on.
enum Outcome {
    Open,
    Ended,
}

impl Connection {
    /// Sends what is left, then echoes until the kernel has no more.
    fn advance(&mut self, hung_up: bool, epoll: &Epoll, token: usize) -> io::Result<Outcome> {
        self.hung_up |= hung_up;
        if !self.unsent.is_empty() {
            if !self.flush()? {
                return Ok(Outcome::Open);
            }
            epoll.modify(&self.stream, READ, token)?;
        }
        loop {
            let count = match self.stream.read(&mut self.buffer) {
                Ok(0) => return Ok(Outcome::Ended),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Outcome::Open),
                Err(error) => return Err(error),
            };
            self.unsent = 0..count;
            if !self.flush()? {
                // Changing the interest makes epoll look again, so no edge is lost between.
                epoll.modify(&self.stream, READ | WRITE, token)?;
                return Ok(Outcome::Open);
            }
            if count < self.buffer.len() && !self.hung_up {
                return Ok(Outcome::Open);
            }
        }
    }

    /// Sends what is left of the buffer and says whether all of it is gone.
    fn flush(&mut self) -> io::Result<bool> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.buffer[self.unsent.clone()]) {
                Ok(count) => self.unsent.start += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// The token of the listening socket; connections count from zero.
const LISTENER: usize = usize::MAX;
