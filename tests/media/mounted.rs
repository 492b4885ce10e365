//! File systems of their own, on images that are mounted for a test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::command::Work;

/// A mounted file system; gone when dropped.
pub(crate) struct Mounted {
    pub(crate) place: PathBuf,
    pub(crate) image: PathBuf,
}

/// Runs a tool; whether it could do its work.
fn can(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    command.args(words).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl Mounted {
    fn new(work: &Work, name: &str, size: u64) -> Mounted {
        let (place, image) = (work.path(name), work.path(&format!("{name}.img")));
        std::fs::create_dir(&place).unwrap();
        std::fs::File::create(&image).unwrap().set_len(size).unwrap();
        Mounted { place, image }
    }

    /// ext4 of `size` bytes by the kernel; where that may not be, by fuse2fs.
    pub(crate) fn ext4(work: &Work, name: &str, size: u64) -> Mounted {
        let mounted = Mounted::new(work, name, size);
        let (place, image) = (mounted.place.display(), mounted.image.display());
        assert!(can(&format!("mkfs.ext4 -q -m 0 -O ^has_journal {image}")), "mkfs.ext4 is needed");
        if !can(&format!("mount -o loop {image} {place}")) {
            eprintln!("no loop device can be mounted here: ext4 by fuse2fs");
            let line = format!("fuse2fs -o rw,fakeroot {image} {place}");
            assert!(can(&line), "neither mount -o loop nor fuse2fs work here");
        }
        // What mkfs puts on it, and a reader passes over.
        assert!(mounted.place.join("lost+found").exists());
        mounted
    }

    /// FAT32, read and written by fusefat. It does not say how much is free, nor that it is FAT.
    pub(crate) fn fat(work: &Work, name: &str, size: u64) -> Mounted {
        let mounted = Mounted::new(work, name, size);
        let (place, image) = (mounted.place.display(), mounted.image.display());
        assert!(can(&format!("mkfs.fat -F 32 {image}")), "mkfs.fat is needed");
        assert!(can(&format!("fusefat -o rw+ {image} {place}")), "fusefat does not work here");
        mounted
    }

    /// A tmpfs of `size` bytes.
    pub(crate) fn tmpfs(work: &Work, name: &str, size: u64) -> Mounted {
        let mounted = Mounted::new(work, name, 0);
        let line = format!("mount -t tmpfs -o size={size} none {}", mounted.place.display());
        assert!(can(&line), "tmpfs cannot be mounted here: the tests are to be run as root");
        mounted
    }

    /// Loses what was written past the byte `from`, as a stick does that is smaller than it says.
    pub(crate) fn lose(&self, from: u64) {
        let image = std::fs::File::options().write(true).open(&self.image).unwrap();
        let size = image.metadata().unwrap().len();
        let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(&image, flags, from, size - from).unwrap();
    }

    /// The system writes everything out and takes the file system away.
    pub(crate) fn unmount(self) -> PathBuf {
        self.image.clone()
    }

    /// A file of `size` bytes that takes room.
    pub(crate) fn fill(&self, size: u64) -> PathBuf {
        let path = self.place.join("lost+found/filler");
        std::fs::write(&path, vec![7; usize::try_from(size).unwrap()]).unwrap();
        path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let place: &Path = &self.place;
        for tool in ["umount", "fusermount -u", "umount -l"] {
            if can(&format!("{tool} {}", place.display())) {
                return;
            }
        }
    }
}
