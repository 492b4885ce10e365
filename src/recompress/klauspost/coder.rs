//! One stream of klauspost's: plain bytes cut into pieces, each made a block.

use super::Family;
use super::block::Blocks;
use super::chains::Chains;
use super::fast::{Find, Piece};
use super::one_table::{LevelOne, LevelTwo, Three};
use super::tokens::{MOST, Tokens};
use super::two_tables::{Five, Four};

/// The original's history, in bytes: pieces are added until the next does not fit.
const HISTORY: usize = 5 * MOST;
/// What is kept of a full history.
const KEPT: usize = 32_768;
/// Pieces of literals at level -2.
const LITERALS: usize = 32_768;

/// How a level makes tokens.
enum Kind {
    Stored,
    Literals,
    Fast(Box<dyn Find>),
    Chains(Box<Chains>),
}

/// Codes a stream whose plain bytes are held by the caller.
pub struct Coder {
    kind: Kind,
    blocks: Blocks,
    tokens: Tokens,
    /// Up to here all is coded (levels -2 to 6).
    at: usize,
    /// Where the original's history begins.
    base: usize,
}

impl Coder {
    /// None if there is no such level.
    pub fn new(family: Family, level: i32) -> Option<Coder> {
        let exact = family.has_exact_tables();
        let (kind, penalty) = match level {
            -2 => (Kind::Literals, 10),
            0 => (Kind::Stored, 7),
            7..=9 => (Kind::Chains(Box::new(Chains::new(family, level))), 8),
            _ => (Kind::Fast(finder(family, level)?), 7),
        };
        let (blocks, tokens) = (Blocks::new(exact, penalty), Tokens::new());
        Some(Coder { kind, blocks, tokens, at: 0, base: 0 })
    }

    /// Begins anew, on a byte's border, with `data` as what came before.
    pub fn restart(&mut self, data: &[u8]) {
        (self.at, self.base) = (data.len(), 0);
        match &mut self.kind {
            Kind::Fast(finder) => {
                finder.clear();
                finder.find(&Piece { data, base: 0, start: 0 }, &mut self.tokens);
                self.tokens.clear();
            }
            Kind::Chains(chains) => chains.restart(data),
            Kind::Stored | Kind::Literals => {}
        }
    }

    /// Codes what is complete of `data`; if `last`, all of it, and leaves no table open.
    pub fn advance(&mut self, data: &[u8], last: bool, out: &mut Vec<u8>) {
        let piece = match &mut self.kind {
            Kind::Chains(chains) => {
                return chains.advance(data, last, &mut self.tokens, &mut self.blocks, out);
            }
            Kind::Literals => LITERALS,
            Kind::Stored | Kind::Fast(_) => MOST,
        };
        // A full piece waits for the next byte: it may be the last.
        while self.at + piece < data.len() || last && self.at < data.len() {
            let end = data.len().min(self.at + piece);
            self.piece(&data[..end], last && end == data.len(), out);
            self.at = end;
        }
    }

    /// Fills up a byte; all is coded, as the last.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        self.blocks.flush(out);
    }

    /// Codes the piece that follows `at`.
    fn piece(&mut self, data: &[u8], last: bool, out: &mut Vec<u8>) {
        let raw = &data[self.at..];
        let Kind::Fast(finder) = &mut self.kind else {
            return match self.kind {
                Kind::Stored => self.blocks.stored(raw, out),
                _ => self.blocks.literals(raw, last, out),
            };
        };
        if data.len() - self.base > HISTORY {
            self.base = self.at - KEPT;
        }
        match raw.len() {
            ..=32 => return self.blocks.stored(raw, out),
            33..128 => return self.blocks.literals(raw, last, out),
            _ => finder.find(&Piece { data, base: self.base, start: self.at }, &mut self.tokens),
        }
        if self.tokens.matches().is_empty() {
            self.blocks.stored(raw, out);
        } else if self.tokens.count() > raw.len() - raw.len() / 16 {
            self.blocks.literals(raw, last, out);
        } else {
            self.blocks.table(&self.tokens, Some(raw), last, out);
        }
        self.tokens.clear();
    }

    /// Ends the stream, all of which is coded.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        self.blocks.close(out);
    }

    /// See [`Encode::stop`](crate::recompress::Encode::stop).
    pub fn stop(&mut self, out: &mut Vec<u8>) {
        self.blocks.align(out);
    }

    /// How many bytes at the front of the data are needed no more. They must be dropped.
    pub fn forget(&mut self) -> usize {
        let by = match &mut self.kind {
            Kind::Fast(finder) => {
                finder.shift(self.base);
                self.base
            }
            Kind::Chains(chains) => return chains.forget(),
            Kind::Stored | Kind::Literals => self.at,
        };
        self.base -= self.base.min(by);
        self.at -= by;
        by
    }
}

fn finder(family: Family, level: i32) -> Option<Box<dyn Find>> {
    Some(match level {
        1 => Box::new(LevelOne::new()),
        2 => Box::new(LevelTwo::new()),
        3 => Box::new(Three::new()),
        4 => Box::new(Four::new(family.measures_astray())),
        5 => Box::new(Five::<false>::new()),
        6 => Box::new(Five::<true>::new()),
        _ => return None,
    })
}
