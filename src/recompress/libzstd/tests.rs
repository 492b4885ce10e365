use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write as _};

use serde::Deserialize;
use zstd::zstd_safe::{CParameter, zstd_sys};

use super::super::Encoding;
use super::super::tests::{input, stream, sum};
use super::*;
use crate::files::Section;
use crate::tests::noise;

/// What the `zstd` tool made, `testdata/recompress/zstd.json`.
#[derive(Deserialize)]
struct Vectors {
    inputs: BTreeMap<String, Input>,
    /// By the name of the encoding and the name of the input: length and SHA-256.
    out: BTreeMap<String, BTreeMap<String, (usize, String)>>,
}

#[derive(Deserialize)]
struct Input {
    len: usize,
    sha256: String,
}

/// Inputs above this are left to `slow-tests`, and at levels above 12 those above the next.
const QUICK: [usize; 2] =
    if cfg!(feature = "slow-tests") { [1 << 30; 2] } else { [600_000, 140_000] };

fn vectors() -> Vectors {
    let json = include_str!("../../../testdata/recompress/zstd.json");
    serde_json::from_str(json).unwrap()
}

fn section(bytes: &[u8]) -> Section {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    whole(&file)
}

fn whole(file: &File) -> Section {
    Section::whole(file.try_clone().unwrap()).unwrap()
}

fn plain_of(bytes: &[u8]) -> Result<Vec<u8>, ZstdError> {
    let (mut frame, mut plain) = (Frame::new(bytes)?, Vec::new());
    while let Some(piece) = frame.next()? {
        plain.extend_from_slice(piece);
    }
    Ok(plain)
}

/// What `name` makes of `plain`.
fn made(name: &str, plain: &[u8]) -> Vec<u8> {
    let encoding: Encoding = name.parse().unwrap();
    stream(encoding.encoder(plain.len() as u64), plain, usize::MAX)
}

/// What is proven of `bytes`, as a name.
fn proven(bytes: &[u8]) -> Option<String> {
    prove(&section(bytes)).unwrap().map(|proof| {
        assert!(proof.header.is_empty() && proof.checkpoints.is_empty());
        proof.encoding.to_string()
    })
}

#[test]
fn the_library_is_the_one_that_the_name_says() {
    assert_eq!(zstd_safe::version_string(), "1.5.7");
}

#[test]
fn every_name_gives_what_the_tool_gave() {
    let vectors = vectors();
    for (name, want) in &vectors.inputs {
        if want.len <= QUICK[0] {
            assert_eq!(sum(input(name)), (want.len, want.sha256.clone()), "{name}");
        }
    }
    assert!(vectors.out.len() > 80);
    for (name, column) in &vectors.out {
        let encoding: Encoding = name.parse().unwrap();
        let level: u8 = name.split(':').nth(1).unwrap().parse().unwrap();
        for (input_name, want) in column {
            let plain = input(input_name);
            if plain.len() <= QUICK[usize::from(level > 12)] {
                for piece in [usize::MAX, 100_000] {
                    let made = stream(encoding.encoder(plain.len() as u64), plain, piece);
                    assert_eq!(sum(&made), *want, "{name}, {input_name}, writes of {piece}");
                }
            }
        }
    }
}

#[test]
fn the_way_of_making_is_found() {
    let plain = input("tar-38-2097152");
    for name in [
        "zstd-1.5.7:3:workers:checksum",
        "zstd-1.5.7:3:workers:checksum:size",
        "zstd-1.5.7:3",
        "zstd-1.5.7:1:size",
        "zstd-1.5.7:7:workers",
        "zstd-1.5.7:12:checksum",
    ] {
        let frame = made(name, plain);
        assert_eq!(plain_of(&frame).unwrap(), plain, "{name}");
        let found = proven(&frame).expect(name);
        assert!(made(&found, plain) == frame, "{name} is {found}");
    }
    for size in [0, 1, 131_072, 131_073, 524_288, 524_289] {
        for name in ["zstd-1.5.7:3:workers:checksum", "zstd-1.5.7:19:size"] {
            assert!(proven(&made(name, &plain[..size])).is_some(), "{name} {size}");
        }
    }
}

