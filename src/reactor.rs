//! Which descriptors are ready, and who waits for them.
//!
//! A thin layer over `mio::Poll`: a slab of registered descriptors, each with the readiness of its
//! two directions as far as it is known, and the wakers of those who wait. A descriptor is
//! registered once, edge-triggered: for both directions, or for reading until somebody waits to write.
//! It knows neither sockets nor tasks: others do the reading and tell it what they found out.
//!
//! Few ever wait to write, and all would pay for it: Unix sockets and those for datagrams announce room
//! whenever the peer has taken something, which would wake the loop once more for each message.
//!
//! Invariant: a direction that is not ready will get an event when it becomes so. The kernel
//! promises an edge for whatever happens after an operation would have blocked, or came back short
//! on a stream; events that are fetched later than that happened later, because one thread does
//! both. What has already been said and cannot be said again (the peer's end of file) is remembered
//! in `closed`.

use std::{
    io,
    os::fd::{BorrowedFd, RawFd},
    task::Waker,
    time::Duration,
};

use mio::{Events, Interest, Token, unix::SourceFd};
use slab::Slab;

#[cfg(target_os = "linux")]
mod exclusive;

/// How many events are fetched from the kernel at once.
const EVENTS: usize = 1024;

/// The token of the doorbell; no slot reaches it.
const DOORBELL: Token = Token(usize::MAX);

/// Names a registered descriptor. Plain data; a stale key finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    slot: u32,
    generation: u32,
}

impl Key {
    /// The generation rides in the upper half, so that an event that was fetched before its
    /// descriptor went away is not taken for the slot's next one.
    fn token(self) -> Token {
        Token(((self.generation as usize) << GENERATION_SHIFT) | self.slot as usize)
    }

    fn from_token(token: Token) -> Self {
        let slot = token.0 & ((1 << GENERATION_SHIFT) - 1);
        Self { slot: slot as u32, generation: (token.0 >> GENERATION_SHIFT) as u32 }
    }
}

const GENERATION_SHIFT: u32 = usize::BITS / 2;
const GENERATION_MASK: u32 = (usize::MAX >> GENERATION_SHIFT) as u32 >> 1;

/// The two things one can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Reading, accepting.
    Read,
    /// Writing, connecting.
    Write,
}

/// Names one who waits, so that it can take its waker back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u32);

impl Ticket {
    /// The one place of those who cannot take their waker back, because they come through a
    /// trait's `poll_` method: the last of them is woken.
    pub(crate) const SHARED: Self = Self(0);
}

/// A descriptor and what is known about it.
#[derive(Debug)]
struct Source {
    fd: RawFd,
    generation: u32,
    watch: Watch,
    read: Side,
    write: Side,
}

/// How a descriptor is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watch {
    /// For edges; of both directions from the moment on at which somebody has waited to write.
    Edges { writing: bool },
    /// For reading, as one of several processes of which one is to be woken, and by level. So it is
    /// in the kernel's set only while somebody waits; without one, each look would find it again.
    #[cfg(target_os = "linux")]
    Exclusive { in_set: bool },
}

/// One direction of a descriptor.
#[derive(Debug, Default)]
struct Side {
    /// The kernel may say yes. Set by an event, cleared when it said no.
    ready: bool,
    /// Nothing will be announced any more: the peer closed, or the socket failed. Set by an event,
    /// cleared only when an operation would block all the same.
    closed: bool,
    /// Urgent data has arrived once, at which a read stops short of what has arrived.
    urgent: bool,
    /// Whom to tell; there is rarely more than one.
    first: Option<(Ticket, Waker)>,
    #[allow(clippy::box_collection, reason = "one word for what is nearly always empty")]
    more: Option<Box<Vec<(Ticket, Waker)>>>,
}

impl Side {
    fn waiters(&mut self) -> impl Iterator<Item = &mut (Ticket, Waker)> {
        self.first.iter_mut().chain(self.more.iter_mut().flat_map(|more| more.iter_mut()))
    }

    /// Leaves a waker under a ticket; gives back the one that was there.
    fn put(&mut self, ticket: Ticket, waker: Waker) -> Option<Waker> {
        if !self.is_awaited() {
            // Nearly always.
            self.first = Some((ticket, waker));
            return None;
        }
        if let Some((_, old)) = self.waiters().find(|(other, _)| *other == ticket) {
            return Some(std::mem::replace(old, waker));
        }
        if self.first.is_none() {
            self.first = Some((ticket, waker));
        } else {
            self.more.get_or_insert_default().push((ticket, waker));
        }
        None
    }

