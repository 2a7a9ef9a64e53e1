//! The programs in `examples/` do what their first lines promise.

mod programs;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
};

use programs::{
    ANY_PORT, Program, assert_same, connect,
    echo::{self, assert_ended, reset, say_all_and_hear_all},
    limit, noise,
};
use socket2::{Domain, Socket, Type};

#[test]
fn bad_arguments_give_a_usage_line_and_status_2() {
    let cases: &[(&str, &[&str])] = &[
        ("echo_server", &["--lower"]),
        ("echo_server", &[ANY_PORT, ANY_PORT]),
        #[cfg(all(feature = "launcher", target_os = "linux"))]
        ("echo_prefork", &["--workers", "many"]),
        #[cfg(all(feature = "launcher", target_os = "linux"))]
        ("echo_prefork_green", &["--workers"]),
        #[cfg(all(feature = "launcher", target_os = "linux"))]
        ("hot_restart", &["--rolls", "-1"]),
        ("echo_client", &["--clients"]),
        ("echo_client", &["--messages", "many"]),
        ("echo_client", &["--size", "0"]),
        ("echo_client", &["--loud"]),
        ("sleepers", &["11"]),
        ("timers", &["50"]),
        ("port_forward", &[]),
        ("port_forward", &[ANY_PORT]),
        ("port_forward", &[ANY_PORT, ANY_PORT, ANY_PORT]),
        ("chat", &["--help"]),
        ("chat", &[ANY_PORT, "room"]),
    ];
    for (name, arguments) in cases {
        let ended = Program::run(name, arguments);
        assert_eq!(ended.status.code(), Some(2), "{name} {arguments:?}: {ended:?}");
        assert!(ended.stderr.starts_with(&format!("usage: {name}")), "{ended:?}");
    }
}

#[test]
fn echo_server_sends_back_every_byte_of_every_client() {
    echo::sends_back_every_byte_of_every_client("echo_server");
}

#[cfg(all(feature = "launcher", target_os = "linux"))]
#[test]
fn echo_prefork_sends_back_every_byte_of_every_client() {
    for name in ["echo_prefork", "echo_prefork_green"] {
        for workers in ["0", "1", "3"] {
            let arguments = [ANY_PORT, "--workers", workers, "--upper"];
            let (server, address) = Program::serve(name, &arguments);
            thread::scope(|scope| {
                for _ in 0..10 {
                    scope.spawn(move || {
                        let answer = say_all_and_hear_all(connect(address), b"hello, workers");
                        assert_eq!(answer, b"HELLO, WORKERS");
                    });
                }
            });
            // Without workers there is no launcher to have a status of its own for Ctrl-C.
            let status = if workers == "0" { 0 } else { 130 };
            assert_eq!(server.interrupt().code(), Some(status), "{name} {workers}");
        }
    }
}

#[cfg(all(feature = "launcher", target_os = "linux"))]
#[test]
fn hot_restart_loses_no_connection() {
    let arguments = ["--upgrades", "1", "--rolls", "2", "--kills", "1"];
    let ended = Program::run("hot_restart", &arguments);
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.stdout.contains("1 upgrades, 2 rolling restarts, 1 workers killed"), "{ended:?}");
    assert!(ended.stdout.contains("\nlost: 0\n"), "{ended:?}");
}

#[test]
fn echo_server_answers_in_capitals_when_asked_to() {
    echo::answers_in_capitals_when_asked_to("echo_server");
}

#[test]
fn echo_server_survives_clients_that_break_off() {
    echo::survives_clients_that_break_off("echo_server");
}

#[test]
fn echo_server_ends_with_status_0_at_ctrl_c_while_clients_are_there() {
    echo::ends_with_status_0_at_ctrl_c_while_clients_are_there("echo_server");
}

#[test]
fn echo_client_is_content_with_an_echo() {
    let (_server, address) = Program::serve("echo_server", &[ANY_PORT]);
    let address = address.to_string();
    for load in [["30", "40", "64"], ["2", "3", "3000000"], ["1", "1", "1"]] {
        let [clients, messages, size] = load;
        let options = ["--clients", clients, "--messages", messages, "--size", size];
        let ended = Program::run("echo_client", &[&[address.as_str()], &options[..]].concat());
        assert!(ended.status.success(), "{ended:?}");
        for expected in ["messages/s", "MB/s", "p50", "p99 ", "p99.9", "max"] {
            assert!(ended.stdout.contains(expected), "{ended:?}");
        }
    }
}

