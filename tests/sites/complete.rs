//! Whether bundles are complete: proofs, every kind of thing that can be missing from a bundle that is
//! signed all the same, and locks that say something else.

use serde_json::{Value, json};

use super::TRUST;
use super::build::{self, CONFIG, CONFIG_TYPE, Document, Files, INDEX, LAYER, MANIFEST};
use super::support::DockerRegistry;
use super::support::command::Work;
use super::support::images::{Eyes, IMAGES, entries};

/// The proof for one image, by the end of its name.
fn proof(said: &Value, name: &str) -> Value {
    let images = said["completeness"]["images"].as_array().unwrap();
    images.iter().find(|it| it["name"].as_str().unwrap().ends_with(name)).unwrap().clone()
}

fn count(image: &Value, kinds: &[&str], how: &str) -> usize {
    let parts = image["parts"].as_array().unwrap().iter();
    parts.filter(|it| kinds.contains(&it["kind"].as_str().unwrap()) && it["how"] == how).count()
}

#[test]
fn a_proof_lists_all_that_an_image_needs() {
    let (work, from) = (Work::new(), DockerRegistry::start());
    Eyes::on(&from.host()).push(&entries(&["signed/", "library/"]));
    let at = |name: &str| format!("{}/{name}", from.host());
    let two = format!("{} {}", at("library/multi:1.0"), at("signed/app:1.0"));
    work.ok(&format!("lock {two} -o images.lock"));
    work.ok("export --lock images.lock -o bundle --key release.key");
    let line = format!("verify bundle {TRUST} --complete");
    let said = work.json(&format!("{line} --lock images.lock"));
    assert_eq!(said["completeness"]["complete"], true);
    assert_eq!(said["completeness"]["differences"], json!([]));
    let app = proof(&said, "signed/app:1.0");
    let aboard = |kind: &str| count(&app, &[kind], "aboard");
    assert!(aboard("referrer") > 0 && aboard("tagged") > 0, "{app}");
    assert_eq!(count(&proof(&said, "multi:1.0"), &["child"], "aboard"), 2);
    let shown = work.ok(&format!("{line} --lock images.lock -v"));
    assert!(shown.ends_with("complete: 2 images, exactly those of the lock\n"), "{shown}");
    assert!(
        shown.contains("platforms  linux/amd64, linux/arm64") && !shown.contains("MISSING"),
        "{shown}"
    );
    assert!(work.json(&format!("verify bundle {TRUST}"))["completeness"].is_null());

    // One platform alone; and what a delta leaves at the destination.
    work.ok(&format!(
        "export {} --platform linux/arm64 -o one --key release.key --stream one",
        at("library/multi:1.0")
    ));
    let one = work.ok(&format!("verify one {TRUST} --complete"));
    assert!(one.contains("one platform of the index sha256:d73168"), "{one}");
    work.ok(&format!("export {two} -o delta --since bundle --key release.key --stream delta"));
    let delta = work.json(&format!("verify delta {TRUST} --complete"));
    let multi = proof(&delta, "multi:1.0");
    assert!(
        count(&multi, &["config", "layer"], "held") > 0 && multi["complete"] == true,
        "{multi}"
    );
    assert_eq!(count(&multi, &["config", "layer"], "aboard"), 0);
}

#[test]
fn a_bundle_that_is_not_what_the_lock_says_is_refused() {
    let (work, from) = (Work::new(), DockerRegistry::start());
    Eyes::on(&from.host()).push(&entries(&["signed/", "library/"]));
    let at = |name: &str| format!("{}/{name}", from.host());
    let (multi, app) = (at("library/multi:1.0"), at("signed/app:1.0"));
    work.ok(&format!("lock {multi} {app} -o both.lock"));
    work.ok(&format!("lock {app} -o app.lock"));
    work.ok(&format!("lock {app} --no-referrers -o bare.lock"));
    work.ok(&format!("lock {app}={} -o other.lock", at("library/busybox:1.35")));
    let differences = |bundle: &str, lock: &str| -> Vec<String> {
        let line = format!("verify {bundle} {TRUST} --complete --lock {lock} --output json");
        let output = work.run(&line);
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(error["code"], "not-the-lock");
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = said["completeness"]["differences"].as_array().unwrap();
        found.iter().map(|it| it["difference"].as_str().unwrap().to_owned()).collect()
    };
    for (bundle, lock) in [("both", "both.lock"), ("app", "app.lock"), ("bare", "bare.lock")] {
        work.ok(&format!("export --lock {lock} -o {bundle} --key release.key --stream {bundle}"));
        work.ok(&format!("verify {bundle} {TRUST} --complete --lock {lock}"));
    }
    assert_eq!(differences("app", "both.lock"), ["image-missing"]);
    assert_eq!(differences("both", "app.lock"), ["image-extra"]);
    assert_eq!(differences("app", "other.lock"), ["other-digest"]);
    assert!(differences("bare", "app.lock").iter().all(|it| it == "document-missing"));
    assert!(differences("app", "bare.lock").iter().all(|it| it == "document-extra"));
    let shown = work.run(&format!("verify both {TRUST} --complete --lock app.lock"));
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(&format!("not in lock    {multi}\n")), "{shown}");
    work.refused(&format!("verify both {TRUST} --lock app.lock"), 2, "usage");
    work.write("bad.lock", "{}");
    work.refused(&format!("verify both {TRUST} --complete --lock bad.lock"), 3, "bad-lock");

    // Another platform stays behind than was approved.
    let line = |out: &str, second: &str| {
        work.ok(&format!("lock {multi} --platform linux/amd64 --platform linux/{second} -o {out}"));
    };
    line("two.lock", "arm64");
    let text = String::from_utf8(work.read("two.lock")).unwrap();
    let mut lock: Value = serde_json::from_str(&text).unwrap();
    let documents = lock["images"][0]["documents"].as_array_mut().unwrap();
    let left = documents.pop().unwrap();
    lock["images"][0]["omitted"] =
        json!([{"digest": left["digest"], "reason": "platform", "platform": "linux/arm64"}]);
    work.write("less.lock", lock.to_string());
    work.ok("export --lock two.lock -o two --key release.key --stream two");
    assert_eq!(differences("two", "less.lock"), ["document-extra", "omitted"]);
}

