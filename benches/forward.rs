//! How fast the example `port_forward`, which is `io::copy_bidirectional` and little else, carries bytes,
//! beside socat in the same run.
//!
//! ```text
//! cargo bench --bench forward [-- [--turns N] [--slice MS]]
//! ```
//!
//! The forwarder has the first processor, and whoever sends and receives the last one. Per turn each forwarder
//! carries one connection for a slice of time, in a shifted order; the ratios are those of a turn, and their
//! median and quartiles are printed. Besides the bytes per second there is the forwarder's processor time
//! per GiB, which says what it costs where it is not the forwarder that limits. Needs `taskset`; without
//! socat (`apt-get install socat`) only the own figures are printed.

mod machine;

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio, exit},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

/// What carries the bytes.
struct Forwarder {
    name: &'static str,
    /// The options of socat; `None` is the example.
    socat: Option<&'static [&'static str]>,
}

const FORWARDERS: [Forwarder; 3] = [
    Forwarder { name: "port_forward", socat: None },
    Forwarder { name: "socat (8 KiB)", socat: Some(&[]) },
    Forwarder { name: "socat -b 65536", socat: Some(&["-b", "65536"]) },
];

/// How long a connection works before it is measured.
const LEAD_IN: Duration = Duration::from_millis(200);
const PIECE: usize = 256 << 10;
const GIB: f64 = (1_u64 << 30) as f64;

/// What one turn of one forwarder has come to.
#[derive(Clone, Copy)]
struct Figures {
    bytes_per_second: f64,
    cpu_per_gib: f64,
}

fn main() {
    let (turns, slice) = arguments();
    machine::print();
    let last = thread::available_parallelism().map_or(1, usize::from) - 1;
    let _ = Command::new("taskset").args(["-cp", &last.to_string()]).arg(pid()).output();
    let example = build();
    let has_socat = Command::new("socat").arg("-V").output().is_ok();
    println!("{turns} turns of {} ms, after {} ms", slice.as_millis(), LEAD_IN.as_millis());
    if !has_socat {
        println!("socat is left out: it is not installed (apt-get install socat)");
    }
    let forwarders: Vec<_> =
        FORWARDERS.iter().filter(|it| it.socat.is_none() || has_socat).collect();
    for both_ways in [false, true] {
        let mut all = vec![Vec::new(); forwarders.len()];
        for turn in 0..turns {
            for index in 0..forwarders.len() {
                let index = (index + turn) % forwarders.len();
                let result = measure(forwarders[index], &example, both_ways, slice);
                all[index].push(result.unwrap_or_else(|error| {
                    eprintln!("{}: {error}", forwarders[index].name);
                    exit(1);
                }));
            }
        }
        println!("\n{}", if both_ways { "both ways at once" } else { "one way" });
        println!("{:<16} {:>9}  {:>18}  {:>9}", "", "MiB/s", "ratio (quartiles)", "ms/GiB");
        for (forwarder, figures) in forwarders.iter().zip(&all) {
            let speed = quartiles(figures.iter().map(|it| it.bytes_per_second));
            let cpu = quartiles(figures.iter().map(|it| it.cpu_per_gib));
            let ratios = all[0].iter().zip(figures);
            let ratio =
                quartiles(ratios.map(|(own, it)| own.bytes_per_second / it.bytes_per_second));
            println!(
                "{:<16} {:>9.0}  {:>5.2} ({:.2} - {:.2})  {:>9.0}",
                forwarder.name,
                speed[1] / f64::from(1 << 20),
                ratio[1],
                ratio[0],
                ratio[2],
                cpu[1] * 1e3,
            );
        }
    }
    println!("\nratio: port_forward's bytes per second to those of the forwarder");
}

/// The number of this process.
fn pid() -> String {
    std::process::id().to_string()
}

fn arguments() -> (usize, Duration) {
    let (mut turns, mut slice) = (9, 500);
    let mut arguments = env::args().skip(1).filter(|it| it != "--bench");
    while let Some(argument) = arguments.next() {
        let number = arguments.next().and_then(|it| it.parse().ok()).filter(|it| *it > 0);
        match (argument.as_str(), number) {
            ("--turns", Some(number)) => turns = number,
            ("--slice", Some(number)) => slice = number,
            _ => {
                eprintln!("usage: forward [--turns N] [--slice MS]");
                exit(2);
            }
        }
    }
    (turns, Duration::from_millis(slice as u64))
}

