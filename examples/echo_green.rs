//! An echo server: sends back whatever its clients send, each in a green thread of its own.
//!
//! ```text
//! cargo run --release --example echo_green [ADDRESS] [--upper]
//! ```
//!
//! ADDRESS is 127.0.0.1:8080 unless given; with `--upper` the answer is in capitals. Try it with
//! `nc 127.0.0.1 8080`. Ctrl-C ends it.

use std::io::{self, Read, Write};

use greenloop::green::{self, Wait, net::TcpListener, net::TcpStream};

fn main() -> io::Result<()> {
    let Some((address, upper)) = arguments() else {
        eprintln!("usage: echo_green [ADDRESS] [--upper]");
        std::process::exit(2);
    };
    green::run(move || {
        let listener = TcpListener::bind(&address)?;
        println!("listening on {}", listener.local_addr()?);
        let server = green::spawn(move || serve(listener, upper));
        async {
            greenloop::select! {
                result = server => result?,
                result = greenloop::signal::ctrl_c() => result,
            }
        }
        .wait()
    })
}

/// Accepts clients for ever.
fn serve(listener: TcpListener, upper: bool) -> io::Result<()> {
    loop {
        let (stream, peer) = listener.accept()?;
        green::spawn(move || {
            // A client that breaks off is no reason to stop serving the others.
            if let Err(error) = echo(stream, upper) {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

/// Serves one client until it has nothing more to say.
fn echo(mut stream: TcpStream, upper: bool) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let message = &mut buffer[..count];
        if upper {
            message.make_ascii_uppercase();
        }
        stream.write_all(message)?;
    }
}

/// The address and whether to answer in capitals.
fn arguments() -> Option<(String, bool)> {
    let mut address = None;
    let mut upper = false;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--upper" => upper = true,
            _ if argument.starts_with('-') || address.is_some() => return None,
            _ => address = Some(argument),
        }
    }
    Some((address.unwrap_or("127.0.0.1:8080".into()), upper))
}
