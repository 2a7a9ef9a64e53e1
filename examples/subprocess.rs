//! Other programs: a conversation with one, ten at once, and one that takes too long.
//!
//! ```text
//! cargo run --example subprocess
//! ```
//!
//! It prints lines that `sort` has sorted, how long ten sleeps of half a second took together, and how
//! a shell ended that was given a fifth of a second for a task of a minute. Not one thread is started for
//! any of it.

use std::io;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use greenloop::process::Command;

fn main() -> io::Result<()> {
    if std::env::args().len() > 1 {
        eprintln!("usage: subprocess");
        std::process::exit(2);
    }
    greenloop::run(async {
        let mut sort = Command::new("sort").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let sorted = sort.communicate("pear\napple\nfig\n").await?;
        print!("sorted:\n{}", String::from_utf8_lossy(&sorted.stdout));

        let start = Instant::now();
        let sleeps: Vec<_> = (0..10).map(|_| Command::new("sleep").arg("0.5").status()).collect();
        for status in greenloop::join_all(sleeps).await {
            assert!(status?.success());
        }
        println!("ten at once: {:.3} s", start.elapsed().as_secs_f64());

        // The shell's own child holds the pipe open, and is not waited for longer than the grace.
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo patience; sleep 60 & wait"]).process_group(0);
        let Output { status, stdout, .. } = run_for(Duration::from_millis(200), &mut shell).await?;
        println!("too long: {status}, said {:?}", String::from_utf8_lossy(&stdout));
        Ok(())
    })
}

/// Runs a command for at most `limit`, then ends it with all that it has started. Either way it gives
/// what the command has written.
async fn run_for(limit: Duration, command: &mut Command) -> io::Result<Output> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut talk = child.communicate("").grace(Duration::from_millis(100));
    match greenloop::timeout(limit, &mut talk).await {
        Ok(output) => output,
        Err(_) => {
            talk.child().signal_group(greenloop::signal::SignalKind::kill())?;
            talk.await
        }
    }
}
