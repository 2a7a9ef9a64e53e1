//! Echo on smol: its `LocalExecutor`, driven by `block_on`.
//!
//! Accepting is a task like all others: `run` polls the future it is given whenever anything
//! happens, which for the accept loop itself would be a system call each time.

use super::{ADDRESS, announce};
use smol::LocalExecutor;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};
use std::io;
use std::rc::Rc;

/// Serves until killed.
pub fn serve(buffer: usize) -> io::Result<()> {
    let executor = Rc::new(LocalExecutor::new());
    let accepting = executor.spawn(accept(executor.clone(), buffer));
    smol::block_on(executor.run(accepting))
}

async fn accept(executor: Rc<LocalExecutor<'static>>, buffer: usize) -> io::Result<()> {
    let listener = TcpListener::bind(ADDRESS).await?;
    announce(listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        executor.spawn(echo(stream, buffer)).detach();
    }
}

async fn echo(mut stream: TcpStream, buffer: usize) -> io::Result<()> {
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
