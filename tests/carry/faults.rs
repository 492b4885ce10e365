//! Registries and networks on their bad days.

use std::time::{Duration, Instant};

use super::support::DockerRegistry;
use super::support::command::Work;
use super::support::images::{Entry, Eyes, IMAGES, entries};
use super::support::proxy::{Fault, Proxy, Rule, always, times};
use super::{TRUST, seeded};

const IMAGE: &str = "library/busybox";
const LAYER: &str = "blobs/sha256:c8e0c85a505cb5f91288978";
const CONFIG: &str = "blobs/sha256:79cc6eba765";
const MANIFEST: &str = "manifests/";
const UPLOAD: &str = "/blobs/uploads/";
const NOT_FOUND: Fault = Fault::Answer("404 Not Found\r\n");
const BROKEN: Fault = Fault::Answer("500 Internal Server Error\r\n");
const BUSY: Fault = Fault::Answer("429 Too Many Requests\r\nretry-after: 1\r\n");
const NO_CHALLENGE: Fault = Fault::Answer("401 Unauthorized\r\n");

/// A bundle of the one image, and the image.
fn bundled() -> (Work, Vec<Entry>) {
    let work = Work::new();
    let image = format!("docker.io/{IMAGE}:1.35=oci:{IMAGES}:{IMAGE}:1.35");
    work.ok(&format!("export {image} -o bundle --key release.key"));
    (work, entries(&[IMAGE]))
}

/// Tries all cases at the same time: most of it is waiting.
fn at_once<T: Copy + Send>(cases: &[T], case: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        for &one in cases {
            let case = &case;
            scope.spawn(move || case(one));
        }
    });
}

/// Runs an export through a proxy with these rules; it must fail so, and seal nothing. Then it must
/// succeed without them, in the same place. Gives the message.
fn export_fails(rules: Vec<Rule>, more: &str, exit: i32, code: &str) -> String {
    let work = Work::new();
    let (from, entries) = seeded(&[IMAGE]);
    let proxy = Proxy::start(from.port(), rules);
    let line = format!("export {}/{IMAGE}:1.35 -o bundle --key release.key {more}", proxy.host());
    let start = Instant::now();
    let message = work.refused(&line, exit, code);
    assert!(start.elapsed() < Duration::from_secs(15), "{message}: {:?}", start.elapsed());
    assert!(!work.path("bundle/seal").exists(), "{message}");
    proxy.heal();
    work.ok(&line);
    let to = DockerRegistry::start();
    work.ok(&format!("import bundle {TRUST} --to docker://{}", to.host()));
    Eyes::on(&to.host()).assert_holds("", &entries);
    message
}

/// The same with an import; until it succeeds no tag leads to anything that is not there.
fn import_fails(rules: Vec<Rule>, more: &str, exit: i32, code: &str) -> String {
    let (work, entries) = bundled();
    let to = DockerRegistry::start();
    let eyes = Eyes::on(&to.host());
    let proxy = Proxy::start(to.port(), rules);
    let line = format!("import bundle {TRUST} --to docker://{} {more}", proxy.host());
    let start = Instant::now();
    let message = work.refused(&line, exit, code);
    assert!(start.elapsed() < Duration::from_secs(15), "{message}: {:?}", start.elapsed());
    assert!(eyes.tags(IMAGE).is_empty(), "{message}");
    proxy.heal();
    work.ok(&line);
    eyes.assert_holds("", &entries);
    message
}

/// Runs an export and an import through proxies with these rules, which must not keep them from
/// their work; gives the heads of the requests of both.
fn passes(pull: Vec<Rule>, push: Vec<Rule>) -> (Vec<String>, Vec<String>) {
    let work = Work::new();
    let (from, entries) = seeded(&[IMAGE]);
    let to = DockerRegistry::start();
    let (pull, push) = (Proxy::start(from.port(), pull), Proxy::start(to.port(), push));
    let image = format!("{}/{IMAGE}:1.35", pull.host());
    work.ok(&format!("export {image} -o bundle --key release.key --timeout 2"));
    work.ok(&format!("import bundle {TRUST} --to docker://{} --timeout 2", push.host()));
    let eyes = Eyes::on(&to.host());
    eyes.assert_holds("", &entries);
    (pull.heads(), push.heads())
}

#[test]
fn a_refusal_without_a_challenge_is_named() {
    let message = export_fails(vec![always("GET", MANIFEST, NO_CHALLENGE)], "", 1, "unauthorised");
    assert!(message.contains("library/busybox:1.35"), "{message}");
    import_fails(vec![always("POST", UPLOAD, NO_CHALLENGE)], "", 1, "unauthorised");
}

