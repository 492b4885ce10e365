//! The storage of docker's registry as a target, while that registry is stopped: what its
//! `filesystem` driver reads.
//!
//! ```text
//! docker/registry/v2/blobs/sha256/<hh>/<hex>/data
//! docker/registry/v2/repositories/<name>/_layers/sha256/<hex>/link
//! docker/registry/v2/repositories/<name>/_manifests/revisions/sha256/<hex>/link
//! docker/registry/v2/repositories/<name>/_manifests/tags/<tag>/index/sha256/<hex>/link
//! docker/registry/v2/repositories/<name>/_manifests/tags/<tag>/current/link
//! ```
//!
//! Every file comes to its place by renaming, synced: content before the links that make it
//! reachable, `current/link` last. So a registry that is started in the middle, or after a kill, sees
//! whole images. Referrers are listed under the tag `sha256-<hex>`, for that registry has no
//! referrers API. Source: distribution 2.8, `registry/storage/paths.go`; distribution-spec 1.1,
//! "Referrers Tag Schema".

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use super::{Open, Staged, Target, TargetError};
use crate::files::{self, AtomicFile, FileError};
use crate::oci::{
    Descriptor, Digest, MAX_MANIFEST_SIZE, Manifest, MediaType, OCI_INDEX, Repository, Tag,
};

/// Where the driver begins, below the root directory of its configuration.
const DRIVER: &str = "docker/registry/v2";
/// Content on its way, and a lock; the registry does not look there.
const OWN: &str = ".gapferry";
/// Its name there.
const LOCK: &str = "lock";
/// The most bytes of a link.
const MAX_LINK: u64 = 256;

/// The root directory of a registry's storage.
#[derive(Debug)]
pub struct StorageTarget {
    root: PathBuf,
    own: PathBuf,
    /// Held until the end: one import at a time.
    _lock: File,
    /// Lists of referrers are read, changed and written by one thread at a time.
    referrers: Mutex<()>,
}

impl StorageTarget {
    /// Opens the storage in `root`, which is made if it is not there. What an import that was killed
    /// left on its way is removed.
    ///
    /// # Errors
    /// [`FileError`]; [`FileError::Busy`] while another import works there.
    pub fn open(root: &Path) -> Result<StorageTarget, FileError> {
        let own = root.join(OWN);
        files::create_directories(&own)?;
        let lock = files::open_locked(&own.join(LOCK))?;
        let list = |error| FileError::io("list", &own, error);
        for entry in std::fs::read_dir(&own).map_err(list)? {
            let entry = entry.map_err(list)?;
            if entry.file_name() != LOCK {
                let removed = std::fs::remove_file(entry.path());
                removed.map_err(|error| FileError::io("remove", &entry.path(), error))?;
            }
        }
        Ok(StorageTarget { root: root.join(DRIVER), own, _lock: lock, referrers: Mutex::default() })
    }

    fn data(&self, digest: &Digest) -> PathBuf {
        data(&self.root, digest)
    }

    /// A file of a repository, whose path is a name by the distribution-spec: no `..`, no `_…`.
    fn of(&self, repository: &Repository, rest: &str) -> PathBuf {
        self.root.join("repositories").join(repository.path()).join(rest)
    }

    fn layer(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        self.of(repository, &format!("_layers/{}/{}/link", digest.algorithm(), digest.hex()))
    }

    fn revision(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        let rest = format!("_manifests/revisions/{}/{}/link", digest.algorithm(), digest.hex());
        self.of(repository, &rest)
    }

    fn current(&self, repository: &Repository, tag: &Tag) -> PathBuf {
        self.of(repository, &format!("_manifests/tags/{tag}/current/link"))
    }

    /// True when content of this size is there.
    fn has(&self, digest: &Digest, size: u64) -> bool {
        is_there(&self.data(digest), size)
    }

    /// Stores a document's bytes under its digest, unless they are there.
    fn put(&self, digest: &Digest, raw: &[u8]) -> Result<(), FileError> {
        match files::read_capped(&self.data(digest), MAX_MANIFEST_SIZE) {
            Ok(bytes) if bytes == raw => Ok(()),
            _ => written(&self.data(digest), raw),
        }
    }

