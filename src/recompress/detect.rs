//! Telling which encoder made a gzip stream: candidates by its looks, then by making it again.
//!
//! Registries feed it bytes that nobody has checked. Withstands what the readers of gzip and
//! deflate do; streams that inflate without end, or agree with many encoders for long (what is
//! read and what is tried has a limit).

use super::gzip::Header;
use super::inflate::{Inflate, InflateError};
use super::klauspost::Family;
use super::name::{Encoding, Form};
use super::pigz::{self, Join};
use super::signs::{Shape, Signs};
use super::zlib::MemLevel;

/// Encodings that are given, at most.
const MAX_FOUND: usize = 8;
/// Plain bytes that are compared, at most: more than the largest usual block.
const MAX_PLAIN: usize = 5 * 256 * 1024;
/// Plain bytes that all candidates together are given, at most.
const MAX_EFFORT: usize = 24 * MAX_PLAIN;
/// Plain bytes between two comparisons.
const PIECE: usize = 16 * 1024;

/// The time that klauspost writes if it is told none.
const KLAUSPOST_TIME: u32 = 0x886e_0900;
/// Blocks of pgzip: its default, and umoci's.
const PGZIP_BLOCKS: [u64; 2] = [1024 * 1024, 256 * 1024];
/// The smallest block of pigz, in bytes.
const PIGZ_LEAST: u64 = 32 * 1024;
/// Levels from the likely to the rare; -2 codes literals only.
const LEVELS: [i32; 11] = [6, 5, 9, 1, 4, 7, 8, 3, 2, 0, -2];

/// The encodings that make the bytes of a gzip file: its first member's deflate stream. `prefix`
/// are its first bytes, best 1 MiB or more; `whole` says that they are all. If the stream ends among
/// them (and has up to 1.25 MiB plain bytes), it is one that makes all of it; else up to eight that
/// make its front, the likeliest first.
///
/// Nothing is an error: a file that cannot be read, or that no encoder here makes, has none.
pub fn detect(prefix: &[u8], whole: bool) -> Vec<Encoding> {
    search(prefix, whole).0
}

/// What [`detect`] gives, and the plain bytes that were given to other encoders.
fn search(prefix: &[u8], whole: bool) -> (Vec<Encoding>, usize) {
    let (mut found, mut effort, mut vain) = (Vec::new(), 0, 0);
    let Ok(header) = Header::parse(prefix) else { return (found, vain) };
    let Some(front) = Front::read(&prefix[header.raw().len()..], whole) else {
        return (found, vain);
    };
    for candidate in candidates(&header, &Signs::read(front.stream)) {
        if found.len() == MAX_FOUND || effort >= MAX_EFFORT {
            break;
        }
        let (agrees, fed) = front.agrees(&candidate);
        effort += fed;
        if agrees {
            found.push(candidate);
            // More could not be said for any other.
            if front.ended {
                break;
            }
        } else {
            vain += fed;
        }
    }
    (found, vain)
}

/// The front of a stream.
struct Front<'a> {
    stream: &'a [u8],
    plain: Vec<u8>,
    /// That is all of it.
    ended: bool,
}

