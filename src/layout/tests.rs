//! A layout is written whole or not at all, and read with suspicion.

use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::oci::{ContentError, Descriptor, MediaType, OCI_INDEX, OCI_MANIFEST};

fn media_type(text: &str) -> MediaType {
    MediaType::new(text).unwrap()
}

fn blob(content: &[u8]) -> Descriptor {
    Descriptor::of(media_type("application/octet-stream"), content)
}

fn put(writer: &LayoutWriter, content: &[u8]) -> Descriptor {
    let descriptor = blob(content);
    writer.stage(&descriptor, &mut &content[..]).unwrap().commit().unwrap();
    descriptor
}

/// Stores an index over `children`, with a subject if there is one.
fn put_index(
    writer: &LayoutWriter,
    children: &[&Descriptor],
    subject: Option<&Descriptor>,
) -> Descriptor {
    let mut json = serde_json::json!({"schemaVersion": 2, "manifests": children});
    if let Some(subject) = subject {
        json["subject"] = serde_json::json!(subject);
    }
    let raw = json.to_string().into_bytes();
    let descriptor = Descriptor::of(media_type(OCI_INDEX), &raw);
    writer.stage(&descriptor, &mut &raw[..]).unwrap().commit().unwrap();
    descriptor
}

fn parts(root: &Path) -> usize {
    let found = std::fs::read_dir(root.join(".gapferry")).unwrap();
    found
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|e| e == "part"))
        .count()
}

fn path(root: &Path, descriptor: &Descriptor) -> std::path::PathBuf {
    root.join("blobs/sha256").join(descriptor.digest.hex())
}

#[test]
fn a_blob_is_not_seen_before_it_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("new/layout");
    let writer = LayoutWriter::open_or_create(&root).unwrap();
    let x = blob(b"x");
    let staged = writer.stage(&x, &mut &b"x"[..]).unwrap();
    assert!(!writer.has_blob(&x).unwrap());
    drop(staged);
    assert_eq!(parts(&root), 0);
    writer.stage(&x, &mut &b"x"[..]).unwrap().commit().unwrap();
    assert!(writer.has_blob(&x).unwrap());
    assert!(!writer.has_blob(&Descriptor { size: 2, ..x.clone() }).unwrap());
    let mut text = String::new();
    let layout = Layout::open(&root).unwrap();
    layout.blob(&x).unwrap().proving().read_to_string(&mut text).unwrap();
    assert_eq!(text, "x");
    assert!(
        matches!(layout.blob(&blob(b"y")), Err(LayoutError::Missing(d)) if d == blob(b"y").digest)
    );
}

#[test]
fn wrong_content_is_not_staged() {
    let dir = tempfile::tempdir().unwrap();
    let writer = LayoutWriter::open_or_create(dir.path()).unwrap();
    for content in [&b"xy"[..], b"", b"y"] {
        let Err(LayoutError::Content(error)) = writer.stage(&blob(b"x"), &mut &content[..]) else {
            panic!("{content:?} was taken");
        };
        assert!(ContentError::inside(&error).is_some());
    }
    assert_eq!(parts(dir.path()), 0);
}

#[test]
fn two_writers_do_not_lose_each_others_names() {
    let dir = tempfile::tempdir().unwrap();
    let names = |who: usize| (0..20).map(move |n| format!("r/w{who}:{n}"));
    std::thread::scope(|scope| {
        for who in 0..4 {
            let root = dir.path();
            scope.spawn(move || {
                let writer = LayoutWriter::open_or_create(root).unwrap();
                for name in names(who) {
                    writer.set_name(&name, &blob(name.as_bytes())).unwrap();
                }
            });
        }
    });
    let layout = Layout::open(dir.path()).unwrap();
    let mut found: Vec<_> = layout.entries().iter().filter_map(|e| e.name.clone()).collect();
    let mut expected: Vec<_> = (0..4).flat_map(names).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn leftovers_are_removed_by_the_only_writer() {
    let dir = tempfile::tempdir().unwrap();
    let first = LayoutWriter::open_or_create(dir.path()).unwrap();
    let staged = first.stage(&blob(b"x"), &mut &b"x"[..]).unwrap();
    let second = LayoutWriter::open_or_create(dir.path()).unwrap();
    assert_eq!(parts(dir.path()), 1);
    staged.commit().unwrap();
    std::fs::write(dir.path().join(".gapferry/left.part"), "half").unwrap();
    drop((first, second));
    LayoutWriter::open_or_create(dir.path()).unwrap();
    assert_eq!(parts(dir.path()), 0);
}

#[test]
fn a_malformed_layout_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    LayoutWriter::open_or_create(root).unwrap();
    for (file, text) in [
        ("index.json", "{\"manifests\":[],\"manifests\":[]}"),
        ("index.json", ""),
        ("oci-layout", "{\"imageLayoutVersion\":\"2.0.0\"}"),
    ] {
        let good = std::fs::read(root.join(file)).unwrap();
        std::fs::write(root.join(file), text).unwrap();
        let opened = LayoutWriter::open_or_create(root).map(|_| ());
        assert!(matches!(opened, Err(LayoutError::Index { .. })), "{text}");
        assert!(matches!(Layout::open(root), Err(LayoutError::Index { .. })), "{text}");
        assert_eq!(std::fs::read_to_string(root.join(file)).unwrap(), text);
        std::fs::write(root.join(file), good).unwrap();
    }
    let huge = std::fs::File::create(root.join("index.json")).unwrap();
    huge.set_len(1 << 30).unwrap();
    let opened = Layout::open(root);
    assert!(matches!(opened, Err(LayoutError::TooLarge { cap: MAX_INDEX_SIZE, .. })));
}

