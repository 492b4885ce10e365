//! Steps 6, 7 and 10: from a seal to everything but the blobs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::blob::BlobReader;
use super::lost::{Gaps, Hurt};
use super::story::{self, StoryError};
use super::{Location, VerifyError};
use crate::bundle::{
    BlobPath, BundlePath, Catalog, CatalogBlob, HeadFile, IndexError, Lading, MAX_CATALOG_SIZE,
    MAX_INDEX_SIZE, MAX_LADING_SIZE, MAX_SUMS_SIZE, Medium, OCI_LAYOUT, Piece, Seal, Sums,
    check_docker_manifest_json, check_index_json, places,
};
use crate::chunk::{ChunkIndex, MAX_CHUNKS_SIZE};
use crate::oci::{Digest, Hasher, MAX_MANIFEST_SIZE, Manifest, PinnedDocument, PinnedImage};
use crate::trust::{Chain, KeyId, Paper};

/// The most bytes that the manifests of a bundle may have together: they are kept in memory.
const MAX_DOCUMENTS_SIZE: u64 = 256 * 1024 * 1024;

/// What is in a bundle. As a [`super::VerifiedBundle`] it is proven; by itself it is a claim.
#[derive(Debug)]
pub struct Contents {
    medium: Medium,
    seal: Seal,
    seal_digest: Digest,
    signers: Vec<KeyId>,
    chain: Option<Chain>,
    sums: Sums,
    lading: Lading,
    catalog: Catalog,
    documents: BTreeMap<Digest, Manifest>,
    gaps: Gaps,
}

impl Contents {
    pub(super) fn read(
        medium: Medium,
        seal_bytes: &[u8],
        seal: Seal,
        signers: Vec<KeyId>,
        chain: Option<Chain>,
        mut gaps: Gaps,
    ) -> Result<Contents, VerifyError> {
        let seal_digest = Digest::of(seal_bytes);
        let heads = Heads::read(&medium, &seal)?; // 6
        heads.check_complete(&mut gaps)?;
        if heads.get(HeadFile::OciLayout, OCI_LAYOUT.len() as u64)? != OCI_LAYOUT {
            return Err(IndexError::Differs("oci-layout").into());
        }
        let lading = heads.lading()?; // 7
        let catalog = heads.catalog()?;
        check_index_json(&heads.get(HeadFile::Index, MAX_INDEX_SIZE)?, &lading.images)?;
        story::check_files(&seal, &heads.sums, &lading, &catalog)?;
        let documents = read_documents(&medium, &lading, &mut gaps)?; // 10
        let mut named = lading.images.iter().flat_map(|image| &image.documents);
        let whole = named.all(|document| documents.contains_key(&document.digest));
        story::check_images(&lading, &catalog, &documents, whole)?;
        if heads.sums.get(&HeadFile::DockerManifest.into()).is_some() && whole {
            let bytes = heads.get(HeadFile::DockerManifest, MAX_INDEX_SIZE)?;
            check_docker_manifest_json(&bytes, &lading.images, &documents)?;
        }
        if let Some(chunks) = heads.chunks()? {
            story::check_chunks(&chunks, &catalog)?;
        }
        let sums = heads.sums;
        let mut contents = Contents {
            medium,
            seal,
            seal_digest,
            signers,
            chain,
            sums,
            lading,
            catalog,
            documents,
            gaps,
        };
        contents.check_sizes()?;
        Ok(contents)
    }

    /// The seal.
    pub fn seal(&self) -> &Seal {
        &self.seal
    }

    /// The seal's own digest: the name of this bundle.
    pub fn seal_digest(&self) -> Digest {
        self.seal_digest
    }

    /// The trusted keys that signed; empty when nobody asked.
    pub fn signers(&self) -> &[KeyId] {
        &self.signers
    }

    /// The trust documents that were followed, to the newest; `None` when keys were named instead, or
    /// nobody asked.
    pub fn chain(&self) -> Option<&Chain> {
        self.chain.as_ref()
    }

    /// The trust documents that travel along, whoever made them.
    ///
    /// # Errors
    /// [`VerifyError::Chain`] when there are too many or they are too large; [`VerifyError::File`].
    pub fn papers(&self) -> Result<Vec<Paper>, VerifyError> {
        super::chain::papers(&self.medium)
    }

