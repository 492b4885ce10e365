//! What is asked for is what travels: locks, platforms, referrers, single images.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::support::images::{Entry, Eyes, OCI_INDEX, content, entries};
use super::support::{DockerRegistry, command::Work};
use super::{TRUST, exported, list, seeded};

const MULTI: &str = "sha256:d73168238868fbbd1a59b8c6579b3b6d4f9b89a968176179b12b0a68201a16ef";
const BUSYBOX: &str = "sha256:fd81094251a3fa1dc71bd0b8e11e70bca5866f67abaed9ef471774b428cad7db";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Every file below a directory, or the one file, with its bytes.
fn files(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let walk = walkdir::WalkDir::new(path).sort_by_file_name().into_iter().map(Result::unwrap);
    let files = walk.filter(|it| it.file_type().is_file()).map(walkdir::DirEntry::into_path);
    files
        .map(|file| (file.strip_prefix(path).unwrap().to_owned(), std::fs::read(&file).unwrap()))
        .collect()
}

fn named<'a>(entries: &'a [Entry], name: &str) -> &'a Entry {
    entries.iter().find(|entry| entry.name() == name).unwrap()
}

#[test]
fn a_lock_makes_the_same_bundle_with_any_number_of_jobs() {
    let work = Work::new();
    let (from, entries) = seeded(&["library/", "signed/"]);
    work.write("images.txt", list(&from.host(), &entries));
    for jobs in [1, 8] {
        work.ok(&format!("lock -f images.txt --jobs {jobs} -o {jobs}.lock"));
        for form in ["dir", "tar", "volumes"] {
            let (out, cut) = match form {
                "volumes" => (format!("{jobs}.volumes"), "--volume-size 1200kB"),
                form => (format!("{jobs}.{form}"), ""),
            };
            let signed = "--key release.key --sequence 7";
            work.ok(&format!("export --lock {jobs}.lock --jobs {jobs} {signed} -o {out} {cut}"));
        }
    }
    for kind in ["lock", "dir", "tar", "volumes"] {
        let (one, eight) =
            (files(&work.path(&format!("1.{kind}"))), files(&work.path(&format!("8.{kind}"))));
        assert!(!one.is_empty() && one == eight, "{kind} differs");
    }
}

#[test]
fn a_tag_that_moves_after_the_lock_moves_nothing() {
    let work = Work::new();
    let (from, entries) = seeded(&["library/busybox", "library/base"]);
    let name = format!("{}/library/busybox:1.35", from.host());
    work.ok(&format!("lock {name} -o images.lock"));
    let (busybox, base) =
        (named(&entries, "library/busybox:1.35"), named(&entries, "library/base:go-l1"));
    let eyes = Eyes::on(&from.host());
    let moved =
        Entry { repository: busybox.repository.clone(), tag: busybox.tag.clone(), ..base.clone() };
    eyes.push(std::slice::from_ref(&moved));
    eyes.assert_holds("", &[moved]);
    work.ok("export --lock images.lock -o bundle --key release.key");
    let to = DockerRegistry::start();
    work.ok(&format!("import bundle {TRUST} --to docker://{}", to.host()));
    Eyes::on(&to.host()).assert_holds("", std::slice::from_ref(busybox));
}

#[test]
fn one_platform_travels_as_its_manifest() {
    let work = Work::new();
    let (from, _) = seeded(&["library/multi"]);
    let name = format!("{}/library/multi:1.0", from.host());
    work.ok(&format!("export {name} --platform linux/arm64 -o bundle --key release.key"));
    let seen = work.json(&format!("inspect bundle {TRUST}"));
    assert_eq!(seen["images"][0]["index"], MULTI);
    let digest = seen["images"][0]["digest"].as_str().unwrap();
    let to = DockerRegistry::start();
    work.ok(&format!("import bundle {TRUST} --to docker://{}", to.host()));
    let eyes = Eyes::on(&to.host());
    let (status, kind, bytes) = eyes.get("library/multi/manifests/1.0");
    assert_eq!((status, kind.as_str()), (200, OCI_MANIFEST));
    assert!(bytes == content(digest));
    assert_eq!(eyes.get(&format!("library/multi/manifests/{MULTI}")).0, 404);
    eyes.assert_whole();
    let message = work.refused(
        &format!("export {name} --platform linux/s390x -o other --key release.key"),
        1,
        "no-platform",
    );
    assert!(message.contains("library/multi:1.0") && message.contains("linux/s390x"), "{message}");
    assert!(message.contains("linux/arm64"), "{message}");
}

