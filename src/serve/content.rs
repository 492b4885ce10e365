//! Blobs: proven once before anything of them is sent, then sent piece by piece.
//!
//! Reading from a disk blocks, so it happens on threads that may block. Each piece is read when
//! the client has taken the one before: a slow client holds one piece and no thread.

use std::collections::HashMap;
use std::future::Future as _;
use std::io::{self, Read as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use futures_core::Stream;
use tokio::sync::OnceCell;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::files::Section;
use crate::oci::{ContentError, Digest, VerifyingReader};

const PIECE: u64 = 256 * 1024;

/// Which blobs have been proven, and which proved to be damaged.
#[derive(Default)]
pub(super) struct Proofs {
    verdicts: Mutex<HashMap<Digest, Arc<OnceCell<bool>>>>,
}

impl Proofs {
    /// True when `section` is what `digest` says. The first to ask waits while it is read once;
    /// whoever asks meanwhile waits with it. A failed read is no verdict.
    pub(super) async fn holds(&self, digest: Digest, section: Section) -> io::Result<bool> {
        let verdict = {
            let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(verdicts.entry(digest).or_default())
        };
        let prove = || async move {
            let proof = spawn_blocking(move || prove(digest, section));
            proof.await.map_err(io::Error::other)?
        };
        verdict.get_or_try_init(prove).await.copied()
    }
}

fn prove(digest: Digest, section: Section) -> io::Result<bool> {
    let size = section.size();
    let mut content = VerifyingReader::new(section, digest, size);
    let mut buffer = vec![0; PIECE as usize];
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if ContentError::inside(&error).is_some() => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

/// The bytes of a section, read as they are asked for.
pub(super) struct Pieces {
    left: Section,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Pieces {
    /// All of `section`.
    pub(super) fn new(section: Section) -> Pieces {
        Pieces { left: section, reading: None }
    }
}

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.reading.is_none() {
            let size = this.left.size().min(PIECE);
            if size == 0 {
                return Poll::Ready(None);
            }
            let piece = this.left.part(0, size);
            this.left = this.left.part(size, u64::MAX);
            this.reading = Some(spawn_blocking(move || read(piece)));
        }
        let Some(reading) = &mut this.reading else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(cx));
        this.reading = None;
        Poll::Ready(Some(read.unwrap_or_else(|error| Err(io::Error::other(error)))))
    }
}

/// A piece, whole: a file that has become shorter is an error, not an end.
fn read(mut piece: Section) -> io::Result<Bytes> {
    let mut bytes = vec![0; piece.size() as usize];
    piece.read_exact(&mut bytes)?;
    Ok(bytes.into())
}
