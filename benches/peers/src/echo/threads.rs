//! Echo on threads of the operating system, one per connection.

use super::{ADDRESS, announce};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Serves until killed.
pub fn serve(buffer: usize) -> io::Result<()> {
    let listener = TcpListener::bind(ADDRESS)?;
    announce(listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept()?;
        thread::spawn(move || echo(stream, buffer));
    }
}

fn echo(mut stream: TcpStream, buffer: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; buffer];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count])?;
    }
}
