#![allow(unsafe_code, reason = "takes over inherited descriptors, and steers groups of sockets")]
//! Descriptors that came from another process, and groups of sockets on one port.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
};

/// Takes over a descriptor that this process has inherited, and keeps it from being inherited
/// further. `None` if there is none of that number.
///
/// The caller has found the number where its parent left it, and asks once.
pub(in crate::launcher) fn take_inherited(fd: RawFd) -> Option<OwnedFd> {
    if fd < 3 {
        return None;
    }
    // SAFETY: takes no pointers.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } != 0 {
        return None;
    }
    // SAFETY: it is open, and was left for this process to take.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `SO_DETACH_REUSEPORT_BPF`, which older versions of the libc crate do not name.
const DETACH: libc::c_int = 68;

/// How a group of sockets on one port (`SO_REUSEPORT`) gives out connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::launcher) enum Steering {
    /// By the addresses of both ends, among all: so many. It is what the kernel does by itself.
    Hash(u32),
    /// At random among the first so many.
    Random(u32),
    /// To the one whose place in the group is the number of the processor that the packet came to,
    /// modulo the number of sockets.
    Processor(u32),
}

/// Steers the group that a socket belongs to.
pub(in crate::launcher) fn steer(socket: BorrowedFd<'_>, steering: Steering) -> io::Result<()> {
    let (source, sockets) = match steering {
        Steering::Hash(sockets) => {
            let nothing: libc::c_int = 0;
            // SAFETY: the number is alive during the call, which only reads it.
            let result = unsafe {
                libc::setsockopt(
                    socket.as_raw_fd(),
                    libc::SOL_SOCKET,
                    DETACH,
                    (&raw const nothing).cast(),
                    size_of::<libc::c_int>() as libc::socklen_t,
                )
            };
            // Before Linux 5.3 a group keeps its filter.
            let kept =
                result != 0 && io::Error::last_os_error().raw_os_error() != Some(libc::ENOENT);
            return if kept { steer(socket, Steering::Random(sockets)) } else { Ok(()) };
        }
        Steering::Random(sockets) => (libc::SKF_AD_RANDOM, sockets),
        Steering::Processor(sockets) => (libc::SKF_AD_CPU, sockets),
    };
    // Loads the number, takes it modulo the sockets, and gives that.
    let offset = (libc::SKF_AD_OFF + source) as u32;
    let instruction = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let mut program = [
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset),
        instruction(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, sockets.max(1)),
        instruction(libc::BPF_RET | libc::BPF_A, 0),
    ];
    let filter =
        libc::sock_fprog { len: program.len() as libc::c_ushort, filter: program.as_mut_ptr() };
    // SAFETY: the program is alive during the call, which only reads it.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const filter).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
