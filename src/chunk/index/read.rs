//! Reading a chunk index. Only the bytes that the writer makes are taken, compression aside.

use std::io::Read as _;

use super::write::Places;
use super::{
    CHUNK_SIZE, ChunkIndex, ChunkIndexError, FORMAT, Layer, LayerKind, MAX_INFLATED,
    MAX_REFERENCES, Run,
};
use crate::chunk::id::{Chunk, ChunkId};
use crate::oci::Digest;

/// What every zstd decoder must be able to read (RFC 8878, 3.1.1.1.2): 8 MiB.
const MAX_WINDOW_LOG: u32 = 23;

impl ChunkIndex {
    /// Reads the file's bytes.
    ///
    /// # Errors
    /// Every [`ChunkIndexError`].
    pub fn parse(bytes: &[u8]) -> Result<ChunkIndex, ChunkIndexError> {
        ChunkIndex::parse_inflated(&inflate(bytes)?)
    }

    pub(super) fn parse_inflated(plain: &[u8]) -> Result<ChunkIndex, ChunkIndexError> {
        let plain = plain.strip_prefix(FORMAT).ok_or(ChunkIndexError::Format)?;
        let mut reader = Reader { rest: plain };
        let mut index = reader.table()?;
        let mut walk = Walk { places: Places::default(), references: 0 };
        for _ in 0..reader.number()? {
            let layer = reader.layer(&index, &mut walk)?;
            if index.layers.last().is_some_and(|last| last.digest >= layer.digest) {
                return Err(ChunkIndexError::Order(layer.digest));
            }
            index.layers.push(layer);
        }
        if !reader.rest.is_empty() {
            return Err(ChunkIndexError::Trailing);
        }
        if (walk.places.known as usize) < index.ids.len() {
            return Err(ChunkIndexError::Unused);
        }
        index.each_chunk_once()?;
        Ok(index)
    }

    fn each_chunk_once(&self) -> Result<(), ChunkIndexError> {
        let mut chunks: Vec<Chunk> = (0..self.ids.len()).map(|at| self.chunk(at)).collect();
        chunks.sort_unstable();
        match chunks.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(ChunkIndexError::Twice(pair[0].id())),
            None => Ok(()),
        }
    }
}

fn inflate(bytes: &[u8]) -> Result<Vec<u8>, ChunkIndexError> {
    let mut plain = Vec::new();
    let mut read = || {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)?.single_frame();
        decoder.window_log_max(MAX_WINDOW_LOG)?;
        decoder.by_ref().take(MAX_INFLATED + 1).read_to_end(&mut plain)?;
        if plain.len() as u64 > MAX_INFLATED {
            return Err(std::io::Error::other("it inflates past 256 MiB"));
        }
        Ok(decoder.finish())
    };
    match read().map_err(ChunkIndexError::Zstd)? {
        [] => Ok(plain),
        _ => Err(ChunkIndexError::BehindFrame),
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

/// What one layer leaves to the next.
struct Walk {
    places: Places,
    references: u64,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], ChunkIndexError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(ChunkIndexError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, ChunkIndexError> {
        Ok(self.take(1)?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ChunkIndexError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(ChunkIndexError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// A number up to 2^63 - 1, in no more bytes than it takes.
    fn number(&mut self) -> Result<u64, ChunkIndexError> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte == 0 && shift > 0 {
                return Err(ChunkIndexError::Number);
            }
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(ChunkIndexError::Number)
    }

    /// The chunks, without layers yet.
    fn table(&mut self) -> Result<ChunkIndex, ChunkIndexError> {
        let count = usize::try_from(self.number()?).map_err(|_| ChunkIndexError::Truncated)?;
        if count > self.rest.len() / CHUNK_SIZE {
            return Err(ChunkIndexError::Truncated);
        }
        let (ids, lengths) = (self.take(count * ChunkId::SIZE)?, self.take(count * 2)?);
        let mut index = ChunkIndex {
            ids: Vec::with_capacity(count),
            starts: Vec::with_capacity(count + 1),
            layers: Vec::new(),
        };
        index.starts.push(0);
        for (id, length) in ids.chunks_exact(ChunkId::SIZE).zip(lengths.chunks_exact(2)) {
            let id = ChunkId::from_bytes(id.try_into().expect("chunks of sixteen"));
            let length = u32::from(u16::from_le_bytes([length[0], length[1]])) + 1;
            index.push(Chunk::new(id, length));
        }
        Ok(index)
    }

    fn layer(&mut self, index: &ChunkIndex, walk: &mut Walk) -> Result<Layer, ChunkIndexError> {
        let digest = match self.byte()? {
            32 => Digest::Sha256(self.array()?),
            64 => Digest::Sha512(self.array()?),
            length => return Err(ChunkIndexError::DigestLength(length)),
        };
        let kind = match self.byte()? {
            0 => LayerKind::Tar,
            1 => LayerKind::Gzip { size: self.number()? },
            kind => return Err(ChunkIndexError::Kind(digest, kind)),
        };
        let plain = self.number()?;
        let mut layer = Layer { digest, kind, plain, runs: Vec::new() };
        let mut left = plain;
        while left > 0 {
            let run = self.run(index, walk, &layer)?;
            let length = index.run_length(run);
            left = left.checked_sub(length).ok_or(ChunkIndexError::Run(digest))?;
            layer.runs.push(run);
        }
        Ok(layer)
    }

    fn run(
        &mut self,
        index: &ChunkIndex,
        walk: &mut Walk,
        layer: &Layer,
    ) -> Result<Run, ChunkIndexError> {
        let wrong = || ChunkIndexError::Run(layer.digest);
        let (code, more) = (self.number()?, self.number()?);
        let start = walk.places.start(code).ok_or_else(wrong)?;
        let end =
            more.checked_add(u64::from(start) + 1).filter(|end| *end <= index.ids.len() as u64);
        let end = end.ok_or_else(wrong)? as u32;
        // It would be part of the run before.
        if layer.runs.last().is_some_and(|last| last.end == start) {
            return Err(wrong());
        }
        walk.references += more + 1;
        if walk.references > MAX_REFERENCES {
            return Err(ChunkIndexError::TooMany);
        }
        walk.places.pass(code, end);
        Ok(Run { start, end })
    }
}
