//! Where a site remembers whom it trusts and what it imported.

use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::failure::{Exit, Failure};

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
}
