//! SIGKILL, and faults of the system, at the n-th system call of an import into a layout: no name
//! ever leads to anything that is not there, and the next run ends as if nothing had been.

use std::path::Path;

use serde_json::Value;

use super::command::Work;
use super::strace::{Point, WRITES, disturbed, points, some};
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

    fn try_at(&self, (name, at): &Point, what: &str) {
        let place = format!("{what} at {name} {at}");
        let output = disturbed(&self.work, name, what, at, LINE);
        let named = assert_whole(&self.work);
        // What could not be synced did not come.
        assert!(!name.ends_with("sync") || !output.status.success(), "{place}");
        assert!(!output.status.success() || named == 2, "{place}");
        let staged = staged(&self.work);
        let again = self.work.run(&format!("{LINE} --output json"));
        let said = String::from_utf8_lossy(&again.stderr);
        assert!(again.status.success(), "{place}: {said}");
        // What was staged whole is not brought again.
        let summary: Value = serde_json::from_slice(&again.stdout).unwrap();
        assert_eq!(summary["bytesFound"], staged, "{place}: {summary}");
        assert_eq!(left_over(&self.work), [""; 0], "{place}");
        assert!(content(&self.work) == self.whole, "{place}");
        let streams = self.work.json("memory show");
        assert_eq!(streams["streams"].as_array().map(Vec::len), Some(1), "{place}: {streams}");
        self.clear();
    }

    fn sweep(&self, calls: &str, what: &str, most: usize) {
        let points = points(&self.work, calls, LINE);
        self.clear();
        some(&points, most).for_each(|point| self.try_at(point, what));
    }
}

/// Bytes that are staged in the store.
fn staged(work: &Work) -> u64 {
    let workshop = tree(&work.path("store/.gapferry"));
    let staged = workshop.iter().filter(|(name, _)| name.extension() == Some("staged".as_ref()));
    staged.map(|(_, bytes)| bytes.len() as u64).sum()
}

/// What lies in the workshop of the store, but for locks.
fn left_over(work: &Work) -> Vec<String> {
    let names = tree(&work.path("store/.gapferry")).into_keys();
    let names = names.map(|name| name.to_str().unwrap().to_owned());
    names.filter(|name| !name.ends_with(".lock")).collect()
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
const FAULTS: [(&str, &str); 5] = [
    ("error=ENOSPC", "write,pwrite64,mkdir,openat"),
    ("error=EIO", "fsync,fdatasync"),
    ("error=EIO", "write,pwrite64,rename,renameat2,linkat,read,pread64"),
    ("error=EINTR", "write,pwrite64,read,pread64"),
    // The medium is pulled.
    ("error=ENODEV", "pread64"),
];

#[test]
fn what_was_staged_is_taken_up_after_it_is_hashed_again() {
    let Sweep { work, whole } = Sweep::new("never");
    // The first blob has got its digest: all others are staged.
    let stage = || tree(&work.path("store/blobs")).len() == 1;
    let names = points(&work, "rename,renameat,renameat2", LINE);
    let at_first_commit = names.iter().find(|(name, at)| {
        let _ = std::fs::remove_dir_all(work.path("store"));
        disturbed(&work, name, "signal=SIGKILL", at, LINE);
        stage()
    });
    assert!(at_first_commit.is_some());
    let on_the_way = staged(&work);
    assert!(on_the_way > 0);
    // One of them is damaged meanwhile, under its name and in its size.
    let (name, mut bytes) = tree(&work.path("store/.gapferry"))
        .into_iter()
        .find(|(name, _)| name.extension() == Some("staged".as_ref()))
        .unwrap();
    let damaged = bytes.len() as u64;
    bytes[0] ^= 1;
    std::fs::write(work.path("store/.gapferry").join(name), bytes).unwrap();
    let summary = work.json(LINE);
    assert_eq!(summary["bytesFound"], on_the_way - damaged);
    assert!(content(&work) == whole);
    assert_eq!(left_over(&work), [""; 0]);
}

/// Holds a lock as another process would.
fn held(path: &Path) -> std::fs::File {
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    file
}

#[test]
fn a_store_where_another_import_works_is_left_alone() {
    let Sweep { work, whole } = Sweep::new("never");
    work.ok(LINE);
    let lock = work.path("store/.gapferry/import.lock");
    let record = "4711 ann.site 2026-11-21T20:00:00Z gapferry import\n";
    std::fs::write(&lock, record).unwrap();
    // Another state directory: as from another machine.
    let line = format!("{LINE} --state other");
    let other = held(&lock);
    let message = work.refused(&line, 1, "busy");
    let holder = "process 4711 (gapferry import) on ann.site since 2026-11-21T20:00:00Z";
    assert!(message.contains(holder), "{message}");
    assert!(content(&work) == whole);
    drop(other);
    // What a dead process wrote is no lock.
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), record);
    work.ok(&line);
}

#[test]
fn an_output_where_another_export_works_names_it() {
    let work = Work::new();
    layout(&work);
    std::fs::create_dir(work.path("out")).unwrap();
    work.write("out/export.journal", "");
    let _other = held(&work.path("out/export.journal"));
    let message = work.refused(&export("out", "", "auto"), 1, "busy");
    assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
}

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
        Sweep::new("auto").sweep(calls, fault, 5);
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
