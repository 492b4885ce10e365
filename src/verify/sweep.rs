//! Steps 8 and 9 for all blobs and layers at once, on every core: the marks let stretches of one
//! blob be proven side by side.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io::BufRead as _;

use rayon::prelude::*;

use super::VerifyError;
use super::blob::BlobReader;
use super::contents::Contents;
use super::workshop::Workshop;
use crate::bundle::{BlobPath, CatalogBlob, Layer};
use crate::oci::Digest;
use crate::pool;
use crate::report::Progress;

/// Blocks that one worker proves in a row: long enough to read from a disk in order.
const STRETCH: usize = 64;
/// Layers that are made side by side; each uses several cores where its encoder allows it.
const LAYERS: usize = 4;

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

    /// Makes every packed layer and proves it (step 9), and gives the number of those that cannot
    /// be made here because they take content from the destination.
    ///
    /// # Errors
    /// What is wrong with the layers, in the order of their digests.
    pub fn prove_layers(&self, progress: &dyn Progress) -> Result<usize, Vec<VerifyError>> {
        let catalog = self.catalog();
        let bases: BTreeSet<Digest> = catalog.bases.iter().map(|base| base.blob.digest).collect();
        let makeable = |layer: &&Layer| !layer.from.iter().any(|from| bases.contains(from));
        let layers: Vec<&Layer> = catalog.layers.iter().filter(makeable).collect();
        progress.begin("making layers", layers.iter().map(|layer| layer.blob.size).sum());
        let workshop = Workshop::new(self, None);
        let made = pool::run(LAYERS, &layers, |layer| {
            let proven = prove_layer(&workshop, layer, progress);
            Ok::<_, Infallible>(proven.err())
        });
        progress.end();
        let damage: Vec<VerifyError> = made.into_iter().flatten().flatten().collect();
        if damage.is_empty() { Ok(catalog.layers.len() - layers.len()) } else { Err(damage) }
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
        read_all(BlobReader::stretch(path, piece, blob, from, from + STRETCH)?, progress)
    }
}

fn prove_layer(
    workshop: &Workshop<'_>,
    layer: &Layer,
    progress: &dyn Progress,
) -> Result<(), VerifyError> {
    read_all(workshop.blob(&layer.blob.digest)?, progress)
}

fn read_all(mut reader: BlobReader<'_>, progress: &dyn Progress) -> Result<(), VerifyError> {
    loop {
        let count = reader.fill_buf().map_err(VerifyError::from_io)?.len();
        if count == 0 {
            return Ok(());
        }
        progress.advance(count as u64);
        reader.consume(count);
    }
}

#[cfg(test)]
mod tests;
