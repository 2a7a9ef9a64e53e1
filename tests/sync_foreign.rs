//! What crosses threads is left to the crates made for it: async-channel, flume, futures-channel and
//! tokio::sync wake tasks and green threads of a loop from other threads.

#[path = "support/styles.rs"]
mod styles;

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
};

use futures_util::StreamExt;
use greenloop::{timeout, yield_now};
use styles::both_styles;

/// Enough for the ends to wait for each other in every way.
const MESSAGES: u32 = 1000;

/// Runs a future on a loop of its own, on a thread of its own.
fn elsewhere<F: Future<Output = ()> + 'static>(
    make: impl FnOnce() -> F + Send + 'static,
) -> JoinHandle<()> {
    thread::spawn(move || styles::run(make()))
}

both_styles! {
    fn async_channel_goes_from_and_to_a_thread() {
        let (to_thread, from_loop) = async_channel::bounded(1);
        let (to_loop, from_thread) = async_channel::bounded(1);
        let thread = thread::spawn(move || {
            while let Ok(number) = from_loop.recv_blocking() {
                to_loop.send_blocking(number + 1).unwrap();
            }
        });
        for number in 0..MESSAGES {
            wait!(to_thread.send(number)).unwrap();
            assert_eq!(wait!(from_thread.recv()), Ok(number + 1));
        }
        drop(to_thread);
        assert!(wait!(from_thread.recv()).is_err());
        thread.join().unwrap();
    }

    fn async_channel_serves_several_tasks() {
        let (sender, receiver) = async_channel::bounded(3);
        let workers = [(); 4].map(|()| spawn!([receiver] {
            let mut sum = 0;
            while let Ok(number) = wait!(receiver.recv()) {
                sum += number;
                wait!(yield_now());
            }
            sum
        }));
        let thread = thread::spawn(move || (0..MESSAGES).for_each(|number| sender.send_blocking(number).unwrap()));
        let mut sum = 0;
        for worker in workers {
            sum += wait!(worker).unwrap();
        }
        assert_eq!(sum, (0..MESSAGES).sum::<u32>());
        thread.join().unwrap();
    }

    fn flume_goes_from_and_to_a_thread() {
        let (to_thread, from_loop) = flume::bounded(0);
        let (to_loop, from_thread) = flume::bounded(1);
        let thread = thread::spawn(move || {
            for number in from_loop {
                to_loop.send(number + 1).unwrap();
            }
        });
        for number in 0..MESSAGES {
            wait!(to_thread.send_async(number)).unwrap();
            assert_eq!(wait!(from_thread.recv_async()), Ok(number + 1));
        }
        drop(to_thread);
        assert!(wait!(from_thread.recv_async()).is_err());
        thread.join().unwrap();
    }

    fn futures_channel_comes_from_a_thread() {
        let (sender, mut receiver) = futures_channel::mpsc::unbounded();
        let (done, is_done) = futures_channel::oneshot::channel();
        let thread = thread::spawn(move || {
            (0..MESSAGES).for_each(|number| sender.unbounded_send(number).unwrap());
            done.send("done").unwrap();
        });
        for number in 0..MESSAGES {
            assert_eq!(wait!(receiver.next()), Some(number));
        }
        assert_eq!(wait!(receiver.next()), None);
        assert_eq!(wait!(is_done), Ok("done"));
        thread.join().unwrap();
    }

    fn channels_of_tokio_connect_two_loops() {
        let (to_other, mut from_here) = tokio::sync::mpsc::channel(1);
        let (to_here, mut from_other) = tokio::sync::mpsc::channel(1);
        let (done, is_done) = tokio::sync::oneshot::channel();
        let other = elsewhere(|| async move {
            while let Some(number) = from_here.recv().await {
                to_here.send(number + 1).await.unwrap();
            }
            done.send(()).unwrap();
        });
        for number in 0..MESSAGES {
            wait!(to_other.send(number)).unwrap();
            assert_eq!(wait!(from_other.recv()), Some(number + 1));
        }
        drop(to_other);
        wait!(is_done).unwrap();
        other.join().unwrap();
    }

    fn locks_of_tokio_are_shared_by_two_loops() {
        let counter = Arc::new(tokio::sync::Mutex::new(0));
        let semaphore = Arc::new(tokio::sync::Semaphore::new(1));
        let (ready, is_ready) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
        let other = elsewhere({
            let (counter, semaphore) = (Arc::clone(&counter), Arc::clone(&semaphore));
            let (ready, is_ready) = (Arc::clone(&ready), Arc::clone(&is_ready));
            move || async move {
                is_ready.notify_one();
                ready.notified().await;
                for _ in 0..MESSAGES {
                    let _permit = semaphore.acquire().await.unwrap();
                    let mut counter = counter.lock().await;
                    let before = *counter;
                    yield_now().await;
                    *counter = before + 1;
                }
            }
        });
        wait!(is_ready.notified());
        ready.notify_one();
        for _ in 0..MESSAGES {
            let before = {
                let mut counter = wait!(counter.lock());
                let before = *counter;
                wait!(yield_now());
                *counter = before + 1;
                before
            };
            assert!(before < 2 * MESSAGES);
        }
        other.join().unwrap();
        assert_eq!(*wait!(counter.lock()), 2 * MESSAGES);
    }

    fn watch_and_broadcast_of_tokio_tell_another_loop() {
        let (sender, mut receiver) = tokio::sync::watch::channel(0);
        let (messages, mut heard) = tokio::sync::broadcast::channel(16);
        let other = elsewhere(move || async move {
            for number in 1..=10 {
                messages.send(number).unwrap();
            }
            sender.send(10).unwrap();
            sender.closed().await;
        });
        wait!(receiver.wait_for(|number| *number == 10)).unwrap();
        for number in 1..=10 {
            assert_eq!(wait!(heard.recv()), Ok(number));
        }
        drop(receiver);
        other.join().unwrap();
        assert!(wait!(heard.recv()).is_err());
    }

    fn a_wait_for_another_thread_can_be_timed_out_and_killed() {
        let (sender, receiver) = flume::unbounded::<u8>();
        let short = std::time::Duration::from_millis(1);
        assert!(wait!(timeout(short, receiver.recv_async())).is_err());
        let killed = spawn!([receiver] { wait!(receiver.recv_async()) });
        settle!();
        killed.abort();
        let thread = thread::spawn(move || sender.send(7).unwrap());
        assert_eq!(wait!(receiver.recv_async()), Ok(7));
        thread.join().unwrap();
    }
}
