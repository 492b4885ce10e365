//! P-384 keys and signatures against `openssl`.

use super::*;

const ELLIPTIC: [u8; 9] = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const NAMED: [u8; 7] = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];

fn secret() -> SecretKey {
    SecretKey::generate(Scheme::EcdsaP384).unwrap()
}

fn genpkey(dir: &Path, curve: &str, more: &str) -> bool {
    let line = format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:{curve} {more}");
    openssl(dir, line.trim())
}

/// A SubjectPublicKeyInfo on P-384 with this in the place of the point.
fn public_pem(point: &[u8]) -> String {
    let algorithm = [&ELLIPTIC[..], &NAMED].concat();
    let bits = [&[0x03, u8::try_from(point.len() + 1).unwrap(), 0][..], point].concat();
    let content = [&[0x30, 0x10][..], &algorithm, &bits].concat();
    let length = u8::try_from(content.len()).unwrap();
    let head = if length < 128 { vec![0x30, length] } else { vec![0x30, 0x81, length] };
    pem("PUBLIC KEY", &[head, content].concat())
}

/// The uncompressed point of a key.
fn point(key: &SecretKey) -> Vec<u8> {
    let text = key.public().to_text();
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let der = BASE64.decode(body).unwrap();
    der[der.len() - 97..].to_vec()
}

#[test]
fn keys_made_by_openssl_load() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert!(genpkey(dir, "P-384", "-out plain"));
    assert!(genpkey(dir, "P-384", "-aes256 -pass pass:sesame -out aes"));
    assert!(openssl(dir, "pkcs8 -topk8 -in plain -scrypt -passout pass:sesame -out scrypt"));
    assert!(openssl(dir, "pkey -in plain -pubout -out pub"));
    let plain = SecretKey::from_pem(&read(dir, "plain"), None).unwrap();
    let public = PublicKey::from_pem(&read(dir, "pub")).unwrap();
    assert_eq!((public.scheme(), plain.public()), (Scheme::EcdsaP384, &public));
    assert_eq!(public.to_text(), read(dir, "pub"));
    assert_eq!(*plain.to_pem(None).unwrap(), read(dir, "plain"));
    assert!(SecretKey::from_pem(&read(dir, "aes"), Some(b"sesame")).is_ok());
    let scrypt = SecretKey::from_pem(&read(dir, "scrypt"), Some(b"sesame")).unwrap();
    assert_eq!(*scrypt.public(), public);
    let closed = SecretKey::from_pem(&read(dir, "aes"), Some(b"other")).unwrap_err();
    assert_eq!(closed, TrustError::WrongPassphrase);
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
    assert_eq!(read(dir, "pub1"), key.public().to_text());
    assert_eq!(read(dir, "pub2"), key.public().to_text());
    assert!(openssl(dir, "ec -in plain -check -noout"));
}

#[test]
fn openssl_and_we_take_each_others_signatures_and_refuse_a_flipped_bit() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let key = secret();
    let verify = "dgst -sha384 -verify pub -signature sig msg";
    std::fs::write(dir.join("msg"), MESSAGE).unwrap();
    std::fs::write(dir.join("key"), key.to_pem(None).unwrap().as_bytes()).unwrap();
    std::fs::write(dir.join("pub"), key.public().to_text()).unwrap();
    let ours = key.sign(Purpose::Seal, MESSAGE).unwrap();
    assert_eq!(
        key.sign(Purpose::Seal, MESSAGE).unwrap(),
        ours,
        "the nonce comes from key and message"
    );
    std::fs::write(dir.join("sig"), &ours).unwrap();
    assert!(openssl(dir, verify));
    // openssl's nonces are random: some of these have a high s, some a short r or s.
    for _ in 0..20 {
        assert!(openssl(dir, "dgst -sha384 -sign key -out theirs msg"));
        key.public()
            .verify(Purpose::Seal, MESSAGE, &std::fs::read(dir.join("theirs")).unwrap())
            .unwrap();
    }
    assert!(openssl(dir, "dgst -sha256 -sign key -out theirs msg"));
    let bad = Err(TrustError::BadSignature { key_id: key.public().key_id() });
    assert_eq!(
        key.public().verify(Purpose::Seal, MESSAGE, &std::fs::read(dir.join("theirs")).unwrap()),
        bad
    );
    for at in [0, 1, 3, 4, 30, ours.len() / 2, ours.len() - 1] {
        let mut flipped = ours.clone();
        flipped[at] ^= 1;
        std::fs::write(dir.join("sig"), &flipped).unwrap();
        assert!(!openssl(dir, verify), "byte {at}");
        assert_eq!(key.public().verify(Purpose::Seal, MESSAGE, &flipped), bad, "byte {at}");
    }
    for other in [&ours[..0], &ours[..ours.len() - 1], &[&ours[..], &[0]].concat()] {
        assert_eq!(key.public().verify(Purpose::Seal, MESSAGE, other), bad);
    }
}

