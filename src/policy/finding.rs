//! What a policy objects to: typed, so that it can be listed, counted and told apart.

use std::fmt;

use super::cosign::Flaw;
use super::rules::Kind;
use crate::oci::{Digest, Platform, Reference};

/// One demand of a policy that one image does not meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The image.
    pub image: Reference,
    /// What is wrong with it, and where.
    pub breach: Breach,
}

/// What is wrong with an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Breach {
    /// It comes from a place that is not allowed.
    Source(String),
    /// It was asked for by a tag alone, and no lock pinned it.
    NoDigest,
    /// It holds content that is blocked.
    Blocked(Digest),
    /// It is not aboard for a platform.
    Platform(Platform),
    /// Nothing of the kind refers to the document.
    Missing {
        /// What is asked for.
        kind: Kind,
        /// To what it must refer.
        subject: Digest,
    },
    /// No scan result refers to the document.
    NoScan(Digest),
    /// Something is older than it may be.
    TooOld {
        /// The image or scan result.
        of: Dated,
        /// Its document.
        digest: Digest,
        /// Its age in days.
        days: u64,
        /// How many there may be.
        limit: u64,
    },
    /// Something states no date, or none that can be read.
    Undated {
        /// The image or scan result.
        of: Dated,
        /// Its document.
        digest: Digest,
    },
    /// Something states a date that is yet to come.
    Future {
        /// The image or scan result.
        of: Dated,
        /// Its document.
        digest: Digest,
    },
    /// Its blobs are larger than they may be together.
    TooLarge {
        /// Bytes.
        bytes: u64,
        /// How many there may be.
        limit: u64,
    },
    /// Too few of a rule's keys signed its digest.
    Unsigned {
        /// The digest.
        digest: Digest,
        /// How many keys must sign.
        needed: usize,
        /// How many did.
        valid: usize,
        /// Which signatures do not count, by the digests of their payloads, and why: the first few.
        flaws: Vec<(Digest, Flaw)>,
    },
    /// The policy is about content that cannot be looked at: it is larger than any of its kind, or
    /// is at the destination of a delta alone.
    Unseen(Digest),
}

/// What has a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dated {
    /// An image.
    Image,
    /// A scan result.
    Scan,
}

impl Breach {
    /// A word for scripts that does not change between releases.
    pub fn code(&self) -> &'static str {
        match self {
            Breach::Source(_) => "source",
            Breach::NoDigest => "no-digest",
            Breach::Blocked(_) => "blocked",
            Breach::Platform(_) => "platform",
            Breach::Missing { kind, .. } => kind.name(),
            Breach::NoScan(_) => "scan",
            Breach::TooOld { .. } => "too-old",
            Breach::Undated { .. } => "undated",
            Breach::Future { .. } => "future",
            Breach::TooLarge { .. } => "too-large",
            Breach::Unsigned { .. } => "unsigned",
            Breach::Unseen(_) => "unseen",
        }
    }

    /// The content that it is about, if it is about a part of the image.
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Breach::Blocked(digest) | Breach::NoScan(digest) | Breach::Unseen(digest) => {
                Some(digest)
            }
            Breach::Missing { subject: digest, .. }
            | Breach::TooOld { digest, .. }
            | Breach::Undated { digest, .. }
            | Breach::Future { digest, .. }
            | Breach::Unsigned { digest, .. } => Some(digest),
            Breach::Source(_)
            | Breach::NoDigest
            | Breach::Platform(_)
            | Breach::TooLarge { .. } => None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.image, self.breach)
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Breach::Source(source) => {
                write!(f, "comes from {}, which is not allowed", source.escape_debug())
            }
            Breach::NoDigest => f.write_str("was asked for without a digest, and not from a lock"),
            Breach::Blocked(digest) => write!(f, "holds {digest}, which is blocked"),
            Breach::Platform(platform) => write!(f, "is not aboard for {platform}"),
            Breach::Missing { kind, subject } => {
                write!(f, "no {} refers to {subject}", kind.name())
            }
            Breach::NoScan(subject) => write!(f, "no scan result refers to {subject}"),
            Breach::TooOld { of, digest, days, limit } => {
                write!(f, "the {of} {digest} is {days} days old; {limit} are allowed")
            }
            Breach::Undated { of, digest } => write!(f, "the {of} {digest} states no date"),
            Breach::Future { of, digest } => {
                write!(f, "the {of} {digest} states a date that is yet to come")
            }
            Breach::TooLarge { bytes, limit } => {
                write!(f, "has {bytes} bytes of blobs; {limit} are allowed")
            }
            Breach::Unsigned { digest, needed, valid, flaws } => {
                write!(f, "{valid} of the keys signed {digest} with cosign; {needed} must")?;
                flaws.iter().try_for_each(|(at, flaw)| write!(f, "; {at}: {flaw}"))
            }
            Breach::Unseen(digest) => {
                write!(f, "{digest} cannot be judged: it is too large, or not aboard")
            }
        }
    }
}

impl fmt::Display for Dated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dated::Image => "image",
            Dated::Scan => "scan result",
        })
    }
}
