//! Signatures of every scheme from end to end: what other tools say of ours and we of theirs, what
//! is added later, and who is believed.

use super::{Work, flip, tree};

/// Makes the keys `a.key` (Ed25519), `p.key` (P-384), `id` (OpenSSH).
fn made() -> Work {
    let work = Work::new();
    work.ok("key new -o p.key --scheme ecdsa-p384");
    keygen(&work, "ed25519", "id");
    work
}

fn keygen(work: &Work, kind: &str, name: &str) {
    let mut command = work.command("ssh-keygen");
    let made = command.args(["-q", "-N", "", "-C", "", "-t", kind, "-f", name]).status();
    assert!(made.expect("ssh-keygen is installed").success());
}

fn shell(work: &Work, line: &str) -> bool {
    work.command("bash").args(["-c", line]).output().unwrap().status.success()
}

fn id(work: &Work, key: &str) -> String {
    work.json(&format!("key show {key}"))["keyId"].as_str().unwrap().to_owned()
}

const TINY: &str = "demo/tiny:1.0=oci-archive:TESTDATA/archives/skopeo-oci.tar";

/// The line that checks a signature by the seal in `directory` without gapferry.
fn check_line(work: &Work, key: &str, directory: &str) -> String {
    let shown = work.ok(&format!("key show {}", work.path(key).display()));
    let line = shown.lines().find_map(|line| line.strip_prefix("check   ")).unwrap();
    format!(
        "cd {directory} && {}",
        line.replace("> allowed", "> ../allowed").replace("-f allowed", "-f ../allowed")
    )
}

#[test]
fn other_tools_take_the_signatures_of_an_export() {
    let work = made();
    work.ok(&format!("export {TINY} -o b --key a.key --key p.key --key id"));
    for key in ["a.key.pub", "p.key.pub", "id.pub"] {
        let line = check_line(&work, key, "b");
        assert!(shell(&work, &line), "{line}");
        flip(&work.path("b/seal"), 30, 2);
        assert!(!shell(&work, &line), "{line}");
        flip(&work.path("b/seal"), 30, 2);
        work.ok(&format!("verify b --trust {key}"));
    }
    let all = "verify b --trust a.key.pub --trust p.key.pub --trust id.pub --threshold";
    assert_eq!(work.json(&format!("{all} 3"))["signers"].as_array().unwrap().len(), 3);
    assert_eq!(work.refused(&format!("{all} 4")), (2, "invalid-threshold".to_owned()));
    work.ok("import b --trust p.key.pub --trust id.pub --threshold 2 --to oci:layout");
    // The same bundle is signed the same twice.
    let again = format!("export {TINY} -o");
    for out in ["c", "d"] {
        let mut command = work.command(env!("CARGO_BIN_EXE_gapferry"));
        command.env("SOURCE_DATE_EPOCH", "1700000000");
        let line = format!("{again} {out} --key a.key --key p.key --key id");
        let words = line.split(' ').map(|word| word.replace("TESTDATA", super::TESTDATA));
        assert!(command.args(words).status().unwrap().success());
    }
    assert!(tree(&work.path("c")) == tree(&work.path("d")));
}

#[test]
fn we_take_the_signatures_of_other_tools() {
    let work = made();
    work.tiny("b", "");
    keygen(&work, "ed25519", "a");
    let [p, ssh] = ["p.key.pub", "id.pub"].map(|key| id(&work, key));
    let openssl = format!("openssl dgst -sha384 -sign p.key -out b/seal.{p}.sig b/seal");
    let keygen = format!("ssh-keygen -Y sign -n gapferry-seal -f id < b/seal > b/seal.{ssh}.sig");
    assert!(shell(&work, &openssl) && shell(&work, &keygen));
    work.ok("verify b --trust p.key.pub --trust id.pub --threshold 2");
    let sign = "ssh-keygen -Y sign -n gapferry-seal -f";
    for (line, expected) in [
        ("ssh-keygen -Y sign -n git -f id < b/seal > SSH".to_owned(), "wrong-namespace"),
        (format!("{sign} id < b/lading.json > SSH"), "bad-signature"),
        (format!("{sign} a < b/seal > SSH"), "bad-signature"),
        (format!("{sign} id < b/seal | head -c 200 > SSH"), "malformed-signature"),
        (format!("{sign} id < b/seal > SSH; echo >> SSH"), "malformed-signature"),
        ("cp P384 SSH".to_owned(), "malformed-signature"),
    ] {
        let line = line.replace("SSH", &format!("b/seal.{ssh}.sig"));
        let line = line.replace("P384", &format!("b/seal.{p}.sig"));
        shell(&work, &line);
        let refused = work.refused("verify b --trust id.pub");
        assert_eq!(refused, (3, expected.to_owned()), "{line}");
        // Whoever does not trust the key does not care.
        work.ok("verify b --trust p.key.pub");
    }
    for (bytes, name) in [(64, "short"), (0, "empty")] {
        std::fs::write(work.path(&format!("b/seal.{p}.sig")), vec![1; bytes]).unwrap();
        let refused = work.refused("verify b --trust p.key.pub");
        assert_eq!(refused, (3, "bad-signature".to_owned()), "{name}");
    }
}

