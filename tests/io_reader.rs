//! A buffered reader finds messages however they are cut into pieces, and loses nothing, whatever
//! fails and whichever future is dropped.

use std::{
    cell::Cell,
    io::ErrorKind::{ConnectionReset, InvalidData, UnexpectedEof},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use futures_core::Stream as _;
use futures_util::{AsyncBufReadExt, AsyncReadExt, StreamExt as _, io::Cursor};
use greenloop::{
    io::{BufReader, BufWriter, LimitExceeded},
    net::{TcpStream, UnixStream},
};

#[path = "support/script.rs"]
mod script;
#[path = "support/net.rs"]
mod support;
use script::{Script, Step, data};
use support::{poll_once, run};

fn reader(pieces: &[&str]) -> BufReader<Script> {
    BufReader::new(Script::reading(pieces.iter().map(data)))
}

fn is_limit(error: &std::io::Error) -> bool {
    error.get_ref().is_some_and(|error| error.is::<LimitExceeded>())
}

#[test]
fn a_separator_that_comes_in_pieces_is_neither_missed_nor_found_twice() {
    run(async {
        let mut reader = reader(&["QWEaa", "XYaa", "a", "aaab", "\r", "\nrest"]);
        let mut message = Vec::new();
        assert_eq!(reader.read_until("aaa", &mut message).await.unwrap(), 10);
        assert_eq!(message, b"QWEaaXYaaa");
        message.clear();
        assert_eq!(reader.read_until("aaa", &mut message).await.unwrap(), 3);
        assert_eq!(message, b"aaa");
        message.clear();
        assert_eq!(reader.read_until("\r\n", &mut message).await.unwrap(), 3);
        assert_eq!(message, b"b\r\n");
        assert_eq!(reader.buffer(), b"rest");
    });
}

#[test]
fn of_several_separators_the_one_that_ends_first_counts() {
    run(async {
        let mut reader = reader(&["one\r", "\ntwo\nthr", "ee;four"]);
        for expected in ["one\r\n", "two\n", "three;"] {
            let mut message = Vec::new();
            let separators = [&b";"[..], b"\n", b"\r\n"];
            reader.read_until(&separators[..], &mut message).await.unwrap();
            assert_eq!(message, expected.as_bytes());
        }
        // The longer one ends first.
        let mut message = Vec::new();
        let mut reader = BufReader::new(Cursor::new("xabcdy"));
        reader.read_until(&["dy", "abc"], &mut message).await.unwrap();
        assert_eq!(message, b"xabc");
    });
}

#[test]
fn messages_are_appended_to_what_is_there() {
    run(async {
        let mut reader = reader(&["a;b;", "c\nd"]);
        let mut message = b"before ".to_vec();
        reader.read_until(b';', &mut message).await.unwrap();
        reader.read_until(String::from(";"), &mut message).await.unwrap();
        assert_eq!(message, b"before a;b;");
        let mut line = String::from("line: ");
        assert_eq!(reader.read_line(&mut line).await.unwrap(), 2);
        assert_eq!(line, "line: c\n");
    });
}

#[test]
fn the_end_in_a_message_is_an_error_that_keeps_the_beginning() {
    run(async {
        let mut reader = reader(&["whole;ha", "lf"]);
        let mut message = Vec::new();
        reader.read_until(b';', &mut message).await.unwrap();
        for _ in 0..2 {
            let error = reader.read_until(b';', &mut message).await.unwrap_err();
            assert_eq!(error.kind(), UnexpectedEof);
            assert_eq!((&message[..], reader.buffer()), (&b"whole;"[..], &b"half"[..]));
        }
        let mut rest = [0; 4];
        reader.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"half");
        assert_eq!(reader.read_until(b';', &mut message).await.unwrap(), 0);
        assert_eq!(message, b"whole;");
    });
}

#[test]
fn read_exact_takes_all_or_nothing() {
    run(async {
        let mut reader = reader(&["ab", "cd", "efg"]);
        let mut four = [0; 4];
        reader.read_exact(&mut four).await.unwrap();
        assert_eq!(&four, b"abcd");
        let error = reader.read_exact(&mut four).await.unwrap_err();
        assert_eq!((error.kind(), reader.buffer()), (UnexpectedEof, &b"efg"[..]));
        assert_eq!(&four, b"abcd");
        reader.read_exact(&mut four[..3]).await.unwrap();
        assert_eq!(&four, b"efgd");
        reader.read_exact(&mut []).await.unwrap();
        assert_eq!(reader.read_exact(&mut four).await.unwrap_err().kind(), UnexpectedEof);
    });
}