    fn publish(
        &self,
        repository: &Repository,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), FileError> {
        let index =
            format!("_manifests/tags/{tag}/index/{}/{}/link", digest.algorithm(), digest.hex());
        link(&self.of(repository, &index), digest)?;
        link(&self.current(repository, tag), digest)
    }

    /// Adds `document` to the list of those that refer to its subject.
    fn refer(&self, repository: &Repository, document: &Manifest) -> Result<(), FileError> {
        let Some(subject) = document.subject() else { return Ok(()) };
        let tag = format!("{}-{}", subject.digest.algorithm(), subject.digest.hex());
        let Ok(tag) = tag.parse::<Tag>() else { return Ok(()) };
        let _one = self.referrers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut listed = self.listed(repository, &tag)?;
        let own = document.descriptor();
        if listed.iter().any(|other| other.digest == own.digest) {
            return Ok(());
        }
        listed.push(Descriptor {
            artifact_type: document.artifact_type().map(str::to_owned),
            annotations: document.annotations().clone(),
            ..Descriptor::new(own.media_type.clone(), own.digest, own.size)
        });
        listed.sort_by_key(|descriptor| descriptor.digest);
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed});
        let raw = index.to_string();
        let digest = Digest::of(raw.as_bytes());
        self.put(&digest, raw.as_bytes())?;
        link(&self.revision(repository, &digest), &digest)?;
        self.publish(repository, &tag, &digest)
    }

    /// The list of referrers that a tag names; what is no such list is as none.
    fn listed(&self, repository: &Repository, tag: &Tag) -> Result<Vec<Descriptor>, FileError> {
        let Some(digest) = linked(&self.current(repository, tag))? else { return Ok(Vec::new()) };
        let raw = match files::read_capped(&self.data(&digest), MAX_MANIFEST_SIZE) {
            Ok(raw) if Digest::of(&raw) == digest => raw,
            Err(error) if !error.is_not_found() => return Err(error),
            _ => return Ok(Vec::new()),
        };
        let kind = MediaType::new(OCI_INDEX).expect("a plain media type");
        let parsed = Manifest::parse(Descriptor::of(kind, &raw), raw);
        Ok(parsed.map(|index| index.children().to_vec()).unwrap_or_default())
    }
}

/// True when the storage in `root` has content of this digest and size. Nobody has proven it.
pub fn is_stored(root: &Path, digest: &Digest, size: u64) -> bool {
    is_there(&data(&root.join(DRIVER), digest), size)
}

fn is_there(path: &Path, size: u64) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.len() == size)
}

fn data(root: &Path, digest: &Digest) -> PathBuf {
    let hex = digest.hex();
    root.join("blobs").join(digest.algorithm()).join(&hex[..2]).join(hex).join("data")
}

/// Writes a file of the storage: its directories, a temporary name, sync, rename, sync.
fn written(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    files::create_directories(&files::parent(path))?;
    files::write_atomic(path, bytes)
}

/// Lets a link name `digest`.
fn link(path: &Path, digest: &Digest) -> Result<(), FileError> {
    match linked(path)? {
        Some(found) if found == *digest => Ok(()),
        _ => written(path, digest.to_string().as_bytes()),
    }
}

