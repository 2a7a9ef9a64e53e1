//! What waits for tasks can be given up at every moment: nothing is lost, doubled or left behind.
//!
//! Each test tries every sequence of steps up to a length. A step polls the wait, gives the loop a turn, or
//! lets one of the tasks end; after the last one the wait is dropped. So it is dropped before its first
//! poll, between any two ends, and when it could have told, each with and without the tasks having run.
#![cfg(feature = "green")]

#[path = "support/sweep.rs"]
mod orders;
mod styles;
mod support;

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    time::Duration,
};

use greenloop::{
    green::{self, Wait},
    task::{self, CancellationToken, Deadline, JoinHandle, JoinSet, TaskGroup, Until},
};
use support::{Gate, OnDrop, poll_once};

/// How long the sequences are. There are three kinds of steps, so twice as many for each longer one.
const LENGTH: usize = 7;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Poll,
    Turn,
    End,
}

/// Three tasks, of both kinds, and what became of them.
#[derive(Clone)]
struct Tasks {
    gates: Vec<Gate>,
    /// Those that came to their end.
    done: Rc<RefCell<Vec<usize>>>,
    /// Those whose memory is gone.
    gone: Rc<Cell<usize>>,
}

const TASKS: usize = 3;

impl Tasks {
    fn new() -> Self {
        let gates = (0..TASKS).map(|_| Gate::new()).collect();
        Self { gates, done: Rc::default(), gone: Rc::default() }
    }

    /// What the task of a number does.
    fn work(&self, number: usize) -> impl Future<Output = usize> + use<> {
        let (gate, done, gone) =
            (self.gates[number].clone(), Rc::clone(&self.done), Rc::clone(&self.gone));
        let guard = OnDrop::new(move || gone.set(gone.get() + 1));
        async move {
            let _guard = guard;
            gate.wait().await;
            greenloop::yield_now().await;
            done.borrow_mut().push(number);
            number
        }
    }

    fn spawn(&self, number: usize) -> JoinHandle<usize> {
        let work = self.work(number);
        if number % 2 == 0 { greenloop::spawn(work) } else { green::spawn(move || work.wait()) }
    }

    /// Lets all that is left come to its end.
    async fn finish(&self) {
        self.gates.iter().for_each(Gate::open);
        while greenloop::statistics().tasks > 1 {
            greenloop::yield_now().await;
        }
    }
}

/// A wait that may be dropped at any time.
type Waiting = Pin<Box<dyn Future<Output = ()>>>;

/// Tries all sequences. `check` is called with the tasks after the wait is gone, whether it had told, and the
/// steps.
fn sweep(make: fn(&Tasks) -> Waiting, check: fn(&Tasks, bool, &[Step])) -> usize {
    let _watched = styles::watch();
    greenloop::run(async move {
        let mut tried = 0;
        for length in 0..=LENGTH {
            for number in 0..3_usize.pow(u32::try_from(length).unwrap()) {
                let digits = std::iter::successors(Some(number), |number| Some(number / 3));
                let kinds = [Step::Poll, Step::Turn, Step::End];
                let steps: Vec<_> = digits.map(|number| kinds[number % 3]).take(length).collect();
                if steps.iter().filter(|step| **step == Step::End).count() > TASKS {
                    continue;
                }
                one_way(make, check, &steps).await;
                tried += 1;
            }
        }
        tried
    })
}

async fn one_way(make: fn(&Tasks) -> Waiting, check: fn(&Tasks, bool, &[Step]), steps: &[Step]) {
    let tasks = Tasks::new();
    let mut waiting = make(&tasks);
    // The last one ends first.
    let mut gates = tasks.gates.iter().rev();
    let mut told = false;
    for step in steps {
        match step {
            Step::Poll if told => {}
            Step::Poll => told = poll_once(&mut waiting).is_ready(),
            Step::Turn => greenloop::yield_now().await,
            Step::End => gates.next().expect("there are as many").open(),
        }
    }
    drop(waiting);
    // Green threads unwind in their next turn.
    for _ in 0..2 {
        greenloop::yield_now().await;
    }
    check(&tasks, told, steps);
    tasks.finish().await;
    assert_eq!(tasks.gone.get(), TASKS, "each task goes once: {steps:?}");
    let mut done = tasks.done.borrow().clone();
    let ended = done.len();
    done.sort_unstable();
    done.dedup();
    assert_eq!(done.len(), ended, "a task came to its end twice: {steps:?}");
}

