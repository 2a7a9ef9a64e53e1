//! Sockets that are handed over, programs that are upgraded while they run, commands, and workers that
//! execute the program.
#![cfg(all(feature = "launcher", target_os = "linux"))]
#![allow(unsafe_code, reason = "passes descriptors")]

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    os::{
        fd::AsRawFd as _,
        unix::{fs::PermissionsExt as _, net::UnixDatagram, process::CommandExt as _},
    },
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
    time::Duration,
};

#[path = "launcher_support/mod.rs"]
mod launcher_support;
use launcher_support::*;

use greenloop::launcher::SpawnMode;

fn main() -> ExitCode {
    launcher_support::main(
        named![server, controlled, executed, executed_with_threads],
        named![
            a_socket_that_was_handed_over_is_used,
            a_socket_that_was_meant_for_another_process_is_not_used,
            a_program_is_upgraded_under_load,
            a_successor_that_fails_changes_nothing,
            a_successor_that_is_not_ready_in_time_is_killed,
            a_program_that_a_worker_starts_inherits_nothing,
            the_control_socket_obeys_its_owner,
            a_roll_says_at_the_control_socket_how_it_ended,
            a_client_that_says_nothing_or_nonsense_does_no_harm,
            workers_that_execute_the_program_serve_and_are_replaced,
            a_process_with_threads_can_execute_its_workers,
        ],
    )
}

fn server() -> io::Result<ExitCode> {
    if std::env::var("BROKEN").is_ok_and(|path| fs::exists(path).unwrap())
        && std::env::var("GREENLOOP_UPGRADE_FD").is_ok()
    {
        match std::env::var("BROKEN_HOW").as_deref() {
            Ok("hangs") => thread::sleep(STUCK * 10),
            _ => return Ok(ExitCode::from(1)),
        }
    }
    launcher().upgrade_timeout(millis("UPGRADE", 60_000)).run(serve)
}

fn controlled() -> io::Result<ExitCode> {
    launcher().counter("jobs").control(std::env::var("CONTROL").unwrap()).run(|worker| async move {
        if fs::exists(std::env::var("BROKEN").unwrap_or_default())? {
            return Err(io::Error::other("broken"));
        }
        serve(worker).await
    })
}

fn executed() -> io::Result<ExitCode> {
    launcher().counter("jobs").spawn_mode(SpawnMode::Exec).run(serve)
}

fn executed_with_threads() -> io::Result<ExitCode> {
    thread::spawn(thread::park);
    launcher().spawn_mode(SpawnMode::ForkOrExec).run(serve)
}

