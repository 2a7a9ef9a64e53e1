//! Eat and play: greenlet's introductory program, by the bare switch, without any loop.
//!
//! ```text
//! cargo run --example eat_play
//! ```
//!
//! It prints `egon eat 1`, `egon play 1`, `egon eat 2`, `egon play 2`.
//!
//! In greenlet `g2.switch(value)` goes straight from one function into the other, and any of them may
//! switch to any: it is symmetric. A [`Coroutine`] is asymmetric, as Python's generators: it yields to
//! whoever resumed it. The first becomes the second by a few lines in the middle, which resume whom
//! the last one switched to. There are two here, so that is always the other one; with more of them,
//! yield whom along with the value.

use std::mem;

use greenloop::green::{Coroutine, Resumed, Yielder};

/// Switches to the other function. It passes a name, and gives what is passed when it comes back.
type Other<'a> = Yielder<'a, &'static str, &'static str>;

fn eat(other: Other<'_>, name: &'static str) {
    println!("{name} eat 1");
    other.yield_value("egon"); // g2.switch('egon')
    println!("{name} eat 2");
    other.yield_value(""); // g2.switch()
}

fn play(other: Other<'_>, name: &'static str) {
    println!("{name} play 1");
    other.yield_value(""); // g1.switch()
    println!("{name} play 2");
}

fn main() {
    if std::env::args().len() > 1 {
        eprintln!("usage: eat_play");
        std::process::exit(2);
    }
    let [mut running, mut other] = [Coroutine::new(eat), Coroutine::new(play)];
    let mut value = "egon"; // g1.switch('egon')
    while let Resumed::Yielded(passed) = running.resume(value) {
        value = passed;
        mem::swap(&mut running, &mut other);
    }
    // `play` has returned, so the rest is up to its parent, as greenlet calls it: that is us. `eat`
    // still waits in its last line, and is unwound from there when it is dropped.
    assert!(running.is_done() && !other.is_done());
}
