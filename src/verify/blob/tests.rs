use super::*;
use crate::bundle::{Marks, Medium};
use crate::oci::Digest;
use crate::tests::{noise, put};
use std::path::PathBuf;

/// A blob in a directory of its own, and what the catalog would say of it.
struct Stored {
    dir: tempfile::TempDir,
    path: BlobPath,
    entry: CatalogBlob,
    content: Vec<u8>,
}

fn stored(size: usize) -> Stored {
    let content = noise(size, size as u64);
    let path = BlobPath::of(&Digest::of(&content)).unwrap();
    let mut hasher = BlockHasher::default();
    let blocks = content.chunks_exact(MARK_BLOCK);
    let marks = blocks.map(|block| hasher.full(block.try_into().unwrap())).collect();
    let entry =
        CatalogBlob { digest: path.digest(), size: size as u64, marks: Marks(marks), stored: None };
    let stored = Stored { dir: tempfile::tempdir().unwrap(), path, entry, content };
    put(&stored.file(), &stored.content);
    stored
}

impl Stored {
    fn file(&self) -> PathBuf {
        self.dir.path().join(self.path.to_string())
    }

    fn open(&self) -> BlobReader<'_> {
        let medium = Medium::gather(&[self.dir.path().to_owned()]).unwrap();
        let piece = medium.get(&self.path.into()).unwrap();
        BlobReader::stretch(self.path, piece, &self.entry, 0, usize::MAX).unwrap()
    }

    /// What is given before the error, and the error.
    fn read(&self) -> (Vec<u8>, Option<VerifyError>) {
        let (mut reader, mut bytes) = (self.open(), Vec::new());
        let error = reader.read_to_end(&mut bytes).err().map(VerifyError::from_io);
        (bytes, error)
    }

    fn damage(&self) -> (Vec<u8>, u64, u64) {
        match self.read() {
            (bytes, Some(VerifyError::Damaged { path, at })) => {
                assert_eq!((path, &at.file), (self.path.into(), &self.file()));
                (bytes, at.offset, at.length)
            }
            (_, other) => panic!("{other:?}"),
        }
    }
}

const SIZES: [usize; 7] =
    [0, 1, MARK_BLOCK - 1, MARK_BLOCK, MARK_BLOCK + 1, 2 * MARK_BLOCK, 3 * MARK_BLOCK + 700];

#[test]
fn what_is_right_is_given() {
    for size in SIZES {
        let stored = stored(size);
        let (bytes, error) = stored.read();
        assert!(error.is_none() && bytes == stored.content, "{size}");
        // In small parts, and past the end.
        let mut reader = stored.open();
        let mut total = 0;
        let mut part = [0; 4093];
        loop {
            match reader.read(&mut part).unwrap() {
                0 => break,
                count => total += count,
            }
        }
        assert_eq!((total, reader.read(&mut part).unwrap()), (size, 0));
    }
}

#[test]
fn of_a_damaged_block_no_byte_is_given() {
    let stored = stored(3 * MARK_BLOCK + 700);
    for block in 0..4 {
        let start = block * MARK_BLOCK;
        let end = stored.content.len().min(start + MARK_BLOCK);
        for at in [start, start + 300, end - 1] {
            let mut bad = stored.content.clone();
            bad[at] ^= 1;
            put(&stored.file(), &bad);
            let (given, offset, length) = stored.damage();
            assert!(given == stored.content[..start], "{at}");
            assert_eq!((offset, length), (start as u64, (end - start) as u64));
        }
    }
}

#[test]
fn after_damage_every_read_fails() {
    let stored = stored(2 * MARK_BLOCK);
    let mut bad = stored.content.clone();
    bad[MARK_BLOCK] ^= 0x80;
    put(&stored.file(), &bad);
    let mut reader = stored.open();
    let mut block = vec![0; MARK_BLOCK];
    reader.read_exact(&mut block).unwrap();
    for _ in 0..3 {
        let before = block.clone();
        let error = VerifyError::from_io(reader.read(&mut block).unwrap_err());
        assert!(matches!(error, VerifyError::Damaged { at, .. } if at.offset == MARK_BLOCK as u64));
        assert!(block == before, "the buffer is untouched");
        // The blocks behind are not to be had either.
        put(&stored.file(), &stored.content);
    }
}

#[test]
fn a_file_that_is_cut_off_or_goes_on_is_damaged() {
    for size in SIZES {
        let stored = stored(size);
        let (mut shorter, mut longer) = (stored.content.clone(), stored.content.clone());
        longer.push(0);
        for bad in [shorter.pop().map(|_| shorter), Some(longer)].into_iter().flatten() {
            put(&stored.file(), &bad);
            let (given, ..) = stored.damage();
            assert!(given.len() % MARK_BLOCK == 0 && stored.content.starts_with(&given), "{size}");
        }
    }
}

#[test]
fn marks_that_do_not_lead_to_the_digest_are_refused() {
    let mut stored = stored(2 * MARK_BLOCK + 5);
    let good = stored.entry.marks.0.clone();
    for (marks, given) in [
        (vec![], 0),
        (good[..1].to_vec(), 1),
        ([good.clone(), vec![good[1]]].concat(), 2),
        (vec![good[1], good[0]], 0),
        (vec![good[0], [0; MARK_SIZE]], 1),
    ] {
        stored.entry.marks = Marks(marks);
        assert_eq!(stored.damage().0.len(), given * MARK_BLOCK);
    }
}

#[test]
fn a_stretch_gives_its_own_blocks() {
    let stored = stored(3 * MARK_BLOCK + 700);
    let medium = Medium::gather(&[stored.dir.path().to_owned()]).unwrap();
    let piece = medium.get(&stored.path.into()).unwrap();
    let read = |from, stop| {
        let mut bytes = Vec::new();
        let mut reader =
            BlobReader::stretch(stored.path, piece, &stored.entry, from, stop).unwrap();
        reader.read_to_end(&mut bytes).map(|_| bytes)
    };
    for (from, stop) in [(0, 1), (0, 2), (1, 3), (2, 9), (3, 4)] {
        let end = stored.content.len().min(stop * MARK_BLOCK);
        assert!(read(from, stop).unwrap() == stored.content[from * MARK_BLOCK..end], "{from}");
    }
    // Damage elsewhere is not its concern; damage within is.
    let mut bad = stored.content.clone();
    bad[MARK_BLOCK + 1] ^= 1;
    put(&stored.file(), &bad);
    assert!(read(0, 1).is_ok() && read(2, 4).is_ok());
    assert!(read(1, 2).is_err());
}

#[test]
fn what_cannot_be_read_is_not_called_damaged() {
    let error = std::io::Error::other("the medium is gone");
    assert!(matches!(VerifyError::from_io(error), VerifyError::File(FileError::Io { .. })));
}
