//! Which bundle may come after which.

use super::support::DockerRegistry;
use super::support::command::Work;
use super::{TRUST, memory, newest, tiny, tree, with_bundles};

#[test]
fn the_same_bundle_may_come_again_and_to_other_targets() {
    let work = with_bundles(&[5]);
    let line = format!("import b5 {TRUST} --to oci:one");
    let first = work.json(&line);
    assert_eq!(first["memory"]["noted"], true);
    let before = memory(&work);
    assert_eq!(before.len(), 2);
    let again = work.ok(&line);
    assert!(again.contains("already imported"), "{again}");
    assert_eq!(memory(&work), before, "nothing new is to be said");
    let other = work.json(&format!("import b5 {TRUST} --to oci:two"));
    assert_eq!(other["memory"]["noted"], true);
    assert_ne!(other["memory"]["head"], first["memory"]["head"]);
    let registry = DockerRegistry::start();
    work.ok(&format!("import b5 {TRUST} --to docker://{}/a --prefix b", registry.host()));
    let arrivals = work.json("memory show")["streams"][0]["arrivals"].clone();
    let targets: Vec<&str> =
        arrivals.as_array().unwrap().iter().map(|it| it["target"].as_str().unwrap()).collect();
    let one = format!("oci:{}", work.path("one").canonicalize().unwrap().display());
    assert_eq!(targets[0], one);
    assert_eq!(targets[2], format!("docker://{}/a/b", registry.host()));
    assert_eq!(targets.len(), 3);
}

#[test]
fn an_older_bundle_is_refused_and_changes_nothing() {
    let work = with_bundles(&[5, 6]);
    work.ok(&format!("import b6 {TRUST} --to oci:target"));
    let (target, before) = (tree(&work.path("target")), memory(&work));
    for line in [
        format!("import b5 {TRUST} --to oci:target"),
        format!("import b5 {TRUST} --to oci:other"),
        format!("import b5 {TRUST} --to oci:target --dry-run"),
        format!("verify b5 {TRUST}"),
    ] {
        let message = work.refused(&line, 4, "replayed");
        assert!(message.contains("epoch 1, sequence 6 of the stream `default`"), "{message}");
    }
    assert_eq!((tree(&work.path("target")), memory(&work)), (target, before));
    assert!(!work.path("other").exists());
    work.ok(&format!("verify b5 {TRUST} --restore"));
    // Another stream, and another site's memory, have nothing to do with it.
    tiny(&work, "stream", "--sequence 1 --stream other");
    work.ok(&format!("import stream {TRUST} --to oci:other"));
    work.ok(&format!("import b5 {TRUST} --to oci:other --state elsewhere"));
    assert!(work.path("elsewhere/memory").exists());
}

#[test]
fn verifying_and_trying_need_no_memory_and_make_none() {
    let work = with_bundles(&[5]);
    work.ok(&format!("verify b5 {TRUST}"));
    work.ok(&format!("import b5 {TRUST} --to oci:target --dry-run"));
    assert!(memory(&work).is_empty() && !work.path("target").exists());
}

#[test]
fn an_older_bundle_is_restored_to_another_target_only() {
    let work = with_bundles(&[4, 5, 6]);
    work.ok(&format!("import b4 {TRUST} --to oci:own"));
    work.ok(&format!("import b6 {TRUST} --to oci:own"));
    let (own, before) = (tree(&work.path("own")), memory(&work));
    for line in [
        format!("import b5 {TRUST} --to oci:own --restore"),
        format!("import b5 {TRUST} --to oci:./b4/../own/ --restore"),
    ] {
        let message = work.refused(&line, 4, "restore-own-target");
        assert!(message.contains("sequence 6"), "{message}");
    }
    assert_eq!((tree(&work.path("own")), memory(&work)), (own, before));
    let restore = |bundle: &str| format!("import {bundle} {TRUST} --to oci:new --restore");
    work.refused(&restore("b5").replace(" --restore", ""), 4, "replayed");
    for bundle in ["b4", "b5", "b5"] {
        work.ok(&restore(bundle));
        assert_eq!(newest(&work), Some(6), "a restore moves nothing");
    }
    work.refused(&restore("b4"), 4, "restore-own-target");
    work.refused(&format!("import b5 {TRUST} --to oci:other"), 4, "replayed");
    work.ok(&restore("b6"));
    let arrivals = work.json("memory show")["streams"][0]["arrivals"].clone();
    let restored: Vec<bool> =
        arrivals.as_array().unwrap().iter().map(|it| it["restored"].as_bool().unwrap()).collect();
    assert_eq!(restored, [false, false, true, true, false]);
}

