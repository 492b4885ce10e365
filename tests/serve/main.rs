//! `gapferry serve` as its clients see it: podman, skopeo, containerd, curl, and plain HTTP.

mod access;
mod clients;
mod conformance;
mod damage;
mod packagings;

#[path = "../packs/images.rs"]
mod images;
#[path = "../support/mod.rs"]
mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use support::command::Work;
use support::images::{Entry, IMAGES, entries};

/// What every server of these tests trusts.
const TRUST: &str = "--trust release.key.pub";

/// A server that runs until it is dropped.
pub(crate) struct Serving {
    process: Child,
    address: String,
    log: std::path::PathBuf,
}

impl Serving {
    /// Serves `line` on a free port of the loopback.
    pub(crate) fn start(work: &Work, line: &str) -> Serving {
        let log = work.path("serve.log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_gapferry"));
        command.args("serve --listen 127.0.0.1:0".split(' ')).args(line.split_whitespace());
        command.current_dir(work.path("")).env("HOME", work.path(""));
        command.env_remove("GAPFERRY_STATE").env_remove("XDG_STATE_HOME");
        let log_file = std::fs::File::create(&log).unwrap();
        let mut process = command.stdout(Stdio::piped()).stderr(log_file).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let address = first.trim_end().rsplit_once(" at ").map(|(_, address)| address.to_owned());
        let address = address
            .unwrap_or_else(|| panic!("{line}: {first}{}", std::fs::read_to_string(&log).unwrap()));
        Serving { process, address, log }
    }

    /// `127.0.0.1:<port>`
    pub(crate) fn host(&self) -> &str {
        self.address.split_once("://").unwrap().1
    }

    /// `http://127.0.0.1:<port>`
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What it said on standard error.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// The most memory that it had at once, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Ends it with a signal, and gives the exit code.
    pub(crate) fn signalled(mut self, signal: &str) -> Option<i32> {
        let process = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &process]).status().unwrap().success());
        self.process.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A place to work in with a bundle of test images, and the images that are in it.
pub(crate) fn exported(out: &str, options: &str) -> (Work, Vec<Entry>) {
    let (work, images) = (Work::new(), entries(&["library/", "tools/", "charts/", "legacy/"]));
    let named: Vec<String> =
        images.iter().map(|entry| format!("oci:{IMAGES}:{}", entry.name())).collect();
    work.ok(&format!("export {} -o {out} --key release.key {options}", named.join(" ")));
    (work, images)
}
