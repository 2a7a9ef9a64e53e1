//! The cancel sweep: every order in which a few futures that share something can be polled, woken and
//! dropped.
//!
//! A [`Sweep`] has futures, and *acts* (a release, a set, a send), which are done once each, in their order,
//! at any time. A run chooses what happens next until nothing can: poll a future that was never polled
//! or was woken, do the next act, drop a future. All choices are tried one after the other, so a future
//! is dropped before its first poll, while it waits, and between its wake-up and the poll that would have told
//! it, each before and after everything that the others do.
//!
//! When a run has come to rest, no future may be ready that was not woken; and what `check` says must
//! hold, then and once more after the rest was dropped.
#![allow(dead_code, reason = "every test file is a crate of its own and uses a part of this")]

use std::{
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Wake, Waker},
};

/// What became of a future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It came to its end.
    Finished,
    Dropped,
    /// It waits.
    Waiting,
}

/// Futures that share an `S`.
pub(crate) struct Sweep<S> {
    make: Box<dyn Fn() -> S>,
    futures: Vec<Make<S>>,
    acts: Vec<Act<S>>,
    /// How many futures may be dropped in one run.
    drops: usize,
    /// How often in one run a future may be polled that was not woken, with another waker.
    spurious: usize,
}

type Make<S> = Box<dyn Fn(Rc<S>) -> Boxed>;
type Act<S> = Box<dyn Fn(&S)>;
type Boxed = Pin<Box<dyn Future<Output = ()>>>;

impl<S: 'static> Sweep<S> {
    /// A sweep with a fresh `S` for every run. Two of its futures may be dropped.
    pub(crate) fn new(make: impl Fn() -> S + 'static) -> Self {
        let (futures, acts) = (Vec::new(), Vec::new());
        Self { make: Box::new(make), futures, acts, drops: 2, spurious: 0 }
    }

    pub(crate) fn future<F>(mut self, future: impl Fn(Rc<S>) -> F + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        self.futures.push(Box::new(move |shared| Box::pin(future(shared))));
        self
    }

    pub(crate) fn act(mut self, act: impl Fn(&S) + 'static) -> Self {
        self.acts.push(Box::new(act));
        self
    }

    pub(crate) fn drops(mut self, drops: usize) -> Self {
        self.drops = drops;
        self
    }

    pub(crate) fn spurious(mut self, spurious: usize) -> Self {
        self.spurious = spurious;
        self
    }

    /// Tries all orders, and tells how many there are.
    #[track_caller]
    pub(crate) fn check(self, check: impl Fn(&S, &[Fate])) -> usize {
        let mut choices = Choices::default();
        let mut orders = 0;
        loop {
            self.run(&mut choices, &check);
            orders += 1;
            if !choices.next_order() {
                return orders;
            }
        }
    }

    fn run(&self, choices: &mut Choices, check: &impl Fn(&S, &[Fate])) {
        let shared = Rc::new((self.make)());
        let mut players: Vec<_> =
            self.futures.iter().map(|make| Player::new(make(Rc::clone(&shared)))).collect();
        let mut story = Story(Vec::new());
        let mut acts = self.acts.iter();
        let (mut drops, mut spurious) = (self.drops, self.spurious);
        loop {
            let mut steps = Vec::new();
            for (number, player) in players.iter().enumerate() {
                if player.is_due() {
                    steps.push(Step::Poll(number));
                } else if spurious > 0 && player.waits() {
                    steps.push(Step::PollAgain(number));
                }
            }
            if acts.len() > 0 {
                steps.push(Step::Act);
            }
            let is_quiet = steps.iter().all(|step| matches!(step, Step::PollAgain(_)));
            if drops > 0 {
                let there = players.iter().enumerate().filter(|(_, player)| player.is_there());
                steps.extend(there.map(|(number, _)| Step::Drop(number)));
            }
            if is_quiet {
                steps.push(Step::End);
            }
            let step = steps[choices.choose(steps.len())];
            story.0.push(step);
            match step {
                Step::Poll(number) => players[number].poll(),
                Step::PollAgain(number) => {
                    spurious -= 1;
                    players[number].wakes = Arc::default();
                    players[number].poll();
                }
                Step::Drop(number) => {
                    drops -= 1;
                    players[number].drop_future();
                }
                Step::Act => acts.next().expect("there is one left")(&shared),
                Step::End => break,
            }
        }
        let fates: Vec<_> = players.iter().map(|player| player.fate).collect();
        check(&shared, &fates);
        for (number, player) in players.iter_mut().enumerate() {
            if player.waits() {
                player.poll();
                assert!(player.waits(), "future {number} was ready, and nobody woke it");
            }
        }
        players.iter_mut().filter(|player| player.is_there()).for_each(Player::drop_future);
        let fates: Vec<_> = players.iter().map(|player| player.fate).collect();
        check(&shared, &fates);
        story.0.clear();
    }
}

/// A future in a run.
struct Player {
    future: Option<Boxed>,
    fate: Fate,
    polled: bool,
    /// How often the waker of the last poll was woken.
    wakes: Arc<Wakes>,
}

impl Player {
    fn new(future: Boxed) -> Self {
        let wakes = Arc::default();
        Self { future: Some(future), fate: Fate::Waiting, polled: false, wakes }
    }

    fn is_there(&self) -> bool {
        self.future.is_some()
    }

    fn is_due(&self) -> bool {
        self.is_there() && (!self.polled || self.wakes.0.load(SeqCst) > 0)
    }

    /// Whether it was polled, and not woken since.
    fn waits(&self) -> bool {
        self.is_there() && !self.is_due()
    }

    fn poll(&mut self) {
        let future = self.future.as_mut().expect("it is there");
        self.polled = true;
        self.wakes.0.store(0, SeqCst);
        let waker = Waker::from(Arc::clone(&self.wakes));
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            self.future = None;
            self.fate = Fate::Finished;
        }
    }

    fn drop_future(&mut self) {
        self.future = None;
        self.fate = Fate::Dropped;
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Poll(usize),
    PollAgain(usize),
    Drop(usize),
    Act,
    End,
}

/// What happened in a run, told when it fails.
struct Story(Vec<Step>);

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in this order: {:?}", self.0);
        }
    }
}

/// The choices of a run, and which of all runs it is.
#[derive(Default)]
struct Choices {
    /// What was chosen, of how many.
    path: Vec<(usize, usize)>,
    at: usize,
}

impl Choices {
    fn choose(&mut self, of: usize) -> usize {
        if self.at == self.path.len() {
            self.path.push((0, of));
        }
        let (chosen, before) = self.path[self.at];
        assert_eq!(before, of, "the futures of a sweep do the same in every run");
        self.at += 1;
        chosen
    }

    /// Goes on to the next run; `false` if that was the last.
    fn next_order(&mut self) -> bool {
        self.at = 0;
        while let Some((chosen, of)) = self.path.pop() {
            if chosen + 1 < of {
                self.path.push((chosen + 1, of));
                return true;
            }
        }
        false
    }
}
