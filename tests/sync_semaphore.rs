//! So many permits are out as there are, never more, and none is ever lost.

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

use greenloop::{
    sync::{BoundedSemaphore, Semaphore, TryAcquireError},
    timeout, yield_now,
};
use styles::both_styles;
use support::{OnDrop, Wakes, block_on, panic_of, poll_once};
use sweep::{Fate, Sweep};

both_styles! {
    fn so_many_at_a_time() {
        let (semaphore, inside) = (Rc::new(Semaphore::new(3)), Rc::new(Cell::new(0)));
        let most = Rc::new(Cell::new(0));
        let tasks: Vec<_> = (0..20)
            .map(|_| spawn!([semaphore, inside, most] {
                let _permit = wait!(semaphore.acquire()).unwrap();
                inside.set(inside.get() + 1);
                most.set(most.get().max(inside.get()));
                wait!(yield_now());
                inside.set(inside.get() - 1);
            }))
            .collect();
        for task in tasks {
            wait!(task).unwrap();
        }
        assert_eq!((most.get(), semaphore.available_permits()), (3, 3));
    }

    fn whoever_wants_many_is_not_overtaken_by_those_who_want_few() {
        let (semaphore, log) = (Rc::new(Semaphore::new(2)), Rc::new(RefCell::new(Vec::new())));
        let held = wait!(semaphore.acquire()).unwrap();
        let ask = |number: u32| spawn!([semaphore, log] {
            let _permits = wait!(semaphore.acquire_many(number)).unwrap();
            log.borrow_mut().push(number);
        });
        let tasks = [ask(2), ask(1)];
        settle!();
        assert!(log.borrow().is_empty());
        assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
        drop(held);
        for task in tasks {
            wait!(task).unwrap();
        }
        assert_eq!(*log.borrow(), [2, 1]);
    }

    /// After asyncio's `test_acquire_fifo_order_4`: whoever releases and asks again does not take what
    /// belongs to those who wait, and need not wait for what is left over.
    fn released_permits_go_to_those_who_wait_first_of_all() {
        let semaphore = Rc::new(Semaphore::new(0));
        let waiters = [(); 2].map(|()| spawn!([semaphore] { wait!(semaphore.acquire()).unwrap().forget() }));
        settle!();
        for _ in 0..2 {
            semaphore.add_permits(1);
            assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
        }
        semaphore.add_permits(1);
        wait!(semaphore.acquire()).unwrap().forget();
        assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
        for waiter in waiters {
            wait!(waiter).unwrap();
        }
        assert_eq!(semaphore.available_permits(), 0);
    }

    fn a_waiter_that_is_killed_before_the_release_does_not_swallow_it() {
        let semaphore = Rc::new(Semaphore::new(0));
        let [first, second] = [(); 2].map(|()| spawn!([semaphore] {
            drop(wait!(semaphore.acquire()).unwrap());
        }));
        settle!();
        first.abort();
        semaphore.add_permits(1);
        wait!(second).unwrap();
        settle!();
        assert_eq!(semaphore.available_permits(), 1);
    }

    fn a_waiter_that_is_killed_after_the_release_passes_it_on() {
        let semaphore = Rc::new(Semaphore::new(1));
        let permit = wait!(semaphore.acquire()).unwrap();
        let [second, third] = [(); 2].map(|()| spawn!([semaphore] {
            drop(wait!(semaphore.acquire()).unwrap());
        }));
        settle!();
        drop(permit);
        second.abort();
        wait!(third).unwrap();
        settle!();
        assert_eq!(semaphore.available_permits(), 1);
    }

    fn whoever_stands_behind_one_who_gives_up_may_be_served_at_once() {
        let semaphore = Rc::new(Semaphore::new(2));
        let held = wait!(semaphore.acquire()).unwrap();
        let many = spawn!([semaphore] { drop(wait!(semaphore.acquire_many(2)).unwrap()) });
        settle!();
        let one = spawn!([semaphore] { drop(wait!(semaphore.acquire()).unwrap()) });
        settle!();
        assert!(!one.is_finished());
        many.abort();
        wait!(one).unwrap();
        drop(held);
    }

    fn whoever_asks_again_at_once_starves_nobody() {
        let (semaphore, served) = (Rc::new(Semaphore::new(1)), Rc::new(Cell::new(false)));
        let greedy = [(); 2].map(|()| spawn!([semaphore, served] {
            while !served.get() {
                let _permit = wait!(semaphore.acquire()).unwrap();
                wait!(yield_now());
            }
        }));
        settle!();
        let third = spawn!([semaphore, served] {
            drop(wait!(semaphore.acquire()).unwrap());
            served.set(true);
        });
        wait!(third).unwrap();
        for task in greedy {
            wait!(task).unwrap();
        }
    }

    fn a_time_out_takes_no_permit() {
        let semaphore = Semaphore::new(0);
        let short = Duration::from_millis(1);
        assert!(wait!(timeout(short, semaphore.acquire())).is_err());
        semaphore.add_permits(1);
        assert_eq!(semaphore.available_permits(), 1);
        assert!(wait!(timeout(short, semaphore.acquire())).is_ok());
    }

    fn closing_it_wakes_all_with_an_error() {
        let semaphore = Rc::new(Semaphore::new(1));
        let held = wait!(semaphore.acquire()).unwrap();
        let waiters = [(); 3].map(|()| spawn!([semaphore] { wait!(semaphore.acquire()).is_err() }));
        settle!();
        semaphore.close();
        assert!(semaphore.is_closed());
        for waiter in waiters {
            assert!(wait!(waiter).unwrap());
        }
        assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
        let error = wait!(semaphore.acquire()).unwrap_err();
        assert_eq!(error.to_string(), "the semaphore is closed");
        drop(held);
        assert_eq!(semaphore.available_permits(), 1);
    }

    fn permits_may_own_their_semaphore() {
        let semaphore = Rc::new(Semaphore::new(3));
        let two = wait!(semaphore.clone().acquire_many_owned(2)).unwrap();
        let one = wait!(semaphore.clone().acquire_owned()).unwrap();
        assert!(semaphore.clone().try_acquire_owned().is_err());
        let waiter = spawn!([semaphore] { wait!(semaphore.acquire_many_owned(3)).unwrap().num_permits() });
        settle!();
        drop(one);
        assert!(semaphore.clone().try_acquire_many_owned(1).is_err(), "somebody waits for it");
        drop(two);
        assert_eq!(wait!(waiter).unwrap(), 3);
        assert_eq!(semaphore.available_permits(), 3);
        semaphore.close();
        assert!(wait!(semaphore.clone().acquire_owned()).is_err());
    }

    /// A limit that is moved while tasks work, as trio's CapacityLimiter.
    fn the_number_of_permits_can_be_raised_and_lowered() {
        let (semaphore, inside) = (Rc::new(Semaphore::new(1)), Rc::new(Cell::new(0)));
        let gate = Rc::new(greenloop::sync::Event::new());
        let tasks = [(); 4].map(|()| spawn!([semaphore, inside, gate] {
            let _permit = wait!(semaphore.acquire()).unwrap();
            inside.set(inside.get() + 1);
            wait!(gate.wait());
        }));
        settle!();
        assert_eq!(inside.get(), 1);
        semaphore.add_permits(2);
        settle!();
        assert_eq!(inside.get(), 3);
        assert_eq!(semaphore.forget_permits(5), 0);
        gate.set();
        for task in tasks {
            wait!(task).unwrap();
        }
        assert_eq!(semaphore.forget_permits(2), 2);
        assert_eq!(semaphore.available_permits(), 1);
    }

    fn releasing_too_often_is_an_error_and_changes_nothing() {
        let semaphore = Rc::new(BoundedSemaphore::new(2));
        assert!(semaphore.release().is_err());
        wait!(semaphore.acquire()).unwrap().forget();
        let held = wait!(semaphore.acquire()).unwrap();
        let waiter = spawn!([semaphore] { drop(wait!(semaphore.acquire()).unwrap()) });
        settle!();
        semaphore.release().unwrap();
        wait!(waiter).unwrap();
        // The other permit is out, but its guard gives it back.
        let error = semaphore.release().unwrap_err();
        assert_eq!(error.to_string(), "a BoundedSemaphore was released more often than acquired");
        assert_eq!(semaphore.available_permits(), 1);
        drop(held);
        assert_eq!(semaphore.available_permits(), 2);

        wait!(semaphore.acquire_many(2)).unwrap().forget();
        assert!(semaphore.try_acquire().is_err());
        semaphore.release().unwrap();
        semaphore.release().unwrap();
        assert!(semaphore.release().is_err());
        semaphore.close();
        assert!(semaphore.is_closed() && wait!(semaphore.acquire()).is_err());
    }
}

