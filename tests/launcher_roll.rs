//! Workers are replaced while they serve, and no connection notices.
#![cfg(all(feature = "launcher", target_os = "linux"))]

use std::{
    collections::BTreeSet,
    fs, io,
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
    time::Duration,
};

#[path = "launcher_support/mod.rs"]
mod launcher_support;
use launcher_support::*;

use greenloop::launcher::Recycle;

fn main() -> ExitCode {
    launcher_support::main(
        named![server, recycling, old, fragile, slow_to_boot, picky],
        named![
            ten_rolling_restarts_lose_no_connection,
            a_roll_stops_at_a_replacement_that_dies,
            a_roll_never_has_fewer_ready_nor_more_alive_than_it_should,
            a_storm_of_sighup_is_at_most_one_more_roll,
            workers_come_and_go_with_ttin_and_ttou,
            workers_are_recycled_one_at_a_time,
            a_worker_of_a_certain_age_is_replaced,
            a_worker_can_ask_to_be_replaced,
            an_error_of_the_reload_hook_cancels_the_roll,
            the_oldest_generation_is_cut_when_too_many_drain,
            a_replacement_that_is_told_to_end_stops_the_roll,
            a_roll_goes_on_when_the_number_of_workers_changes,
        ],
    )
}

fn server() -> io::Result<ExitCode> {
    launcher().max_draining(number("DRAINING", 2) as usize).run(serve)
}

fn recycling() -> io::Result<ExitCode> {
    launcher().recycle(Recycle::accepts(100).jitter(0.1)).run(serve)
}

fn old() -> io::Result<ExitCode> {
    launcher().recycle(Recycle::age(Duration::from_millis(300))).run(serve)
}

/// Its workers die before they are ready when there is a certain file.
fn fragile() -> io::Result<ExitCode> {
    launcher().run(|worker| async move {
        if fs::exists(std::env::var("BROKEN").unwrap())? {
            std::process::exit(9);
        }
        serve(worker).await
    })
}

fn slow_to_boot() -> io::Result<ExitCode> {
    launcher().run(|worker| async move {
        greenloop::sleep(Duration::from_millis(300)).await;
        serve(worker).await
    })
}

fn picky() -> io::Result<ExitCode> {
    launcher().on_reload(|| Err(io::Error::other("line 7"))).run(serve)
}

/// Has clients connect and ask until `work` is done; gives the numbers of answers and of errors.
fn under_load(address: SocketAddr, work: impl FnOnce()) -> (usize, usize) {
    let (done, answers, errors) =
        (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(SeqCst) {
                    match ask(address, "hello") {
                        Ok(answer) if answer == "hello" => answers.fetch_add(1, SeqCst),
                        other => {
                            println!("lost: {other:?}");
                            errors.fetch_add(1, SeqCst)
                        }
                    };
                }
            });
        }
        work();
        done.store(true, SeqCst);
    });
    (answers.into_inner(), errors.into_inner())
}

fn ten_rolling_restarts_lose_no_connection() {
    let launched = program("server").start();
    launched.wait_line("the workers are ready");
    let (answers, errors) = under_load(launched.address(), || {
        for roll in 1..=10 {
            launched.signal(libc::SIGHUP);
            launched.wait_lines("has finished", roll);
        }
    });
    assert_eq!(errors, 0, "of {answers}");
    assert!(answers > 0);
    let pids: BTreeSet<_> = launched.lines_with("is ready").iter().map(|l| pid_in(l)).collect();
    assert_eq!(pids.len(), 2 * 11);
    launched.stop();
}

fn a_roll_stops_at_a_replacement_that_dies() {
    let broken = scratch("broken");
    let launched = program("fragile").env("BROKEN", broken.display()).start();
    launched.wait_line("the workers are ready");
    let pids = |lines: &[String]| lines.iter().map(|line| pid_in(line)).collect::<BTreeSet<_>>();
    let old = pids(&launched.lines_with("is ready"));
    fs::write(&broken, "").unwrap();
    launched.signal(libc::SIGHUP);
    launched.wait_line("rolling restart failed at 0 of 2");
    for _ in 0..20 {
        let pid = ask(launched.address(), "pid").unwrap().parse().unwrap();
        assert!(old.contains(&pid));
    }
    fs::remove_file(&broken).unwrap();
    launched.signal(libc::SIGHUP);
    launched.wait_line("has finished");
    assert_eq!(launched.lines_with("is ready").len(), 4);
    launched.stop();
}

fn a_roll_never_has_fewer_ready_nor_more_alive_than_it_should() {
    let launched = program("server").env("WORKERS", 3).start();
    launched.wait_line("the workers are ready");
    launched.signal(libc::SIGHUP);
    launched.wait_line("has finished");
    let lines = launched.stop();
    let (mut alive, mut ready, mut rolling) = (0, 0, false);
    for line in lines {
        rolling |= line.contains("rolling restart to");
        rolling &= !line.contains("has finished");
        match line {
            line if line.contains("was started") => alive += 1,
            line if line.contains(") is ready") => ready += 1,
            line if line.contains("drains") && rolling => (alive, ready) = (alive - 1, ready - 1),
            _ => {}
        }
        assert!(alive <= 4, "{alive}");
        assert!(!rolling || ready >= 3, "{ready}");
    }
}

fn a_storm_of_sighup_is_at_most_one_more_roll() {
    let launched = program("slow_to_boot").start();
    launched.wait_line("the workers are ready");
    for _ in 0..20 {
        launched.signal(libc::SIGHUP);
    }
    launched.wait_line("rolling restart to generation 2");
    // Also if all of them came at the same time, and only one was seen.
    launched.signal(libc::SIGHUP);
    launched.wait_line("generation 3 has finished");
    assert_eq!(ask(launched.address(), "hello").unwrap(), "hello");
    assert!(launched.lines_with("to generation 4").is_empty());
    launched.stop();
}

