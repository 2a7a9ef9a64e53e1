//! UDP and Unix sockets of green threads wait, do not wait, are cloned and converted as the standard
//! library's are, and as the TCP sockets of green threads are.

#[path = "support/folder.rs"]
mod folder;
mod green_support;

use std::{
    io::{ErrorKind, Read, Write},
    os::unix::net as unix,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    thread,
};

use folder::Folder;
use green_support::{OnDrop, run};
use greenloop::green::{
    self, Wait,
    net::{UdpSocket, UnixDatagram, UnixListener, UnixStream},
};

/// A program that calls what has to do with waiting and with handles, and notes what came of it.
macro_rules! program {
    ($name:ident: use $($ip:ident)::+, $($unix:ident)::+) => {
        mod $name {
            use std::{
                io::{self, IoSlice, IoSliceMut, Read, Write},
                os::fd::{AsFd, AsRawFd, OwnedFd},
                panic::{RefUnwindSafe, UnwindSafe},
                path::PathBuf,
                time::Duration,
            };
            use $($ip)::+::UdpSocket;
            use $($unix)::+::{UnixDatagram, UnixListener, UnixStream};

            const SHORT: Duration = Duration::from_millis(20);

            fn is_plain<T>(socket: &T)
            where
                T: AsFd + AsRawFd + Send + Sync + Unpin + UnwindSafe + RefUnwindSafe,
            {
                assert_eq!(socket.as_fd().as_raw_fd(), socket.as_raw_fd());
            }

            fn kind<T>(result: io::Result<T>) -> String {
                match result {
                    Ok(_) => "fine".to_owned(),
                    Err(error) => format!("{:?}", error.kind()),
                }
            }

            /// Sends until there is no more room.
            fn fill<T>(mut send: impl FnMut() -> io::Result<T>) -> String {
                loop {
                    if let Err(error) = send() {
                        return kind::<()>(Err(error));
                    }
                }
            }

            macro_rules! note_limits {
                ($note:ident, $socket:expr) => {
                    for limit in [None, Some(Duration::ZERO), Some(Duration::from_secs(3600))] {
                        $note(kind($socket.set_read_timeout(limit)));
                        $note(kind($socket.set_write_timeout(limit)));
                        let both = ($socket.read_timeout(), $socket.write_timeout());
                        $note(format!("{both:?}"));
                    }
                    $socket.set_read_timeout(Some(SHORT)).unwrap();
                    $socket.set_write_timeout(Some(SHORT)).unwrap();
                    let clone = $socket.try_clone().unwrap();
                    $note(format!("{:?} {:?}", clone.read_timeout(), clone.write_timeout()));
                };
            }

            pub(crate) fn run(folder: PathBuf) -> Vec<String> {
                let mut log = Vec::new();
                let mut note = |what: String| log.push(what);
                udp(&mut note);
                streams(&mut note, folder.join("stream"));
                datagrams(&mut note, folder.join("datagram"));
                log
            }

            fn udp(note: &mut impl FnMut(String)) {
                let ours = UdpSocket::bind("127.0.0.1:0").unwrap();
                let theirs = UdpSocket::bind("127.0.0.1:0").unwrap();
                let address = ours.local_addr().unwrap();
                ours.connect(theirs.local_addr().unwrap()).unwrap();
                is_plain(&ours);
                let mut buffer = [0; 8];
                note_limits!(note, ours);
                let same = ours.try_clone().unwrap();
                for nonblocking in [true, false] {
                    same.set_nonblocking(nonblocking).unwrap();
                    note(kind(ours.recv(&mut buffer)));
                    note(kind(ours.recv_from(&mut buffer)));
                    note(kind(ours.peek(&mut buffer)));
                    note(kind(ours.peek_from(&mut buffer)));
                    note(format!("{:?}", ours.send(b"one")));
                    note(format!("{:?}", theirs.recv(&mut buffer)));
                    note(kind(theirs.send_to(b"two", &[][..])));
                    note(kind(theirs.send_to(b"two", "127.0.0.1")));
                    note(format!("{:?}", theirs.send_to(b"two", address)));
                    note(format!("{:?}", theirs.send_to(b"three", ("127.0.0.1", address.port()))));
                    // It may stand for an address of IPv6 first.
                    note(kind(theirs.send_to(b"", ("localhost", address.port()))));
                    note(format!("{:?}", ours.peek(&mut buffer)));
                    note(format!("{}", ours.peek_from(&mut buffer).unwrap().0));
                    note(format!("{:?}", ours.recv(&mut buffer)));
                    note(format!("{}", ours.recv_from(&mut buffer).unwrap().0));
                    note(kind(ours.recv(&mut buffer)));
                }
                let fd = OwnedFd::from(std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
                let socket = UdpSocket::try_from(fd).unwrap();
                note(format!("{:?}", socket.send_to(b"from a descriptor", address)));
            }

            fn streams(note: &mut impl FnMut(String), path: PathBuf) {
                let listener = UnixListener::bind(&path).unwrap();
                is_plain(&listener);
                let same = listener.try_clone().unwrap();
                same.set_nonblocking(true).unwrap();
                note(kind(listener.accept()));
                note(kind(listener.incoming().next().unwrap()));
                let mut client = UnixStream::connect(&path).unwrap();
                let (mut server, _) = listener.accept().unwrap();
                note(kind(listener.accept()));
                same.set_nonblocking(false).unwrap();

                is_plain(&client);
                note_limits!(note, client);
                let same = client.try_clone().unwrap();
                let mut buffer = [0; 8];
                for nonblocking in [true, false] {
                    same.set_nonblocking(nonblocking).unwrap();
                    note(kind(client.read(&mut buffer)));
                    note(kind(client.read_vectored(&mut [IoSliceMut::new(&mut buffer)])));
                    note(fill(|| client.write(&[b'.'; 4096])));
                    note(kind(client.write_vectored(&[IoSlice::new(b"more")])));
                    note(format!("{:?}", server.write(b"here")));
                    note(format!("{:?}", client.read(&mut buffer)));
                }
                drop((client, same));
                note(kind(server.write(b"x")));

                let fd = OwnedFd::from(std::os::unix::net::UnixStream::connect(&path).unwrap());
                let mut client = UnixStream::try_from(fd).unwrap();
                let (server, _) = listener.accept().unwrap();
                (&server).write_all(b"bye").unwrap();
                drop(server);
                let mut text = String::new();
                client.read_to_string(&mut text).unwrap();
                note(text);
                let path = path.with_file_name("other");
                let fd = OwnedFd::from(std::os::unix::net::UnixListener::bind(&path).unwrap());
                let listener = UnixListener::try_from(fd).unwrap();
                let _client = UnixStream::connect(&path).unwrap();
                note(kind(listener.accept()));
            }

            fn datagrams(note: &mut impl FnMut(String), path: PathBuf) {
                let server = UnixDatagram::bind(&path).unwrap();
                let client = UnixDatagram::unbound().unwrap();
                is_plain(&client);
                client.connect(&path).unwrap();
                note_limits!(note, client);
                server.set_read_timeout(Some(SHORT)).unwrap();
                let same = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let mut buffer = [0; 8];
                for nonblocking in [true, false] {
                    same.0.set_nonblocking(nonblocking).unwrap();
                    same.1.set_nonblocking(nonblocking).unwrap();
                    note(kind(server.recv(&mut buffer)));
                    note(kind(server.recv_from(&mut buffer)));
                    note(fill(|| client.send(b"full")));
                    note(fill(|| client.send_to(b"full", &path)));
                    note(format!("{:?}", server.recv(&mut buffer)));
                    note(format!("{}", server.recv_from(&mut buffer).unwrap().0));
                    note(format!("{:?}", client.send(b"next")));
                    note(format!("{:?}", client.send_to(b"next", &path)));
                    server.set_nonblocking(true).unwrap();
                    note(fill(|| server.recv(&mut buffer)));
                }
                note(kind(client.send_to(b"x", path.with_file_name("nobody"))));
                let fd = OwnedFd::from(std::os::unix::net::UnixDatagram::unbound().unwrap());
                let socket = UnixDatagram::try_from(fd).unwrap();
                note(format!("{:?}", socket.send_to(b"from a descriptor", &path)));
            }
        }
    };
}

program!(with_std: use std::net, std::os::unix::net);
program!(with_green: use greenloop::green::net, greenloop::green::net);

#[test]
fn a_program_does_the_same_as_with_the_standard_library() {
    let folders = (Folder::new(), Folder::new());
    let of_std = folders.0.as_ref().to_owned();
    let expected = thread::spawn(|| with_std::run(of_std)).join().unwrap();
    let of_green = folders.1.as_ref().to_owned();
    let found = run(|| with_green::run(of_green));
    assert!(expected.len() > 80, "{}", expected.len());
    for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "in line {number}");
    }
    assert_eq!(found.len(), expected.len());
}

