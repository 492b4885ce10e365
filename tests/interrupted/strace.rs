//! gapferry with something wrong at its n-th system call. strace plays it.

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

/// How many of these calls the thread makes that makes most of them.
pub(crate) fn count(work: &Work, calls: &str, line: &str) -> usize {
    let log = work.path("calls");
    let options = ["-e", &format!("trace={calls}"), "-o", log.to_str().unwrap()];
    let output = traced(work, &options, line);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    let mut threads = std::collections::BTreeMap::new();
    for call in text.lines().filter(|line| line.contains('(') && !line.contains("resumed>")) {
        *threads.entry(call.split(' ').next().unwrap()).or_insert(0) += 1;
    }
    threads.into_values().max().unwrap()
}

/// Runs the export with something wrong at call `at`.
pub(crate) fn disturbed(work: &Work, calls: &str, what: &str, at: usize, line: &str) -> Output {
    let inject = format!("inject={calls}:{what}:when={at}");
    traced(work, &["-e", &format!("trace={calls}"), "-e", &inject, "-o", "/dev/null"], line)
}
