//! Faults that a repository cannot hold, made when they are tried: links, pipes, large blobs.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::build::{self, Files};
use super::{good, try_bundle};

/// Puts `files` into a new directory, lets `spoil` change it, and sees it refused.
fn refused(name: &str, code: &str, files: &Files, spoil: impl FnOnce(&Path)) {
    judged(name, 3, code, files, spoil);
}

fn judged(name: &str, exit: i32, code: &str, files: &Files, spoil: impl FnOnce(&Path)) {
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().join("bundle");
    for (name, bytes) in files {
        let path = bundle.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    spoil(&bundle);
    let key = build::vectors().join("keys/release.key.pub");
    let state = directory.path().join("state");
    let arguments = ["--trust", key.to_str().unwrap(), "--state", state.to_str().unwrap()];
    let arguments = arguments.map(str::to_owned);
    let wrong = try_bundle(name, &bundle, &arguments, exit, code);
    assert_eq!(wrong, Vec::<String>::new());
}

fn bundle() -> Files {
    build::bundle(build::content())
}

#[test]
fn a_link_to_the_right_blob_is_refused() {
    refused("link-blob", "not-a-file", &bundle(), |bundle| {
        let layer = bundle.join(build::layer());
        std::fs::rename(&layer, bundle.join("parity-layer")).unwrap();
        symlink("../../parity-layer", layer).unwrap();
    });
}

#[test]
fn a_link_to_the_right_seal_is_refused() {
    refused("link-seal", "not-a-file", &bundle(), |bundle| {
        std::fs::rename(bundle.join("seal"), bundle.join("parity-seal")).unwrap();
        symlink("parity-seal", bundle.join("seal")).unwrap();
    });
}

#[test]
fn a_link_to_the_right_blobs_is_refused() {
    refused("link-blobs", "extra-file", &bundle(), |bundle| {
        std::fs::rename(bundle.join("blobs"), bundle.join("parity-blobs")).unwrap();
        symlink("parity-blobs", bundle.join("blobs")).unwrap();
    });
}

#[test]
fn a_link_to_the_right_volume_is_refused() {
    refused("link-volume", "not-a-file", &good::volumes(&bundle()), |bundle| {
        let volume = bundle.join("volume-0001.tar");
        std::fs::rename(&volume, bundle.join("parity-1")).unwrap();
        symlink("parity-1", volume).unwrap();
    });
}

#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    refused("pipe-seal", "not-a-file", &bundle(), |bundle| {
        std::fs::remove_file(bundle.join("seal")).unwrap();
        let made = Command::new("mkfifo").arg(bundle.join("seal")).status().unwrap();
        assert!(made.success());
    });
}

#[test]
fn a_blob_with_its_marks_is_taken() {
    judged("good-marks", 0, "none", &good::marks(), |_| ());
}

#[test]
fn a_wrong_mark_is_refused() {
    let mut content = good::marks();
    content.retain(|name, _| name != "SHA256SUMS" && !name.starts_with("seal"));
    good::edit_catalog(&mut content, "\"marks\":\"3m6Z", "\"marks\":\"3m6Y");
    refused("marks-wrong", "damaged", &build::bundle(content), |_| ());
}

#[test]
fn damage_in_any_block_is_refused() {
    for at in [0, (1 << 20) - 1, 1 << 20] {
        let mut files = good::marks();
        let layer = files.values_mut().find(|bytes| bytes.len() > 1 << 20).unwrap();
        layer[at] ^= 1;
        refused("block-flipped", "damaged", &files, |_| ());
    }
}
