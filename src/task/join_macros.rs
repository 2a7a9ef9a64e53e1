//! `join!` and `try_join!`: waiting for a few futures of different types.
//!
//! The macros pin the futures where they stand and hand a tuple of them to the traits below, which
//! have one implementation per length. Nothing here is meant to be named by users.

use std::{
    cell::Cell,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Waits until all of the given futures are done, side by side in this task, and gives a tuple of
/// their outputs. Takes up to twelve; for more, or for a list, see
/// [`join_all`](crate::task::join_all).
///
/// The one that is polled first changes from poll to poll, so none can starve the others.
///
/// # Examples
///
/// ```
/// greenloop::run(async {
///     let (one, two) = greenloop::join!(async { 1 }, async { "two" });
///     assert_eq!((one, two), (1, "two"));
/// });
/// ```
#[macro_export]
#[doc(alias = "gather")]
macro_rules! join {
    ($($future:expr),+ $(,)?) => {{
        // With the `let` the futures are gone before anybody looks at the outputs.
        let outputs = match (
            $(::core::pin::pin!($crate::task::join_macros::Part::new($future)),)+
        ) {
            mut parts => {
                ::core::future::poll_fn(|cx| {
                    $crate::task::join_macros::Join::poll_join(&mut parts, cx)
                })
                .await
            }
        };
        outputs
    }};
}

/// Waits until all of the given futures have succeeded, and gives a tuple of their values; or, as
/// soon as one fails, its error, and drops the others. Takes up to twelve.
///
/// The one that is polled first changes from poll to poll, so none can starve the others.
///
/// # Examples
///
/// ```
/// greenloop::run(async {
///     let both = greenloop::try_join!(async { Ok(1) }, async { Err::<u8, _>("no") });
///     assert_eq!(both, Err("no"));
/// });
/// ```
#[macro_export]
macro_rules! try_join {
    ($($future:expr),+ $(,)?) => {{
        // With the `let` the futures are gone before anybody looks at the result.
        let result = match (
            $(::core::pin::pin!($crate::task::join_macros::Part::new($future)),)+
        ) {
            mut parts => {
                ::core::future::poll_fn(|cx| {
                    $crate::task::join_macros::TryJoin::poll_try_join(&mut parts, cx)
                })
                .await
            }
        };
        result
    }};
}

std::thread_local! {
    static RANDOM: Cell<u64> = const { Cell::new(0x9E37_79B9_7F4A_7C15) };
}

/// Which of several futures to poll first. Drawn by chance (xorshift64*, Vigna 2016), because whatever
/// is counted through could fall into step with what the tasks do.
pub fn next_first() -> usize {
    let mut x = RANDOM.get();
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    RANDOM.set(x);
    (x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize
}

/// The number of the future to poll when so many were polled before it.
pub(super) fn index(first: usize, offset: usize, count: usize) -> usize {
    first.wrapping_add(offset) % count
}

pin_project_lite::pin_project! {
    /// A future, or its output until that is taken.
    #[project = PartProjection]
    #[derive(Debug)]
    #[allow(missing_docs, reason = "hidden")]
    pub enum Part<F: Future> {
        // Not done.
        Pending { #[pin] future: F },
        // Done; `None` once the output was taken.
        Done { output: Option<F::Output> },
    }
}

impl<F: Future> Part<F> {
    /// A future that was not polled yet.
    pub fn new(future: impl IntoFuture<IntoFuture = F, Output = F::Output>) -> Self {
        Self::Pending { future: future.into_future() }
    }

    /// Polls the future unless it is done.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let PartProjection::Pending { future } = self.as_mut().project() {
            let output = Some(ready!(future.poll(cx)));
            self.set(Self::Done { output });
        }
        Poll::Ready(())
    }

    fn output(self: Pin<&mut Self>) -> Option<&mut Option<F::Output>> {
        match self.project() {
            PartProjection::Pending { .. } => None,
            PartProjection::Done { output } => Some(output),
        }
    }

    fn take(self: Pin<&mut Self>) -> F::Output {
        self.output().and_then(Option::take).expect("polled after it was done")
    }
}

/// What `join!` does with its futures.
pub trait Join {
    /// The outputs.
    type Output;

    /// Polls those that are not done.
    fn poll_join(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output>;
}

/// What `try_join!` does with its futures.
pub trait TryJoin {
    /// The values.
    type Output;
    /// The first error.
    type Error;

    /// Polls those that are not done.
    fn poll_try_join(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::Output, Self::Error>>;
}

macro_rules! for_tuples {
    ($(($($future:ident $value:ident $index:tt),+))+) => {$(
        impl<$($future: Future),+> Join for ($(Pin<&mut Part<$future>>,)+) {
            type Output = ($($future::Output,)+);

            fn poll_join(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
                const COUNT: usize = [$($index),+].len();
                let first = next_first();
                let mut pending = false;
                for offset in 0..COUNT {
                    match index(first, offset, COUNT) {
                        $($index => pending |= self.$index.as_mut().poll(cx).is_pending(),)+
                        _ => unreachable!("a remainder of COUNT"),
                    }
                }
                if pending {
                    return Poll::Pending;
                }
                Poll::Ready(($(self.$index.as_mut().take(),)+))
            }
        }

        impl<Error, $($value,)+ $($future),+> TryJoin for ($(Pin<&mut Part<$future>>,)+)
        where
            $($future: Future<Output = Result<$value, Error>>),+
        {
            type Output = ($($value,)+);
            type Error = Error;

            fn poll_try_join(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::Output, Error>> {
                const COUNT: usize = [$($index),+].len();
                let first = next_first();
                let mut pending = false;
                for offset in 0..COUNT {
                    match index(first, offset, COUNT) {
                        $($index => {
                            pending |= self.$index.as_mut().poll(cx).is_pending();
                            let output = self.$index.as_mut().output();
                            if let Some(output) = output {
                                if let Some(Err(error)) = output.take_if(|output| output.is_err()) {
                                    return Poll::Ready(Err(error));
                                }
                            }
                        })+
                        _ => unreachable!("a remainder of COUNT"),
                    }
                }
                if pending {
                    return Poll::Pending;
                }
                Poll::Ready(Ok(($(match self.$index.as_mut().take() {
                    Ok(value) => value,
                    Err(error) => return Poll::Ready(Err(error)),
                },)+)))
            }
        }
    )+};
}

for_tuples! {
    (A VA 0)
    (A VA 0, B VB 1)
    (A VA 0, B VB 1, C VC 2)
    (A VA 0, B VB 1, C VC 2, D VD 3)
    (A VA 0, B VB 1, C VC 2, D VD 3, E VE 4)
    (A VA 0, B VB 1, C VC 2, D VD 3, E VE 4, F VF 5)
    (A VA 0, B VB 1, C VC 2, D VD 3, E VE 4, F VF 5, G VG 6)
    (A VA 0, B VB 1, C VC 2, D VD 3, E VE 4, F VF 5, G VG 6, H VH 7)
    (A VA 0, B VB 1, C VC 2, D VD 3, E VE 4, F VF 5, G VG 6, H VH 7, I VI 8)
    (A VA 0, B VB 1, C VC 2, D VD 3, E VE 4, F VF 5, G VG 6, H VH 7, I VI 8, J VJ 9)
    (A VA 0, B VB 1, C VC 2, D VD 3, E VE 4, F VF 5, G VG 6, H VH 7, I VI 8, J VJ 9, K VK 10)
    (A VA 0, B VB 1, C VC 2, D VD 3, E VE 4, F VF 5, G VG 6, H VH 7, I VI 8, J VJ 9, K VK 10,
     L VL 11)
}
