//! Echo on monoio, on io_uring and on its epoll ("legacy") driver.
//!
//! The buffer travels through the calls, because with io_uring the kernel owns it meanwhile.

use super::{ADDRESS, announce};
use monoio::buf::IoBuf;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};
use std::io;

/// Serves until killed, on io_uring.
pub fn serve_uring(buffer: usize) -> io::Result<()> {
    RuntimeBuilder::<IoUringDriver>::new().enable_timer().build()?.block_on(accept(buffer))
}

/// Serves until killed, on epoll.
pub fn serve_epoll(buffer: usize) -> io::Result<()> {
    RuntimeBuilder::<LegacyDriver>::new().enable_timer().build()?.block_on(accept(buffer))
}

async fn accept(buffer: usize) -> io::Result<()> {
    let listener = TcpListener::bind(ADDRESS)?;
    announce(listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        monoio::spawn(echo(stream, buffer));
    }
}

async fn echo(mut stream: TcpStream, buffer: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; buffer];
    loop {
        let (count, filled) = stream.read(buffer).await;
        let count = count?;
        if count == 0 {
            return Ok(());
        }
        let (written, slice) = stream.write_all(filled.slice(..count)).await;
        written?;
        buffer = slice.into_inner();
    }
}
