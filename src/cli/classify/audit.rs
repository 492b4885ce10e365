//! Errors of the audit log, and of receipts.

use super::super::failure::{Exit, Failure};
use crate::audit::AuditError;
use crate::receipt::ReceiptError;

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Failure {
        use AuditError as E;
        let (exit, code, hint) = match error {
            E::File(error) => return error.into(),
            E::Sign(error) => return error.into(),
            E::Record { .. } | E::Cut { .. } | E::Rewritten { .. } => (
                Exit::Damaged,
                "bad-log",
                "keep it as it is, and find out who changed it; another log: --log FILE",
            ),
            E::Origin { .. } => {
                (Exit::Usage, "other-log", "give the log that the checkpoint was made of")
            }
            E::Checkpoint { .. } => {
                (Exit::Damaged, "bad-checkpoint", "keep it, and find out who changed it")
            }
            E::NoRecord { .. } => {
                (Exit::Usage, "no-record", "see `gapferry log show`, or make a newer checkpoint")
            }
            E::Full { .. } => (Exit::Failed, "log-full", "begin another log: --log FILE"),
        };
        Failure::new(exit, code, error).hint(hint)
    }
}

impl From<ReceiptError> for Failure {
    fn from(error: ReceiptError) -> Failure {
        use ReceiptError as E;
        let (exit, code, hint) = match error {
            E::File(error) => return error.into(),
            E::Trust(error) => return error.into(),
            E::Exists(_) => {
                (Exit::Failed, "exists", "gapferry overwrites nothing: choose another place")
            }
            E::Malformed(_) | E::TooLarge => {
                (Exit::Damaged, "bad-receipt", "nothing of it is proven; ask the site for it anew")
            }
            E::OtherBundle { .. } => {
                (Exit::Usage, "other-bundle", "give the bundle that it is a receipt of")
            }
            E::Contradiction(_) => (
                Exit::Damaged,
                "receipt-contradiction",
                "keep both, and ask the site, by another way, what it imported",
            ),
        };
        Failure::new(exit, code, error).hint(hint)
    }
}
