//! The log in its file: read by anybody, added to under a lock (`flock`), synced before work goes on.
//!
//! Withstands: two processes that write at once, a full disk (room is made before the start), a line
//! that was cut off by a power cut or a kill, links and devices in the place of the log.

use std::fs::File;
use std::io::{BufReader, Seek as _, SeekFrom, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::chain::{Chain, Tail, is_cut};
use super::checkpoint::{Checkpoint, MAX_CHECKPOINT_SIZE};
use super::proof::Proof;
use super::record::{Event, Record};
use super::{AuditError, Fault, MAX_LINE, MAX_LOG_SIZE, tree};
use crate::files::{self, FileError};
use crate::oci::Digest;
use crate::trust::{Note, Signer, Timestamp};

/// A log that is added to.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
    chain: Chain,
}

/// Where the newest checkpoint of the log `path` lies.
pub fn checkpoint_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".checkpoint");
    PathBuf::from(name)
}

/// Reads the log `path` to its end, holds it against `checkpoints`, and shows each record to `visit`.
/// Their signatures are not looked at.
///
/// # Errors
/// Every [`AuditError`] of a log that is bad; [`AuditError::File`].
pub fn read(
    path: &Path,
    checkpoints: &[Checkpoint],
    visit: &mut dyn FnMut(&Record, &[u8]),
) -> Result<(Chain, Tail), AuditError> {
    let file = files::open(path)?;
    lock(&file, path, FlockOperation::LockShared)?;
    let mut chain = Chain::default();
    let tail = follow(&mut chain, path, &file, checkpoints, visit)?;
    Ok((chain, tail))
}

/// Reads on from where `chain` is, and holds what is read against the checkpoints.
fn follow(
    chain: &mut Chain,
    path: &Path,
    mut file: &File,
    checkpoints: &[Checkpoint],
    visit: &mut dyn FnMut(&Record, &[u8]),
) -> Result<Tail, AuditError> {
    let path_of = || path.to_owned();
    let size = file.metadata().map_err(|error| FileError::io("inspect", path, error))?.len();
    if size < chain.bytes {
        // Only what was read before is gone: the record is not known, but it is one of these.
        return Err(AuditError::Cut { path: path_of(), number: chain.size, size: chain.size });
    }
    if size > MAX_LOG_SIZE {
        return Err(AuditError::Full { path: path_of() });
    }
    let moved = file.seek(SeekFrom::Start(chain.bytes));
    moved.map_err(|error| FileError::io("seek in", path, error))?;
    let mut other = None;
    let tail = chain.read(path, &mut BufReader::new(file), &mut |record, line, chain| {
        let here = checkpoints.iter().filter(|it| it.size == record.number);
        other = other.take().or(here.clone().find(|it| it.root != chain.tree.root()).cloned());
        visit(record, line);
    })?;
    for Checkpoint { origin, .. } in checkpoints {
        if chain.origin().is_some_and(|own| own != *origin) {
            return Err(AuditError::Origin { path: path_of(), origin: origin.clone() });
        }
    }
    if let Some(Checkpoint { size, root, .. }) = other {
        return Err(AuditError::Rewritten { path: path_of(), size, root });
    }
    if let Some(size) = checkpoints.iter().map(|it| it.size).find(|size| *size > chain.size) {
        return Err(AuditError::Cut { path: path_of(), number: chain.size + 1, size });
    }
    Ok(tail)
}

/// Proves that record `number` is in the log `path` as it was at the signed checkpoint `note`.
///
/// # Errors
/// As [`read`]; [`AuditError::NoRecord`].
pub fn prove(path: &Path, number: u64, at: Checkpoint, note: Note) -> Result<Proof, AuditError> {
    let (mut leaves, mut found) = (Vec::new(), None);
    let size = at.size;
    read(path, &[at], &mut |record, line| {
        if record.number <= size {
            leaves.push(tree::leaf(line));
        }
        if record.number == number && number <= size {
            found = Some((line.to_vec(), number - 1));
        }
    })?;
    let none = || AuditError::NoRecord { path: path.to_owned(), number, size };
    let (line, index) = found.ok_or_else(none)?;
    let at = usize::try_from(index).map_err(|_| none())?;
    Ok(Proof { line, index, path: tree::path(at, &leaves), note })
}

