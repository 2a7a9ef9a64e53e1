//! The wheel beside a sorted map, and at the edges of its levels and of time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    task::Wake,
};

use super::*;

const TICK: u64 = 1 << TICK_BITS;

/// A wheel beside a sorted map that says what it should do.
struct Pair {
    timers: Timers,
    /// By deadline, and among equals in the order of arming.
    model: BTreeMap<(u64, u64), TimerKey>,
    armed: u64,
    now: u64,
    fired: Arc<Mutex<Vec<u64>>>,
}

/// A waker that writes down its number.
struct Number(u64, Arc<Mutex<Vec<u64>>>);

impl Wake for Number {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).push(self.0);
    }
}

/// When a deadline is due at the latest; the last tick of all is never over.
fn due_at(deadline: u64) -> u64 {
    tick_of(deadline) << TICK_BITS
}

impl Pair {
    fn new() -> Self {
        Self {
            timers: Timers::new(),
            model: BTreeMap::new(),
            armed: 0,
            now: 0,
            fired: Arc::default(),
        }
    }

    fn arm(&mut self, deadline: u64) {
        let number = self.armed;
        self.armed += 1;
        let waker = Waker::from(Arc::new(Number(number, Arc::clone(&self.fired))));
        let key = self.timers.arm(deadline, waker);
        assert!(self.timers.is_armed(key));
        assert!(self.model.insert((deadline, number), key).is_none());
    }

    fn pick(&self, random: &mut Random) -> Option<((u64, u64), TimerKey)> {
        let index = random.below(self.model.len().max(1) as u64) as usize;
        self.model.iter().nth(index).map(|(place, key)| (*place, *key))
    }

    fn move_to(&mut self, place: (u64, u64), deadline: u64) {
        let key = self.model.remove(&place).unwrap();
        assert!(self.timers.move_to(key, deadline));
        self.model.insert((deadline, place.1), key);
    }

    fn cancel(&mut self, place: (u64, u64)) {
        let key = self.model.remove(&place).unwrap();
        assert!(self.timers.cancel(key).is_some());
        assert!(!self.timers.is_armed(key));
        assert!(self.timers.cancel(key).is_none());
        assert!(!self.timers.move_to(key, 0));
    }

    /// Advances, and checks who fired, and in which order.
    fn advance(&mut self, now: u64) {
        self.now = now;
        let mut woken = Vec::new();
        self.timers.advance(now, &mut woken);
        woken.into_iter().for_each(Waker::wake);
        let fired = std::mem::take(&mut *self.fired.lock().unwrap());
        let due: Vec<_> = self
            .model
            .iter()
            .take_while(|((deadline, _), _)| due_at(*deadline) <= now)
            .map(|(place, key)| (*place, *key))
            .collect();
        let deadlines: BTreeMap<_, _> =
            due.iter().map(|((deadline, number), _)| (*number, *deadline)).collect();
        let fired_deadlines: Vec<_> = fired.iter().map(|number| deadlines[number]).collect();
        assert!(fired_deadlines.is_sorted(), "out of order");
        assert!(fired_deadlines.iter().all(|deadline| due_at(*deadline) <= now), "early");
        assert_eq!(fired.len(), due.len(), "too late, or twice");
        for (place, key) in due {
            assert!(!self.timers.is_armed(key));
            self.model.remove(&place);
        }
    }

    fn check(&self) {
        assert_eq!(self.timers.len(), self.model.len());
        assert!(self.model.values().all(|key| self.timers.is_armed(*key)));
        let next = self.timers.next_deadline();
        assert_eq!(next.is_none(), self.model.is_empty());
        if let (Some(next), Some(((first, _), _))) = (next, self.model.first_key_value()) {
            // Perhaps before the first deadline is due, so that a slot can be opened; never
            // after, except that what is past is due in the current tick.
            let current = self.now >> TICK_BITS << TICK_BITS;
            assert!(next <= due_at(*first).max(current), "it would be overslept");
        }
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A time of any magnitude.
    fn span(&mut self) -> u64 {
        let bits = self.below(u64::from(u64::BITS));
        self.next() >> bits
    }
}

#[test]
fn a_wheel_does_what_a_sorted_map_does() {
    for seed in 1..=60 {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ seed);
        let mut pair = Pair::new();
        // log2 of the longest step in nanoseconds: from a few ticks to some hours.
        let stride = 18 + seed % 28;
        for _ in 0..1500 {
            match random.below(10) {
                0..=3 => {
                    let deadline = pair.now.saturating_add(random.span());
                    pair.arm(deadline);
                }
                4 => pair.arm(random.below(pair.now + 1)),
                5 | 6 => {
                    if let Some((place, _)) = pair.pick(&mut random) {
                        let deadline = match random.below(3) {
                            0 => place.0.saturating_add(random.span()),
                            1 => pair.now.saturating_add(random.span()),
                            _ => random.below(pair.now + 1),
                        };
                        pair.move_to(place, deadline);
                    }
                }
                7 => {
                    if let Some((place, _)) = pair.pick(&mut random) {
                        pair.cancel(place);
                    }
                }
                8 => {
                    let step = random.span() >> (u64::from(u64::BITS) - stride);
                    pair.advance(pair.now.saturating_add(step));
                }
                _ => {
                    if let Some(next) = pair.timers.next_deadline() {
                        pair.advance(pair.now.max(next));
                    }
                }
            }
            pair.check();
        }
        pair.advance(u64::MAX);
        pair.check();
        assert!(pair.model.is_empty());
    }
}

