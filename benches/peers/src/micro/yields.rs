//! What it costs to let the others run.

use super::{Runtime, per_operation};
use crate::cpu;
use std::cell::Cell;
use std::rc::Rc;

/// Lets `tasks` tasks yield `times` times each, and gives the cost of one yield.
///
/// The few yields that it takes all tasks to start and to end are in the figure; there are
/// thousands of times more in between. A runtime that runs the same task again and again
/// does not pass.
pub async fn yields<R: Runtime>(tasks: usize, times: usize) -> f64 {
    let count = Rc::new(Count::default());
    let start = cpu::own_time();
    let handles: Vec<_> = (0..tasks)
        .map(|this| {
            let count = count.clone();
            R::spawn(async move {
                for _ in 0..times {
                    count.up(this);
                    R::yield_now().await;
                }
            })
        })
        .collect();
    for handle in handles {
        R::join(handle).await;
    }
    let cost = per_operation(start, tasks * times);
    assert_eq!(count.total.get(), tasks * times);
    assert!(count.greedy.get() < tasks * times / 100, "the tasks do not take turns");
    cost
}

/// How often the tasks have run, and whether they took turns.
#[derive(Default)]
struct Count {
    total: Cell<usize>,
    /// Who ran last, and how many times without a break.
    latest: Cell<usize>,
    streak: Cell<usize>,
    /// How often a task ran for the third time without a break, or more. Twice is fair: some
    /// runtimes reverse the order of the tasks in every round.
    greedy: Cell<usize>,
}

impl Count {
    fn up(&self, task: usize) {
        self.total.set(self.total.get() + 1);
        let streak = if self.latest.replace(task) == task { self.streak.get() + 1 } else { 1 };
        self.streak.set(streak);
        self.greedy.set(self.greedy.get() + usize::from(streak > 2));
    }
}
