//! Five pages, fetched by a pool of three threads, and a callback for each: `concurrent.futures`, in Rust.
//!
//! ```text
//! cargo run --example thread_pool
//! ```
//!
//! The event loop serves the pages, at a free port, and takes 50 ms for each; the threads fetch them
//! with blocking sockets of the standard library. It prints which thread fetched and which one
//! parsed each page, what the callbacks have noted about them, and how long that took.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{net, thread};

use greenloop::{net::TcpListener, net::TcpStream, thread_pool::ThreadPool};

const PAGES: [&str; 5] = ["baidu", "python", "openstack", "github", "sina"];

fn main() -> io::Result<()> {
    if std::env::args().len() > 1 {
        eprintln!("usage: thread_pool");
        std::process::exit(2);
    }
    greenloop::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        greenloop::spawn(serve(listener));

        let start = Instant::now();
        let pool = ThreadPool::builder().threads(3).name("pages").build();
        let notes = Arc::new(Mutex::new(Vec::new()));
        for name in PAGES {
            let notes = Arc::clone(&notes);
            let url = format!("http://{address}/{name}");
            pool.submit(move || get_page(address, url)).on_done(move |page| {
                let page = page.as_ref().expect("no panic").as_ref().expect("a local server");
                notes.lock().unwrap().push(parse_page(page));
            });
        }
        pool.shutdown().await;
        println!("in {:.3} s:", start.elapsed().as_secs_f64());
        notes.lock().unwrap().iter().for_each(|note| println!("{note}"));
        Ok(())
    })
}

/// Fetches a page, and gives its address and text; blocks the thread.
fn get_page(address: net::SocketAddr, url: String) -> io::Result<(String, String)> {
    println!("<{}> get {url}", thread::current().name().unwrap_or_default());
    let mut stream = net::TcpStream::connect(address)?;
    stream.write_all(url.rsplit('/').next().unwrap_or_default().as_bytes())?;
    stream.shutdown(net::Shutdown::Write)?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok((url, text))
}

/// The callback.
fn parse_page((url, text): &(String, String)) -> String {
    println!("<{}> parse {url}", thread::current().name().unwrap_or_default());
    format!("url:<{url}> size:[{}]", text.len())
}

/// Answers each name with a page that is a hundred times as long.
async fn serve(listener: TcpListener) -> io::Result<()> {
    async fn answer(stream: TcpStream) -> io::Result<()> {
        let mut name = [0; 100];
        let count = stream.read(&mut name).await?;
        greenloop::sleep(Duration::from_millis(50)).await;
        stream.write_all(&name[..count].repeat(100)).await
    }
    loop {
        let (stream, _) = listener.accept().await?;
        greenloop::spawn(answer(stream));
    }
}
