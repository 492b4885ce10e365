use std::collections::HashSet;

use super::*;
use crate::oci::Digest;
use crate::tests::noise;

const PIECES: [usize; 6] = [1, 511, 4096, 65_536, 100_000, usize::MAX];

/// The chunks of `plain`, which comes in pieces of this size.
fn chunks(plain: &[u8], size: usize) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut cutter = Cutter::new();
    for piece in plain.chunks(size) {
        cutter.write(piece, |chunk| found.push(chunk.to_vec()));
        assert!(cutter.held.len() < MAX_CHUNK && cutter.held.capacity() <= 2 * MAX_CHUNK);
    }
    cutter.finish(|chunk| found.push(chunk.to_vec()));
    found
}

/// Where chunks end.
fn ends(plain: &[u8]) -> Vec<usize> {
    let lengths = chunks(plain, usize::MAX).into_iter().map(|chunk| chunk.len());
    lengths.scan(0, |end, length| Some(*end + length).inspect(|next| *end = *next)).collect()
}

/// A tar of these members, by the `tar` crate; GNU's extension for long names.
fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mtime(name.len() as u64);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// One header of a tar.
fn header(kind: tar::EntryType, size: u64) -> [u8; 512] {
    let mut header = tar::Header::new_ustar();
    header.set_path("x").unwrap();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_cksum();
    *header.as_bytes()
}

/// Text, as a file of a distribution has it.
fn text(size: usize, seed: u64) -> Vec<u8> {
    let words =
        noise(size, seed).into_iter().map(|byte| b"etaoinsh dlucmfw"[usize::from(byte & 15)]);
    words.collect()
}

#[test]
fn chunks_do_not_depend_on_the_pieces() {
    let mixed = tar(&[
        ("a", &noise(200_000, 1)),
        ("b", &[0; 150_000]),
        ("c", &text(4095, 2)),
        ("d", &text(4096, 3)),
        ("e", b""),
        (&"long/".repeat(60), &text(70_000, 4)),
    ]);
    for plain in [mixed, noise(300_001, 5), vec![0; 200_000], b"x".to_vec(), Vec::new()] {
        let whole = chunks(&plain, usize::MAX);
        assert_eq!(whole.concat(), plain);
        assert!(whole.iter().all(|chunk| (1..=MAX_CHUNK).contains(&chunk.len())));
        for size in PIECES {
            assert!(chunks(&plain, size) == whole, "pieces of {size}");
        }
    }
}

#[test]
fn files_of_4_kib_and_more_are_cut_off() {
    let tar = tar(&[("a", &[1; 4095]), ("b", &[2; 4096]), ("c", &[3; 4097]), ("d", &[4; 10])]);
    // Two headers and a padded file; a file; a header; a padded file; a header, a file, the end.
    let expected = [512 + 4096 + 512, 4096, 512, 4608, 512 + 512 + 1024];
    let lengths: Vec<usize> = chunks(&tar, 7).iter().map(Vec::len).collect();
    assert_eq!(lengths, expected);
}

#[test]
fn a_file_gives_the_same_chunks_wherever_it_stands() {
    let file = text(300_000, 1);
    let name = "deep/".repeat(50) + "file";
    let first = tar(&[("x", &noise(10_000, 2)), ("file", &file), ("y", &noise(5_000, 3))]);
    let second = tar(&[("s", b"small"), (&name, &file)]);
    let alone = chunks(&file.iter().copied().chain([0; 32]).collect::<Vec<u8>>(), usize::MAX);
    for tar in [first, second] {
        let found: HashSet<Vec<u8>> = chunks(&tar, 4096).into_iter().collect();
        assert!(alone.iter().all(|chunk| found.contains(chunk)));
    }
}

#[test]
fn pax_and_gnu_headers_are_passed() {
    let file = noise(5000, 1);
    let padded = [&file[..], &[0; 120]].concat();
    let plain = header(tar::EntryType::Regular, 5000);
    let block = |content: &[u8]| [content, &vec![0; 512 - content.len()]].concat();
    let mut base_256 = plain;
    base_256[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x13, 0x88]);
    let mut base_256 = tar::Header::from_byte_slice(&base_256).clone();
    base_256.set_cksum();
    for (before, last) in [
        (vec![], *base_256.as_bytes()),
        (
            [&header(tar::EntryType::XHeader, 19)[..], &block(b"19 path=some/where\n")].concat(),
            plain,
        ),
        ([&header(tar::EntryType::XGlobalHeader, 9)[..], &block(b"9 a=bcde\n")].concat(), plain),
        ([&header(tar::EntryType::GNULongName, 3)[..], &block(b"ab\0")].concat(), plain),
        (header(tar::EntryType::Symlink, 9999).to_vec(), plain),
        (header(tar::EntryType::Directory, 1).to_vec(), plain),
        (header(tar::EntryType::Link, 5000).to_vec(), plain),
    ] {
        let tar = [&before[..], &last, &padded, &[0; 1024]].concat();
        assert_eq!(ends(&tar), [before.len() + 512, before.len() + 512 + 5120, tar.len()]);
    }
}