/// Nothing is left of the tasks.
fn all_are_gone(tasks: &Tasks, told: bool, steps: &[Step]) {
    let left = (tasks.gone.get(), greenloop::statistics().tasks);
    assert_eq!(left, (TASKS, 1), "{steps:?}");
    assert!(!told || tasks.done.borrow().len() == TASKS, "{steps:?}");
}

/// Nobody was ended: those that are gone had come to their end.
fn the_rest_runs_on(tasks: &Tasks, told: bool, steps: &[Step]) {
    let done = tasks.done.borrow().len();
    assert_eq!(tasks.gone.get(), done, "{steps:?}");
    assert!(!told || done == TASKS, "{steps:?}");
}

#[test]
fn a_join_set() {
    let tried = sweep(
        |tasks| {
            let mut set = JoinSet::new();
            for number in 0..TASKS {
                set.insert(tasks.spawn(number));
            }
            let done = Rc::clone(&tasks.done);
            Box::pin(async move {
                let mut outputs = Vec::new();
                while let Some(output) = set.join_next().await {
                    outputs.push(output.unwrap());
                }
                assert_eq!(outputs, *done.borrow());
            })
        },
        all_are_gone,
    );
    assert!(tried > 1500, "{tried}");
}

#[test]
fn the_waits_for_a_join_set_that_goes_on() {
    // The set is kept, and a new wait takes up where the last one was dropped.
    sweep(
        |tasks| {
            let mut set = JoinSet::new();
            for number in 0..TASKS {
                set.insert(tasks.spawn(number));
            }
            let done = Rc::clone(&tasks.done);
            Box::pin(async move {
                let mut outputs = Vec::new();
                while !set.is_empty() {
                    {
                        let mut given_up = Box::pin(set.join_next());
                        if let std::task::Poll::Ready(output) = poll_once(&mut given_up) {
                            outputs.push(output.unwrap().unwrap());
                            continue;
                        }
                    }
                    outputs.push(set.join_next().await.unwrap().unwrap());
                }
                assert_eq!(outputs, *done.borrow());
            })
        },
        all_are_gone,
    );
}

#[test]
fn the_shutdown_of_a_join_set() {
    sweep(
        |tasks| {
            let mut set = JoinSet::new();
            for number in 0..TASKS {
                set.insert(tasks.spawn(number));
            }
            Box::pin(async move { set.shutdown().await })
        },
        |tasks, _, steps| {
            let left = (tasks.gone.get(), greenloop::statistics().tasks);
            assert_eq!(left, (TASKS, 1), "{steps:?}");
        },
    );
}

#[test]
fn a_task_group() {
    sweep(
        |tasks| {
            let tasks = tasks.clone();
            let works: Vec<_> = (0..TASKS).map(|number| tasks.work(number)).collect();
            Box::pin(async move {
                let result = TaskGroup::<()>::scope(|group| async move {
                    for (number, work) in works.into_iter().enumerate() {
                        if number % 2 == 0 {
                            group.spawn(async move {
                                work.await;
                            });
                        } else {
                            group.spawn_green(move || {
                                work.wait();
                            });
                        }
                        greenloop::yield_now().await;
                    }
                });
                result.await.unwrap();
            })
        },
        all_are_gone,
    );
}

