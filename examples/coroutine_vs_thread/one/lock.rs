//! A lock that two want all the time, and that goes to the other one each time it is given back.
//!
//! greenloop's mutex is fair. That of `std` is not, and lets whoever gives it back have it again, so the
//! threads agree on whose turn it is with a condition variable, as one does. Processes share no memory to
//! have a lock in: the turn of [`switch`](super::switch) is theirs.

use std::{
    cell::RefCell,
    io,
    rc::Rc,
    sync::{Arc, Condvar, Mutex},
    thread,
};

use greenloop::{
    green::{self, Wait},
    sync,
};

use crate::{
    clock::{Cost, Stopwatch},
    model::Model,
};

/// The cost of `count` hand-overs.
pub fn hand_over(model: Model, count: usize) -> io::Result<Cost> {
    match model {
        Model::Async => Ok(tasks(count)),
        Model::Green => Ok(green_threads(count)),
        Model::Thread => Ok(threads(count)),
        Model::Process => Err(io::Error::other("processes share no lock")),
    }
}

/// Who has had the lock, one after the other; it checks that they take turns.
#[derive(Debug, Default)]
struct Owners {
    last: usize,
    changes: usize,
}

impl Owners {
    fn note(&mut self, owner: usize) {
        self.changes += usize::from(self.last != owner);
        self.last = owner;
    }
}

fn tasks(count: usize) -> Cost {
    greenloop::run(async move {
        let owners = Rc::new(RefCell::new(Owners::default()));
        let lock = Rc::new(sync::Mutex::new(()));
        let watch = Stopwatch::start();
        let want = |owner| {
            let (lock, owners) = (Rc::clone(&lock), Rc::clone(&owners));
            greenloop::spawn(async move {
                for _ in 0..count / 2 {
                    let guard = lock.lock().await;
                    owners.borrow_mut().note(owner);
                    // The other one comes and waits.
                    greenloop::yield_now().await;
                    drop(guard);
                }
            })
        };
        for ended in greenloop::join_all([want(0), want(1)]).await {
            ended.expect("it only takes a lock");
        }
        let cost = watch.read();
        assert_taken_in_turns(&owners.borrow(), count);
        cost
    })
}

fn green_threads(count: usize) -> Cost {
    green::run(move || {
        let owners = Rc::new(RefCell::new(Owners::default()));
        let lock = Rc::new(sync::Mutex::new(()));
        let watch = Stopwatch::start();
        let want = |owner| {
            let (lock, owners) = (Rc::clone(&lock), Rc::clone(&owners));
            green::spawn(move || {
                for _ in 0..count / 2 {
                    let guard = lock.lock().wait();
                    owners.borrow_mut().note(owner);
                    green::yield_now();
                    drop(guard);
                }
            })
        };
        for ended in green::join_all([want(0), want(1)]) {
            ended.expect("it only takes a lock");
        }
        let cost = watch.read();
        assert_taken_in_turns(&owners.borrow(), count);
        cost
    })
}

fn threads(count: usize) -> Cost {
    let lock = Arc::new((Mutex::new(Owners::default()), [Condvar::new(), Condvar::new()]));
    let watch = Stopwatch::start();
    let threads = [0, 1].map(|owner| {
        let lock = Arc::clone(&lock);
        thread::spawn(move || {
            let (owners, changed) = &*lock;
            for _ in 0..count / 2 {
                let mut guard = owners.lock().expect("nobody panics");
                while guard.changes % 2 != owner {
                    guard = changed[owner].wait(guard).expect("nobody panics");
                }
                guard.changes += 1;
                changed[1 - owner].notify_one();
            }
        })
    });
    for thread in threads {
        thread.join().expect("it only takes a lock");
    }
    let cost = watch.read();
    assert_taken_in_turns(&lock.0.lock().expect("nobody panics"), count);
    cost
}

#[track_caller]
fn assert_taken_in_turns(owners: &Owners, count: usize) {
    // The last owner of all may find nobody to wait with.
    assert!(owners.changes + 2 >= count, "{owners:?} of {count}");
}
