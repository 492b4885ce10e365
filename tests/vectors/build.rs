//! A tiny bundle, written by hand after `formats/`: nothing here uses gapferry's own writer, so
//! that the vectors hold the texts and the code against each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gapferry::oci::Digest;
use gapferry::trust::{Purpose, SecretKey, Signer as _};
use serde_json::{Value, json};

/// The files of a bundle, or some of them, by name.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const NAME: &str = "registry.example/tool:1.0";
pub(crate) const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &[u8] = b"a layer of one line\n";
pub(crate) const CONFIG: &[u8] = br#"{"architecture":"amd64","os":"linux"}"#;

/// A document of the image and its part in it.
pub(crate) struct Document<'a> {
    pub role: &'a str,
    pub media_type: &'a str,
    pub bytes: &'a str,
    /// More fields of its entry in the lading.
    pub more: Value,
}

impl<'a> Document<'a> {
    pub fn new(role: &'a str, media_type: &'a str, bytes: &'a str) -> Document<'a> {
        Document { role, media_type, bytes, more: json!({}) }
    }
}

pub(crate) fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("formats/vectors")
}

pub(crate) fn key(name: &str) -> SecretKey {
    let path = vectors().join("keys").join(format!("{name}.key"));
    let pem = std::fs::read_to_string(path).expect("the keys are stored");
    SecretKey::from_pem(&pem, None).expect("the keys are sound")
}

/// Copies the files of a directory to a new one.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("it can be made");
    for entry in std::fs::read_dir(from).expect("it is there").map(|entry| entry.expect("it is")) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("it can be copied");
    }
}

/// `seal.<key id>.sig`
pub(crate) fn signature_name(key: &SecretKey) -> String {
    format!("seal.{}.sig", key.public().key_id())
}

pub(crate) fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()})
}

/// The manifest of the image.
pub(crate) fn manifest() -> String {
    manifest_of(LAYER)
}

pub(crate) fn manifest_of(layer: &[u8]) -> String {
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG_TYPE, CONFIG),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    })
    .to_string()
}

/// The content of the bundle: everything that `SHA256SUMS` lists.
pub(crate) fn content() -> Files {
    content_of(&manifest())
}

/// The same with another manifest over the same config and layer.
pub(crate) fn content_of(manifest: &str) -> Files {
    assemble(&[Document::new("root", MANIFEST, manifest)], &[CONFIG, LAYER])
}

/// An index over the manifest, with what more each has to say.
pub(crate) fn content_with_index(index: &str, omitted: Value) -> Files {
    let child = manifest();
    let mut child = Document::new("child", MANIFEST, &child);
    child.more = json!({"platform": "linux/amd64"});
    let root = Document::new("root", INDEX, index);
    let mut content = assemble(&[root, child], &[CONFIG, LAYER]);
    let mut lading: Value = serde_json::from_slice(&content["lading.json"]).expect("it is JSON");
    if !omitted.is_null() {
        lading["images"][0]["omitted"] = omitted;
    }
    content.insert("lading.json".to_owned(), lading.to_string().into_bytes());
    content
}

