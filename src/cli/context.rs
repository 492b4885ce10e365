//! What a subcommand has at hand: the form of its output, progress, the clock, the environment.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::args::{Format, OutputArgs};
use super::failure::{Exit, Failure};
use super::output::escaped_json;
use super::progress;
use crate::report::Progress;

/// What a subcommand has at hand.
pub struct Context {
    format: Format,
    verbose: bool,
    progress: Arc<dyn Progress>,
    variable: fn(&str) -> Option<OsString>,
    clock: fn() -> SystemTime,
}

impl Context {
    /// The system's own clock, environment and terminal.
    pub fn new(args: &OutputArgs) -> Context {
        Context {
            format: args.output,
            verbose: args.verbose,
            progress: progress::choose(args, io::stderr().is_terminal()).into(),
            variable: |name| std::env::var_os(name),
            clock: SystemTime::now,
        }
    }

    /// True when results are to be JSON.
    pub fn json(&self) -> bool {
        self.format == Format::Json
    }

    /// True when more is to be said.
    pub fn verbose(&self) -> bool {
        self.verbose
    }

    /// Who hears of progress.
    pub fn progress(&self) -> &dyn Progress {
        self.progress.as_ref()
    }

    /// The same, for those who keep it.
    pub fn shared_progress(&self) -> Arc<dyn Progress> {
        self.progress.clone()
    }

    /// An environment variable; `None` when it is not set, or empty.
    pub fn variable(&self, name: &str) -> Option<OsString> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// The user's home directory.
    pub fn home(&self) -> Option<PathBuf> {
        self.variable("HOME").map(PathBuf::from)
    }

    /// The time now, in seconds since 1970.
    pub fn now(&self) -> u64 {
        // A clock before 1970 is as wrong as one that stands at it.
        (self.clock)().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// The time to sign with, in seconds since 1970: `SOURCE_DATE_EPOCH` where that is set.
    ///
    /// # Errors
    /// When `SOURCE_DATE_EPOCH` is no number of seconds.
    pub fn signing_time(&self) -> Result<u64, Failure> {
        let Some(value) = self.variable("SOURCE_DATE_EPOCH") else { return Ok(self.now()) };
        let digits = value.to_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        digits.and_then(|text| text.parse().ok()).ok_or_else(|| {
            let message = "SOURCE_DATE_EPOCH is not a number of seconds since 1970";
            Failure::new(Exit::Usage, "source-date-epoch", message)
        })
    }

    /// Writes a result for people to standard output.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn print(&self, text: &str) -> Result<(), Failure> {
        write_out(text.as_bytes())
    }

    /// Writes a result for scripts to standard output: one line of JSON.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn print_json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let json = serde_json::to_string(value).map_err(|error| failed(error.into()))?;
        write_out(format!("{}\n", escaped_json(&json)).as_bytes())
    }
}

fn write_out(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // Whoever reads (`head`, a pager) has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(failed),
    }
}

fn failed(error: io::Error) -> Failure {
    Failure::new(Exit::Failed, "output", format!("cannot write to standard output: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn context(variable: fn(&str) -> Option<OsString>) -> Context {
        let clock = || UNIX_EPOCH + Duration::from_millis(1_500);
        Context { variable, clock, ..Context::new(&OutputArgs::default()) }
    }

    #[test]
    fn the_signing_time_is_the_clock_or_source_date_epoch() {
        assert_eq!(context(|_| None).signing_time(), Ok(1));
        assert_eq!(context(|_| Some("".into())).signing_time(), Ok(1));
        let set = |name: &str| (name == "SOURCE_DATE_EPOCH").then(|| "1700000000".into());
        assert_eq!(context(set).signing_time(), Ok(1_700_000_000));
        let bad: [fn(&str) -> Option<OsString>; 3] =
            [|_| Some("-1".into()), |_| Some("1.5".into()), |_| Some("+1".into())];
        for variable in bad {
            let refused = context(variable).signing_time().unwrap_err();
            assert_eq!(refused.code, "source-date-epoch");
        }
    }

    #[test]
    fn a_clock_before_1970_stands_still() {
        let clock = || UNIX_EPOCH - Duration::from_secs(5);
        assert_eq!(Context { clock, ..context(|_| None) }.now(), 0);
    }

    #[test]
    fn home_is_in_the_environment() {
        let set = |name: &str| (name == "HOME").then(|| "/home/a".into());
        assert_eq!(context(set).home(), Some(PathBuf::from("/home/a")));
        assert_eq!(context(|_| None).home(), None);
    }
}
