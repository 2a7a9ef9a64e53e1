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

    /// Disarms all timers and gives their wakers.
    pub(crate) fn take_wakers(&mut self) -> Vec<Waker> {
        let all = std::mem::replace(self, Self::new());
        all.timers.into_iter().filter_map(|timer| timer.waker).collect()
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
mod tests;
