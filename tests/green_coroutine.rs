//! `Coroutine` is the bare switch: it runs until it yields, and goes on where it was. Dropping one in
//! the middle unwinds it.

mod green_support;

use std::{
    backtrace::Backtrace,
    cell::{Cell, RefCell},
    hint::black_box,
    panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind},
    rc::Rc,
    thread,
    time::Duration,
};

use green_support::{Drops, Log, OnDrop, panic_of, run, text_of};
use greenloop::green::{self, Coroutine, Resumed, Values, Wait, Yielder};

type Plain = Coroutine<(), (), ()>;

#[test]
fn values_go_in_and_out() {
    let mut coroutine = Coroutine::new(|yielder: Yielder<'_, &str, usize>, first: &str| {
        let second = yielder.yield_value(first.len());
        let third = yielder.yield_value(second.len());
        format!("{first} {second} {third}")
    });
    assert!(!coroutine.is_done());
    assert_eq!(coroutine.resume("eat"), Resumed::Yielded(3));
    assert_eq!(coroutine.resume("play"), Resumed::Yielded(4));
    assert_eq!(coroutine.resume("sleep"), Resumed::Returned("eat play sleep".to_owned()));
    assert!(coroutine.is_done());
}

#[test]
fn large_values_go_in_and_out() {
    let mut coroutine = Coroutine::new(|yielder: Yielder<'_, [u8; 3000], [u8; 3000]>, first| {
        let second = yielder.yield_value(first);
        [first[0] + second[2999]; 5000]
    });
    assert_eq!(coroutine.resume([1; 3000]), Resumed::Yielded([1; 3000]));
    assert_eq!(coroutine.resume([2; 3000]), Resumed::Returned([3; 5000]));
}

#[test]
fn a_function_that_captures_much_works() {
    #[repr(align(128))]
    struct Aligned([u8; 4096]);

    let drops = Drops::new();
    let (large, guard) = (Aligned([7; 4096]), drops.guard());
    let mut coroutine = Coroutine::new(move |yielder: Yielder<'_, (), u8>, ()| {
        let _guard = guard;
        assert_eq!((&raw const large).addr() % 128, 0);
        yielder.yield_value(large.0[0]);
        large.0[4095]
    });
    assert_eq!(coroutine.resume(()), Resumed::Yielded(7));
    assert_eq!(coroutine.resume(()), Resumed::Returned(7));
    assert_eq!(drops.count(), 1);
}

#[test]
fn one_that_is_done_is_not_resumed() {
    let mut coroutine = Plain::new(|_, ()| ());
    coroutine.resume(());
    let text = panic_of(|| coroutine.resume(()));
    assert!(text.contains("after its end"), "{text}");
}

#[test]
fn dropped_in_the_middle_it_unwinds_from_the_inside_out() {
    let log = Log::new();
    let mut coroutine = Plain::new({
        let log = log.clone();
        move |yielder, ()| {
            let _outer = log.on_drop("outer");
            let _inner = log.on_drop("inner");
            yielder.yield_value(());
            log.add("went on");
        }
    });
    coroutine.resume(());
    assert_eq!(log, [] as [&str; 0]);
    drop(coroutine);
    assert_eq!(log, ["inner", "outer"]);
}

#[test]
fn dropped_before_its_start_it_never_runs() {
    let drops = Drops::new();
    let guard = drops.guard();
    drop(Plain::new(move |_, ()| {
        let _guard = guard;
        unreachable!("nobody resumed it");
    }));
    assert_eq!(drops.count(), 1);
}

#[test]
fn dropped_before_its_start_what_it_captured_may_panic() {
    let drops = Drops::new();
    for _ in 0..3 {
        let (guard, panics) = (drops.guard(), OnDrop::new(|| panic!("in drop")));
        drop(Plain::new(move |_, ()| drop((panics, guard))));
    }
    assert_eq!(drops.count(), 3, "each once");
    // Its stack is as good as new.
    let mut next = Plain::new(|yielder, ()| yielder.yield_value(()));
    assert_eq!(next.resume(()), Resumed::Yielded(()));
}

