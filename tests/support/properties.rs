//! What the buffered streams promise, for any data in any pieces, with any separators, limits and buffers,
//! any waits, errors and dropped futures: bodies of property tests and of the fuzz targets in `fuzz/`.
//!
//! Each agrees with a simple model of it, or tells how it does not.
#![allow(dead_code, reason = "each program uses a part of it")]

use std::{
    fmt::Debug,
    io::ErrorKind,
    pin::pin,
    task::{Context, Poll, Waker},
};

use futures_util::{AsyncWriteExt, io::Cursor};
use greenloop::io::{self, BufReader, BufWriter, LimitExceeded};

use crate::script::{self, Script, Step};

/// A property: what it draws its case from, and how the case goes wrong.
pub(crate) type Property = fn(&mut Choices<'_>) -> Result<(), String>;

/// Where a case comes from: numbers that look random, or the bytes of a fuzzer.
#[derive(Debug)]
pub(crate) enum Choices<'a> {
    Seeded(u64),
    /// After the last byte everything is zero.
    Of(&'a [u8]),
}

impl Choices<'_> {
    /// Chooses a number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        match self {
            Self::Seeded(state) => {
                // Marsaglia's xorshift.
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                *state % end
            }
            Self::Of(bytes) => {
                let mut number = 0;
                for _ in 0..if end > 256 { 2 } else { 1 } {
                    if let Some((first, rest)) = bytes.split_first() {
                        number = number << 8 | u64::from(*first);
                        *bytes = rest;
                    }
                }
                number % end
            }
        }
    }

    fn size(&mut self, end: u64) -> usize {
        usize::try_from(self.below(end)).expect("sizes are small")
    }
}

/// Few letters, so that separators come often, and often in part.
const LETTERS: &[u8] = b"ab\r\n;";

fn letters(choices: &mut Choices<'_>, count: usize) -> Vec<u8> {
    (0..count).map(|_| LETTERS[choices.size(LETTERS.len() as u64)]).collect()
}

/// Less than so many letters.
fn bytes(choices: &mut Choices<'_>, most: u64) -> Vec<u8> {
    let count = choices.size(most);
    letters(choices, count)
}

/// Some separators, of which one may be the end of another.
fn separators(choices: &mut Choices<'_>) -> Vec<Vec<u8>> {
    let count = 1 + choices.below(3);
    (0..count)
        .map(|_| {
            let length = 1 + choices.size(4);
            letters(choices, length)
        })
        .collect()
}

/// The data in pieces, with waits and errors between them. Without choices left it ends.
fn script_of(choices: &mut Choices<'_>, text: &[u8]) -> Script {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        match choices.below(10) {
            7 => steps.push(Step::Wait),
            8 => steps.push(Step::Error(ErrorKind::ConnectionReset)),
            9 => steps.push(Step::Block),
            _ => {
                let most = if choices.below(4) == 3 { 50 } else { 4 };
                let (piece, after) = rest.split_at((1 + choices.size(most)).min(rest.len()));
                steps.push(script::data(piece));
                rest = after;
            }
        }
    }
    Script::reading(steps)
}

/// Room in pieces, with waits between them.
fn room(choices: &mut Choices<'_>) -> Vec<Step> {
    let steps = (0..choices.below(40)).map(|_| match choices.below(4) {
        3 => Step::Wait,
        _ => Step::Room(1 + choices.size(30)),
    });
    steps.collect()
}

/// Polls a future once, and drops it.
fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn agree<T: PartialEq + Debug>(what: &str, got: T, expected: T) -> Result<(), String> {
    if got == expected { Ok(()) } else { Err(format!("{what}: {got:?} instead of {expected:?}")) }
}

/// The first match, found by trying all ends: how long it is and how long its separator.
fn model_find(rest: &[u8], separators: &[Vec<u8>]) -> Option<(usize, usize)> {
    (1..=rest.len()).find_map(|end| {
        let ending = separators.iter().filter(|separator| rest[..end].ends_with(separator));
        ending.map(Vec::len).max().map(|length| (end, length))
    })
}

/// Messages end where they should, and neither an error nor a dropped future loses a byte.
pub(crate) fn reads_agree_with_the_model(choices: &mut Choices<'_>) -> Result<(), String> {
    greenloop::run(read_until(choices))
}

