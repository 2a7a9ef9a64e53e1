//! The end of a loop in which nothing can happen any more.
//!
//! A task sleeps until somebody wakes it: another task, the kernel, the clock, another thread. When all
//! tasks sleep, nobody waits for a descriptor or a time, and this thread is the only one of the process,
//! nobody is left. That is certain, so it ends the run.
//!
//! With other threads nothing is certain: a `JoinHandle`, by which any of them may abort a task, is plain
//! data that can be anywhere. Then the loop goes on sleeping.

use std::{collections::HashMap, error::Error, fmt};

use super::{
    Core,
    census::{self, TaskInfo},
    threads,
};
use crate::executor::Id;

/// The error of a run in which no task can ever go on.
///
/// All tasks wait, and nothing is left that could wake one of them: nobody waits for a descriptor or for a
/// time, and the process has no other thread that does anything, so there is no blocking call to end
/// either, and no [`Handle`](super::Handle) to be used. The loop finds out when it has slept for a
/// moment. It never takes a program for dead that is not; in a program with other threads, which might
/// do anything, it does not find out at all. (What a signal handler does itself does not count:
/// [`signal`](crate::signal) waits for a descriptor.)
///
/// Its `Display` has a line for each task: who it is, where it was spawned, what it waits for, and who has
/// that; and it tells which of them wait for each other.
///
/// # Examples
///
/// ```standalone_crate
/// use std::rc::Rc;
///
/// use greenloop::sync::Mutex;
///
/// let deadlock = greenloop::try_run(async {
///     let mutex = Rc::new(Mutex::new(()));
///     let _guard = mutex.lock().await;
///     let other = Rc::clone(&mutex);
///     greenloop::spawn(async move { drop(other.lock().await) }).await.unwrap();
/// });
/// let error = deadlock.unwrap_err();
/// assert_eq!(error.tasks().len(), 2);
/// println!("{error}");
/// ```
#[derive(Debug)]
#[doc(alias = "LoopExit")]
pub struct Deadlock {
    tasks: Vec<TaskInfo>,
}

impl Deadlock {
    /// Returns the tasks, in the order of their spawns.
    #[must_use]
    pub fn tasks(&self) -> &[TaskInfo] {
        &self.tasks
    }

    /// The tasks that wait for each other, if some do: each for the next, and the last for the first.
    fn circle(&self) -> Option<Vec<&TaskInfo>> {
        let by_id: HashMap<Id, usize> =
            self.tasks.iter().enumerate().map(|(index, task)| (task.id(), index)).collect();
        // The last one first, for they are taken from the end.
        let next = |index: usize| -> Vec<usize> {
            let all = self.tasks[index].waits_for_tasks();
            let mut all: Vec<_> = all.filter_map(|id| by_id.get(&id).copied()).collect();
            all.reverse();
            all
        };
        let mut seen = vec![false; self.tasks.len()];
        for start in 0..self.tasks.len() {
            // The tasks on the way from the start, each with those that it waits for and that were not
            // looked at yet.
            let mut way = vec![(start, next(start))];
            while let Some((_, left)) = way.last_mut() {
                let Some(index) = left.pop() else {
                    let done = way.pop().map(|(index, _)| index);
                    done.into_iter().for_each(|index| seen[index] = true);
                    continue;
                };
                if let Some(begin) = way.iter().position(|(other, _)| *other == index) {
                    return Some(
                        way[begin..].iter().map(|(index, _)| &self.tasks[*index]).collect(),
                    );
                }
                if !seen[index] {
                    way.push((index, next(index)));
                }
            }
        }
        None
    }
}

/// Finds out whether anything can happen to a loop that has nothing to do.
pub(super) fn find(core: &Core) -> Option<Deadlock> {
    if core.reactor.borrow().has_waiters() || threads::others() != Some(0) {
        return None;
    }
    // A thread of the pool may have ended its work at the last moment.
    if core.executor.has_ready() || core.executor.injector().has_mail() {
        return None;
    }
    Some(Deadlock { tasks: census::everyone(core) })
}

/// So many tasks are listed; a program that has thousands does not need thousands of lines.
const LISTED: usize = 50;

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadlock: nothing is left that could wake a task of this event loop")?;
        if let Some(circle) = self.circle() {
            let names =
                circle.iter().chain(circle.first()).map(|task| task.task_name().to_string());
            let names: Vec<_> = names.collect();
            write!(f, "\n  a circle of tasks that wait for each other: {}", names.join(" -> "))?;
        }
        for task in self.tasks.iter().take(LISTED) {
            write!(f, "\n  {task}")?;
        }
        match self.tasks.len().checked_sub(LISTED) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, "\n  and {more} more"),
        }
    }
}

impl Error for Deadlock {}
