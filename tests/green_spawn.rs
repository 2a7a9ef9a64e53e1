//! `spawn` starts a closure as a green thread: later, in its turn, with the name and the stack that
//! it was given; and when there is no stack, that is an error and nothing else.

mod green_support;

use std::{
    cell::Cell,
    hint::black_box,
    io,
    rc::Rc,
    time::{Duration, Instant},
};

use green_support::{Drops, Gate, Log, panic_of, run};
#[cfg(target_os = "linux")]
use green_support::{in_own_process, old_kernel, said};
use greenloop::{
    event_loop,
    green::{self, Builder, Wait},
    task::{self, AbortHandle},
};

#[test]
fn a_green_thread_does_not_run_before_its_spawner_waits() {
    run(|| {
        let log = Log::new();
        let thread = green::spawn({
            let log = log.clone();
            move || log.add("child")
        });
        log.add("spawner");
        thread.wait().unwrap();
        assert_eq!(log, ["spawner", "child"]);
    });
}

#[test]
fn green_threads_start_in_the_order_of_their_spawns_among_tasks() {
    run(|| {
        let order = Rc::new(Cell::new(0));
        let place = {
            let order = Rc::clone(&order);
            move || order.replace(order.get() + 1)
        };
        let mut handles = Vec::new();
        for number in 0..100 {
            let place = place.clone();
            handles.push(if number % 2 == 0 {
                green::spawn(place)
            } else {
                greenloop::spawn(async move { place() })
            });
        }
        let places: Vec<_> = green::join_all(handles).into_iter().map(Result::unwrap).collect();
        assert_eq!(places, (0..100).collect::<Vec<_>>());
    });
}

#[test]
fn a_green_thread_that_nobody_holds_runs_all_the_same() {
    run(|| {
        let ran = Rc::new(Cell::new(false));
        drop(green::spawn({
            let ran = Rc::clone(&ran);
            move || {
                green::yield_now();
                ran.set(true);
            }
        }));
        while !ran.get() {
            green::yield_now();
        }
    });
}

#[test]
fn run_gives_the_output_of_its_closure() {
    assert_eq!(run(|| "bread".to_owned()), "bread");
}

#[test]
fn the_name_is_found_in_the_handle_and_in_errors() {
    run(|| {
        let thread = Builder::new().name("baker").spawn(|| panic!("no bread"));
        assert_eq!(thread.name().as_deref(), Some("baker"));
        let error = thread.wait().unwrap_err();
        assert_eq!(error.name(), Some("baker"));
        assert_eq!(error.to_string(), format!("task {} \"baker\" panicked: no bread", error.id()));
    });
}

#[test]
fn the_one_that_runs_is_not_finished_and_finds_itself() {
    run(|| {
        let own: Rc<Cell<Option<AbortHandle>>> = Rc::default();
        let thread = green::spawn({
            let own = Rc::clone(&own);
            move || {
                let own = own.get().unwrap();
                assert!(!own.is_finished());
                assert_eq!(task::try_id(), Some(own.id()));
                green::yield_now();
                assert!(!own.is_finished());
                own.id()
            }
        });
        own.set(Some(thread.abort_handle()));
        let id = thread.id();
        assert_eq!(thread.wait().unwrap(), id);
        assert!(own.get().unwrap().is_finished());
    });
}

#[test]
fn one_builder_can_spawn_many() {
    run(|| {
        let builder = Builder::new().name("one of many").stack_size(64 << 10);
        let threads = (0..10).map(|n| builder.clone().spawn(move || n)).collect::<Vec<_>>();
        assert!(threads.iter().all(|thread| thread.name().as_deref() == Some("one of many")));
        assert_eq!(green::join_all(threads).len(), 10);
    });
}

/// Takes at least so many bytes of the stack.
#[inline(never)]
fn use_stack(bytes: usize) -> u8 {
    let page = [1_u8; 1024];
    let page = black_box(&page);
    if bytes <= page.len() { page[0] } else { use_stack(bytes - page.len()) | page[page.len() - 1] }
}

