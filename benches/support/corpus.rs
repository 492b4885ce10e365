//! Images made of the files of this machine: programs, libraries, documentation, a compiler.
//!
//! Every image has one base layer in common with the others and two of its own. Names, order,
//! times and owners are fixed, so the same files give the same images.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use gapferry::oci::{Digest, Hasher, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use serde_json::{Value, json};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const MIB: u64 = 1024 * 1024;
/// Sizes of layers before compression, which makes them about three times smaller.
const BASE: u64 = 240 * MIB;
const OWN: [u64; 4] = [80 * MIB, 160 * MIB, 360 * MIB, 640 * MIB];
/// A single file beyond this would make a layer by itself.
const MAX_FILE: u64 = 200 * MIB;

/// An OCI layout with images.
pub(crate) struct Corpus {
    /// The layout.
    pub(crate) path: PathBuf,
    /// The names of the images in it.
    pub(crate) names: Vec<String>,
    /// Bytes of all blobs, each counted once.
    pub(crate) bytes: u64,
}

impl Corpus {
    /// The corpus in `path`; made now if it is not there. Layers are `shrink` times smaller than
    /// usual.
    pub(crate) fn get(path: &Path, images: usize, shrink: u64) -> Corpus {
        if !path.join("index.json").exists() {
            std::fs::remove_dir_all(path).ok();
            make(path, images, shrink);
        }
        let blobs = std::fs::read_dir(path.join("blobs/sha256")).unwrap();
        let bytes = blobs.map(|blob| blob.unwrap().metadata().unwrap().len()).sum();
        Corpus { path: path.to_owned(), names: (1..=images).map(name).collect(), bytes }
    }
}

fn name(number: usize) -> String {
    format!("image-{number:02}")
}

fn make(path: &Path, images: usize, shrink: u64) {
    std::fs::create_dir_all(path.join("blobs/sha256")).unwrap();
    let mut layers = Layers { root: path, files: files(), next: 0, made: 0 };
    let base = layers.make(BASE / shrink);
    let mut sizes = OWN.into_iter().cycle();
    let mut manifests = Vec::new();
    for number in 1..=images {
        let mut own = || layers.make(sizes.next().expect("it goes round") / shrink);
        let layers = [base.clone(), own(), own()];
        manifests.push(image(path, &name(number), &layers));
    }
    std::fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
    std::fs::write(path.join("index.json"), index.to_string()).unwrap();
}

/// Every regular file below the places that any machine with a compiler has, in a fixed order.
fn files() -> Vec<(PathBuf, u64)> {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
    let sysroot = sysroot.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let mut roots = vec!["/usr".to_owned()];
    roots.extend(sysroot.ok().filter(|root| !root.is_empty() && !root.starts_with("/usr")));
    let walk = |root| walkdir::WalkDir::new(root).sort_by_file_name().same_file_system(true);
    let entries = roots.into_iter().flat_map(walk).filter_map(Result::ok);
    let files = entries.filter(|entry| entry.file_type().is_file());
    let files = files.filter_map(|entry| Some((entry.metadata().ok()?.len(), entry.into_path())));
    files.filter(|(size, _)| *size <= MAX_FILE).map(|(size, path)| (path, size)).collect()
}

#[derive(Clone)]
struct Layer {
    descriptor: Value,
    diff_id: Digest,
}

struct Layers<'a> {
    root: &'a Path,
    files: Vec<(PathBuf, u64)>,
    next: usize,
    made: usize,
}

impl Layers<'_> {
    /// A layer of about `size` bytes, from the files that come next. After the last file comes the
    /// first again, in another directory.
    fn make(&mut self, size: u64) -> Layer {
        self.made += 1;
        let part = self.root.join("layer.part");
        let mut gzip = gzip(&part);
        let stdin = gzip.stdin.take().expect("it is piped");
        let hashed =
            Hashed { inner: BufWriter::with_capacity(1 << 20, stdin), hasher: Hasher::sha256() };
        let mut tar = tar::Builder::new(hashed);
        tar.mode(tar::HeaderMode::Deterministic);
        let mut taken = 0;
        while taken < size {
            let (path, length) = &self.files[self.next % self.files.len()];
            let inside =
                Path::new(&format!("layer-{}", self.made)).join(path.strip_prefix("/").unwrap());
            // Files may vanish or be closed to us.
            if let Ok(mut file) = File::open(path) {
                tar.append_file(inside, &mut file).unwrap();
                taken += length;
            }
            self.next += 1;
        }
        let Hashed { inner, hasher } = tar.into_inner().unwrap();
        drop(inner.into_inner().unwrap());
        assert!(gzip.wait().unwrap().success(), "gzip");
        let (digest, size) = digest_of(&part);
        std::fs::rename(&part, self.root.join("blobs/sha256").join(digest.hex())).unwrap();
        let descriptor = json!({"mediaType": LAYER, "digest": digest, "size": size});
        Layer { descriptor, diff_id: hasher.finish() }
    }
}

/// The fastest encoder at hand, writing to `out`. `-n`: no name and no time in the stream.
fn gzip(out: &Path) -> Child {
    let spawn = |program| {
        Command::new(program)
            .args(["-1", "-n", "-c"])
            .stdin(Stdio::piped())
            .stdout(File::create(out).unwrap())
            .spawn()
    };
    spawn("pigz").or_else(|_| spawn("gzip")).expect("gzip is installed")
}

/// Writes a config and a manifest; gives the manifest's descriptor.
fn image(root: &Path, name: &str, layers: &[Layer]) -> Value {
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| layer.diff_id).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {"Labels": {"name": name}},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let layers: Vec<&Value> = layers.iter().map(|layer| &layer.descriptor).collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": put(root, OCI_CONFIG, &config), "layers": layers,
    });
    let mut descriptor = put(root, OCI_MANIFEST, &manifest);
    descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": name});
    descriptor
}

fn put(root: &Path, media_type: &str, document: &Value) -> Value {
    let bytes = document.to_string();
    let digest = Digest::of(bytes.as_bytes());
    std::fs::write(root.join("blobs/sha256").join(digest.hex()), &bytes).unwrap();
    json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
}

fn digest_of(path: &Path) -> (Digest, u64) {
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).unwrap());
    let mut sink = Hashed { inner: io::sink(), hasher: Hasher::sha256() };
    let size = io::copy(&mut file.by_ref(), &mut sink).unwrap();
    (sink.hasher.finish(), size)
}

/// Hashes what it passes on.
struct Hashed<W> {
    inner: W,
    hasher: Hasher,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
