//! That nobody outside the verifier makes a `Verified`: each way is tried on the compiler.
//!
//! Stable rustdoc takes any error of a `compile_fail` example for the right one; here each way must
//! fail with its own error and no other.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

/// Ways to make a `Verified<Vec<u8>>`, and the error of each.
const WAYS: [(&str, &str); 9] = [
    ("Verified::new(vec![0])", "E0624"),
    ("Verified(vec![0])", "E0423"),
    ("Verified { 0: vec![0] }", "E0451"),
    ("{ let mut it = given(); it.0 = vec![0]; it }", "E0616"),
    ("given().try_map(|_| Ok::<_, ()>(vec![0])).unwrap()", "E0624"),
    ("Verified::from(vec![0])", "E0308"),
    ("Verified::default()", "E0599"),
    ("vec![0].into()", "E0277"),
    ("{ let mut it = given(); *it.get() = vec![0]; it }", "E0594"),
];

/// The library that was built last, beside this test.
fn library() -> PathBuf {
    let built = std::env::current_exe().unwrap();
    let files = std::fs::read_dir(built.parent().unwrap()).unwrap();
    let files = files.map(|file| file.unwrap().path()).filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("libgapferry-") && name.ends_with(".rlib")
    });
    let changed = |path: &PathBuf| std::fs::metadata(path).unwrap().modified().unwrap();
    files.max_by_key(changed).expect("the library was built")
}

/// The errors that the compiler gives for this way.
fn errors(way: &str) -> BTreeSet<String> {
    let work = tempfile::tempdir().unwrap();
    let file = work.path().join("forge.rs");
    let source = format!(
        "use gapferry::trust::Verified;\n\
         pub fn given() -> Verified<Vec<u8>> {{ loop {{}} }}\n\
         pub fn forge() -> Verified<Vec<u8>> {{ {way} }}\n"
    );
    std::fs::write(&file, source).unwrap();
    let library = library();
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition=2024", "--crate-type=lib", "--emit=metadata", "-o"]);
    rustc.arg(work.path().join("forge.rmeta")).arg(&file);
    rustc.arg("--extern").arg(format!("gapferry={}", library.display()));
    rustc.arg("-L").arg(format!("dependency={}", library.parent().unwrap().display()));
    let output = rustc.output().expect("the compiler is at hand");
    let said = String::from_utf8(output.stderr).unwrap();
    let codes = said.lines().filter_map(|line| line.strip_prefix("error[")?.split(']').next());
    let codes: BTreeSet<String> = codes.map(str::to_owned).collect();
    assert_eq!(output.status.success(), codes.is_empty(), "{way}: {said}");
    codes
}

#[test]
fn no_way_makes_a_verified() {
    assert_eq!(errors("given()"), BTreeSet::new(), "what is given may be passed on");
    for (way, error) in WAYS {
        assert_eq!(errors(way), BTreeSet::from([error.to_owned()]), "{way}");
    }
}
