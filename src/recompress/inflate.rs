//! Reading raw deflate (RFC 1951): the plain bytes, and where its blocks start.
//!
//! Registries feed it bytes that nobody has checked. Withstands: codes that are none (see
//! `inflate/codes.rs`), unknown block types, distances beyond what was written or beyond 32 KiB,
//! stored lengths that contradict themselves, an end anywhere, and output without bound (it is
//! given in pieces; memory does not grow). Whoever collects the pieces has to set a limit.

mod block;
mod codes;
mod input;
#[cfg(test)]
mod tests;

use std::io::{self, Read};

pub(super) use block::{Kind, Token};
pub(super) use codes::Codes;
pub use input::Input;

/// How far back a match may reach, in bytes.
const WINDOW: usize = 32 * 1024;
/// Where a piece ends, in the buffer; what one step writes may run over it.
const FULL: usize = WINDOW + 96 * 1024;
/// The longest match is 258 bytes, written by 16; before it up to six literals and a byte of play.
const BUFFER: usize = FULL + 512;
/// Blocks that may start in one piece.
const MAX_BLOCKS: usize = 4096;

/// Where a deflate block started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockStart {
    /// Plain bytes before it, counted from where the inflater began.
    pub plain: u64,
    /// Bits before it, counted from the first byte that the inflater read.
    pub bits: u64,
}

/// Why a deflate stream cannot be read (on).
#[derive(Debug, thiserror::Error)]
pub enum InflateError {
    /// The source failed.
    #[error("reading failed: {0}")]
    Read(#[from] io::Error),
    /// The source ends before the stream does.
    #[error("the deflate stream is cut off")]
    Truncated,
    /// Block type 3.
    #[error("a deflate block has an unknown type")]
    BlockType,
    /// The length of a stored block and its complement do not agree.
    #[error("a stored block contradicts its length")]
    StoredLength,
    /// More than 286 literals and lengths, or more than 30 distances.
    #[error("a deflate block has too many codes")]
    TooManyCodes,
    /// Lengths of codes that no prefix code has.
    #[error("a deflate block has over-subscribed codes")]
    OverSubscribed,
    /// Lengths of codes that leave codes over.
    #[error("a deflate block has incomplete codes")]
    Incomplete,
    /// A repeat of no length, or past the last.
    #[error("a deflate block repeats lengths of codes that are not there")]
    Repeat,
    /// No code for the end of the block.
    #[error("a deflate block has no code for its end")]
    NoEnd,
    /// A code without a symbol, or a symbol without a meaning.
    #[error("a deflate block uses a code that means nothing")]
    Symbol,
    /// A match that begins before the first byte.
    #[error("a match reaches back before the first byte")]
    Distance,
    /// An error was given before.
    #[error("the deflate stream was given up")]
    GivenUp,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    /// So many bytes as they are.
    Stored(usize),
    Coded,
    End,
    Failed,
}

/// A raw deflate stream being read, in bounded memory (about 300 KiB).
pub struct Inflate<R> {
    input: Input<R>,
    /// Where the stream starts, in bits of `input`, not counting those of [`Inflate::resume`].
    start: u64,
    codes: Codes,
    /// What was written, [`WINDOW`] bytes of it before the present piece.
    buffer: Box<[u8; BUFFER]>,
    /// Where the present piece starts in the buffer.
    from: usize,
    /// Bytes in the buffer.
    out: usize,
    /// Plain bytes that the inflater made, minus `out`; modulo 2^64.
    gone: u64,
    state: State,
    /// The present block is the last.
    last: bool,
    blocks: Vec<BlockStart>,
    /// What to say when the piece before it is read.
    failure: Option<InflateError>,
}

impl<R: Read> Inflate<R> {
    /// Reads the stream that begins with the next byte of `reader`.
    pub fn new(reader: R) -> Inflate<R> {
        Inflate::on(Input::new(reader))
    }

    /// Reads the stream that begins with the next byte of `input`.
    pub fn on(input: Input<R>) -> Inflate<R> {
        Inflate {
            start: input.position(),
            input,
            codes: Codes::new(true),
            buffer: vec![0; BUFFER].into_boxed_slice().try_into().expect("of this size"),
            from: 0,
            out: 0,
            gone: 0,
            state: State::Header,
            last: false,
            blocks: Vec::new(),
            failure: None,
        }
    }

