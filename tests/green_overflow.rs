#![allow(unsafe_code, reason = "reads where nothing is, to see who says what of it")]
//! An overflow of the stack of a green thread or a coroutine ends the process and says whose stack of
//! what size it was.
//! What others do wrong is told as it always was.

mod green_support;

use std::{
    hint::black_box,
    mem::MaybeUninit,
    os::unix::process::ExitStatusExt,
    process::Output,
    ptr,
    sync::atomic::{AtomicPtr, Ordering::SeqCst},
    thread,
};

use green_support::{in_own_process, park, said};
use greenloop::green::{self, Builder, Coroutine, Wait, Yielder};

/// Uses up the stack.
#[inline(never)]
fn descend(depth: u64) -> u64 {
    let page = [depth; 64];
    let page = black_box(&page);
    if black_box(depth) == u64::MAX { 0 } else { descend(depth + 1) + page[63] }
}

/// Reads at an address where nothing is, and which is near no stack.
fn read_nothing() -> u8 {
    let nowhere = ptr::without_provenance::<u8>(black_box(8));
    // SAFETY: none; this is to fault.
    unsafe { nowhere.read_volatile() }
}

#[track_caller]
fn assert_ended_by(output: &Output, signal: i32) {
    assert_eq!(output.status.signal(), Some(signal), "{}\n{}", output.status, said(output));
    assert!(!said(output).contains("it went on"), "{}", said(output));
}

#[test]
fn the_message_has_the_name_and_the_size() {
    let output = in_own_process("the_message_has_the_name_and_the_size", || {
        green::run(|| {
            let thread = Builder::new().name("deep thought").stack_size(64 << 10);
            let thread = thread.spawn(|| descend(0));
            eprintln!("it is task {}", thread.id());
            let _ = thread.wait();
        });
        eprintln!("it went on");
    });
    let Some(output) = output else { return };
    assert_ended_by(&output, libc::SIGABRT);
    let said = said(&output);
    let id = said.lines().find_map(|line| line.split_once("it is task ")).unwrap().1;
    let message =
        format!("green thread {id} 'deep thought' has overflowed its stack of 65536 bytes");
    assert!(said.contains(&message), "{said}");
    assert!(said.contains("green::Builder::stack_size"), "{said}");
}

