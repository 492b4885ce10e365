//! The head files of a bundle. What is taken has one spelling, so writing it gives the same bytes.

use gapferry::bundle::{self, Catalog, Lading, Seal, Sums};
use gapferry::chunk::ChunkIndex;
use gapferry::layout::Index;
use gapferry::oci::{Descriptor, Digest, Manifest, MediaType};
use gapferry::parity;

pub fn seal(data: &[u8]) {
    if let Ok(seal) = Seal::parse(data) {
        assert_eq!(seal.to_bytes(), data);
    }
}

pub fn sums(data: &[u8]) {
    if let Ok(sums) = Sums::parse(data) {
        assert_eq!(sums.to_bytes(), data);
    }
}

/// The lading, and what is compared with it.
pub fn lading(data: &[u8]) {
    let Ok(lading) = Lading::parse(data) else { return };
    let index = bundle::index_json(&lading.images);
    bundle::check_index_json(&index, &lading.images).expect("what we write is what we take");
}

/// The bytes as JSON; the compression around it is another parser's.
pub fn catalog(data: &[u8]) {
    let _ = Catalog::parse(data);
    let Ok(catalog) = Catalog::parse(&gapferry::chunk::compress(data, 1)) else { return };
    let again = Catalog::parse(&catalog.to_bytes()).expect("what we write is what we take");
    assert_eq!(again, catalog);
}

/// The bytes as a file, and as what the file holds compressed.
pub fn chunks(data: &[u8]) {
    let _ = ChunkIndex::parse(data);
    let _ = ChunkIndex::parse(&gapferry::chunk::compress(data, 1));
}

pub fn index(data: &[u8]) {
    let _ = Index::parse(data);
    let _ = bundle::check_index_json(data, &[]);
}

/// The index of parity: the bytes as its text, and as a file of parity beside a bundle.
pub fn parity(data: &[u8]) {
    if let Ok((index, length)) = parity::Index::parse(data) {
        assert_eq!(index.text().as_bytes(), &data[..length]);
    }
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("parity-0001.rs"), data).expect("a file");
    let _ = parity::Survey::look(&[directory.path().to_owned()], Digest::of(b""));
}

/// A manifest or an index under each media type; the first byte chooses.
pub fn manifest(data: &[u8]) {
    const TYPES: [&str; 4] = [
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ];
    let Some((choice, raw)) = data.split_first() else { return };
    let media_type = MediaType::new(TYPES[usize::from(*choice) % TYPES.len()]).expect("a type");
    let descriptor = Descriptor::new(media_type, Digest::of(raw), raw.len() as u64);
    if let Ok(manifest) = Manifest::parse(descriptor, raw.to_vec()) {
        assert_eq!(manifest.raw(), raw);
    }
}
