//! Reading content and proving on the way that it is what its digest says.
//!
//! Withstands: content that is longer (nothing past the stated size is read or passed on), shorter
//! or other than stated.

use std::io::{self, Read};

use super::digest::{Digest, Hasher};
use super::marks::{BlockHasher, MARK_BLOCK, MARK_SIZE};

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

/// Content from a place that nobody vouches for. Its bytes can be had only by proving them.
pub struct Unproven {
    inner: Box<dyn Read + Send>,
    digest: Digest,
    size: u64,
}

/// Why content was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// It could not be read, or it is not what was promised ([`ContentError::inside`] tells).
    #[error("{0}")]
    Read(io::Error),
    /// It could not be written.
    #[error("{0}")]
    Write(io::Error),
}

impl Unproven {
    /// What claims to be the `size` bytes of `digest`.
    pub fn new(inner: Box<dyn Read + Send>, digest: Digest, size: u64) -> Unproven {
        Unproven { inner, digest, size }
    }

    /// A reader that fails, instead of ending, when the claim is wrong.
    pub fn proving(self) -> VerifyingReader<Box<dyn Read + Send>> {
        VerifyingReader::new(self.inner, self.digest, self.size)
    }

    /// Copies the content of a SHA-256 digest, a block at a time, and gives its marks. What was
    /// written is worth nothing unless this succeeds.
    ///
    /// # Errors
    /// Every [`CopyError`].
    pub fn copy(
        self,
        mut write: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Vec<[u8; MARK_SIZE]>, CopyError> {
        let Unproven { mut inner, digest, size } = self;
        let (mut hasher, mut marks, mut seen) = (BlockHasher::default(), Vec::new(), 0);
        let mut buffer = vec![0; MARK_BLOCK];
        let last = loop {
            let count = read_block(&mut inner, &mut buffer).map_err(CopyError::Read)?;
            seen += count as u64;
            if seen > size {
                return Err(CopyError::Read(invalid(ContentError::Long {
                    digest,
                    expected: size,
                })));
            }
            let block = &buffer[..count];
            match <&[u8; MARK_BLOCK]>::try_from(block) {
                Ok(full) => marks.push(hasher.full(full)),
                Err(_) => break block,
            }
            write(block).map_err(CopyError::Write)?;
        };
        if seen < size {
            let short = ContentError::Short { digest, expected: size, found: seen };
            return Err(CopyError::Read(invalid(short)));
        }
        match hasher.last(last) {
            found if found == digest => write(last).map_err(CopyError::Write).map(|()| marks),
            found => {
                let error = ContentError::Digest { expected: digest, found, size };
                Err(CopyError::Read(invalid(error)))
            }
        }
    }
}

/// Fills `block`, or reads to the end: how many bytes came. Unlike `read_to_end`, it asks for all
/// that is missing at once, and clears no memory.
///
/// # Errors
/// The reader's.
pub fn read_block(reader: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match reader.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
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

    fn copy(content: Vec<u8>, digest: Digest, size: u64) -> (Vec<u8>, Result<usize, CopyError>) {
        let mut bytes = Vec::new();
        let unproven = Unproven::new(Box::new(io::Cursor::new(content)), digest, size);
        let marks = unproven.copy(|block| {
            bytes.extend_from_slice(block);
            Ok(())
        });
        (bytes, marks.map(|marks| marks.len()))
    }

    #[test]
    fn a_copy_is_proven_or_fails() {
        for size in [0, 5, MARK_BLOCK, MARK_BLOCK + 1, 2 * MARK_BLOCK + 77] {
            let content: Vec<u8> = (0..size).map(|i| ((i * 3) >> 1) as u8).collect();
            let digest = Digest::of(&content);
            let (bytes, marks) = copy(content.clone(), digest, size as u64);
            assert_eq!((bytes, marks.unwrap()), (content.clone(), size / MARK_BLOCK));
            let error =
                |content: Vec<u8>, size: u64| match copy(content, digest, size).1.unwrap_err() {
                    CopyError::Read(error) => ContentError::inside(&error).unwrap().clone(),
                    CopyError::Write(error) => panic!("{error}"),
                };
            let longer = [content.clone(), vec![0]].concat();
            assert!(matches!(error(longer, size as u64), ContentError::Long { .. }));
            if let Some((last, rest)) = content.split_last() {
                assert!(matches!(error(rest.to_vec(), size as u64), ContentError::Short { .. }));
                let other = [rest, &[last ^ 1]].concat();
                assert!(matches!(error(other, size as u64), ContentError::Digest { .. }));
            }
        }
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

    #[test]
    fn a_block_is_filled_from_a_reader_that_gives_little() {
        struct Drops(u8);
        impl Read for Drops {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                match self.0 {
                    2 => Err(io::ErrorKind::Interrupted.into()),
                    6 => Ok(0),
                    7.. => Err(io::ErrorKind::TimedOut.into()),
                    _ => {
                        buffer[0] = self.0;
                        Ok(1)
                    }
                }
            }
        }
        let (mut drops, mut block) = (Drops(0), [0; 3]);
        assert_eq!((read_block(&mut drops, &mut block).unwrap(), block), (3, [1, 3, 4]));
        assert_eq!((read_block(&mut drops, &mut block).unwrap(), block[0]), (1, 5));
        assert_eq!(read_block(&mut drops, &mut block).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
