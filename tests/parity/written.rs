//! How parity is written.

use super::{TRUST, Victim, content, export, tree};

#[test]
fn the_bytes_do_not_depend_on_threads_or_on_when() {
    let victim = Victim::new("bundle.tar", "--parity 30%");
    let work = &victim.work;
    let good = work.read("bundle.tar.parity-0001.rs");
    std::fs::remove_file(work.path("bundle.tar.parity-0001.rs")).unwrap();
    for threads in ["1", "3", "16"] {
        let line =
            format!("{} parity bundle.tar --parity 30% {TRUST}", env!("CARGO_BIN_EXE_gapferry"));
        let made = work.tool(&line).env("RAYON_NUM_THREADS", threads).output().unwrap();
        assert!(made.status.success());
        assert!(work.read("bundle.tar.parity-0001.rs") == good, "{threads} threads");
        std::fs::remove_file(work.path("bundle.tar.parity-0001.rs")).unwrap();
    }
    work.ok(&format!("repack bundle.tar -o bundle --parity 30% {TRUST}"));
    work.ok(&format!("repack bundle -o again.tar --parity 30% {TRUST}"));
    assert!(work.read("again.tar.parity-0001.rs") == good);
}

#[test]
fn parity_is_added_later_and_elsewhere() {
    let victim = Victim::new("bundle", "--parity 10%");
    let work = &victim.work;
    let parity = victim.place.join("parity-0001.rs");
    let good = std::fs::read(&parity).unwrap();
    let line = format!("parity bundle --parity 10% {TRUST}");
    work.refused(&line, 1, "exists");
    std::fs::remove_file(&parity).unwrap();
    std::fs::create_dir(work.path("other")).unwrap();
    work.ok(&format!("{line} -o other"));
    assert!(work.read("other/parity-0001.rs") == good);
    let said = work.ok(&line);
    assert!(said.starts_with("parity: 1 file, "), "{said}");
    assert!(std::fs::read(&parity).unwrap() == good);
    assert!(content(&victim.place) == victim.good);
    // What is damaged is not protected.
    std::fs::remove_file(&parity).unwrap();
    victim.hurt(victim.blocks() / 2);
    work.refused(&line, 3, "damaged");
    assert!(!parity.exists());
}

/// A signature that comes later is carried along, though it is not protected.
#[test]
fn signatures_that_come_later_stay() {
    let victim = Victim::new("bundle", "--parity 10%");
    let work = &victim.work;
    work.ok("key new -o second.key");
    work.ok("sign bundle --key second.key --yes --trust release.key.pub");
    victim.hurt(3);
    let both = "--trust release.key.pub --trust second.key.pub --threshold 2";
    work.ok(&format!("repair bundle -o out {both}"));
    work.ok(&format!("verify out {both}"));
    assert_eq!(content(&work.path("out")).len(), victim.good.len() + 1);
}

#[test]
fn inspect_tells_of_parity() {
    let victim = Victim::new("v", "--volume-size 1300KiB --parity-volumes 2");
    let shown = victim.work.json(&format!("inspect v {TRUST}"));
    assert_eq!(shown["parity"]["files"], 2);
    assert_eq!(shown["parity"]["volumes"], 2);
    assert_eq!(shown["parity"]["parityBlocks"].as_u64(), Some(victim.parity));
    let shown = victim.work.ok(&format!("inspect v {TRUST}"));
    assert!(shown.contains("parity        2 files, "), "{shown}");
    let bare = victim.work.ok(&format!("{} --parity 3%", export("bundle")));
    assert!(bare.contains("parity: 1 file"), "{bare}");
    assert_eq!(victim.work.json(&format!("inspect bundle {TRUST}"))["parity"]["volumes"], 0);
}

/// Nothing comes to its name before it is whole; what a dead process left is passed over.
#[test]
fn what_is_unfinished_is_passed_over() {
    let victim = Victim::new("bundle", "--parity 10%");
    let work = &victim.work;
    let parity = victim.place.join("parity-0001.rs");
    std::fs::rename(&parity, victim.place.join("parity-0001.rs.part")).unwrap();
    work.ok(&format!("verify bundle {TRUST}"));
    work.refused(&format!("repair bundle -o out {TRUST}"), 1, "no-parity");
    work.ok(&format!("parity bundle --parity 10% {TRUST}"));
    assert!(!victim.place.join("parity-0001.rs.part").exists());
    victim.assert_mends();
    assert_eq!(tree(&victim.place).len(), victim.good.len() + 1);
}
