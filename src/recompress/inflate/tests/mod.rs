//! The inflater beside a plain one, on streams by chance, damaged streams and garbage.

mod random;
mod slow;

use std::io::Read;

use super::super::BitWriter;
use super::*;
use random::Random;
use slow::Outcome;

/// A source that gives `step` bytes at a time.
struct Drops<'a>(&'a [u8], usize);

impl Read for Drops<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let step = self.1.min(into.len());
        self.0.read(&mut into[..step])
    }
}

/// All that comes out, the error, and what follows the stream.
fn inflate<R: Read>(mut inflate: Inflate<R>) -> (Outcome, Option<InflateError>, Vec<u8>) {
    let (mut plain, mut blocks, mut error) = (Vec::new(), Vec::new(), None);
    loop {
        match inflate.next() {
            Ok(Some(piece)) => plain.extend_from_slice(piece),
            Ok(None) => break,
            Err(found) => {
                assert!(matches!(inflate.next(), Err(InflateError::GivenUp)));
                error = Some(found);
                break;
            }
        }
        blocks.extend_from_slice(inflate.blocks());
    }
    let end = error.is_none().then(|| inflate.input.position() as usize);
    let mut rest = Vec::new();
    inflate.into_rest().read_to_end(&mut rest).unwrap();
    (Outcome { plain, blocks, end }, error, rest)
}

fn error(stream: &[u8]) -> InflateError {
    inflate(Inflate::new(stream)).1.expect("an error")
}

/// Pieces of bits: values and counts.
fn bits(pieces: &[(u64, u32)]) -> Vec<u8> {
    let (mut bits, mut out) = (BitWriter::at(0), Vec::new());
    for (value, count) in pieces {
        bits.put(*value, *count, &mut out);
    }
    bits.align(&mut out);
    out
}

#[test]
fn reads_what_the_plain_one_reads() {
    for seed in 1..40 {
        let stream = random::stream(seed, 1 + seed as usize % 7, 900);
        let expected = slow::inflate(&stream);
        assert!(expected.end.is_some(), "{seed}");
        let mut longer = stream.clone();
        longer.extend_from_slice(b"what follows");
        for step in [1, 7, 1000, usize::MAX] {
            let (outcome, _, rest) = inflate(Inflate::new(Drops(&longer, step)));
            assert!(outcome == expected, "{seed}, {step}");
            assert_eq!(rest, b"what follows");
        }
    }
}

#[test]
fn long_streams_come_in_pieces() {
    let stream = random::stream(77, 12, 60_000);
    let expected = slow::inflate(&stream);
    assert!(expected.plain.len() > 5 * BUFFER);
    let (outcome, _, _) = inflate(Inflate::new(&stream[..]));
    assert!(outcome == expected);
}

#[test]
fn takes_up_a_stream_at_every_block() {
    for (seed, blocks, tokens) in [(5, 60, 300), (6, 9, 30_000)] {
        let stream = random::stream(seed, blocks, tokens);
        let whole = slow::inflate(&stream);
        for start in &whole.blocks {
            let (byte, bit) = ((start.bits / 8) as usize, (start.bits % 8) as u8);
            let plain = start.plain as usize;
            let window = &whole.plain[plain.saturating_sub(WINDOW)..plain];
            let again = Inflate::resume(&stream[byte..], bit, window).unwrap();
            let (outcome, _, _) = inflate(again);
            assert!(outcome.plain == whole.plain[plain..]);
            let first = BlockStart { plain: 0, bits: u64::from(bit) };
            assert_eq!(outcome.blocks[0], first);
        }
    }
}

#[test]
fn resuming_knows_no_more_than_the_window() {
    // Fixed: length 3, distance 3.
    let stream = bits(&[(3, 3), (0b100_0000, 7), (0b01000, 5), (0, 7)]);
    let (outcome, ..) = inflate(Inflate::resume(&stream[..], 0, b"abc").unwrap());
    assert_eq!(outcome.plain, b"abc");
    let short = inflate(Inflate::resume(&stream[..], 0, b"bc").unwrap());
    assert!(matches!(short.1, Some(InflateError::Distance)));
    assert!(matches!(Inflate::resume(&b""[..], 1, b""), Err(InflateError::Truncated)));
}

#[test]
fn an_end_anywhere_is_told() {
    for seed in [3, 4, 11] {
        let stream = random::stream(seed, 4, 100);
        let whole = slow::inflate(&stream);
        for end in 0..whole.end.unwrap().div_ceil(8) {
            let (outcome, error, _) = inflate(Inflate::new(&stream[..end]));
            assert!(matches!(error, Some(InflateError::Truncated)), "{seed}, {end}: {error:?}");
            assert_eq!(outcome.plain, slow::inflate(&stream[..end]).plain);
        }
    }
}