impl Front<'_> {
    /// Inflates the front of `stream`; `None` if it is damaged.
    fn read(stream: &[u8], whole: bool) -> Option<Front<'_>> {
        let (mut inflate, mut plain) = (Inflate::new(stream), Vec::new());
        while plain.len() < MAX_PLAIN {
            match inflate.next() {
                Ok(Some(piece)) => plain.extend_from_slice(piece),
                Ok(None) => {
                    let stream = &stream[..inflate.bits_read().div_ceil(8) as usize];
                    return Some(Front { stream, plain, ended: true });
                }
                Err(InflateError::Truncated) if !whole => break,
                Err(_) => return None,
            }
        }
        Some(Front { stream, plain, ended: false })
    }

    /// Whether an encoder makes this, and how many plain bytes it was given to know.
    fn agrees(&self, encoding: &Encoding) -> (bool, usize) {
        let (mut encoder, mut out) = (encoding.encoder(self.plain.len() as u64), Vec::new());
        let (mut left, mut fed) = (self.stream, 0);
        for piece in self.plain.chunks(PIECE) {
            encoder.write(piece, &mut out);
            fed += piece.len();
            if !self.take(&mut left, &mut out) {
                return (false, fed);
            }
        }
        if self.ended {
            encoder.finish(&mut out);
            return (self.take(&mut left, &mut out) && left.is_empty(), fed);
        }
        // Nothing made is nothing proven.
        (left.len() < self.stream.len(), fed)
    }

    /// Takes `out` off the front of `left`, if it stands there.
    fn take(&self, left: &mut &[u8], out: &mut Vec<u8>) -> bool {
        // Of a stream that goes on, the last byte may lack bits.
        let both = out.len().min(left.len());
        let agrees = out[..both] == left[..both] && (both == out.len() || !self.ended);
        *left = &left[both..];
        out.clear();
        agrees
    }
}

/// Encoders of one kind; their order is of no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Go1,
    Go2,
    Klauspost,
    Pgzip,
    Zlib,
    Gnu,
    Pigz,
}

/// The encodings that may have made a stream, the likeliest first.
fn candidates(header: &Header, signs: &Signs) -> Vec<Encoding> {
    use Kind::*;
    let kinds = match (header.mtime(), header.os()) {
        (KLAUSPOST_TIME, _) => [Pgzip, Klauspost, Go1, Go2, Zlib, Gnu, Pigz],
        (_, 3) => [Gnu, Pigz, Zlib, Go1, Go2, Pgzip, Klauspost],
        _ => [Go1, Go2, Zlib, Pgzip, Klauspost, Gnu, Pigz],
    };
    let first = kinds.iter().flat_map(|kind| forms(*kind, &levels(*kind, header)[..1], signs));
    let others = kinds.iter().flat_map(|kind| forms(*kind, &levels(*kind, header)[1..], signs));
    let all = first.chain(others).filter(|form| fits(*form, signs));
    all.filter_map(Encoding::new).collect()
}

/// The levels of a kind, the likeliest first.
fn levels(kind: Kind, header: &Header) -> Vec<i32> {
    let usual = match (header.xfl(), kind) {
        (2, _) => 9,
        (4, _) => 1,
        (_, Kind::Klauspost | Kind::Pgzip) => 5,
        _ => 6,
    };
    let others = LEVELS.into_iter().filter(|level| *level != usual);
    std::iter::once(usual).chain(others).collect()
}

/// The encodings of a kind at these levels, with all parameters that `signs` suggest.
fn forms(kind: Kind, levels: &[i32], signs: &Signs) -> Vec<Form> {
    const KLAUSPOSTS: [Family; 4] =
        [Family::Klauspost1, Family::Klauspost2, Family::Klauspost1a, Family::Klauspost2a];
    let klauspost = |level| KLAUSPOSTS.map(|family| (family, level));
    let mut forms = Vec::new();
    for level in levels {
        // Nothing but 1 to 9 is a level there.
        let short = u8::try_from(*level).unwrap_or(0);
        match kind {
            Kind::Go1 => forms.push(Form::Go(*level)),
            Kind::Go2 => forms.push(Form::Klauspost(Family::GoFlate2, *level)),
            Kind::Klauspost => {
                forms.extend(
                    klauspost(*level).map(|(family, level)| Form::Klauspost(family, level)),
                );
            }
            Kind::Pgzip => {
                for block in blocks(signs.marker(), &PGZIP_BLOCKS) {
                    let over = |(family, level)| Form::Pgzip(block as usize, family, level);
                    forms.extend(klauspost(*level).map(over));
                }
            }
            Kind::Zlib => {
                forms.extend([MemLevel::Eight, MemLevel::Nine].map(|mem| Form::Zlib(short, mem)));
            }
            Kind::Gnu => forms.extend([false, true].map(|sync| Form::GnuGzip(short, sync))),
            Kind::Pigz => {
                for block in blocks(signs.cut(PIGZ_LEAST), &[pigz::BLOCK]) {
                    let joins = [Join::Dictionary, Join::Single, Join::Independent];
                    forms.extend(joins.map(|join| Form::Pigz(short, block, join)));
                }
            }
        }
    }
    forms
}

