//! A message to another one and its answer, over the channel that a program would take.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    sync::mpsc,
    thread,
};

use greenloop::{
    green::{self, Wait},
    sync::mpsc::channel,
};

use crate::{
    clock::{Cost, Others, Stopwatch},
    model::Model,
    process,
};

/// The cost of `count` round trips.
pub fn ping_pong(model: Model, count: usize) -> io::Result<Cost> {
    match model {
        Model::Async => Ok(tasks(count)),
        Model::Green => Ok(green_threads(count)),
        Model::Thread => Ok(threads(count)),
        Model::Process => processes(count),
    }
}

fn tasks(count: usize) -> Cost {
    greenloop::run(async move {
        let (ask, mut asked) = channel::<usize>(1);
        let (answer, mut answered) = channel::<usize>(1);
        greenloop::spawn(async move {
            while let Some(number) = asked.recv().await {
                answer.send(number + 1).await.expect("it is waited for");
            }
        });
        let watch = Stopwatch::start();
        for number in 0..count {
            ask.send(number).await.expect("there is somebody to ask");
            assert_eq!(answered.recv().await, Some(number + 1));
        }
        watch.read()
    })
}

fn green_threads(count: usize) -> Cost {
    green::run(move || {
        let (ask, mut asked) = channel::<usize>(1);
        let (answer, mut answered) = channel::<usize>(1);
        green::spawn(move || {
            while let Some(number) = asked.recv().wait() {
                answer.send(number + 1).wait().expect("it is waited for");
            }
        });
        let watch = Stopwatch::start();
        for number in 0..count {
            ask.send(number).wait().expect("there is somebody to ask");
            assert_eq!(answered.recv().wait(), Some(number + 1));
        }
        watch.read()
    })
}

fn threads(count: usize) -> Cost {
    let (ask, asked) = mpsc::sync_channel::<usize>(1);
    let (answer, answered) = mpsc::sync_channel::<usize>(1);
    thread::spawn(move || {
        while let Ok(number) = asked.recv() {
            answer.send(number + 1).expect("it is waited for");
        }
    });
    let watch = Stopwatch::start();
    for number in 0..count {
        ask.send(number).expect("there is somebody to ask");
        assert_eq!(answered.recv(), Ok(number + 1));
    }
    watch.read()
}

fn processes(count: usize) -> io::Result<Cost> {
    let (mut ask, mut asked) = UnixStream::pair()?;
    let children = [process::fork(|| {
        let mut message = [0; 8];
        loop {
            asked.read_exact(&mut message).expect("the parent asks");
            let number = u64::from_ne_bytes(message) + 1;
            asked.write_all(&number.to_ne_bytes()).expect("the parent listens");
        }
    })?];
    let (watch, child) = (Stopwatch::start(), Others::start(&children));
    let mut message = [0; 8];
    for number in 0..count as u64 {
        ask.write_all(&number.to_ne_bytes())?;
        ask.read_exact(&mut message)?;
        assert_eq!(u64::from_ne_bytes(message), number + 1);
    }
    let (cost, child) = (watch.read(), child.read());
    Ok(Cost { cpu: cost.cpu + child.cpu, wall: cost.wall })
}
