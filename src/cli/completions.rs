//! `gapferry completions`: what shells need to complete the command line.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Cli;
use super::context::Context;
use super::failure::Failure;

const EXAMPLES: &str = "\
EXAMPLES:
  gapferry completions bash > /etc/bash_completion.d/gapferry
  gapferry completions zsh  > \"${fpath[1]}/_gapferry\"
  gapferry completions fish > ~/.config/fish/completions/gapferry.fish";

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints them.
///
/// # Errors
/// When standard output takes nothing.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "gapferry", &mut script);
    context.print(&String::from_utf8_lossy(&script))
}
