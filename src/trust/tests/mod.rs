//! Keys and signatures against `openssl`, and every way in which they are refused.

mod command;
mod counting;
mod ecdsa;
mod openssh;
mod wycheproof;

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::*;

const MESSAGE: &[u8] = b"gapferry bundle seal v1\nstream: default\n";
const ED25519_SPKI: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Runs openssl in `dir`; true when it succeeds.
fn openssl(dir: &Path, line: &str) -> bool {
    let done = Command::new("openssl").args(line.split(' ')).current_dir(dir).output();
    done.expect("openssl is installed").status.success()
}

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

fn secret() -> SecretKey {
    SecretKey::generate(Scheme::Ed25519).unwrap()
}

fn signature(key: &SecretKey, message: &[u8]) -> Signature {
    Signature { key_id: key.public().key_id(), bytes: key.sign(Purpose::Seal, message).unwrap() }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).flat_map(std::str::from_utf8).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn public_pem(point: [u8; 32]) -> String {
    pem("PUBLIC KEY", &[&ED25519_SPKI[..], &point].concat())
}

#[test]
fn keys_made_by_openssl_load() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert!(openssl(dir, "genpkey -algorithm ed25519 -out plain"));
    assert!(openssl(dir, "genpkey -algorithm ed25519 -aes256 -pass pass:sesame -out aes"));
    assert!(openssl(dir, "pkcs8 -topk8 -in plain -scrypt -passout pass:sesame -out scrypt"));
    assert!(openssl(dir, "pkey -in plain -pubout -out pub"));
    let plain = SecretKey::from_pem(&read(dir, "plain"), None).unwrap();
    let public = PublicKey::from_pem(&read(dir, "pub")).unwrap();
    assert_eq!(*plain.public(), public);
    assert_eq!(public.to_text(), read(dir, "pub"));
    assert_eq!(*plain.to_pem(None).unwrap(), read(dir, "plain"));
    assert!(SecretKey::from_pem(&read(dir, "aes"), Some(b"sesame")).is_ok());
    let scrypt = SecretKey::from_pem(&read(dir, "scrypt"), Some(b"sesame")).unwrap();
    assert_eq!(*scrypt.public(), public);
    // A passphrase that is not needed does no harm.
    assert!(SecretKey::from_pem(&read(dir, "plain"), Some(b"sesame")).is_ok());
}

#[test]
fn openssl_reads_the_keys_that_we_write() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let key = secret();
    std::fs::write(dir.join("plain"), key.to_pem(None).unwrap().as_bytes()).unwrap();
    std::fs::write(dir.join("closed"), key.to_pem(Some(b"sesame")).unwrap().as_bytes()).unwrap();
    assert!(openssl(dir, "pkey -in plain -pubout -out pub1"));
    assert!(openssl(dir, "pkey -in closed -passin pass:sesame -pubout -out pub2"));
    assert!(!openssl(dir, "pkey -in closed -passin pass:other -noout"));
    assert_eq!(read(dir, "pub1"), key.public().to_text());
    assert_eq!(read(dir, "pub2"), key.public().to_text());
    let again = SecretKey::from_pem(&read(dir, "closed"), Some(b"sesame")).unwrap();
    assert_eq!(again.public(), key.public());
}

#[test]
fn openssl_and_we_take_each_others_signatures_and_refuse_a_flipped_bit() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let key = secret();
    let verify = "pkeyutl -verify -pubin -inkey pub -rawin -in msg -sigfile sig";
    std::fs::write(dir.join("msg"), MESSAGE).unwrap();
    std::fs::write(dir.join("key"), key.to_pem(None).unwrap().as_bytes()).unwrap();
    std::fs::write(dir.join("pub"), key.public().to_text()).unwrap();
    let ours = key.sign(Purpose::Seal, MESSAGE).unwrap();
    assert_eq!(ours.len(), 64);
    std::fs::write(dir.join("sig"), &ours).unwrap();
    assert!(openssl(dir, verify));
    assert!(openssl(dir, "pkeyutl -sign -inkey key -rawin -in msg -out theirs"));
    key.public()
        .verify(Purpose::Seal, MESSAGE, &std::fs::read(dir.join("theirs")).unwrap())
        .unwrap();

    let bad = TrustError::BadSignature { key_id: key.public().key_id() };
    for bit in [0, 255, 256, 511] {
        let mut flipped = ours.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(dir.join("sig"), &flipped).unwrap();
        assert!(!openssl(dir, verify), "bit {bit}");
        assert_eq!(
            key.public().verify(Purpose::Seal, MESSAGE, &flipped),
            Err(bad.clone()),
            "bit {bit}"
        );
    }
}

