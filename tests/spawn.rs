//! `spawn` starts a future as a task of its own, which is polled in its turn, stays where it is in
//! memory, and has a name and a number.
#![allow(clippy::async_yields_async, reason = "handles are what is handed around here")]

mod support;

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    marker::PhantomPinned,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::Poll,
    thread,
};

use greenloop::{
    EventLoop, event_loop,
    task::{self, Id},
};
use support::{Drops, Gate, OnDrop, hold};

#[test]
fn a_task_is_not_polled_before_spawn_returns() {
    greenloop::run(async {
        let polled = Rc::new(Cell::new(false));
        let task = greenloop::spawn({
            let polled = Rc::clone(&polled);
            async move { polled.set(true) }
        });
        assert!(!polled.get());
        task.await.unwrap();
        assert!(polled.get());
    });
}

#[test]
fn a_task_makes_no_progress_while_nobody_runs_the_loop() {
    let mut event_loop = EventLoop::new().unwrap();
    let polled = Rc::new(Cell::new(false));
    let task = event_loop.run(async {
        let polled = Rc::clone(&polled);
        greenloop::spawn(async move { polled.set(true) })
    });
    assert!(!polled.get(), "the root ended before the task had its turn");
    event_loop.run(task).unwrap();
    assert!(polled.get());
}

#[test]
fn tasks_are_polled_in_the_order_of_their_spawning() {
    let order = greenloop::run(async {
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks = (0..200).map(|number| {
            let order = Rc::clone(&order);
            greenloop::spawn(async move { order.borrow_mut().push(number) })
        });
        greenloop::join_all(tasks.collect::<Vec<_>>()).await;
        order.take()
    });
    assert_eq!(order, (0..200).collect::<Vec<_>>());
}

#[test]
fn two_tasks_that_wait_for_each_other_both_finish() {
    greenloop::run(async {
        let (ping, pong) = (Gate::new(), Gate::new());
        let first = greenloop::spawn({
            let (ping, pong) = (ping.clone(), pong.clone());
            async move {
                ping.open();
                pong.wait().await;
            }
        });
        let second = greenloop::spawn(async move {
            ping.wait().await;
            pong.open();
        });
        first.await.unwrap();
        second.await.unwrap();
    });
}

#[test]
fn a_task_may_spawn_tasks_that_spawn_tasks() {
    fn generation(left: u32) -> Pin<Box<dyn Future<Output = u32>>> {
        Box::pin(async move {
            if left == 0 {
                return 1;
            }
            let (one, two) = (generation(left - 1), generation(left - 1));
            let (one, two) = (greenloop::spawn(one), greenloop::spawn(two));
            one.await.unwrap() + two.await.unwrap()
        })
    }
    assert_eq!(greenloop::run(generation(10)), 1 << 10);
}

#[test]
fn futures_and_outputs_of_no_size_are_tasks_like_others() {
    greenloop::run(async {
        assert_eq!(greenloop::spawn(std::future::ready(())).await.unwrap(), ());
        greenloop::spawn(async {}).await.unwrap();
        drop(greenloop::spawn(std::future::pending::<std::convert::Infallible>()));
    });
}

/// Yields once with `N` bytes on board, and gives their sum.
async fn sized<const N: usize>(value: u8) -> usize {
    let bytes = [value; N];
    greenloop::yield_now().await;
    bytes.iter().map(|byte| usize::from(*byte)).sum()
}