/// `library/three:1.0`: the index of `library/multi` and one platform more.
fn push_three_platforms(eyes: &Eyes) -> Vec<u8> {
    let busybox = &entries(&["library/busybox"])[0];
    let in_three =
        |entry: &Entry| Entry { repository: "library/three".to_owned(), ..entry.clone() };
    let parts: Vec<Entry> =
        entries(&["library/multi", "library/busybox"]).iter().map(in_three).collect();
    eyes.push(&parts);
    let mut index: Value = serde_json::from_slice(&content(MULTI)).unwrap();
    index["manifests"].as_array_mut().unwrap().push(json!({
        "mediaType": OCI_MANIFEST, "digest": busybox.digest, "size": content(&busybox.digest).len(),
        "platform": {"os": "linux", "architecture": "riscv64"},
    }));
    let bytes = index.to_string().into_bytes();
    eyes.put("library/three/manifests/1.0", OCI_INDEX, &bytes);
    bytes
}

/// docker-registry takes no index of which a part is missing; a layout does.
#[test]
fn several_platforms_keep_the_index_as_it_is() {
    let work = Work::new();
    let from = DockerRegistry::start();
    let index = push_three_platforms(&Eyes::on(&from.host()));
    let name = format!("{}/library/three:1.0", from.host());
    let two = "--platform linux/amd64 --platform linux/arm64";
    work.ok(&format!("export {name} {two} -o bundle --key release.key"));
    let seen = work.json(&format!("inspect bundle {TRUST}"));
    assert_eq!(seen["images"][0]["omitted"].as_array().unwrap().len(), 1);
    work.ok(&format!("import bundle {TRUST} --to oci:layout"));
    let layout: Value = serde_json::from_slice(&work.read("layout/index.json")).unwrap();
    let digest = layout["manifests"][0]["digest"].as_str().unwrap().replace(':', "/");
    assert!(work.read(&format!("layout/blobs/{digest}")) == index);

    let to = DockerRegistry::start();
    let line = format!("import bundle {TRUST} --to docker://{}", to.host());
    let message = work.refused(&line, 1, "refused");
    assert!(message.contains("library/three:1.0 lacks platforms of its index"), "{message}");
    assert!(message.contains("BLOB_UNKNOWN"), "{message}");
    assert!(Eyes::on(&to.host()).tags("library/three").is_empty());
}

#[test]
fn referrers_stay_behind_when_they_are_not_wanted() {
    let work = Work::new();
    let (from, entries) = seeded(&["signed/"]);
    let name = format!("{}/signed/app:1.0", from.host());
    work.ok(&format!("export {name} --no-referrers -o bundle --key release.key"));
    let to = DockerRegistry::start();
    work.ok(&format!("import bundle {TRUST} --to docker://{}", to.host()));
    let eyes = Eyes::on(&to.host());
    eyes.assert_holds("", std::slice::from_ref(named(&entries, "signed/app:1.0")));
    assert_eq!(eyes.tags("signed/app").into_iter().collect::<Vec<_>>(), ["1.0"]);
}

#[test]
fn a_digest_travels_without_a_tag() {
    let work = Work::new();
    let (from, _) = seeded(&["library/busybox"]);
    let at = format!("{}/library/busybox", from.host());
    work.ok(&format!("export {at}@{BUSYBOX} -o bundle --key release.key"));
    let to = DockerRegistry::start();
    work.ok(&format!("import bundle {TRUST} --to docker://{}", to.host()));
    let eyes = Eyes::on(&to.host());
    assert_eq!(eyes.get(&format!("library/busybox/manifests/{BUSYBOX}")).0, 200);
    assert!(eyes.tags("library/busybox").is_empty());
    let again = work.ok(&format!("import bundle {TRUST} --to docker://{}", to.host()));
    assert!(again.contains("already imported"), "{again}");
    // A tag and a digest: both must be true.
    work.ok(&format!("export {at}:1.35@{BUSYBOX} -o both --key release.key --stream both"));
    work.ok(&format!("import both {TRUST} --to docker://{}", to.host()));
    assert_eq!(eyes.tags("library/busybox").into_iter().collect::<Vec<_>>(), ["1.35"]);
    let absent = BUSYBOX.replace("fd81", "0000");
    let line = format!("export {at}@{absent} -o absent --key release.key");
    assert!(work.refused(&line, 1, "not-found").contains(&absent));
}

#[test]
fn one_image_of_a_bundle_is_loaded_alone() {
    let work = Work::new();
    let entries = exported(&work, &["library/", "charts/"], "bundle");
    let seen = work.json(&format!("inspect bundle {TRUST}"));
    let names: Vec<&str> =
        seen["images"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    let chart = names.iter().find(|name| name.ends_with("charts/hello:0.1.0")).unwrap();
    let to = DockerRegistry::start();
    work.ok(&format!("import bundle {TRUST} --image {chart} --to docker://{}", to.host()));
    let eyes = Eyes::on(&to.host());
    assert_eq!(eyes.catalog().into_iter().collect::<Vec<_>>(), ["charts/hello"]);
    eyes.assert_holds("", std::slice::from_ref(named(&entries, "charts/hello:0.1.0")));
    let line = format!("import bundle {TRUST} --image quay.io/a/b:1 --to docker://{}", to.host());
    assert!(work.refused(&line, 2, "not-aboard").contains("quay.io/a/b:1"));
}
