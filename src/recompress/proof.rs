//! The proof that a gzip stream can be made again: it is made, and every byte compared.
//!
//! It reads content that others chose. Withstands: streams without block starts (bounded memory:
//! they are made in one go, or not at all), encoders that differ late, blocks of any length.

use std::collections::VecDeque;

use rayon::prelude::*;

use super::detect::detect;
use super::gzip::{Gzip, GzipError};
use super::name::Encoding;
use super::stretch::{Checkpoint, MAX_STRETCH, Picker, make, reach};
use super::{CONTEXT, Start};
use crate::files::Section;
use crate::oci::read_block;

/// Bytes of a stream that show which encoders may have made it.
const SAMPLE: u64 = 1024 * 1024;
/// Stretches that are made at a time.
const BATCH: usize = 4;
/// Bytes of a gzip trailer (RFC 1952, 2.3.1).
const TRAILER: u64 = 8;

/// How a gzip stream is made again. It was made so once, and every byte was right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The encoder.
    pub encoding: Encoding,
    /// The gzip header.
    pub header: Vec<u8>,
    /// Where the stream can be taken up in the middle.
    pub checkpoints: Vec<Checkpoint>,
}

/// Looks for an encoder that makes `gzip`, one whole member, again; `None` when none does.
///
/// # Errors
/// [`GzipError`] when it is no gzip member or cannot be read.
pub fn prove(gzip: &Section) -> Result<Option<Proof>, GzipError> {
    let mut sample = vec![0; gzip.size().min(SAMPLE) as usize];
    let count = read_block(&mut gzip.clone(), &mut sample).map_err(GzipError::Read)?;
    sample.truncate(count);
    for encoding in detect(&sample, gzip.size() <= SAMPLE) {
        let checkpoints = match in_stretches(&encoding, gzip)? {
            None => in_one_go(&encoding, gzip)?.then(Vec::new),
            proven => proven,
        };
        if let Some(checkpoints) = checkpoints {
            let header = Gzip::new(gzip.clone())?.header().raw().to_vec();
            return Ok(Some(Proof { encoding, header, checkpoints }));
        }
    }
    Ok(None)
}

/// From checkpoint to checkpoint; `None` when some stretch does not come out right by itself.
fn in_stretches(
    encoding: &Encoding,
    layer: &Section,
) -> Result<Option<Vec<Checkpoint>>, GzipError> {
    let Some(picker) = Picker::new(encoding) else { return Ok(None) };
    let mut gzip = Gzip::new(layer.clone())?;
    let deflate = gzip.header().raw().len() as u64;
    let window = Window { start: 0, plain: Vec::new(), whole: false };
    let origin = Checkpoint { plain: 0, bits: 0 };
    let mut walk =
        Walk { encoding, layer, deflate, window, picker, from: origin, ends: VecDeque::new() };
    let mut checkpoints = Vec::new();
    loop {
        match gzip.next()? {
            Some(piece) => walk.window.plain.extend_from_slice(piece),
            None => walk.window.whole = true,
        }
        for block in gzip.blocks() {
            walk.ends.extend(walk.picker.see(*block));
        }
        let batch = walk.ready();
        if walk.window.whole {
            let right = walk.right(&batch)? && walk.right(&[(walk.from, None)])?;
            checkpoints.extend(batch.iter().filter_map(|(_, end)| *end));
            return Ok(right.then_some(checkpoints));
        }
        if !batch.is_empty() {
            if !walk.right(&batch)? {
                return Ok(None);
            }
            checkpoints.extend(batch.iter().filter_map(|(_, end)| *end));
            walk.window.forget(walk.from.plain);
        }
        if walk.window.plain.len() as u64 > 2 * MAX_STRETCH {
            return Ok(None);
        }
    }
}

/// A stretch: where it begins, and where it ends unless that is the end of all.
type Stretch = (Checkpoint, Option<Checkpoint>);

struct Walk<'a> {
    encoding: &'a Encoding,
    layer: &'a Section,
    /// Bytes before the deflate stream.
    deflate: u64,
    window: Window,
    picker: Picker,
    /// All before it is proven.
    from: Checkpoint,
    /// Checkpoints that are not reached yet.
    ends: VecDeque<Checkpoint>,
}

/// Plain bytes from `start` on.
struct Window {
    start: u64,
    plain: Vec<u8>,
    whole: bool,
}

impl Window {
    fn end(&self) -> u64 {
        self.start + self.plain.len() as u64
    }

