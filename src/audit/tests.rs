use std::path::{Path, PathBuf};

use serde_json::json;

use super::*;
use crate::trust::{Scheme, SecretKey, Signer as _, Timestamp};

fn now() -> Timestamp {
    "2026-11-20T10:00:00Z".parse().unwrap()
}

fn intent(what: &str) -> Event {
    let facts = Facts::from([("image".to_owned(), json!(what))]);
    Event::Intent { command: "import".to_owned(), facts }
}

fn outcome(of: u64) -> Event {
    Event::Outcome { of, exit: 0, code: "done".to_owned(), facts: Facts::new() }
}

/// A log of `count` records, and its lines.
fn log(dir: &Path, count: u64) -> (PathBuf, Vec<Vec<u8>>) {
    let path = dir.join("log");
    let mut log = Log::open(&path, now()).unwrap();
    for number in 1..=count {
        let event =
            if number % 2 == 1 { intent(&format!("a{number}")) } else { outcome(number - 1) };
        assert_eq!(log.add(event, now()).unwrap(), number);
    }
    let bytes = std::fs::read(&path).unwrap();
    (path, bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect())
}

fn check(path: &Path) -> Result<(Chain, Tail), AuditError> {
    read(path, &[], &mut |_, _| {})
}

/// The first bad record of these lines.
fn first_bad(path: &Path, lines: &[Vec<u8>]) -> (u64, Fault) {
    std::fs::write(path, lines.concat()).unwrap();
    match check(path).unwrap_err() {
        AuditError::Record { number, fault, .. } => (number, fault),
        other => panic!("{other}"),
    }
}

#[test]
fn a_record_has_one_spelling_and_nothing_in_it_is_obeyed() {
    let name = "a\u{1b}[2J\n\u{202e}\u{7f}\u{9b}é😀\"\\";
    let record = Record { number: 1, time: now(), previous: None, event: intent(name) };
    let line = record.to_line();
    assert!(line[..line.len() - 1].iter().all(|byte| (b' '..=b'~').contains(byte)));
    assert_eq!(Record::parse(&line).unwrap(), record);
    let text = String::from_utf8(line).unwrap();
    for other in [
        text.trim_end().to_owned(),
        text.replace("\"record\":1", "\"record\": 1"),
        text.replace("\"record\":1", "\"record\":1,\"record\":1"),
        text.replace("\"record\":1", "\"record\":1,\"of\":1"),
        text.replace("\"record\":1", "\"record\":1,\"x\":1"),
        text.replace("log v1", "log v2"),
        text.replace("\\u00e9", "é"),
        text.replace("\\u00e9", "\\u00E9"),
        text.replace('\n', "\r\n"),
    ] {
        assert!(Record::parse(other.as_bytes()).is_err() || other == text, "{other}");
    }
}

#[test]
fn the_first_bad_record_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (path, lines) = log(dir.path(), 9);
    check(&path).unwrap();
    for at in 0..8 {
        let number = at as u64 + 1;
        let mut changed = lines.clone();
        let text = String::from_utf8(changed[at].clone()).unwrap();
        changed[at] = text.replace("2026-11-20", "2026-11-21").into_bytes();
        assert_eq!(first_bad(&path, &changed), (number, Fault::Changed), "changed {number}");
        let mut dropped = lines.clone();
        dropped.remove(at);
        assert_eq!(first_bad(&path, &dropped), (number, Fault::Missing), "dropped {number}");
        let mut moved = lines.clone();
        moved.swap(at, at + 1);
        assert_eq!(first_bad(&path, &moved), (number, Fault::Missing), "moved {number}");
        let mut broken = lines.clone();
        broken[at].truncate(20);
        broken[at].push(b'\n');
        assert_eq!(first_bad(&path, &broken), (number, Fault::Malformed), "broken {number}");
        let mut word = lines.clone();
        word[at] = text.replace("\"previous\":", "\"previous\" :").into_bytes();
        assert_eq!(first_bad(&path, &word), (number, Fault::Malformed), "respelled {number}");
        if at > 0 && at < 7 {
            let mut word = lines.clone();
            let before = Digest::of(&lines[at - 1]).to_string();
            let other = Digest::of(b"").to_string();
            word[at] = text.replace(&before, &other).into_bytes();
            assert_eq!(first_bad(&path, &word), (number, Fault::Changed), "other word {number}");
        }
    }
}

#[test]
fn an_unfinished_line_is_closed_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (path, lines) = log(dir.path(), 4);
    let whole = lines.concat();
    let last = lines[3].len();
    for cut in 1..last {
        let kept = &whole[..whole.len() - cut];
        std::fs::write(&path, kept).unwrap();
        let (chain, tail) = check(&path).unwrap();
        assert_eq!((chain.size, matches!(tail, Tail::Torn(_))), (3, true), "{cut}");
        let mut log = Log::open(&path, now()).unwrap();
        log.add(intent("next"), now()).unwrap();
        let (chain, tail) = check(&path).unwrap();
        assert_eq!(tail, Tail::Whole);
        // Nothing but the line feed was missing: the record is there.
        assert_eq!(chain.size, 5, "{cut}");
        assert!(std::fs::read(&path).unwrap().starts_with(kept));
        let said = read_all(&path).iter().any(|it| matches!(it.event, Event::Torn { .. }));
        assert_eq!(said, cut > 1, "{cut}");
    }
    // A kill while it was being closed, too.
    std::fs::write(&path, [&whole[..whole.len() - 9], b"\n{\"gapferry\":\"lo"].concat()).unwrap();
    Log::open(&path, now()).unwrap();
    assert_eq!(check(&path).unwrap().0.size, 4);
}

