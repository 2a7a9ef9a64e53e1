//! The example programs about sockets do what their first lines promise.

#[path = "support/folder.rs"]
mod folder;
mod programs;

use std::{
    io::{self, BufRead, BufReader, Read, Write},
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
        ("graceful_shutdown", &["--grace"]),
        ("graceful_shutdown", &["--grace", "-1"]),
        ("graceful_shutdown", &[ANY_PORT, ANY_PORT]),
        ("line_protocol", &["--help"]),
        ("line_protocol", &[ANY_PORT, ANY_PORT]),
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

#[test]
fn graceful_shutdown_answers_who_waits_and_says_goodbye_to_the_idle() {
    let (mut server, address) = Program::start_server("graceful_shutdown", &[ANY_PORT]);
    let idle = programs::connect(address);
    let busy = programs::connect(address);
    (&busy).write_all(b"first\nsecond\n").unwrap();
    let mut answers = BufReader::new(&busy);
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    // The next one is being worked on, or will be found in the buffer.
    server.signal("INT");
    assert_eq!(server.line(), "shutting down, 2 open");
    answers.read_to_string(&mut line).unwrap();
    let goodbye = "the server is shutting down, goodbye\n";
    let expected = [format!("first\nsecond\n{goodbye}"), format!("first\n{goodbye}")];
    assert!(expected.contains(&line), "{line:?}");
    assert_eq!(io::read_to_string(&idle).unwrap(), goodbye);
    assert!(server.line().starts_with("2 drained and 0 cut in "));
    assert!(server.wait().success());
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn graceful_shutdown_cuts_who_does_not_end_in_time() {
    for by_signal in [false, true] {
        let grace = if by_signal { "1000" } else { "0.01" };
        let arguments = [ANY_PORT, "--grace", grace];
        let (mut server, address) = Program::start_server("graceful_shutdown", &arguments);
        let client = programs::connect(address);
        // Both come in one segment: whoever has answered the first is at work on the second.
        (&client).write_all(b"0\n100000\n").unwrap();
        let mut first = [0; 2];
        (&client).read_exact(&mut first).unwrap();
        server.signal("INT");
        assert_eq!(server.line(), "shutting down, 1 open");
        if by_signal {
            server.signal("INT");
        }
        let report = server.line();
        let own = format!(" ({} after ", client.local_addr().unwrap());
        assert!(report.starts_with("0 drained and 1 cut in ") && report.contains(&own), "{report}");
        assert!(server.wait().success());
    }
}

#[test]
fn line_protocol_keeps_what_it_is_told_for_all_clients() {
    let (server, address) = Program::serve("line_protocol", &[ANY_PORT]);
    let ask = |text: &str| {
        let client = programs::connect(address);
        (&client).write_all(text.as_bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        io::read_to_string(&client).unwrap()
    };
    let told = "SET name some value\r\nGET name\nGET other\nSET empty \nGET empty\nCOUNT\n";
    assert_eq!(ask(told), "OK\nOK some value\nNONE\nOK\nOK \nOK 2\n");
    assert_eq!(
        ask("KEYS\nDEL name\nDEL name\nKEYS\n"),
        "OK empty name\nOK some value\nNONE\nOK empty\n"
    );
    assert_eq!(ask("GET empty\nQUIT\nGET empty\n"), "OK \n");
    for nonsense in ["", "get name", "GET", "GET a b", "SET a", "KEYS a", "KEYSKEYS"] {
        let answer = ask(&format!("{nonsense}\nCOUNT\n"));
        let (first, second) = answer.split_once('\n').unwrap();
        assert!(first.starts_with("ERROR it is SET"), "{nonsense}: {answer}");
        assert_eq!(second, "OK 1\n");
    }
    assert!(server.interrupt().success());
}

#[test]
fn line_protocol_skips_what_is_too_long_or_no_text_and_goes_on() {
    let (server, address) = Program::serve("line_protocol", &[ANY_PORT]);
    let client = programs::connect(address);
    let fits = format!("SET long {}\n", "x".repeat(1015));
    let too_long = format!("SET longer {}\n", "x".repeat(100_000));
    (&client).write_all(fits.as_bytes()).unwrap();
    (&client).write_all(too_long.as_bytes()).unwrap();
    (&client).write_all(b"SET name \xff\xff\nCOUNT\n").unwrap();
    // The end of the stream ends a line as well.
    (&client).write_all(b"GET longer").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let answers = io::read_to_string(&client).unwrap();
    let lines: Vec<_> = answers.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[3], lines[4]), (5, "OK", "OK 1", "NONE"), "{answers}");
    assert!(lines[1].starts_with("ERROR") && lines[2].starts_with("ERROR"), "{answers}");
    assert!(server.interrupt().success());
}

#[test]
fn line_protocol_answers_a_client_that_never_waits_in_order() {
    let (server, address) = Program::serve("line_protocol", &[ANY_PORT]);
    let client = programs::connect(address);
    let mut questions = String::new();
    let mut expected = String::new();
    for number in 0..5000 {
        questions += &format!("SET key {number}\nGET key\n");
        expected += &format!("OK\nOK {number}\n");
    }
    let answers = thread::scope(|scope| {
        scope.spawn(|| {
            (&client).write_all(questions.as_bytes()).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        });
        io::read_to_string(&client).unwrap()
    });
    assert_same(answers.as_bytes(), expected.as_bytes());
    assert!(server.interrupt().success());
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
