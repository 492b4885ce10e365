//! Tar archives made by other tools: indexed once, by stepping from header to header, and read in
//! place. Nothing is ever extracted.
//!
//! Withstands: `../`, absolute and over-long names, members of one name, links out of the archive,
//! devices and FIFOs, sparse members, a PAX size unlike the header's, global PAX headers, extension
//! records of any size, wrong header checksums, sizes past the end (truncation), millions of
//! members, compressed archives (refused by name), an archive that is a FIFO or device itself.
//! Source: POSIX.1-2017 pax, "ustar Interchange Format"; the GNU tar manual, "Extensions".

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use tar::{EntryType, Header, PaxExtensions};

use crate::files::{self, FileError, Section};
use crate::layout::IndexError;
use crate::oci::Digest;

/// How many members an archive may have.
const MAX_MEMBERS: usize = 100_000;
/// The longest name of a member, in bytes.
const MAX_NAME: usize = 1024;
/// The longest extension record (GNU long name, PAX header), in bytes.
const MAX_EXTENSION: u64 = 64 * 1024;
/// The largest size that a ustar header can state.
const MAX_USTAR_SIZE: u64 = 0o777_7777_7777;
const BLOCK: u64 = 512;
/// How many links may lead to a file.
const MAX_LINKS: usize = 4;

