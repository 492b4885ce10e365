use super::*;
use crate::bundle::{BlobPath, Packaging};
use crate::export::{Bases, PackMode};
use crate::report::Silent;
use crate::tests::{Maker, flip, noise};

/// Two images that share a layer, each with one of its own, as a directory.
fn made(pack: PackMode) -> Maker {
    let maker = Maker::new();
    let shared = noise(70_000, 1);
    let one = maker.image("one:1", &[shared.clone(), noise(80_000, 2)]);
    let two = maker.image("two:1", &[shared, noise(90_000, 3)]);
    let bases = Bases::default();
    maker.pack(&[one, two], "bundle", Packaging::Directory, pack, &bases, 1).unwrap();
    maker
}

fn lost(contents: &Contents, hurt: &[Digest]) -> Vec<String> {
    let losses = contents.losses(&hurt.iter().copied().collect());
    assert_eq!(losses.lost.len() + losses.whole.len(), contents.images().len());
    losses.lost.iter().map(|lost| lost.image.name.repository.path().to_owned()).collect()
}

fn file(maker: &Maker, digest: &Digest) -> std::path::PathBuf {
    maker.path("bundle").join(BlobPath::of(digest).unwrap().to_string())
}

#[test]
fn an_image_is_lost_with_anything_that_it_needs() {
    let maker = made(PackMode::Never);
    let bundle = maker.verify(&[maker.path("bundle")]).unwrap();
    let contents = bundle.get();
    let of = |size, seed| Digest::of(&noise(size, seed));
    assert_eq!(lost(contents, &[]), [""; 0]);
    assert_eq!(lost(contents, &[Digest::of(b"of nobody")]), [""; 0]);
    assert_eq!(lost(contents, &[of(80_000, 2)]), ["library/one"]);
    assert_eq!(lost(contents, &[of(90_000, 3)]), ["library/two"]);
    assert_eq!(lost(contents, &[of(70_000, 1)]), ["library/one", "library/two"]);
    let image = &contents.images()[1];
    assert_eq!(lost(contents, &[image.digest]), ["library/two"]);
    let losses = contents.losses(&BTreeSet::from([image.digest, of(80_000, 2)]));
    assert_eq!(losses.lost[1].needs, BTreeSet::from([image.digest]));
}

#[test]
fn a_packed_layer_goes_with_any_of_its_packs() {
    let maker = made(PackMode::Always);
    let bundle = maker.verify(&[maker.path("bundle")]).unwrap();
    let contents = bundle.get();
    for pack in contents.catalog().packs.iter().map(|pack| pack.blob.digest) {
        let takes = |layer: &&crate::bundle::Layer| layer.from.contains(&pack);
        let layers: Vec<_> = contents.catalog().layers.iter().filter(takes).collect();
        assert!(!layers.is_empty());
        let expected = contents.images().iter().filter(|image| {
            layers.iter().any(|layer| contents.needs(image).contains(&layer.blob.digest))
        });
        let expected: Vec<_> = expected.map(|it| it.name.repository.path().to_owned()).collect();
        assert_eq!(lost(contents, &[pack]), expected);
    }
}

#[test]
fn what_is_missing_cut_or_damaged_is_a_gap() {
    let maker = made(PackMode::Never);
    let whole = maker.verify(&[maker.path("bundle")]).unwrap();
    let image = &whole.get().images()[0];
    let (absent, cut) = (Digest::of(&noise(80_000, 2)), Digest::of(&noise(70_000, 1)));
    std::fs::remove_file(file(&maker, &absent)).unwrap();
    let short = std::fs::File::options().write(true).open(file(&maker, &cut)).unwrap();
    short.set_len(69_999).unwrap();
    flip(&file(&maker, &image.digest), 5);
    assert!(matches!(maker.verify(&[maker.path("bundle")]), Err(VerifyError::Missing { .. })));
    let bundle = maker.verify_partly(&[maker.path("bundle")]).unwrap();
    let mut gaps: Vec<_> = bundle.get().gaps().iter().map(|hurt| hurt.digest).collect();
    assert!(matches!(bundle.get().gaps()[0].error, VerifyError::Missing { .. }));
    assert!(matches!(bundle.get().gaps()[1].error, VerifyError::Damaged { .. }));
    assert!(matches!(bundle.get().gaps()[2].error, VerifyError::Size { expected: 70_000, .. }));
    gaps.sort();
    let mut expected = vec![absent, cut, image.digest];
    expected.sort();
    assert_eq!(gaps, expected);
    // What is no gap is whole.
    assert!(bundle.get().hurt_blobs(&Silent).is_empty());
    assert!(bundle.get().document(&image.digest).is_none());
    assert_eq!(lost(bundle.get(), &gaps), ["library/one", "library/two"]);
}

#[test]
fn a_volume_may_be_missing_or_cut() {
    let maker = Maker::new();
    let images = [1, 2, 3].map(|seed| maker.image(&format!("i{seed}:1"), &[noise(40_000, seed)]));
    maker.export(&images, "v", Packaging::Volumes { limit: 50_000 }).unwrap();
    let names = |maker: &Maker| {
        let bundle = maker.verify_partly(&[maker.path("v")]).unwrap();
        let gaps: Vec<_> = bundle.get().gaps().iter().map(|hurt| hurt.digest).collect();
        let cut = bundle.get().medium().cut().map(ToString::to_string);
        let first = || bundle.get().gaps().first().map(|hurt| hurt.error.to_string());
        (lost(bundle.get(), &gaps), cut.or_else(first).unwrap_or_default())
    };
    assert_eq!(names(&maker), (vec![], String::new()));
    let volume = maker.path("v/volume-0002.tar");
    let bytes = std::fs::read(&volume).unwrap();
    std::fs::write(&volume, &bytes[..bytes.len() / 2]).unwrap();
    let (cut, why) = names(&maker);
    assert!(why.contains("volume-0002.tar, byte"), "{why}");
    assert!(!cut.is_empty() && cut.len() < 3, "{cut:?}");
    std::fs::remove_file(&volume).unwrap();
    let (missing, why) = names(&maker);
    assert!(why.starts_with("volume 2 of 3 is missing (volume-0002.tar): "), "{why}");
    assert_eq!(missing, cut);
}

#[test]
fn head_files_must_be_whole() {
    let maker = made(PackMode::Never);
    for name in ["index.json", "lading.json", "catalog.json.zst", "SHA256SUMS", "oci-layout"] {
        let path = maker.path("bundle").join(name);
        flip(&path, 3);
        let refused = maker.verify_partly(&[maker.path("bundle")]).unwrap_err();
        assert!(matches!(refused, VerifyError::Damaged { .. }), "{name}: {refused}");
        flip(&path, 3);
        let away = maker.path("away");
        std::fs::rename(&path, &away).unwrap();
        let refused = maker.verify_partly(&[maker.path("bundle")]).unwrap_err();
        assert!(matches!(refused, VerifyError::Missing { .. }), "{name}: {refused}");
        std::fs::rename(&away, &path).unwrap();
    }
}
