//! Carrying out an import: look, stage, commit, manifests, tags, read back.

mod publish;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::ImportError;
use super::base::{self, AtTarget};
use super::counted::Counted;
use super::lost;
use super::plan::{Plan, PlannedImage};
use crate::oci::{Descriptor, Digest, Manifest, Reference, Repository, Tag, VerifyingReader};
use crate::pool;
use crate::report::Progress;
use crate::target::{Staged, Target, TargetError};
use crate::verify::{Contents, VerifiedBundle, VerifyError, Workshop};

/// What became of one image.
#[derive(Debug)]
pub enum Outcome {
    /// The target had all of it already.
    Present,
    /// It was loaded.
    Loaded,
    /// The target did not take it; others may have been loaded.
    Failed(Box<ImportError>),
}

/// What an import did.
#[derive(Debug)]
pub struct Summary {
    /// Name at the target, digest and outcome of each image, in the order of the bundle.
    pub images: Vec<(Reference, Digest, Outcome)>,
    /// What refers to images that were loaded and was itself refused; each error names it.
    pub refused: Vec<ImportError>,
    /// How many blobs were sent.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many of these an import had brought before that did not come to its end.
    pub found: u64,
}

impl Summary {
    /// True when nothing that was asked for is missing.
    pub fn is_whole(&self) -> bool {
        let failed = |it: &(_, _, Outcome)| matches!(it.2, Outcome::Failed(_));
        self.refused.is_empty() && !self.images.iter().any(failed)
    }
}

/// Loads the planned images of `bundle` into `target`.
///
/// Up to the first commit an error leaves the target as it was. From then on an error of one image
/// ends the import. With `keep_going` it becomes that image's outcome; and so does damage to anything
/// that it needs: then nothing of it is named, and all that other images need is whole. What refers
/// to an image and is refused by the target does then not keep the image itself back.
///
/// # Errors
/// Every [`ImportError`] but those of planning.
pub fn run(
    bundle: &VerifiedBundle,
    plan: &Plan<'_>,
    target: &dyn Target,
    jobs: usize,
    keep_going: bool,
    progress: &dyn Progress,
) -> Result<Summary, ImportError> {
    let (contents, homes) = (bundle.get(), &plan.homes);
    let import = Import { contents, homes, target, jobs, keep_going, progress };
    let looked = pool::run(jobs, &plan.images, |image| import.look(image))?;
    let (missing, mut outcomes): (Vec<_>, Vec<_>) = looked.into_iter().unzip();
    let work: Vec<_> = plan.images.iter().zip(missing).map(Work::new).collect();
    let sent = import.blobs(&work, &mut outcomes)?;
    import.publish(&work, &mut outcomes)?;
    let images = plan.images.iter().zip(outcomes);
    let images =
        images.map(|(it, outcome)| (it.target.clone(), it.image.digest, outcome)).collect();
    let refused = work.into_iter().flat_map(Work::into_refused).collect();
    let summary =
        Summary { images, refused, blobs: sent.blobs, bytes: sent.bytes, found: sent.found };
    if summary.is_whole() {
        target.finish().map_err(|error| ImportError::target("what is left", error))?;
    }
    Ok(summary)
}

/// How many blobs went to the target.
struct Sent {
    blobs: u64,
    bytes: u64,
    /// Bytes that were there already.
    found: u64,
}

impl Sent {
    fn of(staged: &[(&Lacking<'_>, Option<Box<dyn Staged>>)]) -> Sent {
        let sent = || staged.iter().filter_map(|(blob, it)| Some((blob, it.as_ref()?)));
        Sent {
            blobs: sent().count() as u64,
            bytes: sent().map(|(blob, _)| blob.descriptor.size).sum(),
            found: sent().map(|(_, it)| it.found()).sum(),
        }
    }
}

struct Import<'a> {
    contents: &'a Contents,
    /// Where the images of base bundles are.
    homes: &'a [Repository],
    target: &'a dyn Target,
    jobs: usize,
    keep_going: bool,
    progress: &'a dyn Progress,
}

/// An image and what the target lacks of it.
struct Work<'a> {
    planned: &'a PlannedImage<'a>,
    missing: Missing,
    /// What refers to it and was refused, with `keep_going`.
    refused: Mutex<Vec<(Digest, ImportError)>>,
}

