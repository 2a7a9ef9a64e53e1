//! An event lets everybody go on who waits when it is set.

#[path = "support/styles.rs"]
mod styles;
mod support;
#[path = "support/sweep.rs"]
mod sweep;

use std::{
    cell::{Cell, RefCell},
    pin::pin,
    rc::Rc,
    task::Context,
    time::Duration,
};

use greenloop::{sync::Event, timeout};
use styles::both_styles;
use support::{Wakes, block_on};
use sweep::{Fate, Sweep};

both_styles! {
    fn whoever_waits_goes_on_when_it_is_set_and_nobody_before() {
        let (event, ran) = (Rc::new(Event::new()), Rc::new(Cell::new(0)));
        let waiters: Vec<_> = (0..3)
            .map(|_| spawn!([event, ran] {
                wait!(event.wait());
                ran.set(ran.get() + 1);
            }))
            .collect();
        settle!();
        assert_eq!((ran.get(), event.is_set()), (0, false));

        event.set();
        for waiter in waiters {
            wait!(waiter).unwrap();
        }
        assert_eq!((ran.get(), event.is_set()), (3, true));
    }

    fn nobody_waits_while_it_is_set() {
        let event = Event::new();
        event.set();
        event.set();
        wait!(event.wait());
        wait!(event.wait());
        event.clear();
        assert!(wait!(timeout(Duration::from_millis(1), event.wait())).is_err());
    }

    /// Also when it is cleared before any of them runs.
    fn set_then_clear_wakes_all_who_waited() {
        for count in [1, 100, 1000] {
            let event = Rc::new(Event::new());
            let wait = |_| spawn!([event] { wait!(event.wait()) });
            let waiters: Vec<_> = (0..count).map(wait).collect();
            settle!();
            event.set();
            event.clear();
            for waiter in waiters {
                wait!(waiter).unwrap();
            }
            assert!(!event.is_set());
        }
    }

    fn whoever_comes_while_the_others_are_being_woken_goes_on_behind_them() {
        let (event, log) = (Rc::new(Event::new()), Rc::new(RefCell::new(Vec::new())));
        let first = spawn!([event, log] {
            wait!(event.wait());
            log.borrow_mut().push(1);
            wait!(event.wait());
            log.borrow_mut().push(2);
        });
        let second = spawn!([event, log] {
            wait!(event.wait());
            log.borrow_mut().push(3);
        });
        settle!();
        event.set();
        wait!(first).unwrap();
        wait!(second).unwrap();
        assert_eq!(*log.borrow(), [1, 2, 3]);
    }

    fn whoever_comes_after_the_clear_does_not_see_the_set_before() {
        let (event, ran) = (Rc::new(Event::new()), Rc::new(Cell::new(false)));
        event.set();
        event.clear();
        let late = spawn!([event, ran] {
            wait!(event.wait());
            ran.set(true);
        });
        settle!();
        assert!(!ran.get());
        event.set();
        wait!(late).unwrap();
    }

    /// Everybody on one event, each task in its own way.
    fn tasks_and_green_threads_wait_together() {
        use greenloop::green::Wait;
        let event = Rc::new(Event::new());
        let task = greenloop::spawn({
            let event = Rc::clone(&event);
            async move { event.wait().await }
        });
        let thread = greenloop::green::spawn({
            let event = Rc::clone(&event);
            move || event.wait().wait()
        });
        settle!();
        event.set();
        wait!(task).unwrap();
        wait!(thread).unwrap();
    }
}

#[test]
fn waiters_that_gave_up_leave_nothing_behind() {
    let event = Event::new();
    let wakes = Wakes::new();
    for _ in 0..10_000 {
        let waker = wakes.waker();
        assert!(pin!(event.wait()).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(wakes.references(), 1);
    event.set();
    assert_eq!(wakes.count(), 0);
}

#[test]
fn it_works_on_any_executor_and_before_there_is_one() {
    thread_local!(static EVENT: Event = const { Event::new() });
    EVENT.with(Event::set);
    block_on(async {
        let event = Event::default();
        event.set();
        event.wait().await;
    });
    greenloop::run(async { EVENT.with(|event| assert!(event.is_set())) });
    assert_eq!(format!("{:?}", Event::new()), "Event { is_set: false, .. }");
}

#[test]
fn it_moves_from_one_loop_to_the_next() {
    let event = Rc::new(Event::new());
    let waiting = Rc::clone(&event);
    greenloop::run(async {
        greenloop::spawn(async move { waiting.wait().await });
        styles::settle().await;
    });
    greenloop::run(async {
        let waiter = greenloop::spawn({
            let event = Rc::clone(&event);
            async move { event.wait().await }
        });
        styles::settle().await;
        event.set();
        waiter.await.unwrap();
    });
}

#[test]
fn in_no_order_is_a_set_missed() {
    struct Shared {
        event: Event,
        acts: Cell<usize>,
        /// How many acts were done when a future began to wait.
        began: [Cell<usize>; 3],
    }
    let mut sweep = Sweep::new(|| Shared {
        event: Event::new(),
        acts: Cell::new(0),
        began: Default::default(),
    })
    .spurious(1);
    for number in 0..3 {
        sweep = sweep.future(move |shared: Rc<Shared>| async move {
            shared.began[number].set(shared.acts.get());
            shared.event.wait().await;
        });
    }
    let sweep = sweep
        .act(|shared| {
            shared.event.set();
            shared.acts.set(1);
        })
        .act(|shared| {
            shared.event.clear();
            shared.acts.set(2);
        });
    let orders = sweep.check(|shared, fates| {
        for (began, fate) in shared.began.iter().zip(fates) {
            assert!(*fate != Fate::Waiting || began.get() == 2, "it was there before the set");
        }
    });
    assert!(orders > 10_000, "{orders}");
}
