//! The chain travels with a bundle, however that is packaged.

use super::*;

#[test]
fn every_packaging_carries_the_chain() {
    let work = acme();
    accept(&work, "site");
    work.ok("trust remove trust --key eve.pub");
    sign(&work, "trust", &["a", "c"]);
    let line = export_line("OUT", "trust", &["ann", "bob"]);
    for (out, more) in [("d", ""), ("a.tar", ""), ("v", "--volume-size 4GiB")] {
        work.ok(&format!("{} {more}", line.replace("OUT", out)));
        carry(&work.path("site"), &work.path(&format!("site-{out}")));
        taken(&work, out, &format!("site-{out}"), &[1, 2]);
    }
    // Repacked by somebody who knows nobody, it is the same.
    for (from, out, more) in
        [("d", "e.tar", ""), ("e.tar", "w", "--volume-size 4GiB"), ("w", "f", "")]
    {
        work.ok(&format!("repack {from} -o {out} {more} --state none"));
        carry(&work.path("site"), &work.path(&format!("site-{out}")));
        taken(&work, out, &format!("site-{out}"), &[1, 2]);
    }
    assert_eq!(work.read("a.tar"), work.read("e.tar"));
    let listed = work.tool("tar -tf a.tar").output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let names: Vec<&str> = listed.lines().collect();
    let at = |name: &str| names.iter().position(|it| it == &name).unwrap();
    assert!(at("SHA256SUMS") < at("trust-000001") && at("trust-000001") < at("trust-000002"));
    assert_eq!(*names.last().unwrap(), "seal");
}

#[test]
fn documents_may_lie_beside_an_archive_that_cannot_be_written_to() {
    let work = acme();
    accept(&work, "site");
    work.ok(&export_line("b.tar", "trust", &["ann", "eve"]));
    taken(&work, "b.tar", "site", &[1]);
    work.ok("trust remove trust --key eve.pub");
    sign(&work, "trust", &["a", "b"]);
    // Without its document a signature says nothing.
    let [a, b] = ["a", "b"].map(|key| format!("trust/trust-000002.{}.sig", id(&work, key)));
    taken(&work, &format!("b.tar {a} {b}"), "site", &[1]);
    let places = format!("b.tar trust/trust-000002 {a} {b}");
    refused(&work, &places, "site", 4, "stream-threshold");
}

#[test]
fn a_link_in_the_place_of_a_document_is_refused() {
    let work = acme();
    accept(&work, "site");
    export(&work, "bundle", "trust", &["ann", "bob"]);
    std::os::unix::fs::symlink("../trust/trust-000001", work.path("bundle/trust-000002")).unwrap();
    refused(&work, "bundle", "site", 3, "not-a-file");
    std::os::unix::fs::symlink("trust-000001", work.path("trust/trust-000002")).unwrap();
    work.refused("trust accept trust --state site", 3, "not-a-file");
    work.refused("trust show trust", 3, "not-a-file");
}
