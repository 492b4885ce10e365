//! What travels: names become digests, once, and are written down.
//!
//! [`parse_list`] reads the images that somebody wrote down; [`pin`] asks a source what one of them
//! is and what refers to it; a [`Lock`] holds the answers. After the lock nothing depends on the
//! network any more.

mod check;
mod list;
mod lock;
mod resolve;
mod walk;

#[cfg(test)]
mod tests;

pub use check::{Attached, Change, check};
pub use list::{ListEntry, ListError, MAX_LIST_SIZE, parse_list};
pub use lock::{Lock, LockError, MAX_LOCK_SIZE};
pub use resolve::{Options, Request, pin};
pub use walk::{MAX_DEPTH, MAX_DOCUMENTS};

use crate::oci::{Digest, Platform, Reference};
use crate::source::SourceError;

/// Why what was asked for cannot be selected.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// The source has it not, cannot be reached, or gives something malformed.
    #[error("{name}: {error}")]
    Source {
        /// The image.
        name: Reference,
        /// The source's word.
        error: SourceError,
    },
    /// The config of an image cannot be read, so its platform is not known.
    #[error("{name}: cannot read the config {config}: {error}")]
    Config {
        /// The image.
        name: Reference,
        /// The config.
        config: Digest,
        /// What went wrong.
        error: std::io::Error,
    },
    /// The name says one digest, the source gives another. The input's fault.
    #[error("{name}: the source gives {found}")]
    OtherDigest {
        /// The image.
        name: Reference,
        /// The digest of what there is.
        found: Digest,
    },
    /// The image is not made for a platform that is wanted. The input's fault.
    #[error("{name} has no {wanted}; it has {}", list_platforms(.offered))]
    NoPlatform {
        /// The image.
        name: Reference,
        /// The platform asked for.
        wanted: Platform,
        /// Those that there are.
        offered: Vec<Platform>,
    },
    /// Indexes nest too deep. The input's fault.
    #[error("{name}: {digest} is nested in more than {MAX_DEPTH} indexes")]
    TooDeep {
        /// The image.
        name: Reference,
        /// The document at which it is too much.
        digest: Digest,
    },
    /// More documents than an image may have. The input's fault.
    #[error("{name} has more than {MAX_DOCUMENTS} manifests, indexes and referrers")]
    TooMany {
        /// The image.
        name: Reference,
    },
    /// One name for two different images. The input's fault.
    #[error(
        "{name} is {first} ({}) and also {second} ({})",
        .first_why.escape_debug(),
        .second_why.escape_debug()
    )]
    Conflict {
        /// The name.
        name: Reference,
        /// What it is once.
        first: Digest,
        /// Who asked for that.
        first_why: String,
        /// What it is the other time.
        second: Digest,
        /// Who asked for that.
        second_why: String,
    },
    /// A list file is malformed. The input's fault.
    #[error("{}:{line}: {error}", .file.escape_debug())]
    List {
        /// The file, as the user wrote it.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        error: ListError,
    },
    /// A lock file is malformed. The input's fault.
    #[error("{}: {error}", .file.escape_debug())]
    Lock {
        /// The file, as the user wrote it.
        file: String,
        /// What is wrong with it.
        error: LockError,
    },
}

fn list_platforms(platforms: &[Platform]) -> String {
    let names: Vec<String> = platforms.iter().take(50).map(ToString::to_string).collect();
    match names.is_empty() {
        true => "none that it states".to_owned(),
        false => names.join(", "),
    }
}
