//! What it costs that another thread wakes a task.
//!
//! Both threads share the one processor the process is bound to, so that the figure is the
//! work of both sides and not the distance between two processors.

use super::{Runtime, per_operation};
use crate::cpu;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

/// A task asks another thread for an answer `times` times; the cost of a round trip.
pub async fn round_trips<R: Runtime>(times: usize) -> f64 {
    let desk = Arc::new(Desk::default());
    let warm_up = times / 10;
    let answering = thread::spawn({
        let desk = desk.clone();
        move || {
            for _ in 0..warm_up + times {
                while !desk.asked.swap(false, Ordering::Acquire) {
                    thread::park();
                }
                desk.answer();
            }
        }
    });
    let mut start = 0;
    for trip in 0..warm_up + times {
        if trip == warm_up {
            start = cpu::own_time();
        }
        desk.asked.store(true, Ordering::Release);
        answering.thread().unpark();
        desk.answered().await;
    }
    let cost = per_operation(start, times);
    answering.join().expect("the answering thread cannot panic");
    cost
}

/// Where the question and the answer lie.
#[derive(Default)]
struct Desk {
    asked: AtomicBool,
    answer: Mutex<Answer>,
}

#[derive(Default)]
struct Answer {
    here: bool,
    waiting: Option<Waker>,
}

impl Desk {
    fn answer(&self) {
        let mut answer = self.answer.lock().expect("nobody panics with the lock");
        answer.here = true;
        let waiting = answer.waiting.take();
        drop(answer);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    async fn answered(&self) {
        poll_fn(|cx| {
            let mut answer = self.answer.lock().expect("nobody panics with the lock");
            if std::mem::take(&mut answer.here) {
                return Poll::Ready(());
            }
            answer.waiting = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
