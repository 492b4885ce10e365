//! Cases about damage that parity repairs, or does not. `tests/parity` tries them in more ways, and holds
//! what is repaired against what was written.

use std::path::Path;

use crate::seen::Seen;
use crate::stage::{Stage, TRUST, tree};

/// Verifies `places` as if they were repaired, and repairs them to `mended`; the medium stays.
fn repaired(stage: &Stage, places: &str) -> Vec<Seen> {
    let before = tree(&stage.path("b"));
    let line = format!("verify {places} {TRUST} --repair --scratch .");
    let seen = vec![stage.watch(&line), stage.watch(&format!("repair {places} {TRUST} -o mended"))];
    assert!(tree(&stage.path("b")) == before, "the medium has changed");
    seen
}

/// The repaired bundle imports.
fn mends(stage: &Stage, places: &str) -> Vec<Seen> {
    let mut seen = repaired(stage, places);
    seen.push(stage.import(&format!("mended {TRUST}")));
    seen.into_iter().map(Seen::passes).collect()
}

fn refuses(stage: &Stage, places: &str, code: &str) -> Vec<Seen> {
    let seen = repaired(stage, places).into_iter().map(|seen| seen.refused(3, code)).collect();
    assert!(!stage.path("mended").exists(), "something was written");
    seen
}

/// Other bytes in the place of these.
fn hurt(path: &Path, from: usize, count: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[from..].iter_mut().take(count).for_each(|byte| *byte = !*byte);
    std::fs::write(path, bytes).unwrap();
}

/// Each file of the little bundle is one block; so many may be lost.
fn margin(stage: &Stage) -> usize {
    let shown = stage.work.json(&format!("inspect b {TRUST}"));
    assert_eq!((&shown["parity"]["groups"], &shown["parity"]["files"]), (&1.into(), &1.into()));
    shown["parity"]["parityBlocks"].as_u64().unwrap() as usize
}

const HEADS: [&str; 6] =
    ["seal", "lading.json", "index.json", "SHA256SUMS", "catalog.json.zst", "oci-layout"];

/// 31.
pub(crate) fn up_to_the_limit() -> Vec<Seen> {
    let stage = Stage::exported("--parity 40%");
    for name in &HEADS[..margin(&stage).min(HEADS.len())] {
        hurt(&stage.path("b").join(name), 0, 10);
    }
    mends(&stage, "b")
}

/// 32.
pub(crate) fn past_the_limit() -> Vec<Seen> {
    let stage = Stage::exported("--parity 20%");
    let margin = margin(&stage);
    assert!(margin < HEADS.len());
    for name in &HEADS[..=margin] {
        std::fs::remove_file(stage.path("b").join(name)).unwrap();
    }
    refuses(&stage, "b", "lost")
}

/// 33.
pub(crate) fn damaged_parity() -> Vec<Seen> {
    let stage = Stage::exported("--parity 40%");
    hurt(&stage.path("b/seal"), 5, 3);
    // All of the index at the front, and a block of parity.
    hurt(&stage.path("b/parity-0001.rs"), 0, 3 * 4096);
    mends(&stage, "b")
}

/// 34.
pub(crate) fn parity_of_another() -> Vec<Seen> {
    let stage = Stage::exported("--sequence 7");
    let other = Stage::exported("--sequence 8 --parity 40%");
    std::fs::copy(other.path("b/parity-0001.rs"), stage.path("b/parity-0001.rs")).unwrap();
    refuses(&stage, "b", "foreign-parity")
}

/// 35.
pub(crate) fn unreadable_sectors() -> Vec<Seen> {
    let stage = Stage::exported("--parity 40%");
    let exe = env!("CARGO_BIN_EXE_gapferry");
    let path = stage.path("b/lading.json");
    let line = format!(
        "strace -f -qq -o /dev/null -P {} -e trace=pread64 -e inject=pread64:error=EIO {exe} \
         repair b {TRUST} -o mended --output json",
        path.display()
    );
    let seen = stage.watch_command(stage.work.tool(&line)).passes();
    vec![seen.names("lading.json"), stage.import(&format!("mended {TRUST}")).passes()]
}

/// 36.
pub(crate) fn volume_is_lost() -> Vec<Seen> {
    let stage = Stage::exported("--volume-size 300k --parity-volumes 1");
    std::fs::remove_file(stage.path("b/volume-0001.tar")).unwrap();
    mends(&stage, "b")
}
