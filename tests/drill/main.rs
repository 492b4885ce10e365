//! Drills with the real binary: what is restored, what is found, what the record says, and who
//! signed it.

#[path = "../support/command.rs"]
#[allow(dead_code)] // Each test binary uses a part of it.
mod command;
mod damage;
mod records;
mod restored;

use command::Work;
use gapferry::drill::{Outcome, Record};

const TRUST: &str = "--trust release.key.pub";
const TESTDATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata");

/// Exports test images to `out`.
fn export(work: &Work, names: &[&str], out: &str, more: &str) {
    let sources: Vec<String> =
        names.iter().map(|name| format!("oci:{TESTDATA}/images:{name}")).collect();
    work.ok(&format!("export {} -o {out} --key release.key {more}", sources.join(" ")));
}

/// The record in a file.
fn record(work: &Work, name: &str) -> Record {
    Record::parse(&work.read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A failed drill's outcome.
fn failed(code: &str) -> Outcome {
    Outcome::Failed(code.parse().unwrap())
}
