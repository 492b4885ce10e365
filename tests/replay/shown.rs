//! `gapferry memory`, and what export and import say of the bundle before.

use serde_json::{Value, json};

use super::support::command::Work;
use super::{STATE, TRUST, tiny, with_bundles};

#[test]
fn the_memory_is_shown_and_checked() {
    let work = with_bundles(&[5, 6]);
    let none = work.json("memory show");
    assert_eq!(
        (&none["streams"], &none["floor"], &none["entries"]),
        (&json!([]), &Value::Null, &json!(0))
    );
    let early = work.json(&format!("import b5 {TRUST} --to oci:target"))["memory"]["head"].clone();
    let said = work.ok(&format!("import b6 {TRUST} --to oci:target -v"));
    let shown = work.json("memory show");
    let stream = &shown["streams"][0];
    assert_eq!((&stream["stream"], &stream["sequence"]), (&json!("default"), &json!(6)));
    let seal = gapferry::oci::Digest::of(&work.read("b6/seal")).to_string();
    assert_eq!(stream["seal"], seal.as_str());
    assert_eq!(shown["floor"], "2023-11-14T22:13:20Z");
    let head = shown["head"].as_str().unwrap();
    assert!(said.contains(&format!("memory   {head}\n")), "{said}");
    let table = work.ok("memory show");
    for part in
        ["default: epoch 1, sequence 6\n", &seal, "imported", "floor  2023-11", head, "2 entries"]
    {
        assert!(table.contains(part), "{part}: {table}");
    }
    let early = early.as_str().unwrap();
    for head in [early, head] {
        assert_eq!(work.json(&format!("memory check --head {head}"))["entries"], 2);
    }
    let other = "0".repeat(64);
    work.refused(&format!("memory check --head {other}"), 3, "other-memory");
    work.refused("memory check --head abc", 2, "usage");
}

#[test]
fn a_memory_that_is_moved_goes_on_elsewhere() {
    let work = with_bundles(&[5, 6]);
    work.ok(&format!("import b6 {TRUST} --to oci:target"));
    std::fs::rename(work.path(STATE), work.path("moved")).unwrap();
    let line = format!("import b5 {TRUST} --to oci:other");
    work.refused(&format!("{line} --state moved"), 4, "replayed");
    work.ok(&line);
}

/// The seals of bundles name the one before, and a site that lacks it says so.
#[test]
fn a_bundle_that_was_left_out_is_told_of() {
    let work = Work::new();
    tiny(&work, "b1", "--sequence 1");
    std::fs::copy(work.path("b1/seal"), work.path("seal-of-1")).unwrap();
    tiny(&work, "b2", "--sequence 2 --previous seal-of-1");
    tiny(&work, "b3.tar", "--sequence 3 --previous b2");
    tiny(&work, "b4", "--sequence 4 --previous b3.tar");
    let previous = gapferry::oci::Digest::of(&work.read("b1/seal"));
    let seal = String::from_utf8(work.read("b2/seal")).unwrap();
    assert!(seal.contains(&format!("\nprevious: {previous}\n")), "{seal}");
    let import = |bundle: &str| format!("import {bundle} {TRUST} --to oci:target");
    let imported = |bundle: &str| work.json(&import(bundle))["previousImported"].clone();
    assert_eq!(imported("b1"), Value::Null);
    assert_eq!(imported("b2"), true);
    let verified = work.json(&format!("verify b4 {TRUST}"));
    assert_eq!(verified["previousImported"], false);
    let said = work.ok(&import("b4"));
    let missing = "which was not imported here: bundles between are missing\n";
    assert!(said.contains(missing), "{said}");
    assert_eq!(said.matches("follows sha256:").count(), 1);
}

#[test]
fn only_what_can_be_before_is_named_as_previous() {
    let work = Work::new();
    tiny(&work, "b5", "--sequence 5");
    let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives/skopeo-oci.tar");
    let line = format!("export a/b:1=oci-archive:{archive} -o none --key release.key");
    for more in ["--sequence 5", "--sequence 4", "--sequence 6 --stream other", "--epoch 0"] {
        work.refused(&format!("{line} --previous b5 {more}"), 2, "not-previous");
    }
    work.write("broken", "gapferry bundle seal v1\nstream: x\n");
    work.refused(&format!("{line} --previous broken"), 3, "bad-seal");
    work.refused(&format!("{line} --previous nowhere"), 1, "file");
    assert!(!work.path("none").exists());
}
