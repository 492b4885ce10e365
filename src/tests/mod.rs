//! What the tests of several modules need: small images, and signed bundles of them.

use std::io::{Cursor, Read, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::bundle::{Packaging, Timestamp};
use crate::export::{self, Bases, ExportError, Order, PackMode, Summary};
use crate::oci::{Descriptor, Manifest, MediaType, OCI_CONFIG, OCI_MANIFEST, PinnedImage};
use crate::registry::{Client, Config};
use crate::report::Silent;
use crate::select::{Options, Request, pin};
use crate::source::Opener;
use crate::target::{LayoutTarget, Target as _};
use crate::trust::{Keyring, Scheme, SecretKey, Signer};
use crate::verify::{self, Site, VerifiedBundle, VerifyError};

/// A layout to export from, a key to sign with, and room for bundles.
pub(crate) struct Maker {
    dir: tempfile::TempDir,
    pub(crate) signers: Vec<Box<dyn Signer>>,
}

/// The time at which every bundle here is made and verified.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix(1_800_000_000).unwrap()
}

/// `size` bytes that do not repeat within a block.
pub(crate) fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..size).map(|_| next()).collect()
}

/// A descriptor of `bytes` and a manifest's share of it.
pub(crate) fn descriptor(kind: &str, bytes: &[u8]) -> Descriptor {
    Descriptor::of(MediaType::new(kind).unwrap(), bytes)
}

/// A document with these fields.
pub(crate) fn document(kind: &str, fields: serde_json::Value) -> Manifest {
    let raw = fields.to_string().into_bytes();
    Manifest::parse(descriptor(kind, &raw), raw).unwrap()
}

impl Maker {
    pub(crate) fn new() -> Maker {
        let signers = vec![Box::new(SecretKey::generate(Scheme::Ed25519).unwrap()) as _];
        Maker { dir: tempfile::tempdir().unwrap(), signers }
    }

    /// A path in the temporary directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts an image of these layers into the layout, and gives it as it is pinned.
    pub(crate) fn image(&self, name: &str, layers: &[Vec<u8>]) -> PinnedImage {
        let target = LayoutTarget::open_or_create(&self.path("layout")).unwrap();
        let name = name.parse::<crate::oci::Reference>().unwrap();
        let config = format!("{{\"os\":\"linux\",\"architecture\":\"amd64\",\"of\":\"{name}\"}}");
        let config = config.into_bytes();
        let layer = "application/vnd.oci.image.layer.v1.tar";
        let blobs =
            std::iter::once((OCI_CONFIG, &config)).chain(layers.iter().map(|bytes| (layer, bytes)));
        let mut descriptors = Vec::new();
        for (kind, bytes) in blobs {
            let descriptor = descriptor(kind, bytes);
            let open = || Ok(Box::new(Cursor::new(bytes)) as Box<dyn Read>);
            target.stage(&name.repository, &descriptor, &open).unwrap().commit().unwrap();
            descriptors.push(descriptor);
        }
        let fields = json!({
            "schemaVersion": 2, "config": descriptors[0], "layers": descriptors[1..],
        });
        let manifest = document(OCI_MANIFEST, fields);
        target.put_manifest(&name.repository, &manifest).unwrap();
        target.put_tag(&name.repository, name.tag.as_ref().unwrap(), &manifest).unwrap();
        self.pin(&format!("oci:{}:{name}", self.path("layout").display()), &name.to_string())
    }

    /// Pins an image of any place, with all that belongs to it.
    pub(crate) fn pin(&self, location: &str, name: &str) -> PinnedImage {
        let opened = opener().open(&location.parse().unwrap()).unwrap();
        let why = "a test".to_owned();
        let request = Request { name: name.parse().unwrap(), source: location.to_owned(), why };
        let options = Options { platforms: vec![], referrers: true };
        pin(opened.source.as_ref(), &request, &options).unwrap()
    }

    /// Exports `images` to `out` in the temporary directory.
    pub(crate) fn export(
        &self,
        images: &[PinnedImage],
        out: &str,
        packaging: Packaging,
    ) -> Result<Summary, ExportError> {
        self.pack(images, out, packaging, PackMode::Never, &Bases::default(), 2)
    }

    /// Exports `images` to `out`, packed, with so many threads.
    pub(crate) fn pack(
        &self,
        images: &[PinnedImage],
        out: &str,
        packaging: Packaging,
        pack: PackMode,
        bases: &Bases,
        jobs: usize,
    ) -> Result<Summary, ExportError> {
        let opener = opener();
        let documents = export::fetch_documents(images, &opener, None, 2)?;
        let plan = export::plan(images.to_vec(), documents)?;
        let order = Order {
            record: None,
            packaging,
            stream: "default".parse().unwrap(),
            epoch: 1,
            chain: None,
            sequence: 1,
            previous: None,
            created: now(),
            expires: None,
            destination: None,
            pack,
            level: 3,
            bases,
            scratch: None,
            signers: &self.signers,
            jobs,
        };
        export::write(&plan, &opener, &self.path(out), &order, None, &Silent)
    }

    /// A bundle of `images` in a directory.
    pub(crate) fn bundle(&self, images: &[PinnedImage]) -> PathBuf {
        self.export(images, "bundle", Packaging::Directory).unwrap();
        self.path("bundle")
    }

    /// Verifies what lies in `places` with the key that signs here.
    pub(crate) fn verify(&self, places: &[PathBuf]) -> Result<VerifiedBundle, VerifyError> {
        let keys = self.signers.iter().map(|signer| signer.public().clone()).collect();
        let site = Site::at(now());
        verify::verify(places, &Keyring::new(keys, 1).unwrap().into(), &site)
    }
}

/// Opens local places; there is no registry here.
pub(crate) fn opener() -> Opener {
    Opener::new(Client::new(Config::default()).unwrap())
}

/// Turns one bit of a file.
pub(crate) fn flip(path: &Path, at: u64) {
    use std::os::unix::fs::FileExt as _;
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

/// Writes a file of a test and the directories above it.
pub(crate) fn put(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(path).unwrap().write_all(bytes).unwrap();
}

/// Every file below `root`, with its content.
pub(crate) fn tree(root: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let files = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().is_file());
    let relative = |path: &Path| path.strip_prefix(root).unwrap().to_owned();
    files.map(|entry| (relative(entry.path()), std::fs::read(entry.path()).unwrap())).collect()
}