    fn remove(&mut self, ticket: Ticket) -> Option<Waker> {
        if self.first.as_ref().is_some_and(|(other, _)| *other == ticket) {
            return self.first.take().map(|(_, waker)| waker);
        }
        let more = self.more.as_mut()?;
        let place = more.iter().position(|(other, _)| *other == ticket)?;
        Some(more.swap_remove(place).1)
    }

    fn is_awaited(&self) -> bool {
        self.first.is_some() || self.more.as_ref().is_some_and(|more| !more.is_empty())
    }

    fn each_waker(&self, see: &mut dyn FnMut(&Waker)) {
        let waiters = self.first.iter().chain(self.more.iter().flat_map(|more| more.iter()));
        waiters.for_each(|(_, waker)| see(waker));
    }

    #[inline]
    fn take_all(&mut self, woken: &mut Vec<Waker>) {
        if let Some((_, waker)) = self.first.take() {
            woken.push(waker);
        }
        if let Some(more) = self.more.take() {
            woken.extend(more.into_iter().map(|(_, waker)| waker));
        }
    }
}

fn reading() -> Interest {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return Interest::READABLE | Interest::PRIORITY;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    Interest::READABLE
}

fn both_directions() -> Interest {
    reading() | Interest::WRITABLE
}

/// The descriptors of one event loop.
#[derive(Debug)]
pub(crate) struct Reactor {
    poll: mio::Poll,
    events: Events,
    sources: Slab<Source>,
    /// By descriptor number: the slot of who was registered under it last. That one may be gone, or have
    /// lost the descriptor behind its back.
    latest: Vec<u32>,
    /// The slots of what is watched exclusively: few.
    #[cfg(target_os = "linux")]
    exclusive: Vec<usize>,
    next_generation: u32,
    next_ticket: u32,
}

