//! `gapferry trust`: makes, changes, signs, shows and accepts trust documents.

mod accept;
mod add;
mod new;
mod remove;
mod rotate;
mod show;
mod sign;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Subcommand;
use serde_json::json;

use super::bundles::timestamp;
use super::context::Context;
use super::failure::{Exit, Failure};
use super::input;
use super::output::escaped;
use super::signers::public_key;
use crate::trust::{
    ChainError, DatedKey, Document, KeyId, KeyRecord, Name, Paper, Stream, Timestamp, TrustFile,
    Workbook,
};

const EXAMPLES: &str = "\
EXAMPLES:
  Two of three people say whose keys count; two of two seal the stream `prod`:
    gapferry trust new -o trust --name acme --root a.pub --root b.pub --root c.pub \\
      --root-threshold 2 --stream prod=2:ann.pub,bob.pub
    gapferry trust sign trust --key a.key
    gapferry trust sign trust --key b.key
  At the site, with a digest that came by another way:
    gapferry trust accept /media/stick/bundle --digest sha256:DIGEST
  A key is lost; whoever imports the next bundle hears of it:
    gapferry trust remove trust --key bob.pub --threshold prod=1";

/// Make, sign, show and accept trust documents: signed lists of whose keys count
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: TrustCommand,
}

#[derive(Debug, Subcommand)]
enum TrustCommand {
    New(new::Args),
    Add(add::Args),
    Remove(remove::Args),
    Rotate(rotate::Args),
    Show(show::Args),
    Sign(sign::Args),
    Accept(accept::Args),
}

/// Does it.
///
/// # Errors
/// When documents are damaged, are not signed by enough keys, or cannot be read or written.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.command {
        TrustCommand::New(args) => new::run(args, context),
        TrustCommand::Add(args) => add::run(args, context),
        TrustCommand::Remove(args) => remove::run(args, context),
        TrustCommand::Rotate(args) => rotate::run(args, context),
        TrustCommand::Show(args) => show::run(args, context),
        TrustCommand::Sign(args) => sign::run(args, context),
        TrustCommand::Accept(args) => accept::run(args, context),
    }
}

/// What may change with any draft.
#[derive(Debug, Clone, clap::Args)]
struct Changes {
    /// Where the trust documents lie
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// How many root keys must sign a document
    #[arg(long, value_name = "M")]
    root_threshold: Option<usize>,
    /// How many keys must seal a bundle of this stream (repeatable)
    #[arg(long, value_name = "STREAM=M")]
    threshold: Vec<For<usize>>,
    /// Begin another counting of sequence numbers in this stream: bundles of the one before are
    /// refused (repeatable)
    #[arg(long, value_name = "STREAM=N")]
    epoch: Vec<For<u64>>,
}

impl Changes {
    /// Changes the draft in the directory, or makes one, and says what became of it.
    fn edit(
        &self,
        context: &Context,
        change: impl FnOnce(&mut Document) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let here = |error| Failure::from(error).at(self.dir.display());
        let workbook = Workbook::open(&self.dir).map_err(here)?;
        let created = timestamp(context.signing_time()?)?;
        let paper = workbook.edit(created, |document| {
            change(document).map_err(Edit::Refused)?;
            self.apply(document).map_err(Edit::Wrong)
        });
        print_draft(&self.dir, &paper.map_err(Failure::from)?, context)
    }

    fn apply(&self, document: &mut Document) -> Result<(), ChainError> {
        document.root_threshold = self.root_threshold.unwrap_or(document.root_threshold);
        for For { stream, value } in &self.threshold {
            document.stream(stream)?.threshold = *value;
        }
        for For { stream, value } in &self.epoch {
            document.stream(stream)?.epoch = *value;
        }
        Ok(())
    }
}

/// Why there is no draft.
enum Edit {
    Refused(Failure),
    Wrong(ChainError),
}

impl From<ChainError> for Edit {
    fn from(error: ChainError) -> Edit {
        Edit::Wrong(error)
    }
}

impl From<Edit> for Failure {
    fn from(edit: Edit) -> Failure {
        match edit {
            Edit::Refused(failure) => failure,
            Edit::Wrong(error) => drafted(error),
        }
    }
}

