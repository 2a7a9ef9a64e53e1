//! Links are called with the result when a green thread has ended, however it ends: in their order,
//! by the loop, before those who wait for it; and a look at the result leaves it where it is.

mod green_support;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use green_support::{Drops, Log, OnDrop, panic_of, park, run, watch};
use greenloop::{
    EventLoop,
    green::{self, Builder, JoinHandle, Wait},
};

fn linked(thread: &JoinHandle<u32>, log: &Log, name: &'static str) {
    let log = log.clone();
    thread.on_done(move |result| match result {
        Ok(value) => log.add(format!("{name} {value}")),
        Err(error) if error.is_panic() => log.add(format!("{name} panic")),
        Err(_) => log.add(format!("{name} killed")),
    });
}

#[test]
fn links_are_called_in_their_order_before_the_waiter_goes_on() {
    run(|| {
        let log = Log::new();
        let thread = green::spawn({
            let log = log.clone();
            move || {
                green::yield_now();
                log.add("ends");
                7
            }
        });
        linked(&thread, &log, "first");
        linked(&thread, &log, "second");
        assert_eq!(thread.wait().unwrap(), 7);
        log.add("waiter");
        assert_eq!(log, ["ends", "first 7", "second 7", "waiter"]);
    });
}

#[test]
fn a_thousand_links_are_called_in_their_order() {
    run(|| {
        let order = Rc::new(RefCell::new(Vec::new()));
        let thread = green::spawn(|| ());
        for number in 0..1000 {
            let order = Rc::clone(&order);
            thread.on_done(move |_| order.borrow_mut().push(number));
        }
        thread.wait().unwrap();
        assert_eq!(*order.borrow(), (0..1000).collect::<Vec<_>>());
    });
}

#[test]
fn links_are_called_however_it_ends() {
    run(|| {
        let log = Log::new();
        let panics = green::spawn(|| panic!("no bread"));
        linked(&panics, &log, "panics");
        assert!(panics.wait().is_err());

        let killed = green::spawn(|| {
            park();
            1
        });
        linked(&killed, &log, "parked");
        green::yield_now();
        killed.abort();
        assert!(killed.wait().is_err());

        let never = green::spawn(|| 1);
        linked(&never, &log, "never");
        never.abort();
        assert_eq!(log, ["panics panic", "parked killed", "never killed"]);
    });
}

#[test]
fn links_of_one_that_nobody_holds_are_called() {
    run(|| {
        let log = Log::new();
        let thread = green::spawn(|| 7);
        linked(&thread, &log, "link");
        drop(thread);
        green::yield_now();
        assert_eq!(log, ["link 7"]);
    });
}

#[test]
fn a_link_runs_in_the_loop_and_not_on_the_stack_that_ended() {
    run(|| {
        let said = Rc::new(RefCell::new(String::new()));
        let thread = green::spawn(|| 7);
        thread.on_done({
            let said = Rc::clone(&said);
            move |_| *said.borrow_mut() = panic_of(green::yield_now)
        });
        thread.wait().unwrap();
        assert!(said.borrow().contains("green threads only"), "{}", said.borrow());
    });
}

#[test]
fn a_link_that_comes_late_is_called_soon_but_not_at_once() {
    run(|| {
        let log = Log::new();
        let thread = green::spawn(|| 7);
        green::yield_now();
        assert!(thread.is_finished());
        linked(&thread, &log, "late");
        assert_eq!(log, [] as [&str; 0]);
        while log.entries().is_empty() {
            green::yield_now();
        }
        assert_eq!(log, ["late 7"]);
        assert_eq!(thread.wait().unwrap(), 7, "it only looked");
    });
}

#[test]
fn a_link_that_comes_late_is_called_before_the_output_is_taken_or_dropped() {
    run(|| {
        let log = Log::new();
        let thread = green::spawn(|| 7);
        green::yield_now();
        linked(&thread, &log, "taken");
        thread.wait().unwrap();
        assert_eq!(log, ["taken 7"]);

        let thread = green::spawn(|| 8);
        green::yield_now();
        linked(&thread, &log, "dropped");
        drop(thread);
        assert_eq!(log, ["taken 7", "dropped 8"]);
        green::yield_now();
        assert_eq!(log.entries().len(), 2, "once");
    });
}

#[test]
fn a_link_that_panics_is_reported_and_stops_nobody() {
    let _watched = watch();
    let reports: Rc<RefCell<Vec<String>>> = Rc::default();
    let mut event_loop = EventLoop::builder()
        .on_unobserved_panic({
            let reports = Rc::clone(&reports);
            move |error| reports.borrow_mut().push(error.to_string())
        })
        .build()
        .unwrap();
    let called = event_loop.run(async {
        let called = Rc::new(Cell::new(0));
        let thread = Builder::new().name("baker").spawn(|| 7);
        for number in 0..4 {
            let called = Rc::clone(&called);
            thread.on_done(move |_| {
                called.set(called.get() + 1);
                assert!(number % 2 != 0, "link {number} fails");
            });
        }
        assert_eq!(thread.await.unwrap(), 7);
        called.get()
    });
    assert_eq!(called, 4);
    let reports = reports.borrow();
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert!(reports[0].ends_with("\"baker\" panicked: link 0 fails"), "{reports:?}");
    assert!(reports[1].ends_with("\"baker\" panicked: link 2 fails"), "{reports:?}");
}

