//! Descriptors: what a piece of content is, how large, and its digest.
//!
//! Withstands: negative or absurd sizes, bad digests, inline `data` that is other content than
//! the digest says, media types that carry control characters. `urls` are kept and never fetched.
//! Source: OCI image-spec 1.1, descriptor.md.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::digest::{Digest, InvalidDigest};
use super::platform::Platform;

/// Sizes are an `int64` in the specification.
const MAX_SIZE: u64 = i64::MAX as u64;

/// A media type of plain, visible ASCII.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct MediaType(String);

/// `application/vnd.oci.image.index.v1+json`
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// `application/vnd.oci.image.manifest.v1+json`
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The artifact manifest of image-spec 1.1-rc, since withdrawn.
pub const OCI_ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";
/// `application/vnd.oci.image.config.v1+json`
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Docker's index.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker's manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's image config.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Media types of manifests and indexes, in the order in which clients ask for them.
pub const DOCUMENT_TYPES: [&str; 5] =
    [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST, OCI_ARTIFACT];

impl MediaType {
    /// A media type from `text`: 1 to 255 visible ASCII characters.
    ///
    /// # Errors
    /// [`DescriptorError::MediaType`].
    pub fn new(text: &str) -> Result<MediaType, DescriptorError> {
        let visible = |c: char| c.is_ascii_graphic() && !"\"\\,<>".contains(c);
        if text.is_empty() || text.len() > 255 || !text.chars().all(visible) {
            return Err(DescriptorError::MediaType(text.chars().take(100).collect()));
        }
        Ok(MediaType(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for OCI and docker indexes.
    pub fn is_index(&self) -> bool {
        [OCI_INDEX, DOCKER_LIST].contains(&self.as_str())
    }

    /// True for OCI and docker image manifests and OCI artifact manifests.
    pub fn is_manifest(&self) -> bool {
        [OCI_MANIFEST, DOCKER_MANIFEST, OCI_ARTIFACT].contains(&self.as_str())
    }

    /// True for docker's schema 1, which gapferry does not carry.
    pub fn is_schema1(&self) -> bool {
        self.0.starts_with("application/vnd.docker.distribution.manifest.v1+")
    }

    /// True for layers that registries are not supposed to hold.
    pub fn is_foreign(&self) -> bool {
        self.0.contains(".nondistributable.") || self.0.contains(".foreign.")
    }

    /// True for the config of a runnable image.
    pub fn is_image_config(&self) -> bool {
        [OCI_CONFIG, DOCKER_CONFIG].contains(&self.as_str())
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<'de> Deserialize<'de> for MediaType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MediaType, D::Error> {
        let text = String::deserialize(deserializer)?;
        MediaType::new(&text).map_err(serde::de::Error::custom)
    }
}

/// What a descriptor says of a piece of content, each part known to be well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// What kind of content it is.
    pub media_type: MediaType,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// What it is made for; `None` where none is given or the text is no platform.
    pub platform: Option<Platform>,
    /// The kind of artifact, in referrers lists.
    pub artifact_type: Option<String>,
    /// Where foreign layers may be had. Fetched only on the connected side, when that is asked for.
    pub urls: Vec<String>,
    /// Notes on the content.
    pub annotations: BTreeMap<String, String>,
}

/// Why a descriptor is refused. Always the input's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// The digest is not one.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
    /// The size does not fit an `int64`.
    #[error("a size of {0} bytes is not possible")]
    Size(u64),
    /// The media type is empty, too long or holds odd characters.
    #[error("not a media type: {}", .0.escape_debug())]
    MediaType(String),
    /// The inline `data` is not the content that the digest names.
    #[error("the inline data of {0} is not what its digest says")]
    Data(Digest),
}

impl Descriptor {
    /// A descriptor of `bytes`.
    pub fn of(media_type: MediaType, bytes: &[u8]) -> Descriptor {
        Descriptor::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// A descriptor with nothing but the three required parts.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Descriptor {
        Descriptor {
            media_type,
            digest,
            size,
            platform: None,
            artifact_type: None,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
        }
    }

    /// A foreign layer: registries need not hold it, and it travels only when asked for.
    pub fn is_foreign(&self) -> bool {
        self.media_type.is_foreign() && !self.urls.is_empty()
    }
}

impl TryFrom<oci_spec::image::Descriptor> for Descriptor {
    type Error = DescriptorError;

    fn try_from(raw: oci_spec::image::Descriptor) -> Result<Descriptor, DescriptorError> {
        let digest: Digest = raw.digest().as_ref().parse()?;
        if raw.size() > MAX_SIZE {
            return Err(DescriptorError::Size(raw.size()));
        }
        if let Some(data) = raw.data() {
            check_inline(data, digest, raw.size())?;
        }
        Ok(Descriptor {
            media_type: MediaType::new(raw.media_type().as_ref())?,
            digest,
            size: raw.size(),
            platform: raw.platform().as_ref().and_then(platform),
            artifact_type: raw.artifact_type().as_ref().map(ToString::to_string),
            urls: raw.urls().clone().unwrap_or_default(),
            annotations: raw.annotations().clone().unwrap_or_default().into_iter().collect(),
        })
    }
}

/// The form of the specification, in the order of its text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    media_type: &'a MediaType,
    digest: Digest,
    size: u64,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    urls: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<WirePlatform<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<&'a str>,
}

#[derive(Serialize)]
struct WirePlatform<'a> {
    architecture: &'a str,
    os: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
}

