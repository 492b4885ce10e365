//! Telling which encoder made a compressed stream, and making that stream again, byte for byte.
//!
//! Each encoder family has its own file and a frozen name: what it gives for a name, a level and
//! an input never changes again, for bundles name it. Facts about the originals:
//! `formats/recompress.md`.

mod bits;
mod deflate;
mod detect;
pub mod gnugzip;
pub mod go;
mod gzip;
mod header;
mod inflate;
pub mod klauspost;
pub mod libzstd;
mod merge;
mod name;
pub mod pgzip;
pub mod pigz;
mod proof;
mod signs;
mod stream;
mod stretch;
#[cfg(test)]
mod tests;
pub mod zlib;

pub use bits::BitWriter;
pub use detect::detect;
pub use gzip::{Gzip, GzipError, Header, MAX_HEADER, trailer};
pub use inflate::{BlockStart, Inflate, InflateError, Input};
pub use name::{Encoding, Grain, UnknownEncoding};
pub use proof::{Proof, prove};
pub use stream::StreamError;
pub use stretch::{Checkpoint, MAX_STRETCH, make, reach};

/// Plain bytes that [`Start::before`] needs at most.
pub const CONTEXT: usize = 32 * 1024;
/// How far an encoder may look ahead, in plain bytes: see [`Encode::write`].
pub const LOOK_AHEAD: usize = 128 * 1024;

/// An encoder in mid-stream: plain bytes in, a raw deflate stream (RFC 1951) or a zstd frame out.
///
/// Its memory is bounded by the family's window, whatever the length of the stream.
pub trait Encode: Send {
    /// Takes the next plain bytes, in pieces of any size, and appends what is settled of the
    /// stream to `out`. The bytes of `out` do not depend on the sizes of the pieces. Every deflate
    /// block that ends [`LOOK_AHEAD`] or more before what was written is settled.
    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>);

    /// The plain bytes end here: appends the rest of the stream.
    fn finish(&mut self, out: &mut Vec<u8>);

    /// The stream is wanted no further: appends the bits of settled blocks that are still held,
    /// filled up to a byte by zeros. Nothing may be written afterwards.
    fn stop(&mut self, out: &mut Vec<u8>);
}

/// Where an encoder takes up a stream in the middle: at the start of a deflate block.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// Plain bytes before it.
    pub plain: u64,
    /// Its bit in its byte, 0 to 7. The lower bits of the first byte that comes out are zero.
    pub bit: u8,
    /// The last plain bytes before it: [`CONTEXT`] of them, or all.
    pub before: &'a [u8],
}
