//! `go-flate-1` against Go.

use super::super::go;
use super::{column, write_sizes};

#[test]
fn every_level_gives_what_go_gave() {
    let level = |level: i32| {
        std::thread::spawn(move || {
            column("go-1.26", level, || go::encoder(level).unwrap());
        })
    };
    let levels: Vec<_> = (-2..=9).map(level).collect();
    levels.into_iter().for_each(|level| level.join().unwrap());
}

#[test]
fn every_write_is_as_if_it_filled_the_window() {
    write_sizes("go-1.26", |level| go::encoder(level).unwrap());
}
