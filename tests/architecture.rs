//! Which module may use which, and that only `cli` prints, exits, or asks the system for time and
//! environment.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What each module may use. `files`, `pool` and `report` may be used by all.
const ALLOWED: [(&str, &[&str]); 26] = [
    ("oci", &[]),
    ("files", &[]),
    ("pool", &[]),
    ("report", &[]),
    ("trust", &["oci"]),
    ("policy", &["oci"]),
    ("recompress", &["oci"]),
    ("chunk", &["oci"]),
    ("layout", &["oci"]),
    ("registry", &["oci"]),
    ("bundle", &["oci", "trust"]),
    ("source", &["oci", "layout", "registry"]),
    ("target", &["oci", "layout", "registry"]),
    ("select", &["oci", "source"]),
    ("memory", &["oci", "bundle"]),
    ("audit", &["oci", "trust"]),
    ("receipt", &["oci", "trust", "bundle", "memory", "audit", "verify", "import"]),
    ("verify", &["oci", "trust", "recompress", "chunk", "bundle", "memory"]),
    ("export", &EXPORT),
    ("import", &["oci", "bundle", "memory", "verify", "target"]),
    ("drill", &["oci", "trust", "layout", "bundle", "verify", "target", "import"]),
    ("serve", &["oci", "layout", "bundle", "verify"]),
    ("unpack", &["oci", "bundle", "verify"]),
    ("repack", &["oci", "bundle", "verify"]),
    ("sign", &["trust", "bundle", "verify"]),
    ("diff", &["oci", "chunk"]),
];

const EXPORT: [&str; 9] =
    ["oci", "trust", "recompress", "chunk", "layout", "registry", "bundle", "source", "select"];

/// What only `cli` may do.
const CLI_ONLY: [&str; 10] = [
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
    "dbg!",
    "process::exit",
    "std::env",
    "env::var",
    "SystemTime::now",
    "Instant::now",
];

/// A violation: which file, and what is wrong with it.
type Violation = (PathBuf, String);

#[test]
fn modules_use_what_they_may() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut modules = BTreeSet::new();
    for path in rust_files(&root) {
        let relative = path.strip_prefix(&root).unwrap().to_owned();
        let Some(module) = module_of(&relative) else { continue };
        modules.insert(module.clone());
        let text = std::fs::read_to_string(&path).unwrap();
        found.extend(violations(&module, &relative, &text));
    }
    assert_eq!(found, []);
    let known: BTreeSet<String> =
        ALLOWED.iter().map(|(name, _)| (*name).to_owned()).chain(["cli".to_owned()]).collect();
    assert_eq!(modules, known, "the map of modules above is not that of src/");
}

#[test]
fn a_violation_is_found() {
    let wrong = |module: &str, text: &str| {
        let path = PathBuf::from(format!("{module}/x.rs"));
        violations(module, &path, text).into_iter().map(|(_, what)| what).collect::<Vec<_>>()
    };
    assert_eq!(wrong("oci", "use crate::trust::Verified;"), ["uses trust"]);
    assert_eq!(wrong("select", "fn f() -> crate :: cli::Cli {}"), ["uses cli"]);
    let grouped = "use crate::{files::{self, FileError},\n    oci::Digest, target};";
    assert_eq!(wrong("select", grouped), ["uses target"]);
    assert_eq!(wrong("bundle", "pub use crate::verify as v;"), ["uses verify"]);
    assert_eq!(wrong("oci", "use super::super::trust;"), ["climbs out of its module"]);
    let climbs = violations("oci", Path::new("oci/mod.rs"), "use super::trust;");
    assert_eq!(climbs.len(), 1);
    assert_eq!(wrong("oci", "use crate::*;"), ["uses *"]);
    assert_eq!(wrong("import", "bundle.try_map(forge)"), ["makes verified values"]);
    for (text, what) in [
        ("fn f() { println!(\"x\") }", "println!"),
        ("fn f() { eprint!(\"x\") }", "eprint!"),
        ("fn f() { std::process::exit(1) }", "process::exit"),
        ("use std::env;", "std::env"),
        ("let t = SystemTime::now();", "SystemTime::now"),
        ("let t = Instant::now();", "Instant::now"),
    ] {
        assert_eq!(wrong("verify", text), [format!("has {what}")], "{text}");
    }
    let quiet = "// use crate::cli; println!\n/* crate::cli /* nested */ */\n\
                 const S: &str = \"crate::cli \\\" println!\"; const R: &str = r#\"\"crate::cli\"#;\n\
                 fn f<'a>(c: &'a char) { c == '\"'; crate::report::x() }\n\
                 #[cfg(test)]\nmod tests { use crate::cli; fn f() { println!() } }";
    assert!(wrong("oci", quiet).is_empty(), "{:?}", wrong("oci", quiet));
    let after = "#[cfg(test)]\nmod tests { fn f() { '}' } }\nuse crate::cli;";
    assert_eq!(wrong("oci", after), ["uses cli"]);
    assert!(wrong("registry", "Instant::now()").is_empty());
    assert!(wrong("cli", "use crate::import; fn f() { println!() }").is_empty());
}

