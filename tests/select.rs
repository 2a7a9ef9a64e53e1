//! `select!` waits for the first of a few futures, drops the others, and runs its handler.

mod support;

use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn, ready},
    rc::Rc,
    task::Poll,
    time::Duration,
};

use greenloop::{join, select, sleep};
use support::{Drops, Gate, block_on, hold, panic_of};

#[test]
fn the_branch_that_is_ready_wins() {
    block_on(async {
        let won = select! {
            () = pending::<()>() => "never",
            number = ready(7) => { assert_eq!(number, 7); "seven" }
        };
        assert_eq!(won, "seven");
        let won = select! {
            text = ready("first") => text,
            () = pending() => "never",
        };
        assert_eq!(won, "first");
    });
}

#[test]
fn the_branch_that_becomes_ready_first_wins() {
    greenloop::run(async {
        let gates = [Gate::new(), Gate::new(), Gate::new()];
        for winner in 0..3 {
            let gates = gates.each_ref().map(|_| Gate::new());
            let opener = greenloop::spawn({
                let gate = gates[winner].clone();
                async move { gate.open() }
            });
            let won = select! {
                () = gates[0].wait() => 0,
                () = gates[1].wait() => 1,
                () = gates[2].wait() => 2,
            };
            assert_eq!(won, winner);
            opener.await.unwrap();
        }
        drop(gates);
    });
}

#[test]
fn branches_are_written_in_many_ways() {
    let count = block_on(async {
        let mut count = 0;
        select! { _ = ready(1) => count += 1 }
        select! { _ = ready(1) => count += 1, }
        select! { _ = ready(1) => { count += 1 } }
        select! { _ = ready(1) => { count += 1 }, }
        select! {
            _ = pending::<()>() => {}
            _ = ready(1) => count += 1,
        }
        select! {
            _ = pending::<()>() => {},
            _ = ready(1), if true => { count += 1 }
            _ = pending::<()>(), if count > 3 => unreachable!(),
            else => unreachable!(),
        }
        select! { biased; _ = ready(1) => count += 1 }
        select! {
            biased;
            (one, [two, ..]) = ready((1, [1, 2])) => count += one + two - 1,
            else => {}
        }
        count
    });
    assert_eq!(count, 8);
}

#[test]
fn twelve_branches_are_taken() {
    block_on(async {
        for winner in 0..12 {
            let part =
                |number| async move { if number == winner { number } else { pending().await } };
            let won = select! {
                number = part(0) => number,
                number = part(1) => number,
                number = part(2) => number,
                number = part(3) => number,
                number = part(4) => number,
                number = part(5) => number,
                number = part(6) => number,
                number = part(7) => number,
                number = part(8) => number,
                number = part(9) => number,
                number = part(10) => number,
                number = part(11) => number,
            };
            assert_eq!(won, winner);
        }
    });
}

#[test]
fn the_losers_are_dropped_before_the_handler_runs() {
    greenloop::run(async {
        let drops = Drops::new();
        let guard = drops.guard();
        select! {
            () = hold::<_, ()>(drops.guard()) => unreachable!(),
            () = async { let _guard = guard; greenloop::yield_now().await; } => {
                assert_eq!(drops.count(), 2, "the winner's future is gone as well");
            }
        }
    });
}

#[test]
fn a_handler_may_use_what_the_futures_borrowed() {
    greenloop::run(async {
        let mut text = String::new();
        select! {
            () = async { text.push('a'); pending::<()>().await } => {}
            () = greenloop::yield_now() => text.push('b'),
        }
        assert_eq!(text, "ab");
    });
}

#[test]
fn a_handler_may_await_and_return_and_fail() {
    async fn handle(fail: bool) -> Result<u8, String> {
        let number = select! {
            number = ready(1) => {
                greenloop::yield_now().await;
                if fail {
                    Err(String::from("no"))?;
                }
                number
            }
        };
        select! {
            () = ready(()), if number == 1 => return Ok(number),
            else => {}
        }
        unreachable!("the handler returned")
    }

    assert_eq!(greenloop::run(handle(false)), Ok(1));
    assert_eq!(greenloop::run(handle(true)), Err(String::from("no")));
}

#[test]
fn break_and_continue_in_a_handler_are_those_of_the_users_loop() {
    let log = block_on(async {
        let mut log = Vec::new();
        let numbers = RefCell::new(0..10);
        let last = 'outer: loop {
            loop {
                select! {
                    number = async { numbers.borrow_mut().next() } => match number {
                        Some(number) if number % 2 == 0 => continue,
                        Some(7) => break 'outer 7,
                        Some(5) => break,
                        number => log.push(number),
                    }
                }
            }
            log.push(None);
        };
        log.push(Some(last));
        log
    });
    assert_eq!(log, [Some(1), Some(3), None, Some(7)]);
}

