//! A gzip member (RFC 1952): header, deflate stream, trailer.
//!
//! Registries feed it bytes that nobody has checked. Withstands, besides what
//! [`inflate`](super::inflate) does: headers without end (capped), reserved flags, other methods
//! than deflate, a wrong header checksum, a trailer that belongs to other bytes.

use std::io::{self, Read};

use crc32fast::Hasher;

use super::inflate::{BlockStart, Inflate, InflateError, Input};

/// The longest header, in bytes.
pub const MAX_HEADER: usize = 64 * 1024;
/// Bytes of the part that every header has.
const FIXED: usize = 10;
/// Bytes of the trailer.
const TRAILER: usize = 8;

const HEADER_CRC: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;

/// Why a gzip member cannot be read (on).
#[derive(Debug, thiserror::Error)]
pub enum GzipError {
    /// The source failed.
    #[error("reading failed: {0}")]
    Read(io::Error),
    /// It does not begin with gzip's two bytes.
    #[error("not a gzip file")]
    Magic,
    /// A method other than deflate, or reserved flags.
    #[error("a gzip header of an unknown kind")]
    Kind,
    /// The header is longer than [`MAX_HEADER`].
    #[error("the gzip header is longer than {MAX_HEADER} bytes")]
    LongHeader,
    /// The header's own checksum is wrong.
    #[error("the gzip header does not fit its checksum")]
    HeaderChecksum,
    /// The source ends within the header or the trailer.
    #[error("the gzip file is cut off")]
    Truncated,
    /// What stands between header and trailer.
    #[error(transparent)]
    Inflate(InflateError),
    /// The trailer has another CRC-32 than the plain bytes.
    #[error("the plain bytes do not fit the gzip checksum")]
    Checksum,
    /// The trailer has another length than the plain bytes, modulo 2^32.
    #[error("the plain bytes do not fit the length in the gzip trailer")]
    Length,
}

impl From<InflateError> for GzipError {
    /// Whether the source failed must not depend on where.
    fn from(error: InflateError) -> GzipError {
        match error {
            InflateError::Read(error) => GzipError::Read(error),
            error => GzipError::Inflate(error),
        }
    }
}

/// What a member begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    raw: Vec<u8>,
}

impl Header {
    /// Reads the header from the front of a member; more bytes may follow.
    ///
    /// # Errors
    ///
    /// [`GzipError::Magic`], [`GzipError::Kind`], [`GzipError::LongHeader`],
    /// [`GzipError::HeaderChecksum`]; [`GzipError::Truncated`] if the header goes on.
    pub fn parse(front: &[u8]) -> Result<Header, GzipError> {
        if !front.starts_with(&[0x1f, 0x8b]) {
            return Err(if front.len() < 2 { GzipError::Truncated } else { GzipError::Magic });
        }
        let fixed = front.get(..FIXED).ok_or(GzipError::Truncated)?;
        let (method, flags) = (fixed[2], fixed[3]);
        if method != 8 || flags & RESERVED != 0 {
            return Err(GzipError::Kind);
        }
        let end = header_end(front, flags).filter(|end| *end <= front.len().min(MAX_HEADER));
        let end = match end {
            Some(end) => end,
            None if front.len() >= MAX_HEADER => return Err(GzipError::LongHeader),
            None => return Err(GzipError::Truncated),
        };
        let raw = front[..end].to_vec();
        if flags & HEADER_CRC != 0 {
            let (checked, crc) = raw.split_at(end - 2);
            if crc != &crc32fast::hash(checked).to_le_bytes()[..2] {
                return Err(GzipError::HeaderChecksum);
            }
        }
        Ok(Header { raw })
    }

    /// Its bytes.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The time of the file, in seconds since 1970; 0 for none.
    pub fn mtime(&self) -> u32 {
        u32::from_le_bytes([self.raw[4], self.raw[5], self.raw[6], self.raw[7]])
    }

    /// The extra flags: 2 for the best compression, 4 for the fastest.
    pub fn xfl(&self) -> u8 {
        self.raw[8]
    }

