//! Sectors, files and ends of files.

use serde_json::json;

use super::{Random, TRUST, Victim, content, total, tree, zero};

const PACKAGINGS: [(&str, &str); 3] = [
    ("bundle", "--parity 10%"),
    ("bundle.tar", "--parity 10%"),
    ("volumes", "--parity 10% --volume-size 1300KiB"),
];

#[test]
fn what_is_whole_needs_no_repair() {
    for (name, more) in PACKAGINGS {
        let victim = Victim::new(name, more);
        assert_eq!(victim.assert_mends()["corrected"], json!([]));
        // Readers that do not repair pass over parity.
        victim.work.ok(&format!("verify {name} {TRUST}"));
        victim.work.ok(&format!("import {name} {TRUST} --to oci:target"));
    }
}

#[test]
fn all_that_parity_repairs_in_every_group() {
    for (seed, (name, more)) in (1..).zip(PACKAGINGS) {
        let victim = Victim::new(name, more);
        let mut random = Random(seed);
        let mut bytes = 0;
        for group in 0..victim.groups {
            let mut blocks = victim.group(group);
            for _ in 0..victim.parity {
                let number = blocks.swap_remove(random.below(blocks.len() as u64) as usize);
                victim.hurt(number);
                bytes += victim.find(number).2;
            }
        }
        victim.work.refused(&format!("verify {name} {TRUST}"), 3, damage(&victim));
        assert_eq!(total(&victim.assert_mends()["corrected"]), bytes, "{name}");
    }
}

/// What is said of a bundle of which so much is damaged: it depends on what is read first.
fn damage(victim: &Victim) -> &'static str {
    let code = victim.work.fails(&format!("verify {} {TRUST}", victim.name)).code;
    let known =
        ["damaged", "bad-signature", "bad-archive", "bad-seal", "malformed-signature", "threshold"];
    known.into_iter().find(|known| *known == code).unwrap_or_else(|| panic!("{code}"))
}

#[test]
fn one_block_more_than_parity_repairs() {
    let victim = Victim::new("bundle.tar", "--parity 10%");
    let blocks = victim.group(1);
    // Behind the documents, and before the head files: nothing but layers.
    let hurt = &blocks[20..20 + victim.parity as usize];
    hurt.iter().for_each(|number| victim.hurt(*number));
    victim.assert_mends();
    let one = blocks[20 + victim.parity as usize];
    victim.hurt(one);
    let said = victim.assert_lost();
    // All of that group, and of no other, is lost.
    let all = [hurt, &[one]].concat();
    let expected: Vec<_> = all
        .iter()
        .map(|number| {
            let (_, offset, length) = victim.find(*number);
            json!({"name": "archive", "file": "./bundle.tar", "offset": offset, "length": length})
        })
        .collect();
    assert_eq!(said["lost"], json!(expected));
    assert_eq!(said["signatureVerified"], true);
    let names = |field: &str| said[field].as_array().unwrap().len();
    assert_eq!(names("imagesLost") + names("imagesWhole"), super::NAMES.len());
    assert!(names("imagesLost") > 0, "{said}");
}

/// A single file is lost: exactly the images that have it are, and no others.
#[test]
fn the_images_that_are_lost_are_named() {
    let victim = Victim::new("bundle", "--parity 1%");
    let largest = victim.parts.iter().max_by_key(|(_, size)| *size).unwrap().0.clone();
    std::fs::remove_file(victim.place.join(&largest)).unwrap();
    let said = victim.assert_lost();
    assert!(said["lost"].as_array().unwrap().iter().all(|it| it["name"] == largest.as_str()));
    let digest = format!("sha256:{}", largest.rsplit('/').next().unwrap());
    let shown = |image: &str| {
        let name = image.split_once('/').unwrap().1;
        let index = std::fs::read(format!("{}/index.json", super::IMAGES)).unwrap();
        let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
        let list = index["manifests"].as_array().unwrap();
        let entry =
            list.iter().find(|it| it["annotations"]["org.opencontainers.image.ref.name"] == name);
        reaches(entry.unwrap()["digest"].as_str().unwrap(), &digest)
    };
    let names = |field: &str| -> Vec<String> {
        let list = said[field].as_array().unwrap().iter();
        list.map(|it| it.as_str().unwrap().to_owned()).collect()
    };
    let (lost, whole) = (names("imagesLost"), names("imagesWhole"));
    assert_eq!(lost.len() + whole.len(), super::NAMES.len());
    assert!(lost.iter().all(|name| shown(name)), "{lost:?}");
    assert!(!whole.iter().any(|name| shown(name)), "{whole:?}");
}