fn lock(file: &File, path: &Path, how: FlockOperation) -> Result<(), FileError> {
    rustix::io::retry_on_intr(|| rustix::fs::flock(file, how))
        .map_err(|error| FileError::io("lock", path, error.into()))
}

impl Log {
    /// Opens the log `path`, or makes it, and reads all of it; closes a line that was left unfinished;
    /// and makes room for two more lines.
    ///
    /// # Errors
    /// Every [`AuditError`] of a log that is bad; [`AuditError::File`] when it cannot be written.
    pub fn open(path: &Path, now: Timestamp) -> Result<Log, AuditError> {
        let file = open_for_adding(path)?;
        let mut log = Log { path: path.to_owned(), file, chain: Chain::default() };
        log.locked(|log| {
            let newest = log.newest()?;
            let tail = follow(&mut log.chain, &log.path, &log.file, &newest, &mut |_, _| {})?;
            log.close(tail, now)?;
            log.reserve()
        })?;
        Ok(log)
    }

    /// The lines so far.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// What the log is now; `None` while it is empty.
    pub fn state(&self) -> Option<Checkpoint> {
        let (size, root) = (self.chain.size, self.chain.tree.root());
        Some(Checkpoint { origin: self.chain.origin()?, size, root })
    }

    /// Adds a record, for good, and gives its number.
    ///
    /// # Errors
    /// [`AuditError`]; the log is as before then, but for an unfinished line that could not be taken
    /// back, which the next one closes.
    pub fn add(&mut self, event: Event, now: Timestamp) -> Result<u64, AuditError> {
        self.locked(|log| {
            log.catch_up(now)?;
            log.write(event, now, b"")?;
            Ok(log.chain.size)
        })
    }

    /// Signs a checkpoint of the log as it is now, and leaves it beside the log.
    ///
    /// # Errors
    /// When it cannot be signed or written; [`AuditError::NoRecord`] while the log is empty.
    pub fn checkpoint(
        &mut self,
        signers: &[&dyn Signer],
        now: Timestamp,
    ) -> Result<(Checkpoint, Note), AuditError> {
        self.locked(|log| {
            log.catch_up(now)?;
            let empty = || AuditError::NoRecord { path: log.path.clone(), number: 1, size: 0 };
            let state = log.state().ok_or_else(empty)?;
            let note = state.sign(signers)?;
            files::write_private(&checkpoint_path(&log.path), note.to_text().as_bytes())?;
            Ok((state, note))
        })
    }

    fn locked<T>(
        &mut self,
        work: impl FnOnce(&mut Log) -> Result<T, AuditError>,
    ) -> Result<T, AuditError> {
        lock(&self.file, &self.path, FlockOperation::LockExclusive)?;
        let done = work(self);
        // What fails to unlock is unlocked at the end of the process.
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
        done
    }

    /// Reads what others added.
    fn catch_up(&mut self, now: Timestamp) -> Result<(), AuditError> {
        let tail = follow(&mut self.chain, &self.path, &self.file, &[], &mut |_, _| {})?;
        self.close(tail, now)
    }

