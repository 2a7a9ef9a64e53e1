//! The Unix sockets of green threads are used as those of the standard library are, and only the
//! green thread waits.

#[path = "support/folder.rs"]
mod folder;
mod green_support;

use std::{
    io::{BufRead, BufReader, ErrorKind, IoSlice, Read, Write},
    net::Shutdown,
    os::fd::{AsFd, AsRawFd},
    thread,
    time::{Duration, Instant},
};

use folder::Folder;
use green_support::{OnDrop, run};
use greenloop::green::{
    self, Wait,
    net::{UnixDatagram, UnixListener, UnixStream},
};

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn an_echo_server_is_written_as_with_std() {
    let folder = Folder::new();
    let path = folder.path("s");
    run(move || {
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*path));
        let server = green::spawn(move || {
            for stream in listener.incoming().take(20) {
                let stream = stream.unwrap();
                green::spawn(move || std::io::copy(&mut &stream, &mut &stream).unwrap());
            }
        });
        let clients = (0..20).map(|number| {
            let path = path.clone();
            green::spawn(move || {
                let mut stream = UnixStream::connect(&path).unwrap();
                for round in 0..5 {
                    let text = format!("client {number} round {round}\n");
                    stream.write_all(text.as_bytes()).unwrap();
                    let mut reply = String::new();
                    BufReader::new(&stream).read_line(&mut reply).unwrap();
                    assert_eq!(reply, text);
                }
                stream.shutdown(Shutdown::Write).unwrap();
                assert_eq!(stream.read(&mut [0]).unwrap(), 0);
            })
        });
        for client in green::join_all(clients) {
            client.unwrap();
        }
        server.wait().unwrap();
    });
}

#[test]
fn a_peer_of_the_standard_library_sees_no_difference() {
    let folder = Folder::new();
    let path = folder.path("s");
    run(move || {
        let listener = UnixListener::bind(&path).unwrap();
        let peer = thread::spawn(move || {
            let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
            stream.write_all(b"hello").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        });
        let (mut stream, peer_address) = listener.accept().unwrap();
        assert!(peer_address.is_unnamed());
        assert_eq!(stream.peer_cred().unwrap().pid(), i32::try_from(std::process::id()).ok());
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let upper = text.to_uppercase();
        assert_eq!(stream.write_vectored(&[IoSlice::new(upper.as_bytes())]).unwrap(), 5);
        drop(stream);
        assert_eq!(peer.join().unwrap(), "HELLO");
    });
}

#[test]
fn time_outs_end_reads_and_writes_and_clones_share_them() {
    run(|| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let clone = ours.try_clone().unwrap();
        assert_eq!(clone.as_fd().as_raw_fd(), ours.as_raw_fd());
        clone.set_read_timeout(Some(SHORT)).unwrap();
        clone.set_write_timeout(Some(SHORT)).unwrap();
        let start = Instant::now();
        let error = (&ours).read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        let error = loop {
            if let Err(error) = (&ours).write(&[b'.'; 4096]) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(start.elapsed() >= 2 * SHORT);
        assert_eq!(ours.read_timeout().unwrap(), Some(SHORT));
        assert_eq!(ours.write_timeout().unwrap(), Some(SHORT));
        assert!(ours.set_read_timeout(Some(Duration::ZERO)).is_err());
        (&theirs).write_all(b"x").unwrap();
        assert_eq!((&ours).read(&mut [0; 8]).unwrap(), 1);
    });
}

#[test]
fn errors_are_those_of_the_system() {
    let folder = Folder::new();
    let path = folder.path("s");
    run(move || {
        assert_eq!(UnixStream::connect(&path).unwrap_err().kind(), ErrorKind::NotFound);
        drop(UnixListener::bind(&path).unwrap());
        assert_eq!(UnixStream::connect(&path).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(UnixListener::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        let listener = greenloop::net::UnixListener::options().replace_stale(true).bind(&path);
        let listener = UnixListener::from_async(listener.unwrap());
        let _client = UnixStream::connect(&path).unwrap();
        listener.accept().unwrap();
        assert!(listener.take_error().unwrap().is_none());
        assert!(listener.as_async().local_addr().unwrap().as_pathname().is_some());
    });
}

#[test]
fn a_killed_thread_closes_its_stream() {
    run(|| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let reader = green::spawn(move || (&ours).read(&mut [0]));
        green::sleep(Duration::from_millis(1));
        reader.abort_and_wait().wait().unwrap_err();
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn datagrams_wait_for_room_and_for_one_another() {
    let folder = Folder::new();
    let path = folder.path("s");
    run(move || {
        let server = UnixDatagram::bind(&path).unwrap();
        let sender = green::spawn(move || {
            let client = UnixDatagram::unbound().unwrap();
            client.connect(&path).unwrap();
            for number in 0..1000_u32 {
                client.send(&number.to_le_bytes()).unwrap();
                client.send_to(b"and", &path).unwrap();
            }
        });
        let mut buffer = [0; 8];
        for number in 0..1000_u32 {
            assert_eq!(server.recv(&mut buffer).unwrap(), 4);
            assert_eq!(buffer[..4], number.to_le_bytes());
            let (count, from) = server.recv_from(&mut buffer).unwrap();
            assert!(count == 3 && from.is_unnamed());
        }
        sender.wait().unwrap();
        server.set_read_timeout(Some(SHORT)).unwrap();
        assert_eq!(server.recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_destructor_says_goodbye_but_does_not_wait_while_a_panic_unwinds() {
    run(|| {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let thread = green::spawn(move || {
            let _bye = OnDrop::new(move || {
                ours.write_all(b"bye").unwrap();
                assert_eq!(ours.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
            });
            panic!("on purpose");
        });
        let mut text = String::new();
        theirs.read_to_string(&mut text).unwrap();
        assert_eq!(text, "bye");
        assert!(thread.wait().unwrap_err().is_panic());
    });
}