/// Starts the server with a socket of ours as number 3.
fn with_socket(listener: &TcpListener, pid: &str) -> Launched {
    let script = format!("export LISTEN_PID={pid}; exec \"$0\"");
    let fd = listener.as_raw_fd();
    let start = wrapped("server", &["sh", "-c", &script]);
    let start = start.env("LISTEN_FDS", 1).env("LISTEN_FDNAMES", "http");
    let start = start.with(|command| {
        let pass = move || {
            // SAFETY: takes no pointers.
            match unsafe { libc::dup2(fd, 3) } {
                3 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        };
        // SAFETY: the closure only makes a system call.
        unsafe { command.pre_exec(pass) };
    });
    start.start()
}

fn a_socket_that_was_handed_over_is_used() {
    // Above 3, so that the copy is inherited.
    let listeners = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let listener = listeners.iter().find(|listener| listener.as_raw_fd() > 3).unwrap();
    let address = listener.local_addr().unwrap();
    let launched = with_socket(listener, "$$");
    let line = launched.wait_line("http: was handed the socket on");
    assert!(line.ends_with(&address.to_string()), "{line}");
    assert_eq!(ask(address, "hello").unwrap(), "hello");
    let variables = ask(address, "sh echo $LISTEN_FDS-$LISTEN_PID-$LISTEN_FDNAMES").unwrap();
    assert_eq!(variables, "--|");
    launched.stop();
}

fn a_socket_that_was_meant_for_another_process_is_not_used() {
    let listeners = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let listener = listeners.iter().find(|listener| listener.as_raw_fd() > 3).unwrap();
    let launched = with_socket(listener, "1");
    launched.wait_line("http: listening on");
    assert_ne!(launched.address(), listener.local_addr().unwrap());
    assert_eq!(ask(launched.address(), "hello").unwrap(), "hello");
    launched.stop();
}

/// The process of the successor, once it has taken over.
fn successor(launched: &Launched) -> u32 {
    let line = launched.wait_line("has taken over");
    line.split_whitespace().nth(3).unwrap().parse().unwrap()
}

fn a_program_is_upgraded_under_load() {
    let path = scratch("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(STUCK)).unwrap();
    let hear = || {
        let mut buffer = [0; 1000];
        let count = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    };
    let launched = program("server").env("NOTIFY_SOCKET", path.display()).start();
    launched.wait_line("all workers are ready");
    assert!(hear().starts_with("READY=1\n"));
    let address = launched.address();
    let old = launched.processes();
    let mut long = Client::connect(address).unwrap();
    let served_by: u32 = long.ask("pid").unwrap().parse().unwrap();
    let errors = under_load(address, || {
        launched.signal(libc::SIGUSR2);
        successor(&launched);
    });
    assert_eq!(errors, 0);
    let new = successor(&launched);
    // The successor's own word, and the predecessor's about it, come in whatever order.
    let words = [hear(), hear()];
    assert!(words.contains(&format!("MAINPID={new}")), "{words:?}");
    assert!(words.iter().any(|word| word.starts_with("READY=1\n")), "{words:?}");
    wait_until("the new workers serve alone", || {
        (0..20).all(|_| !old.contains(&ask(address, "pid").unwrap().parse().unwrap()))
    });
    // Who was connected before is served on.
    assert_eq!(long.ask("pid").unwrap(), served_by.to_string());
    drop(long);
    wait_until("the old ones are gone", || {
        let left = launched.processes();
        !old.iter().any(|pid| left.contains(pid))
    });
    assert_eq!(ask(address, "hello").unwrap(), "hello");
    kill(new, libc::SIGTERM);
    let (status, lines) = launched.ended();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    assert_eq!(lines.iter().filter(|line| line.contains("stopped, status 0")).count(), 2);
    let _ = fs::remove_file(&path);
}

fn a_successor_that_fails_changes_nothing() {
    let broken = scratch("broken");
    fs::write(&broken, "").unwrap();
    let launched = program("server").env("BROKEN", broken.display()).start();
    launched.wait_line("all workers are ready");
    let old = launched.processes();
    launched.signal(libc::SIGUSR2);
    let failed = launched.wait_line("upgrade failed");
    assert!(failed.contains("status 1"), "{failed}");
    assert!(old.contains(&ask(launched.address(), "pid").unwrap().parse().unwrap()));
    // And it can be tried again.
    fs::remove_file(&broken).unwrap();
    launched.signal(libc::SIGUSR2);
    let new = successor(&launched);
    kill(new, libc::SIGTERM);
    launched.ended();
}

fn a_successor_that_is_not_ready_in_time_is_killed() {
    let broken = scratch("broken");
    fs::write(&broken, "").unwrap();
    let start = program("server").env("BROKEN", broken.display()).env("BROKEN_HOW", "hangs");
    let launched = start.env("UPGRADE", 300).start();
    launched.wait_line("all workers are ready");
    launched.signal(libc::SIGUSR2);
    launched.wait_line("upgrade failed, going on: the successor was not ready in time");
    assert_eq!(launched.processes().len(), 3);
    assert_eq!(ask(launched.address(), "hello").unwrap(), "hello");
    launched.stop();
    fs::remove_file(&broken).unwrap();
}

fn a_program_that_a_worker_starts_inherits_nothing() {
    let launched = program("server").start();
    let address = launched.address();
    let own = ask(address, "sh grep -E 'Sig(Blk|Ign)' /proc/self/status").unwrap();
    for line in own.split_terminator('|') {
        let (name, mask) = line.split_once(':').unwrap();
        let mut mask = u64::from_str_radix(mask.trim(), 16).unwrap();
        // Real-time signals may be ignored from the start, by whoever started the tests.
        mask &= (1 << 31) - 1;
        assert_eq!(mask, 0, "{name} {line}");
    }
    let sockets = ask(address, "sh ls -l /proc/self/fd | grep -c socket").unwrap();
    assert_eq!(sockets, "0|");
    // It ends by SIGTERM as any program.
    let status = ask(address, "sh sh -c 'kill -TERM $$; sleep 5'; echo $?").unwrap();
    assert_eq!(status, "143|");
    launched.stop();
}

fn the_control_socket_obeys_its_owner() {
    let path = scratch("control");
    let path = path.to_str().unwrap();
    let launched = program("controlled").env("CONTROL", path).env("WORKERS", 1).start();
    launched.wait_line("all workers are ready");
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    for _ in 0..3 {
        ask(launched.address(), "count").unwrap();
    }
    let status = command(path, "status");
    assert!(status.contains(&format!("\"supervisor\":{}", launched.pid())), "{status}");
    assert!(status.contains("\"counters\":{\"jobs\":3}"), "{status}");
    let text = command(path, "prometheus");
    assert!(text.contains("\ngreenloop_accepted_total 3\n"), "{text}");
    assert_eq!(command(path, "scale 3"), "{\"ok\":true}");
    launched.wait_lines(") is ready", 3);
    assert!(command(path, "scale 0").contains("one worker is the least"));
    assert!(command(path, "scale 1000").contains("256"));
    assert!(command(path, "scale x").contains("no number"));
    assert_eq!(command(path, "scale 1"), "{\"ok\":true}");
    launched.wait_lines("has ended", 2);
    assert_eq!(command(path, "dump"), "{\"ok\":true}");
    let upgraded = command(path, "upgrade");
    assert!(upgraded.starts_with("{\"ok\":true,\"pid\":"), "{upgraded}");
    // The successor has put its own socket there.
    wait_until("the successor answers", || {
        command(path, "status").contains(&format!("\"supervisor\":{}", successor(&launched)))
    });
    assert_eq!(command(path, "stop"), "{\"ok\":true}");
    let (status, _) = launched.ended();
    assert_eq!(status.code(), Some(0));
    assert!(!fs::exists(path).unwrap());
}

fn a_roll_says_at_the_control_socket_how_it_ended() {
    let (path, broken) = (scratch("control"), scratch("broken"));
    let path = path.to_str().unwrap();
    let launched =
        program("controlled").env("CONTROL", path).env("BROKEN", broken.display()).start();
    launched.wait_line("all workers are ready");
    assert_eq!(command(path, "roll"), "{\"ok\":true,\"generation\":2,\"replaced\":2}");
    fs::write(&broken, "").unwrap();
    let failed = command(path, "roll");
    assert!(failed.starts_with("{\"ok\":false,\"error\":\"failed at 0 of 2"), "{failed}");
    fs::remove_file(&broken).unwrap();
    launched.stop();
}

fn a_client_that_says_nothing_or_nonsense_does_no_harm() {
    let path = scratch("control");
    let path = path.to_str().unwrap();
    let launched = program("controlled").env("CONTROL", path).start();
    launched.wait_line("all workers are ready");
    let silent: Vec<_> =
        (0..10).map(|_| std::os::unix::net::UnixStream::connect(path).unwrap()).collect();
    assert!(command(path, "dance").contains("commands: status"));
    assert!(command(path, &"x".repeat(300)).contains("commands: status"));
    drop(std::os::unix::net::UnixStream::connect(path).unwrap());
    assert!(command(path, "status").contains("supervisor"));
    drop(silent);
    launched.stop();
}

fn workers_that_execute_the_program_serve_and_are_replaced() {
    let launched = program("executed").start();
    launched.wait_line("all workers are ready");
    let address = launched.address();
    assert_eq!(ask(address, "count").unwrap(), "1");
    assert!(ask(address, "exit 4").is_err());
    launched.wait_line("ended with status 4");
    assert_eq!(ask(address, "count").unwrap(), "2");
    let errors = under_load(address, || {
        launched.signal(libc::SIGHUP);
        launched.wait_line("has finished");
    });
    assert_eq!(errors, 0);
    assert_eq!(ask(address, "sh echo x$GREENLOOP_WORKER").unwrap(), "x|");
    launched.stop();
}

fn a_process_with_threads_can_execute_its_workers() {
    let launched = program("executed_with_threads").start();
    launched.wait_line("all workers are ready");
    assert_eq!(ask(launched.address(), "hello").unwrap(), "hello");
    launched.stop();
}

/// Has clients connect and ask until `work` is done; gives the number of errors.
fn under_load(address: SocketAddr, work: impl FnOnce()) -> usize {
    let (done, errors) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(SeqCst) {
                    let well = ask(address, "hello").is_ok_and(|answer| answer == "hello");
                    errors.fetch_add(usize::from(!well), SeqCst);
                }
            });
        }
        work();
        thread::sleep(Duration::from_millis(50));
        done.store(true, SeqCst);
    });
    errors.into_inner()
}

/// A path in the folder for temporary files that nobody else uses.
fn scratch(name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, SeqCst);
    std::env::temp_dir().join(format!("greenloop-h-{}-{count}-{name}", std::process::id()))
}
