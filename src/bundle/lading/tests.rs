use super::*;
use crate::bundle::Words;
use crate::oci::Digest;
use serde_json::{Value, json};

fn image(name: &str) -> PinnedImage {
    let digest = Digest::of(name.as_bytes());
    let root = json!({
        "digest": digest, "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 5,
        "role": "root",
    });
    let image = json!({
        "name": name, "source": name, "why": ["a \"test\"\n"], "digest": digest, "bytes": 7,
        "documents": [root],
    });
    serde_json::from_value(image).unwrap()
}

fn lading() -> Lading {
    Lading::new("gapferry 0", vec![image("b:1"), image("a:2"), image("a:1")])
}

/// The lading with a change, read again.
fn read(change: impl FnOnce(&mut Value)) -> Result<Lading, LadingError> {
    let mut value = serde_json::to_value(lading()).unwrap();
    change(&mut value);
    Lading::parse(value.to_string().as_bytes())
}

#[test]
fn is_read_as_it_was_written() {
    let bytes = lading().to_bytes();
    assert_eq!(Lading::parse(&bytes).unwrap(), lading());
    assert!(bytes.starts_with(b"{\n  \"gapferry\": \"lading v1\"") && bytes.ends_with(b"}\n"));
    let names = lading().images.iter().map(|it| it.name.to_string()).collect::<Vec<_>>();
    assert!(names.is_sorted());
    let none = Lading::new("x", vec![]);
    assert_eq!(Lading::parse(&none.to_bytes()).unwrap(), none);
}

#[test]
fn another_format_is_named_and_cut_short() {
    let other = read(|value| value["gapferry"] = json!("x\u{1b}".repeat(1000)));
    assert!(matches!(&other, Err(LadingError::Format(text)) if text.chars().count() == 100));
    assert!(!other.unwrap_err().to_string().contains('\u{1b}'));
}

#[test]
fn names_are_in_order_and_each_once() {
    let swapped = read(|value| value["images"].as_array_mut().unwrap().swap(0, 1));
    assert!(matches!(swapped, Err(LadingError::Order(name)) if name.ends_with("a:1")));
    let twice = read(|value| {
        let first = value["images"][0].clone();
        value["images"].as_array_mut().unwrap().insert(0, first);
    });
    assert!(matches!(twice, Err(LadingError::Order(name)) if name.ends_with("a:1")));
}

/// A record with everything.
fn record() -> Value {
    let digest = Digest::of(b"x");
    json!({
        "gapferry": "record v1", "id": "default/1/42", "ticket": "CHG-1", "preparer": "Ann",
        "approver": "Bob", "source": "here", "destination": "there", "handling": "internal",
        "toolDigest": digest, "policy": digest,
        "log": {"origin": "gapferry.log/x", "size": 3, "root": digest},
        "images": [{
            "name": "docker.io/library/a:1",
            "signatures": [{"threshold": 1, "keys": ["cosign.pub"]}],
            "attached": [{
                "document": digest, "blob": digest, "kind": "spdx", "packages": 2,
                "licences": {"MIT": 2},
            }, {
                "document": digest, "blob": digest, "kind": "trivy", "findings": {"HIGH": 1},
            }],
        }],
    })
}

#[test]
fn a_transfer_record_is_read_as_it_was_written() {
    let whole = read(|value| value["record"] = record()).unwrap();
    let transfer = whole.record().unwrap();
    assert_eq!(transfer.said.approver.as_ref().map(Words::as_str), Some("Bob"));
    let written = lading().with_record(Some(transfer.clone()));
    assert_eq!(Lading::parse(&written.to_bytes()).unwrap(), written);
    assert_eq!(serde_json::to_value(&written).unwrap()["record"], record());
    // Another version is passed over, and stays as it is.
    let other = json!({"gapferry": "record v2", "x": [1]});
    let read = read(|value| value["record"] = other.clone()).unwrap();
    assert_eq!(read.record(), None);
    assert_eq!(serde_json::to_value(&read).unwrap()["record"], other);
}

#[test]
fn a_malformed_transfer_record_is_refused() {
    let changes: [fn(&mut Value); 9] = [
        |record| record["x"] = json!(1),
        |record| record["ticket"] = json!(""),
        |record| record["ticket"] = json!("a\u{1b}"),
        |record| record["ticket"] = json!("a".repeat(501)),
        |record| record["id"] = json!(null),
        |record| record["images"][0]["name"] = json!("docker.io/library/c:1"),
        |record| record["images"][0]["attached"][0]["kind"] = json!("other"),
        |record| record["log"]["x"] = json!(1),
        |record| {
            let first = record["images"][0].clone();
            record["images"].as_array_mut().unwrap().push(first);
        },
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut changed = record();
        change(&mut changed);
        let refused = read(|value| value["record"] = changed);
        assert!(matches!(refused, Err(LadingError::Record(_))), "{at}");
    }
}

#[test]
fn every_image_begins_with_its_root() {
    for change in [
        |image: &mut Value| image["documents"] = json!([]),
        |image: &mut Value| image["documents"][0]["role"] = json!("child"),
        |image: &mut Value| image["digest"] = json!(Digest::of(b"other")),
    ] {
        let refused = read(|value| change(&mut value["images"][1]));
        assert!(matches!(refused, Err(LadingError::Root(name)) if name.ends_with("a:2")));
    }
}

#[test]
fn what_is_no_lading_is_malformed() {
    for change in [
        |image: &mut Value| image["unknown"] = json!(1),
        |image: &mut Value| image["name"] = json!("A B"),
        |image: &mut Value| image["digest"] = json!("sha256:x"),
        |image: &mut Value| image["documents"][0]["size"] = json!(-1),
        |image: &mut Value| image["documents"][0]["role"] = json!("captain"),
        |image: &mut Value| image["documents"][0]["mediaType"] = json!("a\u{1b}b"),
    ] {
        let refused = read(|value| change(&mut value["images"][0]));
        assert!(matches!(refused, Err(LadingError::Json(_))));
    }
    for text in ["", "[]", "{}", r#"{"gapferry":"lading v1","gapferry":"lading v1"}"#] {
        assert!(matches!(Lading::parse(text.as_bytes()), Err(LadingError::Json(_))), "{text}");
    }
}

#[test]
fn a_transfer_record_is_passed_over_and_nothing_else() {
    let recorded = read(|value| value["record"] = json!({"ticket": "T-1", "by": ["a", "b"]}));
    assert_eq!(recorded.unwrap().images, lading().images);
    assert!(matches!(read(|value| value["record"] = json!("T-1")), Err(LadingError::Json(_))));
    assert!(matches!(read(|value| value["other"] = json!({})), Err(LadingError::Json(_))));
}
