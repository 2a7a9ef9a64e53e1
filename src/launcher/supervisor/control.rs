//! The control socket: a command each connection, one line, and an answer.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::{
        fd::AsFd as _,
        unix::{
            fs::{FileTypeExt as _, MetadataExt as _},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{Supervisor, Wake};
use crate::launcher::{
    statistics::{self, quoted},
    sys::{self, poll::Poll},
};

/// How many clients there can be at a time.
const CLIENTS: usize = 16;

/// The longest command.
const LONGEST: usize = 256;

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// The socket and its clients.
#[derive(Debug)]
pub(super) struct Control {
    listener: UnixListener,
    path: PathBuf,
    /// Which file it is: another launcher may have put its own there.
    file: (u64, u64),
    clients: Vec<Client>,
    last: u64,
}

#[derive(Debug)]
struct Client {
    number: u64,
    stream: UnixStream,
    heard: Vec<u8>,
    /// `None` when its command is known, and takes as long as it takes.
    until: Option<Instant>,
}

impl Control {
    /// Opens the socket, which only the owner of this process can connect to. It takes the place of one
    /// that was left behind, or is a predecessor's.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let open = || {
            if fs::symlink_metadata(path).is_ok_and(|data| !data.file_type().is_socket()) {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "there is a file, and no socket",
                ));
            }
            let mut beside = path.as_os_str().to_owned();
            beside.push(format!(".{}", std::process::id()));
            let beside = PathBuf::from(beside);
            let _ = fs::remove_file(&beside);
            let listener = sys::process::with_umask(0o177, || UnixListener::bind(&beside))?;
            listener.set_nonblocking(true)?;
            let data = fs::symlink_metadata(&beside)?;
            fs::rename(&beside, path)?;
            Ok((listener, (data.dev(), data.ino())))
        };
        let (listener, file) = open().map_err(|error| {
            let path = path.display();
            io::Error::new(error.kind(), format!("cannot open the control socket {path}: {error}"))
        })?;
        Ok(Self { listener, path: path.to_owned(), file, clients: Vec::new(), last: 0 })
    }

    pub(super) fn wait_for(&self, poll: &mut Poll<Wake>) {
        if self.clients.len() < CLIENTS {
            poll.readable(self.listener.as_fd(), Wake::Connect);
        }
        for client in self.clients.iter().filter(|client| client.until.is_some()) {
            poll.readable(client.stream.as_fd(), Wake::Client(client.number));
        }
    }

    pub(super) fn accept(&mut self) {
        let Ok((stream, _)) = self.listener.accept() else {
            return;
        };
        if stream.set_nonblocking(true).is_ok() {
            self.last += 1;
            let until = Some(Instant::now() + PATIENCE);
            self.clients.push(Client { number: self.last, stream, heard: Vec::new(), until });
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.clients.iter().filter_map(|client| client.until).min()
    }

    /// Hangs up on clients that say nothing.
    pub(super) fn expire(&mut self, now: Instant) {
        self.clients.retain(|client| client.until.is_none_or(|until| until > now));
    }

    /// The command of a client, once it is complete.
    fn hear(&mut self, number: u64) -> Option<String> {
        let place = self.clients.iter().position(|client| client.number == number)?;
        let client = &mut self.clients[place];
        let mut chunk = [0; LONGEST];
        let ended = match client.stream.read(&mut chunk) {
            Ok(count) => {
                client.heard.extend(&chunk[..count]);
                count == 0
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(_) => true,
        };
        let line = client.heard.iter().position(|byte| *byte == b'\n');
        if line.is_none() && !ended && client.heard.len() < LONGEST {
            return None;
        }
        if client.heard.is_empty() {
            self.clients.remove(place);
            return None;
        }
        client.until = None;
        let line = &client.heard[..line.unwrap_or(client.heard.len())];
        Some(String::from_utf8_lossy(line).trim().to_owned())
    }

    /// Answers a client and hangs up.
    fn answer(&mut self, number: u64, text: &str) {
        let Some(place) = self.clients.iter().position(|client| client.number == number) else {
            return;
        };
        let mut client = self.clients.swap_remove(place);
        // What was said beyond the command would, unread, take the answer away from the client.
        let mut rest = [0; 1024];
        for _ in 0..64 {
            if !matches!(client.stream.read(&mut rest), Ok(1..)) {
                break;
            }
        }
        // A client that does not read does not get all of it.
        let _ = client.stream.set_nonblocking(false);
        let _ = client.stream.set_write_timeout(Some(Duration::from_millis(500)));
        let _ = client.stream.write_all(format!("{text}\n").as_bytes());
    }

    pub(super) fn remove_file(&self) {
        let same = fs::symlink_metadata(&self.path)
            .is_ok_and(|data| (data.dev(), data.ino()) == self.file);
        if same {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Supervisor {
    pub(super) fn serve_client(&mut self, client: u64) {
        let Some(command) = self.control.as_mut().and_then(|control| control.hear(client)) else {
            return;
        };
        let ok = Ok("{\"ok\":true}");
        let client = Some(client);
        let statistics = || statistics::gather(self.board, &self.settings.counters);
        match command.split_ascii_whitespace().collect::<Vec<_>>()[..] {
            ["status"] => {
                let answer = statistics().to_json();
                self.answer(client, Ok(&answer));
            }
            ["prometheus"] => {
                let answer = statistics().to_prometheus();
                self.answer(client, Ok(answer.trim_end()));
            }
            ["roll"] => self.ask_roll(client),
            ["scale", count] => {
                let scaled = match count.parse() {
                    Ok(count) => self.scale(count),
                    Err(_) => Err(format!("{count:?} is no number of workers")),
                };
                match scaled {
                    Ok(()) => self.answer(client, ok),
                    Err(why) => self.answer(client, Err(&why)),
                }
            }
            ["dump"] => {
                self.dump();
                self.answer(client, ok);
            }
            ["upgrade"] => self.start_upgrade(client),
            ["stop"] => {
                self.answer(client, ok);
                self.stop_gracefully();
            }
            _ => self.answer(
                client,
                Err("commands: status, prometheus, roll, scale N, dump, upgrade, stop"),
            ),
        }
    }

    /// Answers a client of the control socket, if it was one who asked.
    pub(super) fn answer(&mut self, client: Option<u64>, answer: Result<&str, &str>) {
        if let (Some(client), Some(control)) = (client, &mut self.control) {
            match answer {
                Ok(text) => control.answer(client, text),
                Err(why) => {
                    let text = format!("{{\"ok\":false,\"error\":{}}}", quoted(why));
                    control.answer(client, &text);
                }
            }
        }
    }
}
