//! Deadlines, kept in order.
//!
//! `Timers` answers two questions for the event loop: when is the next deadline, and whose deadline
//! has passed? It knows no sockets, no tasks and no clock, only `Waker`s and nanoseconds since the
//! loop was made.
//!
//! A hierarchical timing wheel (Varghese and Lauck, SOSP 1987): six levels of 256 slots, each slot
//! a list, the lowest slots one tick of 65,536 ns wide. A deadline stands at the level of the
//! highest digit (base 256) in which its tick differs from the current one, so six digits cover
//! all 2^64 ns; it moves down as the time comes nearer. Arming, moving and cancelling are O(1).
//! Moving a deadline to a later time only writes it down: the slot it stands in finds out when it
//! is due and puts it where it belongs.
//!
//! Invariants: a timer stands in exactly one slot, never in a later one than its deadline's;
//! cancelling unlinks it at once. A tick is due when it has passed altogether: late by up to a
//! tick, never early.

use std::task::Waker;

/// log2 of the nanoseconds in a tick.
const TICK_BITS: u32 = 16;
/// log2 of the slots in a level.
const LEVEL_BITS: u32 = 8;
const SLOTS: usize = 1 << LEVEL_BITS;
const LEVELS: usize = 6;
/// No timer: the end of a list, or an unused place.
const NONE: u32 = u32::MAX;

/// Names an armed timer. Plain data; a stale key finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerKey {
    place: u32,
    generation: u32,
}

/// A timer, or an unused place for one.
#[derive(Debug)]
struct Timer {
    /// In nanoseconds; may be later than the slot the timer stands in.
    deadline: u64,
    /// `None` in an unused place.
    waker: Option<Waker>,
    /// The neighbours in the slot's list; `next` also links the unused places.
    prev: u32,
    next: u32,
    /// Which list the timer stands in: level * SLOTS + slot.
    list: u16,
    generation: u32,
}

/// First and last timer of a slot.
#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

/// The timers of one event loop.
#[derive(Debug)]
pub(crate) struct Timers {
    timers: Vec<Timer>,
    unused: u32,
    armed: usize,
    lists: Box<[List; LEVELS * SLOTS]>,
    /// Per level one bit per slot: whether its list has timers.
    occupied: [[u64; SLOTS / 64]; LEVELS],
    /// Ticks before this one are over.
    now: u64,
    /// Scratch: the timers of the tick that is due, with their deadlines.
    due: Vec<(u64, Waker)>,
}

/// The first tick that begins at or after a time; the last tick of all for the last times of all,
/// after 584 years.
fn tick_of(deadline: u64) -> u64 {
    deadline.div_ceil(1 << TICK_BITS).min(u64::MAX >> TICK_BITS)
}

impl Timers {
    pub(crate) fn new() -> Self {
        Self {
            timers: Vec::new(),
            unused: NONE,
            armed: 0,
            lists: Box::new([List { first: NONE, last: NONE }; LEVELS * SLOTS]),
            occupied: [[0; SLOTS / 64]; LEVELS],
            now: 0,
            due: Vec::new(),
        }
    }

    /// Arms a timer that will wake `waker` when `deadline` (in nanoseconds) has passed.
    pub(crate) fn arm(&mut self, deadline: u64, waker: Waker) -> TimerKey {
        let place = if self.unused == NONE {
            let place = u32::try_from(self.timers.len()).expect("2^32 timers fit in no memory");
            self.timers.push(Timer {
                deadline: 0,
                waker: None,
                prev: NONE,
                next: NONE,
                list: 0,
                generation: 0,
            });
            place
        } else {
            let place = self.unused;
            self.unused = self.timers[place as usize].next;
            place
        };
        let timer = &mut self.timers[place as usize];
        timer.deadline = deadline;
        timer.waker = Some(waker);
        let generation = timer.generation;
        self.link(place);
        self.armed += 1;
        TimerKey { place, generation }
    }

    /// Whether the timer is armed: neither fired nor cancelled.
    pub(crate) fn is_armed(&self, key: TimerKey) -> bool {
        self.get(key).is_some()
    }

    /// Gives an armed timer another waker; `Err` gives it back when the timer has fired, `Ok` gives
    /// back the one before.
    pub(crate) fn set_waker(&mut self, key: TimerKey, waker: Waker) -> Result<Waker, Waker> {
        match self.timers.get_mut(key.place as usize) {
            Some(timer) if timer.generation == key.generation => match &mut timer.waker {
                Some(old) => Ok(std::mem::replace(old, waker)),
                None => Err(waker),
            },
            _ => Err(waker),
        }
    }

    /// Whether the timer is armed and would wake the same task as `waker`.
    pub(crate) fn would_wake(&self, key: TimerKey, waker: &Waker) -> bool {
        self.get(key).is_some_and(|timer| timer.waker.as_ref().is_some_and(|w| w.will_wake(waker)))
    }

    /// Moves an armed timer to another time; `false` if it has fired.
    pub(crate) fn move_to(&mut self, key: TimerKey, deadline: u64) -> bool {
        let Some(timer) = self.get(key) else {
            return false;
        };
        let earlier = deadline < timer.deadline;
        if earlier {
            self.unlink(key.place);
        }
        self.timers[key.place as usize].deadline = deadline;
        if earlier {
            self.link(key.place);
        }
        true
    }

