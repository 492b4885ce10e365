//! `zstd-1.5.7`: what libzstd 1.5.7 makes of plain bytes, one frame (RFC 8878) with all of them.
//!
//! The library itself makes it: the build has its C source, of that very version. Its output
//! depends on nothing but the plain bytes and what [`Manner`] says; not on the sizes of writes, nor
//! on how many threads work beside the caller's. What that means in calls: `formats/recompress.md`.

mod frame;
mod proof;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd::zstd_safe::{self, CCtx, CParameter, InBuffer, OutBuffer};

use super::Encode;

pub use frame::{Frame, ZstdError};
pub use proof::prove;

/// The library whose output has the name, as it numbers itself.
const VERSION: u32 = 10_507;
/// Levels that are made. Beyond them a layer takes up to 1 GiB of memory.
pub(super) const LEVELS: RangeInclusive<u8> = 1..=19;
/// Plain bytes of a write: the largest block, as the `zstd` tool reads them.
const WRITE: usize = 128 * 1024;

/// How a frame is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// The level, 1 to 19.
    pub level: u8,
    /// In jobs, as the `zstd` tool does it unless told otherwise.
    pub workers: bool,
    /// A checksum stands at the end.
    pub checksum: bool,
    /// The number of plain bytes was known from the start, and stands in the header.
    pub size: bool,
}

impl Manner {
    /// Whether a frame can be made so.
    pub(super) fn is_known(self) -> bool {
        LEVELS.contains(&self.level) && zstd_safe::version_number() == VERSION
    }
}

/// The encoder, at the start of a frame of so many `plain` bytes.
pub fn encoder(manner: Manner, plain: u64) -> Box<dyn Encode> {
    let mut context = CCtx::create();
    let mut set = |parameter| {
        context.set_parameter(parameter).expect("libzstd 1.5.7 has the parameter");
    };
    set(CParameter::CompressionLevel(i32::from(manner.level)));
    set(CParameter::ChecksumFlag(manner.checksum));
    // One worker, since more would give the same bytes and take more memory.
    set(CParameter::NbWorkers(u32::from(manner.workers)));
    let size = manner.size.then_some(plain);
    context.set_pledged_src_size(size).expect("a new frame takes any size");
    Box::new(Encoder { context, size: manner.size, held: Vec::with_capacity(WRITE) })
}

struct Encoder {
    context: CCtx<'static>,
    size: bool,
    /// Plain bytes of the write to come: the last one is another than those before.
    held: Vec<u8>,
}

impl Encoder {
    /// Hands over what is held, and appends what comes until the library is done with `directive`.
    fn run(&mut self, directive: ZSTD_EndDirective, out: &mut Vec<u8>) {
        let mut input = InBuffer::around(&self.held);
        loop {
            out.reserve(CCtx::out_size());
            let before = out.len();
            let mut output = OutBuffer::around_pos(out, before);
            let left = self.context.compress_stream2(&mut output, &mut input, directive);
            let left = left.expect("libzstd compresses while there is memory");
            if match directive {
                ZSTD_EndDirective::ZSTD_e_continue => input.pos() == self.held.len(),
                ZSTD_EndDirective::ZSTD_e_flush | ZSTD_EndDirective::ZSTD_e_end => left == 0,
            } {
                break;
            }
        }
        self.held.clear();
    }
}

impl Encode for Encoder {
    fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        while !plain.is_empty() {
            if self.held.len() == WRITE {
                self.run(ZSTD_EndDirective::ZSTD_e_continue, out);
            }
            let (now, later) = plain.split_at(plain.len().min(WRITE - self.held.len()));
            self.held.extend_from_slice(now);
            plain = later;
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.size && !self.held.is_empty() {
            self.run(ZSTD_EndDirective::ZSTD_e_continue, out);
        }
        self.run(ZSTD_EndDirective::ZSTD_e_end, out);
    }

    fn stop(&mut self, out: &mut Vec<u8>) {
        self.run(ZSTD_EndDirective::ZSTD_e_flush, out);
    }
}
