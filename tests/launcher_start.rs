//! How a launcher starts, and what it does when that does not work.
#![cfg(all(feature = "launcher", target_os = "linux"))]
#![allow(unsafe_code, reason = "limits the descriptors of a process")]

use std::{
    io,
    os::unix::net::UnixDatagram,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

#[path = "launcher_support/mod.rs"]
mod launcher_support;
use launcher_support::*;

use greenloop::launcher::{Launcher, OnCrashLoop, Restart, SpawnMode, Workers};

fn main() -> ExitCode {
    launcher_support::main(
        named![
            server,
            threaded,
            late_thread,
            never_ready,
            failing,
            fatal,
            panicking,
            at_port,
            auto,
            poor,
            titled,
            partly,
            telling,
        ],
        named![
            a_process_with_threads_is_not_forked_and_names_them,
            a_thread_that_comes_later_stops_the_forking,
            systemd_hears_ready_once,
            systemd_hears_signs_of_life_while_a_worker_is_healthy,
            a_worker_that_is_never_ready_is_killed_and_started_again,
            a_worker_that_fails_at_once_is_started_less_and_less_often_and_given_up,
            a_fatal_worker_is_not_started_again,
            the_others_serve_on_without_a_fatal_worker,
            a_worker_that_panics_before_it_is_ready_counts_as_failed,
            a_port_in_use_is_an_error_with_its_name,
            a_port_without_permission_is_an_error_with_its_name,
            a_bad_name_or_address_is_an_error,
            there_are_as_many_workers_as_processors,
            the_environment_says_how_many_workers_there_are,
            a_closed_standard_error_changes_nothing,
            a_broken_standard_error_changes_nothing,
            without_descriptors_workers_wait_and_come_back,
            an_orphan_is_reaped_by_the_first_process,
            processes_have_titles_and_keep_their_arguments,
            a_standard_error_that_is_full_changes_nothing,
            as_many_workers_as_are_asked_for_make_the_launcher_ready,
            a_quota_of_the_group_limits_the_workers,
        ],
    )
}

fn soon() -> Restart {
    Restart::backoff(Duration::from_millis(50), Duration::from_secs(10))
}

fn server() -> io::Result<ExitCode> {
    launcher().run(serve)
}

fn threaded() -> io::Result<ExitCode> {
    start_thread("a-logger");
    launcher().run(serve)
}

/// Starts a thread, and waits until it has its name.
fn start_thread(name: &str) {
    let (tell, named) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new().name(name.into());
    let work = move || loop {
        let _ = tell.send(());
        std::thread::park();
    };
    thread.spawn(work).unwrap();
    named.recv().unwrap();
}

/// Gets a thread at the first event of a worker.
fn late_thread() -> io::Result<ExitCode> {
    let mut once = Some(());
    launcher()
        .on_event(move |event| {
            println!("event: {event}");
            if event.to_string().contains("the workers are ready") && once.take().is_some() {
                start_thread("late");
            }
        })
        .restart(soon())
        .run(serve)
}

fn never_ready() -> io::Result<ExitCode> {
    let patient = soon().on_crash_loop(OnCrashLoop::KeepTrying);
    let launcher = launcher().restart(patient).boot_timeout(Duration::from_millis(100));
    launcher.manual_ready().run(serve)
}

fn failing() -> io::Result<ExitCode> {
    launcher().restart(soon()).run(|_| async {
        println!("start {}", Instant::now().elapsed().as_nanos());
        std::process::exit(7)
    })
}

/// The worker of slot 0 says that it is no use.
fn fatal() -> io::Result<ExitCode> {
    let restart = match std::env::var("KEEP_OTHERS") {
        Ok(_) => soon().on_crash_loop(OnCrashLoop::KeepOthers),
        Err(_) => soon(),
    };
    launcher().restart(restart).run(|worker| async move {
        if worker.slot() == 0 {
            let reason = format!("no such database{}", "!".repeat(100_000));
            return Err(worker.fatal(reason));
        }
        serve(worker).await
    })
}

fn panicking() -> io::Result<ExitCode> {
    launcher().restart(soon().give_up_after(2, Duration::from_secs(60))).run(|_| async {
        panic!("no flour");
    })
}

fn at_port() -> io::Result<ExitCode> {
    let address = std::env::var("ADDRESS").unwrap();
    let name = std::env::var("NAME").unwrap_or("http".into());
    Launcher::new().workers(1).bind(name, address).run(serve)
}

fn auto() -> io::Result<ExitCode> {
    launcher().workers(Workers::Auto).run(serve)
}

/// Has few descriptors, from the moment at which the workers are ready.
fn poor() -> io::Result<ExitCode> {
    launcher()
        .on_event(|event| {
            println!("event: {event}");
            if event.to_string().contains("the workers are ready") {
                limit_descriptors(8);
            }
            if event.to_string().contains("cannot start") {
                limit_descriptors(1000);
            }
        })
        .restart(soon())
        .run(serve)
}

fn limit_descriptors(count: u64) {
    let limit = libc::rlimit { rlim_cur: count, rlim_max: 1000 };
    // SAFETY: `limit` is alive during the call, which only reads it.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
}

fn a_process_with_threads_is_not_forked_and_names_them() {
    let (status, lines) = program("threaded").start().ended();
    assert_eq!(status.code(), Some(3));
    let error = lines.iter().find(|line| line.starts_with("error: ")).unwrap();
    assert!(error.contains("other threads") && error.contains("a-logger"), "{error}");
    assert!(!lines.iter().any(|line| line.contains("was started")));
}

fn a_thread_that_comes_later_stops_the_forking() {
    let launched = program("late_thread").start();
    launched.wait_line("the workers are ready");
    let address = launched.address();
    let _ = ask(address, "exit 1");
    let refused = launched.wait_line("cannot start worker");
    assert!(refused.contains("late"), "{refused}");
    // The other one serves on.
    assert_eq!(ask(address, "hello").unwrap(), "hello");
    assert_eq!(launched.lines_with("was started").len(), 2);
    launched.stop();
}

fn systemd_hears_ready_once() {
    let path = std::env::temp_dir().join(format!("greenloop-notify-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(STUCK)).unwrap();
    let launched = program("server").env("WORKERS", 3).env("NOTIFY_SOCKET", path.display()).start();
    let hear = || {
        let mut buffer = [0; 1000];
        let count = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    };
    let ready = hear();
    assert!(ready.starts_with("READY=1\n"), "{ready}");
    assert!(ready.contains(&format!("MAINPID={}", launched.pid())), "{ready}");
    assert_eq!(launched.wait_lines(") is ready", 3).len(), 3);
    // The workers do not find it in their environment.
    let variable = ask(launched.address(), "sh echo x$NOTIFY_SOCKET").unwrap();
    assert_eq!(variable, "x|");
    launched.signal(libc::SIGHUP);
    assert!(hear().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert!(hear().starts_with("READY=1\n"));
    launched.signal(libc::SIGTERM);
    assert_eq!(hear(), "STOPPING=1");
    launched.ended();
    manager.set_nonblocking(true).unwrap();
    assert!(manager.recv(&mut [0; 10]).is_err(), "nothing else");
    let _ = std::fs::remove_file(&path);
}

fn systemd_hears_signs_of_life_while_a_worker_is_healthy() {
    let path = std::env::temp_dir().join(format!("greenloop-watchdog-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(STUCK)).unwrap();
    let launched = program("server")
        .env("NOTIFY_SOCKET", path.display())
        .env("WATCHDOG_USEC", 100_000)
        .start();
    let mut lives = 0;
    while lives < 3 {
        let mut buffer = [0; 1000];
        let count = manager.recv(&mut buffer).unwrap();
        lives += usize::from(&buffer[..count] == b"WATCHDOG=1");
    }
    launched.stop();
    // Meant for another process, it is not answered.
    let launched = program("server")
        .env("NOTIFY_SOCKET", path.display())
        .env("WATCHDOG_USEC", 10_000)
        .env("WATCHDOG_PID", 1)
        .start();
    launched.wait_line("the workers are ready");
    launched.stop();
    manager.set_nonblocking(true).unwrap();
    let mut last = [0; 1000];
    let mut words = Vec::new();
    while let Ok(count) = manager.recv(&mut last) {
        words.push(String::from_utf8_lossy(&last[..count]).into_owned());
    }
    let after = words.iter().rposition(|word| word.starts_with("READY=1")).unwrap();
    assert!(!words[after..].contains(&"WATCHDOG=1".into()), "{words:?}");
    let _ = std::fs::remove_file(&path);
}

fn a_worker_that_is_never_ready_is_killed_and_started_again() {
    let launched = program("never_ready").env("WORKERS", 1).start();
    launched.wait_lines("was not ready in time", 2);
    let died = launched.wait_lines("SIGKILL (signal 9) before it was ready", 2);
    assert!(died[0].contains("it is replaced after"), "{died:?}");
    launched.signal(libc::SIGINT);
    let (status, _) = launched.ended();
    assert_eq!(status.code(), Some(130));
}

fn a_worker_that_fails_at_once_is_started_less_and_less_often_and_given_up() {
    let start = Instant::now();
    let (status, lines) = program("failing").env("WORKERS", 1).start().ended();
    assert_eq!(status.code(), Some(78));
    let pauses: Vec<u64> = lines
        .iter()
        .filter_map(|line| line.split_once("it is replaced after "))
        .map(|(_, rest)| rest.trim_end_matches(" ms").parse().unwrap())
        .collect();
    assert_eq!(pauses.len(), 5, "{lines:#?}");
    for (pause, least) in pauses.iter().zip([50, 100, 200, 400]) {
        assert!((least..=least + least / 10).contains(pause), "{pauses:?}");
    }
    assert!(start.elapsed() >= Duration::from_millis(750));
    assert_eq!(lines.iter().filter(|line| line.contains("was started")).count(), 5);
    assert!(lines.iter().any(|line| line.contains("giving up")));
}

fn a_fatal_worker_is_not_started_again() {
    let (status, lines) = program("fatal").start().ended();
    assert_eq!(status.code(), Some(78));
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.contains("worker 0") && line.contains("was started"))
            .count(),
        1
    );
    let died = lines.iter().find(|line| line.contains("status 78")).unwrap();
    assert!(died.contains("no such database") && !died.contains("replaced"), "{died}");
}

fn the_others_serve_on_without_a_fatal_worker() {
    let launched = program("fatal").env("KEEP_OTHERS", 1).start();
    launched.wait_line("no such database");
    launched.wait_line("worker 1");
    assert_eq!(ask(launched.address(), "slot").unwrap(), "1");
    assert_eq!(launched.lines_with("was started").len(), 2);
    launched.stop();
}

fn a_worker_that_panics_before_it_is_ready_counts_as_failed() {
    let (status, lines) = program("panicking").env("WORKERS", 1).start().ended();
    assert_eq!(status.code(), Some(78));
    let died =
        lines.iter().filter(|line| line.contains("ended with status 101 before it was ready"));
    assert_eq!(died.count(), 2, "{lines:#?}");
}

fn a_port_in_use_is_an_error_with_its_name() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (status, lines) = program("at_port").env("ADDRESS", address).start().ended();
    assert_eq!(status.code(), Some(3));
    assert!(lines[0].contains(&format!("cannot listen on {address} (http): Address")), "{lines:?}");
}

fn a_port_without_permission_is_an_error_with_its_name() {
    let test = "a_port_without_permission_is_an_error_with_its_name";
    let from: u16 = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start")
        .map_or(0, |text| text.trim().parse().unwrap());
    if from == 0 {
        return skip(test, "the system lets everybody have every port");
    }
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"];
    let can = Command::new(nobody[0]).args(&nobody[1..]).arg("true").stderr(Stdio::null()).status();
    if !can.is_ok_and(|status| status.success()) {
        return skip(test, "setpriv cannot change the user");
    }
    let own = std::env::current_exe().unwrap();
    let can = Command::new(nobody[0]).args(&nobody[1..]).args(["test", "-x"]).arg(own).status();
    if !can.is_ok_and(|status| status.success()) {
        return skip(test, "another user cannot execute this program");
    }
    let launched = wrapped("at_port", &nobody).env("ADDRESS", "127.0.0.1:1").start();
    let (status, lines) = launched.ended();
    assert_eq!(status.code(), Some(3));
    assert!(lines[0].contains("127.0.0.1:1 (http): Permission denied"), "{lines:?}");
}

fn a_bad_name_or_address_is_an_error() {
    for (name, address, problem) in [
        ("a:b", "127.0.0.1:0", "cannot be the name of a socket"),
        ("", "127.0.0.1:0", "cannot be the name of a socket"),
        ("http", "nonsense", "cannot listen on nonsense (http)"),
        ("http", "unix:/does/not/exist/at/all", "cannot listen on unix:/does/not/exist/at/all"),
        ("http", "unix:/etc/passwd", "there is a file, and no socket"),
    ] {
        let (status, lines) =
            program("at_port").env("NAME", name).env("ADDRESS", address).start().ended();
        assert_eq!(status.code(), Some(3));
        assert!(lines[0].contains(problem), "{lines:?}");
    }
}

fn there_are_as_many_workers_as_processors() {
    let test = "there_are_as_many_workers_as_processors";
    if !Command::new("taskset").arg("-V").stdout(Stdio::null()).status().is_ok_and(|s| s.success())
    {
        return skip(test, "there is no taskset");
    }
    let launched = wrapped("auto", &["taskset", "-c", "0"]).start();
    launched.wait_line("the workers are ready");
    assert_eq!(launched.lines_with("was started").len(), 1);
    launched.stop();
}

fn the_environment_says_how_many_workers_there_are() {
    let launched = program("auto").env("GREENLOOP_WORKERS", 3).start();
    launched.wait_line("the workers are ready");
    assert_eq!(launched.lines_with("was started").len(), 3);
    launched.stop();
    let (status, lines) = program("auto").env("GREENLOOP_WORKERS", "many").start().ended();
    assert_eq!(status.code(), Some(3));
    assert!(lines[0].contains("GREENLOOP_WORKERS"), "{lines:?}");
}

fn a_closed_standard_error_changes_nothing() {
    let launched = wrapped("server", &["sh", "-c", "exec \"$0\" 2>&-"]).start();
    launched.wait_line("the workers are ready");
    let address = launched.address();
    assert!(ask(address, "exit 3").is_err());
    launched.wait_lines(") is ready", 3);
    launched.signal(libc::SIGUSR1);
    assert_eq!(ask(address, "hello").unwrap(), "hello");
    launched.stop();
}

fn a_broken_standard_error_changes_nothing() {
    // A launcher that prints its events on a pipe that nobody reads.
    let start = program("auto").env("GREENLOOP_WORKERS", 1).with(|command| {
        command.stderr(Stdio::piped());
    });
    let mut launched = start.start();
    drop(launched.stderr());
    launched.wait_line("the workers are ready");
    launched.signal(libc::SIGUSR1);
    assert_eq!(ask(launched.address(), "hello").unwrap(), "hello");
    launched.stop();
}

fn without_descriptors_workers_wait_and_come_back() {
    let launched = program("poor").start();
    launched.wait_line("the workers are ready");
    assert!(ask(launched.address(), "exit 1").is_err());
    let why = launched.wait_line("cannot start worker");
    assert!(why.contains("Too many open files"), "{why}");
    launched.wait_lines(") is ready", 3);
    launched.stop();
}

fn an_orphan_is_reaped_by_the_first_process() {
    let test = "an_orphan_is_reaped_by_the_first_process";
    let namespace = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"];
    let can =
        Command::new(namespace[0]).args(&namespace[1..]).arg("true").stderr(Stdio::null()).status();
    if !can.is_ok_and(|status| status.success()) {
        return skip(test, "there are no process namespaces here");
    }
    let launched = wrapped("server", &namespace).start();
    launched.wait_line("the workers are ready");
    let address = launched.address();
    // The sleeper's parent ends at once, so it becomes the child of the first process.
    let answer = ask(address, "sh (sleep 0.05 & echo $!) | cat").unwrap();
    let orphan = answer.trim_end_matches('|').to_owned();
    wait_until("the orphan is gone", || {
        ask(address, &format!("sh test -e /proc/{orphan} || echo gone")).unwrap() == "gone|"
    });
    let supervisor = pid_of_first_process(&launched);
    // Its end would be that of a successor, too.
    kill(supervisor, libc::SIGUSR2);
    launched.wait_line("refused: the first process of a container cannot be upgraded");
    assert_eq!(ask(address, "hello").unwrap(), "hello");
    kill(supervisor, libc::SIGTERM);
    let (status, lines) = launched.ended();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
}

/// The child of the command that has made the namespace.
fn pid_of_first_process(launched: &Launched) -> u32 {
    let children = format!("/proc/{0}/task/{0}/children", launched.pid());
    std::fs::read_to_string(children).unwrap().trim().parse().unwrap()
}

fn titled() -> io::Result<ExitCode> {
    let spawn_mode = if std::env::var("EXEC").is_ok() { SpawnMode::Exec } else { SpawnMode::Fork };
    launcher().name("bakery").spawn_mode(spawn_mode).run(serve)
}

fn processes_have_titles_and_keep_their_arguments() {
    for exec in [false, true] {
        let start = program("titled").with(|command| {
            command.args(["--one", "two three"]);
            if exec {
                command.env("EXEC", "1");
            }
        });
        let launched = start.start();
        launched.wait_line("the workers are ready");
        let address = launched.address();
        assert_eq!(command_line(launched.pid()), "bakery: master");
        for line in launched.lines_with(") is ready") {
            let slot = line.split_whitespace().nth(2).unwrap();
            assert_eq!(command_line(pid_in(&line)), format!("bakery: worker {slot}"));
            let name = std::fs::read_to_string(format!("/proc/{}/comm", pid_in(&line))).unwrap();
            assert_eq!(name.trim_end(), format!("bakery: w{slot}"));
        }
        let arguments = ask(address, "args").unwrap();
        assert!(arguments.ends_with("|--one|two three"), "{arguments}");
        assert!(arguments.contains("launcher_start"), "{arguments}");
        // Those that are executed later find them as well.
        let _ = ask(address, "exit 5");
        launched.wait_lines(") is ready", 3);
        for line in launched.lines_with(") is ready").iter().skip(2) {
            assert!(command_line(pid_in(line)).starts_with("bakery: worker "));
        }
        for _ in 0..10 {
            assert_eq!(ask(address, "args").unwrap(), arguments);
        }
        launched.stop();
    }
}

/// Says on standard output that it is about to say more on standard error.
fn telling() -> io::Result<ExitCode> {
    let launcher = launcher().on_reopen(|| {
        println!("heard by {}", std::process::id());
        Ok(())
    });
    launcher.run(serve)
}

fn a_standard_error_that_is_full_changes_nothing() {
    let start = program("telling").with(|command| {
        command.stderr(Stdio::piped());
    });
    let mut launched = start.start();
    launched.wait_line("the workers are ready");
    let mut unread = launched.stderr();
    // As small as can be, so that a line fills it.
    let fd = std::os::fd::AsRawFd::as_raw_fd(&unread);
    // SAFETY: takes no pointers.
    assert!(unsafe { libc::fcntl(fd, libc::F_SETPIPE_SZ, 4096) } > 0);
    let address = launched.address();
    let heard = format!("heard by {}", launched.pid());
    for round in 1..=20 {
        launched.signal(libc::SIGUSR1);
        assert_eq!(ask(address, "hello").unwrap(), "hello");
        // Signals that come close together may count as one.
        launched.wait_lines(&heard, round);
    }
    // It goes on to look after its workers.
    assert!(ask(address, "exit 3").is_err());
    launched.wait_lines(") is ready", 3);
    launched.signal(libc::SIGHUP);
    launched.wait_line("has finished");
    // Once somebody reads, it says what is missing.
    let mut text = String::new();
    while !text.contains("lines were lost: standard error was full") {
        launched.signal(libc::SIGUSR1);
        let mut some = [0; 4096];
        let count = io::Read::read(&mut unread, &mut some).unwrap();
        text.push_str(&String::from_utf8_lossy(&some[..count]));
    }
    launched.stop();
}

fn a_quota_of_the_group_limits_the_workers() {
    let test = "a_quota_of_the_group_limits_the_workers";
    // Of the one kind or the other.
    let kinds = [("", "cpu.max", "150000 100000"), ("cpu/", "cpu.cfs_quota_us", "150000")];
    let mut group = String::new();
    let made = kinds.iter().any(|(folder, file, quota)| {
        group = format!("/sys/fs/cgroup/{folder}greenloop-{}", std::process::id());
        let file = format!("{group}/{file}");
        // Where there are groups, the file comes by itself.
        let made = std::fs::create_dir(&group)
            .and_then(|()| std::fs::metadata(&file))
            .and_then(|_| std::fs::write(&file, quota));
        if made.is_err() {
            let _ = std::fs::remove_dir(&group);
        }
        made.is_ok()
    });
    if !made {
        return skip(test, "no groups can be made here");
    }
    let script = format!("echo $$ > {group}/cgroup.procs && exec \"$0\"");
    let launched = wrapped("auto", &["sh", "-c", &script]).start();
    launched.wait_line("the workers are ready");
    let count = launched.lines_with("was started").len();
    launched.stop();
    std::fs::remove_dir(&group).unwrap();
    assert_eq!(count, 1);
}

/// The second worker is never ready.
fn partly() -> io::Result<ExitCode> {
    launcher().ready_when(1).manual_ready().run(|worker| async move {
        if worker.slot() == 0 {
            worker.ready();
        }
        serve(worker).await
    })
}

fn as_many_workers_as_are_asked_for_make_the_launcher_ready() {
    let launched = program("partly").start();
    launched.wait_line("the workers are ready");
    assert_eq!(launched.lines_with(") is ready").len(), 1);
    launched.stop();
}
