use super::*;
use crate::bundle::{BlobPath, HeadFile, OCI_LAYOUT};
use crate::oci::Digest;
use crate::tests::put;
use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::process::Command;

fn blob(content: &[u8]) -> BundlePath {
    BlobPath::of(&Digest::of(content)).unwrap().into()
}

/// An archive as the format has it.
fn archive(members: &[(BundlePath, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (path, content) in members {
        bytes.extend(ustar::header(path, content.len() as u64));
        bytes.extend(*content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn gather(places: &[&Path]) -> Result<Medium, MediumError> {
    Medium::gather(&places.iter().map(|path| path.to_path_buf()).collect::<Vec<_>>())
}

fn names(medium: &Medium) -> BTreeSet<String> {
    medium.paths().map(ToString::to_string).collect()
}

fn content(medium: &Medium, path: BundlePath) -> Vec<u8> {
    medium.get(&path).unwrap().read(1 << 20).unwrap().unwrap()
}

fn mknod(path: &Path, kind: rustix::fs::FileType) {
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
}

/// A directory with two blobs, two volumes and two head files.
fn spread(root: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let (first, second, heads) = (root.join("a"), root.join("b"), root.join("c"));
    put(&first.join("volume-0001.tar"), &archive(&[(blob(b"one"), b"one")]));
    put(&second.join("volume-0002.tar"), &archive(&[(blob(b"two"), b"two"), (blob(b""), b"")]));
    put(&heads.join("oci-layout"), OCI_LAYOUT);
    put(&heads.join("seal"), b"seal");
    put(&heads.join(blob(b"loose").to_string()), b"loose");
    (first, second, heads)
}

#[test]
fn places_are_taken_in_any_order_and_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second, heads) = spread(dir.path());
    let all = gather(&[&first, &second, &heads]).unwrap();
    let numbers = |medium: &Medium| medium.volumes().keys().copied().collect::<Vec<_>>();
    assert_eq!(numbers(&all), [1, 2]);
    assert_eq!(names(&all).len(), 6);
    let volume = second.join("volume-0002.tar");
    for places in [
        &[&heads, &second, &first][..],
        &[&second, &first, &heads, &second],
        &[&volume, &heads, &volume, &first],
    ] {
        let places: Vec<&Path> = places.iter().map(|path| path.as_path()).collect();
        let medium = gather(&places).unwrap();
        assert_eq!((names(&medium), numbers(&medium)), (names(&all), vec![1, 2]));
        for text in [&b"one"[..], b"two", b"", b"loose"] {
            assert_eq!(content(&medium, blob(text)), text);
        }
    }
    let one = gather(&[&second, &heads]).unwrap();
    assert_eq!((numbers(&one), one.missing_volumes()), (vec![2], vec![1]));
    assert!(one.get(&blob(b"one")).is_none());
}

#[test]
fn how_many_volumes_there_are_is_known_if_it_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second, heads) = spread(dir.path());
    let said = |listings: [Option<&str>; 2]| {
        for (place, text) in [&first, &heads].into_iter().zip(listings) {
            let path = place.join("volumes.txt");
            let _ = std::fs::remove_file(&path);
            text.inspect(|text| put(&path, text.as_bytes()));
        }
        let medium = gather(&[&heads, &first]).unwrap();
        let all = gather(&[&heads, &first, &second]).unwrap();
        (medium.volume_count(), medium.missing_volumes(), all.missing_volumes())
    };
    let three = "volume-0001.tar 9\nvolume-0002.tar 9\nvolume-0003.tar 9\n";
    assert_eq!(said([None, None]), (None, vec![], vec![]));
    assert_eq!(said([Some(three), None]), (Some(3), vec![2, 3], vec![3]));
    assert_eq!(said([Some(three), Some(three)]), (Some(3), vec![2, 3], vec![3]));
    // Two that say different things say nothing, and so do those that cannot be.
    let two = "volume-0001.tar 9\nvolume-0002.tar 9\n";
    assert_eq!(said([Some(three), Some(two)]), (None, vec![], vec![]));
    assert_eq!(said([Some("what"), None]), (None, vec![], vec![]));
    assert_eq!(said([Some("volume-0001.tar 9\n"), None]), (Some(1), vec![], vec![]));
    let huge: String = (1..400_000).map(|it| format!("volume-{it:04}.tar 1\n")).collect();
    assert_eq!(said([Some(&huge), None]), (None, vec![], vec![]));
    std::fs::remove_file(first.join("volumes.txt")).unwrap();
    put(&dir.path().join("list"), three.as_bytes());
    symlink("../list", first.join("volumes.txt")).unwrap();
    assert_eq!(gather(&[&first]).unwrap().volume_count(), None);
}

#[test]
fn head_files_may_be_given_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let (_, _, heads) = spread(dir.path());
    let medium = gather(&[&heads.join("seal"), &heads.join("oci-layout")]).unwrap();
    assert_eq!(names(&medium), ["oci-layout", "seal"].map(str::to_owned).into());
    assert_eq!(content(&medium, HeadFile::Seal.into()), b"seal");
}

