//! A read-only registry over a layout: what `docker pull`, `skopeo copy` and containerd ask for.
//!
//! - `catalog` – which repositories there are, and what each may give out.
//! - `request` – what a path and its query ask for.
//! - `answer` – answers in the words of the specification.
//! - `routes` – from the one to the other.
//! - `content` – proving blobs, and sending them piece by piece.
//!
//! Withstands: a damaged layout (nothing is sent that is not what its digest says), requests for
//! content of another repository, paths that are no names, ranges past the end, clients that stop
//! reading (a piece of 256 KiB is all that each holds). Nothing can be written.
//! Source: OCI distribution-spec 1.1.

mod answer;
mod catalog;
mod content;
mod request;
mod routes;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::layout::{LayoutError, Store};
use catalog::Catalog;
use routes::Registry;

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
    /// Two images of different registries have the same path and tag. The input's fault.
    #[error("{first} and {second} cannot be served together: both are {path}:{tag} here")]
    Clash {
        /// The repository's path.
        path: String,
        /// The tag.
        tag: String,
        /// The name of one image.
        first: String,
        /// The name of the other image.
        second: String,
    },
}

/// A registry that answers until it is stopped or dropped.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    runtime: Option<Runtime>,
}

impl Server {
    /// Serves `store`, as its index is now, on `addr`. Its threads are its own.
    ///
    /// # Errors
    /// Every [`ServeError`].
    pub fn start(store: impl Store + 'static, addr: SocketAddr) -> Result<Server, ServeError> {
        let catalog = Catalog::new(&store)?;
        let registry = Arc::new(Registry::new(Arc::new(store), catalog));
        let listen = |error| ServeError::Listen { addr, error };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("serve")
            .enable_all()
            .build()
            .map_err(listen)?;
        let listener = runtime.block_on(TcpListener::bind(addr)).map_err(listen)?;
        let bound = listener.local_addr().map_err(listen)?;
        let routes = routes::router(registry);
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Ok(Server { addr: bound, runtime: Some(runtime) })
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
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
