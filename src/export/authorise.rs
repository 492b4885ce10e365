//! Whether those who are to seal a bundle may: asked before anything is written.
//!
//! Whoever imports the bundle asks again ([`crate::verify`]); this spares the way.

use super::{ExportError, Order};

/// The epoch of the bundle. With trust documents it is that of the stream, and every signer must be
/// one of the stream's keys. That more of them must sign is no ground for a refusal: they may do so
/// later.
///
/// # Errors
/// [`ExportError::UnknownStream`], [`ExportError::MayNotSeal`].
pub(super) fn authorise(order: &Order<'_>) -> Result<u64, ExportError> {
    let Some(chain) = order.chain else { return Ok(order.epoch) };
    let (document, name) = (chain.newest(), &order.stream);
    let unknown = || ExportError::UnknownStream { stream: name.clone(), number: document.number };
    let stream = document.streams.get(name).ok_or_else(unknown)?;
    for signer in order.signers {
        let key_id = signer.public().key_id();
        let listed = document.keys.get(&key_id).filter(|_| stream.keys.contains(&key_id));
        if !listed.is_some_and(|key| key.is_valid_at(order.created)) {
            return Err(ExportError::MayNotSeal { key_id, stream: name.clone() });
        }
    }
    Ok(stream.epoch)
}
