//! Who accepts the next connection, when several workers share a socket.
//!
//! The kernel wakes the one that has waited longest or shortest, not the one with the least to do, so
//! long-lived connections all end up in one or two processes. Here each worker publishes how many it
//! has, and stands aside while that is more than the least of them plus a little.
//!
//! One that cannot accept must not count, or all the others would wait for it: a worker that is not
//! ready, that drains, or whose loop is busy with something for longer than a moment. Whatever else
//! keeps the least busy worker from accepting (it is stopped, or its program does not want more) shows
//! in a connection that stays in the queue: then those who stand aside take it.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use super::{
    scoreboard::{Scoreboard, State},
    sys::clock,
};

/// A worker whose loop has not been back at the kernel for so long does not count.
const BUSY: Duration = Duration::from_millis(20);

/// How many connections more than the least of the others a worker may have and still accept. With 0
/// the workers would have to take turns strictly.
const SLACK: u32 = 1;

/// How long a worker that stands aside waits before it looks again while a connection is in the queue.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// After so many looks at a queue that was never found empty, it takes one, however busy it is.
pub(super) const PATIENCE: u8 = 3;

/// One worker's view of the scoreboard.
#[derive(Clone, Copy)]
pub(super) struct Gate {
    pub(super) board: &'static Scoreboard,
    /// The place of this worker.
    pub(super) place: usize,
    /// Whether workers share sockets at all.
    pub(super) shared: bool,
}

impl Gate {
    /// Whether this worker should accept.
    pub(super) fn is_open(&self) -> bool {
        if !self.shared {
            return true;
        }
        let own = self.board.entry(self.place).active.load(Relaxed);
        if own <= SLACK {
            return true;
        }
        own <= self.least_of_others().map_or(u32::MAX, |least| least.saturating_add(SLACK))
    }

    /// The fewest connections that another worker has which could accept.
    fn least_of_others(&self) -> Option<u32> {
        let now = clock::now();
        let others = self.board.workers().filter(|(place, entry)| {
            *place != self.place
                && entry.state() == State::Ready
                && entry.busy_for(now) < BUSY.as_nanos() as u64
        });
        others.map(|(_, entry)| entry.active.load(Relaxed)).min()
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("place", &self.place).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launcher::sys::memory;

    fn board(actives: &[u32]) -> Gate {
        let board: &'static Scoreboard = memory::share_with_children().unwrap();
        for &active in actives {
            let place = board.hand_out(0, 1).unwrap();
            board.entry(place).active.store(active, Relaxed);
            board.entry(place).set_state(State::Ready);
        }
        Gate { board, place: 0, shared: true }
    }

    #[test]
    fn it_is_open_for_who_has_at_most_one_more_than_the_least() {
        assert!(board(&[5]).is_open());
        assert!(board(&[5, 5, 7]).is_open());
        assert!(board(&[5, 4, 7]).is_open());
        assert!(!board(&[5, 3, 7]).is_open());
        assert!(board(&[1, 0]).is_open());
        assert!(!board(&[2, 0]).is_open());
    }

    #[test]
    fn who_cannot_accept_does_not_count() {
        let gate = board(&[5, 0]);
        let other = gate.board.entry(1);
        assert!(!gate.is_open());
        for state in [State::Booting, State::Draining] {
            other.set_state(state);
            assert!(gate.is_open(), "{state:?}");
        }
        other.set_state(State::Ready);
        other.busy_since.store(clock::now(), Relaxed);
        assert!(!gate.is_open(), "busy for a moment only");
        other.busy_since.store(clock::now() - 2 * BUSY.as_nanos() as u64, Relaxed);
        assert!(gate.is_open());
    }

    #[test]
    fn it_is_always_open_where_nothing_is_shared() {
        assert!(Gate { shared: false, ..board(&[5, 0]) }.is_open());
    }
}