async fn read_until(choices: &mut Choices<'_>) -> Result<(), String> {
    let text = bytes(choices, 300);
    let separators = separators(choices);
    let all: Vec<&[u8]> = separators.iter().map(Vec::as_slice).collect();
    let longest = separators.iter().map(Vec::len).max().expect("there is one");
    let capacity = 1 + choices.below(40) as usize;
    let limit = if choices.below(3) == 0 { choices.below(20) as usize } else { 1000 };
    let script = script_of(choices, &text);
    let mut reader = BufReader::with_capacity(capacity, script.clone()).limit(limit);
    let mut rest = &text[..];
    loop {
        let mut got = b"before".to_vec();
        // Dropped as often as it waits, every other time.
        let result = if choices.below(2) == 0 {
            loop {
                match poll_once(reader.read_until(&all[..], &mut got)) {
                    Poll::Ready(result) => break result,
                    Poll::Pending if got != b"before" => return Err("dropped, but kept".into()),
                    // It may wait for its turn only.
                    Poll::Pending => greenloop::yield_now().await,
                }
            }
        } else {
            loop {
                // What blocks is woken from elsewhere.
                let reading = reader.read_until(&all[..], &mut got);
                match greenloop::timeout(std::time::Duration::from_micros(50), reading).await {
                    Ok(result) => break result,
                    Err(_) => script.go_on(),
                }
            }
        };
        let expected = model_find(rest, &separators);
        match result {
            Ok(0) if rest.is_empty() => return Ok(()),
            Ok(count) => {
                let Some((end, separator)) = expected else {
                    return Err(format!("found {count} where there is no end"));
                };
                if count != end || got[6..] != rest[..end] {
                    return Err(format!("{count} instead of {end}"));
                }
                if end - separator > limit {
                    return Err(format!("{end} is over the limit of {limit}"));
                }
                rest = &rest[end..];
            }
            Err(error) => {
                if got != b"before" {
                    return Err("failed, but kept something".into());
                }
                let buffered = reader.buffer();
                if !rest.starts_with(buffered) {
                    return Err("the buffer is not what comes next".into());
                }
                match error.kind() {
                    ErrorKind::ConnectionReset => {}
                    ErrorKind::UnexpectedEof if expected.is_none() && buffered == rest => {
                        return Ok(());
                    }
                    ErrorKind::InvalidData => {
                        let exceeded = error.get_ref().is_some_and(|e| e.is::<LimitExceeded>());
                        let is_over =
                            expected.map_or(rest.len() + 1 > limit + longest, |(e, s)| {
                                e - s > limit
                                // Of a separator that has not ended, the beginning was there.
                                || e + 1 > limit + longest
                            });
                        if !exceeded || !is_over {
                            return Err(format!("refused {expected:?} at a limit of {limit}"));
                        }
                        let skipped = skip(&mut reader, &all, &script).await;
                        let left = expected.map_or(rest.len(), |(end, _)| end);
                        if skipped != left {
                            return Err(format!("skipped {skipped} instead of {left}"));
                        }
                        rest = &rest[left..];
                    }
                    _ => return Err(format!("{error}")),
                }
            }
        }
    }
}

/// Skips the message, however often that fails or is dropped, and gives how long it was.
async fn skip(reader: &mut BufReader<Script>, separators: &[&[u8]], script: &Script) -> usize {
    // The count is of one call, so all calls but the last are told by what is left.
    let mut skipped = 0;
    loop {
        let before = reader.buffer().len() + script.left();
        match poll_once(reader.skip_until(separators)) {
            Poll::Ready(Ok(count)) => return skipped + count,
            Poll::Ready(Err(_)) | Poll::Pending => {
                skipped += before - (reader.buffer().len() + script.left());
                greenloop::yield_now().await;
            }
        }
    }
}

/// Lines are those of std.
pub(crate) fn lines_agree_with_those_of_std(choices: &mut Choices<'_>) -> Result<(), String> {
    let text = bytes(choices, 300);
    let expected: Vec<String> =
        std::io::BufRead::lines(std::io::Cursor::new(&text)).map(Result::unwrap).collect();
    let capacity = 1 + choices.size(40);
    let script = script_of(choices, &text);
    let got = greenloop::run(async {
        let mut got = Vec::new();
        let mut lines = BufReader::with_capacity(capacity, script).lines();
        loop {
            match poll_once(lines.next_line()) {
                Poll::Pending => greenloop::yield_now().await,
                Poll::Ready(Ok(Some(line))) => got.push(line),
                Poll::Ready(Ok(None)) => return got,
                // A stream of lines ends with an error; its reader goes on.
                Poll::Ready(Err(_)) => lines = lines.into_inner().lines(),
            }
        }
    });
    agree("lines", got, expected)
}

