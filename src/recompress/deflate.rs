//! What RFC 1951 fixes for every encoder: symbols of lengths and distances, the fixed code, and
//! the codes that follow from code lengths. Only numbers of our own making come in here.

/// The symbol that ends a block.
pub(super) const END: usize = 256;
/// Symbols for bytes, the end, and lengths.
pub(super) const LITERALS: usize = 286;
/// Symbols for distances.
pub(super) const DISTANCES: usize = 30;
/// The longest code of literals and distances, in bits.
pub(super) const LONGEST: usize = 15;
/// The longest match, in bytes.
pub(super) const LONGEST_MATCH: usize = 258;

/// Least length and count of extra bits of each length symbol from 257 on (3.2.5).
pub(super) const LENGTH: [(u16, u8); 29] = {
    let mut table = [(0, 0); 29];
    let (mut code, mut base) = (0, 3);
    while code < 28 {
        let extra = if code < 8 { 0 } else { code as u8 / 4 - 1 };
        table[code] = (base, extra);
        base += 1 << extra;
        code += 1;
    }
    // 258 has its own symbol; that of 227 could reach it, and must not.
    table[28] = (258, 0);
    table
};

/// Least distance and count of extra bits of each distance symbol (3.2.5).
pub(super) const DISTANCE: [(u16, u8); DISTANCES] = {
    let mut table = [(0, 0); DISTANCES];
    let (mut code, mut base) = (0, 1);
    while code < DISTANCES {
        let extra = if code < 4 { 0 } else { code as u8 / 2 - 1 };
        table[code] = (base, extra);
        base += 1 << extra;
        code += 1;
    }
    table
};

/// Length symbol, less 257, of each length, less 3.
static LENGTH_CODE: [u8; 256] = {
    let mut table = [28; 256];
    let mut code = 0;
    while code < 28 {
        let mut length = LENGTH[code].0 as usize;
        while length < LENGTH[code + 1].0 as usize {
            table[length - 3] = code as u8;
            length += 1;
        }
        code += 1;
    }
    table
};

/// Length symbol, less 257, of a length, less 3.
#[inline(always)]
pub(super) fn length_code(less3: u8) -> usize {
    usize::from(LENGTH_CODE[usize::from(less3)])
}

/// Distance symbol of a distance (1 to 32,768), less 1.
#[inline(always)]
pub(super) fn distance_code(less1: u32) -> usize {
    if less1 < 2 {
        return less1 as usize;
    }
    let top = less1.ilog2();
    (2 * top + ((less1 >> (top - 1)) & 1)) as usize
}

/// In this order the lengths of the code-length code are sent (3.2.7).
pub(super) const ORDER: [u8; 19] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Code lengths of the fixed code (3.2.6). Its last two symbols never occur, but count.
pub(super) const FIXED_LITERALS: [u8; 288] = {
    let mut lengths = [8; 288];
    let mut symbol = 144;
    while symbol < 280 {
        lengths[symbol] = if symbol < 256 { 9 } else { 7 };
        symbol += 1;
    }
    lengths
};
/// As [`FIXED_LITERALS`], of distances.
pub(super) const FIXED_DISTANCES: [u8; DISTANCES] = [5; DISTANCES];

/// The codes that belong to code lengths (3.2.2), their first bit lowest, as they are written.
/// Symbols of length 0 get none; `codes` is as long as `lengths`.
pub(super) fn assign(lengths: &[u8], codes: &mut [u16]) {
    let mut next = [0u16; LONGEST + 2];
    for &length in lengths.iter().filter(|&&length| length > 0) {
        next[usize::from(length) + 1] += 1;
    }
    for length in 1..next.len() {
        // Above 15 bits nothing is sent, and the sum may leave 16 bits.
        next[length] = next[length].wrapping_add(next[length - 1]) << 1;
    }
    for (code, &length) in codes.iter_mut().zip(lengths) {
        if length > 0 {
            let next = &mut next[usize::from(length)];
            *code = next.reverse_bits() >> (16 - length);
            *next = next.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_those_of_the_rfc() {
        assert_eq!(LENGTH[8], (11, 1));
        assert_eq!(LENGTH[27], (227, 5));
        assert_eq!(LENGTH[28], (258, 0));
        assert_eq!(DISTANCE[3], (4, 0));
        assert_eq!(DISTANCE[29], (24577, 13));
    }

    #[test]
    fn every_length_and_distance_finds_its_symbol() {
        for length in 3..=LONGEST_MATCH as u16 {
            let code = LENGTH.iter().rposition(|&(base, _)| base <= length).unwrap();
            assert_eq!(length_code((length - 3) as u8), code, "length {length}");
        }
        for distance in 1..=32768u16 {
            let code = DISTANCE.iter().rposition(|&(base, _)| base <= distance).unwrap();
            assert_eq!(distance_code(u32::from(distance) - 1), code, "distance {distance}");
        }
    }

    #[test]
    fn codes_are_those_of_the_rfcs_example() {
        // 3.2.2: ABCDEFGH with lengths (3, 3, 3, 3, 3, 2, 4, 4).
        let mut codes = [0; 8];
        assign(&[3, 3, 3, 3, 3, 2, 4, 4], &mut codes);
        assert_eq!(codes, [0b010, 0b110, 0b001, 0b101, 0b011, 0b00, 0b0111, 0b1111]);
        let mut fixed = [0; 288];
        assign(&FIXED_LITERALS, &mut fixed);
        assert_eq!(fixed[0], 0b0000_1100);
        assert_eq!(fixed[144], 0b0_0001_0011);
        assert_eq!(fixed[256], 0);
        assert_eq!(fixed[287], 0b1110_0011);
    }
}
