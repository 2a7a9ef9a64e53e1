//! `join!` waits for a few futures of different types in one task, `try_join!` until one fails.

mod support;

use std::{
    cell::{Cell, RefCell},
    future::{poll_fn, ready},
    rc::Rc,
    task::Poll,
};

use greenloop::{join, try_join};
use support::{Drops, Gate, block_on};

#[test]
fn the_outputs_come_in_the_order_of_writing() {
    greenloop::run(async {
        let (one, two) = (Gate::new(), Gate::new());
        let log = RefCell::new(Vec::new());
        let joined = join!(
            async {
                one.wait().await;
                log.borrow_mut().push(1);
                1
            },
            async {
                two.wait().await;
                log.borrow_mut().push(2);
                "two"
            },
            async {
                two.open();
                greenloop::yield_now().await;
                one.open();
                [3.0]
            }
        );
        assert_eq!(joined, (1, "two", [3.0]));
        assert_eq!(log.take(), [2, 1]);
    });
}

#[test]
fn one_to_twelve_futures_may_be_joined() {
    block_on(async {
        assert_eq!(join!(ready(1)), (1,));
        assert_eq!(join!(ready(1),), (1,));
        let twelve = join!(
            ready(1),
            ready(2),
            ready(3),
            ready(4),
            ready(5),
            ready(6),
            ready(7),
            ready(8),
            ready(9),
            ready(10),
            ready(11),
            ready(12),
        );
        assert_eq!(twelve, (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
        let twelve = try_join!(
            ready(Ok::<_, ()>(1)),
            ready(Ok(2)),
            ready(Ok(3)),
            ready(Ok(4)),
            ready(Ok(5)),
            ready(Ok(6)),
            ready(Ok(7)),
            ready(Ok(8)),
            ready(Ok(9)),
            ready(Ok(10)),
            ready(Ok(11)),
            ready(Ok(12)),
        );
        assert_eq!(twelve, Ok((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)));
        assert_eq!(try_join!(ready(Err::<(), _>(1))), Err(1));
    });
}

#[test]
fn futures_may_borrow_what_is_around_them() {
    greenloop::run(async {
        let (mut one, mut two) = (String::new(), String::new());
        join!(
            async {
                greenloop::yield_now().await;
                one.push('1');
            },
            async { two.push('2') }
        );
        assert_eq!((&one[..], &two[..]), ("1", "2"));
    });
}

#[test]
fn a_temporary_lives_as_long_as_the_future_that_borrows_it() {
    async fn length(text: &str) -> usize {
        greenloop::yield_now().await;
        text.len()
    }

    greenloop::run(async {
        let lengths = join!(length(&String::from("one")), length(&String::from("three")));
        assert_eq!(lengths, (3, 5));
    });
}

#[test]
fn a_future_may_be_lent() {
    greenloop::run(async {
        let mut task = greenloop::spawn(ready(1));
        let (one, two) = join!(&mut task, async { 2 });
        assert_eq!((one.unwrap(), two), (1, 2));
        assert!(task.is_finished());
    });
}

#[test]
fn a_finished_future_is_dropped_at_once_and_never_polled_again() {
    greenloop::run(async {
        let (drops, gate) = (Drops::new(), Gate::new());
        let polls = Cell::new(0);
        let guard = drops.guard();
        let first = async {
            let _guard = guard;
            polls.set(polls.get() + 1);
        };
        let second = async {
            greenloop::yield_now().await;
            greenloop::yield_now().await;
            assert_eq!((drops.count(), polls.get()), (1, 1));
            gate.open();
        };
        join!(first, second, gate.wait());
        assert_eq!(polls.get(), 1);
    });
}

#[test]
fn the_one_that_is_polled_first_changes() {
    greenloop::run(async {
        let firsts = [const { Cell::new(0) }; 3];
        for _ in 0..300 {
            let polled = Cell::new(false);
            let part = |number: usize| {
                let (polled, firsts) = (&polled, &firsts);
                poll_fn(move |_| {
                    if !polled.replace(true) {
                        firsts[number].set(firsts[number].get() + 1);
                    }
                    Poll::Ready(())
                })
            };
            join!(part(0), part(1), part(2));
        }
        assert!(firsts.iter().all(|count| count.get() >= 30), "{firsts:?}");
    });
}

#[test]
fn the_one_that_is_polled_first_changes_from_poll_to_poll_of_one_join() {
    greenloop::run(async {
        let log = RefCell::new(Vec::new());
        let part = |name: &'static str| {
            let (log, mut left) = (&log, 100);
            poll_fn(move |cx| {
                log.borrow_mut().push(name);
                cx.waker().wake_by_ref();
                left -= 1;
                if left == 0 { Poll::Ready(()) } else { Poll::Pending }
            })
        };
        join!(part("one"), part("two"));
        let log = log.take();
        let firsts = |name| log.chunks(2).filter(|polls| polls[0] == name).count();
        assert!(firsts("one") >= 10 && firsts("two") >= 10, "{log:?}");
    });
}

#[test]
fn a_busy_future_does_not_starve_the_others() {
    greenloop::run(async {
        let done = Cell::new(false);
        join!(
            async {
                while !done.get() {
                    greenloop::yield_now().await;
                }
            },
            async {
                greenloop::sleep(std::time::Duration::from_millis(1)).await;
                done.set(true);
            }
        );
    });
}

#[test]
fn joined_futures_take_no_room_but_their_own() {
    let future = |bytes: [u8; 500]| async move {
        greenloop::yield_now().await;
        bytes[0]
    };
    let joined = async { join!(future([1; 500]), future([2; 500])) };
    // Each is there once as an argument and once where it is polled.
    assert!(size_of_val(&joined) < 4 * 600, "{}", size_of_val(&joined));
    assert_eq!(block_on(joined), (1, 2));
}

#[test]
fn names_of_the_callers_are_not_those_of_the_macro() {
    block_on(async {
        let (parts, cx, futures, output) = (1, 2, 3, 4);
        let joined = join!(async { parts }, async { cx }, async { futures }, async { output });
        assert_eq!(joined, (1, 2, 3, 4));
        let joined: Result<_, ()> = try_join!(async { Ok(parts) }, async { Ok(cx) });
        assert_eq!(joined, Ok((1, 2)));
    });
}

#[test]
fn joins_nest() {
    let nested = greenloop::run(async {
        join!(async { join!(greenloop::yield_now(), async { 1 }).1 }, async {
            try_join!(async { Ok::<_, ()>(2) }, async {
                greenloop::yield_now().await;
                Ok(3)
            })
        })
    });
    assert_eq!(nested, (1, Ok((2, 3))));
}

// --- try_join! ----------------------------------------------------------------------------------

#[test]
fn the_first_error_ends_the_wait() {
    greenloop::run(async {
        let error = try_join!(std::future::pending::<Result<(), &str>>(), async {
            greenloop::yield_now().await;
            Err::<u8, _>("no")
        });
        assert_eq!(error, Err("no"));
    });
}

#[test]
fn the_others_are_dropped_before_the_error_is_looked_at() {
    greenloop::run(async {
        let drops = Drops::new();
        let guards = (drops.guard(), drops.guard());
        let waits = async move {
            let _guard = guards.0;
            std::future::pending::<Result<(), &str>>().await
        };
        let value = async move { Ok(guards.1) };
        match try_join!(waits, value, async {
            greenloop::yield_now().await;
            Err::<(), _>("no")
        }) {
            Err("no") => assert_eq!(drops.count(), 2, "a future and a value"),
            _ => unreachable!(),
        }
    });
}

#[test]
fn an_error_may_be_passed_on() {
    async fn fails() -> Result<u8, String> {
        let (one, two) = try_join!(async { Ok(1) }, async { Err::<u8, _>(String::from("no")) })?;
        Ok(one + two)
    }

    assert_eq!(greenloop::run(fails()), Err(String::from("no")));
}

#[test]
fn handles_are_detached_by_an_error() {
    greenloop::run(async {
        let ran = Rc::new(Cell::new(false));
        let task = greenloop::spawn({
            let ran = Rc::clone(&ran);
            async move {
                greenloop::yield_now().await;
                ran.set(true);
            }
        });
        let failing = greenloop::spawn(async { panic!("oh") });
        assert!(try_join!(task, failing).is_err());
        greenloop::yield_now().await;
        greenloop::yield_now().await;
        assert!(ran.get());
    });
}
