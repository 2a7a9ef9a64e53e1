//! When a worker has ended, the launcher tells what became of its connections.
#![cfg(all(feature = "launcher", target_os = "linux"))]
#![allow(unsafe_code, reason = "the support module sends signals")]

use std::{io, process::ExitCode};

#[path = "launcher_support/mod.rs"]
mod launcher_support;
use launcher_support::*;

use greenloop::{
    launcher::{Event, Launcher, SpawnMode},
    net::Server,
};

fn main() -> ExitCode {
    launcher_support::main(
        named![server, hasty, served, alone, brittle, structured],
        named![
            what_was_finished_in_time_is_drained,
            what_is_not_finished_in_time_is_cut,
            what_is_dropped_at_once_is_cut,
            a_worker_that_is_killed_has_cut_what_was_open,
            a_worker_that_is_killed_while_it_drains_has_drained_before,
            a_worker_that_listens_to_nobody_has_cut_what_was_open,
            a_worker_that_is_rolled_tells_of_its_connections_and_the_next_of_its_own,
            workers_that_were_executed_tell_as_well,
            handlers_that_panic_are_told,
            a_closure_that_does_not_wait_has_cut_its_tasks,
            the_connections_of_a_server_are_cut_with_it,
            the_connection_that_the_closure_serves_itself_is_cut_with_it,
            a_panic_at_the_last_moment_is_told,
            a_worker_that_had_nothing_to_do_says_nothing_of_it,
            the_tally_is_a_structure_for_the_hook,
        ],
    )
}

fn one_worker() -> Launcher {
    let exec = std::env::var("EXEC").is_ok();
    launcher()
        .workers(1)
        .spawn_mode(if exec { SpawnMode::Exec } else { SpawnMode::Fork })
        .grace(millis("GRACE", 600_000))
}

fn server() -> io::Result<ExitCode> {
    one_worker().run(serve)
}

/// Ends when it is told to, whatever its tasks do.
fn hasty() -> io::Result<ExitCode> {
    one_worker().run(|worker| async move {
        greenloop::select! {
            served = serve(worker.clone()) => served,
            () = worker.draining() => Ok(()),
        }
    })
}

/// Its connections are those of a server.
fn served() -> io::Result<ExitCode> {
    one_worker().run(|worker| async move {
        let server = Server::serve(worker.listener("http")?, |connection| async move {
            greenloop::io::copy(&connection.stream, &connection.stream).await
        });
        server.ended().await;
        Ok(())
    })
}

/// Serves one client at a time, without a task.
fn alone() -> io::Result<ExitCode> {
    one_worker().run(|worker| async move {
        let listener = worker.listener("http")?;
        while let Some((stream, _)) = listener.accept().await? {
            let _ = greenloop::io::copy(&stream, &stream).await;
        }
        Ok(())
    })
}

/// Has a task panic when its loop does not go to the kernel any more.
fn brittle() -> io::Result<ExitCode> {
    one_worker().run(|worker| async move {
        worker.listener("http")?.accept().await?;
        worker.draining().await;
        let panicked = greenloop::spawn(async { panic!("at the last moment") });
        assert!(panicked.await.unwrap_err().is_panic());
        Ok(())
    })
}

fn structured() -> io::Result<ExitCode> {
    let launcher = one_worker().on_event(|event| match event {
        Event::Listening { name, address, .. } => println!("{name}: {address}"),
        Event::Ended(worker, tally) => println!("ended: {} {tally:?}", worker.slot),
        Event::Died { worker, tally, .. } => println!("died: {} {tally:?}", worker.slot),
        _ => {}
    });
    launcher.run(serve)
}

/// Starts a program with one worker, which has served a client that is gone; with clients that are there.
fn with_clients(start: Start, count: usize) -> (Launched, Vec<Client>) {
    let launched = start.start();
    let address = launched.address();
    ask(address, "hello").unwrap();
    let mut clients: Vec<_> = (0..count).map(|_| Client::connect(address).unwrap()).collect();
    for client in &mut clients {
        client.ask("hello").unwrap();
    }
    wait_active(&mut clients[0], count);
    (launched, clients)
}

