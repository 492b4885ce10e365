//! Signatures that openssl makes, as cosign would put them, and every way in which one is refused.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::*;
use crate::oci::{Descriptor, MediaType, OCI_CONFIG, OCI_MANIFEST};

pub(crate) const P256: &str = "EC -pkeyopt ec_paramgen_curve:P-256";
pub(crate) const ED25519: &str = "ED25519";

/// A key pair of openssl's.
pub(crate) struct Pair {
    directory: tempfile::TempDir,
    pem: String,
}

impl Pair {
    /// `algorithm` as `openssl genpkey -algorithm` takes it.
    pub(crate) fn new(algorithm: &str) -> Pair {
        let mut pair = Pair { directory: tempfile::tempdir().unwrap(), pem: String::new() };
        pair.openssl(&format!("genpkey -out key -algorithm {algorithm}"));
        pair.openssl("pkey -in key -pubout -out public");
        pair.pem = pair.read("public");
        pair
    }

    fn openssl(&self, line: &str) {
        let mut openssl = Command::new("openssl");
        openssl.args(line.split(' ')).current_dir(self.directory.path());
        let output = openssl.output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    pub(crate) fn key(&self) -> Key {
        Key::from_pem(&self.pem).unwrap()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        std::fs::write(self.path("message"), message).unwrap();
        self.openssl("pkeyutl -sign -inkey key -rawin -in message -out signature");
        std::fs::read(self.path("signature")).unwrap()
    }
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// The payload that cosign signs for an image.
pub(crate) fn payload(digest: &Digest) -> Vec<u8> {
    let critical = json!({
        "identity": {"docker-reference": "registry.example/app"},
        "image": {"docker-manifest-digest": digest},
        "type": TYPE,
    });
    json!({"critical": critical, "optional": null}).to_string().into_bytes()
}

/// A bundle with a statement about an image.
pub(crate) fn statement(pair: &Pair, digest: &Digest, predicate: &str) -> Value {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": digest.hex()}, "name": "app"}],
        "predicateType": predicate,
        "predicate": {},
    });
    enveloped(pair, &statement.to_string())
}

fn enveloped(pair: &Pair, statement: &str) -> Value {
    let kind = "application/vnd.in-toto+json";
    // Written down by hand once more: what is signed must not depend on the code that reads it.
    let signed = format!("DSSEv1 28 {kind} {} {statement}", statement.len());
    json!({
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": "x"}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64(statement.as_bytes()), "payloadType": kind,
            "signatures": [{"sig": base64(&pair.sign(signed.as_bytes())), "keyid": ""}],
        },
    })
}

/// A bundle with a signature over an image's manifest.
pub(crate) fn message(pair: &Pair, manifest: &[u8]) -> Value {
    let digest = crate::oci::unhex::<32>(&Digest::of(manifest).hex()).unwrap();
    json!({
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": "x"}},
        "messageSignature": {
            "messageDigest": {"algorithm": "SHA2_256", "digest": base64(&digest)},
            "signature": base64(&pair.sign(manifest)),
        },
    })
}

fn image(text: &str) -> Manifest {
    let config = Descriptor::of(MediaType::new(OCI_CONFIG).unwrap(), text.as_bytes());
    let raw = json!({"schemaVersion": 2, "config": config, "layers": []}).to_string().into_bytes();
    Manifest::parse(Descriptor::of(MediaType::new(OCI_MANIFEST).unwrap(), &raw), raw).unwrap()
}

fn signers(claimed: Result<Claimed, Flaw>, keys: &[&Pair]) -> Result<Vec<usize>, Flaw> {
    let keys: Vec<Key> = keys.iter().map(|pair| pair.key()).collect();
    claimed?.signers(keys.iter())
}

fn bundle(value: &Value, image: &Manifest, keys: &[&Pair]) -> Result<Vec<usize>, Flaw> {
    signers(Claimed::bundle(value.to_string().as_bytes(), image), keys)
}

