//! Layouts, archives and the read-only registry beside the tools that people use: what skopeo,
//! umoci and podman write is read, and what is written is read by them.
//!
//! The tools must be installed; a test without its tool fails.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use gapferry::layout::{Layout, Store as _};
use gapferry::oci::{Digest, Manifest, Reference, Tag};
use gapferry::registry::{Client, Config};
use gapferry::serve::{Options, Server, Stock};
use gapferry::source::{Opened, Opener, Source};
use gapferry::target::{LayoutTarget, Target};

const TESTDATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata");
const BUSYBOX: &str = "sha256:fd81094251a3fa1dc71bd0b8e11e70bca5866f67abaed9ef471774b428cad7db";
const MULTI: &str = "sha256:d73168238868fbbd1a59b8c6579b3b6d4f9b89a968176179b12b0a68201a16ef";
const SIGNED: &str = "sha256:56ee10e21e5307b9b25f334c5291ff1b65db4a141e9760b02a68462bca2c23ca";

/// Runs a tool in an empty home of its own; gives what it prints.
fn run(work: &Path, tool: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(tool);
    command
        .args(arguments)
        .current_dir(work)
        .env("HOME", work)
        .env("TMPDIR", work)
        .env_remove("XDG_RUNTIME_DIR");
    let output = command.output().unwrap_or_else(|error| panic!("{tool} is needed here: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn skopeo(work: &Path, arguments: &[&str]) -> String {
    run(work, "skopeo", &[&["--insecure-policy"], arguments].concat())
}

fn open(location: &str) -> Opened {
    let opener = Opener::new(Client::new(Config::default()).unwrap());
    opener.open(&location.parse().unwrap()).unwrap()
}

fn digest(document: &Manifest) -> String {
    document.descriptor().digest.to_string()
}

fn root(location: &str) -> String {
    digest(&open(location).source.root().unwrap())
}

/// Carries an image as an import does: blobs, children, the document itself.
fn carry(source: &dyn Source, document: &Manifest, target: &dyn Target, name: &Reference) {
    for child in document.children() {
        carry(source, &source.manifest(child).unwrap(), target, name);
    }
    for blob in document.blobs() {
        let open = || -> io::Result<Box<dyn Read>> {
            let content = source.blob(blob).map_err(io::Error::other)?;
            Ok(Box::new(content.proving()) as Box<dyn Read>)
        };
        if !target.has_blob(&name.repository, blob).unwrap() {
            target.stage(&name.repository, blob, &open).unwrap().commit().unwrap();
        }
    }
    target.put_manifest(&name.repository, document).unwrap();
}

/// Carries an image with everything that refers to it, then gives it its tag.
fn carry_all(from: &str, name: &str, target: &dyn Target) {
    let (source, name) = (open(from).source, name.parse::<Reference>().unwrap());
    let image = source.root().unwrap();
    carry(&*source, &image, target, &name);
    let mut subjects = vec![image.descriptor().digest];
    while let Some(subject) = subjects.pop() {
        for referrer in source.referrers(&subject).unwrap() {
            carry(&*source, &source.manifest(&referrer).unwrap(), target, &name);
            subjects.push(referrer.digest);
        }
    }
    target.put_tag(&name.repository, name.tag.as_ref().unwrap(), &image).unwrap();
}

/// Every test image that has a name, in a layout of ours, under names of Docker Hub.
fn written(work: &Path) -> std::path::PathBuf {
    let path = work.join("written");
    let target = LayoutTarget::open_or_create(&path).unwrap();
    let images = format!("{TESTDATA}/images");
    for entry in Layout::open(Path::new(&images)).unwrap().entries() {
        if let Some(name) = &entry.name {
            carry_all(&format!("oci:{images}:{name}"), name, &target);
        }
    }
    path
}

#[test]
fn what_skopeo_wrote_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let work = dir.path();
    let from = format!("oci:{TESTDATA}/images:library/multi:1.0");
    let layout = format!("oci:{}/skopeo", work.display());
    let archive = format!("oci-archive:{}/skopeo.tar:library/multi:1.0", work.display());
    skopeo(work, &["copy", "--all", "-q", &from, &format!("{layout}:1.0")]);
    skopeo(work, &["copy", "--all", "-q", &from, &archive]);
    assert_eq!(root(&layout), MULTI);
    assert_eq!(root(&format!("{layout}:1.0")), MULTI);
    assert_eq!(root(&archive), MULTI);
    assert_eq!(open(&archive).name.unwrap().to_string(), "docker.io/library/multi:1.0");
}

#[test]
fn what_umoci_wrote_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("umoci").display().to_string();
    run(dir.path(), "umoci", &["init", "--layout", &layout]);
    run(dir.path(), "umoci", &["new", "--image", &format!("{layout}:fresh")]);
    let source = open(&format!("oci:{layout}")).source;
    let manifest = source.root().unwrap();
    assert_eq!(manifest.blobs().count(), 1);
    let target = LayoutTarget::open_or_create(&dir.path().join("ours")).unwrap();
    carry(&*source, &manifest, &target, &"a/b:1".parse().unwrap());
    assert_eq!(
        source.tagged(&"fresh".parse::<Tag>().unwrap()).unwrap().unwrap().raw(),
        manifest.raw()
    );
}

