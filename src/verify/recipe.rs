//! Following a recipe: the plain bytes of a layer, from any place on.

use super::VerifyError;
use super::workshop::Workshop;
use crate::bundle::{Extent, Layer};

/// A recipe, ready to be followed.
pub struct Recipe<'a> {
    layer: &'a Layer,
    workshop: &'a Workshop<'a>,
    /// Where in the layer's plain bytes each extent begins.
    starts: Vec<u64>,
}

impl<'a> Recipe<'a> {
    /// The recipe of `layer`.
    pub fn new(workshop: &'a Workshop<'a>, layer: &'a Layer) -> Recipe<'a> {
        let mut at = 0;
        let start = |Extent(_, _, length): &Extent| {
            at += length;
            at - length
        };
        Recipe { layer, workshop, starts: layer.extents.iter().map(start).collect() }
    }

    /// The plain bytes from `from` to `to`, or to their end.
    ///
    /// # Errors
    /// What the workshop says of the content that they come from.
    pub fn plain(&self, from: u64, to: u64) -> Result<Vec<u8>, VerifyError> {
        let to = to.min(self.layer.plain);
        let mut bytes = vec![0; to.saturating_sub(from) as usize];
        let (mut at, mut rest) = (from, bytes.as_mut_slice());
        let mut extent = self.starts.partition_point(|start| *start <= from).saturating_sub(1);
        while !rest.is_empty() {
            let Extent(source, offset, length) = self.layer.extents[extent];
            let inside = at - self.starts[extent];
            let (now, later) = rest.split_at_mut(rest.len().min((length - inside) as usize));
            self.workshop.fill(&self.layer.from[source as usize], offset + inside, now)?;
            at += now.len() as u64;
            (rest, extent) = (later, extent + 1);
        }
        Ok(bytes)
    }
}