#[test]
fn dropped_after_its_end_nothing_happens() {
    let drops = Drops::new();
    let guard = drops.guard();
    let mut coroutine = Plain::new(move |_, ()| drop(guard));
    coroutine.resume(());
    assert_eq!(drops.count(), 1);
    drop(coroutine);
    assert_eq!(drops.count(), 1);
}

#[test]
fn an_endless_one_that_is_dropped_ends() {
    let drops = Drops::new();
    let guard = drops.guard();
    let mut coroutine = Plain::new(move |yielder, ()| {
        let _guard = guard;
        loop {
            yielder.yield_value(());
        }
    });
    for _ in 0..10 {
        assert_eq!(coroutine.resume(()), Resumed::Yielded(()));
    }
    drop(coroutine);
    assert_eq!(drops.count(), 1);
}

#[test]
fn one_that_catches_the_unwinding_and_yields_again_is_unwound_again() {
    let log = Log::new();
    let mut coroutine = Plain::new({
        let log = log.clone();
        move |yielder, ()| {
            let _end = log.on_drop("end");
            for _ in 0..3 {
                assert!(catch_unwind(AssertUnwindSafe(|| yielder.yield_value(()))).is_err());
                log.add("caught");
            }
            yielder.yield_value(());
            log.add("went on");
        }
    });
    coroutine.resume(());
    drop(coroutine);
    assert_eq!(log, ["caught", "caught", "caught", "end"]);
}

#[test]
fn one_that_catches_the_unwinding_and_returns_is_done() {
    let log = Log::new();
    let mut coroutine = Plain::new({
        let log = log.clone();
        move |yielder, ()| {
            assert!(catch_unwind(AssertUnwindSafe(|| yielder.yield_value(()))).is_err());
            log.add("returns");
        }
    });
    coroutine.resume(());
    drop(coroutine);
    assert_eq!(log, ["returns"]);
}

#[test]
fn a_panic_while_it_is_dropped_is_not_fatal() {
    let drops = Drops::new();
    let guard = drops.guard();
    let mut coroutine = Plain::new(move |yielder, ()| {
        let _guard = guard;
        // A panic in the middle of an unwinding would end the process, as anywhere; this one comes
        // when the function has caught the unwinding.
        let caught = catch_unwind(AssertUnwindSafe(|| yielder.yield_value(())));
        assert!(caught.is_ok(), "it is dropped");
    });
    coroutine.resume(());
    drop(coroutine);
    assert_eq!(drops.count(), 1);
    assert!(!thread::panicking());
}

#[test]
fn one_may_be_dropped_while_a_panic_unwinds() {
    let log = Log::new();
    let text = panic_of(|| {
        let mut coroutine = Plain::new({
            let log = log.clone();
            move |yielder, ()| {
                let _end = log.on_drop("end");
                assert!(catch_unwind(AssertUnwindSafe(|| yielder.yield_value(()))).is_err());
                yielder.yield_value(());
            }
        });
        coroutine.resume(());
        panic!("the program fails");
    });
    assert_eq!(text, "the program fails");
    assert_eq!(log, ["end"]);
    assert!(!thread::panicking());
}

#[test]
fn one_may_be_used_in_a_destructor_while_a_panic_unwinds() {
    let log = Log::new();
    let text = panic_of(|| {
        let log = log.clone();
        let _counts = OnDrop::new(move || {
            assert!(thread::panicking());
            let numbers: Values<u32> = Coroutine::new(|yielder: Yielder<'_, (), u32>, ()| {
                (0..3).for_each(|n| yielder.yield_value(n));
            })
            .values();
            numbers.for_each(|n| log.add(n.to_string()));
        });
        panic!("the program fails");
    });
    assert_eq!(text, "the program fails");
    assert_eq!(log, ["0", "1", "2"]);
}

