//! The README's first command, as a new user runs it.

use std::path::Path;
use std::process::Command;

fn sh(dir: &Path, command: &str) -> (bool, String) {
    let output = Command::new("sh").arg("-c").arg(command).current_dir(dir).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn the_demo_goes_the_whole_way_and_its_commands_check_the_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("demo");
    let demo = || {
        let run = Command::new(env!("CARGO_BIN_EXE_gapferry"))
            .args(["demo", "-o"])
            .arg(&out)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(run.stderr).unwrap(), "", "no progress bars in a pipe");
        String::from_utf8(run.stdout).unwrap()
    };
    let text = demo();
    assert!(text.contains("56 digests, 4.70 MiB: the same from end to end"), "{text}");
    let (_, commands) = text.split_once("without gapferry:\n").unwrap();
    let commands: Vec<&str> = commands.lines().map(str::trim).collect();
    let [enter, openssl, root, sums] = commands.as_slice() else { panic!("{commands:?}") };
    assert!(enter.starts_with("cd "));
    let bundle = out.join("bundle");
    assert!(sh(&bundle, openssl).0);
    assert!(sh(&bundle, sums).0);
    let seal = std::fs::read_to_string(bundle.join("seal")).unwrap();
    let (_, sum) = sh(&bundle, root);
    assert!(seal.contains(&format!("sums: sha256:{} ", sum.split(' ').next().unwrap())));

    let blob = bundle.join("oci-layout");
    std::fs::write(&blob, std::fs::read_to_string(&blob).unwrap().replace("1.0.0", "1.0.1"))
        .unwrap();
    assert!(!sh(&bundle, sums).0, "sha256sum finds one changed byte");
    assert!(demo().contains("the same from end to end"), "a demo replaces an earlier one");
}

#[test]
fn a_directory_of_somebody_elses_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("mine"), "x").unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_gapferry"))
        .args(["demo", "--output", "json", "-o"])
        .arg(dir.path())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(1));
    assert!(String::from_utf8(run.stderr).unwrap().contains("\"exists\""));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}
