use std::io::Write as _;

use super::*;
use crate::tests::noise;

const LARGE: Making = Making { level: 1, largest: 1 << 40 };

/// The packs of `runs` of a plain layer, with their bytes.
fn packed(layer: &[u8], runs: &[(u64, u64)], making: Making) -> (Packed, Vec<Vec<u8>>) {
    let mut files = Vec::new();
    let mut put = |blob: &CatalogBlob, bytes: &[u8]| {
        assert_eq!((blob.digest, blob.size), (describe(bytes).digest, bytes.len() as u64));
        files.push(bytes.to_vec());
        Ok::<(), StreamError>(())
    };
    let packed = pack((&section(layer), Form::Tar), runs, making, &mut put).unwrap();
    (packed, files)
}

fn section(bytes: &[u8]) -> Section {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Section::whole(file).unwrap()
}

/// The plain content of a pack.
fn plain(pack: &Pack, mut bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    for (stored, length) in &pack.frames {
        let (frame, rest) = bytes.split_at(*stored as usize);
        plain.extend(chunk::decompress(frame, *length as usize).unwrap());
        bytes = rest;
    }
    assert!(bytes.is_empty(), "the frames are the pack");
    plain
}

/// Every run lies where it is said to lie, and nothing else does.
fn check(layer: &[u8], runs: &[(u64, u64)], making: Making) -> usize {
    let (packed, files) = packed(layer, runs, making);
    let contents: Vec<Vec<u8>> =
        packed.packs.iter().zip(&files).map(|(pack, bytes)| plain(pack, bytes)).collect();
    let slice =
        |bytes: &[u8], at: u64, length: u64| bytes[at as usize..][..length as usize].to_vec();
    let mut covered = Vec::new();
    for Placed { plain, length, pack, offset } in &packed.placed {
        assert!(slice(layer, *plain, *length) == slice(&contents[*pack], *offset, *length));
        covered.extend(*plain..plain + length);
    }
    let wanted: Vec<u64> = runs.iter().flat_map(|(at, length)| *at..at + length).collect();
    assert!(covered == wanted);
    assert_eq!(contents.iter().map(Vec::len).sum::<usize>(), wanted.len());
    packed.packs.len()
}

#[test]
fn runs_lie_in_packs_where_they_are_said_to_lie() {
    let mut layer = noise(9_000_000, 1);
    layer[3_000_000..6_000_000].fill(7);
    let frame = FRAME;
    assert_eq!(check(&layer, &[], LARGE), 0);
    assert_eq!(check(&layer, &[(0, 9_000_000)], LARGE), 1);
    assert_eq!(check(&layer, &[(5, 10), (100, 1), (8_999_999, 1)], LARGE), 1);
    // Up to the end of a frame, and a byte more.
    assert_eq!(check(&layer, &[(0, frame), (frame + 1, 1)], LARGE), 1);
    assert_eq!(check(&layer, &[(1, frame - 1), (frame + 1, frame)], LARGE), 1);
    // Where the layer is read in pieces of 256 KiB.
    assert_eq!(check(&layer, &[(262_143, 2), (524_288, 262_144)], LARGE), 1);
}

#[test]
fn packs_stay_below_the_largest_file() {
    let layer = noise(1_000_000, 2);
    for largest in [2_000, 65_536, 300_000] {
        let making = Making { level: 1, largest };
        let count = check(&layer, &[(0, 400_000), (500_000, 500_000)], making);
        assert!(count as u64 >= 900_000 / largest, "{count}");
        let (packed, _) = packed(&layer, &[(0, 1_000_000)], making);
        assert!(packed.packs.iter().all(|pack| pack.blob.size <= largest));
    }
}

#[test]
fn the_bytes_do_not_depend_on_threads() {
    let layer = noise(20_000_000, 3);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| packed(&layer, &[(7, 19_999_000)], LARGE).1)
    };
    assert!(with(1) == with(3));
}

#[test]
fn what_cannot_be_put_is_told() {
    let layer = section(&noise(10_000, 4));
    let mut put = |_: &CatalogBlob, _: &[u8]| {
        Err(StreamError::Read(std::io::Error::other("the stick is full")))
    };
    let refused = pack((&layer, Form::Tar), &[(0, 10_000)], LARGE, &mut put);
    assert!(matches!(refused, Err(StreamError::Read(error)) if error.to_string().contains("full")));
    // The layer is not what it is taken for.
    let refused = pack((&layer, Form::Gzip), &[(0, 10_000)], LARGE, &mut |_, _| Ok(()));
    assert!(matches!(refused, Err(StreamError::Gzip(_))));
}
