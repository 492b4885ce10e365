//! One bit more or less anywhere, and a bundle is refused as damaged.

use std::path::{Path, PathBuf};

use gapferry::bundle::{CatalogError, LISTING, MediumError, Timestamp};
use gapferry::files::FileError;
use gapferry::report::Silent;
use gapferry::trust::{Keyring, PublicKey, TrustError};
use gapferry::verify::{Site, VerifyError, verify};

use super::{Work, flip, tree};

/// A tiny bundle in one packaging, to be damaged.
struct Victim {
    work: Work,
    keys: Keyring,
    /// The bundle: a directory or an archive.
    place: PathBuf,
}

impl Victim {
    fn new(out: &str, more: &str) -> Victim {
        let work = Work::new();
        work.tiny(out, more);
        let pem = std::fs::read_to_string(work.path("a.key.pub")).unwrap();
        let keys = Keyring::new(vec![PublicKey::from_pem(&pem).unwrap()], 1).unwrap();
        let place = work.path(out);
        let victim = Victim { work, keys, place };
        victim.check().unwrap();
        victim
    }

    fn each() -> [Victim; 3] {
        [
            Victim::new("directory", ""),
            Victim::new("archive.tar", ""),
            Victim::new("volumes", "--volume-size 3k"),
        ]
    }

    /// The whole verification.
    fn check(&self) -> Result<(), VerifyError> {
        let now = Timestamp::from_unix(1_900_000_000).unwrap();
        let site = Site::at(now);
        let bundle = verify(std::slice::from_ref(&self.place), &self.keys.clone().into(), &site)?;
        bundle.get().prove_blobs(&Silent).map_err(|mut damage| damage.remove(0))
    }

    /// All files but the list of volumes: nobody signed that, and nothing is decided by it.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = tree(&self.place).into_iter().filter(|(name, _)| name != Path::new(LISTING));
        files.map(|(name, bytes)| (self.place.join(name), bytes)).map(plain).collect()
    }

    /// Flips every bit of every file, one at a time; of an archive, unless there is time for more,
    /// one bit of each byte.
    fn flip_all(&self, every_bit: bool) {
        let mut flips = 0;
        for (path, bytes) in self.files() {
            for at in 0..bytes.len() as u64 {
                let one = (at % 8) as u32;
                for bit in if every_bit { 0..8 } else { one..one + 1 } {
                    flip(&path, at, bit);
                    let error = self.check().expect_err(&format!("{path:?}, byte {at}, bit {bit}"));
                    assert!(is_damage(&error), "{path:?}, byte {at}, bit {bit}: {error}");
                    assert!(names(&error, &path, at), "{path:?}, byte {at}, bit {bit}: {error}");
                    flip(&path, at, bit);
                    flips += 1;
                }
            }
        }
        assert!(flips > 5_000, "{flips}");
        self.check().unwrap();
    }
}

/// The path of an archive joined with nothing has a slash at its end.
fn plain((path, bytes): (PathBuf, Vec<u8>)) -> (PathBuf, Vec<u8>) {
    (path.components().collect(), bytes)
}

/// The input's fault, and not one of trust, time, place or the machine.
fn is_damage(error: &VerifyError) -> bool {
    match error {
        VerifyError::Medium(MediumError::File(error)) | VerifyError::File(error) => {
            matches!(error, FileError::NotRegular { .. })
        }
        VerifyError::Trust(error) => matches!(error, TrustError::BadSignature { .. }),
        VerifyError::Expired { .. }
        | VerifyError::Destination { .. }
        | VerifyError::TrustNumber(_)
        | VerifyError::Catalog(CatalogError::Needs(_)) => false,
        _ => true,
    }
}

/// Whether the error names the file and a stretch that holds the byte.
fn names(error: &VerifyError, path: &Path, byte: u64) -> bool {
    match error {
        VerifyError::Damaged { at, .. } => {
            at.file == path && (at.offset..at.offset + at.length).contains(&byte)
        }
        VerifyError::Medium(MediumError::Framing { file, offset, .. }) => {
            file == path && (*offset..offset + 512).contains(&byte)
        }
        // The seal and its signatures are small; which of the two was changed nobody can tell.
        VerifyError::Trust(TrustError::BadSignature { .. }) => {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with("seal") || name == "archive.tar"
        }
        _ => false,
    }
}

