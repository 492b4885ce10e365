//! Targets beside registries and layouts, read by those that they are for.

mod archives;
mod kills;
mod storage;

#[path = "../interrupted/strace.rs"]
#[allow(dead_code)] // Each test binary uses a part of it.
mod strace;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::path::Path;

pub(crate) use support::command;
use support::command::Work;
use support::images::{Entry, IMAGES, digest, entries};

/// What every import of these tests reads.
const IMPORT: &str = "import bundle --trust release.key.pub --to";

/// A place to work in with a bundle of the test images whose names begin so.
fn exported(prefixes: &[&str], options: &str) -> (Work, Vec<Entry>) {
    let (work, images) = (Work::new(), entries(prefixes));
    let images: Vec<Entry> =
        images.into_iter().filter(|entry| entry.tag.is_some() && !entry.is_cosign()).collect();
    let named: Vec<String> =
        images.iter().map(|entry| format!("oci:{IMAGES}:{}", entry.name())).collect();
    work.ok(&format!("export {} -o bundle --key release.key {options}", named.join(" ")));
    (work, images)
}

/// Runs a tool, which must succeed, and gives what it prints.
fn done(work: &Work, line: &str) -> String {
    let output = work.tool(line).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The names in a directory.
fn names(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The digest of a file's bytes.
fn digest_of(path: &Path) -> String {
    digest(&std::fs::read(path).unwrap())
}
