//! An echo server on all cores: worker processes, each with a loop and a green thread for each client.
//!
//! ```text
//! cargo run --release --example echo_prefork_green [ADDRESS] [--workers N] [--upper]
//! ```
//!
//! ADDRESS is 127.0.0.1:8080 unless given; there is a worker for each core unless N says otherwise, and
//! none but this process for 0; with `--upper` the answer is in capitals. Try it with
//! `nc 127.0.0.1 8080`, and `kill` a worker, or send the launcher HUP, TTIN or TTOU. Ctrl-C ends it.

use std::{io, process::ExitCode};

use greenloop::{
    green::Wait,
    launcher::{Event, Launcher, Workers},
    net::TcpStream,
};

fn main() -> io::Result<ExitCode> {
    let Some((address, workers, upper)) = arguments() else {
        eprintln!("usage: echo_prefork_green [ADDRESS] [--workers N] [--upper]");
        std::process::exit(2);
    };
    Launcher::new()
        .workers(workers)
        .bind("echo", address)
        .on_event(|event| match event {
            Event::Listening { address, .. } => println!("listening on {address}"),
            event => eprintln!("{event}"),
        })
        .run_green(move |worker| {
            let listener = worker.listener("echo")?;
            while let Some((stream, peer)) = listener.accept().wait()? {
                worker.spawn_green(move || {
                    // A client that breaks off is no reason to stop serving the others.
                    if let Err(error) = echo(stream, upper) {
                        eprintln!("{peer}: {error}");
                    }
                });
            }
            worker.drained().wait();
            Ok(())
        })
}

/// Serves one client until it has nothing more to say.
fn echo(stream: TcpStream, upper: bool) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).wait()?;
        if count == 0 {
            return Ok(());
        }
        let message = &mut buffer[..count];
        if upper {
            message.make_ascii_uppercase();
        }
        stream.write_all(message).wait()?;
    }
}

/// The address, how many workers, and whether to answer in capitals.
fn arguments() -> Option<(String, Workers, bool)> {
    let (mut address, mut workers, mut upper) = (None, Workers::Auto, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--upper" => upper = true,
            "--workers" => workers = Workers::Count(arguments.next()?.parse().ok()?),
            _ if argument.starts_with('-') || address.is_some() => return None,
            _ => address = Some(argument),
        }
    }
    Some((address.unwrap_or("127.0.0.1:8080".into()), workers, upper))
}
