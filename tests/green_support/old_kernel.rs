#![allow(unsafe_code, reason = "asks the kernel to refuse a call")]
//! Makes the kernel behave like one before Linux 6.13, which has no guards without a mapping each.

use std::io;

/// `MADV_GUARD_INSTALL`.
const GUARD_INSTALL: u32 = 102;

/// From here on this thread, and those that it starts, are refused cheap guards, as by a kernel that
/// does not know them. There is no way back: for a test that has its process to itself.
pub(crate) fn refuse_cheap_guards() {
    let data = |offset: usize| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset as u32);
    let unless = |value: u32, skip: u8| libc::sock_filter {
        jf: skip,
        ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value)
    };
    let answer = |what: u32| statement(libc::BPF_RET | libc::BPF_K, what);
    // The low half of the third argument.
    let advice = std::mem::offset_of!(libc::seccomp_data, args)
        + 2 * size_of::<u64>()
        + if cfg!(target_endian = "big") { 4 } else { 0 };
    let mut filter = [
        data(std::mem::offset_of!(libc::seccomp_data, nr)),
        unless(libc::SYS_madvise as u32, 3),
        data(advice),
        unless(GUARD_INSTALL, 1),
        answer(libc::SECCOMP_RET_ERRNO | libc::EINVAL as u32),
        answer(libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: takes no pointers.
    let result = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    // SAFETY: the program and its statements are alive during the call, which only reads them.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

fn statement(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: 0, jf: 0, k }
}
