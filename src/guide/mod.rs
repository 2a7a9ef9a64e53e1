//! Guides for those who come from elsewhere: all the names they know, and what takes their places.
//!
//! - [`from_python`]: asyncio, gevent, threads, processes.
//! - [`from_tokio`]: tokio, module by module.
//!
//! They are pages of this documentation and no code. What has no item here, but a line in a guide, is found
//! by the search as an alias of the guide.

// Formatted, their lists of aliases would have a line for each.
#[rustfmt::skip]
pub mod from_python;
#[rustfmt::skip]
pub mod from_tokio;
