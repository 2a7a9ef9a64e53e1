//! The listening sockets: opened by the supervisor, or handed over to it, and kept by it for as long
//! as it lives.
//!
//! Workers inherit them and never open their own: a socket that a worker opens has a queue of its own,
//! and the connections in it are lost with the worker.

use std::{
    cell::Cell,
    collections::BTreeSet,
    fs, io,
    net::{Shutdown, SocketAddr, ToSocketAddrs as _},
    os::{
        fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd},
        unix::fs::{FileTypeExt as _, MetadataExt as _},
    },
    path::{Path, PathBuf},
};

use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::{
    Accept,
    sys::{self, sockets::Steering},
};

/// How many connections the kernel keeps for the workers to accept.
const BACKLOG: i32 = 1024;

/// What the address of a socket for datagrams begins with.
const DATAGRAMS: &str = "udp:";

/// A name and where to listen under it.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub(super) name: String,
    pub(super) address: String,
}

/// What listens under a name: one socket, or a group with one for each worker.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) name: String,
    sockets: Vec<OwnedFd>,
    /// Where more sockets of the group are opened.
    group: Option<SocketAddr>,
    accept: Accept,
    /// For connections, or for datagrams.
    kind: Type,
    /// The group has a filter, which stays with it. One that was handed over may have one.
    steered: Cell<bool>,
    /// The file of a Unix socket that was opened here: device, number and path.
    file: Option<(u64, u64, PathBuf)>,
    pub(super) inherited: bool,
    /// Nobody but this launcher, its predecessor or its successor has them: they are not systemd's, which
    /// goes on to collect connections for the next start.
    pub(super) owned: bool,
    /// The places of those that take no more connections in.
    closed: BTreeSet<usize>,
}

impl Endpoint {
    /// Opens what the binding asks for, or takes what was handed over under its name.
    pub(super) fn open(
        binding: &Binding,
        inherited: Vec<OwnedFd>,
        owned: bool,
        accept: Accept,
        workers: usize,
    ) -> io::Result<Self> {
        let datagrams = binding.address.starts_with(DATAGRAMS);
        let mut endpoint = Self {
            name: binding.name.clone(),
            sockets: Vec::new(),
            group: None,
            accept,
            steered: Cell::new(!inherited.is_empty()),
            file: None,
            inherited: !inherited.is_empty(),
            owned: owned || inherited.is_empty(),
            closed: BTreeSet::new(),
            // Each worker needs one of its own: there is nothing to accept that would tell them apart.
            kind: if datagrams { Type::DGRAM } else { Type::STREAM },
        };
        if datagrams && accept == Accept::Balanced {
            endpoint.accept = Accept::PerWorker;
        }
        if endpoint.inherited {
            for socket in inherited {
                endpoint.take_over(socket)?;
            }
            endpoint.extend(workers)?;
            // Until it takes over, its predecessor's workers get what comes.
            if owned {
                return Ok(endpoint);
            }
        } else if let Some(path) = binding.address.strip_prefix("unix:") {
            endpoint.open_file(Path::new(path))?;
        } else {
            let address = binding.address.strip_prefix(DATAGRAMS).unwrap_or(&binding.address);
            endpoint.open_port(address, workers)?;
        }
        endpoint.steer(&(0..workers).collect::<Vec<_>>())?;
        Ok(endpoint)
    }

    fn take_over(&mut self, socket: OwnedFd) -> io::Result<()> {
        let socket = Socket::from(socket);
        if socket.r#type()? != self.kind {
            let what = if self.kind == Type::DGRAM { "takes" } else { "does not take" };
            let problem = format!("the socket that was handed over {what} connections");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        // Not every socket that is handed over listens yet.
        if self.kind == Type::STREAM && !socket.is_listener()? {
            socket.listen(BACKLOG)?;
        }
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        if socket.reuse_port().unwrap_or(false) {
            self.group = address.as_socket();
        }
        if let (true, Some(path)) = (self.owned, address.as_pathname()) {
            self.note_file(path);
        }
        self.sockets.push(socket.into());
        Ok(())
    }

