#![no_main]
//! See `reads_agree_with_the_model`.

#[path = "../../tests/support/properties.rs"]
mod properties;
#[path = "../../tests/support/script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let held = properties::reads_agree_with_the_model(&mut properties::Choices::Of(bytes));
    held.unwrap_or_else(|problem| panic!("{problem}"));
});