#[test]
fn a_limit_counts_the_message_without_its_separator() {
    run(async {
        let limited = |text: &'static str| BufReader::new(Cursor::new(text)).limit(7);
        let mut line = String::new();
        assert_eq!(limited("1234567\n").read_line(&mut line).await.unwrap(), 8);
        assert!(is_limit(&limited("12345678\n").read_line(&mut line).await.unwrap_err()));
        assert!(is_limit(&limited("12345678").read_line(&mut line).await.unwrap_err()));
        let mut message = Vec::new();
        assert_eq!(limited("1234567\r\n").read_until("\r\n", &mut message).await.unwrap(), 9);
        let mut over = limited("12345678\r\n");
        let error = over.read_until("\r\n", &mut message).await.unwrap_err();
        assert!(is_limit(&error) && error.kind() == InvalidData);
        assert_eq!(line, "1234567\n");
    });
}

#[test]
fn a_limit_is_noticed_before_the_message_ends_and_keeps_what_has_come() {
    run(async {
        let script = Script::reading([data("123"), data("45678"), Step::Block]);
        let mut reader = BufReader::new(script.clone()).limit(7);
        let mut line = String::new();
        for _ in 0..2 {
            assert!(is_limit(&reader.read_line(&mut line).await.unwrap_err()));
            assert_eq!(reader.buffer(), b"12345678");
        }
        // More would still be refused, but not what fits into a higher limit.
        reader.set_limit(100);
        assert!(poll_once(reader.read_line(&mut line)).is_pending());
        script.then_read([data("9\n")]);
        assert_eq!(reader.read_line(&mut line).await.unwrap(), 10);
        assert_eq!(line, "123456789\n");
    });
}

#[test]
fn a_message_that_was_refused_can_be_skipped() {
    run(async {
        let pieces = ["short\n", "far too long", " and longer\nshort", " again\r", "\n\r\nend"];
        let mut reader = reader(&pieces).limit(11);
        let mut line = String::new();
        reader.read_line(&mut line).await.unwrap();
        assert!(is_limit(&reader.read_line(&mut line).await.unwrap_err()));
        assert_eq!(reader.skip_until(b'\n').await.unwrap(), 24);
        assert_eq!(reader.skip_until("\r\n").await.unwrap(), 13);
        assert_eq!(reader.skip_until("\r\n").await.unwrap(), 2);
        assert_eq!(reader.skip_until("\r\n").await.unwrap(), 3);
        assert_eq!(reader.skip_until("\r\n").await.unwrap(), 0);
        assert_eq!(line, "short\n");
    });
}

#[test]
fn what_is_skipped_needs_no_memory() {
    run(async {
        let endless = AsyncReadExt::take(futures_util::io::repeat(b'x'), 10_000_000);
        let mut reader = BufReader::new(endless.chain(Cursor::new("\nnext\n")));
        assert_eq!(reader.skip_until(b'\n').await.unwrap(), 10_000_001);
        let mut line = String::new();
        reader.read_line(&mut line).await.unwrap();
        assert_eq!(line, "next\n");
        let endless = AsyncReadExt::take(futures_util::io::repeat(b'\r'), 1_000_000);
        let mut reader = BufReader::new(endless.chain(Cursor::new("\nx")));
        assert_eq!(reader.skip_until("\r\n").await.unwrap(), 1_000_001);
        assert_eq!(reader.buffer(), b"x");
    });
}

#[test]
fn a_line_that_is_no_text_is_an_error_and_still_there() {
    run(async {
        let mut reader = BufReader::new(Cursor::new(b"fine\nb\xffd\nfine again\n".to_vec()));
        let mut line = String::new();
        reader.read_line(&mut line).await.unwrap();
        for _ in 0..2 {
            let error = reader.read_line(&mut line).await.unwrap_err();
            assert_eq!((error.kind(), is_limit(&error)), (InvalidData, false));
        }
        assert_eq!(line, "fine\n");
        let mut bytes = Vec::new();
        reader.read_until(b'\n', &mut bytes).await.unwrap();
        assert_eq!(bytes, b"b\xffd\n");
        reader.read_line(&mut line).await.unwrap();
        assert_eq!(line, "fine\nfine again\n");
    });
}

