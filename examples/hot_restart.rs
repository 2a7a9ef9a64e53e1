//! A server that is upgraded, rolled and robbed of its workers under load, and clients that count.
//!
//! ```text
//! cargo run --release --example hot_restart [--upgrades N] [--rolls N] [--kills N]
//! ```
//!
//! It starts itself as a server, and has clients connect, say something, and expect it back, over short
//! connections and over long ones, while the server is given orders, mixed. What was lost must be 0.
//! Connections that a worker had when it was killed are cut, and counted as that: which they were is looked
//! up in the worker, stopped, before it is killed. 5, 100 and 20 unless given.

use std::{
    collections::HashSet,
    fs,
    hash::{BuildHasher as _, RandomState},
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::Path,
    process::{Command, ExitCode, Stdio},
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
};

use greenloop::launcher::{Event, Launcher};

static DONE: AtomicBool = AtomicBool::new(false);
/// Short and long connections that went well, messages, connections cut by a kill, and lost ones.
static TALLY: [AtomicU64; 5] = [const { AtomicU64::new(0) }; 5];
const NAMES: [&str; 5] = ["short connections", "long connections", "messages", "cut", "lost"];
/// The clients' ports of the connections that killed workers had.
static CUT: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

fn main() -> io::Result<ExitCode> {
    if let Ok(control) = std::env::var("HOT_RESTART_CONTROL") {
        return serve(control);
    }
    let Some(counts) = arguments() else {
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
    let ordered = thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || load(address, number % 2 == 1));
        }
        let ordered = mixed(counts).into_iter().try_for_each(|order| give(order, &control));
        DONE.store(true, SeqCst);
        ordered
    });
    command(&control, "stop")?;
    ordered?;
    server.wait()?;
    let [upgrades, rolls, kills] = counts;
    println!("{upgrades} upgrades, {rolls} rolling restarts, {kills} workers killed");
    NAMES.iter().zip(&TALLY).for_each(|(name, count)| println!("{name}: {}", count.load(SeqCst)));
    Ok(ExitCode::from(u8::from(TALLY[4].load(SeqCst) > 0)))
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
    let converse = |mut stream: &TcpStream| -> io::Result<()> {
        for _ in 0..if long { 1000 } else { 1 } {
            stream.write_all(b"hello")?;
            stream.read_exact(&mut [0; 5])?;
            TALLY[2].fetch_add(1, SeqCst);
        }
        Ok(())
    };
    while !DONE.load(SeqCst) {
        let place = match TcpStream::connect(address) {
            Err(_) => 4,
            Ok(stream) => {
                let well = converse(&stream).is_ok();
                // Before the port is free for another connection.
                let port = stream.local_addr().map_or(0, |address| address.port());
                let cut = CUT.lock().unwrap().remove(&port);
                match (well, cut) {
                    (true, _) => usize::from(long),
                    (false, cut) => 4 - usize::from(cut),
                }
            }
        };
        TALLY[place].fetch_add(1, SeqCst);
    }
}

/// The orders, those of each kind at equal distances.
fn mixed(counts: [usize; 3]) -> Vec<&'static str> {
    let mut orders = Vec::new();
    for (order, count) in ["upgrade", "roll", "kill"].into_iter().zip(counts) {
        orders.extend((0..count).map(|number| ((number as f64 + 0.5) / count as f64, order)));
    }
    orders.sort_by(|one, other| one.0.total_cmp(&other.0));
    orders.into_iter().map(|(_, order)| order).collect()
}

fn give(order: &str, control: &Path) -> io::Result<()> {
    if order == "kill" {
        // One that is about to end may be gone before.
        while !kill_one(&command(control, "status")?)? {}
    } else {
        command(control, order)?;
    }
    while command(control, "status")?.matches("\"state\":\"ready\"").count() < 2 {
        thread::yield_now();
    }
    Ok(())
}

/// Gives an order at the control socket, and waits for the answer.
fn command(control: &Path, order: &str) -> io::Result<String> {
    let mut socket = UnixStream::connect(control)?;
    writeln!(socket, "{order}")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let refused = answer.starts_with("{\"ok\":false");
    if refused { Err(io::Error::other(answer)) } else { Ok(answer) }
}

/// Kills one of the workers that the figures speak of, whichever. `false` if it was gone.
fn kill_one(status: &str) -> io::Result<bool> {
    let pids: Vec<_> = status.split("\"pid\":").skip(1).collect();
    let random = RandomState::new().hash_one(0) as usize;
    let pid = pids[random % pids.len()].split(',').next().unwrap();
    let signal = |name: &str| Command::new("kill").args([name, pid]).stderr(Stdio::null()).status();
    // Stopped, it accepts and finishes nothing, and has what it has.
    signal("-STOP")?;
    let is_stopped = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Ok(stat.contains(") T "))
    };
    loop {
        match is_stopped() {
            Ok(true) => break,
            Ok(false) => thread::yield_now(),
            // It had ended by itself.
            Err::<_, io::Error>(_) => return Ok(false),
        }
    }
    CUT.lock().unwrap().extend(clients_of(pid)?);
    signal("-KILL").map(|status| status.success())
}

/// The ports of the clients whose connections a process has.
fn clients_of(pid: &str) -> io::Result<Vec<u16>> {
    let mut sockets = HashSet::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let link = fs::read_link(entry?.path())?.display().to_string();
        sockets.extend(
            link.strip_prefix("socket:[").map(|rest| rest.trim_end_matches(']').to_owned()),
        );
    }
    let table = fs::read_to_string("/proc/net/tcp")?;
    let port = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (_, port) = fields.get(2)?.split_once(':')?;
        sockets.contains(*fields.get(9)?).then(|| u16::from_str_radix(port, 16).ok())?
    };
    // A listening socket has no client.
    Ok(table.lines().filter_map(port).filter(|port| *port != 0).collect())
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
