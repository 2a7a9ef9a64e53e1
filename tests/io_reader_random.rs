//! A buffered reader agrees with a simple model of it, for random data in random pieces, with random
//! separators, limits and buffers, random waits, errors and dropped futures.
//!
//! Each round is a function of its number, which a failure names.

use std::{io::ErrorKind, task::Poll};

use futures_util::io::Cursor;
use greenloop::io::{BufReader, BufWriter, LimitExceeded};

#[path = "support/script.rs"]
mod script;
#[path = "support/net.rs"]
mod support;
use script::{Script, Step};
use support::{Random, poll_once, run};

const ROUNDS: u64 = 3000;

fn random_bytes(random: &mut Random, length: u64, letters: &[u8]) -> Vec<u8> {
    (0..length).map(|_| letters[random.below(letters.len() as u64) as usize]).collect()
}

/// Few letters, so that separators come often, and often in part.
const LETTERS: &[u8] = b"ab\r\n;";

/// Some separators, of which one may be the end of another.
fn random_separators(random: &mut Random) -> Vec<Vec<u8>> {
    let count = 1 + random.below(3);
    (0..count)
        .map(|_| {
            let length = 1 + random.below(4);
            random_bytes(random, length, LETTERS)
        })
        .collect()
}

/// The data in pieces, with waits and errors between them.
fn random_script(random: &mut Random, text: &[u8]) -> Script {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        match random.below(10) {
            0 => steps.push(Step::Wait),
            1 => steps.push(Step::Error(ErrorKind::ConnectionReset)),
            2 => steps.push(Step::Block),
            _ => {
                let most = if random.below(4) == 0 { 50 } else { 4 };
                let size = (1 + random.below(most) as usize).min(rest.len());
                let (piece, after) = rest.split_at(size);
                steps.push(script::data(piece));
                rest = after;
            }
        }
    }
    Script::reading(steps)
}

/// The first match, found by trying all ends: how long it is and how long its separator.
fn model_find(rest: &[u8], separators: &[Vec<u8>]) -> Option<(usize, usize)> {
    (1..=rest.len()).find_map(|end| {
        let ending = separators.iter().filter(|separator| rest[..end].ends_with(separator));
        ending.map(Vec::len).max().map(|length| (end, length))
    })
}

#[test]
fn reads_agree_with_the_model() {
    for round in 1..=ROUNDS {
        // One that hangs names its round as well.
        let checked = run(async move { check(round).await });
        assert!(checked.is_ok(), "round {round}: {checked:?}");
    }
}

async fn check(round: u64) -> Result<(), String> {
    let mut random = Random::new(round);
    let length = random.below(300);
    let text = random_bytes(&mut random, length, LETTERS);
    let separators = random_separators(&mut random);
    let all: Vec<&[u8]> = separators.iter().map(Vec::as_slice).collect();
    let longest = separators.iter().map(Vec::len).max().expect("there is one");
    let capacity = 1 + random.below(40) as usize;
    let limit = if random.below(3) == 0 { random.below(20) as usize } else { 1000 };
    let script = random_script(&mut random, &text);
    let mut reader = BufReader::with_capacity(capacity, script.clone()).limit(limit);
    let mut rest = &text[..];
    loop {
        let mut got = b"before".to_vec();
        // Dropped as often as it waits, every other time.
        let result = if random.below(2) == 0 {
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

#[test]
fn lines_agree_with_those_of_std() {
    for round in 1..=ROUNDS {
        let mut random = Random::new(round);
        let length = random.below(300);
        let text = random_bytes(&mut random, length, LETTERS);
        let expected: Vec<String> =
            std::io::BufRead::lines(std::io::Cursor::new(&text)).map(Result::unwrap).collect();
        let capacity = 1 + random.below(40) as usize;
        let got = run(async {
            let mut got = Vec::new();
            let script = random_script(&mut random, &text);
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
        assert_eq!(got, expected, "round {round}");
    }
}

#[test]
fn what_is_written_through_a_buffer_comes_out_in_order() {
    for round in 1..=ROUNDS {
        let mut random = Random::new(round);
        let steps = (0..random.below(40)).map(|_| match random.below(4) {
            0 => Step::Wait,
            _ => Step::Room(1 + random.below(30) as usize),
        });
        let script = Script::writing(steps.collect::<Vec<_>>());
        let capacity = random.below(30) as usize;
        let text = support::pattern(random.below(500) as usize);
        run(async {
            let mut writer = BufWriter::with_capacity(capacity, script.clone());
            let mut rest = &text[..];
            while !rest.is_empty() {
                let size = (1 + random.below(60) as usize).min(rest.len());
                let (piece, after) = rest.split_at(size);
                writer.write_all(piece).await.unwrap();
                rest = after;
                if random.below(5) == 0 {
                    writer.flush().await.unwrap();
                    assert!(writer.buffer().is_empty());
                    assert!(script.written() == text[..text.len() - rest.len()]);
                }
                assert!(writer.buffer().len() <= capacity);
            }
            writer.close().await.unwrap();
        });
        assert!(script.written() == text && script.is_closed(), "round {round}");
    }
}

#[test]
fn a_reader_of_a_reader_gives_the_same() {
    for round in 1..=300 {
        let mut random = Random::new(round);
        let text = support::pattern(random.below(2000) as usize);
        let inner = BufReader::with_capacity(1 + random.below(50) as usize, Cursor::new(&text));
        let mut outer = BufReader::with_capacity(1 + random.below(50) as usize, inner);
        run(async {
            let mut got = Vec::new();
            loop {
                let mut piece = vec![0; 1 + random.below(70) as usize];
                let count = outer.read(&mut piece).await.unwrap();
                if count == 0 {
                    break;
                }
                got.extend_from_slice(&piece[..count]);
            }
            assert!(got == text, "round {round}");
        });
    }
}
