//! A chat room for `nc`: what one says, all the others hear.
//!
//! ```text
//! cargo run --release --example chat [ADDRESS]
//! ```
//!
//! ADDRESS is 127.0.0.1:8080 unless given. Come in with `nc 127.0.0.1 8080`, answer with a nickname
//! and talk line by line. A guest who does not read what the others say is thrown out before it
//! piles up. Ctrl-C ends it.

use std::{cell::RefCell, collections::BTreeMap, io, net::Shutdown, rc::Rc};

use greenloop::net::{TcpListener, TcpStream};

/// Who is there, by nickname.
type Room = Rc<RefCell<BTreeMap<String, Rc<TcpStream>>>>;

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    if address.starts_with('-') || std::env::args().len() > 2 {
        eprintln!("usage: chat [ADDRESS]");
        std::process::exit(2);
    }
    greenloop::run(async {
        let listener = TcpListener::bind(&address).await?;
        println!("listening on {}", listener.local_addr()?);
        let room = Room::default();
        loop {
            let (stream, _) = listener.accept().await?;
            greenloop::spawn(attend(Rc::new(stream), Rc::clone(&room)));
        }
    })
}

/// Looks after one guest until he leaves.
async fn attend(stream: Rc<TcpStream>, room: Room) -> io::Result<()> {
    // The kernel's buffer is the queue of what he has not read yet.
    stream.set_send_buffer_size(64 * 1024)?;
    let mut unread = Vec::new();
    let mut name = String::new();
    while name.is_empty() || room.borrow().contains_key(&name) {
        stream.write_all(b"Your nickname?\n").await?;
        name = next_line(&stream, &mut unread).await?;
    }
    room.borrow_mut().insert(name.clone(), Rc::clone(&stream));
    tell_others(&room, &name, &format!("* {name} is here\n"));
    while let Ok(line) = next_line(&stream, &mut unread).await {
        tell_others(&room, &name, &format!("{name}: {line}\n"));
    }
    room.borrow_mut().remove(&name);
    tell_others(&room, &name, &format!("* {name} is gone\n"));
    Ok(())
}

/// Sends a line to everybody else, and waits for nobody.
fn tell_others(room: &Room, author: &str, line: &str) {
    for (_, stream) in room.borrow().iter().filter(|(name, _)| *name != author) {
        if stream.try_write(line.as_bytes()).ok() != Some(line.len()) {
            // The queue is full, or he is gone: his own task comes to the end of the stream.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Reads one line, without what would confuse a terminal; `unread` is what came behind it.
async fn next_line(stream: &TcpStream, unread: &mut Vec<u8>) -> io::Result<String> {
    let mut buffer = [0; 1024];
    while !unread.contains(&b'\n') {
        let count = stream.read(&mut buffer).await?;
        if count == 0 || unread.len() > buffer.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        unread.extend_from_slice(&buffer[..count]);
    }
    let length = unread.iter().take_while(|byte| **byte != b'\n').count();
    let line: Vec<u8> = unread.drain(..=length).collect();
    Ok(String::from_utf8_lossy(&line).replace(char::is_control, ""))
}
