//! How workers share the sockets: evenly, and without losing what waits for one of them.
#![cfg(all(feature = "launcher", target_os = "linux"))]

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

#[path = "launcher_support/mod.rs"]
mod launcher_support;
use launcher_support::*;

use greenloop::launcher::{Accept, Launcher, OnCrashLoop, Pin, Restart, SpawnMode};

fn main() -> ExitCode {
    launcher_support::main(
        named![
            balanced, per_worker, by_cpu, pinned, limited, at_port, by_file, datagrams, deaf,
            partly
        ],
        named![
            connections_that_come_one_by_one_are_spread_evenly,
            connections_that_come_at_once_are_spread_evenly,
            short_connections_one_at_a_time_are_all_served,
            others_accept_while_the_least_busy_worker_hangs,
            others_accept_while_the_least_busy_worker_is_stopped,
            others_accept_while_the_least_busy_worker_wants_no_more,
            what_waits_for_a_killed_worker_is_served_by_its_replacement,
            what_waits_for_a_killed_worker_is_served_by_one_that_is_executed,
            what_waits_for_a_worker_that_goes_is_served,
            a_group_goes_back_and_forth_with_the_number_of_workers,
            connections_follow_the_processor,
            workers_are_bound_to_processors_of_their_own,
            more_workers_than_processors_are_not_bound,
            a_foreign_socket_in_the_group_is_an_error,
            a_unix_socket_is_served_and_its_file_removed,
            a_listener_of_another_kind_or_name_is_an_error,
            datagrams_are_shared_and_wait_for_a_replacement,
            a_port_for_datagrams_in_use_is_an_error,
            senders_keep_their_workers_while_there_are_fewer,
            a_worker_that_goes_reads_what_has_come_to_it,
            what_has_come_to_a_worker_that_died_before_it_went_is_read,
            datagrams_that_nobody_reads_keep_no_worker,
            a_launcher_that_ends_with_datagrams_unread_sleeps_meanwhile,
            what_would_come_to_a_worker_that_was_given_up_comes_to_others,
        ],
    )
}

fn soon() -> Restart {
    Restart::backoff(Duration::from_millis(20), Duration::from_secs(1))
}

fn balanced() -> io::Result<ExitCode> {
    launcher().restart(soon()).run(serve)
}

fn per_worker() -> io::Result<ExitCode> {
    let spawn_mode = if std::env::var("EXEC").is_ok() { SpawnMode::Exec } else { SpawnMode::Fork };
    let launcher = launcher().accept(Accept::PerWorker).spawn_mode(spawn_mode);
    launcher.restart(soon()).run(serve)
}

fn by_cpu() -> io::Result<ExitCode> {
    launcher().accept(Accept::ByCpu).pin(Pin::Cores).run(serve)
}

fn pinned() -> io::Result<ExitCode> {
    launcher().pin(Pin::Cores).run(serve)
}

/// The worker of slot 0 takes a single connection.
fn limited() -> io::Result<ExitCode> {
    launcher().run(|worker| async move {
        if worker.slot() == 0 {
            let listener = worker.listener("http")?;
            let taken = listener.accept().await?;
            worker.draining().await;
            drop(taken);
            return Ok(());
        }
        serve(worker).await
    })
}

fn at_port() -> io::Result<ExitCode> {
    let address = std::env::var("ADDRESS").unwrap();
    Launcher::new().workers(2).accept(Accept::PerWorker).bind("http", address).run(serve)
}

fn by_file() -> io::Result<ExitCode> {
    let address = std::env::var("ADDRESS").unwrap();
    launcher().bind("file", address).run(|worker| async move {
        for problem in [
            worker.listener("file").map(drop).unwrap_err(),
            worker.unix_listener("http").map(drop).unwrap_err(),
            worker.listener("nothing").map(drop).unwrap_err(),
        ] {
            println!("problem: {problem}");
        }
        let listener = worker.unix_listener("file")?;
        while let Some((stream, _)) = listener.accept().await? {
            let own = worker.clone();
            worker.spawn(async move { stream.write_all(own.pid().to_string().as_bytes()).await });
        }
        worker.drained().await;
        Ok(())
    })
}