#[test]
fn a_link_may_drop_the_handle() {
    run(|| {
        let (slot, drops) = (Rc::new(RefCell::new(None)), Drops::new());
        let guard = drops.guard();
        let thread = green::spawn(move || guard);
        thread.on_done({
            let (slot, drops) = (Rc::clone(&slot), drops.clone());
            move |_| {
                drop(slot.take().map(|handle: JoinHandle<_>| handle));
                assert_eq!(drops.count(), 0, "not while somebody looks");
            }
        });
        let after = Rc::new(Cell::new(false));
        thread.on_done({
            let after = Rc::clone(&after);
            move |result| after.set(result.is_ok())
        });
        *slot.borrow_mut() = Some(thread);
        green::yield_now();
        assert!(after.get());
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn a_link_that_polls_the_handle_does_not_take_what_others_look_at() {
    run(|| {
        let slot: Rc<RefCell<Option<JoinHandle<String>>>> = Rc::default();
        let thread = green::spawn(|| "bread".to_owned());
        let seen = Rc::new(RefCell::new(Vec::new()));
        thread.on_done({
            let slot = Rc::clone(&slot);
            move |_| {
                let mut slot = slot.borrow_mut();
                let handle = std::pin::Pin::new(slot.as_mut().unwrap());
                let polled = Future::poll(handle, &mut Context::from_waker(Waker::noop()));
                assert!(matches!(polled, Poll::Pending));
            }
        });
        thread.on_done({
            let seen = Rc::clone(&seen);
            move |result| seen.borrow_mut().push(result.as_ref().unwrap().clone())
        });
        *slot.borrow_mut() = Some(thread);
        green::yield_now();
        assert_eq!(*seen.borrow(), ["bread"]);
        let thread = slot.take().unwrap();
        assert_eq!(thread.wait().unwrap(), "bread");
    });
}

#[test]
fn a_link_may_link_spawn_and_abort() {
    run(|| {
        let log = Log::new();
        let slot: Rc<RefCell<Option<JoinHandle<u32>>>> = Rc::default();
        let other = green::spawn(park);
        green::yield_now();
        let thread = green::spawn(|| 7);
        thread.on_done({
            let (log, slot) = (log.clone(), Rc::clone(&slot));
            let other = other.abort_handle();
            move |_| {
                other.abort();
                linked(slot.borrow().as_ref().unwrap(), &log, "linked by a link");
                drop(green::spawn(move || log.add("spawned by a link")));
            }
        });
        *slot.borrow_mut() = Some(thread);
        assert!(other.wait().unwrap_err().is_cancelled());
        while log.entries().len() < 2 {
            green::yield_now();
        }
        let mut entries = log.entries();
        entries.sort_unstable();
        assert_eq!(entries, ["linked by a link 7", "spawned by a link"]);
        drop(slot.take());
    });
}

#[test]
fn links_are_called_for_those_that_the_end_of_the_loop_ends() {
    let log = Log::new();
    run({
        let log = log.clone();
        move || {
            let thread = green::spawn(|| {
                park();
                1
            });
            linked(&thread, &log, "link");
            green::yield_now();
            drop(thread);
        }
    });
    assert_eq!(log, ["link killed"]);
}

#[test]
fn a_look_at_the_output_leaves_it() {
    run(|| {
        let thread = green::spawn(|| "bread".to_owned());
        assert!(thread.peek(|_| ()).is_none(), "it has none yet");
        green::yield_now();
        for _ in 0..2 {
            let length = thread.peek(|result| result.as_ref().unwrap().len());
            assert_eq!(length, Some(5));
        }
        assert_eq!(thread.wait().unwrap(), "bread");
    });
}

#[test]
fn a_look_may_end_in_a_panic_and_nothing_is_lost() {
    run(|| {
        let thread = green::spawn(|| 7);
        green::yield_now();
        let text = panic_of(|| thread.peek(|_| panic!("no look")));
        assert_eq!(text, "no look");
        assert_eq!(thread.wait().unwrap(), 7);
    });
}

#[test]
fn what_is_looked_at_stays_until_the_looks_are_over_also_at_the_loops_end() {
    let drops = Drops::new();
    let seen = Rc::new(RefCell::new(Vec::new()));
    run({
        let (drops, seen) = (drops.clone(), Rc::clone(&seen));
        move || {
            let guard = drops.guard();
            let thread = Rc::new(green::spawn(move || ("bread".to_owned(), guard)));
            green::yield_now();
            // The second begins after the first and ends before it; the third outlives both.
            for number in [1, 2, 3] {
                let (thread, drops, seen) = (Rc::clone(&thread), drops.clone(), Rc::clone(&seen));
                drop(green::spawn(move || {
                    thread.peek(|output| {
                        let _look = OnDrop::new(|| {
                            let text = output.as_ref().unwrap().0.clone();
                            seen.borrow_mut().push((number, text, drops.count()));
                        });
                        match number {
                            2 => green::yield_now(),
                            1 => (0..2).for_each(|_| green::yield_now()),
                            _ => park(),
                        }
                    });
                }));
            }
            for _ in 0..5 {
                green::yield_now();
            }
            let text = thread.peek(|output| output.as_ref().unwrap().0.clone());
            assert_eq!(text.as_deref(), Some("bread"));
        }
    });
    let looks = [2, 1, 3].map(|number| (number, "bread".to_owned(), 0));
    assert_eq!(*seen.borrow(), looks);
    assert_eq!(drops.count(), 1);
}

#[test]
fn on_done_after_the_output_was_taken_says_so() {
    run(|| {
        let mut thread = green::spawn(|| 7);
        assert_eq!((&mut thread).wait().unwrap(), 7);
        let text = panic_of(|| thread.on_done(|_| ()));
        assert!(text.contains("output was taken"), "{text}");
    });
}