/// Why an archive cannot be read. The input's fault, but for [`ArchiveError::File`].
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is compressed.
    #[error("{} is compressed with {kind}; only plain tar archives are read", path.display())]
    Compressed {
        /// Which archive.
        path: PathBuf,
        /// By which program.
        kind: &'static str,
    },
    /// It is no tar archive, or damaged.
    #[error("{}, at byte {offset}: {why}", path.display())]
    Malformed {
        /// Which archive.
        path: PathBuf,
        /// Where the member's header is.
        offset: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// A member that gapferry does not accept.
    #[error("{} holds {member:?}: {why}", path.display())]
    Member {
        /// Which archive.
        path: PathBuf,
        /// Its name, cut to 200 characters.
        member: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A member that should be there.
    #[error("{} does not hold {member:?}", path.display())]
    Missing {
        /// Which archive.
        path: PathBuf,
        /// Its name, cut to 200 characters.
        member: String,
    },
    /// `oci-layout` or `index.json` is malformed.
    #[error("{member} in {} is malformed: {error}", path.display())]
    Index {
        /// Which archive.
        path: PathBuf,
        /// Which of them.
        member: &'static str,
        /// What is wrong.
        error: IndexError,
    },
    /// Docker's `manifest.json` or an image's config is malformed.
    #[error("{member:?} in {} is malformed: {error}", path.display())]
    Json {
        /// Which archive.
        path: PathBuf,
        /// Its name, cut to 200 characters.
        member: String,
        /// Where and what.
        error: serde_json::Error,
    },
    /// A config or layer is other content than the image says.
    #[error("{member:?} in {} has the digest {found}, the image says {expected}", path.display())]
    Digest {
        /// Which archive.
        path: PathBuf,
        /// Its name, cut to 200 characters.
        member: String,
        /// The digest that the image states.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// An image has more or fewer layers than its config says.
    #[error("{config:?} in {} names {expected} layers, manifest.json {found}", path.display())]
    Layers {
        /// Which archive.
        path: PathBuf,
        /// The config's name, cut to 200 characters.
        config: String,
        /// According to the config.
        expected: usize,
        /// According to `manifest.json`.
        found: usize,
    },
}

/// An open archive and where its members lie. Many threads may read at once.
#[derive(Debug, Clone)]
pub struct Archive {
    path: PathBuf,
    file: Section,
    members: BTreeMap<String, Member>,
}

#[derive(Debug, Clone)]
enum Member {
    File { offset: u64, size: u64 },
    Link { to: String },
}

impl Archive {
    /// Opens the archive at `path` and finds its members.
    ///
    /// # Errors
    /// [`ArchiveError::File`], [`ArchiveError::Compressed`], [`ArchiveError::Malformed`] and
    /// [`ArchiveError::Member`].
    pub fn open(path: &Path) -> Result<Archive, ArchiveError> {
        // The path is the user's word and may be a link; what it leads to must be a file.
        let real = std::fs::canonicalize(path).map_err(|e| FileError::io("open", path, e))?;
        let file = Section::whole(files::open(&real)?);
        let file = file.map_err(|error| FileError::io("inspect", path, error))?;
        let mut indexer = Indexer { path, file: &file, at: 0, members: BTreeMap::new() };
        indexer.refuse_compressed()?;
        while indexer.step()? {}
        let members = indexer.members;
        Ok(Archive { path: path.to_owned(), file, members })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The first member by name that is a link, if there is one.
    pub fn first_link(&self) -> Option<&str> {
        let mut members = self.members.iter();
        members
            .find(|(_, member)| matches!(member, Member::Link { .. }))
            .map(|(name, _)| name.as_str())
    }

    /// The bytes of the file `name`; `None` when it is not there, or is a link.
    pub fn file(&self, name: &str) -> Option<Section> {
        match self.members.get(name) {
            Some(Member::File { offset, size }) => Some(self.file.part(*offset, *size)),
            _ => None,
        }
    }

    /// The bytes of the file `name`, through links within the archive.
    ///
    /// # Errors
    /// [`ArchiveError::Missing`]; [`ArchiveError::Member`] for a link that leads nowhere.
    pub fn open_member(&self, name: &str) -> Result<Section, ArchiveError> {
        let mut at = name;
        for _ in 0..=MAX_LINKS {
            match self.members.get(at) {
                Some(Member::File { offset, size }) => return Ok(self.file.part(*offset, *size)),
                Some(Member::Link { to }) => at = to,
                None if at == name => {
                    return Err(ArchiveError::Missing {
                        path: self.path.clone(),
                        member: cut(name),
                    });
                }
                None => break,
            }
        }
        Err(self.refuse(name, "it is a link that leads to no file of the archive"))
    }

    /// All bytes of the file `name`, which may have `cap` of them at most.
    ///
    /// # Errors
    /// As [`Archive::open_member`]; [`ArchiveError::Member`] when it has more.
    pub fn read(&self, name: &str, cap: u64) -> Result<Vec<u8>, ArchiveError> {
        let mut section = self.open_member(name)?;
        if section.size() > cap {
            return Err(self.refuse(name, "it is too large for what it is"));
        }
        let mut bytes = Vec::new();
        section
            .read_to_end(&mut bytes)
            .map_err(|error| FileError::io("read", &self.path, error))?;
        Ok(bytes)
    }

    /// An error about the member `name`.
    pub fn refuse(&self, name: &str, why: &'static str) -> ArchiveError {
        ArchiveError::Member { path: self.path.clone(), member: cut(name), why }
    }
}

/// A name for a message.
pub(super) fn cut(name: &str) -> String {
    name.chars().take(200).collect()
}

/// What extension records say of the member that follows them.
#[derive(Default)]
struct Extension {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Extension {
    fn take(&mut self, kind: EntryType, record: &[u8]) -> Result<(), &'static str> {
        let text = |record: &[u8]| record.strip_suffix(b"\0").unwrap_or(record).to_vec();
        match kind {
            EntryType::GNULongName => once(&mut self.name, text(record)),
            EntryType::GNULongLink => once(&mut self.link, text(record)),
            _ => PaxExtensions::new(record).try_for_each(|line| {
                let line = line.map_err(|_| "a PAX header is malformed")?;
                self.take_pax(line.key_bytes(), line.value_bytes())
            }),
        }
    }

    fn take_pax(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        match key {
            b"path" => once(&mut self.name, value.to_vec()),
            b"linkpath" => once(&mut self.link, value.to_vec()),
            b"size" => {
                let digits = std::str::from_utf8(value).ok();
                let size = digits.and_then(|digits| digits.parse().ok());
                once(&mut self.size, size.ok_or("a PAX size is malformed")?)
            }
            key if key.starts_with(b"GNU.sparse.") => Err("a sparse file"),
            _ => Ok(()),
        }
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), &'static str> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err("extension records contradict each other"),
    }
}

fn is_extension(kind: EntryType) -> bool {
    kind.is_gnu_longname() || kind.is_gnu_longlink() || kind.is_pax_local_extensions()
}

fn has_content(kind: EntryType) -> bool {
    kind.is_file() || kind.is_contiguous()
}

/// A PAX size is believed when the header says the same, or cannot say it.
fn member_size(header: u64, pax: Option<u64>) -> Result<u64, &'static str> {
    match pax {
        None => Ok(header),
        Some(size) if size == header || (header == 0 && size > MAX_USTAR_SIZE) => Ok(size),
        Some(_) => Err("the PAX size is not that of the header"),
    }
}

/// The plain form of `path`, which starts in the directory `base` of the archive; `None` when it
/// is absolute, leads out or is no path at all.
fn beneath(base: &str, path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains('\0') {
        return None;
    }
    let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

struct Indexer<'a> {
    path: &'a Path,
    file: &'a Section,
    at: u64,
    members: BTreeMap<String, Member>,
}

impl Indexer<'_> {
    fn refuse_compressed(&self) -> Result<(), ArchiveError> {
        let head = self.read(0, self.file.size().min(6))?;
        let kind = match head.as_slice() {
            [0x1f, 0x8b, ..] => "gzip",
            [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
            [0xfd, b'7', b'z', b'X', b'Z', 0] => "xz",
            [b'B', b'Z', b'h', ..] => "bzip2",
            _ => return Ok(()),
        };
        Err(ArchiveError::Compressed { path: self.path.to_owned(), kind })
    }

    /// Takes one member; false at the end of the archive.
    fn step(&mut self) -> Result<bool, ArchiveError> {
        let mut extension = Extension::default();
        loop {
            let start = self.at;
            let Some(header) = self.header()? else { return Ok(false) };
            let kind = header.entry_type();
            let bad = |why| self.malformed(start, why);
            let stated = header.entry_size().map_err(|_| bad("the size is malformed"))?;
            if !is_extension(kind) {
                let size = member_size(stated, extension.size).map_err(bad)?;
                let size = if has_content(kind) { size } else { 0 };
                let content = self.skip(start, size)?;
                self.add(start, &header, extension, Member::File { offset: content, size })?;
                return Ok(true);
            }
            if stated > MAX_EXTENSION {
                return Err(bad("an extension record is too large"));
            }
            let content = self.skip(start, stated)?;
            let record = self.read(content, stated)?;
            extension.take(kind, &record).map_err(|why| self.malformed(start, why))?;
        }
    }

    /// The header at the present place; `None` for the end of the archive.
    fn header(&self) -> Result<Option<Header>, ArchiveError> {
        let malformed = |why| self.malformed(self.at, why);
        // Tar ends with a block of zeros; a file without it was cut.
        if self.file.size() < self.at + BLOCK {
            return Err(malformed("it ends without the end of a tar archive"));
        }
        let block = self.read(self.at, BLOCK)?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block).clone();
        let sum: u32 = block[..148].iter().chain(&block[156..]).map(|byte| u32::from(*byte)).sum();
        if header.cksum().ok() != Some(sum + 8 * u32::from(b' ')) {
            return Err(malformed("this is not the header of a tar member"));
        }
        Ok(Some(header))
    }

    /// Moves past the header at `start` and `size` bytes of content; gives where those begin.
    fn skip(&mut self, start: u64, size: u64) -> Result<u64, ArchiveError> {
        let content = start + BLOCK;
        let end = content.checked_add(size).filter(|end| *end <= self.file.size());
        let end = end.ok_or_else(|| self.malformed(start, "it ends in mid-member"))?;
        self.at = end.next_multiple_of(BLOCK);
        Ok(content)
    }

    fn add(
        &mut self,
        start: u64,
        header: &Header,
        extension: Extension,
        file: Member,
    ) -> Result<(), ArchiveError> {
        let name = extension.name.unwrap_or_else(|| header.path_bytes().into_owned());
        let name = self.text(start, name)?;
        let refuse =
            |why| ArchiveError::Member { path: self.path.to_owned(), member: cut(&name), why };
        if name.split('/').any(|part| part == "..") {
            return Err(refuse("its name leads out of the archive"));
        }
        let plain = beneath("", &name).ok_or_else(|| refuse("its name is not a relative path"))?;
        let member = match header.entry_type() {
            EntryType::Directory => return Ok(()),
            kind if has_content(kind) => file,
            kind @ (EntryType::Link | EntryType::Symlink) => {
                let link = header.link_name_bytes().map(std::borrow::Cow::into_owned);
                let to = self.text(start, extension.link.or(link).unwrap_or_default())?;
                let parent = plain.rsplit_once('/').map_or("", |(parent, _)| parent);
                let base = if kind.is_symlink() { parent } else { "" };
                let to = beneath(base, &to).ok_or_else(|| refuse("it links out of the archive"))?;
                Member::Link { to }
            }
            _ => return Err(refuse("it is no plain file")),
        };
        if plain.is_empty() {
            return Err(refuse("it has no name"));
        }
        if self.members.len() == MAX_MEMBERS {
            return Err(self.malformed(start, "it has more than 100,000 members"));
        }
        match self.members.insert(plain, member) {
            None => Ok(()),
            Some(_) => Err(refuse("it is there twice")),
        }
    }

    fn text(&self, start: u64, bytes: Vec<u8>) -> Result<String, ArchiveError> {
        if bytes.len() > MAX_NAME {
            return Err(self.malformed(start, "a name is too long"));
        }
        String::from_utf8(bytes).map_err(|_| self.malformed(start, "a name is not UTF-8"))
    }

    fn read(&self, at: u64, size: u64) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = Vec::new();
        let mut part = self.file.part(at, size);
        part.read_to_end(&mut bytes).map_err(|error| FileError::io("read", self.path, error))?;
        Ok(bytes)
    }

    fn malformed(&self, offset: u64, why: &'static str) -> ArchiveError {
        ArchiveError::Malformed { path: self.path.to_owned(), offset, why }
    }
}

#[cfg(test)]
mod tests;
