//! `index.json` and `oci-layout`: which documents a layout holds, and under which names.
//!
//! Withstands: everything that [`crate::oci::json`] and [`Descriptor`] withstand, an index that is
//! an image to another reader, keys that differ in case only. The caller caps the size.
//! Source: OCI image-spec 1.1, image-layout.md, "index.json file".

use serde_json::{Map, Value, json};

use crate::oci::{Descriptor, DescriptorError, OCI_INDEX, Reference, json as strict};

/// The annotation that names an entry.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation in which containerd and docker keep the full name.
pub const IMAGE_NAME: &str = "io.containerd.image.name";

/// An entry of `index.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// Which document.
    pub descriptor: Descriptor,
    /// Its name, if it has one: as [`REF_NAME`] says, else as [`IMAGE_NAME`] does.
    pub name: Option<String>,
}

/// Why an `index.json` or `oci-layout` is refused. Always the input's fault.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Not JSON of the form that the specification gives.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// Another version of the layout than 1.0.0.
    #[error("the layout has version {:?}", .0)]
    Version(String),
    /// It could be read as two things, or as something else than an index.
    #[error("it is no plain index: {0}")]
    Ambiguous(&'static str),
    /// An entry is no descriptor.
    #[error("entry {position} is malformed: {error}")]
    Malformed {
        /// Counted from 0.
        position: usize,
        /// Where and what.
        error: serde_json::Error,
    },
    /// An entry holds a bad descriptor.
    #[error("entry {position} is a bad descriptor: {error}")]
    Descriptor {
        /// Counted from 0.
        position: usize,
        /// What is wrong.
        error: DescriptorError,
    },
}

/// The content of `oci-layout`.
pub(super) const VERSION: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Checks the content of `oci-layout`.
///
/// # Errors
/// [`IndexError::Json`] and [`IndexError::Version`].
pub fn check_version(bytes: &[u8]) -> Result<(), IndexError> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        image_layout_version: String,
    }
    let version: Version = strict::parse(bytes)?;
    match version.image_layout_version.as_str() {
        "1.0.0" => Ok(()),
        other => Err(IndexError::Version(other.chars().take(100).collect())),
    }
}

/// An `index.json`. What gapferry does not know in it is kept.
#[derive(Debug, Clone)]
pub struct Index {
    fields: Map<String, Value>,
    raw: Vec<Value>,
    entries: Vec<IndexEntry>,
}

impl Index {
    /// An index without entries.
    pub fn empty() -> Index {
        let fields = [("schemaVersion", json!(2)), ("mediaType", json!(OCI_INDEX))];
        let fields = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Index { fields, raw: Vec::new(), entries: Vec::new() }
    }

    /// Reads the bytes of an `index.json`.
    ///
    /// # Errors
    /// Every [`IndexError`] but [`IndexError::Version`].
    pub fn parse(bytes: &[u8]) -> Result<Index, IndexError> {
        let mut fields: Map<String, Value> = strict::parse(bytes)?;
        check_fields(&fields)?;
        let Some(Value::Array(raw)) = fields.remove("manifests") else {
            return Err(IndexError::Ambiguous("it has no list `manifests`"));
        };
        let entries = raw.iter().enumerate().map(|(position, raw)| entry(position, raw));
        let entries = entries.collect::<Result<_, _>>()?;
        Ok(Index { fields, raw, entries })
    }

    /// The entries, in their order.
    pub fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// Lets `name` name `descriptor`, in place of what it named before. True when that is a change.
    pub fn set(&mut self, name: &str, descriptor: &Descriptor) -> bool {
        let mut descriptor = descriptor.clone();
        for key in [REF_NAME, IMAGE_NAME] {
            descriptor.annotations.insert(key.to_owned(), name.to_owned());
        }
        let entry = IndexEntry { descriptor, name: Some(name.to_owned()) };
        let same = |other: &IndexEntry| other.name.as_deref() == Some(name);
        let mut places = (0..self.entries.len()).filter(|at| same(&self.entries[*at]));
        let (first, others): (_, Vec<_>) = (places.next(), places.collect());
        for at in others.iter().rev() {
            self.raw.remove(*at);
            self.entries.remove(*at);
        }
        match first {
            Some(at) if self.entries[at] == entry => return !others.is_empty(),
            Some(at) => {
                self.raw[at] = json!(entry.descriptor);
                self.entries[at] = entry;
            }
            None => self.push(entry),
        }
        true
    }

