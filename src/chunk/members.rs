//! Where the members of a tar begin and end, as far as their headers tell.
//!
//! Withstands: headers that nobody checked. Sizes up to 2^63 - 1 are believed, for they only say
//! where the next header is looked for; whatever stands there and is none ends the search for
//! good. Nothing here fails, allocates or reads a byte twice. Source: POSIX.1-2001 ustar and pax,
//! GNU tar's base-256 sizes. Normative text: `formats/chunks.md`.

/// Bytes of a header, and the unit to which content is padded.
pub(super) const BLOCK: usize = 512;
/// Content of fewer bytes is not cut off from its surroundings.
pub(super) const MIN_MEMBER: u64 = 4096;

/// A place in a tar.
pub(super) struct Members {
    header: [u8; BLOCK],
    place: Place,
}

enum Place {
    /// In a header, behind so many bytes of it.
    Header(usize),
    /// In content or its padding, so many bytes before their end.
    Content { left: u64, cut: bool },
    /// Behind a header that was none.
    Lost,
}

impl Members {
    /// The start of a tar, or of something else.
    pub(super) fn new() -> Members {
        Members { header: [0; BLOCK], place: Place::Header(0) }
    }

    /// Goes on through `plain` to the next forced cut, or to the end: how many bytes that is, one
    /// at least if there is any, and whether a cut is there.
    pub(super) fn pass(&mut self, plain: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while at < plain.len() {
            let rest = &plain[at..];
            let (passed, cut) = match self.place {
                Place::Header(held) => self.header(held, rest),
                Place::Content { left, cut } => self.content(left, cut, rest),
                Place::Lost => (rest.len(), false),
            };
            at += passed;
            if cut {
                return (at, true);
            }
        }
        (at, false)
    }

    fn header(&mut self, held: usize, rest: &[u8]) -> (usize, bool) {
        let more = rest.len().min(BLOCK - held);
        self.header[held..held + more].copy_from_slice(&rest[..more]);
        if held + more < BLOCK {
            self.place = Place::Header(held + more);
            return (more, false);
        }
        let size = content_size(&self.header);
        let cut = size >= Some(MIN_MEMBER);
        self.place = match size {
            Some(0) => Place::Header(0),
            Some(size) => Place::Content { left: size.next_multiple_of(BLOCK as u64), cut },
            None => Place::Lost,
        };
        (more, cut)
    }

    fn content(&mut self, left: u64, cut: bool, rest: &[u8]) -> (usize, bool) {
        if left > rest.len() as u64 {
            self.place = Place::Content { left: left - rest.len() as u64, cut };
            return (rest.len(), false);
        }
        self.place = Place::Header(0);
        (left as usize, cut)
    }
}

/// Whether `block` is a header of a tar, by its checksum.
pub(super) fn is_header(block: &[u8; BLOCK]) -> bool {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    // The checksum's own field counts as eight spaces.
    let expected = sum(&block[..148]) + 8 * u64::from(b' ') + sum(&block[156..]);
    octal(&block[148..156]) == Some(expected)
}

/// Bytes of content behind a header; `None` for what is no header.
fn content_size(header: &[u8; BLOCK]) -> Option<u64> {
    if !is_header(header) {
        return None;
    }
    match header[156] {
        // Links, devices, directories and pipes have none, whatever the size says.
        b'1'..=b'6' => Some(0),
        _ => size(&header[124..136]),
    }
}

fn size(field: &[u8]) -> Option<u64> {
    match field {
        [0x80, 0, 0, 0, number @ ..] => {
            Some(u64::from_be_bytes(number.try_into().ok()?)).filter(|size| *size < 1 << 63)
        }
        _ => octal(field),
    }
}

/// Octal digits among spaces and NULs; no digits are zero. Twelve of them fit.
fn octal(field: &[u8]) -> Option<u64> {
    let blank = |byte: &u8| [b' ', 0].contains(byte);
    let start = field.iter().position(|byte| !blank(byte)).unwrap_or(field.len());
    let end = field.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    field[start..end].iter().try_fold(0, |number, byte| match byte {
        b'0'..=b'7' => Some(number << 3 | u64::from(byte - b'0')),
        _ => None,
    })
}
