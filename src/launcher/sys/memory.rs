#![allow(unsafe_code, reason = "maps memory that processes share")]
//! Memory that is shared with the processes that are forked from this one, or that are given its
//! descriptor.
//!
//! It is never unmapped, so references to it live as long as the process.

use std::{
    fs::{self, File},
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, RawFd},
    ptr,
    sync::atomic::{AtomicU32, AtomicU64},
};

/// What may lie in shared memory: all-zero bytes are a value of it, and processes that change it at
/// the same time do so through `&self`.
///
/// # Safety
///
/// It consists of atomic integers only.
pub(in crate::launcher) unsafe trait Shareable: Sync + 'static {}

// SAFETY: an atomic integer.
unsafe impl Shareable for AtomicU32 {}
// SAFETY: an atomic integer.
unsafe impl Shareable for AtomicU64 {}

/// Says that a structure of `Shareable` fields is itself `Shareable`.
macro_rules! shareable {
    ($structure:ty { $($field:ty),* $(,)? }) => {
        const _: () = {
            const fn holds<T: $crate::launcher::sys::memory::Shareable + ?Sized>() {}
            $(holds::<$field>();)*
        };
        // SAFETY: the fields, whose types the caller of the macro lists, are atomic integers.
        unsafe impl $crate::launcher::sys::memory::Shareable for $structure {}
    };
}
pub(in crate::launcher) use shareable;

// SAFETY: atomic integers, one after the other.
unsafe impl<T: Shareable, const N: usize> Shareable for [T; N] {}

/// Maps zeroes that the processes forked from now on share.
pub(in crate::launcher) fn share_with_children<T: Shareable>() -> io::Result<&'static T> {
    map(-1, libc::MAP_SHARED | libc::MAP_ANONYMOUS)
}

/// Maps zeroes that whoever has the file shares.
pub(in crate::launcher) fn share_by_file<T: Shareable>() -> io::Result<(&'static T, File)> {
    // SAFETY: the name is a string that ends with a null byte.
    let fd = unsafe { libc::memfd_create(c"greenloop scoreboard".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, and nobody else's.
    let file = unsafe { File::from_raw_fd(fd) };
    file.set_len(size_of::<T>() as u64)?;
    Ok((map(file.as_raw_fd(), libc::MAP_SHARED)?, file))
}

/// Maps what another process made with `share_by_file`.
pub(in crate::launcher) fn open_file<T: Shareable>(file: &File) -> io::Result<&'static T> {
    if file.metadata()?.len() != size_of::<T>() as u64 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the scoreboard is that of another version of greenloop",
        ));
    }
    map(file.as_raw_fd(), libc::MAP_SHARED)
}

fn map<T: Shareable>(fd: RawFd, flags: libc::c_int) -> io::Result<&'static T> {
    const { assert!(align_of::<T>() <= 4096, "mappings begin at pages") };
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: takes an address of the kernel's choice, so it replaces no mapping.
    let memory = unsafe { libc::mmap(ptr::null_mut(), size_of::<T>(), access, flags, fd, 0) };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as large as a `T`, aligned to pages, never unmapped; and whatever bytes are there are a
    // `T`, which may be changed by others at any time (`Shareable`).
    Ok(unsafe { &*memory.cast::<T>() })
}

/// How many bytes a page has.
fn page_size() -> u64 {
    // SAFETY: takes no pointers.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(4096)
}

/// How many bytes of memory a process occupies.
pub(in crate::launcher) fn resident(pid: u32) -> u64 {
    let pages = fs::read_to_string(format!("/proc/{pid}/statm"))
        .ok()
        .and_then(|text| text.split_ascii_whitespace().nth(1)?.parse::<u64>().ok());
    pages.map_or(0, |pages| pages * page_size())
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_occupies_memory() {
        assert!(super::resident(std::process::id()) > 100_000);
        assert_eq!(super::resident(0), 0);
    }
}
