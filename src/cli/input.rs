//! Small files that the user names: keys, lists, locks, passphrases.
//!
//! Unlike what lies on a medium, these may be links or pipes: secrets are often mounted as links,
//! and `<(pass show release)` is a pipe.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::failure::{Exit, Failure};
use crate::files::FileError;

/// The longest line that is a passphrase or a password, in bytes.
const MAX_SECRET: u64 = 4096;
/// The largest key file, in bytes.
const MAX_KEY: u64 = 64 * 1024;

/// Reads a whole file of at most `cap` bytes.
///
/// # Errors
/// When it cannot be read (`file`) or is larger (`too-large`).
pub fn read(path: &Path, cap: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| file.take(cap + 1).read_to_end(&mut bytes))
        .map_err(|error| FileError::io("read", path, error))?;
    match bytes.len() as u64 > cap {
        true => {
            let message = format!("larger than {cap} bytes");
            Err(Failure::new(Exit::Damaged, "too-large", message).at(path.display()))
        }
        false => Ok(bytes),
    }
}

/// The first line of a file, which is a passphrase or a password.
///
/// # Errors
/// As [`read`]; when the line is empty (`empty-secret`).
pub fn secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let bytes = read(path, MAX_SECRET)?;
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line.is_empty() {
        true => {
            Err(Failure::new(Exit::Usage, "empty-secret", "the first line is empty")
                .at(path.display()))
        }
        false => Ok(Zeroizing::new(line.to_vec())),
    }
}

/// As [`secret`], which must be text.
///
/// # Errors
/// As [`secret`]; when it is not text (`not-text`).
pub fn secret_text(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = secret(path)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(Failure::new(Exit::Usage, "not-text", "not UTF-8 text").at(path.display())),
    }
}

/// The text of a key file.
///
/// # Errors
/// As [`read`]; when it is not text (`not-a-key`).
pub fn key(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = read(path, MAX_KEY)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => {
            Err(Failure::new(Exit::Damaged, "not-a-key", "not a key: not text").at(path.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_first_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        for (content, expected) in
            [("sesame", "sesame"), ("sesame\n", "sesame"), (" a b \r\nmore\n", " a b ")]
        {
            std::fs::write(&path, content).unwrap();
            assert_eq!(secret(&path).unwrap().as_slice(), expected.as_bytes());
        }
        for content in ["", "\nsesame", "\r\n"] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(secret(&path).unwrap_err().code, "empty-secret");
        }
        std::fs::write(&path, [b'x'; 4097]).unwrap();
        assert_eq!(secret(&path).unwrap_err().code, "too-large");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(secret(&path).unwrap_err().code, "file");
    }

    #[test]
    fn a_link_to_a_secret_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("data"), "sesame").unwrap();
        std::os::unix::fs::symlink("data", dir.path().join("secret")).unwrap();
        assert_eq!(secret(&dir.path().join("secret")).unwrap().as_slice(), b"sesame");
    }

    #[test]
    fn a_key_is_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, b"\xff\xfe").unwrap();
        assert_eq!(key(&path).unwrap_err().code, "not-a-key");
    }
}
