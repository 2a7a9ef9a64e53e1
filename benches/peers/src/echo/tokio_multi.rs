//! Echo on tokio's scheduler of many threads, with as many workers as there are processors to run on:
//! one, since every server is bound to one. So what is seen is the price of being able to be many.

use super::{ADDRESS, announce};
use std::io;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::spawn;

/// Serves until killed.
pub fn serve(buffer: usize) -> io::Result<()> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // A task of its own, since the main thread is none of the workers.
        let server = spawn(async move {
            let listener = TcpListener::bind(ADDRESS).await?;
            announce(listener.local_addr()?);
            loop {
                let (stream, _) = listener.accept().await?;
                drop(spawn(super::tokio::echo(stream, buffer)));
            }
        });
        server.await?
    })
}
