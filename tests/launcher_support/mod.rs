//! Programs with a launcher as child processes of a test, and what a test does with them.
//!
//! The supervisor must have a single thread, which no program under the standard test harness has. So
//! these test programs have a `main` of their own: executed by a test, with the name of a program in the
//! environment, it is that program; otherwise it runs the tests. Every process that a test starts, directly
//! or not, carries a tag in its environment, by which the test finds out whether any was left behind.
#![allow(dead_code, reason = "every test file is a crate of its own and uses a part of this")]
#![allow(unsafe_code, reason = "sends signals")]

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use greenloop::launcher::{Launcher, Worker};

/// After this a program or a peer counts as stuck.
pub(crate) const STUCK: Duration = Duration::from_secs(60);

/// The variable with the name of the program to be.
pub(crate) const PROGRAM: &str = "GREENLOOP_TEST_PROGRAM";
const TAG: &str = "GREENLOOP_TEST_TAG";

/// A program that a test executes.
pub(crate) type Program = (&'static str, fn() -> io::Result<ExitCode>);

/// A test, by its name.
pub(crate) type Test = (&'static str, fn());

/// Lists functions with their names.
#[macro_export]
macro_rules! named {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), $name)),*] };
}

/// The `main` of a test program. Understands what cargo passes on: words that the names must contain,
/// `--exact`, `--list`, `--skip` and `--test-threads`.
pub(crate) fn main(programs: &[Program], tests: &[Test]) -> ExitCode {
    if let Ok(name) = std::env::var(PROGRAM) {
        let (_, program) = programs.iter().find(|(own, _)| *own == name).expect("a program");
        return match program() {
            Ok(status) => status,
            Err(error) => {
                println!("error: {error}");
                ExitCode::from(3)
            }
        };
    }
    let (mut words, mut skipped, mut exact, mut list, mut threads) =
        (Vec::new(), Vec::new(), false, false, 4);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--exact" => exact = true,
            "--list" => list = true,
            "--skip" => skipped.extend(arguments.next()),
            "--test-threads" => threads = arguments.next().unwrap().parse().unwrap(),
            "--format" | "--color" | "--logfile" => drop(arguments.next()),
            _ if argument.starts_with('-') => {}
            _ => words.push(argument),
        }
    }
    let is_meant =
        |name: &str, word: &String| if exact { name == word } else { name.contains(word) };
    let chosen: Vec<&Test> = tests
        .iter()
        .filter(|(name, _)| words.is_empty() || words.iter().any(|word| is_meant(name, word)))
        .filter(|(name, _)| !skipped.iter().any(|word| is_meant(name, word)))
        .collect();
    if list {
        chosen.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", chosen.len());
    let next = AtomicUsize::new(0);
    let failed = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((name, test)) = chosen.get(next.fetch_add(1, SeqCst)) {
                    let well = catch_unwind(AssertUnwindSafe(test)).is_ok();
                    println!("test {name} ... {}", if well { "ok" } else { "FAILED" });
                    failed.fetch_add(usize::from(!well), SeqCst);
                }
            });
        }
    });
    let failed = failed.into_inner();
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {result}. {} passed; {failed} failed\n", chosen.len() - failed);
    ExitCode::from(u8::from(failed > 0) * 101)
}

/// Says why a test does nothing here.
pub(crate) fn skip(test: &str, why: &str) {
    println!("test {test} is SKIPPED: {why}");
}

/// A running program. Dropping it kills all its processes.
pub(crate) struct Launched {
    child: Child,
    tag: String,
    output: Arc<Output>,
    reader: Option<thread::JoinHandle<()>>,
}

/// The lines that the processes have printed.
#[derive(Default)]
struct Output {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

/// How to start a program.
pub(crate) struct Start {
    command: Command,
    tag: String,
}

/// Prepares a program of this file.
pub(crate) fn program(name: &str) -> Start {
    wrapped(name, &[])
}

/// The same, started by another command, which executes it: `unshare`, `taskset`, `sh -c`.
pub(crate) fn wrapped(name: &str, wrapper: &[&str]) -> Start {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let tag = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, SeqCst));
    let own = std::env::current_exe().unwrap();
    let mut command = match wrapper.split_first() {
        None => Command::new(own),
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(own);
            command
        }
    };
    command.env(PROGRAM, name).env(TAG, &tag).stdin(Stdio::null());
    Start { command, tag }
}

