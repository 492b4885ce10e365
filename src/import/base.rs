//! What a delta counts on at the target: where it is, and its bytes.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::{ImportError, Plan};
use crate::bundle::Base;
use crate::oci::{Descriptor, Digest, MediaType, Repository, VerifyingReader};
use crate::target::{Target, TargetError};
use crate::verify::{Contents, Destination};

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

/// The bytes of a blob that a delta counts on, proven; `None` when the target has it not, or the
/// delta does not count on it. It is read into memory: the caller caps its size.
///
/// # Errors
/// [`ImportError::Target`] when the target cannot be asked, or holds something else.
pub fn held(
    contents: &Contents,
    plan: &Plan<'_>,
    target: &dyn Target,
    blob: &Descriptor,
) -> Result<Option<Vec<u8>>, ImportError> {
    let failed = |error| ImportError::target(blob.digest, error);
    let Some(held) = contents.catalog().held(&blob.digest) else { return Ok(None) };
    let found = find(target, &plan.homes, held.home, blob).map_err(failed)?;
    let Some(home) = found else { return Ok(None) };
    let content = target.content(home, blob, 0).map_err(failed)?;
    let mut bytes = Vec::new();
    let read = VerifyingReader::new(content, blob.digest, blob.size).read_to_end(&mut bytes);
    read.map_err(|error| failed(TargetError::Read(error)))?;
    Ok(Some(bytes))
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
