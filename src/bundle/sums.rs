//! `SHA256SUMS`: the digest of every file of the bundle, as `sha256sum -c` reads it.
//!
//! Withstands: names outside the format, duplicate and unsorted lines, the escape form and the
//! binary marker of `sha256sum`, a blob whose line says another digest than its name, a missing
//! last line feed. The caller caps the size (the seal states it). Normative text:
//! `formats/sums.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::path::{BlobPath, BundlePath, HeadFile};
use crate::oci::{Digest, unhex};

/// The largest `SHA256SUMS`, in bytes: well over a million files.
pub const MAX_SUMS_SIZE: u64 = 256 * 1024 * 1024;

/// The digest of every file of a bundle but the sums, the seal and its signatures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sums(BTreeMap<BundlePath, Digest>);

/// Why a list of sums is refused. Always the input's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SumsError {
    /// A line is not `<64 hex>  <name>` with a name that a bundle has.
    #[error("line {0} of SHA256SUMS is malformed")]
    Line(usize),
    /// The lines are not sorted by name, or a name stands twice.
    #[error("line {0} of SHA256SUMS is out of order")]
    Order(usize),
    /// A blob's digest is not its name.
    #[error("line {0} of SHA256SUMS gives a blob another digest than its name")]
    Blob(usize),
    /// A file that it must list is not there.
    #[error("SHA256SUMS does not list {0}")]
    Missing(HeadFile),
}

impl Sums {
    /// The sums of these head files and blobs.
    pub fn new(heads: &[(HeadFile, Vec<u8>)], blobs: impl IntoIterator<Item = BlobPath>) -> Sums {
        let heads = heads.iter().map(|(file, bytes)| (BundlePath::Head(*file), Digest::of(bytes)));
        let blobs = blobs.into_iter().map(|blob| (BundlePath::Blob(blob), blob.digest()));
        Sums(heads.chain(blobs).collect())
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut lines: Vec<(String, String)> =
            self.0.iter().map(|(path, digest)| (path.to_string(), digest.hex())).collect();
        lines.sort();
        let mut text = String::new();
        for (path, hex) in lines {
            writeln!(text, "{hex}  {path}").expect("writing to a string does not fail");
        }
        text.into_bytes()
    }

    /// Reads the file's bytes.
    ///
    /// # Errors
    /// Every [`SumsError`].
    pub fn parse(bytes: &[u8]) -> Result<Sums, SumsError> {
        let mut sums = BTreeMap::new();
        let mut last = "";
        let mut number = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            number += 1;
            let (digest, name) = read_line(line).ok_or(SumsError::Line(number))?;
            let path: BundlePath = name.parse().map_err(|_| SumsError::Line(number))?;
            if name <= last {
                return Err(SumsError::Order(number));
            }
            check_path(path, &digest, number)?;
            last = name;
            sums.insert(path, digest);
        }
        for file in [HeadFile::OciLayout, HeadFile::Index, HeadFile::Lading, HeadFile::Catalog] {
            if !sums.contains_key(&BundlePath::Head(file)) {
                return Err(SumsError::Missing(file));
            }
        }
        Ok(Sums(sums))
    }

    /// The digest of a file; `None` when it is not of the bundle.
    pub fn get(&self, path: &BundlePath) -> Option<&Digest> {
        self.0.get(path)
    }

    /// Every file, head files first.
    pub fn paths(&self) -> impl Iterator<Item = &BundlePath> {
        self.0.keys()
    }

    /// Every blob.
    pub fn blobs(&self) -> impl Iterator<Item = BlobPath> {
        self.0.keys().filter_map(|path| match path {
            BundlePath::Blob(blob) => Some(*blob),
            BundlePath::Head(_) | BundlePath::Trust(_) => None,
        })
    }

    /// How many files.
    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// True when it lists nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn read_line(line: &[u8]) -> Option<(Digest, &str)> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (hex, name) = line.split_once("  ")?;
    Some((Digest::Sha256(unhex(hex)?), name))
}

fn check_path(path: BundlePath, digest: &Digest, number: usize) -> Result<(), SumsError> {
    match path {
        BundlePath::Blob(blob) if blob.digest() != *digest => Err(SumsError::Blob(number)),
        // What is signed cannot hold its own signature; and trust documents are no part of it.
        BundlePath::Head(HeadFile::Sums | HeadFile::Seal | HeadFile::Signature(_))
        | BundlePath::Trust(_) => Err(SumsError::Line(number)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums() -> Sums {
        let heads = [HeadFile::OciLayout, HeadFile::Index, HeadFile::Lading, HeadFile::Catalog];
        let heads: Vec<_> =
            heads.iter().map(|file| (*file, file.to_string().into_bytes())).collect();
        let blobs = ["a", "b", "c"].map(|text| BlobPath::of(&Digest::of(text.as_bytes())).unwrap());
        Sums::new(&heads, blobs)
    }

    #[test]
    fn is_read_as_it_was_written() {
        assert_eq!(Sums::parse(&sums().to_bytes()), Ok(sums()));
        assert_eq!(sums().len(), 7);
        assert_eq!(sums().blobs().count(), 3);
    }

    #[test]
    fn refuses_every_other_form() {
        let text = String::from_utf8(sums().to_bytes()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let swapped = text
            .replace(lines[0], "x")
            .replace(lines[1], lines[0])
            .replace("x\n", &format!("{}\n", lines[1]));
        let zero = "0".repeat(64);
        for (bad, error) in [
            (text.replace('\n', "\r\n"), SumsError::Line(1)),
            (text.replace("  ", " *"), SumsError::Line(1)),
            (format!("\\{text}"), SumsError::Line(1)),
            (format!("# note\n{text}"), SumsError::Line(1)),
            (format!("{text}\n"), SumsError::Line(8)),
            (text.trim_end().to_owned(), SumsError::Line(7)),
            (swapped, SumsError::Order(2)),
            (format!("{}\n{text}", lines[0]), SumsError::Order(2)),
            (text.replacen(&lines[0][..64], &zero, 1), SumsError::Blob(1)),
            (format!("{text}{zero}  seal\n"), SumsError::Line(8)),
            (format!("{text}{zero}  x/../y\n"), SumsError::Line(8)),
            (text.replace("lading.json", "lading.jsom"), SumsError::Line(6)),
            (String::new(), SumsError::Missing(HeadFile::OciLayout)),
        ] {
            assert_eq!(Sums::parse(bad.as_bytes()), Err(error), "{bad}");
        }
    }
}
