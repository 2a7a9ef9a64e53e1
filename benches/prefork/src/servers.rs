//! The echo servers. Each prints its address, serves until it is killed, and sets `TCP_NODELAY`.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpListener as StdListener,
    process::ExitCode,
};

use greenloop::{
    launcher::{Accept, Event, Launcher, Pin},
    net::{TcpListener, TcpStream},
};

/// A free port of the loopback interface.
const ADDRESS: &str = "127.0.0.1:0";

/// How many bytes are read at once.
const BUFFER: usize = 4096;

/// All servers, in the order of the table.
pub const ALL: &[&str] = &["loop", "prefork-1", "prefork-2", "tokio-mt", "threads"];

/// Becomes the server of that name.
pub fn serve(name: &str) -> io::Result<ExitCode> {
    match name {
        "loop" => one_loop()?,
        "tokio-mt" => tokio_multi_thread()?,
        "threads" => threads()?,
        _ => {
            let workers = name.trim_start_matches("prefork-").parse().map_err(io::Error::other)?;
            return prefork(workers, Accept::Balanced);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One loop, without a launcher.
fn one_loop() -> io::Result<()> {
    greenloop::run(async {
        let listener = TcpListener::bind(ADDRESS).await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            drop(greenloop::spawn(echo(stream)));
        }
    })
}

/// Workers with a loop each.
pub fn prefork(workers: usize, accept: Accept) -> io::Result<ExitCode> {
    let launcher = Launcher::new().workers(workers).accept(accept).bind("echo", ADDRESS);
    let launcher = launcher.on_event(move |event| match event {
        Event::Listening { address, .. } => print!("{address} "),
        // Only then, so that nothing is measured before all of them serve.
        Event::AllReady => println!(),
        _ => {}
    });
    launcher.run(|worker| async move {
        let listener = worker.listener("echo")?;
        while let Some((stream, _)) = listener.accept().await? {
            worker.spawn(echo(stream));
        }
        worker.drained().await;
        Ok(())
    })
}

/// Workers that say who they are to each who connects.
pub fn who(workers: usize, accept: Accept) -> io::Result<ExitCode> {
    let pin = if accept == Accept::ByCpu { Pin::Cores } else { Pin::Off };
    let launcher = Launcher::new().workers(workers).accept(accept).pin(pin).bind("who", ADDRESS);
    let launcher = launcher.on_event(move |event| match event {
        Event::Listening { address, .. } => print!("{address} "),
        Event::AllReady => println!(),
        _ => {}
    });
    launcher.run(|worker| async move {
        let listener = worker.listener("who")?;
        let slot = u8::try_from(worker.slot()).unwrap_or(u8::MAX);
        while let Some((stream, _)) = listener.accept().await? {
            worker.spawn(async move {
                stream.write_all(&[slot]).await?;
                stream.read(&mut [0]).await
            });
        }
        Ok(())
    })
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}

fn tokio_multi_thread() -> io::Result<()> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(ADDRESS).await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (mut stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                stream.set_nodelay(true)?;
                let mut buffer = vec![0; BUFFER];
                loop {
                    let count = stream.read(&mut buffer).await?;
                    if count == 0 {
                        return io::Result::Ok(());
                    }
                    stream.write_all(&buffer[..count]).await?;
                }
            });
        }
    })
}

/// A thread for each connection.
fn threads() -> io::Result<()> {
    let listener = StdListener::bind(ADDRESS)?;
    println!("{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let mut stream = stream?;
        std::thread::spawn(move || -> io::Result<()> {
            stream.set_nodelay(true)?;
            let mut buffer = vec![0; BUFFER];
            loop {
                let count = stream.read(&mut buffer)?;
                if count == 0 {
                    return Ok(());
                }
                stream.write_all(&buffer[..count])?;
            }
        });
    }
    Ok(())
}