#[test]
fn a_stack_holds_what_it_was_asked_for() {
    run(|| {
        for size in [64 << 10, 1 << 20, 32 << 20] {
            let thread = Builder::new().stack_size(size).spawn(move || use_stack(size / 2));
            assert_eq!(thread.wait().unwrap(), 1, "{size}");
        }
        assert_eq!(green::spawn(|| use_stack(120 << 10)).wait().unwrap(), 1);
    });
}

#[test]
fn the_first_green_thread_has_a_stack_like_mains() {
    assert_eq!(run(|| use_stack(4 << 20)), 1);
}

#[test]
fn a_stack_too_small_to_work_is_made_larger() {
    run(|| {
        let thread = Builder::new().stack_size(0).spawn(|| {
            green::yield_now();
            7
        });
        assert_eq!(thread.wait().unwrap(), 7);
    });
}

#[test]
fn a_closure_may_capture_much_and_return_much() {
    #[repr(align(256))]
    struct Aligned([u8; 4096]);

    run(|| {
        let large = [7_u8; 8 << 10];
        let thread = green::spawn(move || {
            green::yield_now();
            large
        });
        assert!(thread.wait().unwrap().iter().all(|byte| *byte == 7));

        // Around the size from which on a closure is put elsewhere than on the new stack.
        let thread = green::spawn({
            let below = [1_u8; 500];
            move || below[499]
        });
        assert_eq!(thread.wait().unwrap(), 1);
        let thread = green::spawn({
            let above = [2_u8; 1000];
            move || above[999]
        });
        assert_eq!(thread.wait().unwrap(), 2);

        let aligned = Aligned([3; 4096]);
        let thread = green::spawn(move || {
            green::yield_now();
            assert_eq!((&raw const aligned).addr() % 256, 0);
            aligned
        });
        assert!(thread.wait().unwrap().0.iter().all(|byte| *byte == 3));
    });
}

#[test]
fn a_closure_of_much_alignment_and_few_bytes_is_aligned() {
    #[repr(align(64))]
    struct Aligned(u8);

    run(|| {
        let aligned = Aligned(3);
        let thread = green::spawn(move || {
            green::yield_now();
            assert_eq!((&raw const aligned).addr() % 64, 0);
            aligned.0
        });
        assert_eq!(thread.wait().unwrap(), 3);
    });
}

#[test]
fn a_stack_that_no_system_has_is_an_error() {
    run(|| {
        for size in [usize::MAX, usize::MAX - (64 << 10), isize::MAX as usize, 1 << 47] {
            let drops = Drops::new();
            let guard = drops.guard();
            let error = Builder::new().stack_size(size).try_spawn(|| drop(guard)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::OutOfMemory, "{size}: {error}");
            assert_eq!(drops.count(), 1, "the closure is dropped");
        }
        assert_eq!(green::spawn(|| 7).wait().unwrap(), 7);
    });
}

#[test]
fn spawn_says_so_when_there_is_no_stack() {
    run(|| {
        let text = panic_of(|| Builder::new().stack_size(usize::MAX).spawn(|| ()));
        assert!(text.starts_with("there is no stack for a green thread"), "{text}");
    });
}

#[test]
fn outside_of_a_loop_nothing_is_spawned() {
    let error = Builder::new().try_spawn(|| ()).unwrap_err();
    assert!(error.to_string().contains("needs a running event loop"), "{error}");
    let text = panic_of(|| green::spawn(|| ()));
    assert!(text.contains("needs a running event loop"), "{text}");
    let text = panic_of(|| green::spawn_after(Duration::ZERO, || ()));
    assert!(text.contains("needs a running event loop"), "{text}");
}

#[test]
fn running_inside_a_loop_is_refused() {
    run(|| {
        let text = panic_of(|| green::run(|| ()));
        assert!(text.contains("running an event loop already"), "{text}");
        assert_eq!(green::spawn(|| 7).wait().unwrap(), 7);
    });
}

