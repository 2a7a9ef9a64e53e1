//! A cell is filled once, by whoever comes to the end of it.

#[path = "support/styles.rs"]
mod styles;
mod support;
#[path = "support/sweep.rs"]
mod sweep;

use std::{cell::Cell, rc::Rc};

use greenloop::{
    sync::{OnceCell, SetError},
    yield_now,
};
use styles::both_styles;
use support::{Drops, block_on, hold, poll_once};
use sweep::{Fate, Sweep};

both_styles! {
    fn the_first_makes_the_value_and_the_others_wait_for_it() {
        let (cell, made) = (Rc::new(OnceCell::new()), Rc::new(Cell::new(0)));
        let users: Vec<_> = (0..10)
            .map(|_| spawn!([cell, made] {
                *wait!(cell.get_or_init(async || {
                    yield_now().await;
                    made.set(made.get() + 1);
                    7
                }))
            }))
            .collect();
        for user in users {
            assert_eq!(wait!(user).unwrap(), 7);
        }
        assert_eq!((made.get(), cell.get()), (1, Some(&7)));
        assert_eq!(*wait!(cell.get_or_init(async || 8)), 7);
    }

    fn an_error_is_the_callers_and_the_next_who_waits_makes_the_value() {
        let cell = Rc::new(OnceCell::new());
        let users = [Err("busy"), Err("no"), Ok(1), Ok(2)].map(|result| spawn!([cell] {
            wait!(cell.get_or_try_init(async || {
                yield_now().await;
                result
            }))
            .copied()
        }));
        let mut results = Vec::new();
        for user in users {
            results.push(wait!(user).unwrap());
        }
        assert_eq!(results, [Err("busy"), Err("no"), Ok(1), Ok(1)]);
    }

    fn if_making_it_is_killed_or_panics_the_next_who_waits_makes_the_value() {
        let cell = Rc::new(OnceCell::new());
        let drops = Drops::new();
        let killed = spawn!([cell, drops] { *wait!(cell.get_or_init(async || hold(drops.guard()).await)) });
        let panics = spawn!([cell] {
            *wait!(cell.get_or_init(async || -> i32 { std::panic::resume_unwind(Box::new("oh")) }))
        });
        let makes = spawn!([cell] { *wait!(cell.get_or_init(async || 3)) });
        settle!();
        assert_eq!((cell.is_initialized(), drops.count()), (false, 0));
        killed.abort();
        assert_eq!(wait!(makes).unwrap(), 3);
        assert!(wait!(panics).unwrap_err().is_panic());
        assert_eq!(drops.count(), 1);
    }

    fn nobody_sets_what_is_being_made() {
        let cell = Rc::new(OnceCell::new());
        let maker = spawn!([cell] {
            *wait!(cell.get_or_init(async || {
                yield_now().await;
                1
            }))
        });
        wait!(yield_now());
        assert_eq!(cell.set(2), Err(SetError::InitializingError(2)));
        assert_eq!(wait!(maker).unwrap(), 1);
        assert_eq!(cell.set(2), Err(SetError::AlreadyInitializedError(2)));
    }
}

#[test]
fn it_is_used_without_a_loop() {
    let mut cell = OnceCell::new();
    assert_eq!(format!("{cell:?}"), "OnceCell(None)");
    cell.set(1).unwrap();
    *cell.get_mut().unwrap() += 1;
    assert_eq!(block_on(cell.get_or_init(async || 9)), &2);
    assert_eq!(format!("{cell:?}"), "OnceCell(Some(2))");
    assert_eq!(cell.take(), Some(2));
    assert!(!cell.is_initialized());
    assert_eq!(OnceCell::from(5).into_inner(), Some(5));
    assert_eq!(OnceCell::from(5).set(6).unwrap_err().to_string(), "the cell has a value");
    assert_eq!(OnceCell::<u8>::default().into_inner(), None);
}

#[test]
fn a_cell_that_waits_for_itself_is_left_empty() {
    let cell = OnceCell::new();
    let mut inner = Box::pin(cell.get_or_init(async || 1 + *cell.get_or_init(async || 1).await));
    assert!(poll_once(&mut inner).is_pending());
    drop(inner);
    assert_eq!(cell.set(1), Ok(()));
}

#[test]
fn in_no_order_is_a_value_made_twice_or_nobody_left_to_make_it() {
    #[derive(Default)]
    struct Shared {
        cell: OnceCell<usize>,
        made: Cell<u32>,
    }
    let mut sweep = Sweep::new(Shared::default).drops(3).spurious(1);
    for number in 0..3 {
        sweep = sweep.future(move |shared: Rc<Shared>| async move {
            let make = async || {
                yield_now().await;
                shared.made.set(shared.made.get() + 1);
                number
            };
            let value = *shared.cell.get_or_init(make).await;
            assert_eq!(shared.cell.get(), Some(&value));
        });
    }
    let orders = sweep.check(|shared, fates| {
        assert!(!fates.contains(&Fate::Waiting), "nobody makes it: {fates:?}");
        assert_eq!(shared.made.get(), u32::from(shared.cell.is_initialized()));
        assert!(shared.cell.is_initialized() || !fates.contains(&Fate::Finished));
        if !shared.cell.is_initialized() {
            shared.cell.set(9).expect("nobody makes it any more");
            shared.made.set(1);
        }
    });
    assert!(orders > 1_000, "{orders}");
}
