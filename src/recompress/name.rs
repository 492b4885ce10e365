//! Names of encoders, as bundles write them: a frozen family, its level, its parameters.
//!
//! | text | what |
//! |---|---|
//! | `go-flate-1:L`, `go-flate-2:L` | Go up to 1.26, from 1.27 on; L is `huffman` or 0 to 9 |
//! | `klauspost-1:L`, `klauspost-2:L` | klauspost/compress up to 1.18.0, from 1.18.2 on; L as above |
//! | `klauspost-1a:4` | its level 4 in 1.18.0 |
//! | `pgzip-1:B:K` | pgzip in blocks of B bytes over K, one of the above |
//! | `pgzip-1:B:klauspost-2a:L` | the same over 1.20.3, where levels 7 to 9 differ |
//! | `zlib-1:L`, `zlib-1:L:9` | zlib at level 1 to 9, with memLevel 8 or 9 |
//! | `gnugzip-1:L`, `gnugzip-1:L:rsyncable` | GNU gzip |
//! | `pigz-1:L:B` | pigz in blocks of B bytes; `:independent` for `-i`, `:single` for `-p 1` |
//! | `zstd-1.5.7:L` | libzstd at level 1 to 19; then any of `:workers`, `:checksum`, `:size` |
//!
//! A bundle's maker chose the text, so it is not trusted: only the one spelling of each encoder is
//! taken, levels and blocks have limits, and a block bounds what an encoder holds in memory.

use std::fmt::{self, Display, Formatter};
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::klauspost::{self, Family};
use super::libzstd::{self, Manner};
use super::pigz::{self, Join};
use super::zlib::{self, MemLevel};
use super::{Encode, Start, gnugzip, go, pgzip};

/// Blocks of pgzip, in bytes.
const PGZIP_BLOCKS: RangeInclusive<usize> = 16 * 1024 + 1..=16 * 1024 * 1024;
/// Blocks of pigz, in bytes; it takes KiB.
const PIGZ_BLOCKS: RangeInclusive<u64> = 32 * 1024..=16 * 1024 * 1024;
/// The level that codes literals only.
const HUFFMAN: i32 = -2;
/// Options of libzstd, in the order in which they are written.
const WORKERS: &str = "workers";
const CHECKSUM: &str = "checksum";
const SIZE: &str = "size";

/// An encoder with its level and parameters. `Display` and `FromStr` give and take the one text
/// that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding(Form);

/// Levels are in the family's range; blocks are, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Go(i32),
    /// Go 1.27's own family among them.
    Klauspost(Family, i32),
    Pgzip(usize, Family, i32),
    Zlib(u8, MemLevel),
    GnuGzip(u8, bool),
    Pigz(u8, u64, Join),
    Libzstd(Manner),
}

/// Where an encoder can take a stream up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// At the start of every deflate block.
    AnyBlock,
    /// At multiples of so many plain bytes, at the last deflate block that starts there.
    Plain(u64),
}

/// The text names no encoder that this version has.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{}` is no encoder that this version knows", .0.escape_debug())]
pub struct UnknownEncoding(String);

impl Encoding {
    /// The encoding of this form, if there is one.
    pub(super) fn new(form: Form) -> Option<Encoding> {
        form.is_known().then_some(Encoding(form))
    }

    /// Where a stretch of a stream may begin, given the plain bytes before it; `None` if only at
    /// the stream's start.
    pub fn resumable(&self) -> Option<Grain> {
        match self.0 {
            Form::Go(4..) | Form::Zlib(4.., _) => Some(Grain::AnyBlock),
            Form::Pgzip(block, ..) => Some(Grain::Plain(block as u64)),
            Form::Pigz(_, block, Join::Dictionary | Join::Independent) => Some(Grain::Plain(block)),
            _ => None,
        }
    }

    /// Whether it makes a deflate stream, which stands between gzip's header and trailer.
    pub fn is_deflate(&self) -> bool {
        !matches!(self.0, Form::Libzstd(_))
    }

    /// The encoder, at the start of a stream of so many `plain` bytes. Encoders of deflate do not
    /// care how many.
    pub fn encoder(&self, plain: u64) -> Box<dyn Encode> {
        match self.0 {
            Form::Go(level) => go::encoder(level),
            Form::Klauspost(family, level) => klauspost::encoder(family, level),
            Form::Pgzip(block, family, level) => pgzip::encoder(family, level, block),
            Form::Zlib(level, memory) => Some(zlib::encoder(level, memory)),
            Form::GnuGzip(level, rsyncable) => Some(gnugzip::encoder(level, rsyncable)),
            Form::Pigz(level, block, join) => Some(pigz::encoder(level, block, join)),
            Form::Libzstd(manner) => Some(libzstd::encoder(manner, plain)),
        }
        .expect("every form has its encoder")
    }

    /// The encoder in mid-stream; `None` where [`Encoding::resumable`] says so, or if bytes before
    /// `start` are missing.
    pub fn resume(&self, start: Start) -> Option<Box<dyn Encode>> {
        match self.resumable()? {
            Grain::Plain(block) if start.plain % block != 0 => return None,
            Grain::Plain(_) | Grain::AnyBlock => {}
        }
        match self.0 {
            Form::Go(level) => go::resume(level, &start),
            Form::Pgzip(block, family, level) => pgzip::resume(family, level, block, start),
            Form::Zlib(level, memory) => Some(zlib::resume(level, memory, start)),
            Form::Pigz(level, block, join) => Some(pigz::resume(level, block, join, start)),
            Form::Klauspost(..) | Form::GnuGzip(..) | Form::Libzstd(_) => None,
        }
    }
}