/// What a signed bundle of this content is refused with, by `verify` and by `import`.
fn refused(content: Files, exit: i32, code: &str) -> String {
    let work = Work::new();
    for (name, bytes) in build::bundle(content) {
        let path = work.path("b").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let key = build::vectors().join("keys/release.key.pub");
    let key = format!("--trust {}", key.display());
    let message = work.refused(&format!("verify b {key} --complete"), exit, code);
    if code != "incomplete" {
        work.refused(&format!("import b {key} --to oci:target"), exit, code);
        assert!(!work.path("target").exists());
    }
    message
}

fn index(children: &[Value]) -> String {
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}).to_string()
}

fn child(digest: &str, platform: Option<&str>) -> Value {
    let mut child = json!({"mediaType": MANIFEST, "digest": digest, "size": 7});
    if let Some((os, architecture)) = platform.and_then(|it| it.split_once('/')) {
        child["platform"] = json!({"os": os, "architecture": architecture});
    }
    child
}

fn elsewhere(n: u8) -> String {
    format!("sha256:{}", format!("{n:x}").repeat(64))
}

/// The lading of `content`, changed.
fn with_lading(mut content: Files, change: impl FnOnce(&mut Value)) -> Files {
    let mut lading: Value = serde_json::from_slice(&content["lading.json"]).unwrap();
    change(&mut lading["images"][0]);
    content.insert("lading.json".to_owned(), lading.to_string().into_bytes());
    content
}

#[test]
fn children_that_are_missing_are_all_named() {
    let own = build::descriptor(MANIFEST, build::manifest().as_bytes());
    let text = index(&[
        own.clone(),
        child(&elsewhere(1), Some("linux/arm64")),
        child(&elsewhere(2), None),
    ]);
    let message = refused(build::content_with_index(&text, Value::Null), 3, "contradiction");
    assert!(message.contains(&elsewhere(1)) && message.contains(&elsewhere(2)), "{message}");
    // One of them is said to stay behind; that does for one with a platform only.
    let left =
        |n: u8| json!({"digest": elsewhere(n), "reason": "platform", "platform": "linux/arm64"});
    let message = refused(build::content_with_index(&text, json!([left(1)])), 3, "contradiction");
    assert!(!message.contains(&elsewhere(1)) && message.contains(&elsewhere(2)), "{message}");
    let both = json!([left(1), left(2)]);
    let message = refused(build::content_with_index(&text, both), 3, "contradiction");
    assert!(message.contains("stays behind, and it is no manifest for a platform"), "{message}");
    // Nobody refers to what is said to stay behind.
    let text = index(&[own]);
    let message = refused(build::content_with_index(&text, json!([left(3)])), 3, "contradiction");
    assert!(message.contains(&elsewhere(3)), "{message}");
}

#[test]
fn an_index_of_nothing_is_not_complete() {
    let text = index(&[child(&elsewhere(1), Some("linux/arm64"))]);
    let content = build::assemble(&[Document::new("root", INDEX, &text)], &[]);
    let left = json!([{"digest": elsewhere(1), "reason": "platform", "platform": "linux/arm64"}]);
    let content = with_lading(content, |image| image["omitted"] = left);
    let message = refused(content, 3, "incomplete");
    assert!(message.contains(build::NAME), "{message}");
}

