//! One flipped bit in each kind of file: the drill fails with the code that an import would give,
//! and the record says so.

use gapferry::drill::Record;

use crate::command::Work;
use crate::{TRUST, export, failed, record};

/// Turns one bit of a file.
fn flip(work: &Work, name: &str, at: usize) {
    let mut bytes = work.read(name);
    bytes[at] ^= 1;
    work.write(name, bytes);
}

/// Drills `bundle`, which fails with this code, and gives the record.
fn drill(work: &Work, bundle: &str, exit: i32, code: &str) -> Record {
    let line = format!("drill {bundle} --to store {TRUST} --key release.key --record r.txt");
    let refused = work.fails(&line);
    assert_eq!((refused.exit, refused.code.as_str()), (exit, code), "{bundle}: {refused:?}");
    let found = record(work, "r.txt");
    assert_eq!(found.outcome, failed(code), "{bundle}");
    // A failed drill is signed for as well.
    let id = work.json("key show release.key.pub")["keyId"].as_str().unwrap().to_owned();
    for name in ["r.txt".to_owned(), format!("r.txt.{id}.sig")] {
        std::fs::remove_file(work.path(&name)).unwrap();
    }
    assert!(!work.path("store").exists(), "nothing was restored");
    found
}

#[test]
fn one_bit_in_each_kind_of_file_of_a_directory() {
    let work = Work::new();
    export(&work, &["library/busybox:1.35", "tools/plain:1.0"], "good", "--pack always");
    let id = work.json("key show release.key.pub")["keyId"].as_str().unwrap().to_owned();
    let seal = work.read("good/seal");
    let mut kinds = vec![
        ("seal".to_owned(), 40, "bad-signature"),
        (format!("seal.{id}.sig"), 5, "bad-signature"),
    ];
    for name in
        ["SHA256SUMS", "oci-layout", "index.json", "lading.json", "catalog.json.zst", "chunks.zst"]
    {
        kinds.push((name.to_owned(), 20, "damaged"));
    }
    // Manifests, configs and packs.
    for entry in std::fs::read_dir(work.path("good/blobs/sha256")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        kinds.push((format!("blobs/sha256/{name}"), 100, "damaged"));
    }
    assert!(kinds.len() > 12, "{kinds:?}");
    for (name, at, code) in kinds {
        // Packs and configs are read last, when all else is proven.
        let is_late = name.starts_with("blobs/")
            && !String::from_utf8_lossy(&work.read(&format!("good/{name}")))
                .contains("schemaVersion");
        flip(&work, &format!("good/{name}"), at);
        let record = drill(&work, "good", 3, code);
        assert_eq!(record.sealed.is_some(), is_late, "{name}: only what is proven is said");
        assert!(record.times.verify.is_some() && record.times.restore.is_none(), "{name}");
        if !name.starts_with("seal") {
            assert_eq!(record.seal, Some(gapferry::oci::Digest::of(&seal)), "{name}");
        }
        flip(&work, &format!("good/{name}"), at);
    }
    work.ok(&format!("drill good --to store {TRUST}"));
}

#[test]
fn one_bit_of_an_archive_and_of_a_volume() {
    let work = Work::new();
    let images = ["library/busybox:1.35", "tools/plain:1.0"];
    export(&work, &images, "a.tar", "--store-layers");
    let size = work.read("a.tar").len();
    // The name of the first member; bytes of the largest blob.
    flip(&work, "a.tar", 3);
    drill(&work, "a.tar", 3, "bad-archive");
    flip(&work, "a.tar", 3);
    flip(&work, "a.tar", size / 2);
    assert!(drill(&work, "a.tar", 3, "damaged").sealed.is_some());
    export(&work, &images, "volumes", "--volume-size 2MiB --store-layers");
    let volume = "volumes/volume-0001.tar";
    let size = work.read(volume).len();
    flip(&work, volume, size / 2);
    assert!(drill(&work, "volumes", 3, "damaged").sealed.is_some());
    std::fs::remove_file(work.path(volume)).unwrap();
    drill(&work, "volumes", 3, "missing");
}

#[test]
fn what_is_no_bundle_has_no_seal() {
    let work = Work::new();
    let record = drill(&work, "nowhere", 1, "file");
    assert_eq!((record.seal, record.sealed), (None, None));
}

#[test]
fn too_few_keys_are_a_failed_drill() {
    let work = Work::new();
    work.ok("key new -o other.key");
    export(&work, &["library/busybox:1.35"], "bundle", "");
    let line = "drill bundle --to store --trust other.key.pub --record r.txt";
    work.refused(line, 4, "threshold");
    let record = record(&work, "r.txt");
    assert_eq!((record.outcome, record.sealed), (failed("threshold"), None));
}

/// The store fills up while images are restored: what there is of it stays, and the record says how
/// far it came. On a small file system of its own, if one can be mounted here.
#[test]
fn a_store_that_fills_up() {
    let work = Work::new();
    export(&work, &["library/busybox:1.35"], "bundle", "");
    std::fs::create_dir(work.path("m")).unwrap();
    let drill = format!(
        "{} drill bundle --to m/store {TRUST} --no-space-check --record r.txt --output json",
        env!("CARGO_BIN_EXE_gapferry")
    );
    let script = format!("mount -t tmpfs -o size=64k none m && {drill}; echo $?; ls m/store");
    work.write("script", script);
    let ran = work.tool("unshare -rm sh script").output().unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    let error = String::from_utf8(ran.stderr).unwrap();
    if !work.path("r.txt").exists() {
        assert!(error.contains("unshare") || error.contains("mount"), "{error}");
        eprintln!("skipped: no file system can be mounted here");
        return;
    }
    assert_eq!(text, "1\nindex.json\noci-layout\n", "{error}");
    assert!(error.contains("No space left on device"), "{error}");
    assert!(error.contains("what was restored stays in m/store"), "{error}");
    let record = record(&work, "r.txt");
    assert_eq!(record.outcome, failed("file"));
    assert!(record.sealed.is_some());
    assert!(record.times.restore.is_some() && record.times.read_back.is_none());
}
