//! However busy some tasks are, sockets, timers, other threads and the other tasks have their turn.

mod support;

use std::{
    cell::Cell,
    future::{pending, poll_fn},
    io::{Read as _, Write as _},
    net::Shutdown,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    thread,
    time::Duration,
};

use greenloop::{
    Handle,
    net::{TcpListener, TcpStream},
    sleep,
    task::JoinHandle,
    timeout,
};
use support::Gate;

/// Tasks that are always ready.
fn spawn_busy(count: usize) {
    for _ in 0..count {
        greenloop::spawn(poll_fn(|cx| -> Poll<()> {
            cx.waker().wake_by_ref();
            Poll::Pending
        }));
    }
}

/// Counts the polls of the future in it.
struct Polls<F> {
    future: Pin<Box<F>>,
    count: usize,
}

impl<F: Future> Future for Polls<F> {
    type Output = (F::Output, usize);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.count += 1;
        self.future.as_mut().poll(cx).map(|output| (output, self.count))
    }
}

/// How many polls of a task a future takes.
async fn polls_of(future: impl Future<Output = ()> + 'static) -> usize {
    greenloop::spawn(Polls { future: Box::pin(future), count: 0 }).await.unwrap().1
}

#[test]
fn busy_tasks_do_not_starve_sockets() {
    for busy in [1, 500] {
        greenloop::run(async move {
            spawn_busy(busy);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let client = thread::spawn(move || {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                let mut byte = [0];
                for number in 0..10 {
                    stream.write_all(&[number]).unwrap();
                    stream.read_exact(&mut byte).unwrap();
                    assert_eq!(byte, [number + 1]);
                }
            });
            let (stream, _) = listener.accept().await.unwrap();
            let mut byte = [0];
            while stream.read(&mut byte).await.unwrap() > 0 {
                stream.write_all(&[byte[0] + 1]).await.unwrap();
            }
            client.join().unwrap();
        });
    }
}

#[test]
fn busy_tasks_do_not_starve_timers() {
    for busy in [1, 500] {
        greenloop::run(async move {
            spawn_busy(busy);
            for _ in 0..5 {
                sleep(Duration::from_millis(1)).await;
            }
            let late = timeout(Duration::from_millis(1), pending::<()>()).await;
            assert!(late.is_err());
        });
    }
}

#[test]
fn busy_tasks_do_not_starve_other_threads() {
    for busy in [1, 500] {
        greenloop::run(async move {
            spawn_busy(busy);
            let (handle, gate) = (Handle::current(), Gate::new());
            let aborted = greenloop::spawn(pending::<()>());
            let thread = thread::spawn({
                let (abort, gate) = (aborted.abort_handle(), gate.clone());
                move || {
                    let output = handle.spawn(async { "output" }).join().unwrap();
                    abort.abort();
                    gate.open();
                    output
                }
            });
            gate.wait().await;
            assert!(aborted.await.unwrap_err().is_cancelled());
            assert_eq!(thread.join().unwrap(), "output");
        });
    }
}

#[test]
fn two_tasks_that_wake_each_other_do_not_starve_a_third() {
    greenloop::run(async {
        let (ping, pings) = async_channel::bounded::<()>(1);
        let (pong, pongs) = async_channel::bounded::<()>(1);
        greenloop::spawn({
            let ping = ping.clone();
            async move { while pongs.recv().await.is_ok() && ping.send(()).await.is_ok() {} }
        });
        greenloop::spawn(async move {
            while pings.recv().await.is_ok() && pong.send(()).await.is_ok() {}
        });
        ping.send(()).await.unwrap();
        for _ in 0..100 {
            greenloop::yield_now().await;
        }
        sleep(Duration::from_millis(1)).await;
    });
}

#[test]
fn busy_tasks_do_not_starve_a_run_of_blocking_work() {
    greenloop::run(async {
        spawn_busy(10);
        assert_eq!(greenloop::spawn_blocking(|| 1).await.unwrap(), 1);
    });
}

