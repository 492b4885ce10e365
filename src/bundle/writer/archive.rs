//! An archive or a volume that is being written.

use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::blob::Member;
use super::spread::Shelf;
use crate::bundle::path::BundlePath;
use crate::bundle::ustar;
use crate::files::{FileError, PartFile};

/// An archive or a volume.
pub(super) struct Archive {
    /// `None` once it is finished.
    pub file: Option<Arc<PartFile>>,
    pub shelf: Shelf,
}

impl Archive {
    /// Writes what stands behind all blobs, ends the archive, syncs it and gives it its name.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn finish<'a>(
        &mut self,
        heads: impl IntoIterator<Item = (BundlePath, &'a [u8])>,
    ) -> Result<(), FileError> {
        let Some(file) = self.file.take() else { return Ok(()) };
        for (head, bytes) in heads {
            let size = bytes.len() as u64;
            let mut member = Member::start(Arc::clone(&file), self.shelf.end, head, size)?;
            let written = member.write_all(bytes);
            written.map_err(|error| FileError::io("write", file.path(), error))?;
            member.finish()?;
            self.shelf.end += ustar::member_size(size);
        }
        let file = Arc::into_inner(file).expect("every member is finished");
        // An interrupted work may have written further.
        file.cut(self.shelf.end)?;
        let trailer = [0; ustar::TRAILER as usize];
        let written = file.as_file().write_all_at(&trailer, self.shelf.end);
        written.map_err(|error| FileError::io("write", file.path(), error))?;
        file.commit()
    }
}
