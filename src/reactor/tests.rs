//! The reactor with pairs of sockets, without tasks.

use std::{
    io::{Read as _, Write as _},
    os::{fd::AsFd as _, unix::net::UnixStream},
};

use super::*;

fn pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (ours, theirs)
}

fn wait(reactor: &mut Reactor) -> usize {
    let mut woken = Vec::new();
    reactor.wait(Some(Duration::ZERO), &mut woken).unwrap();
    woken.len()
}

fn wait_for(reactor: &mut Reactor, key: Key, direction: Direction) -> Ticket {
    let (ticket, old) = reactor.wait_for(key, direction, None, Waker::noop().clone());
    assert!(old.is_none());
    ticket
}

#[test]
fn a_token_says_slot_and_generation_and_is_never_the_doorbells() {
    for generation in [0, 1, GENERATION_MASK] {
        for slot in [0, 1, u32::MAX - 1] {
            let key = Key { slot, generation };
            assert_eq!(Key::from_token(key.token()), key);
            assert_ne!(key.token(), DOORBELL);
        }
    }
}

#[test]
fn the_keys_of_a_slot_that_is_used_again_are_different() {
    let mut reactor = Reactor::new().unwrap();
    let (first, _peer) = pair();
    let old = reactor.register(first.as_fd()).unwrap();
    reactor.deregister(old);
    let new = reactor.register(first.as_fd()).unwrap();
    assert_eq!(old.slot, new.slot);
    assert_ne!(old, new);

    let ticket = wait_for(&mut reactor, new, Direction::Read);
    assert!(reactor.cancel_wait(old, Direction::Read, ticket).is_none());
    reactor.would_block(old, Direction::Read);
    assert!(reactor.forget(old).is_empty());
    assert!(reactor.deregister(old).is_empty());
    assert_eq!((reactor.len(), reactor.forget(new).len()), (1, 1));
    assert_eq!(reactor.len(), 0);
}

#[test]
fn the_waiters_of_a_direction_are_woken_once_and_together() {
    let mut reactor = Reactor::new().unwrap();
    let (ours, mut theirs) = pair();
    let key = reactor.register(ours.as_fd()).unwrap();
    wait(&mut reactor);
    for _ in 0..5 {
        wait_for(&mut reactor, key, Direction::Read);
    }
    wait_for(&mut reactor, key, Direction::Write);
    assert_eq!(wait(&mut reactor), 0);

    theirs.write_all(b"x").unwrap();

    // There is room to write as well, and the event says both.
    assert_eq!(wait(&mut reactor), 6);
    assert_eq!(wait(&mut reactor), 0);
    assert!(reactor.is_ready(key, Direction::Read));
}

#[test]
fn a_descriptor_watched_for_reading_hears_of_no_room_until_somebody_waits_for_it() {
    let mut reactor = Reactor::new().unwrap();
    let (mut ours, mut theirs) = pair();
    let key = reactor.register_for(ours.as_fd(), Direction::Read).unwrap();
    assert!(reactor.is_ready(key, Direction::Write), "it is worth trying");
    let reader = wait_for(&mut reactor, key, Direction::Read);
    ours.write_all(b"x").unwrap();
    theirs.read_exact(&mut [0]).unwrap();
    reactor.wait(Some(Duration::ZERO), &mut Vec::new()).unwrap();
    assert!(reactor.events.is_empty());

    while ours.write(&[0; 1024]).is_ok() {}
    reactor.would_block(key, Direction::Write);
    reactor.watch_writing(key);
    wait_for(&mut reactor, key, Direction::Write);
    assert_eq!(wait(&mut reactor), 0);
    theirs.set_nonblocking(true).unwrap();
    while theirs.read(&mut [0; 1024]).is_ok() {}
    assert_eq!(wait(&mut reactor), 1);
    assert!(reactor.is_ready(key, Direction::Write));
    assert!(reactor.cancel_wait(key, Direction::Read, reader).is_some());
}

#[test]
fn room_and_data_that_were_there_before_the_wait_for_room_are_announced() {
    let mut reactor = Reactor::new().unwrap();
    let (ours, mut theirs) = pair();
    let key = reactor.register_for(ours.as_fd(), Direction::Read).unwrap();
    wait_for(&mut reactor, key, Direction::Read);
    theirs.write_all(b"x").unwrap();
    reactor.watch_writing(key);
    assert!(!reactor.is_ready(key, Direction::Write));
    wait_for(&mut reactor, key, Direction::Write);
    assert_eq!(wait(&mut reactor), 2);
    // The second time nothing is done.
    reactor.watch_writing(key);
    assert!(reactor.is_ready(key, Direction::Write));
}

#[test]
fn to_watch_writing_leaves_the_next_owner_of_the_number_alone() {
    let mut reactor = Reactor::new().unwrap();
    let (ours, _theirs) = pair();
    let key = reactor.register_for(ours.as_fd(), Direction::Read).unwrap();
    let (next, _peer) = pair();
    drop(ours);
    let next = next.as_fd().try_clone_to_owned().unwrap();
    let next_key = reactor.register_for(next.as_fd(), Direction::Read).unwrap();
    // The number is the lowest that is free; if a neighbour of this test took it, nothing is shown.
    reactor.watch_writing(key);
    wait_for(&mut reactor, next_key, Direction::Read);
    assert_eq!(wait(&mut reactor), 0);
}