#[test]
fn echo_client_notices_wrong_and_missing_bytes() {
    let (_server, address) = Program::serve("echo_server", &[ANY_PORT, "--upper"]);
    let ended = Program::run("echo_client", &[&address.to_string(), "--size", "1000"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("other bytes came back"), "{ended:?}");

    let listener = TcpListener::bind(ANY_PORT).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mute = thread::spawn(move || {
        let mut client = limit(listener.accept().unwrap().0);
        client.read_exact(&mut [0; 64]).unwrap();
        client.write_all(&[0; 63])
    });
    let ended = Program::run("echo_client", &[&address, "--clients", "1"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    mute.join().unwrap().unwrap();
}

#[test]
fn sleepers_sleep_ten_times_and_then_side_by_side() {
    let ended = Program::run("sleepers", &[]);
    assert!(ended.status.success(), "{ended:?}");
    let seconds = |label: &str| {
        let line = ended.stdout.lines().find_map(|line| line.strip_prefix(label));
        line.unwrap().trim().strip_suffix(" s").unwrap().parse::<f64>().unwrap()
    };
    assert!(seconds("one after the other:") >= 5.0, "{ended:?}");
    assert!(seconds("side by side:") >= 0.5, "{ended:?}");
}

#[test]
fn port_forward_passes_on_the_end_of_the_client_and_then_the_answer() {
    let (target, forwarder, address) = forwarder();
    let message = noise(1, 3_000_000);
    let answer = noise(2, 3_000_000);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = limit(target.accept().unwrap().0);
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).unwrap();
            assert_same(&heard, &message);
            stream.write_all(&answer).unwrap();
        });
        let mut client = connect(address);
        client.write_all(&message).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).unwrap();
        assert_same(&heard, &answer);
    });
    assert!(forwarder.interrupt().success());
}

#[test]
fn port_forward_passes_on_the_end_of_the_target_and_then_what_the_client_says() {
    let (target, _forwarder, address) = forwarder();
    let message = noise(1, 3_000_000);
    let greeting = noise(2, 3_000_000);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = limit(target.accept().unwrap().0);
            stream.write_all(&greeting).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).unwrap();
            assert_same(&heard, &message);
        });
        let mut client = connect(address);
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).unwrap();
        assert_same(&heard, &greeting);
        client.write_all(&message).unwrap();
    });
}

#[test]
fn port_forward_carries_both_directions_at_once() {
    let (_echo, target) = Program::serve("echo_server", &[ANY_PORT]);
    let (_forwarder, address) = Program::serve("port_forward", &[ANY_PORT, &target.to_string()]);
    thread::scope(|scope| {
        for seed in 0..8 {
            scope.spawn(move || {
                let message = noise(seed, 2_000_000);
                assert_same(&say_all_and_hear_all(connect(address), &message), &message);
            });
        }
    });
}

#[test]
fn port_forward_lets_only_those_clients_down_whose_target_failed() {
    // The port is taken but nobody listens there, until the test does.
    let target = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    target.bind(&ANY_PORT.parse::<SocketAddr>().unwrap().into()).unwrap();
    let target_address = target.local_addr().unwrap().as_socket().unwrap().to_string();
    let (forwarder, address) = Program::serve("port_forward", &[ANY_PORT, &target_address]);
    assert_ended(connect(address));

    target.listen(16).unwrap();
    let target = TcpListener::from(target);
    let mut healthy = connect(address);
    let mut behind_healthy = limit(target.accept().unwrap().0);
    let resetting = connect(address);
    reset(target.accept().unwrap().0);
    assert_ended(resetting);
    drop(target);
    assert_ended(connect(address));

    healthy.write_all(b"still there?").unwrap();
    behind_healthy.read_exact(&mut [0; 12]).unwrap();
    behind_healthy.write_all(b"yes").unwrap();
    healthy.read_exact(&mut [0; 3]).unwrap();
    // A client that breaks off takes its own connection to the target along.
    reset(healthy);
    assert_ended(behind_healthy);
    assert!(forwarder.interrupt().success());
}

#[test]
fn port_forward_still_carries_the_last_words_of_a_target_that_listens_no_more() {
    let (target, _forwarder, address) = forwarder();
    let mut client = connect(address);
    let mut stream = limit(target.accept().unwrap().0);
    client.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    stream.write_all(b"enough").unwrap();
    drop(stream);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "enough");
}

#[test]
fn chat_carries_every_line_to_all_others() {
    let (_chat, address) = Program::serve("chat", &[ANY_PORT]);
    let mut anna = Guest::enter(address, "anna");
    let mut bert = Guest::enter(address, "bert");
    assert_eq!(anna.hears(), "* bert is here");
    anna.says("hello");
    assert_eq!(bert.hears(), "anna: hello");
    bert.says("h\u{1b}[2Ji\r");
    assert_eq!(anna.hears(), "bert: h[2Ji");
    let mut carl = Guest::enter(address, "carl");
    assert_eq!(anna.hears(), "* carl is here");
    assert_eq!(bert.hears(), "* carl is here");
    // Two lines and the beginning of a third, which is never finished.
    carl.sends("one\ntwo\nthr");
    for guest in [&mut anna, &mut bert] {
        assert_eq!(guest.hears(), "carl: one");
        assert_eq!(guest.hears(), "carl: two");
    }
    drop(carl);
    assert_eq!(anna.hears(), "* carl is gone");
    assert_eq!(bert.hears(), "* carl is gone");
}

