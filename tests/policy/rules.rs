//! Rules kept and broken, at every door.

use serde_json::json;

use super::images::{Layout, key_pair, text};
use super::support::DockerRegistry;
use super::support::command::Work;
use super::support::images::Eyes;
use super::{APP, TRUST, codes, findings, write_policy};

const OTHER: &str = "registry.example/other/tool:2";
const SARIF: &str = "application/sarif+json";
/// Long ago, whenever this runs.
const OLD: &str = "2001-01-01T00:00:00Z";

/// What the guide shows is what is said.
#[test]
fn the_example_of_the_guide_is_explained_as_it_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guides/policy.md");
    let guide = std::fs::read_to_string(path).unwrap();
    let block = |start: &str| {
        let block = guide.split_once(start).unwrap().1;
        block.split_once("```").unwrap().0.to_owned()
    };
    let work = Work::new();
    key_pair(&work, "cosign", "ED25519");
    work.write("site.toml", block("```policy\n"));
    assert_eq!(work.ok("policy check site.toml"), block("$ gapferry policy check site.toml\n"));
}

/// The time `days` days ago.
fn days_ago(days: u64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let then = gapferry::bundle::Timestamp::from_unix(now - days * 86_400).unwrap();
    then.to_string()
}

/// Two images: one with an SBOM and a scan of `scanned`, and one that is old and bare.
fn two_images(work: &Work, scanned: &str) {
    let mut layout = Layout::new(work);
    let app = layout.image(APP, &days_ago(3));
    let note = layout.blob("application/json", b"{}");
    layout.referrer(&app, "application/spdx+json", note.clone(), json!({}));
    let created = json!({"org.opencontainers.image.created": scanned});
    layout.referrer(&app, SARIF, note, created);
    layout.image(OTHER, OLD);
    work.write("images.txt", format!("oci:layout:{APP}\noci:layout:{OTHER}\n"));
}

