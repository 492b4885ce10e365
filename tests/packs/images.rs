//! Images whose layers real encoders made, in an OCI layout.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use gapferry::oci::Digest;
use serde_json::{Value, json};

use crate::support::command::Work;

/// A layout that is being made.
pub(crate) struct Layout {
    /// The digests of each image's layers, by its name.
    layers: BTreeMap<String, Vec<String>>,
    blobs: std::path::PathBuf,
    manifests: Vec<Value>,
}

impl Layout {
    /// `old-…` and `new-…` hold much the same files, each compressed by another encoder. Made
    /// once, and copied to each place of work; the layers of each image.
    pub(crate) fn place(work: &Work) -> BTreeMap<String, Vec<String>> {
        static MADE: OnceLock<(tempfile::TempDir, BTreeMap<String, Vec<String>>)> = OnceLock::new();
        let (place, layers) = MADE.get_or_init(|| {
            let place = tempfile::tempdir().unwrap();
            let layers = Layout::make(place.path()).layers;
            (place, layers)
        });
        let copy = Command::new("cp").arg("-r").arg(place.path()).arg(work.path("layout")).status();
        assert!(copy.unwrap().success());
        layers.clone()
    }

    fn make(root: &Path) -> Layout {
        let blobs = root.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        let mut layout = Layout { layers: BTreeMap::new(), blobs, manifests: Vec::new() };
        let files = |numbers: std::ops::Range<u64>| numbers.collect::<Vec<_>>();
        let (old, new) = (tar(&files(0..30), 1), tar(&files(3..33), 2));
        for (name, tool) in TOOLS {
            layout.add(&format!("old-{name}:1"), &[compressed(tool, &old)]);
            layout.add(&format!("new-{name}:1"), &[compressed(tool, &new)]);
        }
        layout.add("plain:1", std::slice::from_ref(&old));
        layout.add("old-libzstd:1", &[libzstd(&old)]);
        layout.add("new-libzstd:1", &[libzstd(&new)]);
        layout.add("zstd:1", &[compressed("zstd -q -c", &old)]);
        layout.add("odd:1", &[noise(100_000, 9), broken(&old), libzstd(b"").repeat(2)]);
        layout.finish(root);
        layout
    }

    fn add(&mut self, name: &str, layers: &[Vec<u8>]) {
        let config = json!({"os": "linux", "architecture": "amd64", "of": name}).to_string();
        let config = self.put("application/vnd.oci.image.config.v1+json", config.as_bytes());
        let kind = |layer: &[u8]| match layer.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            true => "application/vnd.oci.image.layer.v1.tar+zstd",
            false => "application/vnd.oci.image.layer.v1.tar+gzip",
        };
        let put = |layer: &Vec<u8>| self.put(kind(layer), layer);
        let layers: Vec<Value> = layers.iter().map(put).collect();
        let hex = |layer: &Value| layer["digest"].as_str().unwrap()[7..].to_owned();
        self.layers.insert(name.to_owned(), layers.iter().map(hex).collect());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": layers,
        });
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let mut entry = self.put(kind, manifest.to_string().as_bytes());
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        self.manifests.push(entry);
    }

    fn put(&self, kind: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        std::fs::write(self.blobs.join(digest.hex()), bytes).unwrap();
        json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    }

    fn finish(&self, root: &Path) {
        let index = json!({"schemaVersion": 2, "manifests": self.manifests});
        std::fs::write(root.join("index.json"), index.to_string()).unwrap();
        std::fs::write(root.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}").unwrap();
    }
}

/// Encoders and how they are called.
pub(crate) const TOOLS: [(&str, &str); 6] = [
    ("gzip", "gzip -n -6"),
    ("gzip1", "gzip -n -1"),
    ("pigz", "pigz -n -6 -p 2"),
    ("pigz-i", "pigz -n -9 -i -p 2"),
    (
        "zlib",
        "python3 -c import*sys,zlib;c=zlib.compressobj(9,8,31);sys.stdout.buffer.write(c.compress(sys.stdin.buffer.read())+c.flush())",
    ),
    (
        "python",
        "python3 -c import*sys,gzip;sys.stdout.buffer.write(gzip.compress(sys.stdin.buffer.read(),6,mtime=0))",
    ),
];

/// What `tool` makes of `plain`; a `*` stands for a space within a word.
pub(crate) fn compressed(tool: &str, plain: &[u8]) -> Vec<u8> {
    let words: Vec<String> = tool.split(' ').map(|word| word.replace('*', " ")).collect();
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{} is needed (tests/run installs it): {error}", words[0]));
    let mut stdin = child.stdin.take().unwrap();
    let plain = plain.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&plain).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{tool}");
    output.stdout
}

/// A frame of the library that gapferry has, as other programs call it.
fn libzstd(plain: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 6).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// A gzip stream that ends in other bytes than any encoder of it.
fn broken(plain: &[u8]) -> Vec<u8> {
    let mut bytes = compressed("gzip -n -6", plain);
    bytes.extend(b"more");
    bytes
}

/// A tar of files, each made from its number: words, and now and then noise.
pub(crate) fn tar(files: &[u64], mtime: u64) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for number in files {
        let content = file(*number);
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mtime(mtime);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("usr/share/file{number}"), &content[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

fn file(number: u64) -> Vec<u8> {
    let length = 20_000 + (number as usize * 7919) % 120_000;
    if number % 7 == 3 {
        return noise(length, number);
    }
    let mut text = Vec::new();
    for word in noise(length / 4, number + 1000) {
        text.extend(format!("word{} ", word % 97).into_bytes());
    }
    text
}

/// Bytes that do not compress (xorshift64).
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}
