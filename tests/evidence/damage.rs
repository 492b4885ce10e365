//! Logs that were changed, cut off, torn or cannot be written.

use crate::strace::{disturbed, points, some};
use crate::{LOG, TRUST, Work, export, records, shell};

/// A log of six records, with a checkpoint.
fn log() -> (Work, Vec<String>) {
    let work = Work::new();
    for sequence in 1..=3 {
        export(&work, &format!("b{sequence}"), &format!("--sequence {sequence} --log log"));
    }
    let text = String::from_utf8(work.read("log")).unwrap();
    (work, text.split_inclusive('\n').map(str::to_owned).collect())
}

#[test]
fn the_first_bad_record_is_named() {
    let (work, lines) = log();
    let said = |lines: &[String]| {
        work.write("log", lines.concat());
        // Nothing is added to it either.
        let other = format!("import b1 {TRUST} --to oci:store --log log");
        assert_eq!(
            work.refused(&other, 3, "bad-log"),
            work.refused("log verify --log log", 3, "bad-log")
        );
        assert!(!work.path("store").exists());
        work.refused("log verify --log log", 3, "bad-log")
    };
    let mut changed = lines.clone();
    changed[2] = changed[2].replace("\"b2\"", "\"b3\"");
    assert!(said(&changed).contains("record 3 was changed"));
    let mut dropped = lines.clone();
    dropped.remove(3);
    assert!(said(&dropped).contains("record 4 is missing or was moved"));
    let mut moved = lines.clone();
    moved.swap(1, 4);
    assert!(said(&moved).contains("record 2 is missing or was moved"));
    assert!(said(&lines[..4]).contains("record 5 and what followed are missing"));
    let mut last = lines.clone();
    last[5] = last[5].replace("\"exit\":0", "\"exit\":1");
    assert!(said(&last).contains("the first 6 records are not those of the checkpoint"));
    work.write("log", lines.concat());
    work.ok("log verify --log log --trust release.key.pub");
    // Who changes the log and makes a checkpoint anew must have the key.
    work.ok("key new -o thief.key");
    work.ok("log checkpoint --log log --key thief.key");
    work.refused("log verify --log log --trust release.key.pub", 4, "threshold");
    shell(&work, "sed -i s/gapferry.log/gapferry.lag/ log.checkpoint");
    work.refused("log verify --log log", 2, "other-log");
    work.write("log.checkpoint", "x");
    work.refused("log verify --log log", 3, "bad-checkpoint");
}

#[test]
fn a_checkpoint_that_was_kept_shows_what_a_new_one_hides() {
    let (work, lines) = log();
    shell(&work, "cp log.checkpoint kept");
    work.write("log", lines[..2].concat());
    shell(&work, "rm log.checkpoint");
    work.ok("log checkpoint --log log --key release.key");
    work.ok("log verify --log log --trust release.key.pub");
    let said = work.refused("log verify --log log --checkpoint kept", 3, "bad-log");
    assert!(said.contains("record 3 and what followed are missing"), "{said}");
}

#[test]
fn without_a_log_nothing_begins() {
    let work = Work::new();
    export(&work, "bundle", "");
    std::fs::create_dir(work.path("directory")).unwrap();
    shell(&work, "ln -s x link");
    for place in ["nowhere/log", "directory", "link", "/dev/full", "/proc/self/log"] {
        let line = format!("import bundle {TRUST} --to oci:store --log {place}");
        work.refused(&line, 1, "log-not-written");
        work.refused(
            &format!("export oci:x -o out --key release.key --log {place}"),
            1,
            "log-not-written",
        );
        assert!(!work.path("store").exists() && !work.path("out").exists());
    }
    // A home that cannot be written, and none.
    let line = format!("{} import bundle {TRUST} --to oci:store", env!("CARGO_BIN_EXE_gapferry"));
    let output = work.tool(&line).env("HOME", "/proc/nowhere").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("--no-log"), "{said}");
    let output = work.tool(&line).env_remove("HOME").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(!work.path("store").exists());
}

