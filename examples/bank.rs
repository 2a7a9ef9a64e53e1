//! A bank: when a balance needs a lock, and when it does not.
//!
//! ```text
//! cargo run --example bank
//! ```
//!
//! One customer puts 5 on the account, 1,000 times, the other takes 5 off it, and in the end there must be 0.
//! Tasks of one loop take turns only where they wait: without a wait between reading and writing they need no
//! lock, with one they do, as the second line shows. The others hold a lock across the wait, in async tasks and
//! in green threads.

use std::{cell::Cell, rc::Rc};

use greenloop::green::{self, Wait};
use greenloop::{spawn, sync::Mutex, task::JoinHandle, yield_now};

fn main() {
    if std::env::args().len() > 1 {
        eprintln!("usage: bank");
        std::process::exit(2);
    }
    green::run(|| {
        let balance = Rc::new(Cell::new(0));
        both(|amount| spawn(change_at_once(Rc::clone(&balance), amount)));
        println!("nobody waits in between: {}", balance.get());

        let balance = Rc::new(Cell::new(0));
        both(|amount| spawn(change_and_wait(Rc::clone(&balance), amount)));
        println!("they wait in between: {}", balance.get());

        let balance = Rc::new(Mutex::new(0));
        both(|amount| spawn(change_under_lock(Rc::clone(&balance), amount)));
        println!("they wait under a lock: {}", *balance.lock().wait());

        let locked = Rc::clone(&balance);
        both(|amount| green::spawn(change_in_green(Rc::clone(&locked), amount)));
        println!("so do green threads: {}", *balance.lock().wait());
    });
}

/// Starts the two customers, and waits for both.
fn both(start: impl Fn(i32) -> JoinHandle<()>) {
    for customer in [5, -5].map(start) {
        customer.wait().expect("a customer does not fail");
    }
}

async fn change_at_once(balance: Rc<Cell<i32>>, amount: i32) {
    for _ in 0..1000 {
        balance.set(balance.get() + amount);
        yield_now().await;
    }
}

async fn change_and_wait(balance: Rc<Cell<i32>>, amount: i32) {
    for _ in 0..1000 {
        let before = balance.get();
        yield_now().await;
        balance.set(before + amount);
    }
}

async fn change_under_lock(balance: Rc<Mutex<i32>>, amount: i32) {
    for _ in 0..1000 {
        let mut balance = balance.lock().await;
        let before = *balance;
        yield_now().await;
        *balance = before + amount;
    }
}

fn change_in_green(balance: Rc<Mutex<i32>>, amount: i32) -> impl FnOnce() {
    move || {
        for _ in 0..1000 {
            let mut balance = balance.lock().wait();
            let before = *balance;
            green::yield_now();
            *balance = before + amount;
        }
    }
}