#[derive(Default)]
struct Missing {
    documents: BTreeSet<Digest>,
    /// Tags that are absent or name another document.
    tags: Vec<(Tag, Digest)>,
}

impl<'a> Work<'a> {
    fn new((planned, missing): (&'a PlannedImage<'a>, Missing)) -> Work<'a> {
        Work { planned, missing, refused: Mutex::default() }
    }

    fn into_refused(self) -> impl Iterator<Item = ImportError> {
        let refused = self.refused.into_inner().unwrap_or_else(PoisonError::into_inner);
        refused.into_iter().map(|(_, error)| error)
    }

    fn refused(&self) -> MutexGuard<'_, Vec<(Digest, ImportError)>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Missing {
    fn is_empty(&self) -> bool {
        self.documents.is_empty() && self.tags.is_empty()
    }
}

impl<'a> Import<'a> {
    /// What the target lacks of an image; nothing of one that is lost.
    fn look(&self, planned: &PlannedImage<'_>) -> Result<(Missing, Outcome), ImportError> {
        match lost::by_gaps(self.contents, planned.image) {
            Some(lost) if self.keep_going => {
                return Ok((Missing::default(), Outcome::Failed(Box::new(lost))));
            }
            Some(lost) => return Err(lost),
            None => {}
        }
        let missing = self.missing_documents(planned)?;
        let outcome = if missing.is_empty() { Outcome::Present } else { Outcome::Loaded };
        Ok((missing, outcome))
    }

    fn missing_documents(&self, planned: &PlannedImage<'_>) -> Result<Missing, ImportError> {
        let repository = &planned.target.repository;
        let failed = |error| ImportError::target(&planned.target, error);
        let mut missing = Missing { documents: BTreeSet::new(), tags: Vec::new() };
        // What a tag names is there: nobody need ask for it again.
        let mut there = BTreeSet::new();
        for (tag, digest) in planned.tags() {
            match self.target.tag(repository, &tag).map_err(failed)? == Some(digest) {
                true => drop(there.insert(digest)),
                false => missing.tags.push((tag, digest)),
            }
        }
        for document in &planned.image.documents {
            let digest = document.digest;
            if there.insert(digest)
                && !self.target.has_manifest(repository, &document.descriptor()).map_err(failed)?
            {
                missing.documents.insert(digest);
            }
        }
        Ok(missing)
    }

