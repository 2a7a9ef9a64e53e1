//! `select!`: waiting for the first of a few futures.
//!
//! The macro sorts its input into branches, pins their futures, and polls them through one trait
//! that has an implementation per number of branches. Nothing here is meant to be named by users.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use super::join_macros::index;
pub use super::join_macros::next_first;

/// Waits for the first of several futures and runs its handler; the others are dropped before.
///
/// ```text
/// select! {
///     pattern = future => handler,
///     pattern = future, if condition => handler,
///     else => handler,
/// }
/// ```
///
/// All futures run in this task; up to twelve of them. The branch that is polled first changes from
/// poll to poll, so that none starves; `biased;` at the top makes it the order of writing. A branch
/// whose condition is false is not polled, and one whose output does not fit its pattern is
/// left out from there on; when none is left, `else` runs, or there is a panic.
///
/// A future that is written as `&mut future` is only borrowed, and can be waited for again.
/// Patterns are tried on a reference to the output first, so within a pattern that may fail write
/// `Some(x)` and not `Some(mut x)`.
///
/// # Cancel safety
///
/// The futures that lose are dropped wherever they are. What that means is in the documentation of
/// each.
///
/// # Examples
///
/// ```
/// # use std::time::Duration;
/// greenloop::run(async {
///     let winner = greenloop::select! {
///         () = greenloop::sleep(Duration::from_secs(60)) => "a minute",
///         number = async { 7 } => {
///             assert_eq!(number, 7);
///             "seven"
///         }
///     };
///     assert_eq!(winner, "seven");
/// });
/// ```
#[macro_export]
macro_rules! select {
    (biased; $($branches:tt)+) => { $crate::__select!(@parse {0} {} $($branches)+) };
    ($($branches:tt)+) => {
        $crate::__select!(@parse {$crate::task::select_macro::next_first()} {} $($branches)+)
    };
}

/// The inside of [`select!`](crate::select).
#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    // One branch after the other, sorted into {pattern} {future} {condition} {handler}.
    (@parse $first:tt {$($done:tt)+} else => $else:expr $(,)?) => {
        $crate::__select!(@name $first {$else} {} {$($done)+}
            A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11)
    };
    (@parse $first:tt {$($done:tt)+}) => {
        $crate::__select!(@name $first
            {::core::panic!("all branches of select! are disabled and there is no else")}
            {} {$($done)+} A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11)
    };
    (@parse $first:tt {$($done:tt)*}
        $pattern:pat = $future:expr, if $condition:expr => $handler:block, $($rest:tt)*) => {
        $crate::__select!(@parse $first
            {$($done)* {{$pattern} {$future} {$condition} {$handler}}} $($rest)*)
    };
    (@parse $first:tt {$($done:tt)*}
        $pattern:pat = $future:expr, if $condition:expr => $handler:block $($rest:tt)*) => {
        $crate::__select!(@parse $first
            {$($done)* {{$pattern} {$future} {$condition} {$handler}}} $($rest)*)
    };
    (@parse $first:tt {$($done:tt)*}
        $pattern:pat = $future:expr, if $condition:expr => $handler:expr $(, $($rest:tt)*)?) => {
        $crate::__select!(@parse $first
            {$($done)* {{$pattern} {$future} {$condition} {$handler}}} $($($rest)*)?)
    };
    (@parse $first:tt {$($done:tt)*}
        $pattern:pat = $future:expr => $handler:block, $($rest:tt)*) => {
        $crate::__select!(@parse $first
            {$($done)* {{$pattern} {$future} {true} {$handler}}} $($rest)*)
    };
    (@parse $first:tt {$($done:tt)*}
        $pattern:pat = $future:expr => $handler:block $($rest:tt)*) => {
        $crate::__select!(@parse $first
            {$($done)* {{$pattern} {$future} {true} {$handler}}} $($rest)*)
    };
    (@parse $first:tt {$($done:tt)*}
        $pattern:pat = $future:expr => $handler:expr $(, $($rest:tt)*)?) => {
        $crate::__select!(@parse $first
            {$($done)* {{$pattern} {$future} {true} {$handler}}} $($($rest)*)?)
    };

    // Each branch gets a name, which is a variant of `Selected`, and a number.
    (@name $first:tt $else:tt {$($named:tt)*} {$branch:tt $($rest:tt)*}
        $name:ident $index:tt $(, $more_name:ident $more_index:tt)*) => {
        $crate::__select!(@name $first $else {$($named)* {$name $index $branch}} {$($rest)*}
            $($more_name $more_index),*)
    };
    (@name {$first:expr} {$else:expr}
        {$({$name:ident $index:tt
            {{$pattern:pat} {$future:expr} {$condition:expr} {$handler:expr}}})+}
        {} $($unused:tt)*) => {{
        let mut enabled = 0_u32;
        $(if $condition { enabled |= 1 << $index; })+
        // The inner scope: the futures that lost are gone before the handler runs.
        let selected = match ($(
            ::core::pin::pin!(::core::future::IntoFuture::into_future($future)),
        )+) {
            mut futures => loop {
                let selected = ::core::future::poll_fn(|cx| {
                    $crate::task::select_macro::Select::poll_select(
                        &mut futures, cx, $first, enabled,
                    )
                })
                .await;
                let fits = match &selected {
                    $(::core::option::Option::Some($crate::task::select_macro::Selected::$name(output)) => {
                        enabled &= !(1 << $index);
                        #[allow(unreachable_patterns, unused_variables, unused_mut,
                            reason = "the pattern is only tried")]
                        match output { $pattern => true, _ => false }
                    })+
                    _ => true,
                };
                if fits {
                    break selected;
                }
            },
        };
        match selected {
            $(::core::option::Option::Some($crate::task::select_macro::Selected::$name(output)) => {
                #[allow(unreachable_patterns, reason = "the pattern may fit everything")]
                match output {
                    $pattern => $handler,
                    _ => ::core::unreachable!("the pattern was tried before"),
                }
            })+
            _ => $else,
        }
    }};
    (@name $first:tt $else:tt {$($named:tt)*} {$($rest:tt)+}) => {
        ::core::compile_error!("select! takes at most twelve branches")
    };
}

