use super::*;
use crate::bundle::{BundlePath, Packaging};
use crate::oci::Digest;
use crate::oci::MARK_BLOCK;
use crate::report::{Event, Silent};
use crate::tests::{Maker, flip, noise};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what it hears of.
#[derive(Default)]
struct Count {
    announced: AtomicU64,
    done: AtomicU64,
}

impl Progress for Count {
    fn begin(&self, _: &str, bytes: u64) {
        self.announced.fetch_add(bytes, Ordering::Relaxed);
    }
    fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }
    fn end(&self) {}
    fn event(&self, _: Event) {}
}

/// One blob of more than a stretch, two small ones.
fn made() -> (Maker, Vec<u8>) {
    let maker = Maker::new();
    let large = noise(65 * MARK_BLOCK + 9, 1);
    maker.bundle(&[maker.image("one:1", &[large.clone(), noise(100, 2), vec![]])]);
    (maker, large)
}

#[test]
fn every_byte_of_every_blob_is_proven_once() {
    let (maker, _) = made();
    let bundle = maker.verify(&[maker.path("bundle")]).unwrap();
    let count = Count::default();
    bundle.get().prove_blobs(&count).unwrap();
    let total: u64 = bundle.get().catalog().blobs.iter().map(|blob| blob.size).sum();
    assert_eq!(count.announced.into_inner(), total);
    assert_eq!(count.done.into_inner(), total);
}

#[test]
fn damage_in_several_blobs_is_told_at_once() {
    let (maker, large) = made();
    let bundle = maker.verify(&[maker.path("bundle")]).unwrap();
    let place = |bytes: &[u8]| {
        let path = BlobPath::of(&Digest::of(bytes)).unwrap();
        (BundlePath::Blob(path), maker.path("bundle").join(path.to_string()))
    };
    let (of_large, of_small) = (place(&large), place(&noise(100, 2)));
    flip(&of_large.1, 3);
    flip(&of_large.1, 65 * MARK_BLOCK as u64 + 8);
    flip(&of_small.1, 99);
    let mut expected = vec![
        (of_large.0, 0, MARK_BLOCK as u64),
        (of_large.0, 65 * MARK_BLOCK as u64, 9),
        (of_small.0, 0, 100),
    ];
    expected.sort();
    let damage = bundle.get().prove_blobs(&Silent).unwrap_err();
    let found = damage.into_iter().map(|error| match error {
        VerifyError::Damaged { path, at } => (path, at.offset, at.length),
        error => panic!("{error}"),
    });
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn in_an_archive_the_place_is_that_of_the_archive() {
    let maker = Maker::new();
    let image = maker.image("one:1", &[noise(MARK_BLOCK + 7, 1)]);
    maker.export(&[image], "a.tar", Packaging::Archive).unwrap();
    let path = BlobPath::of(&Digest::of(&noise(MARK_BLOCK + 7, 1))).unwrap();
    let start = {
        let bundle = maker.verify(&[maker.path("a.tar")]).unwrap();
        bundle.get().medium().get(&path.into()).unwrap().offset()
    };
    flip(&maker.path("a.tar"), start + MARK_BLOCK as u64 + 2);
    let bundle = maker.verify(&[maker.path("a.tar")]).unwrap();
    let damage = bundle.get().prove_blobs(&Silent).unwrap_err();
    let at = super::super::Location {
        file: maker.path("a.tar"),
        offset: start + MARK_BLOCK as u64,
        length: 7,
    };
    assert!(matches!(&damage[..], [VerifyError::Damaged { at: found, .. }] if *found == at));
}
