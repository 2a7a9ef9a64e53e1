//! A soak: storms of clients, most of them rude, against the `echo_server` example in a process of
//! its own. After each storm the server must hold as many descriptors as before the first one and
//! do nothing; at the end it must need no more memory than after the first, and end at Ctrl-C.
//!
//! ```text
//! cargo bench --bench soak -- --minutes 10
//! ```
//!
//! Without `--minutes` it takes a few seconds. It prints a line per storm and ends with status 1 if
//! something is wrong. It reads `/proc`, and does nothing where there is none.

mod clients;
#[path = "../machine/mod.rs"]
mod machine;
mod random;
mod server;
mod storm;

use std::{io, path::Path, process::ExitCode, time::Duration};

use random::Random;
use server::Server;
use storm::Storm;

/// How many storms; the first one shows how much memory a storm takes.
const STORMS: u32 = 10;
/// So much more memory than after the first storm the server may have after the last. It is what an
/// allocator may need to grow by; a leak of a few bytes per connection is more.
const ALLOWED_KIB: u64 = 256;

fn main() -> ExitCode {
    let Some(length) = arguments() else {
        println!("soak: skipped; it is for `cargo bench`, and knows no argument but --minutes N");
        return ExitCode::SUCCESS;
    };
    if !Path::new("/proc/self/fd").exists() {
        println!("soak: skipped; there is no /proc");
        return ExitCode::SUCCESS;
    }
    machine::print();
    match soak(length) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How long to storm; `None` if this run or its arguments are meant for others.
fn arguments() -> Option<Duration> {
    let mut seconds = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => seconds = seconds.or(Some(5.0)),
            "--minutes" => seconds = Some(60.0 * arguments.next()?.parse::<f64>().ok()?),
            _ => return None,
        }
    }
    Duration::try_from_secs_f64(seconds?).ok()
}

fn soak(run: Duration) -> io::Result<()> {
    let mut server = Server::start()?;
    // What the server makes once should have been made.
    clients::talk(&Storm::new(server.address(), run), &mut Random::new(0))?;
    let fresh = server.wait_until_idle(None)?;
    println!("{STORMS} storms of {:.1?} each; {}\n", run / STORMS, storm::description());
    println!("                                                descriptors     memory (KiB)");
    println!("storm  connections  broken off  MB verified     peak  after      peak  after");
    println!("start {:50} {:6} {:16}", "", fresh.descriptors, fresh.memory_kib);
    let (mut first, mut last) = (None, fresh);
    for number in 1..=STORMS {
        let storm = Storm::new(server.address(), run);
        let peak = storm.rage(run / STORMS, u64::from(number), &server)?;
        last = server.wait_until_idle(Some(fresh.descriptors))?;
        println!(
            "{number:5}  {:11}  {:10}  {:11.1}  {:7} {:6} {:9} {:6}",
            storm.connections(),
            storm.broken_off(),
            storm.bytes_verified() as f64 / 1e6,
            peak.descriptors,
            last.descriptors,
            peak.memory_kib,
            last.memory_kib,
        );
        first.get_or_insert(last);
        storm.into_failure().map_or(Ok(()), Err)?;
    }
    clients::talk(&Storm::new(server.address(), run), &mut Random::new(0))?;
    server.interrupt()?;
    let growth = last.memory_kib.saturating_sub(first.unwrap_or(fresh).memory_kib);
    if growth > ALLOWED_KIB {
        return Err(io::Error::other(format!("the memory has grown by {growth} KiB")));
    }
    println!("\nevery byte came back, descriptors as at the start, memory flat (+{growth} KiB)");
    Ok(())
}