#[test]
fn blobs_that_are_missing_are_named() {
    let manifest = build::manifest();
    let root = || Document::new("root", MANIFEST, &manifest);
    let layer = gapferry::oci::Digest::of(LAYER).to_string();
    let config = gapferry::oci::Digest::of(CONFIG).to_string();
    let message = refused(build::assemble(&[root()], &[CONFIG]), 3, "contradiction");
    assert!(message.contains(&layer), "{message}");
    let message = refused(build::assemble(&[root()], &[]), 3, "contradiction");
    assert!(message.contains(&layer) && message.contains(&config), "{message}");
    // It does not help to call a layer foreign, or one of another platform.
    for (reason, word) in [("foreign", "foreign layer"), ("platform", "manifest for a platform")] {
        let content = build::assemble(&[root()], &[CONFIG]);
        let left = json!([{"digest": layer, "reason": reason}]);
        let content = with_lading(content, |image| image["omitted"] = left);
        let message = refused(content, 3, "contradiction");
        assert!(message.contains(&format!("it is no {word}")), "{message}");
    }
    // In the catalog and in the sums, and not on the medium.
    let mut files = build::content();
    let sums = build::sums(&files);
    let seal = build::seal(&files, &sums);
    files.remove(&build::layer());
    let files = build::signed(files, &sums, seal.as_bytes(), &["release"]);
    let work = Work::new();
    for (name, bytes) in files {
        let path = work.path("b").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let key = build::vectors().join("keys/release.key.pub");
    let line = format!("verify b --trust {} --complete", key.display());
    assert!(work.refused(&line, 3, "missing").contains(&build::layer()));
}

/// A referrer, or a signature that cosign finds by its tag, of something that is not aboard.
#[test]
fn what_refers_to_nothing_aboard_is_refused() {
    let manifest = build::manifest();
    let absent = json!({"mediaType": MANIFEST, "digest": elsewhere(4), "size": 7});
    let of = |subject: &Value| {
        json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "subject": subject,
            "config": build::descriptor(CONFIG_TYPE, CONFIG), "layers": [],
        })
        .to_string()
    };
    let referrer = of(&absent);
    let mut document = Document::new("referrer", MANIFEST, &referrer);
    document.more = json!({"subject": elsewhere(4)});
    let root = || Document::new("root", MANIFEST, &manifest);
    let content = build::assemble(&[root(), document], &[CONFIG, LAYER]);
    let message = refused(content, 3, "contradiction");
    assert!(message.contains("not the referrer that the lading says"), "{message}");

    let signature =
        of(&absent).replace("\"schemaVersion\":2", "\"schemaVersion\":2,\"annotations\":{}");
    let mut document = Document::new("tagged", MANIFEST, &signature);
    let tag = format!("{}.sig", elsewhere(4).replace(':', "-"));
    document.more = json!({"subject": elsewhere(4), "tag": tag});
    let content = build::assemble(&[root(), document], &[CONFIG, LAYER]);
    let message = refused(content, 3, "contradiction");
    assert!(message.contains("not the tagged document that the lading says"), "{message}");
}

/// An index by which a registry without the referrers API lists referrers: what it lists is aboard, or
/// the bundle is refused.
#[test]
fn a_list_of_referrers_holds_what_it_lists() {
    let text = index(&[child(&elsewhere(5), None)]);
    let content = build::assemble(&[Document::new("root", INDEX, &text)], &[]);
    assert!(refused(content, 3, "contradiction").contains(&elsewhere(5)));
}

#[test]
fn an_export_names_all_that_its_source_lost() {
    let (work, from) = (Work::new(), DockerRegistry::start());
    let all = entries(&["signed/"]);
    let eyes = Eyes::on(&from.host());
    eyes.push(&all);
    work.ok(&format!("lock {}/signed/app:1.0 -o images.lock", from.host()));
    let lost: Vec<_> = all.iter().filter(|it| it.tag.is_none() || it.is_cosign()).collect();
    assert!(lost.len() > 1);
    for entry in &lost {
        eyes.delete(&format!("signed/app/manifests/{}", entry.digest));
    }
    let message =
        work.refused("export --lock images.lock -o bundle --key release.key", 1, "not-found");
    for entry in &lost {
        assert!(message.contains(&entry.digest), "{message}");
    }
    assert!(!work.path("bundle").exists());
    // A layout lacks a child of an index, a layer or a referrer: its image cannot be had.
    let copy = work.path("layout");
    let copied = std::process::Command::new("cp").args(["-r", IMAGES]).arg(&copy).status().unwrap();
    assert!(copied.success());
    let busybox = "c8e0c85a505cb5f91288978";
    let blobs = std::fs::read_dir(copy.join("blobs/sha256")).unwrap().map(Result::unwrap);
    let layer =
        blobs.map(|it| it.path()).find(|it| it.to_str().unwrap().contains(busybox)).unwrap();
    std::fs::remove_file(layer).unwrap();
    let line = "export oci:layout:library/busybox:1.35 -o bundle --key release.key";
    let message = work.fails(line);
    assert!(message.message.contains(busybox), "{message:?}");
    assert!(!work.path("bundle/seal").exists());
}