#[test]
fn a_panic_comes_out_where_it_was_resumed() {
    #[derive(Debug, PartialEq)]
    struct Crumbs(u32);

    let drops = Drops::new();
    let guard = drops.guard();
    let mut coroutine = Plain::new(move |yielder, ()| {
        let _guard = guard;
        yielder.yield_value(());
        panic_any(Crumbs(7));
    });
    coroutine.resume(());
    let payload = catch_unwind(AssertUnwindSafe(|| coroutine.resume(()))).unwrap_err();
    assert_eq!(*payload.downcast::<Crumbs>().unwrap(), Crumbs(7));
    assert_eq!(drops.count(), 1);
    assert!(coroutine.is_done());
    assert!(!thread::panicking());
}

#[test]
fn a_panic_passes_through_those_that_resumed_each_other() {
    let mut outer = Plain::new(|_, ()| {
        let mut inner = Plain::new(|_, ()| panic!("no bread"));
        let result = catch_unwind(AssertUnwindSafe(|| inner.resume(())));
        resume_unwind(result.unwrap_err());
    });
    assert_eq!(panic_of(|| outer.resume(())), "no bread");
}

#[test]
fn each_has_its_own_panics_in_whatever_order_they_go_on() {
    let make = |name: &'static str| {
        Plain::new(move |yielder, ()| {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                yielder.yield_value(());
                panic!("{name}");
            }));
            yielder.yield_value(());
            assert!(!thread::panicking());
            assert_eq!(text_of(&*caught.unwrap_err()), name);
        })
    };
    let mut all = ["a", "b", "c", "d"].map(make);
    for order in [[0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]] {
        for place in order {
            all[place].resume(());
        }
    }
    assert!(all.iter().all(Coroutine::is_done));
}

#[test]
fn a_destructor_that_yields_while_a_panic_unwinds_its_coroutine_is_refused() {
    let said = Rc::new(RefCell::new(String::new()));
    let mut coroutine = Plain::new({
        let said = Rc::clone(&said);
        move |yielder, ()| {
            let _yields = OnDrop::new(|| {
                *said.borrow_mut() = panic_of(|| yielder.yield_value(()));
            });
            panic!("no bread");
        }
    });
    assert_eq!(panic_of(|| coroutine.resume(())), "no bread");
    assert!(said.borrow().contains("a destructor yields"), "{}", said.borrow());
    assert!(!thread::panicking());
}