/// Sizes of blocks: what the stream shows, and what is usual.
fn blocks(seen: Option<u64>, usual: &[u64]) -> Vec<u64> {
    let mut blocks = usual.to_vec();
    blocks.extend(seen.filter(|seen| !usual.contains(seen)));
    blocks
}

/// Whether an encoder can have made a stream that looks so.
fn fits(form: Form, signs: &Signs) -> bool {
    let marker = signs.marker();
    match form {
        // Not deflate.
        Form::Libzstd(_) => false,
        Form::Go(level) => {
            marker.is_none()
                && !signs.has_three
                && (level < 2 || !signs.has_far_four)
                && ends_empty(signs, Shape::Stored)
                && signs.full().is_none_or(|full| match level {
                    0 => false,
                    ..=1 => full.plain == 65_535,
                    _ => full.tokens == 16_384,
                })
        }
        Form::Klauspost(family, level) => {
            marker.is_none() && fits_klauspost(family, level, u64::MAX, signs)
        }
        Form::Pgzip(block, family, level) => {
            let block = block as u64;
            let first = marker.map_or(signs.plain() <= block, |marker| {
                marker == block || marker < block && marker == signs.plain()
            });
            first && fits_klauspost(family, level, block, signs)
        }
        Form::Zlib(_, memory) => {
            let symbols = if memory == MemLevel::Eight { 16_383 } else { 32_767 };
            marker.is_none()
                && fits_zlib(signs)
                && signs.full().is_none_or(|full| full.tokens == symbols)
        }
        Form::GnuGzip(_, true) => marker.is_some() && fits_zlib(signs),
        Form::GnuGzip(_, false) => {
            let full = |tokens: u64| tokens == 32_767 || tokens % 4096 == 0;
            marker.is_none()
                && fits_zlib(signs)
                && signs.full().is_none_or(|block| full(block.tokens))
        }
        Form::Pigz(_, block, join) => {
            let full = signs.full();
            fits_zlib(signs)
                && signs.are_cut_at(block)
                && (join != Join::Independent || marker.is_some())
                && full.is_none_or(|full| full.tokens == 16_383 || full.end() % block == 0)
        }
    }
}

/// The stream ends with an empty block of this shape, as far as can be seen.
fn ends_empty(signs: &Signs, shape: Shape) -> bool {
    signs.last().is_none_or(|last| last.plain == 0 && last.shape == shape)
}

fn fits_klauspost(family: Family, level: i32, block: u64, signs: &Signs) -> bool {
    if signs.has_three || !ends_empty(signs, Shape::Fixed) {
        return false;
    }
    // Where a block of pgzip ends, or behind it, other rules hold.
    let Some(full) = signs.full().filter(|full| full.end() < block) else { return true };
    let cut = !matches!(family, Family::Klauspost1 | Family::Klauspost1a);
    let counts = match full.shape {
        Shape::Dynamic(literals, distances) => {
            cut || distances == 1 || (literals, distances) == (286, 30)
        }
        Shape::Stored | Shape::Fixed => true,
    };
    counts
        && match level {
            0 => false,
            1..=6 => full.plain % 65_535 == 0,
            7..=9 => full.tokens % 32_768 == 0,
            _ => full.plain % 32_768 == 0,
        }
}

/// What zlib, GNU gzip and pigz never do: reach far, or send a single code of distances.
fn fits_zlib(signs: &Signs) -> bool {
    let single = |shape| matches!(shape, Shape::Dynamic(_, 1));
    signs.farthest <= 32_506 && !signs.blocks.iter().any(|block| single(block.shape))
}

#[cfg(test)]
mod tests;
