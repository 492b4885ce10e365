//! Whether there is room for what is to be written, before anything is.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;

use super::context::Context;
use super::failure::{Exit, Failure};
use super::media;
use super::output::bytes;
use crate::bundle::{Packaging, Spread};
use crate::export::{self, Bases, Journal, PackMode, Plan, PlannedBlob};
use crate::files::{self, FAT_LIMIT, Space};
use crate::layout::staged_place;
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
            let places = [path, staged_place(root, digest)];
            places.iter().any(|it| it.symlink_metadata().is_ok_and(|found| found.len() == size))
        };
        let lacking = content.iter().filter(|(digest, size)| !is_there(digest, **size));
        let needed = lacking.fold(0u64, |sum, (_, size)| sum.saturating_add(*size));
        self.check(root, Packaging::Directory, needed)
    }

    /// The same for an export. With layers that are packed nobody knows before how much it will be:
    /// what may not fit is only told of. How much is held meanwhile is known.
    ///
    /// # Errors
    /// `no-space`, `fat-limit`.
    pub fn export(&self, plan: &Plan, needs: &Needs<'_>, context: &Context) -> Result<(), Failure> {
        if self.no_space_check {
            return Ok(());
        }
        let (new, peak) = (needs.lacking(plan), needs.scratch(plan));
        let documents = plan.documents.values().map(|document| document.raw().len() as u64);
        let beside = if needs.is_beside() { peak } else { 0 };
        let fits = match (needs.spread, needs.packaging) {
            // What was begun has the rooms that it had then; what it wrote lies in them.
            (Some(spread), Packaging::Volumes { limit }) => {
                let rest = new.iter().copied().fold(0, u64::saturating_add);
                let rest = rest.saturating_sub(needs.begun(plan));
                let goes_on = needs.journal.map_or(Ok(()), |_| media::check_rest(spread, rest));
                let blobs = plan.blobs.iter().map(|blob| &blob.descriptor);
                let blobs = blobs.filter(|blob| needs.bases.blob(blob).is_none());
                let sizes = documents.chain(blobs.map(|blob| blob.size));
                goes_on.and_then(|()| media::check(spread, (limit, needs.in_turn), sizes))
            }
            (_, packaging) => {
                let files = new.iter().copied().chain(documents);
                let files = files.fold(beside, u64::saturating_add);
                self.check(needs.out, packaging, files.saturating_sub(needs.begun(plan)))
            }
        };
        if needs.pack == PackMode::Never {
            return fits;
        }
        if let Err(failure) = fits {
            let what = format!("as it is, or less when packed: {}", failure.message);
            context.progress().event(Event::Doubt { what });
        }
        self.check(needs.scratch.unwrap_or(needs.out), Packaging::Directory, peak)
    }
}

/// What an export needs, and where.
pub struct Needs<'a> {
    /// Where the bundle is written, or the first medium.
    pub out: &'a Path,
    /// How it will lie there.
    pub packaging: Packaging,
    /// What goes to which medium.
    pub spread: Option<&'a Spread>,
    /// Whether the media come one after the other.
    pub in_turn: bool,
    /// Which layers are packed.
    pub pack: PackMode,
    /// What the destination holds.
    pub bases: &'a Bases,
    /// Where blobs are held, if not beside the bundle.
    pub scratch: Option<&'a Path>,
    /// How many blobs are worked on at a time.
    pub jobs: usize,
    /// What an interrupted export wrote.
    pub journal: Option<&'a Journal>,
}

impl Needs<'_> {
    /// The most bytes that are held at a time while layers are packed.
    pub fn scratch(&self, plan: &Plan) -> u64 {
        if self.pack == PackMode::Never {
            return 0;
        }
        let space = Space::at(self.scratch.unwrap_or(self.out));
        export::scratch_peak(&self.lacking(plan), self.jobs, space.map_or(1, |space| space.block))
    }

    /// The sizes of all blobs, in bytes: nothing of those that need not be written.
    fn lacking(&self, plan: &Plan) -> Vec<u64> {
        let is_aboard = |at: usize, blob: &PlannedBlob| {
            self.journal.is_some_and(|journal| journal.says(at, blob))
        };
        let size = |(at, blob): (usize, &PlannedBlob)| {
            let is_there = self.bases.blob(&blob.descriptor).is_some() || is_aboard(at, blob);
            if is_there { 0 } else { blob.descriptor.size }
        };
        plan.blobs.iter().enumerate().map(size).collect()
    }

    /// True when what is held lies on the file system of the bundle.
    fn is_beside(&self) -> bool {
        let device = |place| Space::at(place).map(|space| space.device).ok();
        self.scratch.is_none_or(|scratch| device(scratch) == device(self.out))
    }

    /// Bytes that an interrupted export has written and that are not of a whole blob: they are
    /// written over, or removed.
    fn begun(&self, plan: &Plan) -> u64 {
        let Some(journal) = self.journal else { return 0 };
        let blobs = plan.blobs.iter().enumerate();
        let aboard = blobs.filter(|(at, blob)| journal.says(*at, blob));
        let aboard = aboard.fold(0, |sum: u64, (_, blob)| sum.saturating_add(blob.descriptor.size));
        let unfinished = match self.spread {
            None => files::unfinished_bytes(self.out),
            Some(spread) => {
                spread.rooms.iter().map(|room| files::unfinished_bytes(&room.root)).sum()
            }
        };
        match self.packaging {
            // What is whole has its name.
            Packaging::Directory => unfinished,
            _ => unfinished.saturating_sub(aboard),
        }
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

    fn space(free: Option<u64>, is_fat: bool) -> Space {
        Space { place: "/media/stick".into(), free, block: 4096, device: 1, is_fat }
    }

    fn code(free: Option<u64>, is_fat: bool, packaging: Packaging, needed: u64) -> &'static str {
        let space = space(free, is_fat);
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
        let failure = judge(&space(Some(5 << 28), false), Packaging::Archive, 3 << 29).unwrap_err();
        assert_eq!(failure.message, "needs 1.50 GiB, 1.25 GiB are free on /media/stick");
    }
}
