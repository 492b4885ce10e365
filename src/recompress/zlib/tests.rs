//! zlib against what the original made.

use super::super::tests::column;
use super::{MemLevel, encoder};

#[test]
fn mem_level_8_gives_what_zlib_gave() {
    (1..=9).for_each(|level| column("zlib-mem8", level, || encoder(level as u8, MemLevel::Eight)));
}

#[test]
fn mem_level_9_gives_what_zlib_gave() {
    [1, 6, 9]
        .into_iter()
        .for_each(|level| column("zlib-mem9", level, || encoder(level as u8, MemLevel::Nine)));
}
