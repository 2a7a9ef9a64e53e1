//! Timers: a call that comes later, one that is taken back, a watchdog, and two ways to tick.
//!
//! ```text
//! cargo run --example timers
//! ```
//!
//! Python's `threading.Timer` takes a thread for each of these; here all are on the one thread, and a timer
//! that is taken back or moved leaves nothing behind. Every line begins with the milliseconds since the
//! start. It prints `hello` at 30, the ticks at 50, 100 and 150, the tocks at 200, 250 and 300, and what the
//! watchdog says 100 ms after the last of them.

use std::{rc::Rc, time::Duration, time::Instant};

use greenloop::{
    sync::Event,
    task::{TimerHandle, call_later},
    time,
};

const PERIOD: Duration = Duration::from_millis(50);

/// A timer that arranges its own next call, as often as it is told.
fn tick(start: Instant, left: u32, watchdog: TimerHandle, done: Rc<Event>) {
    if left == 0 {
        return done.set();
    }
    call_later(PERIOD, move || {
        say(start, "tick");
        // A sign of life: the watchdog has to wait for the next one.
        watchdog.reset(2 * PERIOD);
        tick(start, left - 1, watchdog, done);
    });
}

fn say(start: Instant, what: &str) {
    println!("{:>4} {what}", start.elapsed().as_millis());
}

fn main() {
    if std::env::args().len() > 1 {
        eprintln!("usage: timers");
        std::process::exit(2);
    }
    greenloop::run(async {
        let start = Instant::now();
        call_later(Duration::from_millis(30), move || say(start, "hello"));
        let never = call_later(Duration::from_millis(40), move || say(start, "never"));
        assert!(never.cancel(), "its time has not come");

        let barked = Rc::new(Event::new());
        let bark = Rc::clone(&barked);
        let watchdog = call_later(2 * PERIOD, move || {
            say(start, "the watchdog has heard nothing for 100 ms");
            bark.set();
        });

        let ticked = Rc::new(Event::new());
        tick(start, 3, watchdog.clone(), Rc::clone(&ticked));
        ticked.wait().await;

        // The same without a function that calls itself. The first tick of an interval comes at once.
        let mut interval = time::interval(PERIOD);
        interval.tick().await;
        for _ in 0..3 {
            interval.tick().await;
            say(start, "tock");
            watchdog.reset(2 * PERIOD);
        }
        barked.wait().await;
    });
}
