//! The whole round: export with a transfer record, import with a receipt, the receipt back, and the
//! next delta from it. Every document on the way is checked by `sha256sum` and `openssl` alone.

use crate::{LOG, TESTDATA, TRUST, Work, export, shell, shell_fails};

/// What an auditor types for a detached signature.
fn check(file: &str, signature: &str, key: &str) -> String {
    format!("openssl pkeyutl -verify -pubin -inkey {key} -rawin -in {file} -sigfile {signature}")
}

/// A line of a text, after its field.
fn field(work: &Work, file: &str, name: &str) -> String {
    let text = String::from_utf8(work.read(file)).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("{name}: {text}")).to_owned()
}

#[test]
fn there_and_back_and_there_again() {
    let work = Work::new();
    work.ok("key new -o site.key");
    let of = |name: &str| format!("oci:{TESTDATA}/images:{name}");
    let first = of("library/busybox:1.35");
    // The connected side.
    let maker = "--key release.key --log maker.jsonl --operator ann";
    let people = "--ticket CHG-7 --preparer Ann --approver Bob --handling INTERNAL";
    work.ok(&format!("export {first} -o may --sequence 1 {maker} {people}"));
    // The disconnected side.
    let site = "--log site.jsonl --operator carol --second-person dave";
    let import = format!("import may {TRUST} --to oci:store {site}");
    work.ok(&format!("{import} --receipt medium --receipt-key site.key"));
    let receipt = "may/receipt-000001";
    // The strict reader passes over it.
    work.ok(&format!("verify may {TRUST}"));
    // Back on the connected side, with nothing but openssl and sha256sum: the receipt is the site's,
    shell(&work, &check(receipt, &format!("{receipt}.*.sig"), "site.key.pub"));
    // of this bundle,
    let seal = format!("sha256:{}", &shell(&work, "sha256sum may/seal")[..64]);
    assert_eq!(field(&work, receipt, "seal"), seal);
    shell(&work, &check("may/seal", "may/seal.*.sig", "release.key.pub"));
    let sums = field(&work, "may/seal", "sums");
    assert!(
        sums.starts_with(&format!("sha256:{} ", &shell(&work, "sha256sum may/SHA256SUMS")[..64]))
    );
    shell(&work, "cd may && sha256sum -c --quiet SHA256SUMS");
    // whose transfer record names who let it across,
    let lading: serde_json::Value = serde_json::from_slice(&work.read("may/lading.json")).unwrap();
    assert_eq!(lading["record"]["approver"], "Bob");
    // and of the import that the site's log has: the tree over the records up to its intent.
    let log = field(&work, receipt, "log");
    let (origin, rest) = log.split_once(' ').unwrap();
    let (size, root) = rest.split_once(' ').unwrap();
    assert_eq!(size, "1");
    let leaf = shell(&work, "(printf '\\000'; head -n 1 site.jsonl) | sha256sum");
    assert_eq!(root, format!("sha256:{}", &leaf[..64]));
    let line = shell(&work, "head -n 1 site.jsonl | sha256sum");
    assert_eq!(origin, format!("gapferry.log/{}", &line[..32]));
    // The site signed a checkpoint at the end, with the same key.
    work.ok("log verify --log site.jsonl --trust site.key.pub");
    // A cut end shows against the receipt, and against the bundle on the side that made it.
    shell(&work, "cp site.jsonl keep && : > site.jsonl && rm site.jsonl.checkpoint");
    let said =
        work.refused(&format!("log verify --log site.jsonl --checkpoint {receipt}"), 3, "bad-log");
    assert!(said.contains("record 1 and what followed are missing"), "{said}");
    shell(&work, "mv keep site.jsonl; cp maker.jsonl keep && rm maker.jsonl.checkpoint");
    work.ok("log verify --log maker.jsonl --checkpoint may");
    shell(&work, ": > maker.jsonl");
    work.refused("log verify --log maker.jsonl --checkpoint may", 3, "bad-log");
    shell(&work, "mv keep maker.jsonl");
    for (name, value) in [
        ("operator", "\"carol\""),
        ("second-person", "\"dave\""),
        ("threshold", "1"),
        ("previous", "none"),
        ("reason", "none"),
    ] {
        assert_eq!(field(&work, receipt, name), value);
    }
    let image = field(&work, receipt, "image");
    assert!(image.starts_with("new sha256:") && image.contains(" docker.io/library/busybox:1.35 "));
    let digest = image.split(' ').nth(1).unwrap().replace(':', "/");
    let held = shell(&work, &format!("sha256sum store/blobs/{digest}"));
    assert!(digest.ends_with(&held[..64]));
    let shown = work.ok(&format!("receipt check {receipt} --trust site.key.pub --bundle may"));
    assert!(shown.contains("by            carol and dave"), "{shown}");
    // The next one, from what the site says that it holds. The head files of the first are enough.
    shell(&work, "mkdir heads && cp may/[a-zS]* heads 2> /dev/null || true; rm -f heads/receipt*");
    let second = of("tools/umoci:1.0");
    let line = format!("export {first} {second} -o june --sequence 2 {maker} --pack always");
    let since = format!("--since heads --since {receipt} --receipt-trust site.key.pub");
    work.ok(&format!("{line} {since}"));
    assert_eq!(field(&work, "june/seal", "requires"), seal);
    work.ok(&format!(
        "import june {TRUST} --to oci:store {site} --receipt r.txt --receipt-key site.key"
    ));
    assert_eq!(field(&work, "r.txt", "previous"), format!("1 1 {seal}"));
    assert!(String::from_utf8(work.read("r.txt")).unwrap().contains("\nimage: present sha256:"));
    work.ok("receipt check r.txt --trust site.key.pub --bundle june");
    assert!(!work.path(LOG).exists());
}

