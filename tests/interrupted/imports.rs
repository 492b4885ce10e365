//! SIGKILL, and faults of the system, at the n-th system call of an import into a layout: no name
//! ever leads to anything that is not there, and the next run ends as if nothing had been.

use std::path::Path;

use serde_json::Value;

use super::command::Work;
use super::strace::{WRITES, count, disturbed};
use super::{Tree, export, layout, tree};

const LINE: &str = "import bundle --trust release.key.pub --to oci:store --jobs 1";

struct Sweep {
    work: Work,
    whole: Tree,
}

impl Sweep {
    fn new(pack: &str) -> Sweep {
        let work = Work::new();
        layout(&work);
        work.ok(&export("bundle", "", pack));
        work.ok(LINE);
        let whole = content(&work);
        assert_eq!(assert_whole(&work), 2);
        let sweep = Sweep { work, whole };
        sweep.clear();
        sweep
    }

    fn clear(&self) {
        for place in ["store", ".local"] {
            let _ = std::fs::remove_dir_all(self.work.path(place));
        }
    }

    fn try_at(&self, calls: &str, what: &str, at: usize) {
        let place = format!("{what} at call {at} of {calls}");
        let output = disturbed(&self.work, calls, what, at, LINE);
        let named = assert_whole(&self.work);
        assert!(!output.status.success() || named == 2, "{place}");
        let again = self.work.run(LINE);
        let said = String::from_utf8_lossy(&again.stderr);
        assert!(again.status.success(), "{place}: {said}");
        assert!(content(&self.work) == self.whole, "{place}");
        let streams = self.work.json("memory show");
        assert_eq!(streams["streams"].as_array().map(Vec::len), Some(1), "{place}: {streams}");
        self.clear();
    }

    fn sweep(&self, calls: &str, what: &str, points: usize) {
        let total = count(&self.work, calls, LINE);
        self.clear();
        let step = total.div_ceil(points).max(1);
        (1..=total).step_by(step).for_each(|at| self.try_at(calls, what, at));
    }
}

/// What the store holds, but for its workshop.
fn content(work: &Work) -> Tree {
    let mut tree = tree(&work.path("store"));
    tree.retain(|name, _| !name.starts_with(".gapferry"));
    tree
}

/// Every name leads to a manifest, and that to blobs, all with their digests. How many names.
fn assert_whole(work: &Work) -> usize {
    let Ok(index) = std::fs::read(work.path("store/index.json")) else { return 0 };
    let index: Value = serde_json::from_slice(&index).unwrap();
    let entries = index["manifests"].as_array().unwrap();
    for entry in entries {
        let manifest: Value = serde_json::from_slice(&blob(work, entry)).unwrap();
        blob(work, &manifest["config"]);
        for layer in manifest["layers"].as_array().unwrap() {
            blob(work, layer);
        }
    }
    entries.len()
}

fn blob(work: &Work, descriptor: &Value) -> Vec<u8> {
    let digest = descriptor["digest"].as_str().unwrap();
    let path = work.path("store/blobs/sha256").join(&digest[7..]);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{digest}: {error}"));
    assert_eq!(gapferry::oci::Digest::of(&bytes).to_string(), digest, "{}", Path::display(&path));
    bytes
}

/// What a full or broken disk does, and where.
const FAULTS: [(&str, &str); 4] = [
    ("error=ENOSPC", "write,pwrite64,mkdir,openat"),
    ("error=EIO", "fsync,fdatasync"),
    ("error=EIO", "write,pwrite64,rename,renameat2,linkat,read,pread64"),
    ("error=EINTR", "write,pwrite64,read,pread64"),
];

#[test]
fn killed_at_some_calls() {
    for pack in ["never", "always"] {
        Sweep::new(pack).sweep("all", "signal=SIGKILL", 12);
        Sweep::new(pack).sweep(WRITES, "signal=SIGKILL", 12);
    }
}

#[test]
fn faults_at_some_calls() {
    for (fault, calls) in FAULTS {
        Sweep::new("auto").sweep(calls, fault, 6);
    }
}

#[cfg(feature = "slow-tests")]
#[test]
fn killed_at_a_thousand_calls() {
    for pack in super::PACKS {
        let sweep = Sweep::new(pack);
        sweep.sweep(WRITES, "signal=SIGKILL", 200);
        sweep.sweep("all", "signal=SIGKILL", 150);
    }
}

#[cfg(feature = "slow-tests")]
#[test]
fn faults_at_many_calls() {
    for (fault, calls) in FAULTS {
        Sweep::new("always").sweep(calls, fault, 60);
    }
}
