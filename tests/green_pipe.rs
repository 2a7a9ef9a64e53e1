//! Pipes, descriptors of any kind and names are waited for by green threads as by async tasks.

mod green_support;

use std::{
    fs::File,
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    os::{fd::AsFd, unix::net::UnixStream},
    time::Duration,
};

use green_support::{panic_of, run};
use greenloop::{
    green::{
        self, Wait,
        net::{PipeReader, PipeWriter, lookup_host, pipe},
    },
    io::BufReader as Messages,
    net::AsyncFd,
};

#[test]
fn a_pipe_is_written_and_read_as_with_std() {
    run(|| {
        let (reader, mut writer) = pipe().unwrap();
        let lines = green::spawn(move || {
            BufReader::new(reader).lines().map(Result::unwrap).collect::<Vec<_>>()
        });
        for number in 0..10_000 {
            writeln!(writer, "line {number}").unwrap();
        }
        drop(writer);
        let lines = lines.wait().unwrap();
        assert_eq!((lines.len(), lines[9999].as_str()), (10_000, "line 9999"));
    });
}

#[test]
fn clones_of_an_end_keep_it_open() {
    run(|| {
        let (reader, writer) = pipe().unwrap();
        let (other_reader, other_writer) =
            (reader.try_clone().unwrap(), writer.try_clone().unwrap());
        drop(writer);
        (&other_writer).write_all(b"xy").unwrap();
        let mut byte = [0];
        (&reader).read_exact(&mut byte).unwrap();
        (&other_reader).read_exact(&mut byte).unwrap();
        drop(other_writer);
        assert_eq!((&reader).read(&mut byte).unwrap(), 0);

        let (reader, writer) = pipe().unwrap();
        drop(reader);
        assert_eq!((&writer).write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn both_styles_share_a_pipe() {
    run(|| {
        let (sender, receiver) = greenloop::net::pipe::pipe().unwrap();
        let (mut writer, mut reader) =
            (PipeWriter::from_async(sender), PipeReader::from_async(receiver));
        greenloop::spawn(async move {
            greenloop::sleep(Duration::from_millis(1)).await;
            writer.as_async().write_all(b"both").await.unwrap();
            writer.flush().unwrap();
        });
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "both");
        assert!(reader.as_fd().try_clone_to_owned().is_ok());
    });
}

#[test]
fn any_descriptor_is_waited_for() {
    run(|| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let ours = AsyncFd::new(ours).unwrap();
        let reader = green::spawn(move || {
            let mut buffer = [0; 8];
            ours.read_with(|mut stream| stream.read(&mut buffer)).wait().unwrap()
        });
        green::sleep(Duration::from_millis(1));
        theirs.write_all(b"abc").unwrap();
        assert_eq!(reader.wait().unwrap(), 3);
        let file = AsyncFd::new(File::open("/dev/null").unwrap()).unwrap();
        assert_eq!(file.read_with(|mut file| file.read(&mut [0])).wait().unwrap(), 0);
    });
}

#[test]
fn messages_are_read_by_green_threads() {
    run(|| {
        let (reader, mut writer) = pipe().unwrap();
        green::spawn(move || writer.write_all(b"one;two\r\nthree").unwrap());
        let mut messages = Messages::new(reader.as_async());
        let mut data = Vec::new();
        messages.read_until([";", "\r\n"], &mut data).wait().unwrap();
        messages.read_until([";", "\r\n"], &mut data).wait().unwrap();
        assert_eq!(data, b"one;two\r\n");
        let error = messages.read_until(b';', &mut data).wait().unwrap_err();
        assert_eq!((error.kind(), messages.buffer()), (ErrorKind::UnexpectedEof, &b"three"[..]));
    });
}

#[test]
fn names_are_looked_up() {
    run(|| {
        let mut found = lookup_host("localhost:1").unwrap();
        assert!(found.all(|address| address.ip().is_loopback()));
        assert!(lookup_host("no port").is_err());
    });
    let text = panic_of(|| greenloop::run(async { lookup_host("localhost:1") }));
    assert!(text.contains("green threads only"), "{text}");
}
