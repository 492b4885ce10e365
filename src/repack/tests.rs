use super::*;
use crate::bundle::MediumError;
use crate::report::Silent;
use crate::tests::{Maker, flip, noise, tree};
use crate::verify::examine;

fn made() -> Maker {
    let maker = Maker::new();
    let images = [
        maker.image("one:1", &[noise(2_500_000, 1), noise(700, 2)]),
        maker.image("two:2", &[noise(700, 2), vec![]]),
    ];
    maker.bundle(&images);
    maker
}

#[test]
fn the_way_round_ends_where_it_began() {
    let maker = made();
    let mut from = maker.path("bundle");
    for (out, packaging) in [
        ("a.tar", Packaging::Archive),
        ("volumes", Packaging::Volumes { limit: 2_600_000 }),
        ("b.tar", Packaging::Archive),
        ("directory", Packaging::Directory),
    ] {
        let out = maker.path(out);
        let contents = examine(&[from]).unwrap();
        repack(&contents, &out, packaging, 2, &Silent).unwrap();
        maker.verify(std::slice::from_ref(&out)).unwrap().get().prove_blobs(&Silent).unwrap();
        from = out;
    }
    assert!(tree(&from) == tree(&maker.path("bundle")));
    let archive = |name| std::fs::read(maker.path(name)).unwrap();
    assert!(archive("a.tar") == archive("b.tar"));
}

#[test]
fn a_bundle_has_one_form_in_each_packaging() {
    let maker = Maker::new();
    let layers: Vec<_> = (1..6).map(|seed| noise(3000 * seed as usize, seed)).collect();
    let images = [maker.image("b:1", &layers[2..]), maker.image("a:1", &layers[..3])];
    let volumes = Packaging::Volumes { limit: 20_000 };
    for (first, out, packaging) in [
        ("d", "x.tar", Packaging::Archive),
        ("x.tar", "v", volumes),
        ("v", "d", Packaging::Directory),
    ] {
        maker.export(&images, out, packaging).unwrap();
        maker.export(&images, &format!("from/{first}"), Packaging::Directory).unwrap();
        let contents = examine(&[maker.path(&format!("from/{first}"))]).unwrap();
        let again = maker.path(&format!("again-{out}"));
        repack(&contents, &again, packaging, 3, &Silent).unwrap();
        assert!(tree(&again) == tree(&maker.path(out)), "{out}");
    }
}

#[test]
fn damage_is_not_carried_on() {
    let maker = made();
    let layer = crate::oci::Digest::of(&noise(2_500_000, 1)).hex();
    flip(&maker.path("bundle").join("blobs/sha256").join(layer), 2_400_000);
    let contents = examine(&[maker.path("bundle")]).unwrap();
    for packaging in
        [Packaging::Directory, Packaging::Archive, Packaging::Volumes { limit: 2_600_000 }]
    {
        let out = maker.path("out");
        let error = repack(&contents, &out, packaging, 2, &Silent).unwrap_err();
        assert!(
            matches!(&error, RepackError::Verify(VerifyError::Damaged { at, .. })
                if (at.offset, at.length) == (2 << 20, 2_500_000 - (2 << 20))),
            "{error}"
        );
        assert!(!out.exists());
    }
}

#[test]
fn what_exists_and_what_does_not_fit_is_refused() {
    let maker = made();
    let contents = examine(&[maker.path("bundle")]).unwrap();
    let before = tree(&maker.path("bundle"));
    let onto_itself = repack(&contents, &maker.path("bundle"), Packaging::Directory, 2, &Silent);
    assert!(matches!(onto_itself, Err(RepackError::Write(WriteError::Exists(_)))));
    let small = Packaging::Volumes { limit: 1 << 20 };
    let cut = repack(&contents, &maker.path("out"), small, 2, &Silent);
    assert!(matches!(cut, Err(RepackError::Write(WriteError::VolumeTooSmall { .. }))));
    assert_eq!(tree(&maker.path("bundle")), before);
    assert!(matches!(examine(&[maker.path("")]), Err(VerifyError::Medium(MediumError::Extra(_)))));
}

#[test]
fn what_changes_on_the_medium_meanwhile_is_noticed() {
    let maker = made();
    let contents = examine(&[maker.path("bundle")]).unwrap();
    flip(&maker.path("bundle/lading.json"), 20);
    let error = repack(&contents, &maker.path("out"), Packaging::Directory, 2, &Silent);
    let lading = BundlePath::from(HeadFile::Lading);
    assert!(
        matches!(error, Err(RepackError::Verify(VerifyError::Damaged { path, .. })) if path == lading)
    );
    assert!(!maker.path("out").exists());
}
