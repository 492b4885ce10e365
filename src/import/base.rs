//! What a delta counts on at the target: where it is, and its bytes.

use std::collections::BTreeMap;
use std::io::{self, Read};

use crate::bundle::Base;
use crate::oci::{Descriptor, Digest, MediaType, Repository};
use crate::target::{Target, TargetError};
use crate::verify::Destination;

/// The base blobs of a delta, each in a repository of the target that holds it.
pub struct AtTarget<'a> {
    /// The target.
    pub target: &'a dyn Target,
    /// Which repository holds which blob.
    pub places: BTreeMap<Digest, &'a Repository>,
}

impl Destination for AtTarget<'_> {
    fn open(&self, base: &Base, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let digest = base.blob.digest;
        let repository = self.places.get(&digest);
        let repository = repository.ok_or_else(|| io::Error::other(TargetError::Gone(digest)))?;
        let blob = descriptor(digest, base.blob.size);
        self.target.content(repository, &blob, offset).map_err(io::Error::other)
    }
}

/// Finds a blob in one of `homes`, in `likely` first.
///
/// # Errors
/// When the target cannot be asked.
pub fn find<'a>(
    target: &dyn Target,
    homes: &'a [Repository],
    likely: u32,
    blob: &Descriptor,
) -> Result<Option<&'a Repository>, TargetError> {
    let likely = homes.get(likely as usize);
    let others = homes.iter().filter(|home| Some(*home) != likely);
    for home in likely.into_iter().chain(others) {
        if target.has_blob(home, blob)? {
            return Ok(Some(home));
        }
    }
    Ok(None)
}

/// A blob of which only digest and size matter.
pub fn descriptor(digest: Digest, size: u64) -> Descriptor {
    let kind = MediaType::new("application/octet-stream").expect("a plain media type");
    Descriptor::new(kind, digest, size)
}