    /// Disarms a timer and gives its waker back; `None` if it has fired.
    pub(crate) fn cancel(&mut self, key: TimerKey) -> Option<Waker> {
        self.get(key)?;
        self.unlink(key.place);
        Some(self.release(key.place))
    }

    /// Calls `see` with each armed timer: its deadline in nanoseconds, and whom it wakes.
    pub(crate) fn each(&self, see: &mut dyn FnMut(u64, &Waker)) {
        for timer in &self.timers {
            if let Some(waker) = &timer.waker {
                see(timer.deadline, waker);
            }
        }
    }

    /// How many timers are armed.
    pub(crate) fn len(&self) -> usize {
        self.armed
    }

    /// When `advance` has something to do next, in nanoseconds; possibly before the next deadline,
    /// never after it.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.next_slot().map(|(_, _, tick)| tick << TICK_BITS)
    }

    /// Collects the wakers of all timers whose deadline is not after `now` (in nanoseconds), in
    /// the order of their deadlines, those with the same one in the order in which they were armed.
    pub(crate) fn advance(&mut self, now: u64, woken: &mut Vec<Waker>) {
        let target = now >> TICK_BITS;
        while let Some((level, slot, tick)) = self.next_slot() {
            if tick > target {
                break;
            }
            self.now = tick;
            self.open(level, slot);
            if !self.due.is_empty() {
                if self.due.len() > 1 {
                    self.due.sort_by_key(|(deadline, _)| *deadline);
                }
                woken.extend(self.due.drain(..).map(|(_, waker)| waker));
            }
        }
        self.now = self.now.max(target);
    }

    /// Empties a slot whose first tick has come: what is due fires, the rest moves down.
    fn open(&mut self, level: usize, slot: usize) {
        let list = &mut self.lists[level * SLOTS + slot];
        let mut place = list.first;
        *list = List { first: NONE, last: NONE };
        self.occupied[level][slot / 64] &= !(1 << (slot % 64));
        while place != NONE {
            let timer = &self.timers[place as usize];
            let (next, deadline) = (timer.next, timer.deadline);
            if tick_of(deadline) <= self.now {
                let waker = self.release(place);
                self.due.push((deadline, waker));
            } else {
                self.link(place);
            }
            place = next;
        }
    }

    /// The earliest slot with timers: level, slot and the tick it begins with.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        if self.armed == 0 {
            return None;
        }
        // A lower level's slots all come before those of a higher one, which differ from the
        // current tick in a higher digit.
        for level in 0..LEVELS {
            if let Some(slot) = first_bit(&self.occupied[level]) {
                let shift = level as u32 * LEVEL_BITS;
                let above = shift + LEVEL_BITS;
                let prefix = (self.now >> above) << above;
                return Some((level, slot, prefix | (slot as u64) << shift));
            }
        }
        None
    }

    /// Puts a timer at the end of the list where its deadline belongs.
    fn link(&mut self, place: u32) {
        // A deadline that has passed stands in the current tick and fires at the next `advance`.
        let tick = tick_of(self.timers[place as usize].deadline).max(self.now);
        let level = (u64::BITS - 1 - ((tick ^ self.now) | 1).leading_zeros()) / LEVEL_BITS;
        let slot = (tick >> (level * LEVEL_BITS)) as usize % SLOTS;
        let level = level as usize;
        let index = level * SLOTS + slot;
        let list = &mut self.lists[index];
        let last = std::mem::replace(&mut list.last, place);
        if last == NONE {
            list.first = place;
            self.occupied[level][slot / 64] |= 1 << (slot % 64);
        } else {
            self.timers[last as usize].next = place;
        }
        let timer = &mut self.timers[place as usize];
        timer.prev = last;
        timer.next = NONE;
        timer.list = index as u16;
    }

    /// Takes a timer out of its list.
    fn unlink(&mut self, place: u32) {
        let timer = &self.timers[place as usize];
        let (prev, next, index) = (timer.prev, timer.next, timer.list as usize);
        match prev {
            NONE => self.lists[index].first = next,
            prev => self.timers[prev as usize].next = next,
        }
        match next {
            NONE => self.lists[index].last = prev,
            next => self.timers[next as usize].prev = prev,
        }
        if self.lists[index].first == NONE {
            let (level, slot) = (index / SLOTS, index % SLOTS);
            self.occupied[level][slot / 64] &= !(1 << (slot % 64));
        }
    }

    /// Makes the place of a timer, which stands in no list, free for another one.
    fn release(&mut self, place: u32) -> Waker {
        self.armed -= 1;
        let timer = &mut self.timers[place as usize];
        timer.generation = timer.generation.wrapping_add(1);
        timer.next = std::mem::replace(&mut self.unused, place);
        timer.waker.take().expect("an armed timer has a waker")
    }

    fn get(&self, key: TimerKey) -> Option<&Timer> {
        let timer = self.timers.get(key.place as usize)?;
        (timer.generation == key.generation && timer.waker.is_some()).then_some(timer)
    }
}

/// The lowest bit that is set.
fn first_bit(words: &[u64; SLOTS / 64]) -> Option<usize> {
    let word = words.iter().position(|word| *word != 0)?;
    Some(word * 64 + words[word].trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
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
}