#[test]
fn numbers_in_registers_live_through_the_switches() {
    #[inline(never)]
    fn mix(yielder: &Yielder<'_, f64, f64>, start: f64, rounds: u32) -> f64 {
        let (mut a, mut b, mut c, mut d) = (start, start * 3.0, start / 7.0, -start);
        let (mut e, mut f) = (start as f32, [start as f32; 8]);
        for _ in 0..rounds {
            let input = yielder.yield_value(a + b + c + d);
            a = a * 1.000_1 + input;
            b -= input * 0.5;
            c += a / 3.0;
            d = (d * d + 1.0).sqrt();
            e = e.mul_add(1.5, 0.25) % 1000.0;
            f.iter_mut().for_each(|x| *x = (*x + e) * 0.5);
        }
        a + b + c + d + f64::from(e) + f64::from(f.iter().sum::<f32>())
    }

    /// The same without any switches in between.
    fn expected(start: f64, rounds: u32) -> f64 {
        let mut coroutine =
            Coroutine::new(move |y: Yielder<'_, f64, f64>, _| mix(&y, start, rounds));
        loop {
            if let Resumed::Returned(value) = coroutine.resume(0.25) {
                return value;
            }
        }
    }

    const ROUNDS: u32 = 1000;
    let mut all: Vec<_> = (1..=8)
        .map(|n| Coroutine::new(move |y: Yielder<'_, f64, f64>, _| mix(&y, f64::from(n), ROUNDS)))
        .collect();
    let mut results = vec![0.0; 8];
    // A sum of our own that must live through all of theirs.
    let mut own = 1.0_f64;
    for _ in 0..=ROUNDS {
        for (coroutine, result) in all.iter_mut().zip(&mut results) {
            own = black_box(own) * 1.000_001;
            if let Resumed::Returned(value) = coroutine.resume(0.25) {
                *result = value;
            }
        }
    }
    for (n, result) in (1..=8).zip(results) {
        assert_eq!(result.to_bits(), expected(f64::from(n), ROUNDS).to_bits());
    }
    let mut alone = 1.0_f64;
    (0..8 * (ROUNDS + 1)).for_each(|_| alone = black_box(alone) * 1.000_001);
    assert_eq!(own.to_bits(), alone.to_bits());
}

#[test]
fn a_stack_that_was_used_before_is_as_good_as_new() {
    fn fill(byte: u8) -> usize {
        let bytes = black_box([byte; 16 << 10]);
        bytes.iter().filter(|other| **other == byte).count()
    }

    for round in 0..20_u8 {
        let mut unwound = Plain::new(move |yielder, ()| {
            black_box(fill(round));
            yielder.yield_value(());
        });
        unwound.resume(());
        drop(unwound);
        let mut coroutine = Coroutine::new(move |yielder: Yielder<'_, (), usize>, ()| {
            yielder.yield_value(fill(!round));
            fill(round)
        });
        assert_eq!(coroutine.resume(()), Resumed::Yielded(16 << 10));
        assert_eq!(coroutine.resume(()), Resumed::Returned(16 << 10));
    }
}

#[test]
fn deep_recursion_works_within_the_size_that_was_asked_for() {
    #[inline(never)]
    fn descend(yielder: &Yielder<'_, (), u32>, depth: u32) -> u32 {
        let page = [depth; 256];
        let page = black_box(&page);
        if depth == 0 {
            yielder.yield_value(page[0]);
            return 0;
        }
        descend(yielder, depth - 1) + page[255] / depth
    }

    const DEPTH: u32 = 2000;
    let mut coroutine =
        Coroutine::with_stack_size(8 << 20, |y: Yielder<'_, (), u32>, ()| descend(&y, DEPTH));
    assert_eq!(coroutine.resume(()), Resumed::Yielded(0));
    assert_eq!(coroutine.resume(()), Resumed::Returned(DEPTH));
}

#[test]
fn a_stack_that_no_system_has_is_a_panic_that_says_so() {
    let text = panic_of(|| Plain::with_stack_size(usize::MAX, |_, ()| ()));
    assert!(text.starts_with("there is no stack for a coroutine"), "{text}");
}

#[test]
fn generators_nest_and_permute() {
    fn permutations(mut items: Vec<u8>) -> Values<Vec<u8>> {
        Coroutine::new(move |yielder: Yielder<'_, (), Vec<u8>>, ()| {
            let Some(last) = items.pop() else {
                yielder.yield_value(Vec::new());
                return;
            };
            for shorter in permutations(items) {
                for place in 0..=shorter.len() {
                    let mut longer = shorter.clone();
                    longer.insert(place, last);
                    yielder.yield_value(longer);
                }
            }
        })
        .values()
    }

    let mut all: Vec<_> = permutations((0..6).collect()).collect();
    assert_eq!(all.len(), 720);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 720);
}

#[test]
fn an_iterator_ends_with_its_function_and_stays_so() {
    let mut values = Coroutine::new(|y: Yielder<'_, (), u32>, ()| y.yield_value(1)).values();
    assert_eq!(values.next(), Some(1));
    assert_eq!(values.next(), None);
    assert_eq!(values.next(), None);
}

#[test]
fn ten_thousand_at_once_and_one_after_another() {
    let drops = Drops::new();
    let make = |guard| {
        Plain::new(move |yielder, ()| {
            let _guard = guard;
            yielder.yield_value(());
        })
    };
    let mut all: Vec<_> = (0..10_000).map(|_| make(drops.guard())).collect();
    all.iter_mut().for_each(|coroutine| assert_eq!(coroutine.resume(()), Resumed::Yielded(())));
    drop(all);
    assert_eq!(drops.count(), 10_000);
    for _ in 0..10_000 {
        make(drops.guard()).resume(());
    }
    assert_eq!(drops.count(), 20_000);
}

#[test]
fn one_that_is_kept_in_a_thread_local_ends_with_its_thread() {
    thread_local! {
        static KEPT: RefCell<Option<Plain>> = const { RefCell::new(None) };
    }

    let drops = Drops::new();
    let guard = drops.guard();
    thread::spawn(move || {
        let mut coroutine = Plain::new(move |yielder, ()| {
            let _guard = guard;
            yielder.yield_value(());
        });
        coroutine.resume(());
        KEPT.set(Some(coroutine));
    })
    .join()
    .unwrap();
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_generator_in_a_green_thread_may_wait() {
    run(|| {
        let ticks = Rc::new(Cell::new(0));
        let neighbour = green::spawn({
            let ticks = Rc::clone(&ticks);
            move || {
                loop {
                    ticks.set(ticks.get() + 1);
                    green::yield_now();
                }
            }
        });
        let numbers = Coroutine::new(|yielder: Yielder<'_, (), u32>, ()| {
            for number in 0..5 {
                green::sleep(Duration::from_millis(1));
                let doubled = greenloop::spawn(async move { number * 2 }).wait().unwrap();
                yielder.yield_value(doubled);
            }
        });
        assert_eq!(numbers.values().collect::<Vec<_>>(), [0, 2, 4, 6, 8]);
        assert!(ticks.get() > 5, "the others ran meanwhile");
        neighbour.abort();
    });
}

#[test]
fn a_kill_unwinds_through_a_generator_that_waits() {
    run(|| {
        let log = Log::new();
        let thread = green::spawn({
            let log = log.clone();
            move || {
                let _outer = log.on_drop("outer");
                let mut waits = Plain::new({
                    let log = log.clone();
                    move |_, ()| {
                        let _inner = log.on_drop("inner");
                        green_support::park();
                    }
                });
                waits.resume(());
            }
        });
        green::yield_now();
        assert!(thread.abort_and_wait().wait().unwrap_err().is_cancelled());
        assert_eq!(log, ["inner", "outer"]);
    });
}

#[test]
fn a_time_out_ends_a_generator_that_waits() {
    run(|| {
        let mut waits = Plain::new(|yielder, ()| {
            yielder.yield_value(());
            green_support::park();
        });
        waits.resume(());
        let limit = Duration::from_millis(1);
        assert!(green::timeout(limit, || waits.resume(())).is_err());
        assert!(waits.is_done());
    });
}

#[test]
fn one_may_go_on_in_another_green_thread_and_outside_of_any() {
    let mut coroutine = Coroutine::new(|yielder: Yielder<'_, (), bool>, ()| {
        loop {
            let waited = catch_unwind(AssertUnwindSafe(green::yield_now)).is_ok();
            yielder.yield_value(waited);
        }
    });
    assert_eq!(coroutine.resume(()), Resumed::Yielded(false));
    let mut coroutine = run(|| {
        assert_eq!(coroutine.resume(()), Resumed::Yielded(true));
        let other = green::spawn(move || {
            let resumed = coroutine.resume(());
            (coroutine, resumed)
        });
        let (coroutine, resumed) = other.wait().unwrap();
        assert_eq!(resumed, Resumed::Yielded(true));
        coroutine
    });
    assert_eq!(coroutine.resume(()), Resumed::Yielded(false));
}

#[test]
fn one_cannot_yield_out_of_what_its_green_thread_began_in_it() {
    run(|| {
        let refused = |text: &str| assert!(text.contains("that it began itself"), "{text}");
        let mut in_a_timeout = Plain::new(move |yielder, ()| {
            let limit = Duration::from_secs(3600);
            refused(&panic_of(|| green::timeout(limit, || yielder.yield_value(()))));
        });
        assert_eq!(in_a_timeout.resume(()), Resumed::Returned(()));
        let mut in_a_scope = Plain::new(move |yielder, ()| {
            refused(&panic_of(|| green::scope(|_| yielder.yield_value(()))));
        });
        assert_eq!(in_a_scope.resume(()), Resumed::Returned(()));
        let mut in_a_wait = Plain::new(move |yielder, ()| {
            refused(&panic_of(|| async { yielder.yield_value(()) }.wait()));
        });
        assert_eq!(in_a_wait.resume(()), Resumed::Returned(()));
        green::yield_now();
    });
}

#[test]
fn one_yields_on_its_own_stack_only() {
    run(|| {
        let mut coroutine = Coroutine::new(|yielder: Yielder<'_, (), u32>, ()| {
            // A child of a scope may borrow what yields, and has another stack.
            green::scope(|scope| {
                let child = scope.spawn(|| panic_of(|| yielder.yield_value(1)));
                child.join().unwrap()
            })
        });
        let Resumed::Returned(text) = coroutine.resume(()) else { panic!("it does not yield") };
        assert!(text.contains("elsewhere than on its own stack"), "{text}");
    });
}

