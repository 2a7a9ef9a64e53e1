#![no_main]
//! See `what_is_written_comes_out_in_order`.

#[path = "../../tests/support/properties.rs"]
mod properties;
#[path = "../../tests/support/script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let held = properties::what_is_written_comes_out_in_order(&mut properties::Choices::Of(bytes));
    held.unwrap_or_else(|problem| panic!("{problem}"));
});
