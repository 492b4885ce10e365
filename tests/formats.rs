//! The texts in `formats/` against the code: examples are read by our parsers, and what we write
//! fits the schemas.

use std::path::{Path, PathBuf};
use std::process::Command;

use gapferry::audit;
use gapferry::bundle::{Catalog, Lading, Seal, Sums};
use gapferry::drill::Record;
use gapferry::memory::Memory;
use gapferry::oci::Digest;
use gapferry::policy::{Policy, PolicyError};
use gapferry::receipt::Receipt;
use gapferry::select::Lock;
use gapferry::trust::Document;
use serde_json::Value;

fn formats() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("formats")
}

/// The blocks of a text that are marked as examples of `kind`.
fn examples(file: &str, kind: &str) -> Vec<String> {
    let text = std::fs::read_to_string(formats().join(file)).unwrap();
    let start = format!("\n```{kind}\n");
    let blocks = text.split(&start).skip(1);
    blocks.map(|block| format!("{}\n", block.split("\n```").next().unwrap())).collect()
}

/// The one example of its kind.
fn example(file: &str, kind: &str) -> String {
    let found = examples(file, kind);
    assert_eq!(found.len(), 1, "{file}");
    found.into_iter().next().unwrap()
}

#[test]
fn the_examples_are_what_they_are_said_to_be() {
    let seal = example("seal.md", "seal");
    assert_eq!(Seal::parse(seal.as_bytes()).unwrap().to_bytes(), seal.as_bytes());
    let trust = example("trust.md", "trust");
    assert_eq!(Document::parse(trust.as_bytes()).unwrap().to_bytes(), trust.as_bytes());
    let sums = example("sums.md", "sums");
    assert_eq!(Sums::parse(sums.as_bytes()).unwrap().to_bytes(), sums.as_bytes());
    assert_eq!(Lading::parse(example("lading.md", "lading").as_bytes()).unwrap().images.len(), 1);
    let lock = example("lock.md", "lock");
    assert_eq!(Lock::parse("lock.md", lock.as_bytes()).unwrap().images().len(), 1);
    let memory = example("memory.md", "memory");
    assert_eq!(Memory::parse(memory.as_bytes(), None).unwrap().to_bytes(), memory.as_bytes());
    let log = example("log.md", "log");
    let mut before = None;
    for line in log.split_inclusive('\n') {
        let record = audit::Record::parse(line.as_bytes()).unwrap();
        assert_eq!(record.previous, before);
        before = Some(Digest::of(line.as_bytes()));
    }
    let receipt = example("receipt.md", "receipt");
    assert_eq!(Receipt::parse(receipt.as_bytes()).unwrap().to_bytes(), receipt.as_bytes());
    let mut lading: Value = serde_json::from_str(&example("lading.md", "lading")).unwrap();
    lading["record"] = serde_json::from_str(&example("lading.md", "record")).unwrap();
    let lading = Lading::parse(lading.to_string().as_bytes()).unwrap();
    assert_eq!(lading.record().unwrap().images.len(), 1);
    let record = example("drill.md", "drill");
    assert_eq!(Record::parse(record.as_bytes()).unwrap().to_bytes(), record.as_bytes());
    let catalog = example("catalog.md", "catalog");
    let packed = zstd::bulk::compress(catalog.as_bytes(), 1).unwrap();
    assert_eq!(Catalog::parse(&packed).unwrap().blobs.len(), 2);
    let catalog = example("packs.md", "catalog");
    let packed = zstd::bulk::compress(catalog.as_bytes(), 1).unwrap();
    assert_eq!(Catalog::parse(&packed).unwrap().layers.len(), 1);
}

#[test]
fn the_examples_of_policies_are_policies() {
    let guide = std::fs::read_to_string(formats().join("../docs/guides/policy.md")).unwrap();
    let guide = guide.split("```policy\n").nth(1).unwrap().split("```").next().unwrap().to_owned();
    for (text, rules) in [(example("policy.md", "policy"), 1), (guide, 3)] {
        // Each key file is another key.
        let key = |name: &str| Ok::<_, PolicyError>(public_key(name));
        let policy = Policy::parse(text.as_bytes(), key).unwrap();
        assert_eq!((policy.rules.len(), policy.signatures.len()), (rules, 1));
    }
}