#[test]
fn a_task_group_that_fails() {
    sweep(
        |tasks| {
            let works: Vec<_> = (0..TASKS).map(|number| tasks.work(number)).collect();
            let done = Rc::clone(&tasks.done);
            Box::pin(async move {
                let result = TaskGroup::scope(|group| async move {
                    for (number, work) in works.into_iter().enumerate() {
                        if number % 2 == 0 {
                            group.spawn(async move { Err::<(), _>(work.await) });
                        } else {
                            group.spawn_green(move || Err::<(), _>(work.wait()));
                        }
                    }
                    std::future::pending::<()>().await;
                    Ok(())
                });
                let error = result.await.unwrap_err();
                assert_eq!(error.first().unwrap().error(), done.borrow().first());
                assert_eq!(error.failures().len(), done.borrow().len());
            })
        },
        |tasks, told, steps| {
            let left = (tasks.gone.get(), greenloop::statistics().tasks);
            assert_eq!(left, (TASKS, 1), "{steps:?}");
            assert!(!told || !tasks.done.borrow().is_empty(), "{steps:?}");
        },
    );
}

#[test]
fn a_settled_join() {
    sweep(
        |tasks| {
            let works: Vec<_> = (0..TASKS).map(|number| tasks.work(number)).collect();
            Box::pin(async move {
                let outputs = task::join_all_settled(works).await;
                assert!(outputs.into_iter().map(Result::unwrap).eq(0..TASKS));
            })
        },
        all_are_gone,
    );
}

#[test]
fn a_join_of_handles() {
    sweep(
        |tasks| {
            let handles: Vec<_> = (0..TASKS).map(|number| tasks.spawn(number)).collect();
            Box::pin(async move {
                let outputs = greenloop::join_all(handles).await;
                assert!(outputs.into_iter().map(Result::unwrap).eq(0..TASKS));
            })
        },
        the_rest_runs_on,
    );
}

#[test]
fn a_task_that_is_aborted_and_waited_for() {
    sweep(
        |tasks| {
            let handles: Vec<_> = (0..TASKS).map(|number| tasks.spawn(number)).collect();
            let gone = Rc::clone(&tasks.gone);
            Box::pin(async move {
                for (number, handle) in handles.into_iter().enumerate() {
                    let ended = handle.abort_and_wait().await;
                    assert!(ended.map_or_else(|error| error.is_cancelled(), |own| own == number));
                    assert!(gone.get() > number, "its destructors have not run");
                }
            })
        },
        |tasks, told, steps| assert!(!told || tasks.gone.get() == TASKS, "{steps:?}"),
    );
}

#[test]
fn what_runs_until_a_token_is_cancelled_or_a_deadline_has_passed() {
    sweep(
        |tasks| {
            let works: Vec<_> = (0..TASKS).map(|number| tasks.work(number)).collect();
            Box::pin(async move {
                let token = CancellationToken::new();
                for work in works {
                    // Each in all the scopes that there are.
                    let work = token.run_until_cancelled(work);
                    let work = Deadline::never().scope(work);
                    assert!(
                        greenloop::timeout(Duration::MAX, work).await.unwrap().unwrap().is_some()
                    );
                }
            })
        },
        all_are_gone,
    );
}

#[test]
fn a_task_that_says_when_it_is_ready() {
    sweep(
        |tasks| {
            let works: Vec<_> = (0..TASKS).map(|number| tasks.work(number)).collect();
            Box::pin(async move {
                let result = TaskGroup::<()>::scope(|group| async move {
                    for (number, work) in works.into_iter().enumerate() {
                        let ready = if number % 2 == 0 {
                            group.start(|ready| async move { ready.send(work.await) })
                        } else {
                            group.start_green(move |ready| ready.send(work.wait()))
                        };
                        assert_eq!(ready.await.unwrap(), number);
                    }
                });
                result.await.unwrap();
            })
        },
        |tasks, told, steps| {
            let left = (tasks.gone.get(), greenloop::statistics().tasks);
            assert_eq!(left, (TASKS, 1), "{steps:?}");
            assert!(!told || *tasks.done.borrow() == [0, 1, 2], "{steps:?}");
        },
    );
}

#[test]
fn a_shield() {
    sweep(
        |tasks| {
            let shields: Vec<_> = (0..TASKS)
                .map(|number| {
                    if number % 2 == 0 {
                        return task::shield(tasks.work(number));
                    }
                    let work = tasks.work(number);
                    let thread = green::spawn(move || work.wait());
                    task::shield(async move { thread.await.unwrap() })
                })
                .collect();
            Box::pin(async move {
                let outputs = greenloop::join_all(shields).await;
                assert!(outputs.into_iter().eq(0..TASKS));
            })
        },
        the_rest_runs_on,
    );
}

