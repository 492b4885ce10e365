//! `catalog.json.zst`: how each blob of the images is kept, and the marks that prove it block by
//! block (see [`crate::oci::BlockHasher`]).
//!
//! Withstands: a file that inflates without end (measured before a byte is kept), large zstd windows, duplicate keys,
//! marks that do not fit the size, more small entries than memory bears, and what
//! [`super::recipe`] names. It is inflated only after its digest is proven. Normative text:
//! `formats/catalog.md`.

use std::io::Read as _;

use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::recipe::{self, Base, Held, Layer, Opened, Pack};
use crate::oci::{Digest, MARK_BLOCK, MARK_SIZE, Reference, json};

/// The largest catalog, in bytes as it lies in the bundle.
pub const MAX_CATALOG_SIZE: u64 = 128 * 1024 * 1024;
const MAX_INFLATED: usize = 512 * 1024 * 1024;
const MAX_WINDOW_LOG: u32 = 27;
const LEVEL: i32 = 9;
const FORMAT: &str = "catalog v1";
/// The most arrays: each takes memory beyond its text.
const MAX_ARRAYS: usize = 8_000_000;
/// The need of a catalog with packs and recipes.
const PACKS: &str = "packs";
/// The need of a catalog that counts on what the destination holds.
const BASES: &str = "bases";

/// How the blobs of the images are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    gapferry: String,
    /// Bytes between two marks.
    block: u64,
    /// Every blob of the images that is aboard as it is, sorted by digest. Manifests are not among
    /// them.
    pub blobs: Vec<CatalogBlob>,
    /// Content of layers, in the order in which it was written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packs: Vec<Pack>,
    /// Layers that are made from packs and other content, sorted by digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
    /// Stored blobs that recipes take from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opened: Vec<Opened>,
    /// Blobs at the destination that recipes take from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bases: Vec<Base>,
    /// Blobs of the images that the destination holds, sorted by digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Held>,
    /// Images that brought to the destination what it holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub homes: Vec<Reference>,
    /// What a reader must know beyond stored blobs.
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
    /// Why a layer is aboard as it is, where others are packed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<Stored>,
}

/// Why a layer is not packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stored {
    /// Too little of its content is known for packing to pay.
    Unshared,
    /// No encoder that gapferry has makes its bytes again.
    Encoder,
    /// It is damaged, in several parts, or compressed in a way that is not opened.
    Form,
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
    /// Blobs out of order or twice, or marks or frames that do not fit the size.
    #[error("catalog.json.zst has a wrong entry for {0}")]
    Entry(Digest),
    /// A recipe that does not make its layer.
    #[error("catalog.json.zst has a wrong recipe for {layer}: {what}")]
    Recipe {
        /// Which layer.
        layer: Digest,
        /// What is wrong.
        what: &'static str,
    },
    /// The needs are not those of what the catalog holds.
    #[error("catalog.json.zst does not state what it needs")]
    Unstated,
    /// More arrays than any catalog has.
    #[error("catalog.json.zst has more than {MAX_ARRAYS} entries")]
    TooMany,
}

impl Marks {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Marks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        base64_bytes::serialize(self.0.as_flattened(), serializer)
    }
}

impl<'de> Deserialize<'de> for Marks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Marks, D::Error> {
        let bytes = base64_bytes::deserialize(deserializer)?;
        let marks = bytes.chunks(MARK_SIZE).map(<[u8; MARK_SIZE]>::try_from);
        marks.collect::<Result<_, _>>().map(Marks).map_err(serde::de::Error::custom)
    }
}

/// Bytes as base64.
pub(super) mod base64_bytes {
    use base64::Engine as _;

