//! What a green thread of the soak does until it ends or is ended.

use std::{
    cell::Cell,
    hint::black_box,
    io::{self, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    rc::Rc,
    time::Duration,
};

use greenloop::{
    green::{
        self, Coroutine, Group, Pool, Wait,
        net::{TcpListener, TcpStream},
    },
    task::JoinHandle,
};

use super::world::{Intended, World};

/// How many servers there are. A connection takes a pair of ports; this many times more there are.
const SERVERS: usize = 4;

/// Starts a green thread with a random role.
pub(crate) fn spawn(world: &Rc<World>) -> JoinHandle<()> {
    let shared = Rc::clone(world);
    let (builder, alive) = match world.below(20) {
        0 => (green::Builder::new().stack_size(64 << 10).name("small"), world.enter_sized()),
        1 => (green::Builder::new().stack_size(1 << 20).name("large"), world.enter_sized()),
        _ => (green::Builder::new(), world.enter()),
    };
    builder.spawn(move || {
        let _alive = alive;
        play(&shared);
    })
}

/// Starts the echo servers that the others talk to.
pub(crate) fn start_servers(world: &Rc<World>, group: &Group) {
    for _ in 0..SERVERS {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        world.servers.borrow_mut().push(listener.local_addr().expect("a bound socket"));
        let alive = world.enter();
        let (world, connections) = (Rc::clone(world), group.clone());
        group.spawn(move || {
            let _alive = alive;
            loop {
                let Ok((stream, _)) = listener.accept() else {
                    // Out of descriptors, for instance.
                    world.count("accepts that failed");
                    green::sleep(Duration::from_millis(10));
                    continue;
                };
                let (alive, world) = (world.enter(), Rc::clone(&world));
                connections.spawn(move || {
                    let _alive = alive;
                    serve(&world, stream);
                });
            }
        });
    }
}

/// Echoes until the client goes, or the patience ends, or with a bang.
fn serve(world: &World, mut stream: TcpStream) {
    let patience = Duration::from_millis(1000 + world.below(4000));
    let mut buffer = [0; 2048];
    let echo = || -> io::Result<()> {
        loop {
            let count = stream.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            if world.one_in(2000) {
                panic_any(Intended);
            }
            stream.write_all(&buffer[..count])?;
        }
    };
    match green::timeout(patience, echo) {
        Ok(Ok(())) => world.count("connections ended"),
        Ok(Err(_)) => world.count("connections broken off"),
        Err(_) => world.count("connections timed out"),
    }
}

fn nap(world: &World, milliseconds: u64) {
    green::sleep(Duration::from_micros(world.below(milliseconds * 1000)));
}

fn play(world: &Rc<World>) {
    match world.below(100) {
        0..25 => nap(world, 4000),
        25..45 => talk(world),
        45..53 => be_late(world),
        53..60 => be_late_within_a_limit(world),
        60..70 => {
            nap(world, 2000);
            panic_any(Intended);
        }
        70..75 => lend_to_children(world),
        75..80 => (0..world.below(200)).for_each(|_| green::yield_now()),
        80..86 => go_deep(world, 20 << 10),
        86..89 => swallow_what_ends_it(world),
        89..93 => wait_for_a_child(world),
        93..96 => start_nothing(world),
        96..98 => map_in_a_pool(world),
        _ => leave_a_coroutine(world),
    }
}

/// Talks to a server until all is said, or the server has enough.
fn talk(world: &Rc<World>) {
    let server = world.below(SERVERS as u64) as usize;
    let address = world.servers.borrow()[server];
    let Ok(mut stream) = TcpStream::connect(address) else { return world.count("no connection") };
    // Closed with a reset, the connection leaves nothing behind that keeps its port from the next.
    stream.as_async().set_linger(Some(Duration::ZERO)).expect("a socket that is open");
    stream.set_read_timeout(Some(Duration::from_secs(1))).expect("more than zero");
    let seed = world.below(251) as u8;
    for _ in 0..world.below(10) {
        let message: Vec<u8> = (0..1 + world.below(3000)).map(|n| (n as u8) ^ seed).collect();
        let mut echo = vec![0; message.len()];
        if stream.write_all(&message).and_then(|()| stream.read_exact(&mut echo)).is_err() {
            return world.count("talks broken off");
        }
        world.check(echo == message, "a byte came back wrong");
        world.count("messages");
        nap(world, 500);
    }
}

/// Sleeps longer than it may.
fn be_late(world: &World) {
    let limit = Duration::from_micros(world.below(2_000_000));
    let result = green::timeout(limit, || green::sleep(Duration::from_secs(3600)));
    world.check(result.is_err(), "a time-out did not come");
    world.count("timed out");
}

/// The outer limit is reached first, and the inner one is none of its business.
fn be_late_within_a_limit(world: &World) {
    let (inner, outer) = (Duration::from_secs(1800), Duration::from_micros(world.below(2_000_000)));
    let entered = Cell::new(false);
    let result = green::timeout(outer, || {
        entered.set(true);
        green::timeout(inner, || green::sleep(Duration::from_secs(3600)))
    });
    world.check(entered.get() && result.is_err(), "a nested time-out ended the wrong block");
    world.count("timed out");
}

/// Lends its locals to children, of which one may panic.
fn lend_to_children(world: &Rc<World>) {
    let panics = world.one_in(4);
    let mut numbers = [0_u64; 3];
    let result = catch_unwind(AssertUnwindSafe(|| {
        green::scope(|scope| {
            for (place, number) in numbers.iter_mut().enumerate() {
                let alive = world.enter();
                scope.spawn(move || {
                    let _alive = alive;
                    nap(world, 1000);
                    if panics && place == 1 {
                        panic_any(Intended);
                    }
                    *number = place as u64 + 1;
                });
            }
        });
    }));
    match result {
        Ok(()) => world.check(!panics && numbers == [1, 2, 3], "a child did not do its work"),
        // A panic, or its own end: then this raises it again.
        Err(_) => green::yield_now(),
    }
    world.count("scopes");
}

/// Touches more of its stack, and waits down there.
#[inline(never)]
fn go_deep(world: &World, bytes: usize) {
    let block = black_box([1_u8; 1024]);
    if bytes > block.len() {
        go_deep(world, bytes - block.len());
    } else {
        nap(world, 2000);
    }
    world.check(black_box(block)[1023] == 1, "a stack was overwritten");
}

/// Catches its end, goes on, and meets it again at the next wait.
fn swallow_what_ends_it(world: &World) {
    for _ in 0..3 {
        if catch_unwind(AssertUnwindSafe(|| nap(world, 1000))).is_err() {
            world.count("swallowed");
        }
    }
}

/// Waits for a child of its own, which may panic, or be killed by its parent.
fn wait_for_a_child(world: &Rc<World>) {
    let child = spawn(world);
    world.remember(child.abort_handle());
    if world.one_in(3) {
        nap(world, 500);
        child.abort();
    }
    world.note_end(child.wait());
}

/// Starts what never runs: killed before its turn, or before its time. (If it is killed itself, nobody
/// takes the second one back.)
fn start_nothing(world: &Rc<World>) {
    let ran = Rc::new(Cell::new(false));
    let run = |alive| {
        let ran = Rc::clone(&ran);
        move || {
            let _alive = alive;
            ran.set(true);
        }
    };
    let never = green::spawn(run(world.enter()));
    // It has no stack before its time has come.
    let later = green::spawn_after(Duration::from_millis(300), run(world.enter_sized()));
    never.abort();
    green::yield_now();
    later.abort();
    let ended = [never.wait(), later.wait()];
    world.check(ended.iter().all(Result::is_err) != ran.get(), "it ran although it was killed");
    world.count("never started");
}

fn map_in_a_pool(world: &Rc<World>) {
    let pool = Pool::new(3);
    let shared = Rc::clone(world);
    let doubled = pool.map(0..7_u64, move |number| {
        let _alive = shared.enter();
        nap(&shared, 500);
        2 * number
    });
    world.check(doubled == [0, 2, 4, 6, 8, 10, 12], "a pool mixed up its results");
    world.count("pools");
}

/// Drops a coroutine that has not come to its end.
fn leave_a_coroutine(world: &Rc<World>) {
    let alive = world.enter();
    let numbers = Coroutine::new(move |yielder, ()| {
        let _alive = alive;
        for number in 0_u64.. {
            yielder.yield_value(number);
        }
    });
    let mut numbers = numbers.values();
    nap(world, 1000);
    world.check(numbers.by_ref().take(4).sum::<u64>() == 6, "a coroutine counted wrong");
    nap(world, 1000);
    world.count("coroutines");
}
