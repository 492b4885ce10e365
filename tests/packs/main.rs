//! Packed layers and deltas: real encoders, real registries, foreign readers.

mod deltas;
mod faults;
mod images;
mod whole;

#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use images::Layout;
use support::command::Work;

/// What every import of these tests trusts.
const TRUST: &str = "--trust release.key.pub";

/// The digests of all blobs of a layout or bundle directory, each held against its bytes.
fn blobs(work: &Work, place: &str) -> BTreeSet<String> {
    let directory = work.path(place).join("blobs/sha256");
    let entries = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            let bytes = std::fs::read(entry.path()).unwrap();
            assert_eq!(gapferry::oci::Digest::of(&bytes).hex(), name, "{place}");
            name
        })
        .collect()
}

/// The bytes of everything below a directory.
fn size(work: &Work, place: &str) -> u64 {
    let files = walkdir::WalkDir::new(work.path(place)).into_iter().map(Result::unwrap);
    files.filter(|file| file.file_type().is_file()).map(|file| file.metadata().unwrap().len()).sum()
}

/// `oci:layout:NAME` for each of `names`.
fn sources(names: &[&str]) -> String {
    names.iter().map(|name| format!("oci:layout:{name} ")).collect()
}

/// A place to work in, with a layout of images made by every encoder at hand; the layers of each
/// image.
fn prepared() -> (Work, BTreeMap<String, Vec<String>>) {
    let work = Work::new();
    let layers = Layout::place(&work);
    (work, layers)
}
