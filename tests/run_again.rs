//! A loop may run again and again: its tasks stay from one run to the next, and two loops on one
//! thread do not mix.
#![allow(clippy::async_yields_async, reason = "handles are what is handed around here")]

mod support;

use std::{cell::Cell, cell::RefCell, future::poll_fn, rc::Rc, task::Poll, thread, time::Duration};

use greenloop::{
    EventLoop, Handle, event_loop,
    net::{TcpListener, TcpStream},
};
use support::{Gate, own_waker};

#[test]
fn a_root_may_borrow_from_its_caller_and_give_that_back() {
    let mut text = String::from("one");
    let mut event_loop = EventLoop::new().unwrap();
    for _ in 0..3 {
        let length = event_loop.run(async {
            text.push_str(" more");
            greenloop::yield_now().await;
            &text[..]
        });
        assert!(length.ends_with("more"));
    }
    assert_eq!(text, "one more more more");
}

#[test]
fn tasks_go_on_with_the_next_run_and_stand_still_between() {
    let mut event_loop = EventLoop::new().unwrap();
    let count = Rc::new(Cell::new(0));
    event_loop.run(async {
        let count = Rc::clone(&count);
        drop(greenloop::spawn(async move {
            loop {
                count.set(count.get() + 1);
                greenloop::yield_now().await;
            }
        }));
    });
    for run in 1..=3 {
        let before = count.get();
        event_loop.run(async {
            for _ in 0..10 {
                greenloop::yield_now().await;
            }
        });
        assert!(count.get() >= before + 10, "run {run}");
        assert_eq!(event_loop.statistics().tasks, 1);
    }
}

#[test]
fn a_sleep_that_was_begun_in_one_run_ends_in_the_next() {
    let mut event_loop = EventLoop::new().unwrap();
    let start = std::time::Instant::now();
    let mut sleep = greenloop::sleep(Duration::from_millis(5));
    event_loop.run(async { assert!(support::poll_once(&mut sleep).is_pending()) });
    event_loop.run(&mut sleep);
    assert!(start.elapsed() >= Duration::from_millis(5));
}

#[test]
fn a_timer_of_a_task_fires_in_a_later_run() {
    let mut event_loop = EventLoop::new().unwrap();
    let task = event_loop.run(async {
        let task = greenloop::spawn(greenloop::sleep(Duration::from_millis(1)));
        greenloop::yield_now().await;
        task
    });
    for _ in 0..3 {
        event_loop.run(greenloop::yield_now());
    }
    event_loop.run(task).unwrap();
}

