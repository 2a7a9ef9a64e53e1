//! The buffered streams agree with simple models of them, for random data in random pieces.
//!
//! Each round is a function of its number, which a failure names; one that hangs is the last that was
//! named on a run with `--nocapture`. The same properties are the targets in `fuzz/`.

#[path = "support/properties.rs"]
mod properties;
#[path = "support/script.rs"]
mod script;

use properties::{Choices, Property};

fn hold(property: Property, rounds: u64) {
    for round in 1..=rounds {
        if let Err(problem) = property(&mut Choices::Seeded(round)) {
            panic!("round {round}: {problem}");
        }
    }
}

#[test]
fn reads_agree_with_the_model() {
    hold(properties::reads_agree_with_the_model, 3000);
}

#[test]
fn lines_agree_with_those_of_std() {
    hold(properties::lines_agree_with_those_of_std, 3000);
}

#[test]
fn what_is_written_through_a_buffer_comes_out_in_order() {
    hold(properties::what_is_written_comes_out_in_order, 3000);
}

#[test]
fn a_reader_of_a_reader_gives_the_same() {
    hold(properties::readers_can_be_nested, 300);
}

#[test]
fn a_copy_is_the_same() {
    hold(properties::a_copy_is_the_same, 2000);
}

#[test]
fn a_duplex_carries_both_ways() {
    hold(properties::a_duplex_carries_both_ways, 1000);
}

#[test]
fn a_case_without_bytes_ends() {
    let properties: [Property; 6] = [
        properties::reads_agree_with_the_model,
        properties::lines_agree_with_those_of_std,
        properties::what_is_written_comes_out_in_order,
        properties::readers_can_be_nested,
        properties::a_copy_is_the_same,
        properties::a_duplex_carries_both_ways,
    ];
    for property in properties {
        for bytes in [&[][..], &[0], &[255; 40], &[1; 40]] {
            assert_eq!(property(&mut Choices::Of(bytes)), Ok(()), "{bytes:?}");
        }
    }
}
