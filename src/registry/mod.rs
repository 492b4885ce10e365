//! A client of the OCI distribution specification.

/// Why a registry does not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// It cannot be reached.
    #[error("cannot reach {host}: {why}")]
    Unreachable {
        /// The registry.
        host: String,
        /// What went wrong.
        why: String,
    },
}
