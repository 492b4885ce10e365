//! What the library tells its caller while it works. The library itself never prints.

/// Something worth a line, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A request failed and will be tried again.
    Retry {
        /// The registry.
        host: String,
        /// What went wrong.
        why: String,
        /// How long until the next try, in milliseconds.
        wait_ms: u64,
    },
    /// A registry sent a `Warning` header.
    Warning {
        /// The registry.
        host: String,
        /// Its words.
        text: String,
    },
    /// The work may not come to its end.
    Doubt {
        /// Why, in a few words.
        what: String,
    },
    /// A step of the work is done.
    Done {
        /// What, in a few words.
        what: String,
    },
}

/// Hears how far the work is. Called from many threads.
pub trait Progress: Send + Sync {
    /// A phase begins that will move `bytes` bytes.
    fn begin(&self, phase: &str, bytes: u64);
    /// `bytes` more are done.
    fn advance(&self, bytes: u64);
    /// The phase is over.
    fn end(&self);
    /// Something happened.
    fn event(&self, event: Event);
}

/// Hears everything and says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn event(&self, _: Event) {}
}
