//! Reading a zstd frame in bounded memory.
//!
//! Whoever made the image chose the bytes. Withstands: frames that decompress without end (they
//! come in pieces), windows of up to 2^41 bytes (at most [`MAX_WINDOW`] are taken, which is all
//! that the levels need that can be made again), dictionaries, frames that are cut off. What is
//! behind the frame is found, and not read. Source: RFC 8878, 3.1.1.

use std::io::{self, Read};

use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use crate::oci::read_block;

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The largest window of levels 1 to 19.
const MAX_WINDOW_LOG: u32 = 23;
/// The same in bytes.
const MAX_WINDOW: u64 = 1 << MAX_WINDOW_LOG;
/// Bytes of the longest header: magic, descriptor, window or dictionary, content size.
const MAX_HEADER: usize = 18;

/// Why a frame is not read: the input's fault, but for `Read`.
#[derive(Debug, thiserror::Error)]
pub enum ZstdError {
    /// The source failed.
    #[error("reading failed: {0}")]
    Read(io::Error),
    /// It does not begin with a frame, or with one that needs a dictionary.
    #[error("not a zstd frame that stands by itself")]
    Header,
    /// It needs a larger window.
    #[error("the zstd frame has a window of more than {MAX_WINDOW} bytes")]
    Window,
    /// zstd cannot read it, its checksum is wrong, or it is cut off.
    #[error("the zstd frame is damaged")]
    Damaged,
}

/// One frame being read.
pub struct Frame<R> {
    reader: R,
    context: DCtx<'static>,
    header: Header,
    /// Bytes of the source; those before `taken` are done with.
    input: Vec<u8>,
    taken: usize,
    piece: Vec<u8>,
    /// The last bytes of the frame were read.
    ended: bool,
}

/// What a frame says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Its own bytes.
    pub length: usize,
    /// A checksum stands at its end.
    pub checksum: bool,
    /// Plain bytes, if it says so.
    pub size: Option<u64>,
}

impl Header {
    /// Reads the front of a frame.
    pub fn parse(front: &[u8]) -> Result<Header, ZstdError> {
        let descriptor = match front {
            [a, b, c, d, descriptor, ..] if [*a, *b, *c, *d] == MAGIC => *descriptor,
            _ => return Err(ZstdError::Header),
        };
        let single = descriptor & 0x20 != 0;
        if descriptor & 0b1011 != 0 {
            return Err(ZstdError::Header);
        }
        let at = if single { 5 } else { 6 };
        let (count, base) = match descriptor >> 6 {
            0 => (usize::from(single), 0),
            1 => (2, 256),
            2 => (4, 0),
            _ => (8, 0),
        };
        let bytes = front.get(at..at + count).ok_or(ZstdError::Header)?;
        let number = bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let size = (count > 0).then(|| base + number);
        let window = match (single, size) {
            (true, Some(size)) => size,
            // The byte before the content size.
            _ => {
                let byte = u64::from(front[5]);
                let base = 1u64 << (10 + (byte >> 3));
                base + base / 8 * (byte & 7)
            }
        };
        match window <= MAX_WINDOW {
            true => Ok(Header { length: at + count, checksum: descriptor & 4 != 0, size }),
            false => Err(ZstdError::Window),
        }
    }
}

impl<R: Read> Frame<R> {
    /// Reads the header of the frame that begins with the next byte of `reader`.
    ///
    /// # Errors
    /// [`ZstdError::Header`], [`ZstdError::Window`], [`ZstdError::Read`].
    pub fn new(mut reader: R) -> Result<Frame<R>, ZstdError> {
        let mut input = vec![0; DCtx::in_size()];
        let count = read_block(&mut reader, &mut input).map_err(ZstdError::Read)?;
        input.truncate(count);
        let header = Header::parse(&input[..count.min(MAX_HEADER)])?;
        let mut context = DCtx::create();
        let set = context.set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG));
        set.map_err(|_| ZstdError::Window)?;
        let piece = Vec::with_capacity(DCtx::out_size());
        Ok(Frame { reader, context, header, input, taken: 0, piece, ended: false })
    }

    /// What the frame says of itself.
    pub(super) fn header(&self) -> Header {
        self.header
    }

    /// The next plain bytes, or `None` behind the last, when the frame's checksum is proven.
    ///
    /// # Errors
    /// [`ZstdError::Damaged`], [`ZstdError::Read`].
    // Like an iterator's, but each piece is lent.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<&[u8]>, ZstdError> {
        self.piece.clear();
        while self.piece.is_empty() && !self.ended {
            self.refill()?;
            let mut input = InBuffer::around(&self.input[self.taken..]);
            let mut output = OutBuffer::around(&mut self.piece);
            let left = self.context.decompress_stream(&mut output, &mut input);
            self.ended = left.map_err(|_| ZstdError::Damaged)? == 0;
            self.taken += input.pos();
        }
        Ok((!self.piece.is_empty()).then_some(&self.piece))
    }

    /// Makes sure that there is input.
    fn refill(&mut self) -> Result<(), ZstdError> {
        if self.taken < self.input.len() {
            return Ok(());
        }
        self.input.resize(DCtx::in_size(), 0);
        let count = read_block(&mut self.reader, &mut self.input).map_err(ZstdError::Read)?;
        self.input.truncate(count);
        self.taken = 0;
        if count == 0 { Err(ZstdError::Damaged) } else { Ok(()) }
    }

    /// Whether nothing is behind the frame, when all of it is read.
    ///
    /// # Errors
    /// [`ZstdError::Read`].
    pub fn is_at_end(mut self) -> Result<bool, ZstdError> {
        let held = self.taken < self.input.len();
        Ok(!held && read_block(&mut self.reader, &mut [0]).map_err(ZstdError::Read)? == 0)
    }
}
