//! Volumes by their numbers, and `volumes.txt`, which says how many there are.
//!
//! Nobody signs that file, and nothing is decided by it: it lets a message name the volumes that are
//! missing. Withstands: lists of any length (capped), numbers out of order, anything that is not in
//! the format (passed over). Normative text: `formats/packaging.md`.

use std::fmt::Write as _;

/// The list of volumes, beside the head files.
pub const LISTING: &str = "volumes.txt";
/// What tells people which medium of which bundle it is.
pub const LABEL: &str = "label.txt";
/// The largest `volumes.txt` that is read, in bytes.
pub(super) const MAX_LISTING: u64 = 4 << 20;
/// How many numbers, or runs of numbers, are named one by one.
const MAX_NAMED: usize = 10;

/// The name of a volume, numbered from 1. Fits FAT32 and ISO 9660 with any extension.
pub fn volume_name(number: u32) -> String {
    format!("volume-{number:04}.tar")
}

/// `volume-0001.tar` is volume 1.
pub fn volume_number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("volume-")?.strip_suffix(".tar")?;
    let number = digits.parse().ok()?;
    (volume_name(number) == name && number > 0).then_some(number)
}

/// `volumes.txt` of volumes of these sizes, in bytes.
pub fn listing(sizes: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut text = String::new();
    for (number, size) in (1..).zip(sizes) {
        writeln!(text, "{} {size}", volume_name(number)).expect("a string takes everything");
    }
    text.into_bytes()
}

/// How many volumes `volumes.txt` names; `None` when it is none.
pub(super) fn listed(bytes: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut last = 0;
    for line in text.strip_suffix('\n')?.split('\n') {
        let (name, size) = line.split_once(' ')?;
        size.parse::<u64>().ok().filter(|_| size.bytes().all(|byte| byte.is_ascii_digit()))?;
        last = volume_number(name).filter(|number| *number == last + 1)?;
    }
    Some(last)
}

/// Numbers for people: `2, 5 to 9 and 12`. They are sorted.
pub fn number_list(numbers: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let run = |(first, last): &(u32, u32)| match last - first {
        0 => vec![first.to_string()],
        1 => vec![first.to_string(), last.to_string()],
        _ => vec![format!("{first} to {last}")],
    };
    let mut named: Vec<String> = runs.iter().take(MAX_NAMED).flat_map(run).collect();
    if runs.len() > MAX_NAMED {
        named.push("more".to_owned());
    }
    match named.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => named.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_is_read_again() {
        let text = listing([512, 1 << 40, 3]);
        assert!(text.starts_with(b"volume-0001.tar 512\nvolume-0002.tar 1099511627776\n"));
        assert_eq!(listed(&text), Some(3));
        let many: Vec<u64> = vec![1; 10_001];
        assert_eq!(listed(&listing(many)), Some(10_001));
    }

    #[test]
    fn what_is_no_list_tells_nothing() {
        for text in [
            "",
            "\n",
            "volume-0001.tar 1",
            "volume-0002.tar 1\n",
            "volume-0001.tar 1\nvolume-0001.tar 1\n",
            "volume-0001.tar 1\nvolume-0003.tar 1\n",
            "volume-0001.tar +1\n",
            "volume-0001.tar\n",
            "volume-1.tar 1\n",
            "volume-0001.tar 1\r\n",
            "volume-0001.tar 1\n\n",
        ] {
            assert_eq!(listed(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(listed(b"\xff"), None);
    }

    #[test]
    fn numbers_are_named_in_runs() {
        for (numbers, text) in [
            (&[][..], ""),
            (&[3], "3"),
            (&[2, 5], "2 and 5"),
            (&[1, 2], "1 and 2"),
            (&[1, 3, 4], "1, 3 and 4"),
            (&[1, 2, 4, 5, 6, 7, 9], "1, 2, 4 to 7 and 9"),
            (&[u32::MAX - 2, u32::MAX - 1, u32::MAX], "4294967293 to 4294967295"),
        ] {
            assert_eq!(number_list(numbers), text);
        }
        let odd: Vec<u32> = (0..20).map(|it| 2 * it + 1).collect();
        assert_eq!(number_list(&odd), "1, 3, 5, 7, 9, 11, 13, 15, 17, 19 and more");
    }
}
