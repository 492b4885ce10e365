//! SIGKILL, and faults of the system, at the n-th system call of an export: no bundle that is not
//! whole passes for one, and the next run ends with the same bytes.
//!
//! strace plays both. `--jobs 1` and one thread for compression keep all that writes on one thread,
//! so that counting its calls means something.

use std::path::Path;
use std::process::Output;

use super::command::Work;
use super::{OUTS, PACKS, Tree, export, layout, tree};

/// Calls that change something, or wait for the disk.
const WRITES: &str = "write,pwrite64,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,\
                      mkdirat,ftruncate,fsync,fdatasync,openat,flock";

/// gapferry under strace.
fn traced(work: &Work, options: &[&str], line: &str) -> Output {
    let mut command = work.tool("strace");
    command.args(["-f", "-qq"]).args(options).arg(env!("CARGO_BIN_EXE_gapferry"));
    command.args(line.split_whitespace()).env("RAYON_NUM_THREADS", "1");
    command.output().expect("strace is needed (tests/run installs it)")
}

/// How many of these calls the thread makes that makes most of them.
fn count(work: &Work, calls: &str, line: &str) -> usize {
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
fn disturbed(work: &Work, calls: &str, what: &str, at: usize, line: &str) -> Output {
    let inject = format!("inject={calls}:{what}:when={at}");
    traced(work, &["-e", &format!("trace={calls}"), "-e", &inject, "-o", "/dev/null"], line)
}

/// A place to export from and to, and what an undisturbed export makes.
struct Sweep {
    work: Work,
    out: &'static str,
    line: String,
    whole: Tree,
}

impl Sweep {
    fn new(out: &'static str, options: &str, pack: &str) -> Sweep {
        let work = Work::new();
        layout(&work);
        let line = export(out, options, pack);
        work.ok(&line);
        let whole = tree(&work.path(out));
        let sweep = Sweep { work, out, line, whole };
        sweep.clear();
        sweep
    }

    fn clear(&self) {
        let out = self.work.path(self.out);
        let _ = std::fs::remove_dir_all(&out).or_else(|_| std::fs::remove_file(&out));
        for name in ["out.tar.part", "out.tar.journal"] {
            let _ = std::fs::remove_file(self.work.path(name));
        }
    }

    fn is_sealed(&self) -> bool {
        let out = self.work.path(self.out);
        out.is_file() || out.join("seal").exists()
    }

    fn is_under_way(&self) -> bool {
        ["out.tar.journal", "out/export.journal"].iter().any(|it| self.work.path(it).exists())
    }

    /// Disturbs the export at call `at`; then it must go on.
    fn try_at(&self, calls: &str, what: &str, at: usize) {
        let place = format!("{} at call {at} of: {}", what, self.line);
        let output = disturbed(&self.work, calls, what, at, &self.line);
        // What could not be synced is not written.
        assert!(!calls.starts_with("fsync") || !output.status.success(), "{place}");
        if self.is_sealed() {
            self.work.ok(&format!("verify {} --trust release.key.pub", self.out));
        }
        if self.is_under_way() || !self.is_sealed() {
            let again = self.work.run(&self.line);
            let said = String::from_utf8_lossy(&again.stderr);
            assert!(again.status.success(), "{place}: {said}");
        }
        let now = tree(&self.work.path(self.out));
        let differs = |name: &Path| now.get(name) != self.whole.get(name);
        let names = now.keys().chain(self.whole.keys());
        let others: Vec<_> = names.filter(|name| differs(name)).collect();
        assert!(others.is_empty(), "{place}: {others:?}");
        self.clear();
    }

    fn sweep(&self, calls: &str, what: &str, points: usize) {
        let total = count(&self.work, calls, &self.line);
        self.clear();
        let step = total.div_ceil(points).max(1);
        (1..=total).step_by(step).for_each(|at| self.try_at(calls, what, at));
    }
}

#[test]
fn killed_at_some_calls() {
    for ((out, options), pack) in OUTS.into_iter().zip(PACKS) {
        Sweep::new(out, options, pack).sweep("all", "signal=SIGKILL", 12);
        Sweep::new(out, options, pack).sweep(WRITES, "signal=SIGKILL", 12);
    }
}

#[test]
fn faults_at_some_calls() {
    for (fault, calls) in FAULTS {
        Sweep::new("out", "", "auto").sweep(calls, fault, 6);
    }
}

/// What a full or broken disk does, and where.
const FAULTS: [(&str, &str); 5] = [
    ("error=ENOSPC", "write,pwrite64,mkdir,openat"),
    ("error=EIO", "fsync,fdatasync"),
    ("error=EIO", "write,pwrite64,rename,renameat2,ftruncate"),
    ("error=EIO", "read,pread64"),
    ("error=EINTR", "write,pwrite64,read,pread64"),
];

#[cfg(feature = "slow-tests")]
#[test]
fn killed_at_a_thousand_calls() {
    for (out, options) in OUTS {
        for pack in PACKS {
            let sweep = Sweep::new(out, options, pack);
            sweep.sweep(WRITES, "signal=SIGKILL", usize::MAX);
            sweep.sweep("all", "signal=SIGKILL", 60);
        }
    }
}

#[cfg(feature = "slow-tests")]
#[test]
fn faults_at_every_call() {
    for (out, options) in OUTS {
        for (fault, calls) in FAULTS {
            let sweep = Sweep::new(out, options, "always");
            sweep.sweep(calls, fault, usize::MAX);
        }
    }
}