#[test]
fn permits_are_split_and_merged() {
    let semaphore = Rc::new(Semaphore::new(4));
    let mut three = semaphore.try_acquire_many(3).unwrap();
    let one = three.split(1).unwrap();
    assert!(three.split(3).is_none());
    assert_eq!((one.num_permits(), three.num_permits()), (1, 2));
    drop(three);
    assert_eq!(semaphore.available_permits(), 3);
    let mut one = one;
    one.merge(semaphore.try_acquire_many(2).unwrap());
    drop(one);
    assert_eq!(semaphore.available_permits(), 4);

    let mut owned = Rc::clone(&semaphore).try_acquire_many_owned(3).unwrap();
    let mut half = owned.split(1).unwrap();
    assert!(owned.split(3).is_none());
    half.merge(owned);
    assert!(Rc::ptr_eq(half.semaphore(), &semaphore));
    half.forget();
    assert_eq!(semaphore.available_permits(), 1);

    let other = Semaphore::new(1);
    let mut mine = semaphore.try_acquire().unwrap();
    panic_of(|| mine.merge(other.try_acquire().unwrap())).assert_within(1);
}

#[test]
fn there_is_a_most_of_permits() {
    let most = Semaphore::MAX_PERMITS;
    panic_of(|| Semaphore::new(most + 1));
    let semaphore = Semaphore::new(most);
    panic_of(|| semaphore.add_permits(1));
    panic_of(|| semaphore.add_permits(usize::MAX));
    assert_eq!(semaphore.available_permits(), most);
    assert_eq!(semaphore.try_acquire_many(u32::MAX).unwrap_err(), TryAcquireError::NoPermits);
}

