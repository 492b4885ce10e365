use super::*;
use crate::bundle::{BundlePath, Medium};
use crate::oci::Digest;
use crate::tests::tree;

const SEAL: &[u8] = b"the seal";

fn blobs() -> Vec<(BlobPath, Vec<u8>)> {
    let sizes = [700, 0, 512, 1, 3000, 511];
    let content = |(seed, size): (u64, &usize)| crate::tests::noise(*size, seed);
    let contents = (1..).zip(&sizes).map(content);
    contents.map(|bytes| (BlobPath::of(&Digest::of(&bytes)).unwrap(), bytes)).collect()
}

fn created(out: &Path, packaging: Packaging) -> Result<Writer, WriteError> {
    let writer = Writer::create(out, packaging)?;
    for (path, bytes) in blobs() {
        writer.announce(path, bytes.len() as u64)?;
    }
    Ok(writer)
}

fn write(out: &Path, packaging: Packaging, backwards: bool) {
    let writer = created(out, packaging).unwrap();
    let mut blobs = blobs();
    if backwards {
        blobs.reverse();
    }
    // All at once, a few bytes at a time.
    let mut open: Vec<_> = blobs
        .iter()
        .map(|(path, bytes)| (writer.blob(*path).unwrap(), bytes.chunks(100)))
        .collect();
    while open.iter_mut().any(|(blob, parts)| match parts.next() {
        Some(part) => blob.write_all(part).map(|()| true).unwrap(),
        None => false,
    }) {}
    for (mut blob, rest) in open {
        rest.for_each(|part| blob.write_all(part).unwrap());
        blob.finish().unwrap();
    }
    let heads = [(HeadFile::OciLayout, b"layout".to_vec()), (HeadFile::Index, vec![b'i'; 513])];
    let signature = HeadFile::Signature("ab".repeat(32).parse().unwrap());
    let document = BundlePath::Trust("trust-000001".parse().unwrap());
    let outside = [(document, b"trust".to_vec()), (signature.into(), b"signature".to_vec())];
    writer.finish(&heads, &outside, Some(SEAL)).unwrap();
}

/// Everything that a reader finds, whatever the packaging.
fn found(out: &Path) -> BTreeMap<BundlePath, Vec<u8>> {
    let medium = Medium::gather(&[out.to_owned()]).unwrap();
    let read = |path: &BundlePath| medium.get(path).unwrap().read(1 << 20).unwrap().unwrap();
    medium.paths().map(|path| (*path, read(path))).collect()
}

#[test]
fn three_packagings_hold_the_same_files() {
    let dir = tempfile::tempdir().unwrap();
    let packagings = [
        ("directory", Packaging::Directory),
        ("archive.tar", Packaging::Archive),
        ("volumes", Packaging::Volumes { limit: 5 * 1024 }),
        ("one", Packaging::Volumes { limit: u64::MAX }),
    ];
    for (name, packaging) in packagings {
        write(&dir.path().join(name), packaging, false);
        let found = found(&dir.path().join(name));
        assert_eq!(found.len(), blobs().len() + 5, "{name}");
        assert_eq!(found[&HeadFile::Seal.into()], SEAL);
        for (path, bytes) in blobs() {
            assert_eq!(found[&path.into()], bytes, "{name}");
        }
    }
    assert_eq!(found(&dir.path().join("one")), found(&dir.path().join("directory")));
    assert_eq!(tree(&dir.path().join("one")).len(), 7);
}

#[test]
fn the_bytes_do_not_depend_on_who_was_first() {
    let dir = tempfile::tempdir().unwrap();
    for (name, packaging) in
        [("x.tar", Packaging::Archive), ("v", Packaging::Volumes { limit: 5 * 1024 })]
    {
        write(&dir.path().join("a").join(name), packaging, false);
        write(&dir.path().join("b").join(name), packaging, true);
    }
    assert_eq!(tree(&dir.path().join("a")), tree(&dir.path().join("b")));
}

