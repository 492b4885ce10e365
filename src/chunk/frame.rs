//! Frames: plain bytes compressed on their own by zstd, so that each can be read without others.
//!
//! Withstands: bombs (output stops at the stated length), long windows (the window is the content),
//! dictionaries, several frames, frames to be skipped, bytes behind a frame. Source: RFC 8878.
//! Normative text: `formats/chunks.md`.

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{self, CParameter};

/// Plain bytes of the largest frame.
pub const FRAME: usize = 16 * 1024 * 1024;
const WINDOW_LOG: u32 = FRAME.ilog2();
/// Up to this level long-distance matching pays. On two Debian trees and two Python trees, cut and
/// deduplicated: at level 3 it takes off 3 % of the bytes for a quarter of the speed, which is
/// more than level 4 does for a third; at level 9 it takes off nothing.
const LONG_DISTANCE_LEVEL: i32 = 6;
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// A frame whose window is its content, without checksum and dictionary (RFC 8878, 3.1.1.1.1).
const SINGLE_SEGMENT: u8 = 0x20;

/// Why a frame is refused: the input's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// More plain bytes than a frame may hold.
    #[error("a frame of {0} plain bytes is longer than {FRAME}")]
    TooLong(usize),
    /// It does not begin like a frame of so many plain bytes.
    #[error("not a zstd frame of {0} plain bytes")]
    Header(usize),
    /// zstd cannot read it, or there is not as much in it as stated.
    #[error("the zstd frame is damaged")]
    Damaged,
    /// So many bytes are behind the frame.
    #[error("{0} bytes are behind the zstd frame")]
    Trailing(usize),
}

/// The frame of `plain`, at most [`FRAME`] bytes of it. For one version of libzstd, the same bytes
/// give the same frame.
pub fn compress(plain: &[u8], level: i32) -> Vec<u8> {
    let long = CParameter::EnableLongDistanceMatching(level <= LONG_DISTANCE_LEVEL);
    Compressor::new(level)
        .and_then(|mut compressor| {
            compressor.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
            compressor.set_parameter(long)?;
            compressor.compress(plain)
        })
        .expect("zstd compresses into memory")
}

/// The plain bytes of a frame, which are `plain` many.
///
/// # Errors
/// Every [`FrameError`].
pub fn decompress(bytes: &[u8], plain: usize) -> Result<Vec<u8>, FrameError> {
    if plain > FRAME {
        return Err(FrameError::TooLong(plain));
    }
    if !bytes.starts_with(&header(plain)) {
        return Err(FrameError::Header(plain));
    }
    let length = zstd_safe::find_frame_compressed_size(bytes).map_err(|_| FrameError::Damaged)?;
    if length < bytes.len() {
        return Err(FrameError::Trailing(bytes.len() - length));
    }
    let decompressor = Decompressor::new();
    let read = decompressor.and_then(|mut decompressor| decompressor.decompress(bytes, plain));
    read.ok().filter(|read| read.len() == plain).ok_or(FrameError::Damaged)
}

