//! Keys and signatures.

use std::sync::OnceLock;

use gapferry::trust::{KeyRecord, PublicKey, Purpose, Scheme, SecretKey, Signer as _};

pub fn private(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = SecretKey::from_pem(text, None);
    let _ = SecretKey::from_pem(text, Some(b"passphrase"));
}

pub fn public(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for record in KeyRecord::parse(text).unwrap_or_default() {
        let again = KeyRecord::parse(&record.key.to_text()).expect("what we write is what we take");
        assert_eq!(again[0].key.key_id(), record.key.key_id());
    }
}

/// Public to all: they sign nothing but this message.
const KEYS: [&str; 3] =
    [include_str!("../keys/ed25519"), include_str!("../keys/p384"), include_str!("../keys/ssh")];
const MESSAGE: &[u8] = b"gapferry bundle seal v1\n";

/// The bytes as a signature under each kind of key. Under Ed25519 nothing but the right one is
/// taken; ECDSA has many that are right, and an SSH signature may be armored in several ways.
pub fn signature(data: &[u8]) {
    static OWN: OnceLock<Vec<(PublicKey, Vec<u8>)>> = OnceLock::new();
    let own = OWN.get_or_init(|| KEYS.iter().map(|text| signed(text)).collect());
    for (key, right) in own {
        let taken = key.verify(Purpose::Seal, MESSAGE, data).is_ok();
        assert!(!taken || data == right || key.scheme() != Scheme::Ed25519, "a forgery is taken");
    }
}

fn signed(text: &str) -> (PublicKey, Vec<u8>) {
    let key = SecretKey::from_pem(text, None).expect("a key");
    let signature = key.sign(Purpose::Seal, MESSAGE).expect("a signature");
    (key.public().clone(), signature)
}
