//! A crawler: follows the links of a small web site, with at most five requests at a time.
//!
//! ```text
//! cargo run --example pool_crawl
//! ```
//!
//! The site has 50 pages that link to each other, and takes 20 ms for each; the program serves it
//! itself, at a free port. One after the other they would take a second, five at a time little more
//! than 0.2 s. It prints the time, and how many requests the server saw at once.

use std::cell::{Cell, RefCell};
use std::io::{self, BufRead, BufReader, Write};
use std::{collections::BTreeSet, net::SocketAddr, rc::Rc, time::Duration, time::Instant};

use greenloop::green::{self, Group, Pool, net::TcpListener, net::TcpStream};

fn main() -> io::Result<()> {
    if std::env::args().len() > 1 {
        eprintln!("usage: pool_crawl");
        std::process::exit(2);
    }
    green::run(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (busiest, pool, found) = (Rc::<Cell<_>>::default(), Pool::new(5), Found::default());
        let noted = Rc::clone(&busiest);
        green::spawn(move || serve(listener, &noted));
        let start = Instant::now();
        crawl(&pool, &found, address, 0);
        pool.join();
        println!("{} pages in {:.2} s", found.borrow().len(), start.elapsed().as_secs_f64());
        println!("at most {} requests at a time", busiest.get());
        Ok(())
    })
}

/// The numbers of the pages that are linked to.
type Found = Rc<RefCell<BTreeSet<usize>>>;

/// Fetches a page, as soon as there is room in the pool, and then what it links to.
fn crawl(pool: &Pool, found: &Found, address: SocketAddr, page: usize) {
    if !found.borrow_mut().insert(page) {
        return;
    }
    let (others, found) = (pool.clone(), Rc::clone(found));
    let follow = move |text: String| {
        for link in text.split('"').filter_map(|part| part.strip_prefix('/')?.parse().ok()) {
            crawl(&others, &found, address, link);
        }
    };
    pool.apply_async(move || fetch(address, page).expect("the server is in this program"), follow);
}

/// Gives the text of a page, by the very first version of HTTP.
fn fetch(address: SocketAddr, page: usize) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(format!("GET /{page}\r\n").as_bytes())?;
    io::read_to_string(stream)
}

/// Serves the site, and notes how many requests there were at a time.
fn serve(listener: TcpListener, busiest: &Cell<usize>) -> io::Result<()> {
    let requests = Group::new();
    loop {
        let (stream, _) = listener.accept()?;
        requests.spawn(move || answer(stream).expect("the client is in this program"));
        busiest.set(busiest.get().max(requests.len()));
    }
}

/// Answers one request.
fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut request = String::new();
    BufReader::new(&stream).read_line(&mut request)?;
    let page: usize = request.trim().replace("GET /", "").parse().map_err(io::Error::other)?;
    green::sleep(Duration::from_millis(20));
    let links = [1, 2].map(|number| format!("<a href=\"/{}\">", (2 * page + number) % 50));
    stream.write_all(links.concat().as_bytes())
}
