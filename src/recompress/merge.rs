//! Code lengths as Go and klauspost make them: package-merge (Larmore and Hirschberg, 1990).
//!
//! Optimal code lengths are not unique. The originals' choice follows from how they break ties:
//! on each level a pair comes before a leaf of the same weight.

use super::deflate::{LITERALS, LONGEST};

/// Items of one level: all leaves, and pairs of the level below.
const ITEMS: usize = 2 * LITERALS;

/// Sets the code length of every symbol: 0 where its count is 0, else at most `limit` bits.
/// There are 286 symbols at most, and `lengths` is as long as `counts`.
pub(super) fn lengths(counts: &[u32], limit: usize, lengths: &mut [u8]) {
    let mut keys = [0u64; LITERALS];
    let mut used = 0;
    lengths.fill(0);
    for (symbol, &count) in counts.iter().enumerate().filter(|&(_, &count)| count > 0) {
        keys[used] = u64::from(count) << 16 | symbol as u64;
        used += 1;
    }
    let keys = &mut keys[..used];
    keys.sort_unstable();
    let symbol = |key: u64| usize::from(key as u16);
    if used <= 2 {
        keys.iter().for_each(|&key| lengths[symbol(key)] = 1);
        return;
    }
    let limit = limit.min(used - 1);
    let weights = keys.iter().map(|key| (key >> 16) as u32);
    for leaves in &leaves(weights, used, limit)[..limit] {
        keys[..*leaves].iter().for_each(|&key| lengths[symbol(key)] += 1);
    }
}

/// How many of the lightest leaves each level takes: a leaf's code is as long as the number of
/// levels that take it.
fn leaves(weights: impl Iterator<Item = u32>, used: usize, levels: usize) -> [usize; LONGEST] {
    let mut leaf = [u32::MAX; LITERALS + 1];
    leaf.iter_mut().zip(weights).for_each(|(leaf, weight)| *leaf = weight);
    let wanted = 2 * used - 2;
    // Of each level: the weights of its items, `MAX` beyond the last, and how many leaves stand
    // before each.
    let (mut below, mut level) = ([u32::MAX; ITEMS], [u32::MAX; ITEMS]);
    let mut before = [[0u16; ITEMS]; LONGEST];
    for before in &mut before[..levels] {
        let (mut next, mut pair) = (0, 0);
        for (item, before) in level[..=wanted].iter_mut().zip(before) {
            let pair_weight = below[pair].saturating_add(below[pair + 1]);
            let is_leaf = leaf[next] < pair_weight;
            *item = leaf[next].min(pair_weight);
            *before = next as u16;
            next += usize::from(is_leaf);
            pair += 2 * usize::from(!is_leaf);
        }
        std::mem::swap(&mut below, &mut level);
    }
    let (mut taken, mut wanted) = ([0; LONGEST], wanted);
    for (taken, before) in taken[..levels].iter_mut().zip(&before[..levels]).rev() {
        *taken = usize::from(before[wanted]);
        wanted = 2 * (wanted - *taken);
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(counts: &[u32], limit: usize) -> Vec<u8> {
        let mut made = vec![9; counts.len()];
        lengths(counts, limit, &mut made);
        made
    }

    #[test]
    fn few_symbols_get_one_bit() {
        assert_eq!(made(&[0, 0], 15), [0, 0]);
        assert_eq!(made(&[0, 7], 15), [0, 1]);
        assert_eq!(made(&[3, 0, 7], 15), [1, 0, 1]);
    }

    #[test]
    fn ties_go_to_pairs_and_lower_symbols_get_longer_codes() {
        assert_eq!(made(&[1, 1, 1], 15), [2, 2, 1]);
        // A leaf before the pair of 1 and 1 would give two bits to each.
        assert_eq!(made(&[1, 1, 2, 2], 15), [3, 3, 2, 1]);
    }

    #[test]
    fn no_code_is_longer_than_the_limit_and_none_is_wasted() {
        let mut counts = vec![1, 1];
        while counts.len() < 30 {
            counts.push(counts[counts.len() - 1] + counts[counts.len() - 2]);
        }
        for limit in [5, 7, 15] {
            let made = made(&counts, limit);
            assert_eq!(usize::from(made[0]), limit);
            assert!(made.is_sorted_by(|a, b| a >= b), "{made:?}");
            assert_eq!(made.iter().map(|&length| 1 << (15 - length)).sum::<u32>(), 1 << 15);
        }
    }
}
