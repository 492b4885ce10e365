//! What was seen of a command.

use std::fmt;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// It failed, and nothing came to the target or moved the memory.
    Refused,
    /// It ended early; the next run ended with the bytes of one that was not disturbed.
    GoesOn,
    /// It did all that was asked for.
    Passes,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            How::Refused => "refused",
            How::GoesOn => "stopped and goes on",
            How::Passes => "passes",
        })
    }
}

/// How a command ended, with its exit code and the code of its error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub how: How,
    /// `None` when it was killed.
    pub exit: Option<i32>,
    pub code: Option<String>,
    pub message: String,
}

impl Seen {
    /// Asserts how it ended.
    #[track_caller]
    pub fn is(self, how: How, exit: i32, code: &str) -> Seen {
        let found = (self.how, self.exit, self.code.as_deref().unwrap_or("none"));
        assert_eq!(found, (how, Some(exit), code), "{}", self.message);
        self
    }

    #[track_caller]
    pub fn refused(self, exit: i32, code: &str) -> Seen {
        self.is(How::Refused, exit, code)
    }

    #[track_caller]
    pub fn passes(self) -> Seen {
        self.is(How::Passes, 0, "none")
    }

    /// Asserts what the message names.
    #[track_caller]
    pub fn names(self, what: &str) -> Seen {
        assert!(self.message.contains(what), "{what}: {}", self.message);
        self
    }

    /// What the table says of exit code and code.
    pub fn exit_and_code(&self) -> String {
        match (self.exit, &self.code) {
            (None, _) => "killed".to_owned(),
            (Some(exit), None) => exit.to_string(),
            (Some(exit), Some(code)) => format!("{exit} `{code}`"),
        }
    }
}
