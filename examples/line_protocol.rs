//! A small database that is spoken to in lines: keys and values in memory, shared by all clients.
//!
//! ```text
//! cargo run --release --example line_protocol [ADDRESS]
//! ```
//!
//! Try `nc 127.0.0.1 8080` and `SET name some value`, `GET name`, `DEL name`, `KEYS`, `COUNT`, `QUIT`. Each line
//! gets an answer of one line, which begins with `OK`, `NONE` or `ERROR`. A line of more than 1,024 bytes, or
//! that is no text, is an error and skipped; there may be 100,000 keys. Ctrl-C ends it.

use std::{cell::RefCell, collections::BTreeMap, io, rc::Rc, time::Duration};

use greenloop::{
    io::{BufReader, BufWriter},
    net::{Server, TcpListener, server::Connection},
};

/// One thread, so no lock.
type Data = Rc<RefCell<BTreeMap<String, String>>>;

const LONGEST: usize = 1024;
const MOST_KEYS: usize = 100_000;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:8080".into());
    if address.starts_with('-') || arguments.next().is_some() {
        eprintln!("usage: line_protocol [ADDRESS]");
        std::process::exit(2);
    }
    greenloop::run(async {
        let listener = TcpListener::bind(address).await?;
        println!("listening on {}", listener.local_addr()?);
        let data = Data::default();
        let server = Server::serve(listener, move |client| serve(client, Rc::clone(&data)));
        greenloop::signal::ctrl_c().await?;
        println!("{}", server.shutdown(Duration::from_secs(1)).await);
        Ok(())
    })
}

async fn serve(connection: Connection, data: Data) -> io::Result<()> {
    let mut client = BufReader::new(BufWriter::new(&connection.stream)).limit(LONGEST);
    let mut line = String::new();
    loop {
        line.clear();
        let read = connection.shutdown.run_until_cancelled(client.read_line(&mut line)).await;
        let answer = match read {
            None | Some(Ok(0)) => return client.flush().await,
            Some(Ok(_)) if line.trim_end() == "QUIT" => return client.flush().await,
            Some(Ok(_)) => answer(line.trim_end_matches(['\r', '\n']), &mut data.borrow_mut()),
            // What was too long or no text is still there.
            Some(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                client.skip_until(b"\n").await?;
                format!("ERROR {error}")
            }
            Some(Err(error)) => return Err(error),
        };
        client.write_all(format!("{answer}\n").as_bytes()).await?;
        // Whoever sends many lines at once gets many answers at once.
        if !client.buffer().contains(&b'\n') {
            client.flush().await?;
        }
    }
}

fn answer(line: &str, data: &mut BTreeMap<String, String>) -> String {
    let found = |value: Option<&String>| value.map_or("NONE".into(), |value| format!("OK {value}"));
    let mut words = line.splitn(3, ' ');
    match (words.next().unwrap_or_default(), words.next(), words.next()) {
        ("GET", Some(key), None) => found(data.get(key)),
        ("DEL", Some(key), None) => found(data.remove(key).as_ref()),
        ("SET", Some(key), Some(_)) if data.len() >= MOST_KEYS && !data.contains_key(key) => {
            "ERROR there are too many keys".into()
        }
        ("SET", Some(key), Some(value)) => {
            data.insert(key.into(), value.into());
            "OK".into()
        }
        ("KEYS", None, None) => format!("OK {}", Vec::from_iter(data.keys().cloned()).join(" ")),
        ("COUNT", None, None) => format!("OK {}", data.len()),
        _ => "ERROR it is SET KEY VALUE, GET KEY, DEL KEY, KEYS, COUNT or QUIT".into(),
    }
}
