//! Content that is counted as it is read.

use std::cell::Cell;
use std::io;

use crate::report::Progress;

/// Tells of every byte, and adds them up.
pub(super) struct Counted<'a, R> {
    pub(super) inner: R,
    pub(super) progress: &'a dyn Progress,
    pub(super) read: &'a Cell<u64>,
}

impl<R: io::Read> io::Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.progress.advance(count as u64);
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}
