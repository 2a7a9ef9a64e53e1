#![allow(unsafe_code, reason = "writes where the system shows a process's arguments")]
//! What a process is called in `ps` and `top`.
//!
//! The system shows the memory in which it has laid down the arguments when the program was executed, so a
//! title is written there. The program goes on to find its arguments: they are copied first, and the
//! pointers to them set to the copies.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use super::threads;

/// The longest name of a thread, which `top` shows.
const SHORT: usize = 15;

/// The arguments were moved away. A copy of this process, made by a fork, has this as well.
static MOVED: AtomicBool = AtomicBool::new(false);

/// Calls this process `name: role`. Where that is too long, it is the name that is shortened.
pub(in crate::launcher) fn set(name: &str, role: &str) {
    let short = match role.strip_prefix("worker ") {
        Some(number) => fitting(name, &format!("w{number}"), SHORT),
        None => fitting(name, role, SHORT),
    };
    let mut bytes = [0_u8; SHORT + 1];
    bytes[..short.len()].copy_from_slice(short.as_bytes());
    // SAFETY: the name ends with a null byte within sixteen.
    unsafe { libc::prctl(libc::PR_SET_NAME, bytes.as_ptr()) };
    if let Some(place) = Place::find().filter(Place::is_free) {
        place.write(&fitting(name, role, place.length - 1));
    }
}

/// `name: role` in so many bytes, with as much of the name as there is room for.
fn fitting(name: &str, role: &str, length: usize) -> String {
    let room = length.saturating_sub(role.len() + 2);
    let mut title: String = name.chars().filter(|c| !c.is_control()).collect();
    while title.len() > room {
        title.pop();
    }
    if !title.is_empty() {
        title.push_str(": ");
    }
    title.push_str(role);
    while title.len() > length {
        title.pop();
    }
    title
}

/// Where the arguments lie, one after the other, each with a null byte.
struct Place {
    start: *mut u8,
    length: usize,
    /// The pointers to them, behind their number.
    stack: *mut usize,
}

impl Place {
    fn find() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/stat").ok()?;
        // The name, in parentheses, may contain anything. The state behind it is the third field.
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<_> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<usize>().ok();
        let (stack, start, end) = (field(28)?, field(48)?, field(49)?);
        let aligned = stack != 0 && stack % align_of::<usize>() == 0;
        (aligned && start != 0 && end > start).then(|| Self {
            start: std::ptr::with_exposed_provenance_mut(start),
            length: end - start,
            stack: std::ptr::with_exposed_provenance_mut(stack),
        })
    }

    /// Moves the arguments away, if that was not done before. `false` where the memory does not look as the
    /// system lays it out: then nothing is touched.
    fn is_free(&self) -> bool {
        if MOVED.load(Relaxed) {
            return true;
        }
        // Another thread might be looking at them.
        if !threads::others().is_ok_and(|others| others.is_empty()) {
            return false;
        }
        // SAFETY: the system says that the stack began here, with the number of the arguments.
        let count = unsafe { self.stack.read() };
        if count == 0 || count != std::env::args_os().len() {
            return false;
        }
        let first = self.start.addr();
        let mut copies = Vec::with_capacity(count);
        for place in 1..=count {
            // SAFETY: the pointers to the arguments follow their number.
            let argument = unsafe { self.stack.wrapping_add(place).read() };
            let Some(offset) = argument.checked_sub(first).filter(|at| *at < self.length) else {
                return false;
            };
            let text = self.start.wrapping_add(offset);
            // SAFETY: the system says that the arguments are here, which no code writes to but this.
            let bytes = unsafe { std::slice::from_raw_parts(text, self.length - offset) };
            let Some(end) = bytes.iter().position(|byte| *byte == 0) else {
                return false;
            };
            copies.push(bytes[..=end].to_vec());
        }
        for (place, copy) in (1..).zip(copies) {
            let copy = copy.leak().as_mut_ptr().expose_provenance();
            // SAFETY: one of the pointers that were just read. The copy lives as long as the process, and
            // there is no other thread that could read the pointer.
            unsafe { self.stack.wrapping_add(place).write(copy) };
        }
        MOVED.store(true, Relaxed);
        true
    }

    fn write(&self, title: &str) {
        for place in 0..self.length {
            let byte = title.as_bytes().get(place).copied().unwrap_or(0);
            // SAFETY: within the memory of the arguments, which nothing points to any more. The last byte
            // stays null, as the title is shorter.
            unsafe { self.start.wrapping_add(place).write(byte) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_shortened_and_not_the_role() {
        assert_eq!(fitting("api", "worker 3", 100), "api: worker 3");
        assert_eq!(fitting("echo_prefork", "w12", 15), "echo_prefo: w12");
        assert_eq!(fitting("echo_prefork", "worker 3", 10), "worker 3");
        assert_eq!(fitting("echo_prefork", "worker 3", 4), "work");
        assert_eq!(fitting("größe", "w1", 7), "gr: w1");
        assert_eq!(fitting("größe", "w1", 8), "grö: w1");
    }
}