    /// The bytes from `from` to `to`, as far as they are there.
    fn get(&self, from: u64, to: u64) -> &[u8] {
        let at = |plain: u64| plain.clamp(self.start, self.end()) - self.start;
        &self.plain[at(from) as usize..at(to) as usize]
    }

    /// Nothing before `from` is needed, but for the context.
    fn forget(&mut self, from: u64) {
        let start = from.saturating_sub(CONTEXT as u64).max(self.start);
        self.plain.drain(..(start - self.start) as usize);
        self.start = start;
    }
}

impl Walk<'_> {
    /// The stretches whose plain bytes are all there, once there are enough of them.
    fn ready(&mut self) -> Vec<Stretch> {
        let there = |end: &&Checkpoint| self.window.whole || reach(end.plain) <= self.window.end();
        let count = self.ends.iter().take_while(there).count();
        if count < BATCH && !self.window.whole {
            return Vec::new();
        }
        let mut stretches = Vec::new();
        for end in self.ends.drain(..count) {
            stretches.push((self.from, Some(end)));
            self.from = end;
        }
        stretches
    }

    fn right(&self, stretches: &[Stretch]) -> Result<bool, GzipError> {
        let each = stretches.par_iter().map(|(from, end)| self.comes_out_right(*from, *end));
        each.try_reduce(|| true, |a, b| Ok(a && b))
    }

    fn comes_out_right(
        &self,
        from: Checkpoint,
        end: Option<Checkpoint>,
    ) -> Result<bool, GzipError> {
        let expected = self.expected(from, end).map_err(GzipError::Read)?;
        let before = self.window.get(from.plain.saturating_sub(CONTEXT as u64), from.plain);
        let start = Start { plain: from.plain, bit: (from.bits % 8) as u8, before };
        let to = end.map_or(u64::MAX, |end| reach(end.plain));
        let plain = self.window.get(from.plain, to);
        let whole = self.window.whole && to >= self.window.end();
        let bits = end.map(|end| end.bits - from.bits);
        Ok(make(self.encoding, start, bits, plain, whole).is_some_and(|made| made == expected))
    }

    /// What the layer holds between two checkpoints, other bits cleared.
    fn expected(&self, from: Checkpoint, end: Option<Checkpoint>) -> std::io::Result<Vec<u8>> {
        let start = self.deflate + from.bits / 8;
        let stop =
            end.map_or(self.layer.size() - TRAILER, |end| self.deflate + end.bits.div_ceil(8));
        let mut bytes = vec![0; stop.saturating_sub(start) as usize];
        let count =
            read_block(&mut self.layer.part(start, stop.saturating_sub(start)), &mut bytes)?;
        bytes.truncate(count);
        if let Some(first) = bytes.first_mut() {
            *first &= u8::MAX << (from.bits % 8);
        }
        if let (Some(last), Some(1..)) = (bytes.last_mut(), end.map(|end| end.bits % 8)) {
            *last &= (1 << (end.map_or(0, |end| end.bits) % 8)) - 1;
        }
        Ok(bytes)
    }
}

/// From the front to the end with one encoder.
fn in_one_go(encoding: &Encoding, layer: &Section) -> Result<bool, GzipError> {
    let mut gzip = Gzip::new(layer.clone())?;
    let deflate = gzip.header().raw().len() as u64;
    let rest = layer.part(deflate, (layer.size() - deflate).saturating_sub(TRAILER));
    let (mut comparison, mut encoder) = (Comparison::new(rest), encoding.encoder(0));
    let mut made = Vec::new();
    while let Some(piece) = gzip.next()? {
        encoder.write(piece, &mut made);
        if !comparison.takes(&mut made).map_err(GzipError::Read)? {
            return Ok(false);
        }
    }
    encoder.finish(&mut made);
    Ok(comparison.takes(&mut made).map_err(GzipError::Read)? && comparison.is_complete())
}

/// What is made, held against what there is.
pub(super) struct Comparison {
    rest: Section,
    expected: Vec<u8>,
}

impl Comparison {
    /// Against all of `stream`.
    pub fn new(stream: Section) -> Comparison {
        Comparison { rest: stream, expected: Vec::new() }
    }

    /// Whether the stream goes on with `made`, which is taken.
    pub fn takes(&mut self, made: &mut Vec<u8>) -> std::io::Result<bool> {
        self.expected.resize(made.len(), 0);
        let count = read_block(&mut self.rest, &mut self.expected)?;
        let equal = count == made.len() && *made == self.expected;
        made.clear();
        Ok(equal)
    }

    /// Whether nothing of the stream is left.
    pub fn is_complete(&self) -> bool {
        self.rest.size() == 0
    }
}

#[cfg(test)]
mod tests;
