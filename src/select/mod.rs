//! What travels: names become digests, once, and are written down.
//!
//! A [`Wish`] is what somebody asks for in one word; [`read`] finds them in files of many kinds;
//! [`expand`] asks registries which images a pattern means now; [`pin`] asks a source what one of them
//! is and what refers to it; a [`Lock`] holds the answers. After the lock nothing depends on the
//! network any more.

mod chart;
mod check;
mod expand;
mod formats;
mod list;
mod lock;
mod pattern;
mod resolve;
mod walk;
mod wish;

#[cfg(test)]
mod tests;

pub use check::{Attached, Change, check};
pub use expand::{Asked, expand, is_brought};
pub use formats::{Blocked, Kind, List, ListFile, MAX_FILE_SIZE, read};
pub use list::{ListError, MAX_LIST_SIZE, parse_list};
pub use lock::{Lock, LockError, MAX_LOCK_SIZE};
pub use pattern::{Filter, MAX_PATTERN, PatternError};
pub use resolve::{KindGlob, Options, Referrers, Request, pin};
pub use walk::{MAX_DEPTH, MAX_DOCUMENTS};
pub use wish::{Wish, WishError};

use crate::files::FileError;
use crate::oci::{Digest, Platform, Reference};
use crate::source::{ChartError, SourceError};
use crate::yaml::{Shape, YamlError};

/// Something that somebody asks for.
#[derive(Debug, Clone)]
pub struct ListEntry {
    /// What.
    pub wish: Wish,
    /// Who: the argument, or the file with its line and what stands there.
    pub why: String,
}

/// Why what was asked for cannot be selected.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// A text that asks for nothing. The input's fault.
    #[error("{}: {error}", .why.escape_debug())]
    Wish {
        /// Where it stands.
        why: String,
        /// What is wrong with it.
        error: WishError,
    },
    /// A pattern that nothing matches. The input's fault.
    #[error("{}: nothing matches {}", .why.escape_debug(), .pattern.escape_debug())]
    NoMatch {
        /// Where it stands.
        why: String,
        /// The pattern.
        pattern: String,
    },
    /// Which images are newest is asked, and one does not say when it was made. The input's fault.
    #[error("{name} does not say when it was made")]
    Undated {
        /// The image.
        name: Reference,
    },
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
    /// A chart cannot be read, or an image in it is not one. The input's fault.
    #[error("{}: {error}", .why.escape_debug())]
    Chart {
        /// Where the chart, or the value in it, stands.
        why: String,
        /// What is wrong.
        error: ChartError,
    },
    /// A list that should be YAML is not. The input's fault.
    #[error("{}:{line}: {error}", .file.escape_debug())]
    Yaml {
        /// The file, as the user wrote it.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        error: YamlError,
    },
    /// A list of a known kind says something that is not taken. The input's fault.
    #[error("{}:{}: {error}", .file.escape_debug(), .error.line)]
    Format {
        /// The file, as the user wrote it.
        file: String,
        /// What, and where.
        error: Shape,
    },
    /// A list of no known kind. The input's fault.
    #[error("{}:{line}: not a list of a known kind, but {}", .file.escape_debug(), .what.escape_debug())]
    UnknownKind {
        /// The file, as the user wrote it.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What there is instead.
        what: String,
    },
    /// A list that asks for nothing. The input's fault.
    #[error("{}: there is no image in it", .file.escape_debug())]
    Nothing {
        /// The file, as the user wrote it.
        file: String,
    },
    /// A file that a list names cannot be used.
    #[error(transparent)]
    File(FileError),
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