fn violations(module: &str, path: &Path, text: &str) -> Vec<Violation> {
    let code = without_tests(&without_text(text));
    let mut found = Vec::new();
    if module == "cli" {
        return found;
    }
    let allowed =
        ALLOWED.iter().find(|(name, _)| *name == module).map_or(&[][..], |(_, uses)| uses);
    for used in used_modules(&code) {
        if used != module && !allowed.contains(&used.as_str()) && !is_for_all(&used) {
            found.push((path.to_owned(), format!("uses {used}")));
        }
    }
    // The crate is one step up from `x/mod.rs`, and two from `x/y.rs` and `x/y/mod.rs`.
    let depth = path.components().count() - usize::from(path.ends_with("mod.rs"));
    if words(&code, &"super::".repeat(depth)).next().is_some() {
        found.push((path.to_owned(), "climbs out of its module".to_owned()));
    }
    // Whoever may turn one verified thing into another decides what is believed.
    if !["trust", "verify"].contains(&module) && words(&code, "try_map").next().is_some() {
        found.push((path.to_owned(), "makes verified values".to_owned()));
    }
    for what in CLI_ONLY {
        let excused = module == "registry" && what == "Instant::now";
        if !excused && words(&code, what).next().is_some() {
            found.push((path.to_owned(), format!("has {what}")));
        }
    }
    found
}

fn is_for_all(module: &str) -> bool {
    ["files", "pool", "report"].contains(&module)
}

/// Where `word` stands in `code` and is not the end of a longer one.
fn words(code: &str, word: &str) -> impl Iterator<Item = usize> {
    let whole = |at: &usize| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    code.match_indices(word).map(|(at, _)| at).filter(whole)
}

/// The modules named after `crate::`, alone or in braces.
fn used_modules(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for at in words(code, "crate") {
        let after = code[at + "crate".len()..].trim_start();
        let Some(path) = after.strip_prefix("::") else { continue };
        match path.trim_start().strip_prefix('{') {
            Some(group) => used.extend(group_heads(group)),
            None => used.extend(head(path)),
        }
    }
    used
}

/// The first names of the paths in a group, up to the brace that closes it.
fn group_heads(group: &str) -> Vec<String> {
    let mut heads: Vec<String> = head(group).into_iter().collect();
    let mut depth = 1;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => heads.extend(head(&group[at + 1..])),
            _ => {}
        }
    }
    heads
}

fn head(path: &str) -> Option<String> {
    let path = path.trim_start();
    if path.starts_with('*') {
        return Some("*".to_owned());
    }
    let name: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    Some(name).filter(|name| !name.is_empty())
}

/// The code without comments, texts and characters.
fn without_text(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skip = comment(rest).or_else(|| raw_text(rest)).or_else(|| quoted(rest));
        match skip {
            // An identifier that ends in r, such as `for`, does not start a raw text.
            Some(length) if !(c == 'r' && code.ends_with(char::is_alphanumeric)) => {
                code.push(' ');
                rest = &rest[length..];
            }
            _ => {
                code.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    code
}

fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    let mut depth = 0;
    let mut at = 0;
    while rest.starts_with("/*") && at < rest.len() {
        match rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

fn raw_text(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let start = 1 + hashes + 1;
    after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    rest[start..].find(&end).map(|at| start + at + end.len())
}

/// A text in double quotes or a character; not a lifetime.
fn quoted(rest: &str) -> Option<usize> {
    let mark = rest.chars().next().filter(|c| "\"'".contains(*c))?;
    let mut inside = rest.char_indices().skip(1);
    let mut count = 0;
    while let Some((at, c)) = inside.next() {
        count += 1;
        match c {
            '\\' => {
                inside.next();
            }
            c if c == mark => return Some(at + 1),
            _ if mark == '\'' && count > 1 && !rest.starts_with("'\\") => return None,
            _ => {}
        }
    }
    None
}

/// The code without what is marked `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let Some((before, rest)) = code.split_once(MARK) else { return code.to_owned() };
    let end = match (rest.find(';'), rest.find('{')) {
        (Some(end), Some(open)) if end < open => end + 1,
        (Some(end), None) => end + 1,
        (_, Some(open)) => block_end(rest, open),
        (None, None) => rest.len(),
    };
    format!("{before}{}", without_tests(&rest[end..]))
}

fn block_end(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, c) in code.char_indices().skip_while(|(at, _)| *at < open) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// The top-level module of a file; none for the crate's own two files and for tests.
fn module_of(relative: &Path) -> Option<String> {
    let parts: Vec<String> =
        relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let is_test = |part: &String| part == "tests" || part == "tests.rs";
    match parts.as_slice() {
        [first, _, ..] if !parts.iter().any(is_test) => Some(first.clone()),
        [file] if file != "lib.rs" && file != "main.rs" => {
            file.strip_suffix(".rs").map(str::to_owned)
        }
        _ => None,
    }
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
