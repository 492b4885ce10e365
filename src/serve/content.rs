//! Blobs on their way to a client: block by block, each proven before any of it is sent.
//!
//! A block is read or made when the client has taken the one before: a slow client holds one block
//! and no thread, and one that goes away stops the work. When a block proves to be damaged the
//! answer breaks off before it, so that the client gets fewer bytes than it was promised.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use futures_core::Stream;

use super::fault::Fault;
use super::routes::Registry;
use crate::oci::{Digest, MARK_BLOCK};

type Reading = Pin<Box<dyn Future<Output = Result<Bytes, Fault>> + Send>>;

/// A part of a blob.
pub(super) struct Pieces {
    registry: Arc<Registry>,
    digest: Digest,
    at: u64,
    end: u64,
    reading: Option<Reading>,
}

impl Pieces {
    /// The bytes from `at` to `end`. The first block is had before anything is answered.
    ///
    /// # Errors
    /// What is wrong with the first block.
    pub(super) async fn open(
        registry: Arc<Registry>,
        digest: Digest,
        at: u64,
        end: u64,
    ) -> Result<Pieces, Fault> {
        let first = read(Arc::clone(&registry), digest, at).await?;
        registry.metrics().begun();
        let reading: Reading = Box::pin(std::future::ready(Ok(first)));
        Ok(Pieces { registry, digest, at, end, reading: Some(reading) })
    }

    /// What is to be sent of the block that was read.
    fn take(&mut self, block: &Bytes) -> Result<Bytes, Fault> {
        let from = (self.at % MARK_BLOCK as u64) as usize;
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let to = block.len().min(from.saturating_add(left));
        if from >= to {
            return Err(Fault::Damaged(format!("{} ends early", self.digest)));
        }
        self.at += (to - from) as u64;
        self.registry.metrics().sent((to - from) as u64);
        Ok(block.slice(from..to))
    }
}

/// The block that holds byte `at`.
async fn read(registry: Arc<Registry>, digest: Digest, at: u64) -> Result<Bytes, Fault> {
    let number = (at / MARK_BLOCK as u64) as usize;
    let block = registry.stock().block(digest, number).await;
    block.inspect_err(|fault| registry.found(fault))
}

impl Stream for Pieces {
    type Item = Result<Bytes, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.at >= this.end {
            return Poll::Ready(None);
        }
        let (registry, digest, at) = (&this.registry, this.digest, this.at);
        let reading =
            this.reading.get_or_insert_with(|| Box::pin(read(Arc::clone(registry), digest, at)));
        let block = ready!(reading.as_mut().poll(cx));
        this.reading = None;
        let piece = block.and_then(|block| this.take(&block));
        if piece.is_err() {
            this.at = this.end;
        }
        Poll::Ready(Some(piece))
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.registry.metrics().ended();
    }
}
