//! The tokens of a block in the making: literals apart from matches, so that both can be counted
//! and written at speed.

/// Literals that one block can hold.
const MOST_LITERALS: usize = 65_536;
/// Matches that one block can hold: none is shorter than 4 bytes.
const MOST_MATCHES: usize = 16_384;

/// A match, and the literals before it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Match {
    /// Literals since the match before.
    pub run: u16,
    /// Its length, less 3.
    pub length: u8,
    /// Its distance, less 1.
    pub distance: u16,
}

/// The tokens of a block: no more than 65,535, of them no more than 16,384 matches.
pub(super) struct Tokens {
    literals: Box<[u8; MOST_LITERALS]>,
    matches: Box<[Match; MOST_MATCHES]>,
    literal_count: usize,
    match_count: usize,
    /// Literals before the last match.
    told: usize,
}

impl Tokens {
    pub fn new() -> Tokens {
        Tokens {
            literals: super::boxed(),
            matches: super::boxed(),
            literal_count: 0,
            match_count: 0,
            told: 0,
        }
    }

    #[inline(always)]
    pub fn literal(&mut self, byte: u8) {
        self.literals[self.literal_count % MOST_LITERALS] = byte;
        self.literal_count += 1;
    }

    /// Many literals.
    #[inline(always)]
    pub fn run(&mut self, bytes: &[u8]) {
        self.literals[self.literal_count..self.literal_count + bytes.len()].copy_from_slice(bytes);
        self.literal_count += bytes.len();
    }

    /// A match of 3 to 258 bytes, 1 to 32,768 bytes back.
    #[inline(always)]
    pub fn pair(&mut self, length: usize, distance: usize) {
        self.matches[self.match_count % MOST_MATCHES] = Match {
            run: (self.literal_count - self.told) as u16,
            length: (length - 3) as u8,
            distance: (distance - 1) as u16,
        };
        self.match_count += 1;
        self.told = self.literal_count;
    }

    /// How many there are.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.literal_count + self.match_count
    }

    pub fn literals(&self) -> &[u8] {
        &self.literals[..self.literal_count]
    }

    pub fn matches(&self) -> &[Match] {
        &self.matches[..self.match_count]
    }

    pub fn clear(&mut self) {
        (self.literal_count, self.match_count, self.told) = (0, 0, 0);
    }
}
