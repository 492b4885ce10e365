//! What a signature is for.
//!
//! Withstands: a signature over one kind of file, passed off as one over another. Each kind begins
//! with a line of its own, and SSH signatures carry a namespace as well.

/// The kind of file that is signed. Whoever verifies says which one it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The seal of a bundle.
    Seal,
    /// A trust document.
    Trust,
    /// The record of a drill.
    Drill,
    /// A checkpoint of an audit log.
    Log,
    /// The receipt of an import.
    Receipt,
}

impl Purpose {
    /// The namespace of SSH signatures; `ssh-keygen -n`.
    pub fn namespace(self) -> &'static str {
        match self {
            Purpose::Seal => "gapferry-seal",
            Purpose::Trust => "gapferry-trust",
            Purpose::Drill => "gapferry-drill",
            Purpose::Log => "gapferry-log",
            Purpose::Receipt => "gapferry-receipt",
        }
    }
}
