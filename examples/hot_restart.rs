//! A server that is upgraded, rolled and robbed of its workers under load, and clients that count.
//!
//! ```text
//! cargo run --release --example hot_restart [--upgrades N] [--rolls N] [--kills N]
//! ```
//!
//! It starts itself as a server, and has clients connect, say something, and expect it back, over short
//! connections and over long ones, while the server is given orders. What was lost must be 0; connections of
//! workers that were killed are counted as cut. 5, 100 and 20 unless given.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    process::{Command, ExitCode, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    thread,
};

use greenloop::launcher::{Event, Launcher};

static DONE: AtomicBool = AtomicBool::new(false);
static KILLING: AtomicBool = AtomicBool::new(false);
/// Answers on short and on long connections, connections cut by a kill, and lost ones.
static TALLY: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
const NAMES: [&str; 4] = ["short", "long", "cut", "lost"];

fn main() -> io::Result<ExitCode> {
    if let Ok(control) = std::env::var("HOT_RESTART_CONTROL") {
        return serve(control);
    }
    let Some([upgrades, rolls, kills]) = arguments() else {
        eprintln!("usage: hot_restart [--upgrades N] [--rolls N] [--kills N]");
        std::process::exit(2);
    };
    let control = std::env::temp_dir().join(format!("hot_restart.{}", std::process::id()));
    let own = std::env::current_exe()?;
    let mut server =
        Command::new(own).env("HOT_RESTART_CONTROL", &control).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    io::BufRead::read_line(&mut io::BufReader::new(server.stdout.take().unwrap()), &mut line)?;
    let address = line.trim();
    let orders = || -> io::Result<()> {
        let order = |order: &str| command(&control, order);
        (0..rolls).try_for_each(|_| order("roll").map(drop))?;
        (0..upgrades).try_for_each(|_| order("upgrade").map(drop))?;
        KILLING.store(true, SeqCst);
        for number in 0..kills {
            kill_one(&order("status")?, number)?;
            while order("status")?.matches("\"state\":\"ready\"").count() < 2 {
                thread::yield_now();
            }
        }
        Ok(())
    };
    let ordered = thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || load(address, number % 2 == 1));
        }
        let ordered = orders();
        DONE.store(true, SeqCst);
        ordered
    });
    command(&control, "stop")?;
    ordered?;
    server.wait()?;
    println!("{upgrades} upgrades, {rolls} rolling restarts, {kills} workers killed");
    NAMES.iter().zip(&TALLY).for_each(|(name, count)| println!("{name}: {}", count.load(SeqCst)));
    Ok(ExitCode::from(u8::from(TALLY[3].load(SeqCst) > 0)))
}

/// The server: two workers that say back what they hear.
fn serve(control: String) -> io::Result<ExitCode> {
    let launcher = Launcher::new().workers(2).bind("echo", "127.0.0.1:0").control(control);
    // However quickly the restarts come, long connections are not cut for them.
    let launcher = launcher.max_draining(1000);
    let launcher = launcher.on_event(|event| match event {
        Event::Listening { address, inherited: false, .. } => println!("{address}"),
        Event::Died { .. } | Event::UpgradeFailed(_) | Event::RollFailed { .. } => {
            eprintln!("{event}")
        }
        _ => {}
    });
    launcher.run(|worker| async move {
        let listener = worker.listener("echo")?;
        while let Some((stream, _)) = listener.accept().await? {
            worker.spawn(async move {
                let mut buffer = [0; 64];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    if stream.write_all(&buffer[..count]).await.is_err() {
                        break;
                    }
                }
            });
        }
        worker.drained().await;
        Ok(())
    })
}

/// A client: a word and its answer on each connection, or a thousand on a long one.
fn load(address: &str, long: bool) {
    while !DONE.load(SeqCst) {
        let words = || -> io::Result<()> {
            let mut stream = TcpStream::connect(address)?;
            for _ in 0..if long { 1000 } else { 1 } {
                stream.write_all(b"hello")?;
                stream.read_exact(&mut [0; 5])?;
                TALLY[usize::from(long)].fetch_add(1, SeqCst);
            }
            Ok(())
        };
        if words().is_err() {
            TALLY[if KILLING.load(SeqCst) { 2 } else { 3 }].fetch_add(1, SeqCst);
        }
    }
}

/// Gives an order at the control socket, and waits for the answer.
fn command(control: &std::path::Path, order: &str) -> io::Result<String> {
    let mut socket = UnixStream::connect(control)?;
    writeln!(socket, "{order}")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let refused = answer.starts_with("{\"ok\":false");
    if refused { Err(io::Error::other(answer)) } else { Ok(answer) }
}

/// Kills one of the workers that the figures speak of.
fn kill_one(status: &str, number: usize) -> io::Result<()> {
    let pids: Vec<_> = status.split("\"pid\":").skip(1).collect();
    let pid = pids[number % pids.len()].split(',').next().unwrap();
    Command::new("kill").args(["-9", pid]).status().map(drop)
}

fn arguments() -> Option<[usize; 3]> {
    let mut counts = [5, 100, 20];
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let names = ["--upgrades", "--rolls", "--kills"];
        let place = names.iter().position(|name| *name == argument)?;
        counts[place] = arguments.next()?.parse().ok()?;
    }
    Some(counts)
}
