//! Text on its way to a terminal.

/// `text` without anything that a terminal would obey: control characters and the marks that turn
/// the direction of writing are shown as escapes.
pub fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|c| match is_active(c) {
            true => c.escape_debug().collect::<Vec<char>>(),
            false => vec![c],
        })
        .collect()
}

/// JSON on one line, with the same meaning and without anything that a terminal would obey.
pub fn escaped_json(json: &str) -> String {
    let escape = |c: char| match is_active(c) {
        // All of them are in the first plane, and in JSON stand within texts only.
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.to_string(),
    };
    json.chars().map(escape).collect()
}

fn is_active(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

/// `text` as one word for a shell.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/+=:@,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// A number of things for people: `1 image`, `2 images`.
pub fn count(number: impl TryInto<u64>, thing: &str) -> String {
    match number.try_into() {
        Ok(1) => format!("1 {thing}"),
        Ok(number) => format!("{number} {thing}s"),
        Err(_) => format!("many {thing}s"),
    }
}

/// A number of bytes for people: `1.5 GiB`.
pub fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_of_it() {
        assert_eq!(escaped("a\"b' é"), "a\"b' é");
        assert_eq!(escaped("\u{1b}[2J\r\n\u{9b}m"), "\\u{1b}[2J\\r\\n\\u{9b}m");
        assert_eq!(escaped("a\u{202e}b"), "a\\u{202e}b");
    }

    #[test]
    fn json_keeps_its_meaning() {
        let text = "a\u{1b}\u{7f}\u{9b}\u{202e}\u{2028}\n é😀\"\\";
        let shown = escaped_json(&serde_json::json!({ "x": text }).to_string());
        assert!(!shown.contains(is_active), "{shown}");
        let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(read["x"], text);
    }

    #[test]
    fn a_shell_takes_it_for_one_word() {
        assert_eq!(quoted("a/release.key.pub"), "a/release.key.pub");
        assert_eq!(quoted("it's $x"), r"'it'\''s $x'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn one_thing_has_no_plural() {
        assert_eq!(
            [0, 1, 2].map(|it: u64| count(it, "image")),
            ["0 images", "1 image", "2 images"]
        );
    }

    #[test]
    fn bytes_are_for_people() {
        assert_eq!(bytes(3 << 29), "1.50 GiB");
    }
}