#[test]
fn a_payload_counts_for_the_key_that_signed_it() {
    let digest = Digest::of(b"an image");
    for algorithm in [P256, ED25519] {
        let (signer, other) = (Pair::new(algorithm), Pair::new(algorithm));
        let good = payload(&digest);
        let text = base64(&signer.sign(&good));
        let read = |bytes: &[u8]| Claimed::payload(bytes.to_vec(), &text, &digest);
        assert_eq!(signers(read(&good), &[&signer]), Ok(vec![0]));
        assert_eq!(signers(read(&good), &[&other, &signer]), Ok(vec![1]));
        assert_eq!(signers(read(&good), &[&other]), Err(Flaw::OtherKey));
        // The same meaning in other bytes is not what was signed.
        let forged = [&good[..], b" "].concat();
        assert_eq!(signers(read(&forged), &[&signer]), Err(Flaw::OtherKey));
    }
}

/// Signatures of P-256 are as random as the day: r and s of any length.
#[test]
fn many_signatures_of_one_payload_count() {
    let (pair, digest) = (Pair::new(P256), Digest::of(b"an image"));
    let good = payload(&digest);
    for _ in 0..20 {
        let text = base64(&pair.sign(&good));
        let claimed = Claimed::payload(good.clone(), &text, &digest);
        assert_eq!(signers(claimed, &[&pair]), Ok(vec![0]));
    }
}

#[test]
fn a_payload_is_for_one_image_and_has_one_reading() {
    let (pair, digest) = (Pair::new(P256), Digest::of(b"an image"));
    let signed = |text: &str| {
        let signature = base64(&pair.sign(text.as_bytes()));
        signers(Claimed::payload(text.as_bytes().to_vec(), &signature, &digest), &[&pair])
    };
    let good = String::from_utf8(payload(&digest)).unwrap();
    assert_eq!(signed(&good), Ok(vec![0]));
    let other = Digest::of(b"another image");
    let text = good.replace(&digest.to_string(), &other.to_string());
    assert_eq!(signed(&text), Err(Flaw::OtherImage(other.to_string())));
    let text = good.replace(&digest.to_string(), &digest.hex());
    assert_eq!(signed(&text), Err(Flaw::OtherImage(digest.hex())));
    let text = good.replace(TYPE, "atomic container signature");
    assert_eq!(signed(&text), Err(Flaw::Kind("atomic container signature".to_owned())));
    let twice = format!("\"docker-manifest-digest\":\"{other}\",\"docker-manifest-digest\"");
    for text in [
        good.replace("\"docker-manifest-digest\"", &twice),
        good.replace("\"critical\"", "\"Critical\""),
        good.replace("docker-manifest-digest", "Docker-manifest-digest"),
        format!("{good}{{}}"),
        "[]".to_owned(),
        String::new(),
        "[".repeat(100_000),
    ] {
        assert!(matches!(signed(&text), Err(Flaw::Json(_))), "{}", &text[..text.len().min(300)]);
    }
}

#[test]
fn a_malformed_signature_is_told_from_a_forged_one() {
    let digest = Digest::of(b"an image");
    let good = payload(&digest);
    for algorithm in [P256, ED25519] {
        let pair = Pair::new(algorithm);
        let signature = pair.sign(&good);
        let read = |text: &str| signers(Claimed::payload(good.clone(), text, &digest), &[&pair]);
        for text in
            ["", "AA==", &base64(&signature[1..]), &base64(&[&signature[..], b"x"].concat())]
        {
            assert_eq!(read(text), Err(Flaw::Malformed), "{text}");
        }
        let text = base64(&signature);
        for text in [format!("{text}\n"), format!("{text}="), format!(" {text}"), "AA".to_owned()] {
            assert_eq!(read(&text), Err(Flaw::Base64), "{text}");
        }
        let mut forged = signature.clone();
        *forged.last_mut().unwrap() ^= 1;
        // In Ed25519 the last bit belongs to S, which must be small.
        assert!(read(&base64(&forged)).is_err());
    }
}

