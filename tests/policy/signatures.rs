//! Signatures of cosign, verified before anything leaves and before anything arrives.

use serde_json::{Value, json};

use super::images::{BUNDLE, Layout, SIGNATURE, key_pair, text};
use super::support::DockerRegistry;
use super::support::command::Work;
use super::support::images::Eyes;
use super::{APP, TRUST, codes, findings, write_policy};

const P256: &str = "EC -pkeyopt ec_paramgen_curve:P-256";
const REPOSITORY: &str = "registry.example/team/app";
const MADE: &str = "2024-01-01T00:00:00Z";
const SIGNED: &str = "[[signature]]\nmatch = \"registry.example/**\"\nkeys = [\"cosign.pub\"]";

/// Both keys, the good one of `algorithm`, and a policy that asks for it.
fn keys(work: &Work, algorithm: &str) {
    key_pair(work, "cosign", algorithm);
    key_pair(work, "other", P256);
    write_policy(work, SIGNED);
}

const EXPORT: &str = "-o out --key release.key --policy site.toml";

/// Asserts that the signature, however it is told, is refused at export and at import.
fn refused(work: &Work, why: &str) {
    let check = |line: &str| {
        let found = findings(work, line);
        assert_eq!(codes(&found), ["unsigned"]);
        let message = text(&found[0], "message");
        assert!(message.contains(why), "{why}: {message}");
    };
    check(&format!("export oci:layout:{APP} {EXPORT}"));
    assert!(!work.path("out").exists());
    work.ok(&format!("export oci:layout:{APP} -o unchecked --key release.key"));
    check(&format!("import unchecked {TRUST} --policy site.toml --to oci:target"));
    check(&format!("verify unchecked {TRUST} --policy site.toml"));
    assert!(!work.path("target").exists());
}

