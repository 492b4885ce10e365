//! Images into a registry.

use std::io::Read;
use std::sync::Arc;

use super::{Open, Staged, Target, TargetError};
use crate::oci::{Descriptor, Digest, Manifest, Repository, Tag};
use crate::registry::{Client, Name, RegistryError, Sessions, Upload};

/// Any registry that the client reaches: the repositories name theirs.
pub struct RegistryTarget {
    client: Client,
    /// Where upload sessions are noted, if they are to outlive this run.
    sessions: Option<Arc<dyn Sessions>>,
}

impl RegistryTarget {
    /// A target that is spoken to through `client`.
    pub fn new(client: Client) -> RegistryTarget {
        RegistryTarget { client: client.for_pushing(), sessions: None }
    }

    /// The same, but goes on with the uploads that `sessions` knows, and leaves those that are not
    /// committed to the next run.
    pub fn over_runs(self, sessions: Arc<dyn Sessions>) -> RegistryTarget {
        RegistryTarget { sessions: Some(sessions), ..self }
    }
}

impl Target for RegistryTarget {
    fn finish(&self) -> Result<(), TargetError> {
        if let Some(sessions) = &self.sessions {
            self.client.cancel_sessions(sessions);
        }
        Ok(())
    }

    fn has_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<bool, TargetError> {
        Ok(self.client.has_blob(repository, blob)?)
    }

    fn content(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn Read + Send>, TargetError> {
        let found = self.client.blob_from(repository, blob, offset)?;
        Ok(Box::new(found.ok_or(TargetError::Gone(blob.digest))?))
    }

    fn stage(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        open: &Open<'_>,
    ) -> Result<Box<dyn Staged>, TargetError> {
        let upload = match &self.sessions {
            Some(sessions) => self.client.upload_over_runs(repository, blob, open, sessions),
            None => self.client.upload(repository, blob, open),
        };
        Ok(Box::new(upload.map_err(tell)?))
    }

    fn share(
        &self,
        blob: &Descriptor,
        from: &Repository,
        to: &Repository,
    ) -> Result<bool, TargetError> {
        Ok(self.client.mount(blob, from, to)?)
    }

    fn tag(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, TargetError> {
        Ok(self.client.head_manifest(repository, Name::Tag(tag))?)
    }

    fn has_manifest(
        &self,
        repository: &Repository,
        document: &Descriptor,
    ) -> Result<bool, TargetError> {
        let name = Name::Digest(&document.digest);
        Ok(self.client.head_manifest(repository, name)? == Some(document.digest))
    }

    fn put_manifest(
        &self,
        repository: &Repository,
        document: &Manifest,
    ) -> Result<(), TargetError> {
        let name = Name::Digest(&document.descriptor().digest);
        Ok(self.client.put_manifest(repository, name, document)?)
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
        Ok(self.client.put_manifest(repository, Name::Tag(tag), document)?)
    }
}

impl Staged for Upload {
    fn found(&self) -> u64 {
        Upload::found(self)
    }

    fn commit(self: Box<Self>) -> Result<(), TargetError> {
        Upload::commit(*self).map_err(tell)
    }
}

fn tell(error: RegistryError) -> TargetError {
    match error {
        RegistryError::Content(error) => TargetError::Read(error),
        RegistryError::UploadExpired { .. } => TargetError::Expired,
        error => TargetError::Registry(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_name_of_its_own_keeps_it() {
        let content = RegistryError::Content(std::io::ErrorKind::UnexpectedEof.into());
        assert!(matches!(tell(content), TargetError::Read(_)));
        let (host, digest) = ("reg.test".to_owned(), Digest::of(b""));
        let expired = RegistryError::UploadExpired { host: host.clone(), digest };
        assert!(matches!(tell(expired), TargetError::Expired));
        let other = RegistryError::TimedOut { host };
        assert!(matches!(tell(other), TargetError::Registry(RegistryError::TimedOut { .. })));
    }
}
