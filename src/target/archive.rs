//! One tar file as a target: an OCI archive, or one that `docker load` and `podman load` read too.
//!
//! The file is written under a temporary name from front to back: blobs and documents as they come,
//! the lists at the end. [`ArchiveTarget::finish`] alone gives it its name, so nobody ever sees a part
//! of it; what was there before is replaced. Content that proves to be wrong while it is written is
//! written over. Source: OCI image-spec 1.1, image-layout.md; moby's image specification 1.2; ustar as
//! the `tar` crate writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::{Open, Staged, Target, TargetError};
use crate::files::{self, FileError, PartFile};
use crate::layout::{IMAGE_NAME, REF_NAME};
use crate::oci::{Content, Descriptor, Digest, Manifest, OCI_INDEX, Platform, Repository, Tag};

/// Bytes of a header, and the unit to which content is padded.
const BLOCK: u64 = 512;
/// Bytes that are copied at a time.
const PIECE: usize = 256 * 1024;
/// Which platform of an image for several goes into docker's list; else the first.
const PREFERRED: [&str; 2] = ["linux/amd64", "linux/arm64"];

/// For whom an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For those who read OCI archives.
    Oci,
    /// The same with docker's `manifest.json`, for those who read that alone.
    Docker,
}

/// An archive that is being written.
pub struct ArchiveTarget {
    file: PartFile,
    form: Form,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Where the next member goes.
    end: u64,
    written: BTreeSet<Digest>,
    documents: BTreeMap<Digest, Manifest>,
    names: BTreeMap<String, Descriptor>,
    /// What is listed without a name.
    listed: BTreeMap<Digest, Descriptor>,
}

impl ArchiveTarget {
    /// Begins the archive `path`. What an import that was killed left of it is gone.
    ///
    /// # Errors
    /// [`FileError`]; [`FileError::Busy`] while another import writes it.
    pub fn create(path: &Path, form: Form) -> Result<ArchiveTarget, FileError> {
        Ok(ArchiveTarget { file: PartFile::create(path)?, form, state: Mutex::default() })
    }

    /// Writes the lists and gives the archive its name.
    ///
    /// # Errors
    /// [`FileError`]; nothing is at the place then, or what was there before.
    pub fn finish(self) -> Result<(), FileError> {
        let mut state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut heads = vec![
            ("oci-layout", json!({"imageLayoutVersion": "1.0.0"})),
            ("index.json", state.index()),
        ];
        if self.form == Form::Docker {
            heads.push(("manifest.json", state.docker()));
        }
        for (name, value) in heads {
            state.member(&self.file, name, value.to_string().as_bytes())?;
        }
        let place = self.file.path().to_owned();
        let failed = |error| FileError::io("write", &place, error);
        // Two blocks of zeros end an archive.
        self.file.as_file().set_len(state.end).map_err(failed)?;
        self.file.as_file().set_len(state.end + 2 * BLOCK).map_err(failed)?;
        self.file.commit()?;
        files::sync_directory(&files::parent(&place))
    }

    /// Gives the archive up.
    pub fn discard(self) {
        self.file.discard();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `blobs/sha256/<hex>`
fn path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

fn header(name: &str, size: u64) -> Result<tar::Header, std::io::Error> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    Ok(header)
}

impl State {
    /// Adds a small member.
    fn member(&mut self, file: &PartFile, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        let failed = |error| FileError::io("write", file.path(), error);
        let header = header(name, bytes.len() as u64).map_err(failed)?;
        file.as_file().write_all_at(header.as_bytes(), self.end).map_err(failed)?;
        file.as_file().write_all_at(bytes, self.end + BLOCK).map_err(failed)?;
        self.close(file, bytes.len() as u64).map_err(failed)
    }

    /// Ends a member of `size` bytes, whose content is there.
    fn close(&mut self, file: &PartFile, size: u64) -> Result<(), std::io::Error> {
        let padded = size.next_multiple_of(BLOCK);
        let zeros = vec![0; (padded - size) as usize];
        file.as_file().write_all_at(&zeros, self.end + BLOCK + size)?;
        self.end += BLOCK + padded;
        Ok(())
    }