    use super::{BASE64, Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        BASE64.decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Catalog {
    /// A catalog of stored blobs, which it sorts by digest.
    pub fn new(mut blobs: Vec<CatalogBlob>) -> Catalog {
        blobs.sort_by_key(|blob| blob.digest);
        Catalog {
            gapferry: FORMAT.to_owned(),
            block: MARK_BLOCK as u64,
            blobs,
            packs: Vec::new(),
            layers: Vec::new(),
            opened: Vec::new(),
            bases: Vec::new(),
            held: Vec::new(),
            homes: Vec::new(),
            needs: Vec::new(),
        }
    }

    /// Sorts the lists that are sorted, and states what a reader must know.
    pub fn complete(mut self) -> Catalog {
        self.layers.sort_by_key(|layer| layer.blob.digest);
        self.opened.sort_by_key(|opened| opened.digest);
        self.bases.sort_by_key(|base| base.blob.digest);
        self.held.sort_by_key(|held| held.blob.digest);
        self.needs = self.needed();
        self
    }

    fn needed(&self) -> Vec<String> {
        let packs = !self.packs.is_empty() || !self.layers.is_empty();
        let bases = !self.bases.is_empty() || !self.held.is_empty();
        let needs = [(packs, PACKS), (bases, BASES)].into_iter().filter(|(needed, _)| *needed);
        needs.map(|(_, need)| need.to_owned()).collect()
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
        let json = inflate(bytes)?;
        // First of all, for what a newer version writes may have another form.
        let Head { gapferry, needs } = json::parse(&json)?;
        if gapferry != FORMAT {
            return Err(CatalogError::Format(gapferry.chars().take(100).collect()));
        }
        if let Some(need) = needs.iter().find(|need| ![PACKS, BASES].contains(&need.as_str())) {
            return Err(CatalogError::Needs(need.chars().take(100).collect()));
        }
        let catalog: Catalog = serde_json::from_slice(&json)?;
        catalog.check()?;
        Ok(catalog)
    }

    fn check(&self) -> Result<(), CatalogError> {
        let mut last = None;
        for blob in &self.blobs {
            recipe::check_marks(blob)?;
            if self.block != MARK_BLOCK as u64 || last.is_some_and(|last| last >= blob.digest) {
                return Err(CatalogError::Entry(blob.digest));
            }
            last = Some(blob.digest);
        }
        recipe::check(self)?;
        match self.needed() == self.needs {
            true => Ok(()),
            false => Err(CatalogError::Unstated),
        }
    }

    /// The entry of a stored blob; `None` when it is not aboard as it is.
    pub fn get(&self, digest: &Digest) -> Option<&CatalogBlob> {
        let at = self.blobs.binary_search_by_key(digest, |blob| blob.digest).ok()?;
        self.blobs.get(at)
    }

    /// The recipe of a layer; `None` when it has none.
    pub fn layer(&self, digest: &Digest) -> Option<&Layer> {
        let at = self.layers.binary_search_by_key(digest, |layer| layer.blob.digest).ok()?;
        self.layers.get(at)
    }

    /// The entry of a blob that the destination holds.
    pub fn held(&self, digest: &Digest) -> Option<&Held> {
        let at = self.held.binary_search_by_key(digest, |held| held.blob.digest).ok()?;
        self.held.get(at)
    }

    /// The size in bytes of a blob of an image, however it is had; `None` when it is not.
    pub fn size(&self, digest: &Digest) -> Option<u64> {
        let stored = self.get(digest).or_else(|| Some(&self.layer(digest)?.blob));
        stored.or_else(|| Some(&self.held(digest)?.blob)).map(|blob| blob.size)
    }

    /// Every blob that lies in the bundle as a file, documents aside: stored blobs and packs.
    pub fn files(&self) -> impl Iterator<Item = &CatalogBlob> {
        self.blobs.iter().chain(self.packs.iter().map(|pack| &pack.blob))
    }

    /// Every blob of the images with its size in bytes, however it is had.
    pub fn image_blobs(&self) -> impl Iterator<Item = (Digest, u64)> {
        let stored = self.blobs.iter().chain(self.layers.iter().map(|layer| &layer.blob));
        let all = stored.chain(self.held.iter().map(|held| &held.blob));
        all.map(|blob| (blob.digest, blob.size))
    }
}

/// The text, once it is known to be bearable.
fn inflate(bytes: &[u8]) -> Result<Vec<u8>, CatalogError> {
    let length = measure(bytes)?;
    let mut json = Vec::with_capacity(length);
    decoder(bytes).and_then(|mut it| it.read_to_end(&mut json)).map_err(CatalogError::Zstd)?;
    Ok(json)
}

/// How many bytes the text has. Keeps none of them.
fn measure(bytes: &[u8]) -> Result<usize, CatalogError> {
    let mut decoder = decoder(bytes).map_err(CatalogError::Zstd)?;
    let (mut length, mut arrays, mut piece) = (0, 0, vec![0; 64 * 1024]);
    loop {
        let count = decoder.read(&mut piece).map_err(CatalogError::Zstd)?;
        length += count;
        arrays += piece[..count].iter().filter(|byte| **byte == b'[').count();
        if arrays > MAX_ARRAYS {
            return Err(CatalogError::TooMany);
        }
        if length > MAX_INFLATED {
            let past = std::io::Error::other("it inflates past 512 MiB");
            return Err(CatalogError::Zstd(past));
        }
        if count == 0 {
            return Ok(length);
        }
    }
}

fn decoder(bytes: &[u8]) -> std::io::Result<zstd::stream::read::Decoder<'_, &[u8]>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)?;
    decoder.window_log_max(MAX_WINDOW_LOG)?;
    Ok(decoder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(text: &str, size: u64) -> CatalogBlob {
        let marks = Marks(vec![[7; MARK_SIZE]; (size / MARK_BLOCK as u64) as usize]);
        CatalogBlob { digest: Digest::of(text.as_bytes()), size, marks, stored: None }
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
        let later = "\"later\":[],\"needs\":[\"packs\",\"later\"]";
        let needs = Catalog::parse(&repacked(&catalog, "\"needs\":[]", later));
        assert!(matches!(needs, Err(CatalogError::Needs(need)) if need == "later"));
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
