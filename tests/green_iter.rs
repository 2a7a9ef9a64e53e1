//! A green thread takes the items of a stream in a `for` loop, and the others run meanwhile.

mod green_support;

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::Duration,
};

use futures_util::stream;
use green_support::run;
use greenloop::{
    event_loop,
    green::{self, Wait},
    task,
    time::interval,
};

#[test]
fn a_loop_ends_with_its_stream() {
    run(|| {
        let numbers: Vec<_> = green::iter(stream::iter(1..=3)).collect();
        assert_eq!(numbers, [1, 2, 3]);
        // A part of it, and then the rest.
        let mut numbers = stream::iter(1..=3);
        assert_eq!(green::iter(&mut numbers).next(), Some(1));
        assert!(green::iter(numbers).eq([2, 3]));
    });
}

#[test]
fn the_size_is_that_of_the_stream() {
    run(|| assert_eq!(green::iter(stream::iter(1..=3)).size_hint(), (3, Some(3))));
}

#[test]
fn a_stream_that_must_not_be_moved_is_no_different() {
    run(|| {
        let doubled = stream::unfold(1, |n| async move {
            greenloop::yield_now().await;
            (n < 20).then_some((n, n * 2))
        });
        assert!(green::iter(doubled).eq([1, 2, 4, 8, 16]));
    });
}

#[test]
fn others_run_while_it_waits() {
    run(|| {
        let turns = Rc::new(Cell::new(0));
        let other = green::spawn({
            let turns = Rc::clone(&turns);
            move || {
                for _ in 0..5 {
                    turns.set(turns.get() + 1);
                    green::yield_now();
                }
            }
        });
        // On a slow machine all ticks may be late, and then it need not wait.
        let mut ticks = green::iter(interval(Duration::from_millis(1)));
        while turns.get() < 5 {
            ticks.next();
        }
        other.wait().unwrap();
    });
}

#[test]
fn a_stream_without_end_leaves_the_others_their_turn() {
    run(|| {
        let stop = Rc::new(Cell::new(false));
        let stopper = green::spawn({
            let stop = Rc::clone(&stop);
            move || stop.set(true)
        });
        for () in green::iter(stream::repeat(())) {
            if stop.get() {
                break;
            }
        }
        stopper.wait().unwrap();
    });
}

#[test]
fn given_up_in_the_middle_it_lets_the_others_run_on() {
    run(|| {
        let ended = Rc::new(Cell::new(0));
        let threads = (0..3).map(|number| {
            let ended = Rc::clone(&ended);
            green::spawn(move || {
                (0..number).for_each(|_| green::yield_now());
                ended.set(ended.get() + 1);
            })
        });
        let mut joined = green::iter(task::as_completed(threads));
        joined.next().unwrap().unwrap();
        assert_eq!(ended.get(), 1);
        drop(joined);
        while ended.get() < 3 {
            green::yield_now();
        }
        // This one, and who called it.
        assert_eq!(event_loop::statistics().tasks, 2);
    });
}

#[test]
fn it_is_aborted_where_it_waits() {
    run(|| {
        let waiting = green::spawn(|| green::iter(stream::pending::<()>()).next());
        green::yield_now();
        assert!(waiting.abort_and_wait().wait().unwrap_err().is_cancelled());
    });
}

#[test]
fn outside_of_a_green_thread_it_panics() {
    let mut numbers = green::iter(stream::iter([1]));
    let next = catch_unwind(AssertUnwindSafe(|| numbers.next()));
    let panic = next.unwrap_err();
    assert!(panic.downcast_ref::<&str>().unwrap().contains("green threads only"));
}
