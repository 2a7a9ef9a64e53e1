//! How a launcher ends: what was begun is finished, what waits is served, and nothing stays behind.
#![cfg(all(feature = "launcher", target_os = "linux"))]
#![allow(unsafe_code, reason = "takes a process away from its terminal")]

use std::{
    io,
    process::ExitCode,
    time::{Duration, Instant},
};

#[path = "launcher_support/mod.rs"]
mod launcher_support;
use launcher_support::*;

use greenloop::launcher::Worker;

fn main() -> ExitCode {
    launcher_support::main(
        named![server, lazy, green],
        named![
            connections_in_the_queue_are_served_before_the_end,
            a_request_that_was_begun_is_answered,
            a_request_that_takes_too_long_is_cut,
            a_second_sigterm_drops_tasks_at_once,
            ctrl_c_is_the_supervisors_decision,
            sigquit_ends_with_its_own_status,
            a_worker_that_ignores_everything_is_killed,
            workers_serve_on_during_the_drain_delay,
            a_launcher_without_workers_ends_as_well,
            green_threads_are_drained_and_unwound,
            a_worker_that_is_told_by_hand_is_replaced,
            who_comes_while_the_last_requests_are_finished_is_refused,
            workers_pause_and_go_on,
        ],
    )
}

fn server() -> io::Result<ExitCode> {
    launcher().grace(millis("GRACE", 30_000)).drain_delay(millis("DELAY", 0)).run(serve)
}

/// Accepts nothing before the signal.
fn lazy() -> io::Result<ExitCode> {
    launcher().manual_ready().run(|worker| async move {
        worker.ready();
        worker.draining().await;
        serve(worker).await
    })
}

fn green() -> io::Result<ExitCode> {
    use greenloop::green::{self, Wait};
    launcher().run_green(|worker: Worker| {
        let listener = worker.listener("http")?;
        while let Some((stream, _)) = listener.accept().wait()? {
            worker.spawn_green(move || {
                let _guard = SayAtDrop("unwound".into());
                let mut buffer = [0; 100];
                let count = stream.read(&mut buffer).wait().unwrap();
                let time: u64 =
                    std::str::from_utf8(&buffer[..count]).unwrap().trim().parse().unwrap();
                stream.write_all(b"begun\n").wait().unwrap();
                green::sleep(Duration::from_millis(time));
                stream.write_all(b"done\n").wait().unwrap();
            });
        }
        worker.drained().wait();
        Ok(())
    })
}

fn connections_in_the_queue_are_served_before_the_end() {
    let launched = program("lazy").start();
    launched.wait_line("the workers are ready");
    let address = launched.address();
    let mut clients: Vec<_> = (0..50).map(|_| Client::connect(address).unwrap()).collect();
    for client in &mut clients {
        client.say("hello").unwrap();
    }
    launched.signal(libc::SIGTERM);
    for client in &mut clients {
        assert_eq!(client.hear().unwrap(), "hello");
    }
    drop(clients);
    let (status, lines) = launched.ended();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
}

fn a_request_that_was_begun_is_answered() {
    let launched = program("server").env("GRACE", 20_000).start();
    let mut client = Client::connect(launched.address()).unwrap();
    // Begun: the answer to the first word has come.
    client.say("hello\nslow 1000").unwrap();
    assert_eq!(client.hear().unwrap(), "hello");
    launched.signal(libc::SIGTERM);
    launched.wait_lines("drains", 2);
    assert_eq!(client.hear().unwrap(), "done");
    drop(client);
    let (status, lines) = launched.ended();
    assert_eq!(status.code(), Some(0));
    assert!(!lines.iter().any(|line| line.contains("in time")), "{lines:#?}");
}

fn a_request_that_takes_too_long_is_cut() {
    let launched = program("server").env("GRACE", 300).start();
    let mut client = Client::connect(launched.address()).unwrap();
    client.say("hello\nguard tail").unwrap();
    assert_eq!(client.hear().unwrap(), "hello");
    let start = Instant::now();
    launched.signal(libc::SIGTERM);
    assert!(client.hear().is_err());
    assert!(start.elapsed() >= Duration::from_millis(300));
    let (status, lines) = launched.ended();
    assert_eq!(status.code(), Some(0));
    assert!(lines.iter().any(|line| line.contains("did not end in time")), "{lines:#?}");
    // Destructors run even so.
    assert!(lines.contains(&"dropped tail".into()), "{lines:#?}");
}

fn a_second_sigterm_drops_tasks_at_once() {
    let launched = program("server").start();
    let mut client = Client::connect(launched.address()).unwrap();
    client.say("hello\nguard it").unwrap();
    assert_eq!(client.hear().unwrap(), "hello");
    launched.signal(libc::SIGTERM);
    launched.wait_lines("drains", 2);
    launched.signal(libc::SIGTERM);
    assert!(client.hear().is_err());
    let (status, lines) = launched.ended();
    assert_eq!(status.code(), Some(0));
    assert!(lines.contains(&"dropped it".into()), "{lines:#?}");
}

fn ctrl_c_is_the_supervisors_decision() {
    let launched = program("server").start();
    launched.wait_line("the workers are ready");
    let workers: Vec<_> = launched.lines_with("is ready").iter().map(|l| pid_in(l)).collect();
    let mut client = Client::connect(launched.address()).unwrap();
    client.say("hello\nguard it").unwrap();
    assert_eq!(client.hear().unwrap(), "hello");
    // The terminal tells all processes; here, the workers first.
    for worker in &workers {
        // With others that come at once: there is a stack for all of their handlers.
        kill(*worker, libc::SIGSTOP);
        wait_until("it is stopped", || state_of(*worker) == 'T');
        let dump = libc::SIGRTMIN() + 5;
        for signal in [libc::SIGINT, libc::SIGHUP, libc::SIGUSR1, dump, libc::SIGCONT] {
            kill(*worker, signal);
        }
    }
    assert_eq!(ask(launched.address(), "hello").unwrap(), "hello");
    assert!(launched.lines_with("ended").is_empty());
    launched.signal(libc::SIGINT);
    assert!(client.hear().is_err());
    let (status, lines) = launched.ended();
    assert_eq!(status.code(), Some(130));
    assert!(lines.contains(&"dropped it".into()), "{lines:#?}");
}

