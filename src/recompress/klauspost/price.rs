//! What a match saves at level 9.

use super::super::deflate::{DISTANCE, LENGTH, LONGEST, distance_code, length_code};
use super::super::merge;
use super::Family;
use super::count;

/// Bytes that the newer versions count at most.
const COUNTED: usize = 32_768;
/// What a match costs beside its extra bits.
const MATCH: i32 = 3;

/// The bits that literals cost, from a position on.
pub struct Prices {
    family: Family,
    start: usize,
    /// Bits of all literals from `start` on, before each.
    sums: Vec<u32>,
}

impl Prices {
    /// None yet.
    pub fn new(family: Family) -> Prices {
        Prices { family, start: 0, sums: Vec::new() }
    }

    /// Sets the prices of `data[start..]`: what each byte takes in a code made for all.
    pub fn set(&mut self, data: &[u8], start: usize) {
        let bytes = &data[start..];
        let counted = if self.family.has_exact_tables() { COUNTED } else { bytes.len() };
        let mut counts = count::bytes(&bytes[..bytes.len().min(counted)]);
        // The original counts in 16 bits, and wraps.
        counts.iter_mut().for_each(|count| *count &= 0xffff);
        let mut lengths = [0; 256];
        merge::lengths(&counts, LONGEST, &mut lengths);
        if self.family == Family::GoFlate2 {
            lengths.iter_mut().for_each(|length| *length = (*length).max(1));
        }
        self.start = start;
        self.sums.clear();
        self.sums.push(0);
        self.sums.extend(bytes.iter().scan(0, |sum, &byte| {
            *sum += u32::from(lengths[usize::from(byte)]);
            Some(*sum)
        }));
    }

    /// Bits that a match at `at` saves.
    pub fn gain(&self, at: usize, length: usize, distance: usize) -> i32 {
        let from = at - self.start;
        let literals = self.sums[from + length] - self.sums[from];
        // The original does not take one off the distance, and the greatest runs over.
        let code = if distance < COUNTED { distance_code(distance as u32) } else { 14 };
        let extra = DISTANCE[code].1 + LENGTH[length_code((length - 3) as u8)].1;
        literals as i32 - i32::from(extra) - MATCH
    }
}