    fn index(&self) -> Value {
        let named = self.names.iter().map(|(name, descriptor)| {
            let mut descriptor = descriptor.clone();
            for key in [REF_NAME, IMAGE_NAME] {
                descriptor.annotations.insert(key.to_owned(), name.clone());
            }
            descriptor
        });
        let known: BTreeSet<&Digest> = self.names.values().map(|named| &named.digest).collect();
        let listed = self.listed.values().filter(|listed| !known.contains(&listed.digest));
        let manifests: Vec<Descriptor> = named.chain(listed.cloned()).collect();
        json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests})
    }

    /// docker's list: one entry for every image that it can run, with all its names.
    fn docker(&self) -> Value {
        let mut names: BTreeMap<Digest, Vec<&String>> = BTreeMap::new();
        for (name, descriptor) in &self.names {
            names.entry(descriptor.digest).or_default().push(name);
        }
        let entries: Vec<Value> = names
            .into_iter()
            .filter_map(|(digest, names)| {
                let (config, layers) = self.image(&digest)?;
                Some(json!({"Config": config, "RepoTags": names, "Layers": layers}))
            })
            .collect();
        json!(entries)
    }

    /// The paths of config and layers of an image that is whole.
    fn image(&self, digest: &Digest) -> Option<(String, Vec<String>)> {
        let root = self.documents.get(digest)?;
        let manifest = match root.children() {
            [] => root,
            children => self.documents.get(&preferred(children)?.digest)?,
        };
        let Content::Image { config: Some(config), layers } = manifest.content() else {
            return None;
        };
        let there =
            |blob: &Descriptor| self.written.contains(&blob.digest).then(|| path(&blob.digest));
        let layers = layers.iter().map(there).collect::<Option<_>>()?;
        config.media_type.is_image_config().then_some(())?;
        Some((there(config)?, layers))
    }
}

/// The child for the platform that docker's list gets.
fn preferred(children: &[Descriptor]) -> Option<&Descriptor> {
    let runs = |child: &&Descriptor| {
        let platform = child.platform.as_ref();
        child.media_type.is_manifest() && platform.is_some_and(|platform| !platform.is_unknown())
    };
    let wanted = PREFERRED.iter().filter_map(|text| text.parse::<Platform>().ok());
    let fits = |child: &&Descriptor, wanted: &Platform| {
        child.platform.as_ref().is_some_and(|platform| platform.satisfies(wanted))
    };
    let mut wanted =
        wanted.filter_map(|wanted| children.iter().filter(runs).find(|child| fits(child, &wanted)));
    wanted.next().or_else(|| children.iter().find(runs))
}

impl Target for ArchiveTarget {
    fn has_blob(&self, _: &Repository, blob: &Descriptor) -> Result<bool, TargetError> {
        Ok(self.state().written.contains(&blob.digest))
    }

    /// An archive is always written anew: nothing is taken from it.
    fn content(
        &self,
        _: &Repository,
        blob: &Descriptor,
        _: u64,
    ) -> Result<Box<dyn Read + Send>, TargetError> {
        Err(TargetError::Gone(blob.digest))
    }

