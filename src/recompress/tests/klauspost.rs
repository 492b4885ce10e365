//! The families of klauspost and pgzip, and Go 1.27's, against the originals.

use super::super::klauspost::{self, Family};
use super::super::{CONTEXT, Encode, LOOK_AHEAD, Start, pgzip};
use super::{column_up_to, input, is_copy, stream, write_sizes};

/// Versions with golden outputs, and their families. 1.15.12 is of `klauspost-1` but at levels 7
/// to 9, which changed up to 1.15.15: no family describes them.
const VERSIONS: [(&str, Family); 5] = [
    ("1.15.12", Family::Klauspost1),
    ("1.17.9", Family::Klauspost1),
    ("1.18.0", Family::Klauspost1a),
    ("1.18.2", Family::Klauspost2),
    ("1.20.3", Family::Klauspost2a),
];
const LEVELS: std::ops::RangeInclusive<i32> = -2..=9;
const SLOW: bool = cfg!(feature = "slow-tests");

fn in_scope(version: &str, level: i32) -> bool {
    version != "1.15.12" || level < 7
}

/// Larger inputs only at the level that is met most, columns that are the same as others not at
/// all; unless there is time.
fn compare(name: &str, level: i32, most: usize, make: impl Fn() -> Box<dyn Encode>) {
    let most = match level {
        _ if SLOW => usize::MAX,
        -1 => usize::MAX,
        9 => most.min(20_000),
        _ => most,
    };
    if SLOW || !is_copy(name, level) {
        column_up_to(most, name, level, make);
    }
}

fn every_column(prefix: &str, most: usize, make: impl Fn(Family, i32) -> Box<dyn Encode>) {
    for (version, family) in VERSIONS {
        for level in LEVELS.filter(|&level| in_scope(version, level)) {
            compare(&format!("{prefix}{version}"), level, most, || make(family, level));
        }
    }
}

#[test]
fn every_level_gives_what_klauspost_gave() {
    every_column("klauspost-gzip-", 70_000, |family, level| {
        klauspost::encoder(family, level).unwrap()
    });
}

#[test]
fn every_level_gives_what_go_1_27_gave() {
    let make = |level| klauspost::encoder(Family::GoFlate2, level).unwrap();
    for level in LEVELS {
        compare("go-1.27", level, 70_000, || make(level));
    }
    write_sizes("go-1.27", make);
}

#[test]
fn every_level_gives_what_pgzip_gave_in_blocks_of_a_mebibyte() {
    every_column("pgzip-1048576-", 1000, |f, level| pgzip::encoder(f, level, 1 << 20).unwrap());
}

#[test]
fn every_level_gives_what_pgzip_gave_in_blocks_of_a_quarter() {
    every_column("pgzip-262144-", 40_000, |f, level| pgzip::encoder(f, level, 1 << 18).unwrap());
}

#[test]
fn a_block_taken_up_goes_on_as_the_unbroken_stream() {
    let plain = &input("mixed-36-5242881")[..100_000];
    for family in [Family::Klauspost1, Family::Klauspost2a] {
        for level in LEVELS {
            for block in [16_385, 40_000] {
                every_block(family, level, block, plain);
            }
        }
    }
}

/// Takes up the stream at each of its blocks.
fn every_block(family: Family, level: i32, block: usize, plain: &[u8]) {
    let whole = stream(pgzip::encoder(family, level, block).unwrap(), plain, usize::MAX);
    let (mut unbroken, mut out) = (pgzip::encoder(family, level, block).unwrap(), Vec::new());
    for at in (0..plain.len()).step_by(block) {
        let before = &plain[at.saturating_sub(CONTEXT)..at];
        let start = Start { plain: at as u64, bit: 0, before };
        let taken_up = pgzip::resume(family, level, block, start).unwrap();
        let rest = stream(taken_up, &plain[at..], 1000);
        assert!(rest == whole[out.len()..], "{family:?} {level}, {block}, at {at}");
        unbroken.write(&plain[at..plain.len().min(at + block)], &mut out);
    }
}

#[test]
fn a_stopped_stream_holds_every_block_that_is_far_enough_back() {
    let (plain, block) = (&input("tar-37-262145")[..262_145], 20_000);
    let whole = stream(pgzip::encoder(Family::Klauspost1, 5, block).unwrap(), plain, usize::MAX);
    for written in [0, 1, block, block + LOOK_AHEAD, plain.len()] {
        let (mut encoder, mut out) =
            (pgzip::encoder(Family::Klauspost1, 5, block).unwrap(), Vec::new());
        encoder.write(&plain[..written], &mut out);
        encoder.stop(&mut out);
        let settled = written.saturating_sub(LOOK_AHEAD) / block * block;
        let (mut encoder, mut least) =
            (pgzip::encoder(Family::Klauspost1, 5, block).unwrap(), Vec::new());
        encoder.write(&plain[..settled], &mut least);
        assert!(out.starts_with(&least) && whole.starts_with(&least), "{written}");
    }
}

#[test]
fn what_the_originals_do_not_take_has_no_encoder() {
    let family = Family::Klauspost2;
    assert!(klauspost::encoder(family, -3).is_none());
    assert!(klauspost::encoder(family, 10).is_none());
    assert!(pgzip::encoder(family, 10, 1 << 20).is_none());
    assert!(pgzip::encoder(family, 5, 16_384).is_none());
    let resume = |plain, bit, before| {
        pgzip::resume(family, 5, 1 << 20, Start { plain, bit, before }).is_some()
    };
    assert!(resume(0, 0, &[]));
    assert!(resume(1 << 20, 0, &[0; 16_384]));
    assert!(!resume(1 << 20, 0, &[0; 16_383]), "too little before it");
    assert!(!resume((1 << 20) + 1, 0, &[0; CONTEXT]), "not at a block");
    assert!(!resume(1 << 20, 1, &[0; CONTEXT]), "not at a byte");
}
