//! Where cases are played: bundles, a target and a site's memory, looked at before and after.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::build::{self, Files};
use crate::command::Work;
use crate::seen::{How, Seen};

/// The one key that is trusted, unless a case says otherwise.
pub(crate) const TRUST: &str = "--trust trusted.key.pub";
/// The smallest image.
pub(crate) const TINY: &str = concat!(
    "demo/tiny:1.0=oci-archive:",
    env!("CARGO_MANIFEST_DIR"),
    "/testdata/archives/skopeo-oci.tar"
);

/// The site's memory.
pub(crate) const STATE: &str = ".local/state/gapferry";

/// Files by their names.
pub(crate) type Tree = BTreeMap<PathBuf, Vec<u8>>;

/// Every file at `root`, or below it, with its content; but for the workshop of a layout, which holds
/// locks and what is staged for the next run.
pub(crate) fn tree(root: &Path) -> Tree {
    let files = walkdir::WalkDir::new(root).into_iter().filter_map(Result::ok);
    let files = files.filter(|entry| entry.file_type().is_file());
    let files = files.filter(|entry| entry.path().iter().all(|part| part != ".gapferry"));
    let relative = |path: &Path| path.strip_prefix(root).unwrap().to_owned();
    files.map(|entry| (relative(entry.path()), std::fs::read(entry.path()).unwrap())).collect()
}

/// A layout with one image, which no bundle of these cases has.
fn other_image() -> Files {
    let (config, layer) = (br#"{"os":"other"}"#.to_vec(), b"another layer\n".to_vec());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": build::MANIFEST,
        "config": build::descriptor(build::CONFIG_TYPE, &config),
        "layers": [build::descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
    });
    let manifest = manifest.to_string().into_bytes();
    let mut entry = build::descriptor(build::MANIFEST, &manifest);
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": "registry.example/other:1"});
    let index = json!({"schemaVersion": 2, "mediaType": build::INDEX, "manifests": [entry]});
    let blobs = [config, layer, manifest].map(|bytes| (build::blob_name(&bytes), bytes));
    let mut files = Files::from(blobs);
    files.insert("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
    files.insert("index.json".to_owned(), index.to_string().into());
    files
}

/// A directory in which gapferry runs, with the layout `target`, which holds another image. The key
/// `trusted.key` signs the bundles of [`build`].
pub(crate) struct Stage {
    pub work: Work,
}

impl Stage {
    pub fn new() -> Stage {
        let stage = Stage { work: Work::new() };
        for name in ["release.key", "release.key.pub"] {
            let key = build::vectors().join("keys").join(name);
            stage.work.write(&name.replace("release", "trusted"), std::fs::read(key).unwrap());
        }
        stage.put("target", &other_image());
        let mut only_mine = stage.work.tool("chmod 600 trusted.key");
        assert!(only_mine.status().unwrap().success());
        stage
    }

    /// With these files as the directory `b`.
    pub fn with(files: &Files) -> Stage {
        let stage = Stage::new();
        stage.put("b", files);
        stage
    }

    /// With a bundle in the directory `b` that gapferry made itself.
    pub fn exported(more: &str) -> Stage {
        let stage = Stage::new();
        stage.work.ok(&format!("export {TINY} -o b --key trusted.key {more}"));
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.work.path(name)
    }

    /// Writes files below `at`.
    pub fn put(&self, at: &str, files: &Files) {
        for (name, bytes) in files {
            let path = self.path(at).join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }

    /// Imports with these words to the directory `target`.
    pub fn import(&self, words: &str) -> Seen {
        self.watch(&format!("import {words} --to oci:target"))
    }

    /// Imports the directory `b`.
    pub fn import_b(&self) -> Seen {
        self.import(&format!("b {TRUST}"))
    }

    /// Runs gapferry, and sees whether target, memory and outputs are as they were when it fails.
    pub fn watch(&self, line: &str) -> Seen {
        let words = line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        self.watch_command(self.gapferry(&words))
    }

    /// gapferry with these words, for a command that is yet to be changed.
    pub fn gapferry(&self, words: &[String]) -> Command {
        let mut command = self.work.tool(env!("CARGO_BIN_EXE_gapferry"));
        command.args(words).args(["--output", "json"]);
        command
    }

    /// The same of a command that was put together elsewhere.
    pub fn watch_command(&self, mut command: Command) -> Seen {
        let before = self.kept();
        let seen = seen(&command.output().unwrap());
        if seen.how == How::Refused {
            assert!(self.kept() == before, "refused, and something is another: {}", seen.message);
        }
        seen
    }

    /// What a refusal must leave as it was: target, memory, and the seal or archive of an export.
    /// Locks are none of it, nor is the log, which has the refusal, nor what uploads were under way.
    fn kept(&self) -> Tree {
        let mut all = tree(&self.path(""));
        let is = |name: &Path| {
            name.starts_with("target") || name.starts_with(STATE) || name.ends_with("out/seal")
        };
        all.retain(|name, _| is(name) || name == Path::new("out.tar"));
        all.retain(|name, _| !name.ends_with("lock") && name.extension() != Some("lock".as_ref()));
        for beside in ["log", "imports"] {
            all.retain(|name, _| !name.starts_with(Path::new(STATE).join(beside)));
        }
        all
    }
}

/// How a command ended, by what it gave.
pub(crate) fn seen(output: &Output) -> Seen {
    let errors = String::from_utf8_lossy(&output.stderr);
    // Killed in the place of a command that `timeout` watches.
    let exit = output.status.code().filter(|exit| *exit != 137);
    if exit == Some(0) {
        let message = String::from_utf8_lossy(&output.stdout).into_owned();
        return Seen { how: How::Passes, exit, code: None, message };
    }
    let last = errors.lines().last().unwrap_or_default();
    let said: Value = serde_json::from_str(last).unwrap_or_default();
    let word = |field: &str| said[field].as_str().map(str::to_owned);
    assert!(exit.is_none() || word("code").is_some(), "no error of gapferry's: {errors}");
    let message = word("message").unwrap_or_default();
    Seen { how: How::Refused, exit, code: word("code"), message }
}