/// Builds the example, and says where it is.
fn build() -> PathBuf {
    let cargo = env::var("CARGO").unwrap_or("cargo".into());
    let arguments = ["build", "--quiet", "--release", "--example", "port_forward"];
    let built = Command::new(cargo).args(arguments).status();
    if !built.is_ok_and(|status| status.success()) {
        eprintln!("the example port_forward cannot be built");
        exit(1);
    }
    let own = env::current_exe().expect("the system knows this program");
    // target/release/deps/forward-…
    let profile = own.ancestors().nth(2).expect("cargo puts it there");
    profile.join("examples/port_forward")
}

/// A forwarder that is killed when it is no longer needed.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Forwarder {
    fn start(&self, example: &PathBuf, target: SocketAddr) -> io::Result<(Running, SocketAddr)> {
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).stdin(Stdio::null());
        match self.socat {
            None => {
                command.arg(example).args(["127.0.0.1:0", &target.to_string()]);
                command.stdout(Stdio::piped());
            }
            Some(options) => {
                command.args(["socat", "-d", "-d"]).args(options);
                command.args(["TCP-LISTEN:0,bind=127.0.0.1", &format!("TCP:{target}")]);
                command.stderr(Stdio::piped());
            }
        }
        let mut running = Running(command.spawn()?);
        let (stdout, stderr) = (running.0.stdout.take(), running.0.stderr.take());
        let said: Option<Box<dyn Read + Send>> =
            stdout.map(|it| Box::new(it) as _).or(stderr.map(|it| Box::new(it) as _));
        let said = said.expect("one of them is piped");
        let mut said = BufReader::new(said);
        let mut line = String::new();
        while !line.contains("listening on ") {
            line.clear();
            if said.read_line(&mut line)? == 0 {
                return Err(io::Error::other("it has ended"));
            }
        }
        // Whatever it says later shall not block it.
        thread::spawn(move || io::copy(&mut said, &mut io::sink()));
        let address = line.split_whitespace().last().and_then(|word| word.parse().ok());
        Ok((running, address.ok_or_else(|| io::Error::other(line))?))
    }
}

fn measure(
    forwarder: &Forwarder,
    example: &PathBuf,
    both_ways: bool,
    slice: Duration,
) -> io::Result<Figures> {
    let target = TcpListener::bind("127.0.0.1:0")?;
    let (running, address) = forwarder.start(example, target.local_addr()?)?;
    let client = TcpStream::connect(address)?;
    let (server, _) = target.accept()?;
    let received = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| send(&client));
        scope.spawn(|| receive(&server, &received));
        if both_ways {
            scope.spawn(|| send(&server));
            scope.spawn(|| receive(&client, &received));
        }
        thread::sleep(LEAD_IN);
        let (start, bytes, cpu) = (Instant::now(), received.load(Relaxed), cpu_time(&running)?);
        thread::sleep(slice);
        let bytes = (received.load(Relaxed) - bytes) as f64;
        let (passed, cpu) = (start.elapsed().as_secs_f64(), cpu_time(&running)? - cpu);
        // Ends the connections, and so the threads.
        drop(running);
        Ok(Figures { bytes_per_second: bytes / passed, cpu_per_gib: cpu / (bytes / GIB) })
    })
}

fn send(mut stream: &TcpStream) {
    let piece = vec![b'x'; PIECE];
    while stream.write_all(&piece).is_ok() {}
}

fn receive(mut stream: &TcpStream, received: &AtomicU64) {
    let mut piece = vec![0; PIECE];
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        received.fetch_add(count as u64, Relaxed);
    }
}

/// The seconds of processor time that a process has taken, as the kernel counts them: in hundredths.
fn cpu_time(running: &Running) -> io::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{}/stat", running.0.id()))?;
    // Behind the name, which may have anything in it.
    let fields = text.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<f64>().ok());
    Ok(ticks.sum::<f64>() / 100.0)
}

fn quartiles(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}