/// BER would take a length in two bytes, and zeros before a number; DER has one form.
#[test]
fn a_second_form_of_der_is_malformed() {
    let (pair, digest) = (Pair::new(P256), Digest::of(b"an image"));
    let good = payload(&digest);
    let signature = pair.sign(&good);
    let [_, length, _, r, ..] = signature[..] else { panic!("not DER") };
    let (r, s) = signature[4..].split_at(r.into());
    let long = [&[0x30, 0x81, length], &signature[2..]].concat();
    let zero_r = [&[0x30, length + 1, 2, r.len() as u8 + 1, 0], r, s].concat();
    let zero_s = [&[0x30, length + 1, 2, r.len() as u8], r, &[2, s[1] + 1, 0], &s[2..]].concat();
    for second in [long, zero_r, zero_s] {
        let claimed = Claimed::payload(good.clone(), &base64(&second), &digest);
        assert_eq!(signers(claimed, &[&pair]), Err(Flaw::Malformed), "{second:x?}");
    }
}

#[test]
fn a_bundle_counts_for_the_key_that_signed_it() {
    let (this, that) = (image("this"), image("that"));
    let digest = this.descriptor().digest;
    for algorithm in [P256, ED25519] {
        let (pair, other) = (Pair::new(algorithm), Pair::new(algorithm));
        for good in [message(&pair, this.raw()), statement(&pair, &digest, SIGNED)] {
            assert_eq!(bundle(&good, &this, &[&other, &pair]), Ok(vec![1]));
            assert_eq!(bundle(&good, &this, &[&other]), Err(Flaw::OtherKey));
            assert!(matches!(bundle(&good, &that, &[&pair]), Err(Flaw::OtherImage(_))), "{good}");
        }
        // Without the digest the signature itself must tell.
        let mut bare = message(&pair, this.raw());
        bare["messageSignature"].as_object_mut().unwrap().remove("messageDigest");
        assert_eq!(bundle(&bare, &this, &[&pair]), Ok(vec![0]));
        assert_eq!(bundle(&bare, &that, &[&pair]), Err(Flaw::OtherKey));
    }
}

#[test]
fn an_attestation_is_no_signature() {
    let (pair, image) = (Pair::new(P256), image("this"));
    let digest = image.descriptor().digest;
    let kind = "https://cosign.sigstore.dev/attestation/vuln/v1";
    let refused = bundle(&statement(&pair, &digest, kind), &image, &[&pair]);
    assert_eq!(refused, Err(Flaw::Kind(kind.to_owned())));
}

#[test]
fn a_bundle_has_one_reading() {
    let (pair, image) = (Pair::new(P256), image("this"));
    let digest = image.descriptor().digest;
    let (message, statement) = (message(&pair, image.raw()), statement(&pair, &digest, SIGNED));
    let changed = |from: &Value, path: &str, value: Value| {
        let mut changed = from.clone();
        *changed.pointer_mut(path).unwrap() = value;
        bundle(&changed, &image, &[&pair])
    };
    let other = "application/vnd.dev.sigstore.bundle+json;version=0.2";
    assert_eq!(changed(&message, "/mediaType", json!(other)), Err(Flaw::Kind(other.to_owned())));
    let path = "/messageSignature/messageDigest/algorithm";
    assert_eq!(changed(&message, path, json!("MD5")), Err(Flaw::Kind("MD5".to_owned())));
    assert_eq!(changed(&message, "/messageSignature/signature", json!("%")), Err(Flaw::Base64));
    let path = "/dsseEnvelope/payloadType";
    assert_eq!(changed(&statement, path, json!("a/b")), Err(Flaw::Kind("a/b".to_owned())));
    assert_eq!(changed(&statement, "/dsseEnvelope/payload", json!("_-8=")), Err(Flaw::Base64));
    assert_eq!(changed(&statement, "/dsseEnvelope/signatures", json!([])), Err(Flaw::Nothing));
    let many = vec![json!({"sig": "AA=="}); 17];
    let many = changed(&statement, "/dsseEnvelope/signatures", json!(many));
    assert!(matches!(many, Err(Flaw::Kind(_))), "{many:?}");
    let mut both = message.clone();
    both["dsseEnvelope"] = statement["dsseEnvelope"].clone();
    assert!(matches!(bundle(&both, &image, &[&pair]), Err(Flaw::Kind(_))));
    let neither = json!({"mediaType": BUNDLE});
    assert!(matches!(bundle(&neither, &image, &[&pair]), Err(Flaw::Kind(_))));
    let twice = format!("{{\"mediaType\":\"{BUNDLE}\",{}", &message.to_string()[1..]);
    assert!(matches!(Claimed::bundle(twice.as_bytes(), &image), Err(Flaw::Json(_))));
}

