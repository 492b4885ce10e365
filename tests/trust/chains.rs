//! Chains on the medium that are forged, too large, or lead elsewhere.

use super::*;

/// A maker with two documents, a site that accepted the first, and a bundle made under the first that
/// carries the second as well.
fn two() -> Work {
    let work = acme();
    accept(&work, "site");
    export(&work, "bundle", "trust", &["ann", "bob"]);
    work.ok("trust remove trust --key eve.pub");
    work
}

#[test]
fn the_new_root_keys_alone_sign_nothing_nor_do_the_old_ones() {
    let work = two();
    for (key, other) in [("d", "a"), ("e", "b")] {
        work.ok(&format!("key new -o {key}"));
        work.ok(&format!("trust rotate trust --root {other}.pub={key}.pub"));
    }
    sign(&work, "trust", &["d", "e"]);
    copy(&work, "trust", "trust-000002", "bundle");
    let message = refused(&work, "bundle", "site", 4, "root-threshold");
    assert!(message.contains("of the document before"), "{message}");
    // c belongs to both; the old ones have enough with it, the new ones do not without theirs.
    sign(&work, "trust", &["c"]);
    copy(&work, "trust", "trust-000002", "bundle");
    refused(&work, "bundle", "site", 4, "root-threshold");
    sign(&work, "trust", &["a"]);
    copy(&work, "trust", "trust-000002", "bundle");
    for key in ["d", "e"] {
        std::fs::remove_file(work.path(&format!("bundle/trust-000002.{}.sig", id(&work, key))))
            .unwrap();
    }
    let message = refused(&work, "bundle", "site", 4, "root-threshold");
    assert!(message.contains("of its own"), "{message}");
    copy(&work, "trust", "trust-000002", "bundle");
    taken(&work, "bundle", "site", &[1, 2]);
}