#[test]
fn a_hundred_thousand_tasks_of_many_sizes_run_and_are_freed() {
    const ROUNDS: usize = 12_500;
    greenloop::run(async {
        let drops = Drops::new();
        let mut tasks = Vec::new();
        for round in 0..ROUNDS {
            let value = round as u8;
            macro_rules! spawn_sizes {
                ($($size:literal)+) => {$(
                    let guard = drops.guard();
                    tasks.push(($size * usize::from(value), greenloop::spawn(async move {
                        let _guard = guard;
                        sized::<$size>(value).await
                    })));
                )+};
            }
            spawn_sizes!(0 1 15 64 200 500 900 1100);
        }
        assert_eq!(event_loop::statistics().tasks, 8 * ROUNDS + 1);
        for (expected, task) in tasks {
            assert_eq!(task.await.unwrap(), expected);
        }
        assert_eq!(drops.count(), 8 * ROUNDS);
        assert_eq!(event_loop::statistics().tasks, 1);
    });
}

#[test]
fn a_future_larger_than_a_page_is_dropped_once() {
    greenloop::run(async {
        let drops = Drops::new();
        let guard = drops.guard();
        let task = greenloop::spawn(async move {
            let _guard = guard;
            sized::<100_000>(3).await
        });
        assert_eq!(task.await.unwrap(), 300_000);
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn an_output_larger_than_its_future_arrives_whole() {
    greenloop::run(async {
        let task = greenloop::spawn(async { [7_u8; 50_000] });
        greenloop::yield_now().await;
        assert!(task.await.unwrap().iter().all(|byte| *byte == 7));
    });
}

#[repr(align(4096))]
struct Page(u8);

#[test]
fn an_aligned_future_and_its_output_stand_at_their_alignment() {
    greenloop::run(async {
        let tasks = (0..20).map(|number| {
            greenloop::spawn(async move {
                let page = Page(number);
                greenloop::yield_now().await;
                assert_eq!(std::hint::black_box(&raw const page).addr() % 4096, 0);
                page
            })
        });
        let pages = greenloop::join_all(tasks.collect::<Vec<_>>()).await;
        let numbers = pages.into_iter().map(|page| page.unwrap().0);
        assert_eq!(numbers.collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
    });
}

#[test]
fn a_future_stays_where_it_is_from_its_first_poll_to_its_drop() {
    struct Pinned {
        place: Option<usize>,
        polls: u32,
        _pinned: PhantomPinned,
    }

    impl Future for Pinned {
        type Output = ();

        fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<()> {
            let here = (&raw const *self).addr();
            #[allow(unsafe_code, reason = "only plain data is written, nothing is moved")]
            // SAFETY: the future is not moved out of the reference.
            let this = unsafe { self.get_unchecked_mut() };
            assert_eq!(*this.place.get_or_insert(here), here);
            this.polls += 1;
            cx.waker().wake_by_ref();
            if this.polls == 10 { Poll::Ready(()) } else { Poll::Pending }
        }
    }

    impl Drop for Pinned {
        fn drop(&mut self) {
            assert_eq!(self.place, Some((&raw const *self).addr()));
        }
    }

    greenloop::run(async {
        let pinned = || Pinned { place: None, polls: 0, _pinned: PhantomPinned };
        let tasks: Vec<_> = (0..50).map(|_| greenloop::spawn(pinned())).collect();
        for task in tasks {
            task.await.unwrap();
        }
        let aborted = greenloop::spawn(pinned());
        greenloop::yield_now().await;
        assert!(aborted.abort_and_wait().await.unwrap_err().is_cancelled());
    });
}

#[test]
fn an_iterator_that_panics_leaves_the_tasks_it_spawned_alone() {
    greenloop::run(async {
        let tasks = Rc::new(RefCell::new(Vec::new()));
        let spawning = catch_unwind(AssertUnwindSafe(|| {
            for number in 0..10 {
                assert!(number < 5, "no more");
                tasks.borrow_mut().push(greenloop::spawn(async move { number }));
            }
        }));
        assert!(spawning.is_err());
        let outputs = greenloop::join_all(tasks.take()).await;
        let outputs: Vec<_> = outputs.into_iter().map(Result::unwrap).collect();
        assert_eq!(outputs, [0, 1, 2, 3, 4]);
    });
}

#[test]
fn ids_are_unique_over_loops_and_threads() {
    let ids = || {
        let ids = || async { greenloop::spawn(async {}).id() };
        (0..500).map(|_| greenloop::run(ids())).collect::<Vec<Id>>()
    };
    let threads: Vec<_> = (0..4).map(|_| thread::spawn(ids)).collect();
    let ids: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
}

#[test]
fn a_task_finds_its_id_in_every_poll_and_in_its_destructors() {
    greenloop::run(async {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let look = |seen: &Rc<RefCell<Vec<_>>>| {
            let seen = Rc::clone(seen);
            move || seen.borrow_mut().push(task::try_id())
        };

        let completed = greenloop::spawn({
            let (look, on_drop) = (look(&seen), OnDrop::new(look(&seen)));
            async move {
                let _on_drop = on_drop;
                look();
                greenloop::yield_now().await;
                look();
            }
        });
        let id = completed.id();
        completed.await.unwrap();
        assert_eq!(seen.take(), [Some(id); 3]);

        let aborted = greenloop::spawn(hold::<_, ()>(OnDrop::new(look(&seen))));
        let id = aborted.id();
        aborted.abort();
        assert_eq!(seen.take(), [Some(id)]);

        let detached = greenloop::spawn(std::future::ready(OnDrop::new(look(&seen))));
        let id = detached.id();
        drop(detached);
        greenloop::yield_now().await;
        assert_eq!(seen.take(), [Some(id)], "the output's destructor");
    });
}

#[test]
fn outside_of_a_loop_no_task_is_running() {
    assert_eq!(task::try_id(), None);
    let root = greenloop::run(async { (task::try_id(), task::id()) });
    assert_eq!(root.0, Some(root.1));
    assert_eq!(task::try_id(), None);
    let panic = std::panic::catch_unwind(task::id).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("task::id()") && text.contains("greenloop::run"), "{text}");
}

#[test]
fn a_name_stays_with_the_task_until_its_output_is_taken() {
    greenloop::run(async {
        let unnamed = greenloop::spawn(async {});
        assert_eq!(unnamed.name(), None);

        let mut named = task::Builder::new().name("baker").spawn(async { "bread" });
        assert_eq!(named.name().as_deref(), Some("baker"));
        greenloop::yield_now().await;
        assert!(named.is_finished());
        assert_eq!(named.name().as_deref(), Some("baker"));
        assert_eq!((&mut named).await.unwrap(), "bread");
        assert_eq!(named.name(), None);
    });
}

#[test]
fn a_name_is_freed_with_the_task() {
    let name: std::sync::Arc<str> = "baker".into();
    greenloop::run(async {
        let builder = task::Builder::new().name(std::sync::Arc::clone(&name));
        builder.clone().spawn(async {}).await.unwrap();
        builder.clone().spawn(std::future::pending::<()>()).abort();
        drop(builder.spawn(std::future::pending::<()>()));
    });
    assert_eq!(std::sync::Arc::strong_count(&name), 1);
}

#[test]
fn tasks_are_counted_while_they_live() {
    greenloop::run(async {
        let tasks = || event_loop::statistics().tasks;
        assert_eq!(tasks(), 1, "the root");
        let finishing = greenloop::spawn(async {});
        let waiting = greenloop::spawn(std::future::pending::<()>());
        assert_eq!(tasks(), 3);
        greenloop::yield_now().await;
        assert_eq!(tasks(), 2, "one has ended, though nobody took its output");
        waiting.abort();
        assert_eq!(tasks(), 1);
        drop((finishing, waiting));
    });
}

#[test]
fn the_root_is_polled_under_the_load_of_its_tasks() {
    greenloop::run(async {
        for _ in 0..1000 {
            greenloop::spawn(async {
                loop {
                    greenloop::yield_now().await;
                }
            });
        }
        for _ in 0..20 {
            greenloop::yield_now().await;
        }
    });
}
