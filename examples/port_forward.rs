//! A port forwarder: carries every connection to LISTEN on to TARGET, and the answers back.
//!
//! ```text
//! cargo run --release --example port_forward LISTEN TARGET
//! ```
//!
//! For instance `port_forward 127.0.0.1:8081 127.0.0.1:8080` in front of `echo_server`, and then
//! `nc 127.0.0.1 8081`. Either side may end its direction first and still hear the other out. When
//! the target does not answer, only the client that asked for it is let down. Ctrl-C ends it.

use std::{io, rc::Rc};

use greenloop::net::{TcpListener, TcpStream};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, target] = arguments.as_slice() else {
        eprintln!("usage: port_forward LISTEN TARGET");
        std::process::exit(2);
    };
    greenloop::run(async {
        let listener = TcpListener::bind(listen).await?;
        println!("listening on {}", listener.local_addr()?);
        greenloop::select! {
            result = serve(listener, target.as_str().into()) => result,
            result = greenloop::signal::ctrl_c() => result,
        }
    })
}

/// Accepts clients for ever.
async fn serve(listener: TcpListener, target: Rc<str>) -> io::Result<()> {
    loop {
        let (client, peer) = listener.accept().await?;
        let target = Rc::clone(&target);
        greenloop::spawn(async move {
            if let Err(error) = forward(client, &target).await {
                eprintln!("{peer} to {target}: {error}");
            }
        });
    }
}

/// Serves one client until both directions have ended, or one side is gone.
async fn forward(client: TcpStream, target: &str) -> io::Result<()> {
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    greenloop::io::copy_bidirectional(&client, &server).await?;
    Ok(())
}
