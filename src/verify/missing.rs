//! What a medium lacks of a bundle: which volumes, as far as can be told, and how many images need them.
//!
//! Volumes are told apart by names that nobody signed, so this is for messages only; that
//! something is missing is known from the sums, which are signed.

use std::collections::BTreeMap;
use std::fmt;

use super::VerifyError;
use super::contents::{Heads, proven};
use crate::bundle::{BlobPath, BundlePath, Catalog, Medium, Sums, number_list, volume_name};
use crate::oci::{Descriptor, Digest, MAX_MANIFEST_SIZE, Manifest};

/// Volumes that are not there, though their bundle needs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Their numbers. None when all that can be told is that there are more.
    pub volumes: Vec<u32>,
    /// How many volumes there are, according to the medium.
    pub count: Option<u32>,
    /// The highest number that is there.
    last: Option<u32>,
    /// How many images cannot be had without them; `None` where the bundle does not say.
    pub images: Option<usize>,
}

impl Gap {
    /// What the numbers tell of a medium on which something is missing; `None` when it has no volumes,
    /// or has them all.
    pub fn of(medium: &Medium) -> Option<Gap> {
        let (volumes, count) = (medium.missing_volumes(), medium.volume_count());
        let last = medium.volumes().last_key_value().map(|(number, _)| *number);
        let tells = !volumes.is_empty() || (count.is_none() && last.is_some());
        tells.then_some(Gap { volumes, count, last, images: None })
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self.count.map_or(String::new(), |count| format!(" of {count}"));
        match (&self.volumes[..], self.last) {
            ([], Some(last)) => write!(f, "a volume after {} is missing", volume_name(last))?,
            ([one], _) => write!(f, "volume {one}{of} is missing ({})", volume_name(*one))?,
            (many, _) => write!(f, "volumes {}{of} are missing", number_list(many))?,
        }
        let it = if self.volumes.len() > 1 { "them" } else { "it" };
        match self.images {
            Some(1) => write!(f, ": 1 image needs {it}"),
            Some(images) => write!(f, ": {images} images need {it}"),
            None => Ok(()),
        }
    }
}

impl Heads<'_> {
    /// Which volumes are not there, when files are missing; `None` when that cannot be told.
    pub(super) fn gap(&self) -> Option<Gap> {
        Gap::of(self.medium).map(|gap| Gap { images: self.incomplete_images().ok(), ..gap })
    }

    /// How many images something is missing of. Whatever is looked at is proven.
    fn incomplete_images(&self) -> Result<usize, VerifyError> {
        let (lading, catalog) = (self.lading()?, self.catalog()?);
        let lack = Lack { medium: self.medium, sums: &self.sums, catalog: &catalog };
        let mut seen = BTreeMap::new();
        let mut images = 0;
        for image in &lading.images {
            let mut whole = true;
            for document in &image.documents {
                let known = seen.get(&document.digest).copied();
                let lacks = known.map_or_else(|| lack.below(document.descriptor()), Ok)?;
                seen.insert(document.digest, lacks);
                whole &= !lacks;
            }
            images += usize::from(!whole);
        }
        Ok(images)
    }
}

struct Lack<'a> {
    medium: &'a Medium,
    sums: &'a Sums,
    catalog: &'a Catalog,
}

impl Lack<'_> {
    /// True when a file of the bundle is not there.
    fn file(&self, digest: &Digest) -> bool {
        let path = BlobPath::of(digest).map(BundlePath::from);
        path.is_some_and(|it| self.sums.get(&it).is_some() && self.medium.get(&it).is_none())
    }

    /// True when a blob, or what it is made from, is not there.
    fn blob(&self, digest: &Digest) -> bool {
        let from = self.catalog.layer(digest).map_or(&[][..], |layer| &layer.from);
        self.file(digest) || from.iter().any(|from| self.file(from))
    }

    /// True when a document is not there, or a blob that it names.
    fn below(&self, document: Descriptor) -> Result<bool, VerifyError> {
        let path = BlobPath::of(&document.digest).map(BundlePath::from);
        let found = path.and_then(|path| Some((path, self.medium.get(&path)?)));
        let Some((path, piece)) = found else { return Ok(true) };
        let raw = proven(path, piece, &document.digest, MAX_MANIFEST_SIZE)?;
        let manifest = Manifest::parse(document, raw).map_err(|error| {
            let at = super::Location::of(piece);
            VerifyError::Manifest { at, error }
        })?;
        Ok(manifest.blobs().any(|blob| self.blob(&blob.digest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_told_as_far_as_it_is_known() {
        let gap = |volumes: &[u32], count, images| {
            Gap { volumes: volumes.to_vec(), count, last: Some(4), images }.to_string()
        };
        assert_eq!(
            gap(&[3], Some(5), Some(12)),
            "volume 3 of 5 is missing (volume-0003.tar): 12 images need it"
        );
        assert_eq!(gap(&[2, 5], Some(6), None), "volumes 2 and 5 of 6 are missing");
        let text = "volumes 1 and 2 are missing: 1 image needs them";
        assert_eq!(gap(&[1, 2], None, Some(1)), text);
        let text = "a volume after volume-0004.tar is missing: 0 images need it";
        assert_eq!(gap(&[], None, Some(0)), text);
    }
}