/// Opens connections, asks each which worker serves it, and counts.
fn spread(
    address: SocketAddr,
    count: usize,
    at_once: bool,
) -> (BTreeMap<String, usize>, Vec<Client>) {
    let mut clients = Vec::new();
    let mut counts = BTreeMap::new();
    if at_once {
        clients.extend((0..count).map(|_| Client::connect(address).unwrap()));
        for client in &mut clients {
            *counts.entry(client.ask("slot").unwrap()).or_default() += 1;
        }
    } else {
        for _ in 0..count {
            let mut client = Client::connect(address).unwrap();
            *counts.entry(client.ask("slot").unwrap()).or_default() += 1;
            clients.push(client);
        }
    }
    (counts, clients)
}

#[track_caller]
fn assert_even(counts: &BTreeMap<String, usize>, workers: usize) {
    assert_eq!(counts.len(), workers, "{counts:?}");
    let (least, most) = (counts.values().min().unwrap(), counts.values().max().unwrap());
    assert!(most - least <= 2, "{counts:?}");
}

fn connections_that_come_one_by_one_are_spread_evenly() {
    let launched = program("balanced").env("WORKERS", 4).start();
    launched.wait_line("the workers are ready");
    // A worker that is kept from running for 20 ms by the machine does not count for that long, and the
    // others take its share: then the trial says nothing.
    for trial in 0.. {
        let (counts, clients) = spread(launched.address(), 64, false);
        let even = counts.values().max().unwrap() - counts.values().min().unwrap() <= 2;
        if (even && counts.len() == 4) || trial == 4 {
            assert_even(&counts, 4);
            break;
        }
        drop(clients);
        wait_until_idle(launched.address());
    }
    launched.stop();
}

/// Waits until the last connections were noticed to be closed.
fn wait_until_idle(address: SocketAddr) {
    let mut client = Client::connect(address).unwrap();
    wait_until("all are closed", || client.ask("stats").unwrap().contains("\"active\":1,\"rest"));
}

fn connections_that_come_at_once_are_spread_evenly() {
    let launched = program("balanced").env("WORKERS", 4).start();
    launched.wait_line("the workers are ready");
    for trial in 0.. {
        let (counts, clients) = spread(launched.address(), 64, true);
        let even = counts.values().max().unwrap() - counts.values().min().unwrap() <= 2;
        if (even && counts.len() == 4) || trial == 4 {
            assert_even(&counts, 4);
            break;
        }
        drop(clients);
        wait_until_idle(launched.address());
    }
    launched.stop();
}

fn short_connections_one_at_a_time_are_all_served() {
    let launched = program("balanced").env("WORKERS", 3).start();
    let address = launched.address();
    for _ in 0..500 {
        assert_eq!(ask(address, "hello").unwrap(), "hello");
    }
    launched.stop();
}

/// Has one of two workers be kept from accepting while it has the fewest connections, and sees to it that
/// the other accepts what comes.
fn with_one_out_of_order(put_out_of_order: impl FnOnce(&mut Client, u32)) {
    let launched = program("balanced").env("WORKERS", 2).start();
    launched.wait_line("the workers are ready");
    let address = launched.address();
    let (_, mut clients) = spread(address, 8, false);
    let slot = clients[0].ask("slot").unwrap();
    let pid = clients[0].ask("pid").unwrap().parse().unwrap();
    // One connection is left of the worker's own.
    let mut kept = clients.remove(0);
    clients.retain_mut(|client| client.ask("slot").unwrap() != slot);
    put_out_of_order(&mut kept, pid);
    let start = Instant::now();
    for _ in 0..8 {
        let mut client = Client::connect(address).unwrap();
        assert_ne!(client.ask("slot").unwrap(), slot);
        clients.push(client);
    }
    // Not one after the other waited out a long time.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    kill(pid, libc::SIGCONT);
    launched.signal(libc::SIGQUIT);
    launched.ended();
}

fn others_accept_while_the_least_busy_worker_hangs() {
    with_one_out_of_order(|client, _| {
        client.say("hello\nspin").unwrap();
        assert_eq!(client.hear().unwrap(), "hello");
    });
}

fn others_accept_while_the_least_busy_worker_is_stopped() {
    with_one_out_of_order(|_, pid| {
        kill(pid, libc::SIGSTOP);
        wait_until("it is stopped", || state_of(pid) == 'T');
    });
}

