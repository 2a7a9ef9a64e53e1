//! Changing a `use` line ports a program: every call of the standard library's TCP types is there, means
//! the same and gives the same.

mod green_support;

use std::thread;

use green_support::run;
use greenloop::green;

/// A program that calls whatever there is to call, and notes what came of it.
macro_rules! program {
    ($name:ident: use $($module:ident)::+; spawn with $($spawn:ident)::+) => {
        mod $name {
            use $($module)::+::{
                AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4,
                SocketAddrV6, TcpListener, TcpStream, ToSocketAddrs,
            };
            use std::{
                io::{self, IoSlice, IoSliceMut, Read, Write},
                iter::FusedIterator,
                os::fd::{AsFd, AsRawFd, OwnedFd},
                panic::{RefUnwindSafe, UnwindSafe},
                time::Duration,
            };

            fn bind(address: impl ToSocketAddrs) -> io::Result<TcpListener> {
                TcpListener::bind(address)
            }

            fn is_threadsafe<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>(_: &T) {}

            fn is_fused(_: &impl FusedIterator) {}

            /// Reads to the end of the stream.
            fn hear(mut stream: &TcpStream) -> String {
                let mut text = String::new();
                stream.read_to_string(&mut text).unwrap();
                text
            }

            pub(crate) fn run() -> Vec<String> {
                let mut log = Vec::new();
                let mut note = |what: String| log.push(what);

                let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
                let wrong: Result<SocketAddr, AddrParseError> = "127.0.0.1".parse();
                assert!(wrong.is_err());
                let v4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
                let v6 = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 0);
                for bound in [
                    bind(any),
                    bind(v4),
                    bind(("127.0.0.1", 0)),
                    bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0)),
                    bind(&[SocketAddr::V4(v4), SocketAddr::V6(v6)][..]),
                    bind(String::from("127.0.0.1:0")),
                ] {
                    note(format!("{}", bound.unwrap().local_addr().unwrap().ip()));
                }
                note(format!("{:?}", bind(&[][..]).unwrap_err().kind()));
                note(format!("{:?}", bind("127.0.0.1").unwrap_err().kind()));

                let listener = bind("127.0.0.1:0").unwrap();
                is_threadsafe(&listener);
                let address = listener.local_addr().unwrap();
                note(format!("{:?}", bind(address).unwrap_err().kind()));
                listener.set_ttl(63).unwrap();
                note(format!("{:?} {:?}", listener.ttl(), listener.take_error().unwrap()));
                note(format!("{}", format!("{listener:?}").contains(&address.port().to_string())));
                assert!(listener.as_raw_fd() >= 0 && listener.as_fd().as_raw_fd() >= 0);

                listener.set_nonblocking(true).unwrap();
                note(format!("{:?}", listener.accept().unwrap_err().kind()));
                let clone = listener.try_clone().unwrap();
                note(format!("{:?}", clone.accept().unwrap_err().kind()));
                clone.set_nonblocking(false).unwrap();

                let connect = || TcpStream::connect(address).unwrap();
                let accept = || clone.accept().unwrap();
                let mut client = connect();
                is_threadsafe(&client);
                let (server, peer) = accept();
                note(format!("{}", peer == client.local_addr().unwrap()));
                note(format!("{}", client.peer_addr().unwrap() == address));
                note(format!("{}", server.peer_addr().unwrap() == peer));
                note(format!("{:?} {:?}", client.nodelay(), client.take_error().unwrap()));
                client.set_nodelay(true).unwrap();
                client.set_ttl(62).unwrap();
                note(format!("{:?} {:?}", client.nodelay(), client.ttl()));
                assert!(client.as_raw_fd() >= 0 && client.as_fd().as_raw_fd() >= 0);
                note(format!("{}", format!("{client:?}").contains("TcpStream")));

                // Time-outs. The kernel counts std's in ticks, of which this is a whole number.
                let short = Duration::from_millis(20);
                note(format!("{:?} {:?}", client.read_timeout(), client.write_timeout()));
                for limit in [None, Some(Duration::ZERO), Some(Duration::from_secs(3600))] {
                    note(format!("{:?}", client.set_write_timeout(limit).map_err(|e| e.kind())));
                    note(format!("{:?}", client.set_read_timeout(limit).map_err(|e| e.kind())));
                    note(format!("{:?} {:?}", client.read_timeout(), client.write_timeout()));
                }
                client.set_read_timeout(Some(short)).unwrap();
                note(format!("{:?}", client.read(&mut [0]).unwrap_err().kind()));
                note(format!("{:?}", client.peek(&mut [0]).unwrap_err().kind()));
                let same = client.try_clone().unwrap();
                note(format!("{:?}", same.read_timeout()));
                client.set_read_timeout(None).unwrap();

                // Without waiting.
                client.set_nonblocking(true).unwrap();
                note(format!("{:?}", client.read(&mut [0]).unwrap_err().kind()));
                note(format!("{:?}", client.peek(&mut [0]).unwrap_err().kind()));
                let full = loop {
                    if let Err(error) = client.write(&[b'.'; 1 << 16]) {
                        break error;
                    }
                };
                note(format!("{:?}", full.kind()));
                note(format!("{:?}", (&same).read(&mut [0]).unwrap_err().kind()));
                client.set_nonblocking(false).unwrap();
                drop((client, same, server));

                // Bytes.
                let mut client = connect();
                let (mut server, _) = accept();
                server.write_all(b"eat").unwrap();
                let words = [IoSlice::new(b" "), IoSlice::new(b"play")];
                note(format!("{:?}", server.write_vectored(&words)));
                server.flush().unwrap();
                let mut buffer = [0; 3];
                note(format!("{:?}", client.peek(&mut buffer[..1])));
                client.read_exact(&mut buffer).unwrap();
                note(String::from_utf8_lossy(&buffer).into_owned());
                let (mut one, mut rest) = ([0; 1], [0; 4]);
                let both = &mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut rest)];
                note(format!("{:?}", client.read_vectored(both)));
                note(String::from_utf8_lossy(&rest).into_owned());
                note(format!("{:?}", client.write(&[])));

                // Ends.
                let other = client.try_clone().unwrap();
                drop(client);
                (&other).write_all(b"still here").unwrap();
                other.shutdown(Shutdown::Write).unwrap();
                note(hear(&server));
                note(format!("{:?}", (&other).write(b"x").unwrap_err().kind()));
                note(format!("{:?}", server.read(&mut [0])));
                server.write_all(b"bye").unwrap();
                drop(server);
                note(hear(&other));
                // Of an ended connection this may be an error or not.
                let _ = other.shutdown(Shutdown::Both);
                drop(other);

                // Others that connect.
                let clients = [1, 2, 3].map(|number| {
                    $($spawn)::+(move || {
                        let mut stream = TcpStream::connect(address).unwrap();
                        stream.write_all(format!("{number}").as_bytes()).unwrap();
                    })
                });
                let incoming = listener.incoming();
                is_fused(&incoming);
                let mut heard: Vec<_> =
                    incoming.take(3).map(|stream| hear(&stream.unwrap())).collect();
                heard.sort_unstable();
                note(format!("{heard:?}"));
                drop(clients);

                // Failures.
                drop((listener, clone));
                note(format!("{:?}", TcpStream::connect(address).unwrap_err().kind()));
                let long = Duration::from_secs(3600);
                for limit in [long, Duration::ZERO] {
                    let result = TcpStream::connect_timeout(&address, limit);
                    note(format!("{:?}", result.unwrap_err().kind()));
                }
                let fd = OwnedFd::from(std::net::TcpListener::bind(any).unwrap());
                let listener = TcpListener::try_from(fd).unwrap();
                let fd = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                let mut stream = TcpStream::try_from(OwnedFd::from(fd)).unwrap();
                listener.accept().unwrap().0.write_all(b"from a descriptor").unwrap();
                let mut text = String::new();
                stream.read_to_string(&mut text).unwrap();
                note(text);
                log
            }
        }
    };
}

