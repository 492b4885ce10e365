//! The parts of a deflate stream, one by one (RFC 1951, 3.2.3).
//!
//! Withstands what `inflate/codes.rs` does; stored lengths that contradict themselves; an end
//! anywhere.

use std::io::Read;

use super::InflateError;
use super::codes::{Codes, Lengths};
use super::input::Input;

/// What a block begins with.
pub(in super::super) struct Header {
    pub last: bool,
    pub kind: Kind,
}

/// How a block is coded.
pub(in super::super) enum Kind {
    /// So many bytes as they are.
    Stored(usize),
    Fixed,
    Dynamic(Box<Lengths>),
}

impl<R: Read> Input<R> {
    /// Reads the front of a block.
    pub(in super::super) fn header(&mut self) -> Result<Header, InflateError> {
        let last = self.get(1)? == 1;
        let kind = match self.get(2)? {
            0 => Kind::Stored(self.stored_length()?),
            1 => Kind::Fixed,
            2 => Kind::Dynamic(Box::new(Lengths::read(self)?)),
            _ => return Err(InflateError::BlockType),
        };
        Ok(Header { last, kind })
    }

    fn stored_length(&mut self) -> Result<usize, InflateError> {
        self.align();
        let (length, complement) = (self.get(16)?, self.get(16)?);
        if length ^ complement != 0xffff {
            return Err(InflateError::StoredLength);
        }
        Ok(length)
    }

    /// Reads the next token of a coded block.
    pub(in super::super) fn token(&mut self, codes: &Codes) -> Result<Token, InflateError> {
        self.refill()?;
        let entry = codes.long_literal(codes.literal(self.bits), self.bits);
        let bits = self.bits;
        if entry.literals() > 0 {
            self.pass(entry.code_bits())?;
            return Ok(Token::Literal(entry.pair()[0]));
        }
        self.pass(entry.bits())?;
        if entry.is_end() {
            return Ok(Token::End);
        }
        let distance = codes.long_distance(codes.distance(self.bits), self.bits);
        if entry.is_special() || distance.is_special() {
            return Err(InflateError::Symbol);
        }
        let found = Token::Match { length: entry.value(bits), distance: distance.value(self.bits) };
        self.pass(distance.bits())?;
        Ok(found)
    }
}

/// A literal, a match, or the end of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Token {
    Literal(u8),
    Match { length: usize, distance: usize },
    End,
}
