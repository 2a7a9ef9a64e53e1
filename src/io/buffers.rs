//! Buffers that wait for nobody: a reader takes one when it asks for data, and gives it back when
//! there is none, so those who wait for data hold none.
//!
//! A buffer is all zeros when it is taken, whoever had it before.

use std::cell::RefCell;

/// The size that readers and writers of messages take.
pub(super) const SMALL: usize = 8 * 1024;

/// The size that is taken to carry much.
pub(super) const LARGE: usize = 64 * 1024;

/// How many of each size are kept; what a turn of the loop has in use at most times.
const KEPT: usize = 16;

/// The free ones of a thread.
struct Free {
    small: Vec<Box<[u8]>>,
    large: Vec<Box<[u8]>>,
}

thread_local! {
    static FREE: RefCell<Free> =
        const { RefCell::new(Free { small: Vec::new(), large: Vec::new() }) };
}

impl Free {
    fn of_size(&mut self, size: usize) -> Option<&mut Vec<Box<[u8]>>> {
        match size {
            SMALL => Some(&mut self.small),
            LARGE => Some(&mut self.large),
            _ => None,
        }
    }
}

/// Gives a buffer of zeros.
pub(super) fn take(size: usize) -> Box<[u8]> {
    let kept = FREE.try_with(|free| free.borrow_mut().of_size(size).and_then(Vec::pop));
    match kept {
        Ok(Some(buffer)) => buffer,
        // The thread is ending, or has none.
        Ok(None) | Err(_) => vec![0; size].into_boxed_slice(),
    }
}

/// Takes a buffer back, of which so many bytes from its beginning on were used.
pub(super) fn give_back(mut buffer: Box<[u8]>, used: usize) {
    // What is not kept is dropped in here, under the borrow: it is memory and nothing else.
    let _ = FREE.try_with(|free| {
        if let Some(free) = free.borrow_mut().of_size(buffer.len()) {
            if free.len() < KEPT {
                buffer[..used].fill(0);
                free.push(buffer);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_comes_again_is_all_zeros() {
        for size in [SMALL, LARGE] {
            let mut buffer = take(size);
            buffer[..100].fill(7);
            let address = buffer.as_ptr();
            give_back(buffer, 100);
            let again = take(size);
            assert_eq!(again.as_ptr(), address);
            assert!(again.len() == size && again.iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn other_sizes_and_too_many_are_not_kept() {
        give_back(vec![1; 100].into(), 100);
        assert!(take(100).iter().all(|byte| *byte == 0));
        let many: Vec<_> = (0..2 * KEPT).map(|_| take(SMALL)).collect();
        for buffer in many {
            give_back(buffer, SMALL);
        }
        FREE.with(|free| assert_eq!(free.borrow().small.len(), KEPT));
    }
}
