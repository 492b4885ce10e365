//! Cases about what a signed bundle holds.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::build::{self, LAYER};
use crate::packed;
use crate::seen::Seen;
use crate::stage::{Stage, TRUST, tree};

pub(crate) fn packs_swapped() -> Vec<Seen> {
    let stage = Stage::with(&build::bundle(packed::content(None)));
    let other: Vec<u8> = LAYER.iter().rev().copied().collect();
    let name = build::blob_name(&packed::pack(LAYER));
    stage.work.write(&format!("b/{name}"), packed::pack(&other));
    vec![stage.import_b().refused(3, "damaged")]
}

/// One bit of every sixteenth byte; every bit is tried elsewhere, without the command line.
pub(crate) fn bits() -> Vec<Seen> {
    let stage = Stage::with(&build::bundle(build::content()));
    let mut all = Vec::new();
    for (name, bytes) in tree(&stage.path("b")) {
        let file = stage.path("b").join(&name);
        for at in (0..bytes.len()).step_by(16) {
            let mut other = bytes.clone();
            other[at] ^= 1 << (at / 16 % 8);
            std::fs::write(&file, other).unwrap();
            // What an import before had staged, and proven, would not be read from the bundle.
            let _ = std::fs::remove_dir_all(stage.path("target/.gapferry"));
            let seen = stage.import_b();
            assert_eq!(seen.exit, Some(3), "{}, byte {at}: {seen:?}", name.display());
            all.push(seen);
        }
        std::fs::write(&file, bytes).unwrap();
    }
    assert!(all.len() > 100);
    stage.import_b().passes();
    all
}

/// Imports an image whose manifest is signed and was changed before.
fn with_manifest(change: impl FnOnce(&mut Value)) -> Seen {
    let mut manifest: Value = serde_json::from_str(&build::manifest()).unwrap();
    change(&mut manifest);
    let stage = Stage::with(&build::bundle(build::content_of(&manifest.to_string())));
    stage.import_b()
}

pub(crate) fn digests() -> Vec<Seen> {
    let own = build::descriptor("a/b", LAYER)["digest"].as_str().unwrap().to_owned();
    let hex = own.trim_start_matches("sha256:").to_owned();
    let odd = [
        format!("sha256:{}", hex.to_uppercase()),
        format!("SHA256:{hex}"),
        own[..own.len() - 1].to_owned(),
        format!("{own}0"),
        format!("md5:{}", &hex[..32]),
        format!("sha256:../{}", &hex[3..]),
        hex,
        String::new(),
    ];
    let refused = |digest: &String| {
        with_manifest(|it| it["layers"][0]["digest"] = json!(digest)).refused(3, "bad-manifest")
    };
    odd.iter().map(refused).collect()
}

pub(crate) fn sizes() -> Vec<Seen> {
    let of = |size: Value| with_manifest(|manifest| manifest["layers"][0]["size"] = size);
    vec![
        of(json!(LAYER.len() + 1)).refused(3, "contradiction"),
        of(json!(0)).refused(3, "contradiction"),
        of(json!(-1)).refused(3, "bad-manifest"),
        of(json!(20.5)).refused(3, "bad-manifest"),
        of(json!(1e30)).refused(3, "bad-manifest"),
        of(json!(u64::MAX)).refused(3, "bad-manifest"),
        of(json!("20")).refused(3, "bad-manifest"),
    ]
}

pub(crate) fn urls() -> Vec<Seen> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/layer", listener.local_addr().unwrap());
    let seen = with_manifest(|it| it["layers"][0]["urls"] = json!([url])).passes();
    assert!(listener.accept().is_err(), "somebody came to fetch");
    vec![seen]
}

/// A zstd frame of 10 GiB of zeros, in 320 KiB (RFC 8878: each block is one byte, said 128 Ki times).
fn bomb() -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3];
    let block = |last: u32| ((128 * 1024) << 3 | 1 << 1 | last).to_le_bytes();
    for _ in 0..80 * 1024 - 1 {
        frame.extend([&block(0)[..3], &[0]].concat());
    }
    frame.extend([&block(1)[..3], &[0]].concat());
    frame
}

pub(crate) fn bombs() -> Vec<Seen> {
    let mut catalog = build::content();
    catalog.insert("catalog.json.zst".to_owned(), bomb());
    let import = |content, code| {
        let stage = Stage::with(&build::bundle(content));
        in_little_memory(&stage, &format!("import b {TRUST} --to oci:target")).refused(3, code)
    };
    vec![import(catalog, "bad-catalog"), import(packed::content_of(&bomb(), None), "bad-pack")]
}

/// JSON that a reader which calls itself would follow until its stack ends.
pub(crate) fn nested_json() -> Vec<Seen> {
    let deep = |open: &str, close: &str| open.repeat(100_000) + &close.repeat(100_000);
    let mut all = Vec::new();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let text = deep(open, close).replace(":}", ":1}");
        for (name, code) in [("lading.json", "bad-lading"), ("index.json", "bad-index")] {
            let mut content = build::content();
            content.insert(name.to_owned(), text.clone().into());
            all.push(Stage::with(&build::bundle(content)).import_b().refused(3, code));
        }
        let mut content = build::content();
        content
            .insert("catalog.json.zst".to_owned(), zstd::encode_all(text.as_bytes(), 1).unwrap());
        all.push(Stage::with(&build::bundle(content)).import_b().refused(3, "bad-catalog"));
        let annotated = build::manifest().replacen('{', &format!("{{\"annotations\":{text},"), 1);
        let content = build::content_of(&annotated);
        all.push(Stage::with(&build::bundle(content)).import_b().refused(3, "bad-manifest"));
    }
    all
}

pub(crate) fn huge_index() -> Vec<Seen> {
    let stage = Stage::with(&build::bundle(build::content()));
    grow(&stage, "b/index.json");
    vec![
        in_little_memory(&stage, &format!("import b {TRUST} --to oci:target"))
            .refused(3, "too-large"),
    ]
}

/// Makes a file a GiB long, without taking that much of the disk.
pub(crate) fn grow(stage: &Stage, name: &str) {
    let file = std::fs::File::options().write(true).open(stage.path(name)).unwrap();
    file.set_len(1 << 30).unwrap();
}

/// gapferry, with less memory than a GiB.
pub(crate) fn in_little_memory(stage: &Stage, line: &str) -> Seen {
    let exe = env!("CARGO_BIN_EXE_gapferry");
    let command = stage.work.tool(&format!("prlimit --as=800000000 {exe} {line} --output json"));
    stage.watch_command(command)
}
