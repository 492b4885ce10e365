//! What can be restored, and what is there afterwards.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gapferry::drill::Outcome;

use crate::command::Work;
use crate::{TRUST, export, failed, record};

/// An image of one platform, an index, one with signatures and SBOMs, and one whose layers are plain.
const IMAGES: [&str; 4] =
    ["library/busybox:1.35", "library/multi:1.0", "signed/app:1.0", "tools/plain:1.0"];

#[test]
fn every_packaging_and_every_way_of_keeping_layers() {
    let work = Work::new();
    for (out, more) in [
        ("stored", "--store-layers"),
        ("packed", "--pack always"),
        ("stored.tar", "--store-layers"),
        ("packed.tar", "--pack always"),
        ("volumes", "--volume-size 1MiB"),
    ] {
        export(&work, &IMAGES, out, more);
        let said = work.json(&format!("drill {out} --to store {TRUST} --record {out}.txt"));
        assert_eq!((&said["result"], &said["kept"]), (&"restored".into(), &false.into()), "{out}");
        assert!(!work.path("store").exists(), "{out}");
        let record = record(&work, &format!("{out}.txt"));
        assert_eq!(record.outcome, Outcome::Restored, "{out}");
        let tally = record.sealed.as_ref().unwrap().tally;
        assert_eq!(tally.images, 4, "{out}");
        assert_eq!(said["bytes"], tally.bytes, "{out}");
        // What an import brings is what the record counts.
        let own = format!("--to oci:imported-{out} --state state-{out}");
        work.ok(&format!("import {out} {TRUST} {own}"));
        let blobs = files(&work.path(&format!("imported-{out}/blobs")));
        assert_eq!(blobs.len() as u64, tally.documents + tally.blobs, "{out}");
        assert_eq!(blobs.values().map(|it| it.len() as u64).sum::<u64>(), tally.bytes, "{out}");
        let times = record.times;
        assert!(times.verify.is_some() && times.restore.is_some() && times.read_back.is_some());
    }
}

/// The default name of the record, and a directory that was there before.
#[test]
fn the_store_is_gone_and_the_directory_as_it_was() {
    let work = Work::new();
    export(&work, &IMAGES[..1], "bundle", "");
    std::fs::create_dir(work.path("medium")).unwrap();
    let said = work.json(&format!("drill bundle --to medium {TRUST}"));
    assert_eq!(std::fs::read_dir(work.path("medium")).unwrap().count(), 0);
    let seal = gapferry::oci::Digest::of(&work.read("bundle/seal"));
    let name = format!("drill-{}.txt", &seal.hex()[..12]);
    assert_eq!(said["record"], format!("./{name}"));
    assert_eq!(record(&work, &name).seal, Some(seal));
    // A record is not written over, and a place that is taken is not touched.
    work.refused(&format!("drill bundle --to medium {TRUST}"), 1, "exists");
    let kept = work.ok(&format!("drill bundle --to medium {TRUST} --record kept.txt --keep"));
    assert!(kept.contains("kept    medium\n"), "{kept}");
    let before = files(&work.path("medium"));
    assert!(before.len() > 3);
    work.refused(&format!("drill bundle --to medium {TRUST} --record again.txt"), 1, "exists");
    assert!(files(&work.path("medium")) == before && !work.path("again.txt").exists());
    work.refused(&format!("drill bundle --to s {TRUST} --record none/r.txt"), 1, "file");
    assert!(!work.path("s").exists());
}

/// Other tools read what was kept.
#[test]
fn what_is_kept_is_a_layout() {
    let work = Work::new();
    export(&work, &IMAGES, "bundle", "--pack always");
    work.ok(&format!("drill bundle --to kept --keep {TRUST}"));
    let line = "skopeo inspect --raw oci:kept:docker.io/library/busybox:1.35";
    let inspected = work.tool(line).output().unwrap();
    assert!(inspected.status.success(), "{}", String::from_utf8_lossy(&inspected.stderr));
    work.ok(&format!("import bundle {TRUST} --to oci:imported"));
    assert!(files(&work.path("kept/blobs")) == files(&work.path("imported/blobs")));
}

#[test]
fn the_memory_stays_byte_for_byte() {
    let work = Work::new();
    export(&work, &IMAGES[..1], "old", "--sequence 5");
    export(&work, &IMAGES[..1], "new", "--sequence 6");
    export(&work, &IMAGES[..1], "twin", "--sequence 6 --expires 9999-01-01T00:00:00Z");
    let state = work.path(".local/state/gapferry");
    work.ok(&format!("drill old --to store {TRUST} --record none.txt"));
    assert!(files(&state).is_empty(), "a drill makes no memory");
    work.ok(&format!("import new {TRUST} --to oci:target"));
    let before = files(&state);
    assert!(before.len() > 1);
    // An old bundle is what archives are made of; one of two in one place is refused, as ever.
    for bundle in ["old", "new"] {
        let said = work.ok(&format!("drill {bundle} --to store {TRUST} --record {bundle}.txt"));
        assert!(said.contains("the memory of this site is as it was\n"), "{said}");
        assert!(files(&state) == before);
    }
    work.refused(&format!("drill twin --to store {TRUST} --record twin.txt"), 4, "equivocation");
    assert_eq!(record(&work, "twin.txt").outcome, failed("equivocation"));
    assert!(files(&state) == before);
    work.refused(&format!("import old {TRUST} --to oci:other"), 4, "replayed");
}

#[test]
fn a_delta_needs_its_base() {
    let work = Work::new();
    export(&work, &IMAGES[..2], "base", "--sequence 1");
    export(&work, &IMAGES, "delta", "--sequence 2 --since base");
    work.refused(&format!("drill delta --to store {TRUST} --record r.txt"), 4, "base-missing");
    let record = record(&work, "r.txt");
    assert_eq!(record.outcome, failed("base-missing"));
    assert!(record.times.restore.is_some() && record.times.read_back.is_none());
    assert_eq!(record.sealed.unwrap().sequence, 2);
}

#[test]
fn a_drill_that_never_began_leaves_nothing() {
    let work = Work::new();
    export(&work, &IMAGES[..1], "bundle", "");
    let before = files(&work.path("."));
    work.refused("drill bundle --to store --record r.txt", 2, "no-trust");
    work.refused(&format!("drill bundle {TRUST} --record r.txt"), 2, "usage");
    work.refused(&format!("drill bundle --to s {TRUST} --threshold 2"), 2, "invalid-threshold");
    assert!(files(&work.path(".")) == before && !work.path("store").exists());
}

/// Every file below a directory, with its content. What commands write of themselves, the audit log,
/// is none of them.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().is_file());
    let files = files.filter(|entry| !entry.path().to_string_lossy().contains("/log/audit.jsonl"));
    let relative = |path: &Path| path.strip_prefix(root).unwrap().to_owned();
    files.map(|entry| (relative(entry.path()), std::fs::read(entry.path()).unwrap())).collect()
}
