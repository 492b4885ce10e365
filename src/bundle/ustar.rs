//! The one tar header that a bundle's archives and volumes hold.
//!
//! Withstands: PAX and GNU extensions, links, devices, directories, odd names, prefixes, numbers
//! in other spellings, wrong checksums. A header is taken only if it is, byte for byte, the one
//! that [`header`] makes for the same name and size. Source: POSIX.1-1988 ustar; sizes from 8 GiB
//! on in the base-256 form that GNU tar, Go, Python and libarchive read. Normative text:
//! `formats/packaging.md`.

use super::path::BundlePath;

/// Bytes of a header, and the unit to which content is padded.
pub(super) const BLOCK: u64 = 512;
/// Bytes of zeros that end an archive.
pub(super) const TRAILER: u64 = 2 * BLOCK;
/// The first size that eleven octal digits cannot hold.
const OCTAL_END: u64 = 1 << 33;

/// Bytes that a file of `size` bytes takes: header, content, padding.
pub(super) fn member_size(size: u64) -> u64 {
    BLOCK + size + padding(size)
}

/// Zero bytes behind `size` bytes of content.
pub(super) fn padding(size: u64) -> u64 {
    (BLOCK - size % BLOCK) % BLOCK
}

/// The header of a file.
pub(super) fn header(path: &BundlePath, size: u64) -> [u8; BLOCK as usize] {
    let mut header = [0; BLOCK as usize];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, path.to_string().as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    match size {
        ..OCTAL_END => put(124, format!("{size:011o}\0").as_bytes()),
        _ => {
            put(124, &[0x80, 0, 0, 0]);
            put(128, &size.to_be_bytes());
        }
    }
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(329, b"0000000\0");
    put(337, b"0000000\0");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// Name and size of a header; `None` for every header that [`header`] does not make.
pub(super) fn parse(block: &[u8; BLOCK as usize]) -> Option<(BundlePath, u64)> {
    let name = block[..100].split(|byte| *byte == 0).next()?;
    let path: BundlePath = std::str::from_utf8(name).ok()?.parse().ok()?;
    let size = match block[124] {
        0x80 => u64::from_be_bytes(block[128..136].try_into().ok()?),
        _ => u64::from_str_radix(std::str::from_utf8(&block[124..135]).ok()?, 8).ok()?,
    };
    (header(&path, size) == *block).then_some((path, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> BundlePath {
        format!("blobs/sha256/{}", "0a".repeat(32)).parse().unwrap()
    }

    #[test]
    fn headers_are_read_as_they_are_written() {
        for size in [0, 1, 511, 512, OCTAL_END - 1, OCTAL_END, i64::MAX as u64] {
            assert_eq!(parse(&header(&path(), size)), Some((path(), size)));
        }
        assert_eq!((member_size(0), member_size(1), member_size(512)), (512, 1024, 1024));
    }

    #[test]
    fn any_other_byte_is_refused() {
        let good = header(&path(), 12345);
        for at in 0..good.len() {
            for flip in [1, 0x20, 0x80] {
                let mut bad = good;
                bad[at] ^= flip;
                assert_eq!(parse(&bad), None, "byte {at}");
            }
        }
    }

    #[test]
    fn gnu_tar_reads_large_members() {
        let size = OCTAL_END + 5;
        let dir = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(dir.path().join("x.tar")).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &header(&path(), size), 0).unwrap();
        file.set_len(member_size(size) + TRAILER).unwrap();
        let list = std::process::Command::new("tar")
            .arg("tvf")
            .arg(dir.path().join("x.tar"))
            .output()
            .unwrap();
        let text = String::from_utf8(list.stdout).unwrap();
        assert!(text.contains(&size.to_string()) && text.contains("0a0a0a"), "{text}");
    }
}
