//! However busy a green thread is, the others have their turn, as long as it waits at all.

mod green_support;

use std::{
    cell::Cell,
    future::ready,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr},
    rc::Rc,
    time::Duration,
};

use green_support::{Gate, run};
use greenloop::green::{
    self, Wait,
    net::{TcpListener, TcpStream},
};

/// The gevent server of the notes, mistake and all: it never asks whether the client has gone, so it
/// reads the end of the file for ever.
fn talk(mut stream: TcpStream, rounds: &Cell<u64>) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let count = stream.read(&mut buffer)?;
        rounds.set(rounds.get() + 1);
        stream.write_all(&buffer[..count].to_ascii_uppercase())?;
    }
}

/// Starts that server.
fn serve() -> (SocketAddr, Rc<Cell<u64>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let rounds = Rc::new(Cell::new(0));
    let counter = Rc::clone(&rounds);
    drop(green::spawn(move || {
        for stream in listener.incoming() {
            let (stream, rounds) = (stream.unwrap(), Rc::clone(&counter));
            drop(green::spawn(move || talk(stream, &rounds)));
        }
    }));
    (address, rounds)
}

fn exchange(stream: &mut TcpStream) {
    stream.write_all(b"bread").unwrap();
    let mut reply = [0; 5];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"BREAD");
}

#[test]
fn the_server_of_the_notes_does_not_freeze_its_other_clients() {
    run(|| {
        let (address, rounds) = serve();
        let mut stays = TcpStream::connect(address).unwrap();
        exchange(&mut stays);
        for _ in 0..3 {
            exchange(&mut TcpStream::connect(address).unwrap());
        }
        // Those three are gone, and the server reads their ends without end.
        let before = rounds.get();
        for _ in 0..20 {
            exchange(&mut stays);
        }
        exchange(&mut TcpStream::connect(address).unwrap());
        assert!(rounds.get() - before > 21, "the server has been busy with those who are gone");
    });
}

#[test]
fn a_peer_that_sends_without_end_does_not_freeze_the_others() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let reads = Rc::new(Cell::new(0));
        drop(green::spawn({
            let reads = Rc::clone(&reads);
            move || {
                let (mut stream, _) = listener.accept().unwrap();
                while stream.read(&mut [0; 16]).is_ok_and(|count| count > 0) {
                    reads.set(reads.get() + 1);
                }
            }
        }));
        drop(green::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            while stream.write(&[b'.'; 64 << 10]).is_ok() {}
        }));
        while reads.get() == 0 {
            green::yield_now();
        }
        for _ in 0..10 {
            green::sleep(Duration::from_millis(1));
        }
        assert!(reads.get() > 0);
    });
}

#[test]
fn one_that_gets_nothing_but_errors_lets_the_others_run() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let neighbour = green::spawn(|| {});
        let mut tries = 0;
        while !neighbour.is_finished() {
            assert!(tries < 1000, "the neighbour is starved");
            stream.write(b"bread").unwrap_err();
            tries += 1;
        }
    });
}

#[test]
fn one_whose_waits_are_always_ready_lets_the_others_run() {
    run(|| {
        let (gate, rounds) = (Gate::new(), Rc::new(Cell::new(0_u64)));
        let busy = green::spawn({
            let rounds = Rc::clone(&rounds);
            move || {
                loop {
                    ready(()).wait();
                    rounds.set(rounds.get() + 1);
                }
            }
        });
        let neighbour = green::spawn({
            let gate = gate.clone();
            move || {
                green::yield_now();
                green::sleep(Duration::from_millis(1));
                gate.open();
            }
        });
        gate.wait();
        neighbour.wait().unwrap();
        let before = rounds.get();
        green::yield_now();
        let share = rounds.get() - before;
        assert!((1..=1000).contains(&share), "{share} rounds in one turn");
        let busy: green::JoinHandle<()> = busy;
        assert!(busy.abort_and_wait().wait().unwrap_err().is_cancelled());
    });
}

#[test]
fn two_that_hand_each_other_the_word_let_the_loop_look_outside() {
    run(|| {
        let over = Rc::new(Cell::new(false));
        let busy = [0, 1].map(|_| {
            let over = Rc::clone(&over);
            green::spawn(move || {
                while !over.get() {
                    green::yield_now();
                }
            })
        });
        // A timer and a socket have their turn.
        green::sleep(Duration::from_millis(1));
        let (address, _) = serve();
        exchange(&mut TcpStream::connect(address).unwrap());
        over.set(true);
        for thread in busy {
            thread.wait().unwrap();
        }
    });
}