    /// The bill of lading.
    pub fn lading(&self) -> &Lading {
        &self.lading
    }

    /// Every image aboard, sorted by name.
    pub fn images(&self) -> &[PinnedImage] {
        &self.lading.images
    }

    /// How the blobs are kept.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The digest of every file.
    pub fn sums(&self) -> &Sums {
        &self.sums
    }

    /// Where the files lie.
    pub fn medium(&self) -> &Medium {
        &self.medium
    }

    /// A manifest or index of an image aboard.
    pub fn document(&self, digest: &Digest) -> Option<&Manifest> {
        self.documents.get(digest)
    }

    /// Every manifest and index.
    pub fn documents(&self) -> impl Iterator<Item = &Manifest> {
        self.documents.values()
    }

    /// Every document and blob that `images` bring to a target, each once with its size in bytes:
    /// from the root of each on, but for what stays behind.
    pub fn content<'a>(
        &self,
        images: impl IntoIterator<Item = &'a PinnedImage>,
    ) -> BTreeMap<Digest, u64> {
        let mut content = BTreeMap::new();
        for image in images {
            for document in &image.documents {
                content.insert(document.digest, document.size);
                let blobs = self.document(&document.digest).into_iter().flat_map(Manifest::blobs);
                let travel = blobs.filter(|blob| !image.omits(&blob.digest));
                content.extend(travel.map(|blob| (blob.digest, blob.size)));
            }
        }
        content
    }

    /// The documents, blobs and packs that are missing or have another size than is signed, and the
    /// documents that are damaged; nothing unless [`super::verify_partly`] was asked.
    pub fn gaps(&self) -> &[Hurt] {
        self.gaps.found()
    }

    /// The same, to be told; what is a gap stays one.
    pub fn take_gaps(&mut self) -> Vec<Hurt> {
        self.gaps.take()
    }

    /// True for what is among the gaps.
    pub(super) fn is_gap(&self, digest: &Digest) -> bool {
        self.gaps.has(digest)
    }

    /// Every document, blob and pack with its size in bytes, in the order in which a bundle holds
    /// them.
    pub fn places(&self) -> Vec<(BlobPath, u64)> {
        places(&self.lading.images, &self.documents, &self.catalog)
    }

    /// Where on the medium a blob, or the first that it is made from, begins: to read many in the
    /// order in which they lie there.
    pub fn position(&self, digest: &Digest) -> Option<(PathBuf, u64)> {
        let first = self.catalog.layer(digest).and_then(|layer| layer.from.first());
        let piece = self.medium.get(&BlobPath::of(first.unwrap_or(digest))?.into())?;
        Some((piece.file(), piece.offset()))
    }

    /// The images that a document or blob belongs to, or that are made from a pack.
    pub fn images_with(&self, digest: &Digest) -> Vec<&PinnedImage> {
        self.images().iter().filter(|image| self.needs(image).contains(digest)).collect()
    }

    /// Reads a stored blob or a pack; what the reader gives is proven (step 8).
    ///
    /// # Errors
    /// [`StoryError::Unlisted`] for a digest that is not aboard; [`VerifyError::File`].
    pub fn file(&self, digest: &Digest) -> Result<BlobReader<'static>, VerifyError> {
        self.file_at(digest, 0)
    }

    /// The same from block `block` of [`crate::oci::MARK_BLOCK`] bytes on.
    ///
    /// # Errors
    /// As [`Contents::file`].
    pub fn file_at(
        &self,
        digest: &Digest,
        block: usize,
    ) -> Result<BlobReader<'static>, VerifyError> {
        let pack = || Some(&self.catalog.packs.iter().find(|it| it.blob.digest == *digest)?.blob);
        let entry = self.catalog.get(digest).or_else(pack);
        let entry = entry.ok_or(StoryError::Unlisted(*digest))?;
        self.file_from(entry, block.min(entry.marks.0.len()))
    }

    /// Reads the stored blob or pack `entry` from block `from` on.
    pub(super) fn file_from(
        &self,
        entry: &CatalogBlob,
        from: usize,
    ) -> Result<BlobReader<'static>, VerifyError> {
        let path = BlobPath::of(&entry.digest);
        let found = path.and_then(|path| Some((path, self.medium.get(&path.into())?)));
        let (path, piece) = found.ok_or(StoryError::Unlisted(entry.digest))?;
        BlobReader::stretch(path, piece, entry, from, usize::MAX)
    }

    /// The bytes of a head file, proven again: the medium may have changed since.
    ///
    /// # Errors
    /// [`VerifyError::Missing`], [`VerifyError::Damaged`].
    pub fn head(&self, file: HeadFile) -> Result<Vec<u8>, VerifyError> {
        let path = BundlePath::Head(file);
        let piece = found(&self.medium, &path)?;
        let digest = match file {
            HeadFile::Seal => Some(self.seal_digest),
            HeadFile::Sums => Some(self.seal.sums),
            _ => self.sums.get(&path).copied(),
        };
        match digest {
            Some(digest) => proven(path, piece, &digest, piece.size),
            // A signature proves itself to whoever has the key.
            None => Ok(piece.read(piece.size)?.unwrap_or_default()),
        }
    }

    /// The chunks of its layers, proven again; `None` when they were not opened.
    ///
    /// # Errors
    /// As [`Contents::head`]; [`VerifyError::Chunks`].
    pub fn chunks(&self) -> Result<Option<ChunkIndex>, VerifyError> {
        if self.sums.get(&HeadFile::Chunks.into()).is_none() {
            return Ok(None);
        }
        Ok(Some(ChunkIndex::parse(&self.head(HeadFile::Chunks)?)?))
    }

    /// Step 8 for every blob: the sizes, before any is read.
    fn check_sizes(&mut self) -> Result<(), VerifyError> {
        let mut total = 0u64;
        let sizes: BTreeMap<Digest, u64> =
            self.catalog.files().map(|blob| (blob.digest, blob.size)).collect();
        for path in self.sums.paths() {
            if matches!(path, BundlePath::Blob(blob) if self.gaps.has(&blob.digest())) {
                continue;
            }
            let piece = found(&self.medium, path)?;
            let expected = match path {
                BundlePath::Blob(blob) => sizes.get(&blob.digest()),
                BundlePath::Head(_) | BundlePath::Trust(_) => None,
            };
            if let Some(expected) = expected.copied().filter(|expected| *expected != piece.size) {
                let at = Location::of(piece);
                self.gaps.note(path, VerifyError::Size { path: *path, expected, at })?;
            }
            total = total.saturating_add(piece.size);
        }
        match total == self.seal.bytes || !self.gaps.found().is_empty() {
            true => Ok(()),
            false => Err(StoryError::Bytes { sealed: self.seal.bytes, found: total }.into()),
        }
    }
}

