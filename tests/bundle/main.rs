//! Bundles from end to end: every bit that can be flipped, what other tools make of a bundle, who is
//! let in, every packaging, and what is shown.
//!
//! The tools must be installed; a test without its tool fails.

mod admission;
mod failures;
mod flips;
mod foreign;
mod packagings;
mod shown;
mod signers;
mod signing;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const TESTDATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata");

/// A directory with a key pair `a.key`, in which commands are run.
struct Work {
    dir: tempfile::TempDir,
}

impl Work {
    fn new() -> Work {
        let work = Work { dir: tempfile::tempdir().unwrap() };
        work.ok("key new -o a.key");
        work
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs gapferry; `TESTDATA` in `line` is the directory of test images.
    fn gapferry(&self, line: &str) -> Output {
        let words = line.split(' ').filter(|word| !word.is_empty());
        self.command(env!("CARGO_BIN_EXE_gapferry"))
            .args(words.map(|word| word.replace("TESTDATA", TESTDATA)))
            .output()
            .unwrap()
    }

    fn ok(&self, line: &str) -> String {
        let output = self.gapferry(line);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(&format!("{line} --output json"))).unwrap()
    }

    /// Exit code, stable code and message of a failure, which prints no result, but for `verify`: what
    /// of a damaged bundle is whole.
    fn failure(&self, line: &str) -> (i32, String, String) {
        let output = self.gapferry(&format!("{line} --output json"));
        let errors = String::from_utf8(output.stderr).unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let is_verify = line.starts_with("verify");
        assert!(
            printed.is_empty() || is_verify && printed.contains("\"verified\":false"),
            "{line}"
        );
        let last = errors.lines().last().unwrap_or_default();
        let value: Value =
            serde_json::from_str(last).unwrap_or_else(|error| panic!("{line}: {error}: {errors}"));
        let text = |key: &str| value[key].as_str().unwrap().to_owned();
        assert_eq!(value["exit"], output.status.code().unwrap());
        (output.status.code().unwrap(), text("code"), text("message"))
    }

    fn refused(&self, line: &str) -> (i32, String) {
        let (exit, code, _) = self.failure(line);
        (exit, code)
    }

    /// Another tool, in an empty home of its own.
    fn command(&self, tool: &str) -> Command {
        let mut command = Command::new(tool);
        let dir = self.dir.path();
        command.current_dir(dir).env("HOME", dir).env("TMPDIR", dir);
        for name in ["XDG_RUNTIME_DIR", "XDG_STATE_HOME", "GAPFERRY_STATE", "SOURCE_DATE_EPOCH"] {
            command.env_remove(name);
        }
        command
    }

    /// Whether the tool is content, and what it prints.
    fn tool(&self, line: &str) -> (bool, String) {
        let mut words = line.split(' ');
        let tool = words.next().unwrap();
        let output = self.command(tool).args(words).output();
        let output = output.unwrap_or_else(|error| panic!("{tool} is needed here: {error}"));
        let texts = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
        (output.status.success(), texts.concat())
    }

    fn tool_ok(&self, line: &str) -> String {
        let (ok, text) = self.tool(line);
        assert!(ok, "{line}: {text}");
        text
    }

    /// The smallest bundle: one image of one layer.
    fn tiny(&self, out: &str, more: &str) {
        let image = "demo/tiny:1.0=oci-archive:TESTDATA/archives/skopeo-oci.tar";
        self.ok(&format!("export {image} -o {out} --key a.key {more}"));
    }
}

/// Every file below `root`, with its content.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().is_file());
    // The audit log has what was refused, too.
    let files = files.filter(|entry| !entry.path().to_string_lossy().contains("/log/audit.jsonl"));
    let relative = |path: &Path| path.strip_prefix(root).unwrap().to_owned();
    files.map(|entry| (relative(entry.path()), std::fs::read(entry.path()).unwrap())).collect()
}

/// Turns one bit of a file, or turns it back.
fn flip(path: &Path, at: u64, bit: u32) {
    use std::os::unix::fs::FileExt as _;
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ (1 << bit)], at).unwrap();
}
