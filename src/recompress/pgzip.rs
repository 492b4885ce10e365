//! Streams of klauspost/pgzip (`pgzip-1`): blocks of equal size, each coded by itself after the
//! end of the one before, and joined at bytes' borders. See `formats/recompress.md`.

use super::klauspost::{Family, Stream};
use super::{Encode, Start};

/// Bytes of the block before that a block may refer to.
const DICTIONARY: usize = 16 * 1024;

struct Encoder {
    stream: Stream,
    block: usize,
    /// Bytes that the current block still lacks.
    left: usize,
}

/// An encoder of a whole stream, in blocks of `block` bytes, over `family` at `level`. None if
/// there is no such level or the block is not larger than 16 KiB: the original takes none.
pub fn encoder(family: Family, level: i32, block: usize) -> Option<Box<dyn Encode>> {
    let stream = Stream::new(family, level)?;
    (block > DICTIONARY).then(|| Box::new(Encoder { stream, block, left: block }) as _)
}

/// As [`encoder`], from the start of a block on. None also if `start` is not that, or what comes
/// before it is missing.
pub fn resume(family: Family, level: i32, block: usize, start: Start) -> Option<Box<dyn Encode>> {
    let mut stream = Stream::new(family, level)?;
    if block <= DICTIONARY || start.plain % block as u64 != 0 || start.bit != 0 {
        return None;
    }
    if start.plain > 0 {
        let from = start.before.len().checked_sub(DICTIONARY)?;
        stream.restart(&start.before[from..]);
    }
    Some(Box::new(Encoder { stream, block, left: block }))
}

impl Encode for Encoder {
    fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        while plain.len() >= self.left {
            let (end, rest) = plain.split_at(self.left);
            self.stream.write(end, out);
            self.stream.flush(out);
            self.stream.restart_with_last(DICTIONARY);
            (plain, self.left) = (rest, self.block);
        }
        self.stream.write(plain, out);
        self.left -= plain.len();
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.stream.flush(out);
        self.stream.finish(out);
    }

    fn stop(&mut self, out: &mut Vec<u8>) {
        self.stream.stop(out);
    }
}
