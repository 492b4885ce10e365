//! gapferry's parity beside par2: the same archive protected by a tenth, hurt in the same places, repaired.
//!
//! `cargo bench --bench parity [-- OPTIONS]` prints a table; `docs/benchmark.md` explains it.
//!
//! | option | |
//! |---|---|
//! | `--dir DIR` | where everything lies, about five times the size (or `GAPFERRY_BENCH_DIR`) |
//! | `--size MIB` | how large the archive is (1024) |
//! | `--rounds N` | how many rounds (3) |

#[path = "support/measure.rs"]
mod measure;

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use gapferry::oci::{Descriptor, MediaType, OCI_CONFIG, OCI_MANIFEST};
use measure::{Cost, run};
use serde_json::json;

const GAPFERRY: &str = env!("CARGO_BIN_EXE_gapferry");
const MIB: usize = 1 << 20;
/// How many layers the image has.
const LAYERS: usize = 8;
/// Single bad sectors, and a run of them in MiB: less than par2's blocks can take.
const SECTORS: u64 = 50;
const RUN: usize = 10;

struct Options {
    directory: PathBuf,
    size: usize,
    rounds: usize,
}

impl Options {
    fn read() -> Options {
        let directory = std::env::var_os("GAPFERRY_BENCH_DIR")
            .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench"), PathBuf::from);
        let mut options = Options { directory: directory.join("parity"), size: 1024, rounds: 3 };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} of what?"));
            match argument.as_str() {
                "--dir" => options.directory = PathBuf::from(value()).join("parity"),
                "--size" => options.size = value().parse().expect("a number of MiB"),
                "--rounds" => options.rounds = value().parse().expect("a number of rounds"),
                // Cargo's own.
                "--bench" => {}
                other => panic!("unknown option {other}"),
            }
        }
        assert!(options.size > RUN * 20 && options.rounds > 0, "nothing to do");
        options
    }
}

/// The same bytes at every run, which nothing compresses.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count / 8).flat_map(|_| self.next().to_le_bytes()).collect()
    }
}

