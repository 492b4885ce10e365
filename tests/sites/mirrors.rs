//! Unchanged references, pulled by real tools with the configuration that is written.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::support::DockerRegistry;
use super::support::command::Work;
use super::support::images::digest;
use super::{TRUST, bundled};

const BUSYBOX: &str = "sha256:fd81094251a3fa1dc71bd0b8e11e70bca5866f67abaed9ef471774b428cad7db";
const MULTI: &str = "sha256:d73168238868fbbd1a59b8c6579b3b6d4f9b89a968176179b12b0a68201a16ef";
const CONF: &str = "out/containers/registries.conf.d/50-gapferry.conf";

/// Imports the bundle and writes the configuration with the same rules.
fn imported(rules: &str) -> (Work, DockerRegistry, Value) {
    let (work, to) = (bundled(), DockerRegistry::start());
    let names = format!("bundle {TRUST} --to docker://{}/site {rules}", to.host());
    work.ok(&format!("import {names}"));
    let said = work.json(&format!("mirrors {names} --plain-http {} -o out", to.host()));
    (work, to, said)
}

/// Puts the drop-in where podman and skopeo of this user look for it.
fn install(work: &Work) {
    let place = work.path(".config/containers/registries.conf.d");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::copy(work.path(CONF), place.join("50-gapferry.conf")).unwrap();
}