/// The first of `documents` is the root.
pub(crate) fn assemble(documents: &[Document<'_>], blobs: &[&[u8]]) -> Files {
    let pinned: Vec<Value> = documents.iter().map(pinned).collect();
    let image = json!({
        "name": NAME, "source": NAME, "why": ["vector"],
        "digest": pinned[0]["digest"], "bytes": blobs.iter().map(|it| it.len()).sum::<usize>(),
        "documents": pinned,
    });
    let listed = documents.iter().filter(|document| document.role != "child").map(listed);
    let index = json!({
        "schemaVersion": 2, "mediaType": INDEX, "manifests": listed.collect::<Vec<_>>(),
    });
    let mut entries: Vec<Value> = blobs.iter().map(|bytes| entry(bytes)).collect();
    entries.sort_by_key(|entry| entry["digest"].to_string());
    let catalog =
        json!({"gapferry": "catalog v1", "block": 1 << 20, "blobs": entries, "needs": []});
    let lading =
        json!({"gapferry": "lading v1", "tool": "formats/vectors", "images": [image]}).to_string();
    let mut files = Files::new();
    let mut put = |name: &str, bytes: &[u8]| files.insert(name.to_owned(), bytes.to_vec());
    put("oci-layout", b"{\"imageLayoutVersion\":\"1.0.0\"}\n");
    put("index.json", index.to_string().as_bytes());
    put("lading.json", lading.as_bytes());
    put("catalog.json.zst", &frame(catalog.to_string().as_bytes()));
    for document in documents {
        put(&blob_name(document.bytes.as_bytes()), document.bytes.as_bytes());
    }
    for blob in blobs {
        put(&blob_name(blob), blob);
    }
    files
}

fn pinned(document: &Document<'_>) -> Value {
    let mut pinned = descriptor(document.media_type, document.bytes.as_bytes());
    pinned["role"] = document.role.into();
    for (field, value) in document.more.as_object().expect("more fields") {
        pinned[field] = value.clone();
    }
    pinned
}

/// The entry of `index.json`: roots and tagged documents have names, referrers have none.
fn listed(document: &Document<'_>) -> Value {
    let mut entry = descriptor(document.media_type, document.bytes.as_bytes());
    let name = match &document.more["tag"] {
        Value::String(tag) => format!("registry.example/tool:{tag}"),
        _ => NAME.to_owned(),
    };
    match document.role {
        "referrer" => entry["artifactType"] = document.more["artifactType"].clone(),
        _ => {
            entry["annotations"] = json!({
                "io.containerd.image.name": name, "org.opencontainers.image.ref.name": name,
            });
        }
    }
    entry
}

/// The catalog's entry of a blob that is shorter than one block.
fn entry(bytes: &[u8]) -> Value {
    json!({"digest": Digest::of(bytes), "size": bytes.len()})
}

pub(crate) fn blob_name(bytes: &[u8]) -> String {
    format!("blobs/sha256/{}", Digest::of(bytes).hex())
}

/// The name of the one layer.
pub(crate) fn layer() -> String {
    blob_name(LAYER)
}

/// One zstd frame with one raw block (RFC 8878): the same bytes with every version of zstd.
pub(crate) fn frame(bytes: &[u8]) -> Vec<u8> {
    let size = u32::try_from(bytes.len()).expect("a small text");
    assert!(size < 128 * 1024, "one block holds no more");
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    frame.extend(size.to_le_bytes());
    frame.extend(&(size << 3 | 1).to_le_bytes()[..3]);
    frame.extend(bytes);
    frame
}

/// The text in a [`frame`].
pub(crate) fn unframe(frame: &[u8]) -> String {
    String::from_utf8(frame[12..].to_vec()).expect("it is text")
}

pub(crate) fn sums(content: &Files) -> String {
    let line =
        |(name, bytes): (&String, &Vec<u8>)| format!("{}  {name}\n", Digest::of(bytes).hex());
    content.iter().map(line).collect()
}

pub(crate) fn seal(content: &Files, sums: &str) -> String {
    let bytes: usize = content.values().map(Vec::len).sum();
    format!(
        "gapferry bundle seal v1\nstream: vectors\nepoch: 1\nsequence: 7\nprevious: none\n\
         created: 1999-12-31T00:00:00Z\nexpires: never\ndestination: any\ntrust: 0\nimages: 1\n\
         files: {}\nbytes: {bytes}\nsums: {} {}\n",
        content.len(),
        Digest::of(sums.as_bytes()),
        sums.len()
    )
}

/// Puts the head on: sums, seal, and a signature a key.
pub(crate) fn signed(mut content: Files, sums: &str, seal: &[u8], keys: &[&str]) -> Files {
    for name in keys {
        let key = key(name);
        let signature = key.sign(Purpose::Seal, seal).expect("a key in memory signs");
        content.insert(signature_name(&key), signature);
    }
    content.insert("SHA256SUMS".to_owned(), sums.as_bytes().to_vec());
    content.insert("seal".to_owned(), seal.to_vec());
    content
}

/// The bundle of this content, signed by the release key.
pub(crate) fn bundle(content: Files) -> Files {
    let sums = sums(&content);
    let seal = seal(&content, &sums);
    signed(content, &sums, seal.as_bytes(), &["release"])
}

/// An archive: blobs first, head files next, the seal last.
pub(crate) fn archive(files: &Files) -> Vec<u8> {
    let mut names: Vec<&String> = files.keys().collect();
    names.sort_by_key(|name| (*name == "seal", !name.starts_with("blobs/"), *name));
    let members = names.into_iter().flat_map(|name| member(name, b'0', &files[name]));
    members.chain([0; 1024]).collect()
}

/// A member of an archive: header, content, padding.
pub(crate) fn member(name: &str, kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut header = vec![0; 512];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000644\x000000000\x000000000\0");
    put(124, format!("{:011o}\x0000000000000\0        ", bytes.len()).as_bytes());
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    put(329, b"0000000\x000000000\0");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header.extend(bytes);
    header.resize(header.len().next_multiple_of(512), 0);
    header
}