fn others_accept_while_the_least_busy_worker_wants_no_more() {
    let launched = program("limited").env("WORKERS", 2).start();
    launched.wait_line("the workers are ready");
    let address = launched.address();
    // Each is served, but for the one that the other worker has taken and says nothing to.
    let answers = AtomicUsize::new(0);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..10).map(|_| Client::connect(address).unwrap()).collect();
        for mut client in clients {
            let answers = &answers;
            scope.spawn(move || {
                answers.fetch_add(usize::from(client.ask("hello").is_ok()), SeqCst);
                if answers.load(SeqCst) >= 9 {
                    let _ = ask(address, "hello");
                }
            });
        }
        wait_until("nine are served", || answers.load(SeqCst) >= 9);
        launched.signal(libc::SIGTERM);
    });
    let (status, _) = launched.ended();
    assert_eq!(status.code(), Some(0));
}

fn what_waits_for_a_killed_worker_is_served_by_its_replacement() {
    serve_what_waits(program("per_worker"));
}

fn what_waits_for_a_killed_worker_is_served_by_one_that_is_executed() {
    serve_what_waits(program("per_worker").env("EXEC", 1));
}

fn serve_what_waits(start: Start) {
    let launched = start.env("WORKERS", 2).start();
    launched.wait_line("the workers are ready");
    let address = launched.address();
    let workers: Vec<_> = launched.lines_with(") is ready").iter().map(|l| pid_in(l)).collect();
    // Stopped, both of them, so that everything waits.
    for worker in &workers {
        kill(*worker, libc::SIGSTOP);
        wait_until("it is stopped", || state_of(*worker) == 'T');
    }
    let mut clients: Vec<_> = (0..100).map(|_| Client::connect(address).unwrap()).collect();
    for client in &mut clients {
        client.say("pid").unwrap();
    }
    kill(workers[0], libc::SIGKILL);
    kill(workers[1], libc::SIGCONT);
    let served: Vec<u32> =
        clients.iter_mut().map(|client| client.hear().unwrap().parse().unwrap()).collect();
    assert!(served.contains(&workers[1]) && !served.contains(&workers[0]));
    assert!(served.iter().any(|pid| !workers.contains(pid)), "the replacement serves some");
    drop(clients);
    launched.stop();
}

fn what_waits_for_a_worker_that_goes_is_served() {
    let launched = program("per_worker").env("WORKERS", 2).start();
    launched.wait_line("the workers are ready");
    let address = launched.address();
    let second = launched
        .lines_with(") is ready")
        .iter()
        .find(|l| l.contains("worker 1"))
        .map(|l| pid_in(l));
    let second = second.unwrap();
    kill(second, libc::SIGSTOP);
    wait_until("it is stopped", || state_of(second) == 'T');
    let mut clients: Vec<_> = (0..100).map(|_| Client::connect(address).unwrap()).collect();
    for client in &mut clients {
        client.say("hello").unwrap();
    }
    launched.signal(libc::SIGTTOU);
    launched.wait_line("1 workers from now on");
    // Killed, so that it does not accept what waits for it.
    kill(second, libc::SIGKILL);
    for client in &mut clients {
        assert_eq!(client.hear().unwrap(), "hello");
    }
    drop(clients);
    launched.stop();
}

fn a_group_goes_back_and_forth_with_the_number_of_workers() {
    let launched = program("per_worker").env("WORKERS", 1).start();
    launched.wait_line("the workers are ready");
    let address = launched.address();
    for round in 1..=2 {
        launched.signal(libc::SIGTTIN);
        launched.wait_lines("2 workers from now on", round);
        launched.wait_lines(") is ready", 1 + round);
        let mut slots = BTreeMap::<String, usize>::new();
        wait_until("both get connections", || {
            *slots.entry(ask(address, "slot").unwrap()).or_default() += 1;
            slots.len() == 2
        });
        launched.signal(libc::SIGTTOU);
        launched.wait_lines("has ended", round);
        for _ in 0..30 {
            assert_eq!(ask(address, "slot").unwrap(), "0");
        }
    }
    launched.stop();
}

