//! Cases about what a site remembers.

use crate::seen::Seen;
use crate::stage::{Stage, TINY, TRUST};

/// With bundles of the sequences 5 and 6, called after them.
fn two() -> Stage {
    let stage = Stage::new();
    for sequence in [5, 6] {
        let line = format!("export {TINY} -o b{sequence} --key trusted.key --sequence {sequence}");
        stage.work.ok(&line);
    }
    stage
}

pub(crate) fn the_same_again() -> Vec<Seen> {
    let stage = two();
    stage.import(&format!("b5 {TRUST}")).passes();
    let said = stage.work.ok(&format!("import b5 {TRUST} --to oci:target"));
    assert!(said.contains("already imported"), "{said}");
    vec![stage.import(&format!("b5 {TRUST}")).passes()]
}

pub(crate) fn lower_and_restored() -> Vec<Seen> {
    let stage = two();
    stage.import(&format!("b6 {TRUST}")).passes();
    let restore = |target: &str| stage.watch(&format!("import b5 {TRUST} --restore --to {target}"));
    vec![
        stage.import(&format!("b5 {TRUST}")).refused(4, "replayed"),
        restore("oci:target").refused(4, "restore-own-target"),
        restore("oci:other").passes(),
    ]
}

pub(crate) fn base_missing() -> Vec<Seen> {
    let stage = two();
    let line = format!("export {TINY} -o b7 --key trusted.key --sequence 7 --since b6");
    stage.work.ok(&line);
    let base = gapferry::oci::Digest::of(&stage.work.read("b6/seal")).to_string();
    vec![stage.import(&format!("b7 {TRUST}")).refused(4, "base-missing").names(&base)]
}
