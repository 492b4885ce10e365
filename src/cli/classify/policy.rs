//! Errors of policies.

use super::super::failure::{Exit, Failure};
use crate::policy::PolicyError;

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Failure {
        let hint = match &error {
            PolicyError::Version(_) => "it begins with: gapferry = \"policy v1\"",
            PolicyError::Key { .. } => "cosign and openssl write it: a P-256 or Ed25519 key in PEM",
            _ => "see formats/policy.md",
        };
        Failure::new(Exit::Usage, "bad-policy", error).hint(hint)
    }
}