/// What a link names; `None` when it is not there, or is no link.
fn linked(path: &Path) -> Result<Option<Digest>, FileError> {
    match files::read_capped(path, MAX_LINK) {
        Ok(bytes) => Ok(std::str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok())),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

impl Target for StorageTarget {
    fn has_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<bool, TargetError> {
        let linked = linked(&self.layer(repository, &blob.digest)).map_err(TargetError::File)?;
        Ok(linked == Some(blob.digest) && self.has(&blob.digest, blob.size))
    }

    fn content(
        &self,
        _: &Repository,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn Read + Send>, TargetError> {
        let path = self.data(&blob.digest);
        let mut file = files::open(&path).map_err(|error| match error.is_not_found() {
            true => TargetError::Gone(blob.digest),
            false => TargetError::File(error),
        })?;
        let sought = file.seek(SeekFrom::Start(offset));
        sought.map_err(|error| FileError::io("read", &path, error)).map_err(TargetError::File)?;
        Ok(Box::new(file))
    }

    fn stage(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        open: &Open<'_>,
    ) -> Result<Box<dyn Staged>, TargetError> {
        let place = self.own.join(blob.digest.hex());
        let mut file = AtomicFile::create(&place).map_err(TargetError::File)?;
        let mut content = Given { inner: open().map_err(TargetError::Read)?, failed: false };
        if let Err(error) = io::copy(&mut content, file.file()) {
            return Err(match content.failed {
                true => TargetError::Read(error),
                false => TargetError::File(FileError::io("write", &place, error)),
            });
        }
        Ok(Box::new(StagedData {
            file,
            place,
            data: self.data(&blob.digest),
            layer: self.layer(repository, &blob.digest),
            digest: blob.digest,
        }))
    }

    fn share(
        &self,
        blob: &Descriptor,
        _: &Repository,
        to: &Repository,
    ) -> Result<bool, TargetError> {
        if !self.has(&blob.digest, blob.size) {
            return Ok(false);
        }
        link(&self.layer(to, &blob.digest), &blob.digest).map_err(TargetError::File)?;
        Ok(true)
    }

    fn tag(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, TargetError> {
        linked(&self.current(repository, tag)).map_err(TargetError::File)
    }

    /// A document that is there and damaged is not held: it will be stored anew.
    fn has_manifest(
        &self,
        repository: &Repository,
        document: &Descriptor,
    ) -> Result<bool, TargetError> {
        let digest = document.digest;
        let linked = linked(&self.revision(repository, &digest)).map_err(TargetError::File)?;
        let raw = || files::read_capped(&self.data(&digest), MAX_MANIFEST_SIZE);
        Ok(linked == Some(digest) && raw().is_ok_and(|raw| Digest::of(&raw) == digest))
    }

    fn put_manifest(
        &self,
        repository: &Repository,
        document: &Manifest,
    ) -> Result<(), TargetError> {
        let digest = document.descriptor().digest;
        self.put(&digest, document.raw()).map_err(TargetError::File)?;
        link(&self.revision(repository, &digest), &digest).map_err(TargetError::File)?;
        self.refer(repository, document).map_err(TargetError::File)
    }

    /// A registry finds everything by its digest.
    fn keep(&self, _: &Repository, _: &Manifest) -> Result<(), TargetError> {
        Ok(())
    }

    fn put_tag(
        &self,
        repository: &Repository,
        tag: &Tag,
        document: &Manifest,
    ) -> Result<(), TargetError> {
        let published = self.publish(repository, tag, &document.descriptor().digest);
        published.map_err(TargetError::File)
    }

    fn finish(&self) -> Result<(), TargetError> {
        Ok(())
    }
}

/// Content that remembers whether it was what failed.
struct Given<'a> {
    inner: Box<dyn Read + 'a>,
    failed: bool,
}

impl Read for Given<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer);
        self.failed |= read.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted);
        read
    }
}

/// Content that no link names yet.
struct StagedData {
    file: AtomicFile,
    /// Its temporary file is named after this.
    place: PathBuf,
    data: PathBuf,
    layer: PathBuf,
    digest: Digest,
}

impl Staged for StagedData {
    fn commit(self: Box<Self>) -> Result<(), TargetError> {
        self.settle().map_err(TargetError::File)
    }

    fn found(&self) -> u64 {
        0
    }
}

impl StagedData {
    fn settle(self) -> Result<(), FileError> {
        let StagedData { file, place, data, layer, digest } = self;
        let directory = files::parent(&data);
        files::create_directories(&directory)?;
        file.commit()?;
        std::fs::rename(&place, &data).map_err(|error| FileError::io("rename to", &data, error))?;
        files::sync_directory(&directory)?;
        link(&layer, &digest)
    }
}
