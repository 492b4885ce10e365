//! Who holds a lock: for people. What counts is the system's lock.
//!
//! Withstands: a record of any length and kind (it is capped, and refused unless it is plain text).

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::sync::OnceLock;

/// The most bytes that are read of a record.
pub(super) const MAX_RECORD: u64 = 500;
/// The most bytes that are read of the system's list of locks.
const MAX_LOCKS: u64 = 16 * 1024 * 1024;

static OWN: OnceLock<Owner> = OnceLock::new();

/// A process, and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its number.
    pub process: u32,
    /// The machine that it runs on.
    pub host: Option<String>,
    /// Since when.
    pub since: Option<String>,
    /// What it does.
    pub command: Option<String>,
}

/// Says what this process writes into the locks that it takes: its host, since when it runs, and what it
/// does. The first word counts. Who says nothing is known by the number alone.
pub fn introduce(host: Option<String>, since: String, command: String) {
    let owner = Owner { host, since: Some(since), command: Some(command), ..Owner::bare() };
    let _ = OWN.set(owner);
}

impl Owner {
    fn bare() -> Owner {
        Owner { process: std::process::id(), host: None, since: None, command: None }
    }

    /// This process.
    pub(super) fn own() -> Owner {
        OWN.get().cloned().unwrap_or_else(Owner::bare)
    }

    /// `<process> <host> <since> <command>` and a line feed; what is not known is `-`.
    pub(super) fn record(&self) -> String {
        let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let command = word(&self.command);
        format!("{} {} {} {command}\n", self.process, word(&self.host), word(&self.since))
    }

    /// Reads a record; at least the number must be there.
    pub(super) fn parse(text: &str) -> Option<Owner> {
        let mut words = text.trim_end().splitn(4, ' ');
        let process = words.next()?.parse().ok()?;
        let plain =
            |word: &str| word != "-" && word.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let mut word = || words.next().filter(|word| plain(word)).map(str::to_owned);
        Some(Owner { process, host: word(), since: word(), command: word() })
    }

    /// The process that holds a lock on `file`, as this machine's list of locks has it. Linux alone has
    /// one; of other machines it knows nothing.
    pub(super) fn of(file: &File) -> Option<Owner> {
        let found = file.metadata().ok()?;
        let mut text = String::new();
        let locks = File::open("/proc/locks").ok()?;
        locks.take(MAX_LOCKS).read_to_string(&mut text).ok()?;
        let (major, minor) = (rustix::fs::major(found.dev()), rustix::fs::minor(found.dev()));
        let place = format!("{major:02x}:{minor:02x}:{}", found.ino());
        let line = text.lines().find(|line| {
            let mut words = line.split_whitespace();
            line.contains(" FLOCK ") && !line.contains("->") && words.any(|word| word == place)
        })?;
        let process = line.split_whitespace().find_map(|word| word.parse().ok())?;
        Some(Owner { process, ..Owner::bare() })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.process)?;
        if let Some(command) = &self.command {
            write!(f, " ({command})")?;
        }
        if let Some(host) = &self.host {
            write!(f, " on {host}")?;
        }
        self.since.as_ref().map_or(Ok(()), |since| write!(f, " since {since}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let word = |text: &str| Some(text.to_owned());
        let since = word("2026-11-21T20:00:00Z");
        let owner =
            Owner { process: 7, host: word("a.site"), since, command: word("gapferry import") };
        assert_eq!(Owner::parse(&owner.record()), Some(owner.clone()));
        let shown = "process 7 (gapferry import) on a.site since 2026-11-21T20:00:00Z";
        assert_eq!(owner.to_string(), shown);
        let bare = Owner { process: 7, host: None, since: None, command: None };
        assert_eq!(Owner::parse(&bare.record()), Some(bare.clone()));
        assert_eq!(Owner::parse("7\n"), Some(bare.clone()));
        assert_eq!(Owner::parse("7 \u{1b}[2J \n"), Some(bare));
        for none in ["", "x", "-1", "4294967296", "gapferry"] {
            assert_eq!(Owner::parse(none), None, "{none}");
        }
    }
}
