//! `catalog.json.zst`: how each blob of the images is kept, and the marks that prove it block by
//! block (see [`crate::oci::BlockHasher`]).
//!
//! Withstands: a file that inflates without end (capped), large zstd windows, duplicate keys,
//! marks that do not fit the size. It is inflated only after its digest is proven. Normative text:
//! `formats/catalog.md`.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::oci::{Digest, MARK_BLOCK, MARK_SIZE, json};

/// The largest catalog, in bytes as it lies in the bundle.
pub const MAX_CATALOG_SIZE: u64 = 128 * 1024 * 1024;
const MAX_INFLATED: u64 = 512 * 1024 * 1024;
const MAX_WINDOW_LOG: u32 = 27;
const LEVEL: i32 = 9;
const FORMAT: &str = "catalog v1";

/// How the blobs of the images are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    gapferry: String,
    /// Bytes between two marks.
    block: u64,
    /// Every blob of the images that is aboard, sorted by digest. Manifests are not among them.
    pub blobs: Vec<CatalogBlob>,
    /// What a reader must know beyond this version. Empty while every blob is stored.
    needs: Vec<String>,
}

/// What tells whether this version can read the rest.
#[derive(Deserialize)]
struct Head {
    gapferry: String,
    needs: Vec<String>,
}

/// One blob: a config, a layer, or whatever else a manifest refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogBlob {
    /// Its digest, under which it is stored.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The state of SHA-256 after each full block.
    #[serde(default, skip_serializing_if = "Marks::is_empty")]
    pub marks: Marks,
}

/// States of SHA-256, 32 bytes each; base64 in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marks(pub Vec<[u8; MARK_SIZE]>);

/// Why a catalog is refused. The input's fault, but for `Needs`.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// zstd cannot read it, or it inflates past the cap.
    #[error("catalog.json.zst cannot be decompressed: {0}")]
    Zstd(std::io::Error),
    /// Not JSON of the right form.
    #[error("catalog.json.zst is malformed: {0}")]
    Json(#[from] serde_json::Error),
    /// Another format than this gapferry reads.
    #[error("catalog.json.zst has the format {}, not `{FORMAT}`", .0.escape_debug())]
    Format(String),
    /// The bundle is genuine and uses what this version cannot do.
    #[error("the bundle needs `{}`, which this version of gapferry does not know", .0.escape_debug())]
    Needs(String),
    /// Blobs out of order or twice, or marks that do not fit the size.
    #[error("catalog.json.zst has a wrong entry for {0}")]
    Entry(Digest),
}

impl Marks {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Marks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(self.0.as_flattened()))
    }
}

impl<'de> Deserialize<'de> for Marks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Marks, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64.decode(text).map_err(serde::de::Error::custom)?;
        let marks = bytes.chunks(MARK_SIZE).map(<[u8; MARK_SIZE]>::try_from);
        marks.collect::<Result<_, _>>().map(Marks).map_err(serde::de::Error::custom)
    }
}

impl Catalog {
    /// A catalog of stored blobs, which it sorts by digest.
    pub fn new(mut blobs: Vec<CatalogBlob>) -> Catalog {
        blobs.sort_by_key(|blob| blob.digest);
        let block = MARK_BLOCK as u64;
        Catalog { gapferry: FORMAT.to_owned(), block, blobs, needs: Vec::new() }
    }

    /// The file's bytes: compact JSON in one zstd frame.
    pub fn to_bytes(&self) -> Vec<u8> {
        let json = serde_json::to_vec(self).expect("a catalog is plain data");
        zstd::bulk::compress(&json, LEVEL).expect("zstd compresses into memory")
    }