fn sigquit_ends_with_its_own_status() {
    let launched = program("server").start();
    launched.wait_line("the workers are ready");
    launched.signal(libc::SIGQUIT);
    let (status, _) = launched.ended();
    assert_eq!(status.code(), Some(131));
}

fn a_worker_that_ignores_everything_is_killed() {
    let launched = program("server").env("GRACE", 100).start();
    let mut client = Client::connect(launched.address()).unwrap();
    client.say("hello\nspin").unwrap();
    assert_eq!(client.hear().unwrap(), "hello");
    launched.signal(libc::SIGTERM);
    assert!(client.hear().is_err());
    let (status, _) = launched.ended();
    assert_eq!(status.code(), Some(0));
}

fn workers_serve_on_during_the_drain_delay() {
    let launched = program("server").env("DELAY", 500).start();
    launched.wait_line("the workers are ready");
    let address = launched.address();
    launched.signal(libc::SIGTERM);
    launched.wait_line("stopping");
    assert_eq!(ask(address, "hello").unwrap(), "hello");
    let (status, lines) = launched.ended();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
}

fn a_launcher_without_workers_ends_as_well() {
    for (signal, served) in [(libc::SIGTERM, true), (libc::SIGINT, false)] {
        let launched = program("server").env("WORKERS", 0).start();
        let mut client = Client::connect(launched.address()).unwrap();
        assert_eq!(client.ask("pid").unwrap(), launched.pid().to_string());
        client.say("hello\nslow 200").unwrap();
        assert_eq!(client.hear().unwrap(), "hello");
        launched.signal(signal);
        assert_eq!(client.hear().is_ok(), served);
        drop(client);
        let (status, _) = launched.ended();
        assert_eq!(status.code(), Some(0));
    }
}

fn green_threads_are_drained_and_unwound() {
    for (signal, answer) in [(libc::SIGTERM, true), (libc::SIGQUIT, false)] {
        let launched = program("green").env("WORKERS", 1).start();
        let mut client = Client::connect(launched.address()).unwrap();
        client.say("500").unwrap();
        assert_eq!(client.hear().unwrap(), "begun");
        launched.signal(signal);
        assert_eq!(client.hear().is_ok(), answer);
        let (_, lines) = launched.ended();
        assert!(lines.contains(&"unwound".into()), "{lines:#?}");
    }
}

fn a_worker_that_is_told_by_hand_is_replaced() {
    let launched = program("server").env("WORKERS", 1).start();
    let mut client = Client::connect(launched.address()).unwrap();
    let old: u32 = client.ask("pid").unwrap().parse().unwrap();
    kill(old, libc::SIGTERM);
    launched.wait_line("drains");
    launched.wait_lines("is ready", 2);
    // The old one may still take what is in the queue.
    wait_until("the new one answers", || {
        ask(launched.address(), "pid").unwrap() != old.to_string()
    });
    // The old one still serves whom it has.
    assert_eq!(client.ask("pid").unwrap(), old.to_string());
    drop(client);
    launched.wait_line(&format!("(pid {old}, generation 1) has ended"));
    launched.stop();
}

fn who_comes_while_the_last_requests_are_finished_is_refused() {
    let launched = program("server").start();
    launched.wait_line("the workers are ready");
    let address = launched.address();
    let mut client = Client::connect(address).unwrap();
    client.say("hello\nslow 2000").unwrap();
    assert_eq!(client.hear().unwrap(), "hello");
    launched.signal(libc::SIGTERM);
    launched.wait_lines("drains", 2);
    // Not left in a queue that nobody looks at any more.
    wait_until("connections are refused", || {
        let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
        std::net::TcpStream::connect(address).is_err_and(refused)
    });
    assert_eq!(client.hear().unwrap(), "done");
    drop(client);
    let (status, lines) = launched.ended();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
}

fn workers_pause_and_go_on() {
    // With SIGTTIN there is one more; those of the first generation were ready before, too.
    for (go_on, generation, count) in [(libc::SIGHUP, 2, 2), (libc::SIGTTIN, 1, 5)] {
        // Without a terminal, from which the signal would say that the window has another size.
        let start = program("server").with(|command| {
            let leave = || {
                // SAFETY: takes no pointers.
                unsafe { libc::setsid() };
                Ok(())
            };
            // SAFETY: the closure only makes a system call.
            unsafe { std::os::unix::process::CommandExt::pre_exec(command, leave) };
        });
        let launched = start.start();
        launched.wait_line("the workers are ready");
        let address = launched.address();
        launched.signal(libc::SIGWINCH);
        launched.wait_line("pausing");
        launched.wait_lines("has ended", 2);
        assert_eq!(launched.processes(), [launched.pid()]);
        // Who comes meanwhile waits.
        let mut client = Client::connect(address).unwrap();
        client.say("hello").unwrap();
        launched.signal(go_on);
        launched.wait_line("going on");
        assert_eq!(client.hear().unwrap(), "hello");
        launched.wait_lines(&format!("generation {generation}) is ready"), count);
        drop(client);
        launched.stop();
    }
}
