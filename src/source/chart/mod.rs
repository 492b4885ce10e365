//! A Helm chart on disk as the OCI artifact that `helm push` makes of it.
//!
//! An archive travels as it is, with its provenance file if that lies beside it. A directory is
//! packed: sorted, without times and owners, by an encoder with a frozen name, so that the same files
//! always give the same digest. Source: Helm's HIP 6, "OCI Support".

mod content;
mod pack;
#[cfg(test)]
mod tests;
use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Source, SourceError};
use crate::files::{FileError, read_capped};
use crate::oci::{Descriptor, Digest, Manifest, MediaType, OCI_MANIFEST, Reference, Tag, Unproven};
use crate::recompress::GzipError;
use crate::yaml::{Data, Node, Shape, YamlError};
pub use content::{Chart, MAX_CHART_SIZE, MAX_PLAIN};

/// The config of a chart: its `Chart.yaml` as JSON.
const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
/// The archive of a chart.
pub const CHART_LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";
/// The largest provenance file, in bytes: `Chart.yaml` and a signature.
const MAX_PROVENANCE: u64 = 1024 * 1024;
/// Where charts on disk are, unless somebody says what they are to be called.
const HOME: &str = "localhost/charts";

/// Why a chart cannot be read. The input's fault, but for [`ChartError::File`] and
/// [`ChartError::Read`].
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system fails at reading.
    #[error("cannot read the chart: {0}")]
    Read(io::Error),
    /// The archive is not compressed with gzip, or damaged.
    #[error("not a chart: {0}")]
    Gzip(GzipError),
    /// The archive is no tar, or damaged.
    #[error("not a chart: {0}")]
    Tar(io::Error),
    /// Larger, or of more files, than any chart.
    #[error("more than a chart may have: {0}")]
    TooLarge(&'static str),
    /// A file that no chart has.
    #[error("it holds {}: {why}", .member.escape_debug())]
    Member {
        /// Its name, cut to 200 characters.
        member: String,
        /// What is wrong.
        why: &'static str,
    },
    /// No `Chart.yaml`.
    #[error("not a chart: there is no Chart.yaml in it")]
    NoChart,
    /// A file in it is not YAML.
    #[error("{}:{line}: {error}", .file.escape_debug())]
    Yaml {
        /// Which file.
        file: String,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        error: YamlError,
    },
    /// `Chart.yaml` lacks something.
    #[error("Chart.yaml: {0}")]
    Metadata(#[from] Shape),
    /// The name and version make no reference.
    #[error("a chart cannot be called {}", .0.escape_debug())]
    Name(String),
}

/// A chart on disk.
pub struct ChartSource {
    manifest: Manifest,
    blobs: BTreeMap<Digest, Arc<[u8]>>,
    reference: Reference,
}

impl ChartSource {
    /// The chart in the archive or directory at `path`.
    ///
    /// # Errors
    /// Every [`ChartError`].
    pub fn new(path: &Path) -> Result<ChartSource, ChartError> {
        let chart = Chart::open(path)?;
        let archive = match path.is_dir() {
            true => pack::archive(&chart)?,
            false => content::archive(path)?,
        };
        let config = json_of(&chart.metadata, "").to_string().into_bytes();
        let mut layers = vec![(CHART_LAYER, archive)];
        if !path.is_dir() {
            layers.extend(provenance(path)?.map(|bytes| (PROVENANCE, bytes)));
        }
        let mut blobs = BTreeMap::new();
        let mut put = |kind: &str, bytes: Vec<u8>| {
            let descriptor = Descriptor::of(media_type(kind), &bytes);
            blobs.insert(descriptor.digest, bytes.into());
            descriptor
        };
        let config = put(CONFIG, config);
        let layers: Vec<Descriptor> =
            layers.into_iter().map(|(kind, bytes)| put(kind, bytes)).collect();
        let raw = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": config,
            "layers": layers,
            "annotations": {
                "org.opencontainers.image.title": chart.name,
                "org.opencontainers.image.version": chart.version,
            },
        });
        let raw = raw.to_string().into_bytes();
        let descriptor = Descriptor::of(media_type(OCI_MANIFEST), &raw);
        let name = format!("{HOME}/{}:{}", chart.name, chart.version.replace('+', "_"));
        let manifest = Manifest::parse(descriptor, raw);
        let (Ok(manifest), Ok(reference)) = (manifest, name.parse()) else {
            return Err(ChartError::Name(name.chars().take(200).collect()));
        };
        Ok(ChartSource { manifest, blobs, reference })
    }

    /// What it is called unless somebody says otherwise: `localhost/charts/NAME:VERSION`, with `_`
    /// for `+`, as Helm writes tags.
    pub fn reference(&self) -> Reference {
        self.reference.clone()
    }
}

impl Source for ChartSource {
    fn root(&self) -> Result<Manifest, SourceError> {
        Ok(self.manifest.clone())
    }

    fn tagged(&self, _: &Tag) -> Result<Option<Manifest>, SourceError> {
        Ok(None)
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, SourceError> {
        match self.manifest.descriptor().digest == descriptor.digest {
            true => Ok(Manifest::parse(descriptor.clone(), self.manifest.raw().to_vec())?),
            false => Err(SourceError::NotFound(descriptor.digest.to_string())),
        }
    }

    fn referrers(&self, _: &Digest) -> Result<Vec<Descriptor>, SourceError> {
        Ok(Vec::new())
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Unproven, SourceError> {
        let missing = || SourceError::NotFound(descriptor.digest.to_string());
        let bytes = self.blobs.get(&descriptor.digest).ok_or_else(missing)?.clone();
        Ok(Unproven::new(Box::new(Cursor::new(bytes)), descriptor.digest, descriptor.size))
    }
}

/// What `helm package --sign` wrote beside the archive.
fn provenance(path: &Path) -> Result<Option<Vec<u8>>, ChartError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".prov");
    match read_capped(&PathBuf::from(name), MAX_PROVENANCE) {
        Err(error) if error.is_not_found() => Ok(None),
        found => Ok(Some(found?)),
    }
}

/// `Chart.yaml` as Helm writes it in JSON: texts, but for two fields that are truth values.
fn json_of(node: &Node, key: &str) -> Value {
    match &node.data {
        Data::Scalar { text, plain: true } if ["deprecated", "enabled"].contains(&key) => {
            text.parse().map_or_else(|_| json!(text), Value::Bool)
        }
        Data::Scalar { text, .. } => json!(text),
        Data::List(items) => items.iter().map(|item| json_of(item, "")).collect(),
        Data::Map(entries) => {
            let there = entries.iter().filter(|(_, value)| !value.is_null());
            there.map(|(key, value)| (key.clone(), json_of(value, key))).collect()
        }
    }
}

fn media_type(text: &str) -> MediaType {
    MediaType::new(text).expect("the media types above are ones")
}
