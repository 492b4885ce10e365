//! The transfer record in the lading: what is in it, who must have said what, and that the bundle is
//! the same bytes again.

use serde_json::{Value, json};

use crate::strace::{disturbed, points};
use crate::{TESTDATA, TRUST, Work, shell};

const POLICY: &str = "gapferry = \"policy v1\"\n[[signature]]\nkeys = [\"cosign.pub\"]\n\
    [record]\nrequire = [\"ticket\", \"handling\"]\napprover-differs = true\n";
const FILE: &str = "ticket = \"CHG-7\"\npreparer = \"Ann Example\"\nhandling = \"INTERNAL\"\n\
    destination = \"plant 7\"\n";

/// A place with the policy, its key and a record file, and the line of an export.
fn stage() -> (Work, String) {
    let work = Work::new();
    work.write("site.toml", POLICY);
    work.write("record.toml", FILE);
    shell(&work, &format!("cp {TESTDATA}/cosign.pub ."));
    let image = format!("registry.example/signed/app:1.0=oci:{TESTDATA}/images:signed/app:1.0");
    let line = format!("export {image} --key release.key --policy site.toml --sequence 7");
    (work, line)
}

fn lading(work: &Work, bundle: &str) -> Value {
    serde_json::from_slice(&work.read(&format!("{bundle}/lading.json"))).unwrap()
}

#[test]
fn says_who_what_and_what_is_attached() {
    let (work, line) = stage();
    work.ok(&format!("{line} -o b --record-file record.toml --approver Bob --ticket CHG-8"));
    let record = &lading(&work, "b")["record"];
    let said = ["id", "ticket", "preparer", "approver", "handling", "destination"];
    let words = said.map(|field| record[field].as_str().unwrap());
    assert_eq!(words, ["default/7", "CHG-8", "Ann Example", "Bob", "INTERNAL", "plant 7"]);
    // Every digest, by sha256sum.
    let sum = |file: &str| format!("sha256:{}", &shell(&work, &format!("sha256sum {file}"))[..64]);
    assert_eq!(record["toolDigest"], sum(env!("CARGO_BIN_EXE_gapferry")));
    assert_eq!(record["policy"], sum("site.toml"));
    let image = &record["images"][0];
    assert_eq!(image["signatures"], json!([{"threshold": 1, "keys": ["cosign.pub"]}]));
    let attached = image["attached"].as_array().unwrap();
    let sbom = attached.iter().find(|it| it["kind"] == "spdx").unwrap();
    let digest = sbom["blob"].as_str().unwrap().replace(':', "/");
    let sbom_file: Value =
        serde_json::from_slice(&work.read(&format!("b/blobs/{digest}"))).unwrap();
    assert_eq!(sbom["packages"], sbom_file["packages"].as_array().unwrap().len());
    assert!(!sbom["licences"].as_object().unwrap().is_empty());
    // The log of the maker, at the intent of this export.
    let log = &record["log"];
    assert_eq!(log["size"], 1);
    let shown = work.ok(&format!("inspect b {TRUST}"));
    for text in
        ["CHG-8", "prepared by   Ann Example", "signed upstream by 1 of cosign.pub", "packages"]
    {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    assert_eq!(&work.json(&format!("inspect b {TRUST}"))["record"], record);
    work.ok(&format!("import b {TRUST} --to oci:store --policy site.toml"));
}

/// The log differs from run to run; without one the bytes are the same.
#[test]
fn the_same_words_give_the_same_bytes() {
    let (work, line) = stage();
    let said = "--record-file record.toml --approver Bob --no-log";
    work.ok(&format!("{line} -o a {said}"));
    work.ok(&format!("{line} -o b {said}"));
    shell(&work, "diff -r a b");
    assert_eq!(lading(&work, "a")["record"]["log"], Value::Null);
    work.write("record.json", r#"{"ticket":"CHG-7","preparer":"Ann Example","handling":"INTERNAL","destination":"plant 7"}"#);
    work.ok(&format!("{line} -o c {} ", said.replace("toml", "json")));
    shell(&work, "diff -r a c");
}

#[test]
fn a_policy_wants_two_people_on_both_sides() {
    let (work, line) = stage();
    for said in [
        "",
        "--record-file record.toml",
        "--ticket 1 --preparer Ann --approver Bob",
        "--ticket 1 --preparer Ann --approver ann --handling x",
    ] {
        work.refused(&format!("{line} -o b {said}"), 4, "policy");
        assert!(!work.path("b").exists(), "{said}");
    }
    // A bundle whose maker had no such policy is refused by a site that has.
    let free = line.replace("--policy site.toml ", "");
    work.ok(&format!("{free} -o b"));
    assert_eq!(lading(&work, "b")["record"], Value::Null);
    work.refused(&format!("import b {TRUST} --to oci:store --policy site.toml"), 4, "policy");
    work.refused(&format!("verify b {TRUST} --policy site.toml"), 4, "policy");
    assert!(!work.path("store").exists());
    work.write("record.toml", "tickets = \"x\"");
    work.refused(&format!("{line} -o c --record-file record.toml"), 2, "bad-record-file");
}

#[test]
fn an_export_that_was_killed_goes_on_with_its_record() {
    let (work, line) = stage();
    let line = format!("{line} -o b --record-file record.toml --approver Bob --jobs 1");
    let total = points(&work, "fsync", &line).len();
    for at in [total / 4, total / 2] {
        std::fs::remove_dir_all(work.path("b")).unwrap();
        let killed = disturbed(&work, "fsync", "signal=SIGKILL", at, &line);
        assert!(!killed.status.success() && !work.path("b/seal").exists(), "{at}");
        work.ok(&line);
        assert_eq!(lading(&work, "b")["record"]["approver"], "Bob");
        work.ok(&format!("verify b {TRUST}"));
    }
}
