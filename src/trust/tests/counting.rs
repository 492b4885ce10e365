//! Keys are counted: neither signatures, nor ids, nor files.

use super::*;

/// The same Ed25519 key, as PKCS#8 and as OpenSSH's.
fn twins() -> (SecretKey, SecretKey) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("id");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
        .arg(&path)
        .status();
    assert!(made.expect("ssh-keygen is installed").success());
    let ssh = SecretKey::from_pem(&std::fs::read_to_string(&path).unwrap(), None).unwrap();
    let pem = SecretKey::from_pem(&ssh.to_pem(None).unwrap(), None).unwrap();
    (pem, ssh)
}

#[test]
fn one_key_in_two_files_counts_once() {
    let (pem, ssh) = twins();
    let other = SecretKey::generate(Scheme::EcdsaP384).unwrap();
    assert_eq!((pem.public().scheme(), ssh.public().scheme()), (Scheme::Ed25519, Scheme::OpenSsh));
    assert_ne!(pem.public().key_id(), ssh.public().key_id());
    assert!(pem.public().is_same_key(ssh.public()));
    assert!(!pem.public().is_same_key(other.public()));
    let both = vec![pem.public().clone(), ssh.public().clone()];
    let refused = Keyring::new(both.clone(), 2).unwrap_err();
    assert_eq!(refused, TrustError::InvalidThreshold { threshold: 2, keys: 1 });
    assert_eq!(Keyring::of_all(both.clone()).unwrap().threshold(), 1);

    let keyring = Keyring::new([both, vec![other.public().clone()]].concat(), 2).unwrap();
    let [a, b, c] = [&pem, &ssh, &other].map(|key| signature(key, MESSAGE));
    let short = TrustError::Threshold { needed: 2, valid: 1, unknown: 0 };
    let refused = keyring.verify(Purpose::Seal, MESSAGE.to_vec(), &[a.clone(), b.clone()]);
    assert_eq!(refused.unwrap_err(), short);
    let verified = keyring.verify(Purpose::Seal, MESSAGE.to_vec(), &[a, b, c]).unwrap();
    assert_eq!(verified.get().signers.len(), 2);
}

#[test]
fn the_scheme_is_the_verifiers_word() {
    let (pem, ssh) = twins();
    // The good signature of a scheme, under the other one's id.
    for (key, other) in [(&pem, &ssh), (&ssh, &pem)] {
        let key_id = key.public().key_id();
        let keyring = Keyring::new(vec![key.public().clone()], 1).unwrap();
        let bytes = other.sign(Purpose::Seal, MESSAGE).unwrap();
        let refused =
            keyring.verify(Purpose::Seal, MESSAGE.to_vec(), &[Signature { key_id, bytes }]);
        match key.public().scheme() {
            Scheme::Ed25519 => {
                assert_eq!(refused.unwrap_err(), TrustError::BadSignature { key_id });
            }
            _ => {
                let what = "it is not text";
                assert_eq!(refused.unwrap_err(), TrustError::MalformedSignature { key_id, what });
            }
        }
    }
}

#[test]
fn one_key_has_one_record() {
    let (_, ssh) = twins();
    let line = ssh.public().to_text();
    let records = KeyRecord::parse(&format!("{line}{line}")).unwrap();
    let keys: Vec<PublicKey> = records.into_iter().map(|record| record.key).collect();
    assert_eq!(Keyring::new(keys, 1).unwrap().keys().count(), 1);
    let records = KeyRecord::parse(&format!("{line}no-touch-required {line}")).unwrap();
    let keys: Vec<PublicKey> = records.into_iter().map(|record| record.key).collect();
    let key_id = ssh.public().key_id();
    assert_eq!(Keyring::new(keys, 1).unwrap_err(), TrustError::TwoRecords { key_id });
}

#[test]
fn two_of_three_keys_of_three_schemes() {
    let (_, ssh) = twins();
    let keys = [secret(), SecretKey::generate(Scheme::EcdsaP384).unwrap(), ssh];
    let public = keys.each_ref().map(|key| key.public().clone()).to_vec();
    let keyring = Keyring::new(public, 2).unwrap();
    let signatures = keys.each_ref().map(|key| signature(key, MESSAGE));
    for out in 0..3 {
        let mut two = signatures.to_vec();
        let missing = two.remove(out);
        let verified = keyring.verify(Purpose::Seal, MESSAGE.to_vec(), &two).unwrap();
        assert_eq!(verified.get().signers.len(), 2);
        let one = keyring.verify(Purpose::Seal, MESSAGE.to_vec(), &[missing]).unwrap_err();
        assert_eq!(one, TrustError::Threshold { needed: 2, valid: 1, unknown: 0 });
    }
}
