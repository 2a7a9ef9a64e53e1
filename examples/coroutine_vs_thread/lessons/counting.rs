//! A hundred that each take one from a shared number, and sleep in the middle of it.
//!
//! It starts as the number of those who take. What is left at the end says whether they got in each other's
//! way: without a lock all read the same number, and nearly all of what they take is lost.
//!
//! Before the critical part each sleeps six times as long, as one that has other work to do.

use std::{
    cell::Cell,
    io,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use greenloop::{
    green::{self, Wait},
    sync,
};
use serde_json::{Value, json};

use crate::{
    model::Model,
    process,
    threads::{Green, Os, Threads},
};

/// No lock, and no other work either: the fastest, and wrong.
pub fn unlocked(model: Model, count: usize, time: Duration) -> io::Result<Value> {
    let start = Instant::now();
    let left = match model {
        Model::Async => greenloop::run(async move {
            let number = Rc::new(Cell::new(count as i64));
            let tasks = (0..count).map(|_| {
                let number = Rc::clone(&number);
                greenloop::spawn(async move {
                    let seen = number.get();
                    greenloop::sleep(time).await;
                    number.set(seen - 1);
                })
            });
            let ended = greenloop::join_all(tasks).await;
            ended.into_iter().collect::<Result<Vec<()>, _>>()?;
            io::Result::Ok(number.get())
        })?,
        Model::Green => threads_unlocked::<Green>(count, time),
        Model::Thread => threads_unlocked::<Os>(count, time),
        Model::Process => {
            let number = Cell::new(count as i64);
            let children: io::Result<Vec<_>> =
                (0..count).map(|_| process::fork(|| take_one(&number, time))).collect();
            children?.into_iter().try_for_each(process::Forked::wait)?;
            number.get()
        }
    };
    Ok(json!({ "seconds": start.elapsed().as_secs_f64(), "left": left }))
}

/// Under a lock: right, and one after the other where the lock is held.
pub fn locked(model: Model, count: usize, time: Duration) -> io::Result<Value> {
    let start = Instant::now();
    let left = match model {
        Model::Async => greenloop::run(async move {
            let number = Rc::new(sync::Mutex::new(count as i64));
            let tasks = (0..count).map(|_| {
                let number = Rc::clone(&number);
                greenloop::spawn(async move {
                    greenloop::sleep(time * OTHER_WORK).await;
                    let mut number = number.lock().await;
                    let seen = *number;
                    greenloop::sleep(time).await;
                    *number = seen - 1;
                })
            });
            let ended = greenloop::join_all(tasks).await;
            ended.into_iter().collect::<Result<Vec<()>, _>>()?;
            io::Result::Ok(*number.lock().await)
        })?,
        Model::Green => green::run(move || {
            let number = Rc::new(sync::Mutex::new(count as i64));
            let threads = (0..count).map(|_| {
                let number = Rc::clone(&number);
                green::spawn(move || {
                    green::sleep(time * OTHER_WORK);
                    let mut number = number.lock().wait();
                    let seen = *number;
                    green::sleep(time);
                    *number = seen - 1;
                })
            });
            let ended = green::join_all(threads);
            ended.into_iter().collect::<Result<Vec<()>, _>>()?;
            io::Result::Ok(*number.lock().wait())
        })?,
        Model::Thread => {
            let number = Arc::new(Mutex::new(count as i64));
            let threads: Vec<_> = (0..count)
                .map(|_| {
                    let number = Arc::clone(&number);
                    thread::spawn(move || {
                        thread::sleep(time * OTHER_WORK);
                        let mut number = number.lock().expect("nobody panics");
                        let seen = *number;
                        thread::sleep(time);
                        *number = seen - 1;
                    })
                })
                .collect();
            threads.into_iter().for_each(Os::join);
            *number.lock().expect("nobody panics")
        }
        Model::Process => return Err(io::Error::other("processes share no number to lock")),
    };
    Ok(json!({ "seconds": start.elapsed().as_secs_f64(), "left": left }))
}

/// Each is joined as soon as it is started: right, and everything is one after the other.
pub fn joined(model: Model, count: usize, time: Duration) -> io::Result<Value> {
    let start = Instant::now();
    let left = match model {
        Model::Async => greenloop::run(async move {
            let number = Rc::new(Cell::new(count as i64));
            for _ in 0..count {
                let number = Rc::clone(&number);
                let task = greenloop::spawn(async move {
                    greenloop::sleep(time * OTHER_WORK).await;
                    let seen = number.get();
                    greenloop::sleep(time).await;
                    number.set(seen - 1);
                });
                task.await?;
            }
            io::Result::Ok(number.get())
        })?,
        Model::Green => threads_joined::<Green>(count, time),
        Model::Thread => threads_joined::<Os>(count, time),
        Model::Process => {
            let number = Cell::new(count as i64);
            for _ in 0..count {
                let child = process::fork(|| {
                    thread::sleep(time * OTHER_WORK);
                    take_one(&number, time);
                })?;
                child.wait()?;
            }
            number.get()
        }
    };
    Ok(json!({ "seconds": start.elapsed().as_secs_f64(), "left": left }))
}

/// In a forked process the number is a copy.
fn take_one(number: &Cell<i64>, time: Duration) {
    let seen = number.get();
    thread::sleep(time);
    number.set(seen - 1);
}

fn threads_unlocked<M: Threads>(count: usize, time: Duration) -> i64 {
    M::run(move || {
        let number = Arc::new(AtomicI64::new(count as i64));
        let threads: Vec<_> = (0..count)
            .map(|_| {
                let number = Arc::clone(&number);
                M::spawn(move || {
                    let seen = number.load(Ordering::Relaxed);
                    M::sleep(time);
                    number.store(seen - 1, Ordering::Relaxed);
                })
            })
            .collect();
        threads.into_iter().for_each(M::join);
        number.load(Ordering::Relaxed)
    })
}

fn threads_joined<M: Threads>(count: usize, time: Duration) -> i64 {
    M::run(move || {
        let number = Arc::new(AtomicI64::new(count as i64));
        for _ in 0..count {
            let number = Arc::clone(&number);
            M::join(M::spawn(move || {
                M::sleep(time * OTHER_WORK);
                let seen = number.load(Ordering::Relaxed);
                M::sleep(time);
                number.store(seen - 1, Ordering::Relaxed);
            }));
        }
        number.load(Ordering::Relaxed)
    })
}

/// How many times as long as the critical part the other work takes: 3 s to 0.5 s.
const OTHER_WORK: u32 = 6;