#[test]
fn one_may_yield_out_of_what_its_green_thread_began_before() {
    run(|| {
        let mut coroutine = Plain::new(|yielder, ()| {
            loop {
                yielder.yield_value(());
            }
        });
        coroutine.resume(());
        green::timeout(Duration::from_secs(3600), || coroutine.resume(())).unwrap();
        green::scope(|_| coroutine.resume(()));
        async { coroutine.resume(()) }.wait();
        let resumed = green::timeout(Duration::from_secs(3600), || {
            let mut coroutine = Plain::new(|yielder, ()| yielder.yield_value(()));
            coroutine.resume(());
            coroutine
        });
        assert_eq!(resumed.unwrap().resume(()), Resumed::Returned(()));
        coroutine.resume(());
    });
}

#[test]
fn one_that_goes_on_inside_of_a_polled_future_cannot_wait_there() {
    run(|| {
        let mut coroutine = Coroutine::new(|_: Yielder<'_, (), ()>, ()| panic_of(green::yield_now));
        let resumed = async { coroutine.resume(()) }.wait();
        let Resumed::Returned(text) = resumed else { panic!("it does not yield") };
        assert!(text.contains("use .await there"), "{text}");
    });
}

#[test]
fn one_that_resumes_itself_is_refused() {
    let own: Rc<RefCell<Option<Plain>>> = Rc::default();
    let coroutine = Coroutine::new({
        let own = Rc::clone(&own);
        move |_: Yielder<'_, (), ()>, ()| {
            own.borrow_mut().as_mut().unwrap().resume(());
        }
    });
    *own.borrow_mut() = Some(coroutine);
    let text = panic_of(|| own.borrow_mut().as_mut().unwrap().resume(()));
    assert!(text.contains("borrowed"), "{text}");
    assert!(own.borrow().as_ref().unwrap().is_done());
    own.take();
}

#[test]
#[cfg(target_os = "linux")]
fn a_backtrace_inside_reaches_those_who_run_it() {
    #[inline(never)]
    fn backtrace() -> String {
        Backtrace::force_capture().to_string()
    }

    #[inline(never)]
    fn whoever_resumes() -> String {
        let mut coroutine = Coroutine::new(|yielder: Yielder<'_, (), ()>, ()| {
            yielder.yield_value(());
            backtrace()
        });
        coroutine.resume(());
        match coroutine.resume(()) {
            Resumed::Returned(text) => text,
            Resumed::Yielded(()) => unreachable!("it has yielded before"),
        }
    }

    let text = whoever_resumes();
    let names = ["backtrace", "whoever_resumes", "a_backtrace_inside_reaches_those_who_run_it"];
    for name in names {
        assert!(text.contains(name), "{name} is missing in\n{text}");
    }
    let text = run(|| {
        let thread = green::spawn(|| {
            green::yield_now();
            whoever_resumes()
        });
        thread.wait().unwrap()
    });
    for name in names {
        assert!(text.contains(name), "{name} is missing in\n{text}");
    }
}
