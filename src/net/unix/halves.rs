//! A Unix connection in two halves, one that reads and one that writes.

use super::{SocketAddr, stream::UnixStream};
use crate::net::halves::halves;

halves!(UnixStream, SocketAddr);
