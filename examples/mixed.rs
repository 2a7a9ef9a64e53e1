//! Mixed: async tasks and green threads share a socket, a handle and a time-out.
//!
//! ```text
//! cargo run --example mixed
//! ```
//!
//! Both kinds are tasks of one loop, so each does what it is better at. It prints what a green thread
//! has said to an async task over a socket, a number that took both of them to find, and who was in
//! time.

use std::{io, io::Write, time::Duration};

use greenloop::green::{self, Join, Wait, net::TcpListener, net::TcpStream};

fn main() -> io::Result<()> {
    if std::env::args().len() > 1 {
        eprintln!("usage: mixed");
        std::process::exit(2);
    }
    green::run(|| {
        share_a_socket()?;
        share_a_handle()?;
        share_a_time_out()
    })
}

/// A green thread writes to a socket, in plain code, and an async task reads from the same one.
fn share_a_socket() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let stream = TcpStream::connect(listener.local_addr()?)?;
    let (echo, _) = listener.accept()?;
    // What is made for std's sockets is at home in a green thread, such as this echo server.
    green::spawn(move || io::copy(&mut &echo, &mut &echo));

    let mut writer = stream.try_clone()?;
    let written = green::spawn(move || writer.write_all(b"hello"));
    let heard = greenloop::spawn(async move {
        let mut buffer = [0; 5];
        stream.as_async().read_exact(&mut buffer).await?;
        io::Result::Ok(buffer)
    });
    written.wait()??;
    println!("an async task has heard {:?}", String::from_utf8_lossy(&heard.wait()??));
    Ok(())
}

/// An async task awaits a green thread, and a green thread waits for an async task.
fn share_a_handle() -> io::Result<()> {
    let seven = green::spawn(|| {
        green::sleep(Duration::from_millis(10));
        7
    });
    let product = greenloop::spawn(async { io::Result::Ok(seven.await? * 6) });
    println!("together they have found {}", product.wait()??);
    Ok(())
}

/// Their handles are of one type, so one time-out holds for both.
fn share_a_time_out() -> io::Result<()> {
    let nap = |seconds| Duration::from_secs(seconds);
    let handles = [
        green::spawn(move || green::sleep(nap(0))),
        greenloop::spawn(greenloop::sleep(nap(0))),
        green::spawn(move || green::sleep(nap(60))),
        greenloop::spawn(greenloop::sleep(nap(60))),
    ];
    let joined = Join::new(handles).timeout(Duration::from_millis(100)).wait();
    println!("{} were in time", joined.finished.len());
    for (_, late) in joined.pending {
        let error = late.abort_and_wait().wait().expect_err("it sleeps for a minute");
        println!("one was late: {error}");
    }
    Ok(())
}
