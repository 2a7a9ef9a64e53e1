//! A rate limiter: no more than so many requests per time, whoever makes them.
//!
//! ```text
//! cargo run --example rate_limiter
//! ```
//!
//! A token bucket is a semaphore whose permits do not come back by themselves: a task adds one every 10 ms, up
//! to five. So five of the 20 requests are made at once, and the others one every 10 ms, in the order in
//! which they asked. It prints when each was made, in steps of 10 ms, rounded down.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use greenloop::{join_all, spawn, sync::Semaphore, task::JoinHandle, time::interval};

/// Lets requests pass at a certain rate.
struct RateLimiter {
    tokens: Rc<Semaphore>,
    refill: JoinHandle<()>,
}

impl RateLimiter {
    /// One request per `period`, and up to `burst` at once after a pause.
    fn new(burst: usize, period: Duration) -> Self {
        let tokens = Rc::new(Semaphore::new(burst));
        let refill = spawn({
            let tokens = Rc::clone(&tokens);
            async move {
                let mut ticks = interval(period);
                // The first tick comes at once.
                ticks.tick().await;
                loop {
                    ticks.tick().await;
                    if tokens.available_permits() < burst {
                        tokens.add_permits(1);
                    }
                }
            }
        });
        Self { tokens, refill }
    }

    /// Waits until a request may be made.
    async fn wait(&self) {
        let token = self.tokens.acquire().await.expect("it is never closed");
        // It is used up.
        token.forget();
    }
}

impl Drop for RateLimiter {
    fn drop(&mut self) {
        self.refill.abort();
    }
}

fn main() {
    if std::env::args().len() > 1 {
        eprintln!("usage: rate_limiter");
        std::process::exit(2);
    }
    greenloop::run(async {
        let start = Instant::now();
        let limiter = Rc::new(RateLimiter::new(5, Duration::from_millis(10)));
        let request = |number: u32| {
            let limiter = Rc::clone(&limiter);
            spawn(async move {
                limiter.wait().await;
                println!("request {number} after {} steps", start.elapsed().as_millis() / 10);
            })
        };
        for result in join_all((1..=20).map(request)).await {
            result.expect("a request does not fail");
        }
    });
}
