//! A medium that is damaged, forged, or changes while it is served.

use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::support::command::Work;
use crate::support::images::{Eyes, content, digest};
use crate::{Serving, TRUST, exported};

fn flip(path: &Path, at: u64) {
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

/// What curl gets of a blob, and whether it got all.
fn got(work: &Work, server: &Serving, path: &str) -> (bool, Vec<u8>) {
    let line = format!("curl -sf -o got {}/v2/{path}", server.address());
    std::fs::remove_file(work.path("got")).ok();
    let whole = work.tool(&line).env("NO_PROXY", "*").status().unwrap().success();
    (whole, std::fs::read(work.path("got")).unwrap_or_default())
}

#[test]
fn a_byte_that_flips_after_the_start_is_never_sent() {
    for (out, options) in [("bundle", "--pack never"), ("bundle.tar", "--pack never")] {
        let (work, images) = exported(out, options);
        let server = Serving::start(&work, &format!("{out} {TRUST}"));
        let eyes = Eyes::on(server.host());
        let manifest = eyes.json("library/busybox/manifests/1.35");
        let layer = manifest["layers"][0]["digest"].as_str().unwrap();
        let right = content(layer);
        let (file, offset) = lies(&work, out, &right);
        // In the last block: the ones before it are right and may go out.
        flip(&file, offset + right.len() as u64 - 10);
        let path = format!("library/busybox/blobs/{layer}");
        for _ in 0..2 {
            let (whole, bytes) = got(&work, &server, &path);
            assert!(!whole && bytes.len() < right.len(), "{out}");
            assert!(right.starts_with(&bytes), "{out}: wrong bytes were sent");
        }
        assert!(server.log().contains("warning: not served: "), "{}", server.log());
        let others: Vec<_> =
            images.into_iter().filter(|entry| !leads_to(&eyes, entry, layer)).collect();
        assert!(others.len() > 3);
        eyes.assert_holds("", &others);
        flip(&file, offset + right.len() as u64 - 10);
        assert_eq!(digest(&got(&work, &server, &path).1), layer, "it was mended");
    }
}

/// The file that holds these bytes, and where.
fn lies(work: &Work, out: &str, bytes: &[u8]) -> (std::path::PathBuf, u64) {
    match out.ends_with(".tar") {
        false => (work.path(out).join("blobs").join(digest(bytes).replace(':', "/")), 0),
        true => {
            let archive = work.read(out);
            let at = archive.windows(64).position(|window| *window == bytes[..64]).unwrap();
            assert!(archive[at..].starts_with(bytes));
            (work.path(out), at as u64)
        }
    }
}

fn leads_to(eyes: &Eyes, entry: &crate::support::images::Entry, layer: &str) -> bool {
    let document = eyes.json(&format!("{}/manifests/{}", entry.repository, entry.digest));
    let below = |field: &str| document[field].as_array().cloned().unwrap_or_default();
    let children = below("manifests").into_iter().map(|child| {
        let digest = child["digest"].as_str().unwrap().to_owned();
        eyes.json(&format!("{}/manifests/{digest}", entry.repository)).to_string()
    });
    document.to_string().contains(layer) || children.into_iter().any(|text| text.contains(layer))
}

#[test]
fn a_damaged_pack_spoils_its_own_layers_alone() {
    let (work, _) = exported("bundle", "--pack always");
    let pack = std::fs::read_dir(work.path("bundle/blobs/sha256")).unwrap();
    let pack = pack.map(|entry| entry.unwrap().path());
    let pack = pack.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let server = Serving::start(&work, &format!("bundle {TRUST} --cache-size 1"));
    let eyes = Eyes::on(server.host());
    let config = eyes.json("library/busybox/manifests/1.35")["config"]["digest"].clone();
    let manifest = eyes.json("library/busybox/manifests/1.35");
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    let size = pack.metadata().unwrap().len();
    for at in (0..size).step_by(20_000) {
        flip(&pack, at);
    }
    let (whole, bytes) = got(&work, &server, &format!("library/busybox/blobs/{layer}"));
    assert!(!whole && content(layer).starts_with(&bytes), "wrong bytes were sent");
    assert!(server.log().contains("damaged or forged"), "{}", server.log());
    let (whole, bytes) =
        got(&work, &server, &format!("library/busybox/blobs/{}", config.as_str().unwrap()));
    assert!(whole && digest(&bytes) == config.as_str().unwrap());
}

#[test]
fn what_is_not_genuine_is_refused_before_it_listens() {
    let (work, _) = exported("bundle", "");
    work.ok("key new -o other.key");
    let line = "serve bundle --listen 127.0.0.1:0";
    work.refused(line, 2, "no-trust");
    work.refused(&format!("{line} --trust other.key.pub"), 4, "threshold");
    work.refused(&format!("{line} {TRUST} --trust other.key.pub --threshold 2"), 4, "threshold");
    flip(&work.path("bundle/seal"), 40);
    work.refused(&format!("{line} {TRUST}"), 3, "bad-signature");
    flip(&work.path("bundle/seal"), 40);
    flip(&work.path("bundle/lading.json"), 40);
    work.refused(&format!("{line} {TRUST}"), 3, "damaged");
    flip(&work.path("bundle/lading.json"), 40);
    // Without its seal a bundle is a layout, which nobody signed: not with this spelling.
    std::fs::rename(work.path("bundle/seal"), work.path("seal")).unwrap();
    work.refused(&format!("{line} {TRUST}"), 3, "missing");
    drop(Serving::start(&work, "oci:bundle"));
    std::fs::rename(work.path("seal"), work.path("bundle/seal")).unwrap();
    drop(Serving::start(&work, &format!("bundle {TRUST}")));
}

#[test]
fn admission_is_that_of_verify_and_moves_no_memory() {
    let (work, _) = exported("older", "--sequence 1");
    let export = |out: &str, more: &str| {
        let image = format!("oci:{}:library/busybox:1.35", crate::IMAGES);
        work.ok(&format!("export {image} -o {out} --key release.key {more}"));
    };
    export("newer", "--sequence 2");
    export("theirs", "--sequence 3 --destination berlin");
    let line = |place: &str| format!("serve {place} {TRUST} --listen 127.0.0.1:0");
    work.refused(&line("theirs"), 4, "wrong-destination");
    drop(Serving::start(&work, &format!("theirs {TRUST} --site berlin")));
    work.ok(&format!("import newer {TRUST} --to oci:arrived"));
    let before = work.ok("memory show");
    work.refused(&line("older"), 4, "replayed");
    work.refused(&line("older newer"), 4, "replayed");
    drop(Serving::start(&work, &format!("older {TRUST} --restore")));
    drop(Serving::start(&work, &format!("newer {TRUST}")));
    assert_eq!(work.ok("memory show"), before);
}
