//! What green threads do in a program whose panics do not unwind; run by `green_panic_abort.rs`, which
//! builds it so. The argument says which part.

use std::{
    cell::Cell,
    io::{Read, Write},
    rc::Rc,
    time::Duration,
};

use greenloop::{
    event_loop,
    green::{
        self, Builder, Coroutine, Group, Join, Pool, Resumed, Wait,
        net::{TcpListener, TcpStream},
    },
};

const _: () = assert!(cfg!(panic = "abort"), "built for something else");
const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

fn main() {
    let part = std::env::args().nth(1).expect("the name of a part");
    match part.as_str() {
        "all_that_works" => all_that_works(),
        "loop_end" => loop_end(),
        "abort_before_start" => abort_before_start(),
        "abort" => ends_the_process(|| {
            let thread = Builder::new().name("victim").spawn(park);
            green::yield_now();
            thread.abort();
            green::yield_now();
        }),
        "timeout" => ends_the_process(|| {
            let _ = green::timeout(SHORT, park);
        }),
        "scope" => ends_the_process(|| {
            green::timeout(SHORT, || green::scope(|scope| drop(scope.spawn(park)))).unwrap();
        }),
        "panic" => ends_the_process(|| drop(green::spawn(|| panic!("no bread")).wait())),
        _ => panic!("there is no part {part}"),
    }
}

/// Says when something is dropped.
struct Says(&'static str);

impl Drop for Says {
    fn drop(&mut self) {
        println!("{}", self.0);
    }
}

fn park() {
    let _says = Says("a stack unwound");
    std::future::pending().wait()
}

fn ends_the_process(f: impl FnOnce() + 'static) {
    green::run(f);
    println!("it went on");
}

fn all_that_works() {
    let sum = green::run(|| {
        let threads = (0..100).map(|n| {
            green::spawn(move || {
                green::sleep(SHORT);
                green::yield_now();
                n
            })
        });
        let sum: u32 = green::join_all(threads).into_iter().map(Result::unwrap).sum();
        println!("joined: {sum}");

        let task = greenloop::spawn(async { green::spawn(|| 7).await.unwrap() });
        println!("both kinds: {}", task.wait().unwrap());

        let joined = Join::new([green::spawn(|| 1), green::spawn(|| 2)]).count(1).wait();
        println!("joined of two: {}", joined.finished.len());

        println!("in time: {:?}", green::timeout(LONG, || green::sleep(SHORT)));

        let words = ["eat", "play"];
        let lengths = Cell::new(0);
        green::scope(|scope| {
            for word in &words {
                let lengths = &lengths;
                scope.spawn(move || lengths.set(lengths.get() + word.len()));
            }
        });
        println!("scope: {}", lengths.get());

        let pool = Pool::new(2);
        println!("pool: {:?}", pool.map(0..4, |n| n * n));
        let group = Group::new();
        drop(group.spawn(green::yield_now));
        group.join();
        println!("group: {}", group.len());

        let mut coroutine = Coroutine::new(|yielder, first: u32| {
            let second = yielder.yield_value(first + 1);
            second * 2
        });
        assert_eq!(coroutine.resume(1), Resumed::Yielded(2));
        println!("coroutine: {:?}", coroutine.resume(21));

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = green::spawn(move || {
            for stream in listener.incoming().take(3) {
                let mut stream = stream.unwrap();
                green::spawn(move || {
                    let mut buffer = [0; 64];
                    while let Ok(count @ 1..) = stream.read(&mut buffer) {
                        stream.write_all(&buffer[..count]).unwrap();
                    }
                });
            }
        });
        let clients = (0..3).map(|number| {
            green::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(format!("client {number}").as_bytes()).unwrap();
                stream.shutdown(std::net::Shutdown::Write).unwrap();
                let mut text = String::new();
                stream.read_to_string(&mut text).unwrap();
                text
            })
        });
        println!("echo: {:?}", green::join_all(clients).into_iter().map(Result::unwrap).last());
        server.wait().unwrap();
        sum
    });
    println!("returned: {sum}");
}

fn loop_end() {
    let running = Rc::new(Cell::new(0));
    for round in 1..=3 {
        let running = Rc::clone(&running);
        green::run(move || {
            for _ in 0..10 {
                drop(green::spawn(park));
            }
            // One is ready when the loop ends, and does not go on.
            drop(green::spawn(move || {
                loop {
                    running.set(running.get() + 1);
                    green::yield_now();
                }
            }));
            green::yield_now();
            // And these have no stack.
            let captured = Says("captures of one that had not begun");
            drop(green::spawn_after(LONG, move || drop(captured)));
            drop(greenloop::spawn(async {
                let _says = Says("a task was dropped");
                std::future::pending::<()>().await;
            }));
            let mut coroutine = Coroutine::new(|yielder: green::Yielder<'_, (), ()>, ()| {
                let _says = Says("a coroutine unwound");
                yielder.yield_value(());
            });
            coroutine.resume(());
            println!("round {round}: {} tasks", event_loop::statistics().tasks);
        });
    }
    // Once in the round, and once before the loop sees that the first green thread has ended.
    println!("ran {} times", running.get());
}

fn abort_before_start() {
    green::run(|| {
        let captured = Says("captures");
        let thread = green::spawn(move || drop(captured));
        thread.abort();
        println!("cancelled: {}", thread.wait().unwrap_err().is_cancelled());
        let later = green::spawn_after(LONG, || ());
        later.abort();
        println!("cancelled: {}", later.wait().unwrap_err().is_cancelled());
        let task = greenloop::spawn(std::future::pending::<()>());
        green::yield_now();
        task.abort();
        println!("cancelled: {}", task.wait().unwrap_err().is_cancelled());
    });
}