#[test]
fn the_handles_of_a_wait() {
    for until in [Until::FirstCompleted, Until::All] {
        UNTIL.set(until);
        sweep(
            |tasks| {
                let mut handles: Vec<_> = (0..TASKS).map(|number| tasks.spawn(number)).collect();
                Box::pin(async move {
                    let mut outputs = Vec::new();
                    while !handles.is_empty() {
                        for done in task::wait(&mut handles, UNTIL.get()).await {
                            outputs.push(done.await.unwrap());
                        }
                    }
                    outputs.sort_unstable();
                    assert_eq!(outputs, [0, 1, 2]);
                })
            },
            the_rest_runs_on,
        );
    }
}

thread_local! {
    static UNTIL: Cell<Until> = const { Cell::new(Until::All) };
}

#[test]
fn a_stream_of_the_ends_of_tasks() {
    sweep(
        |tasks| {
            let handles: Vec<_> = (0..TASKS).map(|number| tasks.spawn(number)).collect();
            Box::pin(async move {
                let mut done = task::as_completed(handles);
                let mut outputs = Vec::new();
                while let Some(output) = done.next().await {
                    outputs.push(output.unwrap());
                }
                assert_eq!(outputs.len(), TASKS);
            })
        },
        the_rest_runs_on,
    );
}

#[test]
fn a_stream_of_futures() {
    sweep(
        |tasks| {
            let works: Vec<_> = (0..TASKS).map(|number| tasks.work(number)).collect();
            Box::pin(async move {
                let mut done = task::as_completed(works);
                let mut outputs = Vec::new();
                while let Some(output) = done.next().await {
                    outputs.push(output);
                }
                assert_eq!(outputs.len(), TASKS);
            })
        },
        all_are_gone,
    );
}

#[test]
fn a_green_threads_group_that_is_killed_in_any_turn() {
    // The body waits in three places; each of the two children, too.
    for turns in 0..12 {
        for opened in 0..=TASKS {
            let _watched = styles::watch();
            green::run(move || {
                let tasks = Tasks::new();
                let works: Vec<_> = (0..TASKS).map(|number| tasks.work(number)).collect();
                let parent = green::spawn(move || {
                    let result: Result<(), task::GroupError<()>> = TaskGroup::run(|group| {
                        for (number, work) in works.into_iter().enumerate() {
                            if number % 2 == 0 {
                                group.spawn(async move {
                                    work.await;
                                });
                            } else {
                                group.spawn_green(move || {
                                    work.wait();
                                });
                            }
                            green::yield_now();
                        }
                    });
                    result.unwrap();
                });
                for turn in 0..turns {
                    if turn < opened {
                        tasks.gates[turn].open();
                    }
                    green::yield_now();
                }
                parent.abort();
                let ended = parent.wait();
                // Whoever waited for it finds all of its tasks gone.
                assert_eq!(tasks.gone.get(), TASKS);
                assert_eq!(greenloop::statistics().tasks, 2);
                assert!(ended.is_err() || tasks.done.borrow().len() == TASKS);
            });
        }
    }
}

#[test]
fn a_token_and_its_children() {
    use orders::{Fate, Sweep};

    struct Family {
        parent: CancellationToken,
        child: CancellationToken,
        cancelled: Cell<bool>,
    }

    let make = || {
        let parent = CancellationToken::new();
        let child = parent.child_token();
        Family { parent, child, cancelled: Cell::new(false) }
    };
    let orders = Sweep::new(make)
        .future(|family: Rc<Family>| async move { family.parent.cancelled().await })
        .future(|family: Rc<Family>| async move { family.child.cancelled().await })
        .future(|family: Rc<Family>| async move { family.child.child_token().cancelled().await })
        .act(|family| {
            family.parent.cancel();
            family.cancelled.set(true);
        })
        .spurious(1)
        .check(|family, fates| {
            for fate in fates {
                assert_ne!(*fate == Fate::Waiting, family.cancelled.get());
            }
        });
    assert!(orders > 100, "{orders}");
}
