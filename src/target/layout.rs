//! An OCI layout as a target: one directory for all repositories.
//!
//! A tag is an entry of `index.json` with the full reference, such as
//! `docker.io/library/busybox:1.35`, as its name. A document that refers to another one is listed
//! there too, without a name, so that it can be found.

use std::io::Read;
use std::path::Path;

use super::{Open, Staged, Target, TargetError};
use crate::files::Lock;
use crate::layout::{LayoutError, LayoutWriter, StagedBlob};
use crate::oci::{Descriptor, Digest, Manifest, Repository, Tag};

/// An OCI layout that takes images.
#[derive(Debug)]
pub struct LayoutTarget {
    writer: LayoutWriter,
    /// Held by the one import that stages here.
    _lock: Option<Lock>,
}

impl LayoutTarget {
    /// Opens the layout in `root`, or makes one there if the directory is empty or absent. Until it is
    /// dropped no other import works there.
    ///
    /// # Errors
    /// As [`LayoutWriter::open_or_create`]; [`LayoutError::NotALayout`] for a bundle, which would be
    /// none any more; [`crate::files::FileError::Busy`] when another import works there.
    pub fn open_or_create(root: &Path) -> Result<LayoutTarget, LayoutError> {
        let target = LayoutTarget::open_to_look(root)?;
        let lock = Lock::take_shared(&target.writer.import_lock())?;
        Ok(LayoutTarget { _lock: Some(lock), ..target })
    }

    /// The same, to look at what is there while others work.
    ///
    /// # Errors
    /// As [`LayoutTarget::open_or_create`], but for the last.
    pub fn open_to_look(root: &Path) -> Result<LayoutTarget, LayoutError> {
        if root.join("seal").exists() {
            let why = "it is a bundle, and to import there would spoil it";
            return Err(LayoutError::NotALayout { path: root.to_owned(), why });
        }
        Ok(LayoutTarget { writer: LayoutWriter::open_or_create(root)?, _lock: None })
    }
}

impl Target for LayoutTarget {
    fn finish(&self) -> Result<(), TargetError> {
        Ok(self.writer.sweep_staged()?)
    }

    fn has_blob(&self, _: &Repository, blob: &Descriptor) -> Result<bool, TargetError> {
        Ok(self.writer.has_blob(blob)?)
    }

