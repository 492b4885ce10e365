//! Where a site remembers whom it trusts and what it imported.

use std::path::{Path, PathBuf};

use clap::Args;

use super::context::Context;
use super::failure::{Exit, Failure};
use crate::memory::{self, Held, Memory, MemoryError};

/// Where the site's memory is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Trust")]
pub struct StateArgs {
    /// Where this site remembers whom it trusts and what it imported [default: $GAPFERRY_STATE, or
    /// gapferry in $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

impl StateArgs {
    /// The directory, which need not exist.
    ///
    /// # Errors
    /// When nothing says where it is.
    pub fn directory(&self, context: &Context) -> Result<PathBuf, Failure> {
        let variable = |name| context.variable(name).map(PathBuf::from);
        let below = |parent: PathBuf| parent.join("gapferry");
        self.state
            .clone()
            .or_else(|| variable("GAPFERRY_STATE"))
            .or_else(|| variable("XDG_STATE_HOME").map(below))
            .or_else(|| context.home().map(|home| below(home.join(".local/state"))))
            .ok_or_else(|| {
                let message = "there is no place for what this site remembers";
                Failure::new(Exit::Usage, "no-state", message).hint("give one: --state DIR")
            })
    }

    /// What was imported, as it stands there now; empty when there is no such place.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    pub fn memory(&self, context: &Context) -> Result<Memory, Failure> {
        let Ok(directory) = self.directory(context) else { return Ok(Memory::default()) };
        memory::read(&directory).map_err(|error| named(error, &directory))
    }

    /// What was imported, so that nobody else changes it and it can be added to.
    ///
    /// # Errors
    /// The same; when another command holds it, and when it cannot be written.
    pub fn hold(&self, context: &Context) -> Result<Held, Failure> {
        let directory = self.directory(context)?;
        memory::hold(&directory).map_err(|error| named(error, &directory))
    }
}

/// A memory is one of many; a file says itself which it is.
fn named(error: MemoryError, directory: &Path) -> Failure {
    match error {
        MemoryError::File(error) => error.into(),
        error => Failure::from(error).at(directory.display()),
    }
}
