//! How large the requests of an upload are.
//!
//! A blob goes up in one request; where that is too large for the registry or for something before
//! it, in pieces, which become smaller as long as they are refused. What a registry was found to
//! take is remembered.
//!
//! Withstands: a registry that states a least size for pieces which no memory holds, or that
//! refuses pieces of every size. Source: distribution-spec 1.1, "Pushing a blob in chunks".

use super::answer::Response;

/// What nearly every registry takes in one request, in bytes.
const FIRST: u64 = 4 * 1024 * 1024;
/// Smaller pieces are not tried, in bytes.
const LEAST: u64 = 512 * 1024;
/// A piece is held in memory: no registry gets larger ones, in bytes.
const MOST: u64 = 64 * 1024 * 1024;

/// In what the bytes of one blob go up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pieces {
    /// The size of a piece in bytes; `None` for all at once.
    size: Option<u64>,
    /// The registry takes no smaller ones but for the last.
    least: u64,
}

impl Pieces {
    /// As `size` says, which was found out before.
    pub(super) fn of(size: Option<u64>) -> Pieces {
        Pieces { size, least: 0 }
    }

    /// The size of a piece for a blob of `total` bytes; `None` when it goes up at once.
    pub(super) fn size(&self, total: u64) -> Option<u64> {
        self.size.filter(|size| *size < total)
    }

    /// As [`Pieces::size`], of at most `most` bytes where the registry takes pieces so small; `None`
    /// when it takes none that memory holds.
    pub(super) fn up_to(&self, most: u64, total: u64) -> Option<u64> {
        let size = self.size(total).unwrap_or(most).max(self.least);
        (size <= MOST).then_some(size)
    }

    /// What to remember for other blobs.
    pub(super) fn found(&self) -> Option<u64> {
        self.size
    }

    /// Takes notice of `OCI-Chunk-Min-Length`.
    pub(super) fn hear(&mut self, answer: &Response) {
        let stated =
            answer.header("oci-chunk-min-length").and_then(|text| text.trim().parse().ok());
        self.least = stated.unwrap_or(self.least);
        self.size = self.size.map(|size| size.max(self.least).min(MOST));
    }

    /// Smaller pieces for a blob of `total` bytes; false when there are none to try.
    pub(super) fn shrink(&mut self, total: u64) -> bool {
        let smaller = self.size(total).map_or(FIRST, |size| size / 2).max(self.least);
        let fits = smaller < self.size(total).unwrap_or(total) && (LEAST..=MOST).contains(&smaller);
        if fits {
            self.size = Some(smaller);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn pieces_become_smaller_and_end() {
        let mut pieces = Pieces::of(None);
        assert_eq!(pieces.size(100 * MIB), None);
        let mut sizes = Vec::new();
        while pieces.shrink(100 * MIB) {
            sizes.push(pieces.size(100 * MIB).unwrap() / 1024);
        }
        assert_eq!(sizes, [4096, 2048, 1024, 512]);
        assert!(!Pieces::of(None).shrink(FIRST), "one piece would be all of it");
        assert_eq!(Pieces::of(Some(FIRST)).size(FIRST), None);
    }

    #[test]
    fn a_least_size_is_kept_while_memory_holds_it() {
        let mut pieces = Pieces { size: None, least: 5 * MIB };
        assert!(pieces.shrink(20 * MIB));
        assert_eq!(pieces.size(20 * MIB), Some(5 * MIB));
        assert!(!pieces.shrink(20 * MIB));
        let mut pieces = Pieces { size: None, least: MOST + 1 };
        assert!(!pieces.shrink(u64::MAX));
        assert_eq!(pieces.up_to(MIB, u64::MAX), None);
        assert_eq!(Pieces { size: None, least: 5 * MIB }.up_to(MIB, 20 * MIB), Some(5 * MIB));
        assert_eq!(Pieces::of(Some(FIRST)).up_to(16 * MIB, 20 * MIB), Some(FIRST));
    }
}
