//! A server that ends in an orderly way: Ctrl-C has it accept no more and finish what it has begun.
//!
//! ```text
//! cargo run --release --example graceful_shutdown [ADDRESS] [--grace SECONDS]
//! ```
//!
//! It sends back every line that its clients send, a second later, or as many seconds later as the line
//! says: try `nc 127.0.0.1 8080`. At Ctrl-C the clients get the answers that they wait for and a goodbye,
//! and a report tells how it ended. Who is not done after the time of grace (10 seconds) is cut off, and so
//! are all at the second Ctrl-C.

use std::{io, time::Duration};

use greenloop::{
    io::BufReader,
    net::{Server, TcpListener, server::Connection},
    signal, sleep,
};

fn main() -> io::Result<()> {
    let Some((address, grace)) = arguments() else {
        eprintln!("usage: graceful_shutdown [ADDRESS] [--grace SECONDS]");
        std::process::exit(2);
    };
    greenloop::run(async {
        let listener = TcpListener::bind(address).await?;
        println!("listening on {}", listener.local_addr()?);
        let server = Server::builder(listener).max_connections(1000).serve(serve);

        // One for both: between two of them a Ctrl-C would be nobody's.
        let mut ctrl_c = signal::ctrl_c();
        (&mut ctrl_c).await?;
        println!("shutting down, {} open", server.statistics().active);
        let ended = server.shutdown(grace);
        let report = greenloop::select! {
            report = ended => report,
            interrupted = &mut ctrl_c => {
                interrupted?;
                server.shutdown(Duration::ZERO).await
            }
        };
        println!("{report}");
        Ok(())
    })
}

/// Serves one client until it ends, or the server does.
async fn serve(connection: Connection) -> io::Result<()> {
    let mut lines = BufReader::new(&connection.stream).lines();
    // A client that is served has time; one from whom nothing comes would keep the server up for nothing.
    while let Some(line) = connection.shutdown.run_until_cancelled(lines.next_line()).await {
        let Some(line) = line? else { return Ok(()) };
        sleep(pause(&line)).await;
        connection.stream.write_all(format!("{line}\n").as_bytes()).await?;
    }
    connection.stream.write_all(b"the server is shutting down, goodbye\n").await
}

/// How long a line takes.
fn pause(line: &str) -> Duration {
    let asked = line.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    asked.unwrap_or(Duration::from_secs(1))
}

/// The address and the time of grace.
fn arguments() -> Option<(String, Duration)> {
    let (mut address, mut grace) = (None, Duration::from_secs(10));
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--grace" => {
                grace = Duration::try_from_secs_f64(arguments.next()?.parse().ok()?).ok()?;
            }
            _ if argument.starts_with('-') || address.is_some() => return None,
            _ => address = Some(argument),
        }
    }
    Some((address.unwrap_or("127.0.0.1:8080".into()), grace))
}