#[test]
fn a_poll_does_at_most_128_sleeps_that_are_over() {
    greenloop::run(async {
        let sleeps = |count| async move {
            for _ in 0..count {
                sleep(Duration::ZERO).await;
            }
        };
        assert_eq!(polls_of(sleeps(128)).await, 1);
        assert_eq!(polls_of(sleeps(129)).await, 2);
        assert_eq!(polls_of(sleeps(1280)).await, 10);
    });
}

#[test]
fn a_poll_does_at_most_128_joins_of_tasks_that_have_ended() {
    greenloop::run(async {
        let tasks: Vec<_> = (0..1280).map(|_| greenloop::spawn(async {})).collect();
        greenloop::yield_now().await;
        assert!(tasks.iter().all(JoinHandle::is_finished));
        let join = async {
            for task in tasks {
                task.await.unwrap();
            }
        };
        assert_eq!(polls_of(join).await, 10);
    });
}

#[test]
fn a_poll_reads_at_most_128_times_from_a_socket_that_has_more() {
    greenloop::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        client.write_all(&[0; 1000]).unwrap();
        // They have arrived when the last of them can be seen.
        let mut all = [0; 1000];
        while stream.peek(&mut all).await.unwrap() < all.len() {}
        let read = async move {
            for _ in 0..1000 {
                assert_eq!(stream.read(&mut [0]).await.unwrap(), 1);
            }
        };
        let polls = polls_of(read).await;
        assert!(polls >= 1000_usize.div_ceil(128), "{polls} polls");
    });
}

#[test]
fn reads_of_zero_bytes_spend_from_the_budget_too() {
    greenloop::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        drop(client);
        let read = async move {
            for _ in 0..1000 {
                assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
            }
        };
        let polls = polls_of(read).await;
        assert!(polls >= 1000_usize.div_ceil(128), "{polls} polls");
    });
}

#[test]
fn errors_spend_from_the_budget_too() {
    greenloop::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let write = async move {
            for _ in 0..1000 {
                stream.write(b"x").await.unwrap_err();
            }
        };
        let polls = polls_of(write).await;
        assert!(polls >= 1000_usize.div_ceil(128), "{polls} polls");
    });
}

#[test]
fn every_poll_has_a_budget_of_its_own() {
    greenloop::run(async {
        let work = || async {
            for _ in 0..100 {
                sleep(Duration::ZERO).await;
            }
        };
        assert_eq!(polls_of(work()).await, 1);
        assert_eq!(polls_of(work()).await, 1);
        let twice = async move {
            work().await;
            greenloop::yield_now().await;
            work().await;
        };
        assert_eq!(polls_of(twice).await, 2);
    });
}

#[test]
fn who_has_used_up_the_budget_goes_on_after_the_others() {
    greenloop::run(async {
        let ran = Rc::new(Cell::new(false));
        let other = {
            let ran = Rc::clone(&ran);
            async move { ran.set(true) }
        };
        let greedy = greenloop::spawn(async move {
            let mut operations = 0;
            while !ran.get() {
                sleep(Duration::ZERO).await;
                operations += 1;
            }
            operations
        });
        greenloop::spawn(other);
        assert_eq!(greedy.await.unwrap(), 129, "the budget, and the one that found it used up");
    });
}

#[test]
fn a_time_out_fires_although_what_it_limits_eats_the_budget() {
    greenloop::run(async {
        let greedy = async {
            loop {
                sleep(Duration::ZERO).await;
            }
        };
        let limited = timeout(Duration::from_millis(2), greedy).await;
        assert!(limited.is_err());
    });
}

#[test]
fn the_rest_of_a_join_is_polled_although_one_part_eats_the_budget() {
    greenloop::run(async {
        let done = Cell::new(false);
        greenloop::join!(
            async {
                while !done.get() {
                    sleep(Duration::ZERO).await;
                }
            },
            async {
                sleep(Duration::from_millis(1)).await;
                done.set(true);
            }
        );
    });
}
