//! Who is there, and who waits for what.
//!
//! Nothing is noted down while tasks run and wait: who waits for what is found out, when somebody
//! asks, from where they left their wakers.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    os::fd::RawFd,
    panic::Location,
    sync::Arc,
    task::Waker,
    time::Instant,
};

use super::Core;
use crate::{
    executor::{Id, Sight, TaskKey},
    reactor::Direction,
    wait_queue::{Wait, Who, waits},
    wake_set,
};

/// What is known of a task at one moment; from [`task::all`](crate::task::all) and
/// [`task::current`](crate::task::current).
///
/// Its `Display` tells all of it in a line.
#[derive(Clone, Debug)]
pub struct TaskInfo {
    key: TaskKey<()>,
    name: Option<Arc<str>>,
    location: &'static Location<'static>,
    kind: TaskKind,
    state: TaskState,
    is_root: bool,
    waits_for: Vec<WaitsFor>,
}

/// What a task runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskKind {
    /// A future.
    Async,
    /// A closure with a stack of its own.
    Green,
}

/// What a task is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskState {
    /// Its code is running, or it has called what is.
    Running,
    /// It will run when its turn comes.
    Ready,
    /// It waits to be woken.
    Waiting,
}

/// Something that a task waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitsFor {
    /// The end of another task.
    Task(TaskName),
    /// A lock, an event, a channel.
    #[non_exhaustive]
    Object {
        /// What it is called, as "Mutex".
        what: &'static str,
        /// Where it was made.
        made: &'static Location<'static>,
        /// Which of several it is that were made there and are waited for, counted from one; zero if
        /// it is the only one.
        number: usize,
        /// The task that has it, where one does and that is known.
        holder: Option<TaskName>,
    },
    /// A descriptor with something to read.
    Readable(RawFd),
    /// A descriptor with room to write.
    Writable(RawFd),
    /// A moment; `None` is never.
    Time(Option<Instant>),
    /// Something outside of what the loop knows, which has a waker of the task.
    Elsewhere,
}

/// The id of a task, and the name that it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskName {
    id: Id,
    name: Option<Arc<str>>,
}

impl TaskName {
    /// Returns the id of the task.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// Returns the name of the task, if it was given one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl TaskInfo {
    fn new(sight: Sight, waits_for: Vec<WaitsFor>) -> Self {
        let state = match (sight.is_running, sight.is_ready) {
            (true, _) => TaskState::Running,
            (false, true) => TaskState::Ready,
            (false, false) => TaskState::Waiting,
        };
        Self {
            key: sight.key,
            name: sight.name,
            location: sight.location,
            kind: if sight.is_green { TaskKind::Green } else { TaskKind::Async },
            state,
            is_root: sight.is_root,
            waits_for,
        }
    }

    /// Returns the id of the task.
    #[must_use]
    pub fn id(&self) -> Id {
        self.key.id()
    }

    /// Returns the name of the task, if it was given one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns what the task runs.
    #[must_use]
    pub fn kind(&self) -> TaskKind {
        self.kind
    }

    /// Returns where the task was spawned.
    #[doc(alias("get_coro", "get_stack", "print_stack", "spawning_stack", "spawning_greenlet"))]
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// Returns what the task is doing.
    #[doc(alias = "started")]
    #[must_use]
    pub fn state(&self) -> TaskState {
        self.state
    }

    /// Returns whether it is the future that the loop was run with.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.is_root
    }

    /// Returns what the task waits for: of several things the first, as it may be. Empty, if it does not
    /// wait, or if nobody has a waker of it.
    #[doc(alias(
        "capture_call_graph",
        "format_call_graph",
        "print_call_graph",
        "FutureCallGraph",
        "awaited_by"
    ))]
    #[must_use]
    pub fn waits_for(&self) -> &[WaitsFor] {
        &self.waits_for
    }

    pub(crate) fn key(&self) -> TaskKey<()> {
        self.key
    }

    pub(super) fn task_name(&self) -> TaskName {
        TaskName { id: self.id(), name: self.name.clone() }
    }

    /// The tasks that this one waits for, by themselves or because they have what it waits for.
    pub(super) fn waits_for_tasks(&self) -> impl Iterator<Item = Id> {
        self.waits_for.iter().filter_map(|reason| match reason {
            WaitsFor::Task(task) => Some(task.id),
            WaitsFor::Object { holder, .. } => holder.as_ref().map(|holder| holder.id),
            _ => None,
        })
    }
}

/// All tasks of a loop that have not ended, in the order of their spawns.
pub(crate) fn everyone(core: &Core) -> Vec<TaskInfo> {
    let mut census = Census::of(core.executor.everyone());
    core.executor.each_joiner(&mut |id, waker| {
        if let Some(task) = census.name_of(id) {
            census.note(waker, WaitsFor::Task(task));
        }
    });
    core.reactor.borrow().each_waiter(&mut |fd, direction, waker| {
        let reason = match direction {
            Direction::Read => WaitsFor::Readable(fd),
            Direction::Write => WaitsFor::Writable(fd),
        };
        census.note(waker, reason);
    });
    core.timers.borrow().each(&mut |deadline, waker| {
        census.note(waker, WaitsFor::Time(core.clock.instant(deadline)));
    });
    let waits = waits();
    let numbers = numbers_of(&waits);
    for wait in waits {
        let holder = census.find(wait.holder).map(|holder| census.tasks[holder].task_name());
        let number = numbers[&wait.place];
        let reason = WaitsFor::Object { what: wait.what, made: wait.created, number, holder };
        if let Some(task) = census.find(wait.who) {
            census.note_of(task, reason);
        }
    }
    census.finish()
}

