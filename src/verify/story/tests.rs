use super::*;
use crate::bundle::{CatalogBlob, HeadFile, Marks, Timestamp};
use crate::oci::{OCI_INDEX, OCI_MANIFEST, Omitted, OmittedReason};
use crate::tests::document;
use serde_json::json;

/// All that is held against each other, in good order: an index with two children, of which one
/// stays behind, a referrer and a tagged signature.
struct Parts {
    seal: Seal,
    sums: Sums,
    lading: Lading,
    catalog: Catalog,
    documents: BTreeMap<Digest, Manifest>,
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn manifest(blobs: &[&str], subject: Option<&Manifest>) -> Manifest {
    let blob = |text: &&str| {
        let foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar";
        let kind = if *text == "foreign" { foreign } else { "a/b" };
        json!({"mediaType": kind, "digest": digest(text), "size": text.len(), "urls": ["https://a/b"]})
    };
    let layers: Vec<_> = blobs[1..].iter().map(blob).collect();
    let mut fields = json!({"schemaVersion": 2, "config": blob(&blobs[0]), "layers": layers});
    if let Some(subject) = subject {
        fields["subject"] = json!(subject.descriptor());
    }
    document(OCI_MANIFEST, fields)
}

fn pinned(document: &Manifest, role: Role, subject: Option<&Manifest>) -> PinnedDocument {
    let descriptor = document.descriptor();
    let subject = subject.map(|it| it.descriptor().digest);
    let stem = subject.filter(|_| role == Role::Tagged);
    PinnedDocument {
        digest: descriptor.digest,
        media_type: descriptor.media_type.clone(),
        size: descriptor.size,
        role,
        platform: None,
        subject,
        tag: stem.map(|it| format!("sha256-{}.sig", it.hex()).parse().unwrap()),
        artifact_type: None,
    }
}

fn parts() -> Parts {
    let child = manifest(&["config", "layer", "foreign"], None);
    let absent = manifest(&["other"], None);
    let mut manifests = json!([child.descriptor(), absent.descriptor()]);
    manifests[1]["platform"] = json!({"os": "linux", "architecture": "arm64"});
    let index = document(OCI_INDEX, json!({"schemaVersion": 2, "manifests": manifests}));
    let referrer = manifest(&["sbom"], Some(&child));
    let tagged = manifest(&["signature"], None);
    let omitted = |digest, reason| Omitted { digest, reason, platform: None };
    let image = PinnedImage {
        name: "app:1".parse().unwrap(),
        source: "app:1".to_owned(),
        why: vec![],
        digest: index.descriptor().digest,
        bytes: ("config".len() + "layer".len() + "sbom".len() + "signature".len()) as u64,
        index: None,
        documents: vec![
            pinned(&index, Role::Root, None),
            pinned(&child, Role::Child, None),
            pinned(&referrer, Role::Referrer, Some(&child)),
            pinned(&tagged, Role::Tagged, Some(&index)),
        ],
        omitted: vec![
            omitted(absent.descriptor().digest, OmittedReason::Platform),
            omitted(digest("foreign"), OmittedReason::Foreign),
        ],
    };
    let documents = [index, child, referrer, tagged].map(|it| (it.descriptor().digest, it));
    let blob = |text: &str| {
        let (digest, size) = (digest(text), text.len() as u64);
        CatalogBlob { digest, size, marks: Marks::default(), stored: None }
    };
    let catalog = Catalog::new(["config", "layer", "sbom", "signature"].map(blob).to_vec());
    let heads = [HeadFile::OciLayout, HeadFile::Index, HeadFile::Lading, HeadFile::Catalog];
    let heads = heads.map(|file| (file, vec![]));
    let aboard = documents.iter().map(|(digest, _)| *digest);
    let aboard = aboard.chain(catalog.blobs.iter().map(|blob| blob.digest));
    let sums = Sums::new(&heads, aboard.map(path).collect::<Vec<_>>());
    let (seal, lading) = (seal(&sums), Lading::new("test", vec![image]));
    Parts { seal, sums, lading, catalog, documents: documents.into() }
}

fn path(digest: Digest) -> crate::bundle::BlobPath {
    crate::bundle::BlobPath::of(&digest).unwrap()
}

fn seal(sums: &Sums) -> Seal {
    Seal {
        stream: "s".parse().unwrap(),
        epoch: 1,
        sequence: 1,
        previous: None,
        created: Timestamp::from_unix(0).unwrap(),
        expires: None,
        destination: None,
        requires: vec![],
        trust: 0,
        images: 1,
        files: sums.len(),
        bytes: 0,
        sums: digest(""),
        sums_size: 0,
    }
}

impl Parts {
    fn check(&self) -> Result<(), StoryError> {
        check_files(&self.seal, &self.sums, &self.lading, &self.catalog)?;
        check_images(&self.lading, &self.catalog, &self.documents, true)
    }

