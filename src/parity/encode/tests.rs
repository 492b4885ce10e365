//! The code, held against its definition in `formats/parity.md` with arithmetic of our own.

use super::*;

/// The field's basis, as bits of polynomials.
const BASIS: [u32; 16] = [
    0x0001, 0xacca, 0x3c0e, 0x163e, 0xc582, 0xed2e, 0x914c, 0x4012, 0x6c98, 0x10d8, 0x6a72, 0xb900,
    0xfdb8, 0xfb34, 0xff38, 0x991e,
];

/// The element that a number stands for.
fn element(number: u16) -> u32 {
    (0..16).filter(|bit| number >> bit & 1 == 1).fold(0, |sum, bit| sum ^ BASIS[bit])
}

/// The product of two elements, bit by bit.
fn times(a: u32, b: u32) -> u32 {
    let mut product = 0;
    for bit in (0..16).rev() {
        product <<= 1;
        product = if product >> 16 == 1 { product ^ 0x1002d } else { product };
        product ^= if b >> bit & 1 == 1 { a } else { 0 };
    }
    product
}

/// The number at place `at` (0 to 31) of a run of 64 bytes.
fn number(run: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([run[at], run[at + 32]])
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn parity_of(raw: &[u8], width: usize, parity: usize) -> Vec<u8> {
    let mut made = vec![0; parity * width];
    encode(raw, &mut made, width, parity).unwrap();
    made
}

#[test]
fn parity_meets_the_equations_of_the_format() {
    for (data, parity) in [(1usize, 1usize), (5, 4), (9, 8), (40, 8), (3, 16)] {
        let raw = noise(data * 64);
        let made = parity_of(&raw, 64, parity);
        let runs: Vec<&[u8]> = made.chunks(64).chain(raw.chunks(64)).collect();
        for at in [0, 1, 31] {
            for power in 0..parity {
                let term = |(point, run): (usize, &&[u8])| {
                    let point = element(point as u16);
                    (0..power).fold(element(number(run, at)), |term, _| times(term, point))
                };
                let sum = runs.iter().enumerate().map(term).fold(0, |sum, term| sum ^ term);
                assert_eq!(sum, 0, "{data} {parity} {at} {power}");
            }
        }
    }
}

/// Where there are fewer blocks of parity than a power of two, the last are left away.
#[test]
fn parity_is_the_first_of_a_power_of_two() {
    let raw = noise(30 * 128);
    let all = parity_of(&raw, 128, 8);
    for parity in 5..8 {
        assert!(all.starts_with(&parity_of(&raw, 128, parity)), "{parity}");
    }
}

#[test]
fn columns_do_not_matter() {
    let width = 3 * 4096;
    let raw = noise(70 * width);
    let whole = parity_of(&raw, width, 20);
    for at in (0..width).step_by(4096) {
        let column: Vec<u8> =
            raw.chunks(width).flat_map(|run| &run[at..at + 4096]).copied().collect();
        let made = parity_of(&column, 4096, 20);
        for (run, part) in whole.chunks(width).zip(made.chunks(4096)) {
            assert!(run[at..at + 4096] == *part, "{at}");
        }
    }
}
