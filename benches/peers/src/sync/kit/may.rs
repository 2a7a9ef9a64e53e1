//! may, with one worker: its tasks have stacks, so the benches are written anew.

use crate::cpu;
use crate::sync::benches::{LOCKS, MESSAGES, ROUNDS, SPAWNS, per_operation};
use crate::sync::{Figures, Kit, SyncBench, finish};
use may::coroutine::{self, JoinHandle};
use may::sync::{Mutex, Semphore, mpsc};
use std::hint::black_box;

/// may.
pub const KIT: Kit = Kit {
    name: "may",
    about: "one worker; its mpsc has no limit",
    krates: &["may"],
    has: |bench| {
        use SyncBench::{Notify, WaitingForOneshot, WaitingForSemaphore};
        !matches!(bench, Notify | WaitingForSemaphore | WaitingForOneshot)
    },
    measure: |bench| {
        may::config().set_workers(1);
        spawn(move || finish(bench, &run(bench))).join().expect("no panic")
    },
};

fn run(bench: SyncBench) -> Figures {
    match bench {
        SyncBench::MpscPingPong => ping_pong(),
        SyncBench::MpscStream => stream(),
        SyncBench::OneshotSpawn => oneshot_spawn(),
        SyncBench::Lock => {
            let mutex = Mutex::new(0);
            let figures = alone(|| *black_box(&mutex).lock().expect("no panic") += 1);
            assert_eq!(mutex.into_inner().expect("no panic"), LOCKS);
            figures
        }
        SyncBench::Semaphore => {
            let semaphore = Semphore::new(1);
            alone(|| {
                black_box(&semaphore).wait();
                semaphore.post();
            })
        }
        _ => unreachable!("it is not asked for"),
    }
}

fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    // SAFETY: nothing that is measured overflows its stack or touches a thread-local value.
    unsafe { coroutine::spawn(f) }
}

fn ping_pong() -> Figures {
    let ((there, arrives), (back, returns)) = (mpsc::channel(), mpsc::channel());
    let other = spawn(move || {
        for _ in 0..ROUNDS {
            let message: usize = arrives.recv().expect("it is sent");
            back.send(message + 1).expect("it is received");
        }
    });
    let start = cpu::own_time();
    for round in 0..ROUNDS {
        there.send(round).expect("it is received");
        assert_eq!(returns.recv(), Ok(round + 1));
    }
    let figures = per_operation(start, ROUNDS);
    other.join().expect("no panic");
    figures
}

fn stream() -> Figures {
    let (sender, receiver) = mpsc::channel();
    let start = cpu::own_time();
    let producer = spawn(move || {
        (0..MESSAGES).for_each(|message| sender.send(message).expect("it is received"));
    });
    for message in 0..MESSAGES {
        assert_eq!(receiver.recv(), Ok(message));
    }
    let figures = per_operation(start, MESSAGES);
    producer.join().expect("no panic");
    figures
}

fn oneshot_spawn() -> Figures {
    let start = cpu::own_time();
    for number in 0..SPAWNS {
        let (sender, receiver) = mpsc::channel();
        drop(spawn(move || sender.send(black_box(number)).expect("it is received")));
        assert_eq!(receiver.recv(), Ok(number));
    }
    per_operation(start, SPAWNS)
}

fn alone(lock: impl Fn()) -> Figures {
    let start = cpu::own_time();
    (0..LOCKS).for_each(|_| lock());
    per_operation(start, LOCKS)
}
