//! Making parity.
//!
//! A window is some neighbouring groups, or a part of one: its bytes stand in runs, one for each block
//! of data of a group, as far from each other as there are groups. All runs are read, the parity of
//! these bytes is made and written to its place, and the next window comes. So each byte is read once,
//! in runs that are as long as memory allows; windows are worked on side by side, and the bytes do not
//! depend on who was first.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use reed_solomon_simd::engine::DefaultEngine;
use reed_solomon_simd::rate::{HighRateEncoder, RateEncoder as _};
use sha2::{Digest as _, Sha256};

use super::geometry::{Amount, Geometry};
use super::index::{BlockHash, Index, MAX_PARTS, half};
use super::input::{Input, size};
use super::pages::{self, PAGE};
use super::place::{Copy, Found, MAX_PARITY_FILES, output};
use super::{MEMORY, ParityError, threads};
use crate::bundle::{BundlePath, HeadFile, MAX_SEAL_SIZE, Medium, Part};
use crate::files::{self, FAT_LIMIT, FileError, PartFile};
use crate::oci::Digest;
use crate::pool;
use crate::report::Progress;

/// The most bytes of a signature.
const MAX_SIGNATURE_SIZE: u64 = 8 * 1024;
/// What the encoder works on at a time is to fit the cache of a core.
const CACHE: usize = 512 * 1024;
/// The most bytes that an encoder keeps for itself.
const ENCODER: usize = 8 << 20;

/// What is to be made, and where.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// Where the bundle lies.
    pub places: &'a [PathBuf],
    /// How much parity.
    pub amount: Amount,
    /// The largest file of parity, in bytes; else the largest volume, or what FAT holds.
    pub limit: Option<u64>,
    /// The directory that parity goes to; beside the bundle, in the first place, unless given.
    pub out: Option<&'a Path>,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The files of parity.
    pub files: Vec<PathBuf>,
    /// Their bytes, together.
    pub bytes: u64,
    /// The shape of the groups.
    pub geometry: Geometry,
}

/// Makes parity for a bundle. What it protects is whatever lies there now: whoever calls has it
/// verified before.
///
/// # Errors
/// Every [`ParityError`] about making. No file of parity has come to its name then.
pub fn protect(order: &Order<'_>, progress: &dyn Progress) -> Result<Made, ParityError> {
    let found = Found::look(order.places)?;
    if let Some(there) = found.parity.first() {
        return Err(ParityError::Exists(there.path()));
    }
    let (index, input) = plan(order, found)?;
    let place = order.places.first().map(PathBuf::as_path).unwrap_or(Path::new("."));
    let paths: Vec<PathBuf> =
        (1..=index.files.len()).map(|number| output(place, order.out, number)).collect();
    if let Some(there) = paths.iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(ParityError::Exists(there.clone()));
    }
    let parts = paths.iter().map(|path| PartFile::create(path)).collect::<Result<Vec<_>, _>>()?;
    let pages = pages::count(index.text().len(), index.hashes());
    let work = Work { index: &index, input: &input, parts: &parts, pages };
    let written = work.write(progress);
    let bytes = match written {
        Ok(bytes) => bytes,
        Err(error) => {
            parts.iter().for_each(PartFile::discard);
            return Err(error);
        }
    };
    parts.into_iter().try_for_each(PartFile::commit)?;
    files::sync_directory(&files::parent(&paths[0]))?;
    Ok(Made { files: paths, bytes, geometry: index.geometry })
}

fn plan(order: &Order<'_>, found: Found) -> Result<(Index, Input), ParityError> {
    let (seal, signatures) = names(order.places)?;
    if found.parts.len() > MAX_PARTS {
        return Err(ParityError::TooLarge);
    }
    let mut parts: Vec<(Part, u64, Vec<Copy>)> = Vec::new();
    for (part, copies) in found.parts {
        parts.push((part, size(&copies[0])?, copies));
    }
    parts.sort_by_key(|(part, ..)| part.to_string());
    let sizes: Vec<u64> = parts.iter().map(|(_, size, _)| *size).collect();
    let is_volume = |part: &Part| matches!(part, Part::Volume(_));
    let volumes: Vec<u64> =
        parts.iter().filter(|(part, ..)| is_volume(part)).map(|(_, size, _)| *size).collect();
    let geometry = Geometry::plan(&sizes, &volumes, order.amount)?;
    let limit = order.limit.or(volumes.iter().max().copied()).unwrap_or(FAT_LIMIT);
    let table = parts.iter().map(|(part, size, _)| (*part, *size)).collect();
    let mut index = Index { seal, signatures, geometry, files: Vec::new(), parts: table };
    index.files = files(&index, order.amount, limit)?;
    Ok((index, Input::new(parts, geometry.block)))
}

