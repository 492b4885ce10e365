//! Connections: so many at a time, with TLS or without.
//!
//! Withstands: clients that connect and say nothing (ten seconds for a handshake, five minutes later),
//! more clients than there is memory for (they wait to be taken). Source: RFC 8446.

use std::future::Future as _;
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
use tokio::time::{Sleep, sleep};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::metrics::Metrics;

/// Connections at a time. Each may hold a block of a blob.
const CONNECTIONS: usize = 256;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a connection may be silent, in both directions.
pub(super) const IDLE: Duration = Duration::from_secs(300);
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
        idle: Duration,
    ) -> io::Result<Door> {
        let address = listener.local_addr()?;
        let (sender, ready) = channel(1);
        tokio::spawn(take(listener, tls.map(TlsAcceptor::from), metrics, idle, sender));
        Ok(Door { ready, address })
    }
}

async fn take(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    metrics: Arc<Metrics>,
    idle: Duration,
    ready: Sender<(Connection, SocketAddr)>,
) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(seat) = Arc::clone(&seats).acquire_owned().await {
        let Ok((stream, address)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let (tls, ready) = (tls.clone(), ready.clone());
        let held = Held::new(seat, Arc::clone(&metrics));
        tokio::spawn(async move {
            if let Some(stream) = shake(tls, stream).await {
                // Nobody takes it when the server stops.
                let timer = Box::pin(sleep(idle));
                let _ =
                    ready.send((Connection { stream, idle, timer, _held: held }, address)).await;
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
    idle: Duration,
    timer: Pin<Box<Sleep>>,
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

impl Connection {
    /// Puts the end of a silent connection off, or brings it about.
    fn timed<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.timer.as_mut().set(sleep(self.idle));
            return poll;
        }
        match self.timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let poll = match &mut self.stream {
            Spoken::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Spoken::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        self.timed(cx, poll)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = match &mut self.stream {
            Spoken::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Spoken::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        self.timed(cx, poll)
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

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_silent_client_is_sent_away() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let metrics: Arc<Metrics> = Arc::default();
        let door = runtime.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            Door::open(listener, None, metrics, Duration::from_millis(50)).unwrap()
        });
        let address = door.address;
        runtime.spawn(async move { axum::serve(door, axum::Router::new()).await });
        let mut client = std::net::TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
}
