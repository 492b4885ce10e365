//! Every encoder is found in what it made.

use super::super::gzip::trailer;
use super::super::tests::{input, stream};
use super::*;

/// Headers as the originals write them.
const GO: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
const KLAUSPOST: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 9, 0x6e, 0x88, 0, 255];
const UNIX: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// The plain bytes that other encoders may be given for one stream: some blocks' worth each.
const IN_VAIN: usize = 12 * 1024 * 1024;

/// Names of a family at each of its levels.
fn names(front: &str, levels: &[&str], back: &str) -> Vec<String> {
    levels.iter().map(|level| format!("{front}{level}{back}")).collect()
}

const GO_LEVELS: [&str; 11] = ["huffman", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

fn file(name: &str, header: [u8; 10], plain: &[u8]) -> Vec<u8> {
    let mut header = header;
    let level = name.split(':').find(|part| part.len() == 1);
    header[8] = match level {
        Some("9") => 2,
        Some("1") => 4,
        _ => 0,
    };
    let encoding: Encoding = name.parse().unwrap();
    let stream = stream(encoding.encoder(plain.len() as u64), plain, usize::MAX);
    [header.as_slice(), &stream, &trailer(crc32fast::hash(plain), plain.len() as u64)].concat()
}

/// Each of `names` is found in what it makes of each of `inputs`, whole and in part.
fn found(names: &[String], header: [u8; 10], inputs: &[&str]) {
    for (name, plain) in names.iter().flat_map(|name| inputs.iter().map(move |i| (name, *i))) {
        let made = file(name, header, input(plain));
        let (found, vain) = search(&made, true);
        assert!(vain < IN_VAIN, "{name}, {plain}: {vain}");
        if input(plain).len() < MAX_PLAIN {
            let same = file(&found[0].to_string(), header, input(plain));
            assert!(same[10..] == made[10..], "{name}, {plain}: {}", found[0]);
        } else {
            assert!(is_among(name, &found), "{name}, {plain}: {found:?}");
        }
        if input(plain).len() > 200_000 {
            let (found, vain) = search(&made[..made.len() - made.len() / 9], false);
            assert!(is_among(name, &found), "{name}, {plain}: {found:?}");
            assert!(vain < IN_VAIN, "{name}, {plain}: {vain}");
        }
    }
}

/// More may agree with a front than are given.
fn is_among(name: &str, found: &[Encoding]) -> bool {
    found.len() == MAX_FOUND || found.contains(&name.parse().unwrap())
}

const SLOW: bool = cfg!(feature = "slow-tests");

fn inputs() -> &'static [&'static str] {
    const ALL: [&str; 9] = [
        "text-2-16",
        "lz-26-98305",
        "zeros-0",
        "random-7-1000",
        "period-33-32769-200000",
        "random-17-1048576",
        "text-18-1048576",
        "mixed-35-1048575",
        "tar-38-2097152",
    ];
    &ALL[..if SLOW { ALL.len() } else { 2 }]
}

/// Some go beyond a block of the makers of blocks.
fn long_inputs() -> &'static [&'static str] {
    const ALL: [&str; 2] = ["tar-37-262145", "mixed-36-5242881"];
    &ALL[..if SLOW { ALL.len() } else { 1 }]
}