/// The digests of the seal and of its signatures.
fn names(places: &[PathBuf]) -> Result<(Digest, Vec<Digest>), ParityError> {
    let medium = Medium::gather(places)?;
    let read = |path: &BundlePath, cap| {
        let piece = medium.get(path).map(|piece| piece.read(cap)).transpose()?.flatten();
        piece.map(|bytes| Digest::of(&bytes)).ok_or(ParityError::NoSeal)
    };
    let seal = read(&HeadFile::Seal.into(), MAX_SEAL_SIZE)?;
    let signature = |path: &&BundlePath| matches!(path, BundlePath::Head(HeadFile::Signature(_)));
    let signatures = medium.paths().filter(signature).map(|path| read(path, MAX_SIGNATURE_SIZE));
    let mut signatures = signatures.collect::<Result<Vec<_>, ParityError>>()?;
    signatures.sort();
    signatures.dedup();
    Ok((seal, signatures))
}

/// How many rows each file holds: as even as can be, in as few files as the limit lets.
fn files(index: &Index, amount: Amount, limit: u64) -> Result<Vec<u64>, ParityError> {
    let Geometry { parity, .. } = index.geometry;
    let least = match amount {
        Amount::Volumes(count) => u64::from(count),
        Amount::Percent(_) => 1,
    };
    let text = index.text().len();
    let rows = |files: u64, at: u64| parity / files + u64::from(at < parity % files);
    let size = |files: u64| {
        let lines: usize = (0..files).map(|at| format!("file: {}\n", rows(files, at)).len()).sum();
        2 * PAGE * pages::count(text + lines, index.hashes())
            + rows(files, 0) * index.geometry.row()
    };
    let most = parity.min(MAX_PARITY_FILES as u64);
    let files = (least.min(most)..=most).find(|files| size(*files) <= limit);
    let files = files.ok_or_else(|| ParityError::Limit { limit, needed: size(most) })?;
    Ok((0..files).map(|at| rows(files, at)).collect())
}

struct Work<'a> {
    index: &'a Index,
    input: &'a Input,
    parts: &'a [PartFile],
    /// How many pages the index has.
    pages: u64,
}

