//! Where a policy finds the bytes that it judges: at the source, or in a verified bundle.

use std::collections::BTreeMap;
use std::io::Read as _;

use super::super::failure::Failure;
use crate::export::ExportError;
use crate::import;
use crate::oci::{Descriptor, Digest, Manifest, PinnedImage};
use crate::policy::{Evidence, MAX_EVIDENCE};
use crate::source::Opener;
use crate::target::Target;
use crate::verify::{Contents, VerifyError, Workshop};

/// Images that are yet to be exported.
pub struct AtSource<'a> {
    /// All their manifests.
    pub documents: &'a BTreeMap<Digest, Manifest>,
    /// Where their blobs are.
    pub opener: &'a Opener,
}

impl Evidence for AtSource<'_> {
    type Error = Failure;

    fn document(&self, digest: &Digest) -> Option<&Manifest> {
        self.documents.get(digest)
    }

    fn blob(&self, image: &PinnedImage, blob: &Descriptor) -> Result<Option<Vec<u8>>, Failure> {
        let source = |error| ExportError::Source { name: image.name.clone(), error };
        let read = |error| ExportError::Read { name: image.name.clone(), blob: blob.digest, error };
        let found = self.opener.source(image).and_then(|source| source.blob(blob));
        let mut bytes = Vec::new();
        let mut content = found.map_err(source)?.proving();
        content.read_to_end(&mut bytes).map_err(read)?;
        Ok(Some(bytes))
    }
}

/// Opens the target, if there is one already: only some deltas are judged by it.
type OpenTarget<'a> = &'a (dyn Fn() -> Result<Option<Box<dyn Target>>, Failure> + Sync);

/// Images of a verified bundle.
pub struct Aboard<'a> {
    contents: &'a Contents,
    workshop: Workshop<'a>,
    target: Option<(&'a import::Plan<'a>, OpenTarget<'a>)>,
}

impl<'a> Aboard<'a> {
    /// The bundle alone.
    pub fn new(contents: &'a Contents) -> Aboard<'a> {
        Aboard { contents, workshop: Workshop::new(contents, None), target: None }
    }

    /// The same with the target, which holds what a delta does not bring.
    pub fn with_target(self, plan: &'a import::Plan<'a>, open: OpenTarget<'a>) -> Aboard<'a> {
        Aboard { target: Some((plan, open)), ..self }
    }

    fn at_target(&self, blob: &Descriptor) -> Result<Option<Vec<u8>>, Failure> {
        let Some((plan, open)) = self.target else { return Ok(None) };
        let Some(target) = open()? else { return Ok(None) };
        Ok(import::held(self.contents, plan, target.as_ref(), blob)?)
    }
}

impl Evidence for Aboard<'_> {
    type Error = Failure;

    fn document(&self, digest: &Digest) -> Option<&Manifest> {
        self.contents.document(digest)
    }

    fn blob(&self, _: &PinnedImage, blob: &Descriptor) -> Result<Option<Vec<u8>>, Failure> {
        if self.contents.catalog().held(&blob.digest).is_some() {
            return self.at_target(blob);
        }
        let mut bytes = Vec::new();
        let content = match self.workshop.blob(&blob.digest) {
            // A small layer that takes content of a base bundle: no config or signature does.
            Err(VerifyError::AtDestination(_)) => return Ok(None),
            other => other?,
        };
        content.take(MAX_EVIDENCE).read_to_end(&mut bytes).map_err(VerifyError::from_io)?;
        Ok(Some(bytes))
    }
}
