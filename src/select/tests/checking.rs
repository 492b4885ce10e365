use super::*;
use crate::select::check::{Attached, Change, check};

/// A signed image with an SBOM of the signature, and its lock.
fn scene() -> (Memory, Descriptor, PinnedImage) {
    let mut memory = Memory::default();
    let root = memory.image("linux/amd64");
    memory.tag("latest", &root);
    let referrer = memory.referrer(OCI_MANIFEST, &root, json!("sbom"));
    memory.referrer(OCI_MANIFEST, &referrer, json!("of the sbom"));
    let signature = memory.image("sig/one");
    memory.tag(&format!("sha256-{}.sig", root.digest.hex()), &signature);
    let image = pin_for(&memory, &[]).unwrap();
    assert_eq!(image.documents.len(), 4);
    (memory, root, image)
}

fn changes(memory: &Memory, image: &PinnedImage) -> Vec<Change> {
    check(Ok(memory), image, true).unwrap()
}

fn attached(subject: &Descriptor, digest: Digest, tag: Option<String>) -> Attached {
    Attached { subject: subject.digest, digest, tag: tag.map(|tag| tag.parse().unwrap()) }
}

#[test]
fn nothing_has_moved() {
    let (memory, _, image) = scene();
    assert_eq!(changes(&memory, &image), []);
    let Buildkit { memory, .. } = buildkit();
    for platforms in [&[][..], &["linux/amd64"], &["linux/amd64", "linux/arm64"]] {
        assert_eq!(changes(&memory, &pin_for(&memory, platforms).unwrap()), [], "{platforms:?}");
    }
}

#[test]
fn a_tag_moves_or_goes() {
    let (mut memory, _, image) = scene();
    let other = memory.image("linux/arm64");
    memory.tag("latest", &other);
    assert_eq!(changes(&memory, &image), [Change::Moved { now: other.digest }]);
    memory.tags.remove("latest");
    assert_eq!(changes(&memory, &image), [Change::Gone]);
    let absent = SourceError::NotFound("the layout".to_owned());
    assert_eq!(check(Err(absent), &image, true).unwrap(), [Change::Gone]);
    // Of an index of which one platform was taken, the index is what the name points to.
    let Buildkit { mut memory, amd64, .. } = buildkit();
    let image = pin_for(&memory, &["linux/amd64"]).unwrap();
    memory.tag("latest", &amd64);
    assert_eq!(changes(&memory, &image), [Change::Moved { now: amd64.digest }]);
}

#[test]
fn a_document_is_lost() {
    let (mut memory, root, image) = scene();
    let sbom = image.documents.iter().find(|it| it.role == Role::Referrer).unwrap().digest;
    memory.content.remove(&sbom);
    assert_eq!(changes(&memory, &image), [Change::Lost { digest: sbom }]);
    memory.content.remove(&root.digest);
    let found = changes(&memory, &image);
    assert_eq!(
        found[..3],
        [Change::Gone, Change::Lost { digest: root.digest }, Change::Lost { digest: sbom }]
    );
}

#[test]
fn referrers_appear_and_vanish() {
    let (mut memory, root, image) = scene();
    let new = memory.referrer(OCI_MANIFEST, &root, json!("new"));
    let expected = Change::Appeared(attached(&root, new.digest, None));
    assert_eq!(changes(&memory, &image), [expected]);
    assert_eq!(check(Ok(&memory), &image, false).unwrap(), []);
    // What is listed and refers to something else does not count.
    let other = memory.image("linux/arm64");
    memory.referrers.get_mut(&root.digest).unwrap().push(other);
    assert_eq!(changes(&memory, &image).len(), 1);
    let old = memory.referrers.remove(&root.digest).unwrap()[0].digest;
    assert_eq!(changes(&memory, &image), [Change::Vanished(attached(&root, old, None))]);
}

#[test]
fn a_signature_is_another() {
    let (mut memory, root, image) = scene();
    let old = image.documents.iter().find(|it| it.role == Role::Tagged).unwrap();
    let other = memory.image("sig/two");
    let tag = old.tag.clone().unwrap().as_str().to_owned();
    memory.tag(&tag, &other);
    let appeared = Change::Appeared(attached(&root, other.digest, Some(tag.clone())));
    let vanished = Change::Vanished(attached(&root, old.digest, Some(tag)));
    assert_eq!(changes(&memory, &image), [appeared, vanished]);
}

#[test]
fn a_source_that_errs_is_no_answer() {
    let (mut memory, root, image) = scene();
    memory.content.insert(root.digest, b"{}".to_vec());
    let refused = check(Ok(&memory), &image, true).unwrap_err();
    assert!(matches!(refused, SelectError::Source { error: SourceError::Manifest(_), .. }));
}
