//! A buffered writer writes what it was given, in order, together, and when it is told to.

use std::{
    cell::Cell,
    io::ErrorKind::{BrokenPipe, WriteZero},
    rc::Rc,
    time::Duration,
};

use futures_util::AsyncReadExt;
use greenloop::{
    io::{BufReader, BufWriter},
    net::UnixStream,
};

#[path = "support/script.rs"]
mod script;
#[path = "support/net.rs"]
mod support;
use script::{Script, Step};
use support::{poll_once, run};

#[test]
fn small_writes_are_collected_until_a_flush() {
    run(async {
        let script = Script::default();
        let mut writer = BufWriter::new(script.clone());
        for _ in 0..100 {
            writer.write_all(b"0123456789").await.unwrap();
        }
        assert_eq!((script.writes(), writer.buffer().len()), (0, 1000));
        writer.flush().await.unwrap();
        assert_eq!((script.writes(), script.flushes()), (1, 1));
        assert_eq!(script.written(), b"0123456789".repeat(100));
        writer.flush().await.unwrap();
        assert_eq!((script.writes(), script.flushes()), (1, 2));
    });
}

#[test]
fn what_does_not_fit_goes_along_with_what_is_there_in_one_write() {
    run(async {
        let script = Script::default();
        let mut writer = BufWriter::with_capacity(10, script.clone());
        writer.write_all(b"123456").await.unwrap();
        writer.write_all(b"789012").await.unwrap();
        assert_eq!((script.writes(), script.written()), (1, b"123456789012".to_vec()));
        writer.write_all(&[b'x'; 100]).await.unwrap();
        assert_eq!((script.writes(), writer.buffer().len()), (2, 0));
    });
}

#[test]
fn partial_writes_go_on_where_they_stopped() {
    run(async {
        let steps = [Step::Room(3), Step::Wait, Step::Room(4), Step::Wait, Step::Room(2)];
        let script = Script::writing(steps);
        let mut writer = BufWriter::with_capacity(8, script.clone());
        writer.write_all(b"abcdef").await.unwrap();
        writer.write_all(b"ghijk").await.unwrap();
        writer.flush().await.unwrap();
        assert_eq!(script.written(), b"abcdefghijk");
    });
}

#[test]
fn to_drop_the_writer_writes_nothing_and_to_close_it_writes_all() {
    run(async {
        let script = Script::default();
        let mut dropped = BufWriter::new(script.clone());
        dropped.write_all(b"lost").await.unwrap();
        drop(dropped);
        assert_eq!(script.writes(), 0);

        let mut closed = BufWriter::new(script.clone());
        closed.write_all(b"kept").await.unwrap();
        closed.close().await.unwrap();
        closed.close().await.unwrap();
        assert_eq!((script.written(), script.is_closed()), (b"kept".to_vec(), true));
    });
}

#[test]
fn an_error_keeps_what_was_not_written() {
    run(async {
        let script = Script::writing([Step::Room(2), Step::Error(BrokenPipe)]);
        let mut writer = BufWriter::new(script.clone());
        writer.write_all(b"abcdef").await.unwrap();
        assert_eq!(writer.flush().await.unwrap_err().kind(), BrokenPipe);
        assert_eq!(writer.buffer(), b"cdef");
        writer.flush().await.unwrap();
        assert_eq!(script.written(), b"abcdef");

        let mut writer = BufWriter::new(Script::writing([Step::Room(0)]));
        writer.write_all(b"x").await.unwrap();
        assert_eq!(writer.flush().await.unwrap_err().kind(), WriteZero);
    });
}

#[test]
fn a_dropped_flush_goes_on_later() {
    run(async {
        let script = Script::writing([Step::Room(2), Step::Block]);
        let mut writer = BufWriter::new(script.clone());
        writer.write_all(b"abcdef").await.unwrap();
        assert!(poll_once(writer.flush()).is_pending());
        assert_eq!(writer.buffer(), b"cdef");
        writer.write_all(b"gh").await.unwrap();
        writer.flush().await.unwrap();
        assert_eq!(script.written(), b"abcdefgh");
    });
}

#[test]
fn a_loop_of_writes_and_flushes_ends_when_the_peer_is_gone() {
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut writer = BufWriter::new(ours);
        let writes = greenloop::spawn(async move {
            loop {
                if let Err(error) = writer.write_all(b"anybody?").await {
                    return error;
                }
                if let Err(error) = writer.flush().await {
                    return error;
                }
            }
        });
        greenloop::yield_now().await;
        drop(theirs);
        assert_eq!(writes.await.unwrap().kind(), BrokenPipe);
    });
}

#[test]
fn a_loop_that_flushes_nothing_lets_others_run() {
    run(async {
        let flushes = Rc::new(Cell::new(0_u64));
        let busy = greenloop::spawn({
            let flushes = Rc::clone(&flushes);
            async move {
                let mut writer = BufWriter::new(Script::default());
                loop {
                    writer.write_all(b"").await.unwrap();
                    writer.flush().await.unwrap();
                    flushes.set(flushes.get() + 1);
                }
            }
        });
        greenloop::sleep(Duration::from_millis(1)).await;
        assert!(flushes.get() > 0);
        busy.abort();
    });
}

#[test]
fn small_writes_alone_let_others_run() {
    run(async {
        let busy = greenloop::spawn(async {
            let mut writer = BufWriter::with_capacity(100, Script::default());
            loop {
                writer.write_all(b".").await.unwrap();
            }
        });
        greenloop::sleep(Duration::from_millis(1)).await;
        busy.abort();
    });
}

#[test]
fn reads_go_past_the_buffer() {
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"line\nrest").await.unwrap();
        let mut both = BufWriter::new(BufReader::new(ours));
        let mut line = String::new();
        futures_util::AsyncBufReadExt::read_line(&mut both, &mut line).await.unwrap();
        assert_eq!(line, "line\n");
        let mut rest = [0; 4];
        AsyncReadExt::read_exact(&mut both, &mut rest).await.unwrap();
        both.write_all(b"answer").await.unwrap();
        both.flush().await.unwrap();
        let mut answer = [0; 6];
        theirs.read_exact(&mut answer).await.unwrap();
        assert_eq!((&rest, &answer), (b"rest", b"answer"));
        assert!(both.get_ref().buffer().is_empty() && both.get_mut().buffer().is_empty());
        let _stream: UnixStream = both.into_inner().into_inner();
    });
}

#[test]
fn written_lines_take_few_system_calls_worth_of_writes() {
    run(async {
        let script = Script::default();
        let mut writer = BufWriter::new(script.clone());
        for number in 0..10_000 {
            writer.write_all(format!("line {number}\n").as_bytes()).await.unwrap();
        }
        writer.flush().await.unwrap();
        let text = script.written();
        assert!(text.ends_with(b"line 9999\n"));
        assert!(script.writes() <= text.len() / 8192 + 1, "{} writes", script.writes());
    });
}
