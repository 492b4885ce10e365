//! A bundle of more than a GiB, in less memory than that.

use std::fs::File;
use std::io::Write as _;
use std::process::Command;

use serde_json::json;

use super::command::Work;
use super::{TRUST, content, zero};

/// The most that any step may hold in memory, in KiB.
const CEILING: u64 = 256 * 1024;
/// Bytes of a layer, and how many there are: one to a volume.
const LAYER: usize = 350 << 20;
const LAYERS: u64 = 4;

/// Runs gapferry below the ceiling.
fn run(work: &Work, line: &str) {
    let output = Command::new("/usr/bin/time")
        .args(["-f", "peak %M", env!("CARGO_BIN_EXE_gapferry")])
        .args(line.split_whitespace())
        .current_dir(work.path(""))
        .env("HOME", work.path(""))
        .output()
        .expect("GNU time is installed");
    let report = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{line}: {report}");
    let peak = report.lines().find_map(|line| line.strip_prefix("peak ")).unwrap();
    println!("{line}: {peak} KiB at most");
    assert!(peak.parse::<u64>().unwrap() < CEILING, "{line} took {peak} KiB of memory");
}

/// An image whose layers nothing compresses.
fn layout(work: &Work) {
    let blobs = work.path("layout/blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |kind: &str, bytes: &[u8]| {
        let digest = gapferry::oci::Digest::of(bytes);
        File::create(blobs.join(digest.hex())).unwrap().write_all(bytes).unwrap();
        json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    };
    let layers: Vec<_> = (1..=LAYERS)
        .map(|seed| {
            let mut state = seed;
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()
            };
            let bytes: Vec<u8> = (0..LAYER / 8).flat_map(|_| next()).collect();
            put("application/vnd.oci.image.layer.v1.tar", &bytes)
        })
        .collect();
    let config = put("application/vnd.oci.image.config.v1+json", b"{}");
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest =
        json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers});
    let mut entry = put(kind, manifest.to_string().as_bytes());
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": "noise:1"});
    work.write("layout/index.json", json!({"schemaVersion": 2, "manifests": [entry]}).to_string());
    work.write("layout/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
}

#[test]
fn more_than_a_gib_is_repaired_in_256_mib() {
    let work = Work::new();
    layout(&work);
    let export = "export oci:layout:noise:1 --key release.key --store-layers -o v";
    run(&work, &format!("{export} --volume-size 400MiB --parity-volumes 1"));
    std::fs::remove_dir_all(work.path("layout")).unwrap();
    std::fs::remove_file(work.path("v/volume-0002.tar")).unwrap();
    run(&work, &format!("verify v --repair --scratch . {TRUST}"));
    run(&work, &format!("repair v -o repaired {TRUST}"));
    std::fs::remove_dir_all(work.path("v")).unwrap();
    // The same in one archive, with bad sectors.
    run(&work, &format!("repack repaired -o bundle.tar --parity 10% {TRUST}"));
    std::fs::remove_dir_all(work.path("repaired")).unwrap();
    let good = content(&work.path("bundle.tar"));
    let path = work.path("bundle.tar");
    (0..1000).for_each(|at| zero(&path, at * 1_400_000 / 4096 * 4096, 5000));
    zero(&path, 700_000_000, 40_000_000);
    run(&work, &format!("repair bundle.tar -o again.tar {TRUST}"));
    assert!(content(&work.path("again.tar")) == good);
}