impl Form {
    fn is_known(self) -> bool {
        let klauspost = |family, level| match family {
            Family::Klauspost1a => level == 4,
            Family::Klauspost2a => (7..=9).contains(&level),
            _ => level == HUFFMAN || (0..=9).contains(&level),
        };
        match self {
            Form::Go(level) => level == HUFFMAN || (0..=9).contains(&level),
            Form::Klauspost(family, level) => {
                family != Family::Klauspost2a && klauspost(family, level)
            }
            Form::Pgzip(block, family, level) => {
                PGZIP_BLOCKS.contains(&block)
                    && family != Family::GoFlate2
                    && klauspost(family, level)
            }
            Form::Zlib(level, _) | Form::GnuGzip(level, _) => (1..=9).contains(&level),
            Form::Pigz(level, block, _) => {
                (1..=9).contains(&level) && PIGZ_BLOCKS.contains(&block) && block % 1024 == 0
            }
            Form::Libzstd(manner) => manner.is_known(),
        }
    }

    /// What `text` may mean, if it were spelled well.
    fn guess(text: &str) -> Option<Form> {
        let parts: Vec<&str> = text.splitn(5, ':').collect();
        Some(match *parts.as_slice() {
            ["go-flate-1", level] => Form::Go(go_level(level)?),
            ["pgzip-1", block, name, level] => {
                Form::Pgzip(block.parse().ok()?, family(name)?, go_level(level)?)
            }
            ["zlib-1", level] => Form::Zlib(level.parse().ok()?, MemLevel::Eight),
            ["zlib-1", level, "9"] => Form::Zlib(level.parse().ok()?, MemLevel::Nine),
            ["gnugzip-1", level] => Form::GnuGzip(level.parse().ok()?, false),
            ["gnugzip-1", level, "rsyncable"] => Form::GnuGzip(level.parse().ok()?, true),
            ["pigz-1", level, block, ref join @ ..] => {
                Form::Pigz(level.parse().ok()?, block.parse().ok()?, self::join(join)?)
            }
            ["zstd-1.5.7", level, ref options @ ..] => {
                Form::Libzstd(manner(level.parse().ok()?, options))
            }
            [name, level] => Form::Klauspost(family(name)?, go_level(level)?),
            _ => return None,
        })
    }
}

impl FromStr for Encoding {
    type Err = UnknownEncoding;

    /// # Errors
    ///
    /// [`UnknownEncoding`] for every text but the ones that `Display` gives.
    fn from_str(text: &str) -> Result<Encoding, UnknownEncoding> {
        Form::guess(text)
            .and_then(Encoding::new)
            .filter(|encoding| encoding.to_string() == text)
            .ok_or_else(|| UnknownEncoding(text.to_owned()))
    }
}

impl Display for Encoding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Form::Go(level) => write!(f, "go-flate-1:{}", GoLevel(level)),
            Form::Klauspost(family, level) => write!(f, "{}:{}", name(family), GoLevel(level)),
            Form::Pgzip(block, family, level) => {
                write!(f, "pgzip-1:{block}:{}:{}", name(family), GoLevel(level))
            }
            Form::Zlib(level, MemLevel::Eight) => write!(f, "zlib-1:{level}"),
            Form::Zlib(level, MemLevel::Nine) => write!(f, "zlib-1:{level}:9"),
            Form::GnuGzip(level, false) => write!(f, "gnugzip-1:{level}"),
            Form::GnuGzip(level, true) => write!(f, "gnugzip-1:{level}:rsyncable"),
            Form::Pigz(level, block, Join::Dictionary) => write!(f, "pigz-1:{level}:{block}"),
            Form::Pigz(level, block, Join::Independent) => {
                write!(f, "pigz-1:{level}:{block}:independent")
            }
            Form::Pigz(level, block, Join::Single) => write!(f, "pigz-1:{level}:{block}:single"),
            Form::Libzstd(Manner { level, workers, checksum, size }) => {
                write!(f, "zstd-1.5.7:{level}")?;
                let options = [(workers, WORKERS), (checksum, CHECKSUM), (size, SIZE)];
                let given = options.into_iter().filter(|(given, _)| *given);
                given.map(|(_, option)| option).try_for_each(|option| write!(f, ":{option}"))
            }
        }
    }
}

/// A level of Go or klauspost as text.
struct GoLevel(i32);

impl Display for GoLevel {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            HUFFMAN => f.write_str("huffman"),
            level => write!(f, "{level}"),
        }
    }
}

fn go_level(text: &str) -> Option<i32> {
    if text == "huffman" { Some(HUFFMAN) } else { text.parse().ok() }
}

fn manner(level: u8, options: &[&str]) -> Manner {
    let has = |option| options.contains(&option);
    Manner { level, workers: has(WORKERS), checksum: has(CHECKSUM), size: has(SIZE) }
}

fn join(parts: &[&str]) -> Option<Join> {
    match parts {
        [] => Some(Join::Dictionary),
        ["independent"] => Some(Join::Independent),
        ["single"] => Some(Join::Single),
        _ => None,
    }
}

const FAMILIES: [Family; 5] = [
    Family::Klauspost1,
    Family::Klauspost1a,
    Family::Klauspost2,
    Family::Klauspost2a,
    Family::GoFlate2,
];

fn name(family: Family) -> &'static str {
    match family {
        Family::Klauspost1 => "klauspost-1",
        Family::Klauspost1a => "klauspost-1a",
        Family::Klauspost2 => "klauspost-2",
        Family::Klauspost2a => "klauspost-2a",
        Family::GoFlate2 => "go-flate-2",
    }
}

fn family(text: &str) -> Option<Family> {
    FAMILIES.into_iter().find(|family| name(*family) == text)
}

#[cfg(test)]
mod tests;
