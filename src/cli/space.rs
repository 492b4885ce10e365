//! Whether there is room for what is to be written, before anything is.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;

use super::context::Context;
use super::failure::{Exit, Failure};
use super::output::bytes;
use crate::bundle::Packaging;
use crate::export::{Order, PackMode, Plan};
use crate::files::{FAT_LIMIT, Space};
use crate::oci::Digest;
use crate::report::Event;

/// Whether to ask for room.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct SpaceArgs {
    /// Begin even if there is not room enough where it is written to
    #[arg(long)]
    pub no_space_check: bool,
}

impl SpaceArgs {
    /// Refuses to write `needed` bytes to `place` where they cannot fit: as one file if the
    /// packaging is an archive. A place that does not say what is free is taken.
    ///
    /// # Errors
    /// `no-space`, `fat-limit`.
    pub fn check(&self, place: &Path, packaging: Packaging, needed: u64) -> Result<(), Failure> {
        match Space::at(place) {
            Ok(space) if !self.no_space_check => judge(&space, packaging, needed),
            // What is wrong with the place will be said when it is written to.
            _ => Ok(()),
        }
    }

    /// The same for files of these sizes, in bytes, in a directory.
    ///
    /// # Errors
    /// `no-space`, `fat-limit`.
    pub fn files(&self, place: &Path, sizes: impl Iterator<Item = u64>) -> Result<(), Failure> {
        let sizes: Vec<u64> = sizes.collect();
        let needed = sizes.iter().fold(0, |sum: u64, size| sum.saturating_add(*size));
        self.check(place, Packaging::Directory, needed)?;
        self.check(place, Packaging::Archive, sizes.into_iter().max().unwrap_or(0))
    }

    /// The same for the content of an OCI layout, less what lies in it already.
    ///
    /// # Errors
    /// `no-space`.
    pub fn layout(&self, root: &Path, content: &BTreeMap<Digest, u64>) -> Result<(), Failure> {
        let is_there = |digest: &Digest, size: u64| {
            let path = root.join("blobs").join(digest.algorithm()).join(digest.hex());
            path.symlink_metadata().is_ok_and(|found| found.len() == size)
        };
        let lacking = content.iter().filter(|(digest, size)| !is_there(digest, **size));
        let needed = lacking.fold(0u64, |sum, (_, size)| sum.saturating_add(*size));
        self.check(root, Packaging::Directory, needed)
    }

    /// The same for an export to `out`. With layers that are packed nobody knows before how much
    /// it will be: what may not fit is only told of.
    ///
    /// # Errors
    /// `no-space`, `fat-limit`.
    pub fn export(
        &self,
        plan: &Plan,
        order: &Order<'_>,
        out: &Path,
        context: &Context,
    ) -> Result<(), Failure> {
        let blobs = plan.blobs.iter().map(|blob| &blob.descriptor);
        let new = blobs.filter(|blob| order.bases.blob(blob).is_none()).map(|blob| blob.size);
        let documents = plan.documents.values().map(|document| document.raw().len() as u64);
        let needed = new.clone().chain(documents).fold(0, u64::saturating_add);
        let fits = self.check(out, order.packaging, needed);
        if order.pack == PackMode::Never {
            return fits;
        }
        if let Err(failure) = fits {
            let what = format!("as it is, or less when packed: {}", failure.message);
            context.progress().event(Event::Doubt { what });
        }
        // Whatever becomes of a layer, it is held whole before.
        let scratch = order.scratch.unwrap_or(out);
        self.check(scratch, Packaging::Directory, new.max().unwrap_or(0))
    }
}

fn judge(space: &Space, packaging: Packaging, needed: u64) -> Result<(), Failure> {
    let place = space.place.display();
    if let Some(free) = space.free.filter(|free| *free < needed) {
        let message = format!("needs {}, {} are free on {place}", bytes(needed), bytes(free));
        let failure = Failure::new(Exit::Failed, "no-space", message);
        return Err(failure.hint("make room, use another place, or give --no-space-check"));
    }
    if space.is_fat && packaging == Packaging::Archive && needed > FAT_LIMIT {
        let message = format!("{place} is FAT, which holds no file of {}", bytes(needed));
        return Err(Failure::new(Exit::Failed, "fat-limit", message)
            .hint("write to a directory; a bundle, in volumes: --volume-size 4GiB"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(free: Option<u64>, is_fat: bool, packaging: Packaging, needed: u64) -> &'static str {
        let space = Space { place: "/media/stick".into(), free, is_fat };
        judge(&space, packaging, needed).map_or_else(|failure| failure.code, |()| "fits")
    }

    #[test]
    fn what_fits_fits_to_the_byte() {
        let (archive, directory) = (Packaging::Archive, Packaging::Directory);
        assert_eq!(code(Some(100), false, archive, 100), "fits");
        assert_eq!(code(Some(100), false, directory, 101), "no-space");
        assert_eq!(code(None, false, directory, u64::MAX), "fits");
        assert_eq!(code(Some(u64::MAX), true, archive, FAT_LIMIT), "fits");
        assert_eq!(code(None, true, archive, FAT_LIMIT + 1), "fat-limit");
        assert_eq!(code(Some(u64::MAX), true, archive, FAT_LIMIT + 1), "fat-limit");
        for packaging in [directory, Packaging::Volumes { limit: FAT_LIMIT }] {
            assert_eq!(code(Some(u64::MAX), true, packaging, FAT_LIMIT + 1), "fits");
        }
        assert_eq!(code(Some(u64::MAX), false, archive, FAT_LIMIT + 1), "fits");
    }

    #[test]
    fn figures_are_for_people() {
        let space = Space { place: "/media/stick".into(), free: Some(5 << 28), is_fat: false };
        let failure = judge(&space, Packaging::Archive, 3 << 29).unwrap_err();
        assert_eq!(failure.message, "needs 1.50 GiB, 1.25 GiB are free on /media/stick");
    }
}
