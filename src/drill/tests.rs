use super::*;
use crate::bundle::Packaging;
use crate::report::Silent;
use crate::tests::{Maker, flip, noise};

const RECORD: &str = "\
gapferry drill record v1
tool: gapferry 0.1.0
seal: sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb
stream: prod-east
epoch: 1
sequence: 42
created: 2026-11-20T10:00:00Z
signer: 0b7d9eb3162c32fd47c188b45b57eb0734851da7dd77deee151a6d8213b84b7a
signer: 1b7d9eb3162c32fd47c188b45b57eb0734851da7dd77deee151a6d8213b84b7a
images: 12
documents: 40
blobs: 97
bytes: 5368709120
started: 2026-11-21T08:00:00Z
finished: 2026-11-21T08:03:11Z
verify: 31.007
restore: 120.000
read-back: 0.090
result: restored
";

const UNPROVEN: &str = "\
gapferry drill record v1
tool: gapferry 0.1.0
seal: none
started: 2026-11-21T08:00:00Z
finished: 2026-11-21T08:00:00Z
verify: 0.000
restore: none
read-back: none
result: failed: bad-seal
";

/// A verified bundle of two images that share a layer, and the maker who has room for stores.
fn made() -> (Maker, VerifiedBundle) {
    let maker = Maker::new();
    let images = [
        maker.image("one:1", &[noise(1_500_000, 1), noise(700, 2)]),
        maker.image("two:2", &[noise(700, 2), vec![]]),
    ];
    maker.export(&images, "b.tar", Packaging::Archive).unwrap();
    let bundle = maker.verify(&[maker.path("b.tar")]).unwrap();
    (maker, bundle)
}

/// The file in the store of the `at`th layer of the first image.
fn layer(store: &Path, bundle: &VerifiedBundle, at: usize) -> (PathBuf, Digest) {
    let document = bundle.get().document(&bundle.get().images()[0].digest).unwrap();
    let digest = document.blobs().nth(1 + at).unwrap().digest;
    (store.join("blobs/sha256").join(digest.hex()), digest)
}

#[test]
fn what_is_restored_is_counted_and_read_back() {
    let (maker, bundle) = made();
    let store = maker.path("store");
    restore(&bundle, &store, 2, &Silent).unwrap();
    read_back(&bundle, &store, 2, &Silent).unwrap();
    let tally = tally(&bundle);
    // Two configs and three layers: one is shared, one is empty.
    assert_eq!((tally.images, tally.documents, tally.blobs), (2, 2, 5));
    let files = crate::tests::tree(&store.join("blobs"));
    assert_eq!(tally.bytes, files.values().map(|file| file.len() as u64).sum::<u64>());
}

#[test]
fn a_store_that_does_not_give_back_what_it_took() {
    let (maker, bundle) = made();
    let store = maker.path("store");
    restore(&bundle, &store, 2, &Silent).unwrap();
    let (path, large) = layer(&store, &bundle, 0);
    let good = std::fs::read(&path).unwrap();
    let read = || read_back(&bundle, &store, 2, &Silent).unwrap_err();
    flip(&path, 1_400_000);
    assert!(
        matches!(read(), DrillError::Differs(ContentError::Digest { expected, .. }) if expected == large)
    );
    std::fs::write(&path, &good[1..]).unwrap();
    assert!(
        matches!(read(), DrillError::Differs(ContentError::Short { digest, .. }) if digest == large)
    );
    std::fs::write(&path, [&good[..], b"x"].concat()).unwrap();
    assert!(
        matches!(read(), DrillError::Differs(ContentError::Long { digest, .. }) if digest == large)
    );
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(read(), DrillError::Absent { digest } if digest == large));
    std::os::unix::fs::symlink(maker.path("b.tar"), &path).unwrap();
    let linked = read();
    assert!(
        matches!(linked, DrillError::Layout(LayoutError::File(FileError::NotRegular { .. }))),
        "{linked}"
    );
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, &good).unwrap();
    read_back(&bundle, &store, 2, &Silent).unwrap();
    // A manifest is content like any other.
    let root = bundle.get().images()[1].digest;
    flip(&store.join("blobs/sha256").join(root.hex()), 30);
    assert!(
        matches!(read(), DrillError::Differs(ContentError::Digest { expected, .. }) if expected == root)
    );
}