    /// Reads the file's bytes.
    ///
    /// # Errors
    /// Every [`CatalogError`].
    pub fn parse(bytes: &[u8]) -> Result<Catalog, CatalogError> {
        let json = inflate(bytes).map_err(CatalogError::Zstd)?;
        // First of all, for what a newer version writes may have another form.
        let Head { gapferry, needs } = json::parse(&json)?;
        if gapferry != FORMAT {
            return Err(CatalogError::Format(gapferry.chars().take(100).collect()));
        }
        if let Some(need) = needs.first() {
            return Err(CatalogError::Needs(need.chars().take(100).collect()));
        }
        let catalog: Catalog = serde_json::from_slice(&json)?;
        let mut last = None;
        for blob in &catalog.blobs {
            let marks = blob.size / MARK_BLOCK as u64;
            let fits = catalog.block == MARK_BLOCK as u64 && blob.marks.0.len() as u64 == marks;
            if !fits || last.is_some_and(|last| last >= blob.digest) {
                return Err(CatalogError::Entry(blob.digest));
            }
            last = Some(blob.digest);
        }
        Ok(catalog)
    }

    /// The entry of a blob; `None` when it is not aboard.
    pub fn get(&self, digest: &Digest) -> Option<&CatalogBlob> {
        let at = self.blobs.binary_search_by_key(digest, |blob| blob.digest).ok()?;
        self.blobs.get(at)
    }
}

fn inflate(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut decoder = zstd::stream::read::Decoder::new(bytes)?;
    decoder.window_log_max(MAX_WINDOW_LOG)?;
    let mut json = Vec::new();
    decoder.take(MAX_INFLATED + 1).read_to_end(&mut json)?;
    if json.len() as u64 > MAX_INFLATED {
        return Err(std::io::Error::other("it inflates past 512 MiB"));
    }
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(text: &str, size: u64) -> CatalogBlob {
        let marks = Marks(vec![[7; MARK_SIZE]; (size / MARK_BLOCK as u64) as usize]);
        CatalogBlob { digest: Digest::of(text.as_bytes()), size, marks }
    }

    fn repacked(catalog: &Catalog, from: &str, to: &str) -> Vec<u8> {
        let json = serde_json::to_string(catalog).unwrap();
        assert!(json.contains(from), "{json}");
        zstd::bulk::compress(json.replace(from, to).as_bytes(), 1).unwrap()
    }

    #[test]
    fn is_read_as_it_was_written() {
        let catalog =
            Catalog::new(vec![blob("a", 5), blob("b", 3 * MARK_BLOCK as u64), blob("c", 0)]);
        let read = Catalog::parse(&catalog.to_bytes()).unwrap();
        assert_eq!(read, catalog);
        assert_eq!(read.get(&Digest::of(b"b")).unwrap().marks.0.len(), 3);
        assert!(read.get(&Digest::of(b"x")).is_none());
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let mut catalog = Catalog::new(vec![blob("a", 5), blob("b", MARK_BLOCK as u64)]);
        let format = Catalog::parse(&repacked(&catalog, "catalog v1", "catalog v2"));
        assert!(matches!(format, Err(CatalogError::Format(_))));
        let packs = "\"packs\":[],\"needs\":[\"packs\"]";
        let needs = Catalog::parse(&repacked(&catalog, "\"needs\":[]", packs));
        assert!(matches!(needs, Err(CatalogError::Needs(need)) if need == "packs"));
        let unknown = Catalog::parse(&repacked(&catalog, "\"needs\"", "\"x\":1,\"needs\""));
        assert!(matches!(unknown, Err(CatalogError::Json(_))));
        catalog.blobs.reverse();
        assert!(matches!(Catalog::parse(&catalog.to_bytes()), Err(CatalogError::Entry(_))));
        let mut catalog = Catalog::new(vec![blob("a", MARK_BLOCK as u64)]);
        catalog.blobs[0].marks.0.clear();
        assert!(matches!(Catalog::parse(&catalog.to_bytes()), Err(CatalogError::Entry(_))));
        assert!(matches!(Catalog::parse(b"\x28\xb5\x2f\xfd"), Err(CatalogError::Zstd(_))));
    }

    #[test]
    fn a_bomb_is_stopped_at_the_cap() {
        let zeros = vec![0; 1 << 20];
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        for _ in 0..600 {
            std::io::Write::write_all(&mut encoder, &zeros).unwrap();
        }
        let bomb = encoder.finish().unwrap();
        assert!(bomb.len() < 1 << 20);
        assert!(matches!(Catalog::parse(&bomb), Err(CatalogError::Zstd(_))));
    }
}
