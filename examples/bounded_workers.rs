//! Bounded workers: the notes' three ways to do many jobs with five at a time, and a fourth.
//!
//! ```text
//! cargo run --example bounded_workers
//! ```
//!
//! 100 jobs, of which every fifth takes 10 ms and the others 1 ms. Shares of the same number of jobs are not
//! shares of the same work: the first worker gets all the long ones. So do workers that are chosen by a key,
//! which is the price for an order per key. Those that take the next job from a queue are done at the same time, and
//! tasks that wait for a permit as well. It prints how many jobs were done at once, and how long each way took.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use greenloop::{
    join_all,
    queue::Queue,
    sleep, spawn,
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};

const WORKERS: usize = 5;

fn main() {
    if std::env::args().len() > 1 {
        eprintln!("usage: bounded_workers");
        std::process::exit(2);
    }
    greenloop::run(async {
        measure("shares", |done| {
            // `jobs[index::WORKERS]`
            let share = |index| (index..100).step_by(WORKERS);
            let work = |index| spawn(done.clone().all(share(index)));
            (0..WORKERS).map(work).collect()
        })
        .await;
        measure("by key", |done| {
            let (senders, receivers): (Vec<_>, Vec<_>) =
                (0..WORKERS).map(|_| mpsc::unbounded_channel()).unzip();
            for job in 0..100 {
                senders[job % WORKERS].send(job).expect("the receiver is there");
            }
            let work = |receiver| spawn(done.clone().received(receiver));
            receivers.into_iter().map(work).collect()
        })
        .await;
        measure("a queue", |done| {
            let jobs = Rc::new(Queue::new());
            (0..100).for_each(|job| jobs.try_put(job).expect("there is no limit"));
            jobs.shutdown(false);
            (0..WORKERS).map(|_| spawn(done.clone().queued(Rc::clone(&jobs)))).collect()
        })
        .await;
        measure("permits", |done| {
            let permits = Rc::new(Semaphore::new(WORKERS));
            (0..100).map(|job| spawn(done.clone().permitted(Rc::clone(&permits), job))).collect()
        })
        .await;
    });
}

/// Starts the workers of one way, and waits for them.
async fn measure(way: &str, start: impl FnOnce(&Jobs) -> Vec<JoinHandle<()>>) {
    let (jobs, time) = (Jobs::default(), Instant::now());
    for worker in join_all(start(&jobs)).await {
        worker.expect("a worker does not fail");
    }
    let (done, most) = (jobs.done.get(), jobs.most.get());
    println!("{way}: {done} jobs, {most} at a time, {} ms", time.elapsed().as_millis());
}

/// What was done.
#[derive(Clone, Default)]
struct Jobs {
    done: Rc<Cell<u32>>,
    running: Rc<Cell<u32>>,
    most: Rc<Cell<u32>>,
}

impl Jobs {
    async fn all(self, jobs: impl Iterator<Item = usize>) {
        for job in jobs {
            self.one(job).await;
        }
    }

    async fn received(self, mut jobs: mpsc::UnboundedReceiver<usize>) {
        while let Some(job) = jobs.recv().await {
            self.one(job).await;
        }
    }

    async fn queued(self, jobs: Rc<Queue<usize>>) {
        while let Ok(job) = jobs.get().await {
            self.one(job).await;
        }
    }

    async fn permitted(self, permits: Rc<Semaphore>, job: usize) {
        let _permit = permits.acquire().await.expect("it is never closed");
        self.one(job).await;
    }

    async fn one(&self, job: usize) {
        self.running.set(self.running.get() + 1);
        self.most.set(self.most.get().max(self.running.get()));
        sleep(Duration::from_millis(if job % 5 == 0 { 10 } else { 1 })).await;
        self.running.set(self.running.get() - 1);
        self.done.set(self.done.get() + 1);
    }
}
