//! An image in the archive that `docker save` and `podman save` write.
//!
//! The format has no manifest that could be carried: gapferry makes an OCI manifest over the
//! config and the layers exactly as they lie in the archive, so that the same archive always gives
//! the same digest.
//!
//! Withstands: what [`super::archive`] withstands, a config or layer that is other content than
//! the image says, more or fewer layers than the config names, links out of the archive. Layers
//! that are compressed are not opened: their `diff_ids` are not checked.
//! Source: moby's image specification 1.2, "Combined Image JSON + Filesystem Changeset Format".

use std::collections::BTreeMap;
use std::io::Read;

use serde::{Deserialize, Serialize};

use super::archive::{Archive, ArchiveError, cut};
use super::{Source, SourceError};
use crate::files::{FileError, Section};
use crate::oci::{
    Descriptor, Digest, Hasher, MAX_MANIFEST_SIZE, Manifest, MediaType, OCI_CONFIG, OCI_MANIFEST,
    Reference, Tag, Unproven, json,
};

/// The largest `manifest.json` that is read, in bytes.
const MAX_LIST: u64 = 16 * 1024 * 1024;
const BUFFER: usize = 256 * 1024;
/// Bytes that tell how a layer is compressed.
const MAGIC: usize = 4;

/// An image in a docker archive.
pub struct DockerArchiveSource {
    manifest: Manifest,
    blobs: BTreeMap<Digest, Section>,
    reference: Option<Reference>,
    place: String,
}

/// An image of `manifest.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<Digest>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OciManifest<'a> {
    schema_version: u32,
    media_type: &'a str,
    config: &'a Descriptor,
    layers: &'a [Descriptor],
}

impl DockerArchiveSource {
    /// The image `name` of `archive`; without a name the only one there is. Reads every layer once.
    ///
    /// # Errors
    /// [`SourceError::NotFound`], [`SourceError::Ambiguous`], [`SourceError::Archive`] and
    /// [`SourceError::Manifest`].
    pub fn new(archive: &Archive, name: Option<&str>) -> Result<DockerArchiveSource, SourceError> {
        let bytes = archive.read("manifest.json", MAX_LIST)?;
        let items: Vec<Item> =
            json::parse(&bytes).map_err(|error| malformed(archive, "manifest.json", error))?;
        let item = choose(archive, &items, name)?;
        let mut blobs = BTreeMap::new();
        let (config, diff_ids) = config(archive, item, &mut blobs)?;
        let layers = layers(archive, item, &diff_ids, &mut blobs)?;
        let manifest = OciManifest {
            schema_version: 2,
            media_type: OCI_MANIFEST,
            config: &config,
            layers: &layers,
        };
        let raw = serde_json::to_vec(&manifest)
            .map_err(|error| malformed(archive, "manifest.json", error))?;
        let manifest = Manifest::parse(Descriptor::of(media_type(OCI_MANIFEST), &raw), raw)?;
        let place = archive.path().display().to_string();
        Ok(DockerArchiveSource { manifest, blobs, reference: item.reference(name), place })
    }

    /// The reference that the image goes by here, if it has one.
    pub fn reference(&self) -> Option<Reference> {
        self.reference.clone()
    }
}

impl Source for DockerArchiveSource {
    fn root(&self) -> Result<Manifest, SourceError> {
        Ok(self.manifest.clone())
    }

    /// None: docker archives hold runnable images, no signatures.
    fn tagged(&self, _: &Tag) -> Result<Option<Manifest>, SourceError> {
        Ok(None)
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, SourceError> {
        if descriptor.digest != self.manifest.descriptor().digest {
            return Err(SourceError::NotFound(format!("{} in {}", descriptor.digest, self.place)));
        }
        Ok(Manifest::parse(descriptor.clone(), self.manifest.raw().to_vec())?)
    }

    /// None, as for [`Source::tagged`].
    fn referrers(&self, _: &Digest) -> Result<Vec<Descriptor>, SourceError> {
        Ok(Vec::new())
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Unproven, SourceError> {
        let digest = descriptor.digest;
        let absent = || SourceError::NotFound(format!("{digest} in {}", self.place));
        let section = self.blobs.get(&digest).ok_or_else(absent)?;
        Ok(Unproven::new(Box::new(section.clone()), digest, descriptor.size))
    }
}

impl Item {
    fn tags(&self) -> &[String] {
        self.repo_tags.as_deref().unwrap_or_default()
    }

    /// True when one of the tags is `name` or means the same reference.
    fn goes_by(&self, name: &str) -> bool {
        let wanted = name.parse::<Reference>().ok();
        self.tags()
            .iter()
            .any(|tag| tag == name || wanted.is_some() && tag.parse::<Reference>().ok() == wanted)
    }

    /// The reference that was asked for, else the first of the image's own.
    fn reference(&self, name: Option<&str>) -> Option<Reference> {
        let first = self.tags().first().map(String::as_str);
        name.or(first).and_then(|name| name.parse().ok())
    }
}

fn choose<'a>(
    archive: &Archive,
    items: &'a [Item],
    name: Option<&str>,
) -> Result<&'a Item, SourceError> {
    let place = archive.path().display().to_string();
    let meant: Vec<&Item> =
        items.iter().filter(|item| name.is_none_or(|name| item.goes_by(name))).collect();
    match meant.as_slice() {
        [] => {
            let name: String = name.unwrap_or("an image").chars().take(200).collect();
            Err(SourceError::NotFound(format!("{} in {place}", name.escape_debug())))
        }
        [item] => Ok(item),
        several => {
            let names =
                several.iter().take(10).map(|item| item.tags().first().unwrap_or(&item.config));
            let names = names.map(|name| cut(name).escape_debug().to_string()).collect();
            Err(SourceError::Ambiguous { place, names })
        }
    }
}

