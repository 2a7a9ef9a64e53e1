//! What is put is taken once, in the queue's order, and everybody learns of the end.

#[path = "support/styles.rs"]
mod styles;
mod support;
#[path = "support/sweep.rs"]
mod sweep;

use std::{
    cell::{Cell, RefCell},
    cmp::Ordering,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    task::{Context, Waker},
    time::Duration,
};

use futures_util::StreamExt;
use greenloop::{
    queue::{GetError, LifoQueue, PriorityQueue, PutError, Queue, ShutDown},
    sync::Event,
    timeout, yield_now,
};
use styles::both_styles;
use support::{DropGuard, Drops, OnDrop, Wakes, block_on, panic_of, poll_once};
use sweep::{Fate, Sweep};

const MILLISECOND: Duration = Duration::from_millis(1);

both_styles! {
    fn a_full_queue_holds_the_putter_back_and_keeps_the_order() {
        let (queue, put) = (Rc::new(Queue::bounded(2)), Rc::new(Cell::new(0)));
        let putter = spawn!([queue, put] {
            for item in ["a", "b", "c"] {
                wait!(queue.put(item)).unwrap();
                put.set(put.get() + 1);
            }
        });
        settle!();
        assert_eq!((put.get(), queue.len(), queue.is_full()), (2, 2, true));
        assert_eq!(queue.try_put("x"), Err(PutError::Full("x")));
        assert_eq!(wait!(queue.get()), Ok("a"));
        settle!();
        assert_eq!((put.get(), queue.maxsize()), (3, Some(2)));
        assert_eq!(wait!(queue.get()), Ok("b"));
        assert_eq!(wait!(queue.get()), Ok("c"));
        assert!(queue.is_empty() && !queue.is_full());
        wait!(putter).unwrap();
    }

    fn the_last_in_is_the_first_out() {
        let stack = LifoQueue::new();
        for item in 1..=3 {
            wait!(stack.put(item)).unwrap();
        }
        assert_eq!(wait!(stack.peek()), Ok(3));
        assert_eq!(wait!(stack.get()), Ok(3));
        wait!(stack.put(4)).unwrap();
        assert_eq!(wait!(stack.get()), Ok(4));
        assert_eq!(wait!(stack.get()), Ok(2));
        assert_eq!((stack.try_get(), stack.try_get()), (Ok(1), Err(GetError::Empty)));
    }

    fn the_smallest_comes_first_and_of_equal_ones_the_first() {
        #[derive(Clone, Copy, Debug)]
        struct Job(u8, char);
        impl Ord for Job {
            fn cmp(&self, other: &Self) -> Ordering {
                self.0.cmp(&other.0)
            }
        }
        impl PartialOrd for Job {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }
        impl PartialEq for Job {
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other).is_eq()
            }
        }
        impl Eq for Job {}

        let jobs = PriorityQueue::bounded(9);
        for (rank, name) in [(2, 'a'), (1, 'b'), (2, 'c'), (1, 'd'), (3, 'e'), (1, 'f'), (2, 'g')] {
            wait!(jobs.put(Job(rank, name))).unwrap();
        }
        assert_eq!(wait!(jobs.peek()).unwrap().1, 'b');
        let mut order = String::new();
        while let Ok(job) = jobs.try_get() {
            order.push(job.1);
        }
        assert_eq!(order, "bdfacge");
    }

    fn getters_are_served_in_their_order_and_own_what_was_put_for_them() {
        let (queue, log) = (Rc::new(Queue::new()), Rc::new(RefCell::new(Vec::new())));
        for getter in 0..3 {
            drop(spawn!([queue, log] {
                let item: i32 = wait!(queue.get()).unwrap();
                log.borrow_mut().push((getter, item));
            }));
            settle!();
        }
        for item in 10..13 {
            wait!(queue.put(item)).unwrap();
            assert_eq!(queue.try_get(), Err(GetError::Empty), "it belongs to a getter");
        }
        settle!();
        assert_eq!(*log.borrow(), [(0, 10), (1, 11), (2, 12)]);
    }

    fn a_getter_that_is_killed_is_passed_over() {
        let queue = Rc::new(Queue::new());
        let [first, second] = [(); 2].map(|()| spawn!([queue] { wait!(queue.get()) }));
        settle!();
        first.abort();
        wait!(queue.put(1)).unwrap();
        assert_eq!(wait!(second).unwrap(), Ok(1));

        let both = [(); 2].map(|()| spawn!([queue] { wait!(queue.get()) }));
        settle!();
        both.iter().for_each(|getter| getter.abort());
        wait!(queue.put(2)).unwrap();
        settle!();
        assert_eq!(queue.try_get(), Ok(2));
    }

    fn an_item_goes_past_a_getter_whose_time_is_over() {
        let queue = Rc::new(Queue::new());
        let first = spawn!([queue] { wait!(queue.get_timeout(MILLISECOND)) });
        settle!();
        let second = spawn!([queue] { wait!(queue.get()) });
        assert_eq!(wait!(first).unwrap(), Err(GetError::Empty));
        wait!(queue.put(1)).unwrap();
        assert_eq!(wait!(second).unwrap(), Ok(1));
    }

    fn room_that_was_made_belongs_to_the_putter_who_waits() {
        let queue = Rc::new(Queue::bounded(1));
        wait!(queue.put(0)).unwrap();
        let waiting = spawn!([queue] { wait!(queue.put(1)) });
        settle!();
        assert_eq!(wait!(queue.get()), Ok(0));
        assert_eq!(queue.try_put(9), Err(PutError::Full(9)));
        wait!(waiting).unwrap().unwrap();
        assert_eq!(wait!(queue.get()), Ok(1));
    }

    /// asyncio's `test_get_cancel_drop_one_pending_reader`.
    fn a_getter_that_is_killed_with_its_item_leaves_it_in_its_place() {
        let queue = Rc::new(Queue::new());
        let first = spawn!([queue] { wait!(queue.get()) });
        settle!();
        wait!(queue.put(1)).unwrap();
        wait!(queue.put(2)).unwrap();
        first.abort();
        assert_eq!(wait!(queue.get()), Ok(1));
        assert_eq!(wait!(queue.get()), Ok(2));
    }

    fn a_putter_that_is_killed_puts_nothing_and_passes_its_room_on() {
        let queue = Rc::new(Queue::bounded(1));
        wait!(queue.put(0)).unwrap();
        let [first, second] = [1, 2].map(|item| spawn!([queue] { wait!(queue.put(item)) }));
        settle!();
        assert_eq!(wait!(queue.get()), Ok(0));
        first.abort();
        wait!(second).unwrap().unwrap();
        assert_eq!((queue.try_get(), queue.try_get()), (Ok(2), Err(GetError::Empty)));
        assert_eq!(queue.unfinished(), 2);
    }

    fn a_time_out_loses_nothing() {
        let queue = Queue::bounded(1);
        assert_eq!(wait!(queue.get_timeout(MILLISECOND)), Err(GetError::Empty));
        assert!(wait!(timeout(MILLISECOND, queue.get())).is_err());
        wait!(queue.put_timeout(1, MILLISECOND)).unwrap();
        assert_eq!(wait!(queue.put_timeout(2, MILLISECOND)), Err(PutError::Full(2)));
        assert!(wait!(timeout(MILLISECOND, queue.put(3))).is_err());
        assert_eq!(wait!(queue.get_timeout(Duration::ZERO)), Ok(1));
        assert!(queue.is_empty());
        queue.shutdown(false);
        assert_eq!(wait!(queue.put_timeout(4, MILLISECOND)), Err(PutError::ShutDown(4)));
        assert_eq!(wait!(queue.get_timeout(MILLISECOND)), Err(GetError::ShutDown));
    }

    fn joining_waits_until_all_items_are_done() {
        let queue = Rc::new(Queue::new());
        // Of nothing, all is done.
        wait!(queue.join());
        for item in 0..4 {
            wait!(queue.put(item)).unwrap();
        }
        assert_eq!(queue.unfinished(), 4);
        let joined = spawn!([queue] { wait!(queue.join()) });
        let workers = [(); 2].map(|()| spawn!([queue] {
            while let Ok(_item) = wait!(queue.get()) {
                wait!(yield_now());
                queue.task_done().unwrap();
            }
        }));
        wait!(joined).unwrap();
        assert_eq!((queue.unfinished(), queue.len()), (0, 0));
        let error = queue.task_done().unwrap_err();
        assert_eq!(error.to_string(), "task_done was called more often than items were put");
        queue.shutdown(false);
        for worker in workers {
            wait!(worker).unwrap();
        }
    }

    fn several_who_peek_see_the_same_item_and_leave_it() {
        let queue = Rc::new(Queue::new());
        let peekers = [(); 3].map(|()| spawn!([queue] { wait!(queue.peek()) }));
        settle!();
        assert_eq!(queue.try_peek(), Err(GetError::Empty));
        wait!(queue.put(7)).unwrap();
        wait!(queue.put(8)).unwrap();
        for peeker in peekers {
            assert_eq!(wait!(peeker).unwrap(), Ok(7));
        }
        assert_eq!((queue.try_peek(), queue.len()), (Ok(7), 2));
        assert_eq!((wait!(queue.get()), wait!(queue.peek())), (Ok(7), Ok(8)));
    }

    fn a_queue_that_is_shut_down_is_emptied_and_then_ends() {
        let queue = Rc::new(Queue::bounded(2));
        wait!(queue.put(1)).unwrap();
        wait!(queue.put(2)).unwrap();
        let putter = spawn!([queue] { wait!(queue.put(3)) });
        let joined = spawn!([queue] { wait!(queue.join()) });
        settle!();
        queue.shutdown(false);
        assert!(queue.is_shut_down());
        assert_eq!(wait!(putter).unwrap(), Err(ShutDown(3)));
        assert_eq!(wait!(queue.put(4)), Err(ShutDown(4)));
        assert_eq!(queue.try_put(5), Err(PutError::ShutDown(5)));
        assert_eq!((wait!(queue.peek()), wait!(queue.get())), (Ok(1), Ok(1)));
        assert_eq!(queue.try_get(), Ok(2));
        assert_eq!(wait!(queue.get()), Err(ShutDown(())));
        assert_eq!((queue.try_get(), queue.try_peek()), (Err(GetError::ShutDown), Err(GetError::ShutDown)));
        assert_eq!(wait!(queue.peek()), Err(ShutDown(())));
        settle!();
        assert!(!joined.is_finished());
        queue.task_done().unwrap();
        queue.task_done().unwrap();
        wait!(joined).unwrap();
        queue.shutdown(false);
        assert_eq!(wait!(queue.get()), Err(ShutDown(())));
    }

    fn getters_who_wait_are_sent_away_by_a_shutdown() {
        for immediate in [false, true] {
            let queue = Rc::new(Queue::<u8>::new());
            let getters = [(); 3].map(|()| spawn!([queue] { wait!(queue.get()).is_err() }));
            settle!();
            queue.shutdown(immediate);
            for getter in getters {
                assert!(wait!(getter).unwrap());
            }
        }
    }

    /// asyncio's `test_shutdown_immediate_with_unfinished`.
    fn an_immediate_shutdown_drops_the_items_as_done() {
        let (queue, drops) = (Rc::new(Queue::new()), Drops::new());
        for _ in 0..2 {
            assert!(wait!(queue.put(drops.guard())).is_ok());
        }
        let taken = wait!(queue.get()).ok().unwrap();
        let joined = spawn!([queue] { wait!(queue.join()) });
        settle!();
        assert_eq!(queue.unfinished(), 2);
        queue.shutdown(true);
        assert_eq!((queue.unfinished(), queue.len(), drops.count()), (1, 0, 1));
        settle!();
        assert!(!joined.is_finished());
        queue.task_done().unwrap();
        wait!(joined).unwrap();
        assert!(queue.task_done().is_err());
        // From immediate to not, which opens nothing.
        queue.shutdown(false);
        assert!(wait!(queue.get()).is_err());
        drop(taken);
    }

    fn an_immediate_shutdown_wakes_who_joins_when_nothing_is_left() {
        let queue = Rc::new(Queue::new());
        wait!(queue.put(1)).unwrap();
        let joined = spawn!([queue] { wait!(queue.join()) });
        settle!();
        queue.shutdown(true);
        wait!(joined).unwrap();
    }

    /// The item was put for a getter that did not run before the queue was emptied.
    fn an_immediate_shutdown_takes_back_what_was_put_for_a_getter() {
        let queue = Rc::new(Queue::new());
        let [first, second] = [(); 2].map(|()| spawn!([queue] { wait!(queue.get()) }));
        settle!();
        wait!(queue.put(1)).unwrap();
        queue.shutdown(true);
        assert_eq!(wait!(first).unwrap(), Err(ShutDown(())));
        assert_eq!(wait!(second).unwrap(), Err(ShutDown(())));
        assert_eq!(queue.unfinished(), 0);
    }

    /// A getter comes after the shutdown, while the last item belongs to one who is killed.
    fn the_last_item_of_a_getter_that_is_killed_goes_to_the_next_also_after_a_shutdown() {
        let queue = Rc::new(Queue::new());
        let first = spawn!([queue] { wait!(queue.get()) });
        settle!();
        wait!(queue.put(1)).unwrap();
        queue.shutdown(false);
        let mut late = pin!(queue.get());
        assert!(late.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        first.abort();
        assert_eq!(wait!(late), Ok(1));
        assert_eq!(wait!(queue.get()), Err(ShutDown(())));
    }

    fn it_is_a_stream_that_ends_with_it() {
        let queue = Rc::new(Queue::bounded(1));
        let readers = [(); 2].map(|()| spawn!([queue] { wait!(queue.stream().collect::<Vec<_>>()) }));
        for item in 0..6 {
            wait!(queue.put(item)).unwrap();
        }
        settle!();
        queue.shutdown(false);
        let mut all = Vec::new();
        for reader in readers {
            all.extend(wait!(reader).unwrap());
        }
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4, 5]);
        assert_eq!(wait!(queue.stream().collect::<Vec<_>>()), []);
    }

    fn a_stream_that_is_dropped_loses_nothing() {
        let queue = Queue::new();
        let waker = Waker::noop();
        {
            let mut items = pin!(queue.stream());
            assert!(items.poll_next_unpin(&mut Context::from_waker(waker)).is_pending());
            queue.try_put(1).unwrap();
        }
        assert_eq!(wait!(queue.get()), Ok(1));
    }

    fn one_who_never_waits_lets_others_run() {
        let (queue, ran) = (Queue::new(), Rc::new(Cell::new(false)));
        let other = spawn!([ran] { ran.set(true) });
        let mut count = 0;
        while !ran.get() {
            queue.try_put(()).unwrap();
            wait!(queue.get()).unwrap();
            count += 1;
            assert!(count <= 1000, "it has no budget");
        }
        wait!(other).unwrap();
    }

    fn many_producers_and_consumers_pass_everything_on() {
        let (queue, sum) = (Rc::new(Queue::bounded(3)), Rc::new(Cell::new(0)));
        let start = Rc::new(Event::new());
        let producers: Vec<_> = (0..10)
            .map(|producer| spawn!([queue, start] {
                wait!(start.wait());
                for item in 0..100 {
                    wait!(queue.put(producer * 100 + item)).unwrap();
                }
            }))
            .collect();
        let consumers: Vec<_> = (0..7)
            .map(|_| spawn!([queue, sum] {
                while let Ok(item) = wait!(queue.get()) {
                    sum.set(sum.get() + item);
                    queue.task_done().unwrap();
                }
            }))
            .collect();
        start.set();
        for producer in producers {
            wait!(producer).unwrap();
        }
        wait!(queue.join());
        queue.shutdown(false);
        for consumer in consumers {
            wait!(consumer).unwrap();
        }
        assert_eq!(sum.get(), (0..1000).sum::<i32>());
    }
}