#[test]
fn a_store_that_lost_a_name_or_has_it_on_another_image() {
    let (maker, bundle) = made();
    let store = maker.path("store");
    restore(&bundle, &store, 2, &Silent).unwrap();
    let index = store.join("index.json");
    let text = std::fs::read_to_string(&index).unwrap();
    let [one, two] = bundle.get().images() else { panic!("two images") };
    let swapped = text
        .replace(&one.digest.to_string(), "?")
        .replace(&two.digest.to_string(), &one.digest.to_string())
        .replace('?', &two.digest.to_string());
    for wrong in [text.replace("library/one:1", "library/one:2"), swapped] {
        std::fs::write(&index, wrong).unwrap();
        let error = read_back(&bundle, &store, 2, &Silent).unwrap_err();
        assert!(
            matches!(&error, DrillError::Name { name, expected } if *name == one.name && *expected == one.digest),
            "{error}"
        );
    }
}

#[test]
fn only_what_was_empty_is_a_store_and_only_that_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (new, old, taken) = (dir.path().join("a/b"), dir.path().join("old"), dir.path().join("x"));
    let scratch = Scratch::new(&new).unwrap();
    std::fs::write(new.join("file"), "").unwrap();
    scratch.remove().unwrap();
    assert!(!new.exists() && dir.path().join("a").exists());
    std::fs::create_dir(&old).unwrap();
    let scratch = Scratch::new(&old).unwrap();
    std::fs::create_dir_all(old.join("blobs/sha256")).unwrap();
    std::fs::create_dir(&taken).unwrap();
    std::fs::write(taken.join("mine"), "").unwrap();
    std::os::unix::fs::symlink(&taken, old.join("link")).unwrap();
    scratch.remove().unwrap();
    assert_eq!(std::fs::read_dir(&old).unwrap().count(), 0);
    assert!(taken.join("mine").exists(), "a link is removed, not what it leads to");
    let refused = Scratch::new(&taken).unwrap_err();
    assert!(matches!(refused, DrillError::Exists { path } if path == taken));
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let record = Record::parse(RECORD.as_bytes()).unwrap();
    assert_eq!(record.to_bytes(), RECORD.as_bytes());
    assert_eq!(record.seal, Some(Digest::of(b"a")));
    assert_eq!(record.times.verify, Some(std::time::Duration::from_micros(31_007_999).into()));
    assert_eq!(record.outcome, Outcome::Restored);
    let sealed = record.sealed.unwrap();
    assert_eq!((sealed.sequence, sealed.signers.len(), sealed.tally.blobs), (42, 2, 97));
    let record = Record::parse(UNPROVEN.as_bytes()).unwrap();
    assert_eq!(record.to_bytes(), UNPROVEN.as_bytes());
    assert_eq!((record.seal, record.sealed, record.times.restore), (None, None, None));
}

#[test]
fn a_record_has_one_spelling() {
    for bad in [
        RECORD.replace('\n', "\r\n"),
        format!("\u{feff}{RECORD}"),
        format!("{RECORD}\n"),
        format!("{RECORD}extra: 1\n"),
        RECORD.trim_end().to_owned(),
        RECORD.replace("epoch: 1\n", ""),
        RECORD.replace("epoch: 1\n", "epoch: 1\nepoch: 1\n"),
        RECORD.replace("epoch: 1", "epoch: 01"),
        RECORD.replace("images: 12", "images: +12"),
        RECORD.replace("bytes: 5368709120", "bytes: 18446744073709551616"),
        RECORD.replace("verify: 31.007", "verify: 31.07"),
        RECORD.replace("verify: 31.007", "verify: 031.007"),
        RECORD.replace("verify: 31.007", "verify: 31.+07"),
        RECORD.replace("verify: 31.007", "verify: 18446744073709551615.000"),
        RECORD.replace("verify: 31.007", "verify: 31"),
        RECORD.replace("signer: ", "signers: "),
        RECORD.replace(" v1\n", " v2\n"),
        RECORD.replace("gapferry 0.1.0", "gapferry 0.1.0 \u{1b}"),
        RECORD.replace("gapferry 0.1.0", "gapferry "),
        RECORD.replace("result: restored", "result: Restored"),
        RECORD.replace("result: restored", "result: failed"),
        RECORD.replace("result: restored", "result: failed: No-Space"),
        UNPROVEN.replace("started: 2026-11-21", "started: 2026-11-31"),
        UNPROVEN.replace("seal: none\n", "seal: none\nstream: x\n"),
        String::new(),
    ] {
        assert!(Record::parse(bad.as_bytes()).is_err(), "{bad:?}");
    }
    assert_eq!(Record::parse(&[b'x'; 16 * 1024 + 1]), Err(InvalidRecord::TooLarge));
    assert_eq!(Record::parse(b"gapferry drill record v2\n"), Err(InvalidRecord::Version));
    let line = Record::parse(RECORD.replace("epoch: 1", "epoch: x").as_bytes());
    assert_eq!(line, Err(InvalidRecord::Line("epoch")));
    let trailing = Record::parse(format!("{RECORD}\n").as_bytes());
    assert_eq!(trailing, Err(InvalidRecord::NotCanonical));
}