fn connections_follow_the_processor() {
    let test = "connections_follow_the_processor";
    let processors = processors();
    if processors.len() < 2 {
        return skip(test, "there is one processor only");
    }
    let launched = program("by_cpu").env("WORKERS", processors.len()).start();
    launched.wait_line("the workers are ready");
    let address = launched.address();
    for (place, processor) in processors.iter().enumerate() {
        let slots: Vec<_> = thread::scope(|scope| {
            let client = || {
                pin(*processor);
                (0..20).map(|_| ask(address, "slot").unwrap()).collect()
            };
            scope.spawn(client).join().unwrap()
        });
        // The number of the processor modulo that of the sockets is the place, if they count from 0.
        if processors.iter().copied().eq(0..processors.len()) {
            assert_eq!(slots, vec![place.to_string(); 20]);
        }
    }
    launched.stop();
}

fn workers_are_bound_to_processors_of_their_own() {
    let processors = processors();
    let launched = program("pinned").env("WORKERS", processors.len()).start();
    launched.wait_line("the workers are ready");
    let mut seen = BTreeMap::new();
    let mut clients = Vec::new();
    wait_until("all workers were asked", || {
        let mut client = Client::connect(launched.address()).unwrap();
        seen.insert(client.ask("slot").unwrap(), client.ask("cpus").unwrap());
        clients.push(client);
        seen.len() == processors.len()
    });
    for (place, processor) in processors.iter().enumerate() {
        assert_eq!(seen[&place.to_string()], processor.to_string());
    }
    drop(clients);
    launched.stop();
}

fn more_workers_than_processors_are_not_bound() {
    let processors = processors();
    let launched = program("pinned").env("WORKERS", processors.len() + 1).start();
    launched.wait_line("warning: workers are not bound to processors");
    launched.wait_line("the workers are ready");
    launched.stop();
}

fn a_foreign_socket_in_the_group_is_an_error() {
    let foreign = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    foreign.set_reuse_port(true).unwrap();
    foreign.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    foreign.listen(1).unwrap();
    let address = foreign.local_addr().unwrap().as_socket().unwrap();
    let (status, lines) = program("at_port").env("ADDRESS", address).start().ended();
    assert_eq!(status.code(), Some(3));
    assert!(lines[0].contains("cannot listen on"), "{lines:?}");
    assert!(lines[0].contains("in use"), "{lines:?}");
}

fn a_unix_socket_is_served_and_its_file_removed() {
    let path = std::env::temp_dir().join(format!("greenloop-l-{}", std::process::id()));
    // One that was left behind is in nobody's way.
    let _ = std::fs::remove_file(&path);
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let launched = program("by_file").env("ADDRESS", format!("unix:{}", path.display())).start();
    launched.wait_line("the workers are ready");
    for _ in 0..10 {
        let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let mut pid = String::new();
        io::Read::read_to_string(&mut stream, &mut pid).unwrap();
        assert!(launched.processes().contains(&pid.parse().unwrap()));
    }
    // One that is in use is not taken away from its owner.
    let second = program("by_file").env("ADDRESS", format!("unix:{}", path.display())).start();
    let (status, lines) = second.ended();
    assert_eq!(status.code(), Some(3));
    assert!(lines.iter().any(|line| line.contains("in use")), "{lines:?}");
    launched.stop();
    assert!(!path.exists());
}

fn a_listener_of_another_kind_or_name_is_an_error() {
    let name = format!("unix:@greenloop-l-{}", std::process::id());
    let launched = program("by_file").env("WORKERS", 1).env("ADDRESS", name).start();
    launched.wait_line("the workers are ready");
    let problems = launched.lines_with("problem");
    assert!(problems[0].contains("\"file\" is no TCP socket"), "{problems:?}");
    assert!(problems[1].contains("\"http\" is no Unix socket"), "{problems:?}");
    assert!(problems[2].contains("no socket under the name \"nothing\""), "{problems:?}");
    launched.stop();
}

/// The processors that this process may use.
fn processors() -> Vec<usize> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    let range = |part: &str| {
        let (first, last) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
        first.parse().unwrap()..=last.parse::<usize>().unwrap()
    };
    list.split(',').flat_map(range).collect()
}