/// A key on Ed25519 of openssl's, in PEM.
fn public_key(_: &str) -> String {
    let line = "openssl genpkey -algorithm ED25519 | openssl pkey -pubout";
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_examples_fit_the_schemas() {
    let files = ["lading", "lock", "catalog"].map(|kind| (kind.to_owned() + ".md", kind));
    for (file, kind) in files.into_iter().chain([("packs.md".to_owned(), "catalog")]) {
        let value = serde_json::from_str(&example(&file, kind)).unwrap();
        assert_eq!(faults(kind, &value), Vec::<String>::new());
    }
}

#[test]
fn what_is_written_fits_the_schemas() {
    check_written("signed/app:1.0", &[]);
    check_written("library/multi:1.0", &["--platform=linux/amd64", "--platform=linux/arm64"]);
    check_written("library/multi:1.0", &["--platform=linux/arm64"]);
}

fn check_written(image: &str, options: &[&str]) {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let layout = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/images");
    let image = format!("registry.example/{image}=oci:{}:{image}", layout.display());
    gapferry(&["key", "new", "-o", &at("k")]);
    gapferry(&[&["lock", &image, "-o", &at("lock")], options].concat());
    gapferry(&["export", "--lock", &at("lock"), "-o", &at("bundle"), "--key", &at("k")]);
    let read = |name: &str| std::fs::read(place.path().join(name)).unwrap();
    let catalog = zstd::stream::decode_all(&read("bundle/catalog.json.zst")[..]).unwrap();
    for (kind, bytes) in [
        ("lock", read("lock")),
        ("lading", read("bundle/lading.json")),
        ("index", read("bundle/index.json")),
        ("catalog", catalog),
    ] {
        let value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(faults(kind, &value), Vec::<String>::new());
        every_field_is_seen(kind, &value);
    }
}

#[test]
fn what_is_packed_and_left_out_fits_the_schemas() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let layout = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/images");
    let image = |name: &str| format!("registry.example/{name}=oci:{}:{name}", layout.display());
    let (first, second) = (image("tools/gnugzip:1.0"), image("tools/pigz:1.0"));
    gapferry(&["key", "new", "-o", &at("k")]);
    let export = |out: &str, more: &[&str]| {
        let out = at(out);
        gapferry(&[&["export", "-o", &out, "--key", &at("k")], more].concat());
        let catalog = std::fs::read(Path::new(&out).join("catalog.json.zst")).unwrap();
        let catalog = zstd::stream::decode_all(&catalog[..]).unwrap();
        let value: Value = serde_json::from_slice(&catalog).unwrap();
        assert_eq!(faults("catalog", &value), Vec::<String>::new());
        every_field_is_seen("catalog", &value);
        value
    };
    let packed = export("packed", &[&first, "--pack", "always"]);
    let shared = export("shared", &[&first, &second]);
    let delta = export("delta", &[&first, &second, "--since", &at("packed")]);
    let has = |catalog: &Value, lists: [&str; 3]| {
        let missing: Vec<_> =
            lists.into_iter().filter(|list| catalog.get(list).is_none()).collect();
        assert_eq!(missing, Vec::<&str>::new());
    };
    has(&packed, ["packs", "layers", "needs"]);
    has(&shared, ["opened", "layers", "needs"]);
    has(&delta, ["bases", "held", "homes"]);
    assert!(shared["blobs"].to_string().contains("unshared"));
}

/// A schema that lists too much would still be met: each top-level field must be written, but for
/// those that need not be there.
fn every_field_is_seen(kind: &str, value: &Value) {
    let mut fields = schema(kind)["properties"].as_object().unwrap().clone();
    let optional = ["record", "packs", "layers", "opened", "bases", "held", "homes"];
    fields.retain(|name, _| value.get(name).is_some() || !optional.contains(&name.as_str()));
    let written = value.as_object().unwrap();
    assert!(fields.keys().eq(written.keys()), "{kind}: {:?}", written.keys());
}

