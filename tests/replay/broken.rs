//! Imports that fail, are killed or meet each other; a memory that is damaged or cannot be written.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::support::DockerRegistry;
use super::support::command::Work;
use super::support::proxy::{Fault, Proxy, always};
use super::{STATE, TRUST, memory, newest, tree, with_bundles};

/// gapferry by itself, so that it is gapferry that is killed.
fn start(work: &Work, line: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gapferry"));
    command.args(line.split_whitespace()).current_dir(work.path("")).env("HOME", work.path(""));
    command.env_remove("XDG_STATE_HOME").env_remove("GAPFERRY_STATE");
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn wait_until(what: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// An import that waits for a registry which never answers, and holds the lock.
fn stuck(work: &Work) -> (Child, TcpListener) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let child =
        start(work, &format!("import b5 {TRUST} --to docker://{}", silent.local_addr().unwrap()));
    let (lock, id) = (work.path(STATE).join("lock"), format!("{}\n", child.id()));
    wait_until("the lock is not taken", || {
        std::fs::read(&lock).is_ok_and(|it| it == id.as_bytes())
    });
    (child, silent)
}

#[test]
fn of_two_imports_at_once_one_is_refused() {
    let work = with_bundles(&[5]);
    let (mut child, _silent) = stuck(&work);
    let line = format!("import b5 {TRUST} --to oci:target");
    let message = work.refused(&line, 1, "state-locked");
    assert!(message.contains(&format!("process {}", child.id())), "{message}");
    assert!(!work.path("target").exists());
    // Looking does not wait, and another site's state is another lock.
    work.ok(&format!("verify b5 {TRUST}"));
    work.ok("memory show");
    work.ok(&format!("{line} --state other"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(memory(&work).len(), 0);
    work.ok(&line);
    assert_eq!(newest(&work), Some(5), "the lock of a dead process is none");
}

#[test]
fn a_killed_import_moves_no_memory() {
    let work = with_bundles(&[4, 5]);
    let registry = DockerRegistry::start();
    work.ok(&format!("import b4 {TRUST} --to docker://{}", registry.host()));
    let before = memory(&work);
    let (mut child, _silent) = stuck(&work);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(memory(&work), before);
    // Killed when all blobs are there, and the manifest is about to come.
    let busy = Fault::Answer("503 Service Unavailable\r\n");
    let other = DockerRegistry::start();
    let proxy = Proxy::start(other.port(), vec![always("PUT", "/manifests/", busy)]);
    let line = format!("import b5 {TRUST} --to docker://{}", proxy.host());
    let mut child = start(&work, &line);
    wait_until("no manifest is sent", || {
        proxy.heads().iter().any(|head| head.starts_with("PUT ") && head.contains("/manifests/"))
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(memory(&work), before);
    proxy.heal();
    let said = work.ok(&line);
    assert!(said.contains("1 image loaded"), "{said}");
    assert_eq!(newest(&work), Some(5));
}

#[test]
fn an_import_that_fails_in_part_or_wholly_moves_no_memory() {
    let work = with_bundles(&[4, 5]);
    let registry = DockerRegistry::start();
    let denied = Fault::Answer("403 Forbidden\r\n");
    let proxy = Proxy::start(registry.port(), vec![always("PUT", "/manifests/", denied)]);
    let line = format!("import b5 {TRUST} --to docker://{}", proxy.host());
    work.refused(&line, 1, "denied");
    work.refused(&format!("{line} --keep-going"), 5, "partial");
    assert_eq!(memory(&work).len(), 0);
    work.ok(&format!("import b4 {TRUST} --to oci:target"));
    proxy.heal();
    work.ok(&format!("{line} --keep-going"));
    assert_eq!(newest(&work), Some(5));
}

#[test]
fn a_damaged_bundle_is_not_remembered() {
    let work = with_bundles(&[5, 6]);
    work.ok(&format!("import b5 {TRUST} --to oci:target"));
    let before = memory(&work);
    let layers = tree(&work.path("b6/blobs"));
    let (layer, bytes) = layers.iter().max_by_key(|(_, bytes)| bytes.len()).unwrap();
    std::fs::write(layer, &bytes[1..]).unwrap();
    assert_eq!(work.fails(&format!("import b6 {TRUST} --to oci:target")).exit, 3);
    assert_eq!(memory(&work), before);
}

/// Nobody, not even root, makes files there.
#[test]
fn a_state_that_cannot_be_written_is_found_before_anything_is_imported() {
    let work = with_bundles(&[5]);
    work.write("file", "");
    for state in ["/proc", "/proc/none", "/sys", "file", "file/below"] {
        let line = format!("import b5 {TRUST} --to oci:target --state {state}");
        work.refused(&line, 1, "log-not-written");
        work.refused(&format!("{line} --no-log"), 1, "file");
        assert!(!work.path("target").exists(), "{state}");
    }
    work.ok(&format!("verify b5 {TRUST} --state /proc"));
}

#[test]
fn a_damaged_memory_is_found_before_anything_is_imported() {
    let work = with_bundles(&[4, 5, 6]);
    for bundle in ["b4", "b5"] {
        work.ok(&format!("import {bundle} {TRUST} --to oci:target"));
    }
    let target = tree(&work.path("target"));
    let path = work.path(STATE).join("memory");
    let good = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    let spoilt = [
        (good.replace("default 1 5", "default 1 2"), "line 3 of the memory was changed"),
        (lines[..2].concat(), "line 3 of the memory is missing"),
        ([lines[0], lines[2]].concat(), "line 2 of the memory was changed"),
        (good.replace(" v1", " v2"), "line 1 of the memory"),
    ];
    for (text, what) in spoilt {
        std::fs::write(&path, text).unwrap();
        for line in [
            format!("import b6 {TRUST} --to oci:target"),
            format!("import b6 {TRUST} --to oci:target --dry-run"),
            format!("verify b6 {TRUST}"),
            "memory show".to_owned(),
            "memory check".to_owned(),
        ] {
            let message = work.refused(&line, 3, "bad-memory");
            assert!(message.contains(what), "{message}");
        }
    }
    std::fs::remove_file(&path).unwrap();
    let message = work.refused(&format!("import b4 {TRUST} --to oci:new"), 3, "bad-memory");
    assert!(message.contains("line 1 of the memory is missing"), "{message}");
    assert_eq!(tree(&work.path("target")), target);
    assert!(!work.path("new").exists());
    std::fs::write(&path, good).unwrap();
    work.ok(&format!("import b6 {TRUST} --to oci:target"));
}
