//! Dining: scientists who share one plate of noodles and one fork, and what becomes of them.
//!
//! ```text
//! cargo run --example dining
//! ```
//!
//! First half of them reach for the noodles first and half for the fork. Soon one has the noodles and
//! waits for the fork, another has the fork and waits for the noodles, and all the others wait for these
//! two: a deadlock. With threads the program would stand still without a word; here the run ends, and
//! the program prints who waits for what, and who has it. Then all of them reach for the noodles first, and
//! everybody eats.

use std::{rc::Rc, time::Duration};

use greenloop::{
    green::{self, Wait},
    sync::Mutex,
};

/// Both are on the table, and whoever eats needs both.
struct Table {
    noodles: Mutex<u32>,
    fork: Mutex<()>,
}

/// Takes the noodles, then the fork.
fn noodles_first(name: &str, table: &Table) {
    let mut portions = table.noodles.lock().wait();
    println!("{name} has the noodles");
    let _fork = table.fork.lock().wait();
    println!("{name} has the fork and eats");
    *portions -= 1;
}

/// Takes the fork, and the noodles a moment later.
fn fork_first(name: &str, table: &Table) {
    let _fork = table.fork.lock().wait();
    println!("{name} has the fork");
    green::sleep(Duration::from_millis(10));
    let mut portions = table.noodles.lock().wait();
    println!("{name} has the noodles and eats");
    *portions -= 1;
}

/// Lets everybody eat twice, and returns how many portions are left.
fn dinner(in_one_order: bool) -> u32 {
    let noodles = Mutex::new(6);
    let fork = Mutex::new(());
    let table = Rc::new(Table { noodles, fork });
    let second: fn(&str, &Table) = if in_one_order { noodles_first } else { fork_first };
    let mut eaters = Vec::new();
    for name in ["nezha", "egon", "yuan"] {
        for eat in [noodles_first, second] {
            let table = Rc::clone(&table);
            eaters.push(green::Builder::new().name(name).spawn(move || eat(name, &table)));
        }
    }
    for eater in green::join_all(eaters) {
        eater.expect("an eater neither panics nor is aborted");
    }
    *table.noodles.lock().wait()
}

fn main() {
    if std::env::args().len() > 1 {
        eprintln!("usage: dining");
        std::process::exit(2);
    }
    println!("-- each as he likes");
    match green::try_run(|| dinner(false)) {
        Ok(left) => println!("{left} portions are left"),
        Err(deadlock) => println!("{deadlock}"),
    }
    println!("-- noodles first");
    let left = green::run(|| dinner(true));
    println!("{left} portions are left");
}
