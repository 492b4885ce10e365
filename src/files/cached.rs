//! Reading what is on a medium, and not what the system still has of it in memory.

use std::fs::File;

use rustix::fs::{Advice, fadvise};

/// Has the system drop the pages that it holds of `file`. Those that are not written out yet stay,
/// so sync first; and it is an advice, which some file systems do not take.
pub fn forget(file: &File) {
    // What is declined is read all the same, from wherever it is.
    let _ = fadvise(file, 0, None, Advice::DontNeed);
}
