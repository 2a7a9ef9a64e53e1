//! Workers that execute the program anew: what they are told, and how they find out that they are one.

use std::{
    env,
    ffi::{CString, OsString},
    fs::File,
    io,
    os::{
        fd::{AsRawFd as _, BorrowedFd, OwnedFd},
        unix::{ffi::OsStringExt as _, net::UnixStream},
    },
    path::Path,
    sync::atomic::Ordering::Relaxed,
};

use crate::launcher::{
    builder::{Settings, invalid},
    scoreboard::Scoreboard,
    seat::Seat,
    sys::{self, environment, fork::Program, memory, sockets::take_inherited},
    worker::Equipment,
};

/// Which worker this process is, and what the descriptors are that it has from 3 on: the report's pipe, the
/// scoreboard's file, and the sockets, whose names follow.
const VARIABLE: &str = "GREENLOOP_WORKER";

/// The process that is meant: whoever inherits the variables from it is not.
const PROCESS: &str = "GREENLOOP_WORKER_PID";

/// Variables that say the number of a process, which are added after the fork.
const NUMBERS: [&str; 2] = [PROCESS, "LISTEN_PID"];

/// What a worker is told that does not have the supervisor's memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ticket {
    pub(super) place: usize,
    pub(super) supervisor: u32,
    pub(super) shared: bool,
    pub(super) processor: Option<usize>,
    pub(super) random: f64,
}

impl Ticket {
    fn to_text(self, names: &[&str]) -> String {
        let processor = self.processor.map_or("-".to_owned(), |number| number.to_string());
        let Self { place, supervisor, shared, random, .. } = self;
        let names = names.join(":");
        format!("1,{place},{supervisor},{},{processor},{random},{names}", u8::from(shared))
    }

    fn from_text(text: &str) -> Option<(Self, Vec<String>)> {
        let mut fields = text.splitn(7, ',');
        // The version of what follows.
        if fields.next()? != "1" {
            return None;
        }
        let place = fields.next()?.parse().ok()?;
        let supervisor = fields.next()?.parse().ok()?;
        let shared = fields.next()? == "1";
        let processor = fields.next().filter(|text| *text != "-").map(str::parse);
        let processor = processor.transpose().ok()?;
        let random = fields.next()?.parse().ok()?;
        let names = fields.next()?.split(':').filter(|name| !name.is_empty());
        let ticket = Self { place, supervisor, shared, processor, random };
        Some((ticket, names.map(str::to_owned).collect()))
    }
}

/// Starts the program as a worker.
pub(super) fn start(
    program: &Path,
    ticket: &Ticket,
    board: BorrowedFd<'_>,
    report: BorrowedFd<'_>,
    sockets: &[(&str, BorrowedFd<'_>)],
) -> io::Result<libc::pid_t> {
    let names: Vec<_> = sockets.iter().map(|(name, _)| *name).collect();
    let mut descriptors = vec![report.as_raw_fd(), board.as_raw_fd()];
    descriptors.extend(sockets.iter().map(|(_, socket)| socket.as_raw_fd()));
    let variables = [(VARIABLE, ticket.to_text(&names))];
    let program = program_with(program, env::args_os(), &variables)?;
    program.pid_variable(PROCESS).descriptors_from_3(&descriptors).start()
}

/// A program with this one's environment, and some variables more.
pub(in crate::launcher) fn program_with(
    program: &Path,
    arguments: impl Iterator<Item = OsString>,
    more: &[(&str, String)],
) -> io::Result<Program> {
    let text = |text: OsString| {
        CString::new(text.into_vec()).map_err(|_| invalid("a null byte in an argument or variable"))
    };
    let arguments = arguments.map(text).collect::<io::Result<_>>()?;
    let own = env::vars_os().filter(|(name, _)| {
        more.iter().all(|(other, _)| name != other) && !NUMBERS.iter().any(|pid| name == pid)
    });
    let added = more.iter().map(|(name, value)| ((*name).into(), value.into()));
    let join = |(mut name, value): (OsString, OsString)| {
        name.push("=");
        name.push(value);
        text(name)
    };
    let environment = own.chain(added).map(join).collect::<io::Result<_>>()?;
    Ok(Program::new(text(program.into())?, arguments, environment))
}

/// Whether this process is to be a worker.
pub(in crate::launcher) fn is_worker() -> bool {
    env::var_os(VARIABLE).is_some() && is_own(env::var(PROCESS).ok().as_deref())
}

fn is_own(process: Option<&str>) -> bool {
    process.is_some_and(|pid| pid.trim().parse() == Ok(std::process::id()))
}

/// What a worker finds that was executed; `None` in any other process.
pub(in crate::launcher) fn as_worker(
    settings: &mut Settings,
) -> io::Result<Option<(Seat, Equipment)>> {
    let process = environment::take(PROCESS);
    let text = environment::take(VARIABLE).filter(|_| is_own(process.as_deref()));
    let Some(text) = text else {
        return Ok(None);
    };
    let (ticket, names) =
        Ticket::from_text(&text).ok_or_else(|| invalid(format!("{VARIABLE}={text:?}")))?;
    let mut numbers = 3..;
    let mut next = || numbers.next().and_then(take_inherited);
    let missing = || invalid(format!("{VARIABLE} is set, but its descriptors are not there"));
    let report = UnixStream::from(next().ok_or_else(missing)?);
    let board: &Scoreboard = memory::open_file(&File::from(next().ok_or_else(missing)?))?;
    let mut sockets: Vec<(String, Vec<OwnedFd>)> = Vec::new();
    for name in names {
        let socket = next().ok_or_else(missing)?;
        match sockets.iter_mut().find(|(other, _)| *other == name) {
            Some((_, own)) => own.push(socket),
            None => sockets.push((name, vec![socket])),
        }
    }
    if let Some(processor) = ticket.processor {
        sys::cpu::pin(processor)?;
    }
    let slot = board.entry(ticket.place).slot.load(Relaxed);
    sys::title::set(&settings.name, &format!("worker {slot}"));
    let supervisor = ticket.supervisor as i32;
    let equipment = Equipment {
        board,
        place: ticket.place,
        sockets,
        report: Some(report),
        shared: ticket.shared,
        manual_ready: settings.manual_ready,
        limits: settings.recycle.limits(ticket.random),
        names: settings.names.clone(),
        on_reopen: settings.on_reopen.take(),
    };
    Ok(Some((Seat::Below { supervisor, grace: settings.grace }, equipment)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_read_as_it_was_written() {
        for processor in [None, Some(3)] {
            let ticket =
                Ticket { place: 7, supervisor: 4242, shared: true, processor, random: 0.125 };
            let names = ["http", "ctl"];
            let read = Ticket::from_text(&ticket.to_text(&names)).unwrap();
            assert_eq!(read, (ticket, names.map(str::to_owned).to_vec()));
        }
        assert_eq!(Ticket::from_text("2,7,4242,1,-,0.5,"), None);
        assert_eq!(Ticket::from_text("nonsense"), None);
    }
}
