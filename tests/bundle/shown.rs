//! What inspect and diff show, and that nothing of it does anything to a terminal.

use serde_json::{Value, json};

use super::Work;

const TINY: &str = "demo/tiny:1.0=oci-archive:TESTDATA/archives/skopeo-oci.tar";

#[test]
fn inspect_tells_what_is_aboard_and_who_says_so() {
    let work = Work::new();
    work.ok(
        "export oci:TESTDATA/images:signed/app:1.0 oci:TESTDATA/images:library/multi:1.0 -o b \
         --key a.key --stream prod --sequence 7 --destination plant-7 --platform linux/amd64",
    );
    let line = "inspect b --trust a.key.pub --site plant-7";
    let shown = work.json(line);
    let key = work.json("key show a.key.pub");
    assert_eq!(shown["signatureVerified"], true);
    assert_eq!(shown["signers"], json!([key["keyId"]]));
    assert_eq!((&shown["stream"], &shown["sequence"]), (&json!("prod"), &json!(7)));
    assert_eq!((&shown["expires"], &shown["destination"]), (&Value::Null, &json!("plant-7")));
    let names: Vec<&str> =
        shown["images"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["docker.io/library/multi:1.0", "docker.io/signed/app:1.0"]);
    let table = work.ok(line);
    for part in [
        "stream        prod, epoch 1, sequence 7\n",
        "expires       never\n",
        "destination   plant-7\n",
        "docker.io/library/multi:1.0\n  sha256:",
        "because of command line\n",
        "  refers to it  sha256:",
        "  tagged sha256-56ee10e2",
        "application/vnd.in-toto+json",
        key["keyId"].as_str().unwrap(),
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let unknown = work.ok("inspect b");
    assert!(unknown.contains("NOT VERIFIED: anybody may have made this"), "{unknown}");
    assert_eq!(work.json("inspect b")["signatureVerified"], false);
    assert_eq!(work.json("inspect b")["signers"], json!([]));
}

#[test]
fn diff_tells_what_changes() {
    let work = Work::new();
    let at = "oci:TESTDATA/images";
    work.ok(&format!(
        "export x:1={at}:tools/pigz:1.0 y:1={at}:tools/plain:1.0 {TINY} -o a --key a.key"
    ));
    work.ok(&format!(
        "export x:1={at}:tools/gnugzip:1.0 z:1={at}:library/multi:1.0 {TINY} -o b.tar --key a.key"
    ));
    let diff = work.json("diff a b.tar --trust a.key.pub");
    let name = |list: &str| diff[list][0]["name"].clone();
    assert_eq!(name("added"), "docker.io/library/z:1");
    assert_eq!(name("removed"), "docker.io/library/y:1");
    assert_eq!(name("changed"), "docker.io/library/x:1");
    assert_eq!(diff["same"], 1);
    assert!(diff["new_bytes"].as_u64().unwrap() > 1_000_000);
    let table = work.ok("diff a b.tar");
    for part in [
        "+ docker.io/library/z:1  sha256:",
        "- docker.io/library/y:1  ",
        "~ docker.io/library/x:1  ",
    ] {
        assert!(table.contains(part), "{table}");
    }
    assert!(table.contains("1 added, 1 removed, 1 changed, 1 the same\n"), "{table}");
    work.ok(&format!(
        "lock x:1={at}:tools/gnugzip:1.0 z:1={at}:library/multi:1.0 {TINY} -o b.lock"
    ));
    let same = work.json("diff b.lock b.tar");
    assert_eq!((&same["added"], &same["same"]), (&json!([]), &json!(3)));
    assert_eq!(work.refused("diff a absent").0, 1);
    std::fs::write(work.path("text"), "hello").unwrap();
    assert_eq!(work.refused("diff a text").0, 3);
}

/// A layout whose image is referred to by an artifact with this kind.
fn layout(work: &Work, path: &str, kind: &str) {
    use gapferry::oci::{Descriptor, MediaType, OCI_MANIFEST};
    let root = work.path(path);
    std::fs::create_dir_all(root.join("blobs/sha256")).unwrap();
    std::fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let put = |kind: &str, bytes: String| {
        let descriptor = Descriptor::of(MediaType::new(kind).unwrap(), bytes.as_bytes());
        std::fs::write(root.join("blobs/sha256").join(descriptor.digest.hex()), bytes).unwrap();
        descriptor
    };
    let config = put("application/vnd.oci.image.config.v1+json", "{\"os\":\"linux\"}".to_owned());
    let fields = json!({"schemaVersion": 2, "config": config, "layers": []});
    let image = put(OCI_MANIFEST, fields.to_string());
    let fields = json!({
        "schemaVersion": 2, "config": config, "layers": [], "subject": image, "artifactType": kind,
    });
    let mut referrer = json!(put(OCI_MANIFEST, fields.to_string()));
    referrer["artifactType"] = json!(kind);
    let mut image = json!(image);
    image["annotations"] = json!({"org.opencontainers.image.ref.name": "evil/app:1"});
    let index = json!({"schemaVersion": 2, "manifests": [image, referrer]});
    std::fs::write(root.join("index.json"), index.to_string()).unwrap();
}

#[test]
fn nothing_shown_is_obeyed_by_a_terminal() {
    let work = Work::new();
    let evil = "\u{1b}[2J\u{9b}5m\r\n\u{202e}\u{7}\u{2028}x";
    let path = "lay\u{1b}[2J\u{9b}5m\u{202e}out";
    layout(&work, path, evil);
    // A list may not hold such names, and its own name may be anything.
    layout(&work, "plain", evil);
    let list = "list\u{1b}]0;x\u{9b}\u{202e}";
    std::fs::write(work.path(list), "oci:plain:evil/app:1\n").unwrap();
    let images = format!("-f {list} other:1=oci:{path}:evil/app:1");
    let quiet = |output: std::process::Output, line: &str| {
        let text = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap()).concat();
        let active = |c: char| {
            (c.is_control() && c != '\n')
                || ('\u{202a}'..='\u{202e}').contains(&c)
                || c == '\u{2028}'
        };
        assert!(!text.contains(active), "{line:?}: {text:?}");
        text
    };
    let out = "out\u{1b}[2J\u{9b}";
    for line in [
        format!("lock {images} -o images.lock"),
        format!("export {images} -o b --key a.key --dry-run"),
        format!("export {images} -o {out} --key a.key"),
        format!("inspect {out}"),
        format!("verify {out} --trust a.key.pub"),
        format!("repack {out} -o {out}2"),
        format!("import {out} --trust a.key.pub --to oci:in{out}"),
        format!("diff images.lock {out}"),
    ] {
        for form in ["table", "json"] {
            // What is written twice must not be there the second time.
            if let Some((_, out)) = line.split_once(" -o ") {
                let out = work.path(out.split(' ').next().unwrap());
                let _ = if out.is_dir() { std::fs::remove_dir_all(out) } else { Ok(()) };
            }
            let output = work.gapferry(&format!("{line} --output {form}"));
            let ok = output.status.success();
            let text = quiet(output, &line);
            assert!(ok, "{line:?}: {text}");
            if line.starts_with("inspect") && form == "table" {
                assert!(text.contains("\\u{1b}[2J\\u{9b}5m\\r\\n\\u{202e}"), "{text}");
            }
            if line.starts_with("inspect") && form == "json" {
                let value: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(value["images"][0]["documents"][1]["artifactType"], evil);
            }
        }
    }
    // And what goes wrong.
    for line in [
        format!("verify nowhere{out} --trust a.key.pub"),
        format!("lock oci:{path}:absent{evil} -o x.lock").replace(['\r', '\n'], ""),
        format!("inspect {path}"),
        format!("import {out} --trust a.key.pub --to oci:x --image no\u{1b}pe"),
        format!("import {out} --trust a.key.pub --to nowhere\u{1b}\u{9b}"),
    ] {
        for form in ["table", "json"] {
            let output = work.gapferry(&format!("{line} --output {form}"));
            assert!(!output.status.success(), "{line:?}");
            quiet(output, &line);
        }
    }
}
