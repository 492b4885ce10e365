//! The tiny bundle with its layer in a pack.

use gapferry::oci::Digest;
use serde_json::{Value, json};

use super::build::{self, CONFIG, Document, Files, LAYER, MANIFEST};

/// What is to be changed in a catalog.
pub(crate) type Change<'a> = Box<dyn FnOnce(&mut Value) + 'a>;

/// What GNU gzip 1.12 makes of the layer with `-n -6`.
const GZIP: &str =
    "1f8b08000000000000034b54c849ac4c2d52c84f53c8cf4b55c8c9cc4be502002ef5013214000000";

/// A zstd frame of one raw block with its size in one byte, as frames of packs have it.
pub(crate) fn pack(bytes: &[u8]) -> Vec<u8> {
    let size = u8::try_from(bytes.len()).expect("a short text");
    let block = (u32::from(size) << 3 | 1).to_le_bytes();
    [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, size][..], &block[..3], bytes].concat()
}

/// The layer lies in a pack as it is.
pub(crate) fn content(change: Option<Change<'_>>) -> Files {
    content_of(&pack(LAYER), change)
}

/// The same with other bytes for the pack.
pub(crate) fn content_of(pack: &[u8], change: Option<Change<'_>>) -> Files {
    let layer = json!({
        "blob": entry(LAYER), "plain": LAYER.len(),
        "from": [Digest::of(pack)], "extents": [[0, 0, LAYER.len()]],
    });
    assemble(LAYER, pack, layer, change)
}

/// The layer is a gzip stream, and its plain bytes lie in a pack.
pub(crate) fn gzip_content(change: Option<Change<'_>>) -> Files {
    let (gzip, pack) = (gzip(), pack(LAYER));
    let layer = json!({
        "blob": entry(&gzip), "plain": LAYER.len(),
        "coding": {"encoding": "gnugzip-1:6", "header": "H4sIAAAAAAAAAw=="},
        "from": [Digest::of(&pack)], "extents": [[0, 0, LAYER.len()]],
    });
    assemble(&gzip, &pack, layer, change)
}

/// The layer is at the destination.
pub(crate) fn held_content() -> Files {
    let mut content = build::content();
    content.remove(&build::layer());
    let catalog = json!({
        "gapferry": "catalog v1", "block": 1 << 20, "blobs": [entry(CONFIG)],
        "held": [{"blob": entry(LAYER), "home": 0}],
        "homes": ["registry.example/tool:0.9"], "needs": ["bases"],
    });
    put_catalog(&mut content, &catalog);
    content
}

fn gzip() -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&GZIP[at..at + 2], 16).expect("hex digits");
    (0..GZIP.len()).step_by(2).map(byte).collect()
}

fn entry(bytes: &[u8]) -> Value {
    json!({"digest": Digest::of(bytes), "size": bytes.len()})
}

fn assemble(layer: &[u8], pack: &[u8], recipe: Value, change: Option<Change<'_>>) -> Files {
    let manifest = build::manifest_of(layer);
    let document = Document::new("root", MANIFEST, &manifest);
    let mut content = build::assemble(&[document], &[CONFIG, layer]);
    content.remove(&build::blob_name(layer));
    content.insert(build::blob_name(pack), pack.to_vec());
    let mut catalog = json!({
        "gapferry": "catalog v1", "block": 1 << 20, "blobs": [entry(CONFIG)],
        "packs": [{"blob": entry(pack), "frames": [[pack.len(), LAYER.len()]]}],
        "layers": [recipe], "needs": ["packs"],
    });
    if let Some(change) = change {
        change(&mut catalog);
    }
    put_catalog(&mut content, &catalog);
    content
}

fn put_catalog(content: &mut Files, catalog: &Value) {
    content.insert("catalog.json.zst".to_owned(), build::frame(catalog.to_string().as_bytes()));
}