#[test]
fn equal_deadlines_fire_in_the_order_of_arming_whatever_level_they_came_through() {
    for deadline in [TICK * 3, TICK * 300, TICK * 70_000, TICK * (1 << 33) + 1] {
        let mut pair = Pair::new();
        let mut now = 0;
        // Armed from nearer and nearer, so on lower and lower levels.
        for number in 0..64 {
            pair.arm(deadline);
            pair.check();
            if number % 2 == 0 {
                now += (deadline - now) / 3;
                pair.advance(now);
            }
        }
        let mut woken = Vec::new();
        pair.timers.advance(due_at(deadline), &mut woken);
        woken.into_iter().for_each(Waker::wake);
        assert!(pair.fired.lock().unwrap().iter().copied().eq(0..64));
    }
}

#[test]
fn nothing_fires_a_nanosecond_early_and_everything_within_a_tick() {
    for level in 0..LEVELS as u32 {
        let slot = TICK << (level * LEVEL_BITS);
        let round = slot.saturating_mul(SLOTS as u64 - 1);
        for edge in [slot, 2 * slot, round, round.saturating_add(slot - TICK)] {
            for offset in [0, TICK - 1, TICK, TICK + 1, 2 * TICK] {
                // The first time is never early, and the last tick is never over.
                let deadline = edge.saturating_sub(TICK).saturating_add(offset);
                if deadline == 0 || deadline > u64::MAX - 2 * TICK {
                    continue;
                }
                let mut pair = Pair::new();
                pair.arm(deadline);
                pair.advance(deadline - 1);
                assert_eq!(pair.timers.len(), 1, "{deadline} is early");
                pair.advance(deadline.saturating_add(TICK - 1));
                assert_eq!(pair.timers.len(), 0, "{deadline} is late");
            }
        }
    }
}

#[test]
fn a_loop_that_sleeps_until_the_next_deadline_comes_to_every_timer_in_few_steps() {
    let mut random = Random(7);
    for _ in 0..300 {
        let mut pair = Pair::new();
        let deadline = random.span();
        pair.arm(deadline);
        let mut steps = 0;
        while let Some(next) = pair.timers.next_deadline() {
            pair.advance(pair.now.max(next));
            steps += 1;
        }
        assert!(steps <= LEVELS, "{steps} steps to {deadline}");
    }
}

#[test]
fn the_ends_of_time_fit_in() {
    let mut pair = Pair::new();
    for deadline in [0, 1, TICK - 1, u64::MAX - TICK, u64::MAX - 1, u64::MAX] {
        pair.arm(deadline);
    }
    pair.check();
    pair.advance(0);
    assert_eq!(pair.timers.len(), 5);
    pair.advance(TICK);
    assert_eq!(pair.timers.len(), 3);
    pair.advance(1 << 63);
    assert_eq!(pair.timers.len(), 3);
    pair.advance(u64::MAX);
    assert_eq!((pair.timers.len(), pair.timers.next_deadline()), (0, None));
    // Time stands still, and what is armed is due.
    pair.arm(u64::MAX);
    pair.arm(5);
    pair.advance(u64::MAX);
    assert_eq!(pair.timers.len(), 0);
}

#[test]
fn time_that_goes_back_is_ignored() {
    let mut pair = Pair::new();
    pair.advance(TICK * 1000);
    pair.timers.advance(TICK, &mut Vec::new());
    pair.arm(TICK * 1001);
    let mut woken = Vec::new();
    pair.timers.advance(TICK * 1000, &mut woken);
    assert!(woken.is_empty());
    pair.timers.advance(TICK * 1001, &mut woken);
    assert_eq!(woken.len(), 1);
}

#[test]
fn a_key_finds_nothing_once_its_timer_is_gone_although_the_place_is_used_again() {
    let mut timers = Timers::new();
    let mut woken = Vec::new();
    let fired = timers.arm(TICK, Waker::noop().clone());
    timers.advance(TICK, &mut woken);
    let cancelled = timers.arm(5 * TICK, Waker::noop().clone());
    assert!(timers.cancel(cancelled).is_some());
    let current = timers.arm(5 * TICK, Waker::noop().clone());
    assert_eq!((fired.place, cancelled.place), (current.place, current.place));

    for stale in [fired, cancelled] {
        assert!(!timers.is_armed(stale));
        assert!(!timers.would_wake(stale, Waker::noop()));
        assert!(!timers.move_to(stale, 0));
        assert!(timers.set_waker(stale, Waker::noop().clone()).is_err());
        assert!(timers.cancel(stale).is_none());
    }
    assert!(timers.is_armed(current));
    timers.advance(4 * TICK, &mut woken);
    assert_eq!((timers.len(), woken.len()), (1, 1));
}

#[test]
fn a_waker_is_replaced_and_the_old_one_comes_back() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let waker = |number| Waker::from(Arc::new(Number(number, Arc::clone(&log))));
    let (first, second) = (waker(1), waker(2));
    let mut timers = Timers::new();
    let key = timers.arm(TICK, first.clone());
    assert!(timers.would_wake(key, &first));

    let old = timers.set_waker(key, second.clone()).unwrap();

    assert!(old.will_wake(&first));
    assert!(timers.would_wake(key, &second) && !timers.would_wake(key, &first));
    let mut woken = Vec::new();
    timers.advance(TICK, &mut woken);
    woken.into_iter().for_each(Waker::wake);
    assert_eq!(*log.lock().unwrap(), [2]);
}

#[test]
fn places_are_used_again() {
    let mut timers = Timers::new();
    for round in 0..100 {
        let keys: Vec<_> = (0..50)
            .map(|number| timers.arm((round + number) * TICK, Waker::noop().clone()))
            .collect();
        for key in keys {
            timers.cancel(key);
        }
    }
    assert_eq!((timers.len(), timers.timers.len()), (0, 50));
}