fn gapferry(arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_gapferry")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_schemas_refuse_what_does_not_fit() {
    let good: Value = serde_json::from_str(&example("lock.md", "lock")).unwrap();
    let edits: [fn(&mut Value); 6] = [
        |lock| lock["x"] = 1.into(),
        |lock| lock["gapferry"] = "lock v2".into(),
        |lock| lock["images"][0]["digest"] = "sha256:x".into(),
        |lock| lock["images"][0]["documents"][0]["role"] = "branch".into(),
        |lock| lock["images"][0]["documents"][0]["size"] = "405".into(),
        |lock| drop(lock["images"][0].as_object_mut().unwrap().remove("why")),
    ];
    for edit in edits {
        let mut bad = good.clone();
        edit(&mut bad);
        assert_eq!(faults("lock", &bad).len(), 1, "{bad}");
    }
}

fn schema(kind: &str) -> Value {
    let path = formats().join(format!("schema/{kind}.schema.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn faults(kind: &str, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(kind, &schema(kind), value, kind, &mut faults);
    faults
}

/// Holds `value` against the few words of JSON Schema that our schemas use. `file` is where a
/// reference within `schema` begins.
fn check(file: &str, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    for (word, rule) in schema.as_object().unwrap() {
        match word.as_str() {
            "$schema" | "$defs" | "title" | "description" => {}
            "$ref" => {
                let (file, rule) = resolve(file, rule.as_str().unwrap());
                check(&file, &rule, value, at, faults);
            }
            "type" if !is_of_type(value, rule.as_str().unwrap()) => {
                faults.push(format!("{at}: not a {rule}"));
            }
            "enum" if !rule.as_array().unwrap().contains(value) => {
                faults.push(format!("{at}: not one of {rule}"));
            }
            "pattern" if !fits(value.as_str().unwrap_or(""), rule.as_str().unwrap()) => {
                faults.push(format!("{at}: does not fit {rule}"));
            }
            "required" => {
                let missing = rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                let missing = missing.filter(|name| value.get(name).is_none());
                faults.extend(missing.map(|name| format!("{at}: no {name}")));
            }
            "additionalProperties" => {
                let known = schema["properties"].as_object().unwrap();
                let names = value.as_object().into_iter().flatten().map(|(name, _)| name);
                let unknown = names.filter(|name| !known.contains_key(*name));
                faults.extend(unknown.map(|name| format!("{at}: {name} is unknown")));
            }
            "properties" => {
                for (name, rule) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        check(file, rule, value, &format!("{at}.{name}"), faults);
                    }
                }
            }
            "items" => {
                for (place, value) in value.as_array().into_iter().flatten().enumerate() {
                    check(file, rule, value, &format!("{at}[{place}]"), faults);
                }
            }
            "type" | "enum" | "pattern" => {}
            unknown => panic!("{file}: the test does not know `{unknown}`"),
        }
    }
}

/// `[<file>]#/$defs/<name>`
fn resolve(file: &str, reference: &str) -> (String, Value) {
    let (other, name) = reference.split_once("#/$defs/").unwrap();
    let file = other.strip_suffix(".schema.json").unwrap_or(file).to_owned();
    let rule = schema(&file)["$defs"][name].clone();
    assert!(rule.is_object(), "{reference}");
    (file, rule)
}

fn is_of_type(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        kind => panic!("the test does not know the type {kind}"),
    }
}

/// Without an engine for patterns: each pattern is what one of our own types reads.
fn fits(text: &str, pattern: &str) -> bool {
    use gapferry::oci::{Digest, Platform, Tag};
    match pattern {
        "^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$" => text.parse::<Digest>().is_ok(),
        "^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+){1,2}$" => text.parse::<Platform>().is_ok(),
        "^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$" => text.parse::<Tag>().is_ok(),
        pattern => panic!("the test does not know the pattern {pattern}"),
    }
}
