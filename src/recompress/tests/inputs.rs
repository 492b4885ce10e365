//! Inputs by name, made by the generators that `testdata/recompress/README.md` defines.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

/// An input, once it is made.
type Slot = &'static OnceLock<Vec<u8>>;

/// The input of this name, for example `text-18-1048576`. Made once a process, and kept.
pub fn input(name: &str) -> &'static [u8] {
    static MADE: OnceLock<Mutex<HashMap<String, Slot>>> = OnceLock::new();
    let mut made = MADE.get_or_init(Mutex::default).lock().unwrap();
    let slot = *made.entry(name.to_owned()).or_insert_with(|| Box::leak(Box::default()));
    drop(made);
    slot.get_or_init(|| generate(name))
}

fn generate(name: &str) -> Vec<u8> {
    let (kind, numbers) = name.split_once('-').unwrap_or((name, ""));
    let numbers: Vec<u64> = numbers.split_terminator('-').map(|n| n.parse().unwrap()).collect();
    match (kind, numbers[..].first().copied().unwrap_or(0), &numbers[..]) {
        ("zeros", n, [_]) => vec![0; n as usize],
        ("count", n, [_]) => (0..n).map(|at| at as u8).collect(),
        ("fib", seed, [_]) => fib(seed),
        ("shift", ..) => shift(),
        ("period", seed, &[_, period, n]) => {
            let once = random(seed, period as usize);
            once.into_iter().cycle().take(n as usize).collect()
        }
        (kind, seed, &[_, n]) => seeded(kind)(seed, n as usize),
        _ => panic!("no input {name}"),
    }
}

/// The generators of a seed and a size.
fn seeded(kind: &str) -> fn(u64, usize) -> Vec<u8> {
    match kind {
        "random" => random,
        "dna" => dna,
        "geom" => geom,
        "text" => text,
        "runs" => runs,
        "lz" => lz,
        "mixed" => mixed,
        "tar" => tar,
        _ => panic!("no generator {kind}"),
    }
}

/// xorshift64*.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, n: usize) -> usize {
        ((self.next() >> 33) % n as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        self.below(256) as u8
    }
}

fn random(seed: u64, n: usize) -> Vec<u8> {
    let mut random = Random(seed);
    (0..n.div_ceil(8)).flat_map(|_| random.next().to_le_bytes()).take(n).collect()
}

fn dna(seed: u64, n: usize) -> Vec<u8> {
    let mut random = Random(seed);
    (0..n).map(|_| b"ACGT"[random.below(4)]).collect()
}

fn geom(seed: u64, n: usize) -> Vec<u8> {
    let mut random = Random(seed);
    (0..n).map(|_| 97 + ((random.next() >> 32) as u32).trailing_zeros() as u8).collect()
}

fn fib(seed: u64) -> Vec<u8> {
    let (mut made, mut random) = (Vec::new(), Random(seed));
    let (mut one, mut two) = (1, 1);
    for byte in 65..=86 {
        made.extend(std::iter::repeat_n(byte, one));
        (one, two) = (two, one + two);
    }
    for at in (1..made.len()).rev() {
        made.swap(at, random.below(at + 1));
    }
    made
}

fn text(seed: u64, n: usize) -> Vec<u8> {
    let (mut made, mut random) = (Vec::new(), Random(seed));
    let words: Vec<Vec<u8>> = (0..4096)
        .map(|_| {
            let length = 2 + random.below(9);
            (0..length).map(|_| 97 + random.below(26) as u8).collect()
        })
        .collect();
    while made.len() < n {
        let limit = 1 + random.below(4096);
        made.extend(&words[random.below(limit)]);
        made.extend(match random.below(16) {
            0 => ".\n".as_bytes(),
            1 => b", ",
            _ => b" ",
        });
    }
    made.truncate(n);
    made
}

fn runs(seed: u64, n: usize) -> Vec<u8> {
    let (mut made, mut random) = (Vec::new(), Random(seed));
    while made.len() < n {
        let byte = random.byte();
        let length = 1 + random.below(700);
        made.extend(std::iter::repeat_n(byte, length));
    }
    made.truncate(n);
    made
}

fn lz(seed: u64, n: usize) -> Vec<u8> {
    let (mut made, mut random) = (Vec::new(), Random(seed));
    while made.len() < n {
        if made.is_empty() || random.below(4) == 0 {
            let count = 1 + random.below(40);
            made.extend((0..count).map(|_| random.byte()));
            continue;
        }
        let most = made.len().min(40_000);
        let distance = match random.below(4) {
            0 => 1 + random.below(most.min(16)),
            1 => 1 + random.below(most.min(1024)),
            3 if most >= 33_000 => 32_400 + random.below(600),
            _ => 1 + random.below(most),
        };
        let length = 3 + if random.below(10) == 0 { random.below(600) } else { random.below(20) };
        (0..length).for_each(|_| made.push(made[made.len() - distance]));
    }
    made.truncate(n);
    made
}

fn mixed(seed: u64, n: usize) -> Vec<u8> {
    let (mut made, mut random) = (Vec::new(), Random(seed));
    while made.len() < n {
        let kind = random.below(6);
        let size = 1000 + random.below(60_000);
        let seed = random.next();
        made.extend(match kind {
            2 => vec![0; size],
            kind => seeded(["random", "text", "", "dna", "runs", "lz"][kind])(seed, size),
        });
    }
    made.truncate(n);
    made
}

fn tar(seed: u64, n: usize) -> Vec<u8> {
    let (mut made, mut random) = (Vec::new(), Random(seed));
    while made.len() < n {
        let name = format!("usr/lib/dir{}/file{}", random.below(50), random.below(100_000));
        let kind = random.below(4);
        let size = random.below(90_000);
        let seed = random.next();
        let end = made.len() + 512;
        made.extend(name.bytes().chain(std::iter::repeat(0)).take(100));
        made.extend(b"0000644\x000000000\x000000000\x00");
        made.extend(format!("{size:011o}\x0014371573400\x00        0").bytes());
        made.resize(end, 0);
        made.extend(seeded(["random", "text", "dna", "lz"][kind])(seed, size));
        made.resize(made.len().next_multiple_of(512), 0);
    }
    made.truncate(n);
    made
}

/// A match at 65,274 whose distance is lost if the window slides just before it.
fn shift() -> Vec<u8> {
    let mut made = random(77, 70_000);
    made.copy_within(32_574..32_874, 65_274);
    made
}
