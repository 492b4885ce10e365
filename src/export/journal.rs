//! The journal of an export: what of the bundle is written, so that an interrupted export goes on
//! where it was and ends with the same bytes.
//!
//! It lies beside the unfinished bundle, on a medium that others may have had. So it is believed
//! in nothing that matters: which images travel is asked for anew and compared, content counts
//! when its digest is right, and how layers are made again is proven when the bundle is read back.
//! Withstands: a last line that was not written to its end, lines that were changed, a journal of
//! another export, two exports at once, links in its place. Normative text: `formats/journal.md`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::pack::{Packed, Placed};
use super::packing::{Carried, Chunked, Way};
use super::plan::PlannedBlob;
use crate::bundle::{CatalogBlob, Coding, HeadFile, Kind, Pack, Packaging, Writer};
use crate::chunk::{ChunkIndex, LayerKind, OpenedLayer};
use crate::files::{self, FileError};
use crate::oci::line::{checked, line};
use crate::oci::{Descriptor, Digest, Manifest, PinnedImage};

const FORMAT: &str = "journal v1";
const TOOL: &str = concat!("gapferry ", env!("CARGO_PKG_VERSION"));
/// The largest journal, in bytes: the lists of chunks of some hundred million.
const MAX_SIZE: u64 = 16 << 30;
/// The longest line: a layer of a tebibyte.
const MAX_LINE: usize = 1 << 30;

/// Why an interrupted export is not taken up.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The journal could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its first line is none of this version's. The input's fault.
    #[error("{} is no journal of this version of gapferry", .0.display())]
    Malformed(PathBuf),
    /// What lies there was begun with other images or options. The input's fault.
    #[error("an unfinished export of something else lies there: {}", .0.display())]
    Other(PathBuf),
}

/// What an export is: the same for the run that was interrupted and for the one that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    /// The images, as a lock names them.
    pub images: Vec<PinnedImage>,
    /// Everything else that the bundle's bytes depend on.
    pub options: Digest,
    /// When the bundle is made, in seconds since 1970.
    pub created: u64,
    /// Bytes for volumes on each medium, in their order; none when there is one place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rooms: Vec<u64>,
}