#[test]
fn two_of_three_on_three_directories() {
    let work = made();
    let images = "oci:TESTDATA/images:library/busybox:1.35 oci:TESTDATA/images:tools/pigz:1.0 \
                  oci:TESTDATA/images:tools/umoci:1.0";
    work.ok(&format!("export {images} -o v --key a.key --volume-size 1200k"));
    // Each medium has some volumes and a copy of the head files.
    for (at, name) in ["one", "two", "three"].into_iter().enumerate() {
        std::fs::create_dir(work.path(name)).unwrap();
        for (file, bytes) in tree(&work.path("v")) {
            let text = file.to_str().unwrap();
            let volume = text.strip_prefix("volume-").map(|it| it[..4].parse::<usize>().unwrap());
            if volume.is_none_or(|number| number % 3 == at) {
                std::fs::write(work.path(name).join(&file), bytes).unwrap();
            }
        }
    }
    let media = "one two three";
    let trust = "--trust a.key.pub --trust p.key.pub --trust id.pub --threshold";
    let short = (4, "threshold".to_owned());
    assert_eq!(work.refused(&format!("verify {media} {trust} 2")), short);
    work.ok(&format!("sign {media} --key p.key --out two --yes --trust a.key.pub"));
    work.ok(&format!("verify {media} {trust} 2"));
    assert_eq!(work.refused(&format!("verify {media} {trust} 3")), short);
    work.ok("sign three one two --key id --yes --trust a.key.pub --trust p.key.pub --threshold 2");
    work.ok(&format!("import {media} {trust} 3 --to oci:layout"));
    // One of them gone, two are left.
    std::fs::remove_file(work.path(&format!("two/seal.{}.sig", id(&work, "p.key.pub")))).unwrap();
    work.ok(&format!("verify {media} {trust} 2"));
    assert_eq!(work.refused(&format!("import {media} {trust} 3 --to oci:never")), short);
    assert!(!work.path("never").exists());
}

#[test]
fn one_key_in_two_files_counts_once() {
    let work = made();
    // The same key as PKCS#8: ssh-keygen writes no such file for Ed25519, so it is put together.
    let text = std::fs::read_to_string(work.path("a.key.pub")).unwrap();
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD;
    let der = base64.decode(text.lines().nth(1).unwrap()).unwrap();
    let blob = [&b"\0\0\0\x0bssh-ed25519\0\0\0\x20"[..], &der[12..]].concat();
    let line = format!("ssh-ed25519 {}\n", base64.encode(blob));
    std::fs::write(work.path("twin.pub"), &line).unwrap();
    work.tiny("b", "");
    let both = "verify b --trust a.key.pub --trust twin.pub";
    assert_eq!(work.refused(&format!("{both} --threshold 2")), (2, "invalid-threshold".to_owned()));
    work.ok(both);
    let three = format!("{both} --trust p.key.pub --threshold 2");
    assert_eq!(work.refused(&three), (4, "threshold".to_owned()));
    work.ok("sign b --key p.key --yes");
    work.ok(&three);
    std::fs::write(work.path("free.pub"), format!("no-touch-required {line}")).unwrap();
    let twice = "verify b --trust twin.pub --trust free.pub";
    assert_eq!(work.refused(twice), (2, "two-records".to_owned()));
}

#[test]
fn a_record_may_say_when_a_key_counts() {
    let work = made();
    work.ok(&format!("export {TINY} -o b --key id"));
    let key = std::fs::read_to_string(work.path("id.pub")).unwrap();
    let trusted = |record: &str| {
        std::fs::write(work.path("allowed"), record.replace("KEY", key.trim())).unwrap();
    };
    let verify = "verify b --trust allowed";
    trusted("# who signs\nann namespaces=\"gapferry-seal\",valid-after=\"20200101Z\" KEY\n");
    work.ok(verify);
    trusted("ann valid-before=\"20200101Z\" KEY\n");
    assert_eq!(work.refused(verify), (4, "key-not-valid".to_owned()));
    trusted("ann valid-after=\"99990101Z\" KEY\n");
    assert_eq!(work.refused(verify), (4, "key-not-valid".to_owned()));
    let other = std::fs::read_to_string(work.path("id.pub")).unwrap();
    keygen(&work, "ecdsa", "next");
    let next = std::fs::read_to_string(work.path("next.pub")).unwrap();
    trusted(&format!("ann valid-before=\"20200101Z\" {next}ann {other}"));
    work.ok(verify);
    trusted("ann namespaces=\"git\" KEY\n");
    assert_eq!(work.refused(verify), (3, "not-a-key".to_owned()));
    trusted("ann cert-authority KEY\n");
    assert_eq!(work.refused(verify), (3, "not-a-key".to_owned()));
}

