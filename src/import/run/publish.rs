//! The last step: documents, children before parents, then tags, then the proof that they are there.

use std::collections::{BTreeMap, BTreeSet};

use super::{Import, Outcome, Work};
use crate::import::ImportError;
use crate::oci::{Descriptor, Digest, Repository, Role};
use crate::pool;

/// What is done for one image; the set holds the documents that its repository got in this step.
type Step<'a> = dyn Fn(&Work<'_>, &mut BTreeSet<Digest>) -> Result<(), ImportError> + Sync + 'a;

/// True when the target refuses a document for what it is, and may take others.
fn is_refusal(error: &ImportError) -> bool {
    matches!(error, ImportError::Target { error, .. } if error.is_refusal())
}

impl Import<'_> {
    /// Manifests of all images, then tags of all images, then the proof that they are there.
    pub(super) fn publish(
        &self,
        work: &[Work<'_>],
        outcomes: &mut [Outcome],
    ) -> Result<(), ImportError> {
        self.each(work, outcomes, &|work, done| self.put_manifests(work, done))?;
        self.each(work, outcomes, &|work, _| self.put_tags(work))
    }

    /// Takes `step` for every image that has not failed: repositories side by side, the images of
    /// one after another. They share documents, and there are registries that falter when two
    /// clients put the same one at the same time.
    fn each(
        &self,
        work: &[Work<'_>],
        outcomes: &mut [Outcome],
        step: &Step<'_>,
    ) -> Result<(), ImportError> {
        let mut repositories: BTreeMap<&Repository, Vec<usize>> = BTreeMap::new();
        for (at, one) in work.iter().enumerate() {
            if !matches!(outcomes[at], Outcome::Failed(_)) {
                repositories.entry(&one.planned.target.repository).or_default().push(at);
            }
        }
        let repositories: Vec<Vec<usize>> = repositories.into_values().collect();
        let failures = pool::run(self.jobs, &repositories, |images| {
            let (mut done, mut failures) = (BTreeSet::new(), Vec::new());
            for &at in images {
                match step(&work[at], &mut done) {
                    Err(error) if self.keep_going => failures.push((at, error)),
                    other => other?,
                }
            }
            Ok::<_, ImportError>(failures)
        })?;
        for (at, error) in failures.into_iter().flatten() {
            outcomes[at] = Outcome::Failed(Box::new(error));
        }
        Ok(())
    }

    fn put_manifests(
        &self,
        work: &Work<'_>,
        done: &mut BTreeSet<Digest>,
    ) -> Result<(), ImportError> {
        for document in &work.planned.image.documents {
            let refers = matches!(document.role, Role::Referrer | Role::Tagged);
            match self.put_manifest(work, &document.digest, done) {
                Err(error) if self.keep_going && refers && is_refusal(&error) => {
                    work.refused().push((document.digest, error));
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Children before parents; the lading lists subjects before what refers to them.
    fn put_manifest(
        &self,
        work: &Work<'_>,
        digest: &Digest,
        done: &mut BTreeSet<Digest>,
    ) -> Result<(), ImportError> {
        if !work.missing.documents.contains(digest) || done.contains(digest) {
            return Ok(());
        }
        let document = self.document(digest)?;
        for child in document.children() {
            self.put_manifest(work, &child.digest, done)?;
        }
        let put = self.target.put_manifest(&work.planned.target.repository, document);
        put.map_err(|error| {
            let at = &work.planned.target;
            let omits = |child: &Descriptor| work.planned.image.omits(&child.digest);
            match document.children().iter().any(omits) {
                true => ImportError::Sparse { at: at.clone(), error },
                false => ImportError::target(at, error),
            }
        })?;
        done.insert(*digest);
        Ok(())
    }

    fn put_tags(&self, work: &Work<'_>) -> Result<(), ImportError> {
        let name = &work.planned.target;
        let failed = |error| ImportError::target(name, error);
        if name.tag.is_none() {
            let root = self.document(&work.planned.image.digest)?;
            self.target.keep(&name.repository, root).map_err(failed)?;
        }
        let refused: Vec<Digest> = work.refused().iter().map(|(digest, _)| *digest).collect();
        for (tag, digest) in work.missing.tags.iter().filter(|(_, it)| !refused.contains(it)) {
            let document = self.document(digest)?;
            self.target.put_tag(&name.repository, tag, document).map_err(failed)?;
            let found = self.target.tag(&name.repository, tag).map_err(failed)?;
            if found != Some(*digest) {
                let name = name.with_tag(tag.clone());
                return Err(ImportError::ReadBack { name, expected: *digest, found });
            }
        }
        Ok(())
    }
}
