use super::*;
use crate::memory::{Arrival, Entry, hold};

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn seal(epoch: u64, sequence: u64) -> Seal {
    Seal {
        stream: "prod".parse().unwrap(),
        epoch,
        sequence,
        previous: None,
        created: time("2027-01-01T00:00:00Z"),
        expires: Some(time("2027-02-01T00:00:00Z")),
        destination: None,
        requires: vec![],
        trust: 0,
        images: 1,
        files: 6,
        bytes: 6,
        sums: Digest::of(b"sums"),
        sums_size: 6,
    }
}

fn place(name: &str) -> Place {
    Place::new(name.as_bytes())
}

/// A site in January 2027 that imported these to `oci:/own`.
fn site(seals: &[Seal]) -> Site {
    let dir = tempfile::tempdir().unwrap();
    let mut held = hold(dir.path()).unwrap();
    for seal in seals {
        let arrival = Arrival::of(seal, Digest::of(&seal.to_bytes()), place("oci:/own"));
        held.note(Entry::Import(arrival), seal.created).unwrap();
    }
    Site { memory: held.memory().clone(), ..Site::at(time("2027-01-15T00:00:00Z")) }
}

fn admitted(seal: &Seal, site: &Site, epoch: Option<u64>) -> Result<(), VerifyError> {
    admit(seal, &Digest::of(&seal.to_bytes()), site, epoch)
}

fn plain(seal: &Seal, site: &Site) -> Result<(), VerifyError> {
    admitted(seal, site, None)
}

#[test]
fn a_stream_goes_forward() {
    let site = site(&[seal(1, 4), seal(1, 7)]);
    for good in [seal(1, 7), seal(1, 8), seal(1, u64::MAX)] {
        plain(&good, &site).unwrap();
    }
    for old in [seal(1, 4), seal(1, 6), seal(0, 9)] {
        let refused = plain(&old, &site).unwrap_err();
        assert!(matches!(&refused, VerifyError::Replayed { newest: (1, 7), .. }), "{refused}");
    }
    let other = Seal { stream: "test".parse().unwrap(), ..seal(1, 1) };
    plain(&other, &site).unwrap();
}

#[test]
fn two_bundles_in_one_place_are_found_however_old() {
    let site = site(&[seal(1, 4), seal(1, 7)]);
    for sequence in [4, 7] {
        let (first, twin) = (seal(1, sequence), Seal { images: 2, ..seal(1, sequence) });
        let both = [&first, &twin].map(|seal| Digest::of(&seal.to_bytes()));
        for restore in [Restore::No, Restore::Look, Restore::To(place("oci:/new"))] {
            let refused = plain(&twin, &Site { restore, ..site.clone() }).unwrap_err();
            assert!(matches!(&refused, VerifyError::Equivocation { seals, .. } if *seals == both));
            assert!(refused.to_string().starts_with("TWO BUNDLES claim"), "{refused}");
        }
    }
}

#[test]
fn an_old_bundle_is_restored_where_nothing_newer_is() {
    let site = site(&[seal(1, 4), seal(1, 7)]);
    let to = |name: &str| Site { restore: Restore::To(place(name)), ..site.clone() };
    plain(&seal(1, 5), &Site { restore: Restore::Look, ..site.clone() }).unwrap();
    plain(&seal(1, 5), &to("oci:/new")).unwrap();
    let refused = plain(&seal(1, 5), &to("oci:/own")).unwrap_err();
    assert!(matches!(refused, VerifyError::RestoreOwnTarget { reached: (1, 7), .. }));
    plain(&seal(1, 8), &to("oci:/own")).unwrap();
    // Expiry holds for what is restored as well.
    let late = Site { now: time("2027-02-01T00:00:00Z"), ..to("oci:/new") };
    assert!(matches!(plain(&seal(1, 5), &late), Err(VerifyError::Expired { .. })));
}

#[test]
fn only_a_trust_document_changes_the_epoch() {
    let (none, some) = (site(&[]), site(&[seal(1, 4)]));
    for (site, epoch) in [(&none, 0), (&none, 2), (&some, 2)] {
        let refused = plain(&seal(epoch, 9), site).unwrap_err();
        assert!(matches!(refused, VerifyError::Epoch { epoch: 1, .. }), "{refused}");
    }
    plain(&seal(1, 9), &none).unwrap();
    for site in [&none, &some] {
        admitted(&seal(2, 1), site, Some(2)).unwrap();
        for other in [1, 3] {
            let refused = admitted(&seal(other, 9), site, Some(2)).unwrap_err();
            assert!(matches!(refused, VerifyError::Epoch { epoch: 2, .. }), "{refused}");
        }
    }
}

#[test]
fn a_clock_that_was_set_back_changes_nothing() {
    let newer = Seal { created: time("2027-02-01T00:00:00Z"), expires: None, ..seal(1, 5) };
    let back = Site { now: time("2022-01-15T00:00:00Z"), ..site(&[newer]) };
    let other = Seal { stream: "test".parse().unwrap(), ..seal(1, 1) };
    let refused = plain(&other, &back).unwrap_err();
    let floor = time("2027-02-01T00:00:00Z");
    assert!(matches!(refused, VerifyError::Expired { now, .. } if now == floor), "{refused}");
    let lasting = Seal { expires: Some(time("2027-02-01T00:00:01Z")), ..other };
    plain(&lasting, &back).unwrap();
}
