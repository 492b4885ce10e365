//! Images in memory, with what refers to them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::oci::{
    Descriptor, Digest, Manifest, MediaType, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, PinnedDocument,
    PinnedImage, Platform, Role,
};
use crate::policy::Evidence;

/// Everything there is: documents and blobs by digest.
#[derive(Default)]
pub(super) struct World {
    pub(super) documents: BTreeMap<Digest, Manifest>,
    pub(super) blobs: BTreeMap<Digest, Vec<u8>>,
}

impl Evidence for World {
    type Error = std::convert::Infallible;

    fn document(&self, digest: &Digest) -> Option<&Manifest> {
        self.documents.get(digest)
    }

    fn blob(&self, _: &PinnedImage, blob: &Descriptor) -> Result<Option<Vec<u8>>, Self::Error> {
        Ok(self.blobs.get(&blob.digest).cloned())
    }
}

impl World {
    pub(super) fn add_blob(&mut self, kind: &str, bytes: &[u8]) -> Value {
        self.blobs.insert(Digest::of(bytes), bytes.to_vec());
        json!(Descriptor::of(MediaType::new(kind).unwrap(), bytes))
    }

    pub(super) fn add_document(&mut self, value: &Value) -> Descriptor {
        let kind = value["mediaType"].as_str().unwrap_or(OCI_MANIFEST);
        let raw = value.to_string().into_bytes();
        let descriptor = Descriptor::of(MediaType::new(kind).unwrap(), &raw);
        let manifest = Manifest::parse(descriptor.clone(), raw).unwrap();
        self.documents.insert(descriptor.digest, manifest);
        descriptor
    }

    /// A manifest with a config and one layer of 1000 bytes.
    pub(super) fn manifest(&mut self, platform: &str, created: Option<&str>) -> Descriptor {
        let (os, architecture) = platform.split_once('/').unwrap();
        let mut config = json!({"os": os, "architecture": architecture});
        if let Some(created) = created {
            config["created"] = json!(created);
        }
        let config = self.add_blob(OCI_CONFIG, config.to_string().as_bytes());
        let layer = self.add_blob("application/vnd.oci.image.layer.v1.tar", &[7; 1000]);
        self.add_document(&json!({"schemaVersion": 2, "config": config, "layers": [layer]}))
    }

    /// An index over manifests for platforms.
    pub(super) fn index(&mut self, children: &[(Descriptor, &str)]) -> Descriptor {
        let children: Vec<Value> = children
            .iter()
            .map(|(child, platform)| {
                let (os, architecture) = platform.split_once('/').unwrap();
                let mut child = json!(child);
                child["platform"] = json!({"os": os, "architecture": architecture});
                child
            })
            .collect();
        self.add_document(
            &json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}),
        )
    }

    /// An artifact with one layer, which refers to `subject`.
    pub(super) fn referrer(
        &mut self,
        subject: &Descriptor,
        kind: &str,
        layer: Value,
        annotations: Value,
    ) -> PinnedDocument {
        let config = self.add_blob("application/vnd.oci.empty.v1+json", b"{}");
        let found = self.add_document(&json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": kind, "config": config,
            "layers": [layer], "subject": subject, "annotations": annotations,
        }));
        PinnedDocument { subject: Some(subject.digest), ..pinned(&found, Role::Referrer) }
    }

    /// A document under the tag of `subject` with a suffix.
    pub(super) fn tagged(
        &mut self,
        subject: &Descriptor,
        suffix: &str,
        layer: Value,
    ) -> PinnedDocument {
        let config = self.add_blob(OCI_CONFIG, b"{}");
        let found = self.add_document(&json!({
            "schemaVersion": 2, "config": config, "layers": [layer], "annotations": {"a": suffix},
        }));
        let tag = format!("sha256-{}.{suffix}", subject.digest.hex()).parse().unwrap();
        PinnedDocument {
            subject: Some(subject.digest),
            tag: Some(tag),
            ..pinned(&found, Role::Tagged)
        }
    }
}

pub(super) fn pinned(descriptor: &Descriptor, role: Role) -> PinnedDocument {
    PinnedDocument {
        digest: descriptor.digest,
        media_type: descriptor.media_type.clone(),
        size: descriptor.size,
        role,
        platform: None,
        subject: None,
        tag: None,
        artifact_type: None,
    }
}

/// An image of a root and of what refers to it.
pub(super) fn image(name: &str, root: &Descriptor, more: &[PinnedDocument]) -> PinnedImage {
    let documents = std::iter::once(pinned(root, Role::Root)).chain(more.to_vec()).collect();
    PinnedImage {
        name: name.parse().unwrap(),
        source: format!("docker://{name}"),
        why: vec!["command line".to_owned()],
        digest: root.digest,
        bytes: 0,
        index: None,
        documents,
        omitted: Vec::new(),
    }
}

/// A child of an image, for a platform.
pub(super) fn child(descriptor: &Descriptor, platform: &str) -> PinnedDocument {
    let platform: Platform = platform.parse().unwrap();
    PinnedDocument { platform: Some(platform), ..pinned(descriptor, Role::Child) }
}