/// A site, its key, and a bundle that it imported with the receipt `r`.
fn imported(more: &str) -> Work {
    let work = Work::new();
    work.ok("key new -o site.key");
    export(&work, "b", "--sequence 1");
    let line = format!("import b {TRUST} --to oci:store --receipt r --receipt-key site.key {more}");
    work.ok(&line);
    work
}

#[test]
fn what_is_no_receipt_of_the_site_is_refused() {
    let work = imported("");
    let id = work.json("key show site.key.pub")["keyId"].as_str().unwrap().to_owned();
    let check = "receipt check r --trust site.key.pub";
    work.ok(check);
    work.refused("receipt check r --trust release.key.pub", 4, "threshold");
    export(&work, "other", "--sequence 2");
    work.refused(&format!("{check} --bundle other"), 2, "other-bundle");
    let good = work.read("r");
    let text = String::from_utf8(good.clone()).unwrap();
    work.write("r", text.replace("image: new", "image: present"));
    work.refused(check, 3, "bad-signature");
    work.write("r", format!("{text}\n"));
    shell(&work, &format!("openssl pkeyutl -sign -inkey site.key -rawin -in r -out r.{id}.sig"));
    work.refused(check, 3, "bad-receipt");
    work.refused("receipt show r", 3, "bad-receipt");
    // The site itself says something else of the bundle than the bundle does.
    work.write("r", text.replace("sequence: 1", "sequence: 7"));
    shell(&work, &format!("openssl pkeyutl -sign -inkey site.key -rawin -in r -out r.{id}.sig"));
    work.ok(check);
    work.refused(&format!("{check} --bundle b"), 3, "receipt-contradiction");
    work.refused(
        &format!("import b {TRUST} --to oci:x --receipt r --receipt-key site.key"),
        1,
        "exists",
    );
    work.refused(
        &format!("import b {TRUST} --to oci:x --receipt nowhere/r --receipt-key site.key"),
        1,
        "file",
    );
    assert!(!work.path("x").exists());
}

