//! A panic ends its own green thread only, and is found in its handle. No other sees anything of it,
//! and a destructor that it runs cannot make them see it by waiting.

mod green_support;

use std::{
    cell::{Cell, RefCell},
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind},
    rc::Rc,
    sync::Mutex,
    thread,
    time::Duration,
};

use green_support::{
    Drops, Gate, Log, OnDrop, in_own_process, panic_of, park, run, said, text_of, watch,
};
use greenloop::{
    EventLoop,
    green::{self, Builder, Wait},
};

#[test]
fn the_payload_of_a_panic_is_in_the_handle() {
    #[derive(Debug, PartialEq)]
    struct Crumbs(u32);

    run(|| {
        let error = green::spawn(|| panic!("no {}", "bread")).wait().unwrap_err();
        assert!(error.is_panic());
        assert_eq!(text_of(&*error.into_panic()), "no bread");

        let thread = green::spawn(|| {
            green::yield_now();
            panic_any(Crumbs(7));
        });
        let error = thread.wait().unwrap_err();
        assert_eq!(*error.into_panic().downcast::<Crumbs>().unwrap(), Crumbs(7));
    });
}

#[test]
fn an_async_task_finds_it_just_so() {
    let _watched = watch();
    greenloop::run(async {
        let thread = green::spawn(|| panic!("no bread"));
        let error = thread.await.unwrap_err();
        assert_eq!(text_of(&*error.into_panic()), "no bread");
    });
}

#[test]
fn the_others_go_on() {
    run(|| {
        let threads: Vec<_> = (0..100)
            .map(|n| {
                green::spawn(move || {
                    green::yield_now();
                    assert!(n % 3 != 0, "{n} fails");
                    green::yield_now();
                    n
                })
            })
            .collect();
        for (n, result) in green::join_all(threads).into_iter().enumerate() {
            match result {
                Ok(value) => assert_eq!(value, n),
                Err(error) => {
                    assert_eq!(n % 3, 0);
                    assert_eq!(text_of(&*error.into_panic()), format!("{n} fails"));
                }
            }
        }
    });
}

#[test]
fn a_panic_of_the_first_green_thread_comes_out_of_run() {
    let drops = Drops::new();
    let guard = drops.guard();
    let panicking = Rc::new(Cell::new(None));
    let text = panic_of({
        let panicking = Rc::clone(&panicking);
        move || {
            run(move || {
                drop(green::spawn(move || {
                    let _guard = guard;
                    let _sees = OnDrop::new(move || panicking.set(Some(thread::panicking())));
                    park();
                }));
                green::yield_now();
                panic!("no bread");
            })
        }
    });
    assert_eq!(text, "no bread");
    assert_eq!(drops.count(), 1, "the others have ended before");
    assert_eq!(panicking.get(), Some(true), "their own unwinding");
}

#[test]
fn a_panic_runs_the_destructors_from_the_inside_out() {
    run(|| {
        let log = Log::new();
        let thread = green::spawn({
            let log = log.clone();
            move || {
                let _outer = log.on_drop("outer");
                green::yield_now();
                let _inner = log.on_drop("inner");
                panic!("oh");
            }
        });
        assert!(thread.wait().unwrap_err().is_panic());
        assert_eq!(log, ["inner", "outer"]);
    });
}

#[test]
fn neighbours_never_see_the_thread_panicking() {
    run(|| {
        let over = Rc::new(Cell::new(false));
        let neighbours: Vec<_> = (0..3)
            .map(|_| {
                let over = Rc::clone(&over);
                green::spawn(move || {
                    while !over.get() {
                        assert!(!thread::panicking());
                        green::yield_now();
                    }
                })
            })
            .collect();
        for round in 0..20 {
            let victim = green::spawn(move || {
                let _waits = OnDrop::new(|| {
                    assert!(thread::panicking());
                    // The destructor tries, and is refused.
                    let refused = catch_unwind(AssertUnwindSafe(green::yield_now));
                    assert!(refused.is_err());
                });
                green::yield_now();
                if round % 2 == 0 {
                    panic!("oh");
                }
                park();
            });
            green::yield_now();
            green::yield_now();
            victim.abort();
            assert!(victim.wait().is_err());
        }
        over.set(true);
        for neighbour in neighbours {
            neighbour.wait().unwrap();
        }
    });
}