#[test]
fn a_ticket_keeps_its_place_and_takes_back_its_own_waker_only() {
    let mut reactor = Reactor::new().unwrap();
    let (ours, _theirs) = pair();
    let key = reactor.register(ours.as_fd()).unwrap();
    let tickets: Vec<_> = (0..4).map(|_| wait_for(&mut reactor, key, Direction::Read)).collect();
    let again = Some(tickets[2]);
    let (same, old) = reactor.wait_for(key, Direction::Read, again, Waker::noop().clone());
    assert!(same == tickets[2] && old.is_some());

    for ticket in &tickets {
        assert!(reactor.cancel_wait(key, Direction::Write, *ticket).is_none());
        assert!(reactor.cancel_wait(key, Direction::Read, *ticket).is_some());
        assert!(reactor.cancel_wait(key, Direction::Read, *ticket).is_none());
    }
    assert!(reactor.forget(key).is_empty());
}

#[test]
fn what_was_found_out_lasts_until_the_next_event() {
    let mut reactor = Reactor::new().unwrap();
    let (mut ours, mut theirs) = pair();
    let key = reactor.register(ours.as_fd()).unwrap();
    wait(&mut reactor);
    assert!(!reactor.is_ready(key, Direction::Read));
    assert!(reactor.is_ready(key, Direction::Write));

    theirs.write_all(b"x").unwrap();
    wait(&mut reactor);
    assert!(reactor.is_ready(key, Direction::Read));
    assert_eq!(ours.read(&mut [0; 8]).unwrap(), 1);
    reactor.came_short(key, Direction::Read);
    assert!(!reactor.is_ready(key, Direction::Read));
    assert!(reactor.is_ready(key, Direction::Write));

    reactor.would_block(key, Direction::Write);
    assert!(!reactor.is_ready(key, Direction::Write));
}

#[test]
fn an_end_that_was_announced_outlasts_a_short_read() {
    let mut reactor = Reactor::new().unwrap();
    let (ours, mut theirs) = pair();
    let key = reactor.register(ours.as_fd()).unwrap();
    theirs.write_all(b"x").unwrap();
    drop(theirs);
    wait(&mut reactor);

    reactor.came_short(key, Direction::Read);
    assert!(reactor.is_ready(key, Direction::Read));

    reactor.would_block(key, Direction::Read);
    assert!(!reactor.is_ready(key, Direction::Read));
}

#[test]
fn a_descriptor_is_watched_for_one_owner_at_a_time() {
    let mut reactor = Reactor::new().unwrap();
    let (ours, mut theirs) = pair();
    let first = reactor.register(ours.as_fd()).unwrap();
    let error = reactor.register(ours.as_fd()).unwrap_err();
    assert_eq!((error.kind(), reactor.len()), (io::ErrorKind::AlreadyExists, 1));
    wait(&mut reactor);
    wait_for(&mut reactor, first, Direction::Read);
    theirs.write_all(b"x").unwrap();
    assert_eq!(wait(&mut reactor), 1);
    reactor.deregister(first);
    reactor.register(ours.as_fd()).unwrap();
}

#[test]
fn who_lost_the_number_does_not_end_the_watch_of_who_has_it() {
    use std::os::fd::{AsRawFd as _, OwnedFd};
    let mut reactor = Reactor::new().unwrap();
    let (old, _old_peer) = pair();
    let (new, mut new_peer) = pair();
    let number = old.as_raw_fd();
    let loser = reactor.register(old.as_fd()).unwrap();
    drop(old);
    // The lowest free number is given again.
    let new: OwnedFd = new.as_fd().try_clone_to_owned().unwrap();
    if new.as_raw_fd() != number {
        return eprintln!("another thread was faster");
    }
    let winner = reactor.register(new.as_fd()).unwrap();
    wait(&mut reactor);
    wait_for(&mut reactor, winner, Direction::Read);

    reactor.deregister(loser);

    new_peer.write_all(b"x").unwrap();
    assert_eq!(wait(&mut reactor), 1);
}

#[test]
fn the_doorbell_ends_a_sleep_and_wakes_nobody() {
    let mut reactor = Reactor::new().unwrap();
    let doorbell = reactor.doorbell().unwrap();
    let (ours, _theirs) = pair();
    let key = reactor.register(ours.as_fd()).unwrap();
    wait(&mut reactor);
    wait_for(&mut reactor, key, Direction::Read);
    doorbell.wake().unwrap();
    doorbell.wake().unwrap();

    let mut woken = Vec::new();
    reactor.wait(None, &mut woken).unwrap();

    assert!(woken.is_empty());
    assert_eq!(wait(&mut reactor), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_watched_exclusively_is_told_again_until_nobody_waits() {
    let mut reactor = Reactor::new().unwrap();
    let (ours, mut theirs) = pair();
    let key = reactor.register_exclusive(ours.as_fd()).unwrap();
    theirs.write_all(b"x").unwrap();
    assert_eq!((wait(&mut reactor), reactor.events.is_empty()), (0, true), "not in the set");

    for _ in 0..2 {
        reactor.watch_again(key).unwrap();
        wait_for(&mut reactor, key, Direction::Read);
        assert_eq!(wait(&mut reactor), 1);
        assert!(reactor.is_ready(key, Direction::Read));
    }
    // Nobody waits: out of the set.
    wait(&mut reactor);
    assert!(reactor.events.is_empty());

    reactor.watch_again(key).unwrap();
    assert!(reactor.deregister(key).is_empty());
    wait(&mut reactor);
    assert!(reactor.events.is_empty());
}

#[test]
fn what_cannot_be_watched_takes_no_slot() {
    let mut reactor = Reactor::new().unwrap();
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    assert!(reactor.register(file.as_fd()).is_err());
    assert_eq!(reactor.len(), 0);
}