#[test]
fn a_piece_knows_where_it_lies_and_how_much_may_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.tar");
    put(&path, &archive(&[(blob(b"one"), b"one"), (blob(b"three"), b"three")]));
    let medium = gather(&[&path]).unwrap();
    let piece = medium.get(&blob(b"three")).unwrap();
    assert_eq!((piece.file(), piece.offset(), piece.size), (path, 1536, 5));
    assert_eq!(piece.read(4).unwrap(), None);
    assert_eq!(piece.read(5).unwrap().unwrap(), b"three");
    let mut reader = piece.open().unwrap();
    reader.skip(3);
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"ee");
    reader.skip(u64::MAX);
    assert_eq!(reader.read(&mut [0; 4]).unwrap(), 0);
}

#[test]
fn what_is_no_regular_file_is_refused_unopened() {
    type Make = fn(&Path);
    let kinds: [(&str, Make); 5] = [
        ("link", |path| symlink("/etc/passwd", path).unwrap()),
        ("dangling", |path| symlink("nowhere", path).unwrap()),
        ("fifo", |path| mknod(path, rustix::fs::FileType::Fifo)),
        ("socket", |path| {
            std::os::unix::net::UnixListener::bind(path).unwrap();
        }),
        ("directory", |path| std::fs::create_dir(path).unwrap()),
    ];
    let blob = blob(b"x").to_string();
    for (kind, make) in kinds {
        for name in ["seal", "volume-0001.tar", blob.as_str()] {
            let dir = tempfile::tempdir().unwrap();
            put(&dir.path().join("oci-layout"), OCI_LAYOUT);
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            make(&path);
            let error = gather(&[dir.path()]).unwrap_err();
            let refused = match error {
                MediumError::File(FileError::NotRegular { path: named }) => named == path,
                MediumError::Extra(named) => kind == "directory" && named == path,
                _ => false,
            };
            assert!(refused, "{kind} as {name}");
        }
    }
}

#[test]
fn a_place_that_is_no_bundle_does_not_hang() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    mknod(&fifo, rustix::fs::FileType::Fifo);
    let not_regular = |error| matches!(error, MediumError::File(FileError::NotRegular { .. }));
    assert!(not_regular(gather(&[&fifo]).unwrap_err()));
    let seal = dir.path().join("seal");
    symlink("fifo", &seal).unwrap();
    assert!(not_regular(gather(&[&seal]).unwrap_err()));
    let absent = gather(&[&dir.path().join("absent")]).unwrap_err();
    assert!(matches!(absent, MediumError::File(error) if error.is_not_found()));
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert!(matches!(gather(&[&empty]), Err(MediumError::Empty(_))));
    assert!(matches!(gather(&[]), Err(MediumError::Empty(_))));
}

