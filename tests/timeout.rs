//! A time-out ends a wait when its time has passed, and only then.

use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn, ready},
    io,
    pin::{Pin, pin},
    rc::Rc,
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use greenloop::{sleep, statistics, time::timeout_at, timeout};

#[path = "support/net.rs"]
mod support;
use support::{poll_once, run};

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn a_future_that_is_done_in_time_gives_its_output() {
    run(async {
        let done = timeout(Duration::from_secs(3600), async {
            sleep(MILLISECOND).await;
            7
        });
        assert_eq!(done.await, Ok(7));
    });
}

#[test]
fn the_time_counts_from_the_call_and_not_from_the_loops_last_look_at_the_clock() {
    run(async {
        sleep(MILLISECOND).await;
        thread::sleep(30 * MILLISECOND);
        let start = Instant::now();
        let result = timeout(20 * MILLISECOND, pending::<()>()).await;
        assert!(result.is_err());
        assert!(start.elapsed() >= 20 * MILLISECOND);
    });
}

#[test]
fn a_future_that_takes_too_long_ends_after_the_time_and_not_before() {
    run(async {
        let start = Instant::now();
        let result = timeout(3 * MILLISECOND, pending::<()>()).await;
        assert!(result.is_err());
        assert!(start.elapsed() >= 3 * MILLISECOND);
    });
}

#[test]
fn the_longest_time_is_no_limit() {
    run(async {
        for time in
            [Duration::MAX, Duration::from_secs(u64::MAX / 10), Duration::from_secs(1 << 40)]
        {
            let done = timeout(time, async {
                sleep(MILLISECOND).await;
                7
            });
            assert_eq!(done.await, Ok(7));
        }
    });
}

#[test]
fn with_no_time_the_future_gets_one_poll() {
    run(async {
        assert_eq!(timeout(Duration::ZERO, ready(7)).await, Ok(7));

        let polls = Cell::new(0);
        let never = poll_fn(|_| {
            polls.set(polls.get() + 1);
            Poll::<()>::Pending
        });
        assert!(timeout(Duration::ZERO, never).await.is_err());
        assert_eq!(polls.get(), 1);
    });
}

#[test]
fn a_deadline_that_has_passed_ends_the_wait_at_the_first_poll() {
    run(async {
        let past = Instant::now() - MILLISECOND;
        assert!(matches!(poll_once(timeout_at(past, pending::<()>())), Poll::Ready(Err(_))));
    });
}

#[test]
fn a_deadline_that_passed_while_the_loop_was_held_up_ends_the_wait_at_the_first_poll() {
    run(async {
        thread::sleep(50 * MILLISECOND);
        let past = Instant::now() - MILLISECOND;
        assert!(matches!(poll_once(timeout_at(past, pending::<()>())), Poll::Ready(Err(_))));

        thread::sleep(50 * MILLISECOND);
        let polls = Cell::new(0);
        let never = poll_fn(|_| {
            polls.set(polls.get() + 1);
            Poll::<()>::Pending
        });
        assert!(timeout(Duration::ZERO, never).await.is_err());
        assert_eq!(polls.get(), 1);
    });
}

#[test]
fn when_both_are_ready_the_value_wins() {
    run(async {
        assert_eq!(timeout(Duration::ZERO, ready(1)).await, Ok(1));
        assert_eq!(timeout_at(Instant::now() - MILLISECOND, ready(2)).await, Ok(2));

        let start = Instant::now();
        let (value, deadline) = (start + 2 * MILLISECOND, start + 2 * MILLISECOND);
        let mut both = pin!(timeout_at(deadline, async {
            greenloop::time::sleep_until(value).await;
            3
        }));
        assert!(poll_once(both.as_mut()).is_pending());
        thread::sleep(4 * MILLISECOND);
        sleep(MILLISECOND).await;
        assert_eq!(both.await, Ok(3));
    });
}

