//! Cases about machines that stop, disks that are full, and others who are at work. strace plays
//! them, as in `tests/interrupted`, where it does so at more calls.

use std::process::Output;

use gapferry::oci::Digest;
use serde_json::Value;

use crate::seen::{How, Seen};
use crate::stage::{STATE, Stage, TINY, TRUST, Tree, seen, tree};

/// Calls that change something, or wait for the disk.
const WRITES: &str = "write,pwrite64,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,\
                      mkdirat,ftruncate,fsync,fdatasync,openat,flock";

/// gapferry with something wrong at call `at`.
fn disturbed(stage: &Stage, options: &str, line: &str) -> Output {
    let exe = env!("CARGO_BIN_EXE_gapferry");
    let line = format!("strace -f -qq -o /dev/null {options} {exe} {line} --output json");
    let mut command = stage.work.tool(&line);
    command.env("RAYON_NUM_THREADS", "1");
    command.output().expect("strace is needed (tests/run installs it)")
}

/// A command that makes `out`, what it makes, and how that is seen to be whole.
struct Job {
    line: String,
    out: &'static str,
    whole: fn(&Stage),
}

fn exports() -> Vec<Job> {
    let job = |out, more: &str| {
        let line = format!("export {TINY} -o {out} {more} --key trusted.key --jobs 1");
        Job { line, out, whole: if out == "out" { sealed } else { archived } }
    };
    vec![job("out", ""), job("out.tar", ""), job("out", "--volume-size 3k")]
}

fn import() -> Job {
    let line = format!("import b {TRUST} --to oci:target --jobs 1");
    Job { line, out: "target", whole: tagged_is_whole }
}

/// What has a seal is whole.
fn sealed(stage: &Stage) {
    if stage.path("out/seal").exists() {
        stage.work.ok(&format!("verify out {TRUST}"));
    }
}

fn archived(stage: &Stage) {
    if stage.path("out.tar").exists() {
        stage.work.ok(&format!("verify out.tar {TRUST}"));
    }
}

/// Whatever has a name in the layout is there with all its blobs; the memory knows of none but a
/// whole import.
fn tagged_is_whole(stage: &Stage) {
    let index = std::fs::read(stage.path("target/index.json")).unwrap_or_default();
    let index: Value = serde_json::from_slice(&index).unwrap_or_default();
    let named = index["manifests"].as_array().cloned().unwrap_or_default();
    for manifest in &named {
        let manifest: Value = serde_json::from_slice(&blob(stage, manifest)).unwrap();
        let layers = manifest["layers"].as_array().unwrap();
        for part in layers.iter().chain([&manifest["config"]]) {
            blob(stage, part);
        }
    }
    let memory = stage.path(STATE).join("memory");
    assert!(!named.is_empty() || !memory.exists(), "remembered before it came");
}

fn blob(stage: &Stage, descriptor: &Value) -> Vec<u8> {
    let digest: Digest = descriptor["digest"].as_str().unwrap().parse().unwrap();
    let bytes = stage.work.read(&format!("target/blobs/sha256/{}", digest.hex()));
    assert_eq!(Digest::of(&bytes), digest);
    bytes
}

/// Disturbs a job at its first, second, fourth, ... call, until it is through; each time it must go
/// on. What was seen of those that were disturbed.
fn sweep(stage: &Stage, job: &Job, calls: &str, what: &str) -> Vec<Seen> {
    clear(stage);
    stage.work.ok(&job.line);
    let whole = tree(&stage.path(job.out));
    let mut all = Vec::new();
    for at in (0..).map(|power| 3_u32.pow(power) / 2 + 1) {
        clear(stage);
        let options = format!("-e trace={calls} -e inject={calls}:{what}:when={at}");
        let output = disturbed(stage, &options, &job.line);
        if output.status.success() {
            break;
        }
        all.push(goes_on(stage, job, &output, &whole));
    }
    assert!(all.len() > 1, "{calls}: {all:?}");
    all
}

