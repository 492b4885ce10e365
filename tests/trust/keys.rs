//! Which keys may seal what, and until when.

use super::*;

#[test]
fn a_key_of_another_stream_may_not_seal_this_one() {
    let work = maker();
    let streams = "--stream prod=1:ann.pub --stream lab=1:bob.pub";
    work.ok(&format!("trust new -o trust --name acme {ROOTS} {streams}"));
    sign(&work, "trust", &["a", "b"]);
    accept(&work, "site");
    let message = work.refused(&export_line("x", "trust", &["bob"]), 4, "may-not-seal");
    assert!(message.contains(&id(&work, "bob")), "{message}");
    work.refused(&export_line("x", "trust", &["ann", "bob"]), 4, "may-not-seal");
    work.refused(&export_line("x", "trust", &["a"]), 4, "may-not-seal");
    assert!(!work.path("x").exists());
    let line = export_line("x", "trust", &["ann"]).replace("--stream prod", "--stream other");
    work.refused(&line, 4, "unknown-stream");
    assert!(!work.path("x").exists());
    // Whoever writes bundles with another tool is found out at the site.
    work.ok(&format!("export {IMAGE} -o forged --stream prod --key bob"));
    refused(&work, "forged", "site", 4, "stream-threshold");
    work.ok(&format!("export {IMAGE} -o root --stream prod --key a"));
    refused(&work, "root", "site", 4, "threshold");
    work.ok(&format!("export {IMAGE} -o unknown --stream other --key ann"));
    refused(&work, "unknown", "site", 4, "unknown-stream");
    export(&work, "good", "trust", &["ann"]);
    taken(&work, "good", "site", &[1]);
}

#[test]
fn a_key_that_a_newer_document_on_the_medium_revokes_is_refused_already() {
    let work = acme();
    accept(&work, "site");
    export(&work, "old", "trust", &["ann", "eve"]);
    taken(&work, "old", "site", &[1]);
    work.ok("trust remove trust --key eve.pub");
    sign(&work, "trust", &["a", "c"]);
    copy(&work, "trust", "trust-000002", "old");
    refused(&work, "old", "site", 4, "stream-threshold");
    // The document comes to the site with a bundle that is taken.
    export(&work, "new", "trust", &["ann", "bob"]);
    taken(&work, "new", "site", &[1, 2]);
}

#[test]
fn a_key_counts_until_its_time_is_over() {
    let work = maker();
    work.ok(&format!("trust new -o trust --name acme {ROOTS} --stream prod=2:ann.pub,bob.pub"));
    work.ok(&format!("trust add trust --key prod=eve.pub --not-after {PAST}"));
    sign(&work, "trust", &["a", "b"]);
    accept(&work, "site");
    export(&work, "late", "trust", &["ann", "eve"]);
    let message = refused(&work, "late", "site", 4, "stream-threshold");
    assert!(message.contains("1 that may did, and 1 that may not"), "{message}");
    export(&work, "good", "trust", &["ann", "bob"]);
    taken(&work, "good", "site", &[1]);
    // When too few are left, nobody need look at signatures.
    work.ok(&format!("trust add trust --key prod=ann.pub --not-after {PAST}"));
    sign(&work, "trust", &["a", "b"]);
    carry(&work.path("good"), &work.path("stream"));
    copy(&work, "trust", "trust-000002", "stream");
    let message = refused(&work, "stream", "site", 4, "key-not-valid");
    assert!(message.contains("the stream `prod`: 1, and 2 must sign"), "{message}");
    work.ok(&format!("trust add trust --key prod=bob.pub --not-after {PAST}"));
    sign(&work, "trust", &["a", "b"]);
    carry(&work.path("stream"), &work.path("all"));
    copy(&work, "trust", "trust-000003", "all");
    let message = refused(&work, "all", "site", 4, "key-not-valid");
    assert!(message.contains("anything: 0, and 1 must sign"), "{message}");
}

#[test]
fn root_keys_count_until_their_time_is_over() {
    let work = maker();
    let line = format!("trust new -o trust --name acme {ROOTS} --stream prod=1:ann.pub");
    work.ok(&format!("{line} --not-after {PAST}"));
    sign(&work, "trust", &["a", "b"]);
    accept(&work, "site");
    work.ok("trust rotate trust --key ann.pub=bob.pub");
    sign(&work, "trust", &["a", "b"]);
    export(&work, "bundle", "trust", &["bob"]);
    refused(&work, "bundle", "site", 4, "root-keys-past");
    // A person may begin at the newer one.
    let pinned = digest(&work, "trust/trust-000002");
    work.ok(&format!("trust accept trust --digest {pinned} --state anew"));
    taken(&work, "bundle", "anew", &[2]);
}

#[test]
fn an_epoch_is_that_of_the_document() {
    let work = acme();
    accept(&work, "site");
    export(&work, "old", "trust", &["ann", "bob"]);
    taken(&work, "old", "site", &[1]);
    work.ok("trust add trust --epoch prod=2");
    sign(&work, "trust", &["a", "b"]);
    export(&work, "new", "trust", &["ann", "bob"]);
    assert_eq!(work.json("inspect new --state none")["epoch"], 2);
    taken(&work, "new", "site", &[1, 2]);
    refused(&work, "old", "site", 4, "wrong-epoch");
    work.refused("trust add trust --epoch prod=1", 2, "invalid-draft");
}

#[test]
fn keys_on_the_command_line_and_documents_do_not_go_together() {
    let work = acme();
    export(&work, "bundle", "trust", &["ann", "bob"]);
    work.refused("verify bundle --state site", 2, "no-trust");
    accept(&work, "site");
    work.refused("verify bundle --state site --threshold 2", 2, "two-trusts");
    for command in
        ["verify bundle", "inspect bundle", "import bundle --to oci:target", "repack bundle -o x"]
    {
        let line = format!("{command} --state site --trust ann.pub");
        work.refused(&line, 2, "two-trusts");
        // Without documents of its own, a site does not know what the maker knew.
        let line = format!("{command} --state none --trust ann.pub");
        work.refused(&line, 4, "unknown-trust");
    }
    assert!(!work.path("target").exists() && !work.path("x").exists());
    // Documents on the medium mean nothing to whom names keys.
    work.ok(&format!("export {IMAGE} -o plain --stream prod --key ann"));
    copy(&work, "trust", "trust-000001", "plain");
    work.write("plain/trust-000001", "anything");
    work.ok("import plain --state none --trust ann.pub --to oci:target");
}

#[test]
fn a_maker_who_knows_more_than_the_site_is_waited_for() {
    let work = acme();
    accept(&work, "site");
    work.ok("trust add trust --epoch prod=1");
    sign(&work, "trust", &["a", "b"]);
    export(&work, "bundle", "trust", &["ann", "bob"]);
    for file in std::fs::read_dir(work.path("bundle")).unwrap().map(Result::unwrap) {
        if file.file_name().to_str().unwrap().starts_with("trust-000002") {
            std::fs::rename(file.path(), work.path("trust").join(file.file_name())).unwrap();
        }
    }
    refused(&work, "bundle", "site", 4, "unknown-trust");
    work.ok("trust accept trust --state site");
    taken(&work, "bundle", "site", &[1, 2]);
}
