//! An OCI image layout on disk: read and written, atomically.

/// Why a layout cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] crate::files::FileError),
}
