//! Media that are written one after the other in one drive.
//!
//! What is on a medium that is taken out is synced and complete, but for the head files: those are known
//! at the end alone, and lie on the last one. Blobs are announced one by one, and nothing is being
//! written while the medium is changed.

use super::leftovers::Leftovers;
use super::{State, WriteError, Writer};
use crate::bundle::volumes::LABEL;
use crate::files;

/// Puts the next medium in the place of one that is written.
pub trait Changer: Send + Sync {
    /// So many media are written and synced. Gives how many bytes of volumes the next may take.
    ///
    /// # Errors
    /// [`NotChanged`]; the export ends then.
    fn change(&self, done: usize) -> Result<u64, NotChanged>;
}

/// No medium came. Why is known to the [`Changer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotChanged;

impl Writer {
    /// True when blobs must be announced and written one by one, for the medium may be changed
    /// between them.
    pub fn is_in_turn(&self) -> bool {
        self.changer.is_some()
    }

    /// Finishes the medium, has it changed, and begins the next.
    pub(super) fn change(&self, state: &mut State) -> Result<(), WriteError> {
        let Some(changer) = &self.changer else { return Ok(()) };
        let at = state.medium;
        let root = state.spread.rooms[at].root.clone();
        for archive in state.archives.iter_mut().filter(|archive| archive.shelf.medium == at) {
            archive.finish([])?;
        }
        let label = state.spread.label(at, &state.volumes(at), None);
        files::write_atomic(&root.join(LABEL), label.as_bytes())?;
        // It is not touched any more: what fails later fails on another medium.
        std::mem::take(&mut *self.made()).into_iter().for_each(Leftovers::stay);
        let room = changer.change(at + 1).map_err(|NotChanged| WriteError::NotChanged(at + 1))?;
        state.medium = at + 1;
        let next = &mut state.spread.rooms[at + 1];
        next.bytes = room;
        let made = Leftovers::create(&next.root)?;
        let label = next.root.join(LABEL);
        files::write_atomic(&label, state.spread.unfinished(at + 1).as_bytes())?;
        self.made().push(made);
        Ok(())
    }
}
