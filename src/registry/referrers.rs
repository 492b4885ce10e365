//! What refers to a document: the referrers API, and the tag that stands in for it.
//!
//! Withstands: lists without end (pages and entries are capped), pages that lead to another host,
//! answers that are web pages, an image that somebody keeps under the fallback tag (it is not
//! overwritten). Source: distribution-spec 1.1, "Listing Referrers" and "Referrers Tag Schema".

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use serde_json::{Value, json};
use ureq::http::{Method, Uri};

use super::answer::Response;
use super::pull::media_type;
use super::transport::Call;
use super::url::{Origin, resolve};
use super::{Client, Name, RegistryError};
use crate::oci::{
    Descriptor, Digest, MAX_CHILDREN, MAX_MANIFEST_SIZE, Manifest, ManifestError, MediaType,
    OCI_INDEX, Repository, Tag,
};

/// Pages of one list.
const MAX_PAGES: usize = 100;

impl Client {
    /// The documents of `repository` that name `subject` as their subject, sorted by digest.
    ///
    /// # Errors
    /// Not for "there are none".
    pub fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>, RegistryError> {
        let found = match self.referrers_api(repository, subject)? {
            Some(found) => found,
            None => match self.fallback_index(repository, subject)? {
                Some(index) => index.children().to_vec(),
                None => Vec::new(),
            },
        };
        let sorted: BTreeMap<Digest, Descriptor> =
            found.into_iter().map(|descriptor| (descriptor.digest, descriptor)).collect();
        Ok(sorted.into_values().collect())
    }

    /// `None` when the registry does not know the API.
    fn referrers_api(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Option<Vec<Descriptor>>, RegistryError> {
        let what = format!("the referrers of {repository}@{subject}");
        let scope = self.reading(repository);
        let mut next = Some(self.url(repository, &format!("referrers/{subject}"))?);
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        while let Some(url) = next {
            let malformed = |host: &str, why: &str| RegistryError::Malformed {
                host: host.to_owned(),
                what: what.clone(),
                why: why.to_owned(),
            };
            let host = repository.host();
            if !seen.insert(url.to_string()) || seen.len() > MAX_PAGES {
                return Err(malformed(host, "the list has no end"));
            }
            let mut call = Call::new(Method::GET, url);
            call.headers.push(("accept", OCI_INDEX.to_owned()));
            let ask = || self.send(&scope, call.clone());
            let (answer, raw) = self.0.transport.whole(MAX_MANIFEST_SIZE, ask)?;
            if !is_index(&answer) {
                let later = seen.len() > 1;
                return match answer.status {
                    // On a later page the list would be cut short in silence.
                    401 | 429 | 500..=599 => Err(self.refusal(&scope, answer, &what)),
                    _ if later => Err(malformed(host, "a page of the list is missing")),
                    _ => Ok(None),
                };
            }
            found.extend_from_slice(index(raw)?.children());
            if found.len() > MAX_CHILDREN {
                return Err(malformed(host, "the list holds more than 10,000 entries"));
            }
            next = next_page(&answer).map_err(|why| malformed(host, why))?;
        }
        Ok(Some(found))
    }

    /// The index under the fallback tag.
    fn fallback_index(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Option<Manifest>, RegistryError> {
        let tag = fallback_tag(subject);
        match self.tagged(repository, &tag)? {
            Some(index) if !index.descriptor().media_type.is_index() => {
                Err(RegistryError::Malformed {
                    host: repository.host().to_owned(),
                    what: format!("the referrers tag {repository}:{tag}"),
                    why: format!("it is no index but {}", index.descriptor().media_type),
                })
            }
            found => Ok(found),
        }
    }

    /// Adds `manifest` to the index under the fallback tag of `subject`.
    ///
    /// Registries cannot change a tag atomically. Our own threads wait for each other here; of
    /// two programs that do this at once, one may undo the other's work.
    pub(super) fn list_referrer(
        &self,
        repository: &Repository,
        subject: &Digest,
        manifest: &Manifest,
    ) -> Result<(), RegistryError> {
        let _alone = self.0.fallback.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.fallback_index(repository, subject)?;
        let digest = manifest.descriptor().digest;
        if old.as_ref().is_some_and(|old| old.children().iter().any(|one| one.digest == digest)) {
            return Ok(());
        }
        let raw = with_entry(old.as_ref(), manifest)?;
        let tag = fallback_tag(subject);
        self.put_document(repository, Name::Tag(&tag), OCI_INDEX, &raw).map(drop)
    }
}

/// `<algorithm>-<hex>`, cut to what a tag may hold.
fn fallback_tag(subject: &Digest) -> Tag {
    let hex = subject.hex();
    let text = format!("{}-{}", subject.algorithm(), hex.get(..64).unwrap_or(&hex));
    text.parse().expect("letters, digits and a dash, at most 71 of them, are a tag")
}

fn is_index(answer: &Response) -> bool {
    answer.status == 200
        && answer
            .header("content-type")
            .and_then(media_type)
            .is_some_and(|media_type| media_type.as_str() == OCI_INDEX)
}

fn index(raw: Vec<u8>) -> Result<Manifest, ManifestError> {
    let media_type = MediaType::new(OCI_INDEX).expect("a constant of the specification");
    Manifest::parse(Descriptor::of(media_type, &raw), raw)
}

/// The address in `Link: <…>; rel="next"`.
pub(super) fn next_page(answer: &Response) -> Result<Option<Uri>, &'static str> {
    let next = answer.headers.get_all("link").iter().filter_map(|value| value.to_str().ok()).find(
        |link| {
            let link = link.to_ascii_lowercase();
            link.contains("rel=\"next\"") || link.contains("rel=next")
        },
    );
    let Some(link) = next else { return Ok(None) };
    let inner = link.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    let url = inner.and_then(|(location, _)| resolve(&answer.url, location));
    let url = url.ok_or("the link to the next page leads nowhere")?;
    match Origin::of(&url) == Origin::of(&answer.url) {
        true => Ok(Some(url)),
        false => Err("the next page is at another host"),
    }
}

/// The bytes of `old` with an entry for `manifest`. Other entries stay as they are, with what we
/// know nothing of; the order is that of the digests, so that it does not tell who came first.
fn with_entry(old: Option<&Manifest>, manifest: &Manifest) -> Result<Vec<u8>, RegistryError> {
    let empty = || json!({"schemaVersion": 2, "mediaType": OCI_INDEX});
    let parsed = old.and_then(|old| serde_json::from_slice::<Value>(old.raw()).ok());
    let mut index = parsed.filter(Value::is_object).unwrap_or_else(empty);
    let mut entries = index["manifests"].as_array().cloned().unwrap_or_default();
    entries.push(entry(manifest));
    entries.sort_by(|a, b| a["digest"].as_str().cmp(&b["digest"].as_str()));
    index["mediaType"] = json!(OCI_INDEX);
    index["manifests"] = Value::Array(entries);
    let raw = index.to_string().into_bytes();
    match raw.len() as u64 {
        size if size > MAX_MANIFEST_SIZE => Err(ManifestError::TooLarge(size).into()),
        _ => Ok(raw),
    }
}

fn entry(manifest: &Manifest) -> Value {
    let descriptor = manifest.descriptor();
    let mut entry = json!({
        "mediaType": descriptor.media_type.as_str(),
        "digest": descriptor.digest.to_string(),
        "size": descriptor.size,
    });
    if let Some(kind) = manifest.artifact_type() {
        entry["artifactType"] = json!(kind);
    }
    if !manifest.annotations().is_empty() {
        entry["annotations"] = json!(manifest.annotations());
    }
    entry
}
