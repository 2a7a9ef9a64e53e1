//! Bounded workers: three ways to do many jobs, five at a time.
//!
//! ```text
//! cargo run --example bounded_workers
//! ```
//!
//! Of 100 jobs every fifth takes 10 ms and the others 1 ms. With a share for each, one worker gets all the
//! long ones, and so it does if jobs are sent to workers by a key, which is the price for an order per key (see
//! `keyed_workers`). Those that take the next job from a queue are done at the same time. It prints how
//! long each way took: the first two at least 200 ms, the last less than 100 on a machine that is not busy.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use greenloop::{join_all, queue::Queue, sleep, spawn, sync::mpsc};

const WORKERS: usize = 5;

fn main() {
    if std::env::args().len() > 1 {
        eprintln!("usage: bounded_workers");
        std::process::exit(2);
    }
    // Share number 2 has the jobs 2, 7, 12, ...
    measure("shares", |share, log| async move {
        for job in (share..100).step_by(WORKERS) {
            do_job(job, &log).await;
        }
    });

    let channels = (0..WORKERS).map(|_| mpsc::unbounded_channel());
    let (senders, receivers): (Vec<_>, Vec<_>) = channels.unzip();
    (0..100).for_each(|job| senders[job % WORKERS].send(job).expect("its receiver is there"));
    drop(senders);
    let receivers = RefCell::new(receivers);
    measure("by key", |_, log| {
        let mut jobs = receivers.borrow_mut().pop().expect("there is one for each");
        async move {
            while let Some(job) = jobs.recv().await {
                do_job(job, &log).await;
            }
        }
    });

    let queue = Rc::new(Queue::new());
    (0..100).for_each(|job| queue.try_put(job).expect("there is no limit"));
    queue.shutdown(false);
    measure("a queue", |_, log| {
        let queue = Rc::clone(&queue);
        async move {
            while let Ok(job) = queue.get().await {
                do_job(job, &log).await;
            }
        }
    });
}

/// How many jobs are running, how many were at most, and how many are done.
type Log = Rc<[Cell<u32>; 3]>;

/// Runs five workers, each made by `work` from its number.
fn measure<F: Future<Output = ()> + 'static>(way: &str, work: impl Fn(usize, Log) -> F) {
    let (log, start) = (Log::default(), Instant::now());
    let workers = (0..WORKERS).map(|number| work(number, Rc::clone(&log)));
    greenloop::run(async { join_all(workers.map(spawn)).await });
    let [_, most, done] = &*log;
    let (done, most, time) = (done.get(), most.get(), start.elapsed().as_millis());
    println!("{way}: {done} jobs, {most} at a time, {time} ms");
}

async fn do_job(job: usize, log: &Log) {
    let [running, most, done] = &**log;
    running.set(running.get() + 1);
    most.set(most.get().max(running.get()));
    sleep(Duration::from_millis(if job % 5 == 0 { 10 } else { 1 })).await;
    running.set(running.get() - 1);
    done.set(done.get() + 1);
}
