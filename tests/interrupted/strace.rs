//! gapferry with something wrong at its n-th system call. strace plays it.

use std::collections::BTreeMap;
use std::process::Output;

use super::command::Work;

/// Calls that change something, or wait for the disk.
pub(crate) const WRITES: &str = "write,pwrite64,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,\
                      mkdirat,ftruncate,fsync,fdatasync,openat,flock";

/// gapferry under strace.
fn traced(work: &Work, options: &[&str], line: &str) -> Output {
    let mut command = work.tool("strace");
    command.args(["-f", "-qq"]).args(options).arg(env!("CARGO_BIN_EXE_gapferry"));
    command.args(line.split_whitespace()).env("RAYON_NUM_THREADS", "1");
    command.output().expect("strace is needed (tests/run installs it)")
}

/// A call: its name, and its number among the calls of that name. strace counts each name by itself.
pub(crate) type Point = (String, usize);

/// These calls of the thread that makes most of them, in order.
pub(crate) fn points(work: &Work, calls: &str, line: &str) -> Vec<Point> {
    let log = work.path("calls");
    let options = ["-e", &format!("trace={calls}"), "-o", log.to_str().unwrap()];
    let output = traced(work, &options, line);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    let mut threads: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for call in text.lines().filter(|line| !line.contains("resumed>")) {
        let (thread, call) = call.split_once(' ').unwrap();
        let name = call.trim_start().split_once('(').map(|(name, _)| name);
        threads.entry(thread).or_default().extend(name);
    }
    let busiest = threads.into_values().max_by_key(Vec::len).unwrap();
    let mut counts = BTreeMap::new();
    let number = |name: &str| {
        let count = counts.entry(name.to_owned()).or_insert(0);
        *count += 1;
        (name.to_owned(), *count)
    };
    busiest.into_iter().map(number).collect()
}

/// As many as `most` of them, or all, evenly chosen.
pub(crate) fn some(points: &[Point], most: usize) -> impl Iterator<Item = &Point> {
    let count = most.min(points.len());
    (0..count).map(move |at| &points[at * points.len() / count])
}

/// Runs gapferry with something wrong at a call; `when` is its number, or that with `+` for all from
/// there on.
pub(crate) fn disturbed(
    work: &Work,
    name: &str,
    what: &str,
    when: impl std::fmt::Display,
    line: &str,
) -> Output {
    let inject = format!("inject={name}:{what}:when={when}");
    traced(work, &["-e", &format!("trace={name}"), "-e", &inject, "-o", "/dev/null"], line)
}