#[cfg(feature = "green")]
#[test]
fn a_for_loop_in_a_green_thread_ends_with_the_queue() {
    use greenloop::green::{self, Wait};
    styles::run_green(|| {
        let queue = Rc::new(PriorityQueue::new());
        let consumer = green::spawn({
            let queue = Rc::clone(&queue);
            move || {
                let mut got = Vec::new();
                for item in green::iter(queue.stream()) {
                    got.push(item);
                }
                got
            }
        });
        for item in [3, 1, 2] {
            queue.put(item).wait().unwrap();
        }
        queue.shutdown(false);
        assert_eq!(consumer.wait().unwrap(), [1, 2, 3]);
    });
}

#[test]
fn it_is_used_without_a_loop() {
    let queue = Queue::default();
    block_on(async {
        queue.put(1).await.unwrap();
        assert_eq!(queue.get().await, Ok(1));
    });
    assert_eq!((queue.maxsize(), queue.is_full()), (None, false));
    let text = "Queue { len: 0, maxsize: None, is_shut_down: false, .. }";
    assert_eq!(format!("{queue:?}"), text);
    assert!(panic_of(|| Queue::<u8>::bounded(0)).message.contains("at least one"));
    panic_of(|| LifoQueue::<u8>::bounded(usize::MAX));
    assert_eq!(ShutDown(1).to_string(), "the queue is shut down");
    assert_eq!(PutError::Full(3).into_inner(), 3);
}

