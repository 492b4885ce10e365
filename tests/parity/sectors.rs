//! Sectors that the disk does not give: strace plays the disk.

use std::process::Output;

use super::{TRUST, Victim, content};

/// gapferry with these reads failing.
fn disturbed(victim: &Victim, inject: &str, line: &str) -> Output {
    let exe = env!("CARGO_BIN_EXE_gapferry");
    let line = format!(
        "strace -f -qq -o /dev/null -e trace=pread64 -e inject=pread64:{inject} {exe} {line}"
    );
    let mut command = victim.work.tool(&line);
    command.env("RAYON_NUM_THREADS", "1");
    command.output().expect("strace is needed (tests/run installs it)")
}

/// How many reads a command makes.
fn reads(victim: &Victim, line: &str) -> usize {
    let exe = env!("CARGO_BIN_EXE_gapferry");
    let line = format!("strace -f -qq -o calls -e trace=pread64 {exe} {line}");
    let ran = victim.work.tool(&line).env("RAYON_NUM_THREADS", "1").output().unwrap();
    assert!(ran.status.success());
    let calls = String::from_utf8(victim.work.read("calls")).unwrap();
    std::fs::remove_file(victim.work.path("calls")).unwrap();
    calls.lines().filter(|line| line.contains("pread64")).count()
}

#[test]
fn sectors_that_cannot_be_read_are_repaired() {
    let victim = Victim::new("bundle.tar", "--parity 20%");
    let line = format!("repair bundle.tar -o out.tar {TRUST} --output json");
    let all = reads(&victim, &line);
    std::fs::remove_file(victim.work.path("out.tar")).unwrap();
    // Wherever it begins, as many reads fail as make some blocks fail for good.
    let mut corrected = 0;
    for at in (20..all / 2).step_by(all / 20) {
        let ran = disturbed(&victim, &format!("error=EIO:when={at}..{}", at + 13), &line);
        let error = String::from_utf8_lossy(&ran.stderr);
        if !ran.status.success() {
            // While it is written there is no help: a repaired block is not looked for twice.
            assert!(
                error.contains(r#""exit":1"#) && error.contains("(os error 5)"),
                "{at}: {error}"
            );
            let _ = std::fs::remove_file(victim.work.path("out.tar"));
            continue;
        }
        let said: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
        corrected += said["repair"]["corrected"].as_array().unwrap().len();
        assert!(content(&victim.work.path("out.tar")) == victim.good, "{at}");
        std::fs::remove_file(victim.work.path("out.tar")).unwrap();
    }
    assert!(corrected > 0, "no read failed where it counts");
}

/// A file of which nothing can be read is as good as lost, and does not take for ever.
#[test]
fn a_file_that_cannot_be_read_at_all() {
    let victim = Victim::new("v", "--volume-size 1300KiB --parity-volumes 1");
    let start = std::time::Instant::now();
    let path = victim.place.join("volume-0002.tar");
    let inject = format!("error=EIO -P {}", path.display());
    let ran = disturbed(&victim, &inject, &format!("repair v -o out {TRUST} --output json"));
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let said: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    let size = victim.good["volume-0002.tar"].len() as u64;
    assert_eq!(super::total(&said["repair"]["corrected"]), size, "{said}");
    assert!(content(&victim.work.path("out")) == victim.good);
    assert!(start.elapsed().as_secs() < 60);
}

/// Sectors of the parity cannot be read either.
#[test]
fn parity_that_cannot_be_read_in_part() {
    let victim = Victim::new("v", "--volume-size 1300KiB --parity-volumes 2");
    let path = victim.place.join("parity-0001.rs");
    std::fs::remove_file(victim.place.join("volume-0001.tar")).unwrap();
    let inject = format!("error=EIO:when=9+ -P {}", path.display());
    let ran = disturbed(&victim, &inject, &format!("repair v -o out {TRUST}"));
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(content(&victim.work.path("out")) == victim.good);
}
