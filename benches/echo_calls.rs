//! System calls per echoed message over UDP and over Unix sockets, beside an epoll server written by hand.
//!
//! ```text
//! cargo bench --bench echo_calls
//! ```
//!
//! Each server runs under `strace -c -f` twice, for fewer and for more messages, and the difference is
//! printed, so that starting and ending are not in it. With one client the server sleeps whenever a message
//! comes; fifty clients send at once and then wait for their answers, so that the calls that wait
//! are shared. (`benches/peers` does the same for TCP and other runtimes.)

#[allow(unsafe_code, unreachable_pub, dead_code, reason = "it is that of another package")]
#[path = "peers/src/epoll.rs"]
mod epoll;
mod machine;

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::UdpSocket,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::{Command, Stdio, exit},
    thread,
    time::Duration,
};

use epoll::{Epoll, READ};

const SERVERS: [&str; 4] = ["raw", "raw-level", "async", "green"];
const SIZE: usize = 64;
const FEW: usize = 500;
const MANY: usize = 2500;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|it| it != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve", server, kind, path] => {
            serve(server, kind == "unix", Path::new(path)).expect("the server goes on");
        }
        [] => compare(),
        _ => {
            eprintln!("usage: echo_calls");
            exit(2);
        }
    }
}

fn compare() {
    machine::print();
    if Command::new("strace").arg("-V").output().is_err() {
        println!("nothing is counted: strace is not installed (apt-get install strace)");
        return;
    }
    for (kind, clients) in [("udp", 1), ("udp", 50), ("unix", 1), ("unix", 50)] {
        println!("\n{kind}, {clients} at a time, {SIZE} bytes");
        for server in SERVERS {
            let few = count(server, kind, clients, FEW);
            let many = count(server, kind, clients, MANY);
            let mut calls: Vec<_> = many
                .into_iter()
                .map(|(call, count)| {
                    let more = count - few.get(&call).copied().unwrap_or(0.0);
                    (call, more / (MANY - FEW) as f64)
                })
                .filter(|(_, count)| *count >= 0.005)
                .collect();
            calls.sort_by(|one, other| other.1.total_cmp(&one.1));
            let total: f64 = calls.iter().map(|(_, count)| count).sum();
            let which: Vec<_> =
                calls.iter().map(|(call, count)| format!("{call} {count:.2}")).collect();
            println!("  {server:<10} {total:>5.2}  {}", which.join(", "));
        }
    }
    println!(
        "\nraw reads until there is no more, as an edge-triggered server must (of a stream, until a \
         read comes short); raw-level reads once per event, and can of a datagram socket."
    );
}