/// Numbers what was made at the same place in the program; zero where it is alone.
fn numbers_of(waits: &[Wait]) -> HashMap<usize, usize> {
    let mut made_at: HashMap<&Location<'_>, Vec<usize>> = HashMap::new();
    for wait in waits {
        let there = made_at.entry(wait.created).or_default();
        if !there.contains(&wait.place) {
            there.push(wait.place);
        }
    }
    let number = |there: Vec<usize>| {
        let is_alone = there.len() == 1;
        let numbered = there.into_iter().zip(1..);
        numbered.map(move |(place, number)| (place, if is_alone { 0 } else { number }))
    };
    made_at.into_values().flat_map(number).collect()
}

/// The task whose code is running.
pub(crate) fn running(core: &Core) -> Option<TaskInfo> {
    core.executor.running().map(|sight| TaskInfo::new(sight, Vec::new()))
}

/// The tasks, and what has been found out about them.
struct Census {
    tasks: Vec<TaskInfo>,
    by_id: HashMap<Id, usize>,
    by_waker: HashMap<*const (), usize>,
    /// Per task: how many wakers it has that were not found yet.
    unknown: Vec<i64>,
    /// Where one waker stands behind many.
    queues: HashSet<*const ()>,
}

impl Census {
    fn of(sights: Vec<Sight>) -> Self {
        let numbered = || sights.iter().enumerate();
        Self {
            by_id: numbered().map(|(index, sight)| (sight.key.id(), index)).collect(),
            by_waker: numbered().map(|(index, sight)| (sight.waker_data, index)).collect(),
            unknown: sights.iter().map(|sight| sight.wakers).collect(),
            queues: HashSet::new(),
            tasks: sights.into_iter().map(|sight| TaskInfo::new(sight, Vec::new())).collect(),
        }
    }

    fn name_of(&self, id: Id) -> Option<TaskName> {
        self.by_id.get(&id).map(|index| self.tasks[*index].task_name())
    }

    fn find(&self, who: Who) -> Option<usize> {
        self.by_waker.get(&who.waker_data()?.as_ptr().cast_const()).copied()
    }

    /// Notes that this waker was found where somebody waits for this.
    fn note(&mut self, waker: &Waker, reason: WaitsFor) {
        let (data, queue) = wake_set::behind(waker);
        let Some(task) = self.by_waker.get(&data).copied() else { return };
        if queue.is_none_or(|queue| self.queues.insert(queue)) {
            self.unknown[task] -= 1;
        }
        self.add(task, reason);
    }

    /// As `note`, with the task's own waker.
    fn note_of(&mut self, task: usize, reason: WaitsFor) {
        self.unknown[task] -= 1;
        self.add(task, reason);
    }

    fn add(&mut self, task: usize, reason: WaitsFor) {
        let reasons = &mut self.tasks[task].waits_for;
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }

    fn finish(mut self) -> Vec<TaskInfo> {
        for (task, unknown) in self.tasks.iter_mut().zip(self.unknown) {
            if task.state != TaskState::Waiting {
                // What is left of wakers is of waits that are over.
                task.waits_for.clear();
            } else if unknown > 0 {
                task.waits_for.push(WaitsFor::Elsewhere);
            }
        }
        self.tasks
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.id)?;
        match &self.name {
            Some(name) => write!(f, " {name:?}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for TaskInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            TaskKind::Green => "green thread",
            TaskKind::Async => "async",
        };
        let root = if self.is_root { ", the future that the loop runs" } else { "" };
        write!(f, "{} ({kind}{root}), spawned at {}, ", self.task_name(), self.location)?;
        match self.state {
            TaskState::Running => return f.write_str("is running"),
            TaskState::Ready => return f.write_str("is ready to run"),
            TaskState::Waiting => f.write_str("waits for ")?,
        }
        if self.waits_for.is_empty() {
            return f.write_str("nothing that could wake it: nobody has its waker");
        }
        for (number, reason) in self.waits_for.iter().enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            write!(f, "{separator}{reason}")?;
        }
        Ok(())
    }
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(task) => task.fmt(f),
            Self::Object { what, made, number, holder } => {
                write!(f, "the {what} made at {made}")?;
                if *number > 0 {
                    write!(f, " (number {number} of those)")?;
                }
                match holder {
                    Some(holder) => write!(f, ", which {holder} has"),
                    None => Ok(()),
                }
            }
            Self::Readable(fd) => write!(f, "descriptor {fd} to have something to read"),
            Self::Writable(fd) => write!(f, "descriptor {fd} to have room to write"),
            Self::Time(Some(time)) => {
                let left = time.saturating_duration_since(Instant::now());
                write!(f, "a moment {:.3} s from now", left.as_secs_f64())
            }
            Self::Time(None) => f.write_str("a moment that never comes"),
            Self::Elsewhere => f.write_str("something that the loop does not know"),
        }
    }
}
