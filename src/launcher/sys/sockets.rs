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

/// By what a group of sockets on one port (`SO_REUSEPORT`) chooses which one gets a connection, or a
/// datagram, where that is not left to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::launcher) enum Steering {
    /// At random.
    Random,
    /// Datagrams, by the address and port that they come from: all of one sender to the same.
    Sender,
    /// By the number of the processor that the packet came to.
    Processor,
}

/// Steers the group that a socket belongs to, to the sockets at these places in it: what the choice goes by is
/// a number, which is taken modulo their count.
pub(in crate::launcher) fn steer(
    socket: BorrowedFd<'_>,
    steering: Steering,
    places: &[usize],
) -> io::Result<()> {
    let mut program = match steering {
        Steering::Random => vec![load(libc::SKF_AD_OFF + libc::SKF_AD_RANDOM)],
        Steering::Processor => vec![load(libc::SKF_AD_OFF + libc::SKF_AD_CPU)],
        Steering::Sender => sender_hash(),
    };
    let count = places.len().max(1) as u32;
    program.push(instruction(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, count));
    for (number, &place) in places.iter().enumerate().filter(|(number, place)| number != *place) {
        program.push(jump_unless(number as u32, 1));
        program.push(instruction(libc::BPF_RET | libc::BPF_K, place as u32));
    }
    program.push(instruction(libc::BPF_RET | libc::BPF_A, 0));
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

/// An instruction for the kernel's packet filter, which works with one number, A, and an index, X.
fn instruction(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

/// Loads 32 bits into A.
fn load(offset: libc::c_int) -> libc::sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset as u32)
}

/// Skips so many instructions unless A is this number.
fn jump_unless(number: u32, instructions: u8) -> libc::sock_filter {
    let jump = instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, number);
    libc::sock_filter { jf: instructions, ..jump }
}

/// Computes a number from where a datagram comes from. The hash that the kernel has by itself cannot be had
/// here: packets of the machine's own have none.
fn sender_hash() -> Vec<libc::sock_filter> {
    use libc::{BPF_ABS, BPF_ALU, BPF_B, BPF_H, BPF_IMM, BPF_IND, BPF_JMP, BPF_K, BPF_LD, BPF_X};
    /// 2^32 divided by the golden ratio (Knuth, The Art of Computer Programming, 6.4).
    const MULTIPLIER: u32 = 0x9E37_79B1;
    /// The next header is that of UDP, and not one of the extensions of IPv6.
    const IS_UDP: u32 = libc::IPPROTO_UDP as u32;
    let byte = |place| instruction(BPF_LD | BPF_B | BPF_ABS, (libc::SKF_NET_OFF + place) as u32);
    let compute = |operation, k| instruction(BPF_ALU | operation | BPF_K, k);
    let to_index = instruction(libc::BPF_MISC | libc::BPF_TAX, 0);
    let skip = |k| instruction(BPF_JMP | libc::BPF_JA, k);
    // Multiplies what there is, and adds a part of the address.
    let mix = |place| {
        [
            compute(libc::BPF_MUL, MULTIPLIER),
            to_index,
            load(libc::SKF_NET_OFF + place),
            instruction(BPF_ALU | libc::BPF_ADD | BPF_X, 0),
        ]
    };
    // IPv4: the port stands behind a header of so many words, the address at 12.
    let mut version_4 = vec![
        byte(0),
        compute(libc::BPF_AND, 0xF),
        compute(libc::BPF_LSH, 2),
        to_index,
        instruction(BPF_LD | BPF_H | BPF_IND, libc::SKF_NET_OFF as u32),
    ];
    version_4.extend(mix(12));
    // IPv6: the port stands at 40, unless there are extensions, and the address at 8.
    let mut version_6 = vec![
        byte(6),
        jump_unless(IS_UDP, 2),
        instruction(BPF_LD | BPF_H | BPF_ABS, (libc::SKF_NET_OFF + 40) as u32),
        skip(1),
        instruction(BPF_LD | BPF_IMM, 0),
    ];
    version_6.extend([8, 12, 16, 20].into_iter().flat_map(mix));
    version_4.push(skip(version_6.len() as u32));

    let mut program =
        vec![byte(0), compute(libc::BPF_RSH, 4), jump_unless(6, 1), skip(version_4.len() as u32)];
    program.extend(version_4);
    program.extend(version_6);
    // The upper bits of a product depend on all of its factors' bits, the lower ones do not.
    program.extend([
        compute(libc::BPF_MUL, MULTIPLIER),
        to_index,
        compute(libc::BPF_RSH, 16),
        instruction(BPF_ALU | libc::BPF_XOR | BPF_X, 0),
    ]);
    program
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, net::UdpSocket, os::fd::AsFd as _};

    use socket2::{Domain, Socket, Type};

    use super::*;

    /// Which of the sockets gets what one sender sends.
    fn receiver(sockets: &[UdpSocket], sender: &UdpSocket) -> usize {
        let mut address = sender.local_addr().unwrap();
        address.set_port(sockets[0].local_addr().unwrap().port());
        sender.send_to(b"x", address).unwrap();
        // The datagram is there when the call returns, since it does not leave the machine.
        let mut receivers =
            (0..sockets.len()).filter(|&place| sockets[place].recv(&mut [0]).is_ok());
        let first = receivers.next().expect("somebody gets it");
        assert_eq!(receivers.next(), None);
        first
    }

    fn group(address: &str, count: usize) -> io::Result<Vec<UdpSocket>> {
        let mut address = address.parse::<std::net::SocketAddr>().unwrap();
        let mut sockets = Vec::new();
        for _ in 0..count {
            let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
            socket.set_reuse_port(true)?;
            socket.set_nonblocking(true)?;
            socket.bind(&address.into())?;
            address = socket.local_addr()?.as_socket().unwrap();
            sockets.push(socket.into());
        }
        Ok(sockets)
    }

    #[test]
    fn a_sender_keeps_its_socket_among_the_first() {
        // The last one takes both versions.
        for (address, from) in
            [("127.0.0.1:0", "127.0.0.1:0"), ("[::1]:0", "[::1]:0"), ("[::]:0", "127.0.0.1:0")]
        {
            let Ok(sockets) = group(address, 4) else {
                println!("SKIPPED: there is no {address}");
                continue;
            };
            let sender = || UdpSocket::bind(from).unwrap();
            let senders: Vec<_> = (0..64).map(|_| sender()).collect();
            for places in [&[0, 1, 2, 3][..], &[0, 1], &[0, 2, 3], &[3, 1], &[2]] {
                steer(sockets[0].as_fd(), Steering::Sender, places).unwrap();
                let first: Vec<_> = senders.iter().map(|s| receiver(&sockets, s)).collect();
                for _ in 0..3 {
                    assert!(
                        senders.iter().map(|s| receiver(&sockets, s)).eq(first.iter().copied())
                    );
                }
                let seen: BTreeSet<_> = first.into_iter().collect();
                assert_eq!(seen, places.iter().copied().collect(), "{address}");
            }
        }
    }
}
