//! The echo servers: one per model, alike but for who serves a connection.
//!
//! Each says where it listens and which processes it consists of, and runs until it is killed.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    thread,
    time::Duration,
};

use greenloop::{green, net};
use serde_json::json;

use crate::{
    cli::ServePart,
    handler::{Work, echo, echo_async},
    model::Model,
    system,
};

/// Is the server that `part` describes.
pub fn serve(part: &ServePart) -> io::Result<()> {
    system::die_with_parent(900);
    system::raise_file_limit()?;
    if !part.cpus.is_empty() {
        system::bind(&part.cpus)?;
    }
    let work = Work { time: Duration::from_millis(part.blocks), pool: part.pool };
    match part.model {
        Model::Async => tasks(work),
        Model::Green => green_threads(work),
        Model::Thread => threads(work),
        Model::Process => processes(part.workers, work),
    }
}

/// Tells the driver where the server listens and which processes it has.
fn announce(address: SocketAddr, pids: &[u32]) {
    println!("{}", json!({ "port": address.port(), "pids": pids }));
}

/// A task per connection.
fn tasks(work: Work) -> io::Result<()> {
    greenloop::run(async move {
        let listener = net::TcpListener::from_std(listen()?)?;
        announce(listener.local_addr()?, &[std::process::id()]);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            greenloop::spawn(echo_async(stream, work));
        }
    })
}

/// A green thread per connection.
fn green_threads(work: Work) -> io::Result<()> {
    green::run(move || {
        let listener = net::TcpListener::from_std(listen()?)?;
        let listener = green::net::TcpListener::from_async(listener);
        announce(listener.local_addr()?, &[std::process::id()]);
        loop {
            let (stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            green::spawn(move || echo(stream, work));
        }
    })
}

/// A thread per connection.
fn threads(work: Work) -> io::Result<()> {
    let listener = listen()?;
    announce(listener.local_addr()?, &[std::process::id()]);
    loop {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        thread::spawn(move || echo(stream, work));
    }
}

/// Worker processes that the launcher started before the first connection, each with a loop and a task per
/// connection. The driver ends them with `SIGINT`.
#[cfg(target_os = "linux")]
fn processes(workers: usize, work: Work) -> io::Result<()> {
    use greenloop::launcher::{Event, Launcher};

    let (mut bound, mut pids) = (String::new(), Vec::new());
    let launcher = Launcher::new()
        .workers(workers)
        .bind("echo", "127.0.0.1:0")
        // Should the driver die, so does the launcher, and the workers need not wait for their clients.
        .grace(Duration::from_secs(1))
        .on_event(move |event| match event {
            Event::Listening { address, .. } => bound.clone_from(address),
            Event::Ready(worker) => pids.push(worker.pid),
            Event::AllReady => {
                announce(bound.parse().expect("it is bound to an address of IPv4"), &pids);
            }
            Event::Died { .. } | Event::CannotSpawn { .. } | Event::Warning(_) => {
                eprintln!("{event}")
            }
            _ => {}
        });
    launcher.run(move |worker| async move {
        let listener = worker.listener("echo")?;
        while let Some((stream, _)) = listener.accept().await? {
            stream.set_nodelay(true)?;
            worker.spawn(echo_async(stream, work));
        }
        worker.drained().await;
        Ok(())
    })?;
    Ok(())
}

/// The launcher is for Linux.
#[cfg(not(target_os = "linux"))]
fn processes(_: usize, _: Work) -> io::Result<()> {
    Err(io::Error::other("the launcher's worker processes need Linux"))
}

fn listen() -> io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Room for all clients, who come at once.
const BACKLOG: i32 = 4096;
