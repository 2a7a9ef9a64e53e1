//! Choosing what a loop does otherwise than by default.

use std::{fmt, io};

use super::{EventLoop, core::Core, registry};
use crate::executor::{JoinError, Report};

/// Makes an [`EventLoop`] with other settings than the default ones.
///
/// # Examples
///
/// ```
/// let mut event_loop = greenloop::EventLoop::builder()
///     .on_unobserved_panic(|error| eprintln!("lost: {error}"))
///     .build()?;
/// event_loop.run(async { /* ... */ });
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "LocalOptions")]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    report: Option<Report>,
    reports_deadlocks: bool,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self { report: None, reports_deadlocks: true }
    }

    /// Sets what is called when a task panicked and nobody can find out from its handle any more,
    /// because the handle was dropped before the panic or without having been awaited.
    ///
    /// By default a line is printed on standard error. The hook runs on the loop's thread; a panic
    /// of its own is caught and forgotten.
    #[doc(alias(
        "set_exception_handler",
        "call_exception_handler",
        "default_exception_handler",
        "excepthook",
        "handle_error",
        "print_exception"
    ))]
    pub fn on_unobserved_panic(mut self, hook: impl Fn(&JoinError) + 'static) -> Self {
        self.report = Some(Box::new(hook));
        self
    }

    /// Sets whether a run ends with a [`Deadlock`](super::Deadlock) when no task can ever go on; by
    /// default it does.
    ///
    /// Without that it sleeps until a signal ends the process, and saves a look at the process, at most
    /// once a minute, while nothing happens.
    pub fn report_deadlocks(mut self, reports: bool) -> Self {
        self.reports_deadlocks = reports;
        self
    }

    /// Makes the loop.
    ///
    /// # Errors
    ///
    /// When the system has no descriptors left for it (a loop takes three), or no memory.
    pub fn build(self) -> io::Result<EventLoop> {
        let report = self.report.unwrap_or_else(|| Box::new(report_to_stderr));
        let core = Box::new(Core::new(registry::new_id(), report, self.reports_deadlocks)?);
        let event_loop = EventLoop { core };
        registry::enter(event_loop.handle());
        Ok(event_loop)
    }
}

/// What is done with a panic when there is no hook.
pub(crate) fn report_to_stderr(error: &JoinError) {
    eprintln!("greenloop: {error} (nobody can collect it from its handle)");
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("has_hook", &self.report.is_some())
            .field("reports_deadlocks", &self.reports_deadlocks)
            .finish()
    }
}
