//! Reading `<field>: <value>` lines in a fixed order, as seals and trust documents have them.
//!
//! Withstands: lines that are missing, out of place, or of another field. Whether the spelling is
//! the only one, the caller finds by writing what was read.

/// The lines of a text, read from front to back.
pub struct Lines<'a> {
    lines: Vec<&'a str>,
    at: usize,
}

/// A line is missing, out of place or malformed. The input's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MalformedLine {
    /// Counted from 1.
    pub line: usize,
    /// The field that belongs there.
    pub field: &'static str,
}

impl<'a> Lines<'a> {
    /// At the first line of `text`.
    pub fn of(text: &'a str) -> Lines<'a> {
        Lines { lines: text.split('\n').collect(), at: 0 }
    }

    /// The next line as it is; `None` behind the last.
    pub fn take(&mut self) -> Option<&'a str> {
        self.at += 1;
        self.lines.get(self.at - 1).copied()
    }

    /// How many lines were taken: the number of the last.
    pub fn taken(&self) -> usize {
        self.at
    }

    /// True when the next line is of this field.
    pub fn is_next(&self, field: &str) -> bool {
        let next = self.lines.get(self.at).and_then(|line| line.strip_prefix(field));
        next.is_some_and(|rest| rest.starts_with(": "))
    }

    /// The value of the next line, which must be of this field.
    ///
    /// # Errors
    /// [`MalformedLine`].
    pub fn field<T>(
        &mut self,
        field: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, MalformedLine> {
        let value = self.take().unwrap_or("").strip_prefix(field);
        let value = value.and_then(|rest| rest.strip_prefix(": "));
        value.and_then(read).ok_or(MalformedLine { line: self.at, field })
    }
}