#[test]
fn a_statement_has_one_reading() {
    let (pair, image) = (Pair::new(P256), image("this"));
    let hex = image.descriptor().digest.hex();
    let kind = "https://in-toto.io/Statement/v1";
    let rest = format!("\"predicateType\":\"{SIGNED}\"");
    let of = |kind: &str, subject: &str, rest: &str| {
        let text = format!("{{\"_type\":\"{kind}\",\"subject\":[{subject}],{rest}}}");
        bundle(&enveloped(&pair, &text), &image, &[&pair])
    };
    let subject = format!("{{\"digest\":{{\"sha256\":\"{hex}\"}}}}");
    assert_eq!(of(kind, &subject, &rest), Ok(vec![0]));
    assert_eq!(of("x", &subject, &rest), Err(Flaw::Kind("x".to_owned())));
    assert_eq!(of(kind, "", &rest), Err(Flaw::OtherImage(String::new())));
    let sha512 = format!("{{\"digest\":{{\"sha512\":\"{hex}{hex}\"}}}}");
    assert_eq!(of(kind, &sha512, &rest), Err(Flaw::OtherImage(String::new())));
    let twice = format!("{rest},{rest}");
    assert!(matches!(of(kind, &subject, &twice), Err(Flaw::Json(_))));
}

#[test]
fn only_sound_public_keys_are_keys() {
    let rsa = Pair::new("RSA -pkeyopt rsa_keygen_bits:2048");
    let rsa = Key::from_pem(rsa.pem());
    assert_eq!(rsa, Err(KeyError::Unsupported("1.2.840.113549.1.1.1".to_owned())));
    let p384 = Pair::new("EC -pkeyopt ec_paramgen_curve:P-384");
    let p384 = Key::from_pem(p384.pem());
    assert_eq!(p384, Err(KeyError::Unsupported("1.3.132.0.34".to_owned())));
    let spelt_out = Pair::new(&format!("{P256} -pkeyopt ec_param_enc:explicit"));
    let spelt_out = Key::from_pem(spelt_out.pem());
    assert_eq!(spelt_out, Err(KeyError::Unsupported("an unnamed curve".to_owned())));
    let pair = Pair::new(P256);
    assert_eq!(Key::from_pem(&pair.read("key")), Err(KeyError::Malformed));
    pair.openssl("ec -in key -pubout -conv_form compressed -out short");
    assert_eq!(Key::from_pem(&pair.read("short")), Err(KeyError::Malformed));
    for text in
        ["", "hello", &pair.pem()[..100], "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"]
    {
        assert_eq!(Key::from_pem(text), Err(KeyError::Malformed), "{text}");
    }
    // The neutral element: it verifies anything for anybody.
    let zero = [&crate::oci::unhex::<12>("302a300506032b6570032100").unwrap()[..], &[1], &[0; 31]];
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        base64(&zero.concat())
    );
    assert_eq!(Key::from_pem(&pem), Err(KeyError::Weak));
}
