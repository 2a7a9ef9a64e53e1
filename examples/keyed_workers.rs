//! Keyed workers: many at a time, and what belongs to one customer in its order.
//!
//! ```text
//! cargo run --example keyed_workers
//! ```
//!
//! Orders are spread over four workers by `uid % 4`, so those of one customer go to the same worker and cannot
//! overtake each other, while those of others go on beside them.
//! Each worker has a channel of its own, which holds two orders: whoever hands them out waits for the busiest.
//! It prints the orders of each customer as they were sent, and how many workers were busy at once.

use std::cell::{Cell, RefCell};
use std::{collections::BTreeMap, rc::Rc, time::Duration};

use greenloop::{join_all, sleep, spawn, sync::mpsc};

const WORKERS: usize = 4;

#[derive(Clone, Copy)]
struct Order {
    uid: usize,
    number: u32,
}

/// What the workers have done.
#[derive(Default)]
struct Report {
    sent: RefCell<BTreeMap<usize, Vec<u32>>>,
    busy: Cell<usize>,
    busiest: Cell<usize>,
}

fn main() {
    if std::env::args().len() > 1 {
        eprintln!("usage: keyed_workers");
        std::process::exit(2);
    }
    // Seven customers, six orders of each, all mixed.
    let orders = (0..42).map(|n| Order { uid: n % 7, number: n as u32 / 7 + 1 });
    let report = Rc::new(Report::default());
    greenloop::run(send_all(orders, Rc::clone(&report)));
    for (uid, numbers) in &*report.sent.borrow() {
        println!("customer {uid}: {numbers:?}");
    }
    println!("{} workers were busy at once", report.busiest.get());
}

/// Hands the orders out, and waits until all are sent.
async fn send_all(orders: impl Iterator<Item = Order>, report: Rc<Report>) {
    let mut channels = Vec::new();
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        let (sender, receiver) = mpsc::channel(2);
        channels.push(sender);
        workers.push(spawn(work(receiver, Rc::clone(&report))));
    }
    for order in orders {
        channels[order.uid % WORKERS].send(order).await.expect("the workers are there");
    }
    // A channel ends with its last sender, and the worker with its channel.
    drop(channels);
    for worker in join_all(workers).await {
        worker.expect("a worker does not fail");
    }
}

/// Sends the orders of some customers, one after the other.
async fn work(mut orders: mpsc::Receiver<Order>, report: Rc<Report>) {
    while let Some(order) = orders.recv().await {
        report.busy.set(report.busy.get() + 1);
        report.busiest.set(report.busiest.get().max(report.busy.get()));
        // Some take longer than others.
        sleep(Duration::from_millis(1 + order.uid as u64 % 3)).await;
        report.busy.set(report.busy.get() - 1);
        report.sent.borrow_mut().entry(order.uid).or_default().push(order.number);
    }
}
