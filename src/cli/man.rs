//! `gapferry man`: manual pages, from the same definitions as `--help`.

use std::path::PathBuf;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use super::Cli;
use super::context::Context;
use super::failure::{Exit, Failure};
use crate::files;

const EXAMPLES: &str = "\
EXAMPLES:
  Read the page of the whole command:
    gapferry man | man -l -
  Install one page a subcommand:
    gapferry man -o /usr/local/share/man/man1";

/// Print the manual page, or write one page a subcommand
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Directory to write the pages to; it is made if need be
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints or writes them.
///
/// # Errors
/// When a file cannot be written.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let mut command = Cli::command();
    command.build();
    let Some(directory) = args.out else {
        let (_, page) = page(command)?;
        return context.print(&String::from_utf8_lossy(&page));
    };
    files::create_directories(&directory)?;
    for command in with_subcommands(command) {
        let (name, page) = page(command)?;
        files::write_atomic(&directory.join(name), &page)?;
    }
    Ok(())
}

fn with_subcommands(command: Command) -> Vec<Command> {
    let below: Vec<Command> =
        command.get_subcommands().cloned().flat_map(with_subcommands).collect();
    [command].into_iter().chain(below).collect()
}

fn page(command: Command) -> Result<(String, Vec<u8>), Failure> {
    let man = Man::new(command);
    let mut page = Vec::new();
    man.render(&mut page).map_err(|error| Failure::new(Exit::Failed, "man", error))?;
    Ok((man.get_filename(), page))
}