/// True when a document leads to a blob.
fn reaches(document: &str, blob: &str) -> bool {
    let path = format!("{}/blobs/{}", super::IMAGES, document.replace(':', "/"));
    let text = std::fs::read_to_string(path).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let children = value["manifests"].as_array().cloned().unwrap_or_default();
    text.contains(blob) || children.iter().any(|it| reaches(it["digest"].as_str().unwrap(), blob))
}

#[test]
fn a_run_of_bad_sectors_anywhere() {
    let victim = Victim::new("bundle.tar", "--parity 5%");
    let (size, run) = (victim.parts[0].1, victim.parity * victim.groups * victim.block);
    let good = std::fs::read(&victim.place).unwrap();
    for at in [0, size / 3 / 4096 * 4096, size - run - victim.block] {
        zero(&victim.place, at / victim.block * victim.block, run);
        victim.assert_mends();
        std::fs::write(&victim.place, &good).unwrap();
    }
    // Not at the start of a block: one block more than its length.
    zero(&victim.place, victim.block / 2, run - victim.block);
    victim.assert_mends();
}

#[test]
fn files_are_lost() {
    let victim = Victim::new("bundle", "--parity 20%");
    let heads =
        ["seal", "SHA256SUMS", "lading.json", "index.json", "catalog.json.zst", "oci-layout"];
    for name in heads {
        std::fs::remove_file(victim.place.join(name)).unwrap();
    }
    let corrected = victim.assert_mends()["corrected"].clone();
    for name in heads {
        let found = corrected.as_array().unwrap().iter().filter(|it| it["name"] == name);
        let size = victim.good[name].len() as u64;
        assert_eq!(found.map(|it| it["length"].as_u64().unwrap()).sum::<u64>(), size, "{name}");
    }
    // Only what was damaged is written, to be copied into its place.
    let line = format!("repair bundle -o part --only-damaged {TRUST}");
    victim.work.ok(&line);
    let part = content(&victim.work.path("part"));
    assert!(part.keys().eq([
        "SHA256SUMS",
        "catalog.json.zst",
        "index.json",
        "lading.json",
        "oci-layout",
        "seal"
    ]));
    assert!(part.iter().all(|(name, bytes)| victim.good[name] == *bytes));
    victim.work.refused(&line, 1, "exists");
}

#[test]
fn files_that_were_cut_off_or_go_on() {
    for (name, more) in PACKAGINGS {
        let victim = Victim::new(name, more);
        let path = victim.find(victim.blocks() / 2).0;
        let good = std::fs::read(&path).unwrap();
        let short = good.len() - good.len().min(5000);
        std::fs::write(&path, &good[..short]).unwrap();
        victim.assert_mends();
        std::fs::write(&path, [&good[..], b"and more"].concat()).unwrap();
        victim.assert_mends();
    }
}

#[test]
fn nobody_vouches_for_what_is_repaired_without_trust() {
    let victim = Victim::new("bundle", "--parity 10%");
    victim.hurt(3);
    let said = victim.work.ok("repair bundle -o repaired");
    assert!(said.contains("NOT VERIFIED"), "{said}");
    assert_eq!(victim.work.json("repair bundle -o again")["signatureVerified"], false);
    assert!(tree(&victim.work.path("again")).len() == victim.good.len());
    victim.work.ok("key new -o other.key");
    let other = "--trust other.key.pub";
    victim.work.refused(&format!("repair bundle -o more {other}"), 4, "threshold");
    assert!(!victim.work.path("more").exists());
    victim.work.refused(&format!("verify bundle --repair {other}"), 4, "threshold");
}

/// A link in the place of a file is not followed, whatever it leads to.
#[test]
fn a_link_in_the_place_of_a_file_is_refused() {
    let victim = Victim::new("bundle", "--parity 10%");
    let seal = victim.place.join("seal");
    std::fs::rename(&seal, victim.work.path("seal")).unwrap();
    std::os::unix::fs::symlink("../seal", &seal).unwrap();
    victim.work.refused(&format!("verify bundle --repair {TRUST}"), 3, "not-a-file");
    std::fs::remove_file(&seal).unwrap();
    victim.assert_mends();
    let parity = victim.place.join("parity-0001.rs");
    std::fs::rename(&parity, victim.work.path("parity")).unwrap();
    std::os::unix::fs::symlink("../parity", &parity).unwrap();
    victim.work.refused(&format!("verify bundle --repair {TRUST}"), 3, "not-a-file");
}