/// Waits until the worker of a client has so many open.
fn wait_active(client: &mut Client, count: usize) {
    let active = format!("\"active\":{count},\"rest");
    wait_until("connections are closed", || client.ask("stats").unwrap().contains(&active));
}

/// Waits until the worker of a client has heard that it is to drain.
fn wait_draining(client: &mut Client) {
    wait_until("the worker drains", || client.ask("draining").unwrap() == "true");
}

/// What is said after the end of a worker.
fn tally_in(line: &str) -> &str {
    let (_, tally) = line.split_once("; ").expect("a tally");
    tally
}

fn what_was_finished_in_time_is_drained() {
    let (launched, mut clients) = with_clients(program("server"), 2);
    launched.signal(libc::SIGTERM);
    wait_draining(&mut clients[0]);
    assert_eq!(clients[1].ask("slow 1").unwrap(), "done");
    drop(clients);
    let ended = launched.wait_line("has ended");
    launched.ended();
    let expected = "2 drained and 0 cut, 0 tasks cut; 3 accepted in all, 0 panicked";
    assert_eq!(tally_in(&ended), expected);
}

fn what_is_not_finished_in_time_is_cut() {
    let (launched, mut clients) = with_clients(program("server").env("GRACE", 100), 1);
    launched.signal(libc::SIGTERM);
    assert!(clients[0].hear().is_err());
    let ended = launched.wait_line("has ended");
    let (_, lines) = launched.ended();
    assert!(lines.iter().any(|line| line.contains("did not end in time")), "{lines:#?}");
    let expected = "0 drained and 1 cut, 1 tasks cut; 2 accepted in all, 0 panicked";
    assert_eq!(tally_in(&ended), expected);
}

fn what_is_dropped_at_once_is_cut() {
    let (launched, mut clients) = with_clients(program("server"), 3);
    launched.signal(libc::SIGTERM);
    wait_draining(&mut clients[0]);
    // One is finished, and then there is no more time.
    drop(clients.pop());
    wait_active(&mut clients[0], 2);
    launched.signal(libc::SIGTERM);
    let ended = launched.wait_line("has ended");
    launched.ended();
    let expected = "1 drained and 2 cut, 2 tasks cut; 4 accepted in all, 0 panicked";
    assert_eq!(tally_in(&ended), expected);
}

fn a_worker_that_is_killed_has_cut_what_was_open() {
    let (launched, mut clients) = with_clients(program("server"), 2);
    kill(clients[0].ask("pid").unwrap().parse().unwrap(), libc::SIGKILL);
    let died = launched.wait_line("SIGKILL");
    launched.stop();
    let expected = "0 drained and 2 cut, 2 tasks cut; 3 accepted in all, 0 panicked";
    assert!(died.ends_with(expected), "{died}");
}

fn a_worker_that_is_killed_while_it_drains_has_drained_before() {
    let (launched, mut clients) = with_clients(program("server"), 3);
    let pid = clients[0].ask("pid").unwrap().parse().unwrap();
    launched.signal(libc::SIGTERM);
    wait_draining(&mut clients[0]);
    drop(clients.pop());
    wait_active(&mut clients[0], 2);
    kill(pid, libc::SIGKILL);
    let ended = launched.wait_line("has ended");
    launched.ended();
    let expected = "1 drained and 2 cut, 2 tasks cut; 4 accepted in all, 0 panicked";
    assert_eq!(tally_in(&ended), expected);
}

fn a_worker_that_listens_to_nobody_has_cut_what_was_open() {
    let (launched, mut clients) = with_clients(program("server").env("GRACE", 100), 1);
    clients[0].say("spin").unwrap();
    // It is not asked again before it spins.
    let pid = pid_in(&launched.wait_line(") is ready"));
    wait_until("it spins", || state_of(pid) == 'R');
    launched.signal(libc::SIGTERM);
    let ended = launched.wait_line("has ended");
    launched.ended();
    assert!(ended.contains(" and 1 cut, 1 tasks cut; 2 accepted in all"), "{ended}");
}

