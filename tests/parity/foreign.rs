//! Parity of something else.

use super::{TRUST, Victim, export, invert};

#[test]
fn parity_of_another_bundle_is_refused() {
    let victim = Victim::new("bundle", "--parity 10% --sequence 1");
    let work = &victim.work;
    // The same images, in a bundle of its own: every blob is the same.
    work.ok(&format!("{} --parity 10% --sequence 2", export("next")));
    std::fs::rename(victim.place.join("parity-0001.rs"), work.path("parity-0001.rs")).unwrap();
    std::fs::copy(work.path("next/parity-0001.rs"), victim.place.join("parity-0001.rs")).unwrap();
    for line in ["verify bundle --repair", "repair bundle -o out"] {
        let message = work.refused(&format!("{line} {TRUST}"), 3, "foreign-parity");
        assert!(message.contains("sha256:"), "{message}");
    }
    // Also when sectors are bad, and when its own is there too.
    victim.hurt(3);
    work.refused(&format!("repair bundle -o out {TRUST}"), 3, "foreign-parity");
    let both = format!("verify bundle parity-0001.rs --repair {TRUST}");
    work.refused(&both, 3, "foreign-parity");
    assert!(!work.path("out").exists());
}

/// The seal is damaged, and could be another: the signatures tell that it is not.
#[test]
fn a_damaged_seal_is_no_other_seal() {
    let victim = Victim::new("bundle", "--parity 10% --sequence 1000001");
    let seal = victim.place.join("seal");
    let text = std::fs::read_to_string(&seal).unwrap();
    std::fs::write(&seal, text.replace("1000001", "1000003")).unwrap();
    victim.assert_mends();
    invert(&seal, 0, 5);
    victim.assert_mends();
}

#[test]
fn parity_of_another_packaging_is_refused() {
    let victim = Victim::new("bundle", "--parity 10%");
    let work = &victim.work;
    work.ok(&format!("repack bundle -o bundle.tar {TRUST}"));
    std::fs::copy(victim.place.join("parity-0001.rs"), work.path("bundle.tar.parity-0001.rs"))
        .unwrap();
    work.refused(&format!("verify bundle.tar --repair {TRUST}"), 3, "foreign-parity");
}

#[test]
fn two_sets_are_one_too_many() {
    let victim = Victim::new("bundle", "--parity 10%");
    let work = &victim.work;
    std::fs::rename(victim.place.join("parity-0001.rs"), work.path("parity-0001.rs")).unwrap();
    work.ok(&format!("parity bundle --parity 20% {TRUST}"));
    work.refused(&format!("verify bundle parity-0001.rs --repair {TRUST}"), 3, "two-parities");
}
