//! Archives: the strict reader of bundles, and those of other tools' archives.

use std::fs::File;
use std::path::PathBuf;

use gapferry::source::{Archive, ArchiveLayout, DockerArchiveSource, LayoutSource, Source};
use gapferry::verify;

/// A directory that goes away with the run, and in it a file with these bytes.
fn file(name: &str, data: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(name);
    std::fs::write(&path, data).expect("a file");
    (directory, path)
}

/// A bundle in one archive, looked at without keys.
pub fn bundle(data: &[u8]) {
    let (_directory, path) = file("bundle.tar", data);
    let _ = verify::examine(&[path.clone()]);
    let _ = verify::claims(&[path]);
}

pub fn oci(data: &[u8]) {
    let (_directory, path) = file("image.tar", data);
    let Ok(store) = Archive::open(&path).and_then(ArchiveLayout::new) else { return };
    if let Ok(source) = LayoutSource::new(store, None) {
        walk(&source);
    }
}

pub fn docker(data: &[u8]) {
    let (_directory, path) = file("image.tar", data);
    let Ok(archive) = Archive::open(&path) else { return };
    if let Ok(source) = DockerArchiveSource::new(&archive, None) {
        walk(&source);
    }
    assert_eq!(
        File::open(&path).and_then(|it| it.metadata()).expect("there").len(),
        data.len() as u64
    );
}

fn walk(source: &dyn Source) {
    let Ok(root) = source.root() else { return };
    let _ = source.referrers(&root.descriptor().digest);
    for child in root.children() {
        let _ = source.manifest(child);
    }
    for blob in root.blobs() {
        let _ = source.blob(blob);
    }
}
