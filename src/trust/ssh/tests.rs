//! Records, and the small forms that everything else is made of.

use super::super::{KeyRecord, PublicKey, SecretKey, TrustError};
use super::wire::{Reader, put_integer};
use super::{SshKey, armor};

/// A key, as ssh-keygen wrote it.
const ALICE: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGWGutDM1EJwiJdFrrgQyHhC81gt8JbqsazaOzpWr3vM";

fn records(text: &str) -> Vec<KeyRecord> {
    KeyRecord::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> String {
    match KeyRecord::parse(text).unwrap_err() {
        TrustError::NotAKey { wanted: "public key", found } => found,
        other => other.to_string(),
    }
}

#[test]
fn lines_of_public_keys_and_of_allowed_signers_are_read() {
    let alice = &records(ALICE)[0];
    for line in [
        format!("{ALICE}\n"),
        format!("{ALICE} alice@example.org and more ssh-ed25519\n"),
        format!("  \t{ALICE}  \r\n"),
        format!("alice@example.org {ALICE}"),
        format!("alice,bob {ALICE} a comment"),
        format!("\"alice and bob\" {ALICE} a comment"),
        format!("alice namespaces=\"gapferry-seal\" {ALICE}"),
        format!("alice namespaces=\"git,gapferry-seal\" {ALICE}"),
        format!("namespaces=\"*\" {ALICE}"),
        format!("# a remark\n\n{ALICE}\n#{ALICE}\n"),
    ] {
        assert_eq!(records(&line), std::slice::from_ref(alice), "{line}");
    }
    let two = records(&format!("{ALICE}\nbob no-touch-required {ALICE}\n"));
    assert_eq!((two.len(), &two[0]), (2, alice));
    assert!(two[1].key != alice.key && two[1].key.key_id() == alice.key.key_id());
    assert_eq!(two[1].key.to_text(), format!("no-touch-required {ALICE}\n"));
}

#[test]
fn a_record_may_have_a_time() {
    let at = |options: &str| {
        let record = &records(&format!("alice {options} {ALICE}"))[0];
        (record.valid_after, record.valid_before)
    };
    assert_eq!(at("valid-after=\"19700101Z\""), (Some(0), None));
    assert_eq!(at("valid-before=\"20000229Z\""), (None, Some(951_782_400)));
    assert_eq!(at("valid-before=\"202611201000Z\""), (None, Some(1_795_168_800)));
    let both = at("valid-after=\"20380119031408Z\",Valid-Before=\"99991231235959Z\"");
    assert_eq!(both, (Some(1 << 31), Some(253_402_300_799)));
    let record =
        &records(&format!("valid-after=\"20000229Z\",valid-before=\"20000301Z\" {ALICE}"))[0];
    let valid =
        [951_782_399, 951_782_400, 951_868_800, 951_868_801].map(|now| record.is_valid_at(now));
    assert_eq!(valid, [false, true, true, false]);
    assert!(records(ALICE)[0].is_valid_at(0) && records(ALICE)[0].is_valid_at(u64::MAX));
}

#[test]
fn lines_that_say_something_else_are_refused() {
    let time = "a time that is not YYYYMMDD[hhmm[ss]]Z";
    let unknown = "an option that is not known here";
    for (before, expected) in [
        ("alice cert-authority", unknown),
        ("cert-authority", unknown),
        ("alice namespace=\"gapferry-seal\"", unknown),
        ("namespace=\"gapferry-seal\"", unknown),
        ("alice no-touch-required=\"yes\"", unknown),
        ("alice valid-after", unknown),
        ("alice no-touch-required,", unknown),
        ("alice namespaces=\"git\"", "the key is for other namespaces"),
        ("alice namespaces=gapferry-seal", "a value has no quotes"),
        (
            "alice valid-after=\"20000101Z\",valid-after=\"20000101Z\"",
            "an option stands there twice",
        ),
        ("alice valid-after=\"20000101\"", "a time without a Z, which stands for UTC"),
        ("alice valid-after=\"20000230Z\"", time),
        ("alice valid-after=\"20001301Z\"", time),
        ("alice valid-after=\"20000001Z\"", time),
        ("alice valid-after=\"19691231Z\"", time),
        ("alice valid-after=\"00000101Z\"", time),
        ("alice valid-after=\"200001012400Z\"", time),
        ("alice valid-after=\"2000010112Z\"", time),
        ("alice valid-after=\"+2000101Z\"", time),
        ("alice namespaces=\"git", "a quote is not closed"),
    ] {
        assert_eq!(
            refused(&format!("{before} {ALICE}")),
            format!("line 1: {expected}"),
            "{before}"
        );
    }
    let cut = &ALICE[..ALICE.len() - 4];
    let malformed = "the OpenSSH key is malformed";
    for (text, expected) in [
        ("", "no proper PEM block and no line of OpenSSH's"),
        ("# nothing\n", "no proper PEM block and no line of OpenSSH's"),
        ("ssh-ed25519", "line 1: the key is not base64"),
        ("ssh-ed25519 AAAA*", "line 1: the key is not base64"),
        (cut, malformed),
        (&format!("{ALICE}AAAA"), malformed),
        (&ALICE.replace("ssh-ed25519", "ecdsa-sha2-nistp256"), KIND),
        ("ssh-rsa AAAAB3NzaC1yc2E=", "unsupported algorithm ssh-rsa"),
        ("alice a=\"b\" ssh-dss AAAAB3NzaC1kc3M=", "unsupported algorithm ssh-dss"),
        ("hello", "line 1: there is no key"),
    ] {
        assert_eq!(refused(text), expected, "{text}");
    }
    assert!(refused(&format!("{ALICE}\n").repeat(1025)).contains("too many lines"));
    let unused = format!("one two three {ALICE}");
    assert_eq!(refused(&unused), "line 1: there is no key");
}

const KIND: &str = "line 1: the key is of another kind than the line says";

#[test]
fn a_weak_point_is_no_key() {
    let mut blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
    blob.extend([0; 32]);
    assert!(matches!(SshKey::parse(&blob), Err(TrustError::WeakKey)));
    // Not on the curve; and compressed.
    let p256 = |point: &[u8]| {
        let mut blob = b"\0\0\0\x13ecdsa-sha2-nistp256\0\0\0\x08nistp256".to_vec();
        super::put_string(&mut blob, point);
        matches!(SshKey::parse(&blob), Err(TrustError::NotAKey { .. }))
    };
    assert!(p256(&[&[4][..], &[1; 64]].concat()));
    assert!(p256(&[&[2][..], &[1; 32]].concat()));
    assert!(p256(b""));
}

#[test]
fn numbers_have_one_form() {
    let read = |bytes: &[u8]| {
        let mut framed = Vec::new();
        super::put_string(&mut framed, bytes);
        Reader::new(&framed).integer(2)
    };
    assert_eq!(read(&[1]), Some(vec![0, 1]));
    assert_eq!(read(&[0x7f, 0xff]), Some(vec![0x7f, 0xff]));
    assert_eq!(read(&[0, 0x80]), Some(vec![0, 0x80]));
    assert_eq!(read(&[0, 0xff, 0xff]), Some(vec![0xff, 0xff]));
    for bad in [&[][..], &[0], &[0, 1], &[0x80], &[0xff, 0xff], &[1, 0, 0], &[0, 0x80, 0, 0]] {
        assert_eq!(read(bad), None, "{bad:?}");
    }
    let written = |bytes: &[u8]| {
        let mut out = Vec::new();
        put_integer(&mut out, bytes);
        Reader::new(&out).integer(bytes.len())
    };
    for bytes in [[0, 1], [0, 0x80], [0x7f, 0], [0xff, 0xff]] {
        assert_eq!(written(&bytes), Some(bytes.to_vec()));
    }
}

#[test]
fn a_stated_length_is_not_believed() {
    let mut reader = Reader::new(b"\xff\xff\xff\xffx");
    assert_eq!(reader.string(), None);
    assert_eq!(Reader::new(b"\0\0\0").number(), None);
    assert_eq!(Reader::new(b"\0\0\0\x02x").string(), None);
}

#[test]
fn armor_has_lines() {
    let bytes: Vec<u8> = (0..200).collect();
    let text = armor::encode(&bytes, "X");
    assert!(text.lines().all(|line| line.len() <= 70));
    assert_eq!(armor::decode(text.as_bytes(), "X").unwrap().as_slice(), bytes);
    assert!(armor::decode(text.as_bytes(), "Y").is_err());
    let one =
        text.replace('\n', "").replace("X-----", "X-----\n").replace("-----END", "\n-----END");
    assert_eq!(armor::decode(one.as_bytes(), "X"), Err("a line of it is empty or too long"));
    assert_eq!(armor::decode(b"-----BEGIN X-----\n-----END X-----\n", "X").unwrap_err(), {
        "its last line is missing"
    });
}

/// A private key file around this private half, which no passphrase protects.
fn file(public: &[u8], private: &[u8]) -> String {
    let mut bytes = b"openssh-key-v1\0".to_vec();
    for part in [&b"none"[..], b"none", b""] {
        super::put_string(&mut bytes, part);
    }
    bytes.extend([0, 0, 0, 1]);
    super::put_string(&mut bytes, public);
    super::put_string(&mut bytes, private);
    armor::encode(&bytes, "OPENSSH PRIVATE KEY")
}

#[test]
fn private_key_files_that_are_not_whole_are_refused() {
    let signing = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let point = signing.verifying_key().to_bytes();
    let strings = |parts: &[&[u8]]| {
        let mut out = Vec::new();
        parts.iter().for_each(|part| super::put_string(&mut out, part));
        out
    };
    let public = strings(&[b"ssh-ed25519", &point]);
    let halves = |check: &[u8], seed: [u8; 32], padding: &[u8]| {
        let pair = [seed, point].concat();
        let fields = strings(&[b"ssh-ed25519", &point, &pair, b"comment"]);
        [&b"\0\0\0\x01"[..], check, &fields, padding].concat()
    };
    let good = halves(b"\0\0\0\x01", [7; 32], &[1, 2, 3, 4, 5, 6]);
    let read = |private: &[u8]| SecretKey::from_pem(&file(&public, private), None);
    assert_eq!(good.len() % 8, 0);
    let expected: PublicKey = records(ALICE)[0].key.clone();
    assert_ne!(*super::super::Signer::public(&read(&good).unwrap()), expected);
    for bad in [
        halves(b"\0\0\0\x02", [7; 32], &[1, 2, 3, 4, 5, 6]),
        halves(b"\0\0\0\x01", [8; 32], &[1, 2, 3, 4, 5, 6]),
        halves(b"\0\0\0\x01", [7; 32], &[1, 2, 3, 4, 5, 7]),
        halves(b"\0\0\0\x01", [7; 32], &[]),
        good[..good.len() - 8].to_vec(),
        Vec::new(),
    ] {
        assert!(matches!(read(&bad), Err(TrustError::NotAKey { .. })), "{bad:02x?}");
    }
    let other = strings(&[
        b"ssh-ed25519",
        &ed25519_dalek::SigningKey::from_bytes(&[9; 32]).verifying_key().to_bytes(),
    ]);
    let refused = SecretKey::from_pem(&file(&other, &good), None).unwrap_err();
    assert!(refused.to_string().contains("two halves"), "{refused}");
}

#[test]
fn a_key_that_costs_hours_is_not_opened() {
    let public = SshKey::parse(&{
        use base64::Engine as _;
        super::BASE64.decode(&ALICE[12..]).unwrap()
    });
    let blob = public.unwrap().blob().to_vec();
    let open = |salt: &[u8], rounds: u32| {
        let mut options = Vec::new();
        super::put_string(&mut options, salt);
        options.extend(rounds.to_be_bytes());
        let mut bytes = b"openssh-key-v1\0".to_vec();
        for part in [&b"aes256-ctr"[..], b"bcrypt", &options] {
            super::put_string(&mut bytes, part);
        }
        bytes.extend([0, 0, 0, 1]);
        super::put_string(&mut bytes, &blob);
        super::put_string(&mut bytes, &[0; 16]);
        let text = armor::encode(&bytes, "OPENSSH PRIVATE KEY");
        SecretKey::from_pem(&text, Some(b"x")).unwrap_err()
    };
    assert_eq!(open(b"salt", 1), TrustError::WrongPassphrase);
    assert_eq!(open(b"salt", 0), TrustError::TooCostly);
    assert_eq!(open(b"salt", 1025), TrustError::TooCostly);
    assert_eq!(open(b"salt", u32::MAX), TrustError::TooCostly);
    assert!(matches!(open(b"", 1), TrustError::NotAKey { .. }));
    assert!(matches!(open(&[1; 65], 1), TrustError::NotAKey { .. }));
}