#[allow(unsafe_code, reason = "binds a thread to a processor")]
fn pin(processor: usize) {
    // SAFETY: all-zero bytes are the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the number is one of this machine's.
    unsafe { libc::CPU_SET(processor, &mut set) };
    // SAFETY: the set is alive during the call.
    let result = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) };
    assert_eq!(result, 0);
}

fn datagrams() -> io::Result<ExitCode> {
    let launcher = launcher().bind("time", std::env::var("ADDRESS").unwrap()).restart(soon());
    launcher.run(|worker| async move {
        println!("problem: {}", worker.udp_socket("http").unwrap_err());
        println!("problem: {}", worker.listener("time").unwrap_err());
        let socket = worker.udp_socket("time")?;
        let mut buffer = [0; 100];
        loop {
            greenloop::select! {
                received = socket.recv_from(&mut buffer) => {
                    let (count, peer) = received?;
                    if &buffer[..count] == b"exit" {
                        std::process::exit(1);
                    }
                    socket.send_to(worker.pid().to_string().as_bytes(), peer).await?;
                }
                _ = worker.draining() => return Ok(()),
            }
        }
    })
}

/// Somebody who sends datagrams to one address.
struct Sender(std::net::UdpSocket);

impl Sender {
    fn new(address: SocketAddr) -> Self {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(STUCK)).unwrap();
        socket.connect(address).unwrap();
        Self(socket)
    }

    fn send(&self) {
        self.0.send(b"who").unwrap();
    }

    /// The number of the process that answers, or of its slot.
    fn hear(&self) -> u32 {
        let mut buffer = [0; 100];
        let count = self.0.recv(&mut buffer).unwrap();
        std::str::from_utf8(&buffer[..count]).unwrap().parse().unwrap()
    }

    fn ask(&self) -> u32 {
        self.send();
        self.hear()
    }
}

/// Sends something, and gives the answer.
fn ask_by_datagram(address: SocketAddr) -> u32 {
    Sender::new(address).ask()
}

/// Where the launcher takes datagrams.
fn address_for_datagrams(launched: &Launched) -> SocketAddr {
    let line = launched.wait_line("time: listening on");
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// The process of a worker of the first generation.
fn worker(launched: &Launched, slot: usize) -> u32 {
    let ready = launched.lines_with(") is ready");
    pid_in(ready.iter().find(|line| line.contains(&format!("worker {slot} "))).unwrap())
}

fn datagrams_are_shared_and_wait_for_a_replacement() {
    let launched = program("datagrams").env("ADDRESS", "udp:127.0.0.1:0").start();
    launched.wait_line("the workers are ready");
    launched.wait_lines("problem: the socket \"http\" is none for datagrams", 2);
    launched.wait_lines("problem: the socket \"time\" is no TCP socket", 2);
    let address = address_for_datagrams(&launched);
    let workers: Vec<_> = launched.lines_with(") is ready").iter().map(|l| pid_in(l)).collect();
    let mut seen = BTreeMap::<u32, usize>::new();
    wait_until("both get datagrams", || {
        *seen.entry(ask_by_datagram(address)).or_default() += 1;
        seen.len() == 2
    });
    assert!(seen.keys().all(|pid| workers.contains(pid)), "{seen:?} {workers:?}");
    // What comes for one that is dead is its replacement's.
    kill(workers[0], libc::SIGKILL);
    for _ in 0..50 {
        assert_ne!(ask_by_datagram(address), workers[0]);
    }
    // Nothing is lost in a rolling restart.
    launched.signal(libc::SIGHUP);
    while launched.lines_with("has finished").is_empty() {
        ask_by_datagram(address);
    }
    // With fewer workers, all goes to those that there are.
    launched.signal(libc::SIGTTOU);
    launched.wait_line("1 workers from now on");
    launched.wait_lines("has ended", 3);
    let left = ask_by_datagram(address);
    for _ in 0..30 {
        assert_eq!(ask_by_datagram(address), left);
    }
    launched.stop();
}

fn a_port_for_datagrams_in_use_is_an_error() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let start = program("datagrams").env("ADDRESS", format!("udp:{address}"));
    let (status, lines) = start.start().ended();
    assert_eq!(status.code(), Some(3));
    assert!(lines[0].contains(&format!("cannot listen on udp:{address} (time)")), "{lines:?}");
    assert!(lines[0].contains("in use"), "{lines:?}");
}

