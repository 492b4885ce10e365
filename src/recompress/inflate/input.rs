//! Bytes and bits of a stream that somebody else feeds, through a buffer of fixed size.
//!
//! Withstands: a source that gives a byte at a time, ends anywhere, or fails.

use std::io::{self, Read};

use super::InflateError;

/// Bytes of the buffer.
const BUFFER: usize = 128 * 1024;
/// Fewer bytes ahead than this call for more of the source.
const LOW: usize = 64;

/// A reader that can be read by bytes (as [`Read`]) and, for deflate, by bits.
pub struct Input<R> {
    source: R,
    pub(super) buffer: Box<[u8]>,
    /// The first byte that is not among the held bits.
    pub(super) at: usize,
    pub(super) end: usize,
    ended: bool,
    /// Bytes that have left the buffer.
    gone: u64,
    /// Bits taken from the buffer, the next lowest; above `count` they are zero.
    pub(super) bits: u64,
    pub(super) count: u32,
}

impl<R: Read> Input<R> {
    /// Reads `source` from where it stands.
    pub fn new(source: R) -> Input<R> {
        Input {
            source,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            at: 0,
            end: 0,
            ended: false,
            gone: 0,
            bits: 0,
            count: 0,
        }
    }

    /// The next `count` bytes (64 KiB at most), or all that are left. They stay where they are.
    ///
    /// # Errors
    ///
    /// What the source says.
    pub fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        self.unread();
        self.fill(count)?;
        Ok(&self.buffer[self.at..self.end.min(self.at + count)])
    }

    /// Nothing is left.
    ///
    /// # Errors
    ///
    /// What the source says.
    pub fn is_at_end(&mut self) -> io::Result<bool> {
        Ok(self.peek(1)?.is_empty())
    }

    /// Passes over bytes that [`Input::peek`] has shown.
    pub fn skip(&mut self, count: usize) {
        self.at = self.end.min(self.at + count);
    }

    /// Bits that were taken, counted from where the source stood.
    pub(super) fn position(&self) -> u64 {
        (self.gone + self.at as u64) * 8 - u64::from(self.count)
    }

    /// Has `LOW` bytes ahead in the buffer, unless the source ends before.
    #[inline]
    pub(super) fn ready(&mut self) -> io::Result<()> {
        if self.end - self.at < LOW && !self.ended {
            self.unread();
            self.fill(LOW)?;
        }
        Ok(())
    }

    /// Has `wanted` bytes ahead in the buffer, unless the source ends before. No whole byte is
    /// among the held bits.
    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        if self.end - self.at >= wanted {
            return Ok(());
        }
        self.buffer.copy_within(self.at..self.end, 0);
        self.gone += self.at as u64;
        (self.at, self.end) = (0, self.end - self.at);
        while self.end < wanted.min(BUFFER) && !self.ended {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives held bits back to the buffer, by whole bytes.
    fn unread(&mut self) {
        self.at -= (self.count / 8) as usize;
        self.count %= 8;
        self.bits &= (1 << self.count) - 1;
    }

    /// Passes over the bits up to the next byte.
    pub(super) fn align(&mut self) {
        self.unread();
        (self.bits, self.count) = (0, 0);
    }

    /// Holds 57 bits or more, unless the source ends before.
    pub(super) fn refill(&mut self) -> io::Result<()> {
        self.ready()?;
        while self.count <= 56 && self.at < self.end {
            self.bits |= u64::from(self.buffer[self.at]) << self.count;
            self.at += 1;
            self.count += 8;
        }
        Ok(())
    }

    /// Takes up to 16 bits.
    pub(super) fn get(&mut self, count: u32) -> Result<usize, InflateError> {
        if self.count < count {
            self.refill().map_err(InflateError::Read)?;
        }
        let value = self.bits & ((1 << count) - 1);
        self.pass(count)?;
        Ok(value as usize)
    }

    /// Passes over held bits.
    pub(super) fn pass(&mut self, count: u32) -> Result<(), InflateError> {
        self.count = self.count.checked_sub(count).ok_or(InflateError::Truncated)?;
        self.bits >>= count;
        Ok(())
    }
}

impl<R: Read> Read for Input<R> {
    /// From the next whole byte on.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.align();
        self.fill(1)?;
        let read = into.len().min(self.end - self.at);
        into[..read].copy_from_slice(&self.buffer[self.at..self.at + read]);
        self.at += read;
        Ok(read)
    }
}