/// Case 12: a signature says what it is for.
#[test]
fn a_receipts_signature_is_no_seals_and_the_other_way_round() {
    let work = Work::new();
    shell(&work, "ssh-keygen -q -t ed25519 -N '' -f ssh");
    for (key, public, as_seal, as_receipt) in [
        ("release.key", "release.key.pub", "bad-signature", "bad-signature"),
        ("ssh", "ssh.pub", "wrong-namespace", "wrong-namespace"),
    ] {
        let name = public.split('.').next().unwrap();
        let id = work.json(&format!("key show {public}"))["keyId"].as_str().unwrap().to_owned();
        let image = format!("oci:{TESTDATA}/images:library/busybox:1.35");
        work.ok(&format!("export {image} -o {name}.b --key {key} --state {name}.state"));
        let line =
            format!("import {name}.b --trust {public} --state {name}.state --to oci:{name}.store");
        work.ok(&format!("{line} --receipt {name}.r --receipt-key {key}"));
        work.ok(&format!("receipt check {name}.r --trust {public}"));
        // One key has both offices: nothing but the purpose tells them apart.
        let (seal, receipt) = (format!("{name}.b/seal.{id}.sig"), format!("{name}.r.{id}.sig"));
        shell(&work, &format!("cp {seal} keep && cp {receipt} {seal} && cp keep {receipt}"));
        work.refused(&format!("verify {name}.b --trust {public}"), 3, as_seal);
        work.refused(&format!("receipt check {name}.r --trust {public}"), 3, as_receipt);
        // With the text as well: it is no seal, and the seal is no receipt.
        shell(
            &work,
            &format!("cp {name}.b/seal keep && cp {name}.r {name}.b/seal && cp keep {name}.r"),
        );
        let texts = match key {
            "ssh" => ("wrong-namespace", "wrong-namespace"),
            _ => ("bad-seal", "bad-receipt"),
        };
        work.refused(&format!("verify {name}.b --trust {public}"), 3, texts.0);
        work.refused(&format!("receipt check {name}.r --trust {public}"), 3, texts.1);
    }
}

#[test]
fn a_delta_from_receipts_counts_on_what_the_site_says() {
    let work = Work::new();
    work.ok("key new -o site.key");
    let of = |name: &str| format!("oci:{TESTDATA}/images:{name}");
    let (one, two) = (of("library/busybox:1.35"), of("tools/umoci:1.0"));
    work.ok(&format!("export {one} {two} -o base --sequence 1 --key release.key"));
    let import = |to: &str, more: &str| {
        let line = format!("import base {TRUST} --to oci:{to} --receipt-key site.key {more}");
        work.ok(&line);
    };
    import("store", "--receipt part --image docker.io/library/busybox:1.35 --reason first-half");
    let text = String::from_utf8(work.read("part")).unwrap();
    assert!(text.contains("\noverride: only\n"), "{text}");
    let delta =
        |since: &str| format!("export {one} {two} -o delta --sequence 2 --key release.key {since}");
    let trust = "--receipt-trust site.key.pub";
    let in_part =
        work.refused(&delta(&format!("--since base --since part {trust}")), 4, "receipt-in-part");
    assert!(in_part.contains("umoci"), "{in_part}");
    import("store", "--receipt whole");
    for (since, exit, code) in [
        ("--since base --since whole", 2, "no-trust"),
        ("--since base --since whole --receipt-trust release.key.pub", 4, "threshold"),
        (&format!("--since whole {trust}"), 2, "receipt-without-bundle"),
    ] {
        work.refused(&delta(since), exit, code);
    }
    export(&work, "other", "--sequence 9");
    work.refused(
        &delta(&format!("--since base --since other --since whole {trust}")),
        4,
        "no-receipt",
    );
    import("elsewhere", "--receipt third");
    let both = format!("--since base --since whole --since third {trust}");
    work.refused(&delta(&both), 2, "several-targets");
    assert!(!work.path("delta").exists());
    // Two halves are a whole.
    work.ok(&delta(&format!("--since base --since part --since whole {trust}")));
    shell_fails(&work, "test -e delta/receipt-000001");
}