/// The config's descriptor and the digests of the uncompressed layers that it names.
fn config(
    archive: &Archive,
    item: &Item,
    blobs: &mut BTreeMap<Digest, Section>,
) -> Result<(Descriptor, Vec<Digest>), SourceError> {
    let bytes = archive.read(&item.config, MAX_MANIFEST_SIZE)?;
    let descriptor = Descriptor::of(media_type(OCI_CONFIG), &bytes);
    // Every known writer names the config after its digest: the only proof of it there is.
    let stem = item.config.strip_suffix(".json").unwrap_or(&item.config);
    let stated = format!("sha256:{}", stem.rsplit('/').next().unwrap_or(stem)).parse();
    if let Ok(stated) = stated {
        same(archive, &item.config, stated, descriptor.digest)?;
    }
    let config: Config =
        json::parse(&bytes).map_err(|error| malformed(archive, &item.config, error))?;
    blobs.insert(descriptor.digest, archive.open_member(&item.config)?);
    Ok((descriptor, config.rootfs.diff_ids))
}

fn layers(
    archive: &Archive,
    item: &Item,
    diff_ids: &[Digest],
    blobs: &mut BTreeMap<Digest, Section>,
) -> Result<Vec<Descriptor>, SourceError> {
    if item.layers.len() != diff_ids.len() {
        let (path, config) = (archive.path().to_owned(), cut(&item.config));
        let (expected, found) = (diff_ids.len(), item.layers.len());
        return Err(ArchiveError::Layers { path, config, expected, found }.into());
    }
    let mut layers = Vec::new();
    for (name, diff_id) in item.layers.iter().zip(diff_ids) {
        let section = archive.open_member(name)?;
        let unread = |error| ArchiveError::from(FileError::io("read", archive.path(), error));
        let (digest, kind) = examine(section.clone(), diff_id.hasher()).map_err(unread)?;
        if kind == TAR {
            same(archive, name, *diff_id, digest)?;
        }
        layers.push(Descriptor::new(media_type(kind), digest, section.size()));
        blobs.insert(digest, section);
    }
    Ok(layers)
}

const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
const TAR_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const TAR_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// The digest of a layer, and its media type by its first bytes.
fn examine(mut layer: Section, mut hasher: Hasher) -> std::io::Result<(Digest, &'static str)> {
    let mut head = Vec::new();
    layer.clone().take(MAGIC as u64).read_to_end(&mut head)?;
    let kind = match head.as_slice() {
        [0x1f, 0x8b, ..] => TAR_GZIP,
        [0x28, 0xb5, 0x2f, 0xfd] => TAR_ZSTD,
        _ => TAR,
    };
    let mut buffer = vec![0; BUFFER];
    loop {
        match layer.read(&mut buffer) {
            Ok(0) => return Ok((hasher.finish(), kind)),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn same(
    archive: &Archive,
    member: &str,
    expected: Digest,
    found: Digest,
) -> Result<(), ArchiveError> {
    if expected == found {
        return Ok(());
    }
    let (path, member) = (archive.path().to_owned(), cut(member));
    Err(ArchiveError::Digest { path, member, expected, found })
}

fn malformed(archive: &Archive, member: &str, error: serde_json::Error) -> ArchiveError {
    ArchiveError::Json { path: archive.path().to_owned(), member: cut(member), error }
}

fn media_type(text: &'static str) -> MediaType {
    MediaType::new(text).expect("the constants of this file are media types")
}
