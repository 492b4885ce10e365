//! Running the real binary.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

/// A directory with a key pair `release.key`, in which gapferry runs. It is also its home.
pub(crate) struct Work(tempfile::TempDir);

/// What gapferry said when it failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: i32,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Work {
    pub(crate) fn new() -> Work {
        let work = Work(tempfile::tempdir().unwrap());
        work.ok("key new -o release.key");
        work
    }

    /// A file in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// Reads a file.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A tool with the words of `line`, in the directory, for a minute at most.
    pub(crate) fn tool(&self, line: &str) -> Command {
        let mut command = Command::new("timeout");
        command.arg("60").args(line.split_whitespace()).current_dir(self.0.path());
        command.env("HOME", self.0.path()).env("SOURCE_DATE_EPOCH", "1700000000");
        for name in [
            "XDG_RUNTIME_DIR",
            "XDG_STATE_HOME",
            "GAPFERRY_STATE",
            "REGISTRY_AUTH_FILE",
            "DOCKER_CONFIG",
            "HTTPS_PROXY",
            "HTTP_PROXY",
            "NO_PROXY",
            "https_proxy",
            "http_proxy",
            "no_proxy",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// gapferry with the words of `line`.
    pub(crate) fn run(&self, line: &str) -> Output {
        let line = format!("{} {line}", env!("CARGO_BIN_EXE_gapferry"));
        self.tool(&line).output().unwrap()
    }

    /// What it prints when it succeeds, as it must.
    pub(crate) fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{line}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same as JSON.
    pub(crate) fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(&format!("{line} --output json"))).unwrap()
    }

    /// How it fails, as it must; of several failures the last sums up.
    pub(crate) fn fails(&self, line: &str) -> Failure {
        let output = self.run(&format!("{line} --output json"));
        let text = String::from_utf8(output.stderr).unwrap();
        let last = text.lines().last().unwrap_or_default();
        let value: Value =
            serde_json::from_str(last).unwrap_or_else(|error| panic!("{line}: {error}: {text}"));
        let exit = output.status.code().unwrap();
        assert_eq!(value["exit"], exit);
        let word = |field: &str| value[field].as_str().unwrap().to_owned();
        Failure { exit, code: word("code"), message: word("message") }
    }

    /// Asserts how it fails, and gives the message.
    pub(crate) fn refused(&self, line: &str, exit: i32, code: &str) -> String {
        let failure = self.fails(line);
        assert_eq!((failure.exit, failure.code.as_str()), (exit, code), "{line}: {failure:?}");
        failure.message
    }
}
