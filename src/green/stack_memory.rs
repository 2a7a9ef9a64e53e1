#![allow(unsafe_code, reason = "maps memory, which no safe crate in the tree offers")]
//! Memory for stacks: large mappings, cut into stacks of one size, each with a guard at its low end.
//!
//! The memory is reserved, not committed: a page costs nothing until a stack has reached it. The
//! guards are installed by `MADV_GUARD_INSTALL` where the kernel has it (Linux 6.13), which needs no
//! mapping of its own; elsewhere by `mprotect`, which splits the mapping, so that the kernel's limit
//! on mappings (`vm.max_map_count`, 65,530 on Linux) ends it at about 32,000 stacks.

use std::{
    io,
    ptr::{self, NonNull},
};

use super::guards;

/// The bytes at the low end of a stack that must not be touched. More than a page, for code that
/// grows its stack without probing it, which C code may do by up to this much.
pub(super) const GUARD: usize = 16 << 10;

/// How much is mapped at once, if a stack is not larger.
pub(super) const CHUNK: usize = 16 << 20;

/// Not in the `libc` crate; from the kernel's `asm-generic/mman-common.h`.
#[cfg(target_os = "linux")]
const MADV_GUARD_INSTALL: libc::c_int = 102;

/// A mapping, cut into stacks; unmapped when dropped.
#[derive(Debug)]
pub(super) struct Chunk {
    start: NonNull<libc::c_void>,
    /// In bytes, guard included; a multiple of the page size.
    stack_size: usize,
    stacks: usize,
    /// Its place in the list that an overflow is looked up in.
    entry: &'static guards::Entry,
}

impl Chunk {
    /// Maps memory for stacks of so many bytes, guard included.
    pub(super) fn map(stack_size: usize) -> io::Result<Self> {
        let stacks = (CHUNK / stack_size).max(1);
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
        let bytes = stack_size * stacks;
        // SAFETY: asks for new memory anywhere.
        let start = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start).expect("mmap does not give the null page");
        let address = start.as_ptr().addr();
        let entry = guards::enter(address..address + bytes, stack_size);
        let chunk = Self { start, stack_size, stacks, entry };
        // One touched byte must not commit two megabytes.
        #[cfg(target_os = "linux")]
        // SAFETY: the mapping is ours. A kernel without huge pages refuses, which is as good.
        unsafe {
            libc::madvise(start.as_ptr(), bytes, libc::MADV_NOHUGEPAGE);
        }
        for limit in chunk.limits() {
            guard(limit)?;
        }
        Ok(chunk)
    }

    /// The lowest addresses of the stacks.
    pub(super) fn limits(&self) -> impl Iterator<Item = usize> + use<> {
        let (start, stack_size) = (self.start.as_ptr().addr(), self.stack_size);
        (0..self.stacks).map(move |number| start + number * stack_size)
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.entry.release();
        // SAFETY: mapped with this size; whoever drops the chunk knows that no stack is in use.
        unsafe { libc::munmap(self.start.as_ptr(), self.stack_size * self.stacks) };
    }
}

/// Makes the low end of a stack untouchable.
fn guard(limit: usize) -> io::Result<()> {
    let address = ptr::with_exposed_provenance_mut(limit);
    #[cfg(target_os = "linux")]
    // SAFETY: within our mapping, and not used by anybody.
    if unsafe { libc::madvise(address, GUARD, MADV_GUARD_INSTALL) } == 0 {
        return Ok(());
    }
    // SAFETY: within our mapping, and not used by anybody.
    if unsafe { libc::mprotect(address, GUARD, libc::PROT_NONE) } == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

/// Gives the pages of a stack that is not in use back to the system; it reads as zero afterwards.
pub(super) fn forget_contents(limit: usize, base: usize) {
    let address = ptr::with_exposed_provenance_mut(limit + GUARD);
    // SAFETY: within our mapping, above the guard; nothing on the stack is alive.
    unsafe { libc::madvise(address, base - limit - GUARD, libc::MADV_DONTNEED) };
}

/// The size of a page, a power of two.
pub(super) fn page_size() -> usize {
    // SAFETY: takes no pointers.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}
