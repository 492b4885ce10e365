//! What the blocks of a deflate stream look like, from which its encoder can be told.
//!
//! Withstands what the inflater does; reads a bounded part of the stream.

use super::inflate::{Codes, InflateError, Input, Kind, Token};

/// Tokens that are looked at, at most; a block counts for some.
const MAX_TOKENS: u64 = 1 << 20;
const TOKENS_A_BLOCK: u64 = 64;

/// The first blocks of a stream.
#[derive(Debug, Default)]
pub(super) struct Signs {
    pub(super) blocks: Vec<Block>,
    /// A match of three bytes.
    pub(super) has_three: bool,
    /// A match of four bytes, from more than 4,096 bytes before.
    pub(super) has_far_four: bool,
    /// The largest distance.
    pub(super) farthest: usize,
}

/// A block, or the part of it that was read.
#[derive(Debug)]
pub(super) struct Block {
    /// Plain bytes before it.
    pub(super) start: u64,
    /// Plain bytes in it.
    pub(super) plain: u64,
    /// Literals and matches; none in a stored block.
    pub(super) tokens: u64,
    pub(super) shape: Shape,
    /// Marked as the last of the stream.
    pub(super) last: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Stored,
    Fixed,
    /// How many lengths of literals and of distances were sent.
    Dynamic(usize, usize),
}

impl Block {
    /// Plain bytes before its end.
    pub(super) fn end(&self) -> u64 {
        self.start + self.plain
    }

    /// Empty and stored, in mid-stream: what a flush leaves.
    fn is_marker(&self) -> bool {
        self.plain == 0 && !self.last && self.shape == Shape::Stored
    }
}

impl Signs {
    /// Reads the front of a stream as far as it is good.
    pub(super) fn read(stream: &[u8]) -> Signs {
        let (mut signs, mut codes) = (Signs::default(), Codes::new(false));
        let (mut input, mut seen) = (Input::new(stream), 0);
        while seen < MAX_TOKENS && signs.last().is_none() {
            let Ok(()) = signs.block(&mut input, &mut codes, MAX_TOKENS - seen) else { break };
            seen += TOKENS_A_BLOCK + signs.blocks.last().map_or(0, |block| block.tokens);
        }
        signs
    }

    fn block(
        &mut self,
        input: &mut Input<&[u8]>,
        codes: &mut Codes,
        most: u64,
    ) -> Result<(), InflateError> {
        let header = input.header()?;
        let start = self.blocks.last().map_or(0, Block::end);
        let shape = match &header.kind {
            Kind::Stored(_) => Shape::Stored,
            Kind::Fixed => Shape::Fixed,
            Kind::Dynamic(lengths) => Shape::Dynamic(lengths.literals, lengths.distances),
        };
        let mut block = Block { start, plain: 0, tokens: 0, shape, last: header.last };
        let read = match header.kind {
            Kind::Stored(length) => input.peek(length).map_err(InflateError::Read).map(<[u8]>::len),
            Kind::Fixed => codes.set_fixed().map(|()| 0),
            Kind::Dynamic(lengths) => codes.set_dynamic(&lengths).map(|()| 0),
        }?;
        input.skip(read);
        block.plain = read as u64;
        let ended = if shape == Shape::Stored {
            Ok(())
        } else {
            self.tokens(input, codes, &mut block, most)
        };
        self.blocks.push(block);
        ended
    }

    fn tokens(
        &mut self,
        input: &mut Input<&[u8]>,
        codes: &Codes,
        block: &mut Block,
        most: u64,
    ) -> Result<(), InflateError> {
        while block.tokens < most {
            match input.token(codes)? {
                Token::End => break,
                Token::Literal(_) => block.plain += 1,
                Token::Match { length, distance } => {
                    block.plain += length as u64;
                    self.has_three |= length == 3;
                    self.has_far_four |= length == 4 && distance > 4096;
                    self.farthest = self.farthest.max(distance);
                }
            }
            block.tokens += 1;
        }
        Ok(())
    }

    /// The last block of the stream, if it was reached.
    pub(super) fn last(&self) -> Option<&Block> {
        self.blocks.last().filter(|block| block.last)
    }

    /// The first block with codes that ended because it was full: more bytes follow.
    pub(super) fn full(&self) -> Option<&Block> {
        let coded = |block: &&Block| block.shape != Shape::Stored && block.plain > 0;
        let full = self.blocks.iter().find(coded)?;
        (self.plain() > full.end()).then_some(full)
    }

    /// Plain bytes that were seen.
    pub(super) fn plain(&self) -> u64 {
        self.blocks.last().map_or(0, Block::end)
    }

    /// Plain bytes before the first flush marker: an empty stored block that is not the last.
    pub(super) fn marker(&self) -> Option<u64> {
        self.blocks.iter().find(|block| block.is_marker()).map(|block| block.start)
    }

    /// A block ends at each multiple of `size` plain bytes that was seen.
    pub(super) fn are_cut_at(&self, size: u64) -> bool {
        let cuts = (1..).map(|time| time * size).take_while(|cut| *cut < self.plain());
        let ends = |cut: u64| self.blocks.binary_search_by_key(&cut, Block::end).is_ok();
        cuts.into_iter().all(ends)
    }

    /// The smallest such size, in KiB's worth of bytes and from `least` on, if any is seen.
    pub(super) fn cut(&self, least: u64) -> Option<u64> {
        let ends = self.blocks.iter().map(Block::end);
        ends.filter(|end| *end >= least && end % 1024 == 0 && *end < self.plain())
            .find(|end| self.are_cut_at(*end))
    }
}