    /// The checkpoint beside the log, if there is one.
    fn newest(&self) -> Result<Vec<Checkpoint>, AuditError> {
        let path = checkpoint_path(&self.path);
        match files::read_capped(&path, MAX_CHECKPOINT_SIZE) {
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error.into()),
            Ok(bytes) => match Checkpoint::of_note(&bytes) {
                Ok((checkpoint, _)) => Ok(vec![checkpoint]),
                Err(error) => Err(AuditError::Checkpoint { path, error }),
            },
        }
    }

    /// Closes unfinished lines: they stay, and a record says what they are.
    fn close(&mut self, tail: Tail, now: Timestamp) -> Result<(), AuditError> {
        let Tail::Torn(mut torn) = tail else { return Ok(()) };
        let feed: &[u8] = if torn.ends_with(b"\n") { b"" } else { b"\n" };
        let begin = torn.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (number, path) = (self.chain.size + 1, self.path.clone());
        if !feed.is_empty() && !is_cut(&torn[begin..]) {
            // A line to which nothing but the line feed is missing is the next record, or none.
            let line = [&torn[begin..], feed].concat();
            let record = Record::parse(&line).ok();
            let record = record.filter(|it| begin == 0 && self.chain.is_next(it, &[]));
            let fault = Fault::Malformed;
            let record = record.ok_or(AuditError::Record { path, number, fault })?;
            self.append(feed)?;
            self.chain.accept(&record, &line);
            return Ok(());
        }
        torn.extend(feed);
        let (bytes, digest) = (torn.len() as u64, Digest::of(&torn));
        self.chain.bytes += bytes - feed.len() as u64;
        self.write(Event::Torn { bytes, digest }, now, feed)
    }

    /// Writes one record behind `feed`.
    fn write(&mut self, event: Event, now: Timestamp, feed: &[u8]) -> Result<(), AuditError> {
        let (number, previous) = (self.chain.size + 1, self.chain.head);
        let record = Record { number, time: now, previous, event };
        let line = record.to_line();
        if line.len() > MAX_LINE || self.chain.bytes + (line.len() as u64) > MAX_LOG_SIZE {
            return Err(AuditError::Full { path: self.path.clone() });
        }
        self.append(&[feed, line.as_slice()].concat())?;
        self.chain.bytes += feed.len() as u64;
        self.chain.accept(&record, &line);
        Ok(())
    }

    /// Writes and syncs; takes back what it wrote when that fails.
    fn append(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        let before = self.file.metadata().map(|it| it.len());
        let before = before.map_err(|error| FileError::io("inspect", &self.path, error))?;
        let written = self.file.write_all(bytes).and_then(|()| self.file.sync_all());
        written.map_err(|error| {
            // It was never told to anybody; if it stays, the next record closes it.
            let _ = self.file.set_len(before);
            FileError::io("write", &self.path, error)
        })
    }

    /// Makes room on the disk for an intent and an outcome, where the file system can do that.
    fn reserve(&mut self) -> Result<(), AuditError> {
        let room = 2 * MAX_LINE as u64;
        let reserved = rustix::io::retry_on_intr(|| {
            rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.chain.bytes, room)
        });
        match reserved {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
            Err(error) => Err(FileError::io("make room for", &self.path, error.into()).into()),
        }
    }
}

/// Opens or makes a regular file that writes go to the end of.
fn open_for_adding(path: &Path) -> Result<File, FileError> {
    let flags = OFlags::RDWR
        | OFlags::APPEND
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::NOCTTY
        | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let failed = |error: Errno| match error {
        Errno::LOOP | Errno::NXIO => FileError::NotRegular { path: path.to_owned() },
        error => FileError::io("open", path, error.into()),
    };
    let opened: OwnedFd = match rustix::fs::open(path, flags, mode) {
        Err(Errno::NOENT) => {
            let made = rustix::fs::open(path, flags | OFlags::CREATE, mode).map_err(failed)?;
            files::sync_directory(&files::parent(path))?;
            made
        }
        other => other.map_err(failed)?,
    };
    let file = File::from(opened);
    let kind = file.metadata().map_err(|error| FileError::io("inspect", path, error))?;
    match kind.is_file() {
        true => Ok(file),
        false => Err(FileError::NotRegular { path: path.to_owned() }),
    }
}
