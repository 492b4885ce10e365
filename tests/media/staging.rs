//! Media that are copied into a directory, one after the other.

use std::path::Path;

use super::command::Work;
use super::{TRUST, Tree, export, layout, noise, tree};

/// A bundle of four volumes in `v`, and the media `m1` to `m3`: one volume each on the first two, and
/// two on the third; head files and a label on all.
fn media() -> Work {
    let work = Work::new();
    layout(&work, &[&[50_000, 50_000], &[50_000], &[50_000]]);
    work.ok(&export(3, "-o v --volume-size 64KiB --store-layers"));
    for (name, bytes) in tree(&work.path("v")) {
        let name = name.to_str().unwrap().to_owned();
        let number = name.strip_prefix("volume-000").and_then(|rest| rest.strip_suffix(".tar"));
        let number: Option<usize> = number.map(|number| number.parse().unwrap());
        for medium in (1..=3).filter(|medium| number.is_none_or(|it| it.min(3) == *medium)) {
            std::fs::create_dir_all(work.path(&format!("m{medium}"))).unwrap();
            work.write(&format!("m{medium}/{name}"), &bytes);
            work.write(&format!("m{medium}/label.txt"), "for people\n");
        }
    }
    assert_eq!(tree(&work.path("v")).keys().filter(|it| it.ends_with("seal")).count(), 1);
    assert!(work.path("m3/volume-0004.tar").exists() && !work.path("m3/volume-0005.tar").exists());
    work
}

fn stage(medium: &str) -> String {
    format!("stage {medium} -o s {TRUST}")
}

#[test]
fn in_any_order_and_again_until_nothing_is_missing() {
    for order in [["m1", "m2", "m3"], ["m3", "m1", "m2"], ["m2", "m3", "m1"]] {
        let work = media();
        for (at, medium) in order.iter().enumerate() {
            let said = work.json(&stage(medium));
            let missing = order[at + 1..].iter().flat_map(|it| match *it {
                "m1" => vec![1],
                "m2" => vec![2],
                _ => vec![3, 4],
            });
            let mut missing: Vec<u32> = missing.collect();
            missing.sort_unstable();
            assert_eq!(said["missingVolumes"], serde_json::json!(missing), "{said}");
            assert_eq!((&said["volumes"], &said["complete"]), (&4.into(), &(at == 2).into()));
            assert_eq!(said["signatureVerified"], true);
            if at < 2 {
                let message = work.refused(&format!("verify s {TRUST}"), 3, "missing");
                assert!(message.contains("of 4") && message.contains("missing"), "{message}");
            }
            // Once more changes nothing.
            let before = tree(&work.path("s"));
            assert_eq!(work.json(&stage(medium))["copied"], 0);
            assert!(tree(&work.path("s")) == before);
        }
        assert!(tree(&work.path("s")) == tree(&work.path("v")));
        work.ok(&format!("verify s {TRUST}"));
        work.ok(&format!("import s {TRUST} --to oci:target"));
    }
}

#[test]
fn what_is_missing_is_said_by_name() {
    let work = media();
    let text = work.ok(&stage("m1"));
    assert!(text.contains("\nvolume 1 of 4 is there\nvolumes 2 to 4 of 4 are missing\n"), "{text}");
    let text = work.ok(&stage("m3"));
    let said = "\nvolumes 1, 3 and 4 of 4 are there\nvolume 2 of 4 is missing (volume-0002.tar)\n";
    assert!(text.contains(said), "{text}");
    let message = work.refused(&format!("import s {TRUST} --to oci:target"), 3, "missing");
    let said = "volume 2 of 4 is missing (volume-0002.tar): 1 image needs it";
    assert_eq!(message, said);
    assert!(!work.path("target").exists());
    // The media themselves, without a directory, in any order and one twice.
    let line = format!("import m3 m1 m3 {TRUST} --to oci:target");
    assert_eq!(work.refused(&line, 3, "missing"), said);
    assert!(!work.path("target").exists());
    work.ok(&format!("import m3 m1 m3 m2 {TRUST} --to oci:target"));
}

