//! What all green threads of the soak share: chance, counters, and what went wrong.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    net::SocketAddr,
    panic,
    process::ExitCode,
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering},
};

use greenloop::task::{AbortHandle, JoinError};

/// The task that runs the loop, and the first green thread.
pub(crate) const OWN_TASKS: usize = 2;

/// What a green thread panics with on purpose.
pub(crate) struct Intended;

/// What `green::scope` panics with when a child has.
const SCOPE: &str = "a scoped green thread panicked";

/// Panics that nobody intended.
static UNINTENDED: AtomicUsize = AtomicUsize::new(0);

/// Keeps the panics that are part of the soak off the terminal.
pub(crate) fn silence_intended_panics() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !info.payload().is::<Intended>() && info.payload().downcast_ref() != Some(&SCOPE) {
            UNINTENDED.fetch_add(1, Ordering::Relaxed);
            report(info);
        }
    }));
}

/// See the module.
pub(crate) struct World {
    random: Cell<u64>,
    alive: Cell<usize>,
    /// Of these, how many have a stack of another size than most, or none.
    sized: Cell<usize>,
    /// The most that had a stack of the usual size.
    most_usual: Cell<usize>,
    spawned: Cell<u64>,
    counts: RefCell<BTreeMap<&'static str, u64>>,
    failures: RefCell<BTreeMap<&'static str, u64>>,
    pub(crate) servers: RefCell<Vec<SocketAddr>>,
    /// Children whose parents may be gone.
    orphans: RefCell<Vec<AbortHandle>>,
}

/// Held by each green thread, so that its end can be seen, however it comes.
pub(crate) struct Alive {
    world: Rc<World>,
    sized: bool,
}

impl World {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            random: Cell::new(0x9e37_79b9_7f4a_7c15),
            alive: Cell::new(0),
            sized: Cell::new(0),
            most_usual: Cell::new(0),
            spawned: Cell::new(0),
            counts: RefCell::default(),
            failures: RefCell::default(),
            servers: RefCell::default(),
            orphans: RefCell::default(),
        })
    }

    /// A number below `end`, by Marsaglia's xorshift.
    pub(crate) fn below(&self, end: u64) -> u64 {
        let mut state = self.random.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.random.set(state);
        state % end
    }

    pub(crate) fn one_in(&self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// Counts one more green thread, which holds the guard.
    pub(crate) fn enter(self: &Rc<Self>) -> Alive {
        self.spawned.set(self.spawned.get() + 1);
        self.alive.set(self.alive.get() + 1);
        self.most_usual.set(self.most_usual.get().max(self.alive.get() - self.sized.get()));
        Alive { world: Rc::clone(self), sized: false }
    }

    /// Counts one more green thread, with a stack of another size than most, or none.
    pub(crate) fn enter_sized(self: &Rc<Self>) -> Alive {
        self.sized.set(self.sized.get() + 1);
        {
            let mut alive = self.enter();
            alive.sized = true;
            alive
        }
    }

    pub(crate) fn alive(&self) -> usize {
        self.alive.get()
    }

    pub(crate) fn most_usual(&self) -> usize {
        self.most_usual.get()
    }

    pub(crate) fn spawned(&self) -> u64 {
        self.spawned.get()
    }

    /// Remembers a green thread that its parent may leave alone.
    pub(crate) fn remember(&self, child: AbortHandle) {
        self.orphans.borrow_mut().push(child);
    }

    pub(crate) fn abort_orphans(&self) {
        let orphans = self.orphans.take();
        orphans.iter().for_each(AbortHandle::abort);
    }

    pub(crate) fn count(&self, what: &'static str) {
        *self.counts.borrow_mut().entry(what).or_default() += 1;
    }

    pub(crate) fn counted(&self, what: &str) -> u64 {
        self.counts.borrow().get(what).copied().unwrap_or(0)
    }

    /// Notes a failure unless `fine`, and goes on.
    pub(crate) fn check(&self, fine: bool, failure: &'static str) {
        if !fine {
            *self.failures.borrow_mut().entry(failure).or_default() += 1;
        }
    }

    /// Notes how a green thread ended.
    pub(crate) fn note_end(&self, result: Result<(), JoinError>) {
        match result.map_err(JoinError::try_into_panic) {
            Ok(()) => self.count("finished"),
            Err(Err(_)) => self.count("killed"),
            Err(Ok(payload)) => {
                self.count("panicked");
                self.check(payload.is::<Intended>(), "a panic arrived with another payload");
            }
        }
    }

    pub(crate) fn print_counts(&self) {
        println!("\nof {} green threads:", self.spawned());
        for (what, count) in &*self.counts.borrow() {
            println!("{count:>12} {what}");
        }
    }

    /// Says whether all went well.
    pub(crate) fn verdict(&self) -> ExitCode {
        self.check(UNINTENDED.load(Ordering::Relaxed) == 0, "a panic that was not intended");
        for (failure, count) in &*self.failures.borrow() {
            println!("FAILED: {failure} ({count} times)");
        }
        if self.failures.borrow().is_empty() {
            println!("all is well");
            return ExitCode::SUCCESS;
        }
        ExitCode::FAILURE
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.world.alive.set(self.world.alive.get() - 1);
        self.world.sized.set(self.world.sized.get() - usize::from(self.sized));
    }
}