#[test]
fn a_future_that_is_lent_may_be_waited_for_again() {
    greenloop::run(async {
        let gate = Gate::new();
        let mut wait = std::pin::pin!(gate.wait());
        let mut task = greenloop::spawn(ready(1));
        let mut rounds = 0;
        let output = loop {
            select! {
                biased;
                () = &mut wait => unreachable!("nobody opens it yet"),
                output = &mut task => break output.unwrap(),
                () = greenloop::yield_now() => rounds += 1,
            }
        };
        assert_eq!(output, 1);
        assert!(rounds <= 1);
        gate.open();
        select! {
            () = wait => {}
            () = sleep(Duration::from_secs(3600)) => unreachable!(),
        }
    });
}

#[test]
fn a_disabled_branch_is_not_polled() {
    block_on(async {
        let polled = Cell::new(false);
        let mut enabled = false;
        for _ in 0..2 {
            let won = select! {
                biased;
                () = async { polled.set(true) }, if enabled => "conditional",
                () = ready(()) => "other",
            };
            assert_eq!((won == "conditional", polled.get()), (enabled, enabled));
            enabled = true;
        }
    });
}

#[test]
fn else_runs_when_every_branch_is_disabled() {
    block_on(async {
        let won = select! {
            () = ready(()), if false => "one",
            () = pending(), if false => "two",
            else => "else",
        };
        assert_eq!(won, "else");
    });
}

#[test]
fn without_else_there_is_a_clear_panic() {
    let caught = panic_of(|| {
        block_on(async {
            select! { () = ready(()), if false => {} }
        })
    });
    assert!(caught.message.contains("all branches of select! are disabled"), "{caught:?}");
    caught.assert_within(5);
}

#[test]
fn a_branch_whose_output_does_not_fit_is_left_out() {
    greenloop::run(async {
        let polls = Cell::new(0);
        let won = select! {
            Some(number) = async { polls.set(polls.get() + 1); None::<u8> } => number,
            number = async { greenloop::yield_now().await; 7 } => number,
        };
        assert_eq!((won, polls.get()), (7, 1), "and not polled again");
    });
}

#[test]
fn else_runs_when_no_output_fits() {
    greenloop::run(async {
        let won = select! {
            Some(number) = ready(None::<u8>) => number,
            Ok(number) = async { greenloop::yield_now().await; Err::<u8, _>(1) } => number,
            else => 100,
        };
        assert_eq!(won, 100);
    });
}

#[test]
fn patterns_may_be_literals_ranges_and_nested() {
    block_on(async {
        let won = select! {
            biased;
            0 = ready(1) => "zero",
            2..=5 = ready(1) => "range",
            Some(Ok("no" | "yes")) = ready(Some(Err::<&str, _>(()))) => "nested",
            [_, 3, ..] = ready([1, 2, 3]) => "array",
            Some("text") = ready(Some("text")) => "text",
        };
        assert_eq!(won, "text");
    });
}

#[test]
fn a_pattern_may_bind_by_move_what_cannot_be_copied() {
    block_on(async {
        let text = select! {
            Some(text) = ready(Some(String::from("moved"))) => text,
            mut text = pending::<String>() => { text.push('!'); text }
        };
        assert_eq!(text, "moved");
    });
}