/// The head files behind the sums.
pub(super) struct Heads<'a> {
    pub(super) medium: &'a Medium,
    pub(super) sums: Sums,
}

impl<'a> Heads<'a> {
    /// Step 6.
    pub(super) fn read(medium: &'a Medium, seal: &Seal) -> Result<Heads<'a>, VerifyError> {
        let path = BundlePath::Head(HeadFile::Sums);
        let piece = found(medium, &path)?;
        if piece.size != seal.sums_size {
            let expected = seal.sums_size;
            return Err(VerifyError::Size { path, expected, at: Location::of(piece) });
        }
        let sums = Sums::parse(&proven(path, piece, &seal.sums, MAX_SUMS_SIZE)?)?;
        Ok(Heads { medium, sums })
    }

    /// The medium holds what the sums list, and nothing else.
    fn check_complete(&self, gaps: &mut Gaps) -> Result<(), VerifyError> {
        for path in self.medium.paths() {
            let outside = matches!(
                path,
                BundlePath::Head(HeadFile::Sums | HeadFile::Seal | HeadFile::Signature(_))
                    | BundlePath::Trust(_)
            );
            let listed = outside || self.sums.get(path).is_some();
            if let Some(piece) = self.medium.get(path).filter(|_| !listed) {
                return Err(VerifyError::Extra { path: *path, at: Location::of(piece) });
            }
        }
        let is_missing = |path: &&BundlePath| self.medium.get(path).is_none();
        let missing: Vec<BundlePath> = self.sums.paths().filter(is_missing).copied().collect();
        let gap = if missing.is_empty() { None } else { self.gap() };
        for path in missing {
            let error = match (&gap, path) {
                (Some(gap), BundlePath::Blob(_)) => VerifyError::Volumes(gap.clone()),
                _ => VerifyError::Missing { path },
            };
            gaps.note(&path, error)?;
        }
        Ok(())
    }

    fn get(&self, file: HeadFile, cap: u64) -> Result<Vec<u8>, VerifyError> {
        let path = BundlePath::Head(file);
        let piece = found(self.medium, &path)?;
        let missing = || VerifyError::Missing { path };
        proven(path, piece, self.sums.get(&path).ok_or_else(missing)?, cap)
    }

    pub(super) fn lading(&self) -> Result<Lading, VerifyError> {
        Ok(Lading::parse(&self.get(HeadFile::Lading, MAX_LADING_SIZE)?)?)
    }

    pub(super) fn catalog(&self) -> Result<Catalog, VerifyError> {
        Ok(Catalog::parse(&self.get(HeadFile::Catalog, MAX_CATALOG_SIZE)?)?)
    }

    /// The chunk index, if the bundle has one.
    pub(super) fn chunks(&self) -> Result<Option<ChunkIndex>, VerifyError> {
        if self.sums.get(&HeadFile::Chunks.into()).is_none() {
            return Ok(None);
        }
        let bytes = self.get(HeadFile::Chunks, MAX_CHUNKS_SIZE)?;
        Ok(Some(ChunkIndex::parse(&bytes)?))
    }
}

fn read_documents(
    medium: &Medium,
    lading: &Lading,
    gaps: &mut Gaps,
) -> Result<BTreeMap<Digest, Manifest>, VerifyError> {
    let mut documents = BTreeMap::new();
    let mut total = 0;
    for document in lading.images.iter().flat_map(|image| &image.documents) {
        if documents.contains_key(&document.digest) || gaps.has(&document.digest) {
            continue;
        }
        let blob = BlobPath::of(&document.digest).ok_or(StoryError::Unlisted(document.digest))?;
        let path = BundlePath::Blob(blob);
        let piece = found(medium, &path)?;
        total += document.size;
        if total > MAX_DOCUMENTS_SIZE {
            let at = Location::of(piece);
            return Err(VerifyError::TooLarge { path, cap: MAX_DOCUMENTS_SIZE, at });
        }
        match read_document(path, piece, document) {
            Ok(manifest) => drop(documents.insert(document.digest, manifest)),
            // What was signed is malformed: the maker's fault, and not the medium's.
            Err(error @ VerifyError::Manifest { .. }) => return Err(error),
            Err(error) => gaps.note(&path, error)?,
        }
    }
    Ok(documents)
}

fn read_document(
    path: BundlePath,
    piece: &Piece,
    document: &PinnedDocument,
) -> Result<Manifest, VerifyError> {
    if piece.size != document.size {
        let at = Location::of(piece);
        return Err(VerifyError::Size { path, expected: document.size, at });
    }
    let raw = proven(path, piece, &document.digest, MAX_MANIFEST_SIZE)?;
    Manifest::parse(document.descriptor(), raw)
        .map_err(|error| VerifyError::Manifest { at: Location::of(piece), error })
}

/// The bytes of a file, of which no one has been looked at before its digest was right.
pub(super) fn proven(
    path: BundlePath,
    piece: &Piece,
    digest: &Digest,
    cap: u64,
) -> Result<Vec<u8>, VerifyError> {
    let at = || Location::of(piece);
    let bytes = piece.read(cap)?.ok_or_else(|| VerifyError::TooLarge { path, cap, at: at() })?;
    let mut hasher = Hasher::sha256();
    hasher.update(&bytes);
    if bytes.len() as u64 != piece.size || hasher.finish() != *digest {
        return Err(VerifyError::Damaged { path, at: at() });
    }
    Ok(bytes)
}

fn found<'a>(medium: &'a Medium, path: &BundlePath) -> Result<&'a Piece, VerifyError> {
    medium.get(path).ok_or(VerifyError::Missing { path: *path })
}
