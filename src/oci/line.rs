//! A line of a journal: one JSON value behind its own SHA-256, so that a line that was not written to
//! its end, or was changed, is told from one that was. Proves nothing of who wrote it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Digest, json};

/// `<SHA-256 of the JSON> <JSON>`, and a line feed.
pub fn line(value: &impl Serialize) -> Vec<u8> {
    let json = serde_json::to_string(value).expect("a journal is plain data");
    format!("{} {json}\n", Digest::of(json.as_bytes()).hex()).into_bytes()
}

/// The value of a line, whose JSON is at most `max` bytes; `None` when it is not whole.
pub fn checked<T: DeserializeOwned>(line: &[u8], max: usize) -> Option<T> {
    let (hex, json) = line.strip_suffix(b"\n")?.split_at_checked(64)?;
    let json = json.strip_prefix(b" ").filter(|json| json.len() <= max)?;
    (Digest::of(json).hex().as_bytes() == hex).then(|| json::parse(json).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_whole_or_not_there() {
        let whole = line(&vec![1, 2]);
        assert_eq!(checked::<Vec<u8>>(&whole, 5), Some(vec![1, 2]));
        assert_eq!(checked::<Vec<u8>>(&whole, 4), None);
        for end in 0..whole.len() {
            assert_eq!(checked::<Vec<u8>>(&whole[..end], 5), None, "{end}");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert_eq!(checked::<Vec<u8>>(&changed, 5), None, "{at}");
        }
    }
}
