#![allow(unsafe_code, reason = "the environment of a process has no lock")]
//! Taking variables out of the environment, so that the programs that a worker starts do not take
//! what was meant for this one.

use super::threads;

/// Gives a variable and removes it. With other threads around it stays: they might be reading it.
pub(in crate::launcher) fn take(name: &str) -> Option<String> {
    let value = std::env::var(name).ok();
    if value.is_some() && threads::others().is_ok_and(|others| others.is_empty()) {
        // SAFETY: this is the only thread.
        unsafe { std::env::remove_var(name) };
    }
    value
}
