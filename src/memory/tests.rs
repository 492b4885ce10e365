use std::path::Path;

use super::*;
use crate::bundle::Seal;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn seal(stream: &str, epoch: u64, sequence: u64) -> Seal {
    Seal {
        stream: stream.parse().unwrap(),
        epoch,
        sequence,
        previous: None,
        created: Timestamp::from_unix(1_790_000_000 + sequence).unwrap(),
        expires: None,
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

fn arrival(seal: &Seal, place: &str) -> Arrival {
    Arrival::of(seal, Digest::of(&seal.to_bytes()), Place::new(place.as_bytes()))
}

/// Every kind of line, of two streams.
fn memory() -> Memory {
    let mut memory = Memory::default();
    let mut push = |entry, sequence: u64| {
        let written = Timestamp::from_unix(1_800_000_000 + sequence).unwrap();
        memory.push(entry, written).unwrap();
    };
    push(Entry::Import(arrival(&seal("prod", 1, 4), "oci:/srv/a b")), 1);
    push(Entry::Import(arrival(&seal("prod", 1, 7), "docker://r.site:5000/m")), 2);
    push(Entry::Import(arrival(&seal("test", 1, 2), "oci:/srv/a b")), 3);
    push(Entry::Floor(time("2026-10-01T00:00:00Z")), 4);
    push(Entry::Restore(arrival(&seal("prod", 1, 4), "oci:/new")), 5);
    push(Entry::Import(arrival(&seal("prod", 2, 1), "oci:/srv/a b")), 6);
    memory
}

fn refused(bytes: &[u8], head: &[u8]) -> String {
    Memory::parse(bytes, Some(head)).unwrap_err().to_string()
}

fn line(number: usize) -> String {
    MemoryError::Line { line: number }.to_string()
}

#[test]
fn is_read_as_it_was_written() {
    let memory = memory();
    let bytes = memory.to_bytes();
    assert_eq!(Memory::parse(&bytes, Some(&memory.head_bytes())).unwrap(), memory);
    let text = String::from_utf8(bytes).unwrap();
    let second = text.lines().nth(1).unwrap();
    assert!(second.starts_with("2 2027-01-15T08:00:01Z import prod 1 4 sha256:"), "{second}");
    assert!(second.contains(" oci:/srv/a%20b "), "{second}");
    assert!(second.ends_with(&Digest::of(b"gapferry memory v1\n").hex()), "{second}");
    let last = text.split_inclusive('\n').next_back().unwrap();
    assert_eq!(memory.head(), Digest::of(last.as_bytes()));
    assert!(memory.had_head(&memory.lines()[1].digest) && !memory.had_head(&Digest::of(b"")));
    let none = Memory::default();
    assert_eq!(Memory::parse(&none.to_bytes(), None).unwrap(), none);
}

#[test]
fn every_changed_byte_is_found_and_its_line_named() {
    let (memory, head) = (memory(), memory().head_bytes());
    let bytes = memory.to_bytes();
    for at in 0..bytes.len() {
        let number = 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            let found = Memory::parse(&changed, Some(&head)).unwrap_err();
            match found {
                MemoryError::Version => assert_eq!(number, 1, "byte {at}"),
                MemoryError::Line { line } => assert_eq!(line, number, "byte {at}"),
                other => panic!("byte {at}: {other}"),
            }
        }
    }
    for at in 0..head.len() {
        let mut changed = head.clone();
        changed[at] ^= 1;
        assert!(Memory::parse(&bytes, Some(&changed)).is_err(), "byte {at} of the head");
    }
}

#[test]
fn lines_that_are_dropped_put_in_or_moved_are_found() {
    let (memory, head) = (memory(), memory().head_bytes());
    let bytes = memory.to_bytes();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let count = lines.len();
    for at in 1..count {
        let mut dropped = lines.clone();
        dropped.remove(at);
        let missing = MemoryError::Missing { line: count }.to_string();
        let expected = if at + 1 == count { missing } else { line(at + 1) };
        assert_eq!(refused(&dropped.concat(), &head), expected, "line {} dropped", at + 1);
        let mut twice = lines.clone();
        twice.insert(at, lines[at]);
        assert_eq!(refused(&twice.concat(), &head), line(at + 2), "line {} twice", at + 1);
        for other in at + 1..count {
            let mut swapped = lines.clone();
            swapped.swap(at, other);
            assert_eq!(refused(&swapped.concat(), &head), line(at + 1), "{at} and {other}");
        }
    }
    for end in 0..bytes.len() {
        assert!(Memory::parse(&bytes[..end], Some(&head)).is_err(), "cut at {end}");
    }
    assert_eq!(refused(&lines[0].repeat(2), &head), line(2));
    let crlf = String::from_utf8(bytes.clone()).unwrap().replace('\n', "\r\n");
    assert!(matches!(Memory::parse(crlf.as_bytes(), Some(&head)), Err(MemoryError::Version)));
    assert!(matches!(Memory::parse(&bytes, Some(b"")), Err(MemoryError::Head)));
}

#[test]
fn the_head_may_be_one_line_behind_and_no_more() {
    let memory = memory();
    let bytes = memory.to_bytes();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let head = |lines: usize| {
        let last = text.split_inclusive('\n').nth(lines - 1).unwrap();
        format!("gapferry memory head v1\n{lines} {}\n", Digest::of(last.as_bytes()).hex())
    };
    let parse = |lines| Memory::parse(&bytes, Some(head(lines).as_bytes()));
    assert_eq!(head(7).as_bytes(), memory.head_bytes());
    assert_eq!(parse(6).unwrap(), memory);
    assert!(matches!(parse(5), Err(MemoryError::Line { line: 7 })));
    assert!(matches!(Memory::parse(&bytes, None), Err(MemoryError::Line { line: 3 })));
    // The line that the head does not know must still go on from the one that it knows.
    let mut cut = bytes.clone();
    let digit = cut.len() - 2;
    cut[digit] = if cut[digit] == b'0' { b'1' } else { b'0' };
    let found = Memory::parse(&cut, Some(head(6).as_bytes()));
    assert!(matches!(found, Err(MemoryError::Line { line: 7 })));
}

/// A chain is easily made: what it says must make sense all the same.
#[test]
fn a_chain_of_nonsense_is_refused() {
    let first = seal("prod", 1, 4);
    let forged = |entries: &[Entry]| {
        let (mut text, mut before) = (line::FIRST_LINE.to_owned(), line::first_digest());
        for (entry, number) in entries.iter().zip(2..) {
            let line = line::text(number, time("2027-01-01T00:00:00Z"), entry, &before);
            before = Digest::of(line.as_bytes());
            text += &line;
        }
        let lines = entries.len() + 1;
        let head = format!("gapferry memory head v1\n{lines} {}\n", before.hex());
        Memory::parse(text.as_bytes(), Some(head.as_bytes()))
    };
    let import = |seal: &Seal| Entry::Import(arrival(seal, "oci:/a"));
    let restore = |seal: &Seal| Entry::Restore(arrival(seal, "oci:/b"));
    let twin = Seal { images: 2, ..first.clone() };
    forged(&[import(&first), import(&first)]).unwrap();
    for second in [import(&seal("prod", 1, 3)), import(&seal("prod", 0, 9)), import(&twin)] {
        let found = forged(&[import(&first), second]);
        assert!(matches!(found, Err(MemoryError::Line { line: 3 })));
    }
    for wrong in [restore(&first), restore(&seal("prod", 1, 5)), restore(&seal("test", 1, 1))] {
        let found = forged(&[import(&first), wrong]);
        assert!(matches!(found, Err(MemoryError::Line { line: 3 })));
    }
}

#[test]
fn bundles_stand_as_epoch_and_sequence_say() {
    let memory = memory();
    let standing = |seal: &Seal| memory.standing(seal, &Digest::of(&seal.to_bytes()));
    assert_eq!(standing(&seal("other", 1, 1)), Standing::First);
    assert!(matches!(standing(&seal("prod", 2, 2)), Standing::Newer(it) if it.sequence == 1));
    assert!(matches!(standing(&seal("prod", 2, 1)), Standing::Same(_)));
    for (epoch, sequence) in [(2, 0), (1, 8), (1, 7), (1, 4), (0, 99)] {
        let found = standing(&seal("prod", epoch, sequence));
        assert!(matches!(found, Standing::Older(it) if it.position() == (2, 1)), "{found:?}");
    }
    for (epoch, sequence) in [(2, 1), (1, 7), (1, 4)] {
        let twin = Seal { images: 9, ..seal("prod", epoch, sequence) };
        let found = standing(&twin);
        assert!(matches!(found, Standing::Twin(it) if it.position() == (epoch, sequence)));
    }
    let stream = "prod".parse().unwrap();
    let reached = |place: &str| memory.reached(&stream, &Place::new(place.as_bytes()));
    assert_eq!(reached("oci:/srv/a b"), Some((2, 1)));
    assert_eq!(reached("docker://r.site:5000/m"), Some((1, 7)));
    assert_eq!((reached("oci:/new"), reached("oci:/other")), (Some((1, 4)), None));
}

#[test]
fn it_cannot_be_earlier_than_what_was_signed() {
    let memory = memory();
    let floor = time("2026-10-01T00:00:00Z");
    assert_eq!(memory.floor(), Some(floor));
    // A clock that was set back by five years; one that is right; and what was written when.
    assert_eq!(memory.time(time("2022-01-15T08:00:00Z")), floor);
    assert_eq!(memory.time(time("2027-01-15T08:00:00Z")), time("2027-01-15T08:00:00Z"));
    assert_eq!(Memory::default().time(time("1970-01-01T00:00:00Z")).unix(), 0);
}

#[test]
fn the_bundle_before_is_looked_for() {
    let memory = memory();
    let follows = |previous| Seal { previous, ..seal("prod", 2, 2) };
    let known = Digest::of(&seal("prod", 1, 7).to_bytes());
    assert_eq!(memory.has_previous(&follows(None)), None);
    assert_eq!(memory.has_previous(&follows(Some(known))), Some(true));
    assert_eq!(memory.has_previous(&follows(Some(Digest::of(b"")))), Some(false));
    let other = Seal { previous: Some(known), ..seal("test", 1, 3) };
    assert_eq!(memory.has_previous(&other), Some(false), "it is of another stream");
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn is_kept_in_a_directory_for_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("some/state");
    assert_eq!(read(&state).unwrap(), Memory::default());
    assert!(!state.exists(), "reading makes nothing");
    let mut held = hold(&state).unwrap();
    let locked = hold(&state).unwrap_err();
    assert!(matches!(locked, MemoryError::File(FileError::Locked { .. })));
    let now = time("2027-01-01T00:00:00Z");
    for entry in memory().lines().iter().map(|line| line.entry.clone()) {
        assert!(held.note(entry.clone(), now).unwrap());
        assert!(!held.note(entry, now).unwrap(), "it is known");
        assert_eq!(read(&state).unwrap(), *held.memory());
    }
    assert!(!held.note(Entry::Floor(time("2026-09-30T00:00:00Z")), now).unwrap());
    let old = Entry::Import(arrival(&seal("prod", 1, 9), "oci:/a"));
    assert!(matches!(held.note(old, now), Err(MemoryError::Contradiction)));
    let names = [".", "memory", "memory.head", "lock"];
    assert_eq!(names.map(|name| mode(&state.join(name))), [0o700, 0o600, 0o600, 0o600]);
    assert_eq!(std::fs::read_dir(&state).unwrap().count(), 3);
    let kept = held.memory().clone();
    drop(held);
    // Moved to another machine it is the same.
    std::fs::rename(&state, dir.path().join("moved")).unwrap();
    assert_eq!(*hold(&dir.path().join("moved")).unwrap().memory(), kept);
}

#[test]
fn a_memory_that_is_gone_is_missed() {
    let dir = tempfile::tempdir().unwrap();
    let mut held = hold(dir.path()).unwrap();
    held.note(Entry::Import(arrival(&seal("prod", 1, 1), "oci:/a")), seal("a", 1, 1).created)
        .unwrap();
    drop(held);
    let head = dir.path().join("memory.head");
    let kept = std::fs::read(&head).unwrap();
    std::fs::remove_file(&head).unwrap();
    assert_eq!(read(dir.path()).unwrap().lines().len(), 1, "killed before the first head");
    drop(hold(dir.path()).unwrap());
    assert_eq!(std::fs::read(&head).unwrap(), kept, "whoever holds it next mends it");
    std::fs::remove_file(dir.path().join("memory")).unwrap();
    assert!(matches!(read(dir.path()), Err(MemoryError::Missing { line: 1 })));
    assert!(matches!(hold(dir.path()), Err(MemoryError::Missing { line: 1 })));
}
