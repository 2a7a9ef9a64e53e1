#![no_main]
//! See `readers_can_be_nested`.

#[path = "../../tests/support/properties.rs"]
mod properties;
#[path = "../../tests/support/script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let held = properties::readers_can_be_nested(&mut properties::Choices::Of(bytes));
    held.unwrap_or_else(|problem| panic!("{problem}"));
});
