//! Whole volumes are lost.

use std::path::PathBuf;

use super::{TRUST, Victim, invert};

fn volumes(victim: &Victim) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(&victim.place).unwrap().map(|it| it.unwrap().path());
    let is_volume =
        |path: &PathBuf| path.extension().is_some_and(|kind| kind == "tar" || kind == "rs");
    let mut volumes: Vec<PathBuf> = entries.filter(is_volume).collect();
    volumes.sort();
    volumes
}

#[test]
fn any_two_of_all_volumes_may_be_lost() {
    let limit = 1300 << 10;
    let victim = Victim::new("v", &format!("--volume-size {limit} --parity-volumes 2"));
    let volumes = volumes(&victim);
    assert!(volumes.len() >= 5, "{volumes:?}");
    let parity = volumes.iter().filter(|path| path.extension().unwrap() == "rs").count();
    assert_eq!(parity, 2);
    assert!(volumes.iter().all(|path| path.metadata().unwrap().len() <= limit));
    let away = |path: &PathBuf| victim.work.path(path.file_name().unwrap().to_str().unwrap());
    for first in 0..volumes.len() {
        for second in first + 1..volumes.len() {
            let lost = [&volumes[first], &volumes[second]];
            lost.iter().for_each(|path| std::fs::rename(path, away(path)).unwrap());
            victim.work.json(&format!("verify v --repair {TRUST}"));
            if second == first + 1 && first > 0 {
                victim.assert_mends();
            }
            lost.iter().for_each(|path| std::fs::rename(away(path), path).unwrap());
        }
    }
    volumes[..3].iter().for_each(|path| std::fs::rename(path, away(path)).unwrap());
    let said = victim.work.fails(&format!("verify v --repair {TRUST}"));
    // Both of parity, and the first volume.
    assert_eq!(said.code, "missing");
}

#[test]
fn a_volume_and_some_sectors() {
    let victim = Victim::new("v", "--volume-size 1300KiB --parity-volumes 2");
    let volumes = volumes(&victim);
    std::fs::remove_file(&volumes[0]).unwrap();
    for at in 0..40 {
        invert(&volumes[1], at * 16 * 1024, 700);
        invert(volumes.last().unwrap(), at * 16 * 1024, 700);
    }
    victim.assert_mends();
}

/// On several media, each with a copy of the head files: what is damaged here is read there.
#[test]
fn copies_on_several_media() {
    let victim = Victim::new("v", "--volume-size 1300KiB --parity-volumes 1");
    let work = &victim.work;
    let volumes = volumes(&victim);
    for (medium, volume) in ["a", "b"].into_iter().zip(&volumes[volumes.len() - 2..]) {
        std::fs::create_dir(work.path(medium)).unwrap();
        for (name, bytes) in victim.good.iter().filter(|(name, _)| !name.ends_with(".tar")) {
            std::fs::write(work.path(medium).join(name), bytes).unwrap();
        }
        let to = work.path(medium).join(volume.file_name().unwrap());
        std::fs::rename(volume, to).unwrap();
    }
    for medium in ["a", "v"] {
        invert(&work.path(medium).join("lading.json"), 0, 100);
    }
    std::fs::remove_file(work.path("v/volume-0001.tar")).unwrap();
    let said = work.json(&format!("repair v a b -o out {TRUST}"));
    let corrected = said["repair"]["corrected"].as_array().unwrap();
    assert!(corrected.iter().all(|it| it["name"] == "volume-0001.tar"), "{said}");
    assert!(super::content(&work.path("out")) == victim.good);
}

#[test]
fn parity_for_volumes_needs_volumes() {
    let victim = Victim::new("bundle", "--parity 10%");
    let work = &victim.work;
    std::fs::remove_file(victim.place.join("parity-0001.rs")).unwrap();
    work.refused(&format!("parity bundle --parity-volumes 1 {TRUST}"), 2, "parity-amount");
    work.refused(&format!("parity bundle {TRUST}"), 2, "parity-amount");
    work.refused(
        &format!("parity bundle --parity 10% --volume-size 9k {TRUST}"),
        2,
        "parity-volume-size",
    );
    assert!(super::tree(&victim.place).len() == victim.good.len());
}
