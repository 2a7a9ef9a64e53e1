//! Clients that know nothing of this crate get every byte back from the echo server.
//!
//! A program that is not installed is skipped, and that is printed.

mod programs;

use std::{
    io::{Read, Write},
    net::SocketAddr,
    process::{Command, Stdio},
    thread,
};

use programs::{Program, assert_same, noise};

/// Sixty connections of many messages each, and one that says much while it listens.
const ASYNCIO: &str = r#"
import asyncio, random, sys

host, port = sys.argv[1], int(sys.argv[2])

async def in_turns(seed):
    chance = random.Random(seed)
    reader, writer = await asyncio.open_connection(host, port)
    for _ in range(100):
        message = chance.randbytes(chance.choice([1, 64, 4096, 4097, 30000]))
        writer.write(message)
        await writer.drain()
        assert await reader.readexactly(len(message)) == message
        if chance.random() < 0.05:
            await asyncio.sleep(0.001)
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()

async def at_once():
    message = random.Random(0).randbytes(8_000_000)
    reader, writer = await asyncio.open_connection(host, port)
    async def say():
        for start in range(0, len(message), 100_000):
            writer.write(message[start:start + 100_000])
            await writer.drain()
        writer.write_eof()
    async def hear():
        assert await reader.read(-1) == message
    await asyncio.gather(say(), hear())
    writer.close()
    await writer.wait_closed()

async def broken_off(seed):
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(random.Random(seed).randbytes(50_000))
    await reader.read(seed)
    writer.transport.abort()

async def main():
    await asyncio.gather(
        at_once(),
        *(in_turns(seed) for seed in range(60)),
        *(broken_off(seed) for seed in range(1, 20)),
    )
    await in_turns(60)

asyncio.run(main())
print("every byte came back")
"#;

#[test]
fn python_asyncio_gets_every_byte_back() {
    if !is_installed("python3", &["-c", "import asyncio, random; random.randbytes(1)"]) {
        return;
    }
    let (_server, address) = Program::serve("echo_server", &["127.0.0.1:0"]);
    let (ip, port) = parts(address);
    let mut python = Command::new("python3");
    python.args(["-c", ASYNCIO, &ip, &port]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = Program::start(&mut python).ended();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(ended.stdout.trim_end(), "every byte came back", "{ended:?}");
}

#[test]
fn nc_gets_every_byte_back() {
    if !is_installed("nc", &["-h"]) {
        return;
    }
    let (_server, address) = Program::serve("echo_server", &["127.0.0.1:0"]);
    let (ip, port) = parts(address);
    let message = noise(1, 3_000_000);
    assert_same(&pipe_through(&["nc", &ip, &port], &message, Input::StaysOpen), &message);

    // Not every kind of nc can end one direction only.
    let help = Command::new("nc").arg("-h").output().unwrap();
    let help = String::from_utf8_lossy(&[help.stdout, help.stderr].concat()).into_owned();
    if help.lines().any(|line| line.contains("-N") && line.contains("Shutdown")) {
        assert_same(&pipe_through(&["nc", "-N", &ip, &port], &message, Input::Ends), &message);
    }
}

#[test]
fn socat_gets_every_byte_back_after_it_has_ended_its_direction() {
    if !is_installed("socat", &["-V"]) {
        return;
    }
    let (_server, address) = Program::serve("echo_server", &["127.0.0.1:0", "--upper"]);
    let mut message = noise(2, 3_000_000);
    let target = format!("TCP:{address}");
    let heard = pipe_through(&["socat", "-t", "60", "-", &target], &message, Input::Ends);
    message.make_ascii_uppercase();
    assert_same(&heard, &message);
}

/// What happens to the input of a program after the message.
#[derive(Clone, Copy, PartialEq)]
enum Input {
    /// The program gets no end, and is killed when it has given everything.
    StaysOpen,
    /// The program must come to its own end.
    Ends,
}

/// Runs a client with the message as its input, and gives its output.
fn pipe_through(command: &[&str], message: &[u8], then: Input) -> Vec<u8> {
    let mut client = Command::new(command[0]);
    let client = client.args(&command[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = Program::start(client);
    let (mut stdin, mut stdout) = client.pipes();
    thread::scope(|scope| {
        let writer = scope.spawn(move || {
            stdin.write_all(message).unwrap();
            (then == Input::StaysOpen).then_some(stdin)
        });
        let mut heard = Vec::new();
        match then {
            Input::StaysOpen => {
                heard.resize(message.len(), 0);
                stdout.read_exact(&mut heard).unwrap();
            }
            Input::Ends => {
                stdout.read_to_end(&mut heard).unwrap();
            }
        }
        drop(writer.join().unwrap());
        heard
    })
}

/// Whether a program can be run at all; prints it when it cannot.
fn is_installed(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Only Python is asked something that it may deny; the others do not agree on a status.
    let installed = command.status().is_ok_and(|status| program != "python3" || status.success());
    if !installed {
        eprintln!("skipped: {program} is not installed");
    }
    installed
}

fn parts(address: SocketAddr) -> (String, String) {
    (address.ip().to_string(), address.port().to_string())
}