impl Start {
    pub(crate) fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.command.env(name, value.to_string());
        self
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Command)) -> Self {
        change(&mut self.command);
        self
    }

    pub(crate) fn start(mut self) -> Launched {
        let mut child = self.command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let output = Arc::<Output>::default();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let reads = Arc::clone(&output);
        let reader = thread::spawn(move || {
            for line in stdout.lines() {
                reads.lines.lock().unwrap().push(line.unwrap());
                reads.more.notify_all();
            }
        });
        Launched { child, tag: self.tag, output, reader: Some(reader) }
    }
}

impl Launched {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it prints on standard error, if that is a pipe.
    pub(crate) fn stderr(&mut self) -> std::process::ChildStderr {
        self.child.stderr.take().unwrap()
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.output.lines.lock().unwrap().clone()
    }

    /// The lines so far that contain a text.
    pub(crate) fn lines_with(&self, text: &str) -> Vec<String> {
        self.lines().into_iter().filter(|line| line.contains(text)).collect()
    }

    /// Waits for a line that contains a text.
    #[track_caller]
    pub(crate) fn wait_line(&self, text: &str) -> String {
        self.wait_lines(text, 1).remove(0)
    }

    /// Waits until so many lines contain a text.
    #[track_caller]
    pub(crate) fn wait_lines(&self, text: &str, count: usize) -> Vec<String> {
        let start = Instant::now();
        let mut lines = self.output.lines.lock().unwrap();
        loop {
            let found: Vec<_> = lines.iter().filter(|line| line.contains(text)).cloned().collect();
            if found.len() >= count {
                return found;
            }
            if start.elapsed() > STUCK {
                panic!("{count} times {text:?} did not come, but only: {lines:#?}");
            }
            lines = self.output.more.wait_timeout(lines, Duration::from_millis(100)).unwrap().0;
        }
    }

    /// The address that it has said to listen on.
    #[track_caller]
    pub(crate) fn address(&self) -> SocketAddr {
        let line = self.wait_line("http: ");
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: i32) {
        kill(self.pid(), signal);
    }