    /// Brings every blob that a missing document needs to the repositories that need it.
    fn blobs(&self, work: &[Work<'_>], outcomes: &mut [Outcome]) -> Result<Sent, ImportError> {
        let wanted: Vec<_> = self.wanted(work)?.into_iter().collect();
        let lacking = pool::run(self.jobs, &wanted, |(digest, repositories)| {
            self.lacking(digest, repositories)
        })?;
        let mut lacking: Vec<Lacking<'_>> = lacking.into_iter().flatten().collect();
        // Media are read fastest from front to back.
        lacking.sort_by_cached_key(|blob| self.contents.position(&blob.descriptor.digest));
        let to_send = lacking.iter().filter(|blob| blob.held.is_none());
        self.progress.begin("importing", to_send.map(|blob| blob.descriptor.size).sum());
        let destination = self.destination(&lacking)?;
        let workshop = Workshop::new(self.contents, Some(&destination));
        // Nothing is committed before all of it is staged, and staged is what was proven.
        let tried = pool::run(self.jobs, &lacking, |blob| match self.stage(&workshop, blob) {
            Err(ImportError::Verify(error)) if self.keep_going => Ok(Err(error)),
            other => other.map(Ok),
        })?;
        self.progress.end();
        let (mut staged, mut hurt) = (Vec::new(), BTreeMap::new());
        for (blob, tried) in lacking.iter().zip(tried) {
            match tried {
                Ok(it) => staged.push((blob, it)),
                Err(error) => drop(hurt.insert(blob.descriptor.digest, error.to_string())),
            }
        }
        if !hurt.is_empty() {
            let needed = self.lose(work, outcomes, &hurt)?;
            staged.retain(|(blob, _)| needed.contains(&blob.descriptor.digest));
        }
        let sent = Sent::of(&staged);
        let staged: Vec<_> =
            staged.into_iter().map(|(blob, staged)| (blob, Mutex::new(staged))).collect();
        pool::run(self.jobs, &staged, |(blob, staged)| {
            let staged = staged.lock().expect("no thread panics with the lock").take();
            self.settle(&workshop, blob, staged)
        })?;
        Ok(sent)
    }

    /// Gives up the images that need what is hurt; what the others need.
    fn lose(
        &self,
        work: &[Work<'_>],
        outcomes: &mut [Outcome],
        hurt: &BTreeMap<Digest, String>,
    ) -> Result<BTreeSet<Digest>, ImportError> {
        let mut needed = BTreeSet::new();
        for (one, outcome) in work.iter().zip(outcomes) {
            let blobs: Vec<Digest> = self.wanted(std::slice::from_ref(one))?.into_keys().collect();
            let reasons = blobs.iter().filter_map(|blob| hurt.get(blob).cloned());
            match lost::because(one.planned.image, reasons) {
                Some(lost) => *outcome = Outcome::Failed(Box::new(lost)),
                None => needed.extend(blobs),
            }
        }
        Ok(needed)
    }

    /// Each blob that missing documents need, and the repositories that need it.
    fn wanted<'b>(
        &self,
        work: &'b [Work<'b>],
    ) -> Result<BTreeMap<Digest, BTreeSet<&'b Repository>>, ImportError> {
        let mut wanted: BTreeMap<Digest, BTreeSet<&Repository>> = BTreeMap::new();
        for Work { planned, missing, .. } in work {
            for digest in &missing.documents {
                let blobs = self.document(digest)?.blobs();
                for blob in blobs.filter(|blob| !planned.image.omits(&blob.digest)) {
                    wanted.entry(blob.digest).or_default().insert(&planned.target.repository);
                }
            }
        }
        Ok(wanted)
    }

    fn document(&self, digest: &Digest) -> Result<&Manifest, ImportError> {
        let unlisted = || VerifyError::from(crate::verify::StoryError::Unlisted(*digest));
        Ok(self.contents.document(digest).ok_or_else(unlisted)?)
    }

    /// Asks the repositories for a blob; `None` when all have it.
    fn lacking<'b>(
        &self,
        digest: &Digest,
        repositories: &BTreeSet<&'b Repository>,
    ) -> Result<Option<Lacking<'b>>, ImportError>
    where
        'a: 'b,
    {
        let size = self.contents.catalog().size(digest);
        let unlisted = || VerifyError::from(crate::verify::StoryError::Unlisted(*digest));
        let descriptor = base::descriptor(*digest, size.ok_or_else(unlisted)?);
        let mut lacking = Lacking { descriptor, repositories: Vec::new(), held: None };
        for repository in repositories {
            let has = self.target.has_blob(repository, &lacking.descriptor);
            match has.map_err(|error| ImportError::target(digest, error))? {
                true => lacking.held = Some(repository),
                false => lacking.repositories.push(repository),
            }
        }
        if lacking.held.is_none() && self.contents.catalog().held(digest).is_some() {
            lacking.held = Some(self.at_home(&lacking.descriptor)?);
        }
        Ok(Some(lacking).filter(|lacking| !lacking.repositories.is_empty()))
    }

    /// The repository of a base bundle's image that holds `blob`.
    fn at_home(&self, blob: &Descriptor) -> Result<&'a Repository, ImportError> {
        let catalog = self.contents.catalog();
        let held = catalog.held(&blob.digest).map(|held| held.home);
        let base = || Some(catalog.bases.iter().find(|it| it.blob.digest == blob.digest)?.home);
        let likely = held.or_else(base).unwrap_or(0);
        let found = base::find(self.target, self.homes, likely, blob);
        found.map_err(|error| ImportError::target(blob.digest, error))?.ok_or_else(|| {
            let requires = self.contents.seal().requires.clone();
            ImportError::Base { blob: blob.digest, requires }
        })
    }

    /// Finds at the target what the layers that are to be made take from it.
    fn destination(&self, lacking: &[Lacking<'_>]) -> Result<AtTarget<'a>, ImportError> {
        let catalog = self.contents.catalog();
        let made = lacking.iter().filter(|blob| blob.held.is_none());
        let layers = made.filter_map(|blob| catalog.layer(&blob.descriptor.digest));
        let from: BTreeSet<Digest> = layers.flat_map(|layer| &layer.from).copied().collect();
        let bases: Vec<_> =
            catalog.bases.iter().filter(|base| from.contains(&base.blob.digest)).collect();
        let places = pool::run(self.jobs, &bases, |base| {
            let blob = base::descriptor(base.blob.digest, base.blob.size);
            Ok::<_, ImportError>((base.blob.digest, self.at_home(&blob)?))
        })?;
        Ok(AtTarget { target: self.target, places: places.into_iter().collect() })
    }

    /// Stages a blob in the first repository that lacks it. What another repository holds will be
    /// shared; the bundle's own copy, if it is stored, is proven all the same, for the target may
    /// not share it, and damage must come to light before anything is seen.
    fn stage(
        &self,
        workshop: &Workshop<'_>,
        blob: &Lacking<'_>,
    ) -> Result<Option<Box<dyn Staged>>, ImportError> {
        if blob.held.is_none() {
            return self.send(workshop, blob, blob.repositories[0]).map(Some);
        }
        let digest = &blob.descriptor.digest;
        if self.contents.catalog().get(digest).is_some() {
            let mut content = self.contents.file(digest)?;
            io::copy(&mut content, &mut io::sink()).map_err(VerifyError::from_io)?;
        }
        Ok(None)
    }

    /// Sends a blob from the bundle, or, when it is not aboard, from where the target holds it.
    fn send(
        &self,
        workshop: &Workshop<'_>,
        blob: &Lacking<'_>,
        to: &Repository,
    ) -> Result<Box<dyn Staged>, ImportError> {
        let Lacking { descriptor, held, .. } = blob;
        let Descriptor { digest, size, .. } = *descriptor;
        let aboard = self.contents.catalog().held(&digest).is_none();
        let read = Cell::new(0);
        let open = || -> io::Result<Box<dyn io::Read + '_>> {
            let reader: Box<dyn io::Read + '_> = match held.filter(|_| !aboard) {
                Some(from) => {
                    let content = self.target.content(from, descriptor, 0);
                    let content = content.map_err(io::Error::other)?;
                    Box::new(VerifyingReader::new(content, digest, size))
                }
                None => Box::new(workshop.blob(&digest).map_err(io::Error::other)?),
            };
            Ok(Box::new(Counted { inner: reader, progress: self.progress, read: &read }))
        };
        let staged = self.target.stage(to, descriptor, &open);
        let staged = staged.map_err(|error| ImportError::target(digest, error))?;
        // What was found there was not read here.
        self.progress.advance(size.saturating_sub(read.get()));
        Ok(staged)
    }

    /// Commits what is staged, and lets the other repositories share it.
    fn settle(
        &self,
        workshop: &Workshop<'_>,
        blob: &Lacking<'_>,
        mut staged: Option<Box<dyn Staged>>,
    ) -> Result<(), ImportError> {
        let descriptor = &blob.descriptor;
        let failed = |error| ImportError::target(descriptor.digest, error);
        let mut held = blob.held;
        for to in &blob.repositories {
            match (staged.take(), held) {
                (Some(staged), _) => match staged.commit() {
                    Err(TargetError::Expired) => self.send(workshop, blob, to)?.commit(),
                    other => other,
                }
                .map_err(failed)?,
                (None, Some(from))
                    if self.target.share(descriptor, from, to).map_err(failed)? => {}
                (None, _) => self.send(workshop, blob, to)?.commit().map_err(failed)?,
            }
            held = held.or(Some(to));
        }
        Ok(())
    }
}

/// A blob that some repositories lack.
struct Lacking<'a> {
    descriptor: Descriptor,
    repositories: Vec<&'a Repository>,
    /// A repository that has it.
    held: Option<&'a Repository>,
}

#[cfg(test)]
mod tests;
