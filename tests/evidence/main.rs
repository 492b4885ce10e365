//! Evidence with the real binary: the audit log, its checkpoints and proofs, the transfer record and
//! receipts, each checked with `sha256sum` and `openssl` alone.

#[path = "../support/command.rs"]
#[allow(dead_code)] // Each test binary uses a part of it.
mod command;
mod damage;
mod log;
mod record;
mod round;
#[path = "../interrupted/strace.rs"]
#[allow(dead_code)] // Each test binary uses a part of it.
mod strace;

use std::process::Command;

use command::Work;
use serde_json::Value;

const TRUST: &str = "--trust release.key.pub";
const TESTDATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata");
/// Where the log is unless it is named.
const LOG: &str = ".local/state/gapferry/log/audit.jsonl";

/// Exports a test image to `out`.
fn export(work: &Work, out: &str, more: &str) {
    let image = format!("oci:{TESTDATA}/images:library/busybox:1.35");
    work.ok(&format!("export {image} -o {out} --key release.key {more}"));
}

/// What a shell line prints, in the directory of the work; it must succeed.
#[track_caller]
fn shell(work: &Work, line: &str) -> String {
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", line]).current_dir(work.path("."));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The same, where it must fail.
#[track_caller]
fn shell_fails(work: &Work, line: &str) {
    let mut command = Command::new("bash");
    let output = command.args(["-euo", "pipefail", "-c", line]).current_dir(work.path("."));
    assert!(!output.output().unwrap().status.success(), "{line}");
}

/// The records of the log, read without gapferry.
fn records(work: &Work, log: &str) -> Vec<Value> {
    let text = String::from_utf8(work.read(log)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A block of a text in `formats/` that is marked as `kind`.
fn example(file: &str, kind: &str) -> String {
    let path = format!("{}/formats/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once(&format!("\n```{kind}\n")).unwrap();
    rest.split_once("\n```").unwrap().0.to_owned()
}
