//! Ten thousand green threads that come and go for as long as you like: they sleep, talk over
//! loopback, spawn others, are killed, run out of time and panic, in one process on one loop.
//!
//! ```text
//! cargo bench --bench green_soak                   # a few seconds: does it still work?
//! cargo bench --bench green_soak -- --minutes 10   # does anything leak?
//! ```
//!
//! The time is cut into rounds. In each of them the population storms, and then all of it ends, so that
//! what the process holds at rest can be compared. It fails when a value is wrong, when a green thread
//! or its destructors do not come to an end, when a stack or a descriptor is lost, or when what the
//! process holds at rest grows (looked at from a minute on). It reads `/proc`, so it needs Linux.

#[path = "../machine/mod.rs"]
mod machine;
mod process;
mod roles;
mod world;

use std::{
    process::ExitCode,
    rc::Rc,
    time::{Duration, Instant},
};

use greenloop::{
    EventLoop,
    green::{self, Group, Join, Wait},
    task::JoinHandle,
};
use process::Sample;
use world::World;

/// How many green threads there are at a time, besides those that they start themselves.
const POPULATION: usize = 10_000;

/// How often each of them is looked after, in a second.
const LOOKS: f64 = 20.0;

/// How many rounds there are at most, and how long one is at least.
const ROUNDS: u32 = 20;
const ROUND: Duration = Duration::from_secs(1);

/// With rounds of this length the pools have filled up after a quarter of them.
const SETTLING: Duration = Duration::from_secs(3);

/// How long the green threads may take to end when they are told to.
const STUCK: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let Some(duration) = arguments() else {
        eprintln!("usage: green_soak [--minutes M | --seconds S]");
        return ExitCode::from(2);
    };
    machine::print();
    println!("{POPULATION} green threads for {duration:?}\n");
    world::silence_intended_panics();
    let before = Sample::take();
    let world = World::new();
    let in_world = Rc::clone(&world);
    let unobserved = Rc::clone(&world);
    let mut event_loop = EventLoop::builder()
        .on_unobserved_panic(move |_| unobserved.count("panicked, unobserved"))
        .build()
        .expect("a loop");
    event_loop.run(async move {
        let root = green::Builder::new().stack_size(8 << 20);
        root.spawn(move || soak(&in_world, duration)).await.expect("the root ends by itself");
    });
    drop(event_loop);
    let after = Sample::take();
    world.check(after.descriptors == before.descriptors, "a descriptor was lost");
    world.print_counts();
    world.verdict()
}

/// Storms and rests by turns until the time is over, and then ends it all.
fn soak(world: &Rc<World>, duration: Duration) {
    let servers = Group::new();
    roles::start_servers(world, &servers);
    let own = greenloop::statistics().tasks;
    let start = Instant::now();
    let mut at_rest = Vec::new();
    Sample::print_header();
    let round = (duration / ROUNDS).max(ROUND);
    while start.elapsed() < duration {
        let (storm, alive) = storm(world, Instant::now() + round);
        rest(world, own);
        let rest = Sample::take();
        storm.print(start.elapsed(), world, alive, &rest);
        at_rest.push(rest);
    }
    if round >= SETTLING {
        check_growth(world, &at_rest);
    }
    check_stacks(world);
    servers.abort_all();
    let statistics = greenloop::statistics();
    println!("\nat the end: {} green threads alive; {statistics:?}", world.alive());
    world.check(world.alive() == 0, "a green thread's destructors have not run");
    world.check(statistics.tasks == world::OWN_TASKS, "a task is left over");
    world.check(statistics.sockets == 0, "a socket is left over");
    world.check(statistics.timers == 0, "a timer is left over");
}

