//! Hundreds of connections at once, on one thread.

use std::{io::Read as _, thread, time::Duration};

use greenloop::{
    net::{TcpListener, TcpStream},
    statistics,
};

#[path = "support/limits.rs"]
mod limits;
#[path = "support/net.rs"]
mod support;
use support::{echo, pattern, run};

#[test]
fn hundreds_of_clients_get_every_byte_back() {
    const CLIENTS: usize = 300;
    const MESSAGES: usize = 10;
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = greenloop::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                greenloop::spawn(echo(stream));
            }
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                greenloop::spawn(async move {
                    let stream = TcpStream::connect(address).await.unwrap();
                    let sent = pattern(100 + client);
                    let mut received = vec![0; sent.len()];
                    for _ in 0..MESSAGES {
                        stream.write_all(&sent).await.unwrap();
                        stream.read_exact(&mut received).await.unwrap();
                        assert!(received == sent);
                    }
                })
            })
            .collect();

        for client in clients {
            client.await.unwrap();
        }

        // The clients have closed; the server's ends follow when they read that.
        while statistics().tasks > 2 {
            greenloop::yield_now().await;
        }
        server.abort();
        assert_eq!(statistics().sockets, 0);
    });
}

#[test]
fn hundreds_of_clients_on_threads_get_every_byte_back() {
    const THREADS: usize = 8;
    const EACH: usize = 50;
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                thread::spawn(move || {
                    for number in 0..EACH {
                        let mut client = std::net::TcpStream::connect(address).unwrap();
                        client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                        let sent = pattern(1 + number * 100);
                        std::io::Write::write_all(&mut client, &sent).unwrap();
                        client.shutdown(std::net::Shutdown::Write).unwrap();
                        let mut received = Vec::new();
                        client.read_to_end(&mut received).unwrap();
                        assert!(received == sent);
                    }
                })
            })
            .collect();

        let mut echoes = Vec::new();
        for _ in 0..THREADS * EACH {
            let (stream, _) = listener.accept().await.unwrap();
            echoes.push(greenloop::spawn(echo(stream)));
        }

        for echoing in echoes {
            echoing.await.unwrap();
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn more_sockets_than_one_look_can_fetch_become_ready_together_and_none_is_forgotten() {
    // The loop takes in 1,024 events at a time.
    const SOCKETS: usize = 1100;
    let limit = limits::raise();
    if limit < SOCKETS as u64 + 200 {
        return eprintln!("only {limit} descriptors are allowed here");
    }
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut servers = Vec::new();
        let mut tasks = Vec::new();
        for _ in 0..SOCKETS {
            let client = TcpStream::connect(address).await.unwrap();
            servers.push(listener.accept().await.unwrap());
            tasks.push(greenloop::spawn(async move { client.read(&mut [0]).await.unwrap() }));
        }
        drop(listener);
        // All of them wait, and the kernel's first news about them is taken in.
        greenloop::sleep(Duration::from_millis(1)).await;
        assert_eq!(statistics().sockets, SOCKETS);

        drop(servers);

        for task in tasks {
            assert_eq!(task.await.unwrap(), 0);
        }
    });
}