#[test]
fn a_blob_goes_to_the_first_volume_with_room() {
    let path = |at: u8| BlobPath::of(&Digest::Sha256([at; 32])).unwrap();
    let blobs: Vec<_> = (0..).map(path).zip([512, 2048, 512, 0, 1, 1024]).collect();
    let placed = |limit| {
        let dir = tempfile::tempdir().unwrap();
        let writer = Writer::create(dir.path(), Packaging::Volumes { limit }).unwrap();
        for (path, size) in &blobs {
            writer.announce(*path, *size).unwrap();
            writer.announce(*path, *size).unwrap();
        }
        let state = writer.state();
        let places: Vec<_> =
            state.places.values().map(|place| (place.archive, place.offset)).collect();
        (places, state.archives.iter().map(|archive| archive.shelf.end).collect::<Vec<_>>())
    };
    // Room for 3072 bytes; the members take 1024, 2560, 1024, 512, 1024, 1536.
    let (places, ends) = placed(4096);
    assert_eq!(places, [(0, 0), (1, 0), (0, 1024), (0, 2048), (2, 0), (2, 1024)]);
    assert_eq!(ends, [2560, 2560, 2560]);
    let (places, ends) = placed(4096 + 512);
    assert_eq!(places.iter().filter(|(archive, _)| *archive == 0).count(), 2);
    assert_eq!(ends, [3584, 2560, 1536]);
}

#[test]
fn no_blob_is_cut_in_two() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("v");
    let limit = 512 + 3072 + 1024;
    write(&dir.path().join("fits"), Packaging::Volumes { limit }, false);
    for volume in tree(&dir.path().join("fits")).values() {
        assert!(volume.len() as u64 <= limit);
    }
    for limit in [limit - 1, 1536, 1, 0] {
        let refused = created(&out, Packaging::Volumes { limit }).err();
        assert!(
            matches!(&refused, Some(WriteError::VolumeTooSmall { limit: named, .. }) if *named == limit),
            "{limit}"
        );
        assert!(!out.exists());
    }
}

#[test]
fn what_exists_is_refused_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    let full = dir.path().join("full");
    let link = dir.path().join("link");
    std::fs::write(&file, "mine").unwrap();
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("x"), "mine").unwrap();
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    let before = tree(dir.path());
    for out in [&file, &full, &link] {
        for packaging in
            [Packaging::Directory, Packaging::Archive, Packaging::Volumes { limit: 1 << 20 }]
        {
            let refused = created(out, packaging).err();
            assert!(matches!(&refused, Some(WriteError::Exists(path)) if path == out), "{out:?}");
        }
    }
    assert_eq!(tree(dir.path()), before);
}

#[test]
fn an_unfinished_bundle_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (new, empty) = (dir.path().join("new.tar"), dir.path().join("empty"));
    for packaging in
        [Packaging::Directory, Packaging::Archive, Packaging::Volumes { limit: 5 * 1024 }]
    {
        let writer = created(&new, packaging).unwrap();
        let (path, bytes) = &blobs()[0];
        let mut blob = writer.blob(*path).unwrap();
        blob.write_all(bytes).unwrap();
        blob.finish().unwrap();
        let half = writer.blob(blobs()[4].0).unwrap();
        drop(half);
        drop(writer);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{packaging:?}");
    }
    // A directory that was there, such as a mounted medium, stays.
    std::fs::create_dir(&empty).unwrap();
    drop(created(&empty, Packaging::Directory).unwrap());
    assert_eq!(std::fs::read_dir(&empty).unwrap().count(), 0);
}

#[test]
fn content_is_as_long_as_announced() {
    let dir = tempfile::tempdir().unwrap();
    for (name, packaging) in [
        ("x.tar", Packaging::Archive),
        ("v", Packaging::Volumes { limit: 1 << 20 }),
        ("d", Packaging::Directory),
    ] {
        let writer = created(&dir.path().join(name), packaging).unwrap();
        let (path, bytes) = &blobs()[0];
        let mut short = writer.blob(*path).unwrap();
        short.write_all(&bytes[1..]).unwrap();
        assert!(matches!(short.finish(), Err(FileError::Io { action: "write", .. })), "{name}");
        let mut long = writer.blob(*path).unwrap();
        long.write_all(bytes).unwrap();
        assert!(long.write_all(b"x").is_err(), "{name}");
    }
}

#[test]
fn the_top_of_a_fresh_medium_counts_as_empty() {
    let dir = tempfile::tempdir().unwrap();
    let theirs = dir.path().join("lost+found/x");
    std::fs::create_dir(theirs.parent().unwrap()).unwrap();
    std::fs::write(&theirs, "x").unwrap();
    drop(created(dir.path(), Packaging::Directory).unwrap());
    assert_eq!(tree(dir.path()).into_keys().collect::<Vec<_>>(), [Path::new("lost+found/x")]);
    write(dir.path(), Packaging::Directory, false);
    assert_eq!(found(dir.path()).len(), blobs().len() + 5);
    assert_eq!(std::fs::read(&theirs).unwrap(), b"x");
}
