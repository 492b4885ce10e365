//! Encoders against the originals themselves, on data that nobody has looked at before: run by
//! `tests/run --slow`. Needs `go`.

#[path = "../src/recompress/tests/inputs.rs"]
mod inputs;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use gapferry::recompress::klauspost::{self, Family};
use gapferry::recompress::{Encode, go, pgzip};
use inputs::{Random, input};

/// Go's own packages, and those that Debian packages for GOPATH.
const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/recompress/peer/main.go");
const GOPATH: &str = "/usr/share/gocode";
/// Bytes of a gzip header without optional fields, and of the trailer.
const HEADER: usize = 10;
const TRAILER: usize = 8;

/// The program that runs the originals, built once.
fn peer() -> &'static Path {
    static PEER_BINARY: OnceLock<PathBuf> = OnceLock::new();
    PEER_BINARY.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let binary = dir.join("recompress-peer");
        let built = Command::new("go")
            .args(["build", "-o"])
            .arg(&binary)
            .arg(PEER)
            .env("GO111MODULE", "off")
            .env("GOPATH", GOPATH)
            .env("GOCACHE", dir.join("go-cache"))
            .output()
            .expect(
                "this test needs Go and encoders for it: install golang-go, \
             golang-github-klauspost-compress-dev and golang-github-klauspost-pgzip-dev",
            );
        succeeded("go build", &built);
        binary
    })
}

fn succeeded(what: &str, output: &Output) {
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The raw deflate stream that the original makes with writes of `size` bytes.
fn original(encoder: &str, level: i32, size: usize, plain: &[u8]) -> Vec<u8> {
    let mut file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    file.write_all(plain).unwrap();
    let made = Command::new(peer())
        .args([encoder, &level.to_string(), &size.to_string()])
        .stdin(Stdio::from(File::open(file.path()).unwrap()))
        .output()
        .unwrap();
    succeeded(encoder, &made);
    made.stdout[HEADER..made.stdout.len() - TRAILER].to_vec()
}

/// The stream of our encoder, written in pieces of any size up to `most`.
fn ours(mut encoder: Box<dyn Encode>, plain: &[u8], most: usize, random: &mut Random) -> Vec<u8> {
    let (mut rest, mut out) = (plain, Vec::new());
    while !rest.is_empty() {
        let (piece, later) = rest.split_at((1 + random.below(most)).min(rest.len()));
        encoder.write(piece, &mut out);
        rest = later;
    }
    encoder.finish(&mut out);
    out
}

/// Data of any kind and size.
fn any_input(random: &mut Random) -> Vec<u8> {
    let kinds = ["random", "text", "dna", "geom", "runs", "lz", "mixed", "mixed", "tar", "tar"];
    let kind = kinds[random.below(kinds.len())];
    let most = [200, 3000, 70_000, 140_000, 600_000][random.below(5)];
    let (seed, size) = (1 + random.below(1 << 30), random.below(most));
    input(&format!("{kind}-{seed}-{size}")).to_vec()
}

#[test]
fn go_makes_the_same_of_any_data() {
    let mut random = Random(0x90_f1a7e);
    for round in 0..400 {
        let plain = any_input(&mut random);
        let level = random.below(12) as i32 - 2;
        let want = original("go", level, 32 * 1024, &plain);
        let made = ours(go::encoder(level).unwrap(), &plain, 100_000, &mut random);
        assert!(made == want, "round {round}, level {level}, {} bytes", plain.len());
    }
}

#[test]
fn go_makes_the_same_of_a_program() {
    let plain = std::fs::read(peer()).unwrap();
    for level in -2..=9 {
        let want = original("go", level, 32 * 1024, &plain);
        let made = ours(go::encoder(level).unwrap(), &plain, 100_000, &mut Random(7));
        assert!(made == want, "level {level}");
    }
}

/// Debian's klauspost is of `klauspost-1`, 1.15.12, but at levels 7 to 9: there its match finder is
/// an earlier one.
const KLAUSPOST: Family = Family::Klauspost1;
const KLAUSPOST_LEVELS: usize = 9;

#[test]
fn klauspost_makes_the_same_of_any_data() {
    let mut random = Random(0x6b_70);
    for round in 0..400 {
        let plain = any_input(&mut random);
        let level = random.below(KLAUSPOST_LEVELS) as i32 - 2;
        let want = original("klauspost", level, 1 + random.below(100_000), &plain);
        let made = klauspost::encoder(KLAUSPOST, level).unwrap();
        let made = ours(made, &plain, 100_000, &mut random);
        assert!(made == want, "round {round}, level {level}, {} bytes", plain.len());
    }
}

#[test]
fn pgzip_makes_the_same_of_any_data() {
    let mut random = Random(0x70_67);
    for round in 0..300 {
        let plain = any_input(&mut random);
        let level = random.below(KLAUSPOST_LEVELS) as i32 - 2;
        let block = [20_000, 262_144, 1_048_576][random.below(3)];
        let want = original(&format!("pgzip-{block}"), level, 32 * 1024, &plain);
        let made = pgzip::encoder(KLAUSPOST, level, block).unwrap();
        let made = ours(made, &plain, 100_000, &mut random);
        assert!(made == want, "round {round}, level {level}, block {block}, {} bytes", plain.len());
    }
}

#[test]
fn klauspost_and_pgzip_make_the_same_of_a_program() {
    let plain = std::fs::read(peer()).unwrap();
    for level in -2..KLAUSPOST_LEVELS as i32 - 2 {
        let want = original("klauspost", level, 32 * 1024, &plain);
        let made = klauspost::encoder(KLAUSPOST, level).unwrap();
        assert!(ours(made, &plain, 100_000, &mut Random(7)) == want, "level {level}");
        let want = original("pgzip-262144", level, 32 * 1024, &plain);
        let made = pgzip::encoder(KLAUSPOST, level, 262_144).unwrap();
        assert!(ours(made, &plain, 100_000, &mut Random(7)) == want, "pgzip, level {level}");
    }
}

#[test]
fn klauspost_makes_the_same_of_bytes_without_matches() {
    // Without matches levels 7 to 9 of Debian's version are those of the family.
    let mut random = Random(0x6e_6d);
    for alphabet in [150, 180, 200, 220, 240] {
        let mut byte = || random.below(alphabet).max(random.below(alphabet)) as u8;
        let plain: Vec<u8> = (0..120_000).map(|_| byte()).collect();
        for level in 7..=9 {
            let want = original("klauspost", level, 32 * 1024, &plain);
            let made = klauspost::encoder(KLAUSPOST, level).unwrap();
            assert!(ours(made, &plain, 100_000, &mut Random(7)) == want, "{alphabet}, {level}");
        }
    }
}