fn senders_keep_their_workers_while_there_are_fewer() {
    let start = program("datagrams").env("ADDRESS", "udp:127.0.0.1:0").env("WORKERS", 3);
    let launched = start.start();
    launched.wait_line("the workers are ready");
    let address = address_for_datagrams(&launched);
    let senders: Vec<_> = (0..64).map(|_| Sender::new(address)).collect();
    let answers = || senders.iter().map(Sender::ask).collect::<Vec<_>>();
    for workers in [3, 2, 1, 2, 3] {
        let now = launched.lines_with(") is ready").len() - launched.lines_with("has ended").len();
        if workers < now {
            launched.signal(libc::SIGTTOU);
            launched.wait_lines("has ended", 3 - workers);
        } else if workers > now {
            launched.signal(libc::SIGTTIN);
            launched.wait_lines(") is ready", 3 + workers - 1);
        }
        let first = answers();
        assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), workers, "{first:?}");
        for _ in 0..5 {
            assert_eq!(answers(), first);
        }
    }
    launched.stop();
}

/// Two workers, of which the second is stopped with datagrams in its socket, and then one too many. Gives
/// also who has sent them, and its process.
fn with_a_surplus_worker(name: &str) -> (Launched, Vec<Sender>, u32) {
    let launched = program(name).env("ADDRESS", "udp:127.0.0.1:0").start();
    launched.wait_line("the workers are ready");
    let second = worker(&launched, 1);
    kill(second, libc::SIGSTOP);
    wait_until("it is stopped", || state_of(second) == 'T');
    let address = address_for_datagrams(&launched);
    let senders: Vec<_> = (0..64).map(|_| Sender::new(address)).collect();
    senders.iter().for_each(Sender::send);
    launched.signal(libc::SIGTTOU);
    launched.wait_line("1 workers from now on");
    (launched, senders, second)
}

fn a_worker_that_goes_reads_what_has_come_to_it() {
    let (launched, senders, second) = with_a_surplus_worker("datagrams");
    kill(second, libc::SIGCONT);
    let answered: BTreeSet<_> = senders.iter().map(Sender::hear).collect();
    assert!(answered.into_iter().eq(BTreeSet::from([worker(&launched, 0), second])));
    launched.wait_line("has ended");
    launched.stop();
}

fn what_has_come_to_a_worker_that_died_before_it_went_is_read() {
    let (launched, senders, second) = with_a_surplus_worker("datagrams");
    kill(second, libc::SIGKILL);
    let answered: BTreeSet<_> = senders.iter().map(Sender::hear).collect();
    // Another one for that slot, which goes then.
    let third = pid_in(&launched.wait_lines(") is ready", 3)[2]);
    assert!(answered.into_iter().eq(BTreeSet::from([worker(&launched, 0), third])));
    launched.wait_line(&format!("worker 1 (pid {third}, generation 1) has ended"));
    assert_eq!(launched.processes().len(), 2);
    launched.stop();
}

/// For how long a worker may read that reads nothing.
const DEAF: Duration = Duration::from_millis(500);

/// Its workers do not read.
fn deaf() -> io::Result<ExitCode> {
    let launcher = launcher().bind("time", std::env::var("ADDRESS").unwrap());
    launcher.grace(DEAF).run(|worker| async move {
        let _socket = worker.udp_socket("time")?;
        worker.draining().await;
        Ok(())
    })
}

fn datagrams_that_nobody_reads_keep_no_worker() {
    let start = Instant::now();
    let (launched, _senders, second) = with_a_surplus_worker("deaf");
    kill(second, libc::SIGCONT);
    launched.wait_line("warning: datagrams for worker 1, which is no more, are not read");
    assert!(start.elapsed() >= 2 * DEAF, "the one that was started for them has time, too");
    assert_eq!(launched.lines_with("worker 1 ").len(), 2 * 4, "{:#?}", launched.lines());
    assert_eq!(launched.processes().len(), 2);
    // Its slot can have a worker again.
    launched.signal(libc::SIGTTIN);
    launched.wait_lines(") is ready", 4);
    launched.stop();
}

