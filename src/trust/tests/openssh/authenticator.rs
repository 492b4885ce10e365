//! Signatures by authenticators (FIDO): made here by ordinary keys, as PROTOCOL.u2f says.

use sha2::{Digest as _, Sha256, Sha512};

use super::*;

const ED25519: &str = "sk-ssh-ed25519@openssh.com";
const P256: &str = "sk-ecdsa-sha2-nistp256@openssh.com";

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_be_bytes());
    out.extend_from_slice(bytes);
}

fn strings(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    parts.iter().for_each(|part| put(&mut out, part));
    out
}

/// An authenticator in software.
struct Authenticator {
    name: &'static str,
    seed: [u8; 32],
    application: &'static str,
}

impl Authenticator {
    fn blob(&self) -> Vec<u8> {
        let (name, application) = (self.name.as_bytes(), self.application.as_bytes());
        match self.name {
            ED25519 => {
                let key = ed25519_dalek::SigningKey::from_bytes(&self.seed).verifying_key();
                strings(&[name, key.as_bytes(), application])
            }
            _ => {
                let key = p256::ecdsa::SigningKey::from_slice(&self.seed).unwrap();
                let point = key.verifying_key().to_encoded_point(false);
                strings(&[name, b"nistp256", point.as_bytes(), application])
            }
        }
    }

    fn line(&self) -> String {
        format!("{} {}", self.name, BASE64.encode(self.blob()))
    }

    fn raw(&self, statement: &[u8]) -> Vec<u8> {
        if self.name == ED25519 {
            let key = ed25519_dalek::SigningKey::from_bytes(&self.seed);
            return ed25519_dalek::Signer::sign(&key, statement).to_bytes().to_vec();
        }
        let key = p256::ecdsa::SigningKey::from_slice(&self.seed).unwrap();
        let signature: p256::ecdsa::Signature =
            p256::ecdsa::signature::Signer::sign(&key, statement);
        let (r, s) = signature.split_bytes();
        let positive = |number: &[u8]| {
            let digits: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
            if digits[0] < 0x80 { digits } else { [&[0], &digits[..]].concat() }
        };
        strings(&[&positive(&r), &positive(&s)])
    }

    /// The armored signature over [`MESSAGE`], with something behind the counter.
    fn sign(&self, flags: u8, counter: u32, behind: &[u8]) -> String {
        let digest = Sha512::digest(MESSAGE);
        let mut signed = b"SSHSIG".to_vec();
        signed.extend(strings(&[Purpose::Seal.namespace().as_bytes(), b"", b"sha512", &digest]));
        let application = Sha256::digest(self.application);
        let head = [&application[..], &[flags], &counter.to_be_bytes()].concat();
        let statement = [&head[..], &Sha256::digest(&signed)].concat();
        let mut signature = strings(&[self.name.as_bytes(), &self.raw(&statement)]);
        signature.push(flags);
        signature.extend_from_slice(&counter.to_be_bytes());
        signature.extend_from_slice(behind);
        let mut blob = b"SSHSIG\0\0\0\x01".to_vec();
        let parts =
            [&self.blob(), Purpose::Seal.namespace().as_bytes(), b"", b"sha512", &signature];
        blob.extend(strings(&parts));
        pem("SSH SIGNATURE", &blob)
    }
}

fn authenticators() -> [Authenticator; 2] {
    [ED25519, P256].map(|name| Authenticator { name, seed: [7; 32], application: "ssh:gapferry" })
}

fn key(line: &str) -> PublicKey {
    KeyRecord::parse(line).unwrap()[0].key.clone()
}

#[test]
fn ssh_keygen_takes_what_the_emulation_makes_and_so_do_we() {
    for it in authenticators() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("id.pub"), it.line()).unwrap();
        for (flags, counter) in [(1, 0), (5, 1), (0xff, u32::MAX)] {
            let signature = it.sign(flags, counter, b"");
            std::fs::write(dir.path().join("sig"), &signature).unwrap();
            assert!(keygen_verifies(dir.path(), MESSAGE), "{} {flags}", it.name);
            key(&it.line()).verify(Purpose::Seal, MESSAGE, signature.as_bytes()).unwrap();
        }
    }
}

