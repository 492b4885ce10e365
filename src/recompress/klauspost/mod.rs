//! Encoders of klauspost/compress, which Go took over in 1.27: `compress/flate` and its relatives.
//! See `formats/recompress.md`.

mod block;
mod bytes;
mod chains;
mod coder;
mod count;
mod fast;
mod one_table;
mod price;
mod tokens;
mod two_tables;
mod write;

use super::Encode;
use coder::Coder;

/// Pieces in which plain bytes are taken.
const TAKEN: usize = 64 * 1024;

/// Versions that give the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `klauspost-1`: 1.15.11 to 1.17.11 (levels 7 to 9 from 1.15.15 on).
    Klauspost1,
    /// `klauspost-1a`: 1.18.0.
    Klauspost1a,
    /// `klauspost-2`: 1.18.2 to 1.19.1.
    Klauspost2,
    /// `klauspost-2a`: 1.20.3.
    Klauspost2a,
    /// `go-flate-2`: Go 1.27's own.
    GoFlate2,
}

impl Family {
    /// The level that -1 stands for.
    fn default_level(self) -> i32 {
        if self == Family::GoFlate2 { 6 } else { 5 }
    }

    /// Whether tables are cut to what is used.
    fn has_exact_tables(self) -> bool {
        !matches!(self, Family::Klauspost1 | Family::Klauspost1a)
    }

    /// Whether level 4 takes a length in a wrong place.
    fn measures_astray(self) -> bool {
        self != Family::Klauspost1
    }

    /// Whether at levels 7 to 9 the first block of a stream leaves the dictionary out.
    fn skips_dictionary(self) -> bool {
        matches!(self, Family::Klauspost2a | Family::GoFlate2)
    }
}

/// An encoder of a whole stream. None if there is no such level: there are -2, -1 and 0 to 9.
pub fn encoder(family: Family, level: i32) -> Option<Box<dyn Encode>> {
    Some(Box::new(Stream::new(family, level)?))
}

/// A coder and the plain bytes that it needs.
pub(super) struct Stream {
    coder: Coder,
    data: Vec<u8>,
}

impl Stream {
    /// None if there is no such level.
    pub fn new(family: Family, level: i32) -> Option<Stream> {
        let level = if level == -1 { family.default_level() } else { level };
        Some(Stream { coder: Coder::new(family, level)?, data: Vec::new() })
    }

    /// Begins anew, on a byte's border, with the last of these bytes as what came before.
    pub fn restart(&mut self, dictionary: &[u8]) {
        self.data.clear();
        self.data.extend(dictionary);
        self.coder.restart(&self.data);
    }

    /// Begins anew with the last `dictionary` bytes that were written, or fewer.
    pub fn restart_with_last(&mut self, dictionary: usize) {
        let cut = self.data.len().saturating_sub(dictionary);
        self.data.drain(..cut);
        self.coder.restart(&self.data);
    }

    /// Codes all that was written, up to a byte's border.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        self.coder.advance(&self.data, true, out);
        self.coder.flush(out);
    }
}

impl Encode for Stream {
    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        for plain in plain.chunks(TAKEN) {
            self.data.extend(plain);
            self.coder.advance(&self.data, false, out);
            self.data.drain(..self.coder.forget());
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.coder.advance(&self.data, true, out);
        self.coder.close(out);
    }

    fn stop(&mut self, out: &mut Vec<u8>) {
        self.coder.stop(out);
    }
}
