//! How much parity there is: for whoever looks at a bundle.

use std::path::PathBuf;

use super::ParityError;
use super::geometry::Geometry;
use super::pages::Set;
use super::place::Found;
use crate::bundle::Part;
use crate::oci::Digest;

/// The parity of a bundle, as it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// How many files of it are there.
    pub files: usize,
    /// How many there should be.
    pub of: usize,
    /// Bytes of parity, without the index.
    pub bytes: u64,
    /// The shape of the groups.
    pub geometry: Geometry,
    /// How many volumes, whichever, may be lost when nothing else is; parity's own among them.
    pub volumes: usize,
}

impl Survey {
    /// What parity lies in `places` of the bundle with the seal `seal`. Nothing of it is proven.
    ///
    /// # Errors
    /// Every [`ParityError`] about reading.
    pub fn look(places: &[PathBuf], seal: Digest) -> Result<Vec<Survey>, ParityError> {
        let sets = Set::all(&Found::look(places)?.parity)?;
        Ok(sets.iter().filter(|set| set.index.seal == seal).map(Survey::of).collect())
    }

    fn of(set: &Set) -> Survey {
        let (index, geometry) = (&set.index, set.index.geometry);
        let volumes = index.parts.iter().filter(|(part, _)| matches!(part, Part::Volume(_)));
        let share = |size: &u64| geometry.share(size.div_ceil(geometry.block));
        let mut costs: Vec<u64> = volumes.map(|(_, size)| share(size)).collect();
        if !costs.is_empty() {
            costs.extend(&index.files);
        }
        costs.sort_unstable_by(|a, b| b.cmp(a));
        let mut left = geometry.parity;
        let bearable = costs.iter().take_while(|cost| {
            let enough = **cost <= left;
            left = left.saturating_sub(**cost);
            enough
        });
        Survey {
            volumes: bearable.count(),
            files: set.volumes.len(),
            of: index.files.len(),
            bytes: geometry.parity * geometry.row(),
            geometry,
        }
    }
}
