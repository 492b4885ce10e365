//! The record's signatures, checked by other tools.

use std::process::{Command, Stdio};

use crate::command::Work;
use crate::{TRUST, export, record};

/// Whether a shell line succeeds in the directory of the work.
fn shell(work: &Work, line: &str) -> bool {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(work.path("."));
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

#[test]
fn openssl_and_ssh_keygen_check_the_record() {
    let work = Work::new();
    export(&work, &["library/busybox:1.35"], "bundle", "");
    work.ok("key new -o p.key --scheme ecdsa-p384");
    assert!(shell(&work, "ssh-keygen -q -t ed25519 -N '' -C a -f id"));
    let said = work.json(&format!(
        "drill bundle --to store {TRUST} --record r.txt --key release.key --key p.key --key id"
    ));
    assert_eq!(said["signatures"].as_array().unwrap().len(), 3);
    let signature = |key: &str| {
        let shown = work.json(&format!("key show {key}"));
        format!("r.txt.{}.sig", shown["keyId"].as_str().unwrap())
    };
    let [ours, p384, ssh] = ["release.key.pub", "p.key.pub", "id.pub"].map(signature);
    assert!(shell(&work, "sed 's/^/auditor namespaces=\"gapferry-drill\" /' id.pub > allowed"));
    let lines = [
        format!(
            "openssl pkeyutl -verify -pubin -inkey release.key.pub -rawin -in r.txt -sigfile {ours}"
        ),
        format!("openssl dgst -sha384 -verify p.key.pub -signature {p384} r.txt"),
        format!("ssh-keygen -Y verify -f allowed -I auditor -n gapferry-drill -s {ssh} < r.txt"),
    ];
    for line in &lines {
        assert!(shell(&work, line), "{line}");
    }
    // It is no signature over a seal.
    let as_seal = lines[2].replace("gapferry-drill", "gapferry-seal");
    assert!(shell(&work, "sed 's/drill/seal/' allowed > other && mv other allowed"));
    assert!(!shell(&work, &as_seal));
    assert!(shell(&work, "sed 's/seal/drill/' allowed > other && mv other allowed"));
    let text = String::from_utf8(work.read("r.txt")).unwrap();
    work.write("r.txt", text.replace("restored", "restorec"));
    for line in &lines {
        assert!(!shell(&work, line), "{line}");
    }
}

/// Every line of the record is what the seal says, in the order of the format.
#[test]
fn the_record_says_what_the_seal_says() {
    let work = Work::new();
    export(&work, &["library/busybox:1.35"], "bundle", "--stream east --sequence 42");
    work.ok(&format!("drill bundle --to store {TRUST} --record r.txt"));
    let text = String::from_utf8(work.read("r.txt")).unwrap();
    let fields: Vec<&str> =
        text.lines().skip(1).map(|line| line.split_once(": ").unwrap().0).collect();
    assert_eq!(
        fields,
        [
            "tool",
            "seal",
            "stream",
            "epoch",
            "sequence",
            "created",
            "signer",
            "images",
            "documents",
            "blobs",
            "bytes",
            "started",
            "finished",
            "verify",
            "restore",
            "read-back",
            "result"
        ]
    );
    let id = work.json("key show release.key.pub")["keyId"].as_str().unwrap().to_owned();
    let tool = format!("tool: gapferry {}\n", env!("CARGO_PKG_VERSION"));
    for part in [
        "gapferry drill record v1\n",
        &tool,
        "\nstream: east\nepoch: 1\nsequence: 42\ncreated: 2023-11-14T22:13:20Z\n",
        &format!("\nsigner: {id}\nimages: 1\ndocuments: 1\nblobs: 2\n"),
        "\nresult: restored\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let record = record(&work, "r.txt");
    assert!(record.started <= record.finished);
    assert_ne!(
        record.started.to_string(),
        "2023-11-14T22:13:20Z",
        "the clock, not the signing time"
    );
}

#[test]
fn a_signer_that_fails_leaves_the_record() {
    let work = Work::new();
    export(&work, &["library/busybox:1.35"], "bundle", "");
    let line = format!("drill bundle --to store {TRUST} --signer-command release.key.pub=false");
    work.refused(&format!("{line} --record r.txt"), 1, "signer-failed");
    assert_eq!(record(&work, "r.txt").outcome, gapferry::drill::Outcome::Restored);
    assert!(!work.path("store").exists());
    // What the drill failed of counts.
    let line = line.replace("drill bundle", "drill nowhere");
    work.refused(&format!("{line} --record n.txt"), 1, "file");
    assert!(work.path("n.txt").exists());
}
