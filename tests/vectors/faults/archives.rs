//! Faults of archives and volumes.

use super::super::build::{archive, member};
use super::super::good::volumes;
use super::*;

const TRAILER: usize = 1024;

pub(super) fn all() -> Vec<Vector> {
    let groups = [members(), framing(), sets()];
    groups.into_iter().flatten().collect()
}

fn good() -> Files {
    build::bundle(build::content())
}

fn fault(name: &'static str, what: &'static str, bytes: Vec<u8>) -> Vector {
    let bundle = Bundle::Archive(bytes);
    Vector { bundle, ..Vector::new(name, damaged("bad-archive"), what, Files::new()) }
}

/// The good archive with a member before its first.
fn members() -> Vec<Vector> {
    let first = |name, what, member: Vec<u8>| {
        fault(name, what, member.into_iter().chain(archive(&good())).collect())
    };
    let mut mode = member("oci-layout", b'0', b"{\"imageLayoutVersion\":\"1.0.0\"}\n");
    mode[106] = b'5';
    vec![
        first("archive-pax", "An extended header of PAX.", member("x", b'x', b"11 path=x\n")),
        first(
            "archive-gnu-long-name",
            "A long name of GNU tar.",
            member("././@LongLink", b'L', b"x\0"),
        ),
        first("archive-parent", "A member that leaves the bundle.", member("../seal", b'0', b"x")),
        first("archive-absolute", "A member with an absolute name.", member("/seal", b'0', b"x")),
        first("archive-dot", "A name that begins with a dot.", member("./oci-layout", b'0', b"x")),
        first("archive-link", "A symbolic link.", member("oci-layout", b'2', b"")),
        first("archive-hard-link", "A hard link.", member("oci-layout", b'1', b"")),
        first("archive-device", "A device.", member("oci-layout", b'3', b"")),
        first("archive-directory", "A directory.", member("blobs/", b'5', b"")),
        first("archive-other-mode", "A member with another mode, and a wrong checksum.", mode),
    ]
}

fn framing() -> Vec<Vector> {
    let edited = |name, what, edit: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = archive(&good());
        edit(&mut bytes);
        fault(name, what, bytes)
    };
    vec![
        edited("archive-truncated", "It ends within a member.", &|bytes| bytes.truncate(700)),
        edited("archive-one-zero-block", "It ends in one block of zeros.", &|bytes| {
            bytes.truncate(bytes.len() - TRAILER / 2);
        }),
        edited("archive-no-end", "It ends with its last member.", &|bytes| {
            bytes.truncate(bytes.len() - TRAILER);
        }),
        edited("archive-trailing", "Bytes behind its end.", &|bytes| bytes.extend([0; 512])),
        edited("archive-padding", "Padding that is not zero.", &|bytes| bytes[1023] = 1),
        edited(
            "archive-second-index",
            "A second index.json of the same size; who unpacks the archive gets that one.",
            &|bytes| {
                let size = good()["index.json"].len();
                let second = member("index.json", b'0', &vec![b' '; size]);
                let end = bytes.len() - TRAILER;
                bytes.splice(end..end, second);
            },
        ),
        edited("archive-checksum", "A header with a wrong checksum.", &|bytes| bytes[150] ^= 1),
        edited("archive-huge", "A member of 2^63 bytes.", &|bytes| {
            bytes[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]);
            bytes[148..156].fill(b' ');
            let sum: u32 = bytes[..512].iter().map(|byte| u32::from(*byte)).sum();
            bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }),
        edited("archive-blob-flipped", "A bit of a layer is another.", &|bytes| {
            let layer = bytes.windows(7).position(|part| part == b"a layer").expect("it is there");
            bytes[layer] ^= 1;
        }),
    ]
    .into_iter()
    .map(|vector| match vector.name {
        "archive-blob-flipped" => Vector { verdict: damaged("damaged"), ..vector },
        _ => vector,
    })
    .collect()
}

fn sets() -> Vec<Vector> {
    let set = |name, code, what, edit: &dyn Fn(&mut Files)| {
        let mut files = volumes(&good());
        edit(&mut files);
        Vector::new(name, damaged(code), what, files)
    };
    vec![
        set("volume-missing", "missing", "The second of three volumes is not there.", &|files| {
            files.remove("volume-0002.tar");
        }),
        set(
            "volume-last-missing",
            "missing",
            "The last of three volumes is not there.",
            &|files| {
                files.remove("volume-0003.tar");
            },
        ),
        set("volume-bad-name", "extra-file", "A volume whose number has three digits.", &|files| {
            let volume = files.remove("volume-0003.tar").expect("it is there");
            files.insert("volume-003.tar".to_owned(), volume);
        }),
        set(
            "volume-of-other",
            "extra-file",
            "A volume holds a blob of another bundle.",
            &|files| {
                let other = Files::from([(build::blob_name(b"x\n"), b"x\n".to_vec())]);
                files.insert("volume-0004.tar".to_owned(), archive(&other));
            },
        ),
        set("volume-two-sizes", "two-bundles", "A blob in two sizes on two volumes.", &|files| {
            let other = Files::from([(build::layer(), b"x\n".to_vec())]);
            files.insert("volume-0004.tar".to_owned(), archive(&other));
        }),
    ]
}
