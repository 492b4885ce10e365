//! `zstd-1.5.7` against the `zstd` tool on this machine. Each must read what the other makes; a tool
//! of the very version must make the same bytes. A missing program fails the test: `tests/run`
//! installs it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use gapferry::recompress::Encoding;
use gapferry::recompress::libzstd::Frame;

/// What the tool gives for `input`, on its standard input or from a file.
fn tool(args: &[&str], input: &[u8], file: bool) -> Vec<u8> {
    let mut place = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("zstd");
    command.args(["-q", "-c"]).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    if file {
        place.write_all(input).unwrap();
        command.arg(place.path());
    }
    let mut child = command.spawn().expect("zstd is needed, see tests/run");
    let mut stdin = child.stdin.take().unwrap();
    let input = if file { Vec::new() } else { input.to_vec() };
    let feed = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    feed.join().unwrap().unwrap();
    assert!(output.status.success(), "zstd {args:?}: {}", output.status);
    output.stdout
}

fn ours(name: &str, plain: &[u8]) -> Vec<u8> {
    let encoding: Encoding = name.parse().unwrap();
    let (mut encoder, mut out) = (encoding.encoder(plain.len() as u64), Vec::new());
    plain.chunks(7777).for_each(|piece| encoder.write(piece, &mut out));
    encoder.finish(&mut out);
    out
}

fn read(frame: &[u8]) -> Vec<u8> {
    let (mut frame, mut plain) = (Frame::new(frame).unwrap(), Vec::new());
    while let Some(piece) = frame.next().unwrap() {
        plain.extend_from_slice(piece);
    }
    assert!(frame.is_at_end().unwrap());
    plain
}

/// Random bytes, words, runs and copies from before, in turns (xorshift64).
fn plain(state: &mut u64, length: usize) -> Vec<u8> {
    let mut draw = |below: usize| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 32) as usize % below
    };
    let mut plain = Vec::new();
    while plain.len() < length {
        let (letters, count) = ([256, 26, 1, 4, 0][draw(5)], 1 + draw(20_000));
        if letters > 0 {
            plain.extend((0..count).map(|_| draw(letters) as u8));
        } else if !plain.is_empty() {
            let from = draw(plain.len());
            let copy: Vec<u8> = plain[from..].iter().copied().take(count).collect();
            plain.extend(copy);
        }
    }
    plain.truncate(length);
    plain
}

fn check(level: u8, plain: &[u8]) {
    let version = Command::new("zstd").arg("--version").output().expect("zstd is needed").stdout;
    let same = String::from_utf8_lossy(&version).contains("v1.5.7,");
    for (workers, checksum, size) in [(true, true, true), (true, true, false), (false, false, true)]
    {
        let option = |is: bool, name: &'static str| if is { name } else { "" };
        let name = format!(
            "zstd-1.5.7:{level}{}{}{}",
            option(workers, ":workers"),
            option(checksum, ":checksum"),
            option(size, ":size")
        );
        let level = format!("-{level}");
        let mut args = vec![level.as_str()];
        args.extend((!workers).then_some("--single-thread"));
        args.extend((!checksum).then_some("--no-check"));
        let (theirs, made) = (tool(&args, plain, size), ours(&name, plain));
        assert!(read(&theirs) == plain, "{name}: {} bytes of the tool", plain.len());
        assert!(tool(&["-d"], &made, false) == plain, "{name}: {} bytes of ours", plain.len());
        assert!(!same || theirs == made, "{name}: {} bytes differ", plain.len());
    }
}

#[test]
fn a_sample_is_read_by_each_other() {
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for (length, level) in [(0, 3), (1, 19), (131_072, 1), (131_073, 3), (700_000, 9)] {
        check(level, &plain(&mut state, length));
    }
}

#[test]
#[cfg(feature = "slow-tests")]
fn many_inputs_are_read_by_each_other() {
    let mut state = 20_261_121;
    for round in 0..4 {
        for level in 1..=19 {
            let length = 100_000 + round * 300_000 + usize::from(level) * 7919;
            check(level, &plain(&mut state, length));
        }
    }
    // More than a job.
    check(3, &plain(&mut state, 20_000_000));
}
