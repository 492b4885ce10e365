//! The walk over an image's documents: down its indexes, and up to what refers to them.
//!
//! Withstands: indexes that nest without end, more documents than anybody can want, documents that
//! are met again, referrers that refer to something else, answers that go round in circles.

use std::collections::{BTreeMap, BTreeSet};

use super::{Referrers, SelectError};
use crate::oci::{
    DOCKER_CONFIG, Descriptor, Digest, Manifest, OCI_CONFIG, Omitted, OmittedReason,
    PinnedDocument, Platform, Reference, Role, Tag,
};
use crate::source::{Source, SourceError};

/// How deep indexes may nest.
pub const MAX_DEPTH: usize = 16;
/// How many documents one image may have, with all that refers to it.
pub const MAX_DOCUMENTS: usize = 10_000;
/// Buildkit's note on an attestation: the digest of the manifest that it describes.
const DESCRIBES: &str = "vnd.docker.reference.digest";
/// What cosign appends to a digest to make a tag, in the order in which they are looked for.
pub(super) const COSIGN_SUFFIXES: [&str; 3] = ["sig", "att", "sbom"];

/// How a document comes to be in an image.
#[derive(Debug, Clone)]
pub(super) struct Part {
    role: Role,
    subject: Option<Digest>,
    tag: Option<Tag>,
}

impl Part {
    pub(super) const ROOT: Part = Part { role: Role::Root, subject: None, tag: None };
    const CHILD: Part = Part { role: Role::Child, subject: None, tag: None };

    fn referrer(subject: Digest) -> Part {
        Part { role: Role::Referrer, subject: Some(subject), tag: None }
    }

    fn tagged(subject: Digest, tag: Tag) -> Part {
        Part { role: Role::Tagged, subject: Some(subject), tag: Some(tag) }
    }
}

