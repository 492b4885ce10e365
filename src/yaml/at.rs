//! A value with the way to it, for readers that want a certain shape and say where it is missing.

use std::fmt;

use super::{Data, Node};

/// A value of another shape than is wanted. Always the input's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", .path.escape_debug(), .why.escape_debug())]
pub struct Shape {
    /// The line, from 1.
    pub line: usize,
    /// The way to the value, such as `spec.images[2].name`.
    pub path: String,
    /// What is wrong.
    pub why: String,
}

/// A value and the way to it.
#[derive(Debug, Clone)]
pub struct At<'a> {
    /// The value.
    pub node: &'a Node,
    path: String,
}

impl<'a> At<'a> {
    /// A whole document.
    pub fn root(node: &'a Node) -> At<'a> {
        At { node, path: String::new() }
    }

    /// Where it begins.
    pub fn line(&self) -> usize {
        self.node.line
    }

    /// The error that `why` is wrong with it.
    pub fn wrong(&self, why: impl fmt::Display) -> Shape {
        let path = match self.path.is_empty() {
            true => "the document".to_owned(),
            false => self.path.clone(),
        };
        Shape { line: self.node.line, path, why: why.to_string() }
    }

    /// The value of a key; `None` when it is absent or null.
    ///
    /// # Errors
    /// When this is no map.
    pub fn get(&self, key: &str) -> Result<Option<At<'a>>, Shape> {
        match &self.node.data {
            Data::Map(_) => Ok(self.node.get(key).map(|node| self.below(key, node))),
            _ => Err(self.wrong("a map is wanted")),
        }
    }

    /// The value of a key that must be there.
    ///
    /// # Errors
    /// When it is not.
    pub fn need(&self, key: &str) -> Result<At<'a>, Shape> {
        self.get(key)?.ok_or_else(|| self.wrong(format!("{key} is missing")))
    }

    /// The text of a key that must be there.
    ///
    /// # Errors
    /// When it is not, or is no text.
    pub fn need_text(&self, key: &str) -> Result<&'a str, Shape> {
        self.need(key)?.text()
    }

    /// The text of a key; `None` when it is absent, null or empty.
    ///
    /// # Errors
    /// When it is no text.
    pub fn text_of(&self, key: &str) -> Result<Option<&'a str>, Shape> {
        let found = self.get(key)?.map(|at| at.text()).transpose()?;
        Ok(found.filter(|text| !text.is_empty()))
    }

    /// The text.
    ///
    /// # Errors
    /// When it is a list or a map.
    pub fn text(&self) -> Result<&'a str, Shape> {
        self.node.text().ok_or_else(|| self.wrong("a text is wanted"))
    }

    /// The values of the list of a key; none when the key is absent.
    ///
    /// # Errors
    /// When it is no list.
    pub fn list_of(&self, key: &str) -> Result<Vec<At<'a>>, Shape> {
        self.get(key)?.map_or(Ok(Vec::new()), |at| at.items())
    }

    /// The values of a list.
    ///
    /// # Errors
    /// When it is none.
    pub fn items(&self) -> Result<Vec<At<'a>>, Shape> {
        let Data::List(items) = &self.node.data else { return Err(self.wrong("a list is wanted")) };
        let at = |(place, node)| At { node, path: format!("{}[{place}]", self.path) };
        Ok(items.iter().enumerate().map(at).collect())
    }

    /// The values of the map of a key, with their keys; none when the key is absent.
    ///
    /// # Errors
    /// When it is no map.
    pub fn entries_of(&self, key: &str) -> Result<Vec<(&'a str, At<'a>)>, Shape> {
        self.get(key)?.map_or(Ok(Vec::new()), |at| at.entries())
    }

    /// The values of a map with their keys.
    ///
    /// # Errors
    /// When it is none.
    pub fn entries(&self) -> Result<Vec<(&'a str, At<'a>)>, Shape> {
        let Data::Map(entries) = &self.node.data else { return Err(self.wrong("a map is wanted")) };
        Ok(entries.iter().map(|(key, node)| (key.as_str(), self.below(key, node))).collect())
    }

    /// Refuses keys that are neither `known`.
    ///
    /// # Errors
    /// When there is one; when this is no map.
    pub fn only(&self, known: &[&str]) -> Result<(), Shape> {
        for (key, at) in self.entries()? {
            if !known.contains(&key) {
                return Err(at.wrong("this key is not known here"));
            }
        }
        Ok(())
    }

    fn below(&self, key: &str, node: &'a Node) -> At<'a> {
        let key = match key.contains(['.', '[', ' ']) {
            true => format!("[{key:?}]"),
            false if self.path.is_empty() => key.to_owned(),
            false => format!(".{key}"),
        };
        At { node, path: format!("{}{key}", self.path) }
    }
}

impl fmt::Display for At<'_> {
    /// The way to the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}
