//! The server as a child process, and what the system says about it.

use std::{
    fs,
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// After this the server counts as stuck, or a descriptor as leaked.
const STUCK: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

/// What a process has at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) descriptors: usize,
    /// Resident.
    pub(crate) memory_kib: u64,
    /// In ticks, which are hundredths of a second.
    cpu_time: u64,
}

impl Server {
    /// Builds the example and starts it at a free port.
    pub(crate) fn start() -> io::Result<Self> {
        let mut child = Command::new(build()?)
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take().expect("it has a pipe");
        let mut server = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim_end().rsplit(' ').next().and_then(|address| address.parse().ok());
        server.address = address.ok_or_else(|| other(format!("the server printed {line:?}")))?;
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn sample(&self) -> io::Result<Sample> {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = fs::read_to_string(process.join("status"))?;
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = memory.and_then(|text| text.trim().strip_suffix(" kB")?.parse().ok());
        // The name in parentheses may hold anything; user and system time are 12 words behind it.
        let stat = fs::read_to_string(process.join("stat"))?;
        let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let times = behind_name.split_whitespace().skip(11).take(2);
        Ok(Sample {
            descriptors: fs::read_dir(process.join("fd"))?.count(),
            memory_kib: memory.ok_or_else(|| other("the server has ended"))?,
            cpu_time: times.filter_map(|text| text.parse::<u64>().ok()).sum(),
        })
    }

    /// Waits until the server uses no time, and has so many descriptors if that is known.
    pub(crate) fn wait_until_idle(&self, descriptors: Option<usize>) -> io::Result<Sample> {
        let start = Instant::now();
        loop {
            let before = self.sample()?;
            thread::sleep(Duration::from_millis(300));
            let sample = self.sample()?;
            let busy = sample.cpu_time > before.cpu_time;
            if !busy && descriptors.is_none_or(|expected| expected == sample.descriptors) {
                return Ok(sample);
            }
            if start.elapsed() > STUCK {
                let count = sample.descriptors;
                return Err(other(format!("not idle: {count} descriptors, busy: {busy}")));
            }
        }
    }

    /// Does what Ctrl-C does; the server must end with status 0.
    pub(crate) fn interrupt(&mut self) -> io::Result<()> {
        let kill = format!("kill -INT {}", self.child.id());
        Command::new("sh").args(["-c", &kill]).status()?;
        let start = Instant::now();
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(other(format!("the server ended with {status}"))),
                None if start.elapsed() > STUCK => return Err(other("Ctrl-C does not end it")),
                None => thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds the release server, and gives its path.
fn build() -> io::Result<PathBuf> {
    // This program is target/release/deps/soak-HASH.
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(3).unwrap_or(Path::new("target"));
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--release", "--example", "echo_server"]);
    command.args(["--manifest-path", manifest]).arg("--target-dir").arg(target);
    if !command.status()?.success() {
        return Err(other("echo_server does not build"));
    }
    Ok(target.join("release/examples/echo_server"))
}

fn other(message: impl Into<String>) -> io::Error {
    io::Error::other(message.into())
}
