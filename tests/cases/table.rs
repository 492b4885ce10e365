//! The table of cases, as `docs/security-cases.md` has it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::seen::Seen;

const HEAD: &str = "\
# Security cases

What hostile or broken input, media and machines do to gapferry. Each case is played with the real
binary by `tests/cases`, which writes this table from what it saw, and fails when a case is not
survived or the table differs:

```sh
cargo test --test cases                           # the table is what is seen
GAPFERRY_WRITE_CASES=1 cargo test --test cases    # write it anew
```

- *refused*: it ended with an [error](exit-codes.md); the target has nothing of it, byte for byte, and
  the site's memory did not move. An export that is refused leaves no seal.
- *stopped and goes on*: it ended early with nothing half to be seen, and the next run ended with the
  same bytes as one that was not disturbed.
- *passes*: it does all that was asked for, and no harm.

Where a case has several forms, each was played, and what was seen stands there once. Names in the last
column are [vectors](../formats/vectors/README.md), then plays in `tests/cases`, then other tests that
try the case in more ways.

| | case | outcome | exit and code | shown by |
|---|---|---|---|---|
";

const FOOT: &str = "
Without parity nothing is mended: damage is found, named and refused (25, 41), a volume that is missing
too (22), and so are sectors that cannot be read (29).
";

/// A case and what was seen.
pub(crate) struct Row {
    pub number: u8,
    pub what: &'static str,
    pub seen: Vec<Seen>,
    pub shown_by: Vec<String>,
}

impl Row {
    fn render(&self) -> String {
        let outcome = once(self.seen.iter().map(|seen| seen.how.to_string()));
        let codes = once(self.seen.iter().map(Seen::exit_and_code));
        let shown = match self.shown_by.is_empty() {
            true => "–".to_owned(),
            false => once(self.shown_by.iter().map(|name| format!("`{name}`"))),
        };
        format!("| {} | {} | {outcome} | {codes} | {shown} |\n", self.number, self.what)
    }
}

/// Each of `words` once, in the order in which they come.
fn once(words: impl Iterator<Item = String>) -> String {
    let mut known = BTreeSet::new();
    words.filter(|word| known.insert(word.clone())).collect::<Vec<_>>().join(", ")
}

/// Compares the stored table with what was seen, or writes it if that was asked for.
pub(crate) fn compare(rows: &[Row]) {
    let path = root().join("docs/security-cases.md");
    let seen: String = rows.iter().map(Row::render).collect();
    let seen = format!("{HEAD}{seen}{FOOT}");
    if std::env::var_os("GAPFERRY_WRITE_CASES").is_some() {
        std::fs::write(&path, &seen).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = seen.lines().zip(stored.lines()).find(|(seen, stored)| seen != stored);
    assert_eq!(differs, None, "what was seen is not what docs/security-cases.md says");
    assert!(seen == stored, "docs/security-cases.md is shorter or longer than what was seen");
}

/// Asserts that a test, which the table names as `<path>::<function>`, is there.
pub(crate) fn assert_test(name: &str) {
    let (file, function) = name.rsplit_once("::").unwrap();
    let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
    assert!(text.contains(&format!("\nfn {function}(")), "there is no test {name}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
