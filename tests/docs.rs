//! The texts against the project: links lead somewhere, and every code of the command line is
//! explained.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files below `directory` with this extension.
fn files(directory: &str, extension: &str) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(root().join(directory)).sort_by_file_name();
    let paths = entries.into_iter().map(|entry| entry.unwrap().into_path());
    paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

#[test]
fn every_relative_link_leads_to_a_file() {
    let mut broken = Vec::new();
    let texts = [files("docs", "md"), files("formats", "md"), vec![root().join("README.md")]];
    for path in texts.concat() {
        let text = std::fs::read_to_string(&path).unwrap();
        for link in links(&text) {
            if !leads_somewhere(&path, &text, link) {
                broken.push(format!("{}: {link}", path.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

/// What stands in `](…)`, but for addresses on the web.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let ends = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    ends.map(|(link, _)| link).filter(|link| !link.contains("://"))
}

fn leads_somewhere(from: &Path, text: &str, link: &str) -> bool {
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    if path.is_empty() {
        return has_heading(text, heading);
    }
    let target = from.parent().unwrap().join(path);
    let found = target.exists();
    match heading {
        "" => found,
        _ => found && has_heading(&std::fs::read_to_string(target).unwrap(), heading),
    }
}

fn has_heading(text: &str, wanted: &str) -> bool {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| line.trim_start_matches('#').trim()).any(|heading| {
        let plain = heading.chars().filter(|c| c.is_alphanumeric() || "- _".contains(*c));
        plain.collect::<String>().to_lowercase().replace(' ', "-") == wanted
    })
}

#[test]
fn a_broken_link_is_found() {
    let text = "# One thing\n[a](Cargo.toml) [b](#one-thing) [c](https://example.org/x)";
    let from = root().join("x.md");
    assert_eq!(links(text).collect::<Vec<_>>(), ["Cargo.toml", "#one-thing"]);
    assert!(links(text).all(|link| leads_somewhere(&from, text, link)));
    assert!(!leads_somewhere(&from, text, "#two"));
    assert!(!leads_somewhere(&from, text, "nowhere.md"));
}

#[test]
fn every_code_is_explained_under_its_exit_code() {
    let mut used = BTreeSet::new();
    for path in files("src/cli", "rs") {
        let text = std::fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        used.extend(codes(code));
    }
    assert!(used.len() > 80, "{used:?}");
    assert_eq!(used, explained());
}

/// `Exit::<name>, "<code>"`, whatever white space is between.
fn codes(text: &str) -> BTreeSet<(u8, String)> {
    let found = text.split("Exit::").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once(',')?;
        let (code, _) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
        let exit = ["Failed", "Usage", "Damaged", "NotAllowed", "Partial"];
        let exit = exit.iter().position(|known| *known == name)?;
        Some((exit as u8 + 1, code.to_owned()))
    });
    found.collect()
}

/// The first column of each table below a heading `## <exit code>: …`.
fn explained() -> BTreeSet<(u8, String)> {
    let text = std::fs::read_to_string(root().join("docs/exit-codes.md")).unwrap();
    let mut exit = 0;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            exit = heading.split(':').next().unwrap().parse().unwrap();
        } else if let Some((code, _)) =
            line.strip_prefix("| `").and_then(|rest| rest.split_once('`'))
        {
            assert!(found.insert((exit, code.to_owned())), "{code} is there twice");
        }
    }
    found
}

#[test]
fn every_dependency_is_explained() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (_, rest) = manifest.split_once("[dependencies]\n").unwrap();
    let (listed, _) = rest.split_once("\n[").unwrap();
    let used: BTreeSet<&str> =
        listed.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name).collect();
    let text = std::fs::read_to_string(root().join("docs/dependencies.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let first = rows.filter_map(|row| row.split('|').nth(1));
    let explained: BTreeSet<&str> =
        first.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert_eq!(used, explained);
}
