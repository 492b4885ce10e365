//! Why content that is there is not given out.

use crate::files::FileError;
use crate::layout::LayoutError;
use crate::verify::VerifyError;

/// Why content that is there is not given out; with the words for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// It is not what its digest says.
    #[error("{0}")]
    Damaged(String),
    /// It could not be read.
    #[error("{0}")]
    Unreadable(String),
}

impl Fault {
    /// A thread or a task ended without an answer.
    pub(super) fn interrupted() -> Fault {
        Fault::Unreadable("the work was interrupted".to_owned())
    }
}

impl From<VerifyError> for Fault {
    fn from(error: VerifyError) -> Fault {
        let words = error.to_string();
        match error {
            VerifyError::File(FileError::Io { .. }) | VerifyError::Content { .. } => {
                Fault::Unreadable(words)
            }
            _ => Fault::Damaged(words),
        }
    }
}

impl From<LayoutError> for Fault {
    fn from(error: LayoutError) -> Fault {
        let words = error.to_string();
        match error {
            LayoutError::Manifest(_) => Fault::Damaged(words),
            _ => Fault::Unreadable(words),
        }
    }
}
