//! A source in memory, and what is pinned and locked from it.

mod charts;
mod checking;
mod locking;
mod pinning;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::oci::{
    Descriptor, Manifest, ManifestError, MediaType, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST,
    OmittedReason, PinnedImage, Role, Tag, Unproven,
};
use crate::source::Source;

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const FOREIGN: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
const SIGNATURE: &str = "application/vnd.example.signature";

/// A repository in memory; it believes whatever it is told of referrers.
#[derive(Default)]
struct Memory {
    content: BTreeMap<Digest, Vec<u8>>,
    tags: BTreeMap<String, Descriptor>,
    referrers: BTreeMap<Digest, Vec<Descriptor>>,
}

impl Memory {
    fn put(&mut self, media_type: &str, bytes: Vec<u8>) -> Descriptor {
        let descriptor = Descriptor::of(MediaType::new(media_type).unwrap(), &bytes);
        self.content.insert(descriptor.digest, bytes);
        descriptor
    }

    fn document(&mut self, media_type: &str, value: Value) -> Descriptor {
        self.put(media_type, value.to_string().into_bytes())
    }

    /// An image manifest whose config says `os/architecture`.
    fn image(&mut self, platform: &str) -> Descriptor {
        let (os, architecture) = platform.split_once('/').unwrap();
        let config = self.document(OCI_CONFIG, json!({"os": os, "architecture": architecture}));
        let layer = self.put(LAYER, platform.as_bytes().to_vec());
        self.document(OCI_MANIFEST, manifest(&config, &[layer]))
    }

    fn index(&mut self, children: &[Value]) -> Descriptor {
        self.document(OCI_INDEX, json!({"schemaVersion": 2, "manifests": children}))
    }

    /// A document of `media_type` that names `subject`, known as its referrer.
    fn referrer(&mut self, media_type: &str, subject: &Descriptor, more: Value) -> Descriptor {
        let config = self.put("application/vnd.oci.empty.v1+json", b"{}".to_vec());
        let mut value = match media_type {
            OCI_INDEX => json!({"schemaVersion": 2, "manifests": more}),
            _ => manifest(&config, &[]),
        };
        value["subject"] = reference(subject);
        value["artifactType"] = json!(SIGNATURE);
        value["annotations"] = json!({"note": more.to_string()});
        let document = self.document(media_type, value);
        self.referrers.entry(subject.digest).or_default().push(document.clone());
        document
    }

    fn tag(&mut self, tag: &str, document: &Descriptor) {
        self.tags.insert(tag.to_owned(), document.clone());
    }

    fn open(&self, descriptor: &Descriptor) -> Result<Manifest, SourceError> {
        let missing = || SourceError::NotFound(descriptor.digest.to_string());
        let bytes = self.content.get(&descriptor.digest).ok_or_else(missing)?;
        Ok(Manifest::parse(descriptor.clone(), bytes.clone())?)
    }
}

impl Source for Memory {
    fn root(&self) -> Result<Manifest, SourceError> {
        let missing = || SourceError::NotFound("latest".to_owned());
        self.open(self.tags.get("latest").ok_or_else(missing)?)
    }

    fn tagged(&self, tag: &Tag) -> Result<Option<Manifest>, SourceError> {
        self.tags.get(tag.as_str()).map(|descriptor| self.open(descriptor)).transpose()
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, SourceError> {
        self.open(descriptor)
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, SourceError> {
        Ok(self.referrers.get(subject).cloned().unwrap_or_default())
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Unproven, SourceError> {
        let missing = || SourceError::NotFound(descriptor.digest.to_string());
        let bytes = self.content.get(&descriptor.digest).ok_or_else(missing)?;
        let content = Box::new(std::io::Cursor::new(bytes.clone()));
        Ok(Unproven::new(content, descriptor.digest, descriptor.size))
    }
}

fn reference(descriptor: &Descriptor) -> Value {
    json!({
        "mediaType": descriptor.media_type.as_str(),
        "digest": descriptor.digest.to_string(),
        "size": descriptor.size,
    })
}

fn manifest(config: &Descriptor, layers: &[Descriptor]) -> Value {
    let layers: Vec<Value> = layers.iter().map(reference).collect();
    json!({"schemaVersion": 2, "config": reference(config), "layers": layers})
}

fn for_platform(descriptor: &Descriptor, platform: &str) -> Value {
    let (os, architecture) = platform.split_once('/').unwrap();
    let mut value = reference(descriptor);
    value["platform"] = json!({"os": os, "architecture": architecture});
    value
}

/// As buildkit puts an attestation into an index.
fn attestation(descriptor: &Descriptor, of: &Descriptor) -> Value {
    let mut value = for_platform(descriptor, "unknown/unknown");
    value["annotations"] = json!({
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": of.digest.to_string(),
    });
    value
}

/// amd64 with its attestation before it, arm64 with its own after it.
struct Buildkit {
    memory: Memory,
    index: Descriptor,
    amd64: Descriptor,
    amd64_attestation: Descriptor,
    arm64: Descriptor,
    arm64_attestation: Descriptor,
}

fn buildkit() -> Buildkit {
    let mut memory = Memory::default();
    let amd64 = memory.image("linux/amd64");
    let arm64 = memory.image("linux/arm64");
    let amd64_attestation = memory.image("att/amd64");
    let arm64_attestation = memory.image("att/arm64");
    let index = memory.index(&[
        attestation(&amd64_attestation, &amd64),
        for_platform(&amd64, "linux/amd64"),
        for_platform(&arm64, "linux/arm64"),
        attestation(&arm64_attestation, &arm64),
    ]);
    memory.tag("latest", &index);
    Buildkit { memory, index, amd64, amd64_attestation, arm64, arm64_attestation }
}

fn request() -> Request {
    Request {
        name: "quay.io/a/b:1".parse().unwrap(),
        source: "docker://quay.io/a/b:1".to_owned(),
        why: "argument 1".to_owned(),
    }
}

fn pin_for(memory: &Memory, platforms: &[&str]) -> Result<PinnedImage, SelectError> {
    let platforms = platforms.iter().map(|platform| platform.parse().unwrap()).collect();
    let options = Options { platforms, referrers: Referrers::all(), foreign_layers: false };
    pin(memory, &request(), &options)
}

fn digests(image: &PinnedImage) -> Vec<Digest> {
    image.documents.iter().map(|document| document.digest).collect()
}

fn those(descriptors: &[&Descriptor]) -> Vec<Digest> {
    descriptors.iter().map(|descriptor| descriptor.digest).collect()
}