/// The disk is full: no room for the intent and the outcome, or none for the first line.
#[test]
fn a_full_disk_is_found_before_the_start() {
    let work = Work::new();
    export(&work, "bundle", "");
    let line = format!("import bundle {TRUST} --to oci:store --log log --state state");
    for (calls, what) in [("fallocate", "error=ENOSPC"), ("fsync", "error=EIO")] {
        let output = disturbed(&work, calls, what, 1, &line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains("nothing was done"), "{said}");
        assert!(!work.path("store").exists());
    }
    work.ok(&line);
    work.ok("log verify --log log");
}

#[test]
fn killed_at_any_call_that_writes_the_log_it_still_verifies() {
    let work = Work::new();
    export(&work, "bundle", "");
    let line = format!("import bundle {TRUST} --to oci:store --jobs 1");
    work.ok(&line);
    let calls = "write,fsync,fdatasync,flock,fallocate,openat";
    let all = points(&work, calls, &line);
    for (name, at) in some(&all, 24) {
        disturbed(&work, name, "signal=SIGKILL", at, &line);
        let state = work.json("log verify");
        let before = work.read(LOG);
        work.ok(&line);
        assert!(work.read(LOG).starts_with(&before), "{name} {at}");
        let after = work.json("log verify");
        assert_eq!(after["unfinishedBytes"], 0);
        assert_eq!(after["withoutOutcome"], state["withoutOutcome"]);
    }
    let intents = records(&work, LOG).iter().filter(|it| it["event"] == "intent").count();
    assert!(intents > 24);
}

/// A line that ends in its middle stays, and the next record says so.
#[test]
fn a_torn_line_is_kept_and_told() {
    let work = Work::new();
    export(&work, "bundle", "");
    let whole = work.read(LOG);
    std::fs::remove_file(work.path(&format!("{LOG}.checkpoint"))).unwrap();
    let torn = &whole[..whole.len() - 30];
    work.write(LOG, torn);
    let state = work.json("log verify");
    assert_eq!((&state["records"], &state["withoutOutcome"][0]), (&1.into(), &1.into()));
    assert!(state["unfinishedBytes"].as_u64().unwrap() > 100);
    work.ok(&format!("import bundle {TRUST} --to oci:store"));
    let text = String::from_utf8(work.read(LOG)).unwrap();
    assert!(text.as_bytes().starts_with(torn));
    let shown = work.ok("log show");
    assert!(shown.contains("2  ") && shown.contains("left unfinished"), "{shown}");
    assert_eq!(work.json("log verify")["records"], 4);
    // Now it can be dropped no more.
    let (first, rest) = text.split_once('\n').unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    work.write(LOG, format!("{first}\n{rest}"));
    let said = work.refused("log verify", 3, "bad-log");
    assert!(said.contains("record 2"), "{said}");
}

/// A real file system without room: nothing is begun; with room the same command is logged.
#[test]
fn a_full_file_system_is_found_before_the_start() {
    let work = Work::new();
    export(&work, "bundle", "");
    std::fs::create_dir(work.path("m")).unwrap();
    let can = work.tool("unshare -rm mount -t tmpfs -o size=64k none m").status().unwrap();
    if !can.success() {
        eprintln!("skipped: no file system can be mounted here");
        return;
    }
    let exe = env!("CARGO_BIN_EXE_gapferry");
    let import = format!("{exe} import bundle {TRUST} --to oci:store --log m/log --output json");
    let script = format!(
        "mount -t tmpfs -o size=64k none m; {import}; echo exit $?; ls store 2> /dev/null
         mount -o remount,size=4m m; {import} > /dev/null; echo exit $?
         {exe} log verify --log m/log > /dev/null; echo exit $?"
    );
    let mut command = work.tool("unshare -rm sh -c");
    let output = command.arg(&script).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("\"code\":\"log-not-written\""), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "exit 1\nexit 0\nexit 0\n", "{said}");
}
