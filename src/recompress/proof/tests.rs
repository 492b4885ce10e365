use std::io::Write as _;

use super::*;
use crate::recompress::tests::{input, stream};
use crate::recompress::{Inflate, trailer};

const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

fn section(bytes: &[u8]) -> Section {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Section::whole(file).unwrap()
}

/// A member around a deflate stream.
fn member(deflate: &[u8], plain: &[u8]) -> Vec<u8> {
    let end = trailer(crc32fast::hash(plain), plain.len() as u64);
    [&HEADER[..], deflate, &end].concat()
}

fn deflate(name: &str, plain: &[u8]) -> Vec<u8> {
    let encoding: Encoding = name.parse().unwrap();
    stream(encoding.encoder(plain.len() as u64), plain, usize::MAX)
}

fn proven(gzip: &[u8]) -> Option<Proof> {
    prove(&section(gzip)).unwrap()
}

/// The stretches of a proof, made each by itself and joined.
fn in_parts(proof: &Proof, plain: &[u8]) -> Vec<u8> {
    let origin = Checkpoint { plain: 0, bits: 0 };
    let starts: Vec<_> = std::iter::once(origin).chain(proof.checkpoints.iter().copied()).collect();
    let mut joined: Vec<u8> = Vec::new();
    for (at, from) in starts.iter().enumerate() {
        let end = starts.get(at + 1);
        let to = end.map_or(u64::MAX, |end| reach(end.plain)).min(plain.len() as u64) as usize;
        let place = from.plain as usize;
        let before = &plain[place.saturating_sub(CONTEXT)..place];
        let start = Start { plain: from.plain, bit: (from.bits % 8) as u8, before };
        let bits = end.map(|end| end.bits - from.bits);
        let made = make(&proof.encoding, start, bits, &plain[place..to], to == plain.len());
        let made = made.expect("it was made so");
        match joined.last_mut() {
            Some(last) if from.bits % 8 != 0 => {
                *last |= made[0];
                joined.extend(&made[1..]);
            }
            _ => joined.extend(&made),
        }
    }
    joined
}

#[test]
fn what_is_proven_comes_out_in_parts() {
    let plain = &input("mixed-36-5242881")[..4_500_000];
    for name in ["go-flate-1:4", "zlib-1:4", "pgzip-1:1048576:klauspost-1:1", "pigz-1:1:131072"] {
        let stream = deflate(name, plain);
        let proof = proven(&member(&stream, plain)).expect(name);
        assert_eq!((proof.encoding.to_string().as_str(), &proof.header[..]), (name, &HEADER[..]));
        assert!(!proof.checkpoints.is_empty(), "{name}");
        let mut last = 0;
        for point in &proof.checkpoints {
            assert!(point.plain >= last + 2 * 1024 * 1024, "{name}");
            last = point.plain;
        }
        assert!(in_parts(&proof, plain) == stream, "{name}");
    }
}

#[test]
fn what_cannot_be_taken_up_is_made_in_one_go() {
    let plain = &input("mixed-36-5242881")[..3_000_000];
    for name in ["gnugzip-1:1", "go-flate-1:1", "pigz-1:1:131072:single"] {
        let proof = proven(&member(&deflate(name, plain), plain)).expect(name);
        assert_eq!(proof.encoding.to_string(), name);
        assert_eq!(proof.checkpoints, []);
    }
    for plain in [&b""[..], b"x"] {
        assert!(proven(&member(&deflate("zlib-1:6", plain), plain)).is_some());
    }
}

#[test]
fn a_stream_that_differs_late_has_no_proof() {
    let plain = input("mixed-36-5242881");
    let other = |name: &str| {
        let stream = deflate(name, plain);
        // A block starts at a byte here: from there on the rest is stored.
        let mut inflate = Inflate::new(&stream[..]);
        let mut cut = None;
        while inflate.next().unwrap().is_some() {
            let late =
                |block: &&super::super::BlockStart| block.plain > 4_000_000 && block.bits % 8 == 0;
            cut = inflate.blocks().iter().find(late).map(|it| (it.plain, it.bits)).or(cut);
            if cut.is_some() {
                break;
            }
        }
        let (from, bits) = cut.expect(name);
        let mut stream = stream[..(bits / 8) as usize].to_vec();
        let rest = plain[from as usize..].chunks(65_535);
        let count = rest.len();
        for (at, block) in rest.enumerate() {
            let length = (block.len() as u16).to_le_bytes();
            stream.extend([
                u8::from(at + 1 == count),
                length[0],
                length[1],
                !length[0],
                !length[1],
            ]);
            stream.extend(block);
        }
        member(&stream, plain)
    };
    for name in ["pigz-1:1:131072", "pgzip-1:1048576:klauspost-1:1"] {
        let gzip = other(name);
        let mut reader = Gzip::new(&gzip[..]).unwrap();
        let mut length = 0;
        while let Some(piece) = reader.next().unwrap() {
            length += piece.len();
        }
        assert_eq!(length, plain.len(), "it is a sound member");
        assert_eq!(proven(&gzip), None, "{name}");
    }
}

#[test]
fn damage_is_told_and_more_behind_the_member_is_no_proof() {
    let plain = input("text-10-65536");
    let good = member(&deflate("zlib-1:6", plain), plain);
    assert!(proven(&good).is_some());
    let more = [&good[..], b"more"].concat();
    assert!(proven(&more).is_none());
    let refused = |bytes: &[u8]| prove(&section(bytes)).unwrap_err();
    let mut bad = good.clone();
    let crc = bad.len() - 8;
    bad[crc] ^= 1;
    assert!(matches!(refused(&bad), GzipError::Checksum));
    // What is no gzip at all has no encoder, and is not read further.
    assert_eq!(proven(b"\x1f\x8b\x07"), None);
    assert_eq!(proven(&good[..good.len() / 2]), None);
}
