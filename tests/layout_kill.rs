//! A writer that is killed at any instant leaves a layout that is whole as far as it goes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gapferry::layout::{Layout, LayoutWriter, Store as _};
use gapferry::oci::{Descriptor, Digest, MediaType};

const DIRECTORY: &str = "GAPFERRY_TEST_LAYOUT";
const ROUNDS: u64 = 12;

/// The process that is killed: writes blobs and names, one after the other, until then.
#[test]
fn writes_until_it_is_killed() {
    let Some(root) = std::env::var_os(DIRECTORY) else { return };
    let writer = LayoutWriter::open_or_create(Path::new(&root)).unwrap();
    for number in 0_u64.. {
        let content = number.to_string().repeat(10_000).into_bytes();
        let blob = Descriptor::of(MediaType::new("a/b").unwrap(), &content);
        writer.stage(&blob, &mut content.as_slice()).unwrap().commit().unwrap();
        writer.set_name(&format!("r/{}:{number}", std::process::id()), &blob).unwrap();
    }
}

#[test]
fn a_killed_writer_leaves_nothing_half() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("layout");
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writes_until_it_is_killed"])
            .env(DIRECTORY, &root)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Once it is at work, at an instant that is another each round.
        let (before, deadline) = (names(&root), Instant::now() + Duration::from_secs(60));
        while names(&root) < before + 2 {
            assert!(Instant::now() < deadline, "the process does not get to work");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(700 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        if let Ok(layout) = Layout::open(&root) {
            assert_whole(&root, &layout);
        }
    }
    let writer = LayoutWriter::open_or_create(&root).unwrap();
    assert!(writer.entries().unwrap().len() as u64 >= 2 * ROUNDS);
    let left = std::fs::read_dir(root.join(".gapferry")).unwrap();
    let left =
        left.filter(|left| left.as_ref().unwrap().path().extension() == Some("part".as_ref()));
    assert_eq!(left.count(), 0);
}

/// How many names the layout has by now.
fn names(root: &Path) -> usize {
    Layout::open(root).map_or(0, |layout| layout.entries().len())
}

/// Every blob is what its name says, and every entry leads to a blob.
fn assert_whole(root: &Path, layout: &Layout) {
    for blob in std::fs::read_dir(root.join("blobs/sha256")).into_iter().flatten() {
        let path = blob.unwrap().path();
        let digest = Digest::of(&std::fs::read(&path).unwrap());
        assert_eq!(path.file_name().unwrap().to_str().unwrap(), digest.hex());
    }
    for entry in layout.entries() {
        assert!(layout.open(&entry.descriptor.digest).unwrap().is_some(), "{:?}", entry.name);
    }
}
