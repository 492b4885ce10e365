//! Imports into a real registry that are killed, or whose network fails, at the n-th call: no tag
//! ever leads to anything that is not there, the next run ends with everything, and what was sent
//! whole is not sent again.

use std::collections::BTreeMap;

use serde_json::Value;

use super::command::Work;
use super::strace::{Point, disturbed, points, some};
use super::support::DockerRegistry;
use super::support::images::Eyes;
use super::wire::Wire;
use super::{export, layout};

const MIB: u64 = 1024 * 1024;
/// Calls that speak with the registry.
const NETWORK: &str = "socket,connect,sendto,recvfrom,poll,ppoll";
/// The same, and those that change files.
const ALL: &str = "socket,connect,sendto,recvfrom,poll,ppoll,write,rename,renameat,renameat2,unlink,\
                   unlinkat,mkdir,ftruncate,fsync,fdatasync,openat,flock,pread64,read";

/// A bundle, a registry that a proxy stands before, and what is in the bundle.
struct Sweep {
    work: Work,
    registry: DockerRegistry,
    wire: Wire,
    line: String,
    /// Bytes of all blobs, and of the largest.
    bytes: u64,
    largest: u64,
}

impl Sweep {
    fn new(pack: &str) -> Sweep {
        let work = Work::new();
        layout(&work);
        work.ok(&export("bundle", "", pack));
        let registry = DockerRegistry::start();
        let wire = Wire::to(registry.port());
        let line = format!(
            "import bundle --trust release.key.pub --to docker://{} --jobs 1 --retries 2",
            wire.host()
        );
        let blobs = blobs(&work);
        let (bytes, largest) = (blobs.values().sum(), *blobs.values().max().unwrap());
        let sweep = Sweep { work, registry, wire, line, bytes, largest };
        sweep.work.ok(&sweep.line);
        assert_eq!((sweep.wire.sent(), sweep.tags()), (bytes, 2));
        sweep.clear();
        sweep
    }

    fn clear(&self) {
        self.registry.empty();
        let _ = std::fs::remove_dir_all(self.work.path(".local"));
    }

    /// How many tags there are; each leads to all that it should.
    fn tags(&self) -> usize {
        let eyes = Eyes::on(&self.registry.host());
        eyes.assert_whole();
        eyes.tags("library/app").len()
    }

    /// It goes on after what was disturbed, which sent some already.
    fn goes_on(&self, place: &str) {
        let sent = self.wire.sent();
        let again = self.work.run(&format!("{} --output json", self.line));
        let said = String::from_utf8_lossy(&again.stderr);
        assert!(again.status.success(), "{place}: {said}");
        assert_eq!(self.tags(), 2, "{place}");
        // Of the blob that was on its way the answer may have got lost.
        let all = sent + self.wire.sent();
        assert!(all <= self.bytes + self.largest, "{place}: {all} bytes were sent");
        let streams = self.work.json("memory show");
        assert_eq!(streams["streams"].as_array().map(Vec::len), Some(1), "{place}: {streams}");
        assert_eq!(journals(&self.work), 0, "{place}");
        self.clear();
    }

    fn kill_at(&self, (name, at): &Point) {
        let place = format!("killed at {name} {at}");
        let output = disturbed(&self.work, name, "signal=SIGKILL", at, &self.line);
        assert!(!output.status.success() || self.tags() == 2, "{place}");
        self.tags();
        self.goes_on(&place);
    }

    /// A fault once: it is overcome, or said. For ever from there on: it is said.
    fn fault_at(&self, (name, at): &Point, error: &str, for_ever: bool) {
        let (place, when) = match for_ever {
            true => (format!("{error} from {name} {at} on"), format!("{at}+")),
            false => (format!("{error} at {name} {at}"), at.to_string()),
        };
        let line = format!("{} --output json", self.line);
        let output = disturbed(&self.work, name, &format!("error={error}"), when, &line);
        if !output.status.success() {
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{place}: {said}");
            let last = said.lines().last().unwrap_or_default();
            let failure: Value =
                serde_json::from_str(last).unwrap_or_else(|_| panic!("{place}: {said}"));
            let code = failure["code"].as_str().unwrap();
            assert!(["unreachable", "timed-out"].contains(&code), "{place}: {said}");
        }
        self.tags();
        self.goes_on(&place);
    }
}

/// The blobs of the bundle's images and their sizes.
fn blobs(work: &Work) -> BTreeMap<String, u64> {
    let mut blobs = BTreeMap::new();
    let index: Value = serde_json::from_slice(&work.read("layout/index.json")).unwrap();
    for entry in index["manifests"].as_array().unwrap() {
        let hex = &entry["digest"].as_str().unwrap()[7..];
        let manifest = work.read(&format!("layout/blobs/sha256/{hex}"));
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        for blob in manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]) {
            blobs.insert(
                blob["digest"].as_str().unwrap().to_owned(),
                blob["size"].as_u64().unwrap(),
            );
        }
    }
    blobs
}

/// The calls that speak with the registry, without those that come before `main`: Rust's runtime looks
/// whether its first three files are open.
fn network(sweep: &Sweep) -> Vec<Point> {
    let mut points = points(&sweep.work, NETWORK, &sweep.line);
    points.retain(|point| *point != ("poll".to_owned(), 1));
    sweep.clear();
    sweep.wire.sent();
    points
}

