//! Time: waiting for a moment, limiting a wait, ticking.

mod interval;
mod sleep;
mod timeout;

pub use self::{
    interval::{Interval, MissedTickBehavior, interval, interval_at},
    sleep::{Sleep, sleep, sleep_until},
    timeout::{Elapsed, Timeout, timeout, timeout_at},
};
