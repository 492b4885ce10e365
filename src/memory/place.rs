//! Where a bundle was brought to, as one word.

use std::fmt;
use std::str::FromStr;

use crate::oci::hex;

/// A registry with its prefix, or a layout: `docker://registry.site:5000/mirror`, `oci:/srv/images`.
/// Whatever is not a printable ASCII character, and `%`, is written as `%` and two upper-case hex
/// digits, so that each place has one spelling, without spaces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(String);

/// A text that is no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a target in its one spelling")]
pub struct InvalidPlace;

impl Place {
    /// The place that these bytes name.
    pub fn new(name: &[u8]) -> Place {
        Place(name.iter().map(|byte| spelled(*byte)).collect())
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn spelled(byte: u8) -> String {
    match byte {
        b'%' => "%25".to_owned(),
        b'!'..=b'~' => char::from(byte).to_string(),
        _ => format!("%{}", hex(&[byte]).to_uppercase()),
    }
}

impl FromStr for Place {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Place, InvalidPlace> {
        let mut name = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, after @ ..] = rest {
            rest = after;
            name.push(*first);
            if *first == b'%' {
                let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                *name.last_mut().ok_or(InvalidPlace)? = byte.ok_or(InvalidPlace)?;
                rest = &after[2..];
            }
        }
        // Writing it again refuses every other spelling.
        Some(Place::new(&name))
            .filter(|place| place.0 == text && !text.is_empty())
            .ok_or(InvalidPlace)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_one_spelling() {
        for (name, word) in [
            ("docker://r.site:5000/a".as_bytes(), "docker://r.site:5000/a"),
            ("oci:/a b/100%".as_bytes(), "oci:/a%20b/100%25"),
            ("oci:/é\n".as_bytes(), "oci:/%C3%A9%0A"),
            (b"oci:/\xff\x7f", "oci:/%FF%7F"),
        ] {
            assert_eq!(Place::new(name).as_str(), word);
            assert_eq!(word.parse(), Ok(Place::new(name)));
        }
        for bad in ["", "a b", "a%", "a%2", "a%41", "a%2f", "a%ff", "a%+f", "é", "a%%", "a%é", "\n"]
        {
            assert_eq!(bad.parse::<Place>(), Err(InvalidPlace), "{bad}");
        }
    }
}
