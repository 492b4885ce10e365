//! What is let in: keys, time, place, and what is missing or too much on the medium.

use super::*;
use crate::bundle::{HeadFile, Medium, Packaging};
use crate::tests::{Maker, noise, now, put, tree};
use crate::trust::{Keyring, Scheme, SecretKey, Signer as _};

fn made() -> Maker {
    let maker = Maker::new();
    maker.bundle(&[maker.image("one:1", &[noise(700, 1)])]);
    maker
}

#[test]
fn a_whole_bundle_is_taken() {
    let maker = made();
    let bundle = maker.verify(&[maker.path("bundle")]).unwrap();
    let contents = bundle.get();
    assert_eq!(contents.images().len(), 1);
    assert_eq!(contents.signers().len(), 1);
    let seal = std::fs::read(maker.path("bundle/seal")).unwrap();
    assert_eq!(contents.seal_digest(), Digest::of(&seal));
    assert_eq!(contents.head(HeadFile::Seal).unwrap(), seal);
    let absent = contents.file(&Digest::of(b"absent")).err();
    assert!(matches!(absent, Some(VerifyError::Story(StoryError::Unlisted(_)))));
    assert_eq!(examine(&[maker.path("bundle")]).unwrap().signers(), []);
}

#[test]
fn a_strangers_key_opens_nothing() {
    let maker = made();
    let stranger = SecretKey::generate(Scheme::Ed25519).unwrap();
    let keys = Keyring::new(vec![stranger.public().clone()], 1).unwrap().into();
    let site = Site::at(now());
    let refused = verify(&[maker.path("bundle")], &keys, &site).unwrap_err();
    let short = TrustError::Threshold { needed: 1, valid: 0, unknown: 1 };
    assert!(matches!(refused, VerifyError::Trust(error) if error == short));
}

#[test]
fn more_signatures_than_any_bundle_has_are_not_read() {
    let maker = made();
    for id in 0..16 {
        let name = format!("bundle/seal.{}.sig", format!("{id:02x}").repeat(32));
        // They belong to no key here, and would only be counted.
        put(&maker.path(&name), b"x");
    }
    let refused = maker.verify(&[maker.path("bundle")]).unwrap_err();
    assert!(matches!(refused, VerifyError::Signatures { max: 16, size: 8192 }));
    let maker = made();
    let name = format!("bundle/seal.{}.sig", "00".repeat(32));
    put(&maker.path(&name), &[0; 8193]);
    let refused = maker.verify(&[maker.path("bundle")]).unwrap_err();
    assert!(matches!(refused, VerifyError::Signatures { .. }));
    put(&maker.path(&name), &[0; 8192]);
    maker.verify(&[maker.path("bundle")]).unwrap();
}

#[test]
fn a_seal_over_the_cap_is_not_read() {
    let maker = made();
    put(&maker.path("bundle/seal"), &[b'x'; 16 * 1024 + 1]);
    let refused = maker.verify(&[maker.path("bundle")]).unwrap_err();
    assert!(matches!(refused, VerifyError::TooLarge { cap: 16384, .. }));
}

#[test]
fn each_file_is_missed_by_its_name() {
    let maker = made();
    let bundle = maker.path("bundle");
    for (name, bytes) in tree(&bundle) {
        let path: BundlePath = name.to_str().unwrap().parse().unwrap();
        std::fs::remove_file(bundle.join(&name)).unwrap();
        let refused = maker.verify(std::slice::from_ref(&bundle)).unwrap_err();
        match path {
            BundlePath::Head(HeadFile::Signature(_)) => {
                let none = TrustError::Threshold { needed: 1, valid: 0, unknown: 0 };
                assert!(matches!(refused, VerifyError::Trust(error) if error == none));
            }
            _ => assert!(
                matches!(&refused, VerifyError::Missing { path: named } if *named == path),
                "{path}: {refused}"
            ),
        }
        put(&bundle.join(&name), &bytes);
    }
    maker.verify(&[bundle]).unwrap();
}