/// The journal of an export that is under way.
pub struct Journal {
    path: PathBuf,
    begun: Begun,
    /// `None` for an export that cannot be taken up.
    file: Option<Mutex<File>>,
    /// Documents that were fetched.
    documents: BTreeMap<Digest, String>,
    /// Blobs that were written, by their place in the plan.
    records: BTreeMap<usize, Record>,
    noted: AtomicBool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    gapferry: String,
    tool: String,
    begun: Begun,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Line {
    Document(String),
    Blob(Box<Record>),
}

/// A blob of the plan that is aboard.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    at: usize,
    entry: CatalogBlob,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    packed: Option<RecordPacked>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opened: Option<RecordOpened>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordPacked {
    packs: Vec<Pack>,
    /// Plain offset, length, pack, offset in the pack.
    placed: Vec<(u64, u64, usize, u64)>,
    coding: Option<Coding>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordOpened {
    kind: Option<Kind>,
    /// A chunk index of this layer alone, in base64.
    chunks: String,
}

impl Journal {
    /// Where the journal of a bundle at `out` lies.
    pub fn place(out: &Path, packaging: Packaging) -> PathBuf {
        match packaging {
            Packaging::Archive => {
                let mut name = out.as_os_str().to_owned();
                name.push(".journal");
                PathBuf::from(name)
            }
            _ => out.join("export.journal"),
        }
    }

    /// The journal of an interrupted export to `out`; `None` when there is none.
    ///
    /// # Errors
    /// [`JournalError::File`], [`JournalError::Malformed`].
    pub fn find(out: &Path, packaging: Packaging) -> Result<Option<Journal>, JournalError> {
        let path = Journal::place(out, packaging);
        if path.symlink_metadata().is_err() {
            return Ok(None);
        }
        let mut file = files::open_locked(&path)?;
        let mut bytes = Vec::new();
        let read = (&mut file).take(MAX_SIZE).read_to_end(&mut bytes);
        read.map_err(|error| FileError::io("read", &path, error))?;
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let first = lines.next().unwrap_or_default();
        if !first.ends_with(b"\n") {
            // Interrupted before anything else was written.
            return Ok(None);
        }
        let head = checked::<Head>(first, MAX_LINE);
        let head = head.filter(|head| head.gapferry == FORMAT && head.tool == TOOL);
        let begun = head.ok_or_else(|| JournalError::Malformed(path.clone()))?.begun;
        let (mut documents, mut records) = (BTreeMap::new(), BTreeMap::new());
        let mut good = first.len() as u64;
        for line in lines {
            match checked(line, MAX_LINE) {
                Some(Line::Document(raw)) => {
                    documents.insert(Digest::of(raw.as_bytes()), raw);
                }
                Some(Line::Blob(record)) => {
                    records.insert(record.at, *record);
                }
                // Not written to its end, and nothing is behind it that counts.
                None => break,
            }
            good += line.len() as u64;
        }
        let journal = Journal::at(path, begun, file, documents, records);
        journal.go_on(good)?;
        Ok(Some(journal))
    }

    fn at(
        path: PathBuf,
        begun: Begun,
        file: File,
        documents: BTreeMap<Digest, String>,
        records: BTreeMap<usize, Record>,
    ) -> Journal {
        let noted = AtomicBool::new(!records.is_empty());
        Journal { path, begun, file: Some(Mutex::new(file)), documents, records, noted }
    }

    /// A journal that nobody writes.
    pub(super) fn none(begun: Begun) -> Journal {
        let (documents, records) = (BTreeMap::new(), BTreeMap::new());
        let noted = AtomicBool::new(false);
        Journal { path: PathBuf::new(), begun, file: None, documents, records, noted }
    }

    /// The next line begins at this byte.
    fn go_on(&self, end: u64) -> Result<(), FileError> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut file = file.lock().expect("no thread panics with the lock");
        let cut = file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end)));
        cut.map(drop).map_err(|error| FileError::io("cut", &self.path, error))
    }

    /// Begins the journal of an export to `out`, whose directory is there.
    ///
    /// # Errors
    /// [`JournalError::File`].
    pub fn create(
        out: &Path,
        packaging: Packaging,
        begun: Begun,
        documents: &BTreeMap<Digest, Manifest>,
    ) -> Result<Journal, JournalError> {
        let path = Journal::place(out, packaging);
        let (gapferry, tool) = (FORMAT.to_owned(), TOOL.to_owned());
        let head = Head { gapferry, tool, begun };
        let mut text = line(&head);
        for document in documents.values() {
            // What is no UTF-8 is no JSON, and was refused before.
            let raw = String::from_utf8_lossy(document.raw()).into_owned();
            text.extend(line(&Line::Document(raw)));
        }
        let file = files::open_locked(&path)?;
        let journal = Journal::at(path, head.begun, file, BTreeMap::new(), BTreeMap::new());
        journal.go_on(0)?;
        journal.append(&text)?;
        Ok(journal)
    }

    fn append(&self, text: &[u8]) -> Result<(), FileError> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut file = file.lock().expect("no thread panics with the lock");
        file.write_all(text).map_err(|error| FileError::io("write", &self.path, error))
    }

    /// Gives up what an interrupted export left in these places, of which the first has the journal.
    /// Without a journal nothing is removed.
    ///
    /// # Errors
    /// [`JournalError::File`]: among them that the other export is still running.
    pub fn discard(outs: &[PathBuf], packaging: Packaging) -> Result<(), JournalError> {
        let Some(first) = outs.first() else { return Ok(()) };
        let path = Journal::place(first, packaging);
        if path.symlink_metadata().is_err() {
            return Ok(());
        }
        let _locked = files::open_locked(&path)?;
        outs.iter().try_for_each(|out| Writer::discard(out, packaging))?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(FileError::io("remove", &path, error).into())
            }
            _ => Ok(()),
        }
    }

    /// What the interrupted export is.
    pub fn begun(&self) -> &Begun {
        &self.begun
    }

    /// The file, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True when the bundle at `out` was finished, and only the journal is left over.
    pub fn is_finished(&self, out: &Path, packaging: Packaging) -> bool {
        let last = match packaging {
            Packaging::Archive => out.to_owned(),
            _ => out.join(HeadFile::Seal.to_string()),
        };
        last.symlink_metadata().is_ok()
    }

    /// A document that was fetched before the interruption.
    pub fn document(&self, descriptor: &Descriptor) -> Option<Manifest> {
        let raw = self.documents.get(&descriptor.digest)?.clone().into_bytes();
        Manifest::parse(descriptor.clone(), raw).ok()
    }

    /// True when it has no blob: nothing is lost with it.
    pub fn is_empty(&self) -> bool {
        !self.noted.load(Ordering::Relaxed)
    }

    /// True when it says that blob `at` of the plan is aboard.
    pub fn says(&self, at: usize, blob: &PlannedBlob) -> bool {
        let entry = self.records.get(&at).map(|record| (record.entry.digest, record.entry.size));
        entry == Some((blob.descriptor.digest, blob.descriptor.size))
    }

    /// What became of blob `at` of the plan before the interruption; `None` when nothing did.
    pub(super) fn carried(&self, at: usize, blob: &PlannedBlob) -> Option<Carried> {
        self.records.get(&at).filter(|_| self.says(at, blob))?.clone().carried()
    }

    /// Notes what became of blob `at` of the plan. What cannot be noted is done again.
    ///
    /// # Errors
    /// [`JournalError::File`].
    pub(super) fn note(&self, at: usize, carried: &Carried) -> Result<(), JournalError> {
        let Some(record) = Record::of(at, carried) else { return Ok(()) };
        self.noted.store(true, Ordering::Relaxed);
        Ok(self.append(&line(&Line::Blob(Box::new(record))))?)
    }

    /// The bundle is finished, or given up.
    ///
    /// # Errors
    /// [`JournalError::File`].
    pub fn remove(self) -> Result<(), JournalError> {
        if self.file.is_none() {
            return Ok(());
        }
        match std::fs::remove_file(&self.path) {
            // Gone with the directory of a bundle that was given up.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            other => other.map_err(|error| FileError::io("remove", &self.path, error))?,
        }
        Ok(files::sync_directory(&files::parent(&self.path))?)
    }
}

