//! Errors of the audit log, and of receipts.

use super::super::failure::{Exit, Failure};
use crate::audit::AuditError;

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
