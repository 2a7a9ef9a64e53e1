//! Echo on may's coroutines.

use super::{ADDRESS, announce};
use may::{
    coroutine::{self, JoinHandle},
    net::{TcpListener, TcpStream},
};
use std::io::{self, Read, Write};

/// Serves until killed.
pub fn serve(buffer: usize) -> io::Result<()> {
    may::config().set_workers(1).set_worker_pin(false);
    let server = spawn(move || {
        let listener = TcpListener::bind(ADDRESS)?;
        announce(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept()?;
            drop(spawn(move || echo(stream, buffer)));
        }
    });
    server.join().expect("the server does not panic")
}

fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    // SAFETY: nothing that runs here overflows its stack or touches a thread-local value.
    unsafe { coroutine::spawn(f) }
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
