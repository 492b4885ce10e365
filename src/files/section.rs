//! A run of bytes of an open file, read by position: many readers share one file, and none moves
//! another's place.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::cached::forget;

/// Some bytes of an open file. Reading takes from its front; a clone reads on by itself.
#[derive(Debug, Clone)]
pub struct Section {
    file: Arc<File>,
    start: u64,
    size: u64,
}

impl Section {
    /// All of `file`, as long as it is now.
    ///
    /// # Errors
    /// When the file cannot be inspected.
    pub fn whole(file: File) -> io::Result<Section> {
        let size = file.metadata()?.len();
        Ok(Section { file: Arc::new(file), start: 0, size })
    }

    /// The `size` bytes from `start` on, or as many of them as there are.
    pub fn part(&self, start: u64, size: u64) -> Section {
        let start = start.min(self.size);
        let size = size.min(self.size - start);
        Section { file: Arc::clone(&self.file), start: self.start + start, size }
    }

    /// Has the system drop what it holds of the file in memory, so that it is read from the medium
    /// next. It may decline, and what is not written out yet stays.
    pub fn forget(&self) {
        forget(&self.file);
    }

    /// Bytes still to be read.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.size).unwrap_or(usize::MAX));
        let count = self.file.read_at(&mut buffer[..room], self.start)?;
        self.start += count as u64;
        self.size -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(mut section: Section) -> String {
        let mut text = String::new();
        section.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn readers_of_one_file_do_not_disturb_each_other() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("x"), "0123456789").unwrap();
        let whole = Section::whole(File::open(dir.path().join("x")).unwrap()).unwrap();
        let mut front = whole.clone();
        front.read_exact(&mut [0; 4]).unwrap();
        assert_eq!((whole.size(), front.size()), (10, 6));
        assert_eq!(text(front), "456789");
        assert_eq!(text(whole.part(2, 3)), "234");
        assert_eq!(text(whole.part(2, 5).part(3, u64::MAX)), "56");
        assert_eq!(text(whole.part(11, 1)), "");
    }
}
