//! Trust documents, written by hand after `formats/trust.md`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gapferry::oci::Digest;
use gapferry::trust::{Purpose, Signer as _};

use super::build::{self, Files};
use super::{Vector, Verdict};

/// The keys that sign documents; both must.
pub(crate) const ROOTS: &[&str] = &["second", "ssh"];

/// What a vector with trust documents is made of.
pub(crate) struct Case {
    /// The first document, which the site accepted.
    pub first: String,
    /// The seal's text.
    pub seal: String,
    /// Files that lie beside the bundle.
    pub beside: Files,
    content: Files,
    sums: String,
}

/// A good case that `edit` changed.
pub(crate) fn judged(
    name: &'static str,
    verdict: Verdict,
    what: &'static str,
    edit: impl FnOnce(&mut Case),
) -> Vector {
    let content = build::content();
    let sums = build::sums(&content);
    let seal = build::seal(&content, &sums).replace("trust: 0", "trust: 1");
    let mut case = Case { first: first(), seal, beside: Files::new(), content, sums };
    edit(&mut case);
    let Case { first, seal, beside, content, sums } = case;
    let mut files = build::signed(content, &sums, seal.as_bytes(), &["release"]);
    files.extend(beside);
    let documents = Some(signed(1, &first, ROOTS));
    Vector { documents, ..Vector::new(name, verdict, what, files) }
}

impl Case {
    /// Puts a document beside the bundle, signed by these keys.
    pub fn carry(&mut self, number: u32, document: &str, keys: &[&str]) {
        self.beside.extend(signed(number, document, keys));
    }

    /// The same, the second one, signed by both root keys.
    pub fn carry_second(&mut self, edit: impl FnOnce(String) -> String) {
        let second = edit(next(&self.first));
        self.carry(2, &second, ROOTS);
    }

    /// Replaces text in the document that the site accepted.
    pub fn edit_first(&mut self, from: &str, to: &str) {
        assert!(self.first.contains(from), "{from}");
        self.first = self.first.replace(from, to);
    }

    /// Seals anew under other sums.
    pub fn resum(&mut self, edit: impl FnOnce(String) -> String) {
        self.sums = edit(self.sums.clone());
        self.seal = build::seal(&self.content, &self.sums);
    }
}

/// A document and its signatures.
pub(crate) fn signed(number: u32, document: &str, keys: &[&str]) -> Files {
    let mut files = Files::from([(name(number), document.as_bytes().to_vec())]);
    for key in keys {
        let signature = build::key(key).sign(Purpose::Trust, document.as_bytes());
        files.insert(signature_name(number, key), signature.expect("a key in memory signs"));
    }
    files
}

pub(crate) fn name(number: u32) -> String {
    format!("trust-{number:06}")
}

pub(crate) fn signature_name(number: u32, key: &str) -> String {
    format!("trust-{number:06}.{}.sig", id(key))
}

/// The first document: `release` alone seals the stream of the vectors.
fn first() -> String {
    let mut roots = ROOTS.iter().map(|key| words(key)).collect::<Vec<_>>();
    roots.sort();
    format!(
        "gapferry trust v1\nname: vectors\nnumber: 1\nprevious: none\n\
         created: 1999-12-30T00:00:00Z\nroot-threshold: 2\nroot: {}\nroot: {}\n{}\
         stream: vectors epoch=1 threshold=1 {}\n",
        roots[0],
        roots[1],
        key_line("release"),
        id("release")
    )
}

/// The document that continues `document` and says the same.
pub(crate) fn next(document: &str) -> String {
    let number = line(document, "number: ");
    let next: u32 = number["number: ".len()..].parse::<u32>().expect("a number") + 1;
    let previous = format!("previous: {}", Digest::of(document.as_bytes()));
    document
        .replace(number, &format!("number: {next}"))
        .replace(line(document, "previous: "), &previous)
}

/// The line of a document that begins so.
pub(crate) fn line<'a>(document: &'a str, start: &str) -> &'a str {
    document.lines().find(|line| line.starts_with(start)).expect("it is there")
}

/// `key: <id> <scheme> <base64>` and a line feed.
pub(crate) fn key_line(key: &str) -> String {
    format!("key: {}\n", words(key))
}

fn words(key: &str) -> String {
    let (scheme, raw) = raw(key);
    format!("{} {scheme} {}", id(key), BASE64.encode(raw))
}

/// The key id, made as `formats/signatures.md` says.
pub(crate) fn id(key: &str) -> String {
    let (scheme, raw) = raw(key);
    Digest::of(&[scheme.as_bytes(), b"\0", &raw].concat()).hex()
}

fn raw(key: &str) -> (&'static str, Vec<u8>) {
    let path = build::vectors().join("keys").join(format!("{key}.key.pub"));
    let text = std::fs::read_to_string(path).expect("the keys are stored");
    let (scheme, base64) = match text.starts_with("ssh-") {
        true => ("openssh", text.split(' ').nth(1).expect("a key").trim()),
        false => ("ed25519", text.lines().nth(1).expect("a PEM block of one line")),
    };
    (scheme, BASE64.decode(base64).expect("it is base64"))
}
