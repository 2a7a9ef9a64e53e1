//! The experiments by which coroutines, threads and processes are taught: sleeping, counting,
//! computing. Each is done in a process of its own.

mod compute;
mod counting;
mod sleeps;

use std::{io, time::Duration};

use crate::{
    cli::{Note, NotesPart},
    system,
};

/// Does an experiment and prints what has come of it.
pub fn measure(part: &NotesPart) -> io::Result<()> {
    system::die_with_parent(300);
    if let Some(cpu) = part.cpu {
        system::bind(&[cpu])?;
    }
    let time = Duration::from_secs_f64(part.millis / 1e3);
    let figures = match part.note {
        Note::SleepsInTurn => sleeps::in_turn(part.model, part.count, time)?,
        Note::SleepsTogether => sleeps::together(part.model, part.count, time)?,
        Note::CountUnlocked => counting::unlocked(part.model, part.count, time)?,
        Note::CountLocked => counting::locked(part.model, part.count, time)?,
        Note::CountJoined => counting::joined(part.model, part.count, time)?,
        Note::Compute => compute::apart(part.model, part.count, part.steps)?,
        Note::ComputeInTurns => compute::in_turns(part.model, part.count, part.steps)?,
    };
    println!("{figures}");
    Ok(())
}
