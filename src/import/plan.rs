//! Which image of a bundle goes where. Pure: asks nobody, changes nothing.

use std::collections::BTreeMap;

use super::ImportError;
use super::map::Mapping;
use crate::oci::{PinnedImage, Reference, Repository, Tag};

/// Every image and its name at the target.
#[derive(Debug)]
pub struct Plan<'a> {
    /// In the order of the bundle.
    pub images: Vec<PlannedImage<'a>>,
    /// Where the base bundles' images are, as the catalog lists them.
    pub homes: Vec<Repository>,
}

/// An image of the bundle and what it will be called.
#[derive(Debug)]
pub struct PlannedImage<'a> {
    /// The image, as the lading has it.
    pub image: &'a PinnedImage,
    /// Its name at the target.
    pub target: Reference,
}

/// Plans the import of `images`, which may take from what the images `homes` brought there. No two
/// may end up under one name, unless they are the same.
///
/// # Errors
/// [`ImportError::Mapping`], [`ImportError::Collision`].
pub fn plan<'a>(
    images: impl IntoIterator<Item = &'a PinnedImage>,
    homes: &[Reference],
    mapping: &Mapping,
) -> Result<Plan<'a>, ImportError> {
    let mut plan = Plan { images: Vec::new(), homes: Vec::new() };
    for home in homes {
        plan.homes.push(mapping.target(home)?.repository);
    }
    for image in images {
        plan.images.push(PlannedImage { image, target: mapping.target(&image.name)? });
    }
    let mut taken: BTreeMap<(String, &Tag), &PlannedImage<'_>> = BTreeMap::new();
    for planned in &plan.images {
        let Some(tag) = &planned.target.tag else { continue };
        let name = (planned.target.repository.to_string(), tag);
        match taken.insert(name, planned) {
            Some(other) if other.image.digest != planned.image.digest => {
                let (first, second) = (other.image.name.clone(), planned.image.name.clone());
                return Err(ImportError::Collision {
                    first,
                    second,
                    target: planned.target.clone(),
                });
            }
            _ => {}
        }
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::Base;
    use crate::oci::Digest;

    fn image(name: &str, content: &str) -> PinnedImage {
        PinnedImage {
            name: name.parse().unwrap(),
            source: name.to_owned(),
            why: vec![],
            digest: Digest::of(content.as_bytes()),
            bytes: 0,
            index: None,
            documents: vec![],
            omitted: vec![],
        }
    }

    #[test]
    fn two_images_under_one_name_are_refused() {
        let base = Base::Registry { host: "site".to_owned(), prefix: String::new() };
        let mapping = Mapping::new(base, vec![]);
        let images = [image("quay.io/a/b:1", "x"), image("ghcr.io/a/b:1", "y")];
        assert!(matches!(plan(&images, &[], &mapping), Err(ImportError::Collision { .. })));
        let same = [image("quay.io/a/b:1", "x"), image("ghcr.io/a/b:1", "x")];
        assert_eq!(plan(&same, &[], &mapping).unwrap().images.len(), 2);
        let other_tag = [image("quay.io/a/b:1", "x"), image("ghcr.io/a/b:2", "y")];
        assert!(plan(&other_tag, &[], &mapping).is_ok());
    }
}
