//! `wait` waits for any future in a green thread: tasks, other green threads, and the futures of
//! crates that know nothing of this one. Elsewhere it says what to do instead.

mod green_support;

use std::{
    cell::Cell,
    future::{Future, IntoFuture, pending, poll_fn, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use futures_util::{
    AsyncReadExt, AsyncWriteExt, FutureExt, StreamExt,
    future::{Either, join, select},
    stream,
};
use green_support::{Drops, Gate, Log, panic_of, run, watch};
use greenloop::{
    green::{self, JoinHandle, Wait},
    net::{TcpListener, TcpStream},
};

#[test]
fn a_task_awaits_a_green_thread() {
    let _watched = watch();
    let answer = greenloop::run(async {
        let thread = green::spawn(|| {
            green::sleep(Duration::from_millis(1));
            42
        });
        thread.await.unwrap()
    });
    assert_eq!(answer, 42);
}

#[test]
fn a_green_thread_waits_for_a_task() {
    run(|| {
        let task = greenloop::spawn(async {
            greenloop::sleep(Duration::from_millis(1)).await;
            42
        });
        assert_eq!(task.wait().unwrap(), 42);
    });
}

#[test]
fn both_kinds_wait_for_each_other_in_a_chain() {
    fn link(depth: u32) -> JoinHandle<u32> {
        match depth {
            0 => greenloop::spawn(ready(0)),
            _ if depth % 2 == 0 => green::spawn(move || link(depth - 1).wait().unwrap() + 1),
            _ => greenloop::spawn(async move { link(depth - 1).await.unwrap() + 1 }),
        }
    }

    assert_eq!(run(|| link(500).wait().unwrap()), 500);
}

#[test]
fn a_time_out_of_either_kind_holds_for_the_other() {
    run(|| {
        let thread = green::spawn(green_support::park);
        let task = greenloop::spawn(async move {
            greenloop::timeout(Duration::from_millis(1), thread).await.is_err()
        });
        assert!(task.wait().unwrap());

        let task = greenloop::spawn(pending::<()>());
        assert!(green::timeout(Duration::from_millis(1), || task.wait()).is_err());
    });
}

#[test]
fn in_an_async_task_it_says_what_to_do() {
    let _watched = watch();
    greenloop::run(async {
        let text = panic_of(|| ready(()).wait());
        assert!(text.contains("use .await in async code"), "{text}");
        let text = panic_of(|| green::sleep(Duration::ZERO));
        assert!(text.contains("green threads only"), "{text}");
    });
}

#[test]
fn without_a_loop_it_says_what_to_do() {
    let text = panic_of(|| ready(()).wait());
    assert!(text.contains("greenloop::green::run"), "{text}");
}

#[test]
fn in_a_future_that_another_wait_polls_it_panics() {
    run(|| {
        let text = panic_of(|| async { ready(7).wait() }.wait());
        assert!(text.contains("use .await there"), "{text}");
        let text = panic_of(|| async { green::yield_now() }.wait());
        assert!(text.contains("use .await there"), "{text}");
        // It was the inner one's fault, and the green thread waits on.
        green::yield_now();
        assert_eq!(async { 7 }.wait(), 7);
    });
}

#[test]
fn a_panic_of_the_future_comes_out_of_the_wait() {
    run(|| {
        let text = panic_of(|| async { panic!("no bread") }.wait());
        assert_eq!(text, "no bread");
        let text = panic_of(|| {
            async {
                greenloop::yield_now().await;
                panic!("no butter")
            }
            .wait()
        });
        assert_eq!(text, "no butter");
        green::yield_now();
    });
}

#[test]
fn a_future_is_dropped_when_its_wait_is_over() {
    run(|| {
        let drops = Drops::new();
        let guard = drops.guard();
        async move {
            let _guard = guard;
            greenloop::yield_now().await;
        }
        .wait();
        assert_eq!(drops.count(), 1);

        let guard = drops.guard();
        let result = catch_unwind(AssertUnwindSafe(|| {
            async move {
                let _guard = guard;
                greenloop::yield_now().await;
                panic!("oh");
            }
            .wait();
        }));
        assert!(result.is_err());
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn a_future_that_refers_to_itself_stays_where_it_is() {
    run(|| {
        let future = async {
            let numbers = [1, 2, 3];
            let middle = &numbers[1];
            greenloop::yield_now().await;
            *middle
        };
        assert_eq!(future.wait(), 2);
    });
}

#[test]
fn whatever_becomes_a_future_can_be_waited_for() {
    struct Order;

    impl IntoFuture for Order {
        type Output = &'static str;
        type IntoFuture = std::future::Ready<&'static str>;

        fn into_future(self) -> Self::IntoFuture {
            ready("bread")
        }
    }

    assert_eq!(run(|| Order.wait()), "bread");
}

#[test]
fn a_future_may_be_waited_for_by_reference_and_given_up() {
    run(|| {
        let gate = Gate::new();
        let mut passed = pin!(gate.passed());
        let gave_up = green::timeout(Duration::from_millis(1), || passed.as_mut().wait());
        assert!(gave_up.is_err());
        gate.open();
        passed.as_mut().wait();
    });
}

#[test]
fn a_wake_for_nothing_ends_no_wait() {
    run(|| {
        let waited = Duration::from_millis(20);
        let waker = Rc::new(Cell::new(None));
        let sleeper = green::spawn({
            let waker = Rc::clone(&waker);
            move || {
                let start = Instant::now();
                let mut sleep = pin!(greenloop::sleep(waited));
                poll_fn(|cx| {
                    waker.set(Some(cx.waker().clone()));
                    sleep.as_mut().poll(cx)
                })
                .wait();
                start.elapsed()
            }
        });
        while !sleeper.is_finished() {
            if let Some(waker) = waker.take() {
                waker.wake();
            }
            green::yield_now();
        }
        assert!(sleeper.wait().unwrap() >= waited);
    });
}

#[test]
fn combinators_of_another_crate_work() {
    run(|| {
        let nap = |time| greenloop::sleep(Duration::from_millis(time));
        let (one, two) = join(nap(2).map(|()| 1), nap(1).map(|()| 2)).wait();
        assert_eq!((one, two), (1, 2));

        match select(pin!(pending::<()>()), pin!(nap(1))).wait() {
            Either::Right(((), _)) => {}
            Either::Left(_) => unreachable!("it is pending for ever"),
        }

        let squares = stream::iter(0..5).then(|n| async move {
            greenloop::yield_now().await;
            n * n
        });
        assert_eq!(squares.collect::<Vec<_>>().wait(), [0, 1, 4, 9, 16]);
    });
}

#[test]
fn a_channel_of_another_crate_joins_green_threads_and_os_threads() {
    run(|| {
        let (ask, asked) = async_channel::bounded::<u32>(1);
        let (answer, answers) = async_channel::unbounded();
        let os_thread = thread::spawn(move || {
            while let Ok(number) = asked.recv_blocking() {
                answer.send_blocking(number * number).unwrap();
            }
        });
        let asker = green::spawn(move || {
            for number in 0..100 {
                ask.send(number).wait().unwrap();
            }
        });
        let mut sum = 0;
        while let Ok(square) = answers.recv().wait() {
            sum += square;
        }
        assert_eq!(sum, (0..100).map(|n| n * n).sum());
        asker.wait().unwrap();
        os_thread.join().unwrap();
    });
}

#[test]
fn the_io_traits_of_another_crate_work() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").wait().unwrap();
        let address = listener.local_addr().unwrap();
        let server = green::spawn(move || {
            let (mut stream, _) = listener.accept().wait().unwrap();
            AsyncWriteExt::write_all(&mut stream, b"hello").wait().unwrap();
        });
        let mut client = TcpStream::connect(address).wait().unwrap();
        let mut text = String::new();
        AsyncReadExt::read_to_string(&mut client, &mut text).wait().unwrap();
        assert_eq!(text, "hello");
        server.wait().unwrap();
    });
}

#[test]
fn a_wake_by_an_os_thread_is_enough() {
    run(|| {
        let mut started = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut started, true) {
                return Poll::Ready(());
            }
            let waker = cx.waker().clone();
            thread::spawn(move || waker.wake());
            Poll::Pending
        })
        .wait();
        assert!(started);
    });
}

