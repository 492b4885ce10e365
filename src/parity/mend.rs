//! Repairing: finding the blocks that are not what they were, and making them anew.
//!
//! Withstands: damage anywhere, also in the parity: each block that goes into the reckoning was held
//! against its hash, and so is each that comes out. Room on the scratch disk goes to blocks for which
//! there is parity on the medium.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use reed_solomon_simd::engine::DefaultEngine;
use reed_solomon_simd::rate::{HighRateDecoder, RateDecoder as _};

use super::geometry::Geometry;
use super::index::hash;
use super::input::{Input, Located};
use super::mended::{Content, LOST, Mended, Stretch, path};
use super::pages::Set;
use super::place::{Copy, Found};
use super::{MEMORY, ParityError, threads};
use crate::bundle::{BundlePath, HeadFile, MAX_SEAL_SIZE, Medium, Seal};
use crate::files::{self, FileError};
use crate::oci::Digest;
use crate::pool;
use crate::report::Progress;

/// Bytes that are read in a row while looking for damage, at least.
const RUN: u64 = 1 << 20;
/// How many sectors of parity may fail, for a run, between being looked at and being used.
const TRIES: usize = 16;
/// The most copies of a file that are looked at.
const MAX_COPIES: usize = 100;

/// Looks for damage in the bundle that lies in `places`, and makes anew what parity can, in `scratch`.
/// Nothing of it is proven: whoever reads it verifies it.
///
/// # Errors
/// Every [`ParityError`] about using parity. Damage that is too large is none: it is listed.
pub fn mend(
    places: &[PathBuf],
    scratch: &Path,
    progress: &dyn Progress,
) -> Result<Mended, ParityError> {
    let found = Found::look(places)?;
    let set = choose(places, &found)?;
    let mut parts = found.parts;
    let protected = set.index.parts.iter().map(|(part, size)| {
        let mut copies = parts.remove(part).unwrap_or_default();
        copies.truncate(MAX_COPIES);
        (*part, *size, copies)
    });
    let input = Input::new(protected.collect::<Vec<_>>(), set.index.geometry.block);
    let others = parts.into_iter().filter_map(|(part, mut copies)| Some((part, copies.pop()?)));
    let others = others.collect();
    let state = scan(&set, &input, progress)?;
    if state.iter().all(|copy| *copy == LOST) {
        return Err(foreign(&set));
    }
    let file = tempfile::tempfile_in(scratch);
    let file = file.map_err(|error| FileError::io("create a file in", scratch, error))?;
    let content = Content { input, state, patches: BTreeMap::new(), scratch: file };
    let work = Work { set: &set, content: &content, damaged: Mutex::default() };
    let (patches, lost) = work.all(progress)?;
    let damaged = work.damaged.into_inner().expect("no thread panics with the lock");
    let parity_damaged = damaged.len() as u64;
    let corrected = stretches(&content.input, patches.keys().copied());
    let lost = stretches(&content.input, lost.into_iter());
    let parity = set.volumes.values().map(|volume| volume.copy.path()).collect();
    let content = Arc::new(Content { patches, ..content });
    let Set { index, pages_lost, .. } = set;
    Ok(Mended { index, corrected, lost, parity, parity_damaged, pages_lost, content, others })
}

/// The set of parity that is of this bundle.
fn choose(places: &[PathBuf], found: &Found) -> Result<Set, ParityError> {
    let names = || places.iter().map(|it| it.display().to_string()).collect::<Vec<_>>().join(", ");
    let mut sets = Set::all(&found.parity)?;
    // A seal that does not say another bundle's name may be damaged.
    let medium = Medium::gather(places).ok();
    if let Some(medium) = medium {
        if let Some(other) = sets.iter().find(|set| is_foreign(set, &medium)) {
            return Err(foreign(other));
        }
    }
    match (sets.pop(), sets.is_empty()) {
        (None, _) => Err(ParityError::Absent(names())),
        (Some(set), true) => Ok(set),
        (Some(_), false) => Err(ParityError::Two(names())),
    }
}

