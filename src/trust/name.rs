//! Names of what is signed for: streams, destinations, lines of trust documents.
//!
//! Withstands: names with white space, control characters, separators of paths, or too long.

use std::str::FromStr;

/// A name of a stream, a destination or a line of trust documents: 1 to 64 of `A-Z a-z 0-9 . _ -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

/// A text that is not a [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a name (1 to 64 of A-Z a-z 0-9 . _ -): {}", .0.escape_debug())]
pub struct InvalidName(pub String);

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Name, InvalidName> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if (1..=64).contains(&text.len()) && text.chars().all(plain) {
            return Ok(Name(text.to_owned()));
        }
        Err(InvalidName(text.chars().take(100).collect()))
    }
}
