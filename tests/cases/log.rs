//! Cases about the audit log.

use crate::seen::Seen;
use crate::stage::{STATE, Stage, TRUST};

/// A site with a log of four records, and what is to be done to it.
fn changed(change: impl Fn(&mut Vec<String>), first: &str) -> Seen {
    let stage = Stage::exported("");
    stage.import_b().passes();
    let path = format!("{STATE}/log/audit.jsonl");
    let text = String::from_utf8(stage.work.read(&path)).unwrap();
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    assert_eq!(lines.len(), 4);
    change(&mut lines);
    stage.work.write(&path, lines.concat());
    stage.watch(&format!("import b {TRUST} --to oci:other")).refused(3, "bad-log").names(first)
}

pub(crate) fn edited_cut_or_reordered() -> Vec<Seen> {
    vec![
        changed(|lines| lines[1] = lines[1].replace("done", "dome"), "record 2 was changed"),
        changed(|lines| lines[0] = lines[0].replace("log v1", "log v0"), "record 1 is not as"),
        changed(|lines| drop(lines.remove(2)), "record 3 is missing or was moved"),
        changed(|lines| lines.swap(0, 1), "record 1 is missing or was moved"),
        changed(|lines| lines.truncate(1), "record 2 and what followed are missing"),
    ]
}

pub(crate) fn cannot_be_written() -> Vec<Seen> {
    let stage = Stage::exported("");
    std::fs::create_dir(stage.path("directory")).unwrap();
    let refused = |place: &str| {
        let words = format!("b {TRUST} --log {place}");
        stage.import(&words).refused(1, "log-not-written").names(place)
    };
    ["directory", "nowhere/log", "/dev/full"].map(refused).into()
}
