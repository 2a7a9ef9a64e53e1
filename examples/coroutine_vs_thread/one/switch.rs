//! Taking turns: in each round everybody runs once, in the same order.
//!
//! Tasks and green threads yield, and the loop runs the next one. Threads would not take turns by yielding,
//! so each unparks the next and parks; processes do so by a byte in a pipe.

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
};

use greenloop::green::{self, Wait};

use crate::{
    clock::{Cost, Others, Stopwatch},
    model::Model,
    process::{self, Turn},
};

/// The cost of `rounds` rounds of `count` turns.
pub fn switch(model: Model, count: usize, rounds: usize) -> io::Result<Cost> {
    match model {
        Model::Async => Ok(tasks(count, rounds)),
        Model::Green => Ok(green_threads(count, rounds)),
        Model::Thread => Ok(threads(count, rounds)),
        Model::Process => processes(count, rounds),
    }
}

fn tasks(count: usize, rounds: usize) -> Cost {
    greenloop::run(async move {
        let tasks: Vec<_> = (0..count)
            .map(|_| {
                greenloop::spawn(async move {
                    // The first round is not counted: each is run for the first time.
                    greenloop::yield_now().await;
                    let watch = Stopwatch::start();
                    for _ in 0..rounds {
                        greenloop::yield_now().await;
                    }
                    watch.read()
                })
            })
            .collect();
        let costs = greenloop::join_all(tasks).await;
        costs.into_iter().next().expect("there are some").expect("it only yields")
    })
}

fn green_threads(count: usize, rounds: usize) -> Cost {
    green::run(move || {
        let threads: Vec<_> = (0..count)
            .map(|_| {
                green::spawn(move || {
                    green::yield_now();
                    let watch = Stopwatch::start();
                    for _ in 0..rounds {
                        green::yield_now();
                    }
                    watch.read()
                })
            })
            .collect();
        let costs = greenloop::join_all(threads).wait();
        costs.into_iter().next().expect("there are some").expect("it only yields")
    })
}

/// A thread's place in the ring.
#[derive(Debug, Default)]
struct Place {
    turn: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Place {
    fn give_turn(&self) {
        self.turn.store(true, Ordering::Release);
        self.thread.get().expect("all places are taken before the first turn").unpark();
    }

    fn wait_for_turn(&self) {
        while !self.turn.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

fn threads(count: usize, rounds: usize) -> Cost {
    let ring: Arc<Vec<Place>> = Arc::new((0..count).map(|_| Place::default()).collect());
    let threads: Vec<_> = (0..count)
        .map(|number| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                // A round more than is counted, which lets each be run for the first time.
                for _ in 0..=rounds {
                    ring[number].wait_for_turn();
                    ring[(number + 1) % count].give_turn();
                }
            })
        })
        .collect();
    for (place, thread) in ring.iter().zip(&threads) {
        place.thread.set(thread.thread().clone()).expect("each place is taken once");
    }
    let watch = Stopwatch::start();
    ring[0].give_turn();
    for thread in threads {
        thread.join().expect("it only takes turns");
    }
    watch.read()
}

fn processes(count: usize, rounds: usize) -> io::Result<Cost> {
    let ring: Vec<Turn> = (0..count).map(|_| Turn::new()).collect::<io::Result<_>>()?;
    let over = Turn::new()?;
    let children: io::Result<Vec<_>> = (0..count)
        .map(|number| {
            process::fork(|| {
                let mut left = rounds;
                loop {
                    ring[number].wait().expect("somebody keeps the pipe open");
                    if left == 0 {
                        // Everybody has had its last turn. They wait to be ended.
                        over.give().expect("the parent listens");
                    }
                    left = left.wrapping_sub(1);
                    ring[(number + 1) % count].give().expect("somebody keeps the pipe open");
                }
            })
        })
        .collect();
    let children = children?;
    let watch = Others::start(&children);
    ring[0].give()?;
    over.wait()?;
    let cost = watch.read();
    drop(children);
    Ok(cost)
}
