//! Names of the files of a bundle. No other name is ever opened or written.
//!
//! Withstands: `..`, absolute and empty paths, upper-case hex, names that collide where case is
//! ignored, anything that is not in the format. Normative text: `formats/bundle.md`.

use std::fmt;
use std::str::FromStr;

use crate::oci::{Digest, hex, unhex};
use crate::trust::{KeyId, TrustFile};

/// A file of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BundlePath {
    /// One of the small files at the top.
    Head(HeadFile),
    /// `blobs/sha256/<hex>`: content named by its SHA-256.
    Blob(BlobPath),
    /// A trust document or a signature of one, which travels along and is no part of the bundle.
    Trust(TrustFile),
}

/// The hex part of `blobs/sha256/<hex>`, as bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobPath([u8; 32]);

/// The small files at the top of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HeadFile {
    /// `oci-layout`
    OciLayout,
    /// `index.json`
    Index,
    /// `manifest.json`: what `docker load` reads.
    DockerManifest,
    /// `lading.json`
    Lading,
    /// `catalog.json.zst`
    Catalog,
    /// `chunks.zst`
    Chunks,
    /// `SHA256SUMS`
    Sums,
    /// `seal`
    Seal,
    /// `seal.<key id>.sig`
    Signature(KeyId),
}

/// A name that no file of a bundle has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no file of a bundle is called {}", .0.escape_debug())]
pub struct InvalidPath(pub String);

const FIXED: [(&str, HeadFile); 8] = [
    ("oci-layout", HeadFile::OciLayout),
    ("index.json", HeadFile::Index),
    ("manifest.json", HeadFile::DockerManifest),
    ("lading.json", HeadFile::Lading),
    ("catalog.json.zst", HeadFile::Catalog),
    ("chunks.zst", HeadFile::Chunks),
    ("SHA256SUMS", HeadFile::Sums),
    ("seal", HeadFile::Seal),
];

/// Where blobs lie.
pub const BLOB_DIRECTORY: &str = "blobs/sha256";

impl BlobPath {
    /// The place of content with this digest; `None` for digests that are not SHA-256.
    pub fn of(digest: &Digest) -> Option<BlobPath> {
        match digest {
            Digest::Sha256(bytes) => Some(BlobPath(*bytes)),
            Digest::Sha512(_) => None,
        }
    }

    /// The digest that the name states.
    pub fn digest(&self) -> Digest {
        Digest::Sha256(self.0)
    }
}

impl fmt::Display for BlobPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{BLOB_DIRECTORY}/{}", hex(&self.0))
    }
}

impl fmt::Debug for BlobPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for HeadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let HeadFile::Signature(id) = self {
            return write!(f, "seal.{id}.sig");
        }
        let (name, _) = FIXED.iter().find(|(_, file)| file == self).expect("FIXED has all others");
        f.write_str(name)
    }
}

impl fmt::Display for BundlePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BundlePath::Head(file) => file.fmt(f),
            BundlePath::Blob(blob) => blob.fmt(f),
            BundlePath::Trust(file) => file.fmt(f),
        }
    }
}

impl FromStr for HeadFile {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<HeadFile, InvalidPath> {
        if let Some((_, file)) = FIXED.iter().find(|(name, _)| *name == text) {
            return Ok(*file);
        }
        text.strip_prefix("seal.")
            .and_then(|rest| rest.strip_suffix(".sig"))
            .and_then(|id| id.parse().ok())
            .map(HeadFile::Signature)
            .ok_or_else(|| InvalidPath(text.chars().take(200).collect()))
    }
}

impl FromStr for BundlePath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<BundlePath, InvalidPath> {
        let blob = text.strip_prefix(BLOB_DIRECTORY).and_then(|rest| rest.strip_prefix('/'));
        match blob {
            Some(value) => unhex(value)
                .map(|bytes| BundlePath::Blob(BlobPath(bytes)))
                .ok_or_else(|| InvalidPath(text.chars().take(200).collect())),
            None => match text.parse() {
                Ok(file) => Ok(BundlePath::Trust(file)),
                Err(_) => text.parse().map(BundlePath::Head),
            },
        }
    }
}

impl From<BlobPath> for BundlePath {
    fn from(blob: BlobPath) -> BundlePath {
        BundlePath::Blob(blob)
    }
}

impl From<TrustFile> for BundlePath {
    fn from(file: TrustFile) -> BundlePath {
        BundlePath::Trust(file)
    }
}

impl From<HeadFile> for BundlePath {
    fn from(file: HeadFile) -> BundlePath {
        BundlePath::Head(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let hex = "0123456789abcdef".repeat(4);
        let mut names: Vec<String> = FIXED.iter().map(|(name, _)| (*name).to_owned()).collect();
        names.push(format!("seal.{hex}.sig"));
        names.push(format!("blobs/sha256/{hex}"));
        names.push("trust-000001".to_owned());
        names.push(format!("trust-999999.{hex}.sig"));
        for name in names {
            assert_eq!(name.parse::<BundlePath>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn no_other_name_is_taken() {
        let hex = "0123456789abcdef".repeat(4);
        let bad = [
            "",
            ".",
            "..",
            "/seal",
            "./seal",
            "Seal",
            "seal\n",
            "blobs",
            "blobs/sha256",
            "blobs/sha256/",
            &format!("blobs/sha256/{}", hex.to_uppercase()),
            &format!("blobs/sha256/{hex}0"),
            &format!("blobs/sha256/../{hex}"),
            &format!("blobs//sha256/{hex}"),
            &format!("blobs/sha512/{hex}"),
            "seal..sig",
            "seal.x.sig",
            &format!("seal.{}.sig", &hex[1..]),
            "sha256sums",
            "trust-000000",
            "trust-0001",
            "trust-+00001",
            "trust-0000001",
            "trust-000001.sig",
            &format!("trust-000001.{}.sig", hex.to_uppercase()),
        ];
        for name in bad {
            assert!(name.parse::<BundlePath>().is_err(), "{name:?}");
        }
    }
}
