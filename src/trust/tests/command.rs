//! Programs that sign: good ones, and every kind of bad one.

use std::time::Duration;

use super::*;

fn signer(key: &SecretKey, script: &str, patience: Duration) -> CommandSigner {
    let arguments = ["-c", script].map(Into::into).to_vec();
    CommandSigner::new("sh".into(), arguments, key.public().clone(), patience)
}

/// Why a script is not taken for a signer: how it ended, and what it said.
fn fails(script: &str) -> (String, String) {
    let failed = signer(&secret(), script, Duration::from_secs(20))
        .sign(Purpose::Seal, MESSAGE)
        .unwrap_err();
    match failed {
        TrustError::Program { program, what, complaint } if program == "sh" => (what, complaint),
        other => panic!("{script}: {other}"),
    }
}

fn both(what: &str, complaint: &str) -> (String, String) {
    (what.to_owned(), complaint.to_owned())
}

#[test]
fn openssl_signs_what_it_reads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let scripts = [
        (Scheme::Ed25519, "openssl pkeyutl -sign -rawin -in /dev/stdin -inkey"),
        (Scheme::EcdsaP384, "openssl dgst -sha384 -sign"),
    ];
    for (scheme, script) in scripts {
        let key = SecretKey::generate(scheme).unwrap();
        std::fs::write(&path, key.to_pem(None).unwrap().as_bytes()).unwrap();
        // openssl wants a file where it signs Ed25519, for it asks for the size.
        let script = match scheme {
            Scheme::Ed25519 => format!(
                "cat > {0}.msg; openssl pkeyutl -sign -rawin -in {0}.msg -inkey {0}",
                path.display()
            ),
            _ => format!("{script} {}", path.display()),
        };
        let signer = signer(&key, &script, Duration::from_secs(20));
        let signature = Signature::by(&signer, Purpose::Seal, MESSAGE).unwrap();
        assert_eq!(signature.key_id, key.public().key_id());
        key.public().verify(Purpose::Seal, MESSAGE, &signature.bytes).unwrap();
    }
}

#[test]
fn what_is_no_signature_of_the_key_is_not_taken() {
    let key = secret();
    let key_id = key.public().key_id();
    for script in ["cat", "true", "head -c 64 /dev/zero"] {
        let signer = signer(&key, script, Duration::from_secs(20));
        assert!(signer.sign(Purpose::Seal, MESSAGE).is_ok());
        let why = Box::new(TrustError::BadSignature { key_id });
        assert_eq!(
            Signature::by(&signer, Purpose::Seal, MESSAGE),
            Err(TrustError::Signer { key_id, why })
        );
    }
}

#[test]
fn a_program_that_fails_is_quoted() {
    assert_eq!(fails("echo no card >&2; exit 3"), both("exit status: 3", "no card"));
    assert_eq!(fails("kill -9 $$"), both("signal: 9 (SIGKILL)", ""));
    assert_eq!(fails("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1").1.len(), 4096);
    let key = secret().public().clone();
    let signer = CommandSigner::new("/nowhere/x".into(), vec![], key, Duration::from_secs(1));
    let failed = signer.sign(Purpose::Seal, MESSAGE).unwrap_err();
    assert!(matches!(failed, TrustError::Program { .. }), "{failed}");
    let shown = TrustError::Program {
        program: "x".to_owned(),
        what: "gone".to_owned(),
        complaint: "a\u{1b}[2J\nb".to_owned(),
    };
    assert_eq!(shown.to_string(), "the signer x failed: gone; it says: a\\u{1b}[2J\\nb");
}

#[test]
fn a_program_that_goes_on_is_stopped() {
    let endless = "its answer is longer than any signature";
    assert_eq!(fails("exec cat /dev/zero").0, endless);
    assert_eq!(fails("head -c 8193 /dev/zero").0, endless);
    let key = secret();
    let hangs = |script: &str| {
        signer(&key, script, Duration::from_millis(300))
            .sign(Purpose::Seal, MESSAGE)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(hangs("exec sleep 60"), "the signer sh failed: no answer in time");
    // What it said before is told.
    let said = hangs("echo waiting for a card >&2; exec sleep 60");
    assert_eq!(said, "the signer sh failed: no answer in time; it says: waiting for a card");
    // It closes its output and stays.
    assert_eq!(hangs("exec sleep 60 >&- 2>&-"), "the signer sh failed: it does not end");
}

#[test]
fn what_a_program_leaves_behind_is_not_waited_for() {
    let key = secret();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sig");
    std::fs::write(&path, key.sign(Purpose::Seal, MESSAGE).unwrap()).unwrap();
    // As a PIN agent does that is started by the way: it keeps standard error.
    let script = format!("sleep 5 > /dev/null & cat {}", path.display());
    let signer = signer(&key, &script, Duration::from_secs(3));
    assert!(Signature::by(&signer, Purpose::Seal, MESSAGE).is_ok());
}
