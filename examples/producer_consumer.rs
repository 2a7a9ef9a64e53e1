//! Producers and consumers: they share a queue of two places, and wait for each other.
//!
//! ```text
//! cargo run --example producer_consumer
//! ```
//!
//! Three bakers bake four cakes each, which takes them 10 ms. One of the eaters is an async task, the other a
//! green thread, and both are slower. The counter holds two cakes, so the bakers have to wait for
//! the eaters. When all cakes are eaten the shop closes, and the eaters go home. It prints who ate how many, and
//! how many cakes there were on the counter at most.

use std::{cell::Cell, rc::Rc, time::Duration};

use greenloop::{
    green::{self, Wait},
    join_all,
    queue::Queue,
    sleep, spawn,
};

type Counter = Rc<Queue<String>>;

fn main() {
    if std::env::args().len() > 1 {
        eprintln!("usage: producer_consumer");
        std::process::exit(2);
    }
    greenloop::run(async {
        let (counter, most) = (Counter::new(Queue::bounded(2)), Rc::new(Cell::new(0)));
        let bakers =
            ["Anna", "Ben", "Cleo"].map(|name| spawn(bake(name, counter.clone(), most.clone())));
        let task = spawn(eat(counter.clone()));
        let thread = green::spawn({
            let counter = counter.clone();
            move || eat_in_green(&counter)
        });

        for baker in join_all(bakers).await {
            baker.expect("bakers do not fail");
        }
        println!("all cakes are baked");
        // What is on the counter is still eaten, and what was taken from it as well.
        counter.join().await;
        counter.shutdown(false);
        let eaten = [task.await, thread.await].map(|eaten| eaten.expect("nor do eaters"));
        println!(
            "{} cakes were eaten, and both ate some: {}",
            eaten.iter().sum::<u32>(),
            !eaten.contains(&0)
        );
        println!("at most {} were on the counter", most.get());
    });
}

/// Bakes four cakes, one after the other.
async fn bake(name: &str, counter: Counter, most: Rc<Cell<usize>>) {
    for number in 1..=4 {
        sleep(Duration::from_millis(10)).await;
        counter.put(format!("{name}'s cake number {number}")).await.expect("the shop is open");
        most.set(most.get().max(counter.len()));
    }
}

/// Eats until the shop closes, as an async task.
async fn eat(counter: Counter) -> u32 {
    let mut eaten = 0;
    while let Ok(_cake) = counter.get().await {
        sleep(Duration::from_millis(15)).await;
        eaten += 1;
        counter.task_done().expect("it was put there");
    }
    eaten
}

/// The same as a green thread, in a `for` loop.
fn eat_in_green(counter: &Counter) -> u32 {
    let mut eaten = 0;
    for _cake in green::iter(counter.stream()) {
        sleep(Duration::from_millis(15)).wait();
        eaten += 1;
        counter.task_done().expect("it was put there");
    }
    eaten
}
