//! Errors of trust documents.

use super::super::failure::{Exit, Failure};
use crate::trust::{ChainError, PaperError};

const OTHER_WAY: &str = "ask those who sign the documents, by another way than the medium";

impl From<ChainError> for Failure {
    fn from(error: ChainError) -> Failure {
        use ChainError as E;
        let (exit, code, hint) = match &error {
            E::File(_) | E::Paper(_) | E::Signature { .. } => return inner(error),
            E::None => {
                (Exit::Usage, "no-trust-documents", "they are called trust-000001 and so on")
            }
            E::NotPinned { .. } => (Exit::Damaged, "trust-digest", OTHER_WAY),
            E::Fork { .. } => (Exit::Damaged, "trust-fork", OTHER_WAY),
            E::Document { .. } => (Exit::Damaged, "bad-trust-document", OTHER_WAY),
            E::Broken { .. } => (Exit::Damaged, "trust-contradiction", OTHER_WAY),
            E::Threshold { .. } => {
                (Exit::NotAllowed, "root-threshold", "see who signed with `gapferry trust show`")
            }
            E::RootsPast { .. } => (
                Exit::NotAllowed,
                "root-keys-past",
                "is the clock right? else accept a newer document anew, by its digest",
            ),
            E::NoDraft => {
                (Exit::Usage, "no-draft", "make one with `gapferry trust add` or `remove`")
            }
            E::SignedInPart { .. } => (
                Exit::Usage,
                "signed-in-part",
                "collect the other signatures, or remove those that are there",
            ),
            E::Unlisted { .. } => {
                (Exit::Usage, "not-in-document", "see what is with `gapferry trust show`")
            }
            E::NotRoot { .. } => {
                (Exit::NotAllowed, "not-a-root-key", "see the keys with `gapferry trust show`")
            }
        };
        Failure::new(exit, code, error).hint(hint)
    }
}

fn inner(error: ChainError) -> Failure {
    match error {
        ChainError::File(error) => error.into(),
        ChainError::Paper(error) => error.into(),
        ChainError::Signature { number, error } => {
            Failure::from(error).at(format!("trust document {number}"))
        }
        error => Failure::new(Exit::Damaged, "bad-trust-document", error),
    }
}

impl From<PaperError> for Failure {
    fn from(error: PaperError) -> Failure {
        let (exit, code) = match &error {
            PaperError::TooMany => (Exit::Damaged, "too-many-trust-documents"),
            PaperError::TooLarge { .. } => (Exit::Damaged, "trust-too-large"),
            PaperError::Signatures { .. } => (Exit::Damaged, "too-many-trust-signatures"),
            PaperError::Gap { .. } => (Exit::Damaged, "trust-gap"),
        };
        Failure::new(exit, code, error).hint(OTHER_WAY)
    }
}
