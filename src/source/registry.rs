//! Images out of a registry.

use super::{Source, SourceError};
use crate::oci::{Descriptor, Digest, Manifest, Reference, Tag, Unproven};
use crate::registry::{Client, Name};

/// One image of a registry.
pub struct RegistrySource {
    client: Client,
    reference: Reference,
    foreign_layers: bool,
}

impl RegistrySource {
    /// The image `reference`, asked for through `client`.
    pub fn new(client: Client, reference: Reference) -> RegistrySource {
        RegistrySource { client, reference, foreign_layers: false }
    }

    /// With `fetch`, foreign layers that the registry does not hold are fetched from the addresses
    /// that their descriptors give.
    pub fn with_foreign_layers(self, fetch: bool) -> RegistrySource {
        RegistrySource { foreign_layers: fetch, ..self }
    }

    fn missing(&self, digest: &Digest) -> SourceError {
        SourceError::NotFound(format!("{}@{digest}", self.reference.repository))
    }
}

impl Source for RegistrySource {
    fn root(&self) -> Result<Manifest, SourceError> {
        let missing = || SourceError::NotFound(self.reference.to_string());
        let name = match (&self.reference.digest, &self.reference.tag) {
            (Some(digest), _) => Name::Digest(digest),
            (None, Some(tag)) => Name::Tag(tag),
            (None, None) => return Err(missing()),
        };
        self.client.manifest(&self.reference.repository, name)?.ok_or_else(missing)
    }

    fn tagged(&self, tag: &Tag) -> Result<Option<Manifest>, SourceError> {
        Ok(self.client.tagged(&self.reference.repository, tag)?)
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, SourceError> {
        let found = self.client.document(&self.reference.repository, descriptor)?;
        found.ok_or_else(|| self.missing(&descriptor.digest))
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, SourceError> {
        Ok(self.client.referrers(&self.reference.repository, subject)?)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Unproven, SourceError> {
        let found = match self.client.blob(&self.reference.repository, descriptor)? {
            None if self.foreign_layers && descriptor.is_foreign() => {
                self.client.foreign_blob(&self.reference.repository, descriptor)?
            }
            found => found,
        };
        found.ok_or_else(|| self.missing(&descriptor.digest))
    }
}
