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

/// How long a client may take to say what it wants, and to read the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long nobody is accepted after that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// The socket and its clients.
#[derive(Debug)]
pub(super) struct Control {
    listener: UnixListener,
    path: PathBuf,
    /// Which file it is: another launcher may have put its own there.
    file: (u64, u64),
    clients: Vec<Client>,
    last: u64,
    /// Nobody is accepted before, because the last time there was no descriptor left.
    deaf_until: Option<Instant>,
}

#[derive(Debug)]
struct Client {
    number: u64,
    stream: UnixStream,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Its command is not complete yet.
    Speaks { heard: Vec<u8>, until: Instant },
    /// What it has asked for takes as long as it takes.
    Waits,
    /// It gets the rest of the answer.
    Hears { rest: Vec<u8>, until: Instant },
}

impl Client {
    fn until(&self) -> Option<Instant> {
        match self.state {
            State::Speaks { until, .. } | State::Hears { until, .. } => Some(until),
            State::Waits => None,
        }
    }

    /// Writes what can be written of the answer, and says whether that was all, or will be.
    fn is_done(&mut self) -> bool {
        let State::Hears { rest, .. } = &mut self.state else {
            return false;
        };
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(count) => drop(rest.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => return true,
            }
        }
        true
    }
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
        let path = path.to_owned();
        Ok(Self { listener, path, file, clients: Vec::new(), last: 0, deaf_until: None })
    }

    pub(super) fn wait_for(&self, poll: &mut Poll<Wake>) {
        if self.deaf_until.is_none() {
            poll.readable(self.listener.as_fd(), Wake::Connect);
        }
        for client in &self.clients {
            match client.state {
                State::Speaks { .. } => {
                    poll.readable(client.stream.as_fd(), Wake::Client(client.number));
                }
                State::Waits => {}
                State::Hears { .. } => {
                    poll.writable(client.stream.as_fd(), Wake::Client(client.number));
                }
            }
        }
    }

    pub(super) fn accept(&mut self) {
        let stream = match self.listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => {
                // It would be readable all the time.
                self.deaf_until = Some(Instant::now() + PAUSE);
                return;
            }
        };
        if self.clients.len() == CLIENTS {
            // The one that has kept silent for longest makes room.
            let silent = |client: &Client| matches!(client.state, State::Speaks { .. });
            match self.clients.iter().position(silent) {
                Some(place) => drop(self.clients.remove(place)),
                None => return,
            }
        }
        if stream.set_nonblocking(true).is_ok() {
            self.last += 1;
            let state = State::Speaks { heard: Vec::new(), until: Instant::now() + PATIENCE };
            self.clients.push(Client { number: self.last, stream, state });
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.clients.iter().filter_map(Client::until).chain(self.deaf_until).min()
    }

    /// Hangs up on clients that say nothing, or do not read.
    pub(super) fn expire(&mut self, now: Instant) {
        self.clients.retain(|client| client.until().is_none_or(|until| until > now));
        self.deaf_until = self.deaf_until.filter(|until| *until > now);
    }

    /// Goes on with a client. `Some` with its command, once that is complete.
    fn serve(&mut self, number: u64) -> Option<String> {
        let place = self.clients.iter().position(|client| client.number == number)?;
        let client = &mut self.clients[place];
        let State::Speaks { heard, .. } = &mut client.state else {
            if client.is_done() {
                self.clients.remove(place);
            }
            return None;
        };
        let mut chunk = [0; LONGEST];
        let ended = match client.stream.read(&mut chunk) {
            Ok(count) => {
                heard.extend(&chunk[..count]);
                count == 0
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return None,
            Err(_) => true,
        };
        let line = heard.iter().position(|byte| *byte == b'\n');
        if line.is_none() && !ended && heard.len() < LONGEST {
            return None;
        }
        if heard.is_empty() {
            self.clients.remove(place);
            return None;
        }
        let line = &heard[..line.unwrap_or(heard.len())];
        let command = String::from_utf8_lossy(line).trim().to_owned();
        client.state = State::Waits;
        Some(command)
    }

    /// Answers a client, and hangs up when it has read that.
    fn answer(&mut self, number: u64, text: &str) {
        let Some(place) = self.clients.iter().position(|client| client.number == number) else {
            return;
        };
        let client = &mut self.clients[place];
        // What was said beyond the command would, unread, take the answer away from the client.
        let mut rest = [0; 1024];
        for _ in 0..64 {
            if !matches!(client.stream.read(&mut rest), Ok(1..)) {
                break;
            }
        }
        let rest = format!("{text}\n").into_bytes();
        client.state = State::Hears { rest, until: Instant::now() + PATIENCE };
        if client.is_done() {
            self.clients.remove(place);
        }
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
        let Some(command) = self.control.as_mut().and_then(|control| control.serve(client)) else {
            return;
        };
        let ok = Ok("{\"ok\":true}");
        let client = Some(client);
        let statistics = || statistics::gather(self.board, &self.settings.names);
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
            ["pause"] => match self.pause() {
                Ok(()) => self.answer(client, ok),
                Err(why) => self.answer(client, Err(&why)),
            },
            ["resume"] => {
                self.resume();
                self.answer(client, ok);
            }
            ["reopen"] => {
                self.reopen();
                self.answer(client, ok);
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
                Err("commands: status, prometheus, roll, scale N, pause, resume, reopen, dump, \
                     upgrade, stop"),
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