#[test]
fn a_socket_may_be_used_in_run_after_run() {
    let mut event_loop = EventLoop::new().unwrap();
    let listener = event_loop.run(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    for _ in 0..3 {
        let (client, server) = event_loop.run(async {
            let (client, accepted) =
                greenloop::join!(TcpStream::connect(address), listener.accept());
            (client.unwrap(), accepted.unwrap().0)
        });
        let byte = event_loop.run(async {
            client.write_all(b"x").await.unwrap();
            let mut byte = [0];
            server.read_exact(&mut byte).await.unwrap();
            byte
        });
        assert_eq!(byte, *b"x");
    }
}

#[test]
fn run_and_run_forever_may_alternate() {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let log = Rc::new(RefCell::new(Vec::new()));
    for round in 0..3 {
        event_loop.run(async {
            let (handle, log) = (handle.clone(), Rc::clone(&log));
            drop(greenloop::spawn(async move {
                log.borrow_mut().push(round);
                handle.stop();
            }));
        });
        event_loop.run_forever();
    }
    assert_eq!(log.take(), [0, 1, 2]);
}

#[test]
fn a_root_that_is_a_handle_of_an_earlier_run_is_waited_for() {
    let mut event_loop = EventLoop::new().unwrap();
    let (gate, task) = event_loop.run(async {
        let gate = Gate::new();
        let task = greenloop::spawn({
            let gate = gate.clone();
            async move {
                gate.wait().await;
                "output"
            }
        });
        (gate, task)
    });
    event_loop.run(async { drop(greenloop::spawn(async move { gate.open() })) });
    assert_eq!(event_loop.run(task).unwrap(), "output");
}

#[test]
fn a_thousand_runs_leave_nothing_behind() {
    let mut event_loop = EventLoop::new().unwrap();
    for number in 0..1000 {
        let task = event_loop.run(async move { greenloop::spawn(async move { number }) });
        assert_eq!(event_loop.run(task).unwrap(), number);
    }
    assert_eq!(event_loop.statistics().tasks, 0);
    assert_eq!(event_loop.statistics().timers, 0);
}

#[test]
fn the_loop_may_be_moved_between_runs() {
    let mut event_loop = EventLoop::new().unwrap();
    let task = event_loop.run(async {
        let task = greenloop::spawn(async {
            greenloop::sleep(Duration::from_millis(1)).await;
            "output"
        });
        greenloop::yield_now().await;
        task
    });
    let mut moved = Box::new(event_loop);
    assert_eq!(moved.run(task).unwrap(), "output");
}

#[test]
fn two_loops_on_one_thread_have_tasks_of_their_own() {
    let (mut first, mut second) = (EventLoop::new().unwrap(), EventLoop::new().unwrap());
    let log = Rc::new(RefCell::new(Vec::new()));
    let write = |entry| {
        let log = Rc::clone(&log);
        async move { log.borrow_mut().push(entry) }
    };
    let in_first = first.run(async { greenloop::spawn(write("first")) });
    let in_second = second.run(async { greenloop::spawn(write("second")) });
    second.run(in_second).unwrap();
    assert_eq!(*log.borrow(), ["second"]);
    first.run(in_first).unwrap();
    assert_eq!(*log.borrow(), ["second", "first"]);
}

#[test]
fn a_wake_from_one_loop_reaches_a_task_of_the_other_in_its_next_run() {
    let (mut first, mut second) = (EventLoop::new().unwrap(), EventLoop::new().unwrap());
    let gate = Gate::new();
    let task = first.run(async {
        let gate = gate.clone();
        let task = greenloop::spawn(async move { gate.wait().await });
        greenloop::yield_now().await;
        task
    });
    second.run(async { gate.open() });
    first.run(task).unwrap();
}

#[test]
fn an_abort_from_one_loop_is_done_by_the_other_in_its_next_run() {
    let (mut first, mut second) = (EventLoop::new().unwrap(), EventLoop::new().unwrap());
    let task = first.run(async { greenloop::spawn(std::future::pending::<()>()) });
    second.run(async { task.abort() });
    assert!(first.run(task).unwrap_err().is_cancelled());
}

#[test]
fn wakers_of_two_loops_are_told_apart() {
    let (mut first, mut second) = (EventLoop::new().unwrap(), EventLoop::new().unwrap());
    let one = first.run(own_waker());
    let two = second.run(own_waker());
    assert!(!one.will_wake(&two));
    drop(first);
    two.wake();
    one.wake();
}

#[test]
fn the_handle_is_that_of_the_loop_that_runs() {
    let (mut first, mut second) = (EventLoop::new().unwrap(), EventLoop::new().unwrap());
    for event_loop in [&mut first, &mut second] {
        let handle = format!("{:?}", event_loop.handle());
        assert_eq!(event_loop.run(async { format!("{:?}", Handle::current()) }), handle);
    }
}

#[test]
fn loops_on_many_threads_do_not_mix() {
    let threads: Vec<_> = (0..8)
        .map(|number| {
            thread::spawn(move || {
                for _ in 0..50 {
                    let sum = greenloop::run(async move {
                        let tasks: Vec<_> =
                            (0..20).map(|_| greenloop::spawn(async move { number })).collect();
                        let outputs = greenloop::join_all(tasks).await;
                        outputs.into_iter().map(Result::unwrap).sum::<usize>()
                    });
                    assert_eq!(sum, 20 * number);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn statistics_count_from_run_to_run() {
    let mut event_loop = EventLoop::new().unwrap();
    event_loop.run(greenloop::yield_now());
    let after_first = event_loop.statistics();
    assert_eq!(after_first.polls, 2);
    event_loop.run(async {
        assert_eq!(event_loop::statistics().polls, 3);
        greenloop::sleep(Duration::from_millis(1)).await;
        assert!(event_loop::statistics().turns > after_first.turns);
    });
}

#[test]
fn a_root_that_is_done_is_not_polled_again_although_it_was_woken() {
    let (polls, mut event_loop) = (Cell::new(0), EventLoop::new().unwrap());
    let waker = event_loop.run(poll_fn(|cx| {
        polls.set(polls.get() + 1);
        cx.waker().wake_by_ref();
        Poll::Ready(cx.waker().clone())
    }));
    waker.wake();
    event_loop.run(async {
        for _ in 0..3 {
            greenloop::yield_now().await;
        }
    });
    assert_eq!(polls.get(), 1);
}
