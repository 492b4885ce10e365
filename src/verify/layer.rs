//! Making one layer: plain bytes by the recipe, then the encoder that made it once.
//!
//! Where the encoder can be taken up at checkpoints, several stretches are made at a time.
//! Withstands: names of encoders that are none, checkpoints so far apart that a stretch would not
//! fit in memory. What comes out is proven by whoever reads it.

use std::io::{self, Read};

use crc32fast::Hasher as Crc;
use rayon::prelude::*;

use super::VerifyError;
use super::recipe::Recipe;
use super::workshop::Workshop;
use crate::bundle::{Coding, Layer};
use crate::recompress::{
    CONTEXT, Checkpoint, Encode, Encoding, MAX_STRETCH, Start, make, reach, trailer,
};

/// Plain bytes that are taken at a time, where there are no checkpoints.
const PIECE: u64 = 1024 * 1024;
/// Stretches that are made at a time, at most: each takes some MiB.
const BATCH: usize = 4;

/// Gives the bytes of a layer from some byte on, unproven. Its errors hold a [`VerifyError`].
pub struct LayerMaker<'a> {
    recipe: Recipe<'a>,
    layer: &'a Layer,
    work: Work,
    ready: Vec<u8>,
    /// Bytes at the front that nobody wants any more; those that are not made yet among them.
    given: usize,
    /// Plain bytes that are worked in, or were passed over.
    plain: u64,
    /// Plain bytes that were passed over: the checksum lacks them.
    passed: u64,
    crc: Crc,
}

enum Work {
    /// The plain bytes are the layer.
    Plain,
    /// From front to back with one encoder; gzip's trailer follows deflate.
    Stream { encoder: Box<dyn Encode>, deflate: bool },
    /// From checkpoint to checkpoint.
    Stretches { encoding: Encoding, points: Vec<Checkpoint>, next: usize },
    /// All has been made.
    Done,
}

impl<'a> LayerMaker<'a> {
    /// Starts to make `layer` from byte `from` on. What stands before is made too, from the nearest
    /// place on at which the encoder can be taken up.
    ///
    /// # Errors
    /// [`VerifyError::Encoder`], [`VerifyError::Recipe`].
    pub fn new(
        workshop: &'a Workshop<'a>,
        layer: &'a Layer,
        from: u64,
    ) -> Result<LayerMaker<'a>, VerifyError> {
        let (ready, work) = match &layer.coding {
            None => (Vec::new(), Work::Plain),
            Some(coding) => (coding.header.clone(), start(layer, coding)?),
        };
        let (recipe, crc) = (Recipe::new(workshop, layer), Crc::new());
        let mut maker =
            LayerMaker { recipe, layer, work, ready, given: 0, plain: 0, passed: 0, crc };
        maker.pass(from);
        Ok(maker)
    }

    /// Goes to byte `from` of the layer, of which nothing is made yet.
    fn pass(&mut self, from: u64) {
        let mut begin = 0;
        match &mut self.work {
            Work::Plain => {
                self.plain = from.min(self.layer.plain);
                begin = from;
            }
            Work::Stretches { points, next, .. } => {
                let header = self.ready.len() as u64;
                let before = |point: &Checkpoint| header + point.bits.div_ceil(8) <= from;
                let at = points.partition_point(before).saturating_sub(1);
                if at > 0 {
                    // Of a byte that two stretches share only one part will be there.
                    begin = header + points[at].bits / 8;
                    (*next, self.passed) = (at, points[at].plain);
                    self.ready.clear();
                }
            }
            Work::Stream { .. } | Work::Done => {}
        }
        self.given = (from - begin) as usize;
    }

    /// The checksum of all plain bytes, those that were passed over among them.
    fn checksum(&self) -> Result<u32, VerifyError> {
        let (mut crc, mut at) = (Crc::new(), 0);
        while at < self.passed {
            let plain = self.recipe.plain(at, self.passed.min(at + PIECE))?;
            crc.update(&plain);
            at += plain.len() as u64;
        }
        crc.combine(&self.crc);
        Ok(crc.finalize())
    }

    /// Makes more; nothing afterwards is the end.
    fn advance(&mut self) -> Result<(), VerifyError> {
        let gone = self.given.min(self.complete());
        self.ready.drain(..gone);
        self.given -= gone;
        match &mut self.work {
            Work::Done => Ok(()),
            Work::Plain => {
                self.ready = self.recipe.plain(self.plain, self.plain + PIECE)?;
                self.plain += self.ready.len() as u64;
                Ok(())
            }
            Work::Stream { encoder, deflate } => {
                let plain = self.recipe.plain(self.plain, self.plain + PIECE)?;
                self.plain += plain.len() as u64;
                self.crc.update(&plain);
                encoder.write(&plain, &mut self.ready);
                if self.plain == self.layer.plain {
                    encoder.finish(&mut self.ready);
                    if *deflate {
                        self.ready.extend(trailer(self.crc.clone().finalize(), self.plain));
                    }
                    self.work = Work::Done;
                }
                Ok(())
            }
            Work::Stretches { .. } => self.stretches(),
        }
    }

    fn stretches(&mut self) -> Result<(), VerifyError> {
        let Work::Stretches { encoding, points, next } = &mut self.work else {
            return Ok(());
        };
        let first = *next;
        *next = points.len().min(first + rayon::current_num_threads().min(BATCH));
        let made = (first..*next)
            .into_par_iter()
            .map(|at| stretch(&self.recipe, self.layer, encoding, points, at))
            .collect::<Result<Vec<_>, _>>()?;
        for (at, (bytes, plain)) in (first..).zip(made) {
            self.crc.update(&plain);
            join(&mut self.ready, &bytes, points[at].bits % 8 != 0);
        }
        // The last byte is whole only when the next stretch has come.
        if *next == points.len() {
            self.ready.extend(trailer(self.checksum()?, self.layer.plain));
            self.work = Work::Done;
        }
        Ok(())
    }

    /// Bytes that can be given away: the last one may be shared with the next stretch.
    fn complete(&self) -> usize {
        match &self.work {
            Work::Stretches { points, next, .. } if *next > 0 => {
                let open = points.get(*next).is_some_and(|point| point.bits % 8 != 0);
                self.ready.len().saturating_sub(usize::from(open))
            }
            _ => self.ready.len(),
        }
    }
}