/// RFC 6979, appendix A.2.6: P-384 and SHA-384 over "sample".
#[test]
fn signatures_are_those_of_rfc_6979() {
    let number = "6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d8\
                  96d5724e4c70a825f872c9ea60d2edf5";
    let number: Vec<u8> =
        (0..48).map(|at| u8::from_str_radix(&number[2 * at..2 * at + 2], 16).unwrap()).collect();
    let inner = [&[0x30, 0x35, 0x02, 0x01, 0x01, 0x04, 0x30][..], &number].concat();
    let algorithm = [&[0x30, 0x10][..], &ELLIPTIC, &NAMED].concat();
    let content = [&[0x02, 0x01, 0x00][..], &algorithm, &[0x04, 0x37], &inner].concat();
    let length = u8::try_from(content.len()).unwrap();
    let key = pem("PRIVATE KEY", &[&[0x30, length][..], &content].concat());
    let signature =
        SecretKey::from_pem(&key, None).unwrap().sign(Purpose::Seal, b"sample").unwrap();
    let shown = crate::oci::hex(&signature);
    let r = "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c\
             81a648152e44acf96e36dd1e80fabe46";
    let s = "99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94f\
             a329c145786e679e7b82c71a38628ac8";
    assert_eq!(shown, format!("3066023100{r}023100{s}"));
}

#[test]
fn other_curves_and_curves_without_a_name_are_unsupported() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let oid = |text: &str| TrustError::UnsupportedAlgorithm(text.to_owned());
    for (curve, more, expected) in [
        ("P-256", "", "1.2.840.10045.3.1.7"),
        ("P-521", "", "1.3.132.0.35"),
        ("P-384", "-pkeyopt ec_param_enc:explicit", "1.2.840.10045.2.1"),
    ] {
        assert!(genpkey(dir, curve, format!("{more} -out key").trim()));
        assert!(openssl(dir, "pkey -in key -pubout -out pub"));
        assert_eq!(SecretKey::from_pem(&read(dir, "key"), None).unwrap_err(), oid(expected));
        assert_eq!(PublicKey::from_pem(&read(dir, "pub")).unwrap_err(), oid(expected));
    }
}

#[test]
fn only_uncompressed_points_on_the_curve_are_keys() {
    let key = secret();
    let point = point(&key);
    assert_eq!(PublicKey::from_pem(&public_pem(&point)).unwrap(), *key.public());
    let mut off = point.clone();
    off[96] ^= 1;
    let parity = point[96] & 1;
    let compressed = [&[2 + parity][..], &point[1..49]].concat();
    let mut hybrid = point.clone();
    hybrid[0] = 6 + parity;
    let mut large = [&[4][..], &[0xff; 96]].concat();
    for bytes in [&off, &compressed, &hybrid, &large, &vec![0], &vec![], &point[..96].to_vec()] {
        let refused = PublicKey::from_pem(&public_pem(bytes));
        assert!(matches!(refused, Err(TrustError::NotAKey { .. })), "{bytes:02x?}: {refused:?}");
    }
    large[1..].fill(0);
    assert!(PublicKey::from_pem(&public_pem(&large)).is_err());
}

#[test]
fn a_private_key_with_anothers_public_half_is_refused() {
    let keys = [secret(), secret()];
    let [one, other] = keys.each_ref().map(|key| {
        let text = key.to_pem(None).unwrap();
        let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        BASE64.decode(body).unwrap()
    });
    let end = one.len() - 97;
    let mixed = pem("PRIVATE KEY", &[&one[..end], &other[end..]].concat());
    let refused = SecretKey::from_pem(&mixed, None).unwrap_err();
    assert!(matches!(refused, TrustError::NotAKey { .. }), "{refused}");
    let whole = pem("PRIVATE KEY", &[&one[..end], &one[end..]].concat());
    assert!(SecretKey::from_pem(&whole, None).is_ok());
}
