//! A stream in stretches: from checkpoint to checkpoint, each made by itself.
//!
//! A checkpoint is the start of a deflate block at which the encoder can be taken up. Stretches of
//! one layer are made side by side, by whoever proves the layer and by whoever makes it again: both
//! do the very same, so what was proven is what will be made.

use super::inflate::BlockStart;
use super::name::{Encoding, Grain};
use super::{LOOK_AHEAD, Start};

/// Plain bytes from one checkpoint to the next, at least.
pub const STRETCH: u64 = 2 * 1024 * 1024;
/// Plain bytes from one checkpoint to the next, at most: a stretch is made in memory.
pub const MAX_STRETCH: u64 = 32 * 1024 * 1024;

/// Where a stream can be taken up in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Plain bytes before it.
    pub plain: u64,
    /// Bits of the compressed stream before it.
    pub bits: u64,
}

/// Picks checkpoints among the block starts of a stream.
#[derive(Debug)]
pub struct Picker {
    grain: Grain,
    last: u64,
    /// May be followed by a later block start at the same plain byte, which is then the one.
    pending: Option<Checkpoint>,
}

impl Picker {
    /// For a stream made by `encoding`; `None` when that cannot be taken up in the middle.
    pub fn new(encoding: &Encoding) -> Option<Picker> {
        Some(Picker { grain: encoding.resumable()?, last: 0, pending: None })
    }

    /// Sees the next block start, and gives a checkpoint once it is settled.
    pub fn see(&mut self, block: BlockStart) -> Option<Checkpoint> {
        let settled = self.pending.take_if(|pending| pending.plain < block.plain);
        if let Some(settled) = settled {
            self.last = settled.plain;
        }
        let fits = match self.grain {
            Grain::AnyBlock => self.pending.is_none(),
            Grain::Plain(every) => block.plain % every == 0,
        };
        if fits && block.plain >= self.last + STRETCH {
            self.pending = Some(Checkpoint { plain: block.plain, bits: block.bits });
        }
        settled
    }
}

/// Makes a stretch: the bits of the stream from `start` on, `bits` of them, or to its end.
///
/// `plain` holds the plain bytes from `start` on: to [`LOOK_AHEAD`] behind the end of the stretch,
/// or to the end of all (`whole`). The first byte holds the bits from `start.bit` on and zeros
/// below; above the last bit are zeros. `None` when the encoder does not make so many bits.
pub fn make(
    encoding: &Encoding,
    start: Start<'_>,
    bits: Option<u64>,
    plain: &[u8],
    whole: bool,
) -> Option<Vec<u8>> {
    let mut encoder = match start.plain {
        0 => encoding.encoder(plain.len() as u64),
        _ => encoding.resume(start)?,
    };
    let mut made = Vec::new();
    encoder.write(plain, &mut made);
    match whole {
        true => encoder.finish(&mut made),
        false => encoder.stop(&mut made),
    }
    let Some(bits) = bits else { return Some(made) };
    let end = u64::from(start.bit) + bits;
    if (made.len() as u64) * 8 < end {
        return None;
    }
    made.truncate(end.div_ceil(8) as usize);
    if let (Some(last), 1..) = (made.last_mut(), end % 8) {
        *last &= (1 << (end % 8)) - 1;
    }
    Some(made)
}

/// How far the plain bytes for a stretch must reach that ends at `end`.
pub fn reach(end: u64) -> u64 {
    end.saturating_add(LOOK_AHEAD as u64)
}