impl Serialize for Descriptor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let platform = self.platform.as_ref().map(|platform| WirePlatform {
            architecture: &platform.architecture,
            os: &platform.os,
            variant: platform.variant.as_deref(),
        });
        let wire = Wire {
            media_type: &self.media_type,
            digest: self.digest,
            size: self.size,
            urls: &self.urls,
            annotations: &self.annotations,
            platform,
            artifact_type: self.artifact_type.as_deref(),
        };
        wire.serialize(serializer)
    }
}

fn check_inline(data: &str, digest: Digest, size: u64) -> Result<(), DescriptorError> {
    let bytes = BASE64.decode(data).map_err(|_| DescriptorError::Data(digest))?;
    let mut hasher = digest.hasher();
    hasher.update(&bytes);
    if bytes.len() as u64 != size || hasher.finish() != digest {
        return Err(DescriptorError::Data(digest));
    }
    Ok(())
}

fn platform(raw: &oci_spec::image::Platform) -> Option<Platform> {
    let mut text = format!("{}/{}", raw.os(), raw.architecture());
    if let Some(variant) = raw.variant().as_deref().filter(|variant| !variant.is_empty()) {
        text = format!("{text}/{variant}");
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Descriptor, String> {
        let raw: oci_spec::image::Descriptor =
            serde_json::from_str(json).map_err(|error| error.to_string())?;
        Descriptor::try_from(raw).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_platform_and_inline_data() {
        let digest = Digest::of(b"{}");
        let json = format!(
            r#"{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{digest}","size":2,
            "data":"e30=","platform":{{"os":"linux","architecture":"arm","variant":"v7"}}}}"#
        );
        let descriptor = read(&json).unwrap();
        assert_eq!(descriptor.platform.unwrap().to_string(), "linux/arm/v7");
        assert!(read(&json.replace("e30=", "e30K")).is_err());
        assert!(read(&json.replace("\"size\":2", "\"size\":3")).is_err());
    }

    #[test]
    fn writes_what_it_reads() {
        let digest = Digest::of(b"{}");
        let json = format!(
            r#"{{"mediaType":"a/b","digest":"{digest}","size":2,"urls":["https://h/x"],"annotations":{{"a":"b"}},"platform":{{"architecture":"arm","os":"linux","variant":"v7"}},"artifactType":"c/d"}}"#
        );
        assert_eq!(serde_json::to_string(&read(&json).unwrap()).unwrap(), json);
        let least = format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":2}}"#);
        assert_eq!(serde_json::to_string(&read(&least).unwrap()).unwrap(), least);
    }

    #[test]
    fn refuses_bad_parts() {
        let good = format!(r#"{{"mediaType":"a/b","digest":"{}","size":2}}"#, Digest::of(b""));
        assert!(read(&good).is_ok());
        for (from, to) in [
            ("sha256:", "sha256:../"),
            ("sha256", "md5"),
            (":2}", ":-1}"),
            (":2}", ":9223372036854775808}"),
            (":2}", ":1.5}"),
            ("a/b", ""),
            ("a/b", "a/b\\u001b"),
        ] {
            assert!(read(&good.replace(from, to)).is_err(), "{to}");
        }
    }
}