    /// Lists `descriptor` without a name, unless it is listed. True when that is a change.
    pub fn add(&mut self, descriptor: &Descriptor) -> bool {
        if self.entries.iter().any(|entry| entry.descriptor.digest == descriptor.digest) {
            return false;
        }
        self.push(IndexEntry { descriptor: descriptor.clone(), name: None });
        true
    }

    fn push(&mut self, entry: IndexEntry) {
        self.raw.push(json!(entry.descriptor));
        self.entries.push(entry);
    }

    /// The bytes of `index.json`: keys sorted, entries in their order.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut fields = self.fields.clone();
        fields.insert("manifests".to_owned(), Value::Array(self.raw.clone()));
        Value::Object(fields).to_string().into_bytes()
    }
}

impl IndexEntry {
    fn new(descriptor: Descriptor) -> IndexEntry {
        let named = |key: &str| descriptor.annotations.get(key).filter(|name| !name.is_empty());
        let name = named(REF_NAME).or_else(|| named(IMAGE_NAME)).cloned();
        IndexEntry { descriptor, name }
    }

    /// Every name that it goes by. Docker writes a bare tag in one annotation and the full name
    /// in the other.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let full = self.descriptor.annotations.get(IMAGE_NAME).filter(|name| !name.is_empty());
        let full = full.filter(|full| Some(*full) != self.name.as_ref());
        self.name.iter().chain(full).map(String::as_str)
    }

    /// The image reference that it goes by; `None` when its names are bare tags or no references.
    pub fn reference(&self) -> Option<Reference> {
        self.names()
            .filter(|name| name.contains(['/', ':']))
            .find_map(|name| name.parse::<Reference>().ok())
    }
}

fn check_fields(fields: &Map<String, Value>) -> Result<(), IndexError> {
    let twin = |key: &str| {
        let known = ["manifests", "mediaType", "schemaVersion"];
        known.iter().any(|known| known.eq_ignore_ascii_case(key) && *known != key)
    };
    if fields.keys().any(|key| twin(key)) {
        return Err(IndexError::Ambiguous("a key differs from a known one in case only"));
    }
    if ["config", "layers", "blobs"].iter().any(|field| fields.contains_key(*field)) {
        return Err(IndexError::Ambiguous("it has `config`, `layers` or `blobs`"));
    }
    match fields.get("mediaType") {
        None => Ok(()),
        Some(Value::String(own)) if own.is_empty() || own == OCI_INDEX => Ok(()),
        Some(_) => Err(IndexError::Ambiguous("its media type is another one")),
    }
}