    /// One after another: the archive grows at its end.
    fn stage(
        &self,
        _: &Repository,
        blob: &Descriptor,
        open: &Open<'_>,
    ) -> Result<Box<dyn Staged>, TargetError> {
        let mut state = self.state();
        if state.written.contains(&blob.digest) {
            return Ok(Box::new(Written));
        }
        let mut content = open().map_err(TargetError::Read)?;
        let failed = |error| TargetError::File(FileError::io("write", self.file.path(), error));
        let (mut at, mut buffer) = (state.end + BLOCK, vec![0; PIECE]);
        loop {
            match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    self.file.as_file().write_all_at(&buffer[..count], at).map_err(failed)?;
                    at += count as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(TargetError::Read(error)),
            }
        }
        let size = at - state.end - BLOCK;
        let header = header(&path(&blob.digest), size).map_err(failed)?;
        self.file.as_file().write_all_at(header.as_bytes(), state.end).map_err(failed)?;
        state.close(&self.file, size).map_err(failed)?;
        state.written.insert(blob.digest);
        Ok(Box::new(Written))
    }

    fn share(
        &self,
        blob: &Descriptor,
        _: &Repository,
        _: &Repository,
    ) -> Result<bool, TargetError> {
        Ok(self.state().written.contains(&blob.digest))
    }

    fn tag(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, TargetError> {
        let name = format!("{repository}:{tag}");
        Ok(self.state().names.get(&name).map(|descriptor| descriptor.digest))
    }

    fn has_manifest(&self, _: &Repository, document: &Descriptor) -> Result<bool, TargetError> {
        Ok(self.state().documents.contains_key(&document.digest))
    }

    fn put_manifest(&self, _: &Repository, document: &Manifest) -> Result<(), TargetError> {
        let mut state = self.state();
        let digest = document.descriptor().digest;
        if state.written.insert(digest) {
            let written = state.member(&self.file, &path(&digest), document.raw());
            written.map_err(TargetError::File)?;
        }
        if document.subject().is_some() {
            let kind = document.artifact_type().map(str::to_owned);
            let descriptor = Descriptor { artifact_type: kind, ..plain(document) };
            state.listed.insert(digest, descriptor);
        }
        state.documents.insert(digest, document.clone());
        Ok(())
    }

    fn keep(&self, _: &Repository, document: &Manifest) -> Result<(), TargetError> {
        let descriptor = plain(document);
        self.state().listed.entry(descriptor.digest).or_insert(descriptor);
        Ok(())
    }

    fn put_tag(
        &self,
        repository: &Repository,
        tag: &Tag,
        document: &Manifest,
    ) -> Result<(), TargetError> {
        self.state().names.insert(format!("{repository}:{tag}"), plain(document));
        Ok(())
    }

    fn finish(&self) -> Result<(), TargetError> {
        Ok(())
    }
}

/// A blob in an archive that has no name yet.
struct Written;

impl Staged for Written {
    fn commit(self: Box<Self>) -> Result<(), TargetError> {
        Ok(())
    }

    fn found(&self) -> u64 {
        0
    }
}

/// What is said of `document` wherever it came from.
fn plain(document: &Manifest) -> Descriptor {
    let descriptor = document.descriptor();
    Descriptor {
        platform: descriptor.platform.clone(),
        ..Descriptor::new(descriptor.media_type.clone(), descriptor.digest, descriptor.size)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::layout::Store as _;
    use crate::oci::{ContentError, MediaType, OCI_MANIFEST, VerifyingReader};
    use crate::source::{Archive, ArchiveLayout};

    fn repository() -> Repository {
        Repository::new("docker.io", "a/b").unwrap()
    }

    fn stage(
        target: &ArchiveTarget,
        promised: &[u8],
        given: &'static [u8],
    ) -> Result<Descriptor, TargetError> {
        let blob = Descriptor::of(MediaType::new("a/b").unwrap(), promised);
        let open = || -> io::Result<Box<dyn Read>> {
            Ok(Box::new(VerifyingReader::new(given, blob.digest, blob.size)))
        };
        target.stage(&repository(), &blob, &open)?.commit()?;
        Ok(blob)
    }

    #[test]
    fn it_has_its_name_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("x.tar");
        let target = ArchiveTarget::create(&place, Form::Oci).unwrap();
        let Err(TargetError::Read(error)) = stage(&target, b"right", b"wrong") else {
            panic!("wrong content was taken");
        };
        assert!(matches!(ContentError::inside(&error), Some(ContentError::Digest { .. })));
        let blob = stage(&target, b"right", b"right").unwrap();
        let raw = json!({"schemaVersion": 2, "config": blob, "layers": [blob]}).to_string();
        let descriptor = Descriptor::of(MediaType::new(OCI_MANIFEST).unwrap(), raw.as_bytes());
        let manifest = Manifest::parse(descriptor.clone(), raw.into_bytes()).unwrap();
        target.put_manifest(&repository(), &manifest).unwrap();
        target.put_tag(&repository(), &"1".parse().unwrap(), &manifest).unwrap();
        let busy = ArchiveTarget::create(&place, Form::Oci);
        assert!(matches!(busy.err(), Some(FileError::Busy { .. })));
        assert!(!place.exists());
        target.finish().unwrap();
        let archive = ArchiveLayout::new(Archive::open(&place).unwrap()).unwrap();
        let [entry] = archive.entries() else { panic!("{:?}", archive.entries()) };
        assert_eq!(entry.names().collect::<Vec<_>>(), ["docker.io/a/b:1"]);
        assert_eq!(archive.manifest(&descriptor).unwrap().raw(), manifest.raw());
        let mut bytes = Vec::new();
        archive.blob(&blob).unwrap().proving().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"right");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