    fn image(&mut self) -> &mut PinnedImage {
        &mut self.lading.images[0]
    }

    /// The digest of the document at this place of the lading.
    fn at(&self, place: usize) -> Digest {
        self.lading.images[0].documents[place].digest
    }
}

/// What is found after `change`.
fn found(change: impl FnOnce(&mut Parts)) -> StoryError {
    let mut parts = parts();
    change(&mut parts);
    parts.check().unwrap_err()
}

const NAME: &str = "docker.io/library/app:1";

#[test]
fn a_true_story_holds() {
    assert_eq!(parts().check(), Ok(()));
}

#[test]
fn the_seal_counts_as_the_files_do() {
    let files = found(|parts| parts.seal.files += 1);
    assert_eq!(files, StoryError::Count { what: "files", sealed: 13, found: 12 });
    let images = found(|parts| parts.seal.images = 0);
    assert_eq!(images, StoryError::Count { what: "images", sealed: 0, found: 1 });
}

#[test]
fn every_blob_is_accounted_for() {
    // Listed, and in no catalog.
    let removed = found(|parts| parts.catalog.blobs.retain(|blob| blob.digest != digest("sbom")));
    assert_eq!(removed, StoryError::Unaccounted(digest("sbom")));
    // In the catalog, and of no image.
    let unused = found(|parts| {
        let blob =
            CatalogBlob { digest: digest("x"), size: 1, marks: Marks::default(), stored: None };
        parts.catalog.blobs.push(blob);
        parts.catalog = Catalog::new(parts.catalog.blobs.clone());
        let blobs: Vec<_> = parts.sums.blobs().chain([path(digest("x"))]).collect();
        let heads = [HeadFile::OciLayout, HeadFile::Index, HeadFile::Lading, HeadFile::Catalog];
        parts.sums = Sums::new(&heads.map(|file| (file, vec![])), blobs);
        parts.seal.files += 1;
    });
    assert_eq!(unused, StoryError::Unaccounted(digest("x")));
    // Of an image that states it to stay behind.
    let behind = found(|parts| {
        let (reason, platform) = (OmittedReason::Foreign, None);
        parts.image().omitted.push(Omitted { digest: digest("layer"), reason, platform });
        parts.image().bytes -= "layer".len() as u64;
    });
    let (image, digest) = (NAME.to_owned(), digest("layer"));
    assert_eq!(behind, StoryError::Omission { image, digest, what: "foreign layer" });
}

#[test]
fn the_lading_states_the_size_of_the_blobs() {
    let wrong = found(|parts| parts.image().bytes += 1);
    let (stated, found) = (25, 24);
    assert_eq!(wrong, StoryError::ImageBytes { image: NAME.to_owned(), stated, found });
}

#[test]
fn what_is_named_is_listed() {
    let digest = digest("nowhere");
    let in_catalog = found(|parts| {
        parts.catalog.blobs.push(CatalogBlob {
            digest,
            size: 1,
            marks: Marks::default(),
            stored: None,
        })
    });
    assert_eq!(in_catalog, StoryError::Unlisted(digest));
    let of_lading = found(|parts| {
        let extra = PinnedDocument { digest, ..parts.image().documents[1].clone() };
        parts.image().documents.push(extra);
    });
    assert_eq!(of_lading, StoryError::Unlisted(digest));
    let mut parts = parts();
    let child = parts.at(1);
    parts.documents.remove(&child);
    assert_eq!(parts.check(), Err(StoryError::Unlisted(child)));
}

#[test]
fn an_image_is_whole() {
    let image = NAME.to_owned();
    let mut absent = None;
    let child = found(|parts| absent = Some(parts.image().omitted.remove(0).digest));
    let digest_of = |digest| StoryError::Incomplete { image: image.clone(), digest, more: vec![] };
    assert_eq!(child, digest_of(absent.unwrap()));
    let foreign = found(|parts| {
        parts.image().omitted.pop();
    });
    assert_eq!(foreign, digest_of(digest("foreign")));
}

#[test]
fn all_that_is_missing_is_named() {
    let mut absent = None;
    let all = found(|parts| {
        absent = Some(parts.image().omitted.remove(0).digest);
        parts.image().omitted.clear();
    });
    let mut digests = [absent.unwrap(), digest("foreign")];
    digests.sort();
    let StoryError::Incomplete { digest: first, more, .. } = &all else { panic!("{all:?}") };
    assert_eq!((*first, &more[..]), (digests[0], &[(NAME.to_owned(), digests[1])][..]));
    assert!(all.to_string().contains(&format!("; {NAME} to {}", digests[1])), "{all}");
}

#[test]
fn what_stays_behind_is_what_the_lading_says() {
    type Change = fn(&mut PinnedImage);
    let cases: [(&str, Change); 4] = [
        ("foreign layer", |image| image.omitted[0].reason = OmittedReason::Foreign),
        ("manifest for a platform", |image| image.omitted[1].reason = OmittedReason::Platform),
        ("foreign layer", |image| image.omitted[1].digest = Digest::of(b"config")),
        ("manifest for a platform", |image| {
            let nobody = Omitted { digest: Digest::of(b"nobody"), ..image.omitted[0].clone() };
            image.omitted.push(nobody);
        }),
    ];
    for (place, (expected, change)) in cases.into_iter().enumerate() {
        let wrong = found(|parts| {
            let before = parts.image().clone();
            change(parts.image());
            // A layer that is said to be foreign and is not aboard.
            if place == 2 {
                parts.image().omitted.push(before.omitted[1].clone());
                parts.image().bytes -= "config".len() as u64;
            }
        });
        assert!(
            matches!(&wrong, StoryError::Omission { what, .. } if *what == expected),
            "{place}: {wrong:?}"
        );
    }
}

#[test]
fn a_blob_has_one_size() {
    let wrong = found(|parts| {
        let blob = parts.catalog.blobs.iter_mut().find(|blob| blob.digest == digest("layer"));
        blob.unwrap().size = 6;
    });
    let (image, digest) = (NAME.to_owned(), digest("layer"));
    assert_eq!(wrong, StoryError::BlobSize { image, digest, stated: 5, listed: 6 });
}

#[test]
fn a_document_is_what_the_lading_says() {
    type Change = fn(&mut PinnedImage);
    let cases: [(&str, usize, Change); 9] = [
        ("root", 1, |image| image.documents[1].role = Role::Root),
        ("child", 0, |image| image.documents[0].role = Role::Child),
        ("child", 3, |image| image.documents[3].role = Role::Child),
        ("referrer", 3, |image| image.documents[3].role = Role::Referrer),
        ("referrer", 2, |image| image.documents[2].subject = Some(image.digest)),
        ("referrer", 2, |image| image.documents[2].subject = None),
        ("tagged document", 3, |image| image.documents[3].tag = None),
        ("tagged document", 3, |image| image.documents[3].tag = Some("latest".parse().unwrap())),
        ("tagged document", 3, |image| image.documents[3].subject = Some(Digest::of(b"x"))),
    ];
    for (role, place, change) in cases {
        let mut parts = parts();
        let (image, digest) = (NAME.to_owned(), parts.at(place));
        change(parts.image());
        assert_eq!(parts.check(), Err(StoryError::Role { image, digest, role }));
    }
    for tag in [".sig", ".att", ".sbom", ".exe", ""] {
        let mut parts = parts();
        let tag = format!("sha256-{}{tag}", parts.at(0).hex());
        let good = [".sig", ".att", ".sbom"].iter().any(|kind| tag.ends_with(kind));
        parts.image().documents[3].tag = Some(tag.parse().unwrap());
        assert_eq!(parts.check().is_ok(), good, "{tag}");
    }
}

#[test]
fn a_document_has_its_own_size_and_type() {
    let cases: [fn(&mut PinnedDocument); 2] =
        [|it| it.size += 1, |it| it.media_type = crate::oci::MediaType::new("a/b").unwrap()];
    for change in cases {
        let mut parts = parts();
        let (image, digest) = (NAME.to_owned(), parts.at(2));
        change(&mut parts.image().documents[2]);
        assert_eq!(parts.check(), Err(StoryError::Role { image, digest, role: "document" }));
    }
}