    /// Waits for the end of the program, and for that of all its processes.
    #[track_caller]
    pub(crate) fn ended(mut self) -> (ExitStatus, Vec<String>) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < STUCK, "it does not end: {:#?}", self.lines());
            thread::sleep(Duration::from_millis(5));
        };
        self.assert_none_left();
        // Nobody is left who could write.
        self.reader.take().unwrap().join().unwrap();
        (status, self.lines())
    }

    /// Tells it to end well, and expects that.
    #[track_caller]
    pub(crate) fn stop(self) -> Vec<String> {
        self.signal(libc::SIGTERM);
        let (status, lines) = self.ended();
        assert_eq!(status.code(), Some(0), "{lines:#?}");
        lines
    }

    /// Waits until no process of this program is left.
    #[track_caller]
    pub(crate) fn assert_none_left(&self) {
        let start = Instant::now();
        loop {
            let left = tagged(&self.tag);
            if left.is_empty() {
                return;
            }
            assert!(start.elapsed() < STUCK, "left behind: {left:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The processes of this program that there are.
    pub(crate) fn processes(&self) -> Vec<u32> {
        tagged(&self.tag)
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        for _ in 0..100 {
            let left = tagged(&self.tag);
            left.iter().for_each(|pid| kill(*pid, libc::SIGKILL));
            let _ = self.child.try_wait();
            if left.is_empty() {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processes that carry a tag. Those that have ended and were not reaped have no environment.
fn tagged(tag: &str) -> Vec<u32> {
    let variable = format!("{TAG}={tag}");
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let carries = |pid: &u32| {
        fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|text| text.split(|byte| *byte == 0).any(|v| v == variable.as_bytes()))
    };
    numbers.filter(carries).collect()
}

/// The arguments of a process, as the system shows them.
pub(crate) fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    String::from_utf8_lossy(&bytes).trim_end_matches('\0').replace('\0', "|")
}

pub(crate) fn kill(pid: u32, signal: i32) {
    // SAFETY: takes no pointers; the process is one that a test has started.
    unsafe { libc::kill(pid as libc::pid_t, signal) };
}

/// The state letter of a process.
pub(crate) fn state_of(pid: u32) -> char {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap_or('-')
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < STUCK, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// The process numbers in events like "worker 0 (pid 17, generation 1) is ready".
pub(crate) fn pid_in(line: &str) -> u32 {
    let (_, rest) = line.split_once("(pid ").expect("a worker's line");
    rest.split(',').next().unwrap().parse().unwrap()
}

/// A client of `serve`.
pub(crate) struct Client {
    pub(crate) stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(STUCK))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Says a line.
    pub(crate) fn say(&mut self, line: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(format!("{line}\n").as_bytes())
    }

    /// Hears a line.
    pub(crate) fn hear(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    pub(crate) fn ask(&mut self, line: &str) -> io::Result<String> {
        self.say(line)?;
        self.hear()
    }
}

/// Connects, asks one thing, and hangs up.
pub(crate) fn ask(address: SocketAddr, line: &str) -> io::Result<String> {
    Client::connect(address)?.ask(line)
}

/// Says a command at a control socket, and gives the answer.
pub(crate) fn command(path: &str, line: &str) -> String {
    let mut socket = std::os::unix::net::UnixStream::connect(path).unwrap();
    socket.write_all(format!("{line}\n").as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer.trim_end().to_owned()
}

/// A launcher as most tests want it: at a free port, with its events on standard output.
pub(crate) fn launcher() -> Launcher {
    Launcher::new()
        .name("test")
        .workers(number("WORKERS", 2) as usize)
        .bind("http", "127.0.0.1:0")
        .on_event(|event| {
            println!("event: {event}");
        })
}

/// A variable of the environment.
pub(crate) fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().unwrap())
}

pub(crate) fn millis(name: &str, otherwise: u64) -> Duration {
    Duration::from_millis(number(name, otherwise))
}

/// Serves clients that speak lines, each in a task, until it is to end.
pub(crate) async fn serve(worker: Worker) -> io::Result<()> {
    let listener = worker.listener("http")?;
    while let Some((stream, _)) = listener.accept().await? {
        let own = worker.clone();
        worker.spawn(async move {
            let _ = converse(&own, stream).await;
        });
    }
    worker.drained().await;
    Ok(())
}

/// Does what a client says, line by line.
async fn converse(worker: &Worker, stream: greenloop::net::TcpStream) -> io::Result<()> {
    let mut heard = Vec::new();
    loop {
        while let Some(end) = heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = heard.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim().to_owned();
            worker.count_request();
            let answer = obey(worker, &line).await;
            stream.write_all(format!("{answer}\n").as_bytes()).await?;
        }
        let mut buffer = [0; 1024];
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        heard.extend(&buffer[..count]);
    }
}

/// What `converse` does at each word.
async fn obey(worker: &Worker, line: &str) -> String {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "pid" => worker.pid().to_string(),
        "slot" => worker.slot().to_string(),
        "slow" => {
            greenloop::sleep(Duration::from_millis(rest.parse().unwrap())).await;
            "done".into()
        }
        "guard" => {
            let _guard = SayAtDrop(format!("dropped {rest}"));
            greenloop::sleep(STUCK * 10).await;
            "done".into()
        }
        "spin" => loop {
            std::hint::spin_loop();
        },
        "block" => {
            thread::sleep(Duration::from_millis(rest.parse().unwrap()));
            "done".into()
        }
        "raise" => {
            // The second time, because std's handler of SIGSEGV lets the faulting code fault again.
            for _ in 0..2 {
                // SAFETY: takes no pointers.
                unsafe { libc::raise(rest.parse().unwrap()) };
            }
            "done".into()
        }
        "draining" => worker.is_draining().to_string(),
        "panic" => panic!("a client has asked for it"),
        "exit" => std::process::exit(rest.parse().unwrap()),
        "count" => {
            worker.counter("jobs").add(1);
            sum_of_jobs(worker).to_string()
        }
        "sum" => sum_of_jobs(worker).to_string(),
        "stats" => worker.cluster_stats().to_json(),
        "record" => {
            let size = worker.histogram("size");
            size.record(rest.parse().unwrap());
            size.own().to_string()
        }
        "gauge" => {
            worker.gauge("waiting").set(rest.parse().unwrap());
            worker.cluster_stats().gauges[0].1.to_string()
        }
        "args" => std::env::args().collect::<Vec<_>>().join("|"),
        "descriptors" => {
            let entries = fs::read_dir("/proc/self/fd").unwrap().flatten();
            let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
            links.map(|link| format!("{}|", link.display())).collect()
        }
        "recycle" => {
            worker.request_recycle();
            "done".into()
        }
        "cpus" => {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
            line.unwrap().trim().to_owned()
        }
        "sh" => {
            let output = Command::new("sh").args(["-c", rest]).output().unwrap();
            String::from_utf8_lossy(&output.stdout).replace('\n', "|")
        }
        _ => line.to_owned(),
    }
}

fn sum_of_jobs(worker: &Worker) -> u64 {
    worker.cluster_stats().counters.iter().find(|(name, _)| name == "jobs").unwrap().1
}

/// Prints a line when it is dropped.
pub(crate) struct SayAtDrop(pub(crate) String);

impl Drop for SayAtDrop {
    fn drop(&mut self) {
        println!("{}", self.0);
    }
}
