//! `gnugzip-1`: GNU gzip 1.x, levels 1 to 9, also with `--rsyncable`, as a raw deflate stream.
//!
//! It is no zlib, but the elder of it: see `zlib::engine`.

use super::Encode;
use super::zlib::MANY_SYMBOLS;
use super::zlib::engine::{Engine, GNU, RSYNC};

/// GNU gzip at a level of 1 to 9, from the start of a stream.
pub fn encoder(level: u8, rsyncable: bool) -> Box<dyn Encode> {
    if rsyncable {
        Box::new(Engine::<RSYNC, 5>::new(level, MANY_SYMBOLS, &[], 0, 0))
    } else {
        Box::new(Engine::<GNU, 5>::new(level, MANY_SYMBOLS, &[], 0, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::column;
    use super::*;

    #[test]
    fn every_level_gives_what_gzip_gave() {
        (1..=9).for_each(|level| column("gnugzip", level, || encoder(level as u8, false)));
    }

    #[test]
    fn rsyncable_gives_what_gzip_gave() {
        [1, 6, 9]
            .into_iter()
            .for_each(|level| column("gnugzip-rsyncable", level, || encoder(level as u8, true)));
    }
}