    fn open_port(&mut self, address: &str, workers: usize) -> io::Result<()> {
        let mut failed = io::Error::new(io::ErrorKind::InvalidInput, "no address of that name");
        for address in address.to_socket_addrs()? {
            match self.open_address(address, workers) {
                Ok(()) => return Ok(()),
                Err(error) => failed = error,
            }
            self.sockets.clear();
        }
        Err(failed)
    }

    fn open_address(&mut self, address: SocketAddr, workers: usize) -> io::Result<()> {
        if self.accept == Accept::Balanced {
            self.sockets.push(self.opened(address, false)?.into());
            return Ok(());
        }
        // A group takes in whoever asks, of the same user: another program's socket would silently
        // take its share. Without the option the port must be free.
        let probe = bound(address, self.kind, false)?;
        let address = probe.local_addr()?.as_socket().unwrap_or(address);
        drop(probe);
        self.group = Some(address);
        self.extend(workers)
    }

    /// Sees to it that a group has a socket for each worker.
    pub(super) fn extend(&mut self, workers: usize) -> io::Result<()> {
        if let (Some(address), true) = (self.group, self.accept != Accept::Balanced) {
            while self.sockets.len() < workers {
                self.sockets.push(self.opened(address, true)?.into());
            }
        }
        Ok(())
    }

    /// Has new connections, or datagrams, go to the sockets of these slots only, in ascending order. Those of
    /// the others stay open: what has come to them must be served.
    pub(super) fn steer(&self, slots: &[usize]) -> io::Result<()> {
        let all = slots.len() >= self.sockets.len();
        if all
            && !self.steered.get()
            && self.accept == Accept::PerWorker
            && self.takes_connections()
        {
            // The kernel goes by the addresses of both ends, and those are as good as random.
            return Ok(());
        }
        // Once steered it stays so. Sockets that a successor has added to the group are in it for as long as
        // any of its processes lives, and would get their share. And a sender keeps its worker.
        self.steered.set(true);
        self.keep_to(slots)
    }

    /// Has nothing come to the sockets of others than these slots, also not to those that a successor adds
    /// to the group: they have no workers before it takes over.
    pub(super) fn keep_to(&self, slots: &[usize]) -> io::Result<()> {
        let places: Vec<_> =
            slots.iter().copied().filter(|slot| *slot < self.sockets.len()).collect();
        let (Some(socket), Some(last)) = (self.group.and(self.sockets.first()), places.last())
        else {
            return Ok(());
        };
        let socket = socket.as_fd();
        match self.accept {
            Accept::Balanced => Ok(()),
            Accept::PerWorker if self.takes_connections() => {
                sys::sockets::steer(socket, Steering::Random, &places)
            }
            Accept::PerWorker => sys::sockets::steer(socket, Steering::Sender, &places),
            Accept::ByCpu => {
                // Each processor keeps its own worker; where there is none, another one does it.
                let of = |number| {
                    if places.contains(&number) { number } else { places[number % places.len()] }
                };
                let places: Vec<_> = (0..=*last).map(of).collect();
                sys::sockets::steer(socket, Steering::Processor, &places)
            }
        }
    }

    /// As `steer`, where another process may have steered the group meanwhile.
    pub(super) fn steer_again(&self, slots: &[usize]) -> io::Result<()> {
        self.steered.set(true);
        self.steer(slots)
    }

    fn open_file(&mut self, path: &Path) -> io::Result<()> {
        // A name that begins with @ is in the abstract space, without a file.
        let name = path.to_str().and_then(|path| path.strip_prefix('@'));
        let address = match name {
            Some(name) => SockAddr::unix(format!("\0{name}"))?,
            None => SockAddr::unix(path)?,
        };
        if name.is_none() {
            remove_stale(path)?;
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&address)?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        self.sockets.push(socket.into());
        if name.is_none() {
            self.note_file(path);
        }
        Ok(())
    }

