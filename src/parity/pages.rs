//! The index on the medium: pages that each prove themselves, many times over.
//!
//! Each file of parity begins and ends with all pages. A page is good if one copy of it in any file
//! is; where all copies of a page of hashes are gone, its blocks count as lost and are made anew.
//! Withstands: any bytes in a file called parity. A page is taken only with its own hash, and only
//! from the place where it belongs; how many there are is capped, and memory goes to pages that are
//! there. Normative text: `formats/parity.md`.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::ParityError;
use super::geometry::MAX_BLOCKS;
use super::index::{BlockHash, Index, MAX_TEXT, hash};
use super::place::{Copy, MAX_PARITY_FILES};
use crate::files;

/// Bytes of a page: a sector of most disks.
pub const PAGE: u64 = 4096;
/// What a page holds.
const CONTENT: usize = 4032;
const CONTENT_AT: usize = 48;
const HASH_AT: usize = CONTENT_AT + CONTENT;
const MAGIC: &[u8; 16] = b"gapferry parity\n";
/// Hashes of a page.
const HASHES: u64 = CONTENT as u64 / 16;
/// The most pages.
const MAX_PAGES: u64 = MAX_TEXT as u64 / CONTENT as u64 + 1 + 2 * MAX_BLOCKS / HASHES + 1;
/// How many pages at either end of a file are looked at to find out what it is.
const PROBES: u64 = 256;

type Content = [u8; CONTENT];

/// What a page says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Page {
    id: BlockHash,
    number: u64,
    count: u64,
    file: usize,
    content: Box<Content>,
}

/// How many pages an index has.
pub fn count(text: usize, hashes: u64) -> u64 {
    (text as u64).div_ceil(CONTENT as u64) + hashes.div_ceil(HASHES)
}

/// All pages of the file numbered `file` (from 0), one behind the other.
pub fn write(index: &Index, hashes: &[BlockHash], file: usize) -> Vec<u8> {
    let (text, id) = (index.text(), index.id());
    let count = count(text.len(), hashes.len() as u64);
    let contents = text.as_bytes().chunks(CONTENT).map(<[u8]>::to_vec);
    let contents = contents.chain(hashes.chunks(HASHES as usize).map(<[BlockHash]>::concat));
    let mut pages = Vec::with_capacity((count * PAGE) as usize);
    for (number, content) in contents.enumerate() {
        let mut page = [0; PAGE as usize];
        page[..16].copy_from_slice(MAGIC);
        page[16..32].copy_from_slice(&id);
        for (at, value) in [(32, number as u64), (36, count), (40, file as u64)] {
            let value = u32::try_from(value).expect("pages and files are few");
            page[at..at + 4].copy_from_slice(&value.to_be_bytes());
        }
        page[CONTENT_AT..CONTENT_AT + content.len()].copy_from_slice(&content);
        let hash = hash(&page[..HASH_AT]);
        page[HASH_AT..].copy_from_slice(&hash);
        pages.extend_from_slice(&page);
    }
    pages
}

fn parse(page: &[u8; PAGE as usize]) -> Option<Page> {
    let well = page[..16] == MAGIC[..] && page[44..48] == [0; 4];
    if !well || page[HASH_AT..] != hash(&page[..HASH_AT]) {
        return None;
    }
    let number =
        |at: usize| u32::from_be_bytes([page[at], page[at + 1], page[at + 2], page[at + 3]]);
    let mut id = BlockHash::default();
    id.copy_from_slice(&page[16..32]);
    let mut content = Box::new([0; CONTENT]);
    content.copy_from_slice(&page[CONTENT_AT..HASH_AT]);
    let (number, count, file) = (number(32).into(), number(36).into(), number(40) as usize);
    let possible = number < count && count <= MAX_PAGES && file < MAX_PARITY_FILES;
    possible.then_some(Page { id, number, count, file, content })
}

/// A file of parity that says what it is.
#[derive(Debug)]
pub struct Volume {
    /// Where it lies.
    pub copy: Copy,
    /// Its number in its set, from 0.
    pub number: usize,
    id: BlockHash,
    count: u64,
    handle: File,
    length: u64,
}

