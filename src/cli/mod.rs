//! The command line: the only part that prints, exits, or asks the system for time, environment
//! and home.
//!
//! One file a subcommand: a struct `Args` that clap fills, and `run(args, &Context)` that says in
//! a `Failure` why it could not be done. Results go to standard output; progress, warnings and
//! errors go to standard error. To add a subcommand: a file, a variant of `Command`, a line in
//! `Command::run`.

mod args;
mod audit;
mod bundles;
mod classify;
mod completions;
mod context;
mod demo;
mod diff;
mod drill;
mod export;
mod failure;
mod images;
mod import;
mod input;
mod inspect;
mod key;
mod lock;
mod log;
mod man;
mod memory;
mod output;
mod policy;
mod progress;
mod receipt;
mod record;
mod registries;
mod repack;
mod sign;
mod signers;
mod space;
mod state;
mod trust;
mod unpack;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use args::{Format, OutputArgs};
use context::Context;
use failure::{Exit, Failure};

const EXAMPLES: &str = "\
EXAMPLES:
  Once: make a key pair; release.key stays on the connected side:
    gapferry key new -o release.key
  On the connected side: pin, review, write the bundle:
    gapferry lock busybox:1.35 -o images.lock
    gapferry export --lock images.lock -o /media/stick/bundle --key release.key
  On the other side: prove it and load it:
    gapferry import /media/stick/bundle --trust release.key.pub --to docker://registry.site:5000

EXIT CODES:
  0  done, everything asked for
  1  could not be done: network, disk, permissions
  2  wrong usage
  3  the input is damaged or forged
  4  the input is genuine but not allowed here
  5  done in part; what is missing is listed";

/// Carries container images across an air gap in signed, verified bundles.
#[derive(Debug, Parser)]
#[command(name = "gapferry", version, after_help = EXAMPLES)]
#[command(disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Key(key::Args),
    Trust(trust::Args),
    Lock(lock::Args),
    Export(Box<export::Args>),
    Inspect(inspect::Args),
    Verify(verify::Args),
    Import(Box<import::Args>),
    Memory(memory::Args),
    Sign(sign::Args),
    Repack(repack::Args),
    Unpack(unpack::Args),
    Drill(drill::Args),
    Receipt(receipt::Args),
    Log(log::Args),
    Diff(diff::Args),
    Policy(policy::Args),
    Demo(demo::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Command::Key(args) => key::run(args, context),
            Command::Trust(args) => trust::run(args, context),
            Command::Lock(args) => lock::run(args, context),
            Command::Export(args) => export::run(*args, context),
            Command::Inspect(args) => inspect::run(args, context),
            Command::Verify(args) => verify::run(args, context),
            Command::Import(args) => import::run(*args, context),
            Command::Memory(args) => memory::run(args, context),
            Command::Sign(args) => sign::run(args, context),
            Command::Repack(args) => repack::run(args, context),
            Command::Unpack(args) => unpack::run(args, context),
            Command::Drill(args) => drill::run(args, context),
            Command::Receipt(args) => receipt::run(args, context),
            Command::Log(args) => log::run(args, context),
            Command::Diff(args) => diff::run(args, context),
            Command::Policy(args) => policy::run(args, context),
            Command::Demo(args) => demo::run(args, context),
            Command::Completions(args) => completions::run(args, context),
            Command::Man(args) => man::run(args, context),
        }
    }
}

/// Reads the command line, does what it says and tells how that went.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return unreadable(&error),
    };
    let format = cli.output.output;
    // A bar that is still drawn must be gone before anything else is said.
    let outcome = {
        let context = Context::new(&cli.output);
        cli.command.run(&context)
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(format);
            failure.exit.into()
        }
    }
}

/// Wrong usage, in the form that was asked for as far as can be told; or a call for help.
fn unreadable(error: &clap::Error) -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let json = words.windows(2).any(|pair| pair[0] == "--output" && pair[1] == "json")
        || words.iter().any(|word| word == "--output=json");
    if !(error.use_stderr() && json) {
        // A closed pipe behind `--help` is not worth a word.
        let _ = error.print();
        return if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
    }
    let failure = Failure::new(Exit::Usage, "usage", usage_message(error)).hint("see --help");
    failure.print(Format::Json);
    failure.exit.into()
}

/// What clap says is wrong, in one line, without the usage that follows.
fn usage_message(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let what = text.split("\n\n").next().unwrap_or_default();
    let lines: Vec<&str> = what.lines().map(str::trim).collect();
    lines.join(" ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
