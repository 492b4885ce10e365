//! The binary form of OpenSSH's files and protocols: strings with a length before them.
//!
//! Withstands: lengths past the end, trailing bytes, numbers in a second form. Nothing is copied or
//! allocated by a stated length. Source: RFC 4251 section 5.

/// Takes values from the front of some bytes; `None` when they are not there.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).ok()?)
    }

    /// A string that can only be `expected`.
    pub(super) fn expect(&mut self, expected: &[u8]) -> Option<()> {
        (self.string()? == expected).then_some(())
    }

    /// A positive `mpint` in its one form, as `width` bytes.
    pub(super) fn integer(&mut self, width: usize) -> Option<Vec<u8>> {
        let bytes = self.string()?;
        let digits = match bytes {
            // A zero keeps the number positive, and stands there for no other reason.
            [0, rest @ ..] if rest.first().is_some_and(|byte| *byte >= 0x80) => rest,
            [first, ..] if (1..0x80).contains(first) => bytes,
            _ => return None,
        };
        let mut fixed = vec![0; width.checked_sub(digits.len())?];
        fixed.extend_from_slice(digits);
        Some(fixed)
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Nothing may be left.
    pub(super) fn finish(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Appends a string.
pub(super) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("what is written here is small");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Appends an unsigned number as an `mpint`.
pub(super) fn put_integer(out: &mut Vec<u8>, bytes: &[u8]) {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = &bytes[zeros..];
    match digits.first() {
        Some(first) if *first >= 0x80 => put_string(out, &[&[0], digits].concat()),
        _ => put_string(out, digits),
    }
}