const STRICT: &str = "
    [[rule]]
    platforms = [\"linux/amd64\"]
    [[rule]]
    match = \"registry.example/**\"
    require = [\"sbom\"]
    scan = { types = [\"application/sarif+json\"], max-age-days = 7 }
    max-age-days = 30";

/// Everything that is wrong is told at once, at each of four doors, and nothing goes through.
#[test]
fn all_findings_are_listed_and_nothing_is_written() {
    let work = Work::new();
    two_images(&work, &days_ago(20));
    write_policy(&work, STRICT);
    work.ok("export -f images.txt -o bundle --key release.key");
    work.ok("lock -f images.txt -o good.lock");
    let to = DockerRegistry::start();
    for line in [
        "lock -f images.txt -o bad.lock".to_owned(),
        "export -f images.txt -o bad --key release.key".to_owned(),
        "export --lock good.lock -o bad --key release.key".to_owned(),
        "export --lock good.lock -o bad.tar --key release.key --dry-run".to_owned(),
        format!("verify bundle {TRUST}"),
        format!("import bundle {TRUST} --to docker://{}", to.host()),
        format!("import bundle {TRUST} --to oci:target"),
        format!("import bundle {TRUST} --to oci:target --dry-run"),
    ] {
        let found = findings(&work, &format!("{line} --policy site.toml"));
        assert_eq!(codes(&found), ["too-old", "sbom", "scan", "too-old"], "{line}");
        let of = |name: &str| found.iter().filter(|it| it["image"] == *name).count();
        assert_eq!((of(OTHER), of(APP)), (3, 1), "{line}");
        for trace in ["bad.lock", "bad", "bad.tar", "target"] {
            assert!(!work.path(trace).exists(), "{line}: {trace}");
        }
    }
    assert!(to.manifests().is_empty() && Eyes::on(&to.host()).catalog().is_empty());
    // One image alone passes or not by itself.
    let line = format!("import bundle {TRUST} --policy site.toml --to oci:target --image");
    assert_eq!(codes(&findings(&work, &format!("{line} {APP}"))), ["too-old"]);
    assert!(!work.path("target").exists());
}

#[test]
fn what_meets_the_policy_goes_through_every_door() {
    let work = Work::new();
    two_images(&work, &days_ago(2));
    write_policy(&work, STRICT);
    let with = "--policy site.toml";
    work.ok(&format!("lock oci:layout:{APP} -o images.lock {with}"));
    work.ok(&format!("export --lock images.lock -o bundle --key release.key {with}"));
    work.ok(&format!("verify bundle {TRUST} {with}"));
    let to = DockerRegistry::start();
    work.ok(&format!("import bundle {TRUST} --to docker://{} {with}", to.host()));
    assert!(Eyes::on(&to.host()).tags("team/app").contains("1"));
    work.ok(&format!("import bundle {TRUST} --to oci:target {with}"));
    // From a registry it looks the same.
    write_policy(&work, &format!("allow = [\"127.0.0.1:*/team/*\"]{STRICT}"));
    let image = format!("{}/team/app:1", to.host());
    work.ok(&format!(
        "export {image} -o second --key release.key --plain-http {} {with}",
        to.host()
    ));
}

#[test]
fn sources_blocked_digests_and_sizes_are_judged() {
    let work = Work::new();
    let mut layout = Layout::new(&work);
    let app = layout.image(APP, OLD);
    work.ok(&format!("export oci:layout:{APP} -o bundle --key release.key"));
    let import = format!("import bundle {TRUST} --to oci:target --policy site.toml");
    for (lines, code) in [
        ("allow = [\"registry.example/**\"]".to_owned(), "source"),
        (format!("block = [\"{}\"]", text(&app, "digest")), "blocked"),
        ("[[rule]]\nmax-bytes = 10".to_owned(), "too-large"),
        ("[[rule]]\nplatforms = [\"linux/arm64\"]".to_owned(), "platform"),
        ("[[rule]]\nrequire = [\"notation-signature\"]".to_owned(), "notation-signature"),
    ] {
        write_policy(&work, &lines);
        let export = format!("export oci:layout:{APP} -o bad --key release.key --policy site.toml");
        assert_eq!(codes(&findings(&work, &export)), [code]);
        assert_eq!(codes(&findings(&work, &import)), [code]);
    }
    assert!(!work.path("bad").exists() && !work.path("target").exists());
    write_policy(&work, "allow = [\"oci:\"]\n[[rule]]\nmatch = \"quay.io/**\"\nmax-bytes = 10");
    work.ok(&import);
}

#[test]
fn a_tag_needs_a_digest_or_a_lock() {
    let work = Work::new();
    let digest = text(&Layout::new(&work).image(APP, OLD), "digest").to_owned();
    work.ok(&format!("export oci:layout:{APP} -o bundle --key release.key"));
    let from = DockerRegistry::start();
    let host = from.host();
    work.ok(&format!("import bundle {TRUST} --to docker://{host}"));
    write_policy(&work, "[[rule]]\nrequire-digest = true");
    let with = "--key release.key --policy site.toml";
    let tag = format!("{host}/team/app:1");
    assert_eq!(codes(&findings(&work, &format!("export {tag} -o bad {with}"))), ["no-digest"]);
    work.ok(&format!("export {tag}@{digest} -o by-digest {with}"));
    work.ok(&format!("lock {tag} -o images.lock --policy site.toml"));
    work.ok(&format!("export --lock images.lock -o by-lock --sequence 1700000001 {with}"));
    work.ok(&format!("import by-lock {TRUST} --to oci:target --policy site.toml"));
    assert!(!work.path("bad").exists());
}

#[test]
fn a_policy_is_explained_or_refused() {
    let work = Work::new();
    let none = work.refused("policy check site.toml", 1, "file");
    assert!(none.contains("site.toml"), "{none}");
    write_policy(&work, &format!("allow = [\"quay.io/**\"]{STRICT}"));
    let said = work.ok("policy check site.toml");
    for line in [
        "images may come from quay.io/**\n",
        "**: aboard for linux/amd64\n",
        "registry.example/**: with sbom\n",
        "registry.example/**: with a scan result (application/sarif+json), made at most 7 days ago\n",
        "registry.example/**: made at most 30 days ago\n",
    ] {
        assert!(said.contains(line), "{said}");
    }
    let json = work.json("policy check site.toml");
    assert_eq!(json["demands"].as_array().unwrap().len(), said.lines().count());

    for lines in ["[[rule]]\nmatch = \"x\"\nmax-bytes = 1", "", "[[signature]]\nkeys = []"] {
        write_policy(&work, lines);
        let message = work.refused("policy check site.toml", 2, "bad-policy");
        assert!(message.starts_with("site.toml: "), "{message}");
        // No door is opened with a policy that makes no sense, however good the rest is.
        for line in
            ["lock -o l x", "export -o o x --key release.key", "verify b", "import b --to oci:t"]
        {
            work.refused(&format!("{line} --policy site.toml"), 2, "bad-policy");
        }
    }
    work.write("site.toml", "gapferry = \"policy v7\"");
    assert!(work.refused("policy check site.toml", 2, "bad-policy").contains("policy v7"));
    work.write("site.toml", vec![b'#'; 1024 * 1024 + 1]);
    work.refused("policy check site.toml", 3, "too-large");
}