/// Counts the calls of a server for so many messages.
fn count(server: &str, kind: &str, clients: usize, messages: usize) -> BTreeMap<String, f64> {
    let folder = env::temp_dir().join(format!("greenloop-echo-calls-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("there is a folder for temporary files");
    let report = folder.join("strace");
    let mut command = Command::new("strace");
    command.args(["-c", "-f", "-o"]).arg(&report);
    command.arg(env::current_exe().expect("the system knows this program"));
    command.args(["serve", server, kind]).arg(folder.join("socket"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("strace");
    let mut address = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    BufReader::new(stdout).read_line(&mut address).expect("the server says where it is");
    talk(kind == "unix", address.trim_end(), clients, messages);
    // The end of its input ends it.
    drop(child.stdin.take());
    child.wait().expect("it was not waited for");
    let text = fs::read_to_string(&report).expect("strace has written it");
    let _ = fs::remove_dir_all(folder);
    let rows = text.lines().skip_while(|line| !line.starts_with("---")).skip(1);
    rows.take_while(|line| !line.starts_with("---"))
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            Some(((*fields.last()?).to_owned(), fields.get(3)?.parse().ok()?))
        })
        .collect()
}

/// A client of either kind.
enum Client {
    Udp(UdpSocket),
    Unix(UnixStream),
}

fn talk(unix: bool, address: &str, clients: usize, messages: usize) {
    let connect = |_| {
        if unix {
            return UnixStream::connect(address).map(Client::Unix);
        }
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(address)?;
        Ok(Client::Udp(socket))
    };
    let mut all: Vec<Client> =
        (0..clients).map(connect).collect::<io::Result<_>>().expect("the server is there");
    let (message, mut answer) = ([b'x'; SIZE], [0; SIZE]);
    for _ in 0..messages / clients {
        for client in &mut all {
            match client {
                Client::Udp(socket) => assert_eq!(socket.send(&message).ok(), Some(SIZE)),
                Client::Unix(stream) => stream.write_all(&message).expect("it is read"),
            }
        }
        for client in &mut all {
            match client {
                Client::Udp(socket) => assert_eq!(socket.recv(&mut answer).ok(), Some(SIZE)),
                Client::Unix(stream) => stream.read_exact(&mut answer).expect("it is answered"),
            }
        }
        if clients == 1 {
            // Until the server sleeps.
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn serve(server: &str, unix: bool, path: &Path) -> io::Result<()> {
    // The process ends with its input; the thread waits in one call, which is in both counts.
    thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        exit(0);
    });
    match (server, unix) {
        ("raw", false) => raw_udp(READ),
        ("raw-level", false) => raw_udp(libc::EPOLLIN as u32),
        ("raw", true) => raw_unix(path, READ),
        ("raw-level", true) => raw_unix(path, libc::EPOLLIN as u32),
        ("async", false) => greenloop::run(async_udp()),
        ("async", true) => greenloop::run(async_unix(path.to_owned())),
        #[cfg(feature = "green")]
        ("green", false) => greenloop::green::run(green_udp),
        #[cfg(feature = "green")]
        ("green", true) => {
            let path = path.to_owned();
            greenloop::green::run(|| green_unix(path))
        }
        _ => Err(io::Error::other("there is no such server")),
    }
}

fn raw_udp(interest: u32) -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    println!("{}", socket.local_addr()?);
    let mut epoll = Epoll::new(64)?;
    epoll.add(&socket, interest, 0)?;
    let mut buffer = [0; 2048];
    loop {
        epoll.wait(None)?;
        loop {
            let (count, peer) = match socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            socket.send_to(&buffer[..count], peer)?;
            if interest != READ {
                break;
            }
        }
    }
}

/// Of a stream, a read that comes short need not be followed by another.
fn raw_unix(path: &Path, interest: u32) -> io::Result<()> {
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    println!("{}", path.display());
    let mut epoll = Epoll::new(64)?;
    epoll.add(&listener, interest, 0)?;
    let mut streams: Vec<UnixStream> = Vec::new();
    let mut buffer = [0; 2048];
    loop {
        for index in 0..epoll.wait(None)? {
            let (token, _) = epoll.event(index);
            if token > 0 {
                let mut stream = &streams[token - 1];
                match stream.read(&mut buffer) {
                    // Its end; the process lives for one set of clients.
                    Ok(0) => {}
                    Ok(count) => stream.write_all(&buffer[..count])?,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
                continue;
            }
            while let Ok((stream, _)) = listener.accept() {
                stream.set_nonblocking(true)?;
                epoll.add(&stream, interest, streams.len() + 1)?;
                streams.push(stream);
            }
        }
    }
}

async fn async_udp() -> io::Result<()> {
    let socket = greenloop::net::UdpSocket::bind("127.0.0.1:0").await?;
    println!("{}", socket.local_addr()?);
    let mut buffer = [0; 2048];
    loop {
        let (count, peer) = socket.recv_from(&mut buffer).await?;
        socket.send_to(&buffer[..count], peer).await?;
    }
}

async fn async_unix(path: PathBuf) -> io::Result<()> {
    let listener = greenloop::net::UnixListener::bind(&path)?;
    println!("{}", path.display());
    loop {
        let (stream, _) = listener.accept().await?;
        greenloop::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                if stream.write_all(&buffer[..count]).await.is_err() {
                    break;
                }
            }
        });
    }
}

#[cfg(feature = "green")]
fn green_udp() -> io::Result<()> {
    let socket = greenloop::green::net::UdpSocket::bind("127.0.0.1:0")?;
    println!("{}", socket.local_addr()?);
    let mut buffer = [0; 2048];
    loop {
        let (count, peer) = socket.recv_from(&mut buffer)?;
        socket.send_to(&buffer[..count], peer)?;
    }
}

#[cfg(feature = "green")]
fn green_unix(path: PathBuf) -> io::Result<()> {
    let listener = greenloop::green::net::UnixListener::bind(&path)?;
    println!("{}", path.display());
    loop {
        let (mut stream, _) = listener.accept()?;
        greenloop::green::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                if stream.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
        });
    }
}