/// The archive `bundle.tar`, of noise.
fn make(options: &Options) -> PathBuf {
    let blobs = options.directory.join("layout/blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let mut noise = Noise(88_172_645_463_325_252);
    let put = |kind: &str, bytes: &[u8]| {
        let descriptor = Descriptor::of(MediaType::new(kind).unwrap(), bytes);
        std::fs::write(blobs.join(descriptor.digest.hex()), bytes).unwrap();
        descriptor
    };
    let config = put(OCI_CONFIG, br#"{"os":"linux","architecture":"amd64"}"#);
    let kind = "application/vnd.oci.image.layer.v1.tar";
    let layers: Vec<Descriptor> =
        (0..LAYERS).map(|_| put(kind, &noise.bytes(options.size * MIB / LAYERS))).collect();
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers}).to_string();
    let mut manifest = json!(put(OCI_MANIFEST, manifest.as_bytes()));
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": "noise:1"});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]}).to_string();
    let layout = options.directory.join("layout");
    std::fs::write(layout.join("index.json"), index).unwrap();
    std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let (key, out) = (options.directory.join("key"), options.directory.join("bundle.tar"));
    gapferry(options, &["key", "new", "-o", text(&key)]);
    let source = format!("oci:{}", layout.display());
    let arguments = ["export", &source, "-o", text(&out), "--key", text(&key), "--store-layers"];
    gapferry(options, &arguments);
    std::fs::remove_dir_all(layout).unwrap();
    out
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

fn gapferry(options: &Options, arguments: &[&str]) -> Cost {
    run(&options.directory, GAPFERRY, arguments)
}

/// A copy of the archive with damage in the same places every time.
fn hurt(good: &Path, to: &Path) {
    std::fs::copy(good, to).unwrap();
    let file = File::options().write(true).open(to).unwrap();
    let length = file.metadata().unwrap().len();
    let mut noise = Noise(2_463_534_242);
    for _ in 0..SECTORS {
        let sector = noise.next() % (length / 4096);
        file.write_all_at(&noise.bytes(4096), sector * 4096).unwrap();
    }
    file.write_all_at(&vec![0; RUN * MIB], length / 3 / 4096 * 4096).unwrap();
}

fn same(a: &Path, b: &Path) {
    let compared = std::process::Command::new("cmp").args([a, b]).status().unwrap();
    assert!(compared.success(), "{} is not what it was", b.display());
}

/// What making and using parity cost.
type Round = [Cost; 2];

fn with_gapferry(options: &Options, good: &Path) -> Round {
    let directory = options.directory.join("gapferry");
    std::fs::create_dir_all(&directory).unwrap();
    let (place, out) = (directory.join("bundle.tar"), directory.join("out.tar"));
    std::fs::copy(good, &place).unwrap();
    let key = options.directory.join("key.pub");
    let trust = ["--trust", text(&key)];
    let made =
        gapferry(options, &[&["parity", text(&place), "--parity", "10%"], &trust[..]].concat());
    hurt(good, &place);
    let repaired =
        gapferry(options, &[&["repair", text(&place), "-o", text(&out)], &trust[..]].concat());
    same(good, &out);
    std::fs::remove_dir_all(&directory).unwrap();
    [made, repaired]
}

fn with_par2(options: &Options, good: &Path) -> Round {
    let directory = options.directory.join("par2");
    std::fs::create_dir_all(&directory).unwrap();
    let (place, parity) = (directory.join("bundle.tar"), directory.join("p.par2"));
    std::fs::copy(good, &place).unwrap();
    let arguments = ["create", "-qq", "-r10", "-n1", text(&parity), text(&place)];
    let made = run(&options.directory, "par2", &arguments);
    hurt(good, &place);
    let repaired = run(&options.directory, "par2", &["repair", "-qq", text(&parity)]);
    same(good, &place);
    std::fs::remove_dir_all(&directory).unwrap();
    [made, repaired]
}

fn main() {
    let options = Options::read();
    let _ = std::fs::remove_dir_all(&options.directory);
    std::fs::create_dir_all(&options.directory).unwrap();
    let good = make(&options);
    let mut rounds: [Vec<Round>; 2] = [Vec::new(), Vec::new()];
    for number in 1..=options.rounds {
        // Who goes first finds the archive in memory less often.
        for program in [number % 2, 1 - number % 2] {
            let of = if program == 0 { with_gapferry } else { with_par2 };
            rounds[program].push(of(&options, &good));
        }
        let walls = |program: usize| rounds[program][number - 1].map(|cost| cost.wall);
        let line = format!("round {number}: gapferry {:?} s, par2 {:?} s\n", walls(0), walls(1));
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
    let [ours, theirs] = rounds;
    println!("\n{} MiB, a tenth of parity; medians of {}\n", options.size, options.rounds);
    println!("| phase | quantity | gapferry | par2 | par2 / gapferry |\n|---|---|---:|---:|---:|");
    for (at, phase) in ["make", "repair"].into_iter().enumerate() {
        let median =
            |rounds: &[Round]| Cost::median(&rounds.iter().map(|it| it[at]).collect::<Vec<_>>());
        let (ours, theirs) = (median(&ours), median(&theirs));
        let line = |quantity, a: f64, b: f64| {
            println!("| {phase} | {quantity} | {a:.2} | {b:.2} | {:.1} |", b / a)
        };
        line("wall, s", ours.wall, theirs.wall);
        line("user + sys, s", ours.processor, theirs.processor);
        line("peak memory, MiB", ours.memory / MIB as f64, theirs.memory / MIB as f64);
        line("written, MiB", ours.written / MIB as f64, theirs.written / MIB as f64);
    }
    std::fs::remove_dir_all(&options.directory).unwrap();
}