fn rolled(start: Start) {
    let (launched, mut clients) = with_clients(start, 2);
    launched.signal(libc::SIGHUP);
    wait_draining(&mut clients[0]);
    drop(clients);
    let ended = launched.wait_line("has ended");
    let expected = "2 drained and 0 cut, 0 tasks cut; 3 accepted in all, 0 panicked";
    assert_eq!(tally_in(&ended), expected);
    launched.wait_line("has finished");
    ask(launched.address(), "hello").unwrap();
    launched.signal(libc::SIGTERM);
    let ended = launched.wait_lines("has ended", 2);
    launched.ended();
    assert!(ended[1].ends_with("0 cut, 0 tasks cut; 1 accepted in all, 0 panicked"), "{ended:?}");
}

fn a_worker_that_is_rolled_tells_of_its_connections_and_the_next_of_its_own() {
    rolled(program("server"));
}

fn workers_that_were_executed_tell_as_well() {
    rolled(program("server").env("EXEC", 1));
}

fn handlers_that_panic_are_told() {
    let (launched, mut clients) = with_clients(program("server"), 2);
    assert!(clients[1].ask("panic").is_err());
    wait_active(&mut clients[0], 1);
    drop(clients);
    let lines = launched.stop();
    let ended = lines.iter().find(|line| line.contains("has ended")).unwrap();
    assert!(ended.ends_with("0 cut, 0 tasks cut; 3 accepted in all, 1 panicked"), "{ended}");
}

fn a_closure_that_does_not_wait_has_cut_its_tasks() {
    let (launched, _clients) = with_clients(program("hasty"), 2);
    launched.signal(libc::SIGTERM);
    let ended = launched.wait_line("has ended");
    launched.ended();
    let expected = "0 drained and 2 cut, 2 tasks cut; 3 accepted in all, 0 panicked";
    assert_eq!(tally_in(&ended), expected);
}

fn the_connections_of_a_server_are_cut_with_it() {
    is_cut_with_its_worker("served");
}

fn the_connection_that_the_closure_serves_itself_is_cut_with_it() {
    is_cut_with_its_worker("alone");
}

fn is_cut_with_its_worker(name: &str) {
    let launched = program(name).start();
    let mut client = Client::connect(launched.address()).unwrap();
    assert_eq!(client.ask("hello").unwrap(), "hello");
    launched.signal(libc::SIGINT);
    let ended = launched.wait_line("has ended");
    launched.ended();
    let expected = "0 drained and 1 cut, 0 tasks cut; 1 accepted in all, 0 panicked";
    assert_eq!(tally_in(&ended), expected);
}

fn a_panic_at_the_last_moment_is_told() {
    let launched = program("brittle").start();
    drop(Client::connect(launched.address()).unwrap());
    launched.signal(libc::SIGTERM);
    let ended = launched.wait_line("has ended");
    launched.ended();
    assert!(ended.ends_with("1 accepted in all, 1 panicked"), "{ended}");
}

fn a_worker_that_had_nothing_to_do_says_nothing_of_it() {
    let launched = program("server").start();
    launched.wait_line("the workers are ready");
    let lines = launched.stop();
    let ended = lines.iter().find(|line| line.contains("has ended")).unwrap();
    assert!(ended.ends_with("generation 1) has ended"), "{ended}");
}

fn the_tally_is_a_structure_for_the_hook() {
    let launched = program("structured").start();
    let mut client = Client::connect(launched.address()).unwrap();
    kill(client.ask("pid").unwrap().parse().unwrap(), libc::SIGKILL);
    let died = launched.wait_line("died: ");
    let expected = "0 Tally { accepted: 1, drained: 0, cut: 1, cut_tasks: 1, panicked: 0 }";
    assert_eq!(died, format!("died: {expected}"));
    assert_eq!(ask(launched.address(), "hello").unwrap(), "hello");
    let lines = launched.stop();
    assert!(lines.iter().any(|line| line.contains("ended: 0 Tally { accepted: 1, ")), "{lines:#?}");
}
