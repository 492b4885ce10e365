//! What can be wrong with a compressed stream, whichever kind it is.

use std::io;

use super::gzip::GzipError;
use super::libzstd::ZstdError;

/// Why a compressed stream is not read: the input's fault, but for `Read`.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The source failed.
    #[error("reading failed: {0}")]
    Read(#[from] io::Error),
    /// A gzip stream.
    #[error(transparent)]
    Gzip(GzipError),
    /// A zstd frame.
    #[error(transparent)]
    Zstd(ZstdError),
}

impl From<GzipError> for StreamError {
    fn from(error: GzipError) -> StreamError {
        match error {
            GzipError::Read(error) => StreamError::Read(error),
            error => StreamError::Gzip(error),
        }
    }
}

impl From<ZstdError> for StreamError {
    fn from(error: ZstdError) -> StreamError {
        match error {
            ZstdError::Read(error) => StreamError::Read(error),
            error => StreamError::Zstd(error),
        }
    }
}