/// What a frame of `plain` bytes begins with: magic, descriptor, content size in as few bytes as
/// it takes.
fn header(plain: usize) -> Vec<u8> {
    let (flag, size) = match plain {
        ..256 => (0, vec![plain as u8]),
        256..0x1_0100 => (1, ((plain - 256) as u16).to_le_bytes().to_vec()),
        _ => (2, (plain as u32).to_le_bytes().to_vec()),
    };
    [&MAGIC[..], &[flag << 6 | SINGLE_SEGMENT], &size].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::noise;

    const SIZES: [usize; 11] =
        [0, 1, 255, 256, 257, 0xffff, 0x1_00ff, 0x1_0100, 0x2_0001, 5_000_000, FRAME];

    /// Some of it compresses, some does not.
    fn content(size: usize) -> Vec<u8> {
        let mut content = noise(size, 1);
        content.chunks_mut(3000).step_by(2).for_each(|piece| piece.fill(7));
        content
    }

    #[test]
    fn frames_are_read_as_they_were_written() {
        for size in SIZES {
            let plain = content(size);
            for level in [1, 3, 9] {
                let frame = compress(&plain, level);
                assert!(frame.starts_with(&header(size)), "{size}");
                assert_eq!(frame, compress(&plain, level));
                assert_eq!(decompress(&frame, size).as_ref(), Ok(&plain));
            }
        }
    }

    #[test]
    fn a_repeat_is_found_at_the_other_end_of_a_frame() {
        let mut plain = content(FRAME);
        plain.copy_within(..1_000_000, FRAME - 1_000_000);
        let saved = |level| compress(&content(FRAME), level).len() - compress(&plain, level).len();
        assert!(saved(3) > 450_000, "{}", saved(3));
    }

    #[test]
    fn a_frame_has_the_stated_length() {
        for size in SIZES {
            let frame = compress(&content(size), 1);
            for other in [size + 1, size.wrapping_sub(1), 300].into_iter().filter(|n| *n <= FRAME) {
                if other != size {
                    assert_eq!(decompress(&frame, other), Err(FrameError::Header(other)));
                }
            }
        }
        let long = compress(&vec![0; FRAME + 1], 1);
        assert_eq!(decompress(&long, FRAME + 1), Err(FrameError::TooLong(FRAME + 1)));
        assert_eq!(decompress(&long, FRAME), Err(FrameError::Header(FRAME)));
    }

    #[test]
    fn a_bomb_stops_at_the_stated_length() {
        let zeros = compress(&vec![0; FRAME], 1);
        let blocks = &zeros[header(FRAME).len()..];
        for stated in [0, 10, 1000, 0x2_0000] {
            let bomb = [&header(stated), blocks].concat();
            assert_eq!(decompress(&bomb, stated), Err(FrameError::Damaged), "{stated}");
        }
        let few = compress(&[0; 1000], 1);
        let short = [&header(FRAME), &few[header(1000).len()..]].concat();
        assert_eq!(decompress(&short, FRAME), Err(FrameError::Damaged));
    }

    #[test]
    fn nothing_is_behind_a_frame() {
        let frame = compress(b"abc", 3);
        let skipped = [0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9];
        for behind in [&b"x"[..], &frame, &compress(b"", 3), &skipped] {
            let both = [&frame, behind].concat();
            assert_eq!(decompress(&both, 3), Err(FrameError::Trailing(behind.len())));
        }
        assert_eq!(decompress(&[&skipped[..], &frame].concat(), 3), Err(FrameError::Header(3)));
    }

    #[test]
    fn other_forms_of_frames_are_refused() {
        let mut compressor = Compressor::new(3).unwrap();
        compressor.set_parameter(CParameter::ChecksumFlag(true)).unwrap();
        let checksum = compressor.compress(b"abc").unwrap();
        assert_eq!(decompress(&checksum, 3), Err(FrameError::Header(3)));
        // A window beside the content size, 2^20 bytes.
        let window = [&MAGIC[..], &[0x80, 0x50, 3, 0, 0, 0], &[25, 0, 0], b"abc"].concat();
        assert_eq!(zstd::bulk::decompress(&window, 3).unwrap(), b"abc");
        assert_eq!(decompress(&window, 3), Err(FrameError::Header(3)));
    }

    #[test]
    fn damage_never_gives_another_length() {
        let plain = content(20_000);
        let frame = compress(&plain, 3);
        let head = header(plain.len()).len();
        for end in 0..frame.len() {
            let expected =
                if end < head { FrameError::Header(plain.len()) } else { FrameError::Damaged };
            assert_eq!(decompress(&frame[..end], plain.len()), Err(expected), "{end}");
        }
        for bit in 0..8 * frame.len().min(1000) {
            let mut bad = frame.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = decompress(&bad, plain.len()) {
                assert_eq!(read.len(), plain.len());
            }
        }
    }
}
