//! What a site remembers of its imports, with the real binary: what it then refuses, what becomes of
//! the memory when an import fails, and what is shown of it.

mod broken;
mod killed;
mod order;
mod shown;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use support::command::Work;

const TRUST: &str = "--trust release.key.pub";
/// Where the memory lies when nothing is said.
const STATE: &str = ".local/state/gapferry";

/// The smallest bundle: one image of one layer.
fn tiny(work: &Work, out: &str, more: &str) {
    let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives/skopeo-oci.tar");
    let image = format!("demo/tiny:1.0=oci-archive:{archive}");
    work.ok(&format!("export {image} -o {out} --key release.key {more}"));
}

/// A place to work in, with bundles of these sequences, called after them.
fn with_bundles(sequences: &[u64]) -> Work {
    let work = Work::new();
    for sequence in sequences {
        tiny(&work, &format!("b{sequence}"), &format!("--sequence {sequence}"));
    }
    work
}

/// Every file below a directory that may be absent, with its content.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = walkdir::WalkDir::new(root).into_iter().filter_map(Result::ok);
    let files = files.filter(|entry| entry.file_type().is_file());
    files.map(|entry| (entry.path().to_owned(), std::fs::read(entry.path()).unwrap())).collect()
}

/// The memory's files; the lock is none of them, nor is the log, which grows.
fn memory(work: &Work) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = tree(&work.path(STATE));
    let log = work.path(STATE).join("log");
    files.retain(|path, _| !path.ends_with("lock") && !path.starts_with(&log));
    files
}

/// Epoch and sequence of the newest of the only stream.
fn newest(work: &Work) -> Option<u64> {
    let shown = work.json("memory show");
    shown["streams"].as_array().unwrap().first().map(|it| it["sequence"].as_u64().unwrap())
}