#[test]
fn signatures_are_added_to_every_packaging() {
    let work = made();
    work.tiny("d", "");
    work.ok("repack d -o a.tar");
    work.ok("repack d -o v --volume-size 4GiB");
    for place in ["d", "a.tar", "v"] {
        let line = format!("sign {place} --key p.key --key id --yes");
        let signed = work.json(&line);
        assert_eq!(signed["signatures"].as_array().unwrap().len(), 2);
        work.ok(&format!(
            "verify {place} --trust a.key.pub --trust p.key.pub --trust id.pub --threshold 3"
        ));
        // A second time there is nothing to do.
        let again = work.json(&line);
        assert!(again["signatures"][0]["written"].is_null(), "{again}");
        assert!(work.ok(&line).ends_with(": before\n"));
    }
    // In one packaging or another, it is the same bundle.
    work.ok("repack a.tar -o back");
    work.ok("repack v -o back.tar");
    assert!(tree(&work.path("back")) == tree(&work.path("d")));
    // Other tools read an archive with a signature at its end.
    assert!(shell(&work, "mkdir x && tar -xf a.tar -C x && diff -r x d"));
    let listed =
        work.tool_ok("skopeo --insecure-policy inspect oci-archive:a.tar:docker.io/demo/tiny:1.0");
    assert!(listed.contains("Digest"), "{listed}");
}

#[test]
fn what_does_not_fit_together_is_not_signed() {
    let work = made();
    work.tiny("b", "");
    let whole = tree(&work.path("b"));
    let blob = whole.keys().find(|name| name.starts_with("blobs")).unwrap();
    let sign = "sign b --key p.key --yes";
    let refused = |code: &str, exit: i32| {
        assert_eq!(work.refused(sign), (exit, code.to_owned()));
        assert_eq!(
            tree(&work.path("b"))
                .keys()
                .filter(|it| it.extension().is_some_and(|it| it == "sig"))
                .count(),
            1
        );
    };
    flip(&work.path("b").join(blob), 5, 1);
    refused("damaged", 3);
    flip(&work.path("b").join(blob), 5, 1);
    flip(&work.path("b/lading.json"), 50, 1);
    refused("damaged", 3);
    flip(&work.path("b/lading.json"), 50, 1);
    std::fs::write(work.path("b/extra"), "x").unwrap();
    refused("extra-file", 3);
    std::fs::remove_file(work.path("b/extra")).unwrap();
    std::fs::remove_file(work.path("b/catalog.json.zst")).unwrap();
    refused("missing", 3);
    std::fs::write(
        work.path("b/catalog.json.zst"),
        &whole[std::path::Path::new("catalog.json.zst")],
    )
    .unwrap();
    // A stranger's bundle, for those who ask who made it.
    let line = format!("{sign} --trust id.pub");
    assert_eq!(work.refused(&line), (4, "threshold".to_owned()));
    work.ok(sign);
    flip(&work.path(&format!("b/seal.{}.sig", id(&work, "p.key.pub"))), 10, 1);
    assert_eq!(work.refused(sign), (3, "bad-signature".to_owned()));
}

#[test]
fn whoever_signs_is_asked() {
    let work = made();
    work.tiny("b", "");
    let asked = (2, "not-confirmed".to_owned());
    assert_eq!(work.refused("sign b --key p.key"), asked);
    // On a terminal.
    let gapferry = env!("CARGO_BIN_EXE_gapferry");
    let answer = |word: &str| {
        let line = format!("{gapferry} sign b --key p.key --progress none");
        let line = format!("(sleep 1; echo {word}) | script -qec '{line}' /dev/null");
        let output = work.command("bash").args(["-c", &line]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let signatures = || {
        let files = tree(&work.path("b")).into_keys();
        files.filter(|it| it.extension().is_some_and(|it| it == "sig")).count()
    };
    for word in ["n", "''", "perhaps"] {
        let shown = answer(word);
        for part in [
            "docker.io/demo/tiny:1.0",
            "NOT VERIFIED",
            "Sign this bundle? [y/N]",
            "nothing was signed",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert_eq!(signatures(), 1);
    }
    let shown = answer("y");
    assert!(shown.contains("signed by"), "{shown}");
    assert_eq!(signatures(), 2);
}
