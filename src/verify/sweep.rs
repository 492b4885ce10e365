//! Steps 8 and 9 for all blobs and layers at once, on every core: the marks let stretches of one
//! blob be proven side by side.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io::BufRead as _;

use rayon::prelude::*;

use super::VerifyError;
use super::blob::BlobReader;
use super::contents::Contents;
use super::lost::Hurt;
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
        let hurt = self.hurt_blobs(progress);
        let damage: Vec<VerifyError> = hurt.into_iter().map(|hurt| hurt.error).collect();
        if damage.is_empty() { Ok(()) } else { Err(damage) }
    }

    /// Reads every stored blob and every pack and proves it, but for what is among the gaps. What is
    /// hurt, in the order of the digests; a blob that is damaged in several stretches is there with
    /// each.
    pub fn hurt_blobs(&self, progress: &dyn Progress) -> Vec<Hurt> {
        let there = |blob: &&CatalogBlob| !self.is_gap(&blob.digest);
        let mut blobs: Vec<&CatalogBlob> = self.catalog().files().filter(there).collect();
        blobs.sort_by_key(|blob| blob.digest);
        progress.begin("verifying", blobs.iter().map(|blob| blob.size).sum());
        let stretches: Vec<_> = blobs
            .into_iter()
            .flat_map(|blob| {
                (0..=blob.marks.0.len()).step_by(STRETCH).map(move |from| (blob, from))
            })
            .collect();
        let damage: Vec<Hurt> = stretches
            .par_iter()
            .filter_map(|(blob, from)| {
                let error = self.prove_stretch(blob, *from, progress).err()?;
                Some(Hurt { digest: blob.digest, error })
            })
            .collect();
        progress.end();
        damage
    }

    /// Makes every packed layer and proves it (step 9), and gives the number of those that cannot
    /// be made here because they take content from the destination.
    ///
    /// # Errors
    /// What is wrong with the layers, in the order of their digests.
    pub fn prove_layers(&self, progress: &dyn Progress) -> Result<usize, Vec<VerifyError>> {
        let (made, hurt) = self.hurt_layers(&BTreeSet::new(), progress);
        let damage: Vec<VerifyError> = hurt.into_iter().map(|hurt| hurt.error).collect();
        if damage.is_empty() { Ok(self.catalog().layers.len() - made) } else { Err(damage) }
    }

    /// Makes every packed layer that takes nothing from the destination or from what is `hurt`, and
    /// proves it: how many were tried, and those that cannot be made, in the order of their digests.
    pub fn hurt_layers(
        &self,
        hurt: &BTreeSet<Digest>,
        progress: &dyn Progress,
    ) -> (usize, Vec<Hurt>) {
        let catalog = self.catalog();
        let bases: BTreeSet<Digest> = catalog.bases.iter().map(|base| base.blob.digest).collect();
        let lacks = |from: &Digest| bases.contains(from) || hurt.contains(from);
        let makeable = |layer: &&Layer| !layer.from.iter().any(lacks);
        let layers: Vec<&Layer> = catalog.layers.iter().filter(makeable).collect();
        progress.begin("making layers", layers.iter().map(|layer| layer.blob.size).sum());
        let workshop = Workshop::new(self, None);
        let made = pool::run(LAYERS, &layers, |layer| {
            let proven = prove_layer(&workshop, layer, progress);
            let hurt = |error| Hurt { digest: layer.blob.digest, error };
            Ok::<_, Infallible>(proven.err().map(hurt))
        });
        progress.end();
        (layers.len(), made.into_iter().flatten().flatten().collect())
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
