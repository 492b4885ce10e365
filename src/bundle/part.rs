//! The files that a bundle lies in, one by one: what packaging makes of it.

use std::fmt;
use std::fs::File;
use std::io;
use std::str::FromStr;

use super::path::{BundlePath, InvalidPath};
use super::volumes::{volume_name, volume_number};

/// A file that a bundle lies in, alone or with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The archive that holds all of it, whatever that is called.
    Archive,
    /// A volume.
    Volume(u32),
    /// A file of the bundle by itself.
    File(BundlePath),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Archive => f.write_str("archive"),
            Part::Volume(number) => f.write_str(&volume_name(*number)),
            Part::File(path) => path.fmt(f),
        }
    }
}

impl FromStr for Part {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Part, InvalidPath> {
        match volume_number(text) {
            _ if text == "archive" => Ok(Part::Archive),
            Some(number) => Ok(Part::Volume(number)),
            None => text.parse().map(Part::File),
        }
    }
}

/// Content that is read by position, by many at once.
pub trait ReadAt: fmt::Debug + Send + Sync {
    /// Reads some bytes from byte `offset` on; none at the end.
    ///
    /// # Errors
    /// Whatever the system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Fills the whole buffer.
    ///
    /// # Errors
    /// As [`ReadAt::read_at`], and when the content ends before.
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    buffer = &mut buffer[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, offset)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset)
    }
}

/// The name of a file of parity, numbered from 1. Beside an archive it stands behind the name of
/// that and a dot.
pub fn parity_name(number: usize) -> String {
    format!("parity-{number:04}.rs")
}

/// True for the names of files of parity, also of an archive.
pub fn is_parity_name(name: &str) -> bool {
    let digits = name.strip_suffix(".rs").and_then(|name| name.rsplit_once("parity-"));
    let number = digits.and_then(|(_, digits)| digits.parse().ok()).filter(|number| *number > 0);
    let before = number.and_then(|number| name.strip_suffix(&parity_name(number)));
    before.is_some_and(|it| it.is_empty() || (it.ends_with('.') && it.len() > 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_called_by_one_name_each() {
        for name in ["archive", "volume-0001.tar", "volume-12345.tar", "seal", "SHA256SUMS"] {
            assert_eq!(name.parse::<Part>().unwrap().to_string(), name);
        }
        for name in ["", "volume-1.tar", "volume-0000.tar", "../seal", "/seal", "x.tar", "Seal"] {
            assert!(name.parse::<Part>().is_err(), "{name}");
        }
    }

    #[test]
    fn parity_is_known_by_its_name() {
        for name in ["parity-0001.rs", "parity-12345.rs", "a.tar.parity-0002.rs"] {
            assert!(is_parity_name(name), "{name}");
        }
        for name in [
            "parity-1.rs",
            "parity-0000.rs",
            "parity-0001.rs.part",
            ".parity-0001.rs",
            "xparity-0001.rs",
            "parity-+001.rs",
            "a.rs",
            "",
        ] {
            assert!(!is_parity_name(name), "{name}");
        }
    }
}