impl Reactor {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            poll: mio::Poll::new()?,
            events: Events::with_capacity(EVENTS),
            sources: Slab::new(),
            latest: Vec::new(),
            #[cfg(target_os = "linux")]
            exclusive: Vec::new(),
            next_generation: 0,
            next_ticket: 1,
        })
    }

    /// A bell that ends `wait` from any thread.
    pub(crate) fn doorbell(&self) -> io::Result<mio::Waker> {
        mio::Waker::new(self.poll.registry(), DOORBELL)
    }

    /// Starts to watch a descriptor, whose owner keeps it open until it calls `forget` or
    /// `deregister`. One that is watched already is an error of the kind `AlreadyExists`, and goes on
    /// to be watched for whom it was.
    pub(crate) fn register(&mut self, fd: BorrowedFd<'_>) -> io::Result<Key> {
        self.register_for(fd, Direction::Write)
    }

    /// As `register`, for who waits for one direction: to read, it is watched for reading only, until
    /// `watch_writing`. Until then it passes for writable.
    pub(crate) fn register_for(
        &mut self,
        fd: BorrowedFd<'_>,
        direction: Direction,
    ) -> io::Result<Key> {
        use std::os::fd::AsRawFd as _;
        let fd = fd.as_raw_fd();
        let is_owned = self.owner(fd).is_some();
        let writing = direction == Direction::Write;
        let key = self.insert(fd, Watch::Edges { writing });
        self.sources[key.slot as usize].write.ready = !writing;
        let both = if writing { both_directions() } else { reading() };
        let registry = self.poll.registry();
        let mut registered = registry.register(&mut SourceFd(&fd), key.token(), both);
        if registered.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists)
            && !is_owned
        {
            // The same open file was registered under this number by an owner who has closed it
            // while a duplicate kept the file open: that registration is nobody's.
            registered = registry.reregister(&mut SourceFd(&fd), key.token(), both);
        }
        match registered {
            Ok(()) => {
                self.set_latest(fd, key.slot);
                Ok(key)
            }
            Err(error) => {
                self.sources.remove(key.slot as usize);
                Err(error)
            }
        }
    }

    /// Watches writing too, from now on: the kernel looks at once, so that nothing is missed. A descriptor
    /// that has another owner by now is left alone, as one that was closed behind its back.
    pub(crate) fn watch_writing(&mut self, key: Key) {
        let Some(source) = self.source(key) else { return };
        if source.watch != (Watch::Edges { writing: false }) {
            return;
        }
        source.watch = Watch::Edges { writing: true };
        source.write.ready = false;
        let fd = source.fd;
        if self.owner(fd) == Some(key.slot) {
            let registry = self.poll.registry();
            let watched = registry.reregister(&mut SourceFd(&fd), key.token(), both_directions());
            // It is gone from the set, and nobody can be told of anything.
            let _ = watched;
        }
    }

    fn insert(&mut self, fd: RawFd, watch: Watch) -> Key {
        self.next_generation = self.next_generation.wrapping_add(1) & GENERATION_MASK;
        let generation = self.next_generation;
        let (read, write) = (Side::default(), Side::default());
        let slot = self.sources.insert(Source { fd, generation, watch, read, write });
        Key { slot: slot as u32, generation }
    }

    /// Starts to watch, for reading only, a descriptor that other processes watch too: the kernel
    /// wakes one of those that wait rather than all. Before each wait, `watch_again` must be called.
    ///
    /// An open file that other processes hold stays in the set when its owner closes it here:
    /// `deregister` it first.
    #[cfg(target_os = "linux")]
    pub(crate) fn register_exclusive(&mut self, fd: BorrowedFd<'_>) -> io::Result<Key> {
        use std::os::fd::AsRawFd as _;
        let key = self.insert(fd.as_raw_fd(), Watch::Exclusive { in_set: false });
        self.exclusive.push(key.slot as usize);
        Ok(key)
    }

    /// Where the kernel cannot do that, all are woken.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn register_exclusive(&mut self, fd: BorrowedFd<'_>) -> io::Result<Key> {
        self.register(fd)
    }

    /// Puts an exclusively watched descriptor back into the kernel's set, which it leaves when the loop
    /// sleeps while nobody waits for it.
    #[cfg_attr(
        not(all(feature = "launcher", target_os = "linux")),
        allow(dead_code, reason = "only a launcher shares")
    )]
    pub(crate) fn watch_again(&mut self, key: Key) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsRawFd as _;
            let set = self.poll.as_raw_fd();
            let Some(source) = self.source(key) else {
                return Ok(());
            };
            if source.watch == (Watch::Exclusive { in_set: false }) {
                exclusive::add(set, source.fd, key.token())?;
                source.watch = Watch::Exclusive { in_set: true };
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = key;
        Ok(())
    }

    /// Stops watching a descriptor that its owner is about to close, which tells the kernel by
    /// itself. Gives back the wakers of those who still waited.
    pub(crate) fn forget(&mut self, key: Key) -> Vec<Waker> {
        let mut woken = Vec::new();
        if self.source(key).is_some() {
            let mut source = self.sources.remove(key.slot as usize);
            #[cfg(target_os = "linux")]
            if matches!(source.watch, Watch::Exclusive { .. }) {
                self.exclusive.retain(|slot| *slot != key.slot as usize);
            }
            source.read.take_all(&mut woken);
            source.write.take_all(&mut woken);
        }
        woken
    }

    /// Stops watching a descriptor that stays open. Gives back the wakers of those who still waited.
    pub(crate) fn deregister(&mut self, key: Key) -> Vec<Waker> {
        if let Some((fd, watch)) = self.source(key).map(|source| (source.fd, source.watch)) {
            // The number may have another owner by now, who may be watched.
            let is_owned = self.owner(fd) == Some(key.slot);
            // It fails only if that one is not.
            let _ = match watch {
                Watch::Edges { .. } if is_owned => {
                    self.poll.registry().deregister(&mut SourceFd(&fd))
                }
                Watch::Edges { .. } => Ok(()),
                #[cfg(target_os = "linux")]
                Watch::Exclusive { in_set: false } => Ok(()),
                #[cfg(target_os = "linux")]
                Watch::Exclusive { in_set: true } => {
                    use std::os::fd::AsRawFd as _;
                    exclusive::remove(self.poll.as_raw_fd(), fd)
                }
            };
        }
        self.forget(key)
    }

    /// The slot of who was registered last under a descriptor number, and is still here.
    fn owner(&self, fd: RawFd) -> Option<u32> {
        let slot = *self.latest.get(usize::try_from(fd).ok()?)?;
        let source = self.sources.get(slot as usize)?;
        (source.fd == fd).then_some(slot)
    }

    fn set_latest(&mut self, fd: RawFd, slot: u32) {
        let place = usize::try_from(fd).expect("an open descriptor has a number");
        if self.latest.len() <= place {
            self.latest.resize(place + 1, u32::MAX);
        }
        self.latest[place] = slot;
    }

    /// Whether it is worth trying.
    pub(crate) fn is_ready(&mut self, key: Key, direction: Direction) -> bool {
        self.side(key, direction).is_none_or(|side| side.ready)
    }

    /// The kernel said that the operation would block.
    pub(crate) fn would_block(&mut self, key: Key, direction: Direction) {
        if let Some(side) = self.side(key, direction) {
            side.ready = false;
            side.closed = false;
        }
    }

    /// A stream gave or took less than was asked for, so the next operation would block, unless
    /// the end of the stream is all that is left.
    pub(crate) fn came_short(&mut self, key: Key, direction: Direction) {
        if let Some(side) = self.side(key, direction) {
            side.ready = side.closed || side.urgent;
        }
    }

    /// Leaves a waker for the next event; `None` asks for a new ticket. Gives back the ticket and
    /// the waker that was there before.
    pub(crate) fn wait_for(
        &mut self,
        key: Key,
        direction: Direction,
        ticket: Option<Ticket>,
        waker: Waker,
    ) -> (Ticket, Option<Waker>) {
        let ticket = ticket.unwrap_or_else(|| {
            let ticket = Ticket(self.next_ticket);
            self.next_ticket = self.next_ticket.checked_add(1).unwrap_or(1);
            ticket
        });
        match self.side(key, direction) {
            Some(side) => (ticket, side.put(ticket, waker)),
            None => (ticket, Some(waker)),
        }
    }

    /// Takes back the waker of one who waits no more.
    pub(crate) fn cancel_wait(
        &mut self,
        key: Key,
        direction: Direction,
        ticket: Ticket,
    ) -> Option<Waker> {
        self.side(key, direction)?.remove(ticket)
    }

    /// Sleeps until there is an event or `timeout` has passed (`None`: for ever), and collects the
    /// wakers of those whose descriptors became ready.
    pub(crate) fn wait(
        &mut self,
        timeout: Option<Duration>,
        woken: &mut Vec<Waker>,
    ) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        self.leave_unattended();
        match self.poll.poll(&mut self.events, timeout) {
            // A signal: the loop goes round once and sleeps again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        for event in &self.events {
            if event.token() == DOORBELL {
                continue;
            }
            let key = Key::from_token(event.token());
            let Some(source) = self.sources.get_mut(key.slot as usize) else {
                continue;
            };
            if source.generation != key.generation {
                continue;
            }
            let failed = event.is_error();
            if event.is_readable() || event.is_priority() || event.is_read_closed() || failed {
                source.read.ready = true;
                source.read.closed |= event.is_read_closed() || failed;
                source.read.urgent |= event.is_priority();
                source.read.take_all(woken);
            }
            if event.is_writable() || event.is_write_closed() || failed {
                source.write.ready = true;
                source.write.closed |= event.is_write_closed() || failed;
                source.write.take_all(woken);
            }
        }
        Ok(())
    }

    /// Takes the wakers of everybody who waits for a descriptor.
    pub(crate) fn take_waiters(&mut self) -> Vec<Waker> {
        let mut woken = Vec::new();
        for (_, source) in &mut self.sources {
            source.read.take_all(&mut woken);
            source.write.take_all(&mut woken);
        }
        woken
    }

    /// Whether anybody waits for a descriptor.
    pub(crate) fn has_waiters(&self) -> bool {
        self.sources.iter().any(|(_, source)| source.read.is_awaited() || source.write.is_awaited())
    }

    /// Calls `see` with everybody who waits for a descriptor.
    pub(crate) fn each_waiter(&self, see: &mut dyn FnMut(RawFd, Direction, &Waker)) {
        for (_, source) in &self.sources {
            source.read.each_waker(&mut |waker| see(source.fd, Direction::Read, waker));
            source.write.each_waker(&mut |waker| see(source.fd, Direction::Write, waker));
        }
    }

    /// Takes what nobody waits for out of the kernel's set: this process would be woken instead of
    /// one that wants to be.
    #[cfg(target_os = "linux")]
    fn leave_unattended(&mut self) {
        use std::os::fd::AsRawFd as _;
        for &slot in &self.exclusive {
            let source = &mut self.sources[slot];
            if source.watch == (Watch::Exclusive { in_set: true }) && !source.read.is_awaited() {
                let _ = exclusive::remove(self.poll.as_raw_fd(), source.fd);
                source.watch = Watch::Exclusive { in_set: false };
            }
        }
    }

    /// How many descriptors are watched.
    pub(crate) fn len(&self) -> usize {
        self.sources.len()
    }

    fn source(&mut self, key: Key) -> Option<&mut Source> {
        let source = self.sources.get_mut(key.slot as usize)?;
        (source.generation == key.generation).then_some(source)
    }

    fn side(&mut self, key: Key, direction: Direction) -> Option<&mut Side> {
        let source = self.source(key)?;
        Some(match direction {
            Direction::Read => &mut source.read,
            Direction::Write => &mut source.write,
        })
    }
}

#[cfg(test)]
mod tests;
