//! How many requests an import makes for what the registry has.

use std::collections::BTreeMap;

use super::misbehaving::Misbehaving;
use super::support::command::Work;
use super::support::images::IMAGES;

const IMPORT: &str = "import bundle --trust release.key.pub --to docker://";

/// How often each line, method and path, was asked.
fn lines(registry: &Misbehaving) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    for seen in registry.seen() {
        *lines.entry(format!("{} {}", seen.method, seen.path)).or_default() += 1;
    }
    lines
}

/// A registry that holds images with signatures, several platforms and shared blobs.
fn loaded() -> (Work, Misbehaving) {
    let (work, registry) = (Work::new(), Misbehaving::with(&[]));
    let images = ["signed/app:1.0", "library/multi:1.0", "charts/hello:0.1.0"]
        .map(|name| format!("registry.example/{name}=oci:{IMAGES}:{name}"))
        .join(" ");
    work.ok(&format!("export {images} -o bundle --key release.key"));
    work.ok(&format!("{IMPORT}{}", registry.host()));
    registry.forget();
    (work, registry)
}

#[test]
fn nothing_changed_costs_one_head_a_document() {
    let (work, registry) = loaded();
    work.ok(&format!("{IMPORT}{}", registry.host()));
    let lading: serde_json::Value =
        serde_json::from_slice(&work.read("bundle/lading.json")).unwrap();
    let images = lading["images"].as_array().unwrap();
    let documents: usize = images.iter().map(|it| it["documents"].as_array().unwrap().len()).sum();
    let lines = lines(&registry);
    assert!(lines.keys().all(|line| line.starts_with("HEAD ")), "{lines:?}");
    assert!(lines.values().all(|count| *count == 1), "{lines:?}");
    assert_eq!(lines.len(), documents);
}

#[test]
fn a_blob_that_is_there_costs_one_head() {
    let (work, registry) = loaded();
    registry.lose_documents();
    work.ok(&format!("{IMPORT}{}", registry.host()));
    let lines = lines(&registry);
    let of_blobs: Vec<_> = lines.iter().filter(|(line, _)| line.contains("/blobs/")).collect();
    assert!(of_blobs.len() > 5);
    for (line, count) in of_blobs {
        assert!(line.starts_with("HEAD ") && *count == 1, "{line}: {count}");
    }
}