impl Work<'_> {
    /// Writes all files, and says how many bytes they have.
    fn write(&self, progress: &dyn Progress) -> Result<u64, ParityError> {
        let Geometry { groups, data, .. } = self.index.geometry;
        let hashes = Mutex::new(vec![BlockHash::default(); self.index.hashes() as usize]);
        let windows: Vec<u64> = (0..groups).step_by(self.groups_of_a_window()).collect();
        progress.begin("making parity", data * self.index.geometry.row());
        pool::run(threads(), &windows, |first| self.window(*first, &hashes, progress))?;
        progress.end();
        let hashes = hashes.into_inner().expect("no thread panics with the lock");
        let mut bytes = 0;
        for (number, part) in self.parts.iter().enumerate() {
            let pages = pages::write(self.index, &hashes, number);
            let end = self.at(self.index.files[number], 0);
            self.put(part, &pages, 0)?;
            self.put(part, &pages, end)?;
            bytes += end + pages.len() as u64;
        }
        Ok(bytes)
    }

    /// Bytes of one block that a window has at a time: of a large one only a part.
    fn slice(&self) -> usize {
        let Geometry { block, data, parity, .. } = self.index.geometry;
        let most = (MEMORY / threads() - ENCODER) as u64 / (data + parity);
        let slice = if most < block { 1 << most.max(64).ilog2() } else { block };
        usize::try_from(slice).expect("a slice fits the memory")
    }

    fn groups_of_a_window(&self) -> usize {
        let Geometry { block, data, parity, groups } = self.index.geometry;
        let most = (MEMORY / threads() - ENCODER) as u64 / (data + parity) / block;
        // Every thread has something to do.
        most.min(groups.div_ceil(threads() as u64)).max(1) as usize
    }

    /// The parity of the groups from `first` on.
    fn window(
        &self,
        first: u64,
        hashes: &Mutex<Vec<BlockHash>>,
        progress: &dyn Progress,
    ) -> Result<(), ParityError> {
        let Geometry { block, groups, data, parity } = self.index.geometry;
        let count = (groups - first).min(self.groups_of_a_window() as u64);
        let slice = self.slice();
        let width = if slice as u64 == block { (count * block) as usize } else { slice };
        let (mut raw, mut made) =
            (vec![0; data as usize * width], vec![0; parity as usize * width]);
        let rows = (data + parity) as usize;
        let mut hashers = vec![Sha256::new(); rows * count as usize];
        for start in (0..count * block).step_by(width) {
            for (row, run) in (0..data).zip(raw.chunks_mut(width)) {
                let at = row * self.index.geometry.row() + first * block + start;
                let read = self.input.read(at, run, &|_| 0);
                read.map_err(|number| self.unreadable(number))?;
                progress.advance(width as u64);
            }
            encode(&raw, &mut made, width, parity as usize)?;
            for (row, run) in (0..parity).zip(made.chunks(width)) {
                self.put_row(row, first * block + start, run)?;
            }
            let runs = raw.chunks(width).chain(made.chunks(width));
            for (run, hashers) in runs.zip(hashers.chunks_mut(count as usize)) {
                let blocks = run.chunks(width / count as usize);
                hashers.iter_mut().zip(blocks).for_each(|(hasher, block)| hasher.update(block));
            }
        }
        let mut hashes = hashes.lock().expect("no thread panics with the lock");
        for (at, hasher) in (0u64..).zip(hashers) {
            let (row, group) = (at / count, first + at % count);
            let number = match row.checked_sub(data) {
                Some(row) => self.input.blocks + row * groups + group,
                // Past the end of the data is nothing to be known.
                None if row * groups + group >= self.input.blocks => continue,
                None => row * groups + group,
            };
            hashes[number as usize] = half(hasher.finalize().into());
        }
        Ok(())
    }

    fn put_row(&self, row: u64, column: u64, run: &[u8]) -> Result<(), ParityError> {
        let first = |number: &usize| self.index.first_row(*number);
        let number = (0..self.parts.len()).rev().find(|number| first(number) <= row).unwrap_or(0);
        self.put(&self.parts[number], run, self.at(row - first(&number), column))
    }

    /// Where byte `column` of a row of a file stands in it.
    fn at(&self, row: u64, column: u64) -> u64 {
        self.pages * PAGE + row * self.index.geometry.row() + column
    }

    fn put(&self, part: &PartFile, bytes: &[u8], at: u64) -> Result<(), ParityError> {
        let written = part.as_file().write_all_at(bytes, at);
        Ok(written.map_err(|error| FileError::io("write", part.path(), error))?)
    }

    fn unreadable(&self, number: u64) -> ParityError {
        match self.input.part(number) {
            Some(part) => ParityError::Unreadable { file: part.copies[0].path() },
            None => ParityError::TooLarge,
        }
    }
}

/// The parity of `raw`, runs of `width` bytes, in columns that fit the cache.
fn encode(raw: &[u8], made: &mut [u8], width: usize, parity: usize) -> Result<(), ParityError> {
    let data = raw.len() / width;
    let column = (CACHE / parity.next_power_of_two()).min(ENCODER / 2 / data).min(width);
    let column = (column / 64 * 64).max(64);
    let failed = |_| ParityError::Geometry;
    let engine = DefaultEngine::new();
    let mut encoder = HighRateEncoder::new(data, parity, column, engine, None).map_err(failed)?;
    for start in (0..width).step_by(column) {
        let end = (start + column).min(width);
        encoder.reset(data, parity, end - start).map_err(failed)?;
        for run in raw.chunks(width) {
            encoder.add_original_shard(&run[start..end]).map_err(failed)?;
        }
        let encoded = encoder.encode().map_err(failed)?;
        for (run, parity) in made.chunks_mut(width).zip(encoded.recovery_iter()) {
            run[start..end].copy_from_slice(parity);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