#[test]
fn getters_and_putters_that_gave_up_leave_nothing_behind() {
    let (empty, full, wakes) = (Queue::<u8>::new(), Queue::bounded(1), Wakes::new());
    full.try_put(0).unwrap();
    for item in 0..10_000 {
        let waker = wakes.waker();
        let mut cx = Context::from_waker(&waker);
        assert!(pin!(empty.get()).poll(&mut cx).is_pending());
        assert!(pin!(full.put(item)).poll(&mut cx).is_pending());
        assert!(pin!(full.join()).poll(&mut cx).is_pending());
    }
    assert_eq!(wakes.references(), 1);
    assert_eq!((full.try_get(), full.try_get()), (Ok(0), Err(GetError::Empty)));
}

/// An item whose comparison can fail, or use its own queue.
struct Awkward(u32, Rc<dyn Fn()>);

impl Ord for Awkward {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.1)();
        self.0.cmp(&other.0)
    }
}
impl PartialOrd for Awkward {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Awkward {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Awkward {}

#[test]
fn a_comparison_that_panics_leaves_the_queue_usable() {
    let fails = Rc::new(Cell::new(false));
    let compare: Rc<dyn Fn()> = {
        let fails = Rc::clone(&fails);
        Rc::new(move || {
            if fails.get() {
                std::panic::resume_unwind(Box::new("a comparison"));
            }
        })
    };
    let queue = PriorityQueue::bounded(3);
    for number in [2, 1] {
        assert!(queue.try_put(Awkward(number, Rc::clone(&compare))).is_ok());
    }
    fails.set(true);
    let put = AssertUnwindSafe(|| queue.try_put(Awkward(0, Rc::clone(&compare))).is_ok());
    assert!(catch_unwind(put).is_err());
    fails.set(false);
    // As many can be taken as are in, and as much room is left as there is.
    let (len, mut taken) = (queue.len(), 0);
    while queue.try_get().is_ok() {
        taken += 1;
    }
    assert_eq!((taken, queue.unfinished()), (len, len));
    for number in 0..3 {
        assert!(queue.try_put(Awkward(number, Rc::clone(&compare))).is_ok());
    }
    assert!(queue.is_full());
}

#[test]
fn an_item_that_uses_its_own_queue_is_told_so() {
    let queue = Rc::new(PriorityQueue::new());
    let compare: Rc<dyn Fn()> = {
        let queue = Rc::downgrade(&queue);
        Rc::new(move || {
            let queue: Rc<PriorityQueue<Awkward>> = queue.upgrade().expect("it is there");
            drop(queue.try_get());
        })
    };
    assert!(queue.try_put(Awkward(1, Rc::clone(&compare))).is_ok());
    let caught = panic_of(|| drop(queue.try_put(Awkward(2, Rc::clone(&compare)))));
    assert!(caught.message.contains("must not use the queue"), "{caught:?}");
}

/// Whatever an item does to its own queue when it is compared or cloned: as many can be taken afterwards as are
/// in, and as much room is left as there is.
#[test]
fn an_item_that_uses_its_own_queue_changes_nothing() {
    type Own = PriorityQueue<Awkward>;
    let acts: [fn(&Own); 6] = [
        |queue| drop(queue.try_get()),
        |queue| drop(queue.try_put(Awkward(9, Rc::new(|| ())))),
        |queue| drop(poll_once(&mut pin!(queue.get()))),
        |queue| drop(poll_once(&mut pin!(queue.put(Awkward(9, Rc::new(|| ())))))),
        |queue| drop(poll_once(&mut pin!(queue.stream()).next())),
        |queue| queue.shutdown(true),
    ];
    for (number, act) in acts.into_iter().enumerate() {
        let refused = Rc::new(Cell::new(0));
        let queue = Rc::new(Own::bounded(3));
        let compare: Rc<dyn Fn()> = {
            let (queue, refused) = (Rc::downgrade(&queue), Rc::clone(&refused));
            Rc::new(move || {
                let queue = queue.upgrade().expect("it is there");
                let caught = catch_unwind(AssertUnwindSafe(|| act(&queue)));
                refused.set(refused.get() + u32::from(caught.is_err()));
            })
        };
        for rank in [2, 1] {
            assert!(queue.try_put(Awkward(rank, Rc::clone(&compare))).is_ok());
        }
        assert!(refused.get() > 0);
        assert_eq!((queue.len(), queue.is_shut_down()), (2, false), "act {number}");
        assert!(queue.try_put(Awkward(3, Rc::new(|| ()))).is_ok(), "room was lost by act {number}");
        assert!(queue.is_full());
        for rank in 1..=3 {
            let item = queue.try_get().unwrap_or_else(|_| panic!("one was lost by act {number}"));
            assert_eq!(item.0, rank);
        }
        assert!(queue.is_empty());
    }
}

#[test]
fn an_item_may_use_the_queue_when_it_is_dropped() {
    struct Puts(Rc<Queue<Option<Puts>>>);
    impl Drop for Puts {
        fn drop(&mut self) {
            assert_eq!((self.0.len(), self.0.is_shut_down()), (0, true));
            assert!(self.0.try_put(None).is_err());
        }
    }
    let queue = Rc::new(Queue::new());
    assert!(queue.try_put(Some(Puts(Rc::clone(&queue)))).is_ok());
    queue.shutdown(true);
    assert_eq!(Rc::strong_count(&queue), 1);
}

struct Swept {
    queue: Queue<(usize, DropGuard)>,
    drops: Drops,
    made: Cell<usize>,
    put: RefCell<Vec<usize>>,
    got: RefCell<Vec<usize>>,
    sent_away: Cell<bool>,
}

/// Two who put two items each, and two who get.
fn sweep(maxsize: usize) -> Sweep<Swept> {
    let mut sweep = Sweep::new(move || Swept {
        queue: Queue::bounded(maxsize),
        drops: Drops::new(),
        made: Cell::new(0),
        put: RefCell::default(),
        got: RefCell::default(),
        sent_away: Cell::new(false),
    });
    for first in [0, 10] {
        sweep = sweep.future(move |swept: Rc<Swept>| async move {
            for number in [first, first + 1] {
                swept.made.set(swept.made.get() + 1);
                if swept.queue.put((number, swept.drops.guard())).await.is_err() {
                    swept.sent_away.set(true);
                    return;
                }
                swept.put.borrow_mut().push(number);
            }
        });
    }
    for _ in 0..2 {
        sweep = sweep.future(|swept: Rc<Swept>| async move {
            for _ in 0..2 {
                let Ok((number, _guard)) = swept.queue.get().await else {
                    swept.sent_away.set(true);
                    return;
                };
                swept.got.borrow_mut().push(number);
                swept.queue.task_done().expect("it was put");
            }
        });
    }
    sweep
}

/// What is in none of the hands was dropped, and what was got was put, in this order.
fn check(swept: &Swept, fates: &[Fate]) {
    let (put, got) = (swept.put.borrow(), swept.got.borrow());
    assert_eq!(got[..], put[..got.len()], "an item was lost, doubled or overtaken");
    if !swept.queue.is_shut_down() {
        assert_eq!(put.len() - got.len(), swept.queue.len(), "an item was lost");
        assert_eq!(swept.queue.unfinished(), swept.queue.len());
    }
    let waits = |range: std::ops::Range<usize>| fates[range].contains(&Fate::Waiting);
    assert!(!waits(0..2) || swept.queue.is_full(), "who puts waits, and there is room");
    assert!(!waits(2..4) || swept.queue.is_empty(), "who gets waits, and there is an item");
    if !fates.contains(&Fate::Waiting) {
        let kept = swept.queue.len();
        assert_eq!(swept.drops.count() + kept, swept.made.get(), "an item was leaked");
    }
}

#[test]
fn in_no_order_is_an_item_lost_or_doubled() {
    let orders = sweep(1).check(|swept, fates| {
        check(swept, fates);
        if fates == [Fate::Finished; 4] {
            assert_eq!(swept.got.borrow().len(), 4);
        }
    });
    assert!(orders > 10_000, "{orders}");
}

#[test]
fn in_no_order_does_a_shutdown_leave_somebody_waiting() {
    for immediate in [false, true] {
        let sweep = sweep(1).drops(1).act(move |swept| swept.queue.shutdown(immediate));
        let orders = sweep.check(|swept, fates| {
            check(swept, fates);
            assert!(!fates.contains(&Fate::Waiting), "somebody waits for nothing: {fates:?}");
            assert!(!immediate || swept.queue.is_empty());
        });
        assert!(orders > 1_000, "{orders}");
    }
}

#[test]
fn in_no_order_does_a_look_take_an_item_away() {
    struct Shared {
        queue: Queue<u32>,
        seen: RefCell<Vec<u32>>,
        got: RefCell<Vec<u32>>,
    }
    let new = || Shared { queue: Queue::new(), seen: RefCell::default(), got: RefCell::default() };
    let mut sweep = Sweep::new(new);
    for peeks in [true, false, true, false] {
        sweep = sweep.future(move |shared: Rc<Shared>| async move {
            let _end = OnDrop::new(|| ());
            if peeks {
                let item = shared.queue.peek().await.expect("it is open");
                shared.seen.borrow_mut().push(item);
            } else {
                let item = shared.queue.get().await.expect("it is open");
                shared.got.borrow_mut().push(item);
            }
        });
    }
    let sweep = sweep.act(|shared| shared.queue.try_put(1).expect("it is open"));
    let sweep = sweep.act(|shared| shared.queue.try_put(2).expect("it is open"));
    let orders = sweep.drops(1).check(|shared, fates| {
        let got = shared.got.borrow();
        assert_eq!(got[..], [1, 2][..got.len()]);
        assert_eq!(got.len() + shared.queue.len(), 2);
        assert!(!fates.contains(&Fate::Waiting) || shared.queue.is_empty());
        let mut seen = shared.seen.borrow().iter().copied().collect::<Vec<_>>();
        seen.dedup();
        assert!(seen.is_sorted() && seen.len() <= 2);
        if shared.queue.len() == 2 {
            assert!(poll_once(&mut pin!(shared.queue.peek())).is_ready());
        }
    });
    assert!(orders > 10_000, "{orders}");
}

/// Queues of the other orders, beside a list of what must be in them; `$next` is the place of what is next.
macro_rules! in_no_order_is_an_item_lost_or_doubled {
    ($($name:ident: $queue:ident, $next:expr;)*) => {$(
        #[test]
        fn $name() {
            struct Shared {
                queue: $queue<u32>,
                inside: RefCell<Vec<u32>>,
            }
            let new = || Shared { queue: $queue::bounded(2), inside: RefCell::default() };
            let mut sweep = Sweep::new(new);
            for items in [[3, 1], [2, 4]] {
                sweep = sweep.future(move |shared: Rc<Shared>| async move {
                    for item in items {
                        shared.queue.put(item).await.expect("it is open");
                        shared.inside.borrow_mut().push(item);
                    }
                });
            }
            for _ in 0..2 {
                sweep = sweep.future(|shared: Rc<Shared>| async move {
                    let item = shared.queue.get().await.expect("it is open");
                    let mut inside = shared.inside.borrow_mut();
                    let next: fn(&[u32]) -> Option<usize> = $next;
                    let next = next(&inside).expect("there is one");
                    assert_eq!(inside.remove(next), item);
                });
            }
            let orders = sweep.spurious(1).check(|shared, fates| {
                let len = shared.queue.len();
                assert_eq!(shared.inside.borrow().len(), len, "an item was lost");
                let waits = |range: std::ops::Range<usize>| fates[range].contains(&Fate::Waiting);
                assert!(!waits(0..2) || len == 2, "who puts waits, and there is room");
                assert!(!waits(2..4) || len == 0, "who gets waits, and there is an item");
            });
            assert!(orders > 1_000, "{orders}");
        }
    )*};
}

in_no_order_is_an_item_lost_or_doubled! {
    in_no_order_is_an_item_of_a_stack_lost_or_doubled:
        LifoQueue, |inside| inside.len().checked_sub(1);
    in_no_order_is_the_smallest_item_lost_or_doubled:
        PriorityQueue, |inside| (0..inside.len()).min_by_key(|place| inside[*place]);
}

#[test]
fn in_no_order_is_the_end_of_all_items_missed() {
    let mut sweep = Sweep::new(Queue::new).spurious(1);
    for _ in 0..2 {
        sweep = sweep.future(|queue: Rc<Queue<u32>>| async move {
            queue.join().await;
            assert_eq!(queue.unfinished(), 0);
        });
    }
    let sweep = sweep.future(|queue: Rc<Queue<u32>>| async move {
        for _ in 0..2 {
            queue.get().await.expect("it is open");
            let _done = OnDrop::new(|| queue.task_done().expect("it was put"));
            yield_now().await;
        }
    });
    let put = |queue: &Queue<u32>| queue.try_put(1).expect("it is open");
    let orders = sweep.act(put).act(put).check(|queue, fates| {
        let waits = fates[..2].contains(&Fate::Waiting);
        assert_eq!(queue.unfinished(), queue.len());
        assert!(!waits || !queue.is_empty(), "all is done, and somebody waits for that");
    });
    assert!(orders > 5_000, "{orders}");
}