#[test]
fn a_character_that_comes_in_pieces_is_whole() {
    run(async {
        let text = "Grüße 🦀\n".as_bytes();
        let pieces = text.chunks(1).map(data);
        let mut reader = BufReader::new(Script::reading(pieces));
        let mut line = String::new();
        assert_eq!(reader.read_line(&mut line).await.unwrap(), text.len());
        assert_eq!(line.as_bytes(), text);
    });
}

#[test]
fn an_error_comes_after_the_messages_before_it_and_leaves_the_beginning_of_the_next() {
    run(async {
        let steps = [data("one\ntw"), Step::Error(ConnectionReset), data("o\n")];
        let mut reader = BufReader::new(Script::reading(steps));
        let mut line = String::new();
        reader.read_line(&mut line).await.unwrap();
        assert_eq!(reader.read_line(&mut line).await.unwrap_err().kind(), ConnectionReset);
        assert_eq!((line.as_str(), reader.buffer()), ("one\n", &b"tw"[..]));
        reader.read_line(&mut line).await.unwrap();
        assert_eq!(line, "one\ntwo\n");
    });
}

#[test]
fn a_dropped_read_of_any_kind_loses_nothing() {
    run(async {
        let steps = ["m", "es", "sage", ";"].iter().flat_map(|piece| [data(piece), Step::Block]);
        let mut reader = BufReader::new(Script::reading(steps));
        let mut message = Vec::new();
        let mut line = String::new();
        assert!(poll_once(reader.read_until(b';', &mut message)).is_pending());
        assert!(poll_once(reader.read_line(&mut line)).is_pending());
        assert!(poll_once(reader.read_exact(&mut [0; 100])).is_pending());
        assert_eq!((reader.buffer(), message.len(), line.len()), (&b"message"[..], 0, 0));
        assert_eq!(reader.read_until(b';', &mut message).await.unwrap(), 8);
        assert_eq!(message, b"message;");
    });
}

#[test]
fn a_dropped_skip_goes_on_where_it_was() {
    run(async {
        let steps = [data("skipped\r"), Step::Block, data("\nkept\r\n")];
        let mut reader = BufReader::new(Script::reading(steps));
        assert!(poll_once(reader.skip_until("\r\n")).is_pending());
        assert_eq!(reader.skip_until("\r\n").await.unwrap(), 2);
        assert_eq!(reader.buffer(), b"kept\r\n");
    });
}

#[test]
fn lines_end_with_either_line_feed_and_the_last_may_have_none() {
    run(async {
        let mut lines = reader(&["one\r", "\ntwo\n\n\r\nth\rree\r\n", "four\r"]).lines();
        let mut seen = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            seen.push(line);
        }
        assert_eq!(seen, ["one", "two", "", "", "th\rree", "four\r"]);
        assert_eq!(lines.next_line().await.unwrap(), None);
        assert!(reader(&[]).lines().next_line().await.unwrap().is_none());
    });
}

#[test]
fn lines_and_segments_are_streams() {
    run(async {
        let lines = reader(&["a\nb", "\nc"]).lines();
        let lines: Vec<_> = lines.map(Result::unwrap).collect().await;
        assert_eq!(lines, ["a", "b", "c"]);
        let parts = reader(&["a, b;c", ", ;d;"]).split([", ", ";"]);
        let parts: Vec<_> = parts.map(Result::unwrap).collect().await;
        assert_eq!(parts, [&b"a"[..], b"b", b"c", b"", b"d"]);
        let mut split = reader(&["a|"]).split(b'|');
        assert_eq!(split.next_segment().await.unwrap(), Some(b"a".to_vec()));
        assert_eq!(split.next_segment().await.unwrap(), None);
    });
}

