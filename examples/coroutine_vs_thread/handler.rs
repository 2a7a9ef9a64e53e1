//! What is done for one connection: send back what comes, and now and then something that blocks.
//!
//! Green threads and OS threads run the very same function; tasks and worker processes run its async
//! twin, which differs by `async`, `.await` and the type of the stream. A test compares the two.

use std::{
    io::{self, Read, Write},
    thread,
    time::Duration,
};

use greenloop::{green::Wait, net::TcpStream, spawn_blocking};

/// What a message that begins with [`BLOCK`] asks for: work that blocks the thread it runs on. A call
/// to an old library, say, or a large file.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// How long it takes.
    pub time: Duration,
    /// Whether it is left to another thread.
    pub pool: bool,
}

/// The first byte of a message that asks for [`Work`].
pub const BLOCK: u8 = b'!';

/// Serves a connection on a thread of either kind.
pub fn echo(mut stream: impl Read + Write, work: Work) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        if buffer[0] == BLOCK {
            work.on_thread();
        }
        stream.write_all(&buffer[..count])?;
    }
}

/// Serves a connection in a task.
pub async fn echo_async(stream: TcpStream, work: Work) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        if buffer[0] == BLOCK {
            work.in_task().await;
        }
        stream.write_all(&buffer[..count]).await?;
    }
}

impl Work {
    fn on_thread(self) {
        if self.pool {
            spawn_blocking(move || self.block()).wait().expect("a sleep does not panic");
        } else {
            self.block();
        }
    }

    async fn in_task(self) {
        if self.pool {
            spawn_blocking(move || self.block()).await.expect("a sleep does not panic");
        } else {
            self.block();
        }
    }

    fn block(self) {
        thread::sleep(self.time);
    }
}