program!(with_std: use std::net; spawn with std::thread::spawn);
program!(with_green: use greenloop::green::net; spawn with greenloop::green::spawn);

#[test]
fn a_program_does_the_same_as_with_the_standard_library() {
    let expected = thread::spawn(with_std::run).join().unwrap();
    let found = run(with_green::run);
    assert!(expected.len() > 45, "{}", expected.len());
    for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "in line {number}");
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn sockets_come_from_the_standard_library_and_go_back_to_it() {
    use std::io::{Read, Write};

    run(|| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let listener = green::net::TcpListener::from_std(listener).unwrap();
        let client = std::net::TcpStream::connect(address).unwrap();
        let mut client = green::net::TcpStream::from_std(client).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        // It has had to wait, so it is known to the loop.
        let waits = green::spawn(move || {
            server.read_exact(&mut [0]).unwrap();
            server
        });
        green::yield_now();
        client.write_all(b"x").unwrap();
        let server = green::Wait::wait(waits).unwrap();

        let kept = server.try_clone().unwrap();
        let duplicate = server.into_std().unwrap();
        duplicate.set_nonblocking(false).unwrap();
        (&duplicate).write_all(b"from the duplicate").unwrap();
        drop(duplicate);
        let alone = kept.into_std().unwrap();
        (&alone).write_all(b", from the last one").unwrap();
        drop(alone);
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text, "from the duplicate, from the last one");

        let kept = listener.try_clone().unwrap();
        assert_eq!(listener.into_std().unwrap().local_addr().unwrap(), address);
        assert_eq!(kept.into_std().unwrap().local_addr().unwrap(), address);
        let refused = green::net::TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    });
}
