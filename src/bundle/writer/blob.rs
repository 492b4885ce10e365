//! Taking the bytes of one blob, and holding those whose place is not decided yet.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Place;
use crate::bundle::path::{BlobPath, BundlePath};
use crate::bundle::ustar;
use crate::files::{AtomicFile, FileError, PartFile};
use crate::oci::{Digest, Hasher, MARK_BLOCK, read_block};

/// Takes the bytes of one blob: as many as were announced.
pub struct BlobWriter {
    pub(super) sink: Sink,
    pub(super) left: u64,
}

pub(super) enum Sink {
    File(AtomicFile),
    Member(Member),
}

impl BlobWriter {
    /// The blob is complete and its content proven.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn finish(self) -> Result<(), FileError> {
        if self.left > 0 {
            let error = io::Error::other("the content is shorter than announced");
            return Err(FileError::io("write", self.file(), error));
        }
        match self.sink {
            Sink::File(file) => file.commit(),
            Sink::Member(member) => member.finish(),
        }
    }

    /// The file that is written to, for messages.
    pub fn file(&self) -> &Path {
        match &self.sink {
            Sink::File(file) => file.path(),
            Sink::Member(member) => member.archive.path(),
        }
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::Error::other("the content is longer than announced"));
        }
        let count = match &mut self.sink {
            Sink::File(file) => file.file().write(bytes)?,
            Sink::Member(member) => member.write(bytes)?,
        };
        self.left -= count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A member of an archive, written at its place.
pub(super) struct Member {
    archive: Arc<PartFile>,
    at: u64,
}

impl Member {
    pub(super) fn start(
        archive: Arc<PartFile>,
        offset: u64,
        name: BundlePath,
        size: u64,
    ) -> Result<Member, FileError> {
        let written = archive.as_file().write_all_at(&ustar::header(&name, size), offset);
        written.map_err(|error| FileError::io("write", archive.path(), error))?;
        Ok(Member { archive, at: offset + ustar::BLOCK })
    }

    pub(super) fn finish(self) -> Result<(), FileError> {
        let zeros = [0; ustar::BLOCK as usize];
        let padding = ustar::padding(self.at) as usize;
        let written = self.archive.as_file().write_all_at(&zeros[..padding], self.at);
        written.map_err(|error| FileError::io("write", self.archive.path(), error))
    }
}

impl Write for Member {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.archive.as_file().write_at(bytes, self.at)?;
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The content of a blob whose place is not decided yet.
pub enum Held {
    /// In the file that it may become.
    Beside(AtomicFile),
    /// In a file without a name, which is gone with the process; and the directory that it is in.
    Nameless(File, PathBuf),
}

impl Held {
    /// The open file.
    pub fn file(&mut self) -> &mut File {
        match self {
            Held::Beside(file) => file.file(),
            Held::Nameless(file, _) => file,
        }
    }

    /// The open file, for those who share it.
    pub fn as_file(&self) -> &File {
        match self {
            Held::Beside(file) => file.as_file(),
            Held::Nameless(file, _) => file,
        }
    }

    /// The file, or the directory that it is in, for messages.
    pub fn path(&self) -> &Path {
        match self {
            Held::Beside(file) => file.path(),
            Held::Nameless(_, directory) => directory,
        }
    }
}

/// True when the bytes at its place are the member: header, content, padding.
pub(super) fn is_member(
    archive: &PartFile,
    blob: BlobPath,
    place: Place,
) -> Result<bool, FileError> {
    let Place { offset, size, .. } = place;
    let mut header = [0; ustar::BLOCK as usize];
    let mut padding = vec![0; ustar::padding(size) as usize];
    let content = offset + ustar::BLOCK;
    let file = archive.as_file();
    let read = |bytes: &mut [u8], at| match file.read_exact_at(bytes, at) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        other => other.map(|()| true).map_err(|error| FileError::io("read", archive.path(), error)),
    };
    let framed = read(&mut header, offset)?
        && header == ustar::header(&blob.into(), size)
        && read(&mut padding, content + size)?
        && padding.iter().all(|byte| *byte == 0);
    if !framed {
        return Ok(false);
    }
    let file = FileAt { file, at: content, left: size };
    is_content(file, blob.digest()).map_err(|error| FileError::io("read", archive.path(), error))
}

/// True when the bytes have this digest.
pub(super) fn is_content(mut reader: impl Read, digest: Digest) -> io::Result<bool> {
    let (mut hasher, mut buffer) = (Hasher::sha256(), vec![0; MARK_BLOCK]);
    loop {
        match read_block(&mut reader, &mut buffer)? {
            0 => return Ok(hasher.finish() == digest),
            count => hasher.update(&buffer[..count]),
        }
    }
}

struct FileAt<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for FileAt<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.file.read_at(&mut buffer[..room], self.at)?;
        (self.at, self.left) = (self.at + count as u64, self.left - count as u64);
        Ok(count)
    }
}