/// Levels of those that are tried at few.
fn some<'a>(levels: &'a [&'a str]) -> Vec<&'a str> {
    levels.iter().copied().filter(|level| SLOW || ["1", "5", "6"].contains(level)).collect()
}

#[test]
fn go_is_found() {
    found(&names("go-flate-1:", &GO_LEVELS, ""), GO, inputs());
    found(&names("go-flate-2:", &GO_LEVELS, ""), GO, inputs());
}

#[test]
fn klauspost_is_found() {
    found(&names("klauspost-1:", &GO_LEVELS, ""), KLAUSPOST, inputs());
    found(&names("klauspost-1a:", &["4"], ""), KLAUSPOST, inputs());
    found(&names("klauspost-2:", &GO_LEVELS, ""), KLAUSPOST, inputs());
}

#[test]
fn pgzip_is_found() {
    for block in [262_144, 1_048_576, 100_000] {
        let levels = some(&GO_LEVELS);
        let own = |family| names(&format!("pgzip-1:{block}:{family}:"), &levels, "");
        found(&own("klauspost-1"), KLAUSPOST, long_inputs());
        found(&own("klauspost-2"), KLAUSPOST, long_inputs());
        found(
            &names(&format!("pgzip-1:{block}:klauspost-2a:"), &["7"], ""),
            KLAUSPOST,
            long_inputs(),
        );
    }
}

#[test]
fn zlib_is_found() {
    found(&names("zlib-1:", &GO_LEVELS[2..], ""), UNIX, inputs());
    found(&names("zlib-1:", &["1", "6"], ":9"), GO, inputs());
}

#[test]
fn gnu_gzip_is_found() {
    found(&names("gnugzip-1:", &GO_LEVELS[2..], ""), UNIX, inputs());
    found(&names("gnugzip-1:", &["6"], ":rsyncable"), UNIX, long_inputs());
}

#[test]
fn pigz_is_found() {
    found(&names("pigz-1:", &some(&GO_LEVELS[2..]), ":131072"), UNIX, long_inputs());
    for back in [":131072:independent", ":131072:single", ":65536", ":65536:independent"] {
        found(&names("pigz-1:", &["1", "6"], back), UNIX, long_inputs());
    }
}

#[test]
fn the_likeliest_is_first() {
    for (name, header) in [
        ("go-flate-1:6", GO),
        ("go-flate-2:6", GO),
        ("go-flate-1:1", GO),
        ("zlib-1:9", GO),
        ("gnugzip-1:6", UNIX),
        ("pigz-1:6:131072", UNIX),
        ("pgzip-1:1048576:klauspost-1:5", KLAUSPOST),
        ("pgzip-1:262144:klauspost-2:5", KLAUSPOST),
    ] {
        let found = detect(&file(name, header, input("tar-37-262145")), true);
        // Below 1 MiB both of pgzip's blocks give the same, but for the flush at 256 KiB.
        assert_eq!(found[0].to_string(), name);
    }
}

#[test]
fn a_strange_header_does_not_hide_the_encoder() {
    let mut file = file("go-flate-1:6", GO, input("lz-26-98305"));
    file[4..10].copy_from_slice(&[1, 2, 3, 4, 2, 11]);
    assert_eq!(detect(&file, true), ["go-flate-1:6".parse().unwrap()]);
}

#[test]
fn what_no_encoder_makes_has_none() {
    let plain = input("lz-26-98305");
    let mut odd = file("go-flate-1:6", GO, plain);
    assert!(detect(b"", true).is_empty());
    assert!(detect(b"PK\x03\x04", true).is_empty());
    assert!(detect(&odd[..10], true).is_empty());
    assert!(detect(&odd[..odd.len() / 2], true).is_empty());
    // A stored block of one byte, before the rest.
    odd.splice(10..10, [0, 1, 0, 0xfe, 0xff, b'x']);
    let (found, vain) = search(&odd, true);
    assert!(found.is_empty() && vain < IN_VAIN, "{found:?} {vain}");
}

#[test]
fn endless_zeros_cost_little() {
    // One token of 258 zeros, again and again.
    let mut file = [GO.as_slice(), &[0xec, 0xc0]].concat();
    file.extend(vec![0; 1 << 20]);
    let front = Front::read(&file[10..], false);
    assert!(front.is_none_or(|front| front.plain.len() < MAX_PLAIN + (1 << 20)));
    let (_, vain) = search(&file, false);
    assert!(vain <= MAX_EFFORT + MAX_PLAIN);
}
