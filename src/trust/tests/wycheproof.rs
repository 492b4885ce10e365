//! Every vector of Project Wycheproof for Ed25519, and for P-384 with SHA-384.

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vectors {
    number_of_tests: usize,
    test_groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    public_key_pem: String,
    tests: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    tc_id: u32,
    comment: String,
    msg: String,
    sig: String,
    result: String,
}

fn unhexed(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// Runs a file of vectors; how many signatures are good and how many bad.
fn run(file: &str, scheme: Scheme) -> (usize, usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/wycheproof").join(file);
    let vectors: Vectors = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let (mut good, mut bad) = (0, 0);
    for group in &vectors.test_groups {
        let key = PublicKey::from_pem(&group.public_key_pem).unwrap();
        assert_eq!(key.scheme(), scheme);
        for Vector { tc_id, comment, msg, sig, result } in &group.tests {
            let verified = key.verify(Purpose::Seal, &unhexed(msg), &unhexed(sig));
            let expected = match result.as_str() {
                "valid" => {
                    good += 1;
                    Ok(())
                }
                "invalid" => {
                    bad += 1;
                    Err(TrustError::BadSignature { key_id: key.key_id() })
                }
                other => panic!("vector {tc_id} is {other}"),
            };
            assert_eq!(verified, expected, "vector {tc_id}: {comment}");
        }
    }
    assert_eq!(good + bad, vectors.number_of_tests);
    (good, bad)
}

#[test]
fn ed25519_vectors_verify_or_not_as_they_say() {
    assert_eq!(run("ed25519_test.json", Scheme::Ed25519), (88, 63));
}

#[test]
fn ecdsa_p384_vectors_verify_or_not_as_they_say() {
    assert_eq!(run("ecdsa_secp384r1_sha384_test.json", Scheme::EcdsaP384), (194, 310));
}
