//! The hostile cases: each is played with the real binary, and what was seen is
//! `docs/security-cases.md`.
//!
//! `GAPFERRY_WRITE_CASES=1 cargo test --test cases` writes that table anew; without it the stored one
//! must be what was seen. A case that is not survived as it must be fails, whatever the table says.

#[path = "../vectors/build.rs"]
#[allow(dead_code)] // Each test binary uses a part of it.
mod build;
#[path = "../support/command.rs"]
#[allow(dead_code)] // Each test binary uses a part of it.
mod command;
mod content;
mod crash;
mod export;
mod fresh;
mod list;
mod log;
mod medium;
#[path = "../vectors/packed.rs"]
#[allow(dead_code)] // Each test binary uses a part of it.
mod packed;
mod reads;
mod seal;
mod seen;
mod stage;
mod table;
mod vector;

use rayon::prelude::*;

#[test]
fn every_case_is_survived_and_the_table_is_what_was_seen() {
    let cases = list::all();
    let rows: Vec<table::Row> = cases.par_iter().map(list::Case::play).collect();
    table::compare(&rows);
}