/// A document that was put together on the command line is wrong usage, not damage.
fn drafted(error: ChainError) -> Failure {
    match &error {
        ChainError::Document { .. } | ChainError::Broken { .. } => {
            let failure = Failure::new(Exit::Usage, "invalid-draft", error);
            failure.hint("nothing was written; thresholds must be within the number of keys")
        }
        _ => error.into(),
    }
}

fn print_draft(dir: &Path, paper: &Paper, context: &Context) -> Result<(), Failure> {
    let path = dir.join(TrustFile::document(paper.number).to_string());
    let shown = path.to_string_lossy();
    match context.json() {
        true => context.print_json(&json!({
            "document": shown, "number": paper.number, "digest": paper.digest(),
        })),
        false => context.print(&format!(
            "written, to be signed: {}\n{}\n",
            escaped(&shown),
            paper.digest()
        )),
    }
}

/// The public key in a file, as a document lists it.
fn dated_key(path: &Path, not_after: Option<Timestamp>) -> Result<DatedKey, Failure> {
    let records = KeyRecord::parse(&input::key(path)?);
    let records = records.map_err(|error| Failure::from(error).at(path.display()))?;
    if records.iter().any(|it| it.valid_after.is_some() || it.valid_before.is_some()) {
        let message = "the key has times of its own, which trust documents do not know";
        let failure = Failure::new(Exit::Usage, "dated-key", message).at(path.display());
        return Err(failure.hint("leave valid-after and valid-before out, and give --not-after"));
    }
    Ok(DatedKey { key: public_key(path)?, not_after })
}

/// A key that is in a document: by its id, or a file that holds it.
fn key_id(text: &str) -> Result<KeyId, Failure> {
    match text.parse() {
        Ok(id) => Ok(id),
        Err(_) => Ok(public_key(Path::new(text))?.key_id()),
    }
}

/// `STREAM=VALUE`
#[derive(Debug, Clone, PartialEq, Eq)]
struct For<T> {
    stream: Name,
    value: T,
}

impl<T: FromStr> FromStr for For<T> {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<For<T>, &'static str> {
        let read = || {
            let (stream, value) = text.split_once('=')?;
            Some(For { stream: stream.parse().ok()?, value: value.parse().ok()? })
        };
        read().ok_or("expected STREAM=VALUE")
    }
}

/// `STREAM=M:KEY.pub,KEY.pub`
#[derive(Debug, Clone, PartialEq, Eq)]
struct NewStream {
    name: Name,
    threshold: usize,
    keys: Vec<PathBuf>,
}

impl FromStr for NewStream {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<NewStream, &'static str> {
        let read = || {
            let (name, rest) = text.split_once('=')?;
            let (threshold, keys) = rest.split_once(':')?;
            let keys: Vec<PathBuf> = keys.split(',').map(PathBuf::from).collect();
            let (name, threshold) = (name.parse().ok()?, threshold.parse().ok()?);
            keys.iter().all(|key| *key != Path::new("")).then_some(NewStream {
                name,
                threshold,
                keys,
            })
        };
        read().ok_or("expected STREAM=M:KEY.pub,KEY.pub,...")
    }
}

impl NewStream {
    /// Puts the stream into a document, in the place of one of this name.
    fn add_to(&self, document: &mut Document, not_after: Option<Timestamp>) -> Result<(), Failure> {
        let epoch = document.streams.get(&self.name).map_or(1, |stream| stream.epoch);
        let stream = Stream { epoch, threshold: self.threshold, keys: Default::default() };
        document.streams.insert(self.name.clone(), stream);
        for key in &self.keys {
            document.add_key(&self.name, dated_key(key, not_after)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_a_name_a_threshold_and_keys() {
        let read: NewStream = "prod=2:a.pub,b=c.pub".parse().unwrap();
        assert_eq!((read.name.as_str(), read.threshold), ("prod", 2));
        assert_eq!(read.keys, [PathBuf::from("a.pub"), PathBuf::from("b=c.pub")]);
        for wrong in ["", "prod", "prod=a.pub", "prod=2", "prod=2:", "prod=2:a,,b", "a b=1:c"] {
            assert!(wrong.parse::<NewStream>().is_err(), "{wrong}");
        }
        let read: For<usize> = "prod=3".parse().unwrap();
        assert_eq!((read.stream.as_str(), read.value), ("prod", 3));
        assert!("prod=x".parse::<For<usize>>().is_err());
    }
}
