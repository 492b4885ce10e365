//! Reading content and proving on the way that it is what its digest says.
//!
//! Withstands: content that is longer (nothing past the stated size is read or passed on), shorter
//! or other than stated.

use std::io::{self, Read};

use super::digest::{Digest, Hasher};

/// Content that is not what its descriptor says. Always the input's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// It ends early.
    #[error("{digest} ends after {found} of {expected} bytes")]
    Short {
        /// Which content.
        digest: Digest,
        /// Bytes according to the descriptor.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// It goes on past its size.
    #[error("{digest} goes on past its {expected} bytes")]
    Long {
        /// Which content.
        digest: Digest,
        /// Bytes according to the descriptor.
        expected: u64,
    },
    /// It has another digest.
    #[error("the {size} bytes of {expected} have the digest {found}")]
    Digest {
        /// The digest asked for.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
        /// How many bytes.
        size: u64,
    },
}

impl ContentError {
    /// The content error inside an [`io::Error`] that a [`VerifyingReader`] gave.
    pub fn inside(error: &io::Error) -> Option<&ContentError> {
        error.get_ref().and_then(|inner| inner.downcast_ref())
    }
}

/// Passes content on and fails, instead of ending, when it is not what was promised.
///
/// Whoever reads must not use the content before the reader has ended without an error.
pub struct VerifyingReader<R> {
    inner: R,
    digest: Digest,
    size: u64,
    seen: u64,
    hasher: Option<Hasher>,
}

impl<R: Read> VerifyingReader<R> {
    /// Expects `size` bytes of `digest` from `inner`.
    pub fn new(inner: R, digest: Digest, size: u64) -> VerifyingReader<R> {
        VerifyingReader { inner, digest, size, seen: 0, hasher: Some(digest.hasher()) }
    }

    /// At the stated size: nothing may follow, and the digest must be right.
    fn finish(&mut self) -> Result<(), io::Error> {
        let Some(hasher) = self.hasher.take() else { return Ok(()) };
        let mut probe = [0];
        let more = loop {
            match self.inner.read(&mut probe) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other? > 0,
            }
        };
        if more {
            let (digest, expected) = (self.digest, self.size);
            return Err(invalid(ContentError::Long { digest, expected }));
        }
        match hasher.finish() {
            found if found == self.digest => Ok(()),
            found => {
                let (expected, size) = (self.digest, self.size);
                Err(invalid(ContentError::Digest { expected, found, size }))
            }
        }
    }
}

impl<R: Read> Read for VerifyingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let left = self.size - self.seen;
        if left == 0 {
            self.finish()?;
            return Ok(0);
        }
        let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = self.inner.read(&mut buffer[..room])?;
        if count == 0 {
            let (digest, expected, found) = (self.digest, self.size, self.seen);
            return Err(invalid(ContentError::Short { digest, expected, found }));
        }
        self.seen += count as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..count]);
        }
        Ok(count)
    }
}

fn invalid(error: ContentError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8], digest: Digest, size: u64) -> Result<Vec<u8>, ContentError> {
        let mut bytes = Vec::new();
        match VerifyingReader::new(content, digest, size).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(ContentError::inside(&error).expect("a content error").clone()),
        }
    }

    #[test]
    fn passes_on_what_is_right() {
        assert_eq!(read(b"abc", Digest::of(b"abc"), 3).unwrap(), b"abc");
        assert_eq!(read(b"", Digest::of(b""), 0).unwrap(), b"");
    }

    #[test]
    fn names_what_is_wrong() {
        let digest = Digest::of(b"abc");
        let short = ContentError::Short { digest, expected: 3, found: 2 };
        assert_eq!(read(b"ab", digest, 3).unwrap_err(), short);
        assert_eq!(
            read(b"abcd", digest, 3).unwrap_err(),
            ContentError::Long { digest, expected: 3 }
        );
        let found = Digest::of(b"abd");
        assert_eq!(
            read(b"abd", digest, 3).unwrap_err(),
            ContentError::Digest { expected: digest, found, size: 3 }
        );
        assert!(read(b"x", Digest::of(b""), 0).is_err());
    }
}