fn workers_come_and_go_with_ttin_and_ttou() {
    let launched = program("server").env("WORKERS", 1).start();
    launched.wait_line("the workers are ready");
    launched.signal(libc::SIGTTIN);
    launched.wait_line("2 workers from now on");
    launched.wait_lines(") is ready", 2);
    launched.signal(libc::SIGTTOU);
    launched.wait_line("1 workers from now on");
    let ended = launched.wait_line("has ended");
    assert!(ended.contains("worker 1"), "{ended}");
    launched.signal(libc::SIGTTOU);
    launched.wait_line("refused: one worker is the least");
    assert_eq!(ask(launched.address(), "slot").unwrap(), "0");
    launched.stop();
}

fn workers_are_recycled_one_at_a_time() {
    let launched = program("recycling").env("WORKERS", 4).start();
    launched.wait_line("the workers are ready");
    let address = launched.address();
    let (_, errors) = under_load(address, || {
        launched.wait_lines("has done enough", 6);
    });
    assert_eq!(errors, 0);
    let lines = launched.stop();
    let mut going_on = 0;
    for line in &lines {
        if line.contains("has done enough") {
            going_on += 1;
            assert_eq!(going_on, 1, "{lines:#?}");
        }
        if going_on > 0 && line.contains("drains") {
            going_on = 0;
        }
        if line.contains("stopping") {
            break;
        }
    }
}

fn a_worker_of_a_certain_age_is_replaced() {
    let launched = program("old").env("WORKERS", 1).start();
    launched.wait_lines("has done enough", 2);
    launched.wait_lines("has ended", 2);
    launched.stop();
}

fn a_worker_can_ask_to_be_replaced() {
    let launched = program("server").env("WORKERS", 1).start();
    let mut client = Client::connect(launched.address()).unwrap();
    let old = client.ask("pid").unwrap();
    assert_eq!(client.ask("recycle").unwrap(), "done");
    launched.wait_lines(") is ready", 2);
    launched.wait_line(&format!("(pid {old}, generation 1) drains"));
    // The old one may still take what is in the queue.
    wait_until("the new one answers", || ask(launched.address(), "pid").unwrap() != old);
    drop(client);
    launched.stop();
}

fn an_error_of_the_reload_hook_cancels_the_roll() {
    let launched = program("picky").start();
    launched.wait_line("the workers are ready");
    launched.signal(libc::SIGHUP);
    let failed = launched.wait_line("rolling restart failed");
    assert!(failed.contains("line 7"), "{failed}");
    assert_eq!(launched.lines_with("was started").len(), 2);
    launched.stop();
}

fn the_oldest_generation_is_cut_when_too_many_drain() {
    let launched = program("server").env("WORKERS", 1).env("DRAINING", 1).start();
    let address = launched.address();
    let mut clients = Vec::new();
    for roll in 1..=3 {
        // The worker that drains may still take what is in the queue: wait for one of the new one's.
        let newest = pid_in(launched.wait_lines(") is ready", roll).last().unwrap()).to_string();
        wait_until("the newest worker has accepted", || {
            let mut client = Client::connect(address).unwrap();
            let is_newest = client.ask("pid").unwrap() == newest;
            is_newest.then(|| clients.push(client)).is_some()
        });
        launched.signal(libc::SIGHUP);
        launched.wait_lines("has finished", roll);
    }
    // Each holds its worker, of which only the latest may still drain.
    assert!(clients[0].hear().is_err());
    assert!(clients[1].hear().is_err());
    assert_eq!(clients[2].ask("hello").unwrap(), "hello");
    drop(clients);
    launched.stop();
}

/// A path in the folder for temporary files that nobody else uses.
fn scratch(name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, SeqCst);
    std::env::temp_dir().join(format!("greenloop-{}-{count}-{name}", std::process::id()))
}

fn a_replacement_that_is_told_to_end_stops_the_roll() {
    let launched = program("slow_to_boot").start();
    launched.wait_line("the workers are ready");
    launched.signal(libc::SIGHUP);
    let replacement = pid_in(&launched.wait_lines("was started", 3)[2]);
    kill(replacement, libc::SIGTERM);
    launched.wait_line("rolling restart failed at 0 of 2");
    assert!(launched.lines_with("generation 1) drains").is_empty());
    assert_eq!(ask(launched.address(), "hello").unwrap(), "hello");
    // And the next one is not in its way.
    launched.signal(libc::SIGHUP);
    launched.wait_line("generation 3 has finished");
    launched.wait_lines("has ended", 3);
    assert_eq!(launched.processes().len(), 3);
    launched.stop();
}

fn a_roll_goes_on_when_the_number_of_workers_changes() {
    let launched = program("slow_to_boot").env("WORKERS", 3).start();
    launched.wait_line("the workers are ready");
    launched.signal(libc::SIGHUP);
    launched.wait_lines("was started", 4);
    for count in [2, 1] {
        launched.signal(libc::SIGTTOU);
        launched.wait_line(&format!("{count} workers from now on"));
    }
    launched.wait_line("generation 2 has finished");
    launched.signal(libc::SIGHUP);
    launched.wait_line("generation 3 has finished");
    wait_until("one worker is left", || launched.processes().len() == 2);
    assert_eq!(ask(launched.address(), "slot").unwrap(), "0");
    launched.stop();
}
