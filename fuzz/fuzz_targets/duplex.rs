#![no_main]
//! See `a_duplex_carries_both_ways`.

#[path = "../../tests/support/properties.rs"]
mod properties;
#[path = "../../tests/support/script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let held = properties::a_duplex_carries_both_ways(&mut properties::Choices::Of(bytes));
    held.unwrap_or_else(|problem| panic!("{problem}"));
});