#[test]
fn it_is_used_without_a_loop() {
    let semaphore = Semaphore::new(1);
    block_on(async { drop(semaphore.acquire().await.unwrap()) });
    let text = format!("{semaphore:?}");
    assert_eq!(text, "Semaphore { available_permits: 1, is_closed: false, .. }");
    let bounded = BoundedSemaphore::new(0);
    assert_eq!(bounded.available_permits(), 0);
    let text = format!("{bounded:?}");
    assert_eq!(text, "BoundedSemaphore { available_permits: 0, is_closed: false, .. }");
}

#[test]
fn waiters_that_gave_up_leave_nothing_behind() {
    let semaphore = Semaphore::new(0);
    let wakes = Wakes::new();
    for _ in 0..10_000 {
        let waker = wakes.waker();
        assert!(pin!(semaphore.acquire()).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(wakes.references(), 1);
    semaphore.add_permits(1);
    assert!(poll_once(&mut pin!(semaphore.acquire())).is_ready());
}

struct Shared {
    semaphore: Semaphore,
    out: Cell<u32>,
    added: Cell<u32>,
    /// Who began to wait, in this order.
    line: RefCell<Vec<usize>>,
}

/// Futures that want so many permits each, and as many more permits as there are acts.
fn sweep(wants: &'static [u32]) -> Sweep<Shared> {
    let mut sweep = Sweep::new(|| Shared {
        semaphore: Semaphore::new(1),
        out: Cell::new(0),
        added: Cell::new(1),
        line: RefCell::default(),
    });
    for (number, want) in wants.iter().copied().enumerate() {
        sweep = sweep.future(move |shared: Rc<Shared>| async move {
            shared.line.borrow_mut().push(number);
            let Ok(_permits) = shared.semaphore.acquire_many(want).await else { return };
            shared.out.set(shared.out.get() + want);
            let _back = OnDrop::new(|| shared.out.set(shared.out.get() - want));
            assert!(shared.out.get() <= shared.added.get(), "more are out than there are");
            yield_now().await;
        });
    }
    sweep
}

fn check(wants: &[u32], shared: &Shared, fates: &[Fate]) {
    let free = shared.semaphore.available_permits() as u32;
    assert_eq!(free + shared.out.get(), shared.added.get(), "one was lost or doubled");
    let line = shared.line.borrow();
    if let Some(first) = line.iter().find(|number| fates[**number] == Fate::Waiting) {
        assert!(free < wants[*first], "the first who waits could be served");
    }
}

#[test]
fn in_no_order_is_a_permit_lost_or_doubled() {
    const WANTS: &[u32] = &[1, 1, 1, 1];
    let orders = sweep(WANTS).drops(3).check(|shared, fates| check(WANTS, shared, fates));
    assert!(orders > 50_000, "{orders}");
}

#[test]
fn in_no_order_are_many_permits_lost_or_doubled() {
    const WANTS: &[u32] = &[2, 1, 1];
    let add = |shared: &Shared| {
        shared.added.set(shared.added.get() + 1);
        shared.semaphore.add_permits(1);
    };
    let orders =
        sweep(WANTS).act(add).spurious(1).check(|shared, fates| check(WANTS, shared, fates));
    assert!(orders > 20_000, "{orders}");
}

#[test]
fn in_no_order_does_a_close_leave_somebody_waiting() {
    const WANTS: &[u32] = &[2, 1, 1];
    let close = |shared: &Shared| shared.semaphore.close();
    let orders = sweep(WANTS).act(close).check(|shared, fates| {
        check(WANTS, shared, fates);
        assert!(!fates.contains(&Fate::Waiting));
    });
    assert!(orders > 2_000, "{orders}");
}

#[test]
fn in_no_order_is_a_permit_of_a_bounded_semaphore_lost_or_doubled() {
    let mut sweep = Sweep::new(|| BoundedSemaphore::new(2));
    for want in [1, 2, 1] {
        sweep = sweep.future(move |semaphore: Rc<BoundedSemaphore>| async move {
            let permits = semaphore.acquire_many(want).await.expect("it is open");
            permits.forget();
            // As Python does it: by hand, where it is done.
            let _back = OnDrop::new(|| {
                for _ in 0..want {
                    semaphore.release().expect("it was acquired");
                }
            });
            yield_now().await;
        });
    }
    let orders = sweep.spurious(1).check(|semaphore, fates| {
        assert!(!fates.contains(&Fate::Waiting), "a permit was lost: {fates:?}");
        assert_eq!(semaphore.available_permits(), 2);
        assert!(semaphore.release().is_err());
    });
    assert!(orders > 1_000, "{orders}");
}

/// The futures that give what borrows nothing.
#[test]
fn in_no_order_is_an_owned_permit_lost_or_doubled() {
    let mut sweep = Sweep::new(|| Rc::new(Semaphore::new(2)));
    for want in [1, 2, 1] {
        sweep = sweep.future(move |semaphore: Rc<Rc<Semaphore>>| async move {
            let permits = Rc::clone(&*semaphore).acquire_many_owned(want).await;
            let permits = permits.expect("it is open");
            assert_eq!(permits.num_permits(), want as usize);
            yield_now().await;
        });
    }
    let orders = sweep.spurious(1).check(|semaphore, fates| {
        assert!(!fates.contains(&Fate::Waiting), "a permit was lost: {fates:?}");
        assert_eq!((semaphore.available_permits(), Rc::strong_count(semaphore)), (2, 1));
    });
    assert!(orders > 1_000, "{orders}");
}
