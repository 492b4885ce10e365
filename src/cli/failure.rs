//! Why a subcommand could not do its work: exit code, stable code, message, and what to do next.

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use serde_json::json;

use super::args::Format;
use super::context::Context;
use super::output::{escaped, escaped_json};

/// What the exit code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Network, disk, permissions: what was asked for could not be done.
    Failed = 1,
    /// The command line, or a list that was named on it, makes no sense.
    Usage = 2,
    /// The input is damaged or forged.
    Damaged = 3,
    /// The input is genuine and not allowed here.
    NotAllowed = 4,
    /// Done in part.
    Partial = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why it could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// A word for scripts that does not change between releases.
    pub code: &'static str,
    /// What is wrong, and where.
    pub message: String,
    /// What to do next, where that is known.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(exit: Exit, code: &'static str, message: impl fmt::Display) -> Failure {
        Failure { exit, code, message: message.to_string(), hint: None }
    }

    /// The same with a hint.
    pub fn hint(self, hint: impl Into<String>) -> Failure {
        Failure { hint: Some(hint.into()), ..self }
    }

    /// The same with one more hint.
    pub fn and_hint(self, more: &str) -> Failure {
        let hint = match &self.hint {
            Some(hint) => format!("{hint}; {more}"),
            None => more.to_owned(),
        };
        self.hint(hint)
    }

    /// The same, with the place (a file, an image) before the message.
    pub fn at(self, place: impl fmt::Display) -> Failure {
        Failure { message: format!("{place}: {}", self.message), ..self }
    }

    /// Says it on standard error. That nobody may listen there is no further failure.
    pub fn print(&self, format: Format) {
        let _ = writeln!(std::io::stderr(), "{}", self.text(format));
    }

    /// Says it on standard error, after `word`, as one of several that went wrong.
    pub fn warn(&self, word: &str, context: &Context) {
        let text = match context.json() {
            true => self.text(Format::Json),
            false => format!("{word}: {}", escaped(&self.message)),
        };
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    fn text(&self, format: Format) -> String {
        match (format, &self.hint) {
            (Format::Json, hint) => {
                let (code, message, exit) = (self.code, &self.message, self.exit as u8);
                let failure = json!({"code": code, "message": message, "hint": hint, "exit": exit});
                escaped_json(&failure.to_string())
            }
            (Format::Table, None) => format!("error: {}", escaped(&self.message)),
            (Format::Table, Some(hint)) => {
                format!("error: {}\nhint: {}", escaped(&self.message), escaped(hint))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_where_and_what_to_do() {
        let failure = Failure::new(Exit::Damaged, "x", "bad\u{1b}[2J\nthing").at("a.key");
        assert_eq!(failure.text(Format::Table), "error: a.key: bad\\u{1b}[2J\\nthing");
        let failure = failure.hint("do this");
        assert!(failure.text(Format::Table).ends_with("\nhint: do this"));
        let text = failure.text(Format::Json);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["exit"], 3);
        assert_eq!(value["hint"], "do this");
        assert!(!text.contains(['\n', '\u{1b}']));
    }
}