#[test]
fn a_hundred_thousand_green_threads_park_side_by_side() {
    const MANY: usize = 100_000;
    run(|| {
        let (gate, parked) = (Gate::new(), Rc::new(Cell::new(0)));
        let mut handles = Vec::with_capacity(MANY);
        while handles.len() < MANY {
            let (gate, parked) = (gate.clone(), Rc::clone(&parked));
            let spawned = Builder::new().try_spawn(move || {
                parked.set(parked.get() + 1);
                gate.wait();
                parked.set(parked.get() - 1);
            });
            match spawned {
                Ok(handle) => handles.push(handle),
                // A kernel without cheap guards ends it earlier, without a crash.
                Err(error) => {
                    assert!(handles.len() > 10_000, "{}: {error}", handles.len());
                    break;
                }
            }
        }
        while parked.get() < handles.len() {
            green::yield_now();
        }
        gate.open();
        for handle in handles {
            handle.wait().unwrap();
        }
        assert_eq!(parked.get(), 0);
        assert_eq!(event_loop::statistics().tasks, 2);
    });
}

/// Each guard takes a mapping of its own there, and the kernel limits those.
#[cfg(target_os = "linux")]
#[test]
fn on_an_older_kernel_too_many_green_threads_are_an_error_and_no_crash() {
    let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    if limit > 200_000 {
        eprintln!("not tested: the limit on mappings is {limit} here");
        return;
    }
    let name = "on_an_older_kernel_too_many_green_threads_are_an_error_and_no_crash";
    let output = in_own_process(name, || {
        old_kernel::refuse_cheap_guards();
        run(move || {
            let ended = Rc::new(Cell::new(0));
            let mut handles = Vec::with_capacity(limit);
            let error = loop {
                let ended = Rc::clone(&ended);
                match Builder::new().try_spawn(move || ended.set(ended.get() + 1)) {
                    Ok(handle) => handles.push(handle),
                    Err(error) => break error,
                }
                assert!(handles.len() < limit, "the guards take no mappings");
            };
            assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
            assert!(handles.len() > limit / 4, "{}", handles.len());
            // What could be spawned runs, and then there is room again.
            let count = handles.len();
            assert!(green::join_all(handles).into_iter().all(|joined| joined.is_ok()));
            assert_eq!(ended.get(), count);
            assert_eq!(Builder::new().try_spawn(|| 7).unwrap().wait().unwrap(), 7);
        });
    });
    let Some(output) = output else { return };
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn spawn_after_starts_late_and_never_early() {
    run(|| {
        let start = Instant::now();
        let delay = Duration::from_millis(20);
        let thread = green::spawn_after(delay, move || {
            green::yield_now();
            start.elapsed()
        });
        assert!(thread.wait().unwrap() >= delay);
    });
}

#[test]
fn spawn_after_goes_on_when_its_handle_is_dropped() {
    run(|| {
        let gate = Gate::new();
        drop(green::spawn_after(Duration::from_millis(1), {
            let gate = gate.clone();
            move || gate.open()
        }));
        gate.wait();
    });
}

#[test]
fn spawn_after_that_is_aborted_in_time_never_runs() {
    run(|| {
        let drops = Drops::new();
        let guard = drops.guard();
        let later = green::spawn_after(Duration::from_millis(1), move || {
            let _guard = guard;
            panic!("it ran");
        });
        green::yield_now();
        later.abort();
        assert_eq!(drops.count(), 1);
        green::sleep(Duration::from_millis(5));
        assert!(later.wait().unwrap_err().is_cancelled());
        assert_eq!(event_loop::statistics().timers, 0);
    });
}

#[test]
fn spawn_after_that_is_aborted_late_unwinds() {
    run(|| {
        let drops = Drops::new();
        let (guard, gate) = (drops.guard(), Gate::new());
        let later = green::spawn_after(Duration::ZERO, {
            let gate = gate.clone();
            move || {
                let _guard = guard;
                gate.open();
                green_support::park();
            }
        });
        gate.wait();
        let result = later.abort_and_wait().wait();
        assert!(result.unwrap_err().is_cancelled());
        assert_eq!(drops.count(), 1);
    });
}
