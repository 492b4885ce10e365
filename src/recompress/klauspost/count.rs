//! Symbols of a block, counted, and what they cost.

use super::super::deflate::{
    DISTANCE, DISTANCES, END, LENGTH, LITERALS, distance_code, length_code,
};
use super::tokens::Tokens;
use super::write::Codes;

/// How often each symbol of a block occurs.
pub struct Counts {
    /// Of bytes, the end, and lengths.
    pub literals: [u32; LITERALS],
    /// Of distances.
    pub distances: [u32; DISTANCES],
    /// Literals, matches, and the end if it is counted.
    pub tokens: usize,
    /// Matches.
    pub matches: usize,
}

/// Counts bytes. Four tables, so that equal neighbours do not wait for each other.
pub fn bytes(bytes: &[u8]) -> [u32; 256] {
    let mut tables = [[0u32; 256]; 4];
    let fours = bytes.chunks_exact(4);
    for &byte in fours.remainder() {
        tables[0][usize::from(byte)] += 1;
    }
    for four in fours {
        for (table, &byte) in tables.iter_mut().zip(four) {
            table[usize::from(byte)] += 1;
        }
    }
    let [mut sum, others @ ..] = tables;
    for other in others {
        sum.iter_mut().zip(other).for_each(|(sum, count)| *sum += count);
    }
    sum
}

impl Counts {
    /// Of these tokens. If `cut`, the end is a symbol too, and there is a distance in any case;
    /// neither is a token.
    pub fn of(tokens: &Tokens, cut: bool) -> Counts {
        let mut literals = [0; LITERALS];
        literals[..256].copy_from_slice(&bytes(tokens.literals()));
        let mut distances = [0; DISTANCES];
        for one in tokens.matches() {
            literals[END + 1 + length_code(one.length)] += 1;
            distances[distance_code(u32::from(one.distance))] += 1;
        }
        literals[END] = u32::from(cut);
        if cut && tokens.matches().is_empty() {
            distances[0] = 1;
        }
        Counts { literals, distances, tokens: tokens.count(), matches: tokens.matches().len() }
    }

    /// What the symbols take with these codes.
    pub fn bits(&self, codes: &Codes) -> usize {
        codes.literals.bits(&self.literals) + codes.distances.bits(&self.distances)
    }

    /// Extra bits of lengths and distances.
    pub fn extra_bits(&self) -> usize {
        let lengths = self.literals[END + 1..].iter().zip(LENGTH);
        let distances = self.distances.iter().zip(DISTANCE);
        lengths.chain(distances).map(|(&count, (_, bits))| count as usize * usize::from(bits)).sum()
    }

    /// What a table of their own would take, without extra bits, cheaply guessed. The originals
    /// reckon in single precision and in this order.
    pub fn estimate(&self) -> usize {
        let share = 1.0 / self.tokens as f32;
        let mut sum = add(0.0, &self.literals[..END], share);
        sum += 15.0;
        sum = add(sum, &self.literals[END + 1..], share);
        if self.matches > 0 {
            sum = add(sum, &self.distances, 1.0 / self.matches as f32);
        }
        sum as usize
    }
}

fn add(sum: f32, counts: &[u32], share: f32) -> f32 {
    counts.iter().filter(|&&count| count > 0).fold(sum, |sum, &count| {
        let count = count as f32;
        sum + (-rough_log2(count * share)).clamp(1.0, 15.0) * count
    })
}

/// A parabola through each power of two.
fn rough_log2(value: f32) -> f32 {
    let bits = value.to_bits();
    let exponent = ((bits >> 23) & 255) as i32 - 128;
    let mantissa = f32::from_bits((bits & 0x007f_ffff) | 127 << 23);
    exponent as f32 + ((-0.344_848_43 * mantissa + 2.024_665_8) * mantissa - 0.674_877_6)
}