#[test]
fn a_chain_with_a_gap_or_of_another_root_is_refused() {
    let work = two();
    sign(&work, "trust", &["a", "b"]);
    work.ok("trust add trust --epoch prod=1");
    sign(&work, "trust", &["b", "c"]);
    export(&work, "next", "trust", &["ann", "bob"]);
    carry(&work.path("next"), &work.path("gap"));
    for entry in std::fs::read_dir(work.path("gap")).unwrap().map(Result::unwrap) {
        if entry.file_name().to_str().unwrap().starts_with("trust-000002") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    let message = refused(&work, "gap", "site", 3, "trust-gap");
    assert!(message.contains("trust document 2"), "{message}");
    // A first document by the same keys, under the same name, that the site has not accepted.
    work.ok(&format!("trust new -o fork --name acme {ROOTS} --stream prod=1:eve.pub"));
    sign(&work, "fork", &["a", "b"]);
    export(&work, "forked", "fork", &["eve"]);
    refused(&work, "forked", "site", 3, "trust-fork");
    // What begins where the site is not is no more joined to it.
    carry(&work.path("next"), &work.path("late"));
    for name in ["trust-000001", "trust-000002"] {
        for entry in std::fs::read_dir(work.path("late")).unwrap().map(Result::unwrap) {
            if entry.file_name().to_str().unwrap().starts_with(name) {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
    }
    refused(&work, "late", "site", 3, "trust-gap");
    taken(&work, "next", "site", &[1, 2, 3]);
    taken(&work, "late", "site", &[1, 2, 3]);
}

#[test]
fn more_than_the_caps_is_refused_unparsed() {
    let work = two();
    let good = || carry(&work.path("bundle"), &work.path("x"));
    let first = id(&work, "a");
    good();
    for number in 0..17 {
        work.write(&format!("x/trust-000002.{number:064x}.sig"), "garbage");
    }
    refused(&work, "x", "site", 3, "too-many-trust-signatures");
    std::fs::remove_dir_all(work.path("x")).unwrap();
    good();
    work.write(&format!("x/trust-000001.{first}.sig"), vec![b'x'; 8 * 1024 + 1]);
    refused(&work, "x", "site", 3, "too-many-trust-signatures");
    std::fs::remove_dir_all(work.path("x")).unwrap();
    good();
    work.write("x/trust-000002", vec![b'x'; 64 * 1024 + 1]);
    refused(&work, "x", "site", 3, "trust-too-large");
    std::fs::remove_dir_all(work.path("x")).unwrap();
    good();
    for number in 2..=1025 {
        work.write(&format!("x/trust-{number:06}"), "garbage");
    }
    refused(&work, "x", "site", 3, "too-many-trust-documents");
    // One fewer, and they are looked at: nobody signed them.
    std::fs::remove_file(work.path("x/trust-001025")).unwrap();
    refused(&work, "x", "site", 4, "root-threshold");
}

#[test]
fn a_seal_is_no_trust_document_and_the_other_way_round() {
    let work = maker();
    let made =
        work.tool("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", "ssh"]).status();
    assert!(made.unwrap().success());
    // Each key has both offices, so that nothing but the kind of file tells them apart.
    for (key, document, sealed, signature) in [
        ("a", "bad-trust-document", "bad-seal", "bad-signature"),
        ("ssh", "wrong-namespace", "wrong-namespace", "wrong-namespace"),
    ] {
        let (trust, state) = (format!("trust-{key}"), format!("site-{key}"));
        work.ok(&format!(
            "trust new -o {trust} --name acme --root {key}.pub --root-threshold 1 \
             --stream prod=1:{key}.pub"
        ));
        sign(&work, &trust, &[key]);
        let pinned = digest(&work, &format!("{trust}/trust-000001"));
        work.ok(&format!("trust accept {trust} --digest {pinned} --state {state}"));
        let made = format!("{key}.made");
        export(&work, &made, &trust, &[key]);
        let id = id(&work, key);
        let (seal, seals) = (format!("{key}.b/seal"), format!("{key}.b/seal.{id}.sig"));
        let second = format!("{key}.b/trust-000002");
        let seconds = format!("{second}.{id}.sig");
        let fresh = || {
            let _ = std::fs::remove_dir_all(work.path(&format!("{key}.b")));
            carry(&work.path(&made), &work.path(&format!("{key}.b")));
        };
        let place = format!("{key}.b");
        // The seal and its signature, as the next document.
        fresh();
        work.write(&second, work.read(&seal));
        work.write(&seconds, work.read(&seals));
        refused(&work, &place, &state, 3, document);
        // The next document, with the seal's signature.
        fresh();
        work.write(&second, work.read(&format!("{trust}/trust-000001")));
        work.write(&seconds, work.read(&seals));
        refused(&work, &place, &state, 3, signature);
        // A document and its signature, as the seal.
        fresh();
        work.write(&seal, work.read(&format!("{trust}/trust-000001")));
        work.write(&seals, work.read(&format!("{trust}/trust-000001.{id}.sig")));
        refused(&work, &place, &state, 3, sealed);
        fresh();
        taken(&work, &place, &state, &[1]);
    }
}

#[test]
fn a_forged_signature_is_refused_beside_good_ones() {
    let work = two();
    sign(&work, "trust", &["a", "b"]);
    copy(&work, "trust", "trust-000002", "bundle");
    let c = format!("bundle/trust-000002.{}.sig", id(&work, "c"));
    work.write(&c, [7; 64]);
    let message = refused(&work, "bundle", "site", 3, "bad-signature");
    assert!(message.starts_with("trust document 2"), "{message}");
    std::fs::remove_file(work.path(&c)).unwrap();
    // A stranger's counts for nothing.
    work.write(&format!("bundle/trust-000002.{}.sig", "ab".repeat(32)), "anything");
    taken(&work, "bundle", "site", &[1, 2]);
}

#[test]
fn a_site_that_accepted_something_goes_on_from_there() {
    let work = two();
    sign(&work, "trust", &["a", "b"]);
    work.ok(&format!("trust new -o other --name other {ROOTS} --stream prod=1:eve.pub"));
    sign(&work, "other", &["a", "b"]);
    let pinned = digest(&work, "other/trust-000001");
    let line = format!("trust accept other --state site --digest {pinned}");
    work.refused(&line, 4, "already-accepted");
    work.refused("trust accept other --state site", 3, "trust-fork");
    work.refused("trust accept bundle --state none", 2, "no-digest");
    std::fs::create_dir(work.path("empty")).unwrap();
    let line = format!("trust accept empty --state none --digest {pinned}");
    work.refused(&line, 3, "trust-digest");
    work.refused("trust show empty", 2, "no-trust-documents");
    work.refused("trust show --state none", 2, "no-trust");
    assert!(!work.path("none/trust").exists());
    // From a later one on, when that is the one that a person names.
    let second = digest(&work, "trust/trust-000002");
    work.ok(&format!("trust accept trust --state later --digest {second}"));
    assert_eq!(accepted(&work, "later"), [2]);
    export(&work, "next", "trust", &["ann", "bob"]);
    taken(&work, "next", "later", &[2]);
    // A site whose memory somebody changed believes nothing any more.
    work.write("later/trust/trust-000002", "gapferry trust v1\n");
    work.refused("verify next --state later", 3, "bad-trust-document");
    work.refused("trust accept trust --state later", 3, "bad-trust-document");
}

#[test]
fn an_import_that_fails_teaches_nothing() {
    let work = two();
    sign(&work, "trust", &["a", "b"]);
    export(&work, "next", "trust", &["ann", "bob"]);
    let blob = std::fs::read_dir(work.path("next/blobs/sha256")).unwrap().map(Result::unwrap);
    let largest = blob.max_by_key(|it| it.metadata().unwrap().len()).unwrap().path();
    let mut bytes = std::fs::read(&largest).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&largest, bytes).unwrap();
    work.refused("import next --state site --to oci:target", 3, "damaged");
    assert_eq!(accepted(&work, "site"), [1]);
    work.ok("inspect next --state site");
    work.ok("import bundle --state site --to oci:target --dry-run");
    assert_eq!(accepted(&work, "site"), [1]);
}