#[test]
fn what_has_expired_is_not_restored() {
    let work = with_bundles(&[6]);
    tiny(&work, "old", "--sequence 5 --expires 1h");
    work.ok(&format!("import b6 {TRUST} --to oci:own"));
    work.refused(&format!("import old {TRUST} --to oci:new --restore"), 4, "expired");
}

#[test]
fn an_import_of_some_images_is_remembered() {
    let work = with_bundles(&[5]);
    let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives/skopeo-oci.tar");
    let [x, y] = ["x", "y"].map(|name| format!("{name}:1=oci-archive:{archive}"));
    work.ok(&format!("export {x} {y} -o both --key release.key --sequence 6"));
    work.ok(&format!("import both {TRUST} --to oci:target --image docker.io/library/x:1"));
    assert_eq!(newest(&work), Some(6));
    work.refused(&format!("import b5 {TRUST} --to oci:target"), 4, "replayed");
    let rest = work.ok(&format!("import both {TRUST} --to oci:target"));
    assert!(rest.contains("1 image loaded, 1 were there"), "{rest}");
}

#[test]
fn two_bundles_in_one_place_are_an_alarm() {
    let work = with_bundles(&[5, 6]);
    tiny(&work, "twin5", "--sequence 5 --expires 9999-01-01T00:00:00Z");
    tiny(&work, "twin6", "--sequence 6 --expires 9999-01-01T00:00:00Z");
    for bundle in ["b5", "b6"] {
        work.ok(&format!("import {bundle} {TRUST} --to oci:target"));
    }
    let (target, before) = (tree(&work.path("target")), memory(&work));
    for bundle in ["twin5", "twin6"] {
        for line in [
            format!("import {bundle} {TRUST} --to oci:target"),
            format!("import {bundle} {TRUST} --to oci:new --restore"),
            format!("verify {bundle} {TRUST}"),
        ] {
            let message = work.refused(&line, 4, "equivocation");
            assert!(message.starts_with("TWO BUNDLES"), "{message}");
        }
    }
    assert_eq!((tree(&work.path("target")), memory(&work)), (target, before));
}

#[test]
fn an_epoch_is_not_raised_by_a_bundle() {
    let work = with_bundles(&[5]);
    tiny(&work, "second", "--sequence 6 --epoch 2");
    let line = format!("import second {TRUST} --to oci:target");
    work.refused(&line, 4, "unknown-epoch");
    work.ok(&format!("import b5 {TRUST} --to oci:target"));
    work.refused(&line, 4, "unknown-epoch");
    assert_eq!(newest(&work), Some(5));
}

/// A bundle was signed in 2100; so it is not earlier, whatever the clock says.
#[test]
fn a_clock_that_is_behind_does_not_bring_back_what_expired() {
    let work = Work::new();
    let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives/skopeo-oci.tar");
    let line = format!("export a/b:1=oci-archive:{archive} -o late --key release.key");
    let line = format!("{} {line} --stream late", env!("CARGO_BIN_EXE_gapferry"));
    let made = work.tool(&line).env("SOURCE_DATE_EPOCH", "4102444800").output().unwrap();
    assert!(made.status.success());
    tiny(&work, "good", "--expires 2099-12-31T00:00:00Z");
    let verify = format!("verify good {TRUST}");
    work.ok(&verify);
    // Nobody signed with this key; it counts until 2099.
    assert!(work.tool("ssh-keygen -q -t ed25519 -f id -N").arg("").status().unwrap().success());
    let key = String::from_utf8(work.read("id.pub")).unwrap();
    work.write("signers", format!("a valid-before=\"20991231Z\" {key}"));
    work.refused("verify late --trust signers", 4, "threshold");
    work.ok(&format!("import late {TRUST} --to oci:target"));
    assert_eq!(work.json("memory show")["floor"], "2100-01-01T00:00:00Z");
    let message = work.refused(&verify, 4, "expired");
    assert!(message.contains("it is 2100-01-01T00:00:00Z"), "{message}");
    work.refused(&format!("import good {TRUST} --to oci:target"), 4, "expired");
    work.refused("verify late --trust signers", 4, "key-not-valid");
}
