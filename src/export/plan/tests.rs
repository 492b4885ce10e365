use super::*;
use crate::bundle::Packaging;
use crate::oci::{Manifest, OCI_INDEX, OCI_MANIFEST, Omitted, OmittedReason, PinnedDocument, Role};
use crate::tests::{Maker, document, noise};
use serde_json::json;

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// A manifest of blobs, each a text and the size that is stated for it.
fn manifest(blobs: &[(&str, u64)]) -> Manifest {
    let blob = |(text, size): &(&str, u64)| json!({"mediaType": "a/b", "digest": digest(text), "size": size});
    let layers: Vec<_> = blobs[1..].iter().map(blob).collect();
    let fields = json!({"schemaVersion": 2, "config": blob(&blobs[0]), "layers": layers});
    document(OCI_MANIFEST, fields)
}

fn pinned(document: &Manifest, role: Role) -> PinnedDocument {
    let descriptor = document.descriptor();
    let (digest, size, media_type) =
        (descriptor.digest, descriptor.size, descriptor.media_type.clone());
    let (platform, subject, tag, artifact_type) = (None, None, None, None);
    PinnedDocument { digest, media_type, size, role, platform, subject, tag, artifact_type }
}

fn image(name: &str, documents: &[&Manifest]) -> PinnedImage {
    let role = |at| if at == 0 { Role::Root } else { Role::Child };
    let pinned = documents.iter().enumerate().map(|(at, document)| pinned(document, role(at)));
    PinnedImage {
        name: name.parse().unwrap(),
        source: "oci:nowhere".to_owned(),
        why: vec![],
        digest: documents[0].descriptor().digest,
        bytes: 0,
        index: None,
        documents: pinned.collect(),
        omitted: vec![],
    }
}

fn by_digest(documents: &[&Manifest]) -> BTreeMap<Digest, Manifest> {
    let entry = |it: &&Manifest| (it.descriptor().digest, (*it).clone());
    documents.iter().map(entry).collect()
}

#[test]
fn each_blob_is_planned_once_in_the_order_of_the_names() {
    let (one, two) = (manifest(&[("c1", 2), ("x", 5), ("y", 6)]), manifest(&[("c2", 3), ("y", 6)]));
    let images = vec![image("b", &[&one]), image("a", &[&two])];
    let plan = plan(images, by_digest(&[&one, &two])).unwrap();
    let names: Vec<_> = plan.images.iter().map(|it| it.name.repository.path().to_owned()).collect();
    assert_eq!(names, ["library/a", "library/b"]);
    let blobs: Vec<_> = plan.blobs.iter().map(|it| (it.descriptor.digest, it.image)).collect();
    let expected = [("c2", 0), ("y", 0), ("c1", 1), ("x", 1)];
    assert_eq!(blobs, expected.map(|(text, image)| (digest(text), image)));
    assert_eq!(plan.blob_bytes(), 16);
}

#[test]
fn nothing_is_no_bundle() {
    assert!(matches!(plan(vec![], BTreeMap::new()), Err(ExportError::Nothing)));
}

#[test]
fn what_is_neither_selected_nor_left_behind_is_missing() {
    let child = manifest(&[("c", 1)]);
    let index = document(OCI_INDEX, json!({"schemaVersion": 2, "manifests": [child.descriptor()]}));
    let missing = |result| match result {
        Err(ExportError::Incomplete { digest, .. }) => digest,
        other => panic!("{other:?}"),
    };
    let alone = image("a", &[&index]);
    let (of_child, of_index) = (child.descriptor().digest, index.descriptor().digest);
    assert_eq!(missing(plan(vec![alone.clone()], by_digest(&[&index]))), of_child);
    assert_eq!(missing(plan(vec![alone.clone()], BTreeMap::new())), of_index);
    let (reason, platform) = (OmittedReason::Platform, None);
    let omitted = vec![Omitted { digest: of_child, reason, platform }];
    let left = PinnedImage { omitted, ..alone };
    assert!(plan(vec![left], by_digest(&[&index])).unwrap().blobs.is_empty());
    let whole = image("a", &[&index, &child]);
    assert_eq!(plan(vec![whole], by_digest(&[&index, &child])).unwrap().blobs.len(), 1);
}

#[test]
fn a_blob_that_stays_behind_is_not_planned() {
    let one = manifest(&[("c", 1), ("foreign", 5)]);
    let (reason, platform) = (OmittedReason::Foreign, None);
    let omitted = vec![Omitted { digest: digest("foreign"), reason, platform }];
    let image = PinnedImage { omitted, ..image("a", &[&one]) };
    let plan = plan(vec![image], by_digest(&[&one])).unwrap();
    assert_eq!(plan.blobs.len(), 1);
}

