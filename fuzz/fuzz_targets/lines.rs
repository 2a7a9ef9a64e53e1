#![no_main]
//! See `lines_agree_with_those_of_std`.

#[path = "../../tests/support/properties.rs"]
mod properties;
#[path = "../../tests/support/script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let held = properties::lines_agree_with_those_of_std(&mut properties::Choices::Of(bytes));
    held.unwrap_or_else(|problem| panic!("{problem}"));
});
