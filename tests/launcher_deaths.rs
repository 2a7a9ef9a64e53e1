//! Workers that die or hang are replaced, and what is said about it is true.
#![cfg(all(feature = "launcher", target_os = "linux"))]
#![allow(unsafe_code, reason = "has the system not tell of a death")]

use std::{io, process::ExitCode, thread, time::Duration};

#[path = "launcher_support/mod.rs"]
mod launcher_support;
use launcher_support::*;

use greenloop::launcher::Restart;

fn main() -> ExitCode {
    launcher_support::main(
        named![server, watched, forgotten, logging],
        named![
            a_worker_that_is_killed_by_a_signal_is_replaced_and_the_signal_is_named,
            a_sum_does_not_go_down_when_a_worker_dies,
            a_worker_that_spins_is_dumped_and_replaced_while_others_serve,
            an_idle_worker_is_not_killed_and_not_woken,
            a_worker_that_is_stopped_is_not_killed,
            workers_end_when_the_supervisor_is_killed,
            workers_end_when_the_supervisor_is_killed_though_they_spin,
            the_figures_add_up,
            workers_notice_that_the_supervisor_is_gone_though_the_system_does_not_tell_them,
            log_files_are_opened_anew_in_all_processes,
            the_longest_turn_of_a_loop_is_told,
            gauges_are_added_up_over_the_living,
            a_supervisor_that_may_not_wait_for_descriptors_does_its_work,
        ],
    )
}

fn server() -> io::Result<ExitCode> {
    launcher().counter("jobs").gauge("waiting").grace(millis("GRACE", 30_000)).run(serve)
}

fn watched() -> io::Result<ExitCode> {
    let soon = Restart::backoff(Duration::from_millis(1), Duration::from_millis(10));
    launcher().watchdog(millis("WATCHDOG", 500)).restart(soon).run(serve)
}

fn a_worker_that_is_killed_by_a_signal_is_replaced_and_the_signal_is_named() {
    let launched = program("server").env("WORKERS", 1).start();
    launched.wait_line("the workers are ready");
    let first = ask(launched.address(), "pid").unwrap();
    let cut = ask(launched.address(), &format!("raise {}", libc::SIGSEGV));
    assert!(cut.is_err());
    let died = launched.wait_line("SIGSEGV (signal 11)");
    assert_eq!(pid_in(&died).to_string(), first);
    let ready = launched.wait_lines("is ready", 2);
    assert_eq!(ask(launched.address(), "pid").unwrap(), pid_in(&ready[1]).to_string());
    launched.stop();
}

fn a_sum_does_not_go_down_when_a_worker_dies() {
    let launched = program("server").start();
    let address = launched.address();
    for expected in 1..=10 {
        assert_eq!(ask(address, "count").unwrap(), expected.to_string());
    }
    for deaths in 1..=2 {
        assert!(ask(address, "exit 9").is_err());
        launched.wait_lines("ended with status 9", deaths);
        assert_eq!(ask(address, "sum").unwrap(), "10");
    }
    assert_eq!(ask(address, "count").unwrap(), "11");
    launched.stop();
}

fn a_worker_that_spins_is_dumped_and_replaced_while_others_serve() {
    let launched = program("watched").with(|command| {
        command.stderr(std::process::Stdio::piped());
    });
    let mut launched = launched.start();
    let mut stderr = launched.stderr();
    launched.wait_line("the workers are ready");
    let address = launched.address();
    let mut spinning = Client::connect(address).unwrap();
    let (pid, slot) = (spinning.ask("pid").unwrap(), spinning.ask("slot").unwrap());
    spinning.say("spin").unwrap();
    let mut served = 0;
    while launched.lines_with("has not turned").is_empty() {
        assert_ne!(ask(address, "pid").unwrap(), pid);
        served += 1;
    }
    assert!(served > 10, "{served}");
    let hung = launched.wait_line("has not turned");
    assert_eq!(pid_in(&hung).to_string(), pid);
    // Its slot is not empty while it aborts.
    launched.wait_lines("is ready", 3);
    let died = launched.wait_line("was killed by SIG");
    launched.stop();
    assert!(died.contains("SIGABRT (signal 6)"), "{died}");
    let mut text = String::new();
    io::Read::read_to_string(&mut stderr, &mut text).unwrap();
    let who = format!("the event loop of worker {slot} (pid {pid}) does not turn");
    assert!(text.contains(&who), "{text}");
    assert!(text.contains("(async), spawned at tests/launcher_support/mod.rs:"), "{text}");
    let (_, address) = text.split_once("it is at ").unwrap();
    assert!(address.starts_with("0x"), "{text}");
    // The instruction is one of the loop that spins.
    if let Some(place) = explained(address.split(' ').next().unwrap()) {
        assert!(place.contains("launcher_support") || place.contains("spin_loop"), "{place}");
    }
}

