//! The example programs about sockets do what their first lines promise.

#[path = "support/folder.rs"]
mod folder;
mod programs;

use std::{
    io::{self, Read, Write},
    net::{Shutdown, UdpSocket},
    os::unix::net::UnixStream,
    path::Path,
    thread,
    time::Duration,
};

use folder::Folder;
use programs::{Program, assert_same, noise};

const ANY_PORT: &str = "127.0.0.1:0";

/// After this a peer counts as stuck.
const STUCK: Duration = Duration::from_secs(60);

#[test]
fn bad_arguments_give_a_usage_line_and_status_2() {
    let cases: &[(&str, &[&str])] = &[
        ("udp_echo", &["--lower"]),
        ("udp_echo", &[ANY_PORT, ANY_PORT]),
        ("unix_echo", &[]),
        ("unix_echo", &["path", "path"]),
    ];
    for (name, arguments) in cases {
        let ended = Program::run(name, arguments);
        assert_eq!(ended.status.code(), Some(2), "{name} {arguments:?}: {ended:?}");
        assert!(ended.stderr.starts_with(&format!("usage: {name}")), "{ended:?}");
    }
}

#[test]
fn udp_echo_sends_back_every_datagram_to_its_sender() {
    let (server, address) = Program::serve("udp_echo", &[ANY_PORT]);
    let clients: Vec<_> = (0..10)
        .map(|_| {
            let client = UdpSocket::bind(ANY_PORT).unwrap();
            client.connect(address).unwrap();
            client.set_read_timeout(Some(STUCK)).unwrap();
            client
        })
        .collect();
    let mut buffer = vec![0; 70_000];
    // From nothing at all to the longest that there is; one at a time, since the kernel drops what
    // does not fit into the server's queue.
    for length in [0, 1, 1000, 9000, 65_507] {
        for (seed, client) in clients.iter().enumerate() {
            client.send(&noise(seed as u64, length)).unwrap();
            let count = client.recv(&mut buffer).unwrap();
            assert!(buffer[..count] == noise(seed as u64, length), "{count} of {length}");
        }
    }
    // And from all clients at once.
    for (seed, client) in clients.iter().enumerate() {
        client.send(&noise(seed as u64, 100)).unwrap();
    }
    for (seed, client) in clients.iter().enumerate() {
        let count = client.recv(&mut buffer).unwrap();
        assert!(buffer[..count] == noise(seed as u64, 100));
    }
    assert!(server.interrupt().success());
}

#[test]
fn udp_echo_survives_clients_that_do_not_wait_for_the_answer() {
    let (_server, address) = Program::serve("udp_echo", &[ANY_PORT, "--upper"]);
    for _ in 0..100 {
        let client = UdpSocket::bind(ANY_PORT).unwrap();
        client.send_to(b"bye", address).unwrap();
    }
    let client = UdpSocket::bind(ANY_PORT).unwrap();
    client.connect(address).unwrap();
    client.set_read_timeout(Some(STUCK)).unwrap();
    client.send("Grüße".as_bytes()).unwrap();
    let mut buffer = [0; 100];
    let answer = client.recv(&mut buffer).map(|count| String::from_utf8_lossy(&buffer[..count]));
    assert_eq!(answer.map_err(|error: io::Error| error.kind()), Ok("GRüßE".into()));
}

#[test]
fn unix_echo_sends_back_every_byte_of_every_client() {
    let folder = Folder::new();
    let path = folder.path("s");
    let (server, printed) = Program::serve_at("unix_echo", &[path.to_str().unwrap()]);
    assert_eq!(Path::new(&printed), path);
    thread::scope(|scope| {
        for seed in 0..10 {
            let path = &path;
            scope.spawn(move || {
                let message = noise(seed, seed as usize * 300_000);
                assert_same(&say_all_and_hear_all(path, &message), &message);
            });
        }
    });
    assert!(server.interrupt().success());
    assert!(folder.names().is_empty());
}

#[test]
fn unix_echo_takes_over_from_a_killed_one_and_not_from_one_that_lives() {
    let folder = Folder::new();
    let path = folder.path("s");
    let arguments = [path.to_str().unwrap(), "--upper"];
    let (killed, _) = Program::serve_at("unix_echo", &arguments);
    drop(killed);
    assert_eq!(folder.names(), ["s"]);

    let (_server, _) = Program::serve_at("unix_echo", &arguments);
    let ended = Program::run("unix_echo", &arguments);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("in use"), "{ended:?}");
    assert_eq!(say_all_and_hear_all(&path, b"still here?"), b"STILL HERE?");
}

/// Writes while it reads, ends its direction, and gives what it read until the other's end.
fn say_all_and_hear_all(path: &Path, message: &[u8]) -> Vec<u8> {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(STUCK)).unwrap();
    stream.set_write_timeout(Some(STUCK)).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            (&stream).write_all(message).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        });
        let mut heard = Vec::new();
        (&stream).read_to_end(&mut heard).unwrap();
        heard
    })
}
