//! What is written down, and that others can check it.

use crate::{LOG, TRUST, Work, example, export, records, shell, shell_fails};

/// A log of several commands, some of which were refused.
fn worked() -> Work {
    let work = Work::new();
    export(&work, "first", "--sequence 1 --operator ann");
    export(&work, "second", "--sequence 2");
    work.ok(&format!("import second {TRUST} --to oci:store"));
    work.refused(&format!("import first {TRUST} --to oci:store"), 4, "replayed");
    work.ok("key new -o other.key");
    work.refused("import second --trust other.key.pub --to oci:store", 4, "threshold");
    work.ok("sign second --key other.key --yes");
    work.ok(&format!("drill second {TRUST} --to drilled --key other.key"));
    work
}

#[test]
fn what_is_done_is_written_down_before_and_after() {
    let work = worked();
    let records = records(&work, LOG);
    assert_eq!(records.len(), 14);
    for (at, pair) in records.chunks(2).enumerate() {
        assert_eq!((&pair[0]["event"], &pair[1]["event"]), (&"intent".into(), &"outcome".into()));
        assert_eq!(pair[1]["of"], at * 2 + 1);
        assert_eq!(pair[0]["record"], at * 2 + 1);
        assert!(pair[0]["facts"]["host"].is_string());
    }
    let commands: Vec<_> = records.iter().step_by(2).map(|it| &it["command"]).collect();
    assert_eq!(commands, ["export", "export", "import", "import", "import", "sign", "drill"]);
    let codes: Vec<_> = records.iter().skip(1).step_by(2).map(|it| &it["code"]).collect();
    assert_eq!(codes, ["done", "done", "done", "replayed", "threshold", "done", "done"]);
    assert_eq!((&records[7]["exit"], &records[0]["facts"]["operator"]), (&4.into(), &"ann".into()));
    let seal = format!("sha256:{}", &shell(&work, "sha256sum second/seal")[..64]);
    for at in [3, 5, 11, 13] {
        assert_eq!(records[at]["facts"]["seal"], seal.as_str(), "{at}");
    }
    // What was refused before it could be told what it is.
    assert_eq!(records[9]["facts"]["found"], seal.as_str());
    assert!(records[5]["facts"]["images"][0].as_str().unwrap().starts_with("loaded sha256:"));
    let shown = work.ok("log show --last 1");
    assert!(shown.starts_with("14  ") && shown.contains("outcome of record 13"), "{shown}");
    assert_eq!(work.json("log show")["records"].as_array().unwrap(), &records);
    // What changes nothing leaves no record.
    work.ok(&format!("verify second {TRUST}"));
    work.ok(&format!("import second {TRUST} --to oci:store --dry-run"));
    assert_eq!(work.json("log verify")["records"], 14);
    work.ok(&format!("import second {TRUST} --to oci:store --no-log"));
    assert_eq!(work.json("log verify")["records"], 14);
}

/// With what formats/log.md tells an auditor to type.
#[test]
fn sha256sum_and_openssl_check_the_log_a_checkpoint_and_a_proof() {
    let work = worked();
    shell(&work, &format!("cp {LOG} log && cp {LOG}.checkpoint log.checkpoint"));
    let chain = example("log.md", "sh chain").replace("LOG", "log");
    assert_eq!(shell(&work, &chain), "");
    shell_fails(&work, &chain.replace("< log", "< <(sed '3s/Z/z/' log)"));
    // The checkpoint was signed by whoever signed last.
    let check = |file: &str, key: &str| {
        let lines = example("log.md", "sh checkpoint");
        lines.replace("CHECKPOINT", file).replace("KEY", key)
    };
    shell(&work, &check("log.checkpoint", "other.key.pub"));
    shell_fails(&work, &check("log.checkpoint", "release.key.pub"));
    work.ok("log checkpoint --key release.key -o mine");
    shell(&work, &check("mine", "release.key.pub"));
    for number in 1..=14 {
        work.ok(&format!("log prove {number} --checkpoint mine -o proof"));
        let lines = example("log.md", "sh proof").replace("PROOF", "proof");
        assert_eq!(shell(&work, &lines), "");
        let mut line = shell(&work, &format!("sed -n {number}p log"));
        let proven = String::from_utf8(work.read("record")).unwrap();
        assert_eq!(proven, line);
        shell(&work, "sed '1,/^$/d' proof > of-proof");
        shell(&work, &check("of-proof", "release.key.pub"));
        line.truncate(9);
        assert!(
            work.ok("log check-proof proof --trust release.key.pub").contains("is in gapferry")
        );
    }
    work.refused("log check-proof proof --trust other.key.pub", 4, "threshold");
    shell(&work, "sed -i 's/^index .*/index 3/' proof");
    work.refused("log check-proof proof --trust release.key.pub", 3, "bad-proof");
    shell_fails(&work, &example("log.md", "sh proof").replace("PROOF", "proof"));
    work.refused("log prove 15", 2, "no-record");
    // A part of the log is the same bytes.
    work.ok("log export --since 5 -o part");
    shell(&work, "tail -n +5 log | cmp - part");
    work.ok("log export --since 2000-01-01T00:00:00Z -o all");
    shell(&work, "cmp log all");
}

#[test]
fn nothing_in_a_name_is_obeyed_and_no_secret_is_written() {
    let work = Work::new();
    let odd = "x\u{1b}[31m\u{202e}y";
    work.write("password", "hunter2-in-a-file\n");
    work.write("pass", "hunter3-in-a-file\n");
    work.ok("key new -o locked.key --passphrase-file pass");
    export(&work, odd, "--key locked.key --passphrase-file pass");
    let line = format!(
        "import {odd} {TRUST} --to docker://127.0.0.1:1/a --creds 127.0.0.1:1=bob:password --retries 0"
    );
    assert_eq!(work.fails(&line).exit, 1);
    let text = String::from_utf8(work.read(LOG)).unwrap();
    assert!(text.chars().all(|c| c == '\n' || (' '..='~').contains(&c)), "{text}");
    assert_eq!(text.lines().count(), 4);
    let escaped = "x\\u001b[31m\\u202ey";
    assert_eq!(text.matches(escaped).count(), 2);
    for secret in ["hunter2", "hunter3", "bob"] {
        assert!(!text.contains(secret), "{text}");
    }
    let shown = work.ok("log show");
    assert!(!shown.contains(['\u{1b}', '\u{202e}']) && shown.contains("\\u{1b}[31m"), "{shown}");
}

#[test]
fn two_processes_write_one_log() {
    let work = Work::new();
    export(&work, "bundle", "");
    std::thread::scope(|scope| {
        for at in 0..4 {
            let work = &work;
            scope.spawn(move || {
                let line = format!("import bundle {TRUST} --to oci:store{at} --state state{at}");
                work.ok(&format!("{line} --log shared.jsonl"));
            });
        }
    });
    assert_eq!(work.json("log verify --log shared.jsonl")["records"], 8);
}
