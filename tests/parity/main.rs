//! Parity by the real binary: bundles are hurt in every way that media are, up to what parity repairs
//! and one block further. The damaged medium is the same before and after, and what is repaired is what
//! was written, byte for byte.

#[path = "../support/command.rs"]
#[allow(dead_code)] // Each test binary uses a part of it.
mod command;

mod damage;
mod foreign;
#[cfg(feature = "slow-tests")]
mod large;
mod parity;
mod sectors;
mod volumes;
mod written;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use command::Work;
use serde_json::Value;

/// The layout of all test images.
const IMAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/images");
/// Images of it, which have some layers in common.
const NAMES: [&str; 8] = [
    "library/busybox:1.35",
    "library/base:go-l1",
    "library/multi:1.0",
    "tools/umoci:1.0",
    "tools/buildah:1.0",
    "tools/gnugzip:1.0",
    "tools/pigz:1.0",
    "tools/zstd:1.0",
];
/// Who made the bundles.
const TRUST: &str = "--trust release.key.pub";

/// The words that export the test images to `out`.
fn export(out: &str) -> String {
    let images: String = NAMES.iter().map(|name| format!("oci:{IMAGES}:{name} ")).collect();
    format!("export {images} -o {out} --key release.key --store-layers")
}

/// Every file below a place, or the file that it is.
fn tree(place: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = walkdir::WalkDir::new(place).into_iter().map(Result::unwrap);
    let files = files.filter(|file| !file.file_type().is_dir());
    files.map(|file| (file.path().to_owned(), std::fs::read(file.path()).unwrap())).collect()
}

/// The same by names within the place, without parity.
fn content(place: &Path) -> BTreeMap<String, Vec<u8>> {
    let name = |path: &Path| path.strip_prefix(place).unwrap().to_str().unwrap().to_owned();
    let files = tree(place).into_iter().map(|(path, bytes)| (name(&path), bytes));
    files.filter(|(name, _)| !name.starts_with("parity-")).collect()
}

/// The same numbers at every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// A bundle with parity, to be hurt.
struct Victim {
    work: Work,
    place: PathBuf,
    name: &'static str,
    /// What was protected: names in the place, by which blocks are numbered, and sizes.
    parts: Vec<(String, u64)>,
    block: u64,
    groups: u64,
    parity: u64,
    good: BTreeMap<String, Vec<u8>>,
}

impl Victim {
    fn new(name: &'static str, more: &str) -> Victim {
        let work = Work::new();
        let made = work.json(&format!("{} {more}", export(name)));
        let number = |field: &str| made["parity"][field].as_u64().unwrap();
        let place = work.path(name);
        let good = content(&place);
        let mut parts: Vec<(String, u64)> =
            good.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect();
        parts.sort();
        let (block, groups) = (number("blockBytes"), number("groups"));
        let parity = number("parityBlocks");
        Victim { work, place, name, parts, block, groups, parity, good }
    }

    fn blocks(&self) -> u64 {
        self.parts.iter().map(|(_, size)| size.div_ceil(self.block)).sum()
    }

    /// The file that a block is of, and its bytes there.
    fn find(&self, mut number: u64) -> (PathBuf, u64, u64) {
        for (name, size) in &self.parts {
            let blocks = size.div_ceil(self.block);
            if number < blocks {
                let offset = number * self.block;
                let path = if name.is_empty() { self.place.clone() } else { self.place.join(name) };
                return (path, offset, self.block.min(size - offset));
            }
            number -= blocks;
        }
        panic!("there is no block {number}");
    }

    /// Makes every byte of a block another.
    fn hurt(&self, number: u64) {
        let (path, offset, length) = self.find(number);
        invert(&path, offset, length);
    }

    /// Blocks of one group, in order.
    fn group(&self, group: u64) -> Vec<u64> {
        (group..self.blocks()).step_by(self.groups as usize).collect()
    }

    /// Asserts that everything is repaired, and that the medium stays as it is.
    fn assert_mends(&self) -> Value {
        let before = tree(self.work.path("").as_path());
        let verified =
            self.work.json(&format!("verify {} {TRUST} --repair --scratch .", self.name));
        assert_eq!(verified["verified"], true);
        assert!(tree(self.work.path("").as_path()) == before, "something was written");
        let out = if self.name.ends_with(".tar") { "repaired.tar" } else { "repaired" };
        let repaired = self.work.json(&format!("repair {} -o {out} {TRUST}", self.name));
        assert_eq!(repaired["signatureVerified"], true);
        assert_eq!(repaired["repair"]["corrected"], verified["repair"]["corrected"]);
        assert!(content(&self.work.path(out)) == self.good, "it is not what it was");
        for path in tree(&self.work.path(out)).keys() {
            std::fs::remove_file(path).unwrap();
        }
        let _ = std::fs::remove_dir_all(self.work.path(out));
        assert!(tree(self.work.path("").as_path()) == before, "the medium has changed");
        repaired["repair"].clone()
    }

    /// Asserts that it is refused, with nothing written; what was said of it.
    fn assert_lost(&self) -> Value {
        let before = tree(self.work.path("").as_path());
        for line in ["verify --repair", "repair -o repaired"] {
            let line = format!("{line} {} {TRUST}", self.name);
            self.work.refused(&line, 3, "lost");
        }
        assert!(tree(self.work.path("").as_path()) == before, "something was written");
        let said = self.work.run(&format!("verify --repair {} {TRUST} --output json", self.name));
        serde_json::from_slice(&said.stdout).unwrap()
    }
}

/// Makes bytes of a file others.
fn invert(path: &Path, offset: u64, length: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, offset).unwrap();
    bytes.iter_mut().for_each(|byte| *byte = !*byte);
    file.write_all_at(&bytes, offset).unwrap();
}

/// Makes bytes of a file zeros, as a bad copy of a disk does.
fn zero(path: &Path, offset: u64, length: u64) {
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(&vec![0; length as usize], offset).unwrap();
}

/// The number of bytes in a list of stretches.
fn total(stretches: &Value) -> u64 {
    stretches.as_array().unwrap().iter().map(|it| it["length"].as_u64().unwrap()).sum()
}
