//! What other tools make of a bundle: openssl and sha256sum prove it, skopeo, podman, umoci and tar
//! read it.

use serde_json::Value;

use super::{Work, flip, tree};

const BUSYBOX: &str = "sha256:fd81094251a3fa1dc71bd0b8e11e70bca5866f67abaed9ef471774b428cad7db";
const MULTI: &str = "sha256:d73168238868fbbd1a59b8c6579b3b6d4f9b89a968176179b12b0a68201a16ef";
const IMAGES: &str = "oci:TESTDATA/images:library/busybox:1.35 \
    oci:TESTDATA/images:library/multi:1.0 oci:TESTDATA/images:tools/plain:1.0 \
    oci:TESTDATA/images:charts/hello:0.1.0 oci:TESTDATA/images:signed/app:1.0";

/// The same bundle as a directory and as an archive.
fn made() -> Work {
    let work = Work::new();
    work.ok(&format!("export {IMAGES} -o d --key a.key --store-layers"));
    work.ok("repack d -o a.tar");
    work
}

#[test]
fn openssl_and_sha256sum_prove_a_bundle() {
    let work = Work::new();
    work.tiny("b", "");
    let signature = tree(&work.path("b"))
        .into_keys()
        .find(|it| it.extension().is_some() && it.extension().unwrap() == "sig");
    let signature = signature.unwrap().display().to_string();
    let openssl = format!(
        "openssl pkeyutl -verify -pubin -inkey a.key.pub -rawin -in b/seal -sigfile b/{signature}"
    );
    let sums = "env -C b sha256sum --strict --quiet -c SHA256SUMS";
    work.tool_ok(&openssl);
    work.tool_ok(sums);
    // The last link of the chain: the seal names the sums.
    let seal = std::fs::read_to_string(work.path("b/seal")).unwrap();
    let sum = work.tool_ok("sha256sum b/SHA256SUMS");
    let (sum, _) = sum.split_once(' ').unwrap();
    let size = std::fs::metadata(work.path("b/SHA256SUMS")).unwrap().len();
    assert!(seal.ends_with(&format!("\nsums: sha256:{sum} {size}\n")), "{seal}");
    for path in ["b/seal", &format!("b/{signature}")] {
        flip(&work.path(path), 30, 2);
        assert!(!work.tool(&openssl).0, "{path}");
        flip(&work.path(path), 30, 2);
    }
    for (name, bytes) in tree(&work.path("b")) {
        let outside = name.to_str().is_some_and(|it| it.starts_with("seal") || it == "SHA256SUMS");
        if !outside {
            flip(&work.path("b").join(&name), bytes.len() as u64 / 2, 7);
            assert!(!work.tool(sums).0, "{name:?}");
            flip(&work.path("b").join(&name), bytes.len() as u64 / 2, 7);
        }
    }
    work.tool_ok(&openssl);
    work.tool_ok(sums);
}

#[test]
fn skopeo_reads_a_directory_and_an_archive() {
    let work = made();
    let skopeo = "skopeo --insecure-policy";
    for place in ["oci:d", "oci-archive:a.tar"] {
        let name = format!("{place}:docker.io/library/busybox:1.35");
        let shown: Value =
            serde_json::from_str(&work.tool_ok(&format!("{skopeo} inspect {name}"))).unwrap();
        assert_eq!(shown["Digest"], BUSYBOX);
        let kind = place.split(':').next().unwrap();
        work.tool_ok(&format!("{skopeo} copy -q --preserve-digests {name} oci:{kind}-busybox:x"));
        let name = format!("{place}:docker.io/library/multi:1.0");
        work.tool_ok(&format!(
            "{skopeo} copy -q --all --preserve-digests {name} oci:{kind}-multi:x"
        ));
        let index =
            std::fs::read_to_string(work.path(&format!("{kind}-multi/index.json"))).unwrap();
        assert!(index.contains(MULTI), "{index}");
        let name = format!("{place}:docker.io/charts/hello:0.1.0");
        work.tool_ok(&format!("{skopeo} inspect --raw {name}"));
    }
}

#[test]
fn podman_loads_an_archive() {
    let work = made();
    let podman = "podman --root store --runroot state --storage-driver vfs";
    let loaded = work.tool_ok(&format!("{podman} load -q -i a.tar"));
    for name in ["busybox:1.35", "multi:1.0", "plain:1.0", "app:1.0"] {
        assert!(loaded.contains(name), "{loaded}");
    }
    assert!(!loaded.contains("hello"), "{loaded}");
    let shown = work.tool_ok(&format!("{podman} image inspect docker.io/library/busybox:1.35"));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let manifest = std::fs::read(work.path("d/blobs/sha256").join(&BUSYBOX[7..])).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let config = manifest["config"]["digest"].as_str().unwrap();
    assert_eq!(format!("sha256:{}", shown[0]["Id"].as_str().unwrap()), config);
}

#[test]
fn umoci_lists_and_unpacks_a_directory() {
    let work = made();
    let listed = work.tool_ok("umoci ls --layout d");
    for name in ["docker.io/library/busybox:1.35", "docker.io/charts/hello:0.1.0"] {
        assert!(listed.lines().any(|line| line == name), "{listed}");
    }
    // umoci takes no name with a colon for an image, so it unpacks a copy.
    work.tool_ok("skopeo --insecure-policy copy -q oci:d:docker.io/tools/plain:1.0 oci:copy:x");
    work.tool_ok("umoci unpack --rootless --image copy:x unpacked");
    assert!(work.path("unpacked/rootfs/usr/share/common-licenses").is_dir());
}

#[test]
fn tar_lists_archives_and_volumes() {
    let work = made();
    work.ok("repack d -o v --volume-size 1200k");
    let names = |file: &str| -> Vec<String> {
        let text = work.tool_ok(&format!("tar -tf {file}"));
        assert!(!text.contains("tar: "), "{text}");
        text.lines().map(str::to_owned).collect()
    };
    let mut expected: Vec<String> =
        tree(&work.path("d")).into_keys().map(|name| name.display().to_string()).collect();
    let mut archive = names("a.tar");
    assert_eq!(archive.last().unwrap(), "seal");
    archive.sort();
    expected.sort();
    assert_eq!(archive, expected);
    let volumes = std::fs::read_dir(work.path("v")).unwrap().map(|it| it.unwrap().file_name());
    let volumes = volumes.map(|name| name.into_string().unwrap());
    let volumes: Vec<String> = volumes.filter(|name| name.starts_with("volume-")).collect();
    assert!(volumes.len() > 1);
    let mut blobs: Vec<String> =
        volumes.iter().flat_map(|name| names(&format!("v/{name}"))).collect();
    blobs.sort();
    expected.retain(|name| name.starts_with("blobs/"));
    assert_eq!(blobs, expected);
    // What tar unpacks is the bundle.
    std::fs::create_dir(work.path("x")).unwrap();
    work.tool_ok("tar -xf a.tar -C x");
    assert!(tree(&work.path("x")) == tree(&work.path("d")));
    work.ok("verify x --trust a.key.pub");
}
