//! An echo server for the processes of one machine: sends back whatever its clients send.
//!
//! ```text
//! cargo run --release --example unix_echo PATH [--upper]
//! ```
//!
//! For instance `unix_echo /tmp/echo`, and then `nc -U /tmp/echo`; with `--upper` the answer is in
//! capitals. For each client it prints who that is. A socket that a killed server has left at the path
//! is replaced, and one that is alive never. Ctrl-C ends it, and takes the path away again.

use std::{io, path::Path};

use greenloop::net::{UnixListener, UnixStream};

fn main() -> io::Result<()> {
    let Some((path, upper)) = arguments() else {
        eprintln!("usage: unix_echo PATH [--upper]");
        std::process::exit(2);
    };
    greenloop::run(async {
        let options = UnixListener::options().replace_stale(true).remove_on_drop(true);
        let listener = options.bind(&path)?;
        println!("listening on {}", Path::new(&path).display());
        greenloop::select! {
            result = serve(listener, upper) => result,
            result = greenloop::signal::ctrl_c() => result,
        }
    })
}

/// Accepts clients for ever.
async fn serve(listener: UnixListener, upper: bool) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let Ok(peer) = stream.peer_cred() else { continue };
        println!("user {} by process {}", peer.uid(), peer.pid().unwrap_or(0));
        greenloop::spawn(async move {
            // A client that breaks off is no reason to stop serving the others.
            if let Err(error) = echo(stream, upper).await {
                eprintln!("user {}: {error}", peer.uid());
            }
        });
    }
}

/// Serves one client until it has nothing more to say.
async fn echo(stream: UnixStream, upper: bool) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let message = &mut buffer[..count];
        if upper {
            message.make_ascii_uppercase();
        }
        stream.write_all(message).await?;
    }
}

/// The path and whether to answer in capitals.
fn arguments() -> Option<(String, bool)> {
    let mut path = None;
    let mut upper = false;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--upper" => upper = true,
            _ if argument.starts_with('-') || path.is_some() => return None,
            _ => path = Some(argument),
        }
    }
    Some((path?, upper))
}
