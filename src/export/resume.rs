//! What an interrupted export brought to the medium: found by its digests.

use std::collections::BTreeMap;

use super::ExportError;
use super::base::Bases;
use super::journal::Journal;
use super::packing::{Carried, Way};
use super::plan::Plan;
use crate::bundle::{BlobPath, CatalogBlob, Writer};
use crate::pool;

/// Whether blobs get their places as they come, or all before the first is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Places {
    /// As they come: what counts is an unbroken run from the first on.
    InTurn,
    /// All beforehand: every blob counts by itself.
    Beforehand,
}

/// The blobs of `plan` that are aboard already, by their places in it, and announced.
///
/// # Errors
/// [`ExportError::Write`], [`ExportError::File`].
pub fn aboard(
    journal: &Journal,
    plan: &Plan,
    bases: &Bases,
    writer: &Writer,
    places: Places,
    jobs: usize,
) -> Result<BTreeMap<usize, Carried>, ExportError> {
    let mut claimed = BTreeMap::new();
    for (at, blob) in plan.blobs.iter().enumerate() {
        if bases.blob(&blob.descriptor).is_some() {
            continue;
        }
        match journal.carried(at, blob) {
            Some(carried) => {
                files(&carried).iter().try_for_each(|it| writer.announce(it.0, it.1.size))?;
                claimed.insert(at, carried);
            }
            None if places == Places::InTurn => break,
            None => {}
        }
    }
    let written: Vec<_> = claimed
        .iter()
        .flat_map(|(at, it)| files(it).into_iter().map(|file| (*at, file.0)))
        .collect();
    let missing = pool::run(jobs, &written, |(at, path)| {
        Ok::<_, ExportError>((!writer.holds(*path)?).then_some(*at))
    })?;
    for at in missing.into_iter().flatten() {
        match places {
            // The same blobs get the same places again: what was announced stays true.
            Places::InTurn => drop(claimed.split_off(&at)),
            Places::Beforehand => drop(claimed.remove(&at)),
        }
    }
    Ok(claimed)
}

/// The files of the bundle that hold a blob.
fn files(carried: &Carried) -> Vec<(BlobPath, &CatalogBlob)> {
    let entries: Vec<&CatalogBlob> = match &carried.way {
        Way::Held => Vec::new(),
        Way::Stored => vec![&carried.entry],
        Way::Packed { packed, .. } => packed.packs.iter().map(|pack| &pack.blob).collect(),
    };
    let path = |entry: &CatalogBlob| BlobPath::of(&entry.digest);
    entries.into_iter().filter_map(|entry| Some((path(entry)?, entry))).collect()
}
