//! What takes minutes: run by `tests/run --slow`.
//!
//! A layer of 5 GiB goes all the way, as it is and packed, and no step may hold more than a fixed
//! amount of it in memory.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gapferry::oci::{Descriptor, Digest, Hasher, MediaType, OCI_CONFIG, OCI_MANIFEST};
use serde_json::json;

const GIB: u64 = 1 << 30;
/// The most that any step may hold in memory at once, in KiB: of layers as they are, and of packed
/// ones.
const CEILING: u64 = 200 * 1024;
const PACKED_CEILING: u64 = 512 * 1024;
/// The layer's plain bytes: more than the length in a gzip trailer can say.
const SIZE: u64 = 5 * GIB + 12_345;
/// The layout is sparse; a bundle, its repacked form and an import are not.
const FREE: u64 = 12 * GIB;

#[test]
fn a_layer_of_5_gib_goes_through_200_mib() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let dir = dir.path();
    assert_free_space(dir);
    make_layout(dir, make_layer);
    run(dir, "key new -o release.key");
    run(dir, "export oci:layout -o bundle --key release.key");
    run(dir, "verify bundle --trust release.key.pub");
    run(dir, "import bundle --trust release.key.pub --to oci:imported");
    std::fs::remove_dir_all(dir.join("imported")).unwrap();
    run(dir, "repack bundle -o bundle.tar");
    std::fs::remove_dir_all(dir.join("bundle")).unwrap();
    run(dir, "verify bundle.tar --trust release.key.pub");
    run(dir, "import bundle.tar --trust release.key.pub --to oci:imported");
    std::fs::remove_dir_all(dir.join("imported")).unwrap();
    std::fs::remove_file(dir.join("bundle.tar")).unwrap();
    run(dir, "export oci:layout -o bundle.tar --key release.key --read-back");
}

#[test]
fn a_packed_layer_of_5_gib_goes_through_512_mib() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let dir = dir.path();
    assert_free_space(dir);
    let layer = make_layout(dir, make_gzip_layer);
    let run = |line: &str| run_below(PACKED_CEILING, dir, line);
    run("key new -o release.key");
    run("export oci:layout -o bundle --key release.key --pack always");
    assert!(!dir.join("bundle/blobs/sha256").join(layer.hex()).exists(), "it is packed");
    run("verify bundle --trust release.key.pub");
    run("import bundle --trust release.key.pub --to oci:imported");
    assert_eq!(digest_of(&dir.join("imported/blobs/sha256").join(layer.hex())), layer);
}

fn assert_free_space(dir: &Path) {
    let found = rustix::fs::statvfs(dir).unwrap();
    let free = found.f_bavail * found.f_frsize;
    assert!(
        free >= FREE,
        "this test needs {} GiB in {}; there are {}",
        FREE / GIB,
        dir.display(),
        free / GIB
    );
}

fn run(dir: &Path, line: &str) {
    run_below(CEILING, dir, line);
}

/// Runs gapferry; its peak of resident memory must stay below the ceiling, in KiB.
fn run_below(ceiling: u64, dir: &Path, line: &str) {
    let start = std::time::Instant::now();
    let output = Command::new("/usr/bin/time")
        .arg("-v")
        .arg(env!("CARGO_BIN_EXE_gapferry"))
        .args(line.split(' '))
        .args(["--progress", "none"])
        .current_dir(dir)
        .env("GAPFERRY_STATE", dir.join("state"))
        .output()
        .expect("GNU time is installed");
    let report = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{line}: {report}");
    let peak = report
        .lines()
        .find_map(|line| line.trim().strip_prefix("Maximum resident set size (kbytes): "))
        .and_then(|peak| peak.parse::<u64>().ok())
        .expect("time -v tells the peak");
    println!("{line}: {} MiB at most, {:?}", peak / 1024, start.elapsed());
    assert!(peak < ceiling, "{line} took {peak} KiB of memory");
}

/// A layout with one image whose layer `make` makes, in the directory of blobs; its digest.
fn make_layout(dir: &Path, make: fn(&Path) -> Descriptor) -> Digest {
    let root = dir.join("layout");
    let blobs = root.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let put = |kind: &str, bytes: &[u8]| {
        let descriptor = Descriptor::of(MediaType::new(kind).unwrap(), bytes);
        std::fs::write(blobs.join(descriptor.digest.hex()), bytes).unwrap();
        descriptor
    };
    let config = put(OCI_CONFIG, br#"{"os":"linux","architecture":"amd64"}"#);
    let layer = make(&blobs);
    let digest = layer.digest;
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": [layer]}).to_string();
    let mut manifest = json!(put(OCI_MANIFEST, manifest.as_bytes()));
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": "big/layer:1"});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]}).to_string();
    std::fs::write(root.join("index.json"), index).unwrap();
    digest
}

/// Zeros with noise strewn in.
fn make_layer(blobs: &Path) -> Descriptor {
    let path = blobs.join("layer");
    strewn(&path, &[0, GIB + 77, 3 * GIB - 5, SIZE - (1 << 20)]);
    placed(blobs, &path, "application/vnd.oci.image.layer.v1.tar")
}

/// The same with more noise, as pigz compresses it.
fn make_gzip_layer(blobs: &Path) -> Descriptor {
    let (plain, path) = (blobs.join("plain"), blobs.join("layer"));
    strewn(&plain, &(0..256).map(|at| at * 20_000_077).collect::<Vec<_>>());
    let status = Command::new("pigz")
        .args(["-n", "-1", "-p", "2"])
        .stdin(Stdio::from(File::open(&plain).unwrap()))
        .stdout(Stdio::from(File::create(&path).unwrap()))
        .status();
    assert!(status.expect("pigz is installed").success());
    std::fs::remove_file(&plain).unwrap();
    placed(blobs, &path, "application/vnd.oci.image.layer.v1.tar+gzip")
}

/// A file of zeros with a MiB of noise at each of these places.
fn strewn(path: &Path, places: &[u64]) {
    let file = File::create(path).unwrap();
    file.set_len(SIZE).unwrap();
    let mut noise = vec![0; 1 << 20];
    for at in places {
        getrandom::fill(&mut noise).unwrap();
        file.write_all_at(&noise, *at).unwrap();
    }
}

/// Gives a blob its name.
fn placed(blobs: &Path, path: &PathBuf, kind: &str) -> Descriptor {
    let (digest, size) = (digest_of(path), path.metadata().unwrap().len());
    std::fs::rename(path, blobs.join(digest.hex())).unwrap();
    Descriptor::new(MediaType::new(kind).unwrap(), digest, size)
}

fn digest_of(path: &PathBuf) -> Digest {
    let (mut file, mut hasher) = (File::open(path).unwrap(), Hasher::sha256());
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => return hasher.finish(),
            count => hasher.update(&buffer[..count]),
        }
    }
}
