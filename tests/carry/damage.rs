//! Bundles that are damaged, incomplete or signed by too few: refused, and the target as it was.

use std::fs;
use std::path::{Path, PathBuf};

use super::TRUST;
use super::support::DockerRegistry;
use super::support::command::Work;
use super::support::images::{Eyes, IMAGES, content};

const LAYER: &str = "sha256:c8e0c85a505cb5f91288978";
const BUSYBOX: &str = "sha256:fd81094251a3fa1dc71bd0b8e11e70bca5866f67abaed9ef471774b428cad7db";

/// A bundle of two images as a directory and as an archive, and a registry that holds the chart
/// already, so that there is something to spoil.
fn scene() -> (Work, DockerRegistry) {
    let work = Work::new();
    let image = |name: &str| format!("docker.io/{name}=oci:{IMAGES}:{name}");
    let (busybox, chart) = (image("library/busybox:1.35"), image("charts/hello:0.1.0"));
    work.ok(&format!("export {busybox} {chart} -o bundle --key release.key"));
    work.ok("repack bundle -o bundle.tar");
    let registry = DockerRegistry::start();
    let chart = "--image docker.io/charts/hello:0.1.0";
    work.ok(&format!("import bundle {TRUST} {chart} --to docker://{}", registry.host()));
    (work, registry)
}

/// Asserts that `place` is refused by verify and import, and that the registry shows no change;
/// gives the message.
fn refused(work: &Work, to: &DockerRegistry, place: &str, exit: i32, code: &str) -> String {
    let (eyes, before) = (Eyes::on(&to.host()), to.manifests());
    let line = format!("import {place} {TRUST} --to docker://{}", to.host());
    let message = work.refused(&line, exit, code);
    assert_eq!(eyes.catalog().into_iter().collect::<Vec<_>>(), ["charts/hello"], "{place}");
    assert_eq!(eyes.get("library/busybox/manifests/1.35").0, 404);
    assert_eq!(eyes.get(&format!("library/busybox/manifests/{BUSYBOX}")).0, 404);
    assert_eq!(to.manifests(), before, "{place}");
    assert_eq!(work.fails(&format!("verify {place} {TRUST}")).exit, exit);
    message
}

