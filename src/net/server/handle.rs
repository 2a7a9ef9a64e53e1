//! The handle of a server: its end, and what it has done.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use super::{
    builder::Builder,
    crew::Connection,
    failure::Outcome,
    listener::Listener,
    report::{Report, Statistics},
    state::{Order, Shared},
};

/// Serves the connections of a listener, each in a task of its own.
///
/// What goes wrong with one connection is counted and told ([`Builder::on_failure`]), and harms no other:
/// neither an error of its handler nor a panic. A connection is closed when its handler has ended,
/// since the stream is dropped with it. A lack of descriptors is waited out, with what
/// arrives in the kernel's queue.
///
/// This is a handle: clones are the same server, it can be used on any thread, and the server goes on
/// when all of them are dropped, as a task does. It ends when it is [told to](Self::shutdown), when the
/// listener has no more, and with its loop.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use greenloop::{io, net::{Server, TcpListener, TcpStream}};
///
/// greenloop::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let address = listener.local_addr()?;
///     let server = Server::serve(listener, |connection| async move {
///         io::copy(&connection.stream, &connection.stream).await
///     });
///
///     let client = TcpStream::connect(address).await?;
///     client.write_all(b"hello").await?;
///     let mut echo = [0; 5];
///     client.read_exact(&mut echo).await?;
///     assert_eq!(&echo, b"hello");
///     drop(client);
///
///     let report = server.shutdown(Duration::from_secs(10)).await;
///     assert_eq!(report.statistics().served, 1);
///     assert!(report.cut().is_empty());
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
///
/// A handler that keeps connections open should end them when the server is to end:
///
/// ```
/// use greenloop::{io::BufReader, net::server::Connection};
///
/// async fn serve(connection: Connection) -> std::io::Result<()> {
///     let mut lines = BufReader::new(&connection.stream).lines();
///     let shutdown = &connection.shutdown;
///     while let Some(line) = shutdown.run_until_cancelled(lines.next_line()).await {
///         let Some(line) = line? else { return Ok(()) };
///         connection.stream.write_all(line.to_uppercase().as_bytes()).await?;
///     }
///     connection.stream.write_all(b"the server is shutting down\n").await
/// }
/// ```
#[derive(Clone)]
#[doc(alias = "StreamServer")]
#[doc(alias = "start_server")]
#[doc(alias = "start_unix_server")]
pub struct Server {
    pub(super) shared: Arc<Shared>,
}

impl Server {
    /// Starts a server on the loop that this thread is running, without a limit on connections.
    ///
    /// # Panics
    ///
    /// Outside of a loop.
    #[track_caller]
    pub fn serve<L, F>(
        listener: L,
        handler: impl Fn(Connection<L::Stream, L::Peer>) -> F + 'static,
    ) -> Self
    where
        L: Listener + 'static,
        F: Future<Output: Outcome> + 'static,
    {
        Self::builder(listener).serve(handler)
    }

    /// Begins with other settings than those of [`serve`](Self::serve).
    pub fn builder<L: Listener>(listener: L) -> Builder<L> {
        Builder::new(listener)
    }

    /// Ends the server; the future waits until it has ended.
    ///
    /// It begins with the call. The server accepts no more; the connections that have arrived already and wait in the listener's queue are
    /// still taken, as far as the limit on connections allows. Handlers learn of it from
    /// [`Connection::shutdown`]. Then it waits for them, and aborts those that are left after `grace`. With a
    /// grace of zero that is at once; of `Duration::MAX`, never.
    ///
    /// It may be told so again, for instance by the second Ctrl-C: the earliest end counts. When
    /// it has ended, this gives its report.
    ///
    /// # Cancel safety
    ///
    /// The server ends in any case.
    #[doc(alias = "stop")]
    #[doc(alias = "close")]
    pub fn shutdown(&self, grace: Duration) -> Ended {
        self.begin_shutdown(grace);
        self.ended()
    }

    /// Has the server end, as [`shutdown`](Self::shutdown) does, and does not wait.
    #[doc(alias = "abort_clients")]
    #[doc(alias = "close_clients")]
    pub fn begin_shutdown(&self, grace: Duration) {
        self.shared.order(Order::within(grace));
    }

    /// Waits until the server has ended, without asking it to.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future forgets nothing.
    #[doc(alias = "serve_forever")]
    #[doc(alias = "wait_closed")]
    pub fn ended(&self) -> Ended {
        Ended { shared: Arc::clone(&self.shared), place: None }
    }

    /// Returns whether the server was told to end, or has ended.
    #[must_use]
    #[doc(alias = "is_serving")]
    pub fn is_shutting_down(&self) -> bool {
        self.shared.is_told_to_end()
    }

    /// Returns what the server has done so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.shared.statistics()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}

/// The future of [`Server::shutdown`] and [`Server::ended`].
///
/// The shutdown goes on when it is dropped.
pub struct Ended {
    shared: Arc<Shared>,
    place: Option<usize>,
}

impl Future for Ended {
    type Output = Report;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Report> {
        let Self { shared, place } = &mut *self;
        shared.poll_report(cx, place)
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.shared.wait_no_more(place);
        }
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended").finish_non_exhaustive()
    }
}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Server>();
    is_send_and_sync::<Ended>();
    is_send_and_sync::<Report>();
};
