use super::*;
use crate::bundle::Packaging;
use crate::tests::{Maker, flip, noise, tree};
use crate::trust::{Keyring, Scheme, SecretKey};
use crate::verify::{self, Site, VerifiedBundle, examine};

fn made(out: &str, packaging: Packaging) -> Maker {
    let maker = Maker::new();
    maker.export(&[maker.image("one:1", &[noise(3000, 1)])], out, packaging).unwrap();
    maker
}

fn signers(scheme: Scheme) -> Vec<Box<dyn Signer>> {
    vec![Box::new(SecretKey::generate(scheme).unwrap())]
}

/// Verifies a bundle that the maker and all of `more` must have signed.
fn verify_all(
    maker: &Maker,
    places: &[PathBuf],
    more: &[&[Box<dyn Signer>]],
) -> Result<VerifiedBundle, VerifyError> {
    let mut keys = vec![maker.signers[0].public().clone()];
    keys.extend(more.iter().copied().flatten().map(|signer| signer.public().clone()));
    let site = Site::at(crate::tests::now());
    verify::verify(places, &Keyring::of_all(keys).unwrap().into(), &site)
}

#[test]
fn a_signature_is_added_to_every_packaging() {
    for (out, packaging) in [
        ("d", Packaging::Directory),
        ("a.tar", Packaging::Archive),
        ("v", Packaging::Volumes { limit: 10_000 }),
    ] {
        let maker = made(out, packaging);
        let place = maker.path(out);
        let places = [place.clone()];
        let (one, two) = (signers(Scheme::Ed25519), signers(Scheme::EcdsaP384));
        for signers in [&one, &two] {
            assert!(verify_all(&maker, &places, &[signers]).is_err());
            let added = sign(&examine(&places).unwrap(), signers, None).unwrap();
            let written = added[0].written.clone().unwrap();
            match packaging {
                Packaging::Archive => assert_eq!(written, place),
                _ => assert_eq!(written.parent().unwrap(), place),
            }
            verify_all(&maker, &places, &[signers]).unwrap();
        }
        verify_all(&maker, &places, &[&one, &two]).unwrap();
        // Once is enough.
        let before = if place.is_dir() { tree(&place) } else { Default::default() };
        let again = sign(&examine(&places).unwrap(), &one, None).unwrap();
        assert_eq!(again, [Added { key_id: one[0].public().key_id(), written: None }]);
        assert!(!place.is_dir() || tree(&place) == before);
    }
}

#[test]
fn a_signature_may_go_elsewhere() {
    for (out, packaging) in [("d", Packaging::Directory), ("a.tar", Packaging::Archive)] {
        let maker = made(out, packaging);
        let beside = maker.path("beside");
        std::fs::create_dir(&beside).unwrap();
        let more = signers(Scheme::EcdsaP384);
        let bundle = examine(&[maker.path(out)]).unwrap();
        let added = sign(&bundle, &more, Some(&beside)).unwrap();
        let written = added[0].written.clone().unwrap();
        assert_eq!(written.parent().unwrap(), beside);
        assert!(verify_all(&maker, &[maker.path(out)], &[&more]).is_err());
        verify_all(&maker, &[maker.path(out), written], &[&more]).unwrap();
        verify_all(&maker, &[beside, maker.path(out)], &[&more]).unwrap();
    }
}

#[test]
fn a_bad_signature_in_the_signers_name_is_told() {
    let maker = made("d", Packaging::Directory);
    let places = [maker.path("d")];
    let more = signers(Scheme::EcdsaP384);
    let added = sign(&examine(&places).unwrap(), &more, None).unwrap();
    flip(added[0].written.as_ref().unwrap(), 20);
    let refused = sign(&examine(&places).unwrap(), &more, None).unwrap_err();
    let key_id = more[0].public().key_id();
    match refused {
        SignError::Trust(error) => assert_eq!(error, TrustError::BadSignature { key_id }),
        other => panic!("{other}"),
    }
}

#[test]
fn nothing_is_written_when_one_of_two_fails() {
    let maker = made("d", Packaging::Directory);
    let before = tree(&maker.path("d"));
    let mut more = signers(Scheme::Ed25519);
    let key = more[0].public().clone();
    let never = crate::trust::CommandSigner::new(
        "false".into(),
        Vec::new(),
        signers(Scheme::Ed25519)[0].public().clone(),
        std::time::Duration::from_secs(5),
    );
    more.push(Box::new(never));
    let refused = sign(&examine(&[maker.path("d")]).unwrap(), &more, None).unwrap_err();
    assert!(matches!(refused, SignError::Trust(TrustError::Program { .. })), "{refused}");
    assert!(tree(&maker.path("d")) == before, "{key:?}");
}

#[test]
fn sixteen_signatures_and_no_more() {
    let maker = made("a.tar", Packaging::Archive);
    let places = [maker.path("a.tar")];
    let many: Vec<_> = (1..MAX_SIGNATURES).flat_map(|_| signers(Scheme::Ed25519)).collect();
    sign(&examine(&places).unwrap(), &many, None).unwrap();
    verify_all(&maker, &places, &[&many]).unwrap();
    let before = std::fs::read(&places[0]).unwrap();
    let refused = sign(&examine(&places).unwrap(), &signers(Scheme::Ed25519), None);
    assert!(matches!(refused, Err(SignError::TooMany)));
    assert!(std::fs::read(&places[0]).unwrap() == before);
}
