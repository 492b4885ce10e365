//! `oci-layout`, `index.json` and `manifest.json`: what other tools read of a bundle.
//!
//! They are made from the lading and say nothing beyond it; the verifier checks that they tell the
//! same story. Source: OCI image-spec 1.1, image-layout.md; the format of `docker save`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::path::BlobPath;
use crate::oci::{
    Content, Digest, Manifest, MediaType, OCI_INDEX, PinnedImage, Platform, Role, json,
};

/// The content of `oci-layout`.
pub const OCI_LAYOUT: &[u8] = b"{\"imageLayoutVersion\":\"1.0.0\"}\n";
/// The largest `index.json` or `manifest.json`, in bytes.
pub const MAX_INDEX_SIZE: u64 = 64 * 1024 * 1024;
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Why `index.json` or `manifest.json` is refused. Always the input's fault.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Not JSON of the right form.
    #[error("{0} is malformed: {1}")]
    Json(&'static str, serde_json::Error),
    /// It says something else than the lading does.
    #[error("{0} and lading.json do not say the same")]
    Differs(&'static str),
}

#[derive(Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    media_type: MediaType,
    digest: Digest,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Index {
    schema_version: u32,
    media_type: String,
    manifests: Vec<Entry>,
}

/// `index.json`: the root of every image by its name, the documents that have a tag of their own,
/// and, without a name, the documents that only a `subject` ties to an image.
pub fn index_json(images: &[PinnedImage]) -> Vec<u8> {
    let index =
        Index { schema_version: 2, media_type: OCI_INDEX.to_owned(), manifests: entries(images) };
    let mut bytes = serde_json::to_vec_pretty(&index).expect("an index is plain data");
    bytes.push(b'\n');
    bytes
}

/// Compares `index.json` with the lading.
///
/// # Errors
/// Every [`IndexError`].
pub fn check_index_json(bytes: &[u8], images: &[PinnedImage]) -> Result<(), IndexError> {
    const NAME: &str = "index.json";
    let mut index: Index = json::parse(bytes).map_err(|error| IndexError::Json(NAME, error))?;
    let mut expected = entries(images);
    index.manifests.sort();
    expected.sort();
    let same =
        index.schema_version == 2 && index.media_type == OCI_INDEX && index.manifests == expected;
    if same { Ok(()) } else { Err(IndexError::Differs(NAME)) }
}

fn entries(images: &[PinnedImage]) -> Vec<Entry> {
    let mut seen = BTreeSet::new();
    let mut entries = Vec::new();
    for image in images {
        for document in &image.documents {
            let name = match (document.role, &document.tag) {
                (Role::Root, _) => Some(image.name.to_string()),
                (Role::Tagged, Some(tag)) => Some(image.name.with_tag(tag.clone()).to_string()),
                (Role::Referrer, _) => None,
                _ => continue,
            };
            if seen.insert((document.digest, name.clone())) {
                entries.push(Entry {
                    media_type: document.media_type.clone(),
                    digest: document.digest,
                    size: document.size,
                    artifact_type: document.artifact_type.clone().filter(|_| name.is_none()),
                    annotations: name.map(annotations).unwrap_or_default(),
                });
            }
        }
    }
    entries
}

fn annotations(name: String) -> BTreeMap<String, String> {
    [(REF_NAME.to_owned(), name.clone()), (CONTAINERD_NAME.to_owned(), name)].into()
}

#[derive(Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DockerEntry {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// `manifest.json`: every tagged, runnable image for engines that read docker's archives only. Of
/// an image for several platforms they get one: `linux/amd64`, else `linux/arm64`, else the first.
pub fn docker_manifest_json(
    images: &[PinnedImage],
    documents: &BTreeMap<Digest, Manifest>,
) -> Vec<u8> {
    let entries: Vec<DockerEntry> =
        images.iter().filter_map(|image| docker_entry(image, documents)).collect();
    let mut bytes = serde_json::to_vec(&entries).expect("the list is plain data");
    bytes.push(b'\n');
    bytes
}

/// Compares `manifest.json` with what the lading and the documents call for.
///
/// # Errors
/// Every [`IndexError`].
pub fn check_docker_manifest_json(
    bytes: &[u8],
    images: &[PinnedImage],
    documents: &BTreeMap<Digest, Manifest>,
) -> Result<(), IndexError> {
    const NAME: &str = "manifest.json";
    let found: Vec<DockerEntry> =
        json::parse(bytes).map_err(|error| IndexError::Json(NAME, error))?;
    let expected: Vec<DockerEntry> =
        images.iter().filter_map(|image| docker_entry(image, documents)).collect();
    if found == expected { Ok(()) } else { Err(IndexError::Differs(NAME)) }
}

fn docker_entry(
    image: &PinnedImage,
    documents: &BTreeMap<Digest, Manifest>,
) -> Option<DockerEntry> {
    image.name.tag.as_ref()?;
    let manifest = documents.get(&docker_choice(image)?)?;
    let Content::Image { config: Some(config), layers } = manifest.content() else { return None };
    if !config.media_type.is_image_config() {
        return None;
    }
    let path = |digest: &Digest| BlobPath::of(digest).filter(|_| !image.omits(digest));
    Some(DockerEntry {
        config: path(&config.digest)?.to_string(),
        repo_tags: vec![crate::oci::Reference { digest: None, ..image.name.clone() }.to_string()],
        layers: layers
            .iter()
            .map(|layer| path(&layer.digest).map(|path| path.to_string()))
            .collect::<Option<_>>()?,
    })
}

fn docker_choice(image: &PinnedImage) -> Option<Digest> {
    let root = image.root()?;
    if !root.media_type.is_index() {
        return Some(root.digest);
    }
    let children = || {
        image.documents.iter().filter(|document| {
            document.role == Role::Child
                && document.media_type.is_manifest()
                && document.platform.as_ref().is_some_and(|platform| !platform.is_unknown())
        })
    };
    ["linux/amd64", "linux/arm64"]
        .iter()
        .filter_map(|text| text.parse::<Platform>().ok())
        .find_map(|wanted| {
            children().find(|child| child.platform.as_ref().is_some_and(|p| p.satisfies(&wanted)))
        })
        .or_else(|| children().next())
        .map(|child| child.digest)
}

#[cfg(test)]
mod tests;
