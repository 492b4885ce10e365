//! The index of parity: what is protected, how, and what each block is.
//!
//! It is read before anything is verified, and nothing in it is ever believed: it says where to look
//! and what blocks are worth trying; what is repaired is verified by the seal like anything else.
//! Withstands: any bytes. The text is taken only if it is, byte for byte, what [`Index::text`] writes
//! for what it says; names are those that a bundle has; counts, sizes and their products are capped
//! before anything is reserved. Normative text: `formats/parity.md`.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::ParityError;
use super::geometry::{Geometry, MAX_BLOCKS, blocks};
use super::place::MAX_PARITY_FILES;
use crate::bundle::Part;
use crate::oci::Digest;

/// The most files that are protected.
pub const MAX_PARTS: usize = 1 << 18;
/// The most bytes of the index's text.
pub const MAX_TEXT: usize = 32 << 20;
/// The most signatures.
const MAX_SIGNATURES: usize = 16;
/// The first line.
const VERSION: &str = "gapferry parity v1";
/// The most bytes that a protected file may have.
const MAX_SIZE: u64 = i64::MAX as u64;

/// What a block is: the first half of its SHA-256.
pub type BlockHash = [u8; 16];

/// What is protected, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The digest of the seal.
    pub seal: Digest,
    /// The digests of the seal's signatures, sorted.
    pub signatures: Vec<Digest>,
    /// The shape of the groups.
    pub geometry: Geometry,
    /// How many rows of parity each file of parity holds.
    pub files: Vec<u64>,
    /// The protected files in the order of their names, each with its size in bytes.
    pub parts: Vec<(Part, u64)>,
}

impl Index {
    /// The text.
    pub fn text(&self) -> String {
        let Geometry { block, groups, data, parity } = self.geometry;
        let mut text = format!("{VERSION}\nseal: {}\n", self.seal);
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            writeln!(text, "{name}: {value}").expect("a text takes everything");
        };
        self.signatures.iter().for_each(|digest| line("signature", digest));
        line("block", &block);
        line("groups", &groups);
        line("data", &data);
        line("parity", &parity);
        self.files.iter().for_each(|rows| line("file", rows));
        self.parts.iter().for_each(|(part, size)| line("part", &format!("{size} {part}")));
        text + "\n"
    }

    /// Reads the text at the start of `bytes`, and says how long it is.
    ///
    /// # Errors
    /// [`ParityError::Index`].
    pub fn parse(bytes: &[u8]) -> Result<(Index, usize), ParityError> {
        let bad = || ParityError::Index;
        let bytes = &bytes[..bytes.len().min(MAX_TEXT)];
        let end = bytes.windows(2).position(|pair| pair == b"\n\n").ok_or_else(bad)? + 2;
        let text = std::str::from_utf8(&bytes[..end]).map_err(|_| bad())?;
        let index = read(text).filter(|index| index.is_possible() && index.text() == text);
        Ok((index.ok_or_else(bad)?, end))
    }

    /// What stands in every page of a set: the first half of the SHA-256 of the text.
    pub fn id(&self) -> BlockHash {
        hash(self.text().as_bytes())
    }

    /// How many blocks of data there are.
    pub fn blocks(&self) -> u64 {
        let sizes: Vec<u64> = self.parts.iter().map(|(_, size)| *size).collect();
        blocks(&sizes, self.geometry.block).unwrap_or(u64::MAX)
    }

    /// How many hashes stand behind the text: of all blocks of data, then of all of parity, row by row.
    pub fn hashes(&self) -> u64 {
        self.blocks() + self.geometry.parity * self.geometry.groups
    }

    /// Where the rows of a file of parity begin among all rows.
    pub fn first_row(&self, file: usize) -> u64 {
        self.files.iter().take(file).sum()
    }

    fn is_possible(&self) -> bool {
        let sorted = |names: Vec<String>| names.windows(2).all(|pair| pair[0] < pair[1]);
        // Nothing is reckoned with before its parts are known to be sound.
        if !self.geometry.is_possible() {
            return false;
        }
        let blocks = self.blocks();
        self.parts.len() <= MAX_PARTS
            && self.signatures.len() <= MAX_SIGNATURES
            && (1..=MAX_PARITY_FILES).contains(&self.files.len())
            && self.files.iter().all(|rows| (1..=self.geometry.parity).contains(rows))
            && self.files.iter().sum::<u64>() == self.geometry.parity
            && self.parts.iter().all(|(_, size)| *size <= MAX_SIZE)
            && (1..=MAX_BLOCKS).contains(&blocks)
            && self.geometry.data == blocks.div_ceil(self.geometry.groups)
            && sorted(self.parts.iter().map(|(part, _)| part.to_string()).collect())
            && sorted(self.signatures.iter().map(ToString::to_string).collect())
    }
}

