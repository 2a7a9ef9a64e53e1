//! The echo servers: one per model, alike but for who serves a connection.
//!
//! Each says where it listens and which processes it consists of, and runs until it is killed.

use std::{
    io::{self, BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr},
    process::{Child, Command, Stdio},
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
        Model::Async => tasks(part.port, work),
        Model::Green => green_threads(work),
        Model::Thread => threads(work),
        Model::Process => processes(part),
    }
}

/// Tells the driver where the server listens and which processes it has.
fn announce(address: SocketAddr, pids: &[u32]) {
    println!("{}", json!({ "port": address.port(), "pids": pids }));
}

/// A task per connection. The workers of a server of processes share a port.
fn tasks(port: Option<u16>, work: Work) -> io::Result<()> {
    greenloop::run(async move {
        let options = net::TcpListener::options().backlog(BACKLOG).reuse_port(port.is_some());
        let listener = options.bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0))).await?;
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
        let listener = listen(false)?;
        let listener = green::net::TcpListener::from_async(net::TcpListener::from_std(listener)?);
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
    let listener = listen(false)?;
    announce(listener.local_addr()?, &[std::process::id()]);
    loop {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        thread::spawn(move || echo(stream, work));
    }
}

/// Worker processes that were started before the first connection, each with a loop and a task per
/// connection. The kernel deals the connections out.
fn processes(part: &ServePart) -> io::Result<()> {
    // It holds the port, and listens to nobody.
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let holder = socket(true)?;
    holder.bind(&address.into())?;
    let address = holder.local_addr()?.as_socket().expect("it is bound to an address of IPv4");
    let workers: io::Result<Vec<_>> =
        (0..part.workers).map(|_| Worker::start(part, address.port())).collect();
    let workers = workers?;
    let pids: Vec<_> = workers.iter().map(|worker| worker.process.id()).collect();
    announce(address, &pids);
    // The driver closes this when it is done. Then the workers are ended, and their time is counted.
    io::copy(&mut io::stdin(), &mut io::sink())?;
    drop(workers);
    Ok(())
}

/// A worker process. Dropping it kills it.
struct Worker {
    process: Child,
}

impl Worker {
    fn start(part: &ServePart, port: u16) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "async", &format!("--port={port}")]);
        command.args([format!("--blocks={}", part.blocks)]);
        if part.pool {
            command.arg("--pool");
        }
        let process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut worker = Self { process };
        // It listens once it has said so.
        let stdout = worker.process.stdout.as_mut().expect("it is piped");
        match BufReader::new(stdout).read_line(&mut String::new())? {
            0 => Err(io::Error::other("a worker does not start")),
            _ => Ok(worker),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Errors mean that it is gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn listen(reuse_port: bool) -> io::Result<std::net::TcpListener> {
    let socket = socket(reuse_port)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(BACKLOG as i32)?;
    Ok(socket.into())
}

fn socket(reuse_port: bool) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    Ok(socket)
}

/// Room for all clients, who come at once.
const BACKLOG: u32 = 4096;
