//! Echo on greenloop's green threads.

use super::{ADDRESS, announce};
use greenloop::green::{
    self,
    net::{TcpListener, TcpStream},
};
use std::io::{self, Read, Write};

/// Serves until killed.
pub fn serve(buffer: usize) -> io::Result<()> {
    green::run(move || {
        let listener = TcpListener::bind(ADDRESS)?;
        announce(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept()?;
            drop(green::spawn(move || echo(stream, buffer)));
        }
    })
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
