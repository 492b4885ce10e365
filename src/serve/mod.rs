//! A read-only registry over a layout or over verified bundles: what `docker pull`, `skopeo copy` and
//! containerd ask for.
//!
//! - `stock` – what there is to give out: a layout (`shelf`), or bundles (`depot`).
//! - `makers`, `orders`, `blocks` – layers that are made from packs, once for all who ask.
//! - `catalog` – which repositories there are, and what each may give out.
//! - `request` – what a path and its query ask for.
//! - `answer` – answers in the words of the specification; `fault` – why there is none.
//! - `routes` – from the one to the other; `auth` – who may ask.
//! - `content` – sending blobs block by block.
//! - `listen`, `tls` – connections. `metrics`, `page` – for people.
//!
//! Withstands: damaged and changed content (nothing is sent that is not what its digest says),
//! requests for content of another repository, paths that are no names, ranges past the end, clients
//! that stop reading (a block of one MiB is all that each holds), more clients than there is memory
//! for. Nothing can be written. Source: OCI distribution-spec 1.1.

mod answer;
mod auth;
mod blocks;
mod catalog;
mod content;
mod depot;
mod fault;
mod listen;
mod makers;
mod metrics;
mod orders;
mod page;
mod request;
mod routes;
mod shelf;
mod stock;
#[cfg(test)]
mod tests;
mod tls;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::layout::LayoutError;
use crate::oci::{Digest, Reference};
use crate::report::{Event, Progress, Silent};
pub use auth::{Users, UsersError};
pub use blocks::Blocks;
use catalog::Catalog;
use listen::Door;
use routes::Registry;
pub use stock::Stock;
pub use tls::{Tls, TlsError};

/// How long a stop waits for a read from the disk that is under way.
const STOP: Duration = Duration::from_secs(2);

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be used. The environment's fault.
    #[error("cannot listen on {addr}: {error}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// The system's word.
        error: io::Error,
    },
    /// The layout cannot be read.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Two images have the same name. The input's fault.
    #[error("two images are called {name}: {first} and {second}")]
    Clash {
        /// The name.
        name: Reference,
        /// The digest of one image.
        first: Digest,
        /// The digest of the other image.
        second: Digest,
    },
    /// A bundle is a delta, and what it builds upon is not in the bundles that are served.
    #[error(
        "the bundle {bundle} is a delta: it needs {blob}, which is in none of the bundles given{}",
        bases(requires)
    )]
    Base {
        /// The digest of its seal.
        bundle: Digest,
        /// What is missing.
        blob: Digest,
        /// The digests of the seals of the bundles that it requires.
        requires: Vec<Digest>,
    },
}

fn bases(requires: &[Digest]) -> String {
    requires.iter().map(|seal| format!("; it builds upon {seal}")).collect()
}

/// How a server is reached.
pub struct Options {
    /// Where it listens; port 0 for any that is free.
    pub addr: SocketAddr,
    /// With TLS, or without.
    pub tls: Option<Tls>,
    /// Who may ask; `None` for everybody.
    pub users: Option<Users>,
    /// Who hears of damage that is found.
    pub progress: Arc<dyn Progress>,
}

impl Options {
    /// For everybody at `addr`, without TLS.
    pub fn open(addr: SocketAddr) -> Options {
        Options { addr, tls: None, users: None, progress: Arc::new(Silent) }
    }
}

/// A registry that answers until it is stopped or dropped.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    runtime: Option<Runtime>,
}

/// SIGTERM and SIGINT, caught.
pub struct Signals([Signal; 2]);

impl Server {
    /// Serves `stock`. Its threads are its own.
    ///
    /// # Errors
    /// [`ServeError::Listen`], [`ServeError::Clash`].
    pub fn start(stock: Stock, options: Options) -> Result<Server, ServeError> {
        let Options { addr, tls, users, progress } = options;
        let catalog = Catalog::new(&stock)?;
        for (path, names) in &catalog.clashes {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let what = format!(
                "{path} is not the same in {}: only these names answer",
                names.join(" and ")
            );
            progress.event(Event::Doubt { what });
        }
        let metrics = Arc::clone(&stock.metrics);
        let registry = Arc::new(Registry { stock, catalog, users, progress });
        let listen = |error| ServeError::Listen { addr, error };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(32)
            .thread_name("serve")
            .enable_all()
            .build()
            .map_err(listen)?;
        let door = runtime.block_on(async {
            let listener = TcpListener::bind(addr).await?;
            Door::open(listener, tls.map(|tls| tls.config), metrics, listen::IDLE)
        });
        let door = door.map_err(listen)?;
        let bound = axum::serve::Listener::local_addr(&door).map_err(listen)?;
        let routes = routes::router(registry);
        runtime.spawn(async move { axum::serve(door, routes).await });
        Ok(Server { addr: bound, runtime: Some(runtime) })
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Catches SIGTERM and SIGINT from now on, of the whole process.
    ///
    /// # Errors
    /// When the system does not let them be caught.
    pub fn catch_signals(&self) -> io::Result<Signals> {
        let runtime = self.runtime.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let _inside = runtime.enter();
        Ok(Signals([signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?]))
    }

    /// Answers until one of the signals comes.
    pub fn wait(&self, mut signals: Signals) {
        let came = poll_fn(|cx| {
            let came = signals.0.iter_mut().any(|signal| signal.poll_recv(cx).is_ready());
            if came { Poll::Ready(()) } else { Poll::Pending }
        });
        if let Some(runtime) = &self.runtime {
            runtime.block_on(came);
        }
    }

    /// Stops it; answers that are under way are cut.
    pub fn stop(self) {}
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(STOP);
        }
    }
}
