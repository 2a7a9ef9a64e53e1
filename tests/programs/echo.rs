//! What an echo server must do, whoever wrote it.
#![allow(dead_code, reason = "every test file is a crate of its own and uses a part of this")]

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    thread,
    time::Duration,
};

use super::{ANY_PORT, Program, assert_same, connect, noise};

pub(crate) fn sends_back_every_byte_of_every_client(name: &str) {
    let (_server, address) = Program::serve(name, &[ANY_PORT]);
    thread::scope(|scope| {
        for seed in 0..20 {
            scope.spawn(move || {
                // Empty for the first, and more than fits into all buffers for the last.
                let message = noise(seed, seed as usize * 500_000);
                assert_same(&say_all_and_hear_all(connect(address), &message), &message);
            });
        }
    });
}

pub(crate) fn answers_in_capitals_when_asked_to(name: &str) {
    let (_server, address) = Program::serve(name, &[ANY_PORT, "--upper"]);
    let answer = say_all_and_hear_all(connect(address), "Grüße, loop 1!".as_bytes());
    assert_eq!(String::from_utf8(answer).unwrap(), "GRüßE, LOOP 1!");
}

pub(crate) fn survives_clients_that_break_off(name: &str) {
    let (server, address) = Program::serve(name, &[ANY_PORT]);
    let polite = connect(address);
    for number in 0..100 {
        let mut client = connect(address);
        if number % 3 != 0 {
            client.write_all(&noise(number, 20_000)).unwrap();
        }
        if number % 2 == 0 {
            reset(client);
        }
    }
    // One that never reads, so that the server is stuck in a write when the reset comes.
    let mut deaf = connect(address);
    deaf.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    while deaf.write_all(&[0; 65536]).is_ok() {}
    reset(deaf);

    let message = noise(0, 100_000);
    assert_same(&say_all_and_hear_all(polite, &message), &message);
    assert_same(&say_all_and_hear_all(connect(address), &message), &message);
    assert!(server.interrupt().success());
}

pub(crate) fn ends_with_status_0_at_ctrl_c_while_clients_are_there(name: &str) {
    let (server, address) = Program::serve(name, &[ANY_PORT]);
    let mut client = connect(address);
    client.write_all(b"x").unwrap();
    client.read_exact(&mut [0]).unwrap();
    assert!(server.interrupt().success());
    assert_ended(client);
}

/// Writes while it reads, ends its direction, and gives what it read until the other's end.
pub(crate) fn say_all_and_hear_all(stream: TcpStream, message: &[u8]) -> Vec<u8> {
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

/// Breaks a connection off.
pub(crate) fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Asserts that the other side has ended or reset the connection, without having said anything.
#[track_caller]
pub(crate) fn assert_ended(mut stream: TcpStream) {
    match stream.read(&mut [0]) {
        Ok(count) => assert_eq!(count, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}
