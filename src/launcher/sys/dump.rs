#![allow(unsafe_code, reason = "handles a signal")]
//! Says what a worker runs whose loop does not turn.
//!
//! The handler interrupts whatever that is: it may hold the lock of the allocator, or be half-way
//! through a change of the loop. So it calls nothing but what a handler may, and says what can be read
//! without allocating and without waiting: the worker, for how long, the task, and the instruction. To
//! unwind a stack the debug information must be read, which allocates: a core file or a debugger has it.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{
    clock, poll,
    signals::{self, Action, Errno},
};
use crate::{
    event_loop::{self, FixedText},
    executor::Brief,
};

/// So much of a name, and of a path's end, is told.
const LONGEST_NAME: usize = 200;

/// Room for all that is told. It fits into a pipe at once that has room for anything (`PIPE_BUF`), and with
/// the kernel's own thousands of bytes on the signal stack of the standard library, which has 8 KiB.
type Text = FixedText<1024>;

/// What the handler knows beforehand.
static WORKER: OnceLock<Worker> = OnceLock::new();

#[derive(Debug)]
struct Worker {
    slot: usize,
    busy_since: &'static AtomicU64,
    program: Program,
}

/// Where the program's file is in memory.
#[derive(Clone, Copy, Debug, Default)]
struct Program {
    /// What is to be added to the addresses in the file.
    bias: u64,
    /// The first address, and the first behind it.
    start: u64,
    end: u64,
}

/// Tells the handler of whom it will speak.
pub(in crate::launcher) fn prepare(slot: usize, busy_since: &'static AtomicU64) {
    // A process is a worker once.
    let _ = WORKER.set(Worker { slot, busy_since, program: Program::find() });
}

/// The handler, as `SA_SIGINFO` asks for.
pub(super) extern "C" fn handle(
    signal: libc::c_int,
    _info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let _errno = Errno::kept();
    if let Some(worker) = WORKER.get() {
        let mut text = Text::new();
        tell_worker(&mut text, worker);
        tell_task(&mut text);
        // SAFETY: the kernel gives a context, alive as long as the handler runs.
        tell_instruction(&mut text, worker.program, unsafe { &*context.cast() });
        print(text.as_bytes());
    }
    if signal == signals::abort_signal() {
        let _ = signals::set(libc::SIGABRT, Action::Default);
        // SAFETY: allowed in a signal handler.
        unsafe { libc::abort() };
    }
}

fn tell_worker(text: &mut Text, worker: &Worker) {
    text.push(b"greenloop: the event loop of worker ");
    text.push_number(worker.slot as u64);
    text.push(b" (pid ");
    text.push_number(u64::from(std::process::id()));
    text.push(b") does not turn");
    let since = worker.busy_since.load(Relaxed);
    if since != 0 {
        text.push(b": it has been busy for ");
        text.push_number(clock::now().saturating_sub(since) / 1_000_000);
        text.push(b" ms");
    }
    text.push(b"\n");
}

fn tell_task(text: &mut Text) {
    let described = event_loop::with(|core| {
        core.executor.describe_current(|Brief { has_stack, id, name, location }| {
            text.push(b"greenloop: it runs task ");
            id.into_iter().for_each(|id| text.push_number(id.get()));
            if let Some(name) = name {
                text.push(b" '");
                text.push(&name.as_bytes()[..name.len().min(LONGEST_NAME)]);
                text.push(b"'");
            }
            text.push(if has_stack { b" (green thread" } else { b" (async" });
            text.push(b"), spawned at ");
            let file = location.file().as_bytes();
            text.push(&file[file.len().saturating_sub(LONGEST_NAME)..]);
            text.push(b":");
            text.push_number(location.line().into());
            text.push(b":");
            text.push_number(location.column().into());
            text.push(b"\n");
        })
    });
    if described != Some(true) {
        text.push(b"greenloop: it runs no task\n");
    }
}

fn tell_instruction(text: &mut Text, program: Program, context: &libc::ucontext_t) {
    let Some(address) = instruction(context) else { return };
    text.push(b"greenloop: it is at 0x");
    if (program.start..program.end).contains(&address) {
        text.push_hex(address - program.bias);
        text.push(b" of the program's file, which `addr2line -Cfie FILE ADDRESS` explains; ");
    } else {
        text.push_hex(address);
        text.push(b", in a library; ");
    }
    text.push(b"a core file or a debugger has the stack\n");
}

/// The address of the interrupted instruction.
fn instruction(context: &libc::ucontext_t) -> Option<u64> {
    #[cfg(target_arch = "x86_64")]
    return Some(context.uc_mcontext.gregs[libc::REG_RIP as usize] as u64);
    #[cfg(target_arch = "aarch64")]
    return Some(context.uc_mcontext.pc);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        let _ = context;
        None
    }
}

impl Program {
    fn find() -> Self {
        let mut found = Self::default();
        // SAFETY: the function calls `see` while this one waits, with `found` as its argument.
        unsafe { libc::dl_iterate_phdr(Some(see), (&raw mut found).cast()) };
        found
    }
}

/// Notes where the first object is, which is the program.
extern "C" fn see(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    found: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: alive during the call, and nobody else's.
    let found = unsafe { &mut *found.cast::<Program>() };
    // SAFETY: alive during the call.
    let info = unsafe { &*info };
    // SAFETY: as many headers as it says, alive as long as the object is loaded.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let loaded = || headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
    #[allow(clippy::useless_conversion, reason = "they are smaller on other machines")]
    let bias = u64::from(info.dlpi_addr);
    #[allow(clippy::useless_conversion, reason = "they are smaller on other machines")]
    let (starts, ends) = (
        loaded().map(|header| u64::from(header.p_vaddr)),
        loaded().map(|header| u64::from(header.p_vaddr) + u64::from(header.p_memsz)),
    );
    if let (Some(start), Some(end)) = (starts.min(), ends.max()) {
        *found = Program { bias, start: bias + start, end: bias + end };
    }
    // Not the others.
    1
}

/// Prints it, unless that would keep the worker waiting.
fn print(text: &[u8]) {
    if poll::is_writable(libc::STDERR_FILENO) {
        // SAFETY: the text is alive during the call. There is nobody to tell of a failure.
        unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_where_its_functions_are() {
        let program = Program::find();
        let own = prepare as *const () as u64;
        assert!((program.start..program.end).contains(&own), "{program:x?} {own:x}");
        assert!(program.bias <= program.start, "{program:x?}");
    }
}
