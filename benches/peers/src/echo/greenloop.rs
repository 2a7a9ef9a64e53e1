//! Echo on greenloop.

use super::{ADDRESS, announce};
use greenloop::net::{TcpListener, TcpStream};
use std::io;

/// Serves until killed.
pub fn serve(buffer: usize) -> io::Result<()> {
    greenloop::run(async move {
        let listener = TcpListener::bind(ADDRESS).await?;
        announce(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            drop(greenloop::spawn(echo(stream, buffer)));
        }
    })
}

async fn echo(stream: TcpStream, buffer: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; buffer];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}
