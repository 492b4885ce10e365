//! A real containerd.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::command::Work;

/// containerd of its own, without the parts that need more than storage.
pub(crate) struct Containerd {
    process: Child,
    socket: String,
}

impl Containerd {
    pub(crate) fn start(work: &Work) -> Containerd {
        let at = |name: &str| work.path(name).display().to_string();
        work.write(
            "containerd.toml",
            "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n",
        );
        let socket = at("containerd.sock");
        let process = Command::new("containerd")
            .args(["--config", &at("containerd.toml"), "--root", &at("containerd-root")])
            .args(["--state", &at("containerd-state"), "--address", &socket])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(work.path("containerd.log")).unwrap())
            .spawn()
            .expect("containerd is installed");
        let start = Instant::now();
        while !Path::new(&socket).exists() {
            assert!(start.elapsed() < Duration::from_secs(30), "containerd does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Containerd { process, socket }
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> &str {
        &self.socket
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
