//! Start one that does nothing, and wait for its end: in batches, as one starts many.

use std::io;

use crate::{
    clock::{Cost, Stopwatch},
    model::Model,
    process,
    threads::{Green, Os, Threads},
};

/// The cost of `count` in all.
pub fn create(model: Model, count: usize) -> io::Result<Cost> {
    match model {
        Model::Async => Ok(tasks(count)),
        Model::Green => Ok(threads::<Green>(count)),
        Model::Thread => Ok(threads::<Os>(count)),
        Model::Process => processes(count),
    }
}

fn tasks(count: usize) -> Cost {
    greenloop::run(async move {
        let batch = async || {
            let tasks: Vec<_> = (0..BATCH).map(|_| greenloop::spawn(async {})).collect();
            for task in tasks {
                task.await.expect("nothing happens in it");
            }
        };
        batch().await;
        let watch = Stopwatch::start();
        for _ in 0..count / BATCH {
            batch().await;
        }
        watch.read()
    })
}

fn threads<M: Threads>(count: usize) -> Cost {
    M::run(move || {
        let batch = || {
            let threads: Vec<_> = (0..BATCH).map(|_| M::spawn(|| ())).collect();
            threads.into_iter().for_each(M::join);
        };
        batch();
        let watch = Stopwatch::start();
        (0..count / BATCH).for_each(|_| batch());
        watch.read()
    })
}

fn processes(count: usize) -> io::Result<Cost> {
    let batch = || {
        let children: io::Result<Vec<_>> = (0..BATCH).map(|_| process::fork(|| ())).collect();
        children?.into_iter().try_for_each(process::Forked::wait)
    };
    batch()?;
    let watch = Stopwatch::start();
    for _ in 0..count / BATCH {
        batch()?;
    }
    Ok(watch.read())
}

/// How many are started before the first is waited for.
pub const BATCH: usize = 50;