#[test]
fn a_file_too_many_is_named() {
    let maker = made();
    let digest = Digest::of(b"extra");
    put(&maker.path("bundle/blobs/sha256").join(digest.hex()), b"extra");
    let refused = maker.verify(&[maker.path("bundle")]).unwrap_err();
    assert!(matches!(refused, VerifyError::Extra { path, at }
        if path.to_string().ends_with(&digest.hex()) && at.length == 5));
    let maker = made();
    put(&maker.path("bundle/chunks.zst"), b"x");
    let refused = maker.verify(&[maker.path("bundle")]).unwrap_err();
    assert!(matches!(refused, VerifyError::Extra { path, .. } if path == HeadFile::Chunks.into()));
}

#[test]
fn a_volume_that_is_missing_is_named() {
    let maker = Maker::new();
    let layers: Vec<_> = (1..5).map(|seed| noise(40_000, seed)).collect();
    let images = [maker.image("one:1", &layers)];
    maker.export(&images, "v", Packaging::Volumes { limit: 45_000 }).unwrap();
    let volumes = Medium::gather(&[maker.path("v")]).unwrap().volumes().len();
    assert_eq!(volumes, 4);
    let missing = || match maker.verify(&[maker.path("v")]).unwrap_err() {
        VerifyError::Volumes(gap) => gap.to_string(),
        VerifyError::Missing { .. } => "a blob is missing".to_owned(),
        error => panic!("{error}"),
    };
    let hide = |number: u32| {
        let name = crate::bundle::volume_name(number);
        std::fs::rename(maker.path("v").join(&name), maker.path(&name)).unwrap();
    };
    hide(2);
    let two = "volume 2 of 4 is missing (volume-0002.tar): 1 image needs it";
    assert_eq!(missing(), two);
    hide(3);
    assert_eq!(missing(), "volumes 2 and 3 of 4 are missing: 1 image needs them");
    // Nobody signed the list: without it, less can be told.
    std::fs::remove_file(maker.path("v/volumes.txt")).unwrap();
    assert_eq!(missing(), "volumes 2 and 3 are missing: 1 image needs them");
    hide(4);
    assert_eq!(missing(), "a volume after volume-0001.tar is missing: 1 image needs it");
    hide(1);
    assert_eq!(missing(), "a blob is missing");
    put(&maker.path("v/volumes.txt"), b"volume-0001.tar 1\n");
    assert_eq!(missing(), "volume 1 of 1 is missing (volume-0001.tar): 1 image needs it");
    let elsewhere = [2, 4, 1, 3].map(|number| maker.path(&crate::bundle::volume_name(number)));
    let places: Vec<_> = elsewhere.into_iter().chain([maker.path("v")]).collect();
    maker.verify(&places).unwrap().get().prove_blobs(&crate::report::Silent).unwrap();
}

#[test]
fn volumes_of_another_bundle_are_told() {
    let maker = Maker::new();
    for (out, seed) in [("a", 1), ("b", 2)] {
        let image = maker.image("one:1", &[noise(40_000, seed), noise(40_000, seed + 10)]);
        maker.export(&[image], out, Packaging::Volumes { limit: 45_000 }).unwrap();
    }
    for name in ["volume-0001.tar", "volume-0002.tar"] {
        let (of_a, of_b) = (maker.path("a").join(name), maker.path("b").join(name));
        let own = std::fs::read(&of_a).unwrap();
        std::fs::copy(&of_b, &of_a).unwrap();
        let refused = maker.verify(&[maker.path("a")]).unwrap_err();
        assert!(matches!(&refused, VerifyError::Extra { at, .. } if at.file == of_a), "{refused}");
        put(&of_a, &own);
    }
    let both = maker.verify(&[maker.path("a"), maker.path("b")]).unwrap_err();
    let mixed = matches!(
        both,
        VerifyError::Extra { .. }
            | VerifyError::Medium(MediumError::Twice { .. })
            | VerifyError::Trust(TrustError::BadSignature { .. })
    );
    assert!(mixed, "{both}");
}
