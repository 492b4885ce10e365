//! The test vectors of `formats/vectors`: one fault a vector, tried with the real binary.
//!
//! `GAPFERRY_WRITE_VECTORS=1 cargo test --test vectors` writes them anew; without it the stored
//! ones must be what would be written.

mod build;
mod faults;
mod good;
mod live;
mod memory;
mod packed;
mod papers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Once;

use build::Files;
use serde_json::Value;

/// A bundle, and what a verifier must say of it.
pub(crate) struct Vector {
    pub name: &'static str,
    /// One sentence.
    pub what: &'static str,
    pub verdict: Verdict,
    /// Names of trusted keys.
    pub trust: &'static [&'static str],
    pub threshold: usize,
    /// Trust documents that the site accepted, by name; keys are not named then.
    pub documents: Option<Files>,
    /// What the verifying site is called, if anything.
    pub site: Option<&'static str>,
    pub bundle: Bundle,
    /// What lies in the site's state directory; empty for a site that imported nothing.
    pub state: Files,
    /// Only an import refuses it: it depends on the target.
    pub import_only: bool,
}

#[derive(Clone, Copy)]
pub(crate) enum Verdict {
    Good,
    Refused { exit: u8, code: &'static str },
}

pub(crate) enum Bundle {
    Directory(Files),
    Archive(Vec<u8>),
}

impl Vector {
    /// A directory that the release key alone is trusted for.
    pub fn new(name: &'static str, verdict: Verdict, what: &'static str, files: Files) -> Vector {
        let bundle = Bundle::Directory(files);
        Vector {
            name,
            what,
            verdict,
            trust: &["release"],
            threshold: 1,
            documents: None,
            site: None,
            bundle,
            state: Files::new(),
            import_only: false,
        }
    }

    /// The same with another verdict.
    pub fn judged(self, verdict: Verdict) -> Vector {
        Vector { verdict, ..self }
    }

    fn header(&self) -> String {
        let (expect, exit, code) = match self.verdict {
            Verdict::Good => ("ok", 0, "none"),
            Verdict::Refused { exit, code } => ("refused", exit, code),
        };
        format!(
            "name: {}\nexpect: {expect}\ncode: {code}\nexit: {exit}\ntrust: {}\nthreshold: {}\n\
             site: {}\nverify: {}\nwhat: {}\n",
            self.name,
            if self.documents.is_some() { "documents".to_owned() } else { self.trust.join(" ") },
            self.threshold,
            self.site.unwrap_or("none"),
            if self.import_only { "ok" } else { "same" },
            self.what
        )
    }

    /// Every file of the vector, by its path below `formats/vectors`.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let top = Path::new(self.name);
        let mut files = BTreeMap::from([(top.join("vector.txt"), self.header().into_bytes())]);
        let kept =
            |(name, bytes): (&String, &Vec<u8>)| (top.join("state").join(name), bytes.clone());
        files.extend(self.state.iter().map(kept));
        for (name, bytes) in self.documents.iter().flatten() {
            files.insert(top.join("trust").join(name), bytes.clone());
        }
        match &self.bundle {
            Bundle::Archive(bytes) => {
                files.insert(top.join("bundle.tar"), bytes.clone());
            }
            Bundle::Directory(content) => {
                let path = |name: &String| top.join("bundle").join(name);
                files.extend(content.iter().map(|(name, bytes)| (path(name), bytes.clone())));
            }
        }
        files
    }
}

fn all() -> Vec<Vector> {
    let groups = [good::all(), faults::all(), memory::all()];
    groups.into_iter().flatten().collect()
}

#[test]
fn the_stored_vectors_are_what_would_be_written() {
    let (expected, stored) = (expected(), stored());
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&stored), names(&expected), "write the vectors anew");
    let changed = expected.iter().find(|(path, bytes)| stored[*path] != **bytes);
    assert_eq!(changed.map(|(path, _)| path), None, "write the vectors anew");
    let total: usize = stored.values().map(Vec::len).sum();
    assert!(total < 1_500_000, "{total} bytes are too many to keep");
}

/// Every file of every vector.
fn expected() -> BTreeMap<PathBuf, Vec<u8>> {
    let mut expected = BTreeMap::new();
    for vector in all() {
        for (path, bytes) in vector.files() {
            assert!(expected.insert(path, bytes).is_none(), "{} is there twice", vector.name);
        }
    }
    expected
}

fn write() {
    for directory in stored_directories() {
        std::fs::remove_dir_all(directory).unwrap();
    }
    for (path, bytes) in expected() {
        let path = build::vectors().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn stored() -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = directories().into_iter().flat_map(walkdir::WalkDir::new).map(Result::unwrap);
    let files = entries.filter(|entry| !entry.file_type().is_dir());
    let relative = |path: &Path| path.strip_prefix(build::vectors()).unwrap().to_owned();
    files.map(|file| (relative(file.path()), std::fs::read(file.path()).unwrap())).collect()
}

/// Every directory of a vector, written anew first if that was asked for.
fn directories() -> Vec<PathBuf> {
    static WRITTEN: Once = Once::new();
    WRITTEN.call_once(|| {
        if std::env::var_os("GAPFERRY_WRITE_VECTORS").is_some() {
            write();
        }
    });
    stored_directories()
}

fn stored_directories() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(build::vectors()).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        entries.filter(|path| path.is_dir() && !path.ends_with("keys")).collect();
    found.sort();
    found
}

