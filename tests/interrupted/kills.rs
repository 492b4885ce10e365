//! SIGKILL, and faults of the system, at the n-th system call of an export: no bundle that is not
//! whole passes for one, and the next run ends with the same bytes.
//!
//! `--jobs 1` and one thread for compression keep all that writes on one thread,
//! so that counting its calls means something.

use std::path::Path;

use super::command::Work;
use super::strace::{Point, WRITES, disturbed, points, some};
use super::{OUTS, PACKS, Tree, export, layout, tree};

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
    fn try_at(&self, (name, at): &Point, what: &str) {
        let place = format!("{what} at {name} {at} of: {}", self.line);
        let output = disturbed(&self.work, name, what, at, &self.line);
        // What could not be synced is not written.
        assert!(!name.ends_with("sync") || !output.status.success(), "{place}");
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

    fn sweep(&self, calls: &str, what: &str, most: usize) {
        let points = points(&self.work, calls, &self.line);
        self.clear();
        some(&points, most).for_each(|point| self.try_at(point, what));
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
            sweep.sweep(WRITES, "signal=SIGKILL", 60);
            sweep.sweep("all", "signal=SIGKILL", 60);
        }
    }
}

#[cfg(feature = "slow-tests")]
#[test]
fn faults_at_many_calls() {
    for (out, options) in OUTS {
        for (fault, calls) in FAULTS {
            let sweep = Sweep::new(out, options, "always");
            sweep.sweep(calls, fault, 40);
        }
    }
}
