//! Ten that sleep: one after the other, and side by side.

use std::{
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    model::Model,
    process,
    threads::{Green, Os, Threads},
};

/// Each is joined before the next is started.
pub fn in_turn(model: Model, count: usize, time: Duration) -> io::Result<Value> {
    match model {
        Model::Async => greenloop::run(async move {
            let spans = Spans::begin();
            for number in 0..count {
                greenloop::spawn(spans.clone().sleep(number, time)).await?;
            }
            Ok(spans.end())
        }),
        Model::Green => Ok(threads_in_turn::<Green>(count, time)),
        Model::Thread => Ok(threads_in_turn::<Os>(count, time)),
        Model::Process => {
            let spans = Spans::begin();
            for number in 0..count {
                let start = spans.now();
                process::fork(|| std::thread::sleep(time))?.wait()?;
                spans.add(number, start);
            }
            Ok(spans.end())
        }
    }
}

/// All are started before the first is joined.
pub fn together(model: Model, count: usize, time: Duration) -> io::Result<Value> {
    match model {
        Model::Async => greenloop::run(async move {
            let spans = Spans::begin();
            let tasks =
                (0..count).map(|number| greenloop::spawn(spans.clone().sleep(number, time)));
            for ended in greenloop::join_all(tasks).await {
                ended?;
            }
            Ok(spans.end())
        }),
        Model::Green => Ok(threads_together::<Green>(count, time)),
        Model::Thread => Ok(threads_together::<Os>(count, time)),
        Model::Process => {
            let spans = Spans::begin();
            let fork = |_| Ok((spans.now(), process::fork(|| std::thread::sleep(time))?));
            let children: io::Result<Vec<_>> = (0..count).map(fork).collect();
            for (number, (start, child)) in children?.into_iter().enumerate() {
                child.wait()?;
                spans.add(number, start);
            }
            Ok(spans.end())
        }
    }
}

fn threads_in_turn<M: Threads>(count: usize, time: Duration) -> Value {
    M::run(move || {
        let spans = Spans::begin();
        for number in 0..count {
            let sleeper = spans.clone();
            M::join(M::spawn(move || sleeper.sleep_on::<M>(number, time)));
        }
        spans.end()
    })
}

fn threads_together<M: Threads>(count: usize, time: Duration) -> Value {
    M::run(move || {
        let spans = Spans::begin();
        let sleeper = |number| {
            let spans = spans.clone();
            M::spawn(move || spans.sleep_on::<M>(number, time))
        };
        let threads: Vec<_> = (0..count).map(sleeper).collect();
        threads.into_iter().for_each(M::join);
        spans.end()
    })
}

/// Who has slept when.
#[derive(Clone)]
struct Spans {
    start: Instant,
    spans: Arc<Mutex<Vec<(usize, f64, f64)>>>,
}

impl Spans {
    fn begin() -> Self {
        Self { start: Instant::now(), spans: Arc::default() }
    }

    fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    fn add(&self, number: usize, start: f64) {
        self.spans.lock().expect("nobody panics").push((number, start, self.now()));
    }

    async fn sleep(self, number: usize, time: Duration) {
        let start = self.now();
        greenloop::sleep(time).await;
        self.add(number, start);
    }

    fn sleep_on<M: Threads>(self, number: usize, time: Duration) {
        let start = self.now();
        M::sleep(time);
        self.add(number, start);
    }

    fn end(&self) -> Value {
        let spans = self.spans.lock().expect("nobody panics");
        json!({ "seconds": self.now(), "spans": &*spans })
    }
}
