//! Archives as they should be, and as somebody who means harm makes them.

use std::io::Write as _;

use tar::{Builder, EntryType, Header};

use super::*;

/// An archive that is written member by member, with nothing checked.
struct Maker(Builder<Vec<u8>>);

impl Maker {
    fn new() -> Maker {
        Maker(Builder::new(Vec::new()))
    }

    /// A member with this name in its header, whatever the name.
    fn raw(
        mut self,
        kind: EntryType,
        name: &str,
        link: &str,
        stated: u64,
        content: &[u8],
    ) -> Maker {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(stated);
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    fn file(self, name: &str, content: &[u8]) -> Maker {
        self.raw(EntryType::Regular, name, "", content.len() as u64, content)
    }

    fn link(self, kind: EntryType, name: &str, to: &str) -> Maker {
        self.raw(kind, name, to, 0, b"")
    }

    fn pax(self, records: &str) -> Maker {
        self.raw(EntryType::XHeader, "pax", "", records.len() as u64, records.as_bytes())
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }

    fn open(self) -> Result<Archive, ArchiveError> {
        open(&self.bytes())
    }
}

fn open(bytes: &[u8]) -> Result<Archive, ArchiveError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    Archive::open(file.path())
}

fn malformed(opened: Result<Archive, ArchiveError>) -> (u64, &'static str) {
    match opened {
        Err(ArchiveError::Malformed { offset, why, .. }) => (offset, why),
        other => panic!("{other:?}"),
    }
}

