//! Trust documents from end to end, with the real binary: on three machines, with every fault, and
//! with the tools of others.

mod chains;
mod keys;
mod machines;
mod packagings;
#[path = "../support/mod.rs"]
mod support;
mod tools;

use std::path::Path;

use gapferry::oci::Digest;
use support::command::Work;

const IMAGE: &str = concat!(
    "demo/tiny:1.0=oci-archive:",
    env!("CARGO_MANIFEST_DIR"),
    "/testdata/archives/skopeo-oci.tar"
);
/// Later than the time at which documents and bundles are made here, and past.
const PAST: &str = "2024-01-01T00:00:00Z";

/// A maker's directory with the root keys `a`, `b`, `c` and the sealing keys `ann`, `bob`, `eve`.
fn maker() -> Work {
    let work = Work::new();
    for key in ["a", "b", "c", "ann", "bob", "eve"] {
        work.ok(&format!("key new -o {key}"));
    }
    work
}

const ROOTS: &str = "--root a.pub --root b.pub --root c.pub --root-threshold 2";
const STREAM: &str = "--stream prod=2:ann.pub,bob.pub,eve.pub";

/// A maker with a first document in `trust`, signed by `a` and `b`: two of `ann`, `bob` and `eve`
/// seal `prod`.
fn acme() -> Work {
    let work = maker();
    work.ok(&format!("trust new -o trust --name acme {ROOTS} {STREAM}"));
    sign(&work, "trust", &["a", "b"]);
    work
}

fn sign(work: &Work, directory: &str, keys: &[&str]) {
    for key in keys {
        work.ok(&format!("trust sign {directory} --yes --key {key}"));
    }
}

/// Exports the smallest image of the stream `prod` to `out`, sealed by these keys.
fn export(work: &Work, out: &str, trust: &str, keys: &[&str]) {
    work.ok(&export_line(out, trust, keys));
}

fn export_line(out: &str, trust: &str, keys: &[&str]) -> String {
    let keys: String = keys.iter().map(|key| format!(" --key {key}")).collect();
    // What is called new comes after the others.
    let sequence = if out == "new" { 2 } else { 1 };
    format!(
        "export {IMAGE} -o {out} --stream prod --sequence {sequence} --trust-documents {trust}{keys}"
    )
}

fn id(work: &Work, key: &str) -> String {
    work.json(&format!("key show {key}.pub"))["keyId"].as_str().unwrap().to_owned()
}

/// The digest that a person reads out.
fn digest(work: &Work, file: &str) -> String {
    Digest::of(&work.read(file)).to_string()
}

/// Lets the site that keeps its state in `state` believe the first document of the maker here.
fn accept(work: &Work, state: &str) {
    let pinned = digest(work, "trust/trust-000001");
    work.ok(&format!("trust accept trust --digest {pinned} --state {state}"));
}

/// Carries a directory from one place to another.
fn carry(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => carry(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// Copies within a maker's directory what begins with `name`.
fn copy(work: &Work, from: &str, name: &str, to: &str) {
    for entry in std::fs::read_dir(work.path(from)).unwrap().map(Result::unwrap) {
        if entry.file_name().to_str().unwrap().starts_with(name) {
            std::fs::copy(entry.path(), work.path(to).join(entry.file_name())).unwrap();
        }
    }
}

/// The numbers of the documents that a site has accepted.
fn accepted(work: &Work, state: &str) -> Vec<u64> {
    let shown = work.json(&format!("trust show --state {state}"));
    let documents = shown["documents"].as_array().unwrap().iter();
    documents.map(|document| document["number"].as_u64().unwrap()).collect()
}

/// Verification and import of `places` are refused; the target gets nothing, and the site learns
/// nothing.
fn refused(work: &Work, places: &str, state: &str, exit: i32, code: &str) -> String {
    let before = accepted(work, state);
    work.refused(&format!("verify {places} --state {state}"), exit, code);
    let import = format!("import {places} --state {state} --to oci:target");
    let message = work.refused(&import, exit, code);
    assert!(!work.path("target").exists(), "{places}");
    assert_eq!(accepted(work, state), before, "{places}");
    message
}

/// The import succeeds and leaves the site with these documents.
fn taken(work: &Work, places: &str, state: &str, documents: &[u64]) {
    work.ok(&format!("verify {places} --state {state}"));
    work.ok(&format!("import {places} --state {state} --to oci:target"));
    assert!(work.path("target/index.json").exists());
    std::fs::remove_dir_all(work.path("target")).unwrap();
    assert_eq!(accepted(work, state), documents, "{places}");
}