#[test]
fn a_volume_of_another_bundle_is_not_staged() {
    let work = media();
    std::fs::rename(work.path("layout"), work.path("first")).unwrap();
    layout(&work, &[&[50_001, 50_001, 50_001]]);
    work.ok(&export(1, "-o other --volume-size 64KiB --store-layers"));
    work.ok(&stage("m1"));
    let before = tree(&work.path("s"));
    // Under the right name, beside the head files of this bundle.
    std::fs::copy(work.path("other/volume-0002.tar"), work.path("m2/volume-0002.tar")).unwrap();
    let message = work.refused(&stage("m2"), 3, "extra-file");
    assert!(message.contains("volume-0002.tar"), "{message}");
    // With its own head files, and without any.
    work.refused(&stage("other"), 3, "two-bundles");
    let message = work.refused(&stage("other/volume-0002.tar"), 3, "extra-file");
    assert!(message.contains("volume-0002.tar"), "{message}");
    // The same bundle, cut otherwise.
    work.ok(&format!("repack v -o w --volume-size 120000 {TRUST}"));
    let line = format!("repack m1 m2 m3 -o w --volume-size 70KiB {TRUST}");
    work.refused(&line, 3, "extra-file");
    let message = work.refused(&stage("w"), 3, "two-bundles");
    assert!(message.contains("s/volume-0001.tar"), "{message}");
    assert!(tree(&work.path("s")) == before);
}

#[test]
fn what_is_damaged_is_not_staged() {
    let work = media();
    for name in ["volume-0001.tar", "lading.json", "SHA256SUMS", "seal"] {
        let _ = std::fs::remove_dir_all(work.path("s"));
        let path = work.path("m1").join(name);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        let at = bad.len() / 2;
        bad[at] ^= 1;
        std::fs::write(&path, bad).unwrap();
        let failure = work.fails(&stage("m1"));
        assert_eq!(failure.exit, 3, "{name}: {failure:?}");
        assert!(!work.path("s").join(name).exists(), "{name}");
        std::fs::write(&path, good).unwrap();
    }
    work.ok(&stage("m1 m2 m3"));
    assert!(tree(&work.path("s")) == tree(&work.path("v")));
}

#[test]
fn without_a_key_it_is_not_verified_and_says_so() {
    let work = media();
    let text = work.ok("stage m1 m2 m3 -o s");
    assert!(text.contains("\nNOT VERIFIED: "), "{text}");
    let work = media();
    work.ok("key new -o other.key");
    let line = "stage m1 -o s --trust other.key.pub";
    assert_eq!(work.fails(line).exit, 4);
    assert!(!work.path("s").exists());
}

#[test]
fn a_medium_without_head_files_comes_second() {
    let work = media();
    std::fs::create_dir(work.path("bare")).unwrap();
    std::fs::rename(work.path("m2/volume-0002.tar"), work.path("bare/volume-0002.tar")).unwrap();
    work.refused(&stage("bare"), 3, "missing");
    assert!(!work.path("s").exists());
    for medium in ["m3", "bare", "m1"] {
        work.ok(&stage(medium));
    }
    assert!(tree(&work.path("s")) == tree(&work.path("v")));
}

#[test]
fn what_protects_a_bundle_is_staged_too() {
    let work = media();
    work.write("m2/parity-0001.rs", noise(3000, 1));
    work.write("m2/receipt-1", "x");
    work.ok(&stage("m2"));
    assert_eq!(work.read("s/parity-0001.rs"), noise(3000, 1));
    assert!(!work.path("s/receipt-1").exists() && !work.path("s/label.txt").exists());
    work.ok(&stage("m1 m3"));
    work.ok(&format!("verify s {TRUST}"));
}

/// Killed at calls that write; what has its name is whole, and the next run ends as if nothing had
/// been.
#[test]
fn killed_at_some_calls_it_goes_on() {
    let work = media();
    let whole = tree(&work.path("v"));
    let mut killed = 0;
    for at in [1, 2, 3, 5, 8, 13, 21, 34, 55] {
        let _ = std::fs::remove_dir_all(work.path("s"));
        let calls = "write,openat,rename,renameat,renameat2,linkat,unlink,fsync,mkdir";
        let line = format!(
            "strace -f -qq -o /dev/null -e trace={calls} -e inject={calls}:signal=SIGKILL:when={at}+50 {} {}",
            env!("CARGO_BIN_EXE_gapferry"),
            stage("m1 m2 m3")
        );
        killed += usize::from(!work.tool(&line).status().unwrap().success());
        assert_whole(&tree(&work.path("s")), &whole);
        work.ok(&stage("m1 m2 m3"));
        assert!(tree(&work.path("s")) == whole, "killed at call {at}");
    }
    assert!(killed > 5, "{killed}");
}

/// What is there under its name is what it should be.
fn assert_whole(some: &Tree, whole: &Tree) {
    let temporary = |name: &Path| name.to_str().unwrap().ends_with(".part");
    for (name, bytes) in some.iter().filter(|(name, _)| !temporary(name)) {
        assert!(whole.get(name) == Some(bytes), "{name:?}");
    }
}