    /// Takes up a stream at the start of a block: in bit `bit` (0 to 7) of the next byte of
    /// `reader`, after plain bytes that end with `window`. Give 32 KiB of them, or all.
    ///
    /// # Errors
    ///
    /// [`InflateError::Read`] and [`InflateError::Truncated`].
    pub fn resume(reader: R, bit: u8, window: &[u8]) -> Result<Inflate<R>, InflateError> {
        let mut inflate = Inflate::new(reader);
        inflate.input.get(u32::from(bit & 7))?;
        let window = &window[window.len().saturating_sub(WINDOW)..];
        inflate.buffer[..window.len()].copy_from_slice(window);
        (inflate.from, inflate.out) = (window.len(), window.len());
        inflate.gone = 0u64.wrapping_sub(inflate.out as u64);
        Ok(inflate)
    }

    /// The next plain bytes (about 96 KiB, fewer at the end, none if many empty blocks came), or
    /// `None` behind the last.
    ///
    /// # Errors
    ///
    /// Every [`InflateError`]; all bytes before the fault have been given.
    // Like an iterator's, but each piece is lent.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<&[u8]>, InflateError> {
        Ok(if self.advance()? { Some(self.piece()) } else { None })
    }

    /// Goes on to the next piece; false behind the last.
    pub(super) fn advance(&mut self) -> Result<bool, InflateError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        self.slide();
        if self.state == State::End {
            return Ok(false);
        }
        if let Err(error) = self.work() {
            self.state = State::Failed;
            if self.out == self.from {
                return Err(error);
            }
            self.failure = Some(error);
        }
        Ok(true)
    }

    /// What [`Inflate::next`] gave last.
    pub fn piece(&self) -> &[u8] {
        &self.buffer[self.from..self.out]
    }

    /// The blocks that started within the last piece, or behind it.
    pub fn blocks(&self) -> &[BlockStart] {
        &self.blocks
    }

    /// Bits of the stream that were read, counted as in [`BlockStart::bits`].
    pub(super) fn bits_read(&self) -> u64 {
        self.input.position() - self.start
    }

    /// What follows the stream, from the next whole byte on; before the end, of no use.
    pub fn into_rest(mut self) -> Input<R> {
        self.input.align();
        self.input
    }

    /// As [`Inflate::into_rest`], lent.
    pub(super) fn rest(&mut self) -> &mut Input<R> {
        self.input.align();
        &mut self.input
    }

    /// Makes room, and keeps what matches may refer to.
    fn slide(&mut self) {
        self.blocks.clear();
        let old = self.out.saturating_sub(WINDOW);
        self.buffer.copy_within(old..self.out, 0);
        self.out -= old;
        self.from = self.out;
        self.gone = self.gone.wrapping_add(old as u64);
    }

    /// Writes until the piece is full or the stream ends.
    fn work(&mut self) -> Result<(), InflateError> {
        while self.out < FULL && self.blocks.len() < MAX_BLOCKS {
            match self.state {
                State::Header => self.header()?,
                State::Stored(left) => self.stored(left)?,
                State::Coded => self.coded()?,
                State::End => break,
                State::Failed => return Err(InflateError::GivenUp),
            }
        }
        Ok(())
    }

    fn header(&mut self) -> Result<(), InflateError> {
        self.blocks.push(BlockStart {
            plain: self.gone.wrapping_add(self.out as u64),
            bits: self.bits_read(),
        });
        let header = self.input.header()?;
        self.last = header.last;
        self.state = match header.kind {
            Kind::Stored(length) => State::Stored(length),
            Kind::Fixed => {
                self.codes.set_fixed()?;
                State::Coded
            }
            Kind::Dynamic(lengths) => {
                self.codes.set_dynamic(&lengths)?;
                State::Coded
            }
        };
        Ok(())
    }

    fn end_block(&mut self) {
        self.state = if self.last { State::End } else { State::Header };
    }

    fn stored(&mut self, left: usize) -> Result<(), InflateError> {
        let room = left.min(FULL - self.out);
        let read = self.input.read(&mut self.buffer[self.out..self.out + room])?;
        if read == 0 && left > 0 {
            return Err(InflateError::Truncated);
        }
        self.out += read;
        self.state = State::Stored(left - read);
        if left == read {
            self.end_block();
        }
        Ok(())
    }

    fn coded(&mut self) -> Result<(), InflateError> {
        self.input.ready()?;
        if self.fast()? {
            self.end_block();
            return Ok(());
        }
        // Near the end of the source, one by one.
        if self.out < FULL {
            match self.input.token(&self.codes)? {
                Token::End => self.end_block(),
                Token::Literal(byte) => {
                    self.buffer[self.out] = byte;
                    self.out += 1;
                }
                Token::Match { length, distance } => {
                    if distance > self.out {
                        return Err(InflateError::Distance);
                    }
                    copy(&mut self.buffer, self.out, distance, length);
                    self.out += length;
                }
            }
        }
        Ok(())
    }

    /// Decodes while there are 16 bytes ahead and room behind; tells whether the block has ended.
    fn fast(&mut self) -> Result<bool, InflateError> {
        let input = &self.input.buffer[..self.input.end];
        let (codes, buffer) = (&self.codes, &mut *self.buffer);
        let (mut at, mut bits, mut count) = (self.input.at, self.input.bits, self.input.count);
        let mut out = self.out;
        let mut ended = Ok(false);
        while out < FULL {
            let Some(ahead) = input.get(at..).and_then(|rest| rest.first_chunk::<16>()) else {
                break;
            };
            // 56 bits or more; those above `count` are right, and are added again next time.
            bits |= word(ahead, 0) << count;
            let taken = ((63 - count) >> 3) as usize;
            count |= 56;

            // Three look-ups of at most 11 bits.
            let mut entry = codes.literal(bits);
            let mut literals = entry.literals();
            if literals > 0 {
                buffer[out..out + 2].copy_from_slice(&entry.pair());
                out += literals;
                (bits, count) = (bits >> entry.bits(), count - entry.bits());
                entry = codes.literal(bits);
                literals = entry.literals();
                if literals > 0 {
                    buffer[out..out + 2].copy_from_slice(&entry.pair());
                    out += literals;
                    (bits, count) = (bits >> entry.bits(), count - entry.bits());
                    entry = codes.literal(bits);
                    literals = entry.literals();
                    if literals > 0 {
                        buffer[out..out + 2].copy_from_slice(&entry.pair());
                        out += literals;
                        (bits, count) = (bits >> entry.bits(), count - entry.bits());
                        at += taken;
                        continue;
                    }
                }
            }
            at += taken;
            bits |= word(ahead, taken) << count;
            at += ((63 - count) >> 3) as usize;
            count |= 56;

            if entry.is_special() {
                entry = codes.long_literal(entry, bits);
                if entry.literals() > 0 {
                    buffer[out] = entry.pair()[0];
                    out += 1;
                    (bits, count) = (bits >> entry.bits(), count - entry.bits());
                    continue;
                }
                if entry.is_special() {
                    if entry.is_end() {
                        (bits, count) = (bits >> entry.bits(), count - entry.bits());
                        ended = Ok(true);
                    } else {
                        ended = Err(InflateError::Symbol);
                    }
                    break;
                }
            }
            // At most 20 bits, and 28 of the distance.
            let length = entry.value(bits);
            (bits, count) = (bits >> entry.bits(), count - entry.bits());
            entry = codes.distance(bits);
            if entry.is_special() {
                entry = codes.long_distance(entry, bits);
                if entry.is_special() {
                    ended = Err(InflateError::Symbol);
                    break;
                }
            }
            let distance = entry.value(bits);
            (bits, count) = (bits >> entry.bits(), count - entry.bits());
            if distance > out {
                ended = Err(InflateError::Distance);
                break;
            }
            copy(buffer, out, distance, length);
            out += length;
        }
        self.out = out;
        (self.input.at, self.input.count) = (at, count);
        self.input.bits = bits & ((1 << count) - 1);
        ended
    }
}

/// Eight of the bytes ahead, from `from` (at most 8) on.
#[inline(always)]
fn word(ahead: &[u8; 16], from: usize) -> u64 {
    let from = from & 7;
    u64::from_le_bytes(ahead[from..from + 8].try_into().expect("eight bytes"))
}

/// Writes `length` bytes (up to 258) at `out`, each the one `distance` before; perhaps more.
#[inline(always)]
fn copy(buffer: &mut [u8; BUFFER], out: usize, distance: usize, length: usize) {
    let from = out - distance;
    if distance >= 16 {
        let mut done = 0;
        while done < length {
            let chunk: [u8; 16] = buffer[from + done..from + done + 16].try_into().expect("16");
            buffer[out + done..out + done + 16].copy_from_slice(&chunk);
            done += 16;
        }
    } else if distance == 1 {
        let byte = buffer[from];
        buffer[out..out + length].fill(byte);
    } else {
        for at in from..from + length {
            buffer[at + distance] = buffer[at];
        }
    }
}
