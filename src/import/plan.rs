//! Which image of a bundle goes where. Pure: asks nobody, changes nothing.

use std::collections::BTreeMap;

use super::map::{Mapped, Mapping};
use super::{Collision, ImportError};
use crate::oci::{Digest, PinnedImage, Reference, Repository, Role, Tag};

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
    /// The rule that made it, as somebody wrote it; empty where none did.
    pub rule: String,
}

impl PlannedImage<'_> {
    /// Its tags at the target: its own last, those of what refers to it first.
    pub(super) fn tags(&self) -> Vec<(Tag, Digest)> {
        let tagged = self.image.documents.iter().filter(|document| document.role == Role::Tagged);
        let tagged = tagged.filter_map(|document| Some((document.tag.clone()?, document.digest)));
        let own = self.target.tag.clone().map(|tag| (tag, self.image.digest));
        tagged.chain(own).collect()
    }
}

/// Plans the import of `images`, which may take from what the images `homes` brought there. No two
/// may end up under one name, unless they are the same; nor may their signatures under one tag.
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
        plan.homes.push(mapping.map(home)?.target.repository);
    }
    for image in images {
        let Mapped { target, rule } = mapping.map(&image.name)?;
        plan.images.push(PlannedImage { image, target, rule });
    }
    check_apart(&plan.images)?;
    Ok(plan)
}

fn check_apart(images: &[PlannedImage<'_>]) -> Result<(), ImportError> {
    let mut taken: BTreeMap<(&Repository, Tag), (Digest, &PlannedImage<'_>)> = BTreeMap::new();
    for planned in images {
        for (tag, digest) in planned.tags() {
            let place = (&planned.target.repository, tag.clone());
            let (first, other) = taken.entry(place).or_insert((digest, planned));
            if *first != digest {
                let party = |it: &PlannedImage<'_>| (it.image.name.clone(), it.rule.clone());
                return Err(ImportError::Collision(Box::new(Collision {
                    first: party(other),
                    second: party(planned),
                    target: planned.target.with_tag(tag),
                })));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::Base;
    use crate::oci::PinnedDocument;

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
        assert!(matches!(plan(&images, &[], &mapping), Err(ImportError::Collision(_))));
        let same = [image("quay.io/a/b:1", "x"), image("ghcr.io/a/b:1", "x")];
        assert_eq!(plan(&same, &[], &mapping).unwrap().images.len(), 2);
        let other_tag = [image("quay.io/a/b:1", "x"), image("ghcr.io/a/b:2", "y")];
        assert!(plan(&other_tag, &[], &mapping).is_ok());
    }

    #[test]
    fn a_collision_names_both_images_and_their_rules() {
        let base = Base::Registry { host: "site".to_owned(), prefix: String::new() };
        let rules = vec!["quay.io/a=x".parse().unwrap(), "ghcr.io=x".parse().unwrap()];
        let images = [image("quay.io/a/b:1", "x"), image("ghcr.io/b:1", "y")];
        let refused = plan(&images, &[], &Mapping::new(base, rules)).unwrap_err();
        let expected = "quay.io/a/b:1 (by quay.io/a=x) and ghcr.io/b:1 (by ghcr.io=x) would both be \
                        site/x/b:1, and they are not the same";
        assert_eq!(refused.to_string(), expected);
    }

    /// One image under two names of one repository, signed by two: cosign has one tag for both.
    #[test]
    fn two_signatures_under_one_tag_are_refused() {
        let signed = |name: &str, signature: &str| {
            let subject = Digest::of(b"x");
            let document = PinnedDocument {
                digest: Digest::of(signature.as_bytes()),
                media_type: crate::oci::MediaType::new(crate::oci::OCI_MANIFEST).unwrap(),
                size: 1,
                role: Role::Tagged,
                platform: None,
                subject: Some(subject),
                tag: Some(format!("sha256-{}.sig", subject.hex()).parse().unwrap()),
                artifact_type: None,
            };
            PinnedImage { documents: vec![document], ..image(name, "x") }
        };
        let base = Base::Registry { host: "site".to_owned(), prefix: String::new() };
        let mapping = Mapping::new(base, vec![]);
        let other = [signed("quay.io/a/b:1", "one"), signed("ghcr.io/a/b:2", "two")];
        let refused = plan(&other, &[], &mapping).unwrap_err().to_string();
        assert!(refused.contains(".sig") && refused.contains("ghcr.io/a/b:2"), "{refused}");
        let same = [signed("quay.io/a/b:1", "one"), signed("ghcr.io/a/b:2", "one")];
        assert!(plan(&same, &[], &mapping).is_ok());
    }
}
