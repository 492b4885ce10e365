//! Three directories stand for three machines: a builder, a second signer, a site.

use super::support::command::Work;
use super::{IMAGE, carry, digest, id};

/// A machine with keys of its own; nothing but public keys leaves it.
fn machine(keys: &[&str], others: &[&Work]) -> Work {
    let work = Work::new();
    for key in keys {
        work.ok(&format!("key new -o {key}"));
    }
    for other in others {
        for entry in std::fs::read_dir(other.path("")).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            if name.ends_with(".pub") && !name.starts_with("release") {
                std::fs::copy(entry.path(), work.path(&name)).unwrap();
            }
        }
    }
    work
}

/// A medium goes from one machine to another.
fn bring(what: &str, from: &Work, to: &Work) {
    carry(&from.path(what), &to.path(what));
}

fn export(out: &str, key: &str) -> String {
    let sequence = if out == "two" { 2 } else { 1 };
    format!(
        "export {IMAGE} -o {out} --stream prod --sequence {sequence} --trust-documents trust \
         --key {key}"
    )
}

#[test]
fn two_of_three_with_a_rotated_and_a_revoked_key() {
    // The safe holds the third root key and eve's.
    let safe = machine(&["c", "eve"], &[]);
    let signer = machine(&["b", "bob", "bob2"], &[&safe]);
    let builder = machine(&["a", "ann"], &[&safe, &signer]);
    let site = Work::new();

    // The first document: made by the builder, signed on two machines.
    builder.ok("trust new -o trust --name acme --root a.pub --root b.pub --root c.pub \
         --root-threshold 2 --stream prod=2:ann.pub,bob.pub,eve.pub");
    builder.ok("trust sign trust --key a --yes");
    builder.refused(&export("early", "ann"), 4, "root-threshold");
    bring("trust", &builder, &signer);
    let signed = signer.json("trust sign trust --key b --yes");
    assert_eq!(signed["complete"], true);
    bring("trust", &signer, &builder);

    // The first bundle: sealed by the builder, and by the second signer after a look.
    builder.ok(&export("one", "ann"));
    bring("one", &builder, &signer);
    let pinned = digest(&builder, "trust/trust-000001");
    bring("one", &signer, &site);
    site.refused("import one --to oci:images", 2, "no-trust");
    site.refused("trust accept one", 2, "no-digest");
    let other = format!("sha256:{}", "0".repeat(64));
    site.refused(&format!("trust accept one --digest {other}"), 3, "trust-digest");
    site.ok(&format!("trust accept one --digest {pinned}"));
    let message = site.refused("import one --to oci:images", 4, "stream-threshold");
    assert!(message.contains("2 keys must seal the stream `prod`; 1 that may did"), "{message}");
    assert!(!site.path("images").exists());
    signer.ok("sign one --key bob --yes");
    bring("one", &signer, &site);
    let verified = site.json("verify one");
    let mut signers = [id(&builder, "ann"), id(&signer, "bob")].map(serde_json::Value::from);
    signers.sort_by_key(ToString::to_string);
    assert_eq!(verified["signers"].as_array().unwrap(), &signers);
    assert_eq!(verified["trustDocument"], 1);
    site.ok("import one --to oci:images");

    // The second document: bob has a new key, eve's is revoked.
    builder.ok("trust rotate trust --key bob.pub=bob2.pub");
    builder.ok(&format!("trust remove trust --key {}", id(&safe, "eve")));
    builder.ok("trust sign trust --key a --yes");
    let standing = builder.json("trust show trust");
    assert_eq!(standing["draft"]["number"], 2);
    assert_eq!(standing["signatures"][0]["needed"], 2);
    assert_eq!(standing["signatures"][0]["signed"].as_array().unwrap().len(), 1);
    builder.refused("trust remove trust --key ann.pub", 2, "signed-in-part");
    bring("trust", &builder, &signer);
    signer.ok("trust sign trust --key b --yes");
    bring("trust", &signer, &builder);

    // Whose keys are gone cannot even begin.
    builder.ok(&export("two", "ann"));
    bring("two", &builder, &signer);
    signer.refused(&export("never", "bob"), 4, "may-not-seal");
    assert!(!signer.path("never").exists());
    signer.ok("sign two --key bob2 --yes");
    bring("two", &signer, &site);

    // eve seals with what she has, under the old document; the site has not heard of the new one.
    bring("one", &signer, &safe);
    bring("one", &builder, &safe);
    let bobs = format!("one/seal.{}.sig", id(&signer, "bob"));
    std::fs::remove_file(safe.path(&bobs)).unwrap();
    safe.ok("sign one --key eve --yes");
    bring("one", &safe, &site);
    std::fs::remove_file(site.path(&bobs)).unwrap();
    site.ok("verify one");
    // It hears of it with the next bundle, and believes her no longer.
    site.ok("import two --to oci:images");
    let shown = site.json("trust show");
    assert_eq!(shown["documents"].as_array().unwrap().len(), 2);
    let message = site.refused("import one --to oci:elsewhere", 4, "stream-threshold");
    assert!(message.contains("1 that may did, and 1 that may not"), "{message}");
    assert!(!site.path("elsewhere").exists());
    // Nor do bob's old key and ann's suffice together.
    bring("one", &signer, &site);
    std::fs::remove_file(site.path(&format!("one/seal.{}.sig", id(&safe, "eve")))).unwrap();
    site.refused("import one --to oci:elsewhere", 4, "stream-threshold");
    assert!(!site.path("elsewhere").exists());
}
