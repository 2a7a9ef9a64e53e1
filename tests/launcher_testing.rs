//! A launcher that a test of the standard harness starts: `Launcher::spawn_for_test`.
#![cfg(all(feature = "launcher", target_os = "linux"))]

use std::{
    collections::BTreeSet,
    fs, io,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use greenloop::{
    launcher::{Exit, Launcher, TestLauncher, Worker, WorkerState},
    net::Server,
};

/// A launcher whose workers say who they are to each who connects.
fn server(workers: usize) -> TestLauncher {
    let launcher = Launcher::new().workers(workers).bind("who", "127.0.0.1:0").counter("asked");
    let quiet = launcher.histogram("digits", [1, 5]).on_event(|_| {});
    quiet.spawn_for_test(tell_pid).unwrap()
}

async fn tell_pid(worker: Worker) -> io::Result<()> {
    let listener = worker.listener("who")?;
    while let Some((stream, _)) = listener.accept().await? {
        worker.counter("asked").add(1);
        let answer = worker.pid().to_string();
        worker.histogram("digits").record(answer.len() as u64);
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

fn ask(address: SocketAddr) -> u32 {
    let mut answer = String::new();
    TcpStream::connect(address).unwrap().read_to_string(&mut answer).unwrap();
    answer.parse().unwrap()
}

fn pids(server: &TestLauncher) -> BTreeSet<u32> {
    server.stats().workers.iter().map(|worker| worker.pid).collect()
}

#[test]
fn workers_serve_and_are_seen() {
    let server = server(2);
    assert!(pids(&server).contains(&ask(server.address("who"))));
    let seen = server.stats();
    assert_eq!(seen.supervisor, server.pid());
    assert_eq!(seen.workers.len(), 2);
    assert!(seen.workers.iter().all(|worker| worker.state == WorkerState::Ready));
    assert_eq!((seen.accepted, &seen.counters[..]), (1, &[("asked".to_owned(), 1)][..]));
    let digits = &seen.histograms[0];
    assert_eq!(
        (digits.name.as_str(), &digits.bounds[..], digits.count()),
        ("digits", &[1, 5][..], 1)
    );
    assert_eq!(server.stop().unwrap(), Exit::Code(0));
}

#[test]
fn a_killed_worker_is_replaced() {
    let server = server(2);
    let killed = server.kill(1).unwrap();
    server
        .wait_until(|now| {
            now.restarts == 1
                && now.workers.iter().all(|worker| worker.state == WorkerState::Ready)
                && now.workers.len() == 2
        })
        .unwrap();
    assert!(!pids(&server).contains(&killed));
    assert_eq!(server.kill(7).unwrap_err().kind(), io::ErrorKind::NotFound);
    server.stop().unwrap();
}

#[test]
fn workers_are_rolled_and_scaled() {
    let server = server(2);
    let before = pids(&server);
    server.roll().unwrap();
    server.scale(3).unwrap();
    assert!(pids(&server).is_disjoint(&before));
    server.scale(1).unwrap();
    assert_eq!(pids(&server).len(), 1);
    assert!(server.scale(0).unwrap_err().to_string().contains("one worker is the least"));
    server.stop().unwrap();
}

/// Sends back what comes until the client hangs up or the worker is to end.
async fn echo_until_told(worker: Worker) -> io::Result<()> {
    let server = Server::serve(worker.listener("who")?, |connection| async move {
        let echo = greenloop::io::copy(&connection.stream, &connection.stream);
        match connection.shutdown.run_until_cancelled(echo).await {
            Some(copied) => copied.map(drop),
            None => connection.stream.write_all(b"goodbye").await,
        }
    });
    server.ended().await;
    Ok(())
}

#[test]
fn a_server_may_serve_what_a_worker_accepts_and_ends_with_it() {
    let launcher = Launcher::new().workers(1).bind("who", "127.0.0.1:0").on_event(|_| {});
    let server = launcher.spawn_for_test(echo_until_told).unwrap();
    let mut client = TcpStream::connect(server.address("who")).unwrap();
    client.write_all(b"hello").unwrap();
    let mut answer = [0; 5];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
    // Not before its connection has come to an end.
    assert_eq!(server.stop().unwrap(), Exit::Code(0));
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "goodbye");
}

#[test]
fn a_launcher_that_does_not_get_to_serve_is_an_error() {
    let launcher = Launcher::new().workers(1).bind("who", "nonsense").on_event(|_| {});
    let error = launcher.spawn_for_test(tell_pid).unwrap_err().to_string();
    assert!(error.contains("ended with status 1 before its workers were ready"), "{error}");
}

#[test]
fn nothing_is_left_of_one_that_is_dropped() {
    let server = server(2);
    let mut all = pids(&server);
    all.insert(server.pid());
    assert_eq!(all.len(), 3);
    let mut held = TcpStream::connect(server.address("who")).unwrap();
    held.write_all(b"I do not hang up").unwrap();
    drop(server);
    while all.iter().any(|pid| fs::exists(format!("/proc/{pid}")).unwrap()) {
        thread::sleep(Duration::from_millis(5));
    }
}