#[test]
fn what_is_made_otherwise_has_no_name() {
    let plain = input("text-18-1048576");
    let level = |level| {
        let mut out = zstd::stream::write::Encoder::new(Vec::new(), level).unwrap();
        out.write_all(plain).unwrap();
        out
    };
    assert_eq!(proven(&level(5).finish().unwrap()).as_deref(), Some("zstd-1.5.7:5"));
    assert_eq!(proven(&level(-3).finish().unwrap()), None);
    let mut other = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    other.set_parameter(CParameter::TargetLength(300)).unwrap();
    other.set_parameter(CParameter::Strategy(zstd_sys::ZSTD_strategy::ZSTD_lazy2)).unwrap();
    other.write_all(plain).unwrap();
    assert_eq!(proven(&other.finish().unwrap()), None);
    // Another way of flushing, late in the stream.
    let mut flushed = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    flushed.write_all(&plain[..900_000]).unwrap();
    flushed.flush().unwrap();
    flushed.write_all(&plain[900_000..]).unwrap();
    let flushed = flushed.finish().unwrap();
    assert_eq!(plain_of(&flushed).unwrap(), plain);
    assert_eq!(proven(&flushed), None);
}

#[test]
fn what_is_behind_a_frame_is_seen() {
    let plain = noise(300_000, 3);
    let one = made("zstd-1.5.7:3:checksum", &plain);
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9];
    for (behind, alone) in [(&[][..], true), (&one, false), (&skipped, false), (b"x", false)] {
        let bytes = [&one, behind].concat();
        let mut frame = Frame::new(&bytes[..]).unwrap();
        while frame.next().unwrap().is_some() {}
        assert_eq!(frame.is_at_end().unwrap(), alone);
        assert_eq!(proven(&bytes).is_some(), alone);
    }
}

#[test]
fn large_windows_and_dictionaries_are_refused() {
    let header = |bytes: &[u8]| Frame::new(&[&[0x28, 0xb5, 0x2f, 0xfd], bytes].concat()[..]).err();
    // 8 MiB, a bit more, 2 TiB; a content of 8 MiB and a bit more as the window.
    assert!(header(&[0, 13 << 3]).is_none());
    assert!(matches!(header(&[0, 13 << 3 | 1]), Some(ZstdError::Window)));
    assert!(matches!(header(&[0, 0xff]), Some(ZstdError::Window)));
    assert!(header(&[0xa0, 0, 0, 0x80, 0]).is_none());
    assert!(matches!(header(&[0xa0, 1, 0, 0x80, 0]), Some(ZstdError::Window)));
    assert!(matches!(
        header(&[0xe0, 255, 255, 255, 255, 255, 255, 255, 255]),
        Some(ZstdError::Window)
    ));
    for bad in [&[][..], &[1, 0x50, 7], &[8, 0x50], &[0], &[0xc0, 0x50, 1, 2]] {
        assert!(matches!(header(bad), Some(ZstdError::Header)), "{bad:?}");
    }
    assert!(matches!(Frame::new(&b"\x1f\x8b\x08"[..]), Err(ZstdError::Header)));
}

#[test]
fn damage_and_ends_are_found() {
    let frame = made("zstd-1.5.7:3:checksum", &noise(5000, 4));
    for end in 6..frame.len() {
        assert!(matches!(plain_of(&frame[..end]), Err(ZstdError::Damaged)), "{end}");
    }
    for at in 6..frame.len() {
        let mut bad = frame.clone();
        bad[at] ^= 0x10;
        assert!(plain_of(&bad).is_err(), "byte {at}");
    }
    let failing = (&frame[..100]).chain(Failing);
    let mut failing = Frame::new(failing).map(|_| ());
    assert!(matches!(failing.as_mut(), Err(ZstdError::Read(_))));
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("no"))
    }
}
