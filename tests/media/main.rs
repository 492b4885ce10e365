//! Bundles on several media: staged one by one, written to many at once, onto file systems that are
//! full, small, or lose what was written.

mod changing;
#[path = "../support/command.rs"]
#[allow(dead_code)] // Each test binary uses a part of it.
mod command;
mod filesystems;
mod mounted;
mod spreading;
mod staging;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use command::Work;
use serde_json::json;

/// The key that every bundle here is signed with.
pub(crate) const TRUST: &str = "--trust release.key.pub";

/// Bytes that do not compress.
pub(crate) fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..size).map(|_| next()).collect()
}

/// A layout `layout` with the images `app:1`, `app:2`, …, each with layers of these sizes.
pub(crate) fn layout(work: &Work, images: &[&[usize]]) {
    let blobs = work.path("layout/blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    work.write("layout/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    let put = |kind: &str, bytes: &[u8]| {
        let digest = gapferry::oci::Digest::of(bytes);
        std::fs::write(blobs.join(digest.hex()), bytes).unwrap();
        let kind = format!("application/vnd.oci.image.{kind}");
        json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    };
    let mut manifests = Vec::new();
    for (version, sizes) in (1..).zip(images) {
        let config = format!("{{\"os\":\"linux\",\"architecture\":\"amd64\",\"v\":{version}}}");
        let config = put("config.v1+json", config.as_bytes());
        let layers = (1..).zip(*sizes).map(|(at, size)| noise(*size, 100 * version + at));
        let layers: Vec<_> = layers.map(|layer| put("layer.v1.tar", &layer)).collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": layers,
        });
        let mut entry = put("manifest.v1+json", manifest.to_string().as_bytes());
        entry["annotations"] =
            json!({"org.opencontainers.image.ref.name": format!("app:{version}")});
        manifests.push(entry);
    }
    let index = json!({"schemaVersion": 2, "manifests": manifests});
    work.write("layout/index.json", index.to_string());
}

/// An export of the first images of [`layout`].
pub(crate) fn export(count: usize, options: &str) -> String {
    let images: Vec<String> = (1..=count).map(|it| format!("oci:layout:app:{it}")).collect();
    format!("export {} --key release.key {options}", images.join(" "))
}

pub(crate) type Tree = BTreeMap<PathBuf, Vec<u8>>;

/// Every file below `root` and its content.
pub(crate) fn tree(root: &Path) -> Tree {
    let files = walkdir::WalkDir::new(root).into_iter().filter_map(Result::ok);
    let files = files.filter(|entry| entry.file_type().is_file());
    let name = |path: &Path| path.strip_prefix(root).unwrap().to_owned();
    files.map(|file| (name(file.path()), std::fs::read(file.path()).unwrap())).collect()
}
