//! List files: one image, pattern, registry or chart a line.
//!
//! `#` starts a comment, at the start of a line or after a space; blank lines are passed over.
//! Withstands: files that are no text, endless lines, control characters, files of any size.

use super::{ListEntry, SelectError, Wish};

/// The largest list file, in bytes.
pub const MAX_LIST_SIZE: u64 = 4 * 1024 * 1024;
/// The longest line, in bytes.
const MAX_LINE: usize = 4096;

/// Why a line of a list is refused. Always the input's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The file is larger than any list.
    #[error("the list is larger than {MAX_LIST_SIZE} bytes")]
    TooLarge,
    /// The line is longer than any name.
    #[error("the line is longer than {MAX_LINE} bytes")]
    TooLong,
    /// Bytes that are not UTF-8.
    #[error("the line is not UTF-8 text")]
    NotText,
    /// A control character, or white space within a name. A pattern in braces may have spaces.
    #[error("not one image: {}", .0.escape_debug())]
    NotOneImage(String),
}

/// Reads the content of a list file; `file` is its name, for messages.
///
/// # Errors
/// [`SelectError::List`].
pub fn parse_list(file: &str, bytes: &[u8]) -> Result<Vec<ListEntry>, SelectError> {
    let at = |line, error| SelectError::List { file: file.to_owned(), line, error };
    if bytes.len() as u64 > MAX_LIST_SIZE {
        return Err(at(1, ListError::TooLarge));
    }
    // Editors on Windows begin a text with a byte-order mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut entries = Vec::new();
    for (line, bytes) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
        if let Some(text) = parse_line(bytes).map_err(|error| at(line, error))? {
            let why = format!("{file}:{line}");
            let wish: Result<Wish, _> = text.parse();
            let wish = wish.map_err(|error| SelectError::Wish { why: why.clone(), error })?;
            entries.push(ListEntry { wish, why });
        }
    }
    Ok(entries)
}

fn parse_line(bytes: &[u8]) -> Result<Option<&str>, ListError> {
    if bytes.len() > MAX_LINE {
        return Err(ListError::TooLong);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ListError::NotText)?;
    let text = match text.trim_start().starts_with('#') {
        true => "",
        false => text.split_once(" #").map_or(text, |(before, _)| before).trim(),
    };
    let is_pattern = text.contains(":{") && text.ends_with('}');
    if text.contains(|c: char| (c.is_whitespace() && !(is_pattern && c == ' ')) || c.is_control()) {
        return Err(ListError::NotOneImage(text.chars().take(200).collect()));
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> (usize, ListError) {
        match parse_list("images.txt", bytes) {
            Err(SelectError::List { file, line, error }) if file == "images.txt" => (line, error),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_are_read_with_their_lines() {
        let text = "\u{feff}# base\n\nbusybox:1.36\r\n  quay.io/a/b:{semver=>=1.2 <2; newest=3}  # the tool\n\t#x\noci:dir:1";
        let entries = parse_list("images.txt", text.as_bytes()).unwrap();
        let found: Vec<(String, &str)> =
            entries.iter().map(|entry| (entry.wish.to_string(), entry.why.as_str())).collect();
        let expected = [
            ("docker://docker.io/library/busybox:1.36", "images.txt:3"),
            ("quay.io/a/b:{semver=>=1.2 <2; newest=3}", "images.txt:4"),
            ("oci:dir:1", "images.txt:6"),
        ];
        assert_eq!(found, expected.map(|(name, why)| (name.to_owned(), why)));
        assert!(parse_list("x", b"").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_list_is_refused_by_line() {
        let odd = |text: &str| ListError::NotOneImage(text.to_owned());
        match parse_list("images.txt", b"a\nquay.io/B\n") {
            Err(SelectError::Wish { why, .. }) => assert_eq!(why, "images.txt:2"),
            other => panic!("{other:?}"),
        }
        assert_eq!(refused(b"a\nb c\n"), (2, odd("b c")));
        assert_eq!(refused(b"a\x1b[2J"), (1, odd("a\u{1b}[2J")));
        assert_eq!(refused(b"a\n\n\xff\xfe"), (3, ListError::NotText));
        assert_eq!(refused(&[b'a'; 4097]), (1, ListError::TooLong));
        assert_eq!(refused(&vec![b'\n'; 4 * 1024 * 1024 + 1]), (1, ListError::TooLarge));
        assert!(!parse_list("x", b"a\x1b[2J").unwrap_err().to_string().contains('\u{1b}'));
    }
}