#[test]
fn locks_of_neighbours_are_not_poisoned() {
    run(|| {
        let lock = Rc::new(Mutex::new(0));
        let holder = green::spawn({
            let lock = Rc::clone(&lock);
            move || {
                let mut guard = lock.lock().unwrap();
                for _ in 0..4 {
                    green::yield_now();
                    *guard += 1;
                }
            }
        });
        let victim = green::spawn(|| {
            green::yield_now();
            panic!("oh");
        });
        assert!(victim.wait().is_err());
        holder.wait().unwrap();
        assert_eq!(*lock.lock().unwrap(), 4);
    });
}

#[test]
fn each_catches_its_own_panic_in_whatever_order_they_go_on() {
    run(|| {
        let threads: Vec<_> = (0..8)
            .map(|n: u64| {
                green::spawn(move || {
                    let caught = catch_unwind(AssertUnwindSafe(|| {
                        let inner = catch_unwind(AssertUnwindSafe(|| {
                            for _ in 0..(n * 5) % 8 {
                                green::yield_now();
                            }
                            panic!("inner {n}");
                        }));
                        green::yield_now();
                        assert_eq!(text_of(&*inner.unwrap_err()), format!("inner {n}"));
                        for _ in 0..(n * 3) % 8 {
                            green::yield_now();
                        }
                        panic!("outer {n}");
                    }));
                    green::yield_now();
                    assert!(!thread::panicking());
                    text_of(&*caught.unwrap_err()).to_owned()
                })
            })
            .collect();
        for (n, result) in green::join_all(threads).into_iter().enumerate() {
            assert_eq!(result.unwrap(), format!("outer {n}"));
        }
    });
}

#[test]
fn a_wait_in_a_destructor_while_unwinding_says_what_is_wrong() {
    run(|| {
        let said = Rc::new(RefCell::new(String::new()));
        let thread = green::spawn({
            let said = Rc::clone(&said);
            move || {
                let _waits = OnDrop::new(move || {
                    *said.borrow_mut() = panic_of(|| green::sleep(Duration::from_secs(3600)));
                });
                panic!("oh");
            }
        });
        let error = thread.wait().unwrap_err();
        assert_eq!(text_of(&*error.into_panic()), "oh", "the first panic is the one that counts");
        assert!(said.borrow().contains("a destructor waits"), "{}", said.borrow());
        assert!(said.borrow().contains("spawn a task"), "{}", said.borrow());
    });
}

#[test]
fn a_wait_in_a_destructor_that_need_not_wait_works() {
    run(|| {
        let value = Rc::new(Cell::new(0));
        let thread = green::spawn({
            let value = Rc::clone(&value);
            move || {
                let _waits = OnDrop::new(move || value.set(ready(7).wait()));
                panic!("oh");
            }
        });
        assert!(thread.wait().is_err());
        assert_eq!(value.get(), 7);
    });
}

#[test]
fn a_wait_in_a_destructor_works_also_when_the_share_of_the_turn_is_used_up() {
    run(|| {
        let count = Rc::new(Cell::new(0));
        let thread = green::spawn({
            let count = Rc::clone(&count);
            move || {
                let _waits = OnDrop::new(move || {
                    let ended = greenloop::spawn(async { 1 });
                    ended.abort();
                    for _ in 0..1000 {
                        count.set(count.get() + ready(1).wait());
                    }
                    assert!(ended.wait().is_err());
                });
                panic!("oh");
            }
        });
        assert!(thread.wait().is_err());
        assert_eq!(count.get(), 1000);
    });
}

#[test]
fn a_wait_in_a_destructor_that_nobody_catches_ends_the_process_with_a_message() {
    let name = "a_wait_in_a_destructor_that_nobody_catches_ends_the_process_with_a_message";
    let output = in_own_process(name, || {
        run(|| {
            let thread = green::spawn(|| {
                let _waits = OnDrop::new(|| green::sleep(Duration::from_secs(3600)));
                park();
            });
            green::yield_now();
            let _ = thread.abort_and_wait().wait();
        });
        eprintln!("it went on");
    });
    let Some(output) = output else { return };
    let said = said(&output);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("a destructor waits while a panic unwinds its green thread"), "{said}");
    assert!(!said.contains("it went on"), "{said}");
}

#[test]
fn a_destructor_that_a_kill_runs_may_panic_if_it_catches_that_itself() {
    run(|| {
        let drops = Drops::new();
        let guard = drops.guard();
        let thread = green::spawn(move || {
            let _guard = guard;
            let _panics = OnDrop::new(|| assert_eq!(panic_of(|| panic!("in drop")), "in drop"));
            park();
        });
        green::yield_now();
        assert!(thread.abort_and_wait().wait().unwrap_err().is_cancelled());
        assert_eq!(drops.count(), 1);
        assert!(!thread::panicking());
    });
}