    fn content(
        &self,
        _: &Repository,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn Read + Send>, TargetError> {
        let found = self.writer.open(&blob.digest)?.ok_or(TargetError::Gone(blob.digest))?;
        Ok(Box::new(found.part(offset, u64::MAX)))
    }

    fn stage(
        &self,
        _: &Repository,
        blob: &Descriptor,
        open: &Open<'_>,
    ) -> Result<Box<dyn Staged>, TargetError> {
        Ok(Box::new(self.writer.stage_to_stay(blob, open)?))
    }

    fn share(
        &self,
        blob: &Descriptor,
        _: &Repository,
        _: &Repository,
    ) -> Result<bool, TargetError> {
        Ok(self.writer.has_blob(blob)?)
    }

    fn tag(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, TargetError> {
        let name = name(repository, tag);
        let entries = self.writer.entries()?;
        let entry = entries.iter().find(|entry| entry.name.as_deref() == Some(name.as_str()));
        Ok(entry.map(|entry| entry.descriptor.digest))
    }

    /// A document that is there and damaged is not held: it will be stored anew.
    fn has_manifest(&self, _: &Repository, document: &Descriptor) -> Result<bool, TargetError> {
        Ok(self.writer.has_manifest(document)?)
    }

    fn put_manifest(&self, _: &Repository, document: &Manifest) -> Result<(), TargetError> {
        self.writer.put_manifest(document)?;
        if document.subject().is_some() {
            self.writer.list(&listed(document))?;
        }
        Ok(())
    }

    fn keep(&self, _: &Repository, document: &Manifest) -> Result<(), TargetError> {
        Ok(self.writer.list(&plain(document))?)
    }

    fn put_tag(
        &self,
        repository: &Repository,
        tag: &Tag,
        document: &Manifest,
    ) -> Result<(), TargetError> {
        Ok(self.writer.set_name(&name(repository, tag), &plain(document))?)
    }
}

impl Staged for StagedBlob {
    fn found(&self) -> u64 {
        StagedBlob::found(self)
    }

    fn commit(self: Box<Self>) -> Result<(), TargetError> {
        Ok(StagedBlob::commit(*self)?)
    }
}

fn name(repository: &Repository, tag: &Tag) -> String {
    format!("{repository}:{tag}")
}

/// What is said of `document` wherever it came from: no notes of the place that it came from.
fn plain(document: &Manifest) -> Descriptor {
    let descriptor = document.descriptor();
    Descriptor {
        platform: descriptor.platform.clone(),
        ..Descriptor::new(descriptor.media_type.clone(), descriptor.digest, descriptor.size)
    }
}

/// As [`plain`], with the kind of artifact, which is how referrers are told apart.
fn listed(document: &Manifest) -> Descriptor {
    Descriptor { artifact_type: document.artifact_type().map(str::to_owned), ..plain(document) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::FileError;
    use crate::layout::{Layout, Store as _};
    use crate::oci::{ContentError, MediaType, OCI_INDEX, VerifyingReader};
    use std::io::Read;

    fn index(subject: Option<&Descriptor>) -> Manifest {
        let mut json = serde_json::json!({"schemaVersion": 2, "manifests": []});
        if let Some(subject) = subject {
            json["subject"] = serde_json::json!(subject);
            json["artifactType"] = "application/x.sbom".into();
        }
        let raw = json.to_string().into_bytes();
        let mut descriptor = Descriptor::of(MediaType::new(OCI_INDEX).unwrap(), &raw);
        descriptor.annotations.insert("from".to_owned(), "elsewhere".to_owned());
        Manifest::parse(descriptor, raw).unwrap()
    }

    fn repository() -> Repository {
        Repository::new("docker.io", "library/busybox").unwrap()
    }

    #[test]
    fn one_import_at_a_time_works_in_a_layout() {
        let dir = tempfile::tempdir().unwrap();
        let held = LayoutTarget::open_or_create(dir.path()).unwrap();
        let refused = LayoutTarget::open_or_create(dir.path()).unwrap_err();
        let LayoutError::File(FileError::Busy { holder: Some(holder), .. }) = refused else {
            panic!("{refused}");
        };
        assert_eq!(holder.process, std::process::id());
        LayoutTarget::open_to_look(dir.path()).unwrap();
        drop(held);
        LayoutTarget::open_or_create(dir.path()).unwrap();
    }

    #[test]
    fn a_tag_is_a_full_reference() {
        let dir = tempfile::tempdir().unwrap();
        let target = LayoutTarget::open_or_create(dir.path()).unwrap();
        let (repository, tag) = (repository(), "1.35".parse().unwrap());
        let document = index(None);
        assert!(!target.has_manifest(&repository, document.descriptor()).unwrap());
        target.put_manifest(&repository, &document).unwrap();
        assert!(target.has_manifest(&repository, document.descriptor()).unwrap());
        assert_eq!(target.tag(&repository, &tag).unwrap(), None);
        target.put_tag(&repository, &tag, &document).unwrap();
        assert_eq!(target.tag(&repository, &tag).unwrap(), Some(document.descriptor().digest));
        let layout = Layout::open(dir.path()).unwrap();
        let [entry] = layout.entries() else { panic!("{:?}", layout.entries()) };
        assert_eq!(entry.names().collect::<Vec<_>>(), ["docker.io/library/busybox:1.35"]);
        assert!(!entry.descriptor.annotations.contains_key("from"));
    }

    #[test]
    fn a_referrer_is_listed_without_a_name() {
        let dir = tempfile::tempdir().unwrap();
        let target = LayoutTarget::open_or_create(dir.path()).unwrap();
        let image = index(None);
        target.put_manifest(&repository(), &image).unwrap();
        let referrer = index(Some(image.descriptor()));
        target.put_manifest(&repository(), &referrer).unwrap();
        target.put_manifest(&repository(), &referrer).unwrap();
        let layout = Layout::open(dir.path()).unwrap();
        let [entry] = layout.entries() else { panic!("{:?}", layout.entries()) };
        assert_eq!(
            (entry.name.as_ref(), entry.descriptor.digest),
            (None, referrer.descriptor().digest)
        );
        assert_eq!(entry.descriptor.artifact_type.as_deref(), Some("application/x.sbom"));
    }

    #[test]
    fn a_damaged_document_is_stored_anew() {
        let dir = tempfile::tempdir().unwrap();
        let target = LayoutTarget::open_or_create(dir.path()).unwrap();
        let document = index(None);
        target.put_manifest(&repository(), &document).unwrap();
        let digest = document.descriptor().digest;
        std::fs::write(dir.path().join("blobs/sha256").join(digest.hex()), "{}").unwrap();
        assert!(!target.has_manifest(&repository(), document.descriptor()).unwrap());
        target.put_manifest(&repository(), &document).unwrap();
        assert!(target.has_manifest(&repository(), document.descriptor()).unwrap());
    }

    #[test]
    fn wrong_content_is_the_contents_fault() {
        let dir = tempfile::tempdir().unwrap();
        let target = LayoutTarget::open_or_create(dir.path()).unwrap();
        let blob = Descriptor::of(MediaType::new("a/b").unwrap(), b"right");
        let proving = |content: &'static [u8]| -> std::io::Result<Box<dyn Read>> {
            Ok(Box::new(VerifyingReader::new(content, blob.digest, blob.size)))
        };
        let (wrong, right) = (|| proving(b"wrong"), || proving(b"right"));
        let Err(TargetError::Read(error)) = target.stage(&repository(), &blob, &wrong) else {
            panic!("wrong content was taken");
        };
        assert!(matches!(ContentError::inside(&error), Some(ContentError::Digest { .. })));
        target.stage(&repository(), &blob, &right).unwrap().commit().unwrap();
        assert!(target.share(&blob, &repository(), &repository()).unwrap());
    }
}