#[test]
fn blobs_are_a_directory_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    put(&dir.path().join("real/sha256").join(Digest::of(b"x").hex()), b"x");
    for (at, make) in [("link", true), ("file", false)] {
        let root = dir.path().join(at);
        put(&root.join("oci-layout"), OCI_LAYOUT);
        match make {
            true => symlink("../real", root.join("blobs")).unwrap(),
            false => put(&root.join("blobs"), b"x"),
        }
        let error = gather(&[&root]).unwrap_err();
        assert!(matches!(&error, MediumError::Extra(path) if *path == root.join("blobs")), "{at}");
    }
}

#[test]
fn files_that_are_no_part_of_a_bundle_are_named() {
    let hex = Digest::of(b"x").hex();
    let upper = format!("blobs/sha256/{}", hex.to_uppercase());
    let deep = format!("blobs/sha256/{hex}/x");
    for name in [
        "notes.txt",
        "Seal",
        ".gapferry-x.part",
        "blobs/x",
        "blobs/sha512/x",
        "blobs/sha256/x",
        "blobs/sha256/.gapferry-x.part",
        "volume-1.tar",
        "volume-0000.tar",
        "volume-+001.tar",
        "sub/seal",
        &upper,
        &deep,
    ] {
        let dir = tempfile::tempdir().unwrap();
        put(&dir.path().join("seal"), b"seal");
        put(&dir.path().join(name), b"x");
        let error = gather(&[dir.path()]).unwrap_err();
        let named =
            matches!(&error, MediumError::Extra(path) if dir.path().join(name).starts_with(path));
        assert!(named, "{name}: {error}");
    }
}

#[test]
fn names_that_are_no_text_are_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    let dir = tempfile::tempdir().unwrap();
    put(&dir.path().join(std::ffi::OsStr::from_bytes(b"se\xffal")), b"x");
    assert!(matches!(gather(&[dir.path()]), Err(MediumError::Extra(_))));
}

#[test]
fn what_a_system_or_a_companion_left_is_passed_over_unopened() {
    let dir = tempfile::tempdir().unwrap();
    put(&dir.path().join("seal"), b"seal");
    for name in ["lost+found", "System Volume Information", "$RECYCLE.BIN", ".Trash-1000"] {
        put(&dir.path().join(name).join("seal"), b"another");
    }
    for name in ["parity-0001.rs", "trust-0002", "receipt-site"] {
        mknod(&dir.path().join(name), rustix::fs::FileType::Fifo);
    }
    let medium = gather(&[dir.path()]).unwrap();
    assert_eq!(names(&medium), ["seal".to_owned()].into());
    assert_eq!(content(&medium, HeadFile::Seal.into()), b"seal");
}

#[test]
fn one_name_in_two_sizes_is_two_bundles() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("a"), dir.path().join("b"));
    put(&first.join("seal"), b"seal");
    put(&second.join("seal"), b"another");
    let twice = gather(&[&first, &second]).unwrap_err();
    let seal = BundlePath::from(HeadFile::Seal);
    let expected = |error: &MediumError| matches!(error, MediumError::Twice { path, first: 4, second: 7 } if *path == seal);
    assert!(expected(&twice), "{twice}");
    put(&dir.path().join("a.tar"), &archive(&[(seal, b"another")]));
    let twice = gather(&[&first, &dir.path().join("a.tar")]).unwrap_err();
    assert!(expected(&twice), "{twice}");
}

#[test]
fn a_damaged_first_copy_is_not_hidden_by_a_good_second() {
    let dir = tempfile::tempdir().unwrap();
    put(&dir.path().join("a.tar"), &archive(&[(blob(b"one"), b"0ne")]));
    put(&dir.path().join("b.tar"), &archive(&[(blob(b"one"), b"one")]));
    let medium = gather(&[&dir.path().join("a.tar"), &dir.path().join("b.tar")]).unwrap();
    assert_eq!(content(&medium, blob(b"one")), b"0ne");
}

