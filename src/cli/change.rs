//! Media that are written one after the other in one drive: asking for the next, or having a command
//! bring it.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use clap::Args;

use super::context::Context;
use super::failure::{Exit, Failure};
use super::media;
use super::output::escaped;
use crate::bundle::{Changer, NotChanged, is_fresh};
use crate::files::Space;
use crate::report::{Event, Progress};

/// Media that come one after the other.
#[derive(Debug, Clone, Default, Args)]
pub struct ChangeArgs {
    /// Write so many media one after the other to the one directory of --media, and ask for each. It
    /// cannot be gone on with later
    #[arg(long, value_name = "N", requires = "media",
          value_parser = clap::value_parser!(u16).range(2..=9999))]
    pub media_count: Option<u16>,
    /// Bring the next medium with this command, which gets the directory, the medium's number and the
    /// count as arguments, and do not ask
    #[arg(long, value_name = "COMMAND", requires = "media_count")]
    pub media_command: Option<PathBuf>,
}

impl ChangeArgs {
    /// Refuses to begin what nobody can be asked about.
    ///
    /// # Errors
    /// `no-terminal`; `usage` when there is more than one directory.
    pub fn check(&self, media: usize, context: &Context) -> Result<(), Failure> {
        if self.media_count.is_none() {
            return Ok(());
        }
        if media != 1 {
            let message = "--media-count is for one directory, in which media are changed";
            return Err(Failure::new(Exit::Usage, "usage", message));
        }
        let asks = std::io::stdin().is_terminal() && !context.json();
        match self.media_command.is_some() || asks {
            true => Ok(()),
            false => Err(Failure::new(Exit::Usage, "no-terminal", "nobody can be asked for media")
                .hint("name a command that brings the next one: --media-command COMMAND")),
        }
    }
}

/// What went wrong with a medium; a [`Changer`] cannot say it itself.
pub type Why = Arc<Mutex<Option<Failure>>>;

/// Who brings the next medium.
pub struct Drive {
    /// Where media are.
    pub root: PathBuf,
    /// How many there will be.
    pub count: usize,
    /// A command instead of a question.
    pub command: Option<PathBuf>,
    /// The most bytes that may be written to a medium.
    pub most: Option<u64>,
    /// Bytes for all but volumes.
    pub spare: u64,
    /// Whether each medium is read back before it is taken out.
    pub read_back: bool,
    /// The file system of the first medium, and whether it is one of its own.
    pub is_own: bool,
    /// What went wrong.
    pub why: Why,
    /// Who tells.
    pub progress: Arc<dyn Progress>,
}

impl Changer for Drive {
    fn change(&self, done: usize) -> Result<u64, NotChanged> {
        self.next(done).map_err(|failure| {
            *self.why.lock().expect("no thread panics with the lock") = Some(failure);
            NotChanged
        })
    }
}

impl Drive {
    fn next(&self, done: usize) -> Result<u64, Failure> {
        if self.read_back {
            media::prove_alone(&self.root, None)?;
        }
        let what = format!("medium {done} of {} is written; take it out", self.count);
        self.progress.event(Event::Done { what });
        loop {
            match &self.command {
                Some(command) => self.run(command, done + 1)?,
                None => self.ask(done + 1)?,
            }
            match (self.is_wrong()?, &self.command) {
                (None, _) => break,
                (Some(wrong), None) => {
                    self.progress.event(Event::Doubt { what: wrong });
                }
                (Some(wrong), Some(_)) => return Err(no_medium(wrong)),
            }
        }
        let free = Space::at(&self.root)?.free.unwrap_or(u64::MAX);
        Ok(self.most.unwrap_or(free).min(free).saturating_sub(self.spare))
    }

    /// Why what is there is not taken for the next medium.
    fn is_wrong(&self) -> Result<Option<String>, Failure> {
        let root = escaped(&self.root.to_string_lossy());
        if self.is_own && !is_own(&self.root)? {
            return Ok(Some(format!("no medium is mounted at {root}")));
        }
        let taken = || format!("{root} is not empty: is it the medium before?");
        Ok((!is_fresh(&self.root)).then(taken))
    }

    fn ask(&self, number: usize) -> Result<(), Failure> {
        let failed = |error| Failure::new(Exit::Failed, "output", format!("cannot ask: {error}"));
        let (root, count) = (escaped(&self.root.to_string_lossy()), self.count);
        // Ends with a line feed, so that a bar is drawn below it.
        let text = format!("insert medium {number} of {count} at {root} and press Enter\n");
        std::io::stderr().write_all(text.as_bytes()).map_err(failed)?;
        let mut line = String::new();
        match std::io::stdin().read_line(&mut line).map_err(failed)? {
            0 => Err(no_medium("nobody answers".to_owned())),
            _ => Ok(()),
        }
    }

    fn run(&self, command: &Path, number: usize) -> Result<(), Failure> {
        let mut child = Command::new(command);
        child.arg(&self.root).arg(number.to_string()).arg(self.count.to_string());
        // What it prints is none of the result.
        let ended = child.stdin(Stdio::null()).stdout(Stdio::null()).status();
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(no_medium(format!("the command for media failed: {status}"))),
            Err(error) => Err(no_medium(format!("the command for media failed: {error}"))),
        }
    }
}

/// True when `place` is not on the file system of `/`: a medium is mounted there.
///
/// # Errors
/// When a file system cannot be asked.
pub fn is_own(place: &Path) -> Result<bool, Failure> {
    Ok(Space::at(place)?.device != Space::at(Path::new("/"))?.device)
}

fn no_medium(why: String) -> Failure {
    Failure::new(Exit::Failed, "no-medium", why).hint(
        "the export ended; what is on the media is no bundle: empty them before the next one begins",
    )
}