/// No such branch.
#[derive(Clone, Copy, Debug)]
pub enum Never {}

/// The output of the branch that was first.
#[derive(Debug)]
#[allow(missing_docs, reason = "one variant per branch, and hidden")]
pub enum Selected<
    A,
    B = Never,
    C = Never,
    D = Never,
    E = Never,
    F = Never,
    G = Never,
    H = Never,
    I = Never,
    J = Never,
    K = Never,
    L = Never,
> {
    A(A),
    B(B),
    C(C),
    D(D),
    E(E),
    F(F),
    G(G),
    H(H),
    I(I),
    J(J),
    K(K),
    L(L),
}

/// What `select!` does with its futures.
pub trait Select {
    /// A [`Selected`] of the length.
    type Output;

    /// Polls the enabled futures, from the one with the number `first` on; `None` if none is.
    fn poll_select(
        &mut self,
        cx: &mut Context<'_>,
        first: usize,
        enabled: u32,
    ) -> Poll<Option<Self::Output>>;
}

macro_rules! for_tuples {
    ($(($($future:ident $index:tt),+))+) => {$(
        impl<$($future: Future),+> Select for ($(Pin<&mut $future>,)+) {
            type Output = Selected<$($future::Output),+>;

            fn poll_select(
                &mut self,
                cx: &mut Context<'_>,
                first: usize,
                enabled: u32,
            ) -> Poll<Option<Self::Output>> {
                const COUNT: usize = [$($index),+].len();
                if enabled == 0 {
                    return Poll::Ready(None);
                }
                for offset in 0..COUNT {
                    match index(first, offset, COUNT) {
                        $($index => if enabled & (1 << $index) != 0 {
                            if let Poll::Ready(output) = self.$index.as_mut().poll(cx) {
                                return Poll::Ready(Some(Selected::$future(output)));
                            }
                        })+
                        _ => unreachable!("a remainder of COUNT"),
                    }
                }
                Poll::Pending
            }
        }
    )+};
}

for_tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11)
}