/// The digest of what skopeo gets for a reference; its words when it gets nothing.
fn skopeo(work: &Work, reference: &str) -> Result<String, String> {
    let line = format!("skopeo --insecure-policy inspect --raw docker://{reference}");
    let output = work.tool(&line).output().unwrap();
    match output.status.success() {
        true => Ok(digest(&output.stdout)),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Whether podman pulls it.
fn podman(work: &Work, reference: &str) -> Result<(), String> {
    let line =
        format!("podman --root store --runroot state --storage-driver vfs pull -q {reference}");
    let output = work.tool(&line).env("TMPDIR", work.path("")).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(words) }
}

#[test]
fn podman_and_skopeo_pull_by_unchanged_names() {
    let rules = "--keep-host --map quay.example/x=other/place --map-regex ghcr.example/(.*)=g/$1";
    let (work, _to, said) = imported(rules);
    assert_eq!((&said["images"], &said["verified"]), (&5.into(), &true.into()));
    let names = [
        ("docker.io/library/busybox:1.35".to_owned(), BUSYBOX),
        (format!("docker.io/library/busybox@{BUSYBOX}"), BUSYBOX),
        ("quay.example/x/y:1".to_owned(), MULTI),
        (format!("quay.example/x/y@{MULTI}"), MULTI),
    ];
    for (name, _) in names.iter().filter(|(name, _)| name.starts_with("quay.example")) {
        skopeo(&work, name).unwrap_err();
    }
    install(&work);
    for (name, expected) in &names {
        assert_eq!(skopeo(&work, name).as_deref(), Ok(*expected), "{name}");
        podman(&work, name).unwrap();
    }
    for name in
        ["quay.example/team/app:1", "ghcr.example/team/app:1", "registry.example:5000/deep/tool:2"]
    {
        skopeo(&work, name).unwrap();
    }
    // What was not imported is not there, and nobody else is asked.
    let absent = skopeo(&work, "docker.io/library/busybox:1.36").unwrap_err();
    assert!(absent.contains("manifest unknown"), "{absent}");
}

#[test]
fn with_the_way_back_podman_asks_the_site_first() {
    let (work, to) = (bundled(), DockerRegistry::start());
    let names = format!("bundle {TRUST} --to docker://{} --keep-host", to.host());
    work.ok(&format!("import {names}"));
    work.ok(&format!("mirrors {names} --plain-http {} --fallback -o out", to.host()));
    install(&work);
    for name in ["docker.io/library/busybox:1.35", &format!("quay.example/x/y@{MULTI}")] {
        skopeo(&work, name).unwrap();
        podman(&work, name).unwrap();
    }
    let absent = skopeo(&work, "quay.example/x/y:9").unwrap_err();
    assert!(absent.contains("pinging container registry quay.example"), "{absent}");
}

/// Where tags are others, digests are pulled and tags fail: neither gets another image.
#[test]
fn other_tags_are_pulled_by_digest_only() {
    let (work, _to, said) = imported("--keep-host --tag-suffix -s1");
    let limits = said["limits"].as_array().unwrap();
    let told = |form: &str| {
        limits
            .iter()
            .any(|it| it["form"] == form && it["name"].as_str().unwrap().contains("docker.io"))
    };
    for form in ["containerd", "containers", "k3s", "openshift"] {
        assert!(told(form), "{form}: {limits:?}");
    }
    install(&work);
    assert_eq!(
        skopeo(&work, &format!("docker.io/library/busybox@{BUSYBOX}")).as_deref(),
        Ok(BUSYBOX)
    );
    podman(&work, &format!("quay.example/x/y@{MULTI}")).unwrap();
    let tag = skopeo(&work, "quay.example/x/y:1").unwrap_err();
    assert!(tag.contains("pinging container registry quay.example"), "{tag}");
}

/// containerd on a socket of its own. Ends when dropped.
struct Containerd {
    process: Child,
    socket: PathBuf,
}

impl Containerd {
    fn start(work: &Work) -> Containerd {
        let at = |name: &str| work.path(name).display().to_string();
        let config = format!(
            "version = 2\nroot = \"{}\"\nstate = \"{}\"\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \"{}\"\n",
            at("containerd-root"),
            at("containerd-state"),
            at("containerd.sock")
        );
        work.write("containerd.toml", config);
        let process = Command::new("containerd")
            .args(["-c", &at("containerd.toml")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("containerd is installed");
        let containerd = Containerd { process, socket: work.path("containerd.sock") };
        let start = Instant::now();
        while std::os::unix::net::UnixStream::connect(&containerd.socket).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "containerd does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        containerd
    }

    /// Whether `ctr` gets it, with the configuration in `hosts`.
    fn fetch(&self, work: &Work, hosts: &str, reference: &str) -> Result<String, String> {
        let socket = self.socket.display();
        let line = format!("ctr -a {socket} content fetch --hosts-dir {hosts} {reference}");
        let output = work.tool(&line).output().unwrap();
        let words = [output.stdout, output.stderr].concat();
        let words = String::from_utf8_lossy(&words).into_owned();
        if output.status.success() { Ok(words) } else { Err(words) }
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[test]
fn containerd_pulls_by_unchanged_names() {
    let (work, _to, _) = imported("--keep-host --map quay.example=deep/er");
    let containerd = Containerd::start(&work);
    let hosts = "out/containerd/certs.d";
    for (name, expected) in [
        ("docker.io/library/busybox:1.35".to_owned(), BUSYBOX),
        (format!("docker.io/library/busybox@{BUSYBOX}"), BUSYBOX),
        ("quay.example/x/y:1".to_owned(), MULTI),
        ("registry.example:5000/deep/tool:2".to_owned(), ""),
    ] {
        let said =
            containerd.fetch(&work, hosts, &name).unwrap_or_else(|said| panic!("{name}: {said}"));
        assert!(said.contains(expected), "{name}: {said}");
    }
    let absent = containerd.fetch(&work, hosts, "docker.io/library/busybox:1.36").unwrap_err();
    assert!(absent.contains("not found"), "{absent}");

    // With other tags: by digest, and never by a tag.
    let (work, _to, _) = imported("--keep-host --tag-suffix -s1");
    let containerd = Containerd::start(&work);
    let pinned = format!("docker.io/library/busybox@{BUSYBOX}");
    containerd.fetch(&work, hosts, &pinned).unwrap();
    containerd.fetch(&work, hosts, "docker.io/library/busybox:1.35").unwrap_err();
}

#[test]
fn what_is_written_is_the_same_each_time_and_says_where_it_is_from() {
    let (work, to, _) = imported("--keep-host");
    let line = format!("bundle --to docker://{}/site --keep-host", to.host());
    let plain = format!("--plain-http {}", to.host());
    work.ok(&format!("mirrors {line} {TRUST} {plain} -o again"));
    let files = |root: &str| -> Vec<(PathBuf, String)> {
        let root = work.path(root);
        let all = walkdir::WalkDir::new(&root).sort_by_file_name().into_iter().map(Result::unwrap);
        let all = all.filter(|entry| entry.file_type().is_file());
        let name = |path: &std::path::Path| path.strip_prefix(&root).unwrap().to_owned();
        all.map(|it| (name(it.path()), std::fs::read_to_string(it.path()).unwrap())).collect()
    };
    assert!(files("out") == files("again"));
    assert!(files("out").iter().all(|(_, text)| text.contains(", signed by ")));

    // A claim is not shown as a fact.
    let said = work.ok(&format!("mirrors {line} {plain} -o claimed"));
    assert!(said.starts_with("NOT VERIFIED"), "{said}");
    assert!(files("claimed").iter().all(|(_, text)| text.contains("NOT VERIFIED")));
    work.ok("key new -o other.key");
    let other = format!("mirrors {line} {plain} --trust other.key.pub -o other");
    work.refused(&other, 4, "threshold");
    assert!(!work.path("other").exists());

    // A lock and its bundle say the same.
    let tag = format!("{}/site/docker.io/library/busybox:1.35", to.host());
    work.ok(&format!("lock docker.io/library/busybox:1.35={tag} -o images.lock"));
    let line = format!("mirrors images.lock --to docker://{}/site --keep-host {plain}", to.host());
    let of_lock = work.json(&format!("{line} -o locked"));
    assert_eq!(of_lock["images"], 1);
    work.refused(&format!("{line} -o locked"), 1, "exists");
    work.refused(&format!("{line} -o other --plain-http other.example"), 2, "usage");
    work.refused("mirrors images.lock --to oci:layout -o other", 2, "usage");
    let collide = format!("mirrors bundle {TRUST} --to docker://{} -o other", to.host());
    work.refused(&collide, 2, "collision");
    assert!(!work.path("other").exists());
}
