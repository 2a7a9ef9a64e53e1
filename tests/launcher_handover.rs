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

use greenloop::launcher::{Accept, Restart, SpawnMode};

fn main() -> ExitCode {
    launcher_support::main(
        named![
            server,
            controlled,
            executed,
            executed_slowly,
            executed_with_threads,
            filed,
            grouped,
            answering,
            nested,
        ],
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
            a_worker_that_was_not_there_yet_when_the_supervisor_died_ends,
            a_successor_may_have_more_workers_or_fewer,
            an_upgrade_in_the_middle_of_a_roll_leaves_no_worker_too_many,
            a_successor_whose_workers_fail_takes_nothing_with_it,
            a_socket_that_was_handed_over_stays_open_while_workers_drain,
            commands_pause_the_workers_and_open_logs_anew,
            a_client_that_does_not_read_keeps_nobody_waiting,
            a_worker_has_its_own_descriptors_only,
            a_successor_that_fails_leaves_senders_with_their_workers,
            a_successor_that_is_killed_leaves_senders_with_their_workers,
            a_launcher_below_a_worker_of_another_is_its_own,
            a_queue_that_a_successor_closes_ends_no_worker_early,
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
    launcher().upgrade_timeout(millis("UPGRADE", 60_000)).run(|worker| async move {
        greenloop::sleep(millis("BOOT", 0)).await;
        serve(worker).await
    })
}

fn controlled() -> io::Result<ExitCode> {
    let launcher = launcher().counter("jobs").control(std::env::var("CONTROL").unwrap());
    let launcher = launcher.on_reopen(|| {
        println!("opened anew by {}", std::process::id());
        Ok(())
    });
    launcher.run(|worker| async move {
        if fs::exists(std::env::var("BROKEN").unwrap_or_default())? {
            return Err(io::Error::other("broken"));
        }
        serve(worker).await
    })
}

fn executed() -> io::Result<ExitCode> {
    launcher().counter("jobs").spawn_mode(SpawnMode::Exec).run(serve)
}

/// Its workers take long to come to the launcher, which they tell.
fn executed_slowly() -> io::Result<ExitCode> {
    if std::env::var("GREENLOOP_WORKER").is_ok() {
        println!("on the way");
        let go_on = std::env::var("GO_ON").unwrap();
        while !fs::exists(&go_on)? {
            thread::sleep(Duration::from_millis(1));
        }
    }
    executed()
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
    launched.wait_line("the workers are ready");
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
    launched.wait_line("the workers are ready");
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
    launched.wait_line("the workers are ready");
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
    launched.wait_line("the workers are ready");
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
    launched.wait_line("the workers are ready");
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
    launched.wait_line("the workers are ready");
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
    launched.wait_line("the workers are ready");
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
    launched.wait_line("the workers are ready");
    assert_eq!(ask(launched.address(), "hello").unwrap(), "hello");
    launched.stop();
}

fn a_worker_that_was_not_there_yet_when_the_supervisor_died_ends() {
    let go_on = scratch("go-on");
    let launched = program("executed_slowly").env("GO_ON", go_on.display()).start();
    launched.wait_lines("on the way", 2);
    launched.signal(libc::SIGKILL);
    wait_until("the supervisor is dead", || matches!(state_of(launched.pid()), 'Z' | 'X' | '-'));
    fs::write(&go_on, "").unwrap();
    launched.assert_none_left();
    fs::remove_file(&go_on).unwrap();
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

fn filed() -> io::Result<ExitCode> {
    let launcher = launcher().bind("file", std::env::var("ADDRESS").unwrap());
    let soon = Restart::backoff(Duration::from_millis(1), Duration::from_millis(10));
    launcher.control(std::env::var("CONTROL").unwrap()).restart(soon).run(|worker| async move {
        if fs::exists(std::env::var("BROKEN").unwrap())? {
            return Err(io::Error::other("broken"));
        }
        serve(worker).await
    })
}

fn a_successor_whose_workers_fail_takes_nothing_with_it() {
    let (file, control, broken) = (scratch("file"), scratch("control"), scratch("broken"));
    let launched = program("filed")
        .env("ADDRESS", format!("unix:{}", file.display()))
        .env("CONTROL", control.display())
        .env("BROKEN", broken.display())
        .start();
    launched.wait_line("the workers are ready");
    let own = format!("\"supervisor\":{}", launched.pid());
    fs::write(&broken, "").unwrap();
    let control = control.to_str().unwrap();
    let failed = command(control, "upgrade");
    assert!(failed.contains("the successor ended with status 78"), "{failed}");
    fs::remove_file(&broken).unwrap();
    // The sockets are as open as before, and still those of the old launcher.
    assert_eq!(ask(launched.address(), "hello").unwrap(), "hello");
    assert!(std::os::unix::net::UnixStream::connect(&file).is_ok());
    assert!(command(control, "status").contains(&own));
    let upgraded = command(control, "upgrade");
    assert!(upgraded.contains("\"ok\":true"), "{upgraded}");
    launched.wait_line("stopped, status 0");
    assert!(!command(control, "status").contains(&own));
    assert_eq!(command(control, "stop"), "{\"ok\":true}");
    launched.ended();
    assert!(!fs::exists(&file).unwrap() && !fs::exists(control).unwrap());
}

/// Each worker has a socket of its own; there are as many as a file says.
fn grouped() -> io::Result<ExitCode> {
    let count = fs::read_to_string(std::env::var("COUNT").unwrap())?;
    let launcher = launcher().workers(count.parse::<usize>().unwrap()).accept(Accept::PerWorker);
    launcher.bind("time", "udp:127.0.0.1:0").run(serve)
}

fn a_successor_may_have_more_workers_or_fewer() {
    let count = scratch("count");
    fs::write(&count, "2").unwrap();
    let launched = program("grouped").env("COUNT", count.display()).start();
    launched.wait_line("the workers are ready");
    let address = launched.address();
    let mut newest = launched.pid();
    for (round, workers) in [4, 1, 3].into_iter().enumerate() {
        fs::write(&count, workers.to_string()).unwrap();
        let errors = under_load(address, || {
            kill(newest, libc::SIGUSR2);
            launched.wait_lines("stopped, status 0", round + 1);
        });
        assert_eq!(errors, 0, "{workers}");
        let line = launched.wait_lines("has taken over", round + 1).pop().unwrap();
        newest = line.split_whitespace().nth(3).unwrap().parse().unwrap();
        let mut seen = std::collections::BTreeSet::new();
        wait_until("each of them gets some", || {
            seen.insert(ask(address, "slot").unwrap());
            seen.len() == workers
        });
        for _ in 0..30 {
            seen.insert(ask(address, "slot").unwrap());
        }
        assert_eq!(seen.len(), workers, "{seen:?}");
    }
    kill(newest, libc::SIGTERM);
    launched.ended();
    fs::remove_file(count).unwrap();
}

fn an_upgrade_in_the_middle_of_a_roll_leaves_no_worker_too_many() {
    let broken = scratch("broken");
    fs::write(&broken, "").unwrap();
    let launched = program("server").env("BROKEN", broken.display()).env("BOOT", 500).start();
    launched.wait_line("the workers are ready");
    launched.signal(libc::SIGHUP);
    launched.wait_lines("was started", 3);
    launched.signal(libc::SIGUSR2);
    launched.wait_line("rolling restart failed at 0 of 2: the program is being upgraded");
    launched.wait_line("upgrade failed");
    launched.wait_line("generation 2) has ended");
    assert_eq!(launched.processes().len(), 3);
    launched.signal(libc::SIGHUP);
    launched.wait_line("generation 3 has finished");
    launched.stop();
    fs::remove_file(broken).unwrap();
}

fn a_socket_that_was_handed_over_stays_open_while_workers_drain() {
    let listeners = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let listener = listeners.iter().find(|listener| listener.as_raw_fd() > 3).unwrap();
    let address = listener.local_addr().unwrap();
    let launched = with_socket(listener, "$$");
    launched.wait_line("the workers are ready");
    let mut client = Client::connect(address).unwrap();
    client.say("hello\nslow 500").unwrap();
    assert_eq!(client.hear().unwrap(), "hello");
    launched.signal(libc::SIGTERM);
    launched.wait_lines("drains", 2);
    // Whoever has the socket starts another server for those.
    let waiting = [(); 10].map(|()| {
        thread::sleep(Duration::from_millis(10));
        std::net::TcpStream::connect(address).unwrap()
    });
    assert_eq!(client.hear().unwrap(), "done");
    drop(client);
    launched.ended();
    drop(waiting);
    assert!(std::net::TcpStream::connect(address).is_ok());
}

fn commands_pause_the_workers_and_open_logs_anew() {
    let path = scratch("control");
    let path = path.to_str().unwrap();
    let launched = program("controlled").env("CONTROL", path).start();
    launched.wait_line("the workers are ready");
    assert_eq!(command(path, "reopen"), "{\"ok\":true}");
    launched.wait_lines("opened anew", 3);
    assert_eq!(command(path, "pause"), "{\"ok\":true}");
    launched.wait_lines("has ended", 2);
    assert!(command(path, "status").contains("\"workers\":[]"));
    assert_eq!(command(path, "resume"), "{\"ok\":true}");
    launched.wait_lines(") is ready", 4);
    launched.stop();
}

fn a_client_that_does_not_read_keeps_nobody_waiting() {
    let path = scratch("control");
    let path = path.to_str().unwrap();
    let launched = program("controlled").env("CONTROL", path).start();
    launched.wait_line("the workers are ready");
    // More than there may be clients: those that have kept silent for longest are hung up on.
    let silent: Vec<_> =
        (0..40).map(|_| std::os::unix::net::UnixStream::connect(path).unwrap()).collect();
    let lazy: Vec<_> = (0..10)
        .map(|_| {
            let mut client = std::os::unix::net::UnixStream::connect(path).unwrap();
            io::Write::write_all(&mut client, b"prometheus\n").unwrap();
            client
        })
        .collect();
    // A huge line, without an end.
    let mut endless = std::os::unix::net::UnixStream::connect(path).unwrap();
    let _ = io::Write::write_all(&mut endless, &[b'x'; 100_000]);
    for _ in 0..20 {
        assert!(command(path, "status").contains("supervisor"));
    }
    drop((silent, lazy, endless));
    launched.stop();
}

fn a_worker_has_its_own_descriptors_only() {
    let path = scratch("control");
    let path = path.to_str().unwrap();
    let launched = program("controlled").env("CONTROL", path).start();
    launched.wait_line("the workers are ready");
    // Started late, when the supervisor has most.
    let address = launched.address();
    for round in 0..2 {
        let descriptors = ask(address, "descriptors").unwrap();
        assert!(!descriptors.contains("pidfd"), "{descriptors}");
        // Two of the listening socket, the client, the pipe to the supervisor and a copy of it, and both
        // ends of that for signals.
        assert_eq!(descriptors.matches("socket:").count(), 7, "{descriptors}");
        if round == 0 {
            assert!(command(path, "roll").contains("true"));
            wait_until("new ones serve", || ask(address, "stats").unwrap().contains("pid"));
            launched.wait_lines("has ended", 2);
        }
    }
    launched.stop();
}

/// Answers each datagram with the number of the process; there are as many workers as a file says.
fn answering() -> io::Result<ExitCode> {
    let count = fs::read_to_string(std::env::var("COUNT").unwrap())?;
    let launcher = launcher().workers(count.parse::<usize>().unwrap());
    let launcher = launcher.upgrade_timeout(millis("UPGRADE", 60_000));
    launcher.bind("time", "udp:127.0.0.1:0").run(|worker| async move {
        if fs::exists(std::env::var("BROKEN").unwrap())? {
            if std::env::var("HANGS").is_ok() {
                // Never ready, and with no ear for the end of its launcher.
                std::future::pending::<()>().await;
            }
            return Err(io::Error::other("broken"));
        }
        let socket = worker.udp_socket("time")?;
        let mut buffer = [0; 100];
        loop {
            greenloop::select! {
                received = socket.recv_from(&mut buffer) => {
                    let answer = worker.pid().to_string();
                    socket.send_to(answer.as_bytes(), received?.1).await?;
                }
                _ = worker.draining() => return Ok(()),
            }
        }
    })
}

fn a_successor_that_fails_leaves_senders_with_their_workers() {
    leaves_senders_with_their_workers(program("answering"));
}

fn a_successor_that_is_killed_leaves_senders_with_their_workers() {
    leaves_senders_with_their_workers(program("answering").env("HANGS", 1).env("UPGRADE", 500));
}

fn leaves_senders_with_their_workers(start: Start) {
    let (count, broken) = (scratch("count"), scratch("broken"));
    fs::write(&count, "3").unwrap();
    let start = start.env("COUNT", count.display());
    let launched = start.env("BROKEN", broken.display()).start();
    launched.wait_line("the workers are ready");
    let line = launched.wait_line("time: listening on");
    let address: SocketAddr = line.rsplit(' ').next().unwrap().parse().unwrap();
    let sender = || {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(STUCK)).unwrap();
        socket
    };
    let senders: Vec<_> = (0..32).map(|_| sender()).collect();
    let ask = |sender: &std::net::UdpSocket| {
        sender.send_to(b"who", address).unwrap();
        let mut buffer = [0; 100];
        let count = sender.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    };
    // It would have more workers, and adds sockets to the group.
    fs::write(&count, "5").unwrap();
    fs::write(&broken, "").unwrap();
    for failures in 1..=2 {
        let before: Vec<_> = senders.iter().map(ask).collect();
        launched.signal(libc::SIGUSR2);
        while launched.lines_with("upgrade failed").len() < failures {
            // Nothing that is sent meanwhile is lost, or comes to others.
            assert!(senders.iter().map(ask).eq(before.iter().cloned()));
        }
        assert!(senders.iter().map(ask).eq(before));
        if failures == 1 {
            // And again while the last socket of the group has no worker.
            launched.signal(libc::SIGTTOU);
            launched.wait_line("has ended");
        }
    }
    launched.stop();
    fs::remove_file(count).unwrap();
    fs::remove_file(broken).unwrap();
}

/// Says whether its control socket is open before its worker is ready, and ends.
fn nested() -> io::Result<ExitCode> {
    let launcher = launcher().workers(1).control(std::env::var("CONTROL").unwrap());
    launcher.manual_ready().run(|worker| async move {
        println!("its own control: {}", fs::exists(std::env::var("CONTROL").unwrap())?);
        worker.ready();
        // SAFETY: takes no pointers.
        kill(unsafe { libc::getppid() } as u32, libc::SIGTERM);
        worker.draining().await;
        Ok(())
    })
}

fn a_launcher_below_a_worker_of_another_is_its_own() {
    let control = scratch("control");
    let launched = program("executed_with_threads").start();
    launched.wait_line("the workers are ready");
    launched.signal(libc::SIGUSR2);
    let new = successor(&launched);
    wait_until("the old launcher has ended", || {
        launched.lines_with("stopped, status 0").len() == 1
    });
    let address = launched.address();
    // With a second thread around, what was meant for this successor and its workers stays in the
    // environment.
    let names = "LISTEN_FDS|LISTEN_FDNAMES|GREENLOOP_(WORKER|WORKER_PID|UPGRADE_FD|UPGRADE_OWNED)";
    let inherited = ask(address, &format!("sh env | grep -c -E '^({names})='")).unwrap();
    assert_eq!(inherited, "6|");
    // The numbers of the descriptors are in use, as they may be in any program.
    let script = format!(
        "for n in 3 4 5 6 7; do eval \"exec $n</dev/null\"; done; \
         {PROGRAM}=nested CONTROL={} exec /proc/$PPID/exe 2>&1",
        control.display()
    );
    let lines = ask(address, &format!("sh {script}")).unwrap();
    for line in ["http: listening on", "its own control: true", "stopped, status 0"] {
        assert!(lines.contains(line), "{line}: {lines}");
    }
    kill(new, libc::SIGTERM);
    launched.ended();
}

fn a_queue_that_a_successor_closes_ends_no_worker_early() {
    let launched = program("server").env("WORKERS", 1).env("BOOT", 500).start();
    launched.wait_line("the workers are ready");
    let mut client = Client::connect(launched.address()).unwrap();
    let old = client.ask("pid").unwrap();
    launched.signal(libc::SIGUSR2);
    let started = launched.wait_line("upgrade: started pid");
    let new = started.rsplit(' ').next().unwrap().parse().unwrap();
    // Before it has heard that the successor serves, and told its worker.
    launched.signal(libc::SIGSTOP);
    wait_until("the old launcher is stopped", || state_of(launched.pid()) == 'T');
    launched.wait_lines("the workers are ready", 2);
    kill(new, libc::SIGTERM);
    launched.wait_line("stopped, status 0");
    wait_until("nobody takes connections", || {
        std::net::TcpStream::connect(launched.address()).is_err()
    });
    // What the old worker has begun is finished all the same.
    assert_eq!(client.ask("pid").unwrap(), old);
    drop(client);
    launched.signal(libc::SIGCONT);
    // It finds that the successor has ended, and that it had served.
    let (status, lines) = launched.ended();
    assert_eq!(status.code(), Some(0));
    assert!(lines.iter().any(|line| line.contains("has taken over")), "{lines:#?}");
}