#[test]
fn a_destructor_that_panics_in_a_kill_ends_the_process_as_in_any_unwinding() {
    let name = "a_destructor_that_panics_in_a_kill_ends_the_process_as_in_any_unwinding";
    let output = in_own_process(name, || {
        run(|| {
            let thread = green::spawn(|| {
                let _panics = OnDrop::new(|| panic!("no bread"));
                park();
            });
            green::yield_now();
            let _ = thread.abort_and_wait().wait();
        });
        eprintln!("it went on");
    });
    let Some(output) = output else { return };
    let said = said(&output);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("no bread"), "{said}");
    assert!(!said.contains("it went on"), "{said}");
}

#[test]
fn a_panic_in_what_one_captured_that_never_started_is_in_its_handle() {
    run(|| {
        let (drops, panics) = (Drops::new(), OnDrop::new(|| panic!("in drop")));
        let guard = drops.guard();
        let thread = green::spawn(move || drop((panics, guard)));
        thread.abort();
        let error = thread.wait().unwrap_err();
        assert_eq!(text_of(&*error.into_panic()), "in drop");
        assert_eq!(drops.count(), 1);
        // The stack that was kept for it is not lost.
        assert_eq!(green::spawn(|| 7).wait().unwrap(), 7);
    });
}

#[test]
fn a_panic_that_nobody_can_find_is_reported_once_with_its_name() {
    let _watched = watch();
    let reports: Rc<RefCell<Vec<String>>> = Rc::default();
    let mut event_loop = EventLoop::builder()
        .on_unobserved_panic({
            let reports = Rc::clone(&reports);
            move |error| reports.borrow_mut().push(error.to_string())
        })
        .build()
        .unwrap();
    let id = event_loop.run(async {
        let lost = Builder::new().name("lost").spawn(|| panic!("no bread"));
        let found = Builder::new().name("found").spawn(|| panic!("no butter"));
        let killed = Builder::new().name("killed").spawn(park);
        let id = lost.id();
        drop(lost);
        assert!(found.await.is_err());
        killed.abort();
        drop(killed);
        greenloop::yield_now().await;
        id
    });
    drop(event_loop);
    assert_eq!(*reports.borrow(), [format!("task {id} \"lost\" panicked: no bread")]);
}

#[test]
fn a_panic_goes_through_a_join_with_its_payload() {
    run(|| {
        let inner = green::spawn(|| panic!("no bread"));
        let outer = green::spawn(move || match inner.wait() {
            Ok(()) => unreachable!("it panicked"),
            Err(error) => resume_unwind(error.into_panic()),
        });
        let error = outer.wait().unwrap_err();
        assert_eq!(text_of(&*error.into_panic()), "no bread");
    });
}

#[test]
fn a_loop_that_a_panic_drops_ends_its_green_threads_by_a_kill() {
    let _watched = watch();
    let log = Log::new();
    let text = panic_of(|| {
        let mut event_loop = EventLoop::builder()
            .on_unobserved_panic({
                let log = log.clone();
                move |error| log.add(format!("report: {error}"))
            })
            .build()
            .unwrap();
        event_loop.run(async {
            let gate = Gate::new();
            drop(green::spawn({
                let (log, gate) = (log.clone(), gate.clone());
                move || {
                    let _unwound = log.on_drop("unwound");
                    gate.open();
                    park();
                }
            }));
            gate.passed().await;
        });
        panic!("the program fails");
    });
    assert_eq!(text, "the program fails");
    assert_eq!(log, ["unwound"]);
}

#[test]
fn a_loop_that_a_panic_drops_joins_the_scopes_of_its_green_threads() {
    let _watched = watch();
    let log = Log::new();
    let text = panic_of(|| {
        let mut event_loop = EventLoop::new().unwrap();
        event_loop.run(async {
            let gate = Gate::new();
            drop(green::spawn({
                let (log, gate) = (log.clone(), gate.clone());
                move || {
                    let _parent = log.on_drop("parent");
                    let lent = Cell::new(1);
                    green::scope(|scope| {
                        scope.spawn(|| {
                            let _child = OnDrop::new(|| {
                                lent.set(2);
                                log.add("child");
                            });
                            gate.open();
                            park();
                        });
                    });
                }
            }));
            gate.passed().await;
            greenloop::yield_now().await;
        });
        panic!("the program fails");
    });
    assert_eq!(text, "the program fails");
    assert_eq!(log, ["child", "parent"]);
}
