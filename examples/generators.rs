//! Generators: functions that hand out values in the middle, without any loop.
//!
//! ```text
//! cargo run --example generators
//! ```
//!
//! It prints the first Fibonacci numbers, how to move a tower of Hanoi of three discs, and the running
//! average of three numbers, each as it comes in.

use greenloop::green::{Coroutine, Resumed, Yielder};

fn main() {
    if std::env::args().len() > 1 {
        eprintln!("usage: generators");
        std::process::exit(2);
    }

    // An iterator, from a function that never ends: it goes no further than somebody asks.
    let fibonacci = Coroutine::new(|yielder, ()| {
        let (mut this, mut next) = (0, 1);
        loop {
            yielder.yield_value(this);
            (this, next) = (next, this + next);
        }
    });
    let numbers: Vec<u64> = fibonacci.values().take(10).collect();
    println!("Fibonacci: {numbers:?}");

    // It has a stack of its own, so it may yield from deep within a recursion.
    let moves = Coroutine::new(|yielder, ()| hanoi(&yielder, 3, ['A', 'B', 'C']));
    for (number, (disc, from, to)) in moves.values().enumerate() {
        println!("move {}: disc {disc} from {from} to {to}", number + 1);
    }

    // Values also go in: Python's `send`. The first one is the function's argument.
    let mut average = Coroutine::new(|yielder, mut number: Option<f64>| {
        let (mut sum, mut count) = (0.0, 0.0);
        while let Some(value) = number {
            (sum, count) = (sum + value, count + 1.0);
            number = yielder.yield_value(sum / count);
        }
        count
    });
    for number in [10.0, 20.0, 60.0] {
        if let Resumed::Yielded(average) = average.resume(Some(number)) {
            println!("average with {number}: {average}");
        }
    }
    if let Resumed::Returned(count) = average.resume(None) {
        println!("that was the average of {count} numbers");
    }
}

/// Yields the moves that carry `discs` discs from the first peg to the last.
fn hanoi(yielder: &Yielder<'_, (), (u32, char, char)>, discs: u32, [from, over, to]: [char; 3]) {
    if discs > 0 {
        hanoi(yielder, discs - 1, [from, to, over]);
        yielder.yield_value((discs, from, to));
        hanoi(yielder, discs - 1, [over, from, to]);
    }
}
