//! The test images, into a registry and looked at there: plain HTTP, nothing of gapferry's.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use ureq::http::Response;
use ureq::{Agent, Body};

/// The layout of all test images.
pub(crate) const IMAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/images");
/// The media type of an index.
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// docker-registry does not show what is not asked for by name.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, */*";
/// Where the referrers belong, which have no name.
pub(crate) const SIGNED: &str = "signed/app";

/// A document of the layout's `index.json`, by the repository and tag that it belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) repository: String,
    pub(crate) tag: Option<String>,
    pub(crate) digest: String,
    pub(crate) media_type: String,
}

impl Entry {
    /// `repository:tag`, or `repository@digest` where there is no tag.
    pub(crate) fn name(&self) -> String {
        match &self.tag {
            Some(tag) => format!("{}:{tag}", self.repository),
            None => format!("{}@{}", self.repository, self.digest),
        }
    }

    /// True for a tag made of a digest, by which cosign finds signatures.
    pub(crate) fn is_cosign(&self) -> bool {
        self.tag.as_ref().is_some_and(|tag| tag.starts_with("sha256-"))
    }
}

/// The entries whose repository begins with one of `prefixes`.
pub(crate) fn entries(prefixes: &[&str]) -> Vec<Entry> {
    let index = std::fs::read(format!("{IMAGES}/index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let entry = |value: &Value| {
        let name = value["annotations"]["org.opencontainers.image.ref.name"].as_str();
        let (repository, tag) = name.map_or((SIGNED, None), |name| {
            name.split_once(':').map(|(a, b)| (a, Some(b))).unwrap()
        });
        Entry {
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest: text(value, "digest"),
            media_type: text(value, "mediaType"),
        }
    };
    let all = index["manifests"].as_array().unwrap().iter().map(entry);
    all.filter(|it| prefixes.iter().any(|prefix| it.repository.starts_with(prefix))).collect()
}

/// The bytes of a document or blob.
pub(crate) fn content(digest: &str) -> Vec<u8> {
    std::fs::read(format!("{IMAGES}/blobs/{}", digest.replace(':', "/"))).unwrap()
}

/// The digest of bytes, reckoned without gapferry.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let hash = <sha2::Sha256 as sha2::Digest>::digest(bytes);
    format!("sha256:{}", hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// The descriptors of the documents, then those of the blobs, that a document leads to.
fn below(digest: &str) -> (Vec<Value>, Vec<Value>) {
    let document: Value = serde_json::from_slice(&content(digest)).unwrap();
    let list = |field: &str| document[field].as_array().cloned().unwrap_or_default();
    let config = document.get("config").cloned();
    (list("manifests"), config.into_iter().chain(list("layers")).collect())
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap().to_owned()
}

/// A registry as seen with plain HTTP.
pub(crate) struct Eyes {
    base: String,
    agent: Agent,
}

impl Eyes {
    /// `place` is `host:port`, and a path below it if names begin with one.
    pub(crate) fn on(host: &str) -> Eyes {
        let config = Agent::config_builder().http_status_as_error(false).build();
        Eyes { base: format!("http://{host}/v2/"), agent: config.into() }
    }

    /// Status, media type and bytes.
    pub(crate) fn get(&self, path: &str) -> (u16, String, Vec<u8>) {
        let mut answer =
            self.agent.get(format!("{}{path}", self.base)).header("accept", ACCEPT).call().unwrap();
        let kind = answer.headers().get("content-type");
        let kind = kind.map_or(String::new(), |kind| kind.to_str().unwrap().to_owned());
        (
            answer.status().as_u16(),
            kind,
            answer.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap(),
        )
    }

    /// Status and bytes of a part of a blob.
    pub(crate) fn part(&self, path: &str, range: &str) -> (u16, Vec<u8>) {
        let url = format!("{}{path}", self.base);
        let mut answer = self.agent.get(url).header("range", range).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_vec().unwrap())
    }

    /// The same as JSON, which must be there. docker's registry answers 500 while it is still writing the
    /// file that it is asked for: then it is asked again.
    pub(crate) fn json(&self, path: &str) -> Value {
        let mut answers = (0..40).map(|at| {
            std::thread::sleep(std::time::Duration::from_millis(if at == 0 { 0 } else { 50 }));
            self.get(path)
        });
        let (status, _, bytes) = answers.find(|(status, ..)| *status != 500).expect("it mends");
        assert_eq!(status, 200, "{path}");
        serde_json::from_slice(&bytes).unwrap()
    }

    /// The repositories.
    pub(crate) fn catalog(&self) -> BTreeSet<String> {
        let catalog = self.json("_catalog?n=1000");
        catalog["repositories"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it.as_str().unwrap().to_owned())
            .collect()
    }

    /// The tags of a repository; none when it is not there.
    pub(crate) fn tags(&self, repository: &str) -> BTreeSet<String> {
        let (status, _, bytes) = self.get(&format!("{repository}/tags/list"));
        assert!(matches!(status, 200 | 404), "{repository}: {status}");
        let list: Value = serde_json::from_slice(&bytes).unwrap();
        list["tags"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|it| it.as_str().unwrap().to_owned())
            .collect()
    }

    /// Puts documents with all that they lead to into the registry, and lists the referrers.
    pub(crate) fn push(&self, entries: &[Entry]) {
        for entry in entries {
            self.push_document(&entry.repository, &entry.digest, &entry.media_type);
            if let Some(tag) = &entry.tag {
                self.put(
                    &format!("{}/manifests/{tag}", entry.repository),
                    &entry.media_type,
                    &content(&entry.digest),
                );
            }
        }
        for (subject, referrers) in referrers(entries) {
            let descriptors: Vec<Value> = referrers
                .into_iter()
                .map(|entry| {
                    json!({
                        "mediaType": entry.media_type, "digest": entry.digest,
                        "size": content(&entry.digest).len(),
                    })
                })
                .collect();
            let index =
                json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": descriptors});
            let path = format!("{SIGNED}/manifests/{}", subject.replace(':', "-"));
            self.put(&path, OCI_INDEX, index.to_string().as_bytes());
        }
    }

    fn push_document(&self, repository: &str, digest: &str, media_type: &str) {
        let (documents, blobs) = below(digest);
        for child in documents {
            self.push_document(repository, &text(&child, "digest"), &text(&child, "mediaType"));
        }
        for blob in blobs {
            self.push_blob(repository, &text(&blob, "digest"));
        }
        self.put(&format!("{repository}/manifests/{digest}"), media_type, &content(digest));
    }

    fn push_blob(&self, repository: &str, digest: &str) {
        let url = format!("{}{repository}/blobs/uploads/", self.base);
        let started = self.agent.post(url).send_empty().unwrap();
        let session = started.headers()["location"].to_str().unwrap();
        let url = format!("{session}&digest={digest}");
        created(
            self.agent.put(url).content_type("application/octet-stream").send(&content(digest)),
        );
    }

    /// Puts a document into the registry.
    pub(crate) fn put(&self, path: &str, media_type: &str, bytes: &[u8]) {
        created(
            self.agent.put(format!("{}{path}", self.base)).content_type(media_type).send(bytes),
        );
    }

    /// Deletes a document.
    pub(crate) fn delete(&self, path: &str) {
        let answer = self.agent.delete(format!("{}{path}", self.base)).call().unwrap();
        assert_eq!(answer.status(), 202, "{path}");
    }

    /// Asserts that all of `entries` is there, every byte of it, below `prefix`.
    pub(crate) fn assert_holds(&self, prefix: &str, entries: &[Entry]) {
        for entry in entries {
            let at = format!("{prefix}{}", entry.repository);
            for name in entry.tag.iter().chain([&entry.digest]) {
                self.assert_document(&at, name, &entry.media_type, &entry.digest);
            }
            self.assert_below(&at, &entry.digest);
        }
        for (subject, referrers) in referrers(entries) {
            let tag = subject.replace(':', "-");
            let index = self.json(&format!("{prefix}{SIGNED}/manifests/{tag}"));
            let found: BTreeSet<String> = index["manifests"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| text(it, "digest"))
                .collect();
            assert_eq!(found, referrers.into_iter().map(|it| it.digest).collect(), "{subject}");
        }
    }

    fn assert_document(&self, at: &str, name: &str, media_type: &str, digest: &str) {
        let (status, kind, bytes) = self.get(&format!("{at}/manifests/{name}"));
        assert_eq!((status, kind.as_str()), (200, media_type), "{at} {name}");
        assert!(bytes == content(digest), "{at} {name} is something else");
    }

    fn assert_below(&self, at: &str, digest: &str) {
        let (documents, blobs) = below(digest);
        for child in documents {
            let (digest, kind) = (text(&child, "digest"), text(&child, "mediaType"));
            self.assert_document(at, &digest, &kind, &digest);
            self.assert_below(at, &digest);
        }
        for blob in blobs {
            let digest = text(&blob, "digest");
            let (status, _, bytes) = self.get(&format!("{at}/blobs/{digest}"));
            assert!(status == 200 && bytes == content(&digest), "{at} {digest}: {status}");
        }
    }

    /// Asserts that whatever a tag of any repository leads to is there.
    pub(crate) fn assert_whole(&self) {
        for repository in self.catalog() {
            for tag in self.tags(&repository) {
                self.assert_complete(&repository, &tag);
            }
        }
    }

    fn assert_complete(&self, repository: &str, name: &str) {
        let document = self.json(&format!("{repository}/manifests/{name}"));
        let list = |field: &str| document[field].as_array().cloned().unwrap_or_default();
        for child in list("manifests") {
            self.assert_complete(repository, &text(&child, "digest"));
        }
        for blob in document.get("config").cloned().into_iter().chain(list("layers")) {
            let (status, ..) = self.get(&format!("{repository}/blobs/{}", text(&blob, "digest")));
            assert_eq!(status, 200, "{repository} {name} {blob}");
        }
    }
}

fn created(answer: Result<Response<Body>, ureq::Error>) {
    let mut answer = answer.unwrap();
    let status = answer.status();
    assert_eq!(status, 201, "{}", answer.body_mut().read_to_string().unwrap());
}

/// Entries that refer to another document, by that document.
fn referrers(entries: &[Entry]) -> BTreeMap<String, Vec<Entry>> {
    let mut found: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for entry in entries {
        let document: Value = serde_json::from_slice(&content(&entry.digest)).unwrap();
        if let Some(subject) = document.get("subject") {
            found.entry(text(subject, "digest")).or_default().push(entry.clone());
        }
    }
    found
}