#[test]
fn every_form_goes_through_both_doors() {
    let forms: [fn(&mut Layout<'_>, &Value) -> Value; 4] = [
        |layout, app| {
            let payload = layout.payload("cosign", text(app, "digest"));
            layout.tagged(REPOSITORY, app, payload)
        },
        |layout, app| {
            let payload = layout.payload("cosign", text(app, "digest"));
            layout.referrer(app, SIGNATURE, payload, json!({}))
        },
        |layout, app| {
            let bundle = layout.statement("cosign", text(app, "digest"));
            layout.referrer(app, BUNDLE, bundle, json!({}))
        },
        |layout, app| {
            let bundle = layout.message("cosign", app);
            layout.referrer(app, BUNDLE, bundle, json!({}))
        },
    ];
    for (number, form) in forms.into_iter().enumerate() {
        let work = Work::new();
        keys(&work, if number % 2 == 0 { P256 } else { "ED25519" });
        let mut layout = Layout::new(&work);
        let app = layout.image(APP, MADE);
        form(&mut layout, &app);
        work.ok(&format!("export oci:layout:{APP} {EXPORT} --pack always"));
        work.ok(&format!("verify out {TRUST} --policy site.toml"));
        let to = DockerRegistry::start();
        let line = format!("import out {TRUST} --policy site.toml --to docker://{}", to.host());
        work.ok(&line);
        assert!(Eyes::on(&to.host()).tags("team/app").contains("1"));
        // And from there, from a registry, once more.
        let image = format!("{REPOSITORY}:1={}/team/app:1", to.host());
        work.ok(&format!("export {image} -o second --key release.key --policy site.toml"));
    }
}

#[test]
fn a_signature_of_another_key_is_refused() {
    let work = Work::new();
    keys(&work, P256);
    let mut layout = Layout::new(&work);
    let app = layout.image(APP, MADE);
    let payload = layout.payload("other", text(&app, "digest"));
    layout.tagged(REPOSITORY, &app, payload);
    let bundle = layout.statement("other", text(&app, "digest"));
    layout.referrer(&app, BUNDLE, bundle, json!({}));
    refused(&work, "by none of the keys, or forged");
}

#[test]
fn a_signature_of_another_image_is_refused() {
    let work = Work::new();
    keys(&work, P256);
    let mut layout = Layout::new(&work);
    let app = layout.image(APP, MADE);
    let other = layout.image("registry.example/team/app:2", MADE);
    let payload = layout.payload("cosign", text(&other, "digest"));
    layout.tagged(REPOSITORY, &app, payload);
    refused(&work, &format!("it is for another image: {}", text(&other, "digest")));
}

#[test]
fn a_forged_payload_is_refused() {
    let work = Work::new();
    keys(&work, P256);
    let mut layout = Layout::new(&work);
    let app = layout.image(APP, MADE);
    let other = layout.image("registry.example/team/app:2", MADE);
    // The signature of another payload, with the payload that one would like to be signed.
    let mut wished = layout.payload("other", text(&app, "digest"));
    let signed = layout.payload("cosign", text(&other, "digest"));
    wished["annotations"] = signed["annotations"].clone();
    layout.referrer(&app, SIGNATURE, wished, json!({}));
    refused(&work, "by none of the keys, or forged");
}

#[test]
fn an_image_without_a_signature_is_refused() {
    let work = Work::new();
    keys(&work, P256);
    Layout::new(&work).image(APP, MADE);
    refused(&work, "0 of the keys signed");
    write_policy(&work, &SIGNED.replace("registry.example", "quay.io"));
    work.ok(&format!("export oci:layout:{APP} {EXPORT}"));
}

/// The maker left the signatures behind; the site asks for them.
#[test]
fn a_signature_must_travel_to_count_at_the_site() {
    let work = Work::new();
    keys(&work, P256);
    let mut layout = Layout::new(&work);
    let app = layout.image(APP, MADE);
    let payload = layout.payload("cosign", text(&app, "digest"));
    layout.tagged(REPOSITORY, &app, payload);
    let line = format!("export oci:layout:{APP} --no-referrers -o bare --key release.key");
    work.ok(&line);
    let import = format!("import bare {TRUST} --policy site.toml --to oci:target");
    assert_eq!(codes(&findings(&work, &import)), ["unsigned"]);
}

#[test]
fn a_threshold_asks_for_several_keys() {
    let work = Work::new();
    keys(&work, P256);
    let mut layout = Layout::new(&work);
    let app = layout.image(APP, MADE);
    let digest = text(&app, "digest").to_owned();
    let one = layout.payload("cosign", &digest);
    layout.tagged(REPOSITORY, &app, one);
    std::fs::create_dir(work.path("policies")).unwrap();
    for name in ["cosign.pub", "other.pub"] {
        std::fs::rename(work.path(name), work.path(&format!("policies/{name}"))).unwrap();
    }
    // Key files lie beside the policy, wherever gapferry runs.
    let text = "gapferry = \"policy v1\"\n[[signature]]\nkeys = [\"cosign.pub\", \"other.pub\"]\n";
    work.write("policies/site.toml", format!("{text}threshold = 2\n"));
    let line =
        format!("export oci:layout:{APP} -o out --key release.key --policy policies/site.toml");
    let found = findings(&work, &line);
    assert_eq!(codes(&found), ["unsigned"]);
    let two = layout.statement("other", &digest);
    layout.referrer(&app, BUNDLE, two, json!({}));
    work.ok(&line);
    let said = work.ok("policy check policies/site.toml");
    assert_eq!(said, "**: signed with cosign by 2 of cosign.pub, other.pub\n");
}

#[test]
fn keys_that_are_none_are_refused() {
    let work = Work::new();
    write_policy(&work, SIGNED);
    work.refused("policy check site.toml", 1, "file");
    key_pair(&work, "cosign", "EC -pkeyopt ec_paramgen_curve:P-384");
    let message = work.refused("policy check site.toml", 2, "bad-policy");
    assert!(message.contains("cosign.pub: a key of another kind"), "{message}");
    key_pair(&work, "cosign", P256);
    std::fs::rename(work.path("cosign.key"), work.path("cosign.pub")).unwrap();
    work.refused("policy check site.toml", 2, "bad-policy");
}

/// Damage comes to light as damage: what the policy is given is proven.
#[test]
fn a_damaged_payload_is_damage() {
    let work = Work::new();
    keys(&work, P256);
    let mut layout = Layout::new(&work);
    let app = layout.image(APP, MADE);
    let payload = layout.payload("cosign", text(&app, "digest"));
    let path = format!("blobs/{}", text(&payload, "digest").replace(':', "/"));
    layout.tagged(REPOSITORY, &app, payload);
    work.ok(&format!("export oci:layout:{APP} {EXPORT}"));
    for (place, line, code) in [
        ("out", format!("import out {TRUST} --policy site.toml --to oci:target"), "damaged"),
        (
            "layout",
            format!("export oci:layout:{APP} -o bad --key release.key --policy site.toml"),
            "bad-content",
        ),
    ] {
        let path = format!("{place}/{path}");
        let mut bytes = work.read(&path);
        *bytes.last_mut().unwrap() ^= 1;
        work.write(&path, bytes);
        work.refused(&line, 3, code);
    }
    assert!(!work.path("target").exists() && !work.path("bad").exists());
}
