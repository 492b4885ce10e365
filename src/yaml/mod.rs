//! YAML 1.2 as a tree with line numbers, and nothing that surprises: scalars stay the texts that
//! they are written as, so that a tag `1.20` is not the number 1.2.
//!
//! Withstands: aliases that multiply (what they stand for is counted as if it were written), nesting
//! without end, files and scalars of any size, a key twice, keys that are no texts, tags of other
//! schemas, input that is no text. Knows merge keys (`<<`) of YAML 1.1, which compose files use.
//! Source: YAML 1.2.2; "Merge Key Language-Independent Type for YAML" 0.9.

mod at;
mod compose;
#[cfg(test)]
mod tests;

pub use at::{At, Shape};
pub use compose::parse;

/// The largest YAML file, in bytes.
pub const MAX_YAML_SIZE: u64 = 16 * 1024 * 1024;
/// How deep values may nest.
pub const MAX_DEPTH: usize = 64;
/// How many values a file may have, each alias counted as what it stands for.
pub const MAX_NODES: usize = 1_000_000;
/// How many bytes all scalars may have together, each alias counted as what it stands for.
pub const MAX_TEXT: usize = 64 * 1024 * 1024;

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The line, from 1.
    pub line: usize,
    /// What it is.
    pub data: Data,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// A text, a number, a truth value or nothing: as it is written.
    Scalar {
        /// The text.
        text: String,
        /// Not in quotes: `null` and `true` are no texts then.
        plain: bool,
    },
    /// Values in order.
    List(Vec<Node>),
    /// Values by their keys, in the order of the file; each key once.
    Map(Vec<(String, Node)>),
}

/// Why a file is not read. Always the input's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    /// The file is larger than any.
    #[error("larger than {MAX_YAML_SIZE} bytes")]
    TooLarge,
    /// Bytes that are not UTF-8.
    #[error("not UTF-8 text")]
    NotText,
    /// Not YAML.
    #[error("not YAML: {}", .0.escape_debug())]
    Syntax(String),
    /// Values nest too deep.
    #[error("nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// More values, or more text, than a file may have.
    #[error("with its aliases this is more than {MAX_NODES} values or {MAX_TEXT} bytes of text")]
    TooMany,
    /// A key twice in one map.
    #[error("the key {} is there twice", .0.escape_debug())]
    Duplicate(String),
    /// A key that is no scalar.
    #[error("a key is not a text")]
    Key,
    /// A tag of another schema.
    #[error("the tag {} is not known", .0.escape_debug())]
    Tag(String),
    /// A merge key with something else than maps.
    #[error("`<<` is followed by something else than maps")]
    Merge,
}

impl Node {
    /// True for `null`, `~` and nothing.
    pub fn is_null(&self) -> bool {
        match &self.data {
            Data::Scalar { text, plain: true } => {
                ["", "~", "null", "Null", "NULL"].contains(&text.as_str())
            }
            _ => false,
        }
    }

    /// The value of a key; `None` when it is absent or null, or this is no map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Data::Map(entries) = &self.data else { return None };
        let found = entries.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        found.filter(|value| !value.is_null())
    }

    /// The text of a scalar that is not null.
    pub fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// The text of the value of a key.
    pub fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Node::text)
    }

    /// The values of a list; none when this is no list.
    pub fn items(&self) -> &[Node] {
        match &self.data {
            Data::List(items) => items,
            _ => &[],
        }
    }

    /// The values of a map with their keys; none when this is no map.
    pub fn entries(&self) -> &[(String, Node)] {
        match &self.data {
            Data::Map(entries) => entries,
            _ => &[],
        }
    }
}