#[test]
fn a_stream_of_lines_ends_after_an_error_and_gives_the_reader_back() {
    run(async {
        let mut lines = reader(&["ok\nfar too long\nok\n"]).limit(5).lines();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("ok"));
        assert!(is_limit(&lines.next_line().await.unwrap_err()));
        assert!(lines.next_line().await.unwrap().is_none());
        let next = std::future::poll_fn(|cx| Pin::new(&mut lines).poll_next(cx)).await;
        assert!(next.is_none());
        let mut reader = lines.into_inner();
        reader.skip_until(b'\n').await.unwrap();
        assert_eq!(reader.lines().next_line().await.unwrap().as_deref(), Some("ok"));

        let mut split = reader_of_an_error().split(b'\n');
        assert_eq!(split.next_segment().await.unwrap_err().kind(), ConnectionReset);
        assert_eq!(split.next_segment().await.unwrap(), None);
        assert_eq!(split.into_inner().buffer(), b"begun");
    });
}

fn reader_of_an_error() -> BufReader<Script> {
    BufReader::new(Script::reading([data("begun"), Step::Error(ConnectionReset)]))
}

#[test]
fn a_dropped_wait_for_a_line_loses_nothing() {
    run(async {
        let steps = [data("be"), Step::Block, data("gun\n")];
        let mut lines = BufReader::new(Script::reading(steps)).lines();
        assert!(poll_once(lines.next_line()).is_pending());
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("begun"));
    });
}

#[test]
fn a_peek_waits_for_enough_and_takes_nothing() {
    run(async {
        let script = Script::reading([data("ab"), Step::Wait, data("cdef")]);
        let mut reader = BufReader::new(script.clone());
        assert_eq!(reader.peek(1).await.unwrap(), b"ab");
        assert_eq!(reader.peek(3).await.unwrap(), b"abcdef");
        assert_eq!(reader.peek(6).await.unwrap(), b"abcdef");
        assert_eq!(script.reads(), 3);
        assert_eq!(reader.peek(100).await.unwrap(), b"abcdef");
        let mut all = Vec::new();
        AsyncReadExt::read_to_end(&mut reader, &mut all).await.unwrap();
        assert_eq!(all, b"abcdef");
    });
}

#[test]
fn what_is_in_the_buffer_is_read_before_the_stream() {
    run(async {
        let mut reader = reader(&["line\nin the buffer", "after"]);
        let mut line = String::new();
        reader.read_line(&mut line).await.unwrap();
        let mut buffer = vec![0; 100_000];
        assert_eq!(reader.read(&mut buffer[..3]).await.unwrap(), 3);
        assert_eq!(reader.read(&mut buffer[3..]).await.unwrap(), 10);
        assert_eq!(reader.read(&mut buffer[13..]).await.unwrap(), 5);
        assert_eq!(&buffer[..18], b"in the bufferafter");
        assert_eq!(reader.read(&mut buffer).await.unwrap(), 0);
        assert_eq!(reader.read(&mut []).await.unwrap(), 0);
    });
}

#[test]
fn a_big_read_goes_past_the_buffer_and_a_small_one_fills_it() {
    run(async {
        let script = Script::reading([data(vec![1; 10_000]), data(vec![2; 100])]);
        let mut reader = BufReader::new(script.clone());
        assert_eq!(reader.read(&mut vec![0; 10_000]).await.unwrap(), 10_000);
        assert!(reader.buffer().is_empty());
        assert_eq!(reader.read(&mut [0; 10]).await.unwrap(), 10);
        assert_eq!((reader.buffer().len(), script.reads()), (90, 2));
    });
}

#[test]
fn many_lines_of_one_piece_take_one_read() {
    run(async {
        let text: String = (0..1000).map(|number| format!("{number}\n")).collect();
        let script = Script::reading([data(&text)]);
        let mut reader = BufReader::new(script.clone());
        let mut line = String::new();
        for number in 0..1000 {
            line.clear();
            reader.read_line(&mut line).await.unwrap();
            assert_eq!(line, format!("{number}\n"));
        }
        assert_eq!(script.reads(), 1);
    });
}

#[test]
fn a_message_longer_than_the_buffer_makes_it_grow_in_whatever_place_it_begins() {
    run(async {
        for capacity in [1, 7, 64, 8192] {
            for before in [0, 1, 5, 63] {
                let mut text = vec![b'-'; before];
                text.push(b'\n');
                text.extend(support::pattern(50_000).iter().map(|byte| byte | 0x80));
                text.push(b'\n');
                let mut reader = BufReader::with_capacity(capacity, Cursor::new(&text));
                let mut message = Vec::new();
                reader.read_until(b'\n', &mut message).await.unwrap();
                assert_eq!(message.len(), before + 1);
                reader.read_until(b'\n', &mut message).await.unwrap();
                assert!(message == text);
            }
        }
    });
}

