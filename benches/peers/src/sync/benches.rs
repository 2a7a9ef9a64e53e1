//! The benches, for everything whose tasks are futures.

use super::Figures;
use crate::micro::Runtime;
use crate::{cpu, memory};
use std::hint::black_box;
use std::rc::Rc;

/// How often a message goes there and back, or a task is notified.
pub const ROUNDS: usize = 300_000;
/// How many messages go one way.
pub const MESSAGES: usize = 1_000_000;
/// How many values come from a task of their own.
pub const SPAWNS: usize = 300_000;
/// How often a lock is taken.
pub const LOCKS: usize = 3_000_000;
/// How many tasks wait at a time when their memory is measured.
pub const WAITING: usize = 300_000;

/// CPU nanoseconds per operation since `start` was read from [`cpu::own_time`].
pub fn per_operation(start: u64, operations: usize) -> Figures {
    vec![(cpu::own_time() - start) as f64 / operations as f64]
}

/// A message there and back through two channels of `channel`.
pub async fn ping_pong<R, S, V>(
    channel: impl Fn() -> (S, V),
    send: impl AsyncFn(&S, usize) + Clone + 'static,
    receive: impl AsyncFn(&mut V) -> usize + Clone + 'static,
) -> Figures
where
    R: Runtime,
    S: 'static,
    V: 'static,
{
    let ((there, mut arrives), (back, mut returns)) = (channel(), channel());
    let other = R::spawn({
        let (send, receive) = (send.clone(), receive.clone());
        async move {
            for _ in 0..ROUNDS {
                let message = receive(&mut arrives).await;
                send(&back, message + 1).await;
            }
        }
    });
    let start = cpu::own_time();
    for round in 0..ROUNDS {
        send(&there, round).await;
        assert_eq!(receive(&mut returns).await, round + 1);
    }
    let figures = per_operation(start, ROUNDS);
    R::join(other).await;
    figures
}

/// Messages one way through `channel`.
pub async fn stream<R, S, V>(
    (sender, mut receiver): (S, V),
    send: impl AsyncFn(&S, usize) + 'static,
    receive: impl AsyncFn(&mut V) -> usize + 'static,
) -> Figures
where
    R: Runtime,
    S: 'static,
    V: 'static,
{
    let start = cpu::own_time();
    let producer = R::spawn(async move {
        for message in 0..MESSAGES {
            send(&sender, message).await;
        }
    });
    for message in 0..MESSAGES {
        assert_eq!(receive(&mut receiver).await, message);
    }
    let figures = per_operation(start, MESSAGES);
    R::join(producer).await;
    figures
}

/// A value from a task that is spawned for it.
pub async fn oneshot_spawn<R, S, V>(
    channel: impl Fn() -> (S, V),
    send: impl Fn(S, usize) + Clone + 'static,
    receive: impl AsyncFn(V) -> usize,
) -> Figures
where
    R: Runtime,
    S: 'static,
{
    let start = cpu::own_time();
    for number in 0..SPAWNS {
        let (sender, receiver) = channel();
        let send = send.clone();
        R::detach(R::spawn(async move { send(sender, black_box(number)) }));
        assert_eq!(receive(receiver).await, number);
    }
    per_operation(start, SPAWNS)
}

/// Takes a lock again and again that nobody else wants.
pub async fn alone(lock: impl AsyncFn()) -> Figures {
    let start = cpu::own_time();
    for _ in 0..LOCKS {
        lock().await;
    }
    per_operation(start, LOCKS)
}

/// Two tasks notify each other; the cost of one wake-up.
pub async fn notify<R: Runtime, N: 'static>(
    new: impl Fn() -> N,
    tell: impl Fn(&N) + Clone + 'static,
    wait: impl AsyncFn(&N) + Clone + 'static,
) -> Figures {
    let flags = Rc::new((new(), new()));
    let other = R::spawn({
        let (flags, tell, wait) = (Rc::clone(&flags), tell.clone(), wait.clone());
        async move {
            for _ in 0..ROUNDS {
                wait(&flags.0).await;
                tell(&flags.1);
            }
        }
    });
    let start = cpu::own_time();
    for _ in 0..ROUNDS {
        tell(&flags.0);
        wait(&flags.1).await;
    }
    let figures = per_operation(start, 2 * ROUNDS);
    R::join(other).await;
    figures
}

/// Starts tasks that wait, and gives the bytes per task as malloc counts them, and as the kernel does.
///
/// `wait` makes what a task awaits; `keep` is what it is kept for it by somebody else.
pub async fn waiting<R: Runtime, K, F: Future<Output = ()> + 'static>(
    wait: impl Fn() -> (K, F),
) -> Figures {
    let mut kept = Vec::with_capacity(WAITING);
    // Touched before the first reading, so that the list is not in the figures.
    kept.resize_with(WAITING, || None);
    let resident = || memory::resident_bytes(std::process::id() as i32).expect("it is our own");
    let before = (memory::malloc_bytes(), resident());
    for place in &mut kept {
        let (keep, future) = wait();
        *place = Some(keep);
        R::detach(R::spawn(future));
    }
    for _ in 0..3 {
        R::yield_now().await;
    }
    let after = (memory::malloc_bytes(), resident());
    let per_task = |before: usize, after: usize| (after - before) as f64 / WAITING as f64;
    black_box(&kept);
    vec![per_task(before.0, after.0), per_task(before.1, after.1)]
}