#[test]
fn a_touch_is_asked_for_unless_the_record_says_otherwise() {
    for it in authenticators() {
        let plain = key(&it.line());
        let free = key(&format!("no-touch-required {}", it.line()));
        let pin = key(&format!("verify-required {}", it.line()));
        let both = key(&format!("no-touch-required,verify-required {}", it.line()));
        assert_eq!(plain.key_id(), free.key_id());
        let key_id = plain.key_id();
        let untouched =
            Err(TrustError::NoTouch { key_id, what: "nobody touched the authenticator" });
        let what = "the authenticator did not ask for a PIN or a finger";
        let unverified = Err(TrustError::NoTouch { key_id, what });
        let refused = |key: &PublicKey, flags| {
            key.verify(Purpose::Seal, MESSAGE, it.sign(flags, 9, b"").as_bytes())
        };
        for (flags, expected) in [
            (0x00, [untouched.clone(), Ok(()), untouched.clone(), unverified.clone()]),
            (0x01, [Ok(()), Ok(()), unverified.clone(), unverified.clone()]),
            (0x04, [untouched.clone(), Ok(()), untouched.clone(), Ok(())]),
            (0x05, [Ok(()), Ok(()), Ok(()), Ok(())]),
            (0xfa, [untouched.clone(), Ok(()), untouched.clone(), unverified]),
        ] {
            let found = [&plain, &free, &pin, &both].map(|key| refused(key, flags));
            assert_eq!(found, expected, "{} {flags:#x}", it.name);
        }
    }
}

#[test]
fn flags_counter_and_application_are_signed() {
    for it in authenticators() {
        let key = key(&it.line());
        let key_id = key.key_id();
        let bad = Err(TrustError::BadSignature { key_id });
        let malformed = |what| Err(TrustError::MalformedSignature { key_id, what });
        let text = it.sign(1, 7, b"");
        let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        let blob = BASE64.decode(body).unwrap();
        let end = blob.len();
        let changed = |at: usize| {
            let mut blob = blob.clone();
            blob[at] ^= 4;
            key.verify(Purpose::Seal, MESSAGE, pem("SSH SIGNATURE", &blob).as_bytes())
        };
        for at in [end - 5, end - 4, end - 1] {
            assert_eq!(changed(at), bad, "{} {at}", it.name);
        }
        let other = Authenticator { application: "ssh:", ..it };
        let elsewhere = replaced_key(&blob, &it.blob(), &other.blob());
        assert_eq!(
            self::key(&other.line()).verify(Purpose::Seal, MESSAGE, elsewhere.as_bytes()),
            { Err(TrustError::BadSignature { key_id: self::key(&other.line()).key_id() }) }
        );
        let behind = it.sign(1, 7, b"\0");
        let inside = "the signature inside is malformed";
        assert_eq!(key.verify(Purpose::Seal, MESSAGE, behind.as_bytes()), malformed(inside));
        assert_eq!(key.verify(Purpose::Seal, b"another", text.as_bytes()), bad);
    }
}

fn replaced_key(blob: &[u8], from: &[u8], to: &[u8]) -> String {
    let start = b"SSHSIG\0\0\0\x01".len();
    let rest = &blob[start + 4 + from.len()..];
    let blob = [&blob[..start], &strings(&[to]), rest].concat();
    pem("SSH SIGNATURE", &blob)
}

#[test]
fn an_authenticators_key_is_not_in_a_file() {
    // As ssh-keygen writes them, with a handle in the place of the private half.
    let it = &authenticators()[0];
    let head = [&b"openssh-key-v1\0"[..], &strings(&[b"none", b"none", b""])].concat();
    let body = [&[0, 0, 0, 1][..], &strings(&[&it.blob(), b"12345678"])].concat();
    let text = pem("OPENSSH PRIVATE KEY", &[head, body].concat());
    let refused = SecretKey::from_pem(&text, None).unwrap_err();
    assert!(refused.to_string().contains("authenticator"), "{refused}");
}
