//! What a blob is, from its first bytes. The media type says what it should be; this, what it is.

use super::members::{self, BLOCK};

/// What a blob begins like. It need not go on like that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobKind {
    /// A gzip stream (RFC 1952) with deflate inside.
    Gzip,
    /// A zstd frame (RFC 8878).
    Zstd,
    /// A tar with a POSIX or GNU header.
    Tar,
    /// Something else, or too short to tell.
    Other,
}

impl BlobKind {
    /// Bytes of which [`BlobKind::of`] makes use.
    pub const NEEDS: usize = BLOCK;

    /// What begins with `start`: [`BlobKind::NEEDS`] bytes, or the whole blob.
    pub fn of(start: &[u8]) -> BlobKind {
        match start {
            [0x1f, 0x8b, 8, ..] => BlobKind::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => BlobKind::Zstd,
            _ if is_tar(start) => BlobKind::Tar,
            _ => BlobKind::Other,
        }
    }
}

fn is_tar(start: &[u8]) -> bool {
    let header = start.first_chunk::<BLOCK>();
    header.is_some_and(|header| header[257..].starts_with(b"ustar") && members::is_header(header))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar(header: tar::Header) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = header;
        header.set_size(3);
        builder.append_data(&mut header, "x", &b"abc"[..]).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn kinds_are_told_apart() {
        let tar = [tar(tar::Header::new_gnu()), tar(tar::Header::new_ustar())];
        assert_eq!(tar.each_ref().map(|tar| BlobKind::of(tar)), [BlobKind::Tar; 2]);
        assert_eq!(BlobKind::of(b"\x1f\x8b\x08\x00"), BlobKind::Gzip);
        assert_eq!(BlobKind::of(&zstd::bulk::compress(b"abc", 1).unwrap()), BlobKind::Zstd);
        assert_eq!(BlobKind::of(b""), BlobKind::Other);
        assert_eq!(BlobKind::of(b"\x1f\x8b\x07"), BlobKind::Other);
        assert_eq!(BlobKind::of(&tar[0][..BlobKind::NEEDS - 1]), BlobKind::Other);
    }

    #[test]
    fn a_tar_has_a_right_checksum_and_a_magic() {
        let good = tar(tar::Header::new_ustar());
        for at in [0, 130, 150, 257, 400] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(BlobKind::of(&bad), BlobKind::Other, "byte {at}");
        }
        let old = tar(tar::Header::new_old());
        assert!(members::is_header(old.first_chunk().unwrap()));
        assert_eq!(BlobKind::of(&old), BlobKind::Other);
    }
}
