//! The memory of one that waits, with 64 bytes of state of its own.

use std::{
    future, hint, io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::json;

use crate::{
    memory::{self, Memory},
    model::Model,
    process::{self, Turn},
    threads::{Green, Os, Threads},
};

/// Parks `count`, prints what each takes, and ends the process under them.
pub fn park(model: Model, count: usize) -> io::Result<()> {
    match model {
        Model::Async => tasks(count),
        Model::Green => threads::<Green>(count, Green::yield_now),
        // By sleeping, since a thread that only yields keeps a processor busy.
        Model::Thread => threads::<Os>(count, || thread::sleep(Duration::from_millis(1))),
        Model::Process => processes(count),
    }
}

/// What the machine had before the first was there.
struct Before {
    own: Memory,
    kernel: f64,
}

impl Before {
    fn take() -> io::Result<Self> {
        Ok(Self { own: memory::of(std::process::id())?, kernel: memory::of_kernel()? })
    }

    fn print_and_exit(&self, count: usize) -> io::Result<()> {
        let after = memory::of(std::process::id())?;
        let each = |before: f64, after: f64| (after - before) / count as f64;
        self.print(
            each(self.own.resident, after.resident),
            each(self.own.reserved, after.reserved),
            count,
        )?;
        // They wait for ever, and what it takes to end them is not asked here.
        std::process::exit(0);
    }

    fn print(&self, resident: f64, reserved: f64, count: usize) -> io::Result<()> {
        // Others on the machine come and go: it may seem less than nothing.
        let kernel = ((memory::of_kernel()? - self.kernel) / count as f64).max(0.0);
        println!("{}", json!({ "resident": resident, "reserved": reserved, "kernel": kernel }));
        Ok(())
    }
}

fn tasks(count: usize) -> io::Result<()> {
    greenloop::run(async move {
        let before = Before::take()?;
        for number in 0..count {
            let state = [number as u8; 64];
            greenloop::spawn(async move {
                future::pending::<()>().await;
                hint::black_box(&state);
            });
        }
        // It runs after all of them.
        greenloop::yield_now().await;
        before.print_and_exit(count)
    })
}

fn threads<M: Threads>(count: usize, wait: fn()) -> io::Result<()> {
    M::run(move || {
        let before = Before::take()?;
        let parked = Arc::new(AtomicUsize::new(0));
        for number in 0..count {
            let state = [number as u8; 64];
            let parked = Arc::clone(&parked);
            M::spawn(move || {
                parked.fetch_add(1, Ordering::Relaxed);
                M::park();
                hint::black_box(&state);
            });
        }
        while parked.load(Ordering::Relaxed) < count {
            wait();
        }
        before.print_and_exit(count)
    })
}

fn processes(count: usize) -> io::Result<()> {
    let before = Before::take()?;
    let (waits, ready) = (Turn::new()?, Turn::new()?);
    let mut children = Vec::with_capacity(count);
    for number in 0..count {
        let state = [number as u8; 64];
        children.push(process::fork(|| {
            ready.give().expect("the parent listens");
            waits.wait().expect("the parent keeps the pipe open");
            hint::black_box(&state);
        })?);
    }
    for _ in 0..count {
        ready.wait()?;
    }
    // Asking for each would take longer than all the rest; they are alike.
    let some: Vec<_> = children.iter().step_by(count.div_ceil(100)).map(|it| it.id()).collect();
    let sum = memory::of_all(&some)?;
    before.print(sum.resident / some.len() as f64, sum.reserved / some.len() as f64, count)
}
