//! What clients do. The polite ones verify every byte, and any error is a failure of the server's;
//! the rude ones do not care.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    thread,
    time::Duration,
};

use socket2::SockRef;

use crate::{random::Random, storm::Storm};

/// Polite: a message, its echo, and so on.
pub(crate) fn talk(storm: &Storm, random: &mut Random) -> io::Result<()> {
    let mut stream = storm.connect()?;
    for _ in 0..=random.below(30) {
        exchange(storm, &mut stream, &random.bytes(10_000))?;
    }
    Ok(())
}

/// Polite: says more than the buffers hold, listens meanwhile, and ends its direction first.
pub(crate) fn pour(storm: &Storm, random: &mut Random) -> io::Result<()> {
    let stream = storm.connect()?;
    let message = random.bytes(4000).repeat(100 + random.below(400) as usize);
    let mut received = Vec::with_capacity(message.len());
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            (&stream).write_all(&message)?;
            stream.shutdown(Shutdown::Write)
        });
        (&stream).read_to_end(&mut received)?;
        writer.join().expect("a write does not panic")
    })?;
    storm.verify(&message, &received)
}

/// Polite: says a little now and then, reads in small pieces, and ends its direction at last.
pub(crate) fn dawdle(storm: &Storm, random: &mut Random) -> io::Result<()> {
    let mut stream = storm.connect()?;
    let message = random.bytes(500);
    for piece in message.chunks(20 + random.below(100) as usize) {
        stream.write_all(piece)?;
        pause(random);
    }
    stream.shutdown(Shutdown::Write)?;
    let mut received = Vec::new();
    let mut piece = [0; 50];
    loop {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return storm.verify(&message, &received);
        }
        received.extend_from_slice(&piece[..count]);
    }
}

/// Many at the same time, of which some are polite.
pub(crate) fn crowd(storm: &Storm, random: &mut Random, size: u64) -> io::Result<()> {
    let mut polite = Vec::new();
    for mut stream in storm.connect_crowd(size)? {
        match random.below(4) {
            0 => end(storm, stream, random),
            1 => {
                let _ = stream.write_all(&random.bytes(2000));
                end(storm, stream, random);
            }
            _ => {
                let message = random.bytes(2000);
                stream.write_all(&message)?;
                polite.push((stream, message));
            }
        }
    }
    for (stream, message) in &mut polite {
        let mut received = vec![0; message.len()];
        stream.read_exact(&mut received)?;
        storm.verify(message, &received)?;
    }
    pause(random);
    Ok(())
}

/// Rude: comes and goes.
pub(crate) fn vanish(storm: &Storm, random: &mut Random) -> io::Result<()> {
    end(storm, storm.connect()?, random);
    Ok(())
}

/// Rude: breaks off in the middle, with the echo of some messages unread or half read.
pub(crate) fn break_off(storm: &Storm, random: &mut Random) -> io::Result<()> {
    let mut stream = storm.connect()?;
    for _ in 0..random.below(4) {
        exchange(storm, &mut stream, &random.bytes(5000))?;
    }
    stream.write_all(&random.bytes(100_000))?;
    if random.percent(50) {
        let mut some = vec![0; 1 + random.below(5000) as usize];
        let _ = stream.read(&mut some);
    }
    end(storm, stream, random);
    Ok(())
}

/// Rude: never reads, until the server cannot write any more.
pub(crate) fn say_without_listening(storm: &Storm, random: &mut Random) -> io::Result<()> {
    let mut stream = storm.connect()?;
    SockRef::from(&stream).set_recv_buffer_size(4096)?;
    stream.set_write_timeout(Some(Duration::from_millis(50)))?;
    let message = random.bytes(4000).repeat(20);
    while stream.write_all(&message).is_ok() {}
    end(storm, stream, random);
    Ok(())
}

/// Breaks a connection off: with a reset, after a half-close, or just so, which is a reset as well
/// if something is unread.
fn end(storm: &Storm, stream: TcpStream, random: &mut Random) {
    storm.count_broken_off();
    match random.below(4) {
        0 | 1 => {
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        2 => {
            let _ = stream.shutdown(Shutdown::Write);
        }
        _ => {}
    }
    drop(stream);
}

fn pause(random: &mut Random) {
    thread::sleep(Duration::from_millis(random.below(50)));
}

fn exchange(storm: &Storm, stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    stream.write_all(message)?;
    let mut received = vec![0; message.len()];
    stream.read_exact(&mut received)?;
    storm.verify(message, &received)
}
