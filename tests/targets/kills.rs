//! SIGKILL at the n-th system call of an import: what can be seen is whole, and the next run ends as
//! if nothing had been. `--jobs 1`, so that counting calls means something.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command::Work;
use crate::strace::{disturbed, points, some};
use crate::{IMPORT, digest_of, exported};

/// Calls that change something. They are counted by kind, and by thread.
const CALLS: [&str; 4] =
    ["write,pwrite64", "rename,renameat,renameat2", "mkdir", "fsync,fdatasync"];
/// How many places of each kind are tried.
const POINTS: usize = 6;

/// Kills an import at several calls; `check` looks at what there is then.
fn sweep(work: &Work, to: &str, places: &[&str], check: impl Fn(&Work)) {
    let line = format!("{IMPORT} {to} --jobs 1");
    let clear = || {
        for place in places.iter().chain(&[".local"]) {
            let path = work.path(place);
            let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
        }
    };
    let (mut tried, mut killed) = (0, 0);
    for calls in CALLS {
        let all = points(work, calls, &line);
        clear();
        for (name, at) in some(&all, POINTS) {
            let output = disturbed(work, name, "signal=SIGKILL", at, &line);
            // The last calls are not always the same number.
            (tried, killed) = (tried + 1, killed + usize::from(!output.status.success()));
            check(work);
            work.ok(&line);
            check(work);
            clear();
        }
    }
    assert!(killed > tried / 2, "{killed} of {tried}");
}

#[test]
fn an_archive_is_there_whole_or_not_at_all() {
    let (work, _) = exported(&["library/busybox"], "");
    work.ok(&format!("{IMPORT} oci-archive:images.tar --jobs 1"));
    let whole = digest_of(&work.path("images.tar"));
    let places = ["images.tar", "images.tar.part"];
    sweep(&work, "oci-archive:images.tar", &places, |work| {
        let path = work.path("images.tar");
        assert!(!path.exists() || digest_of(&path) == whole, "half an archive");
    });
}

/// The file of content in a storage.
fn data(root: &Path, digest: &str) -> PathBuf {
    let hex = digest.strip_prefix("sha256:").unwrap();
    root.join("blobs/sha256").join(&hex[..2]).join(hex).join("data")
}

/// Everything that a digest leads to is there and linked.
fn assert_whole(root: &Path, repository: &Path, digest: &str) {
    let raw = std::fs::read(data(root, digest)).unwrap_or_else(|_| panic!("{digest} is missing"));
    assert_eq!(crate::digest(&raw), digest);
    let link = |kind: &str, digest: &str| {
        let path = repository.join(kind).join(digest.replace(':', "/")).join("link");
        assert_eq!(
            std::fs::read_to_string(&path).unwrap_or_default(),
            digest,
            "{}",
            path.display()
        );
    };
    link("_manifests/revisions", digest);
    let document: Value = serde_json::from_slice(&raw).unwrap();
    let list = |field: &str| document[field].as_array().cloned().unwrap_or_default();
    for child in list("manifests") {
        assert_whole(root, repository, child["digest"].as_str().unwrap());
    }
    for blob in document.get("config").cloned().into_iter().chain(list("layers")) {
        let blob = blob["digest"].as_str().unwrap();
        link("_layers", blob);
        assert_eq!(digest_of(&data(root, blob)), blob);
    }
}

#[test]
fn every_tag_and_revision_of_a_storage_leads_to_whole_images() {
    let (work, _) = exported(&["library/busybox", "library/multi"], "");
    sweep(&work, "docker-registry-storage:storage", &["storage"], |work| {
        let root = work.path("storage/docker/registry/v2");
        for entry in walkdir::WalkDir::new(root.join("repositories")) {
            // Nothing is there yet.
            let Ok(entry) = entry else { return };
            let path = entry.path();
            let parts: Vec<_> = path.iter().filter_map(|part| part.to_str()).collect();
            let shows = parts.contains(&"_manifests") && path.ends_with("link");
            if !shows {
                continue;
            }
            let manifests = path.ancestors().find(|path| path.ends_with("_manifests")).unwrap();
            let digest = std::fs::read_to_string(path).unwrap();
            assert_whole(&root, manifests.parent().unwrap(), &digest);
        }
    });
}