#[test]
fn a_task_that_has_many_lines_in_its_buffer_lets_others_run() {
    run(async {
        let text = "\n".repeat(1_000_000);
        let read = Rc::new(Cell::new(0));
        greenloop::spawn({
            let read = Rc::clone(&read);
            async move {
                let mut reader = BufReader::with_capacity(1 << 20, Cursor::new(text));
                while reader.read_line(&mut String::new()).await.unwrap() > 0 {
                    read.set(read.get() + 1);
                }
            }
        });
        greenloop::yield_now().await;
        let first = read.get();
        greenloop::yield_now().await;
        assert!(first > 0 && read.get() > first && read.get() < 1_000_000, "{}", read.get());
    });
}

#[test]
fn futures_util_works_on_the_reader() {
    run(async {
        let mut reader = reader(&["head\n12345678", "rest\nlast"]);
        let mut line = String::new();
        reader.read_line(&mut line).await.unwrap();
        let mut eight = [0; 8];
        AsyncReadExt::read_exact(&mut reader, &mut eight).await.unwrap();
        assert_eq!(&eight, b"12345678");
        let lines: Vec<_> = AsyncBufReadExt::lines(&mut reader).map(Result::unwrap).collect().await;
        assert_eq!(lines, ["rest", "last"]);
    });
}

#[test]
fn both_directions_go_through_one_stream() {
    run(async {
        let (client, server) = UnixStream::pair().unwrap();
        let echo = greenloop::spawn(async move {
            let mut stream = BufReader::new(BufWriter::new(server));
            let mut line = String::new();
            while stream.read_line(&mut line).await.unwrap() > 0 {
                stream.write_all(line.to_uppercase().as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                line.clear();
            }
            stream.write_all(b"bye").await.unwrap();
            stream.close().await.unwrap();
        });
        let mut client = BufReader::new(client);
        client.write_all(b"one\ntw").await.unwrap();
        let mut line = String::new();
        client.read_line(&mut line).await.unwrap();
        client.write_all(b"o\n").await.unwrap();
        client.read_line(&mut line).await.unwrap();
        client.close().await.unwrap();
        client.read_line(&mut line).await.unwrap();
        assert_eq!(line, "ONE\nTWO\nbye");
        echo.await.unwrap();
    });
}

#[test]
fn the_stream_comes_back_and_is_reachable() {
    run(async {
        let (ours, theirs) = support::pair();
        let mut reader = BufReader::new(ours);
        theirs.write_all(b"a\nb").await.unwrap();
        reader.read_line(&mut String::new()).await.unwrap();
        reader.get_mut().set_nodelay(true).unwrap();
        assert!(reader.get_ref().nodelay().unwrap());
        assert!(format!("{reader:?}").contains("buffered: 1"));
        let stream: TcpStream = reader.into_inner();
        drop(theirs);
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    });
}

#[test]
fn a_reader_works_without_a_loop() {
    let mut lines = BufReader::new(Cursor::new("a\nb\n")).lines();
    let mut next = pin!(lines.next_line());
    match next.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(line) => assert_eq!(line.unwrap().as_deref(), Some("a")),
        Poll::Pending => panic!("all of it is there"),
    }
}

#[test]
fn separators_without_sense_are_refused() {
    for attempt in [
        || drop(poll_once(BufReader::new(&b"x"[..]).read_until("", &mut Vec::new()))),
        || drop(poll_once(BufReader::new(&b"x"[..]).skip_until([""; 0]))),
        || drop(BufReader::new(&b"x"[..]).split(["a", ""])),
    ] {
        assert!(std::panic::catch_unwind(attempt).is_err());
    }
    let nothing = std::panic::catch_unwind(|| BufReader::with_capacity(0, &b"x"[..]));
    assert!(nothing.is_err());
}

#[test]
fn a_stream_that_claims_too_much_is_caught() {
    struct Liar;
    impl futures_util::AsyncRead for Liar {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<std::io::Result<usize>> {
            Poll::Ready(Ok(buffer.len() + 1))
        }
    }
    let caught = std::panic::catch_unwind(|| {
        drop(poll_once(BufReader::new(Liar).read_line(&mut String::new())));
    });
    assert!(caught.is_err());
}
