//! Deltas: what a policy asks for may be at the destination already.

use serde_json::json;

use super::images::{Layout, SIGNATURE, key_pair, text};
use super::support::command::Work;
use super::{APP, TRUST, codes, findings, write_policy};

#[test]
fn what_a_delta_leaves_out_is_read_at_the_target() {
    let work = Work::new();
    key_pair(&work, "cosign", "ED25519");
    write_policy(
        &work,
        "[[signature]]\nkeys = [\"cosign.pub\"]\n[[rule]]\nplatforms = [\"linux/amd64\"]",
    );
    let mut layout = Layout::new(&work);
    let app = layout.image(APP, "2024-01-01T00:00:00Z");
    let payload = layout.payload("cosign", text(&app, "digest"));
    layout.referrer(&app, SIGNATURE, payload, json!({}));
    let export = format!("export oci:layout:{APP} --key release.key --policy site.toml");
    work.ok(&format!("{export} -o base"));
    work.ok(&format!("{export} -o delta --since base --sequence 1700000001"));
    // The bundle alone cannot tell, and says so; where its base was imported it can be judged.
    let found = findings(&work, &format!("verify delta {TRUST} --policy site.toml"));
    assert_eq!(codes(&found), ["unseen", "platform", "unsigned"]);
    let import = format!("{TRUST} --policy site.toml --to oci:target");
    let elsewhere = format!("import delta {TRUST} --policy site.toml --to oci:empty");
    assert_eq!(codes(&findings(&work, &elsewhere)), ["unseen", "platform", "unsigned"]);
    assert!(!work.path("empty").exists());
    work.ok(&format!("import base {import}"));
    work.ok(&format!("import delta {import}"));
    // What the target holds is proven like everything else.
    let config = work.read(&format!("layout/blobs/{}", text(&app, "digest").replace(':', "/")));
    let manifest: serde_json::Value = serde_json::from_slice(&config).unwrap();
    let path = text(&manifest["config"], "digest").replace(':', "/");
    let mut bytes = work.read(&format!("target/blobs/{path}"));
    bytes[0] ^= 1;
    std::fs::remove_file(work.path(&format!("target/blobs/{path}"))).unwrap();
    work.write(&format!("target/blobs/{path}"), bytes);
    work.refused(&format!("import delta {import}"), 3, "bad-content");
}
