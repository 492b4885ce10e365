//! Work that is interrupted: killed, out of space, its source gone. The next run goes on where it
//! was, and ends with the same bytes.

mod export;
mod imports;
mod kills;
mod registries;
mod strace;
#[path = "../support/mod.rs"]
mod support;
mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;
pub(crate) use support::command;
use support::command::Work;

/// Each packaging, by its options.
pub(crate) const OUTS: [(&str, &str); 3] =
    [("out", ""), ("out.tar", ""), ("out", "--volume-size 64KiB")];
/// Each way of keeping layers.
pub(crate) const PACKS: [&str; 3] = ["never", "auto", "always"];

/// A layout with two images, whose layers share most of what they hold. The digests of all
/// blobs, manifests last.
pub(crate) fn layout(work: &Work) -> Vec<String> {
    let blobs = work.path("layout/blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    work.write("layout/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    let mut digests = Vec::new();
    let mut put = |kind: &str, bytes: &[u8]| {
        let digest = gapferry::oci::Digest::of(bytes);
        std::fs::write(blobs.join(digest.hex()), bytes).unwrap();
        digests.push(digest.hex());
        json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    };
    let mut manifests = Vec::new();
    for version in 1..=2 {
        let config = format!("{{\"os\":\"linux\",\"architecture\":\"amd64\",\"v\":{version}}}");
        let config = put("application/vnd.oci.image.config.v1+json", config.as_bytes());
        let layers: Vec<_> = (0..3)
            .map(|layer| match layer {
                1 => put("application/vnd.oci.image.layer.v1.tar+zstd", &zstd(layer, version)),
                _ => put("application/vnd.oci.image.layer.v1.tar+gzip", &gzip(layer, version)),
            })
            .collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": layers,
        });
        manifests.push((version, manifest.to_string()));
    }
    let manifests: Vec<_> = manifests
        .iter()
        .map(|(version, raw)| {
            let kind = "application/vnd.oci.image.manifest.v1+json";
            let mut entry = put(kind, raw.as_bytes());
            entry["annotations"] = json!({
                "org.opencontainers.image.ref.name": format!("app:{version}"),
            });
            entry
        })
        .collect();
    let index = json!({"schemaVersion": 2, "manifests": manifests});
    work.write("layout/index.json", index.to_string());
    digests
}

/// A tar archive with a few files, of which one is another in each version.
fn archive(layer: u64, version: u64) -> Vec<u8> {
    let mut archive = Vec::new();
    for file in 0..4 {
        let seed = if file == 3 { version } else { 0 };
        let text: String =
            (0..3_000).map(|line| format!("{layer} {file} {seed} {line}\n")).collect();
        let mut header = tar::Header::new_ustar();
        header.set_path(format!("file-{file}")).unwrap();
        header.set_size(text.len() as u64);
        header.set_cksum();
        archive.extend_from_slice(header.as_bytes());
        archive.extend_from_slice(text.as_bytes());
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

fn zstd(layer: u64, version: u64) -> Vec<u8> {
    zstd::encode_all(archive(layer, version).as_slice(), 3).unwrap()
}

fn gzip(layer: u64, version: u64) -> Vec<u8> {
    let archive = archive(layer, version);
    let mut child = std::process::Command::new("gzip")
        .args(["-n", "-6"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feed = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &archive).unwrap());
    let output = child.wait_with_output().unwrap();
    feed.join().unwrap();
    output.stdout
}

/// Files by their names.
pub(crate) type Tree = BTreeMap<PathBuf, Vec<u8>>;

/// Every file at `root`, or below it, with its content.
pub(crate) fn tree(root: &Path) -> Tree {
    let files = walkdir::WalkDir::new(root).into_iter().filter_map(Result::ok);
    let files = files.filter(|entry| entry.file_type().is_file());
    // The audit log has what was refused, too.
    let files = files.filter(|entry| !entry.path().to_string_lossy().contains("/log/audit.jsonl"));
    let relative = |path: &Path| path.strip_prefix(root).unwrap().to_owned();
    files.map(|entry| (relative(entry.path()), std::fs::read(entry.path()).unwrap())).collect()
}

/// The command that exports both images.
pub(crate) fn export(out: &str, options: &str, pack: &str) -> String {
    format!(
        "export oci:layout:app:1 oci:layout:app:2 -o {out} {options} --pack {pack} \
         --key release.key --jobs 1"
    )
}
