use super::*;
use crate::trust::{Scheme, SecretKey, Signer as _};

fn key(scheme: Scheme) -> DatedKey {
    let key = SecretKey::generate(scheme).unwrap().public().clone();
    DatedKey { key, not_after: None }
}

fn listed(keys: Vec<DatedKey>) -> BTreeMap<KeyId, DatedKey> {
    keys.into_iter().map(|key| (key.key.key_id(), key)).collect()
}

/// A key on an authenticator, as a line of OpenSSH's has it.
fn authenticator(options: &[&str]) -> DatedKey {
    let point = SecretKey::generate(Scheme::Ed25519).unwrap().public().raw()[12..].to_vec();
    let mut blob = Vec::new();
    for part in [b"sk-ssh-ed25519@openssh.com", &point[..], b"ssh:"] {
        blob.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
        blob.extend(part);
    }
    let key = PublicKey::from_raw(Scheme::OpenSsh, &blob, options).unwrap();
    DatedKey { key, not_after: None }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn document() -> Document {
    let ends = DatedKey { not_after: Some(time("2027-01-01T00:00:00Z")), ..key(Scheme::EcdsaP384) };
    let keys = listed(vec![
        key(Scheme::Ed25519),
        ends,
        authenticator(&["no-touch-required", "verify-required"]),
    ]);
    let stream = Stream { epoch: 1, threshold: 2, keys: keys.keys().copied().collect() };
    let one = keys.keys().take(1).copied().collect();
    let lab = Stream { epoch: 7, threshold: 1, keys: one };
    Document {
        name: "acme".parse().unwrap(),
        number: 2,
        previous: Some(Digest::of(b"1")),
        created: time("2026-11-20T10:00:00Z"),
        root_threshold: 2,
        roots: listed(vec![key(Scheme::Ed25519), key(Scheme::EcdsaP384), authenticator(&[])]),
        keys,
        streams: [("prod".parse().unwrap(), stream), ("lab".parse().unwrap(), lab)].into(),
    }
}

fn text() -> String {
    String::from_utf8(document().to_bytes()).unwrap()
}

fn parse(text: &str) -> Result<Document, DocumentError> {
    Document::parse(text.as_bytes())
}

#[test]
fn is_read_as_it_was_written() {
    let full = document();
    assert_eq!(Document::parse(&full.to_bytes()), Ok(full.clone()));
    let first = Document { number: 1, previous: None, ..full.clone() };
    assert_eq!(Document::parse(&first.to_bytes()), Ok(first));
    let bare = Document { keys: [].into(), streams: [].into(), ..full };
    assert_eq!(Document::parse(&bare.to_bytes()), Ok(bare));
}

#[test]
fn has_one_spelling() {
    let text = text();
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
    let plain = |line: &&str| line.starts_with("root: ") && line.contains(" ed25519 ");
    let root = text.lines().find(plain).unwrap();
    let stream = line("stream: lab");
    let swapped = |start: &str| {
        let of: Vec<&str> = text.lines().filter(|line| line.starts_with(start)).collect();
        text.replace(&format!("{}\n{}", of[0], of[1]), &format!("{}\n{}", of[1], of[0]))
    };
    let options = "no-touch-required verify-required";
    for bad in [
        text.replace('\n', "\r\n"),
        format!("\u{feff}{text}"),
        format!("{text}\n"),
        format!("{text}extra: 1\n"),
        text.trim_end().to_owned(),
        text.to_uppercase(),
        text.replace(" v1", " v2"),
        text.replace("gapferry trust v1", "gapferry bundle seal v1"),
        text.replace("name: acme\n", ""),
        text.replace("name: acme", "name: a/b"),
        text.replace("number: 2", "number: 02"),
        text.replace("number: 2", "number: 0"),
        text.replace("number: 2", "number: 1000000"),
        text.replace("number: 2", "number: 2\nnumber: 2"),
        text.replace("sha256:", "sha512:"),
        text.replace("created: 2026-11-20", "created: 2026-02-30"),
        text.replace("root-threshold: 2", "root-threshold: +2"),
        text.replace(root, &format!("{root}\n{root}")),
        text.replace(root, &format!("{root} ")),
        text.replace(root, &format!("{root} no-touch-required")),
        text.replace(root, &format!("{root} not-after=never")),
        text.replace(" not-after=", " valid-before="),
        text.replace(options, "verify-required no-touch-required"),
        text.replace(options, "no-touch-required no-touch-required verify-required"),
        text.replace(&stream, &format!("{stream}\n{stream}")),
        text.replace("epoch=7", "epoch=0"),
        text.replace("epoch=7", "epoch=07"),
        text.replace("epoch=7 threshold=1", "threshold=1 epoch=7"),
        text.replace("epoch=7", " epoch=7"),
        swapped("root: "),
        swapped("key: "),
        swapped("stream: "),
        String::new(),
    ] {
        assert!(bad != text && parse(&bad).is_err(), "{bad}");
    }
    let long = format!("{text}{}", "x".repeat(64 * 1024));
    assert_eq!(parse(&long), Err(DocumentError::TooLarge));
    let field = DocumentError::Line { line: 3, field: "number" };
    assert_eq!(parse(&text.replace("number: 2", "number: x")), Err(field));
}

#[test]
fn a_key_has_its_own_id() {
    let (text, other) = (text(), key(Scheme::Ed25519));
    let id = document().keys.keys().next().copied();
    let own = text.lines().find(|line| line.starts_with("root: ")).unwrap();
    let id_of = own.split(' ').nth(1).unwrap();
    let bad = text.replace(id_of, &other.key.key_id().to_string());
    assert_eq!(parse(&bad), Err(DocumentError::KeyId { line: 7 }));
    assert!(id.is_some());
    // A key under the name of another scheme, and one that proves nothing.
    assert!(parse(&text.replacen(" ed25519 ", " ecdsa-p384 ", 1)).is_err());
    let mut weak = key(Scheme::Ed25519).key.raw().to_vec();
    weak[12..].fill(0);
    weak[12] = 1;
    assert_eq!(PublicKey::from_raw(Scheme::Ed25519, &weak, &[]), Err(TrustError::WeakKey));
}

#[test]
fn thresholds_can_be_met_by_distinct_keys() {
    let good = document();
    for root_threshold in [0, 4] {
        let bad = Document { root_threshold, ..good.clone() };
        let error = TrustError::InvalidThreshold { threshold: root_threshold, keys: 3 };
        assert_eq!(Document::parse(&bad.to_bytes()), Err(DocumentError::Roots(error)));
    }
    let mut bad = good.clone();
    let lab: Name = "lab".parse().unwrap();
    bad.streams.get_mut(&lab).unwrap().threshold = 2;
    let error = TrustError::InvalidThreshold { threshold: 2, keys: 1 };
    let expected = DocumentError::Stream { stream: lab.clone(), error };
    assert_eq!(Document::parse(&bad.to_bytes()), Err(expected));
    let mut bad = good.clone();
    let stranger = key(Scheme::Ed25519).key.key_id();
    bad.streams.get_mut(&lab).unwrap().keys.insert(stranger);
    let expected = DocumentError::UnknownKey { stream: lab, key_id: stranger };
    assert_eq!(Document::parse(&bad.to_bytes()), Err(expected));
    // The same key as PEM and as OpenSSH's is one key.
    let pem = key(Scheme::Ed25519);
    let blob = [&b"\0\0\0\x0bssh-ed25519\0\0\0\x20"[..], &pem.key.raw()[12..]].concat();
    let ssh = PublicKey::from_raw(Scheme::OpenSsh, &blob, &[]).unwrap();
    let twins = listed(vec![pem, DatedKey { key: ssh, not_after: None }]);
    let bad = Document { roots: twins, ..good };
    let error = TrustError::InvalidThreshold { threshold: 2, keys: 1 };
    assert_eq!(Document::parse(&bad.to_bytes()), Err(DocumentError::Roots(error)));
}

#[test]
fn only_the_first_has_none_before() {
    let good = document();
    let first = Document { number: 1, ..good.clone() };
    assert_eq!(Document::parse(&first.to_bytes()), Err(DocumentError::Previous { number: 1 }));
    let later = Document { previous: None, ..good };
    assert_eq!(Document::parse(&later.to_bytes()), Err(DocumentError::Previous { number: 2 }));
}

#[test]
fn keys_count_until_their_end() {
    let document = document();
    let prod = &document.streams[&"prod".parse().unwrap()];
    let count = |now| document.stream_keyring(prod, time(now)).unwrap().keys().count();
    assert_eq!(count("2026-12-31T23:59:59Z"), 3);
    assert_eq!(count("2027-01-01T00:00:00Z"), 2);
    let mut gone = document.clone();
    gone.keys.values_mut().for_each(|key| key.not_after = Some(time("2027-01-01T00:00:00Z")));
    let none = |threshold| TrustError::InvalidThreshold { threshold, keys: 0 };
    let now = time("2027-01-01T00:00:00Z");
    assert_eq!(gone.stream_keyring(prod, now).unwrap_err(), none(2));
    assert_eq!(gone.sealers(now).unwrap_err(), none(1));
}

#[test]
fn options_are_for_authenticators() {
    let blob = key(Scheme::Ed25519).key.raw().to_vec();
    assert!(PublicKey::from_raw(Scheme::Ed25519, &blob, &["no-touch-required"]).is_err());
    let demanding = authenticator(&["verify-required"]).key;
    assert_eq!(demanding.options(), ["verify-required"]);
    let raw = demanding.raw();
    assert!(PublicKey::from_raw(Scheme::OpenSsh, raw, &["cert-authority"]).is_err());
    assert!(PublicKey::from_raw(Scheme::OpenSsh, &raw[1..], &[]).is_err());
}
