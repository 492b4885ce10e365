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
}

impl Purpose {
    /// The namespace of SSH signatures; `ssh-keygen -n`.
    pub fn namespace(self) -> &'static str {
        match self {
            Purpose::Seal => "gapferry-seal",
            Purpose::Trust => "gapferry-trust",
            Purpose::Drill => "gapferry-drill",
        }
    }
}
