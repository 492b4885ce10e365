//! The parity itself is damaged, also its index.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::{Random, TRUST, Victim, invert, zero};

const PAGE: u64 = 4096;

/// How many pages the index of the first file of parity has, as each of them says.
fn pages(victim: &Victim) -> u64 {
    let file = File::open(victim.place.join("parity-0001.rs")).unwrap();
    let mut page = [0; PAGE as usize];
    file.read_exact_at(&mut page, 0).unwrap();
    u32::from_be_bytes(page[36..40].try_into().unwrap()).into()
}

#[test]
fn every_page_of_the_index_has_another_copy() {
    let victim = Victim::new("bundle", "--parity 10%");
    let path = victim.place.join("parity-0001.rs");
    let (pages, length) = (pages(&victim), path.metadata().unwrap().len());
    assert!(pages > 2, "{pages}");
    victim.hurt(2);
    for page in 0..pages {
        let (front, back) = (page * PAGE, length - (pages - page) * PAGE);
        invert(&path, if page % 2 == 0 { front } else { back } + 100, 1);
    }
    let said = victim.assert_mends();
    assert_eq!(said["indexPagesLost"], 0);
    // All of the front, and then all of the back.
    zero(&path, 0, pages * PAGE);
    invert(&path, length - 100, 1);
    let last = victim.work.fails(&format!("verify bundle --repair {TRUST}"));
    assert!(["bad-parity", "no-parity", "lost"].contains(&last.code.as_str()), "{last:?}");
}

/// A page of hashes that is gone in every copy: its blocks are made anew, though they are good.
#[test]
fn hashes_that_are_lost_cost_blocks() {
    let victim = Victim::new("bundle.tar", "--parity 90%");
    let path = victim.work.path("bundle.tar.parity-0001.rs");
    let length = path.metadata().unwrap().len();
    let mut page = [0; PAGE as usize];
    File::open(&path).unwrap().read_exact_at(&mut page, 0).unwrap();
    let pages = u64::from(u32::from_be_bytes(page[36..40].try_into().unwrap()));
    for at in [PAGE, length - (pages - 1) * PAGE] {
        zero(&path, at, PAGE);
    }
    let said = victim.assert_mends();
    assert_eq!(said["indexPagesLost"], 1);
    // 252 hashes stand on a page.
    assert_eq!(super::total(&said["corrected"]), 252 * victim.block);
}

#[test]
fn parity_with_bad_sectors_still_repairs() {
    for (name, more) in [("bundle", "--parity 20%"), ("bundle.tar", "--parity 20%")] {
        let victim = Victim::new(name, more);
        let path = match name {
            "bundle" => victim.place.join("parity-0001.rs"),
            _ => victim.work.path("bundle.tar.parity-0001.rs"),
        };
        let mut random = Random(7);
        for group in 0..victim.groups {
            let blocks = victim.group(group);
            let half = victim.parity as usize / 2;
            for number in 0..half {
                victim.hurt(blocks[number * blocks.len() / half]);
            }
        }
        let sectors = path.metadata().unwrap().len() / PAGE;
        for _ in 0..sectors / 8 {
            invert(&path, random.below(sectors) * PAGE + 9, 1);
        }
        let said = victim.assert_mends();
        assert!(said["parityBlocksDamaged"].as_u64().unwrap() > 0, "{said}");
    }
}

#[test]
fn parity_that_was_cut_off_or_goes_on() {
    let victim = Victim::new("bundle", "--parity 20%");
    let path = victim.place.join("parity-0001.rs");
    let good = std::fs::read(&path).unwrap();
    victim.hurt(5);
    for bytes in
        [&good[..good.len() / 2], &[&good[..], &[1; 5000]].concat(), &good[..PAGE as usize * 30]]
    {
        std::fs::write(&path, bytes).unwrap();
        victim.assert_mends();
    }
    // Of the front nothing is left.
    std::fs::write(&path, &good).unwrap();
    zero(&path, 0, pages(&victim) * PAGE);
    victim.assert_mends();
}

#[test]
fn no_parity_at_all() {
    let victim = Victim::new("bundle", "--parity 20%");
    let path = victim.place.join("parity-0001.rs");
    for bytes in [&b""[..], b"gapferry parity\n", &[7; 100_000]] {
        std::fs::write(&path, bytes).unwrap();
        victim.work.refused(&format!("repair bundle -o out {TRUST}"), 1, "no-parity");
        // What is whole is whole without parity.
        let said = victim.work.run(&format!("verify bundle --repair {TRUST}"));
        assert!(said.status.success());
        let warned = String::from_utf8(said.stderr).unwrap();
        assert_eq!(warned, "warning: there is no parity in bundle\n");
    }
    victim.hurt(0);
    victim.work.refused(&format!("verify bundle --repair {TRUST}"), 3, "damaged");
    std::fs::remove_file(&path).unwrap();
    victim.work.refused(&format!("repair bundle -o out {TRUST}"), 1, "no-parity");
    assert!(!victim.work.path("out").exists());
}

/// Files of parity under each other's names, and on another medium.
#[test]
fn files_of_parity_say_what_they_are() {
    let victim = Victim::new("v", "--volume-size 1300KiB --parity-volumes 2");
    let work = &victim.work;
    std::fs::create_dir(work.path("other")).unwrap();
    for (from, to) in [("parity-0001.rs", "parity-0002.rs"), ("parity-0002.rs", "parity-0001.rs")] {
        std::fs::rename(victim.place.join(from), work.path("other").join(to)).unwrap();
    }
    std::fs::remove_file(victim.place.join("volume-0001.tar")).unwrap();
    std::fs::remove_file(victim.place.join("volume-0002.tar")).unwrap();
    work.ok(&format!("repair v other -o out {TRUST}"));
    work.ok(&format!("repair v other/parity-0001.rs other/parity-0002.rs -o again {TRUST}"));
    assert!(super::content(&work.path("out")) == victim.good);
    assert!(super::content(&work.path("again")) == victim.good);
}