#[test]
fn a_key_id_is_the_hash_of_scheme_and_spki() {
    let key = secret();
    let text = key.public().to_text();
    let der = BASE64.decode(text.lines().nth(1).unwrap()).unwrap();
    let expected = crate::oci::Digest::of(&[b"ed25519\0", &der[..]].concat()).hex();
    let id = key.public().key_id();
    assert_eq!(id.to_string(), expected);
    assert_eq!(expected.parse(), Ok(id));
    for text in ["", "abc", &expected.to_uppercase(), &format!("{expected}0")] {
        let refused = text.parse::<KeyId>();
        assert!(matches!(refused, Err(TrustError::InvalidKeyId(_))), "{text}");
    }
}

#[test]
fn schemes_have_names() {
    for scheme in Scheme::ALL {
        assert_eq!(scheme.name().parse(), Ok(scheme));
    }
    assert_eq!("rsa".parse::<Scheme>(), Err(TrustError::UnknownScheme("rsa".to_owned())));
}

#[test]
fn an_encrypted_key_needs_its_own_passphrase() {
    let closed = secret().to_pem(Some(b"sesame")).unwrap();
    let open = |passphrase| SecretKey::from_pem(&closed, passphrase).unwrap_err();
    assert_eq!(open(None), TrustError::NeedsPassphrase);
    assert_eq!(open(Some(b"other")), TrustError::WrongPassphrase);
    assert_eq!(open(Some(b"")), TrustError::WrongPassphrase);
}

#[test]
fn other_files_are_no_keys() {
    let key = secret();
    let secret_pem = key.to_pem(None).unwrap();
    let large = format!("{}{}", *secret_pem, "\n".repeat(20_000));
    let public_pem = key.public().to_text();
    let odd = secret_pem.replace("PRIVATE", "\u{1b}[2J PRIVATE");
    let empty = pem("PRIVATE KEY", b"");
    let closed = pem("ENCRYPTED PRIVATE KEY", b"\x30\x00");
    let openssh = pem("OPENSSH PRIVATE KEY", b"openssh-key-v1\0");
    for text in ["", "hello", &public_pem, &secret_pem[..60], &large, &odd, &empty, &openssh] {
        let error = SecretKey::from_pem(text, None).unwrap_err();
        assert!(matches!(error, TrustError::NotAKey { wanted: "private key", .. }), "{text:?}");
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
    }
    let error = SecretKey::from_pem(&closed, Some(b"x")).unwrap_err();
    assert!(matches!(error, TrustError::NotAKey { .. }), "{error}");
    for text in ["", "hello", &secret_pem, &public_pem[..60], &pem("PUBLIC KEY", b"\x30\x00")] {
        let error = PublicKey::from_pem(text).unwrap_err();
        assert!(matches!(error, TrustError::NotAKey { wanted: "public key", .. }), "{text:?}");
    }
}

#[test]
fn other_algorithms_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert!(openssl(dir, "genpkey -algorithm x25519 -out x25519"));
    assert!(openssl(dir, "genpkey -algorithm x25519 -aes128 -pass pass:p -out closed"));
    assert!(openssl(dir, "pkey -in x25519 -pubout -out pub"));
    assert!(openssl(dir, "genpkey -algorithm ed25519 -out ed"));
    let sha1 = "pkcs8 -topk8 -in ed -v2 aes256 -v2prf hmacWithSHA1 -passout pass:p -out sha1";
    assert!(openssl(dir, sha1));
    assert!(openssl(dir, "pkcs8 -topk8 -in ed -v2 des3 -passout pass:p -out des3"));
    for name in ["x25519", "closed", "sha1", "des3"] {
        let error = SecretKey::from_pem(&read(dir, name), Some(b"p")).unwrap_err();
        assert!(matches!(error, TrustError::UnsupportedAlgorithm(_)), "{name}: {error}");
    }
    let error = PublicKey::from_pem(&read(dir, "pub")).unwrap_err();
    assert_eq!(error, TrustError::UnsupportedAlgorithm("1.3.101.110".to_owned()));
}

