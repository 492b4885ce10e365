//! Hostile input under a limit on memory: the real binary gets 1 GiB of address space and a minute.
//! It must refuse with the exact code, or do what it should: neither be killed nor run out.

#[path = "../support/mod.rs"]
mod support;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use gapferry::oci::{Digest, Hasher};
use gapferry::trust::{Purpose, SecretKey, Signer as _};
use serde_json::{Value, json};
use support::command::Work;

/// Bytes of address space.
const SPACE: u64 = 1 << 30;
/// Plain bytes of what inflates: more than the space.
const BOMB: u64 = 5 << 28;
/// Plain bytes of a zstd block that says the same byte again and again.
const RUN: u64 = 128 * 1024;

/// gapferry within the limits; the exit code, and the error's code if there is one.
fn limited(work: &Work, line: &str) -> (i32, String) {
    let program = env!("CARGO_BIN_EXE_gapferry");
    let line = format!("prlimit --as={SPACE} {program} {line} --output json");
    let output = work.tool(&line).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    let exit = output.status.code().unwrap_or_else(|| panic!("killed: {errors}"));
    let last = errors.lines().last().unwrap_or_default();
    let said: Value = serde_json::from_str(last).unwrap_or_default();
    (exit, said["code"].as_str().unwrap_or_default().to_owned())
}

fn refused(exit: i32, code: &str) -> (i32, String) {
    (exit, code.to_owned())
}

/// A layout with one image of one layer.
fn layout(work: &Work, layer: &[u8]) {
    let blobs = work.path("layout/blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |kind: &str, bytes: &[u8]| {
        let digest = Digest::of(bytes);
        std::fs::write(blobs.join(digest.hex()), bytes).unwrap();
        json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    };
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let config = put("application/vnd.oci.image.config.v1+json", b"{}");
    let layer = put("application/vnd.oci.image.layer.v1.tar+gzip", layer);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer],
    });
    let mut entry = put(kind, manifest.to_string().as_bytes());
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": "tool:1"});
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    work.write("layout/index.json", index.to_string());
    work.write("layout/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
}

/// A signed bundle with one packed layer, whose catalog can be changed.
fn packed() -> (Work, Value) {
    let work = Work::new();
    layout(&work, &gzip(&mut std::io::repeat(b'x').take(100_000)));
    work.ok("export oci:layout:tool:1 -o bundle --key release.key --pack always");
    let catalog = zstd::stream::decode_all(&work.read("bundle/catalog.json.zst")[..]).unwrap();
    let catalog: Value = serde_json::from_slice(&catalog).unwrap();
    assert_eq!(catalog["layers"].as_array().map(Vec::len), Some(1));
    (work, catalog)
}

/// As GNU gzip compresses it.
fn gzip(plain: &mut (impl std::io::Read + Send)) -> Vec<u8> {
    let mut child = std::process::Command::new("gzip")
        .args(["-n", "-6"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("gzip is installed");
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || std::io::copy(plain, &mut stdin).unwrap());
        child.wait_with_output().unwrap().stdout
    })
}

/// A zstd frame that says it has `stated` bytes, and has so many runs of zeros.
fn zstd_bomb(stated: u32, runs: u64) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    frame.extend(stated.to_le_bytes());
    blocks(&mut frame, runs);
    frame
}