/// Tries until it is there.
fn insist<T>(mut operation: impl FnMut() -> std::io::Result<T>) -> T {
    loop {
        match operation() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            result => return result.unwrap(),
        }
    }
}

/// A socket of each kind, none of which has anything to give or waits, and their path.
struct Sockets {
    udp: UdpSocket,
    listener: UnixListener,
    stream: UnixStream,
    datagram: UnixDatagram,
    peer: UnixStream,
    datagram_peer: UnixDatagram,
    path: PathBuf,
    _folder: Folder,
}

/// They are made of std's, so that nothing has to wait.
fn sockets() -> Sockets {
    let folder = Folder::new();
    let path = folder.path("s");
    let (stream, peer) = UnixStream::pair().unwrap();
    let (datagram, datagram_peer) = UnixDatagram::pair().unwrap();
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let listener = unix::UnixListener::bind(&path).unwrap();
    let sockets = Sockets {
        udp: UdpSocket::from_std(udp).unwrap(),
        listener: UnixListener::from_std(listener).unwrap(),
        stream,
        datagram,
        peer,
        datagram_peer,
        path,
        _folder: folder,
    };
    sockets.udp.set_nonblocking(true).unwrap();
    sockets.listener.set_nonblocking(true).unwrap();
    sockets.stream.set_nonblocking(true).unwrap();
    sockets.datagram.set_nonblocking(true).unwrap();
    sockets
}

