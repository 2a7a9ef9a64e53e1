//! A computation that waits for nothing: what taking turns costs it, and what cores bring.

use std::{hint::black_box, io, time::Instant};

use serde_json::{Value, json};

use crate::{
    model::Model,
    process,
    threads::{Green, Os, Threads},
};

/// Cuts the steps into `workers` parts, and lets each worker do one.
pub fn apart(model: Model, workers: usize, steps: u64) -> io::Result<Value> {
    let part = steps / workers as u64;
    let start = Instant::now();
    match model {
        Model::Async => greenloop::run(async move {
            let work = (0..workers).map(|_| greenloop::spawn(async move { compute(part) }));
            for ended in greenloop::join_all(work).await {
                ended?;
            }
            io::Result::Ok(())
        })?,
        Model::Green => threads_apart::<Green>(workers, part),
        Model::Thread => threads_apart::<Os>(workers, part),
        Model::Process => {
            let fork = |_| process::fork(|| _ = compute(part));
            let children: io::Result<Vec<_>> = (0..workers).map(fork).collect();
            children?.into_iter().try_for_each(process::Forked::wait)?;
        }
    }
    Ok(json!({ "seconds": start.elapsed().as_secs_f64() }))
}

fn threads_apart<M: Threads>(workers: usize, part: u64) {
    M::run(move || {
        let work: Vec<_> = (0..workers).map(|_| M::spawn(move || compute(part))).collect();
        for thread in work {
            M::join(thread);
        }
    });
}

/// Two workers do half of the steps each, and let the other one run after every `every` steps.
pub fn in_turns(model: Model, every: usize, steps: u64) -> io::Result<Value> {
    let rounds = steps / 2 / every as u64;
    let start = Instant::now();
    match model {
        Model::Async => greenloop::run(async move {
            let work = [1, 2].map(|seed| {
                greenloop::spawn(async move {
                    let mut state = seed;
                    for _ in 0..rounds {
                        state = advance(state, every as u64);
                        greenloop::yield_now().await;
                    }
                    black_box(state);
                })
            });
            for ended in greenloop::join_all(work).await {
                ended?;
            }
            io::Result::Ok(())
        })?,
        Model::Green => threads_in_turns::<Green>(rounds, every as u64),
        Model::Thread => threads_in_turns::<Os>(rounds, every as u64),
        Model::Process => return Err(io::Error::other("two processes do not take turns")),
    }
    Ok(json!({ "seconds": start.elapsed().as_secs_f64() }))
}

fn threads_in_turns<M: Threads>(rounds: u64, every: u64) {
    M::run(move || {
        let work = [1, 2].map(|seed| {
            M::spawn(move || {
                let mut state = seed;
                for _ in 0..rounds {
                    state = advance(state, every);
                    M::yield_now();
                }
                black_box(state);
            })
        });
        work.into_iter().for_each(M::join);
    });
}

fn compute(steps: u64) -> u64 {
    black_box(advance(black_box(7), steps))
}

/// Shifts and multiplies, each step from the result of the last: nothing for the compiler to shorten.
fn advance(mut state: u64, steps: u64) -> u64 {
    for _ in 0..steps {
        state = (state ^ (state >> 29)).wrapping_mul(6_364_136_223_846_793_005);
    }
    state
}
