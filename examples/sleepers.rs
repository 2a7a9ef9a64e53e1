//! Sleepers: ten naps of half a second, first one after the other and then side by side.
//!
//! ```text
//! cargo run --example sleepers
//! ```
//!
//! It prints both times: five seconds for the first row, half a second for the second, on the same
//! single thread.

use std::time::{Duration, Instant};

const SLEEPERS: u32 = 10;
const NAP: Duration = Duration::from_millis(500);

fn main() {
    if std::env::args().len() > 1 {
        eprintln!("usage: sleepers");
        std::process::exit(2);
    }
    greenloop::run(async {
        let start = Instant::now();
        for _ in 0..SLEEPERS {
            greenloop::sleep(NAP).await;
        }
        println!("one after the other: {:.3} s", start.elapsed().as_secs_f64());

        let start = Instant::now();
        let tasks = (0..SLEEPERS).map(|_| greenloop::spawn(greenloop::sleep(NAP)));
        for woken_up in greenloop::join_all(tasks).await {
            woken_up.expect("a sleeper neither panics nor is aborted");
        }
        println!("side by side:        {:.3} s", start.elapsed().as_secs_f64());
    });
}