/// The file of a bundle whose name ends so, or begins so below `blobs`.
fn file(work: &Work, name: &str) -> PathBuf {
    if let Some(hex) = name.strip_prefix("sha256:") {
        let mut blobs = fs::read_dir(work.path("bundle/blobs/sha256")).unwrap().map(Result::unwrap);
        let found = blobs.find(|it| it.file_name().to_str().unwrap().starts_with(hex));
        return found.unwrap().path();
    }
    let mut heads = fs::read_dir(work.path("bundle")).unwrap().map(Result::unwrap);
    let wanted = |it: &fs::DirEntry| {
        let found = it.file_name().into_string().unwrap();
        found == name || name == "*.sig" && found.ends_with(".sig")
    };
    heads.find(wanted).unwrap_or_else(|| panic!("{name} is not there")).path()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn place_of(needle: &[u8], hay: &[u8]) -> usize {
    hay.windows(needle.len()).position(|window| window == needle).unwrap()
}

#[test]
fn one_wrong_byte_anywhere_is_refused_by_name() {
    let (work, to) = scene();
    for (name, at, code) in [
        (LAYER, 600_000, "damaged"),
        (LAYER, 1_076_677, "damaged"),
        (BUSYBOX, 200, "damaged"),
        ("index.json", 30, "damaged"),
        ("lading.json", 100, "damaged"),
        ("catalog.json.zst", 40, "damaged"),
        ("oci-layout", 10, "damaged"),
        ("SHA256SUMS", 3, "damaged"),
        ("seal", 40, "bad-signature"),
        ("*.sig", 20, "bad-signature"),
    ] {
        let whole = file(&work, name);
        let shown = whole.file_name().unwrap().to_str().unwrap().to_owned();
        flip(&whole, at);
        let message = refused(&work, &to, "bundle", 3, code);
        assert!(code == "bad-signature" || message.contains(&shown), "{name}: {message}");
        let image = "docker.io/library/busybox:1.35 needs it";
        assert_eq!(message.contains(image), name == LAYER, "{name}: {message}");
        flip(&whole, at);
    }
    work.ok(&format!("import bundle {TRUST} --to docker://{}", to.host()));
}

#[test]
fn a_wrong_byte_in_an_archive_is_told_by_its_offset() {
    let (work, to) = scene();
    let archive = work.read("bundle.tar");
    let layer = fs::read(file(&work, LAYER)).unwrap();
    for (start, at) in [
        (place_of(&layer, &archive), 600_000),
        (place_of(&content(BUSYBOX), &archive), 200),
        (place_of(&fs::read(file(&work, "lading.json")).unwrap(), &archive), 100),
    ] {
        flip(&work.path("bundle.tar"), start + at);
        let message = refused(&work, &to, "bundle.tar", 3, "damaged");
        assert!(message.contains("bundle.tar, "), "{message}");
        let (_, offset) = message.split_once("from byte ").unwrap();
        let offset: usize = offset.split(' ').next().unwrap().parse().unwrap();
        assert!(offset >= start && offset <= start + at, "{message}, in truth {}", start + at);
        flip(&work.path("bundle.tar"), start + at);
    }
    // A header: the byte in the name, and the checksum that no longer fits.
    let header = place_of(&layer, &archive) - 512;
    flip(&work.path("bundle.tar"), header + 20);
    let message = refused(&work, &to, "bundle.tar", 3, "bad-archive");
    assert!(message.contains(&format!("bundle.tar, byte {header}")), "{message}");
}

#[test]
fn a_cut_archive_is_told_by_its_offset() {
    let (work, to) = scene();
    let archive = work.read("bundle.tar");
    let seal = place_of(b"gapferry bundle seal v1", &archive);
    for length in [seal + 10, archive.len() / 2, 700, 511, 0] {
        work.write("cut.tar", &archive[..length]);
        let message = refused(&work, &to, "cut.tar", 3, "bad-archive");
        assert!(message.contains("cut.tar, byte "), "{message}");
    }
}

#[test]
fn what_is_missing_or_too_much_is_named() {
    let (work, to) = scene();
    for (name, code) in [
        (LAYER, "missing"),
        (BUSYBOX, "missing"),
        ("lading.json", "missing"),
        ("SHA256SUMS", "missing"),
        ("seal", "missing"),
    ] {
        let path = file(&work, name);
        let aside = work.path("aside");
        fs::rename(&path, &aside).unwrap();
        let message = refused(&work, &to, "bundle", 3, code);
        assert!(message.contains(path.file_name().unwrap().to_str().unwrap()), "{name}: {message}");
        fs::rename(&aside, &path).unwrap();
    }
    let stray = format!("blobs/sha256/{}", "0".repeat(64));
    for name in ["notes.txt", "blobs/x", &stray, "seal.txt"] {
        let path = work.path("bundle").join(name);
        fs::write(&path, "x").unwrap();
        let message = refused(&work, &to, "bundle", 3, "extra-file");
        assert!(message.contains(name), "{name}: {message}");
        fs::remove_file(&path).unwrap();
    }
    let layer = file(&work, LAYER);
    let bytes = fs::read(&layer).unwrap();
    for wrong in [&bytes[1..], &[&bytes, &b"x"[..]].concat()] {
        fs::write(&layer, wrong).unwrap();
        let message = refused(&work, &to, "bundle", 3, "wrong-size");
        assert!(message.contains(layer.file_name().unwrap().to_str().unwrap()), "{message}");
    }
    fs::remove_file(&layer).unwrap();
    std::os::unix::fs::symlink(work.path("bundle.tar"), &layer).unwrap();
    refused(&work, &to, "bundle", 3, "not-a-file");
}

#[test]
fn too_few_signatures_are_not_enough() {
    let (work, to) = scene();
    let signature = file(&work, "*.sig");
    fs::rename(&signature, work.path("aside")).unwrap();
    refused(&work, &to, "bundle", 4, "threshold");
    fs::rename(work.path("aside"), &signature).unwrap();
    work.ok("key new -o other.key");
    let line = format!("import bundle --to docker://{} --trust other.key.pub", to.host());
    let before = to.manifests();
    work.refused(&line, 4, "threshold");
    work.refused(&format!("{line} {TRUST} --threshold 2"), 4, "threshold");
    work.refused(&format!("import bundle --to docker://{}", to.host()), 2, "no-trust");
    assert_eq!(to.manifests(), before);
    work.ok(&format!("{line} {TRUST}"));
}