fn framing(dir: &Path, bytes: &[u8]) -> (u64, &'static str) {
    let path = dir.join("x.tar");
    put(&path, bytes);
    match gather(&[&path]).unwrap_err() {
        MediumError::Framing { file, offset, what } if file == path => (offset, what),
        error => panic!("{error}"),
    }
}

#[test]
fn an_archive_ends_where_it_must() {
    let dir = tempfile::tempdir().unwrap();
    let good = archive(&[(blob(b"one"), b"one"), (HeadFile::Seal.into(), &[7; 600])]);
    assert_eq!(good.len(), 3584);
    for end in (0..good.len()).step_by(512) {
        let (offset, what) = framing(dir.path(), &good[..end]);
        assert!(offset <= end as u64, "{end}");
        assert!(["the archive ends early", "the archive ends within this member"].contains(&what));
    }
    for end in [1, 511, 513, 3583] {
        framing(dir.path(), &good[..end]);
    }
    for more in [1, 512, 1024, 10240] {
        let mut longer = good.clone();
        longer.resize(good.len() + more, 0);
        assert_eq!(framing(dir.path(), &longer), (2560, "the archive goes on after its end"));
    }
    let again = [good.clone(), good.clone()].concat();
    assert_eq!(framing(dir.path(), &again), (2560, "the archive goes on after its end"));
}

#[test]
fn padding_is_zero() {
    let dir = tempfile::tempdir().unwrap();
    let good = archive(&[(blob(b"one"), b"one"), (HeadFile::Seal.into(), &[7; 600])]);
    for at in [515, 1023, 2136, 2559, 3072, 3583] {
        let mut bad = good.clone();
        bad[at] = 1;
        assert_eq!(framing(dir.path(), &bad), (at as u64, "padding that is not zero"));
    }
}

#[test]
fn a_size_past_the_end_does_not_wrap() {
    let dir = tempfile::tempdir().unwrap();
    for size in [1537, 1 << 20, 1 << 33, i64::MAX as u64, u64::MAX - 511, u64::MAX] {
        let mut bytes = ustar::header(&HeadFile::Seal.into(), size).to_vec();
        bytes.resize(2048, 0);
        assert_eq!(framing(dir.path(), &bytes), (0, "the archive ends within this member"));
    }
}

#[test]
fn archives_of_other_tools_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    put(&dir.path().join("seal"), b"seal");
    for format in ["pax", "gnu", "ustar", "v7"] {
        let path = dir.path().join("x.tar");
        let made = Command::new("tar")
            .current_dir(dir.path())
            .args([&format!("--format={format}"), "-cf", "x.tar", "seal"])
            .status();
        assert!(made.unwrap().success());
        let error = gather(&[&path]).unwrap_err();
        let what = "not a member that an archive of a bundle may have";
        assert!(
            matches!(error, MediumError::Framing { offset: 0, what: found, .. } if found == what)
        );
    }
    put(&dir.path().join("y.tar"), b"no archive at all");
    assert!(matches!(
        gather(&[&dir.path().join("y.tar")]),
        Err(MediumError::Framing { what: "the archive ends early", .. })
    ));
}

#[test]
fn volumes_have_one_name_each() {
    for number in [1, 9, 9999, 10_000, u32::MAX] {
        assert_eq!(volume_number(&crate::bundle::volume_name(number)), Some(number));
    }
    for name in ["volume-0.tar", "volume-00001.tar", "volume--001.tar", "volume-4294967296.tar"] {
        assert_eq!(volume_number(name), None, "{name}");
    }
}

#[test]
fn a_file_that_shrinks_after_it_was_found_ends_early() {
    let dir = tempfile::tempdir().unwrap();
    put(&dir.path().join("seal"), b"a seal");
    let medium = gather(&[dir.path()]).unwrap();
    put(&dir.path().join("seal"), b"a");
    assert_eq!(content(&medium, HeadFile::Seal.into()), b"a");
    put(&dir.path().join("seal"), b"a seal that has grown");
    assert_eq!(content(&medium, HeadFile::Seal.into()), b"a seal");
}