impl Volume {
    /// Looks what a file is; `None` when no page near its ends says so.
    ///
    /// # Errors
    /// [`ParityError::File`] when it cannot be opened, or is no regular file.
    pub fn open(copy: &Copy) -> Result<Option<Volume>, ParityError> {
        let handle = files::open_beneath(&copy.root, &copy.relative)?;
        let Ok(length) = handle.metadata().map(|kind| kind.len()) else { return Ok(None) };
        let front = (0..PROBES).map(|at| (at * PAGE, at));
        let back = (1..=PROBES).filter_map(|at| Some((length.checked_sub(at * PAGE)?, at)));
        let mut pages = front
            .filter_map(|(offset, at)| read(&handle, offset).filter(|page| page.number == at))
            .chain(back.filter_map(|(offset, at)| {
                read(&handle, offset).filter(|page| page.number + at == page.count)
            }));
        let page = pages.next();
        drop(pages);
        Ok(page.map(|Page { id, count, file: number, .. }| Volume {
            copy: copy.clone(),
            number,
            id,
            count,
            handle,
            length,
        }))
    }

    /// Page `number`, if either of its copies in this file is good.
    fn page(&self, number: u64) -> Option<Box<Content>> {
        let back = self.length.checked_sub((self.count - number) * PAGE);
        let offsets = [Some(number * PAGE), back].into_iter().flatten();
        let pages = offsets.filter_map(|offset| read(&self.handle, offset));
        let mut good = pages
            .filter(|page| (page.id, page.number, page.count) == (self.id, number, self.count));
        good.next().map(|page| page.content)
    }

    /// Reads parity from byte `at` of this file's rows on; false when it cannot be read.
    pub fn read(&self, at: u64, buffer: &mut [u8]) -> bool {
        super::input::read_full(&self.handle, buffer, self.count * PAGE + at).is_ok()
    }
}

fn read(file: &File, offset: u64) -> Option<Page> {
    let mut page = [0; PAGE as usize];
    file.read_exact_at(&mut page, offset).ok()?;
    parse(&page)
}

/// Files of parity that belong together.
#[derive(Debug)]
pub struct Set {
    /// What they protect, and how.
    pub index: Index,
    /// The files that are there, by their numbers.
    pub volumes: BTreeMap<usize, Volume>,
    /// How many pages of the index are gone in all copies.
    pub pages_lost: u64,
    pages: BTreeMap<u64, Box<Content>>,
    text_pages: u64,
}

impl Set {
    /// The sets that the files `parity` make up.
    ///
    /// # Errors
    /// [`ParityError::File`]; [`ParityError::Index`] when of a set no copy of its text is whole.
    pub fn all(parity: &[Copy]) -> Result<Vec<Set>, ParityError> {
        let mut sets: BTreeMap<(BlockHash, u64), BTreeMap<usize, Volume>> = BTreeMap::new();
        for copy in parity {
            if let Some(volume) = Volume::open(copy)? {
                let set = sets.entry((volume.id, volume.count)).or_default();
                set.entry(volume.number).or_insert(volume);
            }
        }
        sets.into_values().map(Set::assemble).collect()
    }

    fn assemble(volumes: BTreeMap<usize, Volume>) -> Result<Set, ParityError> {
        let (id, count) = volumes.values().next().map(|it| (it.id, it.count)).unwrap_or_default();
        let any = |number| volumes.values().find_map(|volume| volume.page(number));
        let mut pages: BTreeMap<u64, Box<Content>> =
            (0..count).filter_map(|number| Some((number, any(number)?))).collect();
        let mut text = Vec::new();
        for (at, content) in
            (0..).zip(&pages).map_while(|(at, (number, it))| (at == *number).then_some((at, it)))
        {
            let done = text.last() == Some(&b'\n') && content[0] == b'\n';
            text.extend_from_slice(&content[..]);
            if done
                || content.windows(2).any(|pair| pair == b"\n\n")
                || at * CONTENT as u64 > MAX_TEXT as u64
            {
                break;
            }
        }
        let (index, length) = Index::parse(&text)?;
        let text_pages = (length as u64).div_ceil(CONTENT as u64);
        if index.id() != id || self::count(length, index.hashes()) != count {
            return Err(ParityError::Index);
        }
        pages.retain(|number, _| *number >= text_pages);
        let pages_lost = count - text_pages - pages.len() as u64;
        Ok(Set { index, volumes, pages_lost, pages, text_pages })
    }

    /// What block `number` is; blocks of parity stand behind those of data. `None` when the index does
    /// not tell any more.
    pub fn hash(&self, number: u64) -> Option<BlockHash> {
        let content = self.pages.get(&(self.text_pages + number / HASHES))?;
        let at = (number % HASHES) as usize * 16;
        content[at..at + 16].try_into().ok()
    }
}
