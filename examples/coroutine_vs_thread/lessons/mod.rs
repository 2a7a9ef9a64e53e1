//! The experiments by which coroutines, threads and processes are taught: sleeping, counting,
//! computing. Each is done in a process of its own.

mod compute;
mod counting;
mod sleeps;

use std::{io, time::Duration};

use crate::{
    cli::{Lesson, LessonPart},
    system,
};

/// Does an experiment and prints what has come of it.
pub fn measure(part: &LessonPart) -> io::Result<()> {
    system::die_with_parent(300);
    if let Some(cpu) = part.cpu {
        system::bind(&[cpu])?;
    }
    let time = Duration::from_secs_f64(part.millis / 1e3);
    let figures = match part.lesson {
        Lesson::SleepsInTurn => sleeps::in_turn(part.model, part.count, time)?,
        Lesson::SleepsTogether => sleeps::together(part.model, part.count, time)?,
        Lesson::CountUnlocked => counting::unlocked(part.model, part.count, time)?,
        Lesson::CountLocked => counting::locked(part.model, part.count, time)?,
        Lesson::CountJoined => counting::joined(part.model, part.count, time)?,
        Lesson::Compute => compute::apart(part.model, part.count, part.steps)?,
        Lesson::ComputeInTurns => compute::in_turns(part.model, part.count, part.steps)?,
    };
    println!("{figures}");
    Ok(())
}
