//! What is still there of a bundle of which some bytes are lost: to say which images are.
//!
//! Members of archives are found by their headers, also behind a header that is lost: a place that
//! begins with a header that a bundle may have is taken for one. That decides nothing but what a report
//! says.

use std::ops::Range;
use std::path::PathBuf;

use super::medium::{Medium, MediumError, Member};
use super::part::{Part, ReadAt};
use super::ustar;

/// Bytes that are looked through at a time.
const RUN: u64 = 64 * 1024;

/// A file that a bundle lies in: its name for people, its size and content, and which of its bytes are
/// lost, in order.
pub struct Remains {
    /// Which file.
    pub part: Part,
    /// Its name for people.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Its content; what is lost cannot be read.
    pub content: Box<dyn ReadAt>,
    /// Bytes that are lost.
    pub lost: Vec<Range<u64>>,
}

impl Remains {
    fn is_whole(&self, offset: u64, size: u64) -> bool {
        let end = offset.saturating_add(size);
        !self.lost.iter().any(|lost| lost.start < end && offset < lost.end)
    }

    /// The members of an archive that are whole, with their places and sizes.
    fn members(&self) -> Vec<Member> {
        let mut members = Vec::new();
        let mut offset = 0;
        while let Some((name, at, size)) = self.next(offset) {
            offset = at + ustar::member_size(size);
            if self.is_whole(at, ustar::BLOCK + size) {
                members.push((name, at + ustar::BLOCK, size));
            }
        }
        members
    }

    /// The first header from `offset` on.
    fn next(&self, mut offset: u64) -> Option<Member> {
        let mut run = vec![0; RUN as usize];
        while offset + ustar::BLOCK <= self.size {
            if let Some(lost) = self.lost.iter().find(|lost| lost.contains(&offset)) {
                offset = lost.end.next_multiple_of(ustar::BLOCK);
                continue;
            }
            let next = self.lost.iter().map(|lost| lost.start).find(|start| *start > offset);
            let end = next.unwrap_or(self.size).min(self.size).min(offset + RUN);
            let run = &mut run[..(end - offset) as usize];
            self.content.read_exact_at(run, offset).ok()?;
            for block in run.chunks(ustar::BLOCK as usize) {
                let header = block.try_into().ok().and_then(ustar::parse);
                let fits =
                    |size: u64| size <= self.size && offset + ustar::member_size(size) <= self.size;
                match header.filter(|(_, size)| fits(*size)) {
                    Some((name, size)) => return Some((name, offset, size)),
                    None => offset += ustar::BLOCK,
                }
            }
        }
        None
    }
}

impl Medium {
    /// The files of a bundle that are whole, for a report.
    ///
    /// # Errors
    /// Every [`MediumError`].
    pub fn remaining(parts: impl IntoIterator<Item = Remains>) -> Result<Medium, MediumError> {
        let mut pieces = Vec::new();
        for part in parts {
            let found = match part.part {
                Part::File(path) if part.is_whole(0, part.size) => vec![(path, 0, part.size)],
                Part::File(_) => Vec::new(),
                Part::Archive | Part::Volume(_) => part.members(),
            };
            pieces.push(((part.path, part.content), found));
        }
        Medium::of(pieces)
    }
}
