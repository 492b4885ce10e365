//! Bundles with one fault each.

mod archives;
mod content;
mod packs;
mod seal;
mod trust;

use super::build::{self, Files};
use super::{Bundle, Vector, Verdict};

pub(crate) use content::with_record;

pub(crate) fn all() -> Vec<Vector> {
    let groups = [seal::all(), content::all(), packs::all(), archives::all(), trust::all()];
    groups.into_iter().flatten().collect()
}

/// Damaged or forged.
fn damaged(code: &'static str) -> Verdict {
    Verdict::Refused { exit: 3, code }
}

/// Genuine and not allowed here.
fn not_allowed(code: &'static str) -> Verdict {
    Verdict::Refused { exit: 4, code }
}

/// Files changed after they were signed.
fn changed(
    name: &'static str,
    code: &'static str,
    what: &'static str,
    edit: impl FnOnce(&mut Files),
) -> Vector {
    let mut files = build::bundle(build::content());
    edit(&mut files);
    Vector::new(name, damaged(code), what, files)
}

/// Content changed before it was signed: the maker errs, or is hostile.
fn made(
    name: &'static str,
    code: &'static str,
    what: &'static str,
    edit: impl FnOnce(&mut Files),
) -> Vector {
    let mut content = build::content();
    edit(&mut content);
    Vector::new(name, damaged(code), what, build::bundle(content))
}

/// Replaces text in a file.
fn replace(files: &mut Files, name: &str, from: &str, to: &str) {
    let text = String::from_utf8(files[name].clone()).expect("it is text");
    assert!(text.contains(from), "{name} has no {from}: {text}");
    files.insert(name.to_owned(), text.replacen(from, to, 1).into_bytes());
}

/// Flips the lowest bit of the byte in the middle.
fn flip(files: &mut Files, name: &str) {
    let bytes = files.get_mut(name).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
}
