//! zlib's stream against itself from the middle on.

use super::super::super::tests::{input, stream};
use super::super::super::{CONTEXT, Start};
use super::super::{MemLevel, resume};
use super::*;

/// A stream and where its blocks start: plain bytes and bits before each.
struct Whole {
    out: Vec<u8>,
    starts: Vec<(usize, usize)>,
}

fn whole<const SHIFT: u32>(level: u8, symbols: usize, plain: &[u8]) -> Whole {
    let mut engine = Engine::<ZLIB, SHIFT>::new(level, symbols, &[], 0, 0);
    let (mut out, mut starts) = (Vec::new(), vec![(0, 0)]);
    for (at, byte) in plain.iter().enumerate() {
        engine.write(&[*byte], &mut out);
        let start = (at + 1 - engine.window.end).wrapping_add_signed(engine.window.block);
        if starts.last().is_some_and(|last| last.0 < start) {
            starts.push((start, out.len() * 8 + engine.bits.phase() as usize));
        }
    }
    engine.finish(&mut out);
    Whole { out, starts }
}

/// How many blocks start in the middle, and at how many of them the stream goes on otherwise.
fn restarts<const SHIFT: u32>(level: u8, mem_level: MemLevel, name: &str) -> (usize, usize) {
    let plain = input(name);
    let symbols = if mem_level == MemLevel::Eight { 16_383 } else { 32_767 };
    let Whole { out, starts } = whole::<SHIFT>(level, symbols, plain);
    let differs = |&&(at, bits): &&(usize, usize)| {
        let before = &plain[at.saturating_sub(CONTEXT)..at];
        let bit = (bits % 8) as u8;
        let start = Start { plain: at as u64, bit, before };
        let made = stream(resume(level, mem_level, start), &plain[at..], 10_000);
        let mut want = out[bits / 8..].to_vec();
        want[0] &= 0xff << bit;
        made != want
    };
    (starts.len(), starts.iter().filter(differs).count())
}

/// Sums over inputs of up to `most` bytes.
fn all_restarts<const SHIFT: u32>(level: u8, mem_level: MemLevel, most: usize) -> (usize, usize) {
    let names = [
        "zeros-65537",
        "text-12-98200",
        "random-16-131073",
        "tar-37-262145",
        "lz-26-98305",
        "geom-22-300000",
        "period-32-32768-200000",
        "period-34-40000-400000",
        "dna-21-1048576",
        "lz-27-1048577",
        "text-18-1048576",
        "mixed-35-1048575",
        "tar-38-2097152",
        "lz-28-3000001",
    ];
    let of = names.iter().filter(|name| input(name).len() <= most);
    let each = of.map(|name| restarts::<SHIFT>(level, mem_level, name));
    each.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

const MOST: usize = if cfg!(feature = "slow-tests") { usize::MAX } else { 300_000 };

#[test]
fn a_stream_goes_on_at_every_block() {
    for level in 4..=9 {
        let (blocks, different) = all_restarts::<5>(level, MemLevel::Eight, MOST);
        assert!(blocks > 20, "{blocks}");
        assert_eq!(different, 0, "level {level}, of {blocks}");
    }
}

#[test]
fn a_stream_with_mem_level_9_goes_on_at_every_block() {
    for level in [4, 6, 9] {
        let (blocks, different) = all_restarts::<6>(level, MemLevel::Nine, MOST);
        assert!(blocks > 10, "{blocks}");
        assert_eq!(different, 0, "level {level}, of {blocks}");
    }
}