#[test]
fn headers_lie_without_effect() {
    let rest = tar(&[("a", &noise(5000, 1))]);
    let raw = |size: [u8; 12]| {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[124..136].copy_from_slice(&size);
        header.set_cksum();
        *header.as_bytes()
    };
    let base_256 = |size: u64| {
        let mut field = [0; 12];
        field[0] = 0x80;
        field[4..].copy_from_slice(&size.to_be_bytes());
        raw(field)
    };
    // Believed, so that the rest is content: one cut behind the header.
    for size in [1 << 40, (1 << 63) - 1] {
        assert_eq!(ends(&[&base_256(size)[..], &rest].concat()), [512, 512 + rest.len()], "{size}");
    }
    assert_eq!(ends(&[&raw(*b"777777777777")[..], &rest].concat()), [512, 512 + rest.len()]);
    // Not believed, so that there are no cuts but by content.
    for bad in [
        base_256(1 << 63),
        base_256(u64::MAX),
        raw([0xff; 12]),
        raw(*b"\x80\0\0\x01\0\0\0\0\0\0\0\0"),
        raw(*b"00000009000\0"),
        raw(*b"0000 0001000"),
        raw(*b"-0000001000\0"),
        [0; 512],
        noise(512, 9).try_into().unwrap(),
    ] {
        let plain = [&bad[..], &rest].concat();
        assert_eq!(ends(&plain), [plain.len()]);
    }
    // Once lost, for good.
    let twice = [&rest[..512 + 5120], &[7; 512], &rest].concat();
    assert_eq!(ends(&twice), [512, 5632, twice.len()]);
    let mut wrong = rest.clone();
    wrong[0] ^= 1;
    assert_eq!(ends(&wrong), [wrong.len()], "a wrong checksum");
    // Ends in the middle of everything.
    for end in [1, 511, 512, 513, 5000, 5511, 5512, 5631, 5632, 5633, rest.len()] {
        for size in PIECES {
            assert_eq!(chunks(&rest[..end], size).concat(), &rest[..end]);
        }
    }
}

#[test]
fn any_bytes_are_cut() {
    for seed in 1..200 {
        let mut plain =
            tar(&[("a", &noise(5000, seed)), ("b", &text(3000, seed)), ("c", &[0; 9000])]);
        for at in noise(60, seed).chunks(3) {
            let place = (usize::from(at[0]) << 8 | usize::from(at[1])) % plain.len();
            plain[place] = at[2];
        }
        let whole = chunks(&plain, usize::MAX);
        assert_eq!(whole.concat(), plain);
        assert_eq!(chunks(&plain, 1 + seed as usize * 13), whole);
    }
}

#[test]
fn an_insertion_changes_few_chunks() {
    let before = noise(2_000_000, 1);
    let after = [&before[..500_000], b"new", &before[500_000..]].concat();
    let known: HashSet<Vec<u8>> = chunks(&before, usize::MAX).into_iter().collect();
    let new = chunks(&after, usize::MAX).into_iter().filter(|chunk| !known.contains(chunk)).count();
    assert!((1..=3).contains(&new), "{new} of {}", known.len());
}

/// SHA-256 over the lengths, each in decimal and a line feed. If this fails, bundles that were
/// made before no longer serve as a base for deltas: mend the code, not the digests.
#[test]
fn the_cut_points_are_frozen() {
    let tar = tar(&[
        ("a", &noise(1_000_000, 11)),
        ("b", &text(3000, 12)),
        ("c", &text(50_000, 13)),
        (&"n".repeat(200), &text(500_000, 14)),
        ("z", &[0; 200_000]),
    ]);
    for (what, plain, expected) in [
        (
            "noise",
            noise(3_000_000, 1),
            "922b802745c3885529b70b3f5c8cbf95ffd6666322d1f917573b51a81895588e",
        ),
        (
            "text",
            text(3_000_001, 2),
            "59e60e2958633671f45474f39e9b82a6d4f8859f6dc799d04868c158371c5312",
        ),
        (
            "zeros",
            vec![0; 1_000_000],
            "cd78cb79748ffefba3bbf0a109f8b8efc9ad9a42e7c387f3fde5202ee450df9e",
        ),
        (
            "counting",
            (0..250_000_u32).flat_map(u32::to_le_bytes).collect(),
            "179205d73956ca4a3fc22dbfbf43e6e9129e39aacd19eaf2e4bb710baf3d081a",
        ),
        ("tar", tar, "56d86939b6b4da6399ae347236026665498fee02d93624ac791e8095b10dcf09"),
    ] {
        let lengths =
            chunks(&plain, usize::MAX).into_iter().map(|chunk| format!("{}\n", chunk.len()));
        let lengths: String = lengths.collect();
        assert_eq!(Digest::of(lengths.as_bytes()).hex(), expected, "{what}");
    }
}