fn entry(position: usize, raw: &Value) -> Result<IndexEntry, IndexError> {
    let raw: oci_spec::image::Descriptor = serde::Deserialize::deserialize(raw)
        .map_err(|error| IndexError::Malformed { position, error })?;
    let descriptor =
        Descriptor::try_from(raw).map_err(|error| IndexError::Descriptor { position, error })?;
    Ok(IndexEntry::new(descriptor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Digest, MediaType, OCI_MANIFEST};

    fn descriptor(content: &[u8]) -> Descriptor {
        Descriptor::of(MediaType::new(OCI_MANIFEST).unwrap(), content)
    }

    #[test]
    fn keeps_what_it_does_not_know() {
        let digest = Digest::of(b"x");
        let text = format!(
            r#"{{"annotations":{{"z":"1"}},"manifests":[{{"mediaType":"{OCI_MANIFEST}","digest":"{digest}","size":1,"future":[1]}}],"odd":{{"b":1,"a":null}},"schemaVersion":2}}"#
        );
        let mut index = Index::parse(text.as_bytes()).unwrap();
        assert_eq!(index.entries()[0].name, None);
        assert!(!index.add(&descriptor(b"x")));
        assert!(index.set("a/b:1", &descriptor(b"y")));
        let written: Value = serde_json::from_slice(&index.to_bytes()).unwrap();
        assert_eq!(written["manifests"][0]["future"], json!([1]));
        let text = String::from_utf8(index.to_bytes()).unwrap();
        assert!(text.contains(r#""odd":{"a":null,"b":1},"schemaVersion":2}"#), "sorted: {text}");
        assert_eq!(written["annotations"]["z"], "1");
        assert_eq!(written["manifests"][1]["annotations"][REF_NAME], "a/b:1");
        assert_eq!(written["manifests"][1]["annotations"][IMAGE_NAME], "a/b:1");
    }

    #[test]
    fn a_name_names_one_document() {
        let mut index = Index::empty();
        assert!(index.set("a/b:1", &descriptor(b"x")));
        assert!(index.set("a/b:2", &descriptor(b"x")));
        assert!(index.set("a/b:1", &descriptor(b"y")));
        assert!(!index.set("a/b:1", &descriptor(b"y")));
        let index = Index::parse(&index.to_bytes()).unwrap();
        let names: Vec<_> = index.entries().iter().map(|entry| entry.name.as_deref()).collect();
        assert_eq!(names, [Some("a/b:1"), Some("a/b:2")]);
        assert_eq!(index.entries()[0].descriptor.digest, Digest::of(b"y"));
    }

    #[test]
    fn a_name_that_was_there_twice_is_there_once() {
        let entry = |content: &[u8]| {
            let mut descriptor = descriptor(content);
            descriptor.annotations.insert(REF_NAME.to_owned(), "a/b:1".to_owned());
            descriptor
        };
        let text = json!({"manifests": [entry(b"x"), descriptor(b"y"), entry(b"z")]}).to_string();
        let mut index = Index::parse(text.as_bytes()).unwrap();
        assert!(index.set("a/b:1", &descriptor(b"new")));
        let digests: Vec<_> = index.entries().iter().map(|entry| entry.descriptor.digest).collect();
        assert_eq!(digests, [Digest::of(b"new"), Digest::of(b"y")]);
    }

    #[test]
    fn docker_writes_two_names() {
        let mut descriptor = descriptor(b"x");
        descriptor.annotations.insert(REF_NAME.to_owned(), "1.35".to_owned());
        descriptor.annotations.insert(IMAGE_NAME.to_owned(), "docker.io/a/b:1.35".to_owned());
        let entry = IndexEntry::new(descriptor);
        assert_eq!(entry.names().collect::<Vec<_>>(), ["1.35", "docker.io/a/b:1.35"]);
        assert_eq!(entry.reference().unwrap().to_string(), "docker.io/a/b:1.35");
    }

    #[test]
    fn refuses_what_is_no_plain_index() {
        let digest = Digest::of(b"x");
        let entry = format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":1}}"#);
        let parse = |text: &str| Index::parse(text.as_bytes()).map(|_| ());
        assert!(parse(&format!(r#"{{"manifests":[{entry}]}}"#)).is_ok());
        for text in [
            r#"{"manifests":{}}"#.to_owned(),
            r#"{"schemaVersion":2}"#.to_owned(),
            r#"{"manifests":[],"layers":[]}"#.to_owned(),
            r#"{"manifests":[],"Manifests":[]}"#.to_owned(),
            format!(r#"{{"manifests":[],"mediaType":"{OCI_MANIFEST}"}}"#),
        ] {
            assert!(matches!(parse(&text), Err(IndexError::Ambiguous(_))), "{text}");
        }
        for text in ["", "[]", r#"{"manifests":[],"manifests":[]}"#] {
            assert!(matches!(parse(text), Err(IndexError::Json(_))), "{text}");
        }
        let text = format!(r#"{{"manifests":[{entry},{}]}}"#, entry.replace(":1}", ":-1}"));
        assert!(matches!(parse(&text), Err(IndexError::Malformed { position: 1, .. })));
        let text = format!(r#"{{"manifests":[{}]}}"#, entry.replace("a/b", ""));
        assert!(matches!(parse(&text), Err(IndexError::Descriptor { position: 0, .. })));
    }

    #[test]
    fn knows_one_version() {
        assert!(check_version(VERSION).is_ok());
        let other = br#"{"imageLayoutVersion":"1.1.0"}"#;
        assert!(matches!(check_version(other), Err(IndexError::Version(v)) if v == "1.1.0"));
        assert!(matches!(check_version(b"{}"), Err(IndexError::Json(_))));
    }
}