/// What `addr2line` says of an address of this program, where there is such a tool.
fn explained(address: &str) -> Option<String> {
    let own = std::env::current_exe().unwrap();
    let mut tool = std::process::Command::new("addr2line");
    let output = tool.arg("-Cfie").arg(own).arg(address).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn an_idle_worker_is_not_killed_and_not_woken() {
    let launched = program("watched").env("WORKERS", 1).env("WATCHDOG", 100).start();
    launched.wait_line("the workers are ready");
    let pid = ask(launched.address(), "pid").unwrap();
    // Until it sleeps after that connection.
    wait_until("the worker sleeps", || state_of(pid.parse().unwrap()) == 'S');
    thread::sleep(Duration::from_millis(100));
    let switches = || {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = text.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).unwrap();
        line.rsplit('\t').next().unwrap().parse::<u64>().unwrap()
    };
    let before = switches();
    thread::sleep(Duration::from_millis(1000));
    assert_eq!(switches() - before, 0, "it was woken");
    assert_eq!(ask(launched.address(), "pid").unwrap(), pid);
    assert!(launched.lines_with("has not turned").is_empty());
    launched.stop();
}

fn a_worker_that_is_stopped_is_not_killed() {
    // Long enough for it to get a processor in when it may go on, on a busy machine.
    let launched = program("watched").env("WORKERS", 1).env("WATCHDOG", 1500).start();
    launched.wait_line("the workers are ready");
    let mut client = Client::connect(launched.address()).unwrap();
    let pid: u32 = client.ask("pid").unwrap().parse().unwrap();
    // Busy when it is stopped, so that the scoreboard says so all the time.
    client.say("block 50").unwrap();
    kill(pid, libc::SIGSTOP);
    wait_until("the worker is stopped", || state_of(pid) == 'T');
    thread::sleep(Duration::from_millis(3500));
    kill(pid, libc::SIGCONT);
    assert_eq!(client.hear().unwrap(), "done");
    assert_eq!(client.ask("pid").unwrap(), pid.to_string());
    assert!(launched.lines_with("has not turned").is_empty(), "{:?}", launched.lines());
    drop(client);
    launched.stop();
}

fn workers_end_when_the_supervisor_is_killed() {
    let launched = program("server").start();
    launched.wait_line("the workers are ready");
    let mut client = Client::connect(launched.address()).unwrap();
    client.say("slow 300").unwrap();
    assert_eq!(launched.processes().len(), 3);
    launched.signal(libc::SIGKILL);
    // What was begun is finished.
    assert_eq!(client.hear().unwrap(), "done");
    drop(client);
    launched.assert_none_left();
}

fn workers_end_when_the_supervisor_is_killed_though_they_spin() {
    let launched = program("server").env("GRACE", 300).start();
    launched.wait_line("the workers are ready");
    let mut client = Client::connect(launched.address()).unwrap();
    client.say("spin").unwrap();
    launched.signal(libc::SIGKILL);
    launched.assert_none_left();
}

fn the_figures_add_up() {
    let launched = program("server").start();
    launched.wait_line("the workers are ready");
    let address = launched.address();
    let mut clients: Vec<_> = (0..6).map(|_| Client::connect(address).unwrap()).collect();
    for client in &mut clients {
        client.ask("hello").unwrap();
    }
    let figures = clients[0].ask("stats").unwrap();
    assert!(
        figures.contains("\"accepted\":6,\"requests\":7,\"active\":6,\"restarts\":0"),
        "{figures}"
    );
    drop(clients.split_off(1));
    wait_until("five are closed", || {
        clients[0].ask("stats").unwrap().contains("\"active\":1,\"rest")
    });
    drop(clients);
    launched.stop();
}

/// Its workers have changed their user, as it seems: the system does not tell them of a death any more.
fn forgotten() -> io::Result<ExitCode> {
    launcher().grace(millis("GRACE", 30_000)).run(|worker| async move {
        // SAFETY: takes no pointers.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) };
        serve(worker).await
    })
}

/// Says when it opens its log file anew.
fn logging() -> io::Result<ExitCode> {
    let launcher = launcher().on_reopen(|| {
        println!("opened anew by {}", std::process::id());
        Ok(())
    });
    launcher.run(|worker| async move {
        if worker.slot() == 1 {
            while !std::fs::exists(std::env::var("GO_ON").unwrap())? {
                greenloop::sleep(Duration::from_millis(2)).await;
            }
        }
        serve(worker).await
    })
}

