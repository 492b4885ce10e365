//! The bytes of a chunk index.

use super::{ChunkIndex, FORMAT, Layer, LayerKind, MAX_CHUNKS_SIZE, MAX_INFLATED, MAX_REFERENCES};
use crate::oci::Digest;

/// Identities do not shrink, and higher levels find little more in the rest.
const LEVEL: i32 = 3;

impl ChunkIndex {
    /// The file's bytes; `None` when they would be more than a reader takes: a bundle goes without
    /// an index then.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let runs = self.layers.iter().flat_map(|layer| &layer.runs);
        let references: u64 = runs.map(|run| u64::from(run.end - run.start)).sum();
        let plain = self.inflated();
        if references > MAX_REFERENCES || plain.len() as u64 > MAX_INFLATED {
            return None;
        }
        let bytes = zstd::bulk::compress(&plain, LEVEL).expect("zstd compresses into memory");
        Some(bytes).filter(|bytes| bytes.len() as u64 <= MAX_CHUNKS_SIZE)
    }

    /// What is compressed.
    pub(super) fn inflated(&self) -> Vec<u8> {
        let mut out = FORMAT.to_vec();
        put(&mut out, self.ids.len() as u64);
        self.ids.iter().for_each(|id| out.extend(id.as_bytes()));
        for at in 0..self.ids.len() {
            out.extend((self.chunk(at).length().wrapping_sub(1) as u16).to_le_bytes());
        }
        put(&mut out, self.layers.len() as u64);
        let mut places = Places::default();
        for layer in &self.layers {
            put_head(&mut out, layer);
            for run in &layer.runs {
                put(&mut out, places.code(run.start, run.end));
                put(&mut out, u64::from(run.end - run.start - 1));
            }
        }
        out
    }
}

fn put_head(out: &mut Vec<u8>, layer: &Layer) {
    match &layer.digest {
        Digest::Sha256(value) => out.extend([&[32], &value[..]].concat()),
        Digest::Sha512(value) => out.extend([&[64], &value[..]].concat()),
    }
    match layer.kind {
        LayerKind::Tar => out.push(0),
        LayerKind::Gzip { size } => {
            out.push(1);
            put(out, size);
        }
    }
    put(out, layer.plain);
}

/// LEB128: seven bits a byte, the lowest first, the top bit set in all but the last.
pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// What the starts of runs are told against.
#[derive(Default)]
pub(super) struct Places {
    /// Chunks mentioned so far.
    pub(super) known: u32,
    /// Where the last run of known chunks ended.
    repeat: u32,
}

impl Places {
    /// The code of a run's start.
    fn code(&mut self, start: u32, end: u32) -> u64 {
        let delta = i64::from(start) - i64::from(self.repeat);
        let code = if start == self.known { 0 } else { zigzag(delta) + 1 };
        self.pass(code, end);
        code
    }

    /// The start that `code` means; `None` when there is none such.
    pub(super) fn start(&self, code: u64) -> Option<u32> {
        let Some(delta) = code.checked_sub(1) else { return Some(self.known) };
        let start = i64::from(self.repeat).checked_add(unzigzag(delta))?;
        u32::try_from(start).ok().filter(|start| *start < self.known)
    }

    /// Goes on to behind a run.
    pub(super) fn pass(&mut self, code: u64, end: u32) {
        self.known = self.known.max(end);
        if code > 0 {
            self.repeat = end;
        }
    }
}

fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63) as u64
}

fn unzigzag(code: u64) -> i64 {
    (code >> 1) as i64 ^ -((code & 1) as i64)
}
