//! Encoders against the originals themselves, on data that nobody has looked at before: run by
//! `tests/run --slow`. Needs `go`.

#[path = "../src/recompress/tests/inputs.rs"]
mod inputs;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use gapferry::recompress::{Encode, go};
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
            .expect("this test needs Go: install golang-go");
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