/// The documents met so far.
pub(super) struct Walk<'a> {
    source: &'a dyn Source,
    name: &'a Reference,
    foreign_layers: bool,
    fetched: usize,
    seen: BTreeSet<Digest>,
    blobs: BTreeMap<Digest, u64>,
    offered: BTreeSet<Platform>,
    documents: Vec<PinnedDocument>,
    omitted: Vec<Omitted>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        source: &'a dyn Source,
        name: &'a Reference,
        foreign_layers: bool,
    ) -> Walk<'a> {
        Walk {
            source,
            name,
            foreign_layers,
            fetched: 0,
            seen: BTreeSet::new(),
            blobs: BTreeMap::new(),
            offered: BTreeSet::new(),
            documents: Vec::new(),
            omitted: Vec::new(),
        }
    }

    pub(super) fn name(&self) -> &'a Reference {
        self.name
    }

    /// What the name points to, before any platform is chosen.
    pub(super) fn root(&mut self) -> Result<Manifest, SelectError> {
        self.count()?;
        let root = self.source.root().map_err(|error| self.failed(error))?;
        match root.descriptor().digest {
            found if self.name.digest.is_some_and(|digest| digest != found) => {
                Err(SelectError::OtherDigest { name: self.name.clone(), found })
            }
            _ => Ok(root),
        }
    }

    /// The first document below `index` that is made for `wanted`: for its usual variant, or else
    /// for any that will do.
    pub(super) fn find(
        &mut self,
        index: &Manifest,
        wanted: &Platform,
    ) -> Result<(Manifest, Platform), SelectError> {
        for wish in [&wanted.usual(), wanted] {
            let mut passed = BTreeSet::new();
            if let Some(found) = self.find_below(index, wish, &mut passed, 0)? {
                return Ok(found);
            }
        }
        Err(self.no_platform(wanted))
    }

    fn find_below(
        &mut self,
        index: &Manifest,
        wanted: &Platform,
        passed: &mut BTreeSet<Digest>,
        depth: usize,
    ) -> Result<Option<(Manifest, Platform)>, SelectError> {
        self.check_depth(index, depth)?;
        for child in index.children() {
            if let Some(platform) = &child.platform {
                self.offer(platform.clone());
                if platform.satisfies(wanted) {
                    return Ok(Some((self.fetch(child)?, platform.clone())));
                }
            } else if child.media_type.is_index() && passed.insert(child.digest) {
                let below = self.fetch(child)?;
                if let Some(found) = self.find_below(&below, wanted, passed, depth + 1)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// Adds a document and, depth first, those below it that are for a wanted platform.
    pub(super) fn add(
        &mut self,
        manifest: &Manifest,
        platform: Option<Platform>,
        part: Part,
        wanted: &[Platform],
        depth: usize,
    ) -> Result<(), SelectError> {
        self.check_depth(manifest, depth)?;
        self.seen.insert(manifest.descriptor().digest);
        self.list(manifest, platform, part);
        self.note_blobs(manifest);
        for child in self.travelling(manifest.children(), wanted) {
            if !self.seen.contains(&child.digest) {
                let below = self.fetch(child)?;
                self.add(&below, child.platform.clone(), Part::CHILD, wanted, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Adds what refers to the documents that are there, and what refers to that, and so on.
    pub(super) fn add_what_refers(&mut self, wanted: &Referrers) -> Result<(), SelectError> {
        let mut asked = BTreeSet::new();
        let mut next = 0;
        while let Some(document) = self.documents.get(next) {
            let subject = document.digest;
            next += 1;
            if asked.insert(subject) {
                self.add_referrers(subject, wanted)?;
                self.add_tagged(subject, wanted)?;
            }
        }
        Ok(())
    }

    fn add_referrers(&mut self, subject: Digest, wanted: &Referrers) -> Result<(), SelectError> {
        let mut referrers = self.source.referrers(&subject).map_err(|error| self.failed(error))?;
        referrers.sort_by_key(|descriptor| descriptor.digest);
        for descriptor in &referrers {
            if self.seen.contains(&descriptor.digest) {
                continue;
            }
            let manifest = self.fetch(descriptor)?;
            // Some registries list what is only tagged in the digest's name; that is found by its
            // tag, and without its tag it would be lost.
            if manifest.subject().is_some_and(|named| named.digest == subject) {
                if !wanted.take(manifest.artifact_type().unwrap_or_default()) {
                    self.omit(manifest.descriptor(), OmittedReason::Referrer);
                    continue;
                }
                let platform = descriptor.platform.clone();
                self.add(&manifest, platform, Part::referrer(subject), &[], 0)?;
            }
        }
        Ok(())
    }

    fn add_tagged(&mut self, subject: Digest, wanted: &Referrers) -> Result<(), SelectError> {
        for suffix in COSIGN_SUFFIXES {
            let text = format!("{}-{}.{suffix}", subject.algorithm(), subject.hex());
            // A SHA-512 digest is too long for a tag: there can be none.
            let Ok(tag) = text.parse::<Tag>() else { continue };
            let found = self.source.tagged(&tag).map_err(|error| self.failed(error))?;
            let Some(manifest) = found else { continue };
            self.count()?;
            let kind = manifest.artifact_type().filter(is_artifact).map(str::to_owned);
            if !wanted.take(&kind.unwrap_or_else(|| format!("cosign/{suffix}"))) {
                self.omit(manifest.descriptor(), OmittedReason::Referrer);
                continue;
            }
            let part = Part::tagged(subject, tag);
            match self.seen.contains(&manifest.descriptor().digest) {
                // Known already, but not by this tag.
                true => self.list(&manifest, None, part),
                false => self.add(&manifest, None, part, &[], 0)?,
            }
        }
        Ok(())
    }

    /// Notes a platform for which the image is made.
    pub(super) fn offer(&mut self, platform: Platform) {
        if !platform.is_unknown() {
            self.offered.insert(platform);
        }
    }

    /// Every wish must have been met by something.
    pub(super) fn check_offered(&self, wanted: &[Platform]) -> Result<(), SelectError> {
        let met = |wish: &&Platform| self.offered.iter().any(|offer| offer.satisfies(wish));
        match wanted.iter().find(|wish| !met(wish)) {
            Some(wish) => Err(self.no_platform(wish)),
            None => Ok(()),
        }
    }

    /// The documents; what stays behind, each digest once, and none that travels after all; and
    /// the size of the blobs in bytes.
    pub(super) fn finish(self) -> (Vec<PinnedDocument>, Vec<Omitted>, u64) {
        let Walk { mut seen, blobs, documents, mut omitted, .. } = self;
        omitted
            .retain(|omitted| !blobs.contains_key(&omitted.digest) && seen.insert(omitted.digest));
        (documents, omitted, blobs.values().fold(0, |sum, size| sum.saturating_add(*size)))
    }

    fn list(&mut self, manifest: &Manifest, platform: Option<Platform>, part: Part) {
        let Descriptor { media_type, digest, size, .. } = manifest.descriptor();
        self.documents.push(PinnedDocument {
            digest: *digest,
            media_type: media_type.clone(),
            size: *size,
            role: part.role,
            platform,
            subject: part.subject,
            tag: part.tag,
            artifact_type: manifest.artifact_type().filter(is_artifact).map(str::to_owned),
        });
    }

    fn note_blobs(&mut self, manifest: &Manifest) {
        for blob in manifest.blobs() {
            match blob.is_foreign() && !self.foreign_layers {
                true => self.omit(blob, OmittedReason::Foreign),
                false => {
                    self.blobs.insert(blob.digest, blob.size);
                }
            }
        }
    }

    fn omit(&mut self, descriptor: &Descriptor, reason: OmittedReason) {
        let (digest, platform) = (descriptor.digest, descriptor.platform.clone());
        self.omitted.push(Omitted { digest, reason, platform });
    }

    /// Those of `children` that are for a wanted platform or for none; an attestation goes with
    /// the manifest that it describes. The others are stated to stay behind.
    fn travelling<'c>(
        &mut self,
        children: &'c [Descriptor],
        wanted: &[Platform],
    ) -> Vec<&'c Descriptor> {
        if wanted.is_empty() {
            return children.iter().collect();
        }
        let fits = |platform: &Platform| wanted.iter().any(|wish| platform.satisfies(wish));
        let plain = |child: &&Descriptor| child.platform.as_ref().is_none_or(fits);
        let described: BTreeSet<Digest> =
            children.iter().filter(plain).map(|child| child.digest).collect();
        let mut travelling = Vec::new();
        for child in children {
            let travels = match (&child.platform, describes(child)) {
                (Some(platform), Some(digest)) if platform.is_unknown() => {
                    described.contains(&digest) || self.seen.contains(&digest)
                }
                (Some(platform), None) if platform.is_unknown() => true,
                _ => plain(&child),
            };
            child.platform.iter().for_each(|platform| self.offer(platform.clone()));
            match travels {
                true => travelling.push(child),
                false => self.omit(child, OmittedReason::Platform),
            }
        }
        travelling
    }

    fn fetch(&mut self, descriptor: &Descriptor) -> Result<Manifest, SelectError> {
        self.count()?;
        self.source.manifest(descriptor).map_err(|error| self.failed(error))
    }

    fn count(&mut self) -> Result<(), SelectError> {
        self.fetched += 1;
        match self.fetched > MAX_DOCUMENTS {
            true => Err(SelectError::TooMany { name: self.name.clone() }),
            false => Ok(()),
        }
    }

    fn check_depth(&self, manifest: &Manifest, depth: usize) -> Result<(), SelectError> {
        match depth > MAX_DEPTH {
            true => {
                let digest = manifest.descriptor().digest;
                Err(SelectError::TooDeep { name: self.name.clone(), digest })
            }
            false => Ok(()),
        }
    }

    fn failed(&self, error: SourceError) -> SelectError {
        SelectError::Source { name: self.name.clone(), error }
    }

    fn no_platform(&self, wanted: &Platform) -> SelectError {
        SelectError::NoPlatform {
            name: self.name.clone(),
            wanted: wanted.clone(),
            offered: self.offered.iter().cloned().collect(),
        }
    }
}

/// True for what is not the config of a runnable image.
fn is_artifact(kind: &&str) -> bool {
    ![OCI_CONFIG, DOCKER_CONFIG].contains(kind)
}

fn describes(child: &Descriptor) -> Option<Digest> {
    child.annotations.get(DESCRIBES)?.parse().ok()
}