#[test]
fn it_is_found_in_one_that_has_waited_among_others() {
    let output = in_own_process("it_is_found_in_one_that_has_waited_among_others", || {
        green::run(|| {
            for _ in 0..10 {
                drop(Builder::new().name("innocent").spawn(park));
            }
            let guilty = Builder::new().name("guilty").spawn(|| {
                green::yield_now();
                green::yield_now();
                descend(0)
            });
            let _ = guilty.wait();
        });
        eprintln!("it went on");
    });
    let Some(output) = output else { return };
    assert_ended_by(&output, libc::SIGABRT);
    let said = said(&output);
    assert!(said.contains("'guilty' has overflowed its stack of 245760 bytes"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn it_is_found_on_an_older_kernel() {
    let output = in_own_process("it_is_found_on_an_older_kernel", || {
        green_support::old_kernel::refuse_cheap_guards();
        green::run(|| {
            let _ = Builder::new().name("deep thought").spawn(|| descend(0)).wait();
        });
        eprintln!("it went on");
    });
    let Some(output) = output else { return };
    assert_ended_by(&output, libc::SIGABRT);
    let said = said(&output);
    assert!(said.contains("'deep thought' has overflowed its stack of 245760 bytes"), "{said}");
}

#[test]
fn it_is_found_in_one_whose_output_is_too_large_for_its_stack() {
    let name = "it_is_found_in_one_whose_output_is_too_large_for_its_stack";
    let output = in_own_process(name, || {
        green::run(|| {
            let thread = Builder::new().name("whale").stack_size(16 << 10);
            let _ = thread.spawn(|| black_box([1_u8; 60 << 10])).wait();
        });
        eprintln!("it went on");
    });
    let Some(output) = output else { return };
    assert_ended_by(&output, libc::SIGABRT);
    let said = said(&output);
    assert!(said.contains("'whale' has overflowed its stack of 16384 bytes"), "{said}");
}

#[test]
fn it_is_found_on_another_threads_loop() {
    let output = in_own_process("it_is_found_on_another_threads_loop", || {
        let os_thread = thread::spawn(|| {
            green::run(|| {
                let _ = Builder::new().name("elsewhere").spawn(|| descend(0)).wait();
            });
        });
        let _ = os_thread.join();
        eprintln!("it went on");
    });
    let Some(output) = output else { return };
    assert_ended_by(&output, libc::SIGABRT);
    let said = said(&output);
    assert!(said.contains("'elsewhere' has overflowed its stack"), "{said}");
}

#[test]
fn it_is_found_on_a_thread_that_the_standard_library_did_not_start() {
    extern "C" fn start(_: *mut libc::c_void) -> *mut libc::c_void {
        green::run(|| {
            let _ = Builder::new().name("foreign").spawn(|| descend(0)).wait();
        });
        ptr::null_mut()
    }

    let name = "it_is_found_on_a_thread_that_the_standard_library_did_not_start";
    let output = in_own_process(name, || {
        let mut thread = MaybeUninit::uninit();
        // SAFETY: the function takes nothing, and there is room for the thread's name.
        let result = unsafe {
            libc::pthread_create(thread.as_mut_ptr(), ptr::null(), start, ptr::null_mut())
        };
        assert_eq!(result, 0);
        // SAFETY: the call has filled it in.
        let thread = unsafe { thread.assume_init() };
        // SAFETY: a thread that nobody else joins.
        unsafe { libc::pthread_join(thread, ptr::null_mut()) };
        eprintln!("it went on");
    });
    let Some(output) = output else { return };
    assert_ended_by(&output, libc::SIGABRT);
    assert!(said(&output).contains("'foreign' has overflowed its stack"), "{}", said(&output));
}

#[test]
fn a_long_name_is_cut_and_nothing_worse() {
    let output = in_own_process("a_long_name_is_cut_and_nothing_worse", || {
        green::run(|| {
            let _ = Builder::new().name("x".repeat(10_000)).spawn(|| descend(0)).wait();
        });
        eprintln!("it went on");
    });
    let Some(output) = output else { return };
    assert_ended_by(&output, libc::SIGABRT);
    let said = said(&output);
    assert!(said.contains(&format!("'{}' has overflowed its stack of 245760", "x".repeat(100))));
}

#[test]
fn a_coroutine_is_told_as_such() {
    let output = in_own_process("a_coroutine_is_told_as_such", || {
        let mut coroutine =
            Coroutine::with_stack_size(64 << 10, |_: Yielder<'_, (), ()>, ()| descend(0));
        coroutine.resume(());
        eprintln!("it went on");
    });
    let Some(output) = output else { return };
    assert_ended_by(&output, libc::SIGABRT);
    let said = said(&output);
    assert!(said.contains("\na coroutine has overflowed its stack of 65536 bytes"), "{said}");
    assert!(said.contains("green::Coroutine::with_stack_size"), "{said}");
}

#[test]
fn a_coroutine_is_told_with_the_green_thread_that_resumes_it() {
    let name = "a_coroutine_is_told_with_the_green_thread_that_resumes_it";
    let output = in_own_process(name, || {
        green::run(|| {
            let thread = Builder::new().name("resumer").spawn(|| {
                green::yield_now();
                let coroutine = Coroutine::new(|yielder: Yielder<'_, (), u64>, ()| {
                    yielder.yield_value(1);
                    green::yield_now();
                    yielder.yield_value(descend(0));
                });
                coroutine.values().sum::<u64>()
            });
            let _ = thread.wait();
        });
        eprintln!("it went on");
    });
    let Some(output) = output else { return };
    assert_ended_by(&output, libc::SIGABRT);
    let said = said(&output);
    let (before, after) = said.split_once("a coroutine in green thread ").expect(&said);
    assert!(before.ends_with('\n'), "{said}");
    assert!(after.contains("'resumer' has overflowed its stack of 245760 bytes"), "{said}");
}

#[test]
fn a_coroutine_is_told_with_the_task_that_resumes_it() {
    let output = in_own_process("a_coroutine_is_told_with_the_task_that_resumes_it", || {
        greenloop::run(async {
            let mut coroutine = Coroutine::new(|_: Yielder<'_, (), ()>, ()| descend(0));
            let task = greenloop::task::Builder::new().name("plain");
            let _ = task.spawn(async move { coroutine.resume(()) }).await;
        });
        eprintln!("it went on");
    });
    let Some(output) = output else { return };
    assert_ended_by(&output, libc::SIGABRT);
    assert!(said(&output).contains("a coroutine in task "), "{}", said(&output));
    assert!(said(&output).contains("'plain' has overflowed its stack"), "{}", said(&output));
}

#[test]
fn the_overflow_of_a_green_thread_that_has_a_coroutine_is_its_own() {
    let name = "the_overflow_of_a_green_thread_that_has_a_coroutine_is_its_own";
    let output = in_own_process(name, || {
        green::run(|| {
            let thread = Builder::new().name("resumer").spawn(|| {
                let mut coroutine = Coroutine::new(|yielder: Yielder<'_, (), ()>, ()| {
                    yielder.yield_value(());
                });
                coroutine.resume(());
                descend(0)
            });
            let _ = thread.wait();
        });
        eprintln!("it went on");
    });
    let Some(output) = output else { return };
    assert_ended_by(&output, libc::SIGABRT);
    assert!(!said(&output).contains("coroutine in"), "{}", said(&output));
    assert!(said(&output).contains("'resumer' has overflowed its stack"), "{}", said(&output));
}

/// The page that `mend` makes readable.
static PAGE: AtomicPtr<libc::c_void> = AtomicPtr::new(ptr::null_mut());

const PAGE_SIZE: usize = 64 << 10;

fn protect(protection: libc::c_int) {
    // SAFETY: the page is mapped, and nobody has a reference to it.
    let result = unsafe { libc::mprotect(PAGE.load(SeqCst), PAGE_SIZE, protection) };
    assert_eq!(result, 0);
}

/// A handler as a garbage collector or a sandbox may have it: the access works when it is repeated.
extern "C" fn mend(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel gives a valid one.
    let info = unsafe { &*info };
    // SAFETY: this signal carries an address.
    let address = unsafe { info.si_addr() };
    if address != PAGE.load(SeqCst) {
        std::process::abort();
    }
    protect(libc::PROT_READ);
    eprintln!("mended");
}

#[test]
fn a_handler_that_mends_faults_goes_on_to_do_so_and_an_overflow_is_told_after_that() {
    let name = "a_handler_that_mends_faults_goes_on_to_do_so_and_an_overflow_is_told_after_that";
    let output = in_own_process(name, || {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: asks for new memory anywhere.
        let page = unsafe { libc::mmap(ptr::null_mut(), PAGE_SIZE, libc::PROT_NONE, flags, -1, 0) };
        assert_ne!(page, libc::MAP_FAILED);
        PAGE.store(page, SeqCst);
        // SAFETY: zeros are a valid action.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = mend as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: the handler has the signature that the flag asks for.
        unsafe { libc::sigaction(libc::SIGSEGV, &action, ptr::null_mut()) };

        green::run(move || {
            let read = || {
                // SAFETY: mapped, and readable when the handler has seen to it.
                unsafe { PAGE.load(SeqCst).cast::<u8>().read_volatile() }
            };
            for _ in 0..3 {
                assert_eq!(green::spawn(read).wait().unwrap(), 0);
                assert_eq!(read(), 0);
                protect(libc::PROT_NONE);
            }
            let _ = Builder::new().name("late").spawn(|| descend(0)).wait();
        });
        eprintln!("it went on");
    });
    let Some(output) = output else { return };
    assert_ended_by(&output, libc::SIGABRT);
    let said = said(&output);
    assert_eq!(said.matches("mended").count(), 3, "{said}");
    assert!(said.contains("'late' has overflowed its stack"), "{said}");
}

#[test]
fn a_real_threads_own_overflow_is_told_as_ever() {
    let output = in_own_process("a_real_threads_own_overflow_is_told_as_ever", || {
        green::run(|| assert_eq!(green::spawn(|| 7).wait().unwrap(), 7));
        let os_thread = thread::Builder::new().name("std's own".to_owned()).spawn(|| {
            descend(0);
        });
        let _ = os_thread.unwrap().join();
        eprintln!("it went on");
    });
    let Some(output) = output else { return };
    assert_ended_by(&output, libc::SIGABRT);
    let said = said(&output);
    assert!(said.contains("thread 'std's own'"), "{said}");
    assert!(said.contains("has overflowed its stack"), "{said}");
    assert!(!said.contains("green thread"), "{said}");
}

#[test]
fn the_overflow_of_the_thread_that_runs_the_loop_is_told_as_ever() {
    let name = "the_overflow_of_the_thread_that_runs_the_loop_is_told_as_ever";
    let output = in_own_process(name, || {
        green::run(|| {
            drop(green::spawn(park));
            // An async task runs on the thread's own stack.
            let task = greenloop::spawn(async { descend(0) });
            let _ = task.wait();
        });
        eprintln!("it went on");
    });
    let Some(output) = output else { return };
    assert_ended_by(&output, libc::SIGABRT);
    let said = said(&output);
    assert!(said.contains("has overflowed its stack"), "{said}");
    assert!(!said.contains("green thread"), "{said}");
}

#[test]
fn a_read_of_nothing_is_a_fault_as_ever() {
    let output = in_own_process("a_read_of_nothing_is_a_fault_as_ever", || {
        green::run(|| assert_eq!(green::spawn(|| 7).wait().unwrap(), 7));
        read_nothing();
        eprintln!("it went on");
    });
    let Some(output) = output else { return };
    assert_ended_by(&output, libc::SIGSEGV);
    assert!(!said(&output).contains("overflowed"), "{}", said(&output));
}

#[test]
fn a_read_of_nothing_in_a_green_thread_is_no_overflow() {
    let output = in_own_process("a_read_of_nothing_in_a_green_thread_is_no_overflow", || {
        green::run(|| {
            let _ = green::spawn(read_nothing).wait();
        });
        eprintln!("it went on");
    });
    let Some(output) = output else { return };
    assert_ended_by(&output, libc::SIGSEGV);
    assert!(!said(&output).contains("overflowed"), "{}", said(&output));
}
