//! Step 8 for all blobs at once, on every core: the marks let stretches of one blob be proven side
//! by side.

use std::io::BufRead as _;

use rayon::prelude::*;

use super::VerifyError;
use super::blob::BlobReader;
use super::contents::Contents;
use crate::bundle::{BlobPath, CatalogBlob};
use crate::report::Progress;

/// Blocks that one worker proves in a row: long enough to read from a disk in order.
const STRETCH: usize = 64;

impl Contents {
    /// Reads every stored blob and every pack and proves it.
    ///
    /// # Errors
    /// All damage that was found, in the order of the digests.
    pub fn prove_blobs(&self, progress: &dyn Progress) -> Result<(), Vec<VerifyError>> {
        let mut blobs: Vec<&CatalogBlob> = self.catalog().files().collect();
        blobs.sort_by_key(|blob| blob.digest);
        progress.begin("verifying", blobs.iter().map(|blob| blob.size).sum());
        let stretches: Vec<_> = blobs
            .into_iter()
            .flat_map(|blob| {
                (0..=blob.marks.0.len()).step_by(STRETCH).map(move |from| (blob, from))
            })
            .collect();
        let damage: Vec<VerifyError> = stretches
            .par_iter()
            .filter_map(|(blob, from)| self.prove_stretch(blob, *from, progress).err())
            .collect();
        progress.end();
        if damage.is_empty() { Ok(()) } else { Err(damage) }
    }

    fn prove_stretch(
        &self,
        blob: &CatalogBlob,
        from: usize,
        progress: &dyn Progress,
    ) -> Result<(), VerifyError> {
        let listed = BlobPath::of(&blob.digest)
            .and_then(|path| Some((path, self.medium().get(&path.into())?)));
        let (path, piece) = listed.ok_or(super::StoryError::Unlisted(blob.digest))?;
        let mut reader = BlobReader::stretch(path, piece, blob, from, from + STRETCH)?;
        loop {
            let count = reader.fill_buf().map_err(VerifyError::from_io)?.len();
            if count == 0 {
                return Ok(());
            }
            progress.advance(count as u64);
            reader.consume(count);
        }
    }
}

#[cfg(test)]
mod tests;
