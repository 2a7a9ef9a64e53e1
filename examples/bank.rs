//! A bank: when a balance needs a lock, and when it does not.
//!
//! ```text
//! cargo run --example bank
//! ```
//!
//! The notes' program: one puts 5 on the account and takes it off again, the other 8, 1,000 times each, and in
//! the end there must be 0. Threads need a lock for that. Tasks of one loop take turns only where they
//! wait, so without a wait between the reading and the writing they need none; with one they do, and the second
//! line shows what becomes of the balance otherwise. The third and the fourth hold a lock across the
//! wait, in async tasks and in green threads.

use std::{cell::Cell, rc::Rc};

use greenloop::{
    green::{self, Wait},
    spawn,
    sync::Mutex,
    yield_now,
};

const TIMES: u32 = 1000;

fn main() {
    if std::env::args().len() > 1 {
        eprintln!("usage: bank");
        std::process::exit(2);
    }
    green::run(|| {
        let balance = Rc::new(Cell::new(0));
        both(|amount| spawn(change_without_waiting(Rc::clone(&balance), amount)));
        println!("nobody waits in between: {}", balance.get());

        let balance = Rc::new(Cell::new(0));
        both(|amount| spawn(change_and_wait(Rc::clone(&balance), amount)));
        let gone = if balance.get() == 0 { "0" } else { "money came from nowhere, or went there" };
        println!("they wait in between: {gone}");

        let balance = Rc::new(Mutex::new(0));
        both(|amount| spawn(change_under_lock(Rc::clone(&balance), amount)));
        println!("they wait under a lock: {}", *balance.lock().wait());

        let balance = Rc::new(Mutex::new(0));
        both(|amount| {
            let balance = Rc::clone(&balance);
            green::spawn(move || change_under_lock_in_green(&balance, amount))
        });
        println!("so do green threads: {}", *balance.lock().wait());
    });
}

/// Starts the two customers, and waits for both.
fn both(start: impl Fn(i32) -> greenloop::task::JoinHandle<()>) {
    for customer in [5, 8].map(start) {
        customer.wait().expect("a customer does not fail");
    }
}

async fn change_without_waiting(balance: Rc<Cell<i32>>, amount: i32) {
    for _ in 0..TIMES {
        balance.set(balance.get() + amount);
        balance.set(balance.get() - amount);
        yield_now().await;
    }
}

async fn change_and_wait(balance: Rc<Cell<i32>>, amount: i32) {
    for change in [amount, -amount].into_iter().cycle().take(2 * TIMES as usize) {
        let before = balance.get();
        yield_now().await;
        balance.set(before + change);
    }
}

async fn change_under_lock(balance: Rc<Mutex<i32>>, amount: i32) {
    for change in [amount, -amount].into_iter().cycle().take(2 * TIMES as usize) {
        let mut balance = balance.lock().await;
        let before = *balance;
        yield_now().await;
        *balance = before + change;
    }
}

fn change_under_lock_in_green(balance: &Mutex<i32>, amount: i32) {
    for change in [amount, -amount].into_iter().cycle().take(2 * TIMES as usize) {
        let mut balance = balance.lock().wait();
        let before = *balance;
        green::yield_now();
        *balance = before + change;
    }
}