fn refused(opened: Result<Archive, ArchiveError>) -> &'static str {
    match opened {
        Err(ArchiveError::Member { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn finds_members_and_reads_them_in_place() {
    let archive = Maker::new()
        .link(EntryType::Directory, "a/", "")
        .file("./a/x", b"content of x")
        .file("a//y", b"")
        .raw(EntryType::Continuous, "z", "", 1, b"z")
        .open()
        .unwrap();
    assert_eq!(archive.read("a/x", 12).unwrap(), b"content of x");
    assert_eq!(archive.read("a/y", 0).unwrap(), b"");
    assert_eq!(archive.read("z", 9).unwrap(), b"z");
    assert!(matches!(archive.read("a/x", 11), Err(ArchiveError::Member { .. })));
    assert!(
        matches!(archive.read("a", 11), Err(ArchiveError::Missing { member, .. }) if member == "a")
    );
}

#[test]
fn long_names_come_from_extensions() {
    let (long, longer) = ("d/".repeat(100) + "x", "e/".repeat(100) + "y");
    let record = format!("path={longer}\n");
    let record = format!("{} {record}", record.len() + 4);
    let archive = Maker::new()
        .raw(EntryType::GNULongName, "././@LongLink", "", 202, format!("{long}\0").as_bytes())
        .file("cut", b"1")
        .pax(&record)
        .file("cut", b"2")
        .open()
        .unwrap();
    assert_eq!(archive.read(&long, 1).unwrap(), b"1");
    assert_eq!(archive.read(&longer, 1).unwrap(), b"2");
}

#[test]
fn links_stay_in_the_archive() {
    let archive = Maker::new()
        .file("layers/x.tar", b"x")
        .link(EntryType::Symlink, "a/layer.tar", "../layers/x.tar")
        .link(EntryType::Link, "b/layer.tar", "a/layer.tar")
        .link(EntryType::Symlink, "c", "nowhere")
        .link(EntryType::Symlink, "d", "e")
        .link(EntryType::Symlink, "e", "d")
        .open()
        .unwrap();
    assert_eq!(archive.first_link(), Some("a/layer.tar"));
    for name in ["a/layer.tar", "b/layer.tar"] {
        assert_eq!(archive.read(name, 1).unwrap(), b"x");
        assert!(archive.file(name).is_none());
    }
    for name in ["c", "d"] {
        assert!(matches!(archive.open_member(name), Err(ArchiveError::Member { .. })), "{name}");
    }
    for (kind, to) in [
        (EntryType::Symlink, "../../etc/passwd"),
        (EntryType::Symlink, "/etc/passwd"),
        (EntryType::Link, "../x"),
    ] {
        let opened = Maker::new().link(kind, "a/l", to).open();
        assert_eq!(refused(opened), "it links out of the archive", "{to}");
    }
}

#[test]
fn names_stay_in_the_archive() {
    for name in ["../x", "a/../../x", "a/../x", ".."] {
        let opened = Maker::new().file(name, b"").open();
        assert_eq!(refused(opened), "its name leads out of the archive", "{name}");
    }
    for (name, why) in [
        ("/etc/passwd", "its name is not a relative path"),
        ("./", "it has no name"),
        ("", "it has no name"),
    ] {
        assert_eq!(refused(Maker::new().file(name, b"").open()), why, "{name}");
    }
    let pax = "13 path=../x\n";
    let opened = Maker::new().pax(pax).file("x", b"").open();
    assert_eq!(refused(opened), "its name leads out of the archive");
    let twice = Maker::new().file("x", b"1").file("./x", b"2").open();
    assert_eq!(refused(twice), "it is there twice");
}

#[test]
fn only_files_and_directories_are_members() {
    for kind in [
        EntryType::Fifo,
        EntryType::Char,
        EntryType::Block,
        EntryType::GNUSparse,
        EntryType::XGlobalHeader,
    ] {
        assert_eq!(refused(Maker::new().link(kind, "x", "").open()), "it is no plain file");
    }
}

#[test]
fn a_pax_size_is_that_of_the_header() {
    let archive = Maker::new().pax("9 size=1\n").file("x", b"1").open().unwrap();
    assert_eq!(archive.read("x", 1).unwrap(), b"1");
    for (pax, stated) in [("9 size=0\n", 1), ("13 size=1000\n", 1), ("9 size=1\n", 0)] {
        let opened = Maker::new().pax(pax).raw(EntryType::Regular, "x", "", stated, b"1").open();
        assert_eq!(malformed(opened), (1024, "the PAX size is not that of the header"), "{pax}");
    }
    for pax in ["11 size=-1\n", "9 size=x\n", "29 size=99999999999999999999\n"] {
        let opened = Maker::new().pax(pax).file("x", b"1").open();
        assert_eq!(malformed(opened).1, "a PAX size is malformed", "{pax}");
    }
    // A size that a ustar header cannot state is believed, and found to be past the end.
    let opened = Maker::new().pax("20 size=10000000000\n").file("x", b"").open();
    assert_eq!(malformed(opened), (1024, "it ends in mid-member"));
}

#[test]
fn odd_extensions_are_refused() {
    let twice = Maker::new().pax("9 path=x\n").pax("9 path=y\n").file("z", b"").open();
    assert_eq!(malformed(twice).1, "extension records contradict each other");
    let sparse = Maker::new().pax("22 GNU.sparse.major=1\n").file("z", b"").open();
    assert_eq!(malformed(sparse).1, "a sparse file");
    let garbage = Maker::new().pax("999 path=x\n").file("z", b"").open();
    assert_eq!(malformed(garbage).1, "a PAX header is malformed");
    let huge = vec![b'a'; 65 * 1024];
    let huge = Maker::new()
        .raw(EntryType::GNULongName, "././@LongLink", "", huge.len() as u64, &huge)
        .file("z", b"")
        .open();
    assert_eq!(malformed(huge), (0, "an extension record is too large"));
    let long = vec![b'a'; MAX_NAME + 1];
    let long = Maker::new()
        .raw(EntryType::GNULongName, "././@LongLink", "", long.len() as u64, &long)
        .file("z", b"")
        .open();
    assert_eq!(malformed(long).1, "a name is too long");
}

#[test]
fn a_cut_archive_is_refused_wherever_it_was_cut() {
    let bytes = Maker::new().file("a", &[1; 700]).file("b", b"2").bytes();
    let whole = 512 + 1024 + 512 + 512;
    assert!(open(&bytes[..whole + 512]).is_ok());
    for cut in (0..whole + 512).step_by(100) {
        assert!(matches!(open(&bytes[..cut]), Err(ArchiveError::Malformed { .. })), "{cut}");
    }
}

#[test]
fn sizes_past_the_end_are_refused() {
    for size in [2, 513, u64::MAX, u64::MAX - 600] {
        let opened = Maker::new().raw(EntryType::Regular, "x", "", size, b"");
        let mut bytes = opened.bytes();
        bytes.truncate(512);
        assert_eq!(malformed(open(&bytes)).0, 0, "{size}");
    }
}

#[test]
fn more_members_than_the_cap_are_refused() {
    let mut maker = Maker::new();
    for number in 0..=MAX_MEMBERS {
        maker = maker.file(&number.to_string(), b"");
    }
    let opened = maker.open();
    assert_eq!(malformed(opened), (BLOCK * MAX_MEMBERS as u64, "it has more than 100,000 members"));
}

#[test]
fn what_is_no_tar_is_refused() {
    assert_eq!(malformed(open(&[7; 2048])), (0, "this is not the header of a tar member"));
    assert_eq!(malformed(open(b"")), (0, "it ends without the end of a tar archive"));
    let mut flipped = Maker::new().file("a", b"1").bytes();
    flipped[1] ^= 1;
    assert_eq!(malformed(open(&flipped)), (0, "this is not the header of a tar member"));
}

#[test]
fn compressed_archives_are_named() {
    for (head, name) in [
        (&b"\x1f\x8b\x08\0\0\0\0"[..], "gzip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\xfd7zXZ\0", "xz"),
        (b"BZh9", "bzip2"),
    ] {
        let opened = open(head);
        assert!(matches!(opened, Err(ArchiveError::Compressed { kind, .. }) if kind == name));
    }
}

#[test]
fn a_fifo_or_directory_is_no_archive() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, rustix::fs::Mode::RWXU, 0).unwrap();
    for path in [fifo.as_path(), dir.path()] {
        let opened = Archive::open(path);
        assert!(
            matches!(opened, Err(ArchiveError::File(FileError::NotRegular { .. }))),
            "{opened:?}"
        );
    }
    let absent = Archive::open(&dir.path().join("absent"));
    assert!(matches!(absent, Err(ArchiveError::File(error)) if error.is_not_found()));
}
