//! The files of a chart, out of an archive or a directory.
//!
//! Withstands: archives that inflate without end, files by the hundred thousand, `../`, absolute
//! and odd names, links and devices, one name twice, streams that are cut or go on. Nothing is ever
//! extracted. Source: Helm's documentation, "Charts", "The Chart File Structure".

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::Path;

use super::ChartError;
use crate::files::{self, read_capped};
use crate::recompress::{Gzip, GzipError};
use crate::yaml::{self, At, Node};

/// The largest archive of a chart, in bytes.
pub const MAX_CHART_SIZE: u64 = 32 * 1024 * 1024;
/// The most bytes of all its files; Helm takes as many.
pub const MAX_PLAIN: u64 = 100 * 1024 * 1024;
const PLAIN: &str = "100 MiB of files";
const MAX_FILES: usize = 10_000;
const MAX_NAME: usize = 512;
const METADATA: &str = "Chart.yaml";

/// A chart: its files by their names below its directory.
#[derive(Debug, Clone)]
pub struct Chart {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The version of what it brings, which images without a tag mostly have.
    pub app_version: Option<String>,
    /// `Chart.yaml`.
    pub metadata: Node,
    /// Its files.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Chart {
    /// The chart in the archive or directory at `path`.
    ///
    /// # Errors
    /// Every [`ChartError`].
    pub fn open(path: &Path) -> Result<Chart, ChartError> {
        match path.is_dir() {
            true => Chart::of(directory(path)?),
            false => Chart::parse(&archive(path)?),
        }
    }

    /// The chart in the bytes of an archive.
    ///
    /// # Errors
    /// Every [`ChartError`].
    pub fn parse(archive: &[u8]) -> Result<Chart, ChartError> {
        Chart::of(unpack(&inflate(archive, &mut { MAX_PLAIN })?)?)
    }

    /// The charts below `charts/`: archives, and directories. Each with its place. `left` is how many
    /// bytes their files may have; what they have is taken off.
    ///
    /// # Errors
    /// Every [`ChartError`].
    pub fn parts(&self, left: &mut u64) -> Result<Vec<(String, Chart)>, ChartError> {
        let mut parts = Vec::new();
        let mut directories: BTreeMap<&str, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
        for (name, bytes) in &self.files {
            let Some(rest) = name.strip_prefix("charts/") else { continue };
            match rest.split_once('/') {
                // Helm passes over these as well.
                _ if rest.starts_with(['.', '_']) => {}
                Some((directory, file)) => {
                    let files = directories.entry(directory).or_default();
                    files.insert(file.to_owned(), bytes.clone());
                }
                None if rest.ends_with(".tgz") => {
                    let chart = Chart::of(unpack(&inflate(bytes, left)?)?)?;
                    parts.push((name.clone(), chart));
                }
                None => {}
            }
        }
        for (directory, files) in directories {
            parts.push((format!("charts/{directory}"), Chart::of(files)?));
        }
        Ok(parts)
    }

    /// A file that is YAML; `None` when it is not there or empty.
    ///
    /// # Errors
    /// [`ChartError::Yaml`].
    pub fn yaml(&self, file: &str) -> Result<Option<Node>, ChartError> {
        let Some(bytes) = self.files.get(file) else { return Ok(None) };
        read(file, bytes)
    }

    fn of(files: BTreeMap<String, Vec<u8>>) -> Result<Chart, ChartError> {
        let bytes = files.get(METADATA).ok_or(ChartError::NoChart)?;
        let metadata = read(METADATA, bytes)?.ok_or(ChartError::NoChart)?;
        let at = At::root(&metadata);
        let name = at.need_text("name")?.to_owned();
        let version = at.need_text("version")?.to_owned();
        let app_version = at.text_of("appVersion")?.map(str::to_owned);
        Ok(Chart { name, version, app_version, metadata, files })
    }
}

fn read(file: &str, bytes: &[u8]) -> Result<Option<Node>, ChartError> {
    let yaml = |(line, error)| ChartError::Yaml { file: file.to_owned(), line, error };
    Ok(yaml::parse(bytes).map_err(yaml)?.into_iter().next())
}

