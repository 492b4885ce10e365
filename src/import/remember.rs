//! Step 12: what was imported is remembered, so that nothing older is taken after it.

use super::Summary;
use crate::bundle::Timestamp;
use crate::memory::{Arrival, Entry, Held, MemoryError, Place, Standing};
use crate::verify::VerifiedBundle;

/// Remembers that `bundle` came to `place`, unless some of what was asked for is missing there, or some
/// of the bundle on the medium: then the same bundle can still come, mended. Says whether the memory got
/// a line. An older bundle that was restored moves nothing.
///
/// # Errors
/// When the memory cannot be written.
pub fn remember(
    memory: &mut Held,
    bundle: &VerifiedBundle,
    summary: &Summary,
    place: &Place,
    now: Timestamp,
) -> Result<bool, MemoryError> {
    if !summary.is_whole() || !bundle.get().gaps().is_empty() {
        return Ok(false);
    }
    let (seal, digest) = (bundle.get().seal(), bundle.get().seal_digest());
    let arrival = Arrival::of(seal, digest, place.clone());
    let entry = match memory.memory().standing(seal, &digest) {
        Standing::Older(_) => Entry::Restore(arrival),
        _ => Entry::Import(arrival),
    };
    memory.note(entry, now)
}