/// Runs of zeros as blocks of zstd.
fn blocks(frame: &mut Vec<u8>, runs: u64) {
    for run in 1..=runs {
        let header = (RUN as u32) << 3 | 1 << 1 | u32::from(run == runs);
        frame.extend(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
}

/// Makes sums, seal and signature of what lies in the bundle now, as its maker could have.
fn seal_again(work: &Work) {
    let root = work.path("bundle");
    let files = walkdir::WalkDir::new(&root).into_iter().map(Result::unwrap);
    let files = files.filter(|file| file.file_type().is_file());
    let name = |path: &Path| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<String> = files.map(|file| name(file.path())).collect();
    names.retain(|name| name != "SHA256SUMS" && !name.starts_with("seal"));
    names.sort();
    let bytes: u64 = names.iter().map(|name| root.join(name).metadata().unwrap().len()).sum();
    let line = |name: &String| format!("{}  {name}\n", digest_of(&root.join(name)).hex());
    let sums: String = names.iter().map(line).collect();
    let seal = String::from_utf8(work.read("bundle/seal")).unwrap();
    let line = |line: &str| match line.split_once(": ") {
        Some(("files", _)) => format!("files: {}\n", names.len()),
        Some(("bytes", _)) => format!("bytes: {bytes}\n"),
        Some(("sums", _)) => format!("sums: {} {}\n", Digest::of(sums.as_bytes()), sums.len()),
        _ => format!("{line}\n"),
    };
    let seal: String = seal.lines().map(line).collect();
    let key = String::from_utf8(work.read("release.key")).unwrap();
    let key = SecretKey::from_pem(&key, None).unwrap();
    work.write(
        &format!("bundle/seal.{}.sig", key.public().key_id()),
        key.sign(Purpose::Seal, seal.as_bytes()).unwrap(),
    );
    work.write("bundle/seal", seal);
    work.write("bundle/SHA256SUMS", sums);
}

fn digest_of(path: &Path) -> Digest {
    let (mut file, mut hasher, mut buffer) =
        (File::open(path).unwrap(), Hasher::sha256(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => return hasher.finish(),
            count => hasher.update(&buffer[..count]),
        }
    }
}

fn put_catalog(work: &Work, catalog: &Value) {
    let bytes = zstd::bulk::compress(catalog.to_string().as_bytes(), 1).unwrap();
    work.write("bundle/catalog.json.zst", bytes);
}

/// Both that look at everything refuse with the same code.
fn both_refuse(work: &Work, code: &str) {
    for line in [
        "verify bundle --trust release.key.pub",
        "import bundle --trust release.key.pub --to oci:out",
    ] {
        assert_eq!(limited(work, line), refused(3, code), "{line}");
    }
}

#[test]
fn a_bundle_sealed_again_is_taken() {
    let (work, catalog) = packed();
    put_catalog(&work, &catalog);
    seal_again(&work);
    assert_eq!(limited(&work, "verify bundle --trust release.key.pub"), refused(0, ""));
}

#[test]
fn frames_that_decompress_to_10_gb_stop_at_what_they_state() {
    let largest = 16 << 20;
    for (stated, runs) in [(largest, 80_000), (100_000, 80_000), (u32::MAX, 80_000)] {
        let (work, mut catalog) = packed();
        let old = catalog["packs"][0]["blob"]["digest"].as_str().unwrap()[7..].to_owned();
        std::fs::remove_file(work.path("bundle/blobs/sha256").join(old)).unwrap();
        let bomb = zstd_bomb(stated, runs);
        let digest = Digest::of(&bomb);
        work.write(&format!("bundle/blobs/sha256/{}", digest.hex()), &bomb);
        catalog["packs"][0]["blob"] = json!({"digest": digest, "size": bomb.len()});
        catalog["packs"][0]["frames"] = json!([[bomb.len(), stated.min(largest)]]);
        catalog["layers"][0]["from"] = json!([digest]);
        put_catalog(&work, &catalog);
        seal_again(&work);
        both_refuse(&work, "bad-pack");
    }
}

#[test]
fn an_index_of_1_gb_is_not_read() {
    let (work, _) = packed();
    File::options()
        .write(true)
        .open(work.path("bundle/index.json"))
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    seal_again(&work);
    both_refuse(&work, "too-large");
}

#[test]
fn a_catalog_of_a_thousand_million_extents_is_refused() {
    let (work, catalog) = packed();
    let text = catalog.to_string();
    let (front, back) = text.split_once("\"extents\":[").unwrap();
    // A thousand million; as much text as is read; a few too many.
    for count in [1_000_000_000u64, 66_000_000, 8_000_000] {
        let mut file = File::create(work.path("bundle/catalog.json.zst")).unwrap();
        let mut out = zstd::stream::write::Encoder::new(&mut file, 1).unwrap();
        write!(out, "{front}\"extents\":[").unwrap();
        let many = "[0,0,1],".repeat(1_000_000);
        (0..count / 1_000_000).for_each(|_| out.write_all(many.as_bytes()).unwrap());
        out.write_all(back.as_bytes()).unwrap();
        out.finish().unwrap();
        seal_again(&work);
        both_refuse(&work, "bad-catalog");
    }
}

#[test]
fn a_recipe_of_100_gb_ends_with_its_layer() {
    let (work, mut catalog) = packed();
    let length = catalog["layers"][0]["plain"].as_u64().unwrap();
    // Each of a million extents takes all that there is.
    let extents = vec![json!([0, 0, length]); 1_000_000];
    catalog["layers"][0]["plain"] = json!(length * extents.len() as u64);
    catalog["layers"][0]["extents"] = json!(extents);
    put_catalog(&work, &catalog);
    seal_again(&work);
    both_refuse(&work, "bad-layer");
}

#[test]
fn layers_that_inflate_past_the_space_are_exported() {
    let zeros = || std::io::repeat(0).take(BOMB);
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0x50];
    blocks(&mut frame, BOMB / RUN);
    let mut cut = gzip(&mut zeros());
    let whole = cut.clone();
    cut.truncate(whole.len() - 5);
    // No encoder shows itself in so many zeros; and from zstd nothing is taken, not even by itself.
    for (what, layer) in [("encoder", whole), ("form", cut), ("unshared", frame)] {
        let work = Work::new();
        layout(&work, &layer);
        let line = "export oci:layout:tool:1 -o bundle --key release.key --scratch .";
        assert_eq!(limited(&work, line), refused(0, ""), "{what}");
        let shown = work.json("inspect bundle --trust release.key.pub");
        let layer = shown["blobs"].as_array().unwrap().iter().find(|blob| blob["had"] != "stored");
        assert_eq!(layer.map(|layer| &layer["had"]), Some(&json!(what)));
    }
}
