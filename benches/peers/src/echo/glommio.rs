//! Echo on glommio, which is io_uring only.

use super::{ADDRESS, announce};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::net::{TcpListener, TcpStream};
use glommio::{GlommioError, LocalExecutorBuilder, Placement};
use std::io;

/// Serves until killed.
pub fn serve(buffer: usize) -> io::Result<()> {
    let executor = LocalExecutorBuilder::new(Placement::Unbound).make().map_err(plain)?;
    executor.run(async {
        let listener = TcpListener::bind(ADDRESS).map_err(plain)?;
        announce(listener.local_addr().map_err(plain)?);
        loop {
            let stream = listener.accept().await.map_err(plain)?;
            glommio::spawn_local(echo(stream, buffer)).detach();
        }
    })
}

async fn echo(mut stream: TcpStream, buffer: usize) -> io::Result<()> {
    stream.set_nodelay(true).map_err(plain)?;
    let mut buffer = vec![0; buffer];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}

fn plain(error: GlommioError<()>) -> io::Error {
    io::Error::other(error.to_string())
}
