use super::*;
use crate::trust::{Scheme, SecretKey};

fn receipt() -> Receipt {
    let digest = Digest::of(b"x");
    let image = |outcome, name: &str| ImageLine {
        outcome,
        digest,
        name: name.parse().unwrap(),
        target: format!("registry.site/{name}").parse().unwrap(),
    };
    Receipt {
        tool: "gapferry 0.1.0".to_owned(),
        host: "site-1".to_owned(),
        operator: "Ann \u{1b}é\"\\".to_owned(),
        second_person: Some("none".to_owned()),
        started: "2026-11-20T10:00:00Z".parse().unwrap(),
        finished: "2026-11-20T10:01:00Z".parse().unwrap(),
        seal: digest,
        stream: "prod".parse().unwrap(),
        epoch: 1,
        sequence: 42,
        created: "2026-11-19T10:00:00Z".parse().unwrap(),
        signers: vec!["ab".repeat(32).parse().unwrap(), "cd".repeat(32).parse().unwrap()],
        threshold: 2,
        trust: 3,
        target: Place::new(b"docker://registry.site"),
        previous: Some((1, 41, digest)),
        overrides: vec![Override::KeepGoing, Override::Restore],
        reason: Some("a\ndrill".to_owned()),
        checks: [Check::Passed; 11],
        images: vec![image(Became::New, "a:1"), image(Became::Refused, "b:1")],
        blobs: 7,
        bytes: 70,
        log: Some(Checkpoint { origin: "gapferry.log/x".to_owned(), size: 9, root: digest }),
    }
}

#[test]
fn is_read_as_it_was_written() {
    let plain = Receipt {
        second_person: None,
        previous: None,
        overrides: Vec::new(),
        reason: None,
        images: Vec::new(),
        log: None,
        ..receipt()
    };
    for receipt in [receipt(), plain] {
        let bytes = receipt.to_bytes();
        assert!(bytes.iter().all(|byte| *byte == b'\n' || (b' '..=b'~').contains(byte)));
        assert_eq!(Receipt::parse(&bytes).unwrap(), receipt);
    }
    assert!(!receipt().is_whole());
}

#[test]
fn no_other_spelling_is_taken() {
    let text = String::from_utf8(receipt().to_bytes()).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for at in 0..lines.len() {
        let without = [&lines[..at], &lines[at + 1..]].concat().concat();
        let optional = ["signer", "override", "image"].iter().any(|it| lines[at].starts_with(it));
        assert_eq!(Receipt::parse(without.as_bytes()).is_ok(), optional, "without {}", lines[at]);
        let twice = [&lines[..at], &[lines[at]], &lines[at..]].concat().concat();
        assert_eq!(Receipt::parse(twice.as_bytes()).is_ok(), optional, "twice {}", lines[at]);
    }
    for (from, to) in [
        ("receipt v1", "receipt v2"),
        ("epoch: 1", "epoch: 01"),
        ("epoch: 1", "epoch: +1"),
        ("epoch: 1", "epoch:  1"),
        ("check: 3 passed", "check: 3 failed"),
        ("check: 3", "check: 4"),
        ("\\u00e9", "\\u00E9"),
        ("\\u00e9", "é"),
        ("blobs: 7\n", "blobs: 7\r\n"),
        (" 9 sha256:", " 09 sha256:"),
    ] {
        assert!(text.contains(from), "{from}");
        let changed = text.replace(from, to);
        assert!(matches!(Receipt::parse(changed.as_bytes()), Err(ReceiptError::Malformed(_))));
    }
    let more = format!("{text}\n");
    assert!(matches!(Receipt::parse(more.as_bytes()), Err(ReceiptError::Malformed(_))));
}

#[test]
fn is_signed_for_its_purpose_alone() {
    let dir = tempfile::tempdir().unwrap();
    let keys: Vec<SecretKey> =
        [Scheme::Ed25519, Scheme::EcdsaP384].map(|it| SecretKey::generate(it).unwrap()).into();
    let ring = Keyring::of_all(keys.iter().map(|key| key.public().clone()).collect()).unwrap();
    let signers: Vec<Box<dyn Signer>> =
        keys.into_iter().map(|key| Box::new(key) as Box<dyn Signer>).collect();
    let place = free(dir.path()).unwrap();
    assert!(place.ends_with("receipt-000001"));
    let written = write(&receipt(), &place, &signers).unwrap();
    assert!(is_receipt(&place) && !is_receipt(&written[0]));
    assert_eq!(verify(&place, &ring).unwrap().0, receipt());
    assert!(free(dir.path()).unwrap().ends_with("receipt-000002"));
    assert!(matches!(free(&place), Err(ReceiptError::Exists(_))));
    let text = std::fs::read(&place).unwrap();
    std::fs::write(&place, [text.as_slice(), b"\n"].concat()).unwrap();
    let refused = verify(&place, &ring);
    assert!(matches!(refused, Err(ReceiptError::Trust(TrustError::BadSignature { .. }))));
    std::fs::write(&place, text).unwrap();
    std::fs::remove_file(&written[1]).unwrap();
    let refused = verify(&place, &ring);
    assert!(matches!(refused, Err(ReceiptError::Trust(TrustError::Threshold { .. }))));
}