#[test]
fn every_bit_of_a_directory_counts() {
    Victim::new("directory", "").flip_all(true);
}

#[test]
fn every_byte_of_an_archive_counts() {
    Victim::new("archive.tar", "").flip_all(cfg!(feature = "slow-tests"));
}

#[test]
fn every_byte_of_volumes_counts() {
    let victim = Victim::new("volumes", "--volume-size 3k");
    assert!(
        victim
            .files()
            .iter()
            .filter(|(path, _)| path.extension().is_some_and(|it| it == "tar"))
            .count()
            > 1
    );
    victim.flip_all(cfg!(feature = "slow-tests"));
}

#[test]
fn the_list_of_volumes_decides_nothing() {
    let victim = Victim::new("volumes", "--volume-size 3k");
    let path = victim.place.join(LISTING);
    let length = std::fs::read(&path).unwrap().len() as u64;
    for (at, bit) in (0..length).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        flip(&path, at, bit);
        victim.check().unwrap();
        flip(&path, at, bit);
    }
    std::fs::remove_file(&path).unwrap();
    victim.check().unwrap();
}

#[test]
fn every_length_of_every_file_counts() {
    for victim in Victim::each() {
        for (path, bytes) in victim.files() {
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            let shorter = (0..bytes.len() as u64).rev();
            for length in std::iter::once(bytes.len() as u64 + 1).chain(shorter) {
                file.set_len(length).unwrap();
                let error = victim.check().expect_err(&format!("{path:?} of {length} bytes"));
                assert!(is_damage(&error), "{path:?} of {length} bytes: {error}");
            }
            std::fs::write(&path, &bytes).unwrap();
        }
        victim.check().unwrap();
    }
}

#[test]
fn every_file_counts_and_no_other() {
    for victim in Victim::each().into_iter().filter(|victim| victim.place.is_dir()) {
        for (path, bytes) in victim.files() {
            std::fs::remove_file(&path).unwrap();
            let error = victim.check().expect_err(&format!("without {path:?}"));
            let is_signature = path.extension().is_some_and(|it| it == "sig");
            let unsigned = TrustError::Threshold { needed: 1, valid: 0, unknown: 0 };
            match error {
                VerifyError::Trust(error) => assert!(is_signature && error == unsigned),
                VerifyError::Missing { .. } | VerifyError::Volumes(_) => {}
                error => panic!("{path:?}: {error}"),
            }
            std::fs::write(&path, &bytes).unwrap();
        }
        let hex = "ab".repeat(32);
        for name in ["x", "blobs/x", &format!("blobs/sha256/{hex}"), "volume-0009.tar"] {
            let path = victim.place.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "x").unwrap();
            let error = victim.check().expect_err(&format!("with {name}"));
            assert!(is_damage(&error), "{name}: {error}");
            std::fs::remove_file(&path).unwrap();
        }
        // A signature that nobody here knows does no harm.
        std::fs::write(victim.place.join(format!("seal.{hex}.sig")), "x").unwrap();
        victim.check().unwrap();
        drop(victim.work);
    }
}

#[test]
fn two_bundles_do_not_make_one() {
    let work = Work::new();
    work.tiny("one", "--volume-size 3k --sequence 1");
    work.ok(
        "export docker-archive:TESTDATA/archives/docker-save.tar -o two --key a.key --volume-size 12k",
    );
    for path in tree(&work.path("one")).into_keys().filter(|path| path != Path::new(LISTING)) {
        let (own, other) = (work.path("one").join(&path), work.path("two").join(&path));
        if !other.exists() {
            continue;
        }
        let bytes = std::fs::read(&own).unwrap();
        std::fs::copy(&other, &own).unwrap();
        let same = std::fs::read(&other).unwrap() == bytes;
        let output = work.gapferry("verify one --trust a.key.pub");
        assert_eq!(output.status.code(), Some(if same { 0 } else { 3 }), "{path:?}");
        std::fs::write(&own, bytes).unwrap();
    }
}