/// Sees that nothing half is there, and that the next run ends with the same bytes.
fn goes_on(stage: &Stage, job: &Job, output: &Output, whole: &Tree) -> Seen {
    (job.whole)(stage);
    let under_way =
        ["out.tar.journal", "out/export.journal"].iter().any(|it| stage.path(it).exists());
    let done = stage.path(job.out).is_file() || stage.path("out/seal").exists();
    if under_way || !done {
        stage.work.ok(&job.line);
    }
    let mut now = tree(&stage.path(job.out));
    now.retain(|name, _| !name.ends_with("export.journal"));
    assert!(now == *whole, "{}: the bytes are others", job.line);
    (job.whole)(stage);
    Seen { how: How::GoesOn, ..seen(output) }
}

/// Removes what a job made.
fn clear(stage: &Stage) {
    for name in ["out", "target", ".local"] {
        let _ = std::fs::remove_dir_all(stage.path(name));
    }
    for name in ["out.tar", "out.tar.part", "out.tar.journal"] {
        let _ = std::fs::remove_file(stage.path(name));
    }
}

fn all_jobs(calls: &str, what: &str) -> Vec<Seen> {
    let jobs = exports().into_iter().chain([import()]);
    jobs.flat_map(|job| sweep(&Stage::exported(""), &job, calls, what)).collect()
}

pub(crate) fn export_killed() -> Vec<Seen> {
    let sweep = |job: Job| sweep(&Stage::new(), &job, WRITES, "signal=SIGKILL");
    exports().into_iter().flat_map(sweep).collect()
}

pub(crate) fn import_killed() -> Vec<Seen> {
    sweep(&Stage::exported(""), &import(), WRITES, "signal=SIGKILL")
}

pub(crate) fn no_space() -> Vec<Seen> {
    all_jobs("pwrite64,ftruncate,mkdir", "error=ENOSPC")
}

pub(crate) fn no_sync() -> Vec<Seen> {
    all_jobs("fsync,fdatasync", "error=EIO")
}

/// From some byte on the layer cannot be read.
pub(crate) fn medium_pulled() -> Vec<Seen> {
    let stage = Stage::exported("--store-layers");
    let job = import();
    clear(&stage);
    stage.work.ok(&job.line);
    let whole = tree(&stage.path(job.out));
    let mut all = Vec::new();
    for file in tree(&stage.path("b")).into_keys() {
        clear(&stage);
        let path = stage.path("b").join(file).canonicalize().unwrap();
        let inject = "-e trace=pread64,read -e inject=pread64,read:error=EIO:when=1+";
        let output = disturbed(&stage, &format!("-P {} {inject}", path.display()), &job.line);
        assert!(!output.status.success(), "{} is not read", path.display());
        all.push(goes_on(&stage, &job, &output, &whole));
    }
    all
}

/// This test holds the lock that another import would hold.
pub(crate) fn two_imports() -> Vec<Seen> {
    let stage = Stage::exported("");
    let state = stage.path(STATE);
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(state.join("lock"), "4711\n").unwrap();
    let lock = std::fs::File::options().write(true).open(state.join("lock")).unwrap();
    let exclusive = rustix::fs::FlockOperation::NonBlockingLockExclusive;
    rustix::fs::flock(&lock, exclusive).unwrap();
    vec![stage.import_b().refused(1, "state-locked").names("process 4711")]
}

/// A process that is dead left its number in the lock.
pub(crate) fn stale_lock() -> Vec<Seen> {
    let stage = Stage::exported("");
    let state = stage.path(STATE);
    std::fs::create_dir_all(&state).unwrap();
    let mut dead = stage.work.tool("true").spawn().unwrap();
    std::fs::write(state.join("lock"), format!("{}\n", dead.id())).unwrap();
    dead.wait().unwrap();
    vec![stage.import_b().passes()]
}
