//! The example programs as child processes: started, listened to, interrupted, and gone at the end
//! whatever happens.
#![allow(dead_code, reason = "every test file is a crate of its own and uses a part of this")]

pub(crate) mod echo;

use std::{
    io::{self, BufRead, BufReader, Read},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// For an example that listens.
pub(crate) const ANY_PORT: &str = "127.0.0.1:0";

/// After this a program or a peer counts as stuck.
const STUCK: Duration = Duration::from_secs(60);

/// A running program. Dropping it kills it.
pub(crate) struct Program {
    child: Child,
    /// After this it counts as stuck.
    patience: Duration,
}

/// How a program ended and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Program {
    /// Starts an example that listens at a free port, and gives the address that it prints.
    pub(crate) fn serve(name: &str, arguments: &[&str]) -> (Self, SocketAddr) {
        let (program, address) = Self::serve_at(name, arguments);
        (program, address.parse().unwrap())
    }

    /// Starts an example that listens, and gives what it says that it listens on.
    pub(crate) fn serve_at(name: &str, arguments: &[&str]) -> (Self, String) {
        let mut command = example(name);
        let mut program = Self::start(command.args(arguments).stderr(Stdio::null()));
        let mut line = String::new();
        let stdout = program.child.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on ");
        let address = address.unwrap_or_else(|| panic!("{name} printed {line:?}"));
        (program, address.to_owned())
    }

    /// As `serve`, for a program that says more than that; see [`line`](Self::line).
    pub(crate) fn start_server(name: &str, arguments: &[&str]) -> (Self, SocketAddr) {
        let mut command = example(name);
        let mut program = Self::start(command.args(arguments).stderr(Stdio::null()));
        let line = program.line();
        let address = line.strip_prefix("listening on ");
        let address = address.unwrap_or_else(|| panic!("{name} printed {line:?}"));
        let address = address.parse().unwrap();
        (program, address)
    }

    /// Reads the next line that the program prints, and nothing behind it.
    pub(crate) fn line(&mut self) -> String {
        let stdout = self.child.stdout.as_mut().unwrap();
        let mut line = Vec::new();
        let mut byte = [0];
        while stdout.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    /// Sends a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Runs an example to its end.
    pub(crate) fn run(name: &str, arguments: &[&str]) -> Ended {
        Self::run_within(STUCK, name, arguments)
    }

    /// As `run`, for one that works for so long on a loaded machine.
    pub(crate) fn run_within(patience: Duration, name: &str, arguments: &[&str]) -> Ended {
        let mut program = Self::start(example(name).args(arguments));
        program.patience = patience;
        program.ended()
    }

    /// Starts any command.
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("{command:?} does not start: {error}\n(examples: cargo build --examples)")
        });
        Self { child, patience: STUCK }
    }

    /// The pipes to and from the program; each can be taken once.
    pub(crate) fn pipes(&mut self) -> (ChildStdin, ChildStdout) {
        (self.child.stdin.take().unwrap(), self.child.stdout.take().unwrap())
    }

    /// Waits for the end of a program whose output goes into pipes.
    pub(crate) fn ended(mut self) -> Ended {
        let stdout = self.child.stdout.take().unwrap();
        let stderr = self.child.stderr.take().unwrap();
        let stdout = thread::spawn(move || io::read_to_string(stdout).unwrap());
        let stderr = thread::spawn(move || io::read_to_string(stderr).unwrap());
        let status = self.wait();
        Ended { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
    }

    /// Does what Ctrl-C does, and waits for the end.
    pub(crate) fn interrupt(mut self) -> ExitStatus {
        self.signal("INT");
        self.wait()
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < self.patience, "the program does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command of an example, which stands beside this test's own folder of binaries.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST");
    let mut command = Command::new(profile.join("examples").join(name));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Connects; the operations fail rather than hang for ever.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    limit(TcpStream::connect(address).unwrap())
}

/// Lets the operations of a stream fail rather than hang for ever.
pub(crate) fn limit(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(STUCK)).unwrap();
    stream.set_write_timeout(Some(STUCK)).unwrap();
    stream
}

/// Bytes without a pattern that a mix-up could hide in; other bytes for each seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// As `assert_eq`, for what is too long to be printed.
#[track_caller]
pub(crate) fn assert_same(got: &[u8], expected: &[u8]) {
    let differs = got.iter().zip(expected).position(|(one, other)| one != other);
    assert!(got == expected, "{} of {} bytes, wrong at {differs:?}", got.len(), expected.len());
}
