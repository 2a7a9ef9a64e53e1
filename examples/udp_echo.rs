//! A UDP echo server: sends every datagram back to where it came from.
//!
//! ```text
//! cargo run --release --example udp_echo [ADDRESS] [--upper]
//! ```
//!
//! ADDRESS is 127.0.0.1:8080 unless given; with `--upper` the answer is in capitals. Try it with
//! `nc -u 127.0.0.1 8080`. Ctrl-C ends it.

use std::io;

use greenloop::net::UdpSocket;

/// The longest datagram that UDP can carry, and a little more.
const LONGEST: usize = 65_536;

fn main() -> io::Result<()> {
    let Some((address, upper)) = arguments() else {
        eprintln!("usage: udp_echo [ADDRESS] [--upper]");
        std::process::exit(2);
    };
    greenloop::run(async {
        let socket = UdpSocket::bind(&address).await?;
        println!("listening on {}", socket.local_addr()?);
        greenloop::select! {
            result = serve(socket, upper) => result,
            result = greenloop::signal::ctrl_c() => result,
        }
    })
}

/// Answers for ever. Nobody is connected, so one task is enough for all clients.
async fn serve(socket: UdpSocket, upper: bool) -> io::Result<()> {
    let mut buffer = vec![0; LONGEST];
    loop {
        let (count, peer) = socket.recv_from(&mut buffer).await?;
        let message = &mut buffer[..count];
        if upper {
            message.make_ascii_uppercase();
        }
        // A client that cannot be answered is no reason to stop serving the others.
        if let Err(error) = socket.send_to(message, peer).await {
            eprintln!("{peer}: {error}");
        }
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
