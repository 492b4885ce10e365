//! Who and what is let in: keys, thresholds, expiry, destination, passphrases.

use super::{Work, tree};

fn code(exit: i32, code: &str) -> (i32, String) {
    (exit, code.to_owned())
}

#[test]
fn nothing_is_believed_without_a_key() {
    let work = Work::new();
    work.tiny("b", "");
    for line in ["verify b", "import b --to oci:out", "import b --to oci:out --dry-run"] {
        assert_eq!(work.refused(line), code(2, "no-trust"), "{line}");
    }
    work.ok("key new -o stranger.key");
    for line in [
        "verify b --trust stranger.key.pub",
        "import b --trust stranger.key.pub --to oci:out",
        "inspect b --trust stranger.key.pub",
        "repack b --trust stranger.key.pub -o out",
        "diff b b --trust stranger.key.pub",
    ] {
        assert_eq!(work.refused(line), code(4, "threshold"), "{line}");
    }
    assert!(!work.path("out").exists());
    assert_eq!(work.refused("verify b --trust absent.pub"), code(1, "file"));
    assert_eq!(work.refused("verify b --trust a.key"), code(3, "not-a-key"));
    assert!(work.ok("verify b --trust a.key.pub").starts_with("verified: 1 image"));
}

#[test]
fn keys_are_counted_against_the_threshold() {
    let work = Work::new();
    work.ok("key new -o b.key");
    work.ok("key new -o c.key");
    work.tiny("one", "");
    work.tiny("twice", "--key a.key");
    work.tiny("two", "--key b.key");
    let all = "--trust a.key.pub --trust b.key.pub --trust c.key.pub";
    for (line, expected) in [
        (format!("verify one {all}"), None),
        (format!("verify one {all} --threshold 2"), Some((4, "threshold"))),
        (format!("verify twice {all} --threshold 2"), Some((4, "threshold"))),
        (format!("verify two {all} --threshold 2"), None),
        (format!("verify two {all} --threshold 3"), Some((4, "threshold"))),
        (format!("verify two {all} --threshold 4"), Some((2, "invalid-threshold"))),
        (format!("verify two {all} --threshold 0"), Some((2, "invalid-threshold"))),
        (
            "verify two --trust a.key.pub --trust c.key.pub --threshold 2".into(),
            Some((4, "threshold")),
        ),
        ("verify two --trust c.key.pub".into(), Some((4, "threshold"))),
        (
            "verify two --trust a.key.pub --trust a.key.pub --threshold 2".into(),
            Some((2, "invalid-threshold")),
        ),
    ] {
        match expected {
            None => drop(work.ok(&line)),
            Some((exit, word)) => assert_eq!(work.refused(&line), code(exit, word), "{line}"),
        }
    }
    let signers = work.json(&format!("verify two {all} --threshold 2"))["signers"].clone();
    assert_eq!(signers.as_array().unwrap().len(), 2);
    assert_eq!(tree(&work.path("twice")).keys().filter(|name| is_signature(name)).count(), 1);
}

fn is_signature(name: &std::path::Path) -> bool {
    name.extension().is_some_and(|kind| kind == "sig")
}

#[test]
fn a_signature_copied_to_another_id_counts_for_nobody() {
    let work = Work::new();
    work.ok("key new -o b.key");
    work.tiny("b", "");
    let shown = work.json("key show b.key.pub");
    let files = tree(&work.path("b"));
    let (_, signature) = files.iter().find(|(name, _)| is_signature(name)).unwrap();
    let name = format!("b/seal.{}.sig", shown["keyId"].as_str().unwrap());
    std::fs::write(work.path(&name), signature).unwrap();
    let both = "verify b --trust a.key.pub --trust b.key.pub --threshold";
    assert_eq!(work.refused(&format!("{both} 2")), code(3, "bad-signature"));
    assert_eq!(work.refused(&format!("{both} 1")), code(3, "bad-signature"));
}

#[test]
fn a_bundle_that_is_too_old_is_refused() {
    let work = Work::new();
    let image = "demo/tiny:1.0=oci-archive:TESTDATA/archives/skopeo-oci.tar";
    let line = format!("export {image} -o old --key a.key --expires 1h");
    let words = line.split(' ').map(|word| word.replace("TESTDATA", super::TESTDATA));
    let made = work
        .command(env!("CARGO_BIN_EXE_gapferry"))
        .args(words)
        .env("SOURCE_DATE_EPOCH", "1000000000")
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (exit, word, message) = work.failure("verify old --trust a.key.pub");
    assert_eq!((exit, word.as_str()), (4, "expired"));
    assert!(message.contains("2001-09-09T02:46:40Z"), "{message}");
    assert_eq!(work.refused("import old --trust a.key.pub --to oci:out"), code(4, "expired"));
    assert!(!work.path("out").exists());
    work.tiny("new", "--expires 90d");
    work.ok("verify new --trust a.key.pub");
    assert_eq!(
        work.refused(&format!("export {image} -o x --key a.key --expires 2020-01-01T00:00:00Z")),
        code(2, "expired")
    );
    assert!(!work.path("x").exists());
}

#[test]
fn a_bundle_for_one_site_is_for_no_other() {
    let work = Work::new();
    work.tiny("b", "--destination plant-7");
    let verify = "verify b --trust a.key.pub";
    assert_eq!(work.refused(verify), code(4, "wrong-destination"));
    assert_eq!(work.refused(&format!("{verify} --site plant-8")), code(4, "wrong-destination"));
    work.ok(&format!("{verify} --site plant-7"));
    work.tiny("any", "");
    work.ok("verify any --trust a.key.pub --site plant-8");
}

#[test]
fn an_encrypted_key_signs_with_its_passphrase_only() {
    let work = Work::new();
    std::fs::write(work.path("right"), "sesame\n").unwrap();
    std::fs::write(work.path("wrong"), "other\n").unwrap();
    work.ok("key new -o closed.key --passphrase-file right");
    let image = "demo/tiny:1.0=oci-archive:TESTDATA/archives/skopeo-oci.tar";
    let export = format!("export {image} -o b --key closed.key");
    assert_eq!(work.refused(&export), code(2, "needs-passphrase"));
    let wrong = format!("{export} --passphrase-file wrong");
    assert_eq!(work.refused(&wrong), code(1, "wrong-passphrase"));
    assert!(!work.path("b").exists());
    work.ok(&format!("{export} --key a.key --passphrase-file right"));
    work.ok("verify b --trust closed.key.pub --trust a.key.pub --threshold 2");
}
