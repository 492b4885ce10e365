//! Golden outputs of the original encoders, `testdata/recompress/vectors.json`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::super::Encode;
use super::input;

/// Inputs above this are left to `slow-tests`: the tests run in the dev profile too.
const QUICK: usize = if cfg!(feature = "slow-tests") { 1 << 30 } else { 1_048_577 };
/// The same at levels 8 and 9, and for every further size of writes.
const QUICK_SLOW: usize = if cfg!(feature = "slow-tests") { 1_048_577 } else { 140_000 };

#[derive(Deserialize)]
struct Vectors {
    inputs: BTreeMap<String, Input>,
    special_inputs: BTreeMap<String, Input>,
    encoders: BTreeMap<String, Encoder>,
    write_size_vectors: Vec<WriteSize>,
}

#[derive(Deserialize)]
struct Input {
    len: usize,
    sha256: String,
}

#[derive(Deserialize)]
struct Encoder {
    levels: BTreeMap<String, Column>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Column {
    SameAs { same_as: (String, String) },
    Out { out: BTreeMap<String, (usize, String)> },
}

/// What an original made of an input, depending on the size of the first write.
#[derive(Deserialize)]
pub struct WriteSize {
    pub input: String,
    pub encoder: String,
    pub level: i32,
    pub first_write: Option<usize>,
    len: usize,
    sha256: String,
}

fn vectors() -> &'static Vectors {
    static VECTORS: OnceLock<Vectors> = OnceLock::new();
    let json = include_str!("../../../testdata/recompress/vectors.json");
    VECTORS.get_or_init(|| serde_json::from_str(json).unwrap())
}

/// The outputs of an encoder and level, by input.
fn outputs(encoder: &str, level: &str) -> &'static BTreeMap<String, (usize, String)> {
    match &vectors().encoders[encoder].levels[level] {
        Column::SameAs { same_as: (encoder, level) } => outputs(encoder, level),
        Column::Out { out } => out,
    }
}

/// Length and SHA-256, in hex, of a stream.
pub fn sum(stream: &[u8]) -> (usize, String) {
    let digest = Sha256::digest(stream);
    (stream.len(), digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// All that an encoder gives for `plain`, written in pieces of at most `piece` bytes.
pub fn stream(mut encoder: Box<dyn Encode>, plain: &[u8], piece: usize) -> Vec<u8> {
    let mut out = Vec::new();
    plain.chunks(piece).for_each(|piece| encoder.write(piece, &mut out));
    encoder.finish(&mut out);
    out
}

/// Every input gives what the original `encoder` of the vectors gave at `level`, in one write and
/// in writes of odd sizes.
pub fn column(encoder: &str, level: i32, make: impl Fn() -> Box<dyn Encode>) {
    column_up_to(usize::MAX, encoder, level, make);
}

/// As [`column`], of inputs of at most so many bytes.
pub fn column_up_to(most: usize, encoder: &str, level: i32, make: impl Fn() -> Box<dyn Encode>) {
    let slow = level >= 8;
    let fits = |name: &str| vectors().inputs[name].len <= most;
    for (name, want) in outputs(encoder, &level.to_string()).iter().filter(|one| fits(one.0)) {
        let plain = input(name);
        for (piece, most) in [(usize::MAX, QUICK), (1000, QUICK_SLOW), (65_536, QUICK_SLOW)] {
            if plain.len() <= if slow { most.min(QUICK_SLOW) } else { most } {
                let made = sum(&stream(make(), plain, piece));
                assert_eq!(made, *want, "{encoder} {level}, {name}, writes of {piece}");
            }
        }
    }
}

/// Whether the outputs are by definition those of another encoder or level.
pub fn is_copy(encoder: &str, level: i32) -> bool {
    matches!(vectors().encoders[encoder].levels[&level.to_string()], Column::SameAs { .. })
}

/// As [`column`], for one input in one write that the encoder's family calls special.
pub fn write_sizes(encoder: &str, make: impl Fn(i32) -> Box<dyn Encode>) {
    let all = vectors().write_size_vectors.iter();
    for one in all.filter(|one| one.encoder == encoder && one.first_write.is_none()) {
        let made = sum(&stream(make(one.level), input(&one.input), usize::MAX));
        assert_eq!(made, (one.len, one.sha256.clone()), "{encoder} {}", one.level);
    }
}

#[test]
fn the_generators_make_the_inputs() {
    let vectors = vectors();
    for (name, want) in vectors.inputs.iter().chain(&vectors.special_inputs) {
        if want.len <= QUICK {
            assert_eq!(sum(input(name)), (want.len, want.sha256.clone()), "{name}");
        }
    }
}