fn start(layer: &Layer, coding: &Coding) -> Result<Work, VerifyError> {
    let unknown =
        |_| VerifyError::Encoder { layer: layer.blob.digest, name: coding.encoding.clone() };
    let encoding: Encoding = coding.encoding.parse().map_err(unknown)?;
    if coding.checkpoints.is_empty() {
        let encoder = encoding.encoder(layer.plain);
        return Ok(Work::Stream { encoder, deflate: encoding.is_deflate() });
    }
    let given = coding.checkpoints.iter().map(|(plain, bits)| (*plain, *bits));
    let points: Vec<Checkpoint> = std::iter::once((0, 0))
        .chain(given)
        .map(|(plain, bits)| Checkpoint { plain, bits })
        .collect();
    let ends = points[1..].iter().map(|point| point.plain).chain([layer.plain]);
    let mut lengths = points.iter().zip(ends).map(|(point, end)| end - point.plain);
    if lengths.any(|length| length > 3 * MAX_STRETCH) {
        let what = "its checkpoints are too far apart";
        return Err(VerifyError::Recipe { layer: layer.blob.digest, what });
    }
    Ok(Work::Stretches { encoding, points, next: 0 })
}

/// Makes the stretch from `points[at]` on; with its plain bytes.
fn stretch(
    recipe: &Recipe<'_>,
    layer: &Layer,
    encoding: &Encoding,
    points: &[Checkpoint],
    at: usize,
) -> Result<(Vec<u8>, Vec<u8>), VerifyError> {
    let (point, end) = (points[at], points.get(at + 1));
    let to = end.map_or(layer.plain, |end| reach(end.plain));
    let front = point.plain.saturating_sub(CONTEXT as u64);
    let mut plain = recipe.plain(front, to)?;
    let (before, own) = plain.split_at((point.plain - front) as usize);
    let start = Start { plain: point.plain, bit: (point.bits % 8) as u8, before };
    let bits = end.map(|end| end.bits - point.bits);
    let made = make(encoding, start, bits, own, to >= layer.plain);
    let what = "a stretch does not come to its end";
    let made = made.ok_or(VerifyError::Recipe { layer: layer.blob.digest, what })?;
    let length = end.map_or(layer.plain, |end| end.plain) - point.plain;
    plain.drain(..before.len());
    plain.truncate(length as usize);
    Ok((made, plain))
}

/// Adds a stretch; its first byte may be shared with what stands before.
fn join(ready: &mut Vec<u8>, stretch: &[u8], shared: bool) {
    match (ready.last_mut(), stretch.split_first()) {
        (Some(last), Some((first, rest))) if shared => {
            *last |= first;
            ready.extend_from_slice(rest);
        }
        _ => ready.extend_from_slice(stretch),
    }
}

impl Read for LayerMaker<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given >= self.complete() && !self.ended() {
            self.advance().map_err(io::Error::other)?;
        }
        let there = self.complete();
        self.given = self.given.min(there);
        let count = buffer.len().min(there - self.given);
        buffer[..count].copy_from_slice(&self.ready[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

impl LayerMaker<'_> {
    fn ended(&self) -> bool {
        match self.work {
            Work::Done => true,
            Work::Plain => self.plain == self.layer.plain,
            Work::Stream { .. } | Work::Stretches { .. } => false,
        }
    }
}