#[test]
fn a_key_that_costs_hours_or_gigabytes_is_not_opened() {
    use pkcs8::pkcs5::pbes2::{EncryptionScheme, Kdf, Parameters, Pbkdf2Params, ScryptParams};
    let scrypt = |cost_parameter, block_size, parallelization| {
        let salt = [0; 16][..].try_into().unwrap();
        let key_length = None;
        let params = ScryptParams { salt, cost_parameter, block_size, parallelization, key_length };
        Kdf::Scrypt(params)
    };
    let pbkdf2 = |rounds| Kdf::Pbkdf2(Pbkdf2Params::hmac_sha256(rounds, &[0; 16]).unwrap());
    for (kdf, fits) in [
        (pbkdf2(1), true),
        (pbkdf2(0), false),
        (pbkdf2(10_000_001), false),
        (scrypt(1 << 4, 8, 1), true),
        (scrypt(1 << 30, 8, 1), false),
        (scrypt(u64::MAX, 8, 1), false),
        (scrypt(0, 8, 1), false),
        (scrypt(2, 0, 1), false),
        (scrypt(2, 1, 0), false),
        (scrypt(2, 1, 17), false),
    ] {
        let encryption = EncryptionScheme::Aes256Cbc { iv: [0; 16] };
        let info = pkcs8::EncryptedPrivateKeyInfo {
            encryption_algorithm: Parameters { kdf: kdf.clone(), encryption }.into(),
            encrypted_data: pkcs8::der::asn1::OctetStringRef::new(&[0; 16]).unwrap(),
        };
        let der = pkcs8::SecretDocument::try_from(info).unwrap();
        let text = pem("ENCRYPTED PRIVATE KEY", der.as_bytes());
        let expected = if fits { TrustError::WrongPassphrase } else { TrustError::TooCostly };
        assert_eq!(SecretKey::from_pem(&text, Some(b"x")).unwrap_err(), expected, "{kdf:?}");
    }
}

#[test]
fn a_public_key_that_proves_nothing_is_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let order_two = p_plus(-1);
    let mut order_four = [0; 32];
    let mut weak = vec![identity, order_two, order_four];
    order_four[31] = 0x80;
    weak.push(order_four);
    for point in weak {
        let refused = PublicKey::from_pem(&public_pem(point));
        assert_eq!(refused, Err(TrustError::WeakKey), "{point:?}");
    }
}

#[test]
fn a_second_form_of_a_public_key_is_refused() {
    let mut points = 0;
    for above in 0..19 {
        match PublicKey::from_pem(&public_pem(p_plus(above))) {
            Err(TrustError::WeakKey) => points += 1,
            other => assert!(matches!(other, Err(TrustError::NotAKey { .. })), "{above}"),
        }
    }
    assert!(points > 2, "some of these are points of large order");
}

/// The field's prime 2^255 - 19, plus `above`, little endian.
fn p_plus(above: i16) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[31] = 0x7f;
    bytes[0] = u8::try_from(0xed + above).unwrap();
    bytes
}

