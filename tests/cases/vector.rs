//! A stored vector, imported.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::build;
use crate::seen::{How, Seen};
use crate::stage::{STATE, Stage, tree};

/// What an empty layout has: that may be there where nothing was.
const EMPTY: [Option<&str>; 2] = [Some("oci-layout"), Some("index.json")];

/// Imports the stored vector of this name as its header says, and sees it judged so.
pub(crate) fn play(name: &str) -> Vec<Seen> {
    let directory = build::vectors().join(name);
    let header = std::fs::read_to_string(directory.join("vector.txt"))
        .unwrap_or_else(|error| panic!("vector {name}: {error}"));
    let header: BTreeMap<&str, &str> =
        header.lines().map(|line| line.split_once(": ").unwrap()).collect();
    let how = if header["expect"] == "ok" { How::Passes } else { How::Refused };
    let seen = import(&directory, &header);
    vec![seen.is(how, header["exit"].parse().unwrap(), header["code"])]
}

/// Lets the site remember what the vector says.
pub(crate) fn remember(stage: &Stage, directory: &Path) {
    let state = stage.path(STATE);
    std::fs::create_dir_all(&state).unwrap();
    for (from, to) in [("state", state.clone()), ("trust", state.join("trust"))] {
        if directory.join(from).exists() {
            build::copy(&directory.join(from), &to);
        }
    }
}

fn import(directory: &Path, header: &BTreeMap<&str, &str>) -> Seen {
    let stage = Stage::new();
    remember(&stage, directory);
    let archive = directory.join("bundle.tar");
    let bundle = if archive.exists() { archive } else { directory.join("bundle") };
    let mut words = vec![bundle.display().to_string()];
    for key in header["trust"].split(' ').filter(|key| *key != "documents") {
        let key = build::vectors().join(format!("keys/{key}.key.pub"));
        words.extend(["--trust".to_owned(), key.display().to_string()]);
    }
    words.extend(["--threshold".to_owned(), header["threshold"].to_owned()]);
    if header["site"] != "none" {
        words.extend(["--site".to_owned(), header["site"].to_owned()]);
    }
    let words = words.join(" ");
    let seen = stage.import(&words);
    if seen.how == How::Refused {
        stage.watch(&format!("import {words} --to oci:new"));
        assert_empty(&stage.path("new"));
    }
    seen
}

/// What was not there is not there, or a layout without anything.
fn assert_empty(target: &Path) {
    let made: Vec<_> = tree(target).into_keys().collect();
    let empty = |name: &PathBuf| name.starts_with(".gapferry") || EMPTY.contains(&name.to_str());
    assert!(made.iter().all(empty), "{made:?}");
    let index = std::fs::read_to_string(target.join("index.json"));
    assert!(index.is_err() || index.unwrap().contains("\"manifests\":[]"));
}
