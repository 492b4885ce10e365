//! The proof that a zstd frame can be made again: it is made, and every byte compared.
//!
//! It reads content that others chose. Withstands what [`Frame`] does, and frames that agree with
//! many levels for long (few are tried to the end).

use super::frame::Header;
use super::{Frame, LEVELS, Manner, WRITE, ZstdError, encoder};
use crate::files::Section;
use crate::oci::read_block;
use crate::recompress::name::{Encoding, Form};
use crate::recompress::proof::{Comparison, Proof};

/// Plain bytes that a level is tried with: what the library takes at once within a job.
const SAMPLE: usize = 4 * WRITE;
/// Frames that are made from end to end, at most.
const MAX_WHOLE: usize = 4;
/// The tool's level comes first.
const USUAL: u8 = 3;

/// Looks for the way in which libzstd makes `layer`, one whole frame, again; `None` when there is
/// none.
///
/// # Errors
/// [`ZstdError`] when it is no frame or cannot be read.
pub fn prove(layer: &Section) -> Result<Option<Proof>, ZstdError> {
    let front = Front::read(layer)?;
    let mut left = MAX_WHOLE;
    for manner in front.manners() {
        if left > 0 && front.agrees(manner) {
            left -= 1;
            if is_made(manner, layer)? {
                let encoding = Encoding::new(Form::Libzstd(manner));
                let proof =
                    |encoding| Proof { encoding, header: Vec::new(), checkpoints: Vec::new() };
                return Ok(encoding.map(proof));
            }
        }
    }
    Ok(None)
}

/// The front of a frame.
struct Front {
    stream: Vec<u8>,
    plain: Vec<u8>,
    /// The plain bytes are all.
    whole: bool,
    checksum: bool,
    size: Option<u64>,
}

impl Front {
    fn read(layer: &Section) -> Result<Front, ZstdError> {
        let mut frame = Frame::new(layer.clone())?;
        let (header, mut plain) = (frame.header(), Vec::new());
        let whole = loop {
            match frame.next()? {
                Some(piece) if plain.len() <= SAMPLE => plain.extend_from_slice(piece),
                more => break more.is_none() && plain.len() <= SAMPLE,
            }
        };
        plain.truncate(SAMPLE);
        let mut stream = vec![0; layer.size().min(2 * SAMPLE as u64) as usize];
        let count = read_block(&mut layer.clone(), &mut stream).map_err(ZstdError::Read)?;
        stream.truncate(count);
        Ok(Front { stream, plain, whole, checksum: header.checksum, size: header.size })
    }

    /// How it may have been made: in all ways that give the first block.
    fn manners(&self) -> impl Iterator<Item = Manner> {
        let others = LEVELS.filter(|level| *level != USUAL);
        let levels = std::iter::once(USUAL).chain(others);
        let all = levels.flat_map(|level| [true, false].map(|workers| (level, workers)));
        let all = all.map(|(level, workers)| Manner {
            level,
            workers,
            checksum: self.checksum,
            size: self.size.is_some(),
        });
        all.filter(|manner| self.stream.starts_with(first_block(&self.made(*manner, WRITE))))
    }

    fn agrees(&self, manner: Manner) -> bool {
        self.stream.starts_with(&self.made(manner, SAMPLE))
    }

    /// What is made of the first `count` plain bytes.
    fn made(&self, manner: Manner, count: usize) -> Vec<u8> {
        let mut encoder = encoder(manner, self.size.unwrap_or(0));
        let mut made = Vec::new();
        encoder.write(&self.plain[..count.min(self.plain.len())], &mut made);
        match self.whole && count >= self.plain.len() {
            true => encoder.finish(&mut made),
            false => encoder.stop(&mut made),
        }
        made
    }
}

/// The header and the first block of a frame (RFC 8878, 3.1.1.2).
fn first_block(frame: &[u8]) -> &[u8] {
    let Ok(Header { length: header, .. }) = Header::parse(frame) else { return frame };
    let end = match frame.get(header..header + 3) {
        Some(&[a, b, c]) => {
            let number = u32::from_le_bytes([a, b, c, 0]);
            let bytes = if number >> 1 & 3 == 1 { 1 } else { number >> 3 };
            header + 3 + bytes as usize
        }
        _ => frame.len(),
    };
    &frame[..end.min(frame.len())]
}

/// Makes the frame from end to end.
fn is_made(manner: Manner, layer: &Section) -> Result<bool, ZstdError> {
    let mut frame = Frame::new(layer.clone())?;
    let mut encoder = encoder(manner, frame.header().size.unwrap_or(0));
    let (mut comparison, mut made) = (Comparison::new(layer.clone()), Vec::new());
    while let Some(piece) = frame.next()? {
        encoder.write(piece, &mut made);
        if !comparison.takes(&mut made).map_err(ZstdError::Read)? {
            return Ok(false);
        }
    }
    encoder.finish(&mut made);
    Ok(comparison.takes(&mut made).map_err(ZstdError::Read)? && comparison.is_complete())
}
