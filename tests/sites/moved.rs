//! What has moved since a lock was written, at a real registry.

use serde_json::{Value, json};

use super::TRUST;
use super::support::DockerRegistry;
use super::support::command::Work;
use super::support::images::{Entry, Eyes, content, entries};

/// A registry with a signed image and others, and a lock of them all.
fn locked() -> (Work, DockerRegistry, Vec<Entry>) {
    let (work, registry) = (Work::new(), DockerRegistry::start());
    let entries = entries(&["signed/", "library/busybox", "library/multi"]);
    Eyes::on(&registry.host()).push(&entries);
    let images: String = ["signed/app:1.0", "library/busybox:1.35", "library/multi:1.0"]
        .map(|name| format!("{}/{name} ", registry.host()))
        .concat();
    work.ok(&format!("lock {images} -o images.lock"));
    (work, registry, entries)
}

/// The changes of one image, out of what `lock --check` prints when something has moved.
fn changes(work: &Work, image: &str) -> Vec<Value> {
    let output = work.run("lock --check images.lock --output json");
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((&error["code"], &error["exit"]), (&json!("lock-moved"), &json!(4)));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let images = said["images"].as_array().unwrap();
    assert_eq!(images.len(), 3);
    let of = |it: &&Value| it["name"].as_str().unwrap().ends_with(image);
    images.iter().find(of).unwrap()["changes"].as_array().unwrap().clone()
}

fn named<'a>(entries: &'a [Entry], name: &str) -> &'a Entry {
    entries.iter().find(|entry| entry.name() == name).unwrap()
}

/// Lets a tag name another document of the test images.
fn move_tag(registry: &DockerRegistry, from: &Entry, to: &Entry) {
    let moved = Entry { repository: from.repository.clone(), tag: from.tag.clone(), ..to.clone() };
    Eyes::on(&registry.host()).push(&[moved]);
}

/// Case 89: the lock says what travels, whatever its tags name now.
#[test]
fn a_moved_tag_is_told_and_the_locked_digest_travels() {
    let (work, registry, entries) = locked();
    let before = work.read("images.lock");
    assert_eq!(work.ok("lock --check images.lock").matches("same ").count(), 3);
    let (busybox, multi) =
        (named(&entries, "library/busybox:1.35"), named(&entries, "library/multi:1.0"));
    let app = named(&entries, "signed/app:1.0");
    move_tag(&registry, busybox, app);
    let expected = json!([{"change": "moved", "now": app.digest}]);
    assert_eq!(json!(changes(&work, "busybox:1.35")), expected);
    assert_eq!(changes(&work, "multi:1.0"), Vec::<Value>::new());
    let shown = work.run("lock --check images.lock");
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(&format!("{} -> {}\n", busybox.digest, app.digest)), "{shown}");
    assert!(work.read("images.lock") == before);

    work.ok("export --lock images.lock -o bundle --key release.key");
    let to = DockerRegistry::start();
    work.ok(&format!("import bundle {TRUST} --to docker://{}", to.host()));
    Eyes::on(&to.host()).assert_holds("", &[busybox.clone(), multi.clone()]);
}

#[test]
fn signatures_that_appear_or_vanish_are_told() {
    let (work, registry, entries) = locked();
    let app = named(&entries, "signed/app:1.0");
    let eyes = Eyes::on(&registry.host());
    let signature = entries.iter().find(|it| it.is_cosign()).unwrap();
    let busybox = named(&entries, "library/busybox:1.35");
    move_tag(&registry, signature, busybox);
    let tag = signature.tag.as_deref().unwrap();
    let found = changes(&work, "app:1.0");
    let told = |change: &str, digest: &str| {
        found.iter().any(|it| it["change"] == change && it["digest"] == digest && it["tag"] == tag)
    };
    assert!(told("appeared", &busybox.digest) && told("vanished", &signature.digest), "{found:?}");
    assert_eq!(found.len(), 2);
    // Who does not lock what refers to images does not ask for it.
    assert!(work.ok("lock --check images.lock --no-referrers").contains("same "));

    // A referrer that the registry lists by its fallback tag.
    let multi = named(&entries, "library/multi:1.0");
    let fallback = multi.digest.replace(':', "-");
    let document: Value = serde_json::from_slice(&content(&app.digest)).unwrap();
    let mut referrer = document.clone();
    let size = content(&multi.digest).len();
    let subject = json!({"mediaType": multi.media_type, "digest": multi.digest, "size": size});
    referrer["subject"] = subject;
    let in_multi = Entry { repository: multi.repository.clone(), tag: None, ..app.clone() };
    eyes.push(&[in_multi]);
    let bytes = referrer.to_string().into_bytes();
    let digest = super::support::images::digest(&bytes);
    eyes.put(&format!("library/multi/manifests/{digest}"), &app.media_type, &bytes);
    let index = json!({"schemaVersion": 2, "mediaType": super::support::images::OCI_INDEX,
        "manifests": [{"mediaType": app.media_type, "digest": digest, "size": bytes.len()}]});
    let index_type = super::support::images::OCI_INDEX;
    eyes.put(
        &format!("library/multi/manifests/{fallback}"),
        index_type,
        index.to_string().as_bytes(),
    );
    let expected = json!([{"change": "appeared", "subject": multi.digest, "digest": digest}]);
    assert_eq!(json!(changes(&work, "multi:1.0")), expected);
}

#[test]
fn what_is_gone_or_cannot_be_asked_is_told() {
    let (work, registry, entries) = locked();
    let busybox = named(&entries, "library/busybox:1.35");
    let place = format!("library/busybox/manifests/{}", busybox.digest);
    Eyes::on(&registry.host()).delete(&place);
    let expected = json!([{"change": "gone"}, {"change": "lost", "digest": busybox.digest}]);
    assert_eq!(json!(changes(&work, "busybox:1.35")), expected);
    let message =
        work.refused("export --lock images.lock -o bundle --key release.key", 1, "not-found");
    assert!(message.contains("library/busybox:1.35"), "{message}");
    drop(registry);
    let fast = "--retries 0 --timeout 5";
    work.refused(&format!("lock --check images.lock {fast}"), 1, "unreachable");
    work.refused(&format!("lock --check images.lock {fast} --keep-going"), 5, "partial");
    for line in ["lock --check images.lock -o new.lock", "lock --check images.lock busybox", "lock"]
    {
        work.refused(line, 2, "usage");
    }
    work.write("images.lock", "{}");
    work.refused("lock --check images.lock", 3, "bad-lock");
}