/// True when the medium has another seal, and none of the signatures: then it is not the damage of one
/// of them that tells the two apart.
fn is_foreign(set: &Set, medium: &Medium) -> bool {
    let read = |path: &BundlePath| medium.get(path)?.read(MAX_SEAL_SIZE).ok().flatten();
    let seal = read(&HeadFile::Seal.into()).filter(|bytes| Seal::parse(bytes).is_ok());
    let is_other = seal.is_some_and(|bytes| Digest::of(&bytes) != set.index.seal);
    let is_signature =
        |path: &&BundlePath| matches!(path, BundlePath::Head(HeadFile::Signature(_)));
    let mut signatures = medium.paths().filter(is_signature).filter_map(read);
    is_other && !signatures.any(|bytes| set.index.signatures.contains(&Digest::of(&bytes)))
}

fn foreign(set: &Set) -> ParityError {
    let file = set.volumes.values().next().map(|volume| volume.copy.path()).unwrap_or_default();
    ParityError::Foreign { file, seal: set.index.seal }
}

/// Which copy of each block is good; a block whose hash is not known any more is taken for lost.
fn scan(set: &Set, input: &Input, progress: &dyn Progress) -> Result<Vec<u8>, ParityError> {
    progress.begin("looking for damage", input.parts.iter().map(|part| part.size).sum());
    let step = RUN.max(input.block);
    let mut runs: Vec<(&Located, u64)> = Vec::new();
    for part in &input.parts {
        runs.extend((0..part.size).step_by(step as usize).map(|offset| (part, offset)));
    }
    let found = pool::run(threads(), &runs, |(part, offset)| {
        let length = step.min(part.size - offset);
        progress.advance(length);
        look(set, input, part, *offset, length as usize)
    })?;
    progress.end();
    Ok(found.concat())
}

fn look(
    set: &Set,
    input: &Input,
    part: &Located,
    offset: u64,
    length: usize,
) -> Result<Vec<u8>, ParityError> {
    let block = input.block as usize;
    let first = part.first + offset / input.block;
    let mut state = vec![LOST; length.div_ceil(block)];
    let mut buffer = vec![0; state.len() * block];
    for (at, copy) in (0..LOST).zip(&part.copies) {
        let Some(file) = open(copy)? else { continue };
        buffer[length..].fill(0);
        // Of a file that was cut off, what there is.
        let left = file.metadata().map_or(0, |kind| kind.len()).saturating_sub(offset);
        let there = usize::try_from(left).unwrap_or(usize::MAX).min(length);
        let readable = input.read_blocks(&file, &mut buffer[..there], offset);
        let complete = |number: usize| (number * block + block).min(length) <= there;
        for (number, bytes) in buffer.chunks(block).enumerate() {
            let readable = readable.get(number) == Some(&true) && complete(number);
            if state[number] == LOST
                && readable
                && set.hash(first + number as u64) == Some(hash(bytes))
            {
                state[number] = at;
            }
        }
        if !state.contains(&LOST) {
            break;
        }
    }
    Ok(state)
}

/// A file; `None` when it is lost. A link in its place is refused.
fn open(copy: &Copy) -> Result<Option<std::fs::File>, FileError> {
    match files::open_beneath(&copy.root, &copy.relative) {
        Ok(file) => Ok(Some(file)),
        Err(error @ FileError::NotRegular { .. }) => Err(error),
        Err(_) => Ok(None),
    }
}

struct Work<'a> {
    set: &'a Set,
    content: &'a Content,
    /// Blocks of parity that were found damaged.
    damaged: Mutex<BTreeSet<u64>>,
}

/// Neighbouring groups that lack the same blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    first: u64,
    count: u64,
    /// Which blocks of each group, by their places in it.
    missing: Vec<u64>,
    /// Where they go on the scratch disk.
    place: u64,
}

type Patches = BTreeMap<u64, u64>;

