//! What the distribution-spec asks of a registry that gives out content (1.1: pull, content
//! discovery), as a list of requests and answers.

use serde_json::{Value, json};
use ureq::http::{HeaderMap, Request};

use crate::support::command::Work;
use crate::support::images::{IMAGES, OCI_INDEX, content, digest};
use crate::{Serving, TRUST};

const BUSYBOX: &str = "sha256:fd81094251a3fa1dc71bd0b8e11e70bca5866f67abaed9ef471774b428cad7db";
const MULTI: &str = "sha256:d73168238868fbbd1a59b8c6579b3b6d4f9b89a968176179b12b0a68201a16ef";
const SIGNED: &str = "sha256:56ee10e21e5307b9b25f334c5291ff1b65db4a141e9760b02a68462bca2c23ca";

struct Registry {
    _work: Work,
    server: Serving,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// A refusal in the form of the specification, by its code.
    fn code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/json");
        let errors = self.json()["errors"].as_array().unwrap().clone();
        assert!(errors.iter().all(|error| error["message"].is_string()));
        errors[0]["code"].as_str().unwrap().to_owned()
    }
}

impl Registry {
    fn start() -> Registry {
        let work = Work::new();
        let images =
            ["library/busybox:1.35", "library/multi:1.0", "library/multi:latest", "signed/app:1.0"];
        let images = images.map(|name| format!("oci:{IMAGES}:{name}"));
        work.ok(&format!("export {} -o bundle --key release.key", images.join(" ")));
        let server = Serving::start(&work, &format!("bundle {TRUST}"));
        Registry { _work: work, server }
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build();
        let uri = format!("{}{path}", self.server.address());
        let request = Request::builder().method(method).uri(uri);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = ureq::Agent::from(config).run(request.body(()).unwrap()).unwrap();
        let (head, mut body) = answer.into_parts();
        let body = body.with_config().limit(1 << 26).read_to_vec().unwrap();
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[])
    }
}

#[test]
fn pulling_manifests() {
    let registry = Registry::start();
    assert_eq!(registry.get("/v2/").status, 200);
    for (path, wanted) in [
        ("library/multi/manifests/1.0", MULTI),
        (&format!("library/multi/manifests/{MULTI}"), MULTI),
        ("library/busybox/manifests/1.35", BUSYBOX),
    ] {
        let path = format!("/v2/{path}");
        let (get, head) = (registry.get(&path), registry.ask("HEAD", &path, &[]));
        assert_eq!((get.status, head.status), (200, 200), "{path}");
        assert_eq!(digest(&get.body), wanted);
        assert!(get.body == content(wanted), "byte for byte");
        assert_eq!(head.body.len(), 0);
        for name in ["content-type", "content-length", "docker-content-digest"] {
            assert_eq!(get.header(name), head.header(name), "{path}: {name}");
        }
        assert_eq!(get.header("docker-content-digest"), wanted);
        assert_eq!(get.header("content-length"), get.body.len().to_string());
    }
}

#[test]
fn pulling_blobs() {
    let registry = Registry::start();
    let manifest = registry.get("/v2/library/busybox/manifests/1.35").json();
    for blob in [&manifest["config"], &manifest["layers"][0]] {
        let (wanted, size) = (blob["digest"].as_str().unwrap(), blob["size"].as_u64().unwrap());
        let path = format!("/v2/library/busybox/blobs/{wanted}");
        let (get, head) = (registry.get(&path), registry.ask("HEAD", &path, &[]));
        assert_eq!((get.status, head.status, head.body.len()), (200, 200, 0));
        assert_eq!(digest(&get.body), wanted);
        for name in ["content-type", "content-length", "docker-content-digest", "accept-ranges"] {
            assert_eq!(get.header(name), head.header(name), "{name}");
        }
        assert_eq!(head.header("content-length"), size.to_string());
        for (range, from, to) in [
            ("bytes=0-0".to_owned(), 0, 1),
            (format!("bytes={}-", size - 1), size - 1, size),
            ("bytes=-3".to_owned(), size - 3, size),
            (format!("bytes=1-{}", size * 2), 1, size),
        ] {
            let part = registry.ask("GET", &path, &[("range", &range)]);
            assert_eq!(part.status, 206, "{range}");
            assert!(part.body == get.body[from as usize..to as usize], "{range}");
            assert_eq!(part.header("content-range"), format!("bytes {from}-{}/{size}", to - 1));
            assert_eq!(part.header("content-length"), (to - from).to_string());
        }
        for range in
            [format!("bytes={size}-"), format!("bytes={size}-{}", size + 1), "bytes=-0".to_owned()]
        {
            let past = registry.ask("GET", &path, &[("range", &range)]);
            assert_eq!(
                (past.status, past.header("content-range")),
                (416, format!("bytes */{size}").as_str())
            );
        }
        // Several ranges, other units and nonsense are no reason to refuse: all of it is sent.
        for range in ["bytes=0-1,3-4", "lines=0-1", "bytes=5-2"] {
            assert_eq!(registry.ask("GET", &path, &[("range", range)]).status, 200, "{range}");
        }
    }
}

