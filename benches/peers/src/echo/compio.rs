//! Echo on compio, which takes io_uring where the kernel has it.
//!
//! The buffer travels through the calls, because with io_uring the kernel owns it meanwhile.

use super::{ADDRESS, announce};
use compio::BufResult;
use compio::io::{AsyncRead, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};
use compio::runtime::Runtime;
use std::io;

/// Serves until killed.
pub fn serve(buffer: usize) -> io::Result<()> {
    Runtime::new()?.block_on(async {
        let listener = TcpListener::bind(ADDRESS).await?;
        announce(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            compio::runtime::spawn(echo(stream, buffer)).detach();
        }
    })
}

async fn echo(mut stream: TcpStream, buffer: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(buffer);
    loop {
        // A read only ever makes the vector longer, so it starts empty.
        buffer.clear();
        let BufResult(count, filled) = stream.read(buffer).await;
        if count? == 0 {
            return Ok(());
        }
        let BufResult(written, filled) = stream.write_all(filled).await;
        written?;
        buffer = filled;
    }
}