/// Keeps the population up until `end`, gives a sample from then and how many were alive, and tells
/// all to end.
fn storm(world: &Rc<World>, end: Instant) -> (Sample, usize) {
    let start = Instant::now();
    let mut people: Vec<JoinHandle<()>> = (0..POPULATION).map(|_| roles::spawn(world)).collect();
    let mut looks = 0;
    while Instant::now() < end {
        green::sleep(Duration::from_millis(1));
        let due = (start.elapsed().as_secs_f64() * LOOKS * POPULATION as f64) as usize;
        for look in looks..due.min(looks + POPULATION) {
            look_after(world, &mut people[look % POPULATION]);
        }
        looks = due;
    }
    let sample = (Sample::take(), world.alive());
    people.iter().for_each(JoinHandle::abort);
    let ended = Join::new(people).timeout(STUCK).wait();
    world.check(ended.pending.is_empty(), "a green thread does not end");
    for (_, result) in ended.finished {
        world.note_end(result);
    }
    sample
}

/// Waits until only the `own` tasks are left.
fn rest(world: &World, own: usize) {
    let limit = Instant::now() + STUCK;
    while greenloop::statistics().tasks > own && Instant::now() < limit {
        world.abort_orphans();
        green::sleep(Duration::from_millis(1));
    }
    world.check(greenloop::statistics().tasks == own, "a task does not end");
}

/// Replaces a green thread that has ended, and kills one in a while.
fn look_after(world: &Rc<World>, person: &mut JoinHandle<()>) {
    if person.is_finished() {
        let ended = std::mem::replace(person, roles::spawn(world));
        world.note_end(ended.wait());
    } else if world.one_in(100) {
        person.abort();
    }
}

/// Parks as many green threads as ever had a stack of the usual size at a time: if none of these stacks
/// is lost, nothing has to be mapped for it.
fn check_stacks(world: &Rc<World>) {
    let before = Sample::take();
    let parked: Vec<_> = (0..world.most_usual())
        .map(|_| green::spawn(|| green::sleep(Duration::from_secs(3600))))
        .collect();
    green::sleep(Duration::from_millis(1));
    let grown = Sample::take().virtual_mib - before.virtual_mib;
    println!("{} parked again: {grown:.1} MiB more are mapped", parked.len());
    // A lost stack shows when the rest of the last mapping is used up, which is 16 MiB large.
    world.check(grown < 16.0, "a stack was lost");
    parked.iter().for_each(JoinHandle::abort);
    green::join_all(parked);
}

/// Looks for what has grown at rest. The first quarter is for the pools to fill up.
fn check_growth(world: &World, at_rest: &[Sample]) {
    let quarter = at_rest.len() / 4;
    let most =
        |samples: &[Sample], of: fn(&Sample) -> f64| samples.iter().map(of).fold(0.0, f64::max);
    // What is kept for later depends on how many happened to be alive at a time, so there is slack:
    // as much as seven bytes for each green thread of a quarter of ten minutes.
    let figures: [Figure; 4] = [
        ("resident memory, MiB", |sample| sample.resident_mib, 16.0),
        ("virtual memory, MiB", |sample| sample.virtual_mib, 64.0),
        ("descriptors", |sample| sample.descriptors as f64, 0.0),
        ("mappings", |sample| sample.mappings as f64, 4.0),
    ];
    println!("\n{:<22}{:>16}{:>16}", "most of, at rest", "second quarter", "last quarter");
    for (name, of, slack) in figures {
        let early = most(&at_rest[quarter..2 * quarter], of);
        let late = most(&at_rest[3 * quarter..], of);
        println!("{name:<22}{early:>16.1}{late:>16.1}");
        world.check(late <= early + slack, "something grows, see the table");
    }
}

/// How long it shall take. Cargo adds `--bench`.
fn arguments() -> Option<Duration> {
    let mut duration = Duration::from_secs(4);
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        let number: f64 = arguments.next()?.parse().ok()?;
        let seconds = match argument.as_str() {
            "--minutes" => number * 60.0,
            "--seconds" => number,
            _ => return None,
        };
        duration = Duration::try_from_secs_f64(seconds).ok()?;
    }
    Some(duration)
}

/// A figure's name, how to read it, and by how much it may grow.
type Figure = (&'static str, fn(&Sample) -> f64, f64);
