//! Recipes and packs behind the digests: a small bundle with a packed gzip layer, whose catalog, or
//! whose pack, is whatever comes. Sums and seal are made anew, so that nothing is refused earlier.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use gapferry::bundle::{BlobPath, BundlePath, Catalog, HeadFile, Seal, Sums};
use gapferry::oci::Digest;
use gapferry::report::Silent;
use gapferry::verify;

const GOOD: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../formats/vectors/good-packed-gzip/bundle");

struct Bundle {
    place: tempfile::TempDir,
    seal: Seal,
    sums: Sums,
    /// The catalog's JSON.
    catalog: String,
    pack: Digest,
    pack_size: u64,
}

/// The first byte: whether the rest is a pack or the JSON of a catalog.
pub fn recipe(data: &[u8]) {
    static BUNDLE: OnceLock<Bundle> = OnceLock::new();
    let bundle = BUNDLE.get_or_init(Bundle::read);
    match data.split_first() {
        Some((b'p', pack)) => bundle.try_pack(pack),
        Some((_, json)) => bundle.attempt(json, None),
        None => {}
    }
}

impl Bundle {
    fn read() -> Bundle {
        let place = tempfile::tempdir().expect("a directory");
        copy(Path::new(GOOD), place.path());
        let head = |name| std::fs::read(Path::new(GOOD).join(name)).expect("a head file");
        let sums = Sums::parse(&head("SHA256SUMS")).expect("sums");
        let catalog = Catalog::parse(&head("catalog.json.zst")).expect("a catalog");
        let pack = &catalog.packs[0].blob;
        let (pack, pack_size) = (pack.digest, pack.size);
        let catalog = serde_json::to_string(&catalog).expect("plain data");
        let seal = Seal::parse(&head("seal")).expect("a seal");
        Bundle { place, seal, sums, catalog, pack, pack_size }
    }

    /// The pack, and a catalog that tells its digest and size.
    fn try_pack(&self, pack: &[u8]) {
        let json = self.catalog.replace(&self.pack.to_string(), &Digest::of(pack).to_string());
        let size = |size| format!("\"size\":{size}");
        let json = json.replace(&size(self.pack_size), &size(pack.len() as u64));
        let frames = |size| format!("[[{size},");
        let json = json.replace(&frames(self.pack_size), &frames(pack.len() as u64));
        self.attempt(json.as_bytes(), Some(pack));
    }

    fn attempt(&self, json: &[u8], pack: Option<&[u8]>) {
        let catalog = gapferry::chunk::compress(json, 1);
        let mut files: Vec<(HeadFile, Vec<u8>)> = Vec::new();
        for path in self.sums.paths() {
            let BundlePath::Head(file) = path else { continue };
            let bytes = match file {
                HeadFile::Catalog => catalog.clone(),
                file => std::fs::read(Path::new(GOOD).join(file.to_string())).expect("there"),
            };
            files.push((*file, bytes));
        }
        let swapped = pack.and_then(|pack| BlobPath::of(&Digest::of(pack)));
        let blobs = self.sums.blobs().map(|blob| match swapped {
            Some(other) if blob.digest() == self.pack => other,
            _ => blob,
        });
        let sums = Sums::new(&files, blobs);
        let before = BlobPath::of(&self.pack).expect("SHA-256").to_string();
        let after = swapped.map_or(before.clone(), |blob| blob.to_string());
        self.put(&before, None);
        let original = std::fs::read(Path::new(GOOD).join(&before)).expect("a pack");
        self.put(&after, Some(pack.unwrap_or(&original)));
        self.put("catalog.json.zst", Some(&catalog));
        self.put("SHA256SUMS", Some(&sums.to_bytes()));
        self.put("seal", Some(&self.sealed(&files, &sums, pack).to_bytes()));
        self.prove();
        self.put(&after, None);
    }

    fn sealed(&self, files: &[(HeadFile, Vec<u8>)], sums: &Sums, pack: Option<&[u8]>) -> Seal {
        let size = |file| files.iter().find(|it| it.0 == file).map_or(0, |it| it.1.len() as u64);
        let old = std::fs::metadata(Path::new(GOOD).join("catalog.json.zst")).expect("there").len();
        let pack = pack.map_or(self.pack_size, |pack| pack.len() as u64);
        let bytes = self.seal.bytes - old - self.pack_size + size(HeadFile::Catalog) + pack;
        let text = sums.to_bytes();
        let (sums, sums_size) = (Digest::of(&text), text.len() as u64);
        Seal { bytes, sums, sums_size, ..self.seal.clone() }
    }

    /// Writes or removes a file of the bundle.
    fn put(&self, name: &str, bytes: Option<&[u8]>) {
        let path: PathBuf = self.place.path().join(name);
        match bytes {
            Some(bytes) => std::fs::write(path, bytes).expect("written"),
            None => drop(std::fs::remove_file(path)),
        }
    }

    fn prove(&self) {
        let Ok(contents) = verify::examine(&[self.place.path().to_owned()]) else { return };
        if contents.prove_blobs(&Silent).is_ok() {
            let _ = contents.prove_layers(&Silent);
        }
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            std::fs::create_dir(&target).expect("a directory");
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("a file");
        }
    }
}
