//! `gapferry memory`: what this site imported, and whether the memory of it is whole.

use clap::Subcommand;
use serde_json::{Value, json};

use super::context::Context;
use super::failure::{Exit, Failure};
use super::state::StateArgs;
use crate::bundle::{Name, Timestamp};
use crate::memory::{Arrival, Entry, Line, Memory};
use crate::oci::{Digest, unhex};

const EXAMPLES: &str = "\
EXAMPLES:
  gapferry memory show
  Is it whole, and does it go on from the head that was written down in May:
    gapferry memory check --head 87b38e9b55304d92ea30cfe3dd9ccd792985ca2c7a8a629b82ed5375a1e1a5fc";

/// Show and check what this site imported
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: MemoryCommand,
}

#[derive(Debug, Subcommand)]
enum MemoryCommand {
    /// Show each stream, the newest bundle of it, and what came where
    #[command(after_help = EXAMPLES)]
    Show {
        #[command(flatten)]
        state: StateArgs,
    },
    /// Look whether any line was changed, dropped or moved
    #[command(after_help = EXAMPLES)]
    Check {
        /// A head that was written down: the memory must go on from there
        #[arg(long, value_name = "SHA256", value_parser = head)]
        head: Option<Digest>,
        #[command(flatten)]
        state: StateArgs,
    },
}

fn head(text: &str) -> Result<Digest, String> {
    unhex(text).map(Digest::Sha256).ok_or_else(|| "expected 64 lower-case hex digits".to_owned())
}

/// Does it.
///
/// # Errors
/// When the memory cannot be read or is damaged, or never had that head.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.command {
        MemoryCommand::Show { state } => {
            state.directory(context)?;
            show(&state.memory(context)?, context)
        }
        MemoryCommand::Check { head, state } => {
            state.directory(context)?;
            check(&state.memory(context)?, head, context)
        }
    }
}

fn check(memory: &Memory, head: Option<Digest>, context: &Context) -> Result<(), Failure> {
    if let Some(head) = head.filter(|head| !memory.had_head(head)) {
        let message = format!("the memory never had the head {}", head.hex());
        let failure = Failure::new(Exit::Damaged, "other-memory", message);
        return Err(failure.hint("it was made anew, or is that of another site"));
    }
    let (entries, head) = (memory.lines().len(), memory.head().hex());
    match context.json() {
        true => context.print_json(&json!({"entries": entries, "head": head})),
        false => context.print(&format!("whole: {}\nhead   {head}\n", entries_of(memory))),
    }
}

fn show(memory: &Memory, context: &Context) -> Result<(), Failure> {
    match context.json() {
        true => context.print_json(&json!({
            "streams": memory.streams().map(|name| stream(memory, name)).collect::<Vec<_>>(),
            "floor": memory.floor().map(|time| time.to_string()),
            "entries": memory.lines().len(),
            "head": memory.head().hex(),
        })),
        false => context.print(&table(memory)),
    }
}

/// Each bundle of a stream that came to each target, in order, and whether it was restored.
fn arrivals<'a>(
    memory: &'a Memory,
    stream: &'a Name,
) -> impl Iterator<Item = (&'a Line, &'a Arrival, bool)> {
    let of_stream = |line: &'a Line| Some((line, line.entry.arrival()?));
    let all = memory.lines().iter().filter_map(of_stream);
    all.filter(|(_, it)| it.stream == *stream)
        .map(|(line, it)| (line, it, matches!(line.entry, Entry::Restore(_))))
}

fn stream(memory: &Memory, name: &Name) -> Value {
    let newest = memory.newest(name);
    json!({
        "stream": name.as_str(),
        "epoch": newest.map(|it| it.epoch),
        "sequence": newest.map(|it| it.sequence),
        "seal": newest.map(|it| it.seal),
        "created": newest.map(|it| it.created.to_string()),
        "arrivals": arrivals(memory, name).map(|(line, it, restored)| json!({
            "written": line.written.to_string(),
            "epoch": it.epoch,
            "sequence": it.sequence,
            "seal": it.seal,
            "target": it.place.as_str(),
            "restored": restored,
        })).collect::<Vec<_>>(),
    })
}

fn entries_of(memory: &Memory) -> String {
    match memory.lines().len() {
        1 => "1 entry".to_owned(),
        many => format!("{many} entries"),
    }
}

fn table(memory: &Memory) -> String {
    let mut text = String::new();
    for name in memory.streams() {
        let Some(newest) = memory.newest(name) else { continue };
        let (epoch, sequence) = newest.position();
        text += &format!("{}: epoch {epoch}, sequence {sequence}\n", name.as_str());
        text += &format!("  seal {}, created {}\n", newest.seal, newest.created);
        for (line, it, restored) in arrivals(memory, name) {
            let (epoch, sequence) = it.position();
            let word = if restored { "restored" } else { "imported" };
            let at = format!("epoch {epoch}, sequence {sequence} to {}", it.place);
            text += &format!("  {} {word} {at}\n", line.written);
        }
    }
    let floor = memory.floor().as_ref().map_or("none".to_owned(), Timestamp::to_string);
    format!("{text}floor  {floor}\nhead   {}, {}\n", memory.head().hex(), entries_of(memory))
}