/// What is written through a buffer comes out in order, and no more is kept than there is room for.
pub(crate) fn what_is_written_comes_out_in_order(choices: &mut Choices<'_>) -> Result<(), String> {
    let script = Script::writing(room(choices));
    let (capacity, text) = (choices.size(30), bytes(choices, 500));
    greenloop::run(async {
        let mut writer = BufWriter::with_capacity(capacity, script.clone());
        let mut rest = &text[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((1 + choices.size(60)).min(rest.len()));
            writer.write_all(piece).await.map_err(|error| error.to_string())?;
            rest = after;
            if choices.below(5) == 4 {
                writer.flush().await.map_err(|error| error.to_string())?;
                agree("flushed", script.written().as_slice(), &text[..text.len() - rest.len()])?;
            }
            if writer.buffer().len() > capacity {
                return Err(format!("{} are kept of {capacity}", writer.buffer().len()));
            }
        }
        writer.close().await.map_err(|error| error.to_string())?;
        agree("closed", script.is_closed(), true)?;
        agree("written", script.written(), text)
    })
}

/// A reader of a reader gives the same.
pub(crate) fn readers_can_be_nested(choices: &mut Choices<'_>) -> Result<(), String> {
    let text = bytes(choices, 2000);
    let inner = BufReader::with_capacity(1 + choices.size(50), Cursor::new(&text));
    let mut outer = BufReader::with_capacity(1 + choices.size(50), inner);
    let got = greenloop::run(async {
        let mut got = Vec::new();
        loop {
            let mut piece = vec![0; 1 + choices.size(70)];
            match outer.read(&mut piece).await {
                Ok(0) => return Ok(got),
                Ok(count) => got.extend_from_slice(&piece[..count]),
                Err(error) => return Err(error.to_string()),
            }
        }
    })?;
    agree("read", got, text)
}

/// A copy gives all that came before the end or the error, and nothing else.
pub(crate) fn a_copy_is_the_same(choices: &mut Choices<'_>) -> Result<(), String> {
    let text = bytes(choices, 500);
    let (from, to) = (script_of(choices, &text), Script::writing(room(choices)));
    // A reader of little pieces, which are behind each other in the buffer of the copy.
    let reader = BufReader::with_capacity(1 + choices.size(40), from.clone());
    let copied = greenloop::run(async {
        let mut copy = pin!(io::copy(reader, to.clone()));
        loop {
            match greenloop::timeout(std::time::Duration::from_micros(50), copy.as_mut()).await {
                Ok(copied) => return copied,
                Err(_) => from.go_on(),
            }
        }
    });
    let written = to.written();
    match copied {
        Ok(count) => {
            agree("counted", count, text.len() as u64)?;
            agree("copied", written, text)
        }
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {
            agree("before the error", text.starts_with(&written), true)
        }
        Err(error) => Err(error.to_string()),
    }
}

/// A stream in memory gives each side what the other has written, and its end.
pub(crate) fn a_duplex_carries_both_ways(choices: &mut Choices<'_>) -> Result<(), String> {
    let (there, back) = (bytes(choices, 300), bytes(choices, 300));
    let (mut one, mut other) = io::duplex(1 + choices.size(40));
    let pieces: Vec<usize> = (0..20).map(|_| 1 + choices.size(60)).collect();
    let (heard, answered) = greenloop::run(async {
        let second = greenloop::spawn({
            let (back, pieces) = (back.clone(), pieces.clone());
            async move { talk(&mut other, &back, &pieces).await }
        });
        let answered = talk(&mut one, &there, &pieces[10..]).await;
        (second.await.map_err(|error| error.to_string()), answered)
    });
    agree("there", heard??, there)?;
    agree("back", answered?, back)
}

/// Writes and reads by turns, then ends its direction, and gives what it has read.
async fn talk(
    stream: &mut io::DuplexStream,
    text: &[u8],
    pieces: &[usize],
) -> Result<Vec<u8>, String> {
    use futures_util::AsyncReadExt;

    let (mut reader, mut writer) = stream.split();
    let write = async {
        let mut rest = text;
        for size in pieces.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            writer.write_all(piece).await?;
            rest = after;
        }
        writer.close().await
    };
    let read = async {
        let mut heard = Vec::new();
        for size in pieces.iter().rev().cycle() {
            let mut piece = vec![0; *size];
            match reader.read(&mut piece).await? {
                0 => break,
                count => heard.extend_from_slice(&piece[..count]),
            }
        }
        Ok::<_, std::io::Error>(heard)
    };
    let (written, heard) = greenloop::join!(write, read);
    written.map_err(|error| error.to_string())?;
    heard.map_err(|error| error.to_string())
}