#[test]
fn every_stored_vector_is_judged_as_it_says() {
    let found = directories();
    assert!(found.len() > 60, "only {} vectors", found.len());
    let wrong: Vec<String> = found.iter().flat_map(|directory| judge(directory)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Tries a stored vector and says what is not as it should be.
fn judge(directory: &Path) -> Vec<String> {
    let header = std::fs::read_to_string(directory.join("vector.txt")).unwrap();
    let header: BTreeMap<&str, &str> =
        header.lines().map(|line| line.split_once(": ").unwrap()).collect();
    assert!(directory.ends_with(header["name"]));
    let bundle = match directory.join("bundle.tar") {
        archive if archive.exists() => archive,
        _ => directory.join("bundle"),
    };
    let mut arguments = vec!["--threshold".to_owned(), header["threshold"].to_owned()];
    let documents = directory.join("trust");
    assert_eq!(header["trust"] == "documents", documents.exists());
    for key in header["trust"].split(' ').filter(|key| *key != "documents") {
        let path = build::vectors().join("keys").join(format!("{key}.key.pub"));
        arguments.extend(["--trust".to_owned(), path.to_str().unwrap().to_owned()]);
    }
    if header["site"] != "none" {
        arguments.extend(["--site".to_owned(), header["site"].to_owned()]);
    }
    // An import writes there.
    let state = tempfile::tempdir().unwrap();
    let kept = directory.join("state");
    let remembered = if kept.exists() { files_in(&kept) } else { Vec::new() };
    for (name, bytes) in &remembered {
        std::fs::write(state.path().join(name), bytes).unwrap();
    }
    arguments.extend(["--state".to_owned(), state.path().to_str().unwrap().to_owned()]);
    let (exit, code) = (header["exit"].parse().unwrap(), header["code"]);
    assert_eq!(header["expect"] == "ok", exit == 0, "{}", header["name"]);
    if documents.exists() {
        build::copy(&documents, &state.path().join("trust"));
    }
    let mut wrong = match header["verify"] {
        "same" => try_bundle(header["name"], &bundle, &arguments, exit, code),
        _ => try_import(header["name"], &bundle, &arguments, exit, code),
    };
    let mut left = files_in(state.path());
    left.retain(|(name, _)| name != "lock");
    if exit != 0 && left != remembered {
        wrong.push(format!("{}: the memory is another", header["name"]));
    }
    if exit != 0 && documents.exists() {
        let count = |at: &Path| std::fs::read_dir(at).unwrap().count();
        if count(&documents) != count(&state.path().join("trust")) {
            wrong.push(format!("{}: the site learned from a refused bundle", header["name"]));
        }
    }
    wrong
}

/// The files of a directory, sorted by name.
fn files_in(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let entries = entries.filter(|entry| entry.file_type().unwrap().is_file());
    let read = |entry: std::fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    };
    let mut files: Vec<_> = entries.map(read).collect();
    files.sort();
    files
}

/// Verifies and imports a bundle; says what is not as it should be.
pub(crate) fn try_bundle(
    name: &str,
    bundle: &Path,
    arguments: &[String],
    exit: i32,
    code: &str,
) -> Vec<String> {
    let verified = gapferry("verify", bundle, arguments, None);
    let mut wrong = Vec::from_iter(differs(name, "verify", &verified, exit, code));
    wrong.extend(try_import(name, bundle, arguments, exit, code));
    wrong
}

fn try_import(
    name: &str,
    bundle: &Path,
    arguments: &[String],
    exit: i32,
    code: &str,
) -> Vec<String> {
    let place = tempfile::tempdir().unwrap();
    let target = place.path().join("target");
    let mut wrong = Vec::new();
    let imported = gapferry("import", bundle, arguments, Some(&target));
    wrong.extend(differs(name, "import", &imported, exit, code));
    match exit {
        0 if !target.join("index.json").exists() => wrong.push(format!("{name}: nothing came")),
        0 => {}
        _ => wrong.extend(leftovers(&target).map(|what| format!("{name}: {what}"))),
    }
    wrong
}

fn gapferry(command: &str, bundle: &Path, arguments: &[String], to: Option<&Path>) -> Output {
    let mut run = Command::new(env!("CARGO_BIN_EXE_gapferry"));
    run.arg(command).arg(bundle).args(arguments).args(["--output", "json"]);
    if let Some(target) = to {
        run.arg("--to").arg(format!("oci:{}", target.display()));
    }
    run.output().unwrap()
}

fn differs(name: &str, command: &str, output: &Output, exit: i32, code: &str) -> Option<String> {
    let said: Value = match output.status.success() {
        true => Value::Null,
        false => serde_json::from_slice(&output.stderr).unwrap_or_default(),
    };
    let found = (output.status.code(), said["code"].as_str().unwrap_or("none"));
    let message = said["message"].as_str().unwrap_or("");
    (found != (Some(exit), code))
        .then(|| format!("{name}: {command} gives {found:?}, not {exit} {code}: {message}"))
}

/// What a refused import left of the bundle at the target.
fn leftovers(target: &Path) -> Option<String> {
    if !target.exists() {
        return None;
    }
    let index = std::fs::read(target.join("index.json")).unwrap_or_default();
    let index: Value = serde_json::from_slice(&index).unwrap_or_default();
    let named = index["manifests"].as_array().is_some_and(|entries| !entries.is_empty());
    let blob = walkdir::WalkDir::new(target.join("blobs"))
        .into_iter()
        .filter_map(Result::ok)
        .find(|entry| entry.file_type().is_file());
    match (named, blob) {
        (true, _) => Some("a refused bundle named an image at the target".to_owned()),
        (_, Some(entry)) => Some(format!("{} came to the target", entry.path().display())),
        _ => None,
    }
}
