//! One tar file as a target: an OCI archive, or one that `docker load` and `podman load` read too.
//!
//! The file is written under a temporary name from front to back: blobs and documents as they come,
//! the lists at the end. [`ArchiveTarget::finish`] alone gives it its name, so nobody ever sees a part
//! of it; what was there before is replaced. Content that proves to be wrong while it is written is
//! written over. The same archive can be sent to a program that reads it as it comes (`ctr`). Source: OCI image-spec 1.1, image-layout.md; moby's image specification 1.2; ustar as
//! the `tar` crate writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
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
    form: Form,
    state: Mutex<State>,
}

struct State {
    out: Out,
    /// Where the next member goes.
    end: u64,
    written: BTreeSet<Digest>,
    documents: BTreeMap<Digest, Manifest>,
    names: BTreeMap<String, Descriptor>,
    /// What is listed without a name.
    listed: BTreeMap<Digest, Descriptor>,
}

/// Where the bytes go.
enum Out {
    File(PartFile),
    /// To somebody who reads them as they come; what is sent cannot be taken back.
    Stream {
        stream: Box<dyn Write + Send>,
        reader: PathBuf,
        broken: bool,
        /// A member ended in its middle: nothing that came behind it would be what it is.
        cut: bool,
    },
}

impl ArchiveTarget {
    /// Begins the archive `path`. What an import that was killed left of it is gone.
    ///
    /// # Errors
    /// [`FileError`]; [`FileError::Busy`] while another import writes it.
    pub fn create(path: &Path, form: Form) -> Result<ArchiveTarget, FileError> {
        Ok(ArchiveTarget::over(Out::File(PartFile::create(path)?), form))
    }

    /// Sends the archive to `reader`, which must take nothing for whole before its end.
    pub(super) fn stream(stream: Box<dyn Write + Send>, reader: &Path) -> ArchiveTarget {
        ArchiveTarget::over(
            Out::Stream { stream, reader: reader.to_owned(), broken: false, cut: false },
            Form::Docker,
        )
    }

    fn over(out: Out, form: Form) -> ArchiveTarget {
        let state = State {
            out,
            end: 0,
            written: BTreeSet::new(),
            documents: BTreeMap::new(),
            names: BTreeMap::new(),
            listed: BTreeMap::new(),
        };
        ArchiveTarget { form, state: Mutex::new(state) }
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
            state.small(name, value.to_string().as_bytes())?;
        }
        // Two blocks of zeros end an archive.
        let failed = state.out.failed();
        state.out.put(state.end, &[0; 2 * BLOCK as usize]).map_err(failed)?;
        match state.out {
            Out::Stream { mut stream, reader, .. } => {
                stream.flush().map_err(|error| FileError::io("write to", &reader, error))
            }
            Out::File(file) => {
                let place = file.path().to_owned();
                // What proved to be wrong may lie behind the end.
                let cut = file.as_file().set_len(state.end + 2 * BLOCK);
                cut.map_err(|error| FileError::io("write", &place, error))?;
                file.commit()?;
                files::sync_directory(&files::parent(&place))
            }
        }
    }

    /// Gives the archive up.
    pub fn discard(self) {
        if let Out::File(file) = &self.state().out {
            file.discard();
        }
    }

    /// True when its reader takes no more.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self.state().out, Out::Stream { broken: true, .. })
    }

    /// The names that it gives, and to what.
    pub(super) fn names(&self) -> BTreeMap<String, Digest> {
        let named = |(name, to): (&String, &Descriptor)| (name.clone(), to.digest);
        self.state().names.iter().map(named).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Out {
    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        match self {
            Out::File(file) => file.as_file().write_all_at(bytes, at),
            Out::Stream { cut: true, .. } => Err(io::Error::other("a blob could not be read")),
            Out::Stream { stream, broken, .. } => {
                stream.write_all(bytes).inspect_err(|_| *broken = true)
            }
        }
    }

    /// A member could not be read to its end. A file is written over from there.
    fn cut(&mut self) {
        if let Out::Stream { cut, .. } = self {
            *cut = true;
        }
    }

    /// What is said when that fails.
    fn failed(&self) -> impl Fn(io::Error) -> FileError + use<> {
        let place = match self {
            Out::File(file) => file.path().to_owned(),
            Out::Stream { reader, .. } => reader.clone(),
        };
        move |error| FileError::io("write to", &place, error)
    }
}

/// `blobs/sha256/<hex>`
fn path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

fn header(name: &str, size: u64) -> io::Result<tar::Header> {
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
    fn small(&mut self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        let failed = self.out.failed();
        match self.member(name, bytes.len() as u64, &mut &bytes[..]) {
            Ok(()) => Ok(()),
            Err(TargetError::File(error)) => Err(error),
            Err(error) => Err(failed(io::Error::other(error.to_string()))),
        }
    }

    /// Adds a member of `size` bytes. When it cannot be read a file has no such member.
    fn member(&mut self, name: &str, size: u64, content: &mut dyn Read) -> Result<(), TargetError> {
        let failed = self.out.failed();
        let failed = |error| TargetError::File(failed(error));
        let header = header(name, size).map_err(failed)?;
        self.out.put(self.end, header.as_bytes()).map_err(failed)?;
        let (mut at, mut buffer) = (self.end + BLOCK, vec![0; PIECE]);
        loop {
            match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    self.out.put(at, &buffer[..count]).map_err(failed)?;
                    at += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.out.cut();
                    return Err(TargetError::Read(error));
                }
            }
        }
        let padding = vec![0; (size.next_multiple_of(BLOCK) - size) as usize];
        self.out.put(at, &padding).map_err(failed)?;
        self.end = at + padding.len() as u64;
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
        // Of a stream that was cut nothing comes: what cut it is the error to be told.
        if state.written.contains(&blob.digest)
            || matches!(state.out, Out::Stream { cut: true, .. })
        {
            return Ok(Box::new(Written));
        }
        let mut content = open().map_err(TargetError::Read)?;
        state.member(&path(&blob.digest), blob.size, &mut content)?;
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
            state.small(&path(&digest), document.raw()).map_err(TargetError::File)?;
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
