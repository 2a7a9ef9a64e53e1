#![allow(unsafe_code, reason = "promises the stack switch that a stack has a guard")]
//! Stacks for green threads and coroutines, kept for the next one when one ends.
//!
//! One pool per thread, with a class per size. A green thread reserves a stack when it is spawned, so
//! that the lack of memory is an error there, and takes it when it first runs: those that end
//! without having waited all run on the same one, which is in the cache.
//!
//! Invariant: `warm` and `cold` never have fewer stacks than are `reserved`. A stack comes back only when nothing
//! on it is alive; one that does not come back is never used again, nor unmapped.

use std::{cell::RefCell, io, num::NonZeroUsize, rc::Rc};

use corosensei::stack::StackPointer;

use super::overflow;
use super::stack_memory::{CHUNK, Chunk, GUARD, forget_contents, page_size};

/// What a green thread's stack holds unless told otherwise, in bytes. Printing, formatting and a
/// round trip over TCP take below 8 KiB, a panic with a backtrace 27 KiB, an HTTP client in a
/// debug build 66 KiB; untouched pages cost nothing.
pub(super) const DEFAULT_SIZE: usize = (256 << 10) - GUARD;

/// By so many bytes, or a multiple, the upper ends of stacks stand at other places of their pages.
/// If all stood at the same one, what every green thread touches would compete for the same few places
/// in the processor's caches. Each is a line of these.
const SHIFT: usize = 64;

/// How many different places there are: so few that a green thread that waits still has room in one
/// page.
const SHIFTS: usize = 16;

/// How many stacks of a class keep the pages that they have touched when they are not in use.
const WARM: usize = 1024;

/// A stack: plain addresses, good as long as the pool keeps its chunk.
#[derive(Debug)]
pub(super) struct Stack {
    base: StackPointer,
    limit: StackPointer,
    class: usize,
}

// SAFETY: the stack has `GUARD` bytes of guard at its low end and at least four pages above. The low
// end is aligned to pages, and the upper one to `SHIFT` bytes.
unsafe impl corosensei::stack::Stack for Stack {
    fn base(&self) -> StackPointer {
        self.base
    }

    fn limit(&self) -> StackPointer {
        self.limit
    }
}

impl Stack {
    /// Its addresses.
    pub(super) fn addresses(&self) -> std::ops::Range<usize> {
        self.limit.get()..self.base.get()
    }
}

/// The stacks of one thread.
#[derive(Debug, Default)]
pub(super) struct Pool {
    classes: RefCell<Vec<Class>>,
}

#[derive(Debug)]
struct Class {
    /// In bytes: what a stack holds, rounded to pages.
    holds: usize,
    /// Last in, first out, and before the cold ones: their pages are there, and in the cache.
    warm: Vec<Stack>,
    /// Those without pages of their own.
    cold: Vec<Stack>,
    reserved: usize,
    taken: usize,
    chunks: Vec<Chunk>,
}

/// The right to a stack.
#[derive(Debug)]
pub(super) struct Reservation {
    /// `None` when the stack was taken.
    pool: Option<Rc<Pool>>,
    class: usize,
}

/// This thread's pool.
pub(super) fn pool() -> Rc<Pool> {
    thread_local! {
        static POOL: Rc<Pool> = {
            overflow::prepare_thread();
            Rc::default()
        };
    }
    // While the thread ends, one of its own for whoever still asks.
    POOL.try_with(Rc::clone).unwrap_or_default()
}

impl Pool {
    /// Reserves a stack that holds at least so many bytes.
    pub(super) fn reserve(self: &Rc<Self>, size: usize) -> io::Result<Reservation> {
        let mut classes = self.classes.borrow_mut();
        let index = match classes.iter().position(|class| class.holds == size) {
            Some(index) => index,
            None => class_for(&mut classes, size)?,
        };
        let class = &mut classes[index];
        if class.warm.len() + class.cold.len() == class.reserved {
            class.grow(index)?;
        }
        class.reserved += 1;
        Ok(Reservation { pool: Some(Rc::clone(self)), class: index })
    }

    /// Takes a stack back.
    ///
    /// # Safety
    ///
    /// Nothing on the stack is alive or will be used.
    pub(super) unsafe fn put(&self, stack: Stack) {
        let class = &mut self.classes.borrow_mut()[stack.class];
        class.taken -= 1;
        if class.warm.len() < WARM {
            class.warm.push(stack);
        } else {
            forget_contents(stack.limit.get(), stack.base.get());
            class.cold.push(stack);
        }
    }
}

/// The class whose stacks hold at least so many bytes.
#[cold]
fn class_for(classes: &mut Vec<Class>, size: usize) -> io::Result<usize> {
    let page = page_size();
    let holds = size
        .max(4 * page)
        .checked_next_multiple_of(page)
        .filter(|size| *size < isize::MAX as usize - CHUNK)
        .ok_or(io::ErrorKind::OutOfMemory)?;
    if let Some(index) = classes.iter().position(|class| class.holds == holds) {
        return Ok(index);
    }
    classes.push(Class {
        holds,
        warm: Vec::new(),
        cold: Vec::new(),
        reserved: 0,
        taken: 0,
        chunks: Vec::new(),
    });
    Ok(classes.len() - 1)
}

impl Class {
    #[cold]
    fn grow(&mut self, index: usize) -> io::Result<()> {
        let stack_size = memory_for(self.holds);
        let chunk = Chunk::map(stack_size)?;
        let stacks = chunk.limits().enumerate().map(|(number, limit)| {
            // Neighbours, which are likely to take turns, are not next to each other in the cache.
            let shift = (number * 5 % SHIFTS) * SHIFT;
            Stack { base: pointer(limit + stack_size - shift), limit: pointer(limit), class: index }
        });
        let stacks: Vec<_> = stacks.collect();
        // The lowest one comes first: pushed last.
        self.cold.extend(stacks.into_iter().rev());
        self.chunks.push(chunk);
        Ok(())
    }
}

/// How much memory a stack takes that holds so many bytes: a page for the shift, and the guard.
fn memory_for(holds: usize) -> usize {
    holds + page_size() + GUARD
}

/// How many bytes a stack holds that takes so much memory.
pub(super) fn held_by(memory: usize) -> usize {
    memory - page_size() - GUARD
}

const _: () = assert!(SHIFT * SHIFTS < 4096 && SHIFT % corosensei::stack::STACK_ALIGNMENT == 0);

fn pointer(address: usize) -> StackPointer {
    NonZeroUsize::new(address).expect("nothing is mapped at null")
}

impl Drop for Pool {
    fn drop(&mut self) {
        for class in self.classes.get_mut() {
            if class.taken > 0 {
                // Something lives on one of them for ever.
                std::mem::take(&mut class.chunks).into_iter().for_each(std::mem::forget);
            }
        }
    }
}

impl Reservation {
    /// Takes the stack.
    pub(super) fn take(mut self) -> (Stack, Rc<Pool>) {
        let pool = self.pool.take().expect("taken here only");
        let mut classes = pool.classes.borrow_mut();
        let class = &mut classes[self.class];
        let stack = class.warm.pop().or_else(|| class.cold.pop()).expect("a stack was reserved");
        class.taken += 1;
        class.reserved -= 1;
        drop(classes);
        (stack, pool)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            pool.classes.borrow_mut()[self.class].reserved -= 1;
        }
    }
}