fn workers_notice_that_the_supervisor_is_gone_though_the_system_does_not_tell_them() {
    let launched = program("forgotten").start();
    launched.wait_line("the workers are ready");
    let mut client = Client::connect(launched.address()).unwrap();
    client.say("hello\nslow 300").unwrap();
    assert_eq!(client.hear().unwrap(), "hello");
    launched.signal(libc::SIGKILL);
    assert_eq!(client.hear().unwrap(), "done");
    drop(client);
    launched.assert_none_left();
    // And they are ended, if they do not end.
    let launched = program("forgotten").env("GRACE", 200).start();
    launched.wait_line("the workers are ready");
    let mut client = Client::connect(launched.address()).unwrap();
    client.say("hello\nguard it").unwrap();
    assert_eq!(client.hear().unwrap(), "hello");
    launched.signal(libc::SIGKILL);
    launched.assert_none_left();
}

fn log_files_are_opened_anew_in_all_processes() {
    let go_on = std::env::temp_dir().join(format!("greenloop-d-{}", std::process::id()));
    let launched = program("logging").env("GO_ON", go_on.display()).start();
    let first = pid_in(&launched.wait_line(") is ready"));
    launched.signal(libc::SIGUSR1);
    launched.wait_line(&format!("opened anew by {first}"));
    launched.wait_line(&format!("opened anew by {}", launched.pid()));
    // The other one is not ready, and learns of it when it is.
    std::fs::write(&go_on, "").unwrap();
    launched.wait_lines("opened anew", 3);
    assert_eq!(ask(launched.address(), "hello").unwrap(), "hello");
    launched.stop();
    std::fs::remove_file(go_on).unwrap();
}

fn the_longest_turn_of_a_loop_is_told() {
    let launched = program("server").env("WORKERS", 1).start();
    launched.wait_line("the workers are ready");
    let mut client = Client::connect(launched.address()).unwrap();
    assert_eq!(client.ask("block 300").unwrap(), "done");
    let figures = client.ask("stats").unwrap();
    let (_, rest) = figures.split_once("\"longest_turn_ms\":").unwrap();
    let time: u64 = rest.split(',').next().unwrap().parse().unwrap();
    assert!(time >= 300, "{figures}");
    assert!(!figures.contains("\"resident\":0"), "{figures}");
    drop(client);
    launched.stop();
}

fn gauges_are_added_up_over_the_living() {
    let launched = program("server").start();
    let address = launched.address();
    launched.wait_line("the workers are ready");
    let mut clients = [(); 2].map(|()| Client::connect(address).unwrap());
    wait_until("they are at different workers", || {
        clients[1] = Client::connect(address).unwrap();
        let slots = [0, 1].map(|place: usize| clients[place].ask("slot").unwrap());
        slots[0] != slots[1]
    });
    assert_eq!(clients[0].ask("gauge 7").unwrap(), "7");
    assert_eq!(clients[1].ask("gauge -9").unwrap(), "-2");
    assert!(clients[0].ask("exit 1").is_err());
    launched.wait_line("ended with status 1");
    assert_eq!(clients[1].ask("gauge -9").unwrap(), "-9");
    drop(clients);
    launched.stop();
}

/// Sets how many descriptors a process may have, and gives how many that was.
fn limit_descriptors(pid: u32, count: u64) -> u64 {
    let mut before = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let pid = pid as libc::pid_t;
    let none = std::ptr::null();
    // SAFETY: the old limit is alive during the call, which only writes to it.
    assert_eq!(unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, none, &mut before) }, 0);
    let limit = libc::rlimit { rlim_cur: count, ..before };
    // SAFETY: the limit is alive during the call, which only reads it; the old one is not asked for.
    let result = unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, &limit, std::ptr::null_mut()) };
    assert_eq!(result, 0);
    before.rlim_cur
}

fn a_supervisor_that_may_not_wait_for_descriptors_does_its_work() {
    let launched = program("server").start();
    launched.wait_line("the workers are ready");
    let workers: Vec<_> = launched.lines_with(") is ready").iter().map(|l| pid_in(l)).collect();
    // From now on poll(2) fails, and no descriptor can be opened.
    let before = limit_descriptors(launched.pid(), 0);
    kill(workers[0], libc::SIGKILL);
    launched.wait_line("was killed by SIGKILL");
    launched.wait_line("cannot start worker");
    // It hears signals and workers, not only of their ends.
    assert_eq!(ask(launched.address(), "recycle").unwrap(), "done");
    launched.wait_line(&format!("(pid {}, generation 1) has done enough", workers[1]));
    launched.signal(libc::SIGTTIN);
    launched.wait_line("3 workers from now on");
    limit_descriptors(launched.pid(), before);
    launched.wait_lines(") is ready", 4);
    launched.stop();
}