impl Sockets {
    /// Whether every operation that has nothing to do gives the error of one that must not wait.
    fn would_block(&self) {
        let mut buffer = [0; 8];
        let results = [
            self.udp.recv(&mut buffer),
            self.udp.recv_from(&mut buffer).map(|(count, _)| count),
            self.udp.peek(&mut buffer),
            self.udp.peek_from(&mut buffer).map(|(count, _)| count),
            self.listener.accept().map(|_| 0),
            (&self.stream).read(&mut buffer),
            self.datagram.recv(&mut buffer),
            self.datagram.recv_from(&mut buffer).map(|(count, _)| count),
            loop_until_full(|| (&self.stream).write(&[b'.'; 4096])),
            loop_until_full(|| self.datagram.send(b"full")),
        ];
        for (number, result) in results.into_iter().enumerate() {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::WouldBlock, "operation {number}");
        }
    }
}

fn loop_until_full(mut send: impl FnMut() -> std::io::Result<usize>) -> std::io::Result<usize> {
    while send().is_ok() {}
    send()
}

#[test]
fn one_that_tries_again_and_again_finds_what_comes() {
    run(|| {
        let sockets = sockets();
        sockets.would_block();
        let address = sockets.udp.local_addr().unwrap();
        let path = sockets.path.clone();
        let others = green::spawn(move || {
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            let turn = || (0..10).for_each(|_| green::yield_now());
            turn();
            udp.send_to(b"one", address).unwrap();
            turn();
            let stream = UnixStream::connect(path).unwrap();
            turn();
            (&sockets.peer).write_all(b"three").unwrap();
            turn();
            sockets.datagram_peer.send(b"four").unwrap();
            (udp, stream)
        });
        let mut buffer = [0; 8];
        assert_eq!(insist(|| sockets.udp.recv(&mut buffer)), 3);
        insist(|| sockets.listener.accept());
        assert_eq!(insist(|| (&sockets.stream).read(&mut buffer)), 5);
        assert_eq!(insist(|| sockets.datagram.recv(&mut buffer)), 4);
        others.wait().unwrap();
    });
}

