//! Connections: so many at a time, with TLS or without.
//!
//! Withstands: clients that connect and say nothing during the handshake (ten seconds), more clients
//! than there is memory for (they wait to be taken). Source: RFC 8446.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::metrics::Metrics;

/// Connections at a time. Each may hold a block of a blob.
const CONNECTIONS: usize = 256;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long to wait when the system gives no more connections.
const PAUSE: Duration = Duration::from_millis(100);

/// Gives connections that are ready to be spoken on.
pub(super) struct Door {
    ready: Receiver<(Connection, SocketAddr)>,
    address: SocketAddr,
}

impl Door {
    /// Takes connections from `listener`, on the runtime that this is called on.
    pub(super) fn open(
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        metrics: Arc<Metrics>,
    ) -> io::Result<Door> {
        let address = listener.local_addr()?;
        let (sender, ready) = channel(1);
        tokio::spawn(take(listener, tls.map(TlsAcceptor::from), metrics, sender));
        Ok(Door { ready, address })
    }
}

async fn take(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    metrics: Arc<Metrics>,
    ready: Sender<(Connection, SocketAddr)>,
) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(seat) = Arc::clone(&seats).acquire_owned().await {
        let Ok((stream, address)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (tls, ready) = (tls.clone(), ready.clone());
        let held = Held::new(seat, Arc::clone(&metrics));
        tokio::spawn(async move {
            if let Some(stream) = shake(tls, stream).await {
                // Nobody takes it when the server stops.
                let _ = ready.send((Connection { stream, _held: held }, address)).await;
            }
        });
    }
}

async fn shake(tls: Option<TlsAcceptor>, stream: TcpStream) -> Option<Spoken> {
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return Some(Spoken::Plain(stream)) };
    let shaken = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await;
    Some(Spoken::Tls(Box::new(shaken.ok()?.ok()?)))
}

impl axum::serve::Listener for Door {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// A connection that takes a seat.
pub(super) struct Connection {
    stream: Spoken,
    _held: Held,
}

enum Spoken {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

struct Held {
    _seat: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

impl Held {
    fn new(seat: OwnedSemaphorePermit, metrics: Arc<Metrics>) -> Held {
        metrics.connected();
        Held { _seat: seat, metrics }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.metrics.closed();
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Spoken::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Spoken::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Spoken::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Spoken::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Spoken::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Spoken::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Spoken::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Spoken::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
