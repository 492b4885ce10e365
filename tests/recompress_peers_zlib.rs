//! `zlib-1`, `gnugzip-1` and `pigz-1` against the real programs on this machine: Python's zlib,
//! gzip and pigz must give the same bytes. A missing program fails the test: `tests/run` installs
//! them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use gapferry::recompress::pigz::{BLOCK, Join};
use gapferry::recompress::zlib::MemLevel;
use gapferry::recompress::{Encode, gnugzip, pigz, zlib};

/// What a program gives for `plain` on its standard input.
fn run(program: &str, args: &[&str], plain: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed, see tests/run: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let plain = plain.to_vec();
    let feed = std::thread::spawn(move || stdin.write_all(&plain));
    let output = child.wait_with_output().unwrap();
    feed.join().unwrap().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", output.status);
    output.stdout
}

/// Without the gzip header of ten bytes and the trailer.
fn deflate_of(gzip: Vec<u8>) -> Vec<u8> {
    assert_eq!(gzip[..4], [0x1f, 0x8b, 8, 0], "a header without fields");
    gzip[10..gzip.len() - 8].to_vec()
}

fn ours(mut encoder: Box<dyn Encode>, plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    plain.chunks(7777).for_each(|piece| encoder.write(piece, &mut out));
    encoder.finish(&mut out);
    out
}

fn check_zlib(level: u8, mem_level: MemLevel, plain: &[u8], what: &str) {
    let script = "import sys, zlib\n\
        made = zlib.compressobj(int(sys.argv[1]), zlib.DEFLATED, -15, int(sys.argv[2]))\n\
        plain = sys.stdin.buffer.read()\n\
        sys.stdout.buffer.write(made.compress(plain) + made.flush())";
    let number = if mem_level == MemLevel::Eight { "8" } else { "9" };
    let want = run("python3", &["-c", script, &level.to_string(), number], plain);
    let made = ours(zlib::encoder(level, mem_level), plain);
    assert!(made == want, "zlib, level {level}, memLevel {number}, {what}");
}

fn check_gzip(level: u8, rsyncable: bool, plain: &[u8], what: &str) {
    let mut args = vec!["-nc".to_owned(), format!("-{level}")];
    args.extend(rsyncable.then(|| "--rsyncable".to_owned()));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let want = deflate_of(run("gzip", &args, plain));
    let made = ours(gnugzip::encoder(level, rsyncable), plain);
    assert!(made == want, "gzip {args:?}, {what}");
}

fn check_pigz(level: u8, kib: u64, join: Join, plain: &[u8], what: &str) {
    let (level_arg, kib_arg) = (format!("-{level}"), kib.to_string());
    let threads = if join == Join::Single { "1" } else { "2" };
    let mut args = vec!["-nc", &level_arg, "-b", &kib_arg, "-p", threads];
    args.extend((join == Join::Independent).then_some("-i"));
    // Before 2.8, pigz writes the time of day for a pipe, which is no part of the comparison.
    let want = deflate_of(run("pigz", &args, plain));
    let made = ours(pigz::encoder(level, kib * 1024, join), plain);
    assert!(made == want, "pigz {args:?}, {what}");
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    /// Random bytes, words, runs, few letters and copies from before, in turns.
    fn plain(&mut self, len: usize) -> Vec<u8> {
        let mut plain = Vec::with_capacity(len + 20_000);
        while plain.len() < len {
            let (kind, size) = (self.below(5), 1 + self.below(20_000));
            let letters = [256, 26, 1, 4, 0][kind];
            if letters > 0 {
                let base = self.below(256) as u8;
                let spaces = 2 + self.below(9);
                plain.extend((0..size).map(|_| {
                    let letter = base.wrapping_add(self.below(letters) as u8);
                    if letters == 26 && self.below(spaces) == 0 { b' ' } else { letter }
                }));
            } else {
                self.copies(size, &mut plain);
            }
        }
        plain.truncate(len);
        plain
    }

    /// Copies from 1 to 33,000 bytes back, with single bytes between.
    fn copies(&mut self, size: usize, plain: &mut Vec<u8>) {
        let end = plain.len() + size;
        while plain.len() < end {
            plain.push(self.below(256) as u8);
            let most = [plain.len().min(33_000), plain.len().min(64)][self.below(2)];
            let distance = 1 + self.below(most);
            let length = [3 + self.below(6), 3 + self.below(300)][self.below(2)];
            (0..length).for_each(|_| plain.push(plain[plain.len() - distance]));
        }
    }
}

/// Lengths at which windows move and blocks end.
const EDGES: [usize; 12] =
    [0, 16_383, 32_506, 32_767, 32_768, 65_274, 65_536, 98_042, 98_304, 130_810, 131_072, 262_144];

/// One input against all three, at `level`.
fn check_all(level: u8, plain: &[u8], what: &str) {
    check_zlib(level, MemLevel::Eight, plain, what);
    check_gzip(level, false, plain, what);
    check_pigz(level, BLOCK / 1024, Join::Dictionary, plain, what);
}

/// The same with the rarer options.
fn check_options(level: u8, plain: &[u8], what: &str) {
    check_zlib(level, MemLevel::Nine, plain, what);
    check_gzip(level, true, plain, what);
    check_pigz(level, 32, Join::Independent, plain, what);
    check_pigz(level, 64, Join::Dictionary, plain, what);
    check_pigz(level, 64, Join::Single, plain, what);
    check_pigz(level, BLOCK / 1024, Join::Single, plain, what);
}

#[test]
fn a_sample_gives_what_the_programs_give() {
    let mut random = Random(2026);
    for (number, edge) in EDGES.into_iter().enumerate() {
        let level = (number % 9 + 1) as u8;
        let len = edge + random.below(5);
        let plain = random.plain(len);
        let what = format!("sample {number} of {} bytes", plain.len());
        check_all(level, &plain, &what);
        check_options((level + 4) % 9 + 1, &plain, &what);
    }
}

/// A hundred and more inputs around the edges at every level.
#[test]
#[cfg(feature = "slow-tests")]
fn many_inputs_give_what_the_programs_give() {
    let mut random = Random(20_261_121);
    for round in 0..6 {
        for edge in EDGES {
            let len = (edge + random.below(600)).saturating_sub(300);
            let plain = random.plain(len);
            let what = format!("round {round}, {} bytes", plain.len());
            let level = 1 + random.below(9) as u8;
            check_all(level, &plain, &what);
            check_options(1 + random.below(9) as u8, &plain, &what);
        }
        let len = 1_000_000 + random.below(2_000_000);
        let plain = random.plain(len);
        for level in 1..=9 {
            check_all(level, &plain, &format!("round {round}, {} bytes", plain.len()));
        }
    }
}