#[test]
fn every_flipped_bit_gives_what_the_plain_one_gives() {
    for seed in [8, 9, 22] {
        let mut stream = random::stream(seed, 3, 60);
        for bit in 0..stream.len() * 8 {
            stream[bit / 8] ^= 1 << (bit % 8);
            compare(&stream);
            stream[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn garbage_gives_what_the_plain_one_gives() {
    let mut random = Random(1);
    for _ in 0..3000 {
        let length = random.below(400);
        let mut garbage: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        // Most of it would end at once.
        if let Some(first) = garbage.first_mut() {
            *first = *first & !7 | [2, 3, 4, 5][random.below(4)];
        }
        compare(&garbage);
    }
}

fn compare(stream: &[u8]) {
    let expected = slow::inflate(stream);
    let (outcome, error, _) = inflate(Inflate::new(stream));
    assert_eq!(outcome.plain, expected.plain, "{error:?}");
    assert_eq!((outcome.end, error.is_none()), (expected.end, expected.end.is_some()), "{error:?}");
}

#[test]
fn each_fault_has_its_name() {
    assert!(matches!(error(&[]), InflateError::Truncated));
    assert!(matches!(error(&[0b111]), InflateError::BlockType));
    assert!(matches!(error(&[1, 5, 0, 0xfb, 0xff]), InflateError::StoredLength));
    assert!(matches!(error(&[1, 5, 0, 0xfa, 0xff, 1]), InflateError::Truncated));
    assert!(matches!(error(&bits(&[(5, 3), (30, 5), (0, 9)])), InflateError::TooManyCodes));
    assert!(matches!(error(&bits(&[(5, 3), (0, 5), (30, 5), (0, 4)])), InflateError::TooManyCodes));
    // Fixed: 286; distance 30; a distance of 1 at the start.
    assert!(matches!(error(&bits(&[(3, 3), (0b0110_0011, 8)])), InflateError::Symbol));
    let literal = (0b0000_1100, 8);
    let far = [(3, 3), literal, (0b100_0000, 7), (0b01111, 5)];
    assert!(matches!(error(&bits(&far)), InflateError::Symbol));
    assert!(matches!(error(&bits(&[(3, 3), (0b100_0000, 7), (0, 5)])), InflateError::Distance));
    assert!(matches!(Inflate::new(Failing).next(), Err(InflateError::Read(_))));
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("no"))
    }
}

/// A dynamic block of 257 and 1 codes; its code-length code has `coded` lengths, of 3 bits each.
fn dynamic(of_lengths: &[u64], then: &[(u64, u32)]) -> Vec<u8> {
    let mut pieces = vec![(5, 3), (0, 5), (0, 5), (of_lengths.len() as u64 - 4, 4)];
    pieces.extend(of_lengths.iter().map(|length| (*length, 3)));
    pieces.extend_from_slice(then);
    pieces.push((0, 48));
    bits(&pieces)
}

#[test]
fn codes_that_are_none_are_refused() {
    assert!(matches!(error(&dynamic(&[1, 1, 1, 0], &[])), InflateError::OverSubscribed));
    assert!(matches!(error(&dynamic(&[1, 0, 0, 0], &[])), InflateError::Incomplete));
    assert!(matches!(error(&dynamic(&[0, 0, 0, 0], &[])), InflateError::Incomplete));
    // 16 is `0`, 18 is `1`.
    assert!(matches!(error(&dynamic(&[1, 0, 1, 0], &[(0, 1)])), InflateError::Repeat));
    let zeros = [(1, 1), (127, 7), (1, 1), (120, 7)];
    assert!(matches!(error(&dynamic(&[1, 0, 1, 0], &zeros)), InflateError::Repeat));
    let zeros = [(1, 1), (127, 7), (1, 1), (109, 7)];
    assert!(matches!(error(&dynamic(&[1, 0, 1, 0], &zeros)), InflateError::NoEnd));
}

/// Behind 256 zeros come the lengths of the end code and of distance 0.
fn ending(end: u64, distance: u64) -> Vec<u8> {
    // 18 has one bit; 0, 2 and 1 come thereafter.
    let mut of_lengths = [0; 18];
    (of_lengths[2], of_lengths[3], of_lengths[15], of_lengths[17]) = (1, 2, 3, 3);
    let code = |length| [(0b01, 2), (0b011, 3), (0b111, 3)][length as usize];
    let zeros = [(0, 1), (127, 7), (0, 1), (107, 7)];
    dynamic(&of_lengths, &[zeros.as_slice(), &[code(end), code(distance)]].concat())
}

#[test]
fn single_codes_and_no_codes_are_as_in_zlib() {
    for distance in [0, 1] {
        let (outcome, error, _) = inflate(Inflate::new(&ending(1, distance)[..]));
        assert!(outcome.plain.is_empty() && error.is_none(), "{error:?}");
    }
    assert!(matches!(error(&ending(2, 1)), InflateError::Incomplete));
    assert!(matches!(error(&ending(1, 2)), InflateError::Incomplete));
    assert!(matches!(error(&ending(0, 1)), InflateError::NoEnd));
}

#[test]
fn many_blocks_take_no_memory() {
    let mut inflate = Inflate::new(io::repeat(0).take(30).chain(io::empty()));
    assert!(matches!(inflate.next(), Err(InflateError::StoredLength)));
    let blocks = [0, 0, 0, 0xff, 0xff].repeat(3 * MAX_BLOCKS);
    let mut inflate = Inflate::new(&blocks[..]);
    for _ in 0..3 {
        assert!(inflate.next().unwrap().unwrap().is_empty());
        assert_eq!(inflate.blocks().len(), MAX_BLOCKS);
    }
    assert!(matches!(inflate.next(), Err(InflateError::Truncated)));
}