    fn note_file(&mut self, path: &Path) {
        if let Ok(data) = fs::symlink_metadata(path) {
            self.file = Some((data.dev(), data.ino(), path.to_owned()));
        }
    }

    fn opened(&self, address: SocketAddr, reuse_port: bool) -> io::Result<Socket> {
        let socket = bound(address, self.kind, reuse_port)?;
        if self.kind == Type::STREAM {
            socket.listen(BACKLOG)?;
        }
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    /// Has the system refuse connections from now on, for all processes that have the sockets but those at
    /// these places. What is in their queues is lost: nothing must be.
    pub(super) fn refuse_except(&mut self, left: &BTreeSet<usize>) {
        if self.kind != Type::STREAM || !self.owned {
            return;
        }
        for (place, socket) in self.sockets.iter().enumerate() {
            if !left.contains(&place) && self.closed.insert(place) {
                let _ = SockRef::from(socket).shutdown(Shutdown::Read);
            }
        }
    }

    /// How many sockets there are.
    pub(super) fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Removes the file of a Unix socket, if it is still the one that was opened here.
    pub(super) fn remove_file(&self) {
        if let Some((device, number, path)) = &self.file {
            let same = fs::symlink_metadata(path)
                .is_ok_and(|data| (data.dev(), data.ino()) == (*device, *number));
            if same {
                let _ = fs::remove_file(path);
            }
        }
    }

    /// The sockets that the worker of a slot serves.
    pub(super) fn of_slot(&self, slot: usize) -> Option<BorrowedFd<'_>> {
        if self.group.is_some() && self.sockets.len() > 1 {
            return self.sockets.get(slot % self.sockets.len()).map(|socket| socket.as_fd());
        }
        self.sockets.first().map(|socket| socket.as_fd())
    }

    /// Whether each worker has a socket of its own.
    pub(super) fn is_group(&self) -> bool {
        self.group.is_some() && self.sockets.len() > 1
    }

    /// Whether what arrives waits to be accepted, and not only to be read.
    pub(super) fn takes_connections(&self) -> bool {
        self.kind == Type::STREAM
    }

    /// Whether datagrams wait in the socket of a slot.
    pub(super) fn has_datagrams(&self, slot: usize) -> bool {
        self.is_group()
            && !self.takes_connections()
            && self.sockets.get(slot).is_some_and(|own| sys::poll::is_readable(own.as_raw_fd()))
    }

    /// The sockets of a group, with their slots.
    pub(super) fn group(&self) -> impl Iterator<Item = (usize, BorrowedFd<'_>)> {
        let sockets = if self.is_group() { &self.sockets[..] } else { &[] };
        sockets.iter().enumerate().map(|(slot, socket)| (slot, socket.as_fd()))
    }

    pub(super) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        self.sockets.iter().map(|socket| socket.as_raw_fd())
    }

    /// The address, for people.
    pub(super) fn address(&self) -> String {
        self.sockets.first().map_or_else(String::new, |socket| address_of(&SockRef::from(socket)))
    }
}

fn address_of(socket: &Socket) -> String {
    let Ok(address) = socket.local_addr() else {
        return "?".into();
    };
    match (address.as_socket(), address.as_pathname()) {
        (Some(address), _) => address.to_string(),
        (_, Some(path)) => format!("unix:{}", path.display()),
        _ => {
            let name = address.as_abstract_namespace().unwrap_or_default();
            format!("unix:@{}", String::from_utf8_lossy(name))
        }
    }
}

fn bound(address: SocketAddr, kind: Type, reuse_port: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if kind == Type::STREAM {
        // Connections of an earlier run may still be closing. Datagrams have none, and would be shared.
        socket.set_reuse_address(true)?;
    }
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Removes the socket that a process has left behind that was killed. One that somebody listens on
/// is not touched.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(data) if !data.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file, and no socket"))
        }
        Ok(_) => match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
            Err(error) => Err(error),
        },
    }
}
