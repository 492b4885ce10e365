//! Taking up a stream at every place where one of its blocks starts.

use super::super::tests::{input, stream};
use super::super::{CONTEXT, Encode as _, LOOK_AHEAD, Start};
use super::chains::{Chains, Depth};
use super::finder::Deep;
use super::{encoder, resume};

/// A block start: plain bytes before it, and bits of the stream.
type Place = (usize, usize);

/// The stream of a level, and where its blocks start.
fn places(level: i32, plain: &[u8]) -> (Vec<u8>, Vec<Place>) {
    let mut chains = Chains::<Deep>::new(Depth::of(level).unwrap());
    let (mut out, mut places) = (Vec::new(), vec![(0, 0)]);
    for (at, byte) in plain.iter().enumerate() {
        chains.write(std::slice::from_ref(byte), &mut out);
        let start = chains.block_start().map(|(back, bit)| (at + 1 - back, out.len() * 8 + bit));
        places.extend(start.filter(|start| places.last() != Some(start)));
    }
    chains.finish(&mut out);
    (out, places)
}

fn start(plain: &[u8], (at, bit): Place) -> Start<'_> {
    let before = &plain[at.saturating_sub(CONTEXT)..at];
    Start { plain: at as u64, bit: (bit % 8) as u8, before }
}

/// The stream from a place on, the bits before it zero.
fn rest(stream: &[u8], (_, bit): Place) -> Vec<u8> {
    let mut rest = stream[bit / 8..].to_vec();
    rest[0] &= 0xff << (bit % 8);
    rest
}

/// From every place on, two blocks and more are as they were; from the last places to the end.
fn assert_resumes(name: &str, level: i32) -> usize {
    let plain = input(name);
    let (whole, places) = places(level, plain);
    assert!(whole == stream(encoder(level).unwrap(), plain, usize::MAX), "{name} {level}");
    for (number, &place) in places.iter().enumerate() {
        let mut encoder = resume(level, &start(plain, place)).unwrap();
        let (mut out, want) = (Vec::new(), rest(&whole, place));
        let until = places.get(number + 3).map_or(plain.len(), |&(at, _)| at + LOOK_AHEAD);
        let ahead = &plain[place.0..until.min(plain.len())];
        encoder.write(ahead, &mut out);
        if until < plain.len() {
            encoder.stop(&mut out);
            // The last byte may hold the start of the next block.
            out.pop();
            assert!(out.len() * 8 + 8 >= places[number + 3].1 - place.1 / 8 * 8);
            assert!(want.starts_with(&out), "{name} {level}, {place:?}");
        } else {
            encoder.finish(&mut out);
            assert!(want == out, "{name} {level}, {place:?}");
        }
    }
    places.len()
}

#[test]
fn every_block_start_is_a_place_to_resume() {
    let names = ["text-12-98200", "lz-26-98305", "mixed-35-1048575", "tar-37-262145", "shift"];
    let levels = if cfg!(feature = "slow-tests") { 4..=9 } else { 4..=7 };
    let mut tried = 0;
    for name in names {
        tried += levels.clone().map(|level| assert_resumes(name, level)).sum::<usize>();
    }
    assert!(tried > 100, "only {tried} places");
}

#[test]
#[cfg(feature = "slow-tests")]
fn every_block_start_of_larger_inputs_is_a_place_to_resume() {
    let names = [
        "text-18-1048576",
        "random-17-1048576",
        "dna-21-1048576",
        "runs-24-1048576",
        "lz-28-3000001",
        "period-33-32769-200000",
        "tar-38-2097152",
    ];
    let tried: usize = names
        .into_iter()
        .flat_map(|name| (4..=9).map(move |level| assert_resumes(name, level)))
        .sum();
    assert!(tried > 500, "only {tried} places");
}

#[test]
fn writes_of_one_byte_change_nothing() {
    let plain = input("mixed-35-1048575");
    let plain = &plain[..150_000];
    for level in -2..=9 {
        let one = stream(encoder(level).unwrap(), plain, 1);
        assert!(one == stream(encoder(level).unwrap(), plain, usize::MAX), "level {level}");
    }
}

#[test]
fn there_is_no_other_level_and_no_false_start() {
    let none = Start { plain: 0, bit: 0, before: &[] };
    assert!([-3, 10].into_iter().all(|level| encoder(level).is_none()));
    assert!((-2..=3).filter(|&level| level != -1).all(|level| resume(level, &none).is_none()));
    assert!(resume(6, &Start { bit: 8, ..none }).is_none());
    assert!(resume(6, &Start { plain: 1, ..none }).is_none());
    let before = &[0; CONTEXT];
    assert!(resume(6, &Start { plain: u64::MAX, bit: 7, before }).is_some());
    assert!(resume(6, &Start { plain: u64::MAX, bit: 7, before: &before[2..] }).is_none());
}