#[test]
fn a_second_form_of_a_signature_is_refused() {
    // The order of the group, 2^252 + 27742317777372353535851937790883648493, little endian.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let key = secret();
    let mut bytes = key.sign(Purpose::Seal, MESSAGE).unwrap();
    let mut carry = 0;
    for (byte, add) in bytes[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    let bad = TrustError::BadSignature { key_id: key.public().key_id() };
    assert_eq!(key.public().verify(Purpose::Seal, MESSAGE, &bytes), Err(bad));
}

#[test]
fn a_signature_of_another_length_is_refused() {
    let key = secret();
    let bytes = key.sign(Purpose::Seal, MESSAGE).unwrap();
    let bad = TrustError::BadSignature { key_id: key.public().key_id() };
    for length in [0, 1, 63] {
        assert_eq!(key.public().verify(Purpose::Seal, MESSAGE, &bytes[..length]), Err(bad.clone()));
    }
    assert_eq!(key.public().verify(Purpose::Seal, MESSAGE, &[&bytes[..], &[0]].concat()), Err(bad));
}

#[test]
fn a_secret_key_does_not_show_itself() {
    let key = secret();
    let pem = key.to_pem(None).unwrap();
    let der = BASE64.decode(pem.lines().nth(1).unwrap()).unwrap();
    let shown = format!("{key:?} {key:#?}");
    assert!(shown.contains(&key.public().key_id().to_string()));
    assert!(!shown.contains(&crate::oci::hex(&der[16..])));
    assert!(!shown.contains(&format!("{:?}", &der[16..20]).replace(['[', ']'], "")));
}

#[test]
fn a_threshold_must_make_sense() {
    let key = secret().public().clone();
    let twice = vec![key.clone(), key.clone()];
    let refused = |keys, threshold| Keyring::new(keys, threshold).unwrap_err();
    let invalid = |threshold, keys| TrustError::InvalidThreshold { threshold, keys };
    assert_eq!(refused(vec![], 0), invalid(0, 0));
    assert_eq!(refused(vec![], 1), invalid(1, 0));
    assert_eq!(refused(vec![key], 0), invalid(0, 1));
    assert_eq!(refused(twice.clone(), 2), invalid(2, 1));
    assert_eq!(Keyring::new(twice, 1).unwrap().keys().count(), 1);
}

#[test]
fn enough_trusted_keys_verify_a_message() {
    let (a, b, c, stranger) = (secret(), secret(), secret(), secret());
    let keys = [&a, &b, &c].map(|key| key.public().clone()).to_vec();
    let keyring = Keyring::new(keys, 2).unwrap();
    assert_eq!(keyring.threshold(), 2);
    let signatures = [&c, &stranger, &a, &c].map(|key| signature(key, MESSAGE));
    let verified = keyring.verify(Purpose::Seal, MESSAGE.to_vec(), &signatures).unwrap();
    let mut signers = [&a, &c].map(|key| key.public().key_id()).to_vec();
    signers.sort();
    assert_eq!(verified.get(), &Signed { message: MESSAGE.to_vec(), signers });
    let length = verified.clone().try_map(|signed| Ok::<_, ()>(signed.message.len())).unwrap();
    assert_eq!(length.get(), &MESSAGE.len());
    assert_eq!(verified.try_map(|_| Err::<(), _>("no")), Err("no"));
}

#[test]
fn keys_are_counted_and_not_signatures() {
    let (a, b, stranger) = (secret(), secret(), secret());
    let keyring = Keyring::new(vec![a.public().clone(), b.public().clone()], 2).unwrap();
    let verify = |keys: &[&SecretKey]| {
        let signatures: Vec<Signature> = keys.iter().map(|key| signature(key, MESSAGE)).collect();
        keyring.verify(Purpose::Seal, MESSAGE.to_vec(), &signatures).unwrap_err()
    };
    let short = |valid, unknown| TrustError::Threshold { needed: 2, valid, unknown };
    assert_eq!(verify(&[]), short(0, 0));
    assert_eq!(verify(&[&a]), short(1, 0));
    assert_eq!(verify(&[&a, &a, &a]), short(1, 0));
    assert_eq!(verify(&[&stranger, &stranger, &b]), short(1, 1));
}

#[test]
fn a_key_id_is_no_reason_to_trust() {
    let (trusted, stranger) = (secret(), secret());
    let keyring = Keyring::new(vec![trusted.public().clone()], 1).unwrap();
    let key_id = trusted.public().key_id();
    let forged = Signature { key_id, bytes: stranger.sign(Purpose::Seal, MESSAGE).unwrap() };
    let bad = Err(TrustError::BadSignature { key_id });
    assert_eq!(keyring.verify(Purpose::Seal, MESSAGE.to_vec(), std::slice::from_ref(&forged)), bad);
    // Not even beside a good one.
    let good = signature(&trusted, MESSAGE);
    assert_eq!(keyring.verify(Purpose::Seal, MESSAGE.to_vec(), &[good.clone(), forged]), bad);
    assert_eq!(keyring.verify(Purpose::Seal, b"other".to_vec(), std::slice::from_ref(&good)), bad);
    // A trusted key's signature in a stranger's name counts for nobody.
    let renamed = Signature { key_id: stranger.public().key_id(), ..good };
    let short = TrustError::Threshold { needed: 1, valid: 0, unknown: 1 };
    assert_eq!(keyring.verify(Purpose::Seal, MESSAGE.to_vec(), &[renamed]), Err(short));
}