fn a_launcher_that_ends_with_datagrams_unread_sleeps_meanwhile() {
    let (launched, _senders, second) = with_a_surplus_worker("datagrams");
    launched.signal(libc::SIGTERM);
    launched.wait_line(&format!("worker 1 (pid {second}, generation 1) drains"));
    wait_until("it uses no processor", || {
        let before = ticks(launched.pid());
        thread::sleep(Duration::from_millis(200));
        ticks(launched.pid()) == before
    });
    assert_eq!(state_of(second), 'T', "it is too late: the worker is gone");
    kill(second, libc::SIGCONT);
    launched.ended();
}

/// How much processor time a process has used, in hundredths of a second.
fn ticks(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = text.rsplit_once(')').unwrap();
    let times = rest.split_ascii_whitespace().skip(11).take(2);
    times.map(|time| time.parse::<u64>().unwrap()).sum()
}

/// Its worker 1 cannot serve while there is a certain file. Datagrams are answered as connections are.
fn partly() -> io::Result<ExitCode> {
    let restart = soon().on_crash_loop(OnCrashLoop::KeepOthers);
    let launcher = launcher().accept(Accept::PerWorker).bind("time", "udp:127.0.0.1:0");
    launcher.restart(restart).run(|worker| async move {
        if worker.slot() == 1 && std::fs::exists(std::env::var("BROKEN").unwrap())? {
            return Err(worker.fatal("broken"));
        }
        let socket = worker.udp_socket("time")?;
        let own = worker.clone();
        greenloop::spawn(async move {
            let mut buffer = [0; 100];
            while let Ok((_, peer)) = socket.recv_from(&mut buffer).await {
                let _ = socket.send_to(own.slot().to_string().as_bytes(), peer).await;
            }
        });
        serve(worker).await
    })
}

fn what_would_come_to_a_worker_that_was_given_up_comes_to_others() {
    let broken = std::env::temp_dir().join(format!("greenloop-g-{}", std::process::id()));
    std::fs::write(&broken, "").unwrap();
    let launched = program("partly").env("BROKEN", broken.display()).env("WORKERS", 3).start();
    let mut early: Vec<_> = (0..30).map(|_| Client::connect(launched.address()).unwrap()).collect();
    launched.wait_lines(") is ready", 2);
    launched.wait_line("die again and again");
    // Also who came before it was given up, to a queue that nobody serves.
    for client in &mut early {
        assert_ne!(client.ask("slot").unwrap(), "1");
    }
    drop(early);
    let address = address_for_datagrams(&launched);
    let senders: Vec<_> = (0..64).map(|_| Sender::new(address)).collect();
    let mut slots = BTreeSet::new();
    for sender in &senders {
        let slot = sender.ask();
        assert_eq!(sender.ask(), slot);
        slots.insert(slot);
    }
    assert!(slots.into_iter().eq([0, 2]));
    for _ in 0..30 {
        assert_ne!(ask(launched.address(), "slot").unwrap(), "1");
    }
    // It is tried again in a rolling restart.
    std::fs::remove_file(broken).unwrap();
    launched.signal(libc::SIGHUP);
    launched.wait_line("has finished");
    let mut slots = BTreeSet::new();
    wait_until("all three serve", || {
        slots.insert(ask(launched.address(), "slot").unwrap());
        slots.len() == 3
    });
    assert!(senders.iter().map(Sender::ask).collect::<BTreeSet<_>>().into_iter().eq(0..3));
    // Nobody else serves the queue of worker 1 any more.
    let mut sockets = BTreeMap::new();
    wait_until("all three tell what they have open", || {
        let mut client = Client::connect(launched.address()).unwrap();
        let slot = client.ask("slot").unwrap();
        let open = client.ask("descriptors").unwrap();
        let open = open.split('|').filter(|link| link.starts_with("socket:")).map(String::from);
        sockets.insert(slot, open.collect::<BTreeSet<_>>());
        sockets.len() == 3
    });
    for other in ["0", "2"] {
        let shared: Vec<_> = sockets["1"].intersection(&sockets[other]).collect();
        assert!(shared.is_empty(), "worker {other} has {shared:?} of worker 1");
    }
    launched.stop();
}