#[test]
fn without_waiting_they_may_be_used_anywhere_in_the_loop() {
    greenloop::run(async {
        let sockets = sockets();
        sockets.would_block();
        let address = sockets.udp.local_addr().unwrap();
        assert_eq!(sockets.udp.send_to(b"me", address).unwrap(), 2);
        assert_eq!(sockets.udp.recv_from(&mut [0; 8]).unwrap(), (2, address));
        let _client = greenloop::net::UnixStream::connect(&sockets.path).await.unwrap();
        // It is the listener that does not wait, and not what it gives.
        sockets.listener.accept().unwrap();
        sockets.peer.as_async().write(b"x").await.unwrap();
        assert_eq!((&sockets.stream).read(&mut [0; 8]).unwrap(), 1);
        sockets.datagram_peer.as_async().send(b"x").await.unwrap();
        assert_eq!(sockets.datagram.recv(&mut [0; 8]).unwrap(), 1);
    });
}

#[test]
fn in_a_destructor_that_a_panic_runs_they_do_what_they_can() {
    run(|| {
        let sockets = sockets();
        // Those that would otherwise wait for ever, too.
        sockets.udp.set_nonblocking(false).unwrap();
        sockets.listener.set_nonblocking(false).unwrap();
        sockets.stream.set_nonblocking(false).unwrap();
        sockets.datagram.set_nonblocking(false).unwrap();
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _goodbye = OnDrop::new(|| sockets.would_block());
            panic!("no bread");
        }));
        assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"no bread"));
    });
}

#[test]
fn what_is_accepted_waits_as_ever() {
    run(|| {
        let sockets = sockets();
        let mut client = UnixStream::connect(&sockets.path).unwrap();
        let (mut server, _) = sockets.listener.accept().unwrap();
        let writer = green::spawn(move || {
            green::yield_now();
            client.write_all(b"x").unwrap();
        });
        server.read_exact(&mut [0]).unwrap();
        writer.wait().unwrap();
    });
}

/// Gives the last clone and another to std, both of which must be the same socket.
macro_rules! assert_goes_back {
    ($socket:expr) => {{
        let kept = $socket.try_clone().unwrap();
        let duplicate = $socket.into_std().unwrap();
        let last = kept.into_std().unwrap();
        let addresses = [duplicate.local_addr().unwrap(), last.local_addr().unwrap()];
        assert_eq!(format!("{:?}", addresses[0]), format!("{:?}", addresses[1]));
        last.set_nonblocking(false).unwrap();
        last
    }};
}

#[test]
fn they_go_back_to_the_standard_library() {
    run(|| {
        let sockets = sockets();
        // They have had to wait, so they are known to the loop.
        sockets.would_block();
        let udp = assert_goes_back!(sockets.udp);
        udp.send_to(b"me", udp.local_addr().unwrap()).unwrap();
        assert_eq!(udp.recv(&mut [0; 8]).unwrap(), 2);

        let listener = assert_goes_back!(sockets.listener);
        let _client = unix::UnixStream::connect(&sockets.path).unwrap();
        listener.accept().unwrap();

        let stream = assert_goes_back!(sockets.stream);
        (&sockets.peer).write_all(b"here").unwrap();
        assert_eq!((&stream).read(&mut [0; 8]).unwrap(), 4);

        let datagram = assert_goes_back!(sockets.datagram);
        sockets.datagram_peer.send(b"here").unwrap();
        assert_eq!(datagram.recv(&mut [0; 8]).unwrap(), 4);
    });
}

#[test]
fn the_last_clone_of_a_listener_removes_its_file() {
    let folder = Folder::new();
    let path = folder.path("s");
    run(move || {
        let options = greenloop::net::UnixListener::options().remove_on_drop(true);
        let listener = UnixListener::from_async(options.bind(&path).unwrap());
        let clone = listener.try_clone().unwrap();
        drop(listener);
        let _client = UnixStream::connect(&path).unwrap();
        clone.accept().unwrap();
        drop(clone);
        assert!(!path.exists());
    });
}
