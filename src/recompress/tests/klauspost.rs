//! The families of klauspost and pgzip, and Go 1.27's, against the originals.

use super::super::klauspost::{self, Family};
use super::super::{Encode, Start, pgzip};
use super::{column, input, stream, write_sizes};

/// Versions with golden outputs, and their families. 1.15.12 is of `klauspost-1` but at levels 7
/// to 9, which changed up to 1.15.15: no family describes them, and no layer is known to be made
/// by them.
const VERSIONS: [(&str, Family); 5] = [
    ("1.15.12", Family::Klauspost1),
    ("1.17.9", Family::Klauspost1),
    ("1.18.0", Family::Klauspost1a),
    ("1.18.2", Family::Klauspost2),
    ("1.20.3", Family::Klauspost2a),
];
const LEVELS: std::ops::RangeInclusive<i32> = -2..=9;

fn in_scope(version: &str, level: i32) -> bool {
    version != "1.15.12" || level < 7
}

fn every_column(prefix: &str, make: fn(Family, i32) -> Box<dyn Encode>) {
    std::thread::scope(|threads| {
        for (version, family) in VERSIONS {
            for level in LEVELS.filter(|&level| in_scope(version, level)) {
                let name = format!("{prefix}{version}");
                threads.spawn(move || column(&name, level, || make(family, level)));
            }
        }
    });
}

#[test]
fn every_level_gives_what_klauspost_gave() {
    every_column("klauspost-gzip-", |family, level| klauspost::encoder(family, level).unwrap());
}

#[test]
fn every_level_gives_what_go_1_27_gave() {
    let make = |level| klauspost::encoder(Family::GoFlate2, level).unwrap();
    for level in LEVELS {
        column("go-1.27", level, || make(level));
    }
    write_sizes("go-1.27", make);
}

#[test]
fn every_level_gives_what_pgzip_gave() {
    every_column("pgzip-1048576-", |f, level| pgzip::encoder(f, level, 1_048_576).unwrap());
    every_column("pgzip-262144-", |f, level| pgzip::encoder(f, level, 262_144).unwrap());
}