#[test]
fn what_is_not_there() {
    let registry = Registry::start();
    let absent = digest(b"absent");
    for (path, status, code) in [
        ("nothing/here/manifests/1".to_owned(), 404, "NAME_UNKNOWN"),
        ("nothing/here/tags/list".to_owned(), 404, "NAME_UNKNOWN"),
        ("library/busybox/manifests/absent".to_owned(), 404, "MANIFEST_UNKNOWN"),
        (format!("library/busybox/manifests/{absent}"), 404, "MANIFEST_UNKNOWN"),
        (format!("library/busybox/manifests/{MULTI}"), 404, "MANIFEST_UNKNOWN"),
        (format!("library/busybox/blobs/{absent}"), 404, "BLOB_UNKNOWN"),
        ("library/busybox/blobs/sha256:0".to_owned(), 400, "DIGEST_INVALID"),
        ("library/busybox/referrers/x".to_owned(), 400, "DIGEST_INVALID"),
        ("Library/busybox/tags/list".to_owned(), 400, "NAME_INVALID"),
        ("library/busybox/blobs/uploads/x".to_owned(), 404, "UNSUPPORTED"),
    ] {
        let answer = registry.get(&format!("/v2/{path}"));
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}");
        let head = registry.ask("HEAD", &format!("/v2/{path}"), &[]);
        assert_eq!((head.status, head.body.len()), (status, 0), "{path}");
    }
}

#[test]
fn writing_is_refused() {
    let registry = Registry::start();
    for (method, path) in [
        ("POST", "library/busybox/blobs/uploads/"),
        ("PUT", "library/busybox/manifests/1.35"),
        ("PATCH", "library/busybox/blobs/uploads/x"),
        ("DELETE", "library/busybox/manifests/1.35"),
        ("DELETE", "library/busybox/blobs/x"),
    ] {
        let answer = registry.ask(method, &format!("/v2/{path}"), &[]);
        assert_eq!((answer.status, answer.code().as_str()), (405, "UNSUPPORTED"), "{method}");
        assert_eq!(answer.header("allow"), "GET, HEAD");
    }
}

#[test]
fn listing_tags_in_pages() {
    let registry = Registry::start();
    let path = "/v2/library/multi/tags/list";
    let all = registry.get(path);
    assert_eq!(all.json(), json!({"name": "library/multi", "tags": ["1.0", "latest"]}));
    for (query, tags, more) in [
        ("n=0", json!([]), false),
        ("n=1", json!(["1.0"]), true),
        ("n=2", json!(["1.0", "latest"]), false),
        ("n=9", json!(["1.0", "latest"]), false),
        ("n=1&last=1.0", json!(["latest"]), false),
        ("last=1.0", json!(["latest"]), false),
        ("last=latest", json!([]), false),
        ("last=absent", json!(["latest"]), false),
    ] {
        let answer = registry.get(&format!("{path}?{query}"));
        assert_eq!((answer.status, &answer.json()["tags"]), (200, &tags), "{query}");
        assert_eq!(answer.header("link").contains("rel=\"next\""), more, "{query}");
    }
    // Following the links leads through all of it.
    let (mut next, mut found) = (format!("{path}?n=1"), Vec::new());
    while !next.is_empty() {
        let answer = registry.get(&next);
        found.extend(answer.json()["tags"].as_array().unwrap().clone());
        let link = answer.header("link");
        next = link.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
    }
    assert_eq!(json!(found), json!(["1.0", "latest"]));
    assert_eq!(registry.get(&format!("{path}?n=-1")).status, 400);
    let names = registry.get("/v2/_catalog?n=2");
    assert_eq!(names.json()["repositories"], json!(["library/busybox", "library/multi"]));
    assert_eq!(names.header("link"), "</v2/_catalog?n=2&last=library/multi>; rel=\"next\"");
    let rest = registry.get("/v2/_catalog?n=2&last=library/multi");
    assert_eq!(
        (rest.json()["repositories"].clone(), rest.header("link")),
        (json!(["signed/app"]), "")
    );
}

#[test]
fn listing_referrers() {
    let registry = Registry::start();
    let path = format!("/v2/signed/app/referrers/{SIGNED}");
    let all = registry.get(&path);
    assert_eq!((all.status, all.header("content-type")), (200, OCI_INDEX));
    let listed = all.json();
    assert_eq!((&listed["schemaVersion"], &listed["mediaType"]), (&json!(2), &json!(OCI_INDEX)));
    let listed = listed["manifests"].as_array().unwrap();
    assert_eq!(listed.len(), 3);
    for referrer in listed {
        let wanted = referrer["digest"].as_str().unwrap();
        let manifest = registry.get(&format!("/v2/signed/app/manifests/{wanted}"));
        assert_eq!(digest(&manifest.body), wanted);
        assert_eq!(manifest.json()["subject"]["digest"], SIGNED);
        assert_eq!(manifest.body.len() as u64, referrer["size"].as_u64().unwrap());
    }
    let kind = "application%2Fspdx%2Bjson";
    let some = registry.get(&format!("{path}?artifactType={kind}"));
    assert_eq!(some.header("oci-filters-applied"), "artifactType");
    assert_eq!(some.json()["manifests"].as_array().unwrap().len(), 1);
    let none = registry.get(&format!("{path}?artifactType=no%2Fkind"));
    assert_eq!(none.json()["manifests"], json!([]));
    // Of a document that is not there, nothing refers to it; that is no error.
    let unknown = registry.get(&format!("/v2/signed/app/referrers/{}", digest(b"absent")));
    assert_eq!((unknown.status, unknown.header("content-type")), (200, OCI_INDEX));
    assert_eq!(unknown.json()["manifests"], json!([]));
}

#[test]
fn mirrors_say_for_whom_they_stand() {
    let registry = Registry::start();
    for (path, status) in [
        ("library/busybox/manifests/1.35?ns=docker.io", 200),
        ("docker.io/library/busybox/manifests/1.35?ns=docker.io", 200),
        ("docker.io/library/busybox/manifests/1.35", 200),
        ("library/busybox/manifests/1.35?ns=quay.io", 404),
        ("quay.io/library/busybox/manifests/1.35", 404),
    ] {
        assert_eq!(registry.get(&format!("/v2/{path}")).status, status, "{path}");
    }
}
