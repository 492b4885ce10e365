//! Random access into a gzip member: places at which inflating can be taken up.
//!
//! The bytes come proven, so what is wrong here was signed so. Withstands all the same: members
//! that inflate to another length than stated, and blocks so long that there is no place to take
//! up. A place takes about 12 KiB for each 4 MiB of plain bytes.

use std::io::Read;

use crate::recompress::{Gzip, GzipError, Inflate, MAX_STRETCH};

/// Plain bytes between two places, at least.
const SPACING: u64 = 4 * 1024 * 1024;
/// Plain bytes that inflating looks back.
const WINDOW: usize = 32 * 1024;

/// The places of one member.
pub struct Restarts {
    /// Bytes before the deflate stream.
    deflate: u64,
    plain: u64,
    places: Vec<Place>,
}

struct Place {
    plain: u64,
    bits: u64,
    /// The window, compressed.
    window: Vec<u8>,
}

/// Where a segment lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Its number.
    pub number: usize,
    /// Its first plain byte.
    pub plain: u64,
}

impl Restarts {
    /// Inflates the whole member once; `None` when it cannot be taken up in the middle.
    ///
    /// # Errors
    /// [`GzipError`].
    pub fn find(member: impl Read) -> Result<Option<Restarts>, GzipError> {
        let mut gzip = Gzip::new(member)?;
        let deflate = gzip.header().raw().len() as u64;
        let mut places = vec![Place { plain: 0, bits: 0, window: compress(&[]) }];
        // The window before the piece, then the piece.
        let (mut recent, mut plain, mut last) = (Vec::new(), 0u64, 0);
        while let Some(piece) = gzip.next()? {
            let keep = recent.len() - recent.len().min(WINDOW);
            recent.drain(..keep);
            let begins = plain - recent.len() as u64;
            recent.extend_from_slice(piece);
            plain += piece.len() as u64;
            for block in gzip.blocks() {
                let due = places.last().is_some_and(|place| block.plain >= place.plain + SPACING);
                if due && block.plain <= plain {
                    let end = (block.plain - begins) as usize;
                    let window = compress(&recent[end.saturating_sub(WINDOW)..end]);
                    places.push(Place { plain: block.plain, bits: block.bits, window });
                }
                if block.plain - last > MAX_STRETCH {
                    return Ok(None);
                }
                last = block.plain;
            }
        }
        let random = plain - last <= MAX_STRETCH;
        Ok(random.then_some(Restarts { deflate, plain, places }))
    }

    /// All plain bytes.
    pub fn plain(&self) -> u64 {
        self.plain
    }

    /// The segment that holds plain byte `at`.
    pub fn segment(&self, at: u64) -> Segment {
        let number = self.places.partition_point(|place| place.plain <= at) - 1;
        Segment { number, plain: self.places[number].plain }
    }

    /// The byte of the member at which a segment begins.
    pub fn offset(&self, number: usize) -> u64 {
        self.deflate + self.places[number].bits / 8
    }

    /// Inflates a segment; `member` gives the member's bytes from [`Restarts::offset`] on.
    ///
    /// # Errors
    /// [`GzipError`].
    pub fn inflate(&self, number: usize, member: impl Read) -> Result<Vec<u8>, GzipError> {
        let place = &self.places[number];
        let end = self.places.get(number + 1).map_or(self.plain, |next| next.plain);
        let length = (end - place.plain) as usize;
        let window = zstd::bulk::decompress(&place.window, WINDOW).map_err(GzipError::Read)?;
        let mut inflate = Inflate::resume(member, (place.bits % 8) as u8, &window)?;
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let Some(piece) = inflate.next()? else { break };
            bytes.extend_from_slice(&piece[..piece.len().min(length - bytes.len())]);
        }
        Ok(bytes)
    }
}

fn compress(window: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(window, 1).expect("zstd compresses into memory")
}