#[test]
fn a_future_that_never_rests_is_ended_all_the_same() {
    run(async {
        let start = Instant::now();
        let busy = async {
            while start.elapsed() < Duration::from_secs(20) {
                sleep(Duration::ZERO).await;
            }
        };
        assert!(timeout(3 * MILLISECOND, busy).await.is_err());
        assert!(start.elapsed() >= 3 * MILLISECOND);
    });
}

#[test]
fn the_end_of_the_time_drops_the_future() {
    struct SetOnDrop(Rc<Cell<bool>>);
    impl Drop for SetOnDrop {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    run(async {
        let dropped = Rc::new(Cell::new(false));
        let guard = SetOnDrop(Rc::clone(&dropped));

        let result = timeout(MILLISECOND, async move {
            let _guard = guard;
            pending::<()>().await;
        });

        assert!(result.await.is_err());
        assert!(dropped.get());
    });
}

#[test]
fn a_time_out_that_was_not_needed_leaves_no_timer() {
    run(async {
        let before = statistics().timers;
        for _ in 0..1000 {
            timeout(Duration::from_secs(3600), greenloop::yield_now()).await.unwrap();
        }
        assert_eq!(statistics().timers, before);
    });
}

#[test]
fn of_two_time_outs_in_each_other_the_shorter_one_ends_the_wait() {
    run(async {
        let hour = Duration::from_secs(3600);
        let inner = timeout(hour, timeout(MILLISECOND, pending::<()>())).await;
        assert!(matches!(inner, Ok(Err(_))));
        let outer = timeout(MILLISECOND, timeout(hour, pending::<()>())).await;
        assert!(outer.is_err());
    });
}

#[test]
fn the_deadline_can_be_moved_while_waiting() {
    run(async {
        let start = Instant::now();
        let mut wait = pin!(timeout(Duration::from_secs(3600), pending::<()>()));
        assert!(poll_once(wait.as_mut()).is_pending());

        wait.as_mut().reset(start + 2 * MILLISECOND);

        assert!(wait.await.is_err());
        assert!(start.elapsed() >= 2 * MILLISECOND);
    });
}

#[test]
fn the_future_can_be_taken_back_and_awaited_without_limit() {
    run(async {
        let mut wait = timeout(Duration::ZERO, sleep(2 * MILLISECOND));
        assert!(matches!(poll_once(&mut wait), Poll::Ready(Err(_)) | Poll::Pending));
        wait.into_inner().await;
    });
}

#[test]
fn the_error_says_what_happened_and_becomes_an_io_error() {
    run(async {
        let elapsed = timeout(Duration::ZERO, pending::<()>()).await.unwrap_err();
        assert_eq!(elapsed.to_string(), "the time is over");
        assert_eq!(io::Error::from(elapsed).kind(), io::ErrorKind::TimedOut);
    });
}

#[test]
fn a_task_that_is_aborted_when_what_it_waits_for_is_done_does_not_go_on() {
    run(async {
        let opened = Rc::new(Cell::new(false));
        let inner = Rc::new(RefCell::new(greenloop::spawn({
            let opened = Rc::clone(&opened);
            async move {
                while !opened.get() {
                    greenloop::yield_now().await;
                }
                7
            }
        })));
        let went_on = Rc::new(Cell::new(false));
        let outer = greenloop::spawn({
            let (inner, went_on) = (Rc::clone(&inner), Rc::clone(&went_on));
            async move {
                let value = poll_fn(|cx| Pin::new(&mut *inner.borrow_mut()).poll(cx));
                drop(timeout(Duration::from_secs(3600), value).await);
                went_on.set(true);
            }
        });
        greenloop::yield_now().await;
        opened.set(true);
        // It ends in this turn, and with that the other one is ready to go on.
        greenloop::yield_now().await;
        assert!(inner.borrow().is_finished() && !went_on.get());
        outer.abort();
        assert!(outer.await.unwrap_err().is_cancelled());
        assert!(!went_on.get());
        let inner = Rc::into_inner(inner).expect("nobody else has it").into_inner();
        assert_eq!(inner.await.unwrap(), 7);
    });
}
