//! Step 5: is the bundle meant for here and now, and for what comes next here.
//!
//! Withstands: bundles that are genuine and too old, for another site, or were made obsolete by a
//! newer one; two bundles in one place of a stream; a clock that was set back. Normative text:
//! `formats/seal.md`.

use super::VerifyError;
use crate::bundle::{Name, Seal, Timestamp};
use crate::memory::{Memory, Place, Standing};
use crate::oci::Digest;

/// Where and when a bundle is verified, and what was imported there.
#[derive(Debug, Clone)]
pub struct Site {
    /// The time, according to the clock.
    pub now: Timestamp,
    /// What seals call this place; `None` for a place without a name.
    pub name: Option<Name>,
    /// What was imported here; empty for a place that remembers nothing.
    pub memory: Memory,
    /// Whether a bundle may be older than what was imported.
    pub restore: Restore,
    /// The epoch of the stream, for somebody who knows it otherwise than by trust documents: a maker.
    pub epoch: Option<u64>,
}

/// Whether a bundle may be older than what was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restore {
    /// It may not.
    No,
    /// It may come to this target, if nothing newer of its stream came there.
    To(Place),
    /// It may be looked at; it is not brought anywhere.
    Look,
}

impl Site {
    /// A place without a name and without a memory.
    pub fn at(now: Timestamp) -> Site {
        Site { now, name: None, memory: Memory::default(), restore: Restore::No, epoch: None }
    }

    /// The time: never earlier than a time that is known to have been signed.
    pub fn time(&self) -> Timestamp {
        self.memory.time(self.now)
    }
}

/// Takes or refuses a genuine seal, whose digest is `digest`, of a stream that is known to be at
/// `epoch`, if anybody says so.
///
/// # Errors
/// Those of step 5.
pub(super) fn admit(
    seal: &Seal,
    digest: &Digest,
    site: &Site,
    epoch: Option<u64>,
) -> Result<(), VerifyError> {
    let now = site.time();
    if let Some(expires) = seal.expires.filter(|expires| *expires <= now) {
        return Err(VerifyError::Expired { expires, now });
    }
    if let Some(bundle) = seal.destination.clone().filter(|name| site.name.as_ref() != Some(name)) {
        return Err(VerifyError::Destination { bundle, site: site.name.clone() });
    }
    check_epoch(seal, &site.memory, epoch)?;
    check_order(seal, digest, site)
}

/// Only a trust document raises an epoch, for whoever raises it makes all that came before obsolete.
fn check_epoch(seal: &Seal, memory: &Memory, known: Option<u64>) -> Result<(), VerifyError> {
    let (epoch, older_may_pass) = match (known, memory.newest(&seal.stream)) {
        (Some(epoch), _) => (epoch, false),
        // What is lower is found to be replayed.
        (None, Some(newest)) => (newest.epoch, true),
        (None, None) => (1, false),
    };
    match seal.epoch == epoch || (older_may_pass && seal.epoch < epoch) {
        true => Ok(()),
        false => Err(VerifyError::Epoch { stream: seal.stream.clone(), bundle: seal.epoch, epoch }),
    }
}

fn check_order(seal: &Seal, digest: &Digest, site: &Site) -> Result<(), VerifyError> {
    let (stream, bundle) = (seal.stream.clone(), (seal.epoch, seal.sequence));
    match (site.memory.standing(seal, digest), &site.restore) {
        (Standing::First | Standing::Newer(_) | Standing::Same(_), _) => Ok(()),
        (Standing::Twin(other), _) => {
            Err(VerifyError::Equivocation { stream, bundle, seals: [other.seal, *digest] })
        }
        (Standing::Older(newest), Restore::No) => {
            Err(VerifyError::Replayed { stream, bundle, newest: newest.position() })
        }
        (Standing::Older(_), Restore::Look) => Ok(()),
        (Standing::Older(_), Restore::To(place)) => match site.memory.reached(&stream, place) {
            Some(reached) if reached > bundle => {
                Err(VerifyError::RestoreOwnTarget { place: place.clone(), stream, bundle, reached })
            }
            _ => Ok(()),
        },
    }
}

#[cfg(test)]
mod tests;