#[test]
fn chat_gives_a_nickname_to_one_guest_at_a_time() {
    let (_chat, address) = Program::serve("chat", &[ANY_PORT]);
    let mut anna = Guest::enter(address, "anna");
    let mut other = Guest::enter(address, "anna");
    assert_eq!(other.hears(), "Your nickname?");
    other.says("");
    assert_eq!(other.hears(), "Your nickname?");
    other.says("beth");
    assert_eq!(anna.hears(), "* beth is here");
    other.says("hi");
    assert_eq!(anna.hears(), "beth: hi");
    drop(anna);
    assert_eq!(other.hears(), "* anna is gone");
    let mut anna = Guest::enter(address, "anna");
    assert_eq!(other.hears(), "* anna is here");
    anna.says("back");
    assert_eq!(other.hears(), "anna: back");
}

#[test]
fn chat_throws_out_who_does_not_read_and_goes_on_with_the_others() {
    let (_chat, address) = Program::serve("chat", &[ANY_PORT]);
    let mut anna = Guest::enter(address, "anna");
    let mut bert = Guest::enter(address, "bert");
    assert_eq!(anna.hears(), "* bert is here");
    let deaf = Guest::enter(address, "deaf");
    assert_eq!(anna.hears(), "* deaf is here");
    assert_eq!(bert.hears(), "* deaf is here");
    // In step with bert, so that only the guest who never reads falls behind. More than this the
    // buffers at both of his ends cannot hold.
    let long = "x".repeat(1000);
    let thrown_out = (0..100_000).any(|_| {
        anna.says(&long);
        match bert.hears() {
            line if line == "* deaf is gone" => true,
            line => {
                assert_eq!(line, format!("anna: {long}"));
                false
            }
        }
    });
    assert!(thrown_out);
    assert_eq!(anna.hears(), "* deaf is gone");
    bert.says("who was that?");
    assert_eq!(anna.hears(), "bert: who was that?");
    drop(deaf);
}

#[test]
fn chat_throws_out_who_sends_a_line_without_end() {
    let (_chat, address) = Program::serve("chat", &[ANY_PORT]);
    let mut anna = Guest::enter(address, "anna");
    let mut endless = Guest::enter(address, "endless");
    assert_eq!(anna.hears(), "* endless is here");
    let _ = endless.stream.write_all(&[b'x'; 1_000_000]);
    assert_eq!(anna.hears(), "* endless is gone");
}

/// One who takes part in a chat.
struct Guest {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Guest {
    /// Comes in and gives a nickname, which may be taken.
    fn enter(address: SocketAddr, name: &str) -> Self {
        let stream = connect(address);
        let lines = BufReader::new(stream.try_clone().unwrap());
        let mut guest = Self { stream, lines };
        assert_eq!(guest.hears(), "Your nickname?");
        guest.says(name);
        guest
    }

    fn says(&mut self, line: &str) {
        self.sends(&format!("{line}\n"));
    }

    fn sends(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    fn hears(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        assert_eq!(line.pop(), Some('\n'), "the stream ended");
        line
    }
}

/// A target, and a forwarder to it with its address.
fn forwarder() -> (TcpListener, Program, SocketAddr) {
    let target = TcpListener::bind(ANY_PORT).unwrap();
    let target_address = target.local_addr().unwrap().to_string();
    let (forwarder, address) = Program::serve("port_forward", &[ANY_PORT, &target_address]);
    (target, forwarder, address)
}

#[test]
fn timers_fire_in_the_order_of_their_times_and_not_early() {
    let ended = Program::run("timers", &[]);
    assert!(ended.status.success(), "{ended:?}");
    let lines = ended.stdout.lines().map(|line| line.trim_start().split_once(' ').unwrap());
    let lines: Vec<(u128, &str)> = lines.map(|(at, what)| (at.parse().unwrap(), what)).collect();
    let barks = "the watchdog has heard nothing for 100 ms";
    let expected = [
        (30, "hello"),
        (50, "tick"),
        (100, "tick"),
        (150, "tick"),
        (200, "tock"),
        (250, "tock"),
        (300, "tock"),
    ];
    // On a machine that is slow for a moment the watchdog may bark between the others.
    let (heard, barked): (Vec<_>, Vec<_>) = lines.iter().partition(|(_, what)| *what != barks);
    assert_eq!((heard.len(), barked.len()), (expected.len(), 1), "{ended:?}");
    for ((at, what), (time, expected)) in heard.into_iter().zip(expected) {
        assert_eq!(what, expected, "{ended:?}");
        assert!(at >= time, "{what} came at {at}: {ended:?}");
    }
    assert!(barked[0].0 >= 100, "{ended:?}");
}
