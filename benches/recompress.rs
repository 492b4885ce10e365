//! Our encoders beside the originals: the same bytes out of the same bytes, and what that cost.
//!
//! `cargo bench --bench recompress [-- OPTIONS]` prints a table; `docs/benchmark.md` explains it.
//! Every output of ours is held against the original's before its time counts.
//!
//! | option | |
//! |---|---|
//! | `--file TAR` | what is compressed (a tar of this machine's `/usr/lib` and `/usr/share`) |
//! | `--megabytes N` | how much of it (100) |
//! | `--rounds N` | how many rounds (3) |

#[path = "support/measure.rs"]
mod measure;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use gapferry::recompress::{Encoding, Gzip};
use measure::{Cost, run};

/// An encoder of ours, and the program that it stands for: what it reads is `$0`.
const PAIRS: [(&str, &str); 13] = [
    ("gnugzip-1:1", "gzip -n -1 < $0"),
    ("gnugzip-1:6", "gzip -n -6 < $0"),
    ("gnugzip-1:9", "gzip -n -9 < $0"),
    ("pigz-1:6:131072", "pigz -n -6 -p 2 < $0"),
    ("zlib-1:1", "python3 -c \"$ZLIB\" 1 < $0"),
    ("zlib-1:6", "python3 -c \"$ZLIB\" 6 < $0"),
    ("zlib-1:9", "python3 -c \"$ZLIB\" 9 < $0"),
    ("go-flate-1:1", "$PEER go 1 65536 < $0"),
    ("go-flate-1:6", "$PEER go 6 65536 < $0"),
    ("go-flate-1:9", "$PEER go 9 65536 < $0"),
    ("klauspost-1:5", "$PEER klauspost 5 65536 < $0"),
    ("pgzip-1:1048576:klauspost-1:5", "$PEER pgzip-1048576 5 65536 < $0"),
    ("pgzip-1:262144:klauspost-1:5", "$PEER pgzip-262144 5 65536 < $0"),
];
const ZLIB: &str = "import sys,zlib;c=zlib.compressobj(int(sys.argv[1]),8,31);i=sys.stdin.buffer;\
    o=sys.stdout.buffer;[o.write(c.compress(b)) for b in iter(lambda:i.read(1<<20),b'')];\
    o.write(c.flush())";
const PIECE: usize = 256 * 1024;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        // What this program is when it measures itself.
        ["--encode", name, plain, out] => encode(name, plain, out),
        ["--inflate", gzip] => inflate(gzip),
        _ => compare(&words),
    }
}

fn encode(name: &str, plain: &str, out: &str) {
    let encoding: Encoding = name.parse().expect("a known encoder");
    let (mut plain, mut out) = (File::open(plain).unwrap(), File::create(out).unwrap());
    let size = plain.metadata().unwrap().len();
    let (mut encoder, mut made, mut piece) = (encoding.encoder(size), Vec::new(), vec![0; PIECE]);
    loop {
        let count = plain.read(&mut piece).unwrap();
        match count {
            0 => encoder.finish(&mut made),
            count => encoder.write(&piece[..count], &mut made),
        }
        out.write_all(&made).unwrap();
        made.clear();
        if count == 0 {
            return;
        }
    }
}

fn inflate(gzip: &str) {
    let mut gzip = Gzip::new(File::open(gzip).unwrap()).expect("a gzip member");
    while gzip.next().expect("a whole member").is_some() {}
}

fn compare(words: &[&str]) {
    let option = |name: &str| {
        let at = words.iter().position(|word| *word == name)?;
        Some(*words.get(at + 1).unwrap_or_else(|| panic!("{name} of what?")))
    };
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recompress");
    std::fs::create_dir_all(&scratch).unwrap();
    let megabytes: u64 = option("--megabytes").unwrap_or("100").parse().expect("a number");
    let rounds: usize = option("--rounds").unwrap_or("3").parse().expect("a number");
    let plain = prepared(&scratch, option("--file"), megabytes);
    let size = plain.metadata().unwrap().len() as f64 / 1e6;
    let peer = peer(&scratch);
    println!("{size:.0} MB of plain bytes, {rounds} rounds, medians of processor time.\n");
    println!("| encoder | original, MB/s | gapferry, MB/s | ratio | gapferry inflates, MB/s |");
    println!("|---|---:|---:|---:|---:|");
    for (name, original) in PAIRS {
        let costs: Vec<[Cost; 3]> =
            (0..rounds).map(|_| round(&scratch, &plain, &peer, name, original)).collect();
        let speed = |which: usize| {
            let column: Vec<Cost> = costs.iter().map(|costs| costs[which]).collect();
            size / Cost::median(&column).processor.max(0.01)
        };
        let (theirs, ours, inflated) = (speed(0), speed(1), speed(2));
        let ratio = ours / theirs;
        println!("| `{name}` | {theirs:.0} | {ours:.0} | {ratio:.2} | {inflated:.0} |");
    }
}

/// The costs of the original, of ours, and of inflating.
fn round(scratch: &Path, plain: &Path, peer: &Path, name: &str, original: &str) -> [Cost; 3] {
    let (theirs, ours) = (scratch.join("theirs"), scratch.join("ours"));
    let (plain, myself) = (text(plain), text(&std::env::current_exe().unwrap()));
    let line = original.replace("$PEER", &text(peer)).replace("$ZLIB", ZLIB);
    let line = format!("{line} > {}", theirs.display());
    let original = run(scratch, "sh", &["-c", &line, &plain]);
    let made = run(scratch, &myself, &["--encode", name, &plain, &text(&ours)]);
    let (gzip, deflate) = (std::fs::read(&theirs).unwrap(), std::fs::read(&ours).unwrap());
    let header = Gzip::new(&gzip[..]).unwrap().header().raw().len();
    assert!(gzip[header..gzip.len() - 8] == deflate[..], "{name} makes other bytes");
    let inflated = run(scratch, &myself, &["--inflate", &text(&theirs)]);
    [original, made, inflated]
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path of text").to_owned()
}

/// The front of the tar that was asked for.
fn prepared(scratch: &Path, file: Option<&str>, megabytes: u64) -> PathBuf {
    let plain = scratch.join("plain.tar");
    let source = file.map_or("tar -C / -cf - usr/lib usr/share 2>/dev/null".to_owned(), |file| {
        format!("cat '{file}'")
    });
    let line = format!("{source} | head -c {} > '{}'", megabytes * 1_000_000, plain.display());
    assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
    plain
}

/// The program that runs Go's and klauspost's encoders.
fn peer(scratch: &Path) -> PathBuf {
    let peer = scratch.join("peer");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/recompress/peer");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&peer)
        .current_dir(source)
        .env("GO111MODULE", "off")
        .env("GOPATH", "/usr/share/gocode")
        .status();
    let built = built.expect("Go is installed: golang-go and klauspost's packages, see tests/run");
    assert!(built.success(), "the peer program does not build");
    peer
}