/// The first half of the SHA-256.
pub fn hash(bytes: &[u8]) -> BlockHash {
    half(Sha256::digest(bytes).into())
}

/// The first half.
pub fn half(digest: [u8; 32]) -> BlockHash {
    let mut half = BlockHash::default();
    half.copy_from_slice(&digest[..16]);
    half
}

/// What the lines say, in whatever order; who asks compares it with the text.
fn read(text: &str) -> Option<Index> {
    let mut lines = text.strip_suffix("\n\n")?.split('\n');
    lines.next().filter(|line| *line == VERSION)?;
    let mut index = Index {
        seal: lines.next()?.strip_prefix("seal: ")?.parse().ok()?,
        signatures: Vec::new(),
        geometry: Geometry { block: 0, groups: 0, data: 0, parity: 0 },
        files: Vec::new(),
        parts: Vec::new(),
    };
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        match name {
            "signature" => index.signatures.push(value.parse().ok()?),
            "block" => index.geometry.block = value.parse().ok()?,
            "groups" => index.geometry.groups = value.parse().ok()?,
            "data" => index.geometry.data = value.parse().ok()?,
            "parity" => index.geometry.parity = value.parse().ok()?,
            "file" => index.files.push(value.parse().ok()?),
            "part" => {
                let (size, part) = value.split_once(' ')?;
                index.parts.push((part.parse().ok()?, size.parse().ok()?));
            }
            _ => return None,
        }
    }
    Some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parity::Amount;

    fn index() -> Index {
        let parts = vec![("SHA256SUMS".parse().unwrap(), 5000), ("seal".parse().unwrap(), 300)];
        let geometry = Geometry::plan(&[5000, 300], &[], Amount::Percent(60)).unwrap();
        let signatures = vec![Digest::of(b"b")];
        Index { seal: Digest::of(b"a"), signatures, geometry, files: vec![1, 1], parts }
    }

    #[test]
    fn what_is_written_is_read() {
        let index = index();
        assert_eq!((index.blocks(), index.hashes()), (3, 5));
        let bytes = [index.text().as_bytes(), &[7; 100]].concat();
        assert_eq!(Index::parse(&bytes).unwrap(), (index.clone(), bytes.len() - 100));
        assert_eq!(index.id(), hash(index.text().as_bytes()));
    }

    #[test]
    fn every_other_text_is_refused() {
        let text = index().text();
        for (from, to) in [
            ("v1", "v2"),
            ("block: 4096", "block: 4097"),
            ("block: 4096", "block: 04096"),
            ("block: 4096", "block: 8388608"),
            ("block: 4096\n", ""),
            ("groups: 1", "groups: 0"),
            ("groups: 1", "groups: 18446744073709551615"),
            ("data: 3", "data: 4"),
            ("parity: 2", "parity: 3"),
            ("parity: 2", "parity: 65536"),
            ("file: 1\nfile: 1", "file: 2\nfile: 0"),
            ("file: 1\nfile: 1", "file: 18446744073709551615\nfile: 3"),
            ("part: 5000", "part: 18446744073709551615"),
            ("part: 5000", "part: -1"),
            ("part: 5000 SHA256SUMS", "part: 5000 ../SHA256SUMS"),
            ("part: 5000 SHA256SUMS", "part: 5000 /etc/passwd"),
            ("part: 5000 SHA256SUMS", "part: 5000 zeal"),
            ("part: 5000 SHA256SUMS", "part: 300 seal"),
            ("\n\n", "\nmore: 1\n\n"),
            ("\n\n", "\r\n\n"),
            ("\n\n", "\n"),
        ] {
            let bad = text.replacen(from, to, 1);
            assert_ne!(bad, text, "{from}");
            assert!(matches!(Index::parse(bad.as_bytes()), Err(ParityError::Index)), "{bad}");
        }
    }
}