    /// The system: 3 for Unix, 255 for unknown.
    pub fn os(&self) -> u8 {
        self.raw[9]
    }
}

/// Where the fields that `flags` promise end; `None` if one goes on beyond `front`.
fn header_end(front: &[u8], flags: u8) -> Option<usize> {
    let mut end = FIXED;
    if flags & EXTRA != 0 {
        let length = front.get(end..end + 2)?;
        end += 2 + usize::from(u16::from_le_bytes([length[0], length[1]]));
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            end += front.get(end..)?.iter().position(|byte| *byte == 0)? + 1;
        }
    }
    Some(if flags & HEADER_CRC != 0 { end + 2 } else { end })
}

/// One gzip member being read, in bounded memory.
pub struct Gzip<R> {
    header: Header,
    inflate: Inflate<R>,
    crc: Hasher,
    length: u64,
    /// The trailer was read.
    proven: bool,
}

impl<R: Read> Gzip<R> {
    /// Reads the header of the member that begins with the next byte of `reader`.
    ///
    /// # Errors
    ///
    /// As [`Header::parse`], and [`GzipError::Read`].
    pub fn new(reader: R) -> Result<Gzip<R>, GzipError> {
        Gzip::on(Input::new(reader))
    }

    /// As [`Gzip::new`], from what an earlier member left.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn on(mut input: Input<R>) -> Result<Gzip<R>, GzipError> {
        let header = Header::parse(input.peek(MAX_HEADER).map_err(GzipError::Read)?)?;
        input.skip(header.raw.len());
        Ok(Gzip {
            header,
            inflate: Inflate::on(input),
            crc: Hasher::new(),
            length: 0,
            proven: false,
        })
    }

    /// What the member began with.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next plain bytes (see [`Inflate::next`]), or `None` behind the last, when the trailer is
    /// proven.
    ///
    /// # Errors
    ///
    /// [`GzipError::Inflate`], [`GzipError::Checksum`], [`GzipError::Length`],
    /// [`GzipError::Truncated`], [`GzipError::Read`].
    // Like an iterator's, but each piece is lent.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<&[u8]>, GzipError> {
        if !self.proven && self.inflate.advance()? {
            self.crc.update(self.inflate.piece());
            self.length += self.inflate.piece().len() as u64;
            return Ok(Some(self.inflate.piece()));
        }
        if !self.proven {
            prove(self.inflate.rest(), &trailer(self.crc.clone().finalize(), self.length))?;
            self.proven = true;
        }
        Ok(None)
    }

    /// What [`Gzip::next`] gave last.
    pub fn piece(&self) -> &[u8] {
        self.inflate.piece()
    }

    /// The blocks that started within the last piece, or behind it; plain bytes and bits are
    /// counted from the start of the deflate stream, which follows the header.
    pub fn blocks(&self) -> &[BlockStart] {
        self.inflate.blocks()
    }

    /// What follows the member, when all of it is read: nothing, a further member, or anything.
    pub fn into_rest(self) -> Input<R> {
        self.inflate.into_rest()
    }
}

/// Reads a trailer and compares it.
fn prove<R: Read>(input: &mut Input<R>, expected: &[u8; TRAILER]) -> Result<(), GzipError> {
    let found = input.peek(TRAILER).map_err(GzipError::Read)?;
    if found.len() < TRAILER {
        return Err(GzipError::Truncated);
    }
    if found[..4] != expected[..4] {
        return Err(GzipError::Checksum);
    }
    if found != expected {
        return Err(GzipError::Length);
    }
    input.skip(TRAILER);
    Ok(())
}

/// The trailer of a member with these plain bytes: their CRC-32 and their number.
pub fn trailer(crc: u32, length: u64) -> [u8; TRAILER] {
    let mut trailer = [0; TRAILER];
    trailer[..4].copy_from_slice(&crc.to_le_bytes());
    trailer[4..].copy_from_slice(&(length as u32).to_le_bytes());
    trailer
}

#[cfg(test)]
mod tests;