fn read_all(path: &Path) -> Vec<Record> {
    let mut all = Vec::new();
    read(path, &[], &mut |record, _| all.push(record.clone())).unwrap();
    all
}

#[test]
fn a_whole_line_that_does_not_belong_there_is_not_closed() {
    let dir = tempfile::tempdir().unwrap();
    let (path, lines) = log(dir.path(), 2);
    let stray = Record { number: 3, time: now(), previous: None, event: intent("x") }.to_line();
    for end in [&stray[..stray.len() - 1], b"{}", b"{\"gap\n{}"] {
        let bytes = [lines.concat().as_slice(), end].concat();
        std::fs::write(&path, &bytes).unwrap();
        let refused = Log::open(&path, now()).unwrap_err();
        assert!(matches!(refused, AuditError::Record { number: 3, .. }), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn what_was_closed_cannot_be_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let (path, lines) = log(dir.path(), 2);
    std::fs::write(&path, [lines.concat(), b"{\"gapf".to_vec()].concat()).unwrap();
    Log::open(&path, now()).unwrap().add(intent("b"), now()).unwrap();
    let text = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
    for changed in [text.replace("{\"gapf\n", ""), text.replace("{\"gapf\n", "{\"gapfe\n")] {
        std::fs::write(&path, changed).unwrap();
        assert!(matches!(check(&path), Err(AuditError::Record { number: 3, .. })));
    }
}

#[test]
fn a_checkpoint_shows_a_cut_end_and_another_log() {
    let dir = tempfile::tempdir().unwrap();
    let (path, lines) = log(dir.path(), 6);
    let key = SecretKey::generate(Scheme::Ed25519).unwrap();
    let (state, note) = Log::open(&path, now()).unwrap().checkpoint(&[&key], now()).unwrap();
    assert_eq!(state.size, 6);
    note.verify(&state.origin, key.public()).unwrap();
    let beside = std::fs::read(checkpoint_path(&path)).unwrap();
    assert_eq!(Checkpoint::of_note(&beside).unwrap(), (state.clone(), note));
    let held = |lines: &[Vec<u8>]| {
        std::fs::write(&path, lines.concat()).unwrap();
        read(&path, std::slice::from_ref(&state), &mut |_, _| {})
    };
    held(&lines).unwrap();
    assert!(matches!(held(&lines[..4]), Err(AuditError::Cut { number: 5, size: 6, .. })));
    // Nothing is added to a log whose end is gone.
    let refused = Log::open(&path, now()).unwrap_err();
    assert!(matches!(refused, AuditError::Cut { number: 5, size: 6, .. }));
    let mut changed = lines.clone();
    changed[5] = String::from_utf8(changed[5].clone()).unwrap().replace("20T", "21T").into_bytes();
    assert!(matches!(held(&changed), Err(AuditError::Rewritten { size: 6, .. })));
    let other = dir.path().join("other");
    Log::open(&other, now()).unwrap().add(intent("other"), now()).unwrap();
    let refused = read(&other, &[state], &mut |_, _| {});
    assert!(matches!(refused, Err(AuditError::Origin { .. })));
}

#[test]
fn a_proof_is_of_one_record() {
    let dir = tempfile::tempdir().unwrap();
    let (path, lines) = log(dir.path(), 7);
    let key = SecretKey::generate(Scheme::Ed25519).unwrap();
    let (state, note) = Log::open(&path, now()).unwrap().checkpoint(&[&key], now()).unwrap();
    Log::open(&path, now()).unwrap().add(intent("later"), now()).unwrap();
    let prove = |number| prove(&path, number, state.clone(), note.clone());
    assert!(matches!(prove(8), Err(AuditError::NoRecord { number: 8, size: 7, .. })));
    assert!(matches!(prove(0), Err(AuditError::NoRecord { number: 0, .. })));
    for (index, line) in lines.iter().enumerate() {
        let proof = prove(index as u64 + 1).unwrap();
        assert_eq!((&proof.line, proof.index), (line, index as u64));
        let (read, record, state) = Proof::parse(&proof.to_text()).unwrap();
        assert_eq!((&read, record.number, state.size), (&proof, index as u64 + 1, 7));
        let other = Proof { line: lines[(index + 1) % 7].clone(), ..proof.clone() };
        assert_eq!(Proof::parse(&other.to_text()), Err(InvalidProof::NotThere));
        let other = Proof { index: 7, ..proof };
        assert_eq!(Proof::parse(&other.to_text()), Err(InvalidProof::NotThere));
    }
}

#[test]
fn two_that_write_at_once_do_not_get_in_each_others_way() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let mut log = Log::open(&path, now()).unwrap();
                    let of = log.add(intent("x"), now()).unwrap();
                    log.add(outcome(of), now()).unwrap();
                }
            });
        }
    });
    let (chain, tail) = check(&path).unwrap();
    assert_eq!((chain.size, chain.open.len(), tail), (40, 0, Tail::Whole));
}

#[test]
fn only_a_plain_file_is_a_log() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("x", dir.path().join("link")).unwrap();
    for path in [Path::new("/dev/full"), &dir.path().join("link")] {
        let refused = Log::open(path, now()).unwrap_err();
        assert!(matches!(refused, AuditError::File(FileError::NotRegular { .. })), "{refused}");
    }
}
