//! The letter box of a loop: what other threads put in, and the bell that wakes the loop for it.
//!
//! Woken tasks go on a lock-free stack that is linked through the tasks themselves, so a wake never
//! blocks and never allocates. Everything else (spawns, aborts and drops from other threads) is a
//! boxed job. Whoever puts something in rings the bell if the loop said that it sleeps; the loop
//! says so first and looks into the box second, the stranger puts in first and looks whether it
//! sleeps second, so one of them always sees the other. Taking `asleep` away makes it one ring per
//! sleep.
//!
//! Invariant: a task on the stack has its foreign `QUEUED` bit set, and that bit pins its memory.

use std::ptr::{self, NonNull};

use super::{
    header::Header,
    primitives::{AtomicBool, AtomicPtr, Mutex, Ordering, fence},
    site::OwnedSite,
};

/// Wakes the loop out of its sleep in the kernel.
pub(crate) trait Doorbell: Send + Sync {
    /// Makes the current or the next sleep end at once.
    fn ring(&self);
}

/// What another thread wants to have done on the loop's thread.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// The letter box; shared by the loop, its handles and the tasks that outlive it.
pub(crate) struct Injector {
    /// The tasks woken from elsewhere, last first; `closed()` when the loop has ended.
    woken: AtomicPtr<Header>,
    /// `None` when the loop has ended.
    jobs: Mutex<Option<Vec<Job>>>,
    /// Whether there may be jobs; spares the loop the lock.
    has_jobs: AtomicBool,
    /// The loop is about to sleep, or sleeps. Set by the loop, cleared by whoever rings.
    asleep: AtomicBool,
    doorbell: Box<dyn Doorbell>,
    /// What the loop's tasks share; kept for those that outlive it. std's lock also while loom looks:
    /// the loop's thread alone takes it.
    sites: std::sync::Mutex<Vec<OwnedSite>>,
}

/// The mark of a closed stack; never a task's address, since those are aligned.
fn closed() -> *mut Header {
    ptr::without_provenance_mut(1)
}

impl Injector {
    pub(crate) fn new(doorbell: Box<dyn Doorbell>) -> Self {
        Self {
            woken: AtomicPtr::new(ptr::null_mut()),
            jobs: Mutex::new(Some(Vec::new())),
            has_jobs: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            doorbell,
            sites: std::sync::Mutex::new(Vec::new()),
        }
    }

    /// Keeps a site until no task can point to it.
    pub(super) fn keep(&self, site: OwnedSite) {
        self.sites.lock().expect("no code that can panic runs under this lock").push(site);
    }

    /// Puts a woken task in; `false` if the loop has ended. The caller has just set the task's
    /// foreign `QUEUED` bit and rings afterwards.
    pub(super) fn push(&self, task: &Header) -> bool {
        let mut head = self.woken.load(Ordering::Relaxed);
        loop {
            if head == closed() {
                return false;
            }
            task.injected_next.store(head, Ordering::Relaxed);
            match self.woken.compare_exchange_weak(
                head,
                ptr::from_ref(task).cast_mut(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => head = now,
            }
        }
    }

    /// Puts a job in and rings, or gives it back if the loop has ended.
    pub(crate) fn post(&self, job: Job) -> Result<(), Job> {
        {
            let mut jobs = self.jobs.lock().expect("no code that can panic runs under this lock");
            match jobs.as_mut() {
                Some(jobs) => jobs.push(job),
                None => return Err(job),
            }
        }
        self.has_jobs.store(true, Ordering::Release);
        self.ring();
        Ok(())
    }

    /// Wakes the loop if it sleeps. Called after putting something in.
    pub(crate) fn ring(&self) {
        // Pairs with the fence in `prepare_to_sleep`.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            self.doorbell.ring();
        }
    }

    /// Whether something was put in. For the loop's thread, once per turn.
    pub(crate) fn has_mail(&self) -> bool {
        !self.woken.load(Ordering::Relaxed).is_null() || self.has_jobs.load(Ordering::Relaxed)
    }

    /// Announces that the loop goes to sleep; `false` if it must not, because there is mail.
    pub(crate) fn prepare_to_sleep(&self) -> bool {
        // A swap, as in `ring`: so each change of the flag comes after a definite other one.
        self.asleep.swap(true, Ordering::Relaxed);
        // Pairs with the fence in `ring`: either the stranger sees `asleep`, or we see its mail.
        fence(Ordering::SeqCst);
        if self.has_mail() {
            self.asleep.store(false, Ordering::Relaxed);
            return false;
        }
        true
    }

    /// Announces that the loop is awake, so that nobody rings for nothing.
    pub(crate) fn awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Takes the stack of woken tasks, last one first, linked by `injected_next`.
    pub(super) fn take_woken(&self) -> Option<NonNull<Header>> {
        if self.woken.load(Ordering::Relaxed).is_null() {
            return None;
        }
        NonNull::new(self.woken.swap(ptr::null_mut(), Ordering::Acquire))
    }

    /// Takes the jobs, first one first.
    pub(crate) fn take_jobs(&self) -> Vec<Job> {
        if !self.has_jobs.load(Ordering::Relaxed) || !self.has_jobs.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        let mut jobs = self.jobs.lock().expect("no code that can panic runs under this lock");
        jobs.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Refuses whatever comes from here on, and hands out what is still in. For the loop's thread,
    /// once.
    pub(super) fn close(&self) -> (Option<NonNull<Header>>, Vec<Job>) {
        let jobs = {
            let mut jobs = self.jobs.lock().expect("no code that can panic runs under this lock");
            jobs.take().unwrap_or_default()
        };
        let woken = self.woken.swap(closed(), Ordering::Acquire);
        (NonNull::new(woken), jobs)
    }
}

impl std::fmt::Debug for Injector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Injector").finish_non_exhaustive()
    }
}
