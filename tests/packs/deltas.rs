//! Deltas: what the destination holds does not travel.

use crate::support::DockerRegistry;
use crate::support::command::Work;
use crate::{TRUST, blobs, prepared, size, sources};

const HEADS: [&str; 7] = [
    "seal",
    "SHA256SUMS",
    "oci-layout",
    "index.json",
    "lading.json",
    "catalog.json.zst",
    "chunks.zst",
];

/// Keeps the head files of a bundle, as the connected side may.
fn keep_heads(work: &Work, bundle: &str, heads: &str) {
    std::fs::create_dir(work.path(heads)).unwrap();
    for name in HEADS {
        std::fs::copy(work.path(bundle).join(name), work.path(heads).join(name)).unwrap();
    }
}

#[test]
fn a_delta_of_a_delta_is_made_from_what_is_there() {
    let (work, layers) = prepared();
    let export = |names: &[&str], out: &str, more: &str| {
        work.ok(&format!("export {} -o {out} --key release.key {more}", sources(names)))
    };
    export(&["old-gzip:1", "plain:1"], "first", "--pack always --sequence 1");
    keep_heads(&work, "first", "first-heads");
    export(&["old-gzip:1", "new-pigz:1"], "second", "--since first-heads --sequence 2");
    keep_heads(&work, "second", "second-heads");
    let all = ["old-gzip:1", "new-pigz:1", "new-zlib:1"];
    export(&all, "third", "--since second-heads --sequence 3");
    assert!(size(&work, "second") * 4 < size(&work, "first"), "little of it is new");
    assert!(size(&work, "third") < 40_000, "nothing of it is new: {}", size(&work, "third"));

    let registry = DockerRegistry::start();
    // What is old by then comes to another target with --restore.
    for target in
        [format!("docker://{}/mirror", registry.host()), "oci:arrived --restore".to_owned()]
    {
        let early = work.fails(&format!("import second {TRUST} --to {target}"));
        assert_eq!((early.exit, early.code.as_str()), (4, "base-missing"));
        let seal = gapferry::oci::Digest::of(&work.read("first/seal"));
        assert!(early.message.contains(&seal.to_string()), "{}", early.message);
        for bundle in ["first", "second", "third"] {
            work.ok(&format!("import {bundle} {TRUST} --to {target}"));
        }
    }
    let arrived = blobs(&work, "arrived");
    for name in ["old-gzip:1", "plain:1", "new-pigz:1", "new-zlib:1"] {
        assert!(arrived.contains(&layers[name][0]), "{name}");
    }
    let back = format!("{}/mirror/library/new-zlib:1", registry.host());
    work.ok(&format!("export {back} -o back --key release.key --pack never"));
    assert!(blobs(&work, "back").contains(&layers["new-zlib:1"][0]));
}

#[test]
fn a_dry_run_says_what_would_travel() {
    let (work, layers) = prepared();
    let names = ["old-gzip:1", "new-gzip:1"];
    work.ok(&format!("export {} -o first --key release.key", sources(&names[..1])));
    let line = format!("export {} -o none --key release.key --dry-run", sources(&names));
    let size = |name: &str| {
        let layer = work.path("layout/blobs/sha256").join(&layers[name][0]);
        layer.metadata().unwrap().len()
    };
    let all = work.json(&line);
    assert_eq!((&all["heldBlobs"], &all["newBytes"]), (&0.into(), &all["blobBytes"]));
    let delta = work.json(&format!("{line} --since first --pack never"));
    assert_eq!((&delta["heldBlobs"], &delta["packing"]), (&2.into(), &false.into()));
    let held = delta["heldBytes"].as_u64().unwrap();
    assert!((size("old-gzip:1")..size("old-gzip:1") + 200).contains(&held));
    let new = delta["newBytes"].as_u64().unwrap();
    assert!((size("new-gzip:1")..size("new-gzip:1") + 200).contains(&new));
    let text = work.ok(&format!("{line} --since first"));
    assert!(text.contains("the destination holds 2 blobs of "), "{text}");
    assert!(text.contains("would travel, and less where packing pays"), "{text}");
    assert!(!work.path("none").exists());
}

#[test]
fn a_refused_delta_leaves_the_target_empty() {
    let (work, _) = prepared();
    work.ok(&format!("export {} -o first --key release.key", sources(&["old-gzip:1"])));
    let line = format!("export {} -o second --key release.key", sources(&["new-gzip:1"]));
    work.ok(&format!("{line} --since first"));
    let registry = DockerRegistry::start();
    let refused = work.fails(&format!("import second {TRUST} --to docker://{}", registry.host()));
    assert_eq!((refused.exit, refused.code.as_str()), (4, "base-missing"));
    let asked = work
        .fails(&format!("export {}/library/new-gzip:1 -o none --key release.key", registry.host()));
    assert_eq!(asked.code, "not-found");
    let unpacked = work.fails(&format!("unpack second -o plain {TRUST}"));
    assert_eq!((unpacked.exit, unpacked.code.as_str()), (4, "base-missing"));
    let verified = work.json(&format!("verify second {TRUST}"));
    assert_eq!(verified["layersNotMade"], 1);
}

#[test]
fn content_that_changed_at_the_destination_is_not_used() {
    let (work, layers) = prepared();
    work.ok(&format!("export {} -o first --key release.key", sources(&["old-gzip:1"])));
    let line = format!("export {} -o second --key release.key", sources(&["new-gzip:1"]));
    work.ok(&format!("{line} --since first --sequence 1700000001"));
    work.ok(&format!("import first {TRUST} --to oci:arrived"));
    let base = work.path("arrived/blobs/sha256").join(&layers["old-gzip:1"][0]);
    let mut bytes = std::fs::read(&base).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&base, bytes).unwrap();
    let refused = work.fails(&format!("import second {TRUST} --to oci:arrived"));
    assert_eq!((refused.exit, refused.code.as_str()), (1, "target-damaged"));
    let new = work.path("arrived/blobs/sha256").join(&layers["new-gzip:1"][0]);
    assert!(!new.exists(), "nothing of it came");
}

#[test]
fn blobs_that_are_there_stay_behind_without_packing_too() {
    let (work, layers) = prepared();
    let names = ["old-gzip:1", "new-gzip:1"];
    work.ok(&format!("export {} -o first --key release.key --pack never", sources(&names[..1])));
    let line = format!("export {} -o second --key release.key --pack never", sources(&names));
    work.ok(&format!("{line} --since first --sequence 1700000001"));
    assert!(!blobs(&work, "second").contains(&layers["old-gzip:1"][0]));
    for bundle in ["first", "second"] {
        work.ok(&format!("import {bundle} {TRUST} --to oci:arrived"));
    }
    assert!(blobs(&work, "arrived").contains(&layers["new-gzip:1"][0]));
}