#[test]
fn what_podman_saved_is_what_podman_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let work = dir.path();
    let podman = |arguments: &[&str]| {
        let at = |part: &str| work.join(part).display().to_string();
        let (store, state) = (at("store"), at("state"));
        let own = ["--root", &store, "--runroot", &state, "--storage-driver", "vfs"];
        run(work, "podman", &[&own[..], arguments].concat())
    };
    written(work);
    // A relative path: podman makes a name of it.
    let id = podman(&["pull", "-q", "oci:written:docker.io/library/base:go-l1"]);
    for format in ["docker-archive", "oci-archive"] {
        let file = work.join(format).display().to_string();
        podman(&["save", "-q", "--format", format, "-o", &file, id.trim()]);
        let local = open(&format!("{format}:{file}"));
        let manifest = local.source.root().unwrap();
        let config = manifest.blobs().next().unwrap().digest;
        assert_eq!(config.hex(), id.trim(), "{format}");
        let target = LayoutTarget::open_or_create(&work.join("again")).unwrap();
        carry(&*local.source, &manifest, &target, &"a/b:1".parse().unwrap());
    }
}

#[test]
fn what_is_written_is_read_by_skopeo() {
    let dir = tempfile::tempdir().unwrap();
    let work = dir.path();
    let written = written(work);
    for (name, expected) in [("library/busybox:1.35", BUSYBOX), ("signed/app:1.0", SIGNED)] {
        let image = format!("oci:{}:docker.io/{name}", written.display());
        let inspected = skopeo(work, &["inspect", &image]);
        let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
        assert_eq!(inspected["Digest"], expected, "{name}");
    }
    let image = format!("oci:{}:docker.io/library/multi:1.0", written.display());
    let copy = format!("oci:{}/copy", work.display());
    skopeo(work, &["copy", "--all", "-q", "--preserve-digests", &image, &format!("{copy}:1")]);
    assert_eq!(root(&format!("{copy}:1")), MULTI);
}

#[test]
fn what_is_written_has_all_that_was_read() {
    let dir = tempfile::tempdir().unwrap();
    let written = written(dir.path());
    let blobs = |root: &Path| -> BTreeSet<_> {
        let found = std::fs::read_dir(root.join("blobs/sha256")).unwrap();
        found.map(|entry| entry.unwrap().file_name()).collect()
    };
    assert_eq!(blobs(&written), blobs(&Path::new(TESTDATA).join("images")));
    let signed = open(&format!("oci:{}:signed/app:1.0", written.display())).source;
    let subject: Digest = SIGNED.parse().unwrap();
    assert_eq!(signed.referrers(&subject).unwrap().len(), 3);
    let tag = format!("sha256-{}.sig", subject.hex()).parse().unwrap();
    assert!(signed.tagged(&tag).unwrap().is_some());
    let names = |root: &Path| -> BTreeSet<_> {
        let layout = Layout::open(root).unwrap();
        layout.entries().iter().filter_map(gapferry::layout::IndexEntry::reference).collect()
    };
    assert_eq!(names(&written), names(&Path::new(TESTDATA).join("images")));
}

#[test]
fn two_runs_write_the_same_index() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) = (written(one.path()), written(two.path()));
    let index = |root: &Path| std::fs::read_to_string(root.join("index.json")).unwrap();
    assert_eq!(index(&first), index(&second));
    let before = index(&first);
    written(one.path());
    assert_eq!(index(&first), before);
}

#[test]
fn skopeo_pulls_from_the_served_layout() {
    let dir = tempfile::tempdir().unwrap();
    let work = dir.path();
    let images = Layout::open(&Path::new(TESTDATA).join("images")).unwrap();
    let open = Options::open((Ipv4Addr::LOCALHOST, 0).into());
    let server = Server::start(Stock::layout(images).unwrap(), open).unwrap();
    let image = |name: &str| format!("docker://{}/{name}", server.addr());
    for (name, expected) in [
        ("library/busybox:1.35".to_owned(), BUSYBOX),
        ("library/multi:latest".to_owned(), MULTI),
        (format!("signed/app@{SIGNED}"), SIGNED),
    ] {
        let to = format!("oci:{}/{}:x", work.display(), expected.replace(':', "-"));
        let options = ["copy", "--all", "-q", "--src-tls-verify=false", "--preserve-digests"];
        skopeo(work, &[&options[..], &[&image(&name), &to]].concat());
        assert_eq!(root(&to), expected, "{name}");
    }
    // Docker's media types pass as they are.
    let to = format!("dir:{}/legacy", work.display());
    let options = ["copy", "--all", "-q", "--src-tls-verify=false"];
    skopeo(work, &[&options[..], &[&image("legacy/list:1.0"), &to]].concat());
    let tags = skopeo(work, &["list-tags", "--tls-verify=false", &image("library/multi")]);
    let tags: serde_json::Value = serde_json::from_str(&tags).unwrap();
    assert_eq!(tags["Tags"], serde_json::json!(["1.0", "latest"]));
}

#[test]
fn curl_fetches_a_blob_in_two_parts() {
    let dir = tempfile::tempdir().unwrap();
    let images = Layout::open(&Path::new(TESTDATA).join("images")).unwrap();
    let source = open(&format!("oci:{TESTDATA}/images:library/busybox:1.35")).source;
    let layer = source.root().unwrap().blobs().nth(1).unwrap().clone();
    let open = Options::open((Ipv4Addr::LOCALHOST, 0).into());
    let server = Server::start(Stock::layout(images).unwrap(), open).unwrap();
    let url = format!("http://{}/v2/library/busybox/blobs/{}", server.addr(), layer.digest);
    let file = dir.path().join("blob").display().to_string();
    run(dir.path(), "curl", &["-sfS", "--noproxy", "*", "-r", "0-99999", "-o", &file, &url]);
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 100_000);
    run(dir.path(), "curl", &["-sfS", "--noproxy", "*", "-C", "-", "-o", &file, &url]);
    assert_eq!(Digest::of(&std::fs::read(&file).unwrap()), layer.digest);
    let absent = format!("http://{}/v2/library/busybox/manifests/absent", server.addr());
    let options = ["-sS", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}"];
    assert_eq!(run(dir.path(), "curl", &[&options[..], &[&absent]].concat()), "404");
}