#[test]
fn what_is_not_there_is_named() {
    let message =
        export_fails(vec![always("GET", "manifests/1.35", NOT_FOUND)], "", 1, "not-found");
    assert!(message.contains("library/busybox:1.35"), "{message}");
    let message = export_fails(vec![always("GET", LAYER, NOT_FOUND)], "", 1, "not-found");
    assert!(message.contains("sha256:c8e0c85a505cb5f91288978"), "{message}");
}

#[test]
fn a_busy_registry_is_waited_for() {
    let start = Instant::now();
    passes(vec![times(1, "GET", LAYER, BUSY)], vec![times(1, "PATCH", UPLOAD, BUSY)]);
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    export_fails(vec![always("GET", CONFIG, BUSY)], "--retries 1", 1, "rate-limited");
}

#[test]
fn three_failures_pass() {
    let pull = vec![times(3, "GET", CONFIG, BROKEN), times(1, "GET", MANIFEST, BROKEN)];
    let push = vec![
        times(1, "POST", UPLOAD, BROKEN),
        times(3, "PATCH", UPLOAD, BROKEN),
        times(1, "PUT", UPLOAD, BROKEN),
        times(1, "PUT", MANIFEST, BROKEN),
    ];
    passes(pull, push);
}

#[test]
fn failures_without_end_end() {
    at_once(&[MANIFEST, LAYER], |path| {
        export_fails(vec![always("GET", path, BROKEN)], "--retries 1", 1, "registry-failed");
    });
    let requests =
        [("POST", UPLOAD), ("PATCH", UPLOAD), ("PUT", UPLOAD), ("PUT", MANIFEST), ("HEAD", LAYER)];
    at_once(&requests, |(method, path)| {
        let broken = vec![always(method, path, BROKEN)];
        let message = import_fails(broken, "--retries 1", 1, "registry-failed");
        assert!(message.contains("500"), "{message}");
    });
}

#[test]
fn a_cut_pull_goes_on_where_it_was_cut() {
    let (heads, _) = passes(vec![times(2, "GET", LAYER, Fault::CutAnswer(400_000))], vec![]);
    let of_layer: Vec<&String> = heads.iter().filter(|head| head.contains(LAYER)).collect();
    assert_eq!(of_layer.len(), 3, "{of_layer:?}");
    let ranges = of_layer.iter().filter(|head| head.to_lowercase().contains("range: bytes="));
    assert_eq!(ranges.count(), 2, "{of_layer:?}");
}

#[test]
fn a_cut_push_ends_well() {
    passes(vec![], vec![times(2, "PATCH", UPLOAD, Fault::CutRequest(400_000))]);
    // The answer is lost, and what was asked for is done.
    passes(vec![], vec![times(1, "PUT", UPLOAD, Fault::CutAnswer(0))]);
}

#[test]
fn a_line_that_is_always_cut_ends_it() {
    let cut = vec![always("GET", LAYER, Fault::CutAnswer(0))];
    export_fails(cut, "--retries 1", 1, "unreachable");
    let cut = vec![always("PATCH", UPLOAD, Fault::CutRequest(1000))];
    import_fails(cut, "--retries 1", 1, "unreachable");
}

#[test]
fn a_changed_byte_is_damage_and_named() {
    let turned = vec![always("GET", LAYER, Fault::Flip(700_000))];
    let message = export_fails(turned, "", 3, "bad-content");
    assert!(message.contains("sha256:c8e0c85a505cb5f91288978"), "{message}");
    let turned = vec![always("GET", "manifests/1.35", Fault::Flip(200))];
    let message = export_fails(turned, "", 3, "other-digest");
    assert!(message.contains("library/busybox"), "{message}");
}

#[test]
fn silence_ends_in_time() {
    let stall = Fault::Stall(100);
    at_once(&[(MANIFEST, stall), (LAYER, stall), (LAYER, Fault::Crawl)], |(path, fault)| {
        export_fails(vec![always("GET", path, fault)], "--timeout 1 --retries 1", 1, "timed-out");
    });
    passes(vec![times(1, "GET", LAYER, Fault::Stall(300_000))], vec![]);
}

#[test]
fn nobody_at_home_is_told_at_once() {
    let (work, _) = bundled();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let line = format!("import bundle {TRUST} --to docker://{gone} --retries 1");
    assert!(work.refused(&line, 1, "unreachable").contains(&gone.to_string()));
    let line = format!("lock {gone}/a:1 -o images.lock --retries 1");
    assert!(work.refused(&line, 1, "unreachable").contains(&gone.to_string()));
    assert!(!work.path("images.lock").exists());
}