#[test]
fn many_green_threads_may_wait_for_one_after_another() {
    run(|| {
        let log = Log::new();
        let mut before: Option<JoinHandle<()>> = None;
        for number in 0..50 {
            let (log, earlier) = (log.clone(), before.take());
            before = Some(green::spawn(move || {
                if let Some(earlier) = earlier {
                    earlier.wait().unwrap();
                }
                log.add(number.to_string());
            }));
        }
        before.unwrap().wait().unwrap();
        assert_eq!(log.entries(), (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
    });
}

#[test]
fn the_handle_of_a_green_thread_goes_to_other_threads_and_back() {
    run(|| {
        let handle = green::spawn(|| 42);
        let handle = thread::spawn(move || handle).join().unwrap();
        assert_eq!(handle.wait().unwrap(), 42);
    });
}

#[test]
fn a_wait_for_what_has_ended_lets_nobody_go_first() {
    run(|| {
        let ended = green::spawn(|| 7);
        green::yield_now();
        let log = Log::new();
        let other = green::spawn({
            let log = log.clone();
            move || log.add("the other one")
        });
        assert_eq!(ended.wait().unwrap(), 7);
        log.add("the one that waits");
        other.wait().unwrap();
        assert_eq!(log, ["the one that waits", "the other one"]);
    });
}

#[test]
fn the_first_of_several_green_threads_is_taken_and_the_others_run_on() {
    run(|| {
        let gate = Gate::new();
        let slow = |gate: &Gate| {
            let gate = gate.clone();
            green::spawn(move || {
                gate.wait();
                "slow"
            })
        };
        let (mut first, mut second) = (slow(&gate), green::spawn(|| "fast"));
        let taken = async {
            greenloop::select! {
                text = &mut first => text.unwrap(),
                text = &mut second => text.unwrap(),
                () = greenloop::sleep(Duration::from_secs(3600)) => "late",
            }
        };
        assert_eq!(taken.wait(), "fast");
        assert!(!first.is_finished());
        let none = async {
            greenloop::select! {
                text = &mut first => text.unwrap(),
                () = greenloop::sleep(Duration::from_millis(1)) => "late",
            }
        };
        assert_eq!(none.wait(), "late");
        gate.open();
        assert_eq!(first.wait().unwrap(), "slow");
    });
}

#[test]
fn a_panic_in_what_several_are_taken_from_goes_on() {
    run(|| {
        let fails = green::spawn(|| panic!("no bread"));
        let text = panic_of(|| {
            let taken = async {
                greenloop::select! {
                    result = fails => result.unwrap(),
                    () = pending() => (),
                }
            };
            taken.wait();
        });
        assert!(text.contains("no bread"), "{text}");
    });
}
