//! OCI archives, docker archives, and the directory of k3s.

use serde_json::Value;

use crate::support::containerd::Containerd;
use crate::support::images::digest;
use crate::{IMPORT, done, exported, names};

const BUSYBOX: &str = "sha256:fd81094251a3fa1dc71bd0b8e11e70bca5866f67abaed9ef471774b428cad7db";
const MULTI: &str = "sha256:d73168238868fbbd1a59b8c6579b3b6d4f9b89a968176179b12b0a68201a16ef";
const SKOPEO: &str = "skopeo --insecure-policy";

#[test]
fn skopeo_reads_an_oci_archive() {
    let (work, images) = exported(&["library/", "charts/", "signed/"], "--pack always");
    work.ok(&format!("{IMPORT} oci-archive:images.tar"));
    for entry in &images {
        let (name, to) = (entry.name(), entry.digest.replace(':', "-"));
        done(
            &work,
            &format!(
                "{SKOPEO} copy -q --all --preserve-digests \
                 oci-archive:images.tar:docker.io/{name} oci:{to}:x"
            ),
        );
        let index: Value = serde_json::from_slice(&work.read(&format!("{to}/index.json"))).unwrap();
        assert_eq!(index["manifests"][0]["digest"], entry.digest, "{name}");
    }
    // What refers to an image is there too, as in a bundle.
    let listed = done(&work, "tar -xOf images.tar index.json");
    assert!(listed.contains("application/spdx+json"), "{listed}");
    // gapferry reads it again, to the same images.
    work.ok("export oci-archive:images.tar:docker.io/library/multi:1.0 -o again --key release.key");
    assert!(work.ok("inspect again").contains(MULTI));
    let first = work.read("images.tar");
    work.ok(&format!("{IMPORT} oci-archive:images.tar"));
    assert!(work.read("images.tar").len() == first.len(), "it is written anew");
}

#[test]
fn podman_and_skopeo_read_a_docker_archive() {
    let (work, _) = exported(&["library/", "charts/"], "--pack always");
    work.ok(&format!("{IMPORT} docker-archive:images.tar"));
    let podman = "podman --root store --runroot state --storage-driver vfs";
    let loaded = done(&work, &format!("{podman} load -q -i images.tar"));
    for name in ["docker.io/library/busybox:1.35", "docker.io/library/multi:latest"] {
        assert!(loaded.contains(name), "{name}: {loaded}");
    }
    let list: Value =
        serde_json::from_str(&done(&work, "tar -xOf images.tar manifest.json")).unwrap();
    let multi = list.as_array().unwrap().iter().find(|it| it.to_string().contains("multi:1.0"));
    let config = multi.unwrap()["Config"].as_str().unwrap();
    let config: Value =
        serde_json::from_str(&done(&work, &format!("tar -xOf images.tar {config}"))).unwrap();
    assert_eq!((&config["os"], &config["architecture"]), (&"linux".into(), &"amd64".into()));
    assert!(!list.to_string().contains("charts/"), "a chart is no image that runs");
    let shown = done(
        &work,
        &format!("{SKOPEO} inspect --config docker-archive:images.tar:docker.io/library/multi:1.0"),
    );
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()["architecture"], "amd64");
}

#[test]
fn containerd_imports_what_k3s_finds() {
    let (work, images) = exported(&["library/"], "--pack always");
    work.ok(&format!("{IMPORT} k3s:images"));
    let names = names(&work.path("images"));
    let seal = digest(&work.read("bundle/seal"));
    let file = format!("gapferry-{}.tar", &seal["sha256:".len()..][..12]);
    assert_eq!(names.into_iter().collect::<Vec<_>>(), [file.as_str()]);
    let containerd = Containerd::start(&work);
    let ctr = format!("ctr -a {} -n k8s.io", containerd.socket());
    done(&work, &format!("{ctr} images import --all-platforms --no-unpack images/{file}"));
    let listed = done(&work, &format!("{ctr} images ls"));
    for entry in &images {
        let name = format!("docker.io/{}", entry.name());
        let found = listed.lines().find(|line| line.split_whitespace().next() == Some(&name));
        assert!(found.is_some_and(|line| line.contains(&entry.digest)), "{name}: {listed}");
    }
    let mut compared = 0;
    for line in done(&work, &format!("{ctr} content ls -q")).lines() {
        let output = work.tool(&format!("{ctr} content get {line}")).output().unwrap();
        // The archive's own list belongs to no image, and may be collected meanwhile.
        if output.status.success() {
            assert_eq!(digest(&output.stdout), line);
            compared += 1;
        }
    }
    assert!(compared > 2 * images.len(), "{compared}");
    assert!(listed.contains(BUSYBOX));
}

#[test]
fn ctr_takes_a_stream() {
    let (work, images) = exported(&["library/"], "--pack never");
    let containerd = Containerd::start(&work);
    let to = format!("ctr:k8s.io@{}", containerd.socket());
    work.ok(&format!("{IMPORT} {to}"));
    let ctr = format!("ctr -a {} -n k8s.io", containerd.socket());
    let listed = done(&work, &format!("{ctr} images ls"));
    for entry in &images {
        let name = format!("docker.io/{}", entry.name());
        let found = listed.lines().find(|line| line.split_whitespace().next() == Some(&name));
        assert!(found.is_some_and(|line| line.contains(&entry.digest)), "{name}: {listed}");
    }
    // Damage that is found on the way: no image comes to be.
    let other = format!("ctr:other@{}", containerd.socket());
    let layer = std::fs::read_dir(work.path("bundle/blobs/sha256")).unwrap();
    let layer = layer.map(|entry| entry.unwrap().path());
    let layer = layer.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&layer).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&layer, bytes).unwrap();
    work.refused(&format!("{IMPORT} {other}"), 3, "damaged");
    let none = done(&work, &format!("ctr -a {} -n other images ls -q", containerd.socket()));
    assert_eq!(none, "");
    let socket = work.path("no.sock").display().to_string();
    let bytes = std::fs::read(&layer).unwrap();
    let mended: Vec<u8> = bytes[..last].iter().copied().chain([bytes[last] ^ 1]).collect();
    std::fs::write(&layer, mended).unwrap();
    drop(containerd);
    work.refused(&format!("{IMPORT} ctr:k8s.io@{socket}"), 1, "ctr-failed");
}

#[test]
fn nothing_is_there_before_all_of_it_is() {
    let (work, _) = exported(&["library/"], "--pack never");
    work.write("images.tar", "what was there before");
    let layer = std::fs::read_dir(work.path("bundle/blobs/sha256")).unwrap();
    let layer = layer.map(|entry| entry.unwrap().path());
    let layer = layer.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let bytes = std::fs::read(&layer).unwrap();
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    std::fs::write(&layer, damaged).unwrap();
    let before = names(&work.path(""));
    for to in ["oci-archive:images.tar", "docker-archive:images.tar", "oci-archive:other.tar"] {
        work.refused(&format!("{IMPORT} {to}"), 3, "damaged");
        work.refused(&format!("{IMPORT} {to} --dry-run"), 3, "damaged");
    }
    assert_eq!(work.read("images.tar"), b"what was there before");
    assert_eq!(names(&work.path("")), before, "nothing came to be");
    std::fs::write(&layer, bytes).unwrap();
    work.ok(&format!("{IMPORT} oci-archive:images.tar"));
    work.refused(&format!("{IMPORT} oci-archive:images.tar --prefix a"), 2, "usage");
}