/// How many imports are noted as not finished.
fn journals(work: &Work) -> usize {
    std::fs::read_dir(work.path(".local/state/gapferry/imports")).map_or(0, Iterator::count)
}

#[test]
fn killed_at_some_calls() {
    let sweep = Sweep::new("auto");
    let points = points(&sweep.work, ALL, &sweep.line);
    sweep.clear();
    sweep.wire.sent();
    some(&points, 16).for_each(|point| sweep.kill_at(point));
}

#[test]
fn faults_of_the_network_at_some_calls() {
    let sweep = Sweep::new("auto");
    let points = network(&sweep);
    let errors = ["ECONNRESET", "ETIMEDOUT", "EINTR"];
    for (number, point) in some(&points, 9).enumerate() {
        sweep.fault_at(point, errors[number % 3], false);
    }
    for (number, point) in some(&points, 3).enumerate() {
        sweep.fault_at(point, errors[number % 2], true);
    }
}

#[cfg(feature = "slow-tests")]
#[test]
fn killed_at_hundreds_of_calls() {
    let mut tried = 0;
    for pack in super::PACKS {
        let sweep = Sweep::new(pack);
        let points = points(&sweep.work, ALL, &sweep.line);
        sweep.clear();
        sweep.wire.sent();
        some(&points, 100).for_each(|point| sweep.kill_at(point));
        tried += some(&points, 100).count();
    }
    assert!(tried >= 300, "{tried}");
}

#[cfg(feature = "slow-tests")]
#[test]
fn faults_of_the_network_at_every_call() {
    let sweep = Sweep::new("auto");
    let points = network(&sweep);
    for (number, point) in points.iter().enumerate() {
        sweep.fault_at(point, ["ECONNRESET", "ETIMEDOUT", "EINTR"][number % 3], false);
    }
    for (number, point) in some(&points, 10).enumerate() {
        sweep.fault_at(point, ["ECONNRESET", "ETIMEDOUT"][number % 2], true);
    }
}

#[test]
fn an_upload_goes_on_in_the_middle_of_a_blob() {
    let work = Work::new();
    layout(&work);
    // One layer of three pieces, in the place of the smaller ones.
    let layer: Vec<u8> = (0..40 * MIB as u32).map(|at| (at.wrapping_mul(at) >> 7) as u8).collect();
    large(&work, &layer);
    work.ok("export oci:layout:large:1 -o bundle --store-layers --key release.key");
    let registry = DockerRegistry::start();
    let wire = Wire::to(registry.port());
    let line =
        format!("import bundle --trust release.key.pub --to docker://{} --jobs 1", wire.host());
    // The config, and two pieces of the layer.
    wire.hand_on(3);
    let exe = env!("CARGO_BIN_EXE_gapferry");
    let mut killed = work.tool("env");
    let mut killed = killed.arg(exe).args(line.split_whitespace()).spawn().unwrap();
    wire.wait();
    kill(&mut killed);
    let before = wire.sent();
    assert!((32 * MIB..33 * MIB).contains(&before), "{before}");
    assert_eq!(journals(&work), 1);
    wire.hand_on(usize::MAX);
    let summary = work.json(&line);
    let rest = wire.sent();
    assert_eq!(rest, 8 * MIB, "{:?}", wire.lines());
    assert_eq!(summary["bytesFound"], before);
    assert_eq!(journals(&work), 0);
    let eyes = Eyes::on(&registry.host());
    eyes.assert_whole();
    assert_eq!(eyes.tags("library/large").len(), 1);
}

/// Kills a process that `timeout` started, and waits for it.
fn kill(child: &mut std::process::Child) {
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let children = std::fs::read_to_string(children).unwrap();
    let gapferry = children.split_whitespace().next().unwrap();
    let killed = std::process::Command::new("kill").args(["-9", gapferry]).status();
    assert!(killed.unwrap().success());
    child.wait().unwrap();
}

/// Puts an image `large:1` of one layer into the layout.
fn large(work: &Work, layer: &[u8]) {
    let put = |kind: &str, bytes: &[u8]| {
        let digest = gapferry::oci::Digest::of(bytes);
        work.write(&format!("layout/blobs/sha256/{}", digest.hex()), bytes);
        serde_json::json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    };
    let config = put("application/vnd.oci.image.config.v1+json", b"{\"os\":\"linux\"}");
    let layer = put("application/vnd.oci.image.layer.v1.tar", layer);
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer],
    });
    let mut entry = put(kind, manifest.to_string().as_bytes());
    entry["annotations"] = serde_json::json!({"org.opencontainers.image.ref.name": "large:1"});
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [entry]});
    work.write("layout/index.json", index.to_string());
}

#[test]
fn two_imports_into_one_registry_at_once() {
    let works = [(); 2].map(|()| Work::new());
    let registry = DockerRegistry::start();
    std::thread::scope(|scope| {
        for work in &works {
            layout(work);
            work.ok(&export("bundle", "", "auto"));
            let host = registry.host();
            scope.spawn(move || {
                let line = format!("import bundle --trust release.key.pub --to docker://{host}");
                (0..3).for_each(|_| drop(work.ok(&line)));
            });
        }
    });
    let eyes = Eyes::on(&registry.host());
    eyes.assert_whole();
    assert_eq!(eyes.tags("library/app").len(), 2);
}