#[test]
fn other_directories_are_not_layouts() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("notes"), "mine").unwrap();
    let made = LayoutWriter::open_or_create(dir.path()).map(|_| ());
    assert!(matches!(made, Err(LayoutError::NotALayout { .. })));
    assert!(matches!(Layout::open(dir.path()), Err(LayoutError::NotALayout { .. })));
    assert!(matches!(Layout::open(&dir.path().join("no")), Err(LayoutError::NotALayout { .. })));
}

#[test]
fn links_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("layout");
    let writer = LayoutWriter::open_or_create(&root).unwrap();
    let x = put(&writer, b"x");
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "y").unwrap();
    symlink(&secret, path(&root, &blob(b"y"))).unwrap();
    let layout = Layout::open(&root).unwrap();
    assert!(matches!(layout.blob(&blob(b"y")), Err(LayoutError::File(_))));
    assert!(matches!(writer.has_blob(&blob(b"y")), Err(LayoutError::File(_))));
    std::fs::rename(root.join("blobs"), dir.path().join("elsewhere")).unwrap();
    symlink(dir.path().join("elsewhere"), root.join("blobs")).unwrap();
    assert!(matches!(layout.blob(&x), Err(LayoutError::File(_))));
    let staged = writer.stage(&blob(b"z"), &mut &b"z"[..]).unwrap();
    assert!(matches!(staged.commit(), Err(LayoutError::File(_))));
}

#[test]
fn a_damaged_document_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let writer = LayoutWriter::open_or_create(dir.path()).unwrap();
    let index = put_index(&writer, &[], None);
    writer.set_name("a/b:1", &index).unwrap();
    let layout = Layout::open(dir.path()).unwrap();
    assert_eq!(layout.manifest(&index).unwrap().descriptor(), &index);
    std::fs::write(path(dir.path(), &index), "{}").unwrap();
    assert!(matches!(layout.manifest(&index), Err(LayoutError::Manifest(_))));
    let huge = std::fs::File::create(path(dir.path(), &index)).unwrap();
    huge.set_len(1 << 30).unwrap();
    assert!(matches!(
        layout.manifest(&index),
        Err(LayoutError::Manifest(crate::oci::ManifestError::TooLarge(_)))
    ));
    assert_eq!(Documents::scan(&layout).unwrap().damaged.len(), 1);
}

#[test]
fn a_scan_finds_children_and_referrers() {
    let dir = tempfile::tempdir().unwrap();
    let writer = LayoutWriter::open_or_create(dir.path()).unwrap();
    let leaf = put_index(&writer, &[], None);
    let absent = Descriptor::of(media_type(OCI_MANIFEST), b"absent");
    let layer = blob(b"a layer in an index");
    let root = put_index(&writer, &[&leaf, &absent, &layer], None);
    let referrer = put_index(&writer, &[&root], Some(&leaf));
    let again = put_index(&writer, &[], Some(&referrer));
    writer.set_name("a/b:1", &root).unwrap();
    writer.list(&referrer).unwrap();
    writer.list(&again).unwrap();
    let documents = Documents::scan(&Layout::open(dir.path()).unwrap()).unwrap();
    assert!(documents.damaged.is_empty());
    let refer = |to: &Descriptor| -> Vec<Digest> {
        documents.referrers(&to.digest).map(|found| found.descriptor.digest).collect()
    };
    assert_eq!(refer(&leaf), [referrer.digest]);
    assert_eq!(refer(&referrer), [again.digest]);
    assert!(refer(&root).is_empty());
    assert!(documents.get(&absent.digest).is_none());
    assert_eq!(documents.get(&root.digest).unwrap().children.len(), 3);
}