#[test]
fn one_blob_has_one_size() {
    let (one, two) = (manifest(&[("c", 1), ("x", 5)]), manifest(&[("c", 1), ("x", 6)]));
    let images = vec![image("a", &[&one]), image("b", &[&two])];
    let error = plan(images, by_digest(&[&one, &two])).unwrap_err();
    assert!(
        matches!(&error, ExportError::Sizes { name, blob, first: 5, second: 6 }
            if name.repository.path() == "library/b" && *blob == digest("x")),
        "{error}"
    );
    // A document has the size that it has.
    let text = std::str::from_utf8(one.raw()).unwrap();
    let holder = manifest(&[("c", 1), (text, 7)]);
    let images = vec![image("a", &[&one]), image("b", &[&holder])];
    let error = plan(images, by_digest(&[&one, &holder])).unwrap_err();
    assert!(matches!(error, ExportError::Sizes { second: 7, .. }), "{error}");
}

#[test]
fn content_that_bundles_cannot_name_is_refused() {
    let blob =
        json!({"mediaType": "a/b", "digest": format!("sha512:{}", "0".repeat(128)), "size": 1});
    let one = document(OCI_MANIFEST, json!({"schemaVersion": 2, "config": blob, "layers": []}));
    let error = plan(vec![image("a", &[&one])], by_digest(&[&one])).unwrap_err();
    assert!(matches!(error, ExportError::Unsupported { digest: Digest::Sha512(_), .. }), "{error}");
}

#[test]
fn sizes_that_lie_do_not_overflow() {
    let most = i64::MAX as u64;
    let one = manifest(&[("c", most), ("x", most), ("y", most)]);
    let plan = plan(vec![image("a", &[&one])], by_digest(&[&one])).unwrap();
    assert_eq!(plan.blob_bytes(), u64::MAX);
}

/// An artifact may hold a manifest as its blob, and that manifest may be aboard by itself.
#[test]
fn a_document_that_is_a_blob_too_travels_once() {
    let maker = Maker::new();
    let one = maker.image("one:1", &[noise(700, 1)]);
    let at = maker.path("layout").join(format!("blobs/sha256/{}", one.digest.hex()));
    let held = maker.image("holder:1", &[std::fs::read(at).unwrap()]);
    let images = [one.clone(), held];
    for (out, packaging) in [("d", Packaging::Directory), ("a.tar", Packaging::Archive)] {
        maker.export(&images, out, packaging).unwrap();
        let bundle = maker.verify(&[maker.path(out)]).unwrap();
        let contents = bundle.get();
        contents.prove_blobs(&crate::report::Silent).unwrap();
        assert!(contents.document(&one.digest).is_some());
        assert!(contents.catalog().get(&one.digest).is_some());
        let again = maker.path(&format!("again-{out}"));
        crate::repack::repack(contents, &again, packaging, 2, &crate::report::Silent).unwrap();
        assert!(crate::tests::tree(&again) == crate::tests::tree(&maker.path(out)), "{out}");
    }
}

#[test]
fn a_source_that_lies_makes_no_bundle() {
    for packaging in
        [Packaging::Directory, Packaging::Archive, Packaging::Volumes { limit: 1 << 24 }]
    {
        let maker = Maker::new();
        let image = maker.image("one:1", &[noise(3_000_000, 1), noise(900, 2)]);
        let layer = Digest::of(&noise(3_000_000, 1));
        crate::tests::flip(&maker.path(&format!("layout/blobs/sha256/{}", layer.hex())), 2_999_999);
        let error = maker.export(&[image], "out.tar", packaging).unwrap_err();
        assert!(
            matches!(&error, ExportError::Read { blob, error, .. }
                if *blob == layer && crate::oci::ContentError::inside(error).is_some()),
            "{error}"
        );
        let out = maker.path("out.tar");
        assert!(!out.is_file() && !out.join("seal").exists());
    }
}

#[test]
fn what_is_held_are_blobs_that_follow_each_other() {
    let sizes = [10, 0, 300, 4096, 1, 8000];
    let peak = |jobs| scratch_peak(&sizes, jobs, 1);
    assert_eq!([1, 2, 3].map(peak), [8000, 8001, 12097]);
    assert_eq!([0, 6, 100].map(peak), [8000, 12407, 12407]);
    assert_eq!(scratch_peak(&sizes, 2, 4096), 3 * 4096);
    assert_eq!(scratch_peak(&[], 4, 4096), 0);
    assert_eq!(scratch_peak(&[u64::MAX, u64::MAX], 2, 4096), u64::MAX);
}