/// The bytes of an archive.
pub(super) fn archive(path: &Path) -> Result<Vec<u8>, ChartError> {
    // The path is the user's word and may be a link.
    let real =
        std::fs::canonicalize(path).map_err(|error| files::FileError::io("open", path, error))?;
    let size = files::open(&real)?.metadata().map_err(ChartError::Read)?.len();
    if size > MAX_CHART_SIZE {
        return Err(ChartError::TooLarge("32 MiB of archive"));
    }
    Ok(read_capped(&real, MAX_CHART_SIZE)?)
}

fn inflate(archive: &[u8], left: &mut u64) -> Result<Vec<u8>, ChartError> {
    let failed = |error| match error {
        GzipError::Read(error) => ChartError::Read(error),
        error => ChartError::Gzip(error),
    };
    let mut gzip = Gzip::new(archive).map_err(failed)?;
    let mut plain = Vec::new();
    while let Some(piece) = gzip.next().map_err(failed)? {
        *left = left.checked_sub(piece.len() as u64).ok_or(ChartError::TooLarge(PLAIN))?;
        plain.extend_from_slice(piece);
    }
    Ok(plain)
}

/// The files of a tar, without the one directory that they all lie in.
fn unpack(plain: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, ChartError> {
    let mut files = BTreeMap::new();
    let mut archive = tar::Archive::new(plain);
    for (count, entry) in archive.entries().map_err(ChartError::Tar)?.enumerate() {
        let mut entry = entry.map_err(ChartError::Tar)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let refused = |why| ChartError::Member { member: cut(&name), why };
        if count >= MAX_FILES {
            return Err(ChartError::TooLarge("10,000 files"));
        }
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() || kind.is_dir() {
            continue;
        }
        if !kind.is_file() {
            return Err(refused("it is no file"));
        }
        let path = name.strip_prefix("./").unwrap_or(&name);
        let (_, below) = path.split_once('/').ok_or_else(|| refused("it lies in no directory"))?;
        if !is_plain(path) {
            return Err(refused("its name leads elsewhere"));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(ChartError::Tar)?;
        if files.insert(below.to_owned(), bytes).is_some() {
            return Err(refused("it is there twice"));
        }
    }
    Ok(files)
}

/// The files of a directory, but for hidden ones. Links are refused: what they lead to would travel unseen.
fn directory(path: &Path) -> Result<BTreeMap<String, Vec<u8>>, ChartError> {
    let (mut files, mut left) = (BTreeMap::new(), MAX_PLAIN);
    let shown = |entry: &walkdir::DirEntry| {
        entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b".")
    };
    let walk = walkdir::WalkDir::new(path).follow_root_links(true).sort_by_file_name();
    for entry in walk.into_iter().filter_entry(shown) {
        let entry = entry.map_err(|error| ChartError::Read(io::Error::from(error)))?;
        let below = entry.path().strip_prefix(path).unwrap_or(entry.path());
        let name = below.to_string_lossy().into_owned();
        let refused = |why| ChartError::Member { member: cut(&name), why };
        if entry.file_type().is_dir() || entry.depth() == 0 {
            continue;
        }
        if !entry.file_type().is_file() {
            return Err(refused("it is no file"));
        }
        if !is_plain(&name) || below.to_str().is_none() {
            return Err(refused("its name is odd"));
        }
        if files.len() >= MAX_FILES {
            return Err(ChartError::TooLarge("10,000 files"));
        }
        let size = entry.metadata().map_err(|error| ChartError::Read(error.into()))?.len();
        left = left.checked_sub(size).ok_or(ChartError::TooLarge(PLAIN))?;
        files.insert(name, read_capped(entry.path(), size)?);
    }
    Ok(files)
}

fn is_plain(path: &str) -> bool {
    let odd = |part: &str| part.is_empty() || part == "." || part == "..";
    path.len() <= MAX_NAME
        && !path.contains(['\\', '\0'])
        && !path.chars().any(char::is_control)
        && !path.split('/').any(odd)
}

fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}
