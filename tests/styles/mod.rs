//! One body for both kinds of task: each test runs as an async task and as a green thread.
//!
//! Within the body of a test of `in_both_styles!`, `wait!(future)` waits for a future, `start!({ ... })`
//! starts a task, and `under!(deadline, { ... })` and `until!(token, { ... })` run a block under a
//! limit; `group!(|group| { ... })` and `supervised!(hook, |group| { ... })` run a group of tasks, and
//! `child!(group, { ... })` starts one of them: each in the test's own way.
#![allow(dead_code, unused_imports, unused_macros, reason = "every test file uses a part of this")]

use std::{sync::mpsc, thread, time::Duration};

/// When a test counts as hanging. Nothing is expected to be faster than this by any factor.
const ENDLESS: Duration = Duration::from_secs(120);

/// Ends the process, unless it is dropped in time.
pub(crate) fn watch() -> mpsc::Sender<()> {
    let (alive, ended) = mpsc::channel::<()>();
    let name = thread::current().name().unwrap_or_default().to_owned();
    thread::spawn(move || {
        if ended.recv_timeout(ENDLESS) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{name} hangs");
            std::process::abort();
        }
    });
    alive
}

/// Defines tests `NAME::in_tasks` and `NAME::in_green_threads` by one body.
macro_rules! in_both_styles {
    ($($(#[$attribute:meta])* fn $name:ident() $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports, reason = "not every body needs all")]
            use super::*;

            $(#[$attribute])*
            #[test]
            fn in_tasks() {
                #[allow(unused_imports, reason = "not every body needs all")]
                use crate::styles::tasks::*;
                let _watched = crate::styles::watch();
                greenloop::run(async $body);
            }

            $(#[$attribute])*
            #[test]
            fn in_green_threads() {
                #[allow(unused_imports, reason = "not every body needs all")]
                use crate::styles::green_threads::*;
                let _watched = crate::styles::watch();
                greenloop::green::run(|| $body);
            }
        }
    )+};
}
pub(crate) use in_both_styles;

pub(crate) mod tasks {
    macro_rules! wait {
        ($future:expr) => {
            ($future).await
        };
    }
    macro_rules! start {
        ($body:block) => {
            greenloop::spawn(async move { $body })
        };
    }
    macro_rules! under {
        ($deadline:expr, $body:block) => {
            $deadline.scope(async { $body }).await
        };
    }
    macro_rules! until {
        ($token:expr, $body:block) => {
            $token.run_until_cancelled(async { $body }).await
        };
    }
    macro_rules! group {
        (|$group:ident| $body:block) => {
            greenloop::task::TaskGroup::scope(|$group| async move { $body }).await
        };
    }
    macro_rules! supervised {
        ($hook:expr, |$group:ident| $body:block) => {
            greenloop::task::TaskGroup::supervise($hook, |$group| async move { $body }).await
        };
    }
    macro_rules! child {
        ($group:expr, $body:block) => {
            $group.spawn(async move { $body })
        };
    }
    pub(crate) use {child, group, start, supervised, under, until, wait};
}

pub(crate) mod green_threads {
    macro_rules! wait {
        ($future:expr) => {
            greenloop::green::Wait::wait($future)
        };
    }
    macro_rules! start {
        ($body:block) => {
            greenloop::green::spawn(move || $body)
        };
    }
    macro_rules! under {
        ($deadline:expr, $body:block) => {
            $deadline.run(|| $body)
        };
    }
    macro_rules! until {
        ($token:expr, $body:block) => {
            $token.run(|| $body)
        };
    }
    macro_rules! group {
        (|$group:ident| $body:block) => {
            greenloop::task::TaskGroup::run(|$group| $body)
        };
    }
    macro_rules! supervised {
        ($hook:expr, |$group:ident| $body:block) => {
            greenloop::task::TaskGroup::run_supervised($hook, |$group| $body)
        };
    }
    macro_rules! child {
        ($group:expr, $body:block) => {
            $group.spawn_green(move || $body)
        };
    }
    pub(crate) use {child, group, start, supervised, under, until, wait};
}