#[test]
fn an_output_is_dropped_once_whether_it_fits_or_not() {
    block_on(async {
        let drops = Drops::new();
        select! {
            biased;
            (false, _guard) = ready((true, drops.guard())) => unreachable!(),
            (true, _guard) = ready((true, drops.guard())) => assert_eq!(drops.count(), 1),
        }
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn biased_polls_in_the_order_of_writing() {
    block_on(async {
        for _ in 0..20 {
            let log = RefCell::new(Vec::new());
            let part = |number| {
                let log = &log;
                poll_fn(move |_| {
                    log.borrow_mut().push(number);
                    if number == 2 { Poll::Ready(number) } else { Poll::Pending }
                })
            };
            let won = select! {
                biased;
                number = part(0) => number,
                number = part(1) => number,
                number = part(2) => number,
                number = part(3) => number,
            };
            assert_eq!((won, log.take()), (2, vec![0, 1, 2]));
        }
    });
}

/// How often each of three branches that are always ready wins.
async fn race(wins: &mut [u32; 3]) {
    select! {
        () = ready(()) => wins[0] += 1,
        () = ready(()) => wins[1] += 1,
        () = ready(()) => wins[2] += 1,
    }
}

#[test]
fn without_biased_every_branch_wins_now_and_then() {
    let mut wins = [0; 3];
    block_on(async {
        for _ in 0..300 {
            race(&mut wins).await;
        }
    });
    assert!(wins.iter().all(|wins| *wins >= 30), "{wins:?}");
}

#[test]
fn every_branch_wins_now_and_then_also_when_another_select_runs_in_between() {
    for others in 0..6 {
        let mut wins = [0; 3];
        block_on(async {
            for _ in 0..300 {
                race(&mut wins).await;
                for _ in 0..others {
                    race(&mut [0; 3]).await;
                }
            }
        });
        assert!(wins.iter().all(|wins| *wins >= 30), "with {others} others: {wins:?}");
    }
}

#[test]
fn every_branch_wins_now_and_then_also_when_two_tasks_take_turns() {
    greenloop::run(async {
        let play = || async {
            let mut wins = [0; 2];
            for _ in 0..200 {
                select! {
                    () = ready(()) => wins[0] += 1,
                    () = ready(()) => wins[1] += 1,
                }
                greenloop::yield_now().await;
            }
            wins
        };
        let (one, two) = (greenloop::spawn(play()), greenloop::spawn(play()));
        for wins in [one.await.unwrap(), two.await.unwrap()] {
            assert!(wins.iter().all(|wins| *wins >= 20), "{wins:?}");
        }
    });
}

#[test]
fn a_select_over_what_is_always_ready_spends_the_budget() {
    greenloop::run(async {
        let done = Rc::new(Cell::new(false));
        greenloop::spawn({
            let done = Rc::clone(&done);
            async move { done.set(true) }
        });
        while !done.get() {
            select! {
                () = sleep(Duration::ZERO) => {}
                () = sleep(Duration::ZERO) => {}
            }
        }
    });
}

#[test]
fn a_temporary_lives_as_long_as_the_future_that_borrows_it() {
    async fn length(text: &str) -> usize {
        greenloop::yield_now().await;
        text.len()
    }

    greenloop::run(async {
        let length = select! {
            length = length(&String::from("three")) => length,
            () = pending() => 0,
        };
        assert_eq!(length, 5);
    });
}

#[test]
fn an_output_may_borrow_what_is_around() {
    block_on(async {
        let text = String::from("borrowed");
        let part = select! {
            part = async { &text[..6] } => part,
            part = pending() => part,
        };
        assert_eq!(part, "borrow");
    });
}

#[test]
fn names_of_the_callers_are_not_those_of_the_macro() {
    block_on(async {
        let (futures, enabled, output, selected, cx) = (1, 2, 3, 4, 5);
        let sum = select! {
            sum = async { futures + enabled + output }, if enabled == 2 => sum + selected + cx,
        };
        assert_eq!(sum, 15);
    });
}

#[test]
fn selects_nest_in_futures_and_in_handlers() {
    let number = greenloop::run(async {
        select! {
            number = async { select! { number = ready(1) => number, () = pending() => 0 } } => {
                select! { other = ready(number + 1) => other }
            }
        }
    });
    assert_eq!(number, 2);
}

#[test]
fn a_select_is_no_larger_than_its_futures() {
    let future = |bytes: [u8; 500]| async move {
        greenloop::yield_now().await;
        bytes[0]
    };
    let selected = async {
        select! {
            byte = future([1; 500]) => byte,
            byte = future([2; 500]) => byte,
        }
    };
    assert!(size_of_val(&selected) < 4 * 600, "{}", size_of_val(&selected));
}

#[test]
fn a_lost_handle_detaches_its_task() {
    greenloop::run(async {
        let gate = Gate::new();
        let task = greenloop::spawn({
            let gate = gate.clone();
            async move { gate.wait().await }
        });
        let abort = task.abort_handle();
        select! {
            output = task => output.unwrap(),
            () = greenloop::yield_now() => {}
        }
        assert!(!abort.is_finished());
        gate.open();
        greenloop::yield_now().await;
        assert!(abort.is_finished());
    });
}

#[test]
fn futures_of_other_branches_may_be_woken_from_elsewhere() {
    greenloop::run(async {
        let gate = Gate::new();
        let thread = std::thread::spawn({
            let gate = gate.clone();
            move || gate.open()
        });
        let ((), won) = join!(gate.wait(), async {
            select! {
                () = gate.wait() => "opened",
                () = pending() => "never",
            }
        });
        assert_eq!(won, "opened");
        thread.join().unwrap();
    });
}