/// True when `packed` is these runs of new content, each within its pack.
pub(super) fn is_laid(packed: &Packed, runs: &[(u64, u64)]) -> bool {
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for Placed { plain, length, pack, offset } in &packed.placed {
        let room =
            packed.packs.get(*pack).map_or(0, |pack| pack.frames.iter().map(|it| it.1).sum());
        if offset.checked_add(*length).is_none_or(|end| end > room) {
            return false;
        }
        match joined.last_mut() {
            Some(last) if last.0.checked_add(last.1) == Some(*plain) => last.1 += length,
            _ => joined.push((*plain, *length)),
        }
    }
    joined == runs
}

impl Record {
    /// `None` when it is nothing that lies on the medium, or too much for a line.
    fn of(at: usize, carried: &Carried) -> Option<Record> {
        let packed = match &carried.way {
            Way::Held => return None,
            Way::Stored => None,
            Way::Packed { packed, coding, .. } => Some(RecordPacked {
                packs: packed.packs.clone(),
                placed: packed
                    .placed
                    .iter()
                    .map(|it| (it.plain, it.length, it.pack, it.offset))
                    .collect(),
                coding: coding.clone(),
            }),
        };
        let opened = match &carried.opened {
            None => None,
            Some(opened) => Some(RecordOpened::of(carried.entry.digest, opened)?),
        };
        Some(Record { at, entry: carried.entry.clone(), packed, opened })
    }

    fn carried(self) -> Option<Carried> {
        let opened = match self.opened {
            None => None,
            Some(opened) => Some(opened.chunked()?),
        };
        let way = match self.packed {
            None => Way::Stored,
            Some(RecordPacked { packs, placed, coding }) => {
                opened.as_ref()?;
                let placed = placed.into_iter();
                let placed = placed
                    .map(|(plain, length, pack, offset)| Placed { plain, length, pack, offset })
                    .collect();
                // What is known of it is found out anew, in the order of the plan.
                Way::Packed { runs: Vec::new(), packed: Packed { packs, placed }, coding }
            }
        };
        Some(Carried { entry: self.entry, way, opened })
    }
}

impl RecordOpened {
    fn of(digest: Digest, opened: &Chunked) -> Option<RecordOpened> {
        let chunks = opened.chunks.clone();
        let layer = OpenedLayer { digest, kind: LayerKind::Tar, chunks };
        let bytes = match opened.chunks.is_empty() {
            true => Vec::new(),
            false => ChunkIndex::new(vec![layer]).to_bytes()?,
        };
        Some(RecordOpened { kind: opened.kind, chunks: BASE64.encode(bytes) })
    }

    fn chunked(self) -> Option<Chunked> {
        let bytes = BASE64.decode(self.chunks).ok()?;
        let chunks: Vec<_> = match bytes.is_empty() {
            true => Vec::new(),
            false => {
                let index = ChunkIndex::parse(&bytes).ok()?;
                index.layers().flat_map(|it| it.chunks()).map(|(_, chunk)| chunk).collect()
            }
        };
        let plain = chunks.iter().map(|chunk| u64::from(chunk.length())).sum();
        Some(Chunked { kind: self.kind, plain, chunks })
    }
}