impl Work<'_> {
    fn geometry(&self) -> Geometry {
        self.set.index.geometry
    }

    /// Where the blocks are that could be made anew, and the numbers of those that could not.
    fn all(&self, progress: &dyn Progress) -> Result<(Patches, Vec<u64>), ParityError> {
        let runs = self.runs();
        let lacking = |run: &Run| run.count * run.missing.len() as u64 * self.geometry().block;
        progress.begin("repairing", runs.iter().map(lacking).sum());
        let done = pool::run(threads(), &runs, |run| {
            let lost = self.run(run)?;
            progress.advance(lacking(run));
            Ok::<_, ParityError>(lost)
        })?;
        progress.end();
        let (mut patches, mut all_lost) = (Patches::new(), Vec::new());
        for (run, lost) in runs.iter().zip(done) {
            for (number, place) in self.places(run) {
                match lost.contains(&(number % self.geometry().groups)) {
                    true => all_lost.push(number),
                    false => drop(patches.insert(number, place)),
                }
            }
        }
        all_lost.sort_unstable();
        Ok((patches, all_lost))
    }

    /// The blocks that a run lacks, and their places on the scratch disk. Behind the end of the data
    /// is nothing to lack.
    fn places(&self, run: &Run) -> Vec<(u64, u64)> {
        let Geometry { block, groups, .. } = self.geometry();
        let mut places = Vec::new();
        for (at, row) in (0..).zip(&run.missing) {
            for group in 0..run.count {
                let number = row * groups + run.first + group;
                places.push((number, run.place + (at * run.count + group) * block));
            }
        }
        places
    }

    fn runs(&self) -> Vec<Run> {
        let Geometry { block, groups, .. } = self.geometry();
        let mut missing: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (number, copy) in (0u64..).zip(&self.content.state) {
            if *copy == LOST {
                missing.entry(number % groups).or_default().push(number / groups);
            }
        }
        let mut runs: Vec<Run> = Vec::new();
        let mut place = 0;
        for (group, missing) in missing {
            let bytes = missing.len() as u64 * block;
            match runs.last_mut() {
                Some(run)
                    if run.first + run.count == group
                        && run.missing == missing
                        && (run.count + 1) * block <= RUN =>
                {
                    run.count += 1;
                }
                _ => runs.push(Run { first: group, count: 1, missing, place }),
            }
            place += bytes;
        }
        runs
    }

    /// Makes what a run lacks; gives the groups for which there is too little parity.
    fn run(&self, run: &Run) -> Result<Vec<u64>, ParityError> {
        if self.make(run, run, 0)? {
            return Ok(Vec::new());
        }
        if run.count == 1 {
            return Ok(vec![run.first]);
        }
        // Damaged parity may leave enough for some of the groups.
        let mut lost = Vec::new();
        for group in 0..run.count {
            let one = Run { first: run.first + group, count: 1, ..run.clone() };
            if !self.make(&one, run, group)? {
                lost.push(one.first);
            }
        }
        Ok(lost)
    }

    /// Makes the blocks that `run` lacks, which are from `group` on those of the run `whole`. False when
    /// there is too little parity, or when what comes out is something else than it was.
    fn make(&self, run: &Run, whole: &Run, group: u64) -> Result<bool, ParityError> {
        // Sectors that were read a moment ago, and cannot be read any more.
        let mut gone = BTreeSet::new();
        while gone.len() < TRIES {
            let rows = self.rows(run, &gone);
            if rows.len() < run.missing.len() {
                return Ok(false);
            }
            match self.decode(run, &rows, whole, group)? {
                None => return self.check(run, whole, group),
                Some(row) => gone.insert(row),
            };
        }
        Ok(false)
    }

    /// Rows of parity that are good for all groups of a run, as many as it takes.
    fn rows(&self, run: &Run, gone: &BTreeSet<u64>) -> Vec<u64> {
        let Geometry { block, groups, parity, .. } = self.geometry();
        let mut buffer = vec![0; (run.count * block) as usize];
        let good = |row: &u64| {
            let numbers =
                (run.first..).map(|group| self.content.input.blocks + row * groups + group);
            let read = self.read_row(*row, run.first * block, &mut buffer);
            let is_bad = |(number, bytes): &(u64, &[u8])| {
                !read || self.set.hash(*number) != Some(hash(bytes))
            };
            let bad = numbers.zip(buffer.chunks(block as usize)).filter(is_bad);
            let bad: Vec<u64> = bad.map(|(number, _)| number).collect();
            let is_good = bad.is_empty();
            self.damaged.lock().expect("no thread panics with the lock").extend(bad);
            is_good
        };
        (0..parity).filter(|row| !gone.contains(row)).filter(good).take(run.missing.len()).collect()
    }

    fn read_row(&self, row: u64, column: u64, buffer: &mut [u8]) -> bool {
        let index = &self.set.index;
        let number = (0..index.files.len()).rev().find(|file| index.first_row(*file) <= row);
        let Some(volume) = number.and_then(|number| self.set.volumes.get(&number)) else {
            return false;
        };
        let first = index.first_row(volume.number);
        volume.read((row - first) * index.geometry.row() + column, buffer)
    }

    /// Decodes, with the rows that were found good; gives one that cannot be read any more.
    fn decode(
        &self,
        run: &Run,
        rows: &[u64],
        whole: &Run,
        group: u64,
    ) -> Result<Option<u64>, ParityError> {
        let Geometry { block, data, parity, .. } = self.geometry();
        let row = self.geometry().row();
        let length = (run.count * block) as usize;
        let work = (data + parity.next_power_of_two()).next_power_of_two() as usize;
        let width = (MEMORY / threads() / work / 64 * 64).clamp(64, length);
        let choose = |number: u64| usize::from(self.content.state[number as usize]);
        let failed = |_| ParityError::Geometry;
        let engine = DefaultEngine::new();
        let (data, parity) = (data as usize, parity as usize);
        let mut decoder =
            HighRateDecoder::new(data, parity, width, engine, None).map_err(failed)?;
        let mut buffer = vec![0; width];
        for start in (0..length).step_by(width) {
            let buffer = &mut buffer[..width.min(length - start)];
            decoder.reset(data, parity, buffer.len()).map_err(failed)?;
            let column = run.first * block + start as u64;
            let is_missing = |place: &u64| run.missing.binary_search(place).is_ok();
            for place in (0..data as u64).filter(|place| !is_missing(place)) {
                let read = self.content.input.read(place * row + column, buffer, &choose);
                // It was good a moment ago.
                read.map_err(|number| self.unreadable(number))?;
                decoder.add_original_shard(place as usize, &*buffer).map_err(failed)?;
            }
            for parity in rows.iter().take(run.missing.len()) {
                if !self.read_row(*parity, column, buffer) {
                    return Ok(Some(*parity));
                }
                decoder.add_recovery_shard(*parity as usize, &*buffer).map_err(failed)?;
            }
            let decoded = decoder.decode().map_err(failed)?;
            for (at, place) in (0u64..).zip(&run.missing) {
                let made = decoded.restored_original(*place as usize).unwrap_or_default();
                let to = whole.place + (at * whole.count + group) * block + start as u64;
                self.keep(made, to)?;
            }
        }
        Ok(None)
    }

    fn keep(&self, bytes: &[u8], at: u64) -> Result<(), FileError> {
        let written = self.content.scratch.write_all_at(bytes, at);
        written.map_err(|error| FileError::io("write", Path::new("the scratch file"), error))
    }

    /// Holds what was made against the hashes, where they are known.
    fn check(&self, run: &Run, whole: &Run, group: u64) -> Result<bool, ParityError> {
        let Geometry { block, groups, .. } = self.geometry();
        let mut buffer = vec![0; block as usize];
        for (at, row) in (0..).zip(&run.missing) {
            for own in 0..run.count {
                let from = whole.place + (at * whole.count + group + own) * block;
                let read = self.content.scratch.read_exact_at(&mut buffer, from);
                read.map_err(|error| FileError::io("read", Path::new("the scratch file"), error))?;
                let expected = self.set.hash(row * groups + run.first + own);
                if expected.is_some_and(|expected| expected != hash(&buffer)) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn unreadable(&self, number: u64) -> ParityError {
        let part = self.content.input.part(number);
        ParityError::Unreadable {
            file: part.map_or_else(PathBuf::new, |it| path(it.part, &it.copies)),
        }
    }
}

/// Blocks, in order, as runs of bytes of files.
fn stretches(input: &Input, numbers: impl Iterator<Item = u64>) -> Vec<Stretch> {
    let mut all: Vec<Stretch> = Vec::new();
    for number in numbers {
        let Some(part) = input.part(number) else { continue };
        let offset = (number - part.first) * input.block;
        let length = input.block.min(part.size - offset);
        match all.last_mut() {
            Some(last) if last.part == part.part && last.offset + last.length == offset => {
                last.length += length;
            }
            _ => {
                let file = path(part.part, &part.copies);
                all.push(Stretch { part: part.part, file, offset, length });
            }
        }
    }
    all
}
