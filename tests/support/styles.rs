//! Tests that run in both styles: as async tasks, and as green threads.
#![allow(dead_code, unused_imports, unused_macros, reason = "each test file uses a part of this")]

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

/// When a test counts as hanging. Nothing is expected to be faster than this by any factor.
const ENDLESS: Duration = Duration::from_secs(60);

/// Makes two tests of each function: one in which `wait!` is `.await` and `spawn!` starts an async task, and
/// one in which they are `.wait()` and a green thread.
///
/// `spawn!([a, b] { ... })` gives the task clones of `a` and `b`; `settle!()` lets the others run until each
/// has come as far as it can. `serve!([a, b] listener, setting(...), ...; |connection| { ... })` starts a
/// server, whose handlers get such clones.
macro_rules! both_styles {
    ($($(#[doc = $doc:literal])* fn $name:ident() $body:block)*) => {
        mod asynchronous {
            use super::*;
            #[allow(unused_imports, reason = "few tests serve")]
            use crate::styles::{
                serve_async as serve, settle_async as settle, spawn_async as spawn,
                wait_async as wait,
            };

            $(
                $(#[doc = $doc])*
                #[test]
                fn $name() {
                    crate::styles::run(async { $body });
                }
            )*
        }

        #[cfg(feature = "green")]
        mod green {
            use super::*;
            #[allow(unused_imports, reason = "few tests serve")]
            use crate::styles::{
                serve_green as serve, settle_green as settle, spawn_green as spawn,
                wait_green as wait,
            };

            $(
                $(#[doc = $doc])*
                #[test]
                fn $name() {
                    crate::styles::run_green(|| $body);
                }
            )*
        }
    };
}

macro_rules! wait_async {
    ($future:expr) => {
        $future.await
    };
}

macro_rules! wait_green {
    ($future:expr) => {
        greenloop::green::Wait::wait($future)
    };
}

macro_rules! spawn_async {
    ([$($shared:ident),*] $block:block) => {{
        $(let $shared = $shared.clone();)*
        greenloop::spawn(async move { $block })
    }};
}

macro_rules! spawn_green {
    ([$($shared:ident),*] $block:block) => {{
        $(let $shared = $shared.clone();)*
        greenloop::green::spawn(move || $block)
    }};
}

macro_rules! settle_async {
    () => {
        crate::styles::settle().await
    };
}

macro_rules! settle_green {
    () => {
        greenloop::green::Wait::wait(crate::styles::settle())
    };
}

macro_rules! serve_async {
    ([$($shared:ident),*] $listener:expr $(, $setting:ident($value:expr))*;
     |$connection:ident| $body:block) => {{
        $(let $shared = $shared.clone();)*
        greenloop::net::Server::builder($listener)$(.$setting($value))*.serve(move |$connection| {
            $(let $shared = $shared.clone();)*
            async move { $body }
        })
    }};
}

macro_rules! serve_green {
    ([$($shared:ident),*] $listener:expr $(, $setting:ident($value:expr))*;
     |$connection:ident| $body:block) => {{
        $(let $shared = $shared.clone();)*
        let builder = greenloop::green::net::Server::builder($listener)$(.$setting($value))*;
        builder.serve(move |$connection| $body).as_async().clone()
    }};
}

pub(crate) use {
    both_styles, serve_async, serve_green, settle_async, settle_green, spawn_async, spawn_green,
    wait_async, wait_green,
};

/// Lets the others run until each has come as far as it can without time passing.
pub(crate) async fn settle() {
    for _ in 0..100 {
        greenloop::yield_now().await;
    }
}

/// Runs a future on a loop of its own; panics instead of waiting for ever.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    greenloop::run(async {
        let mut limit = pin!(greenloop::sleep(ENDLESS));
        let mut future = pin!(future);
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            assert!(limit.as_mut().poll(cx).is_pending(), "this would wait for ever");
            Poll::Pending
        })
        .await
    })
}

/// Runs a closure as a green thread on a loop of its own; panics instead of waiting for ever.
#[cfg(feature = "green")]
pub(crate) fn run_green(f: impl FnOnce() + 'static) {
    run(async {
        // As large as a test's own.
        let thread = greenloop::green::Builder::new().stack_size(2 << 20).spawn(f);
        if let Err(error) = thread.await {
            std::panic::resume_unwind(error.try_into_panic().expect("nobody aborts it"));
        }
    });
}
